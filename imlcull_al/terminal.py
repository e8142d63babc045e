"""What a person at a terminal sees while work goes on: one bar a task, with the time left. Writes to standard error.

File names come from strangers: nothing of a name moves the cursor, colours the screen or begins another line.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .progress import Progress


def say(text: str) -> None:
    """A line for the person, beside the results; what can't be printed is shown escaped."""
    _write(plain(text))


def plain(text: str) -> str:
    """The text with escapes for all that is no printable character: `\\x1b`, `\\n`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)


def show_log() -> None:
    """Say warnings and errors of all modules on the terminal too, unless something else takes them already."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_Terminal())
        root.setLevel(logging.WARNING)


class _Terminal(logging.Handler):
    """A line for each warning; below it the traceback of a defect."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
        if record.exc_info:
            for line in logging.Formatter().formatException(record.exc_info).splitlines():
                say(line)


def _write(text: str) -> None:
    console = sys.stderr
    encoding = console.encoding or "utf-8"
    console.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    console.flush()


SECONDS_BETWEEN_LINES = 10.0


def progress_lines(clock: Callable[[], float] = time.monotonic) -> Progress:
    """A `Progress` for what is no terminal: a line every ten seconds, with the time left at the pace of the task."""
    task, began, said = "", clock(), clock()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal task, began, said
        now = clock()
        if what != task:
            task, began = what, now
        if now - said < SECONDS_BETWEEN_LINES:
            return
        said = now
        left = f", about {(now - began) / done * (total - done):.0f} s left" if 0 < done < total else ""
        say(f"{what}: {done} of {total}{left}")

    return tell


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` that draws the task, a bar, done of total and the time left; `progress_lines` without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress_lines()
        return
    bars = Bars(*columns, console=console, transient=True, redirect_stdout=False)
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for earlier in tasks.values():
                bars.remove_task(earlier)
            tasks.clear()
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield show
