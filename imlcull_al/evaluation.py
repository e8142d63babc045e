"""Predictions held against a person's answers: confusion, calibration, mistakes. Arithmetic only.

Knows nothing of photos, files or plots.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .labels import KEEP, LABELS

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
