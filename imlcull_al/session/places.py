"""Who gets a place on a public page, and who gives way where all are taken; arithmetic only."""

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import UploadRefused

IDLE = 60 * 60.0
"""Seconds without a sign of its visitor after which a workspace may give way."""


class Held(NamedTuple):
    """A workspace: from where it was sent, empty for unknown, when it was last used, whether anything was answered
    there, and whether a job runs or photos come.
    """

    name: str
    sender: str
    used: float
    is_answered: bool = False
    is_busy: bool = False


def gives_way(held: Sequence[Held], sender: str, now: float, most: int, each: int) -> str | None:
    """Who has to go so that `sender` gets a place; None where there is one. `most`: places in all; `each`: of a sender.

    Of the idle ones that goes first in which nothing was answered, then the one that was unused longest; whoever holds
    all that one sender may hold makes room among their own. Raises `UploadRefused` where nobody is idle.
    """
    own = [one for one in held if sender and one.sender == sender]
    if len(own) >= each:
        among, refusal = own, f"{each} people at your address have photos here. Wait until one of them deletes theirs."
    elif len(held) >= most:
        among, refusal = list(held), "Too many people are here at the moment. Come back later."
    else:
        return None
    idle = [one for one in among if not one.is_busy and one.used + IDLE < now]
    if not idle:
        raise UploadRefused(refusal)
    return min(idle, key=lambda one: (one.is_answered, one.used)).name
