"""How long work says how far it is, and is asked to stop. Knows nothing of who listens."""

from collections.abc import Callable, Sequence

Progress = Callable[[str, int, int], None]
"""Called with what is being done (a few words), how many are done, and of how many."""

REPORTS = 512
"""How many of the last steps tell the pace; enough for several batches of photos."""

Stop = Callable[[], bool]
"""Asked between two steps; true ends the work there."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that nobody watches."""


def never() -> bool:
    """A `Stop` that nobody presses."""
    return False


def how_far(what: str, done: int, total: int, left: float | None) -> str:
    """`Embedding · 120 of 360 · about 0:40 left`; `left`: seconds, see `seconds_left`."""
    rest = f" · about {minutes(left)} left" if left and left >= 1 else ""
    return f"{what.capitalize()} · {done} of {total}{rest}"


def minutes(seconds: float) -> str:
    """`0:40`, `12:05` or `1:02:05`."""
    whole, second = divmod(round(seconds), 60)
    hour, minute = divmod(whole, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def seconds_left(reports: Sequence[tuple[float, int]], total: int) -> float | None:
    """How long the rest takes, from (time, how many were done) of the steps so far; None while that says nothing.

    The first step says nothing, as it may have loaded weights, nor does what was found in a cache. The pace is that of
    the later half of the steps.
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
