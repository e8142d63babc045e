"""What a training is asked to do and what an epoch says: options, split, which epoch is better. Arithmetic only.

Knows nothing of photos, files or torch.
"""

import math
from dataclasses import dataclass

import numpy as np

from .errors import NotEnoughLabels, TrainingError
from .labels import LABELS

LOG_COLUMNS = ("epoch", "train_loss", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Options:
    """How to train. `validation_split` is the share of each class that is set apart."""

    epochs: int = 256
    batch_size: int = 64
    learning_rate: float = 1e-4
    patience: int = 8
    validation_split: float = 0.25
    seed: int = 0

    def check(self) -> None:
        """Raise `TrainingError` for a value that can't be trained with."""
        for name in ("epochs", "batch_size", "patience", "seed"):
            if not isinstance(getattr(self, name), int) or isinstance(getattr(self, name), bool):
                raise TrainingError(f"{name} is {getattr(self, name)!r}; choose a whole number.")
        for name in ("learning_rate", "validation_split"):
            if not isinstance(getattr(self, name), int | float):
                raise TrainingError(f"{name} is {getattr(self, name)!r}; choose a number.")
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; choose 1 or more.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise TrainingError(f"learning_rate is {self.learning_rate}; choose a number above 0.")
        if not 0 < self.validation_split < 1:
            raise TrainingError(f"validation_split is {self.validation_split}; choose a share between 0 and 1.")
        if not 0 <= self.seed < 2**63:
            raise TrainingError(f"seed is {self.seed}; choose 0 or more, below 2**63.")


@dataclass(frozen=True)
class Epoch:
    """One pass over the training photos; number 0 is the start, before any step.

    Losses are mean cross-entropies in nats; accuracies are shares, 0 … 1.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    @property
    def summary(self) -> str:
        """A line for people."""
        name = f"epoch {self.epoch:3d}" if self.epoch else "start    "
        return (
            f"{name}   train loss {self.train_loss:.3f}, accuracy {self.train_accuracy:6.1%}   "
            f"validation loss {self.val_loss:.3f}, accuracy {self.val_accuracy:6.1%}"
        )

    @property
    def finite(self) -> bool:
        """Whether both losses are numbers that mean something."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)

    def better_than(self, other: "Epoch") -> bool:
        """Higher validation accuracy, or as high with a lower loss; nothing that is not finite is better."""
        return self.finite and (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


def split(target: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (train, validation) of `target` (n,) bool, stratified: `share` of each class, at least one, is
    validation, and at least one is left for training. Raises `NotEnoughLabels` below two of a class.
    """
    chance = np.random.default_rng(seed)
    train, validation = [], []
    for value, name in zip((True, False), LABELS, strict=True):
        members = chance.permutation(np.flatnonzero(target == value))
        if len(members) < 2:
            raise NotEnoughLabels(
                f"Training needs 2 photos of each class at least; there are {int(target.sum())} keep and "
                f"{int((~target).sum())} cull that can be read. Label more photos as {name} first."
            )
        count = min(max(round(len(members) * share), 1), len(members) - 1)
        validation.append(members[:count])
        train.append(members[count:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(validation))
