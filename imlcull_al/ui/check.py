"""The Check screen: what a promise takes, and contact sheets of spot checks and of photos to look at.

A sheet is answered whole, by one press that enters the page's outbox (see `presses`). Spot checks are blind: without
scores, in an order that says nothing. View state lives only in the visitor's browser.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ..errors import StageError
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST
from ..learning.ways import Way
from ..project.labels import AGAIN, LOOK, SHEET
from ..project.task import CULL_TASK, Task
from ..session.session import Photo, Session, Standing
from .assets import asset
from .clock import Clock
from .presses import keys_in, visitor_of
from .promise import TARGETS, curves_html, first_steps, more_html, said_html
from .scripts import starting
from .serving import photo_id
from .tasks import newer, page_for
from .telling import attempt

MOST = 100
"""Most photos a browser may hold."""
SCRIPT = "check.js"


def build(clock: Clock, task: Task) -> None:
    """Add the screen to the page."""
    screen = gr.HTML(
        value="",
        html_template=page(task),
        css_template=asset("check.css"),
        js_on_load=starting(SCRIPT),
        elem_id="check-screen",
        apply_default_css=False,
    )
    # A change of value makes the script ask anew; the template doesn't display it.
    clock.every_second(lambda desk: desk.session.revision, None, screen)


def page(task: Task) -> str:
    """The HTML of the screen."""
    options = "".join(
        f'<option value="{target * 100:.0f}"{" selected" if target == MAX_KEEPERS_LOST else ""}>{target:.0%}</option>'
        for target in TARGETS
    )
    return page_for(task, "check.html").replace("<!-- targets -->", options)


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Dispatch a request to the function named by `do`; on failure, the reply's `error` is a sentence.

    `request`: `do` is look | leave | plan | curves, `visitor` a UUID made by the page; `threshold` and `target` as on
    the screen. See each function for its other fields and its reply.
    """
    acts = {"look": look, "leave": leave, "plan": plan, "curves": curves}
    do = request.get("do")
    act = acts.get(do) if isinstance(do, str) else None
    if act is None:
        return {"error": "Unknown request. Reload the page."}
    reply, error = attempt(lambda: act(session, request))
    return {**(reply or {}), "error": error}


def look(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the photos of a visitor's sheets.

    `queue`: sheet or look; `count`: how many, in all; `held`: keys on the page's sheets, which stay; `limit`: score
    from which photos are looked at. Returns `photos`, those held first that are still unanswered; `again`: a photo
    to ask again in full size; `nothing`: why there are none. `screen`: see `tasks.newer`.
    """
    session.check_folder()
    visitor, queue, now = visitor_of(request), request.get("queue"), session.standing(wait=False)
    if not now.task.is_binary:
        return {"revision": session.revision, "photos": [], "again": None, "nothing": "", **_newer(now, request)}
    if queue not in (SHEET, LOOK):
        raise StageError("Unknown request. Reload the page.")
    again = session.asked_again(visitor)  # first, as it gives back one whose sheet was taken back
    photos = _leased(session, visitor, queue, request) if now.ranking.p_keep is not None else []
    return {
        "revision": now.revision,
        "queue": queue,
        "photos": [_shown(now, photo) for photo in photos],
        "again": _shown(now, again) if again else None,
        "nothing": "" if photos else nothing(now, queue),
        **_newer(now, request),
    }


def leave(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Release the photos of a page that closed."""
    for queue in (SHEET, LOOK, AGAIN):
        session.release(visitor_of(request), queue)
    return {}


def plan(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the promise takes, and what is known of it.

    `plan`: a sentence; `then`: what to do next; `limit`: score from which photos are looked at; `left`: how many photos
    of either queue; `is_ready`: whether the cull can follow. `said` and `more`: HTML of what the checks say.
    """
    now = session.standing()
    threshold, target = _share(request, "threshold", 0.5), _share(request, "target", MAX_KEEPERS_LOST)
    way = now.cheapest_way(threshold, target) if now.task == CULL_TASK else None
    return {
        "revision": now.revision,
        **(as_data(way, threshold, target) if way else {"plan": _no_plan(now), "then": "", "limit": 0.0, "left": {}}),
        "is_ready": way is not None and way.is_reached,
        "said": said_html(now, target, threshold),
        "more": more_html(now, target, threshold),
    }


def curves(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the HTML of the bound by checks and the learning curve. Slow, so only asked for when shown."""
    return {"curves": curves_html(session.standing())}


def _no_plan(now: Standing) -> str:
    if now.task == CULL_TASK and now.ranking.p_keep is not None:
        return "The plan comes once all photos are analyzed."
    return first_steps(now)


def as_data(way: Way, threshold: float, target: float) -> dict[str, Any]:
    """A way to the promise for the page: see `plan`.

    Once it is reached, every photo between its own threshold and `threshold` has an answer, so a cull at either makes
    the same decisions.
    """
    summary = way.summary(target, CONFIDENCE)
    left = {SHEET: way.checks, LOOK: way.looks}
    if way.is_reached:
        then = f"Next: cull at {threshold:.0%}."
        return {"plan": f"Ready. {summary}", "then": then, "limit": way.threshold, "left": left}
    steps = {
        AGAIN: "Next: the photos of your sheets that come again in full size.",
        SHEET: 'Next: "Spot checks".',
        LOOK: 'Next: "Photos to look at".',
    }
    then = steps.get(way.next_step, "")
    return {"plan": summary, "then": then, "limit": way.threshold, "left": left}


def nothing(now: Standing, queue: str) -> str:
    """Why a visitor gets no photos of a queue."""
    if now.ranking.p_keep is None:
        return f"Sheets come once there are scores. {first_steps(now)}".strip()
    given = now.counts
    if given.photos == given.labeled + given.unreadable:
        return f"Every photo has an answer. Next: {'cull' if now.task == CULL_TASK else 'train'}."
    if queue == LOOK:
        return "No photos are left to look at. The line above says what is next."
    return "Somebody else is checking the last photos."


def _leased(session: Session, visitor: str, queue: str, request: Mapping[str, Any]) -> list[Photo]:
    """The photos of this queue; those of the other are released."""
    count, held = request.get("count"), keys_in(request, "held")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST:
        raise StageError(f"A page can hold up to {MOST} photos. Reload it.")
    threshold = _share(request, "threshold", 0.5)
    session.release(visitor, SHEET if queue == LOOK else LOOK)
    if queue == LOOK:
        return session.looks(visitor, _share(request, "limit", 0.0), threshold, count, held)
    return session.sheet(visitor, threshold, count, held)


def _share(request: Mapping[str, Any], name: str, default: float) -> float:
    """A number between 0 and 1 of a request. Raises `StageError` for anything else."""
    value = request.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise StageError(f"There is no {name}. Enter a number between 0 and 1.")
    return float(value)


def _newer(now: Standing, request: Mapping[str, Any]) -> dict[str, str]:
    return newer(now.task, request, page)


def _shown(now: Standing, photo: Photo) -> dict[str, Any]:
    score = photo.p_keep if now.task == CULL_TASK else None
    return {"key": photo.key, "id": photo_id(now, photo.key), "p_keep": score}
