"""How long work says how far it is, and is asked to stop. Knows nothing of who listens."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done (a few words), how many are done, and of how many."""

Stop = Callable[[], bool]
"""Asked between two steps; true ends the work there."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that nobody watches."""


def never() -> bool:
    """A `Stop` that nobody presses."""
    return False
