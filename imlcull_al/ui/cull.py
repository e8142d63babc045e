"""The Cull screen: preview a cull with counts and contact sheets, make the next stage, and undo it."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ..culling.copies import LINKS
from ..culling.plan import Decision, Plan, told
from ..progress import amount
from ..project.left_out import told as left_out_told
from ..session.desk import CULLING, DRY_RUN, Desk, Made, preview_token
from ..session.jobs import DONE
from ..session.session import Session
from . import ratings
from .clock import Clock
from .look import Ended, ended, on_press, sentence, table
from .serving import SMALL, Find, photo_url
from .telling import attempt
from .threshold import given, threshold_slider

SHEET = 36
"""Most photos shown of each side."""


def build(find: Find, clock: Clock, *, has_programs: bool = True) -> gr.Slider:
    """Add the screen to the page. Returns its threshold.

    `has_programs`: whether other programs read and write beside the photos.
    """
    with gr.Column(elem_classes="screen"):
        offer = gr.HTML()
        with gr.Row(equal_height=True):
            threshold = threshold_slider()
            link = gr.Radio(list(LINKS), value=LINKS[0], label="Copy method", min_width=280)
        with gr.Row():
            dry_run = gr.Button("Preview", variant="primary", scale=0, min_width=140)
            make = gr.Button("Make the next stage", interactive=False, scale=0, min_width=300)
            go_on = gr.Button("Continue", variant="primary", visible=False, scale=0, min_width=180)
            take_back = gr.Button("Undo this cull", visible=False, scale=0, min_width=180)
            go_back = gr.Button("Back", visible=False, scale=0, min_width=180)
        message = gr.HTML()
        if has_programs:  # above the outcome, which may be long
            ratings.build(find, clock, threshold)
        outcome = gr.HTML()
    seen, then = gr.State((None, -1, None)), clock.until_answers_change(message)
    shown = gr.State()

    def on_tick(desk: Desk, seen: tuple[Any, int, Ended | None], threshold: float | None) -> tuple[Any, ...]:
        now, made, at_work = desk.jobs.state(), desk.session.stage.next, _at_work(desk)
        revision = now.revision if now else 0
        failure = ended(desk, desk.latest_cull(), seen[2])
        plan = desk.planned()  # once, so that button and words are of one moment
        share = None if threshold is None else given(threshold)
        button, can_go_on = promised(desk, plan, share), not at_work and made.manifest.exists()
        can_undo, offered = not at_work and desk.session.cull_to_undo() is not None, interrupted(desk)
        listing, _ = attempt(lambda: desk.session.listing)
        looks = (*button, can_go_on, can_undo, offered, len(listing.left_out) if listing else 0)
        if (looks, revision, failure) == seen:
            return (gr.skip(),) * 8
        preview = desk.preview()
        return (
            (looks, revision, failure),
            "" if failure and not failure[2] else outcome_html(desk, plan),
            gr.Button(button[0], interactive=button[1]),
            gr.Button(way_on(desk), visible=can_go_on),
            gr.Button(visible=can_undo),
            back_button(desk),
            sentence(offered),
            preview_token(preview) if preview else None,
        )

    on_press(dry_run, find, lambda desk, threshold: desk.dry_run(given(threshold)), threshold, message, then)
    # Bound to the preview shown on this page: one made meanwhile elsewhere may keep other photos.
    on_press(make, find, lambda desk, link, token: desk.cull(link, desk.shown(token)), [link, shown], message, then)
    on_press(take_back, find, lambda desk: desk.take_back(), None, message, then)
    on_press(go_on, find, lambda desk: desk.go_on(), None, message, then)
    on_press(go_back, find, lambda desk: desk.go_back(), None, message, then)
    outputs = [seen, outcome, make, go_on, take_back, go_back, offer, shown]
    clock.every_second(on_tick, [seen, threshold], outputs, message)
    return threshold


def promised(desk: Desk, plan: Plan | None, threshold: float | None) -> tuple[str, bool]:
    """Label of the button that makes the next stage, and whether it is enabled: only while the preview is current.

    `plan`: the preview if it is still current; `threshold`: the slider's, None while it has none.
    """
    preview, name = desk.preview(), desk.session.stage.next.name
    if preview is None or desk.session.stage.next.folder.exists():
        return f"Make {name}", False
    if plan is None:
        return f"Make {name}: the preview is out of date", False
    if threshold is None:
        return f"Make {name}: there is no threshold", False
    if threshold != plan.threshold:
        return f"Make {name}: not previewed at {threshold:.0%}", False
    return f"Make {name} with {amount(len(plan.kept), 'photo')}", True


def way_on(desk: Desk) -> str:
    """Label of the button that opens the next stage; counts the keepers if the cull ran here."""
    job = desk.latest_cull()
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
    return f"The cull of {stage.name} was interrupted; {stage.next.name} was not made. Start again with a preview."


def outcome_html(desk: Desk, plan: Plan | None) -> str:
    """Result of the latest preview, cull or undo; before the first, what no cull takes along. `plan`: the preview if
    still current.
    """
    job, session = desk.latest_cull(), desk.session
    if job is None:
        listing, _ = attempt(lambda: session.listing)
        return left_out_html(listing.left_out) if listing else ""
    if job.running:
        return ""
    if job.status != DONE:
        return sentence(job.error, "failed")
    if job.name == DRY_RUN:
        old = "" if plan else sentence("Answers, scores or photos have changed since this preview.")
        return old + plan_html(session, job.result)
    return made_html(session, job.result) if job.name == CULLING else taken_back_html(session, job.result)


def made_html(session: Session, done: Made) -> str:
    """What the cull made, and how to continue with it."""
    made, companions = done.stage, f" and {amount(done.companions, 'companion file')}" if done.companions else ""
    return sentence(
        f"Made {made.name} with {amount(done.photos, 'photo')}{companions}, listed in {made.manifest.name}, in "
        f"{made.project.name}; {session.stage.name} is unchanged. "
        f"Continue with {made.name} to label and cull the keepers; you can return to {session.stage.name} at any time.",
        "",
    )


def taken_back_html(session: Session, aside: Path) -> str:
    """Where the undone stage was moved."""
    return sentence(
        f"Cull undone. {session.stage.next.name} was moved to the folder {aside.name}, with its manifest next to it; "
        "delete both when you no longer need them.",
        "",
    )


def _at_work(desk: Desk) -> bool:
    job = desk.latest_cull()
    return job is not None and job.running


def plan_html(session: Session, plan: Plan) -> str:
    """Counts and contact sheets of a preview."""
    companions = plan.companions
    notes = f"Preview at threshold {plan.threshold:.0%}; nothing was written. Scores: {plan.model}."
    if companions:
        notes += f" With their photos: {amount(companions, 'companion file')}."
    return (
        sentence(notes)
        + sentence(session.notice)
        + "".join(map(sentence, told(plan)))
        + left_out_html(plan.left_out)
        + table_html(plan)
        + sheet_html(session, "Kept", sorted(plan.kept, key=_least_sure))
        + sheet_html(session, "Culled", sorted(plan.culled, key=lambda each: -_least_sure(each)))
    )


def left_out_html(left_out: Mapping[str, str]) -> str:
    """Files that are neither photos nor companions, and why, behind a line with their number."""
    if not left_out:
        return ""
    head = "1 file or folder is" if len(left_out) == 1 else f"{len(left_out):,} files or folders are"
    lines = "".join(map(sentence, left_out_told(left_out)))
    return f"<details><summary>{head} left out</summary>{lines}</details>"


def table_html(plan: Plan) -> str:
    """Counts of kept and culled photos by what decided them: a label, the score, or unreadable."""
    reasons = ("label", "score", "unreadable")
    rows = "".join(
        f'<tr><td class="{style}">{name}</td><td>{len(side)}</td>'
        + "".join(f"<td>{sum(each.reason.startswith(reason) for each in side)}</td>" for reason in reasons)
        + "</tr>"
        for name, style, side in (("Kept", "keep", plan.kept), ("Culled", "cull", plan.culled))
    )
    return table("Kept and culled", ("Decision", "Photos", "Decided by you", "By score", "Unreadable"), rows)


def sheet_html(session: Session, title: str, side: Sequence[Decision]) -> str:
    """Thumbnails of one side, closest to the threshold first."""
    figures = "".join(
        f'<figure title="{escape(each.key)}"><img src="{photo_url(session, each.key, SMALL)}" alt="{escape(each.key)}" '
        f'loading="lazy"><figcaption class="subdued numbers">{_caption(each)}</figcaption></figure>'
        for each in side[:SHEET]
    )
    more = f", {SHEET} of {len(side)}" if len(side) > SHEET else ""
    return f'<h2>{title}, closest to the threshold first{more}</h2><div class="sheet">{figures}</div>' if side else ""


def _caption(decision: Decision) -> str:
    if decision.reason == "label":
        return "labeled"
    return "unreadable" if decision.p_keep is None else f"keep {decision.p_keep:.0%}"


def _least_sure(decision: Decision) -> float:
    """Sort key: the score; labeled and unscored photos sort last on either side."""
    if decision.reason != "score" or decision.p_keep is None:
        return 2.0 if decision.decision == "keep" else -1.0
    return decision.p_keep
