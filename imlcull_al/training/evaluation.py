"""Compares predictions with labels: confusion, calibration, mistakes, learning curves. Pure arithmetic.

Independent of photos, files and plots.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..project.task import Task

TRAIN, VALIDATION = "train", "validation"
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Prediction:
    """One labeled photo after training.

    `key`: photo key. `label`: given by the user. `probability`: (K,) of each class or tag, 0 … 1, from the model.
    `split`: train | validation. Raises `ValueError` for any other value.
    """

    key: str
    label: str
    probability: tuple[float, ...]
    split: str

    def __post_init__(self) -> None:
        """Validate the fields."""
        if self.split not in (TRAIN, VALIDATION) or not all(0 <= each <= 1 for each in self.probability):
            raise ValueError(f"not a prediction: {self}")


class Decision(NamedTuple):
    """The model's decision on a photo, or on one `tag` of a photo, beside the user's answer.

    `answer`, `decision`: classes, or yes | no for a tag. `probability`: of the first of two classes, of the tag, or
    else of the class decided. `certainty`: probability of the decision.
    """

    key: str
    tag: str
    answer: str
    decision: str
    probability: float
    certainty: float
    split: str


def decisions(predictions: Iterable[Prediction], task: Task) -> list[Decision]:
    """The likeliest class of every photo, or for tags one decision on each known tag at 0.5; a tie is the first class,
    and yes. Raises `ValueError` for a label of another task.
    """
    found = []
    for one in predictions:
        if task.exclusive:
            found.append(_decision_on_class(one, task))
        else:
            found += _decisions_on_tags(one, task)
    return found


def _decision_on_class(one: Prediction, task: Task) -> Decision:
    if one.label not in task.classes or len(one.probability) != len(task.classes):
        raise ValueError(f"not a prediction of {task.name}: {one}")
    likeliest = one.probability.index(max(one.probability))
    certainty = one.probability[likeliest]
    probability = one.probability[0] if task.is_binary else certainty
    return Decision(one.key, "", one.label, task.classes[likeliest], probability, certainty, one.split)


def _decisions_on_tags(one: Prediction, task: Task) -> Iterable[Decision]:
    known = task.tags_of(one.label)
    if not known.keys() <= set(task.classes) or len(one.probability) != len(task.classes):
        raise ValueError(f"not a prediction of {task.name}: {one}")
    for tag, p in zip(task.classes, one.probability, strict=True):
        if tag in known:
            answer, decision = (YES if has else NO for has in (known[tag], p >= 0.5))
            yield Decision(one.key, tag, answer, decision, p, max(p, 1 - p), one.split)


class Bin(NamedTuple):
    """One non-empty bin of a reliability diagram: `total` decisions with `start` <= probability < `end` (1 is in the
    last bin).

    `probability`: mean prediction. `share`: how many of them came true, with its 95 % interval `low` … `high`.
    """

    start: float
    end: float
    total: int
    probability: float
    share: float
    low: float
    high: float


def confusion(found: Iterable[Decision], names: Sequence[str]) -> list[list[int]]:
    """Confusion matrix: rows are answers, columns are decisions, both in the order of `names`."""
    counts = [[0] * len(names) for _ in names]
    place = {name: number for number, name in enumerate(names)}
    for one in found:
        counts[place[one.answer]][place[one.decision]] += 1
    return counts


class Share(NamedTuple):
    """A proportion with its 95 % interval; all NaN of nothing."""

    share: float
    low: float
    high: float


class Rates(NamedTuple):
    """How well one class or tag is told, in photos: `answers` of the user, `decided` by the model, `right`: both."""

    name: str
    answers: int
    decided: int
    right: int

    @property
    def recall(self) -> Share:
        """Share of the answers that the model decides so."""
        return _share(self.right, self.answers)

    @property
    def precision(self) -> Share:
        """Share of the decisions that the user answered so."""
        return _share(self.right, self.decided)


def rates(counts: Sequence[Sequence[int]], names: Sequence[str]) -> list[Rates]:
    """Rates of the first classes of a confusion matrix, one for each of `names`."""
    columns = list(zip(*counts, strict=True))
    return [
        Rates(name, sum(counts[place]), sum(columns[place]), counts[place][place]) for place, name in enumerate(names)
    ]


def _share(hits: int, trials: int) -> Share:
    return Share(hits / trials, *wilson(hits, trials)) if trials else Share(math.nan, math.nan, math.nan)


def wilson(hits: float, trials: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927); `trials` >= 1."""
    z = 1.96
    share, spread = hits / trials, z * z / trials
    reach = z * math.sqrt((share * (1 - share) + spread / 4) / trials)
    low, high = (share + spread / 2 - reach) / (1 + spread), (share + spread / 2 + reach) / (1 + spread)
    return max(0.0, low), min(1.0, high)


def outcomes(found: Iterable[Decision], task: Task) -> list[tuple[float, bool]]:
    """The probability of each decision, and whether what it is of came true."""
    if task.exclusive and not task.is_binary:
        return [(one.probability, one.answer == one.decision) for one in found]
    return [(one.probability, one.answer == (task.classes[0] if task.exclusive else YES)) for one in found]


def reliability(told: Iterable[tuple[float, bool]], bins: int) -> list[Bin]:
    """The non-empty bins among `bins` equal-width bins of probability, in ascending order."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for probability, came_true in told:
        members[min(int(probability * bins), bins - 1)].append((probability, came_true))
    return [_bin(place / bins, (place + 1) / bins, inside) for place, inside in enumerate(members) if inside]


def _bin(start: float, end: float, inside: list[tuple[float, bool]]) -> Bin:
    hits, total = sum(came_true for _, came_true in inside), len(inside)
    return Bin(start, end, total, sum(probability for probability, _ in inside) / total, *_share(hits, total))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0 … 1: mean of |probability − share| over the bins, weighted by decisions; NaN
    without bins.
    """
    total = sum(part.total for part in bins)
    return sum(part.total * abs(part.probability - part.share) for part in bins) / total if total else math.nan


def mistakes(found: Iterable[Decision]) -> list[Decision]:
    """All decisions that differ from the answer.

    Validation before training photos, then by descending certainty, ties by key and tag.
    """
    wrong = [one for one in found if one.answer != one.decision]
    return sorted(wrong, key=lambda one: (one.split == TRAIN, -one.certainty, one.key, one.tag))


class Quality(NamedTuple):
    """Quality of scores, each 0 … 1. The first two depend on the ranking, the last two on decisions at 0.5."""

    average_precision: float
    auroc: float
    accuracy: float
    balanced_accuracy: float


def quality(p_keep: np.ndarray, is_keep: np.ndarray) -> Quality:
    """Quality of (N,) scores 0 … 1 against (N,) bool answers, of which there are both kinds."""
    from sklearn import metrics  # slow to import

    decisions = p_keep >= 0.5
    return Quality(
        float(metrics.average_precision_score(is_keep, p_keep)),
        float(metrics.roc_auc_score(is_keep, p_keep)),
        float(metrics.accuracy_score(is_keep, decisions)),
        float(metrics.balanced_accuracy_score(is_keep, decisions)),
    )


def quality_by_class(probability: np.ndarray, targets: np.ndarray, exclusive: bool = True) -> Quality:
    """Quality of (N, K) scores against (N, K) targets of K classes, or of tags, NaN for unknown.

    The mean over the classes that some photos have and others don't. Of several exclusive classes, `accuracy` is the
    share of photos whose likeliest class is right, and `balanced_accuracy` the mean recall.
    """
    targets, decided = np.asarray(targets, np.float64), probability
    if exclusive and targets.shape[1] == 2:
        return quality(probability[:, 0], targets[:, 0] == 1)
    if exclusive:
        decided = (probability.argmax(axis=1)[:, None] == np.arange(targets.shape[1])).astype(np.float64)
    found, recalls = [], []
    for column in range(targets.shape[1]):
        is_known = ~np.isnan(targets[:, column] + probability[:, column])
        has = targets[is_known, column] == 1
        if has.any():
            recalls.append(float((decided[is_known, column][has] >= 0.5).mean()))
            if not has.all():
                found.append(quality(probability[is_known, column], has))
    if not found:
        return Quality(math.nan, math.nan, math.nan, math.nan)
    mean = Quality(*np.mean(found, axis=0).tolist())
    if not exclusive:
        return mean
    return mean._replace(
        accuracy=float((decided * targets).sum(axis=1).mean()), balanced_accuracy=float(np.mean(recalls))
    )


def mean_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (S, …) → (…) means and (…) half-widths of their 95 % intervals (Student's t); half-widths are NaN for S =
    1.
    """
    from scipy.special import stdtrit

    runs = len(values)
    if runs < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    half: np.ndarray = stdtrit(runs - 1, 0.975) * values.std(axis=0, ddof=1) / math.sqrt(runs)
    return values.mean(axis=0), half


class Reached(NamedTuple):
    """Number of labels at which a learning curve reaches a level, with its 95 % interval. inf: never reached; NaN: no
    interval.
    """

    labels: float
    low: float
    high: float


def labels_to_reach(labels: np.ndarray, curves: np.ndarray, levels: np.ndarray) -> Reached:
    """Labels at which the mean of `curves` (S, n), sampled at `labels` (n,), first reaches the mean of `levels` (S,);
    curves and levels are paired by seed.

    The interval runs from where the 95 % band of the mean difference first touches zero to where it lies entirely
    above.
    """
    mean, half = mean_interval(curves - levels[:, None])
    return Reached(*(_first_crossing(labels, curve) for curve in (mean, mean + half, mean - half)))


def _first_crossing(labels: np.ndarray, curve: np.ndarray) -> float:
    """First zero crossing of `curve` (n,), linearly interpolated."""
    if np.isnan(curve).any():
        return math.nan
    if not (curve >= 0).any():
        return math.inf
    place = int(np.argmax(curve >= 0))
    if place == 0:
        return float(labels[0])
    before, after = curve[place - 1], curve[place]
    return float(labels[place - 1] + before / (before - after) * (labels[place] - labels[place - 1]))
