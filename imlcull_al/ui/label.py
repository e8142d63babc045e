"""The Label screen: one large photo, keep or cull, by key, button or swipe.

What a visitor sees is known to their browser alone, which holds the next photos of its queue and has them loaded
before they are asked for. Every press goes with the key of the photo it was meant for into the page's outbox.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..encoding.sharpness import COLOURS
from ..errors import StageError
from ..learning.queues import QUEUES
from ..project.labels import AUDIT
from ..session.session import Photo, Session
from .assets import PAGE, asset
from .presses import listed, visitor_of
from .serving import photo_id
from .telling import attempt

AHEAD = 16
"""Photos that a browser may hold, at most."""
FOUND = 8
"""Photos listed for what was searched, at most."""
_SCRIPTS = (
    *PAGE, "label_picture.js", "label_map.js", "label.js", "label_beside.js", "label_search.js", "label_hands.js",
)  # fmt: skip


def build() -> None:
    """Put the screen into the page. It asks `respond` by itself, every two seconds and at each press."""
    options = "".join(f'<option value="{name}">{title.capitalize()}</option>' for name, title in QUEUES.items())
    colours = ", ".join(COLOURS)
    gr.HTML(
        value="",
        html_template=asset("label.html").replace("<!-- queues -->", options).replace("<!-- colours -->", colours),
        css_template=asset("label.css"),
        js_on_load="\n".join(asset(script) for script in _SCRIPTS),
        elem_id="label-screen",
        apply_default_css=False,
    )


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what was asked and return what to show; with `error`, a sentence, when that failed.

    `request`: `do` is look | leave | about | find | unlike, `visitor` a UUID that the page made. What else each takes
    and returns is in the function of its name.
    """
    acts = {"look": look, "leave": leave, "about": about, "find": find, "unlike": unlike}
    do = request.get("do")
    act = acts.get(do) if isinstance(do, str) else None
    if act is None:
        return {"error": "The page asked for what there is not. Reload it."}
    reply, error = attempt(lambda: act(session, request))
    return {**(reply or {}), "error": error or (reply or {}).get("error", "")}


def look(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Show the queue.

    `queue`: its name; `held`: keys loaded ahead, which stay in front; `passed`: keys looked past, which come last;
    `current`: the photo on screen. Returns `upcoming` photos of the queue, `current` as it stands, counts and words.
    """
    visitor, queue, now = visitor_of(request), str(request.get("queue")), session.counts()
    left = now.photos - now.keep - now.cull
    # A fair share, so that somebody who comes later to a small rest finds photos too.
    count = min(AHEAD, max(3, left // (session.visitors() + 1)))
    upcoming = session.offer(visitor, queue, count, _keys(request, "held"), _keys(request, "passed"))
    current = request.get("current")
    visitors = session.visitors()
    return {
        "queue": queue,
        "upcoming": [_shown(session, photo) for photo in upcoming],
        "current": _shown(session, session.photo(current)) if isinstance(current, str) else None,
        "labeled": now.keep + now.cull,
        "photos": now.photos,
        "counts": counts(session),
        "visitors": f"{visitors} people labeling" if visitors > 1 else "",
        "advice": advice(session),
        "promise": promised(session),
        "nothing": "" if upcoming else nothing(session, queue),
        "offer_unlike": session.prepared and left > 0 and bool(now.keep) != bool(now.cull),
        "news": session.news,
        "notice": session.notice,
    }


def leave(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """The page is closed: let others have its photos."""
    session.offer(visitor_of(request), count=0)
    return {}


def about(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """`photo` by its `key`, its exposure, and the answered photos most like it; not those where `queue` is blind."""
    key = str(request.get("key"))
    similar = [] if request.get("queue") == AUDIT else session.similar(key)
    return {
        "photo": _shown(session, session.photo(key)),
        "exposure": session.exposure(key),
        "similar": [
            {"key": each.key, "id": photo_id(session, each.key), "label": each.label, "similarity": each.similarity}
            for each in similar
        ],
    }


def find(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """`found`: the photo with the number `text` in file order, then those whose names hold it, in file order."""
    text = request.get("text")
    if not isinstance(text, str):
        raise StageError("Search for a part of a name, or for a number.")
    keys, wanted = session.listing.keys, text.strip().casefold()
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else 0
    numbered = [keys[number - 1]] if 1 <= number <= len(keys) else []
    named = [key for key in keys if wanted and wanted in key.casefold()]
    found = list(dict.fromkeys([*numbered, *named]))
    return {"found": [_shown(session, session.photo(key)) for key in found[:FOUND]], "total": len(found)}


def unlike(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """`photo`: the unlabeled one least like those labeled, held for this visitor unless somebody else is shown it."""
    visitor = visitor_of(request)
    photo = session.unlike()
    if photo is None:
        raise StageError("There is no such photo yet: the photos are still being embedded, or all are labeled.")
    held = [photo.key, *_keys(request, "held")]
    offered = session.offer(visitor, "uncertain", AHEAD, held, _keys(request, "passed"))
    return {"photo": _shown(session, offered[0]) if offered else None}


def counts(session: Session) -> str:
    """`37 of 360 labeled · 20 keep · 17 cull`."""
    now = session.counts()
    unreadable = f" · {now.unreadable} unreadable" if now.unreadable else ""
    return f"{now.keep + now.cull} of {now.photos} labeled · {now.keep} keep · {now.cull} cull{unreadable}"


def advice(session: Session) -> str:
    """A sentence where the answers so far need one."""
    now = session.counts()
    if now.keep and not now.cull:
        return "Only keep so far. Scores start with the first cull."
    if now.cull and not now.keep:
        return "Only cull so far. Scores start with the first keep."
    if now.keep and not session.prepared:
        return "Scores start when all photos have been embedded."
    return ""


def promised(session: Session) -> str:
    """The promise so far, once something was checked."""
    promise = session.promise()
    if promise is None or not promise.certificate.cull_pile.checked:
        return ""
    return promise.summary


def nothing(session: Session, queue: str) -> str:
    """Why a queue has nothing to show, and what to do next."""
    now = session.counts()
    if session.next() is None:
        but = f" but {now.unreadable} that can't be read; these are kept" if now.unreadable else ""
        done = f"All photos are labeled{but}. Train next, or cull."
        return done if queue != "disagreements" else f"No answer of yours disagrees with the scores. {done}"
    if queue != "disagreements":
        return "The last photos are being shown to somebody else. Look at the disagreements meanwhile."
    if now.keep and now.cull and session.prepared:
        return "No answer of yours disagrees with the scores. Choose another queue."
    return "There are no scores yet that could disagree. Label some photos to keep and some to cull first."


def _shown(session: Session, photo: Photo) -> dict[str, Any]:
    return {
        "key": photo.key,
        "id": photo_id(session, photo.key),
        "p_keep": photo.p_keep,
        "label": photo.label,
        "queue": photo.queue,
        "number": bisect_left(session.listing.keys, photo.key) + 1,
    }


def _keys(request: Mapping[str, Any], name: str) -> list[str]:
    return [key for key in listed(request.get(name)) if isinstance(key, str)]
