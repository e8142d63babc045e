"""Presses: the answers, skips and undos of all screens, as the page's outbox sends them.

Each has a number, counted by its page. One that is sent twice, because its reply was lost, counts once. Presses are
taken in order, and what they did is on the disk before `respond` returns.
"""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import StageError
from ..session.session import Session
from .telling import attempt

_LONGEST_LIST = 5000


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Take `presses` of `visitor`, a UUID that the page made; with `error`, a sentence, when none was taken.

    Each press: `number`; `do` answer | skip | undo; the photo it is for as `key`, or a range as `keys`, which is
    answered as a whole or not at all; `label` keep | cull; `queue` it was shown in. An undo of a `key` takes back the
    last answer to that photo, null for the last of anybody; one of `keys` what `Session.undo_all` does; `of` is the
    number of the press that it takes back, where that is known.
    Returns `refused` (number, error) and `undone` (number, keys of what was taken back): all others count.
    """
    taken, error = attempt(lambda: _take(session, visitor_of(request), listed(request.get("presses"))))
    return {**(taken or {}), "error": error}


def visitor_of(request: Mapping[str, Any]) -> str:
    """Who asks: a UUID as browsers write it. Raises `StageError` for anything else."""
    text = request.get("visitor")
    try:
        if isinstance(text, str) and str(uuid.UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise StageError("The page did not say which one it is. Reload it.")


def listed(value: Any) -> list[Any]:
    """A list as it was sent, empty for None. Raises `StageError` for what no page sends."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _LONGEST_LIST:
        raise StageError("The page sent something that is no list of photos. Reload it.")
    return value


def _take(session: Session, visitor: str, presses: list[Any]) -> dict[str, Any]:
    """Do the presses in order. One that is refused doesn't hold up the others, except the undo of it."""
    refused: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    for press in presses:
        number = press.get("number") if isinstance(press, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise StageError("The page sent a press without a number. Reload it.")
        work = partial(_undo_of_none if _is_of(press, refused) else _do, session, press)
        done, error = attempt(partial(session.once, visitor, number, work))
        if error:
            refused.append({"number": number, "error": error})
        elif done:
            undone.append({"number": number, "keys": done})
    return {"refused": refused, "undone": undone}


def _is_of(press: Mapping[str, Any], refused: list[dict[str, Any]]) -> bool:
    return press.get("of") in [each["number"] for each in refused]


def _undo_of_none(session: Session, press: Mapping[str, Any]) -> None:
    """It would take back an older answer to the same photo."""
    raise StageError("The answer was not taken, so there is nothing to undo.")


def _do(session: Session, press: Mapping[str, Any]) -> list[str]:
    """Act; the keys of what was undone."""
    do, key, label, queue = press.get("do"), press.get("key"), str(press.get("label")), press.get("queue")
    if do == "undo":
        return _undo(session, press)
    if do == "answer" and "keys" in press:
        session.answer_all(_range(press), label)
    elif do == "answer":
        session.answer(str(key), label, queue)
    elif do == "skip":
        session.skip(str(key))
    else:
        raise StageError(f"The page asked for {do!r}, which there is not. Reload it.")
    return []


def _undo(session: Session, press: Mapping[str, Any]) -> list[str]:
    key = press.get("key")
    if "keys" in press:
        taken_back = session.undo_all(_range(press))
    elif key is None and session.visitors() > 1:
        raise StageError("There is nothing of yours to undo here, and what came before may be somebody else's.")
    else:
        last = session.undo(None if key is None else str(key))
        taken_back = [last] if last else []
    if not taken_back:
        raise StageError("There is nothing to undo.")
    return [each.key for each in taken_back]


def _range(press: Mapping[str, Any]) -> list[str]:
    """The photos of a press, each once. Raises `StageError` for anything else than a list of names."""
    keys = press.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise StageError("The page named no photos. Reload it.")
    return list(dict.fromkeys(keys))
