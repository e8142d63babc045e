"""What the checks say, as HTML: upper bound on the keepers lost, accuracy of the scores, whether more labels help.

Binary tasks have the bound, in their words; others have the accuracy, and recall and precision of each class.
"""

from collections.abc import Mapping, Sequence
from html import escape

from ..learning.measures import Measures, Share
from ..learning.promise import CONFIDENCE, KEEPERS, Point, Promise, Words, hint, words_of
from ..progress import amount
from ..project.task import CULL_TASK, Task, in_words
from ..session.session import Standing
from .curves import Line, chart
from .look import sentence, table
from .tasks import kinds_missing

TARGETS = (0.1, 0.05, 0.02, 0.01)
"""Shares of keepers lost to choose from; the table lists the checks still needed for each."""
FEW = 20
"""Spot checks from which a share is worth a look, of all photos or of one class."""
_CHECKS = (
    "Spot checks are drawn at random from the photos nobody has looked at, shown without their scores, and never used "
    "for training. After the first answers, one in eight photos on the Label tab is one, too."
)
_HOLDS = "The result holds for this folder and your answers."
_WHAT = (
    f"{_CHECKS} Your answers estimate how many keepers are among the photos that would be culled unseen. Any keeper "
    "found this way is kept. A tenth of the answers on sheets is asked again in full size, and keepers overlooked on "
    f"sheets count as lost, in proportion. {_HOLDS}"
)


def said_html(now: Standing, target: float, threshold: float) -> str:
    """The bound and its evidence; below `FEW` checks only how many there are. For a task that is not binary,
    `classes_html`. Raises `StageError` for numbers out of range.

    `target`: share of keepers lost.
    """
    if not now.task.is_binary:
        return classes_html(now)
    promise = now.promise(threshold, target, CONFIDENCE)
    if promise is None:
        return sentence(f"Nothing to report until there are scores. {first_steps(now)}")
    if awaited := first_figure(promise):
        return sentence(awaited, "promise numbers")
    first, *others = promise.report
    return f'<p class="promise">{escape(first)}</p>' + "".join(sentence(line, "") for line in others)


def more_html(now: Standing, target: float, threshold: float) -> str:
    """The checks needed for each target, and the method; empty for a task that is not binary."""
    if not now.task.is_binary:
        return ""
    promise = now.promise(threshold, target, CONFIDENCE)
    return (missing_html(promise) if promise else "") + sentence(method(now.task))


def first_figure(promise: Promise) -> str:
    """How many spot checks there are of those that a figure takes, as a sentence; empty with enough, or all."""
    pile, kept = promise.certificate.cull_pile, promise.certificate.keep_pile
    checked = pile.checked + (kept.checked if kept else 0)
    if pile.checked == pile.photos:
        return ""
    return f"{checked} of {FEW} spot checks until there is a first figure." if checked < FEW else ""


def first_steps(now: Standing) -> str:
    """What must be labeled before there are scores; empty once there are."""
    if now.ranking.probability is not None:
        return ""
    if now.task == CULL_TASK:
        return "First label some photos keep and some cull."
    return kinds_missing(now.task, [label for key, label in now.answers.labels.items() if key in now.keys])


def method(task: Task) -> str:
    """How a binary task's bound comes about."""
    if task == CULL_TASK:
        return _WHAT
    words = words_of(task)
    return f"{_CHECKS} Your answers estimate how many {words.many} are {words.where}. {_HOLDS}"


def classes_html(now: Standing) -> str:
    """Accuracy, recall and precision of each class with their intervals, and what to do next."""
    task, measured = now.task, now.class_measures()
    if measured is None:
        first = sentence(f"Nothing to report until there are scores. {first_steps(now)}".strip())
        return first + sentence(f"{_CHECKS} {_HOLDS}")
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
        + sentence(f"Spot checks: {measured.checks:,} of {amount(measured.answers, 'answer')}.", "")
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


def curves_html(now: Standing) -> str:
    """The bound by checks and the learning curve. Slow, so computed only when they are shown."""
    promise = now.promise() if now.task.is_binary else None
    course = course_svg(promise) if promise and not first_figure(promise) else ""
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
