"""Terminal output on standard error: messages, warnings, and a progress bar per task with the time left.

Without a terminal, progress is an occasional log line. File names are untrusted, so unprintable characters are escaped:
no name can move the cursor, color the screen or start a new line.
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
    """Print a line to standard error, escaping unprintable characters."""
    _write(plain(text))


def plain(text: str) -> str:
    """Escape all unprintable characters: `\\x1b`, `\\n`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)


def show_log() -> None:
    """Show the warnings and errors of all modules on the terminal, unless logging is already configured."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_Terminal())
        root.setLevel(logging.WARNING)


class _Terminal(logging.Handler):
    """Print each record as one line, followed by its traceback, if any."""

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
    """A `Progress` that draws task, bar, count and time left; `progress_lines` if standard error is not a terminal."""
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
    """A `Progress` for logs: one line when a task begins, then one every ten seconds with the time left."""
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
    """A function with the arguments of `Progress` that returns the seconds left in the task; None while unknown."""
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
