"""The Promise screen: upper bound on the keepers lost, accuracy of the scores, and whether more labels help."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from ..errors import StageError
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, Point, Promise, hint
from ..session.desk import Desk
from ..session.session import Session
from .clock import Clock
from .curves import Line, chart
from .look import given, sentence, table, threshold_slider
from .serving import Find
from .telling import attempt

TARGETS = (0.1, 0.05, 0.02, 0.01)
"""Shares of keepers lost; the table lists the checks still needed for each."""
_WHAT = (
    "After the first answers, one in eight photos on the Label tab is a spot check: drawn at random from the photos "
    "nobody has looked at, shown without its score, and never used for training. Your answers estimate how many "
    "keepers are among the photos that would be culled unseen. Any keeper found this way is kept. The result holds "
    "for this folder and your answers."
)


def build(find: Find, tab: gr.Tab, clock: Clock) -> None:
    """Add the screen to the page, inside `tab`."""
    with gr.Column(elem_classes="screen"):
        with gr.Row():
            aim = gr.Number(100 * MAX_KEEPERS_LOST, label="Keepers you can afford to lose (%)", min_width=260)
            threshold = threshold_slider()
        message = gr.HTML()
        said = gr.HTML()
        curve = gr.HTML()
    seen = gr.State("")

    def on_tick(desk: Desk, seen: str, aim: float | None, threshold: float | None) -> tuple[Any, Any]:
        now = f"{desk.session.revision} {aim} {threshold}"
        if now == seen:
            return gr.skip(), gr.skip()
        html, error = attempt(lambda: promise_html(desk.session, aim, threshold))
        return now, sentence(error, "failed") if error else html

    def on_select(request: gr.Request) -> str:
        html, error = attempt(lambda: curves_html(find(request).session))
        return sentence(error, "failed") if error else html or ""

    clock.every_second(on_tick, [seen, aim, threshold], [seen, said], message)
    tab.select(on_select, None, curve, show_progress="hidden", api_visibility="private")


def promise_html(session: Session, aim: float | None, threshold: float | None) -> str:
    """The bound, its evidence, and the checks still needed for tighter ones. Raises `StageError` for a bad `aim`, and
    without a `threshold`.

    `aim`: percent of keepers lost, between 0 and 100.
    """
    if aim is None or not 0 < aim < 100:
        raise StageError(f"{aim or 0:g} % is not a possible share; choose one between 0 and 100, such as 5.")
    promise = session.promise(given(threshold), aim / 100, CONFIDENCE)
    if promise is None:
        return sentence("Nothing to report until there are scores. First label some photos keep and some cull.") + (
            sentence(_WHAT)
        )
    first, *others = promise.report
    return (
        f'<p class="promise">{escape(first)}</p>'
        + "".join(sentence(line, "") for line in others)
        + missing_html(promise)
        + sentence(_WHAT)
    )


def missing_html(promise: Promise) -> str:
    """Table of the checks still needed for each target."""
    rows = "".join(
        f"<tr><td>{target:.0%}</td><td>{_missing(promise.missing_for(target))}</td></tr>" for target in TARGETS
    )
    return table("Checks still needed", ("Keepers lost at most", "Checks still needed"), rows)


def curves_html(session: Session) -> str:
    """The bound by checks and the learning curve. Slow, so computed only when the tab is selected."""
    now = session.standing()
    promise = now.promise()
    course = course_svg(promise) if promise else ""
    return (f'<div class="curves">{course}</div>' if course else "") + curve_html(now.learning_curve())


def course_svg(promise: Promise) -> str:
    """Chart of the bound against the checks of the cull pile; empty below two points."""
    course = promise.course()
    if len(course) < 2:
        return ""
    lines = (Line("Keepers lost at most", "firm", [100 * share for _, share in course]),)
    numbers = [check for check, _ in course]
    return chart("Keepers lost at most", "Share of keepers (%)", numbers, lines, x_name="Checks of the cull pile")


def curve_html(points: Sequence[Point]) -> str:
    """The learning curve: accuracy on checked photos, agreement with earlier scores, and a hint whether to go on."""
    if not points:
        return ""
    measured = [point for point in points if point.right.trials]
    drawn = ""
    if len(measured) > 1:
        numbers = [point.labels for point in measured]
        lines = (
            Line("Accuracy", "firm", [100 * point.right.hits / point.right.trials for point in measured]),
            Line("95% interval", "soft", [100 * point.right.low for point in measured]),
            Line("", "soft", [100 * point.right.high for point in measured]),
        )
        drawn = chart("Accuracy on spot checks", "Correct (%)", numbers, lines, None, (0, 100), "Answers")
    agreed = [point for point in points if point.agreement is not None]
    if len(agreed) > 1:
        values = [point.agreement or 0.0 for point in agreed]
        drawn += chart(
            "Agreement with the scores ten answers earlier",
            "Cohen's kappa",
            [point.labels for point in agreed],
            (Line("Agreement", "firm", values),),
            limits=(0, 1),
            x_name="Answers",
        )
    return f'<h2>Learning curve</h2>{sentence(hint(list(points)), "")}<div class="curves">{drawn}</div>'


def _missing(checks: int | None) -> str:
    if checks is None:
        return "nearly all"
    return f"about {checks:,}" if checks else "none: reached"
