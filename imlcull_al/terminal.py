"""What a person at a terminal sees while work goes on: one bar a task, with the time left; in a log, a line now
and then. Writes to standard error.

File names come from strangers: nothing of a name moves the cursor, colours the screen or begins another line.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .progress import REPORTS, Progress, how_far, minutes, seconds_left

SECONDS_BETWEEN_LINES = 10


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


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` that draws the task, a bar, done of total and the time left; `progress_lines` without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress_lines()
        return
    bars = Bars(*columns, console=console, transient=True, redirect_stdout=False)
    tasks: dict[str, TaskID] = {}
    left_of = _pace(time.monotonic)

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for earlier in tasks.values():
                bars.remove_task(earlier)
            tasks.clear()
            tasks[what] = bars.add_task(what, total=total, left="")
        left = left_of(what, done, total)
        bars.update(tasks[what], completed=done, total=total, left="" if left is None else f"{minutes(left)} left")

    with bars:
        yield show


def progress_lines(clock: Callable[[], float] = time.monotonic) -> Progress:
    """A `Progress` for what is no terminal: a line as a task begins, and one every ten seconds with the time left."""
    task, said = "", 0.0
    left_of = _pace(clock)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal task, said
        now, left = clock(), left_of(what, done, total)
        if what != task or (now - said >= SECONDS_BETWEEN_LINES and done < total):
            task, said = what, now
            say(how_far(what, done, total, left))

    return tell


def _pace(clock: Callable[[], float]) -> Callable[[str, int, int], float | None]:
    """Told what a `Progress` is told, says how many seconds that task takes yet; None while unknown."""
    reports: deque[tuple[float, int]] = deque(maxlen=REPORTS)
    task = ""

    def left(what: str, done: int, total: int) -> float | None:
        nonlocal task
        if what != task:
            reports.clear()
            task = what
        reports.append((clock(), done))
        return seconds_left(reports, total)

    return left
