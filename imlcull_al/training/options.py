"""Training options, stratified split, and comparison of epochs. Pure arithmetic.

Independent of photos, files and torch.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NotEnoughLabels, TrainingError
from ..project.labels import LABELS

LOG_COLUMNS = ("epoch", "train_loss", "val_loss", "val_accuracy")
_LARGEST = 10**30
"""Upper limit of integer options. A batch larger than the data set is fine, and so are epochs that patience cuts short.
"""


@dataclass(frozen=True)
class Options:
    """How to train. `validation_split`: share of each class held out for validation. `train_blocks`: number of final
    transformer blocks to train; None trains the whole transformer.
    """

    epochs: int = 256
    batch_size: int = 64
    learning_rate: float = 1e-4
    patience: int = 8
    validation_split: float = 0.25
    seed: int = 0
    train_blocks: int | None = None

    def check(self) -> None:
        """Raise `TrainingError` for an invalid value. Whether the transformer has `train_blocks` blocks is checked
        later.
        """
        counts = ["epochs", "batch_size", "patience", *(["train_blocks"] if self.train_blocks is not None else [])]
        for name in (*counts, "seed"):
            _check_number(name, getattr(self, name), int, "whole number")
        for name in ("learning_rate", "validation_split"):
            _check_number(name, getattr(self, name), int | float, "number")
        for name in counts:
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; choose 1 or more.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise TrainingError(f"learning_rate is {self.learning_rate}; choose a number above 0.")
        if not 0 < self.validation_split < 1:
            raise TrainingError(f"validation_split is {self.validation_split}; choose a share between 0 and 1.")
        if not 0 <= self.seed < 2**63:
            raise TrainingError(f"seed is {self.seed}; choose 0 or more, below 2**63.")


def _check_number(name: str, value: object, kind: Any, what: str) -> None:
    """Raise `TrainingError` for a value of the wrong type, or an integer too large for Python to print."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TrainingError(f"{name} is {value!r}; choose a {what}.")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise TrainingError(f"{name} is far too large; choose a smaller number.")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training photos; epoch 0 is the starting point, before any step.

    Losses are mean cross-entropies in nats; accuracies are shares, 0 … 1.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    @property
    def summary(self) -> str:
        """One line for the console."""
        name = f"epoch {self.epoch:3d}" if self.epoch else "start    "
        return (
            f"{name}   train loss {self.train_loss:.3f}, accuracy {self.train_accuracy:6.1%}   "
            f"validation loss {self.val_loss:.3f}, accuracy {self.val_accuracy:6.1%}"
        )

    @property
    def finite(self) -> bool:
        """Whether both losses are finite."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)

    def better_than(self, other: "Epoch") -> bool:
        """Higher validation accuracy, ties broken by lower loss; an epoch with a non-finite loss is never better."""
        return self.finite and (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


def split(
    target: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified split of `target` (n,) bool into positions (train, validation). `share` of each class goes to
    validation; at least one photo of each class is on either side.

    `groups` (n,): photos with the same number (a burst) are never separated, so each class comes as close to `share` as
    whole groups allow. Without it every photo is its own group. Raises `NotEnoughLabels` if a class has fewer than two
    photos, or if all of its photos are in one group.
    """
    chance = np.random.default_rng(seed)
    names = np.arange(len(target)) if groups is None else np.unique(groups, return_inverse=True)[1]
    counts = np.stack([np.bincount(names, weights=target == value) for value in (True, False)], axis=1)
    order = []
    for value, name in zip((True, False), LABELS, strict=True):
        members = chance.permutation(np.flatnonzero(target == value))
        if len(members) < 2:
            raise NotEnoughLabels(
                f"Training needs at least 2 readable photos of each class; there are {int(target.sum())} keep and "
                f"{int((~target).sum())} cull. Label more photos as {name} first."
            )
        if len(np.unique(names[members])) < 2:
            raise NotEnoughLabels(
                f"Training needs photos of each class from at least 2 bursts; all {len(members)} {name} are in one "
                f"burst, which is never split. Label photos of other moments as {name} first."
            )
        order.append(names[members])
    total = counts.sum(axis=0)
    wanted = np.clip(np.round(total * share), 1, total - 1)
    chosen = _gather(np.concatenate(order), counts, wanted, [])
    if not counts[chosen].sum(axis=0).all():  # every group of a class is far larger than its share
        chosen = _gather(np.concatenate(order), counts, wanted, _smallest_with_both(order, counts))
    validation = np.isin(names, chosen)
    return np.flatnonzero(~validation), np.flatnonzero(validation)


def _gather(order: np.ndarray, counts: np.ndarray, wanted: np.ndarray, chosen: list[int]) -> list[int]:
    """Local search: toggle groups of `order` in and out of `chosen` while that brings the chosen photos of both classes
    (G, 2) closer to `wanted` (2,), relative to `wanted`. Both classes stay represented on both sides.
    """
    inside, have = set(chosen), counts[chosen].sum(axis=0).tolist()
    sizes, total, goal = counts.tolist(), counts.sum(axis=0).tolist(), wanted.tolist()
    groups, changed = list(dict.fromkeys(order.tolist())), True

    def distance(numbers: list[float]) -> float:
        return sum(abs(number - want) / want for number, want in zip(numbers, goal, strict=True))

    while changed and distance(have):
        changed = False
        for group in groups:
            sign = -1 if group in inside else 1
            after = [number + sign * size for number, size in zip(have, sizes[group], strict=True)]
            possible = min(after) > 0 if sign < 0 else all(some < all_ for some, all_ in zip(after, total, strict=True))
            if possible and distance(after) < distance(have):
                inside.symmetric_difference_update({group})
                have, changed = after, True
    return sorted(inside)


def _smallest_with_both(order: list[np.ndarray], counts: np.ndarray) -> list[int]:
    """The smallest group that holds both classes, or else the smallest group of each class. The remaining groups hold
    both classes too.
    """
    photos = counts.sum(axis=1)
    mixed = np.flatnonzero(counts.all(axis=1))
    if len(mixed):
        return [int(mixed[np.argmin(photos[mixed])])]
    return [int(members[np.argmin(photos[members])]) for members in order]
