"""Turns errors into sentences, in one place for the whole page."""

import logging
from collections.abc import Callable
from typing import TypeVar

from ..errors import ImlcullError
from ..session.jobs import defect

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """Run `work()`: its result and "", or None and the error as a sentence. Unexpected errors are logged."""
    try:
        return work(), ""
    except ImlcullError as error:
        return None, str(error)
    except Exception as error:  # Gradio would show an empty error box
        log.exception("A request from the page failed")
        return None, defect(error)
