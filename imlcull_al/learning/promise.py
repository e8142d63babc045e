"""Estimates from the blind checks: keepers a cull would lose, accuracy of the scores, value of more labels.

Only blind, random checks measure; all other answers were chosen by a query or by a person. The scores are independent
of the checks that measure them.

A photo without an embedding has no score, so nothing speaks for keeping it: until it has one, the certificate counts
it as an unseen photo of the cull pile. The claim is thus about all keepers of the stage at all times, and gets tighter
as photos are embedded. It stays valid, because whether a photo is embedded yet doesn't depend on its check: checks are
drawn from all photos alike, and none of them is embedded early (`Session.prepare`). Otherwise checked keepers would
leave the pile before those that nobody checked.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..progress import amount
from ..project.task import CULL_TASK, Task
from . import head
from .bounds import Certificate, Pile
from .measures import STABLE_AGREEMENT, Measures, Share, agreement, interval, measure
from .queues import Ranking
from .sample import NO_SHEETS, Sample, Sheets
from .scores import Scorer

MAX_KEEPERS_LOST, CONFIDENCE = 0.05, 0.95
EVERY = 10
"""Answers between points of the learning curve."""
_MOST_POINTS = 24
_WATCHED = 2000
"""Sample size for comparing consecutive predictions."""


class Words(NamedTuple):
    """How a binary task names the photos that must not be lost, and the sides of the threshold."""

    one: str
    many: str
    yours: str
    where: str
    low: str
    high: str


KEEPERS = Words("keeper", "keepers", "your keepers", "in the cull pile", "culled", "kept")


class Point(NamedTuple):
    """One point of the learning curve: labels, accuracy on checked photos, agreement with the previous point.

    `agreement`: Cohen's kappa of the decisions on a fixed sample; None for the first point.
    """

    labels: int
    right: Share
    agreement: float | None


@dataclass(frozen=True)
class Promise:
    """The guarantee at one threshold. `certificate` bounds the lost keepers; `measures` use all checked photos.

    `max_keepers_lost`: the target share. `missing`: estimated number of checks until it is reached; 0 if it is, None
    if it would take the whole cull pile. `answers`: all answers, checks included. `unseen`: photos of the cull pile
    that have no embedding yet. `to_ask_again`: answers of sheets that are to be asked again. In another task than keep
    or cull, the keepers are the photos of its first class or with its tag, and `words` say so.
    """

    certificate: Certificate
    measures: Measures
    max_keepers_lost: float
    missing: int | None
    answers: int
    unseen: int = 0
    words: Words = KEEPERS
    sheets: Sheets = NO_SHEETS
    to_ask_again: int = 0

    @property
    def is_reached(self) -> bool:
        """Whether the bound meets the target share, and no answer of a sheet is still to be asked again."""
        return self.missing == 0 and not self.to_ask_again

    @property
    def summary(self) -> str:
        """One or two sentences for people."""
        pile, confidence = self.certificate.cull_pile, f"{self.certificate.confidence:.0%} confidence"
        words = self.words
        aim = f"{self.max_keepers_lost:.1%}".replace(".0%", "%")
        if self.certificate.keepers_lost == 0 and pile.photos == pile.checked:
            return f"No {words.one} is lost: every photo that would be {words.low} has an answer."
        if self.certificate.keepers_kept == 0 and not pile.checked:
            return f"No estimate yet: no {words.one} is known, and no photo {words.where} was checked."
        where = f"{words.where} or not analyzed yet" if self.unseen else words.where
        lost = f"At most {self.certificate.share_lost:.1%} of {words.yours} are {where} ({confidence})."
        if self.is_reached:
            return lost
        if self.missing == 0:
            return f"{lost} First, {amount(self.to_ask_again, 'answer')} of sheets are to be asked again."
        if pile.photos == pile.checked:
            return f"{lost} They were overlooked on sheets: look at what you culled there."
        if self.missing is None:
            return f"{lost} Bringing it under {aim} takes checks of nearly the whole pile."
        bring = "brings" if self.missing == 1 else "bring"
        return f"{lost} About {amount(self.missing, 'more check')} {bring} it under {aim}."

    def missing_for(self, max_keepers_lost: float) -> int | None:
        """`missing` for another target share."""
        return self.certificate.checks_missing(max_keepers_lost)

    def course(self, most: int = 40) -> list[tuple[int, float]]:
        """History of the bound: (checks of the cull pile, bound on the share lost) at up to `most` points in time."""
        history = self.certificate.cull_pile.history
        if history is None:
            return []
        checks = sorted({round(place) for place in np.linspace(0, len(history.unseen), most)})
        course = []
        for check in checks:
            then = history.before(check)
            photos, found = then.left + check, int(history.is_keeper[:check].sum())
            known = self.certificate.known + self.certificate.cull_pile.overlooked - history.known + then.known
            past = Certificate(Pile(photos, check, found, then), known, self.certificate.keep_pile)
            course.append((check, past.share_lost))
        return course

    @property
    def report(self) -> list[str]:
        """Lines for people: the promise, the checks behind it, and the accuracy of the scores."""
        pile, kept = self.certificate.cull_pile, self.certificate.keep_pile
        checked = pile.checked + (kept.checked if kept else 0)
        if not checked:
            return [self.summary, f"No random checks yet among {amount(self.answers, 'answer')}."]
        low, high, many = self.words.low, self.words.high, self.words.many
        what = f"{low} or not analyzed yet ({self.unseen:,})" if self.unseen else low
        sides = [_side(pile, what, many, " (kept)" if self.words == KEEPERS else "")]
        sides += [_side(kept, high, many)] if kept else []
        confidence = f"{self.certificate.confidence:.0%} intervals"
        names = ("correct", f"of the {high} photos are {many}", f"of the {many} are {high}")
        sides += self._said_of_sheets()
        said = [f"{_percent(share)} {name}" for share, name in zip(self.measures, names, strict=True) if share.trials]
        return [
            self.summary,
            f"Random checks: {checked} of {amount(self.answers, 'answer')}. {' '.join(sides)}",
            f"Scores compared with your blind answers: {', '.join(said)} ({confidence}).",
        ]

    def _said_of_sheets(self) -> list[str]:
        again, missed, overlooked = self.sheets
        if not missed:
            return []
        return [
            f"Of {again} answers that a sheet culled and that were asked again, {missed} "
            f"{'was a ' + self.words.one if missed == 1 else 'were ' + self.words.many}: about {overlooked} more count "
            "as lost."
        ]


def hint(curve: list[Point]) -> str:
    """One sentence on whether more labels are worth it; empty for an empty curve."""
    if not curve:
        return ""
    if changes_little(curve):
        return "More labels would change the scores little."
    return "New labels still change the scores; more are worth it."


def promise_of(
    ranking: Ranking,
    threshold: float = 0.5,
    max_keepers_lost: float = MAX_KEEPERS_LOST,
    confidence: float = CONFIDENCE,
) -> Promise | None:
    """The promise for a cull at `threshold` from the answers so far; None without scores, or where a task is not
    binary.
    """
    ranker, p_keep, answers = ranking.ranker, ranking.p_keep, ranking.answers
    if ranker is None or p_keep is None or not ranking.task.is_binary:
        return None
    sample = Sample(ranker, ranking)
    is_keep = ~ranking.below(threshold)
    certificate = sample.certificate(~is_keep, is_keep, confidence)
    scored = sample.within(sample.is_scored)
    measures = measure(sample.keepers(scored), is_keep[scored], confidence)
    missing = certificate.checks_missing(max_keepers_lost)
    unseen = sum(key not in answers.labels for key in ranker.unseen)
    words = words_of(ranking.task)
    seen_again, to_ask = sample.sheets(~is_keep), len(ranking.asked_again())
    return Promise(
        certificate, measures, max_keepers_lost, missing, len(answers.labels), unseen, words, seen_again, to_ask
    )


def words_of(task: Task) -> Words:
    """The words of a binary task."""
    name = task.classes[0]
    if task == CULL_TASK:
        return KEEPERS
    one, many = (f"{name} photo", f"{name} photos") if task.exclusive else (f"photo with {name}", f"photos with {name}")
    below = "scored below the threshold"
    return Words(one, many, f"the {many}", below, below, "scored above it")


class ClassMeasures(NamedTuple):
    """What the checks say about several classes or tags.

    `checks`: how many count, `answers`: all answers, checks included. `right`: photos whose likeliest class is right,
    or all of whose known tags are. `by_class`: class or tag → its `Measures`, as if it were alone.
    """

    checks: int
    answers: int
    right: Share
    by_class: dict[str, Measures]

    @property
    def report(self) -> list[str]:
        """Lines for people."""
        if not self.right.trials:
            return [f"No random checks yet among {amount(self.answers, 'answer')}."]
        said = [f"Random checks: {self.checks} of {amount(self.answers, 'answer')}; {_percent(self.right)} correct."]
        for name, measures in self.by_class.items():
            found, right = measures.recall, measures.precision
            parts = [f"{_percent(found)} found"] if found.trials else ["none checked"]
            parts += [f"{_percent(right)} of those called so are"] if right.trials else []
            said.append(f"{name}: {', '.join(parts)}")
        return said


def class_measures(ranking: Ranking, confidence: float = CONFIDENCE) -> ClassMeasures | None:
    """Accuracy, and precision and recall of every class or tag, on the checks; None without scores."""
    ranker, probability, task = ranking.ranker, ranking.probability, ranking.task
    if ranker is None or probability is None:
        return None
    sample = Sample(ranker, ranking)
    rows = sample.within(sample.is_scored)
    targets, given = sample.targets(rows), probability[rows]
    if task.exclusive:
        decided = np.zeros(given.shape)
        if len(rows):
            decided[np.arange(len(rows)), given.argmax(axis=1)] = 1
        hits, trials = int((decided * targets).sum()), len(rows)
    else:
        decided = np.where(np.isnan(given), np.nan, given >= 0.5)
        is_known = ~np.isnan(decided + targets)
        is_wrong = ((decided != targets) & is_known).any(axis=1)  # tags of one photo are no independent trials
        hits, trials = int((is_known.any(axis=1) & ~is_wrong).sum()), int(is_known.any(axis=1).sum())
    by_class = {}
    for column, name in enumerate(task.classes):
        is_known = ~np.isnan(decided[:, column] + targets[:, column])
        by_class[name] = measure(targets[is_known, column] == 1, decided[is_known, column] == 1, confidence)
    return ClassMeasures(len(rows), len(ranking.answers.labels), interval(hits, trials, confidence), by_class)


def curve_of(ranking: Ranking) -> list[Point]:
    """The head refitted after every `EVERY` training answers, oldest first, thinned to a few dozen points; empty for
    tags.
    """
    ranker, task = ranking.ranker, ranking.task
    if ranker is None or not (task.exclusive or task.is_binary):
        return []
    scorer, training = ranker.scorer, list(ranking.answers.training.items())
    sample = Sample(ranker, ranking)
    rows = sample.within(sample.is_scored)
    stream = ranker.stream(ranking.answers)
    watched = stream[sample.is_scored[stream]][:_WATCHED]
    truth, points, before = _decided(sample.targets(rows)), [], None
    for count in _counts(len(training)):
        labeled, targets = scorer.labeled(dict(training[:count]))
        if len(np.unique(_decided(targets))) < 2:
            continue
        decisions = _decisions(scorer, labeled, targets)
        right = interval(int((decisions[rows] == truth).sum()), len(rows))
        points.append(Point(count, right, None if before is None else agreement(before, decisions[watched])))
        before = decisions[watched]
    return points


def _decisions(scorer: Scorer, labeled: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N,) number of the class that a head fitted to these labels decides for."""
    features = scorer.features
    if scorer.task.is_binary:
        return (features.logits(head.fit(features, labeled, targets[:, 0] == 1)) < 0).astype(np.intp)
    fitted = head.fit_classes(features, labeled, targets.argmax(axis=1), targets.shape[1])
    decided: np.ndarray = features.logits(fitted).argmax(axis=1)
    return decided


def _decided(targets: np.ndarray) -> np.ndarray:
    """(n, K) → (n,) number of the class; for one tag, 0 with it and 1 without."""
    decided: np.ndarray = targets.argmax(axis=1) if targets.shape[1] > 1 else (targets[:, 0] != 1).astype(np.intp)
    return decided


def changes_little(curve: list[Point]) -> bool:
    """Whether the scores are stable: the mean of the last three agreements reaches `STABLE_AGREEMENT`."""
    last = [point.agreement for point in curve[-3:] if point.agreement is not None]
    return len(last) == 3 and float(np.mean(last)) >= STABLE_AGREEMENT


def _side(pile: Pile, what: str, many: str, note: str = "") -> str:
    found = pile.found - pile.overlooked if note else pile.found
    were = "was" if pile.checked == 1 else "were"
    return (
        f"Of {amount(pile.photos, 'photo')} to be {what}, {pile.checked:,} {were} checked; {many} found: {found}{note}."
    )


def _percent(share: Share) -> str:
    return f"{share.hits / share.trials:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _counts(labels: int) -> list[int]:
    """Numbers of answers at which the curve is computed: multiples of `EVERY`, thinned except for the last four."""
    counts = list(range(EVERY, labels + 1, EVERY))
    early = counts[:-4]
    step = max(1, -(-len(early) // (_MOST_POINTS - 4)))
    return early[::step] + counts[-4:]
