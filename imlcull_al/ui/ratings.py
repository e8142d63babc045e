"""The part of the Cull screen for other programs: read their ratings, write decisions into sidecars.

Absent on a public page: there are no other programs beside a visitor's photos, and sidecars go along with a download.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from ..errors import RatingsRefused
from ..exchange import step
from ..exchange.elsewhere import Sidecars
from ..exchange.profiles import PROFILES, Wish, profile_of
from ..exchange.ratings import rules_for
from ..progress import amount
from ..session import ratings
from ..session.desk import Desk
from ..session.jobs import DONE, Job
from . import sidecars
from .clock import Clock
from .look import on_press, sentence
from .serving import Find
from .threshold import given

LOOKING, TAKING, TAKING_BACK = "reading ratings", "taking over ratings", "taking back ratings"
PLANNING, WRITING, UNDOING = "preview of sidecars", "writing sidecars", "undoing sidecars"
_MOST_NAMES = 10


def build(find: Find, clock: Clock, threshold: gr.Slider) -> None:
    """Add it to the screen. `threshold`: the slider of the cull."""
    with gr.Accordion("Ratings of other programs", open=False):
        with gr.Row(equal_height=True):
            read = gr.Button("Read ratings", scale=0, min_width=160)
            take = gr.Button("Take them over", visible=False, variant="primary", scale=0, min_width=240)
            take_back = gr.Button("Take ratings back", scale=0, min_width=190)
        message = gr.HTML(render=False)
        sidecars.build(find, start_reading, message)
        with gr.Row(equal_height=True):
            program = gr.Dropdown(list(PROFILES), value="lightroom", label="Write ratings for", min_width=220, scale=0)
            stars = gr.Checkbox(label="Also set stars", min_width=160, scale=0)
        with gr.Row():
            plan = gr.Button("Preview sidecars", scale=0, min_width=190)
            write = gr.Button("Write sidecars", visible=False, variant="primary", scale=0, min_width=240)
            undo = gr.Button("Undo the last export", visible=False, scale=0, min_width=210)
        message.render()
        outcome = gr.HTML()
    seen, shown = gr.State(), gr.State()

    def on_tick(desk: Desk, seen: Any) -> tuple[Any, ...]:
        job, stage = latest(desk), desk.session.stage
        looks = (stage.name, job.number if job else 0, job.status if job else "", step.can_undo(stage))
        if looks == seen:
            return (gr.skip(),) * 6
        found, export = preview(job, LOOKING), preview(job, PLANNING)
        can_take, can_write = bool(found and found.labels), bool(export and export.writing.changes)
        return (
            looks,
            job.number if job else 0,
            outcome_html(job),
            gr.Button(
                f"Take over {amount(len(found.labels), 'answer')}" if can_take else "Take them over", visible=can_take
            ),
            gr.Button(
                f"Write {amount(len(export.writing.changes), 'sidecar')}" if can_write else "Write sidecars",
                visible=can_write,
            ),
            gr.Button(visible=looks[3]),
        )

    on_press(read, find, start_reading, None, message)
    on_press(take, find, start_taking, shown, message)
    on_press(take_back, find, start_taking_back, None, message)
    on_press(plan, find, start_planning, [program, stars, threshold], message)
    on_press(write, find, start_writing, shown, message)
    on_press(undo, find, start_undoing, None, message)
    clock.every_second(on_tick, seen, [seen, shown, outcome, take, write, undo], message)


def start_reading(desk: Desk, elsewhere: Sidecars | None = None) -> None:
    """Preview an import with the default rules. `elsewhere`: sidecars to read in place of those beside the photos."""
    session = desk.session
    rules = rules_for(session.task, {})
    desk.start(
        LOOKING,
        lambda progress, stop: ratings.look(session, rules, elsewhere=elsewhere, progress=progress, stop=stop),
    )


def start_taking(desk: Desk, number: int | None) -> None:
    """Take over the answers of the preview that the page shows. Raises `RatingsRefused` if it isn't the latest."""
    session, found = desk.session, _shown(desk, LOOKING, number)
    desk.start(TAKING, lambda progress, stop: ratings.take(session, found))


def start_taking_back(desk: Desk) -> None:
    """Take back all answers that came from ratings."""
    session = desk.session
    desk.start(TAKING_BACK, lambda progress, stop: len(ratings.take_back(session)))


def start_planning(desk: Desk, program: str, stars: bool, threshold: float | None) -> None:
    """Preview an export."""
    session, wish, least = desk.session, Wish(profile_of(program), stars), given(threshold)
    desk.start(PLANNING, lambda progress, stop: ratings.plan_export(session, wish, least, progress=progress, stop=stop))


def start_writing(desk: Desk, number: int | None) -> None:
    """Write the sidecars of the preview that the page shows. Raises `RatingsRefused` if it isn't the latest."""
    session, export = desk.session, _shown(desk, PLANNING, number)
    desk.start(WRITING, lambda progress, stop: ratings.write(session, export, progress=progress))


def start_undoing(desk: Desk) -> None:
    """Take the last export back."""
    session = desk.session
    desk.start(UNDOING, lambda progress, stop: ratings.undo(session))


def latest(desk: Desk) -> Job | None:
    """The newest job of this part of the screen."""
    names = (LOOKING, TAKING, TAKING_BACK, PLANNING, WRITING, UNDOING)
    return max((job for name in names if (job := desk.latest(name))), key=lambda job: job.number, default=None)


def preview(job: Job | None, name: str) -> Any:
    """The result of the newest job, if it is a preview of this name."""
    return job.result if job and job.name == name and job.status == DONE else None


def _shown(desk: Desk, name: str, number: int | None) -> Any:
    job = latest(desk)
    if job is None or job.number != number or not (found := preview(job, name)):
        raise RatingsRefused("There is a newer preview, or none. Check the preview, then press again.")
    return found


def outcome_html(job: Job | None) -> str:
    """What the newest job found or did; empty before the first, and while one runs."""
    if job is None or job.running:
        return ""
    if job.status != DONE:
        return sentence(job.error, "failed")
    if job.name == LOOKING:
        return found_html(job.result)
    if job.name == PLANNING:
        return export_html(job.result)
    if job.name in (TAKING, TAKING_BACK):
        what = "Took over" if job.name == TAKING else "Took back"
        return sentence(f"{what} {amount(job.result, 'answer')}.", "")
    what = "Wrote" if job.name == WRITING else "Restored"
    return sentence(f"{what} {amount(job.result.sidecars, 'sidecar')}.", "") + names_html(
        "Left as it is", job.result.left
    )


def found_html(found: ratings.Found) -> str:
    """The preview of an import."""
    rules = "; ".join(f"{name} where {rule.text}" for name, rule in found.rules.items())
    own = f"Answers of your own that differ from the ratings, and stay: {len(found.own):,}." if found.own else ""
    both = dict.fromkeys(found.both, "it matches more than one rule")
    return (
        sentence(f"{found.summary}.", "")
        + "".join(sentence(f"{line}.") for line in found.examples)
        + sentence(f"Rules: {rules}. Nothing was changed yet.")
        + sentence(own)
        + names_html("Left unrated", both)
        + names_html("Not read", found.refused)
    )


def export_html(export: ratings.Export) -> str:
    """The preview of an export, and what to know before it."""
    writing = export.writing
    far = f"Photos that hold their metadata inside, where no sidecar is read: {len(writing.out_of_reach):,}."
    names = (
        "<details><summary>File names of the kept photos</summary><p><code>"
        f"{escape(export.names(ratings.KEEPERS))}</code></p></details>"
    )
    return (
        sentence(f"{export.summary}.", "")
        + sentence(f"{writing.summary}. Nothing was written yet.", "")
        + sentence(writing.wish.profile.truth)
        + (sentence(far) + names if writing.out_of_reach else "")
        + names_html("Left as it is", writing.refused)
    )


def names_html(what: str, reasons: Mapping[str, str]) -> str:
    """A sentence for each name and its reason, cut where there are many."""
    lines = [f"{what}: {key}: {reason}." for key, reason in [*reasons.items()][:_MOST_NAMES]]
    more = [f"{what}: {len(reasons) - _MOST_NAMES:,} more."] if len(reasons) > _MOST_NAMES else []
    return "".join(map(sentence, [*lines, *more]))
