"""Predictions held against a person's answers: confusion, calibration, mistakes, learning curves. Arithmetic only.

Knows nothing of photos, files or plots.
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

    `key`: photo key. `label`: keep | cull, the person's answer. `p_keep`: 0 … 1, the model's.
    `split`: train | validation. Raises `ValueError` for anything else.
    """

    key: str
    label: str
    p_keep: float
    split: str

    def __post_init__(self) -> None:
        """Refuse what is no prediction."""
        if self.label not in LABELS or self.split not in (TRAIN, VALIDATION) or not 0 <= self.p_keep <= 1:
            raise ValueError(f"not a prediction: {self}")

    @property
    def model_keeps(self) -> bool:
        """The model's decision; a tie keeps."""
        return self.p_keep >= 0.5


class Bin(NamedTuple):
    """The photos with `p_keep_from` <= p_keep < `p_keep_to` (1 is in the last bin), at least one.

    `p_keep`: their mean. `kept`: the share that the person kept, `kept_low` … `kept_high` its 95 % interval.
    """

    p_keep_from: float
    p_keep_to: float
    photos: int
    p_keep: float
    kept: float
    kept_low: float
    kept_high: float


def confusion(predictions: Iterable[Prediction]) -> list[list[int]]:
    """Numbers of photos: rows = the person's answer, columns = the model's decision, keep before cull."""
    counts = [[0, 0], [0, 0]]
    for one in predictions:
        counts[LABELS.index(one.label)][0 if one.model_keeps else 1] += 1
    return counts


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); `trials` >= 1."""
    z = 1.96
    share, spread = hits / trials, z * z / trials
    reach = z * math.sqrt((share * (1 - share) + spread / 4) / trials)
    low, high = (share + spread / 2 - reach) / (1 + spread), (share + spread / 2 + reach) / (1 + spread)
    return max(0.0, low), min(1.0, high)


def reliability(predictions: Iterable[Prediction], bins: int) -> list[Bin]:
    """The filled ones of `bins` equal bins of p_keep, from 0 to 1."""
    members: list[list[Prediction]] = [[] for _ in range(bins)]
    for one in predictions:
        members[min(int(one.p_keep * bins), bins - 1)].append(one)
    return [_bin(place / bins, (place + 1) / bins, inside) for place, inside in enumerate(members) if inside]


def _bin(low: float, high: float, inside: list[Prediction]) -> Bin:
    kept, total = sum(one.label == KEEP for one in inside), len(inside)
    return Bin(low, high, total, sum(one.p_keep for one in inside) / total, kept / total, *wilson(kept, total))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0 … 1: |p_keep − kept| of the bins, weighted by photos; nan without bins."""
    total = sum(part.photos for part in bins)
    return sum(part.photos * abs(part.p_keep - part.kept) for part in bins) / total if total else math.nan


def mistakes(predictions: Iterable[Prediction], label: str) -> list[Prediction]:
    """All photos with this label that the model would decide otherwise.

    Validation before training photos, then the most confident first, ties by key.
    """
    wrong = [one for one in predictions if one.label == label and one.model_keeps != (label == KEEP)]
    return sorted(wrong, key=lambda one: (one.split == TRAIN, -abs(one.p_keep - 0.5), one.key))


class Quality(NamedTuple):
    """How good scores are, each 0 … 1: the first two by the order of the photos, the others by decisions at 0.5."""

    average_precision: float
    auroc: float
    accuracy: float
    balanced_accuracy: float


def quality(p_keep: np.ndarray, is_keep: np.ndarray) -> Quality:
    """(N,) scores 0 … 1 against (N,) bool answers of both kinds."""
    right = (p_keep >= 0.5) == is_keep
    balanced = (float(right[is_keep].mean()) + float(right[~is_keep].mean())) / 2
    return Quality(average_precision(p_keep, is_keep), auroc(p_keep, is_keep), float(right.mean()), balanced)


def average_precision(score: np.ndarray, is_keep: np.ndarray) -> float:
    """The mean, over the keepers, of the share of keepers among all photos that score at least as high: 0 … 1.

    `score` (N,), `is_keep` (N,) bool with at least one keeper. Photos of one score come together, as in scikit-learn.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # of each run of equal scores
    keepers = np.cumsum(is_keep[order])[last]
    return float((np.diff(keepers, prepend=0) * keepers / (last + 1)).sum() / keepers[-1])


def auroc(score: np.ndarray, is_keep: np.ndarray) -> float:
    """How often a keeper scores higher than a cull, a tie counting half: 0 … 1. Both must be there."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    keepers, culls = int(is_keep.sum()), int((~is_keep).sum())
    return float((rank[is_keep].sum() - keepers * (keepers + 1) / 2) / (keepers * culls))


def mean_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, …) → (…) means and halves of their 95 % intervals by Student's t; halves are NaN for S = 1."""
    from scipy.special import stdtrit

    runs = len(values)
    if runs < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    half: np.ndarray = stdtrit(runs - 1, 0.975) * values.std(axis=0, ddof=1) / math.sqrt(runs)
    return values.mean(axis=0), half


class Reached(NamedTuple):
    """Labels until a learning curve reaches a level, and the ends of the 95 % interval: inf for not at all, NaN for
    no interval.
    """

    labels: float
    low: float
    high: float


def labels_to_reach(labels: np.ndarray, curves: np.ndarray, levels: np.ndarray) -> Reached:
    """When the mean of `curves` (S, n) at `labels` (n,) is first at the mean of `levels` (S,), the s-th curve's own.

    The interval ends where that of the mean difference begins to hold zero, and where it is wholly above.
    """
    mean, half = mean_interval(curves - levels[:, None])
    return Reached(*(_first_crossing(labels, curve) for curve in (mean, mean + half, mean - half)))


def _first_crossing(labels: np.ndarray, curve: np.ndarray) -> float:
    """Where a curve (n,) is first zero or more, between two points by a straight line."""
    if np.isnan(curve).any():
        return math.nan
    if not (curve >= 0).any():
        return math.inf
    place = int(np.argmax(curve >= 0))
    if place == 0:
        return float(labels[0])
    before, after = curve[place - 1], curve[place]
    return float(labels[place - 1] + before / (before - after) * (labels[place] - labels[place - 1]))
