"""Compares predictions with labels: confusion, calibration, mistakes, learning curves. Pure arithmetic.

Independent of photos, files and plots.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..project.labels import KEEP, LABELS

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class Prediction:
    """One labeled photo after training.

    `key`: photo key. `label`: keep | cull, given by the user. `p_keep`: 0 … 1, from the model. `split`: train |
    validation. Raises `ValueError` for any other value.
    """

    key: str
    label: str
    p_keep: float
    split: str

    def __post_init__(self) -> None:
        """Validate the fields."""
        if self.label not in LABELS or self.split not in (TRAIN, VALIDATION) or not 0 <= self.p_keep <= 1:
            raise ValueError(f"not a prediction: {self}")

    @property
    def model_keeps(self) -> bool:
        """The model's decision at 0.5; a tie keeps."""
        return self.p_keep >= 0.5


class Bin(NamedTuple):
    """One non-empty bin of a reliability diagram: photos with `p_keep_from` <= p_keep < `p_keep_to` (1 is in the last
    bin).

    `p_keep`: mean prediction. `kept`: share that the user kept, with its 95 % interval `kept_low` … `kept_high`.
    """

    p_keep_from: float
    p_keep_to: float
    photos: int
    p_keep: float
    kept: float
    kept_low: float
    kept_high: float


def confusion(predictions: Iterable[Prediction]) -> list[list[int]]:
    """Confusion matrix in photos: rows are labels, columns are model decisions, keep before cull."""
    counts = [[0, 0], [0, 0]]
    for one in predictions:
        counts[LABELS.index(one.label)][0 if one.model_keeps else 1] += 1
    return counts


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927); `trials` >= 1."""
    z = 1.96
    share, spread = hits / trials, z * z / trials
    reach = z * math.sqrt((share * (1 - share) + spread / 4) / trials)
    low, high = (share + spread / 2 - reach) / (1 + spread), (share + spread / 2 + reach) / (1 + spread)
    return max(0.0, low), min(1.0, high)


def reliability(predictions: Iterable[Prediction], bins: int) -> list[Bin]:
    """The non-empty bins among `bins` equal-width bins of p_keep, in ascending order."""
    members: list[list[Prediction]] = [[] for _ in range(bins)]
    for one in predictions:
        members[min(int(one.p_keep * bins), bins - 1)].append(one)
    return [_bin(place / bins, (place + 1) / bins, inside) for place, inside in enumerate(members) if inside]


def _bin(low: float, high: float, inside: list[Prediction]) -> Bin:
    kept, total = sum(one.label == KEEP for one in inside), len(inside)
    return Bin(low, high, total, sum(one.p_keep for one in inside) / total, kept / total, *wilson(kept, total))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0 … 1: mean of |p_keep − kept| over the bins, weighted by photos; NaN without
    bins.
    """
    total = sum(part.photos for part in bins)
    return sum(part.photos * abs(part.p_keep - part.kept) for part in bins) / total if total else math.nan


def mistakes(predictions: Iterable[Prediction], label: str) -> list[Prediction]:
    """All photos with this label that the model decides differently.

    Validation before training photos, then by descending confidence, ties by key.
    """
    wrong = [one for one in predictions if one.label == label and one.model_keeps != (label == KEEP)]
    return sorted(wrong, key=lambda one: (one.split == TRAIN, -abs(one.p_keep - 0.5), one.key))


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
