"""The Review screen: all photos of the stage in a grid, and where the threshold parts them.

The browser holds the table that `respond` gave it and draws from that; a threshold moves without a request. Names and
addresses of the photos are sent once, scores and answers whenever the session's revision is another one.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np

from ..project.labels import LABELS
from ..session.session import Photo, Session
from .assets import PAGE, asset
from .look import every_second
from .serving import Find, photo_id
from .telling import attempt

STEPS = 10_000
"""A score is sent as a whole number of these, rounded down: p_keep ≥ k / STEPS exactly where the number is ≥ k."""
_EDGES = np.arange(STEPS + 1) / STEPS
_SCRIPTS = (
    *PAGE, "review_table.js", "review_grid.js", "review.js", "review_parting.js", "review_large.js", "review_hands.js",
)  # fmt: skip


def build(find: Find, timer: gr.Timer) -> None:
    """Put the screen into the page."""
    screen = gr.HTML(
        value="",
        html_template=asset("review.html"),
        css_template=asset("review.css"),
        js_on_load="\n".join(asset(script) for script in _SCRIPTS),
        elem_id="review-screen",
        apply_default_css=False,
    )
    # A new value tells the script to look again; the template doesn't show it.
    every_second(timer, find, lambda desk: desk.session.revision, None, screen)


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what was asked and return what to show as `view`; with `error`, a sentence, where that failed.

    `request`: `do` is look; `revision`, `listing` and `moments` are those that the page has, if any.
    """
    if request.get("do") != "look":
        return {"view": None, "error": "The page asked for what there is not. Reload it."}
    shown, error = attempt(lambda: look(session, *(request.get(name) for name in ("revision", "listing", "moments"))))
    return {"view": shown, "error": error}


def threshold_name(session: Session) -> str:
    """Under what the browser's localStorage holds the threshold that was chosen here; the folder is part of it."""
    return f"imlcull threshold {photo_id(session, '')}"


def look(session: Session, revision: Any = None, listing: Any = None, moments: Any = None) -> dict[str, Any]:
    """The table as columns, in key order, or only `revision` when that is still the page's.

    `scores`: p_keep in steps, −1 for none; `labels`: 0 for none, 1 keep, 2 cull; `unreadable`: row → reason;
    `advice`: why there are no scores. `photos`, sent where `listing` is not the page's: `names`, `ids`, `threshold`.
    `sequence`, sent where `moments` is not the page's: `bursts` and `ranks` in the order of time, −1 for unknown,
    and `brackets`, numbers of bursts whose frames are no choice.
    """
    now = session.revision  # before the survey: what changes meanwhile is seen at the next look
    if revision == now:
        return {"revision": now}
    survey, reasons = session.survey(), session.unreadable()
    table = {
        "revision": now,
        "scores": in_steps([photo.p_keep for photo in survey]),
        "labels": [LABELS.index(photo.label) + 1 if photo.label else 0 for photo in survey],
        "unreadable": {row: reasons[photo.key] for row, photo in enumerate(survey) if photo.key in reasons},
        "notice": session.notice,
        "advice": advice(session, survey),
    }
    names, sequence = _digest(session), _sequence(session)
    if listing != names:
        table["photos"] = _photos(session, names)
    if moments != sequence["moments"]:
        table["sequence"] = sequence
    return table


def in_steps(p_keep: Sequence[float | None]) -> list[int]:
    """Scores as whole numbers of 1 / `STEPS`, rounded down; −1 for None."""
    known = np.array([-1.0 if score is None else score for score in p_keep])
    # Not `floor(p_keep * STEPS)`: 0.29 * 10000 is 2899.9999.
    steps: list[int] = (np.searchsorted(_EDGES, known, side="right") - 1).tolist()
    return steps


def advice(session: Session, survey: Sequence[Photo]) -> str:
    """Why there are no scores; empty where there are some."""
    if any(photo.p_keep is not None for photo in survey):
        return ""
    if not session.prepared:
        return "Scores start when all photos have been embedded and both kinds have an answer."
    return "Scores start when both kinds have an answer: a keep and a cull."


def _digest(session: Session) -> str:
    """A short text that is another one for other photos."""
    names = "\0".join([str(session.stage.folder), *session.listing.keys])
    return hashlib.blake2b(names.encode(), digest_size=8).hexdigest()


def _sequence(session: Session) -> dict[str, Any]:
    """Bursts and the order of time by row."""
    known = session.moments()
    ordered = sorted(known, key=lambda key: (known[key][0], not known[key][1] < math.inf, known[key][1], key))
    rank = {key: number for number, key in enumerate(ordered)}
    rows = session.listing.keys
    columns = {
        "bursts": [known[key][0] if key in known else -1 for key in rows],
        "ranks": [rank.get(key, -1) for key in rows],
        "brackets": session.brackets(),
    }
    return {"moments": hashlib.blake2b(repr(columns).encode(), digest_size=8).hexdigest(), **columns}


def _photos(session: Session, listing: str) -> dict[str, Any]:
    """What stays as long as the stage's listing does."""
    keys = session.listing.keys
    return {
        "listing": listing,
        "threshold": threshold_name(session),
        "names": list(keys),
        "ids": [photo_id(session, key) for key in keys],
    }
