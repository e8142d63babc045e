"""The Label screen: one large photo, and what the task asks of it, by key, button or swipe.

View state lives only in the visitor's browser, which prefetches the next photos of its queue. Every press enters the
page's outbox with the key of the photo it was meant for.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import gradio as gr

from ..encoding.sharpness import COLOURS
from ..errors import StageError
from ..project.task import CULL_TASK, Task
from ..session.frames import burst_of, reasons_of
from ..session.session import Counts, Photo, Session, Standing
from ..session.similar import similar
from ..session.similar import unlike as least_like
from .assets import asset
from .presses import keys_in, visitor_of
from .promise import first_figure
from .scripts import starting
from .serving import photo_id
from .tasks import in_numbers, kinds_missing, newer, page_for
from .telling import attempt

AHEAD = 16
"""Most photos a browser may hold."""
FOUND = 8
"""Most photos listed as search results."""
BURSTS = 5
"""How many photos get the frames of their bursts with the queue: the one on screen, and those that come next."""
LATELY = 10
"""How many of the last answers are shown, to be changed."""
LIKELY = 3
"""How many classes a photo's score names."""
SCRIPT = "label.js"


def build(task: Task) -> None:
    """Add the screen to the page. Its script calls `respond` every two seconds and after each press."""
    gr.HTML(
        value="",
        html_template=page(task),
        css_template=asset("label.css"),
        js_on_load=starting(SCRIPT),
        elem_id="label-screen",
        apply_default_css=False,
    )


def page(task: Task) -> str:
    """The HTML of the screen."""
    return page_for(task, "label.html").replace("<!-- colours -->", ", ".join(COLOURS))


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Dispatch a request to the function named by `do`; on failure, the reply's `error` is a sentence.

    `request`: `do` is look | leave | about | find | unlike, `visitor` a UUID made by the page. See each function for
    its other fields and its reply.
    """
    acts = {"look": look, "leave": leave, "about": about, "find": find, "unlike": unlike}
    do = request.get("do")
    act = acts.get(do) if isinstance(do, str) else None
    if act is None:
        return {"error": "Unknown request. Reload the page."}
    reply, error = attempt(lambda: act(session, request))
    return {**(reply or {}), "error": error or (reply or {}).get("error", "")}


def look(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the next photos of a queue.

    `queue`: its name; `held`: prefetched keys, which stay first; `passed`: keys viewed without an answer, which go
    last; `current`: key of the photo on screen; `classes`: how many the page shows. Returns `upcoming` photos, the
    present state of `current`, counts and messages; `bursts`: see `_bursts`; `lately`: the photos answered last, the
    latest first; `gone`: `current` if the stage has no such photo any more; `screen`: see `tasks.newer`. Raises
    `StageError` while the folder of the stage is gone.
    """
    session.check_folder()
    visitor, queue, now = visitor_of(request), str(request.get("queue")), session.standing(wait=False)
    if now.next() is None and session.follow_photos():  # new ones may have come within the last second
        now = session.standing(wait=False)
    given = now.counts
    left = given.photos - given.labeled
    # A fair share: when few photos are left, visitors who join later get some too.
    count = min(AHEAD, max(3, left // (session.visitors() + 1)))
    upcoming = session.offer(visitor, queue, count, keys_in(request, "held"), keys_in(request, "passed"), now)
    current = request.get("current")
    is_gone = isinstance(current, str) and current not in now.keys
    visitors = session.visitors()
    return {
        "queue": queue,
        "upcoming": [_shown(now, photo) for photo in upcoming],
        "current": _shown(now, now.photo(current)) if isinstance(current, str) and not is_gone else None,
        "bursts": _bursts(session, now, [*([] if is_gone else [current]), *(photo.key for photo in upcoming)]),
        "lately": [_shown(now, photo, hidden=True) for photo in now.photos(_lately(now))],
        "gone": current if is_gone else None,
        "error": f"There is no photo {current!r} in {now.stage.name} any more." if is_gone else "",
        "labeled": given.labeled,
        "photos": given.photos,
        "counts": counts(now.task, given),
        "visitors": f"{visitors} people labeling" if visitors > 1 else "",
        "advice": advice(now),
        "promise": promised(now),
        "nothing": "" if upcoming else nothing(now, queue),
        "offer_unlike": now.seen is not None and left > 0 and len(_kinds(now)) == 1,
        "news": now.news,
        "notice": now.notice,
        **newer(now.task, request, page),
    }


def leave(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Release the photos held by a page that closed."""
    session.leave(visitor_of(request))
    return {}


def about(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return `photo` by `key`, its exposure, `reasons` against it, and the most similar labeled photos.

    `blind`: whether the photo is shown without its score; it then has no reasons and no similar photos.
    """
    key = session.check(str(request.get("key")))
    now = session.standing(wait=False)
    alike = [] if request.get("blind") else similar(now, key)
    return {
        "photo": _shown(now, now.photo(key)),
        "exposure": session.exposure(key),
        "reasons": [] if request.get("blind") else reasons_of(now, key),
        "similar": [
            {"key": each.key, "id": photo_id(now, each.key), "label": each.label, "similarity": each.similarity}
            for each in alike
        ],
    }


def find(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Search: photo number `text` in file order, then photos whose names contain `text`, in file order.

    Returns `found`, the first 8, and the `total`.
    """
    text = request.get("text")
    if not isinstance(text, str):
        raise StageError("Search for part of a name, or for a number.")
    now = session.standing(wait=False)
    keys, wanted = now.listing.keys, text.strip().casefold()
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else 0
    numbered = [keys[number - 1]] if 1 <= number <= len(keys) else []
    named = [key for key in keys if wanted and wanted in key.casefold()]
    found = list(dict.fromkeys([*numbered, *named]))
    return {"found": [_shown(now, now.photo(key)) for key in found[:FOUND]], "total": len(found)}


def unlike(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return as `photo` the unlabeled photo least similar to the labeled ones, reserved for this visitor.

    None if somebody else is viewing it. Raises `StageError` before the first embedding, and if no photo or every photo
    is labeled.
    """
    visitor, now = visitor_of(request), session.standing(wait=False)
    photo = least_like(now)
    if photo is None:
        raise StageError("No such photo: the photos are still being analyzed, or all are labeled.")
    held = [photo.key, *keys_in(request, "held")]
    offered = session.offer(visitor, "uncertain", AHEAD, held, keys_in(request, "passed"), now)
    return {"photo": _shown(now, offered[0]) if offered else None}


def counts(task: Task, now: Counts) -> str:
    """`37 of 360 labeled · 20 keep · 17 cull`."""
    unreadable = f" · {now.unreadable} unreadable" if now.unreadable else ""
    return f"{now.labeled} of {now.photos} labeled · {in_numbers(task, now)}{unreadable}"


def advice(now: Standing) -> str:
    """A hint on what is still needed before scores appear, or how many photos have them; empty once all have."""
    given = now.counts
    if now.task == CULL_TASK:
        if given.keep and not given.cull:
            return "Only keeps so far. Scores start with the first cull."
        if given.cull and not given.keep:
            return "Only culls so far. Scores start with the first keep."
    if given.labeled and now.ranking.probability is None:
        missing = kinds_missing(now.task, list(_kinds(now)))
        return missing or "Scores start once the photos you labeled are analyzed; they come first."
    return now.coverage


def promised(now: Standing) -> str:
    """Summary of the promise, or of the accuracy for several classes; empty before the first check."""
    if not now.task.is_binary:
        measured = now.class_measures()
        return measured.report[0] if measured and measured.checks else ""
    promise = now.promise()
    if promise is None or not promise.certificate.cull_pile.checked:
        return ""
    return first_figure(promise) or promise.summary


def nothing(now: Standing, queue: str) -> str:
    """Why a queue is empty, and what to do next."""
    given, is_cull = now.counts, now.task == CULL_TASK
    if given.photos == given.labeled + given.unreadable:
        kept = "; those are kept" if is_cull else ""
        but = f" except {given.unreadable} that can't be read{kept}" if given.unreadable else ""
        done = f"All photos are labeled{but}. Next: train{', or cull' if is_cull else ''}."
        return done if queue != "disagreements" else f"None of your answers disagrees with the scores. {done}"
    if queue != "disagreements":
        return "Somebody else is labeling the last photos. Meanwhile, look at the disagreements."
    if now.ranking.probability is not None:
        return "None of your answers disagrees with the scores. Choose another queue."
    first = "First label some photos keep and some cull." if is_cull else kinds_missing(now.task, list(_kinds(now)))
    return f"There are no scores to disagree with yet. {first}".rstrip()


def _kinds(now: Standing) -> set[str]:
    """The different labels of the stage's photos."""
    return {label for key, label in now.answers.labels.items() if key in now.keys}


def _lately(now: Standing) -> tuple[str, ...]:
    """Keys of the photos answered last, the latest first. A correction leaves a photo in its place."""
    return tuple(islice((key for key in reversed(now.answers.labels) if key in now.keys), LATELY))


def _likely(now: Standing, photo: Photo) -> list[tuple[int, float]]:
    """(class, probability) of the likeliest classes, in order; of tags, all that are more likely than not, too."""
    known = [(number, p) for number, p in enumerate(photo.probability or ()) if p == p]
    ordered = sorted(known, key=lambda each: -each[1])
    most = LIKELY if now.task.exclusive else max(LIKELY, sum(p >= 0.5 for _, p in known))
    return ordered[:most]


def _bursts(session: Session, now: Standing, keys: Sequence[Any]) -> dict[str, Any]:
    """`any`: whether the stage has bursts; `near`: those of the first `BURSTS` photos, without repetition.

    Each burst: its `frames` in time order; `sharpest`: the key of one, or None; `bracket`: whether they are no
    alternatives; `blind`: whether one is out as a blind check, so that all scores are hidden.
    """
    blind, near = session.blind(), {}
    for key in [key for key in keys if isinstance(key, str)][:BURSTS]:
        if (burst := burst_of(now, key, blind)) and burst.keys[0] not in near:
            near[burst.keys[0]] = {
                "frames": [_shown(now, photo, hidden=burst.is_blind) for photo in now.photos(burst.keys)],
                "sharpest": burst.sharpest,
                "bracket": burst.is_bracket,
                "blind": burst.is_blind,
            }
    ranker = now.ranking.ranker
    return {"any": ranker is not None and ranker.has_bursts, "near": list(near.values())}


def _shown(now: Standing, photo: Photo, *, hidden: bool = False) -> dict[str, Any]:
    photo = replace(photo, p_keep=None, probability=None) if hidden else photo
    score = {"p_keep": photo.p_keep} if now.task == CULL_TASK else {"likely": _likely(now, photo)}
    return {
        "key": photo.key,
        "id": photo_id(now, photo.key),
        **score,
        "label": photo.label,
        "queue": photo.queue,
        "number": bisect_left(now.listing.keys, photo.key) + 1,
    }
