"""The Cull screen: what a cull would come to, always as of now; make the next stage, see what was made, undo it."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from ..culling.plan import Decision, Plan, told
from ..progress import amount
from ..project.left_out import told as left_out_told
from ..session.desk import CULLING, UNDOING, Desk, Made
from ..session.jobs import DONE, Job
from ..session.outlook import Outlook, spent
from ..session.session import Session
from . import ratings
from .clock import Clock
from .folders import file_manager, open_folder
from .look import Ended, ended, on_press, sentence, table
from .scripts import starting
from .serving import SMALL, Find, photo_id, photo_url
from .telling import attempt
from .threshold import given, threshold_slider

WALL = 24
"""Most close calls shown."""
MOSAIC = 48
"""Most kept photos shown after a cull."""
SCRIPT = "cull.js"
METHODS = {
    "Copies: files of their own": "copy",
    "Hard links: no more space, and an edit changes both": "hardlink",
    "Reflinks: no more space, and an edit changes one; few disks can": "reflink",
}
_NAMED = 3
"""Most photos that a warning names."""


class Screen(NamedTuple):
    """The parts that the page couples with others: the threshold, and 1 while the screen is open, else 0."""

    threshold: gr.Slider
    is_open: gr.Number


def build(find: Find, clock: Clock, *, has_programs: bool = True) -> Screen:
    """Add the screen to the page.

    `has_programs`: whether other programs read and write beside the photos.
    """
    is_open = gr.Number(0, visible=False)
    with gr.Column(elem_classes="screen"):
        offer = gr.HTML()
        with gr.Row():
            threshold = threshold_slider()
        with gr.Row():
            make = gr.Button("Copy the keepers", variant="primary", interactive=False, scale=0, min_width=300)
            go_on = gr.Button("Continue", variant="primary", visible=False, scale=0, min_width=300)
            see = gr.Button("Open folder", visible=False, scale=0, min_width=160)
            take_back = gr.Button("Undo this cull", visible=False, scale=0, min_width=180)
            go_back = gr.Button("Back", visible=False, scale=0, min_width=180)
        message = gr.HTML()
        with gr.Accordion("More", open=False):
            link = gr.Radio([*METHODS.items()], value="copy", label="What the next stage gets", min_width=280)
        if has_programs:  # above the outcome, which may be long
            ratings.build(find, clock, threshold)
        outcome = gr.HTML("", js_on_load=starting(SCRIPT), elem_id="cull-screen")
    seen, then = gr.State((None, None)), clock.until_answers_change(message)
    shown = gr.State()

    def on_tick(
        desk: Desk, seen: tuple[Any, Ended | None], percent: float | None, method: str, is_open: float
    ) -> tuple[Any, ...]:
        job, stage, is_at_work = latest(desk), desk.session.stage, _at_work(desk)
        failure = ended(desk, job, seen[1])
        is_made, can_undo = stage.next.folder.exists(), not is_at_work and desk.session.cull_to_undo() is not None
        found, why = None, ""
        if is_open and not is_at_work and not is_made:
            found, why = attempt(lambda: desk.outlooks.at(desk.session, given(percent)))
        button = promised(stage.next.name, found, method)
        listing, _ = attempt(lambda: desk.session.listing)
        state = (job.number, job.status) if job else None
        looks = (
            stage.name, state, is_at_work, is_made, can_undo, interrupted(desk), found and found.token, why, button,
            len(listing.left_out) if listing else 0,
        )  # fmt: skip
        if (looks, failure) == seen:
            return (gr.skip(),) * 9
        return (
            (looks, failure),
            outcome_html(desk, found, why, failed=bool(failure and failure[2])),
            gr.Button(button, interactive=found is not None, visible=not is_made),
            gr.Button(way_on(desk), visible=not is_at_work and stage.next.manifest.exists()),
            gr.Button(visible=has_programs and is_made and not is_at_work and file_manager() is not None),
            gr.Button(visible=can_undo),
            back_button(desk),
            sentence(interrupted(desk)),
            found.token if found else None,
        )

    # Bound to what this page shows: what is true now may keep other photos.
    on_press(
        make, find, lambda desk, link, token: desk.cull(link, desk.outlooks.shown(token)), [link, shown], message, then
    )

    def on_see(request: gr.Request) -> str:
        _, error = attempt(lambda: open_folder(find(request).session.stage.next.folder, request))
        return sentence(error, "failed")

    if has_programs:
        see.click(on_see, None, message, api_visibility="private")
    on_press(take_back, find, lambda desk: desk.take_back(), None, message, then)
    on_press(go_on, find, lambda desk: desk.go_on(), None, message, then)
    on_press(go_back, find, lambda desk: desk.go_back(), None, message, then)
    outputs = [seen, outcome, make, go_on, see, take_back, go_back, offer, shown]
    clock.every_second(on_tick, [seen, threshold, link, is_open], outputs, message)
    return Screen(threshold, is_open)


def promised(name: str, found: Outlook | None, method: str) -> str:
    """Label of the button that makes the next stage of this name."""
    verb = "Copy" if method == "copy" else "Link"
    keepers = amount(len(found.plan.kept), "keeper") if found else "the keepers"
    return f"{verb} {keepers} to {name}"


def latest(desk: Desk) -> Job | None:
    """The newest cull or undo job on this stage."""
    found = [job for name in (CULLING, UNDOING) if (job := desk.latest(name))]
    return max(found, key=lambda job: job.number, default=None)


def way_on(desk: Desk) -> str:
    """Label of the button that opens the next stage; counts the keepers if the cull ran here."""
    job = latest(desk)
    if job is None or job.name != CULLING or job.status != DONE:
        return f"Continue with {desk.session.stage.next.name}"
    return f"Continue with the {amount(job.result.photos, 'keeper')}"


def back_button(desk: Desk) -> gr.Button:
    """The button that returns to the previous stage; hidden if there is none."""
    old = desk.session.stage.previous
    return gr.Button(f"Back to {old.name}", visible=not _at_work(desk) and old.folder.exists())


def interrupted(desk: Desk) -> str:
    """The sentence about a killed cull; empty if there is none."""
    if _at_work(desk) or not desk.session.interrupted_cull():
        return ""
    stage = desk.session.stage
    return f"The cull of {stage.name} was interrupted; {stage.next.name} was not made. Start it again."


def outcome_html(desk: Desk, found: Outlook | None, why: str = "", *, failed: bool = True) -> str:
    """What the last cull or undo did, or what a cull would come to.

    `found`: that; None while it is being made, or if there is none for the reason `why`. `failed`: whether to say that
    the last job failed.
    """
    job, session = latest(desk), desk.session
    if job and job.running:
        return ""
    if job and job.status == DONE and job.name == CULLING and session.stage.next.folder.exists():
        return made_html(session, job.result)
    last = sentence(job.error, "failed") if job and failed else ""
    if job and job.status == DONE and job.name == UNDOING:
        last = taken_back_html(session, job.result)
    if found:
        return last + outlook_html(session, found)
    if session.stage.next.folder.exists():
        return last + sentence(f"{session.stage.next.name} was made of this stage.")
    listing, _ = attempt(lambda: session.listing)
    return (
        last
        + sentence(why or "Working out what a cull would keep.")
        + left_out_html(listing.left_out if listing else {})
    )


def made_html(session: Session, done: Made) -> str:
    """What the cull made: counts, how to go on, and a mosaic of the kept photos."""
    made, plan = done.stage, done.plan
    companions = f" and {amount(done.companions, 'companion file')}" if done.companions else ""
    unseen = sum(each.reason == "score" for each in plan.decisions)
    return (
        f'<p class="promise numbers" role="status">{_sides(plan)}</p>'
        + sentence(f"{amount(unseen, 'photo')} nobody had to look at. {spent_words(session)}".strip(), "")
        + sentence(
            f"Made {made.name} with {amount(done.photos, 'photo')}{companions}, listed in {made.manifest.name}, in "
            f"{made.project.name}; {session.stage.name} is unchanged. Continue with {made.name} to label and cull the "
            f"keepers; you can return to {session.stage.name} at any time.",
        )
        + mosaic_html(session, [each.key for each in plan.kept])
    )


def spent_words(session: Session) -> str:
    """How long the answers on the page took, as a sentence; empty without any."""
    times = session.answer_times()
    whole = round(spent(times) / 60)
    took = f"about {amount(whole, 'minute')}" if whole else "less than a minute"
    return f"Your {amount(len(times), 'answer')} took {took}." if times else ""


def mosaic_html(session: Session, keys: Sequence[str]) -> str:
    """Thumbnails of some of these photos, evenly spread."""
    step = max(1, -(-len(keys) // MOSAIC))
    pictures = "".join(
        f'<img src="{photo_url(session, key, SMALL)}" alt="{escape(key)}" loading="lazy">' for key in keys[::step]
    )
    return f'<h2>Kept</h2><div class="mosaic">{pictures}</div>' if keys else ""


def taken_back_html(session: Session, aside: Path) -> str:
    """Where the undone stage was moved."""
    return sentence(
        f"Cull undone. {session.stage.next.name} was moved to the folder {aside.name}, with its manifest next to it; "
        "delete both when you no longer need them.",
        "",
    )


def _at_work(desk: Desk) -> bool:
    job = latest(desk)
    return job is not None and job.running


def outlook_html(session: Session, found: Outlook) -> str:
    """Counts, warnings and close calls of a cull that was not made yet."""
    plan = found.plan
    companions = f" With their photos: {amount(plan.companions, 'companion file')}." if plan.companions else ""
    notes = f"At a threshold of {plan.threshold:.0%}; nothing was written. Scores: {plan.model}.{companions}"
    return (
        f'<p class="promise numbers">{_sides(plan)}</p>'
        + table_html(found)
        + "".join(warnings(found))
        + sentence(session.notice)
        + sentence(notes)
        + "".join(map(sentence, told(plan)))
        + left_out_html(plan.left_out)
        + wall_html(session, plan)
    )


def _sides(plan: Plan) -> str:
    return f'<b class="keep">{len(plan.kept):,}</b> kept · <b class="cull">{len(plan.culled):,}</b> culled'


def warnings(found: Outlook) -> list[str]:
    """What to look at before, as HTML with links."""
    emptied, damaged = found.emptied, found.damaged
    lines = {
        f"{amount(len(emptied), 'moment')} keep{'s' if len(emptied) == 1 else ''} nothing": (emptied, "emptied"),
        f"{amount(len(damaged), 'kept photo')} {'is' if len(damaged) == 1 else 'are'} damaged": (damaged, "damaged"),
    }
    return [
        f'<p class="warning">{words}: {escape(", ".join(keys[:_NAMED]))}{" and others" if len(keys) > _NAMED else ""}. '
        f'<a href="#review/{chip}">Review</a></p>'
        for words, (keys, chip) in lines.items()
        if keys
    ]


def left_out_html(left_out: Mapping[str, str]) -> str:
    """Files that are neither photos nor companions, and why, behind a line with their number."""
    if not left_out:
        return ""
    head = "1 file or folder is" if len(left_out) == 1 else f"{len(left_out):,} files or folders are"
    lines = "".join(map(sentence, left_out_told(left_out)))
    return f"<details><summary>{head} left out</summary>{lines}</details>"


def table_html(found: Outlook) -> str:
    """Counts of kept and culled photos by what decided them, a label, the score, or unreadable, and their size."""
    plan, reasons = found.plan, ("label", "score", "unreadable")
    sides = (("Kept", "keep", plan.kept, found.kept_bytes), ("Culled", "cull", plan.culled, found.culled_bytes))
    rows = "".join(
        f'<tr><td class="{style}">{name}</td><td>{len(side)}</td>'
        + "".join(f"<td>{sum(each.reason.startswith(reason) for each in side)}</td>" for reason in reasons)
        + f"<td>{_size(size)}</td></tr>"
        for name, style, side, size in sides
    )
    return table("Kept and culled", ("Decision", "Photos", "Decided by you", "By score", "Unreadable", "Size"), rows)


def _size(count: int) -> str:
    """`4.2 GB`, `17 MB`."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.{0 if count >= 1e7 else 1}f} MB"


def wall_html(session: Session, plan: Plan) -> str:
    """Thumbnails of the photos that the scores decide, closest to the threshold first; a click opens them large."""
    decided = [each for each in plan.decisions if each.reason == "score"]
    closest = sorted(decided, key=lambda each: (abs((each.p_keep or 0.0) - plan.threshold), each.key))[:WALL]
    figures = "".join(_figure(session, each) for each in closest)
    link = '<p><a href="#review/close">All in Review</a></p>'
    return f'<h2>Close calls</h2>{link}<div class="sheet">{figures}</div>' if closest else ""


def _figure(session: Session, decision: Decision) -> str:
    key, is_kept = escape(decision.key), decision.decision == "keep"
    return (
        f'<button class="call {decision.decision}" data-key="{key}" data-id="{photo_id(session, decision.key)}">'
        f'<img src="{photo_url(session, decision.key, SMALL)}" alt="{key}" loading="lazy">'
        f'<span class="numbers">{"kept" if is_kept else "culled"}, {decision.p_keep:.0%}</span></button>'
    )
