"""The Promise screen: how many keepers a cull loses at most, how often the scores are right, and whether to go on."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from ..errors import StageError
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, Point, Promise, hint
from ..session.desk import Desk
from ..session.session import Session
from .curves import Line, chart
from .look import every_second, sentence
from .serving import Find
from .telling import attempt

TARGETS = (0.1, 0.05, 0.02, 0.01)
"""Shares of keepers lost, for each of which it is said what is missing."""
_WHAT = (
    "After the first answers, one in eight photos that Label shows is a blind check: drawn at random from all that "
    "nobody looked at, without its score, and never used to train. What you answer there says how many keepers are "
    "among the photos that would be culled unseen. Keepers that are found are kept. It holds for this folder and for "
    "your answers."
)


def build(find: Find, tab: gr.Tab, timer: gr.Timer) -> None:
    """Put the screen into the page; `tab` is where it lies."""
    with gr.Column(elem_classes="screen"):
        with gr.Row():
            aim = gr.Number(100 * MAX_KEEPERS_LOST, label="Lose at most this share of the keepers (%)", min_width=260)
            threshold = gr.Slider(0, 1, 0.5, step=0.01, label="Threshold: keep from this score on", min_width=280)
        message = gr.HTML()
        said = gr.HTML()
        curve = gr.HTML()
    seen = gr.State("")

    def on_tick(desk: Desk, seen: str, aim: float | None, threshold: float) -> tuple[Any, Any]:
        now = f"{desk.session.revision} {aim} {threshold}"
        if now == seen:
            return gr.skip(), gr.skip()
        html, error = attempt(lambda: promise_html(desk.session, aim, threshold))
        return now, sentence(error, "failed") if error else html

    def on_select(request: gr.Request) -> str:
        html, error = attempt(lambda: curves_html(find(request).session))
        return sentence(error, "failed") if error else html or ""

    every_second(timer, find, on_tick, [seen, aim, threshold], [seen, said], message)
    tab.select(on_select, None, curve, show_progress="hidden", api_visibility="private")


def promise_html(session: Session, aim: float | None, threshold: float) -> str:
    """What can be said, what it rests on, and what is missing for more. Raises `StageError`."""
    if aim is None or not 0 < aim < 100:
        raise StageError(f"A share of {aim or 0:g} % can't be aimed at; choose one between 0 and 100, such as 5.")
    promise = session.promise(threshold, aim / 100, CONFIDENCE)
    if promise is None:
        return sentence("Nothing can be said before there are scores: label some to keep and some to cull first.") + (
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
    """A table: for each target how many checks are missing."""
    rows = "".join(
        f"<tr><td>{target:.0%}</td><td>{_missing(promise.missing_for(target))}</td></tr>" for target in TARGETS
    )
    return (
        '<div class="scroll"><table class="numbers"><thead><tr><th>Keepers lost at most</th>'
        f"<th>Checks missing</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def curves_html(session: Session) -> str:
    """How the bound fell with the checks, and how good the scores became: what takes a moment to work out."""
    promise = session.promise()
    course = course_svg(promise) if promise else ""
    return (f'<div class="curves">{course}</div>' if course else "") + curve_html(session.learning_curve())


def course_svg(promise: Promise) -> str:
    """How the bound fell with the checks of the cull pile."""
    course = promise.course()
    if len(course) < 2:
        return ""
    lines = (Line("Keepers lost at most", "firm", [100 * share for _, share in course]),)
    numbers = [check for check, _ in course]
    return chart("Keepers lost at most", "Share of keepers (%)", numbers, lines, x_name="Checks of the cull pile")


def curve_html(points: Sequence[Point]) -> str:
    """How good the scores became, and whether more labels change much."""
    if not points:
        return ""
    measured = [point for point in points if point.right.trials]
    drawn = ""
    if len(measured) > 1:
        numbers = [point.labels for point in measured]
        lines = (
            Line("Right", "firm", [100 * point.right.hits / point.right.trials for point in measured]),
            Line("95% interval", "soft", [100 * point.right.low for point in measured]),
            Line("", "soft", [100 * point.right.high for point in measured]),
        )
        drawn = chart(
            "Scores, as the audit measures them", "Photos right (%)", numbers, lines, None, (0, 100), "Answers"
        )
    agreed = [point for point in points if point.agreement is not None]
    if len(agreed) > 1:
        values = [point.agreement or 0.0 for point in agreed]
        drawn += chart(
            "Agreement with ten answers before",
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
