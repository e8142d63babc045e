"""What a person at a terminal sees while work goes on: one bar a task, with the time left. Writes to standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .progress import Progress


def say(text: str) -> None:
    """A line for the person, beside the results; names with odd characters are shown escaped."""
    console = sys.stderr
    encoding = console.encoding or "utf-8"
    console.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    console.flush()


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` that draws: the task, a bar, done of total, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    console = Console(stderr=True)
    bars = Bars(*columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal)
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
