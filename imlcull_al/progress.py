"""Progress callbacks, stop requests and time estimates of long-running work. Independent of who listens."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]
"""Called with the task (a few words), the number of items done, and the total."""

REPORTS = 512
"""Number of latest reports that determine the pace; enough for several batches of photos."""

Stop = Callable[[], bool]
"""Polled between steps; true ends the work."""


def silent(what: str, done: int, total: int) -> None:
    """A no-op `Progress`."""


def never() -> bool:
    """A `Stop` that is never requested."""
    return False


def how_far(what: str, done: int, total: int, left: float | None) -> str:
    """`Embedding · 120 of 360 · about 0:40 left`. `left`: seconds, see `seconds_left`."""
    rest = f" · about {minutes(left)} left" if left and left >= 1 else ""
    return f"{what.capitalize()} · {done} of {total}{rest}"


def amount(count: int, what: str) -> str:
    """`1 sidecar`, `2,550 sidecars`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def minutes(seconds: float) -> str:
    """`0:40`, `12:05` or `1:02:05`."""
    whole, second = divmod(round(seconds), 60)
    hour, minute = divmod(whole, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def seconds_left(reports: Sequence[tuple[float, int]], total: int) -> float | None:
    """Estimate the seconds left from the reports so far, (time, items done); None while unknown.

    The first step is ignored, because it may include loading weights, and so are items found in the cache. The pace is
    measured over the later half of the remaining reports.
    """
    if reports and reports[-1][1] >= total:
        return 0.0
    first = next((place for place, (_, done) in enumerate(reports) if done > reports[0][1]), len(reports))
    if first >= len(reports) - 1:
        return None
    (since, had), (now, done) = reports[(first + len(reports) - 1) // 2], reports[-1]
    if done <= had or now <= since:
        return None
    return (now - since) / (done - had) * (total - done)


@contextmanager
def logged(work: str) -> Iterator[None]:
    """Log at INFO when long work begins, and how and after how many seconds it ended. Also a decorator."""
    log.info("%s: begins", work)
    since, ended = time.monotonic(), "ended early"
    try:
        yield
        ended = "done"
    finally:
        log.info("%s: %s after %.1f s", work, ended, time.monotonic() - since)
