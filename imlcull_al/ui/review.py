"""The Review screen: all photos of the stage in a grid, split into kept and culled by the threshold.

For a task other than cull, they are told apart by class, without a threshold.
The browser renders from the table returned by `respond`, so moving the threshold needs no request. Photo names and
ids are sent once; scores and labels whenever the session's revision changes.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np

from ..errors import StageError
from ..project.labels import LABELS
from ..project.task import CULL_TASK, Task
from ..session.session import Photo, Session, Standing
from .assets import asset
from .clock import Clock
from .scripts import starting
from .serving import photo_id
from .tasks import kinds_missing, newer, page_for
from .telling import attempt
from .way import NEAR

STEPS = 10_000
"""Scores are sent as floor(p_keep · STEPS), such that p_keep ≥ k / STEPS exactly when the integer is ≥ k."""
_EDGES = np.arange(STEPS + 1) / STEPS
SCRIPT = "review.js"
_ANALYZING = "Scores start once the photos you labeled are analyzed; they come first."


def build(clock: Clock, task: Task) -> None:
    """Add the screen to the page."""
    screen = gr.HTML(
        value="",
        html_template=page(task),
        css_template=asset("review.css"),
        js_on_load=starting(SCRIPT),
        elem_id="review-screen",
        apply_default_css=False,
    )
    # A change of value makes the script request an update; the template doesn't display it.
    clock.every_second(lambda desk: desk.session.revision, None, screen)


def page(task: Task) -> str:
    """The HTML of the screen."""
    return page_for(task, "review.html")


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the screen's data as `view`; on failure, `error` is a sentence.

    `request`: `do` is look; `revision`, `listing` and `moments` are the versions the page already has, if any. `by`:
    the class whose scores it shows; null for the likeliest of each photo. `classes`: how many it shows; see
    `tasks.newer`.
    """
    if request.get("do") != "look":
        return {"view": None, "error": "Unknown request. Reload the page."}
    shown, error = attempt(
        lambda: look(session, *(request.get(name) for name in ("revision", "listing", "moments", "by")))
    )
    return {"view": shown, "error": error, **newer(session.task, request, page)}


def look(
    session: Session, revision: Any = None, listing: Any = None, moments: Any = None, by: Any = None
) -> dict[str, Any]:
    """The table as columns in key order, or only `revision` if the page is up to date.

    `scores`: p_keep in steps, −1 for none; `labels`: 0 none, 1 keep, 2 cull; `unreadable`: row → reason; `damaged`:
    rows of files that lack their end; `near`: distance of a close call from the threshold, in steps; `advice`: why
    there are no scores, or how many photos have them. `photos` (`names`, `ids`) is sent if `listing` changed.
    `sequence` is sent if `moments` changed; see `_sequence`. Other tasks than cull: see `_columns`.
    """
    session.check_folder()
    if revision == session.revision:
        return {"revision": revision}
    now = session.standing()
    survey, reasons = now.survey(), now.unreadable
    table = {
        "revision": now.revision,
        **(_sides(survey) if now.task == CULL_TASK else _columns(now.task, survey, by)),
        "damaged": _rows(now, now.damaged()),
        "near": round(NEAR * STEPS),
        "unreadable": {row: reasons[photo.key] for row, photo in enumerate(survey) if photo.key in reasons},
        "notice": now.notice,
        "advice": advice(now, survey),
    }
    names, sequence = _digest(now), _sequence(now)
    if listing != names:
        table["photos"] = _photos(now, names)
    if moments != sequence["moments"]:
        table["sequence"] = sequence
    return table


def _sides(survey: Sequence[Photo]) -> dict[str, list[int]]:
    return {
        "scores": in_steps([photo.p_keep for photo in survey]),
        "labels": [LABELS.index(photo.label) + 1 if photo.label else 0 for photo in survey],
    }


def _columns(task: Task, survey: Sequence[Photo], by: Any) -> dict[str, Any]:
    """`texts`: different labels, "" first; `labels` and `guesses`: the answer and the likeliest label, as numbers into
    them; `scores`: probability in steps of the class named `by`, or by default of the likeliest one, −1 for none.

    Raises `StageError` for an unknown class.
    """
    if by is not None and by not in task.classes:
        raise StageError("There is no such class. Reload the page.")
    column = None if by is None else task.classes.index(by)
    answers = [photo.label or "" for photo in survey]
    guesses = [task.likeliest(photo.probability) if photo.probability else "" for photo in survey]
    number = {text: number for number, text in enumerate(dict.fromkeys(["", *answers, *guesses]))}
    return {
        "by": by,
        "texts": list(number),
        "labels": [number[text] for text in answers],
        "guesses": [number[text] for text in guesses],
        "scores": in_steps([_score(photo.probability, column) for photo in survey]),
    }


def _score(probability: Sequence[float] | None, column: int | None) -> float | None:
    """The probability of one class, or of the likeliest; None without."""
    if probability is None:
        return None
    known = [p for p in (probability if column is None else [probability[column]]) if p == p]
    return max(known, default=None)


def in_steps(p_keep: Sequence[float | None]) -> list[int]:
    """Scores in units of 1 / `STEPS`, rounded down; −1 for None."""
    known = np.array([-1.0 if score is None else score for score in p_keep])
    # `floor(p_keep * STEPS)` is off by one: 0.29 * 10000 is 2899.9999.
    steps: list[int] = (np.searchsorted(_EDGES, known, side="right") - 1).tolist()
    return steps


def advice(now: Standing, survey: Sequence[Photo]) -> str:
    """Why there are no scores, or how many photos have them; empty once all have."""
    if any(photo.p_keep is not None or photo.probability is not None for photo in survey):
        return now.coverage
    if now.task != CULL_TASK:
        return kinds_missing(now.task, [photo.label for photo in survey if photo.label]) or _ANALYZING
    if now.seen is None:
        return "Scores start once the first photos are analyzed and you have labeled a keep and a cull."
    return "Scores start once you have labeled a keep and a cull."


def _digest(now: Standing) -> str:
    """Short hash of the stage folder, its listing, and the photos that were replaced."""
    names = "\0".join([str(now.stage.folder), *now.listing.keys, repr(sorted(now.versions.items()))])
    return hashlib.blake2b(names.encode(), digest_size=8).hexdigest()


def _sequence(now: Standing) -> dict[str, Any]:
    """`bursts`, `ranks` and `copies`: burst number, chronological rank and number of each row's copies, −1 for none;
    `times`: first capture time of each burst in whole seconds, None if unknown; `brackets`: numbers of bursts that are
    exposure brackets, whose frames are not alternatives.
    """
    known, copies = now.moments(), now.copies()
    ordered = sorted(known, key=lambda key: (known[key][0], not known[key][1] < math.inf, known[key][1], key))
    rank = {key: number for number, key in enumerate(ordered)}
    rows = now.listing.keys
    columns = {
        "bursts": [known[key][0] if key in known else -1 for key in rows],
        "ranks": [rank.get(key, -1) for key in rows],
        "copies": [copies.get(key, -1) for key in rows],
        "times": _first_times(known.values()),
        "brackets": now.brackets(),
    }
    return {"moments": hashlib.blake2b(repr(columns).encode(), digest_size=8).hexdigest(), **columns}


def _first_times(moments: Iterable[tuple[int, float]]) -> list[int | None]:
    """Burst number and capture time of photos → the first time of each burst, in whole seconds."""
    first: dict[int, float] = {}
    for burst, taken in moments:
        first[burst] = min(first.get(burst, math.inf), math.inf if math.isnan(taken) else taken)
    return [int(first[burst]) if first[burst] < math.inf else None for burst in range(len(first))]


def _rows(now: Standing, keys: Sequence[str]) -> list[int]:
    wanted = frozenset(keys)
    return [row for row, key in enumerate(now.listing.keys) if key in wanted] if wanted else []


def _photos(now: Standing, listing: str) -> dict[str, Any]:
    """Data that changes only with the listing."""
    keys = now.listing.keys
    return {
        "listing": listing,
        "names": list(keys),
        "ids": [photo_id(now, key) for key in keys],
    }
