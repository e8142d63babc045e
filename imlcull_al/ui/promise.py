"""The Promise screen: upper bound on the keepers lost, accuracy of the scores, and whether more labels help.

Binary tasks have the bound, in their words; others have the accuracy, and recall and precision of each class.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from ..errors import StageError
from ..learning.measures import Measures, Share
from ..learning.promise import CONFIDENCE, KEEPERS, MAX_KEEPERS_LOST, Point, Promise, Words, hint, words_of
from ..project.task import CULL_TASK, Task, in_words
from ..session.desk import Desk
from ..session.session import Session
from .clock import Clock
from .curves import Line, chart
from .look import given, sentence, table, threshold_slider
from .serving import Find
from .tasks import kinds_missing
from .telling import attempt

TARGETS = (0.1, 0.05, 0.02, 0.01)
"""Shares of keepers lost; the table lists the checks still needed for each."""
_CHECKS = (
    "After the first answers, one in eight photos on the Label tab is a spot check: drawn at random from the photos "
    "nobody has looked at, shown without its score, and never used for training."
)
_HOLDS = "The result holds for this folder and your answers."
_WHAT = (
    f"{_CHECKS} Your answers estimate how many keepers are among the photos that would be culled unseen. Any keeper "
    f"found this way is kept. {_HOLDS}"
)
FEW = 20
"""Spot checks of one class from which its recall is worth a look."""


def build(find: Find, tab: gr.Tab, clock: Clock, task: Task) -> None:
    """Add the screen to the page, inside `tab`."""
    words = words_of(task)
    with gr.Column(elem_classes="screen"):
        with gr.Row(visible=task.is_binary) as of_two:
            aim = gr.Number(100 * MAX_KEEPERS_LOST, label=_afford(words), min_width=260)
            threshold = threshold_slider() if task == CULL_TASK else threshold_slider(f"Threshold: {words.many} score")
        message = gr.HTML()
        said = gr.HTML()
        curve = gr.HTML()
    seen = gr.State("")

    def on_tick(desk: Desk, seen: str, aim: float | None, threshold: float | None) -> tuple[Any, ...]:
        now = f"{desk.session.revision} {aim} {threshold}"
        if now == seen:
            return (gr.skip(),) * 3
        html, error = attempt(lambda: promise_html(desk.session, aim, threshold))
        row = gr.Row(visible=desk.session.task.is_binary)  # classes may have been added
        return now, sentence(error, "failed") if error else html, row

    def on_select(request: gr.Request) -> str:
        html, error = attempt(lambda: curves_html(find(request).session))
        return sentence(error, "failed") if error else html or ""

    clock.every_second(on_tick, [seen, aim, threshold], [seen, said, of_two], message)
    tab.select(on_select, None, curve, show_progress="hidden", api_visibility="private")


def promise_html(session: Session, aim: float | None, threshold: float | None) -> str:
    """The bound, its evidence, and the checks still needed for tighter ones. Raises `StageError` for a bad `aim`, and
    without a `threshold`. For a task that is not binary, `classes_html`.

    `aim`: percent of keepers lost, between 0 and 100.
    """
    task = session.task
    if not task.is_binary:
        return classes_html(session)
    if aim is None or not 0 < aim < 100:
        raise StageError(f"{aim or 0:g} % is not a possible share; choose one between 0 and 100, such as 5.")
    promise = session.promise(given(threshold), aim / 100, CONFIDENCE)
    if promise is None:
        return sentence(f"Nothing to report until there are scores. {_first(task)}") + sentence(method(task))
    first, *others = promise.report
    return (
        f'<p class="promise">{escape(first)}</p>'
        + "".join(sentence(line, "") for line in others)
        + missing_html(promise)
        + sentence(method(task))
    )


def method(task: Task) -> str:
    """How a binary task's bound comes about."""
    if task == CULL_TASK:
        return _WHAT
    words = words_of(task)
    return f"{_CHECKS} Your answers estimate how many {words.many} are {words.where}. {_HOLDS}"


def classes_html(session: Session) -> str:
    """Accuracy, recall and precision of each class with their intervals, and what to do next."""
    task, measured = session.task, session.standing().class_measures()
    if measured is None:
        return sentence(f"Nothing to report until there are scores. {_first(task)}") + sentence(f"{_CHECKS} {_HOLDS}")
    if not measured.right.trials:
        how = 'Answer the spot checks: they come with the queue "Most uncertain", or all together as "Audit".'
        return sentence(f"{measured.report[0]} {how}", "promise") + sentence(f"{_CHECKS} {_HOLDS}")
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{each.recall.trials}</td><td>{_share(each.recall)}</td>"
        f"<td>{_share(each.precision)}</td></tr>"
        for name, each in measured.by_class.items()
    )
    kind = "Class" if task.exclusive else "Tag"
    heads = (kind, "Spot checks of it", f"Found (recall, {CONFIDENCE:.0%} interval)", "Right where named (precision)")
    said = "The likeliest class is right for" if task.exclusive else "All known tags are right for"
    return (
        sentence(f"{said} {_share(measured.right)} of the photos ({CONFIDENCE:.0%} interval).", "promise")
        + sentence(f"Spot checks: {measured.checks:,} of {measured.answers:,} answers.", "")
        + table(f"Recall and precision by {kind.lower()}", heads, rows)
        + sentence(what_next(measured.by_class), "")
        + sentence(f"{_CHECKS} {_HOLDS}")
    )


def what_next(by_class: Mapping[str, Measures]) -> str:
    """What to do next: more spot checks of classes that have few, or where most errors are."""
    few = [name for name, each in by_class.items() if each.recall.trials < FEW]
    if few:
        named = in_words(few)
        return (
            f"Little is known yet of {named}: fewer than {FEW} spot checks each. Answer more of them: choose the queue "
            '"Audit" on the Label tab.'
        )
    worst = min(by_class, key=lambda name: by_class[name].recall.hits / by_class[name].recall.trials)
    return f'{worst} is found least often. Answering the queue "Likely {worst}" or the disagreements helps most.'


def missing_html(promise: Promise) -> str:
    """Table of the checks still needed for each target."""
    rows = "".join(
        f"<tr><td>{target:.0%}</td><td>{_missing(promise.missing_for(target))}</td></tr>" for target in TARGETS
    )
    return table("Checks still needed", (_most(promise.words), "Checks still needed"), rows)


def curves_html(session: Session) -> str:
    """The bound by checks and the learning curve. Slow, so computed only when the tab is selected."""
    now = session.standing()
    promise = now.promise() if session.task.is_binary else None
    course = course_svg(promise) if promise else ""
    return (f'<div class="curves">{course}</div>' if course else "") + curve_html(now.learning_curve())


def course_svg(promise: Promise) -> str:
    """Chart of the bound against the checks of the cull pile; empty below two points."""
    course = promise.course()
    if len(course) < 2:
        return ""
    words, most = promise.words, _most(promise.words)
    where = "Checks of the cull pile" if words == KEEPERS else "Checks below the threshold"
    lines = (Line(most, "firm", [100 * share for _, share in course]),)
    numbers = [check for check, _ in course]
    return chart(most, f"Share of {words.many} (%)", numbers, lines, x_name=where)


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


def _first(task: Task) -> str:
    return "First label some photos keep and some cull." if task == CULL_TASK else kinds_missing(task, ())


def _afford(words: Words) -> str:
    lose = "lose" if words == KEEPERS else "miss"
    return f"{_capital(words.many)} you can afford to {lose} (%)"


def _most(words: Words) -> str:
    return f"{_capital(words.many)} {'lost' if words == KEEPERS else 'missed'} at most"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _share(share: Share) -> str:
    """`83% [62%, 94%]`; a dash without trials."""
    return f"{share.hits / share.trials:.0%} [{share.low:.0%}, {share.high:.0%}]" if share.trials else "–"


def _missing(checks: int | None) -> str:
    if checks is None:
        return "nearly all"
    return f"about {checks:,}" if checks else "none: reached"
