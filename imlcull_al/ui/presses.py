"""Presses: answers, skips and undos from all screens, as sent by the page's outbox.

Each carries a sequence number from its page, so a retry after a lost reply is idempotent. Presses are applied in
order, and their effects are on disk before `respond` returns.
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
    """Apply `presses` of `visitor`, a UUID made by the page. If none was applied, `error` is a sentence.

    Each press: `number`; `do` answer | burst | sheet | skip | undo; the photo's `key`, or `keys` for a range, a burst
    or a sheet, which are answered atomically; `label` keep | cull, or of a sheet `labels`, one for each of its `keys`;
    the `queue` it was shown in. A burst keeps the first of its `keys` and culls the others; its `key` is the one that
    was asked, in `queue`.
    An undo with a `key` undoes that photo's last answer, with `keys` what was answered in one step to them, see
    `Session.undo_all`, and without any the last answer, unless others are being shown photos: it may be theirs. `of`:
    number of the press it undoes, if known.
    Returns `refused` (number, error) and `undone` (number, undone keys). All other presses succeeded.
    """
    taken, error = attempt(lambda: _take(session, visitor_of(request), listed(request.get("presses"))))
    return {**(taken or {}), "error": error}


def visitor_of(request: Mapping[str, Any]) -> str:
    """The visitor's UUID, in canonical form. Raises `StageError` for anything else."""
    text = request.get("visitor")
    try:
        if isinstance(text, str) and str(uuid.UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise StageError("The request has no valid visitor id. Reload the page.")


def listed(value: Any) -> list[Any]:
    """`value` if it is a list of at most 5000; empty for None. Raises `StageError` for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _LONGEST_LIST:
        raise StageError("The request has no valid list of photos. Reload the page.")
    return value


def keys_in(request: Mapping[str, Any], name: str) -> list[str]:
    """The photo keys of a list in a request; empty without one. Raises `StageError` for anything else."""
    return [key for key in listed(request.get(name)) if isinstance(key, str)]


def _take(session: Session, visitor: str, presses: list[Any]) -> dict[str, Any]:
    """Apply presses in order. A refused press blocks only its own undo."""
    refused: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    for press in presses:
        number = press.get("number") if isinstance(press, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise StageError("A press has no number. Reload the page.")
        work = partial(_undo_of_none if _is_of(press, refused) else _do, session, visitor, press)
        done, error = attempt(partial(session.once, visitor, number, work))
        if error:
            refused.append({"number": number, "error": error})
        elif done:
            undone.append({"number": number, "keys": done})
    return {"refused": refused, "undone": undone}


def _is_of(press: Mapping[str, Any], refused: list[dict[str, Any]]) -> bool:
    return press.get("of") in [each["number"] for each in refused]


def _undo_of_none(session: Session, visitor: str, press: Mapping[str, Any]) -> None:
    """Refuse: the undo of a refused answer would undo an older answer to the same photo."""
    raise StageError("The answer was not saved, so there is nothing to undo.")


def _do(session: Session, visitor: str, press: Mapping[str, Any]) -> list[str]:
    """Apply one press; returns the keys it undid."""
    do, key, label, queue = press.get("do"), press.get("key"), str(press.get("label")), press.get("queue")
    if do == "undo":
        return _undo(session, visitor, press)
    if do == "answer" and "keys" in press:
        session.answer_all(_range(press), label, source="page")
    elif do == "answer":
        session.answer(str(key), label, queue, "page")
    elif do == "burst":
        kept, *others = _frames(press)
        session.answer_burst(kept, others, {str(key): queue} if queue and key in (kept, *others) else {}, "page")
    elif do == "sheet":
        session.answer_sheet(_sheet(press), str(queue), "page")
    elif do == "skip":
        session.skip(str(key), "page")
    else:
        raise StageError(f"Unknown request {do!r}. Reload the page.")
    return []


def _undo(session: Session, visitor: str, press: Mapping[str, Any]) -> list[str]:
    key, keys = press.get("key"), _range(press) if "keys" in press else []
    if key is None and not keys and session.visitors(but=visitor):
        raise StageError("You have nothing to undo here; the last answer may be somebody else's.")
    if keys:
        taken_back = session.undo_all(keys)
    else:
        last = session.undo(None if key is None else str(key))
        taken_back = [last] if last else []
    if not taken_back:
        raise StageError("There is nothing to undo.")
    return [each.key for each in taken_back]


def _sheet(press: Mapping[str, Any]) -> dict[str, str]:
    """Key → label of a press. Raises `StageError` unless every photo has one."""
    keys, labels = _range(press), press.get("labels")
    if not isinstance(labels, list) or len(labels) != len(keys) or not keys:
        raise StageError("The request has no answer for every photo. Reload the page.")
    return dict(zip(keys, map(str, labels), strict=True))


def _frames(press: Mapping[str, Any]) -> list[str]:
    """Keys of the frames of a burst. Raises `StageError` if there are none."""
    keys = _range(press)
    if not keys:
        raise StageError("The request names no photos. Reload the page.")
    return keys


def _range(press: Mapping[str, Any]) -> list[str]:
    """Photo keys of a press, deduplicated. Raises `StageError` unless they are a list of names."""
    keys = press.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise StageError("The request names no photos. Reload the page.")
    return list(dict.fromkeys(keys))
