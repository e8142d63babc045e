"""The Cull screen: a dry run with its numbers and photos, one button that makes the next stage, and one that takes it
back.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ..culling.copies import LINKS
from ..culling.plan import Decision, Plan
from ..session.desk import CULL, DRY_RUN, Desk, Made, preview_token
from ..session.jobs import DONE
from ..session.session import Session
from .look import Ended, ended, every_second, on_press, sentence, until_answers_change
from .serving import SMALL, Find, photo_url

SHEET = 36
"""Photos shown of each side."""


def build(find: Find, timer: gr.Timer) -> None:
    """Put the screen into the page."""
    with gr.Column(elem_classes="screen"):
        offer = gr.HTML()
        with gr.Row(equal_height=True):
            threshold = gr.Slider(0, 1, 0.5, step=0.01, label="Threshold: keep from this score on", min_width=280)
            link = gr.Radio(list(LINKS), value=LINKS[0], label="How files are placed", min_width=280)
        with gr.Row():
            dry_run = gr.Button("Dry run", variant="primary", scale=0, min_width=140)
            make = gr.Button("Make the next stage", interactive=False, scale=0, min_width=300)
            go_on = gr.Button("Go on", variant="primary", visible=False, scale=0, min_width=180)
            take_back = gr.Button("Take the cull back", visible=False, scale=0, min_width=180)
            go_back = gr.Button("Back", visible=False, scale=0, min_width=180)
        message = gr.HTML()
        outcome = gr.HTML()
    seen, then = gr.State((None, -1, None)), until_answers_change(timer, find, message)
    shown = gr.State()

    def on_tick(desk: Desk, seen: tuple[Any, int, Ended | None], threshold: float) -> tuple[Any, ...]:
        now, made, at_work = desk.jobs.state(), desk.session.stage.next, _at_work(desk)
        revision = now.revision if now else 0
        failure = ended(desk, desk.latest_cull(), seen[2])
        button, can_go_on = promised(desk, threshold), not at_work and made.manifest.exists()
        can_undo, offered = not at_work and desk.session.cull_to_undo() is not None, interrupted(desk)
        looks = (*button, can_go_on, can_undo, offered)
        if (looks, revision, failure) == seen:
            return (gr.skip(),) * 8
        preview = desk.preview()
        return (
            (looks, revision, failure),
            "" if failure and not failure[2] else outcome_html(desk),
            gr.Button(button[0], interactive=button[1]),
            gr.Button(f"Go on with {made.name}", visible=can_go_on),
            gr.Button(visible=can_undo),
            back_button(desk),
            sentence(offered),
            preview_token(preview) if preview else None,
        )

    on_press(dry_run, find, lambda desk, threshold: desk.dry_run(threshold), threshold, message, then)
    # The press is for the preview on this page: another that was made meanwhile promises something else.
    on_press(make, find, lambda desk, link, token: desk.cull(link, desk.shown(token)), [link, shown], message, then)
    on_press(take_back, find, lambda desk: desk.take_back(), None, message, then)
    on_press(go_on, find, lambda desk: desk.go_on(), None, message, then)
    on_press(go_back, find, lambda desk: desk.go_back(), None, message, then)
    outputs = [seen, outcome, make, go_on, take_back, go_back, offer, shown]
    every_second(timer, find, on_tick, [seen, threshold], outputs, message)


def promised(desk: Desk, threshold: float) -> tuple[str, bool]:
    """What the button says that it does, and whether it can be pressed: as long as the preview is of just that.

    `threshold`: that of the slider.
    """
    preview, plan, name = desk.preview(), desk.planned(), desk.session.stage.next.name
    if preview is None or desk.session.stage.next.folder.exists():
        return f"Make {name}", False
    if plan is None:
        return f"Make {name}: the preview is out of date", False
    if threshold != plan.threshold:
        return f"Make {name}: not previewed at {threshold:g}", False
    return f"Make {name} of {len(plan.kept)} photos", True


def back_button(desk: Desk) -> gr.Button:
    """The way to the stage before, where there is one."""
    old = desk.session.stage.previous
    return gr.Button(f"Back to {old.name}", visible=not _at_work(desk) and old.folder.exists())


def interrupted(desk: Desk) -> str:
    """The sentence about a cull that was killed; empty for none."""
    if _at_work(desk) or not desk.session.interrupted_cull():
        return ""
    stage = desk.session.stage
    return f"The cull of {stage.name} was interrupted; {stage.next.name} was not made. Make a dry run to do it again."


def outcome_html(desk: Desk) -> str:
    """What the newest of dry run, cull and taking back came to; nothing before the first."""
    job, session = desk.latest_cull(), desk.session
    if job is None or job.running:
        return ""
    if job.status != DONE:
        return sentence(job.error, "failed")
    if job.name == DRY_RUN:
        old = "" if desk.planned() else sentence("Answers, scores or photos changed since this preview.")
        return old + plan_html(session, job.result)
    return made_html(session, job.result) if job.name == CULL else taken_back_html(session, job.result)


def made_html(session: Session, done: Made) -> str:
    """What there is now, and how to go on with it."""
    made, companions = done.stage, f" and {done.companions} companion files" if done.companions else ""
    return sentence(
        f"Made {made.name} of {done.photos} photos{companions}, with {made.manifest.name}, in {made.project.name}; "
        f"{session.stage.name} is as it was. "
        f"Go on with {made.name} to label and cull what was kept; there is a way back to {session.stage.name}.",
        "",
    )


def taken_back_html(session: Session, aside: Path) -> str:
    """Where the stage lies now."""
    return sentence(
        f"Took the cull back. What was {session.stage.next.name} is in the folder {aside.name} now, its manifest "
        "beside it; delete both when you don't need them.",
        "",
    )


def _at_work(desk: Desk) -> bool:
    job = desk.latest_cull()
    return job is not None and job.running


def plan_html(session: Session, plan: Plan) -> str:
    """Numbers and contact sheets of a dry run."""
    companions = plan.companions
    notes = f"Dry run at threshold {plan.threshold:g}; nothing was written. Scores: {plan.model}."
    if companions:
        notes += f" {companions} companion files go with their photos."
    left_out = "".join(sentence(f"Left out: {key}: {reason}") for key, reason in plan.left_out.items())
    return (
        sentence(notes)
        + sentence(session.notice)
        + left_out
        + table_html(plan)
        + sheet_html(session, "Kept", sorted(plan.kept, key=_least_sure))
        + sheet_html(session, "Culled", sorted(plan.culled, key=lambda each: -_least_sure(each)))
    )


def table_html(plan: Plan) -> str:
    """Kept and culled, by label, by score and unreadable."""
    reasons = ("label", "score", "unreadable")
    rows = "".join(
        f'<tr><td class="{style}">{name}</td><td>{len(side)}</td>'
        + "".join(f"<td>{sum(each.reason.startswith(reason) for each in side)}</td>" for reason in reasons)
        + "</tr>"
        for name, style, side in (("Kept", "keep", plan.kept), ("Culled", "cull", plan.culled))
    )
    heads = "".join(f"<th>{name}</th>" for name in ("Side", "Photos", "By label", "By score", "Unreadable"))
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def sheet_html(session: Session, title: str, side: Sequence[Decision]) -> str:
    """Thumbnails of one side, those nearest to the threshold first."""
    figures = "".join(
        f'<figure title="{escape(each.key)}"><img src="{photo_url(session, each.key, SMALL)}" alt="{escape(each.key)}" '
        f'loading="lazy"><figcaption class="subdued numbers">{_caption(each)}</figcaption></figure>'
        for each in side[:SHEET]
    )
    more = f", {SHEET} of {len(side)}" if len(side) > SHEET else ""
    return f'<h2>{title}, nearest to the threshold first{more}</h2><div class="sheet">{figures}</div>' if side else ""


def _caption(decision: Decision) -> str:
    if decision.reason == "label":
        return "labeled"
    return "unreadable" if decision.p_keep is None else f"keep {decision.p_keep:.0%}"


def _least_sure(decision: Decision) -> float:
    """The score; labels, which are sure, and photos without a score come after all others on either side."""
    if decision.reason != "score" or decision.p_keep is None:
        return 2.0 if decision.decision == "keep" else -1.0
    return decision.p_keep
