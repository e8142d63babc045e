"""The Cull screen: a dry run with its numbers and photos, one button that makes the next stage, and one that takes it
back.
"""

import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ..cull import LINKS, Decision, Plan
from ..errors import CullRefused
from ..jobs import DONE, Job, Jobs
from ..progress import Progress, Stop
from ..project import Stage
from ..session import Session
from .look import every_second, sentence
from .serving import SMALL, photo_url
from .telling import attempt

DRY_RUN, CULL, TAKE_BACK = "dry run", "cull", "taking back"
SHEET = 36
"""Photos shown of each side."""


def build(session: Session, jobs: Jobs, timer: gr.Timer) -> None:
    """Put the screen into the page."""
    with gr.Column(elem_classes="screen"):
        offer = gr.HTML()
        with gr.Row(equal_height=True):
            threshold = gr.Slider(0, 1, 0.5, step=0.01, label="Threshold: keep from this score on", min_width=280)
            link = gr.Radio(list(LINKS), value=LINKS[0], label="How files are placed", min_width=280)
        with gr.Row():
            dry_run = gr.Button("Dry run", variant="primary", scale=0, min_width=140)
            make = gr.Button(f"Make {session.stage.next.name}", interactive=False, scale=0, min_width=300)
            take_back = gr.Button("Take the cull back", visible=False, scale=0, min_width=180)
        message = gr.HTML()
        outcome = gr.HTML()
    seen = gr.State(-1)

    def on_dry_run(threshold: float) -> str:
        return sentence(attempt(lambda: start_dry_run(session, jobs, threshold))[1], "failed")

    def on_make(link: str) -> str:
        return sentence(attempt(lambda: start_cull(session, jobs, link))[1], "failed")

    def on_take_back() -> str:
        return sentence(attempt(lambda: start_take_back(session, jobs))[1], "failed")

    def on_tick(seen: int) -> tuple[Any, ...]:
        now = jobs.state()
        revision = now.revision if now else 0
        if revision == seen:
            return (gr.skip(),) * 5
        return (
            revision,
            outcome_html(session, jobs),
            make_button(session, jobs),
            gr.Button(visible=not _at_work(jobs) and session.cull_to_undo() is not None),
            sentence(interrupted(session, jobs)),
        )

    dry_run.click(on_dry_run, threshold, message, api_visibility="private")
    make.click(on_make, link, message, api_visibility="private")
    take_back.click(on_take_back, None, message, api_visibility="private")
    every_second(timer, on_tick, seen, [seen, outcome, make, take_back, offer], message)


def start_dry_run(session: Session, jobs: Jobs, threshold: float) -> None:
    """Plan in the background; embeddings that are missing come first."""

    def work(progress: Progress, stop: Stop) -> Plan:
        if not session.prepared:
            session.prepare(progress=progress, stop=stop)
        return session.plan_cull(threshold)

    jobs.start(DRY_RUN, work)


def start_cull(session: Session, jobs: Jobs, link: str) -> None:
    """Make the next stage at the threshold of the dry run on the page; answers given since then count."""
    plan = planned(jobs)
    if plan is None:
        raise CullRefused("Make a dry run first.")
    jobs.start(CULL, lambda progress, stop: session.cull(plan.threshold, link, progress=progress, stop=stop))


def start_take_back(session: Session, jobs: Jobs) -> None:
    """Move the next stage aside in the background: every file is compared with the manifest first."""
    jobs.start(TAKE_BACK, lambda progress, stop: session.undo_cull())


def latest(jobs: Jobs) -> Job | None:
    """The newest job of this screen; what fills the time between them is no news here."""
    found = [job for name in (DRY_RUN, CULL, TAKE_BACK) if (job := jobs.latest(name))]
    return max(found, key=lambda job: job.number, default=None)


def planned(jobs: Jobs) -> Plan | None:
    """The plan of the last dry run, if it ended well and neither a cull nor a training came after it."""
    job, training = latest(jobs), jobs.latest("training")
    if job is None or job.name != DRY_RUN or job.status != DONE or (training and training.number > job.number):
        return None
    plan: Plan = job.result
    return plan


def make_button(session: Session, jobs: Jobs) -> gr.Button:
    """The button says what it would do, and can be pressed once that is on the page."""
    plan, name = planned(jobs), session.stage.next.name
    if plan is None:
        return gr.Button(f"Make {name}", interactive=False)
    return gr.Button(f"Make {name} of {len(plan.kept)} photos", interactive=True)


def interrupted(session: Session, jobs: Jobs) -> str:
    """The sentence about a cull that was killed; empty for none."""
    if _at_work(jobs) or not session.interrupted_cull():
        return ""
    new = session.stage.next.name
    return f"The cull of {session.stage.name} was interrupted; {new} was not made. Make a dry run to do it again."


def outcome_html(session: Session, jobs: Jobs) -> str:
    """What the newest of dry run, cull and taking back came to; nothing before the first."""
    job = latest(jobs)
    if job is None or job.running:
        return ""
    if job.status != DONE:
        return sentence(job.error, "failed")
    if job.name == DRY_RUN:
        return plan_html(session, job.result)
    return made_html(session, job.result) if job.name == CULL else taken_back_html(session, job.result)


def made_html(session: Session, made: Stage) -> str:
    """Where the new stage is, and how to go on with it: a page shows one stage for as long as its server runs."""
    command = f"python -m imlcull_al label --project {shlex.quote(str(made.project))} --stage {made.number}"
    return (
        sentence(f"Made {made.folder} and {made.manifest.name}; {session.stage.name} is as it was.", "")
        + f"<p>To go on with {escape(made.name)}, stop this server and run <code>{escape(command)}</code></p>"
    )


def taken_back_html(session: Session, aside: Path) -> str:
    """Where the stage lies now."""
    return sentence(
        f"Took the cull back. What was {session.stage.next.name} is in {aside} now, its manifest beside it; "
        "delete both when you don't need them.",
        "",
    )


def _at_work(jobs: Jobs) -> bool:
    job = latest(jobs)
    return job is not None and job.running


def plan_html(session: Session, plan: Plan) -> str:
    """Numbers and contact sheets of a dry run."""
    companions = len(plan.files) - len(plan.kept)
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
    heads = "".join(f"<th>{name}</th>" for name in ("", "Photos", "By label", "By score", "Unreadable"))
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
    return f'<h3>{title}, nearest to the threshold first{more}</h3><div class="sheet">{figures}</div>' if side else ""


def _caption(decision: Decision) -> str:
    if decision.reason == "label":
        return "labeled"
    return "unreadable" if decision.p_keep is None else f"keep {decision.p_keep:.0%}"


def _least_sure(decision: Decision) -> float:
    """The score; labels, which are sure, and photos without a score come after all others on either side."""
    if decision.reason != "score" or decision.p_keep is None:
        return 2.0 if decision.decision == "keep" else -1.0
    return decision.p_keep
