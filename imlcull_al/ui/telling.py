"""The one place where the page turns an error into a sentence."""

import logging
from collections.abc import Callable
from typing import TypeVar

from ..errors import ImlcullError
from ..session.jobs import defect

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """What `work()` returns and no sentence, or None and the sentence of its error; a defect is logged too."""
    try:
        return work(), ""
    except ImlcullError as error:
        return None, str(error)
    except Exception as error:  # Gradio would show a red box without words
        log.exception("A page asked for something that failed")
        return None, defect(error)
