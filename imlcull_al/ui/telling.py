"""The one place where the page turns an error into a sentence."""

from collections.abc import Callable
from typing import TypeVar

from ..errors import ImlcullError

Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """What `work()` returns and no sentence, or None and the sentence of its error."""
    try:
        return work(), ""
    except ImlcullError as error:
        return None, str(error)
