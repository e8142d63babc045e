"""Admission to a public page: who gets a workspace, and which idle workspace is evicted for it. Pure arithmetic."""

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import UploadRefused

IDLE = 60 * 60.0
"""Seconds of inactivity after which a workspace may be evicted."""


class Held(NamedTuple):
    """A workspace: the sender's address (empty if unknown), when it was last used, whether any photo was labeled, and
    whether a job or an upload is running.
    """

    name: str
    sender: str
    used: float
    is_answered: bool = False
    is_busy: bool = False


def gives_way(held: Sequence[Held], sender: str, now: float, most: int, each: int) -> str | None:
    """The workspace to evict to make room for `sender`; None if there is room. `most`: limit of workspaces; `each`: per
    sender.

    Only idle workspaces are evicted, those without labels first, then the least recently used. A sender at its own
    limit evicts one of its own. Raises `UploadRefused` if none is idle.
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
