"""Precision-recall and ROC curves, and the areas below them with their intervals. Pure arithmetic.

Independent of photos, files and plots.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..project.task import Task
from .evaluation import VALIDATION, Prediction, Share, wilson


@dataclass(frozen=True)
class Curve:
    """How well probabilities tell the photos of `name`, a class or tag, from all others, at every threshold.

    At `thresholds` (m,), descending, `tp` of the `positives` and `fp` of the `negatives` have at least that
    probability. Equal probabilities share a threshold, and the last one takes all photos.
    """

    name: str
    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray

    @property
    def positives(self) -> int:
        """Number of photos of the class."""
        return int(self.tp[-1]) if len(self.tp) else 0

    @property
    def negatives(self) -> int:
        """Number of all others."""
        return int(self.fp[-1]) if len(self.fp) else 0

    @property
    def is_defined(self) -> bool:
        """Whether there are photos of both kinds."""
        return self.positives > 0 and self.negatives > 0

    @property
    def prevalence(self) -> float:
        """Share of positives: the precision of a random order."""
        return self.positives / (self.positives + self.negatives)

    @property
    def precision(self) -> np.ndarray:
        """(m,) share of the photos above a threshold that are positive."""
        return np.asarray(self.tp / (self.tp + self.fp))

    @property
    def recall(self) -> np.ndarray:
        """(m,) share of the positives that are above a threshold; also called true positive rate."""
        return np.asarray(self.tp / self.positives)

    @property
    def fallout(self) -> np.ndarray:
        """(m,) share of the negatives that are above a threshold; also called false positive rate."""
        return np.asarray(self.fp / self.negatives)

    @property
    def average_precision(self) -> Share:
        """Area below the steps of the precision-recall curve, with the binomial interval of its positives (Boyd et al.
        2013), by Wilson.
        """
        area = float(np.diff(self.recall, prepend=0.0) @ self.precision)
        return Share(area, *wilson(area * self.positives, self.positives))

    @property
    def auc(self) -> Share:
        """Area below the ROC curve: in how many pairs the positive has the larger probability, ties by half; with the
        score interval of Newcombe (2006), method 5.
        """
        area = float(np.trapezoid(np.append(0.0, self.recall), np.append(0.0, self.fallout)))
        return Share(area, *_newcombe(area, self.positives, self.negatives))

    def at(self, threshold: float) -> int | None:
        """Position of the last threshold that is not below this one; None if there is none."""
        above = int(np.count_nonzero(self.thresholds >= threshold))
        return above - 1 if above else None

    def corners(self) -> np.ndarray:
        """Positions without those amid a run of negatives: some three for every positive, from which both curves can
        be drawn.
        """
        rises = np.diff(self.tp, prepend=0) > 0
        return np.flatnonzero(rises | np.append(rises[1:], True))


def curve_of(name: str, probability: np.ndarray, has: np.ndarray) -> Curve:
    """The curve of probabilities (n,) of a class, and whether each photo is of it (n,) bool."""
    order = np.argsort(-probability, kind="stable")
    ordered, is_positive = probability[order], has[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], len(ordered) > 0)[: len(ordered)])
    return Curve(name, ordered[ends], np.cumsum(is_positive)[ends], np.cumsum(~is_positive)[ends])


def curves_of(predictions: Iterable[Prediction], task: Task) -> list[Curve]:
    """Curves of the first of two classes, or else of every class against the rest, or of every tag where it is known.
    Measured on the validation photos.
    """
    found = [one for one in predictions if one.split == VALIDATION]
    targets = task.targets([one.label for one in found])
    probability = np.array([one.probability for one in found], np.float64).reshape(len(found), len(task.classes))
    curves = []
    for column, name in enumerate(task.classes[:1] if task.is_binary else task.classes):
        known = ~np.isnan(targets[:, column])
        curves.append(curve_of(name, probability[known, column], targets[known, column] == 1))
    return curves


def _newcombe(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an AUC: all values that are less than 1.96 of their own standard errors from `area`. Unlike the
    bootstrap's, it holds for few photos and for an area of 1.
    """
    mean = (positives + negatives) / 2

    def is_far(value: float) -> bool:
        spread = 2 * mean - 1 - 3 * (mean - 1) / ((2 - value) * (1 + value))
        return (area - value) ** 2 > 1.96**2 * value * (1 - value) * spread / (positives * negatives)

    return _edge(is_far, 0.0, area), _edge(is_far, 1.0, area)


def _edge(is_far: Callable[[float], bool], far: float, near: float) -> float:
    """Where `is_far` changes between two values, by bisection."""
    for _ in range(50):
        middle = (far + near) / 2
        far, near = (middle, near) if is_far(middle) else (far, middle)
    return near
