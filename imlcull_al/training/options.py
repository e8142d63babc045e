"""Training options, and comparison of epochs. Pure arithmetic.

Independent of photos, files and torch.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..errors import TrainingError

LOG_COLUMNS = ("epoch", "train_loss", "val_loss", "val_accuracy")
MOST_FOLDS = 10
"""Each keeps its weights and two moments of them in memory."""
_LARGEST = 10**30
"""Upper limit of integer options. A batch larger than the data set is fine, and so are epochs that patience cuts short.
"""


@dataclass(frozen=True)
class Options:
    """How to train. `validation_split`: share of each class held out for validation. `train_blocks`: number of final
    transformer blocks to train; None trains the whole transformer.

    `gentle`: train by cross-validation, every photo held out once in `1 / validation_split` folds, `MOST_FOLDS` at
    most, for all `epochs`; the weights of the folds are averaged, and `patience` has no say. `GENTLE` has the other
    values that suit it.
    """

    epochs: int = 256
    batch_size: int = 64
    learning_rate: float = 1e-4
    patience: int = 8
    validation_split: float = 0.25
    seed: int = 0
    train_blocks: int | None = None
    gentle: bool = False

    @property
    def folds(self) -> int:
        """In how many folds a gentle training divides the photos; 1 for any other."""
        return min(MOST_FOLDS, max(2, round(1 / self.validation_split))) if self.gentle else 1

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
        if not isinstance(self.gentle, bool):
            raise TrainingError(f"gentle is {self.gentle!r}; choose true or false.")
        if not 0 <= self.seed < 2**63:
            raise TrainingError(f"seed is {self.seed}; choose 0 or more, below 2**63.")


GENTLE = Options(epochs=6, batch_size=16, learning_rate=5e-5, train_blocks=6, gentle=True)
"""The recipe that the page uses; `benchmarks.recipes` has what it brings."""


def options_of(*, gentle: bool = False, **given: Any) -> Options:
    """`GENTLE` or the specified options, with what is given; None leaves an option as it is there."""
    return replace(
        GENTLE if gentle else Options(), **{name: value for name, value in given.items() if value is not None}
    )


TRAIN_EVERY = 50
"""New answers after which the page trains by itself; 0 for never."""
MEANINGS = {
    "epochs": "passes over the photos, at most",
    "batch_size": "photos per step",
    "learning_rate": "step size of Adam, gentle of AdamW",
    "patience": "epochs without improvement until training stops; gentle never stops early",
    "validation_split": "share of the labels held out for validation",
    "seed": "the same seed gives the same training",
    "train_blocks": "train only the last N blocks of the transformer, several times as fast",
    "gentle": "train in folds that hold every photo out once, and average their models",
}
"""What each option says, in words."""


def _check_number(name: str, value: object, kind: Any, what: str) -> None:
    """Raise `TrainingError` for a value of the wrong type, or an integer too large for Python to print."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TrainingError(f"{name} is {value!r}; choose a {what}.")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise TrainingError(f"{name} is far too large; choose a smaller number.")


class Counts(NamedTuple):
    """How often a class or tag was right and wrong: true and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True)
class Epoch:
    """One pass over the training photos; epoch 0 is the starting point, before any step.

    Losses are mean cross-entropies in nats; accuracies are shares, 0 … 1: of photos, for tags of known tags. `counts`:
    validation photos by the first of two classes, or else by every class or tag.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    counts: tuple[Counts, ...] = ()

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
