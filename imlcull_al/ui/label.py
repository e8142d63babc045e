"""The Label screen: one large photo, keep or cull, by key or button.

Which photo a visitor sees is known to their browser alone. Every press is sent with the key of the photo it was meant
for; a photo takes one press, then the next is shown, from a list that came with the last reply. Answers are on the
disk before `respond` returns.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..errors import StageError
from ..jobs import Job, Jobs
from ..session import Photo, Session
from . import label_page
from .look import every_second
from .serving import LARGE, SMALL, photo_url
from .telling import attempt

UPCOMING = 4
"""Photos that the browser may show before the next reply; few, because each answer changes the order."""
STRIP = 12


def build(session: Session, jobs: Jobs, timer: gr.Timer) -> None:
    """Put the screen into the page."""

    def act(request: dict[str, Any]) -> dict[str, Any]:
        return respond(session, request)

    screen = gr.HTML(
        value="",
        html_template=label_page.HTML,
        css_template=label_page.CSS,
        js_on_load=label_page.SCRIPT,
        server_functions=[act],
        elem_id="label-screen",
        apply_default_css=False,
    )
    # A new value tells the script that scores are new; the template doesn't show it.
    every_second(timer, lambda: scores_version(jobs.state()), None, screen)


def scores_version(job: Job | None) -> str:
    """Another text whenever a job has ended, because scores may be new then."""
    return f"{job.number} {job.status}" if job else ""


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what was pressed and return what to show.

    `request`: `do` is look | answer | skip | undo, `key` the photo it was meant for, `label` keep | cull.
    Returns `view`; with `error`, a sentence, when nothing was done.
    """
    shown, error = attempt(lambda: _do(session, request))
    if error or not _photo(session, shown):
        asked = request.get("key")  # back to the photo whose answer was not taken, if it is still there
        shown = str(asked) if _photo(session, asked) else None
    return {**view(session, shown), "error": error}


def _do(session: Session, request: Mapping[str, Any]) -> str | None:
    """Act; the key of the photo to show, or None for the next of the queue."""
    do, key = request.get("do"), request.get("key")
    if do == "undo":
        taken_back = session.undo()
        if taken_back is None:
            raise StageError("There is nothing to undo.")
        return taken_back.key
    if do == "look":
        return session.photo(str(key)).key if key else None
    if do == "answer":
        session.answer(str(key), str(request.get("label")))
    elif do == "skip":
        session.skip(str(key))
    else:
        raise StageError(f"The page asked for {do!r}, which there is not. Reload it.")
    return None


def view(session: Session, key: str | None) -> dict[str, Any]:
    """Everything the screen shows: `photo` (None: the next of the queue), `upcoming`, `labeled`, counts and words."""
    upcoming = [_shown(session, photo) for photo in session.order(UPCOMING)]
    labeled = [photo for known in list(session.labels())[-STRIP:] if (photo := _photo(session, known))]
    return {
        "photo": _shown(session, session.photo(key)) if key else None,
        "upcoming": upcoming,
        "labeled": [_shown(session, photo) for photo in labeled],
        "counts": counts(session),
        "advice": advice(session),
        "notice": session.notice,
        "error": "",
    }


def counts(session: Session) -> str:
    """`37 of 360 labeled · 20 keep · 17 cull`."""
    now = session.counts()
    unreadable = f" · {now.unreadable} unreadable" if now.unreadable else ""
    return f"{now.keep + now.cull} of {now.photos} labeled · {now.keep} keep · {now.cull} cull{unreadable}"


def advice(session: Session) -> str:
    """A sentence where the answers so far need one."""
    now = session.counts()
    if session.next() is None:
        but = f" but {now.unreadable} that can't be read; these are kept" if now.unreadable else ""
        return f"All photos are labeled{but}. Train next, or cull."
    if now.keep and not now.cull:
        return "Only keep so far. Scores start with the first cull."
    if now.cull and not now.keep:
        return "Only cull so far. Scores start with the first keep."
    return ""


def _photo(session: Session, key: Any) -> Photo | None:
    """A photo, or None for a key that the stage doesn't hold (labels may name such)."""
    return attempt(lambda: session.photo(str(key)))[0]


def _shown(session: Session, photo: Photo) -> dict[str, Any]:
    return {
        "key": photo.key,
        "large": photo_url(session, photo.key, LARGE),
        "small": photo_url(session, photo.key, SMALL),
        "p_keep": None if photo.p_keep is None else f"{photo.p_keep:.0%}",
        "label": photo.label,
    }
