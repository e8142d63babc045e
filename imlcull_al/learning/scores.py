"""Scores of photos, a probability per class, from an encoder, the cache, and the light head or the fine-tuned model.

Without a fine-tuned model, scores are a logistic regression on all labels: binary, one a tag, or over several classes.
With one, they are the model's own prediction plus a correction: a logistic regression, offset by the model's logits, on
all labels. These include labels given since the training and the validation photos, which the model never learned from.
Independent of the order of photos.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..encoding.embeddings import Embeddings
from ..encoding.encoder import Encoder
from ..encoding.load import load_encoder
from ..errors import NotEnoughLabels
from ..project.stages import Stage
from ..project.task import CULL_TASK, Task
from . import head
from .orders import two_classes

if TYPE_CHECKING:
    from .model import TrainedModel


def without_scores(stage: Stage, labels: Mapping[str, str], task: Task = CULL_TASK) -> NotEnoughLabels:
    """The error for a stage whose unlabeled photos can't be scored yet."""
    given = set(labels.values())
    what = "has no labels yet"
    if len(given) == 1:
        what = f"has only {task.words(given.pop())} labels, {len(labels)} of them"
    elif given:
        what = "has too few labels"
    need = "some to keep and some to cull"
    if task != CULL_TASK:
        need = "photos of at least two classes" if task.exclusive else "photos with a tag and photos without it"
    return NotEnoughLabels(f"{stage.name} {what}, so nothing is known about its other photos. Label {need} first.")


@dataclass(frozen=True)
class Source:
    """The origin of scores: an encoder, and the fine-tuned model that it belongs to, if any."""

    encoder: Encoder
    model: "TrainedModel | None"
    notice: str = ""
    """Shown wherever the scores are: another encoder than the requested one is in use."""

    @property
    def description(self) -> str:
        """A short description for display."""
        if self.model is None:
            return f"logistic regression on {self.encoder.name}"
        return f"{self.encoder.name}, {len(self.model.labels)} labels"


def choose_source(stage: Stage, model: str | None) -> Source:
    """Choose the stage's fine-tuned model if it exists and was trained from `model` (or `model` is None), otherwise
    `model`.

    If neither exists, the encoder that the previous stage's model was trained from, so that a cull doesn't change
    encoders. Raises `ModelFileError` for an unusable model file, `EncoderError`.
    """
    if not stage.model.exists() and (model or not stage.previous.model.exists()):
        return _untrained(load_encoder(model))
    from .model import load

    if not stage.model.exists():
        return _untrained(load_encoder(load(stage.previous.model).base_model))
    trained = load(stage.model)
    if model is None:
        return Source(trained.encoder, trained)
    named = load_encoder(model)
    if named.fingerprint != trained.base_fingerprint:
        return _untrained(named)
    return Source(trained.encoder, trained, named.notice)


def _untrained(encoder: Encoder) -> Source:
    return Source(encoder, None, encoder.notice)


class Scorer:
    """Scores one set of photos from any labels; everything that does not depend on the labels is computed once."""

    def __init__(self, source: Source, seen: Embeddings, task: Task = CULL_TASK) -> None:
        """`seen`: embeddings by the encoder of `source`. Its rows are normalized in place."""
        self.source, self.task = source, task
        self.keys = seen.keys
        self.row = {key: row for row, key in enumerate(seen.keys)}
        self.features = head.features(seen.rows)
        self._logits = self.features.logits(source.model.head) if source.model else None
        self._chosen: dict[int, tuple[list[tuple[str, str]], float]] = {}

    def labeled(self, labels: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of the labeled photos in key order, and their targets (n, K); see `Task.targets`."""
        rows = np.sort(np.array([self.row[key] for key in labels if key in self.row], np.intp))
        return rows, self.task.targets([labels[self.keys[row]] for row in rows])

    def probability(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """(N, K) float64 in the order of `keys`; NaN for a tag that nothing is known of. None if nothing at all is
        known: without a model, two classes need labels, or both sides of a tag.

        `labels`: training labels only, without those of spot checks.
        """
        rows, targets = self.labeled(labels)
        if not self.task.exclusive:
            columns = [self._binary(labels, rows, targets, tag) for tag in range(len(self.task.classes))]
            if all(column is None for column in columns):
                return None
            unknown = np.full(len(self.keys), np.nan)
            return np.stack([unknown if column is None else column for column in columns], axis=1)
        if self.task.is_binary:
            first = self._binary(labels, rows, targets, 0)
            return None if first is None else two_classes(first)
        return self._classes(labels, rows, targets)

    def _binary(
        self, labels: Mapping[str, str], rows: np.ndarray, targets: np.ndarray, column: int
    ) -> np.ndarray | None:
        """(N,) probability of one class of two, or of one tag."""
        is_known = ~np.isnan(targets[:, column])
        rows, target = rows[is_known], targets[is_known, column] == 1
        if self._logits is None:
            if target.all() or not target.any():
                return None
            fitted = head.fit(self.features, rows, target, c=self._regularisation(labels, column))
            return head.sigmoid(self.features.logits(fitted))
        logits = self._logits if self._logits.ndim == 1 else self._logits[:, column]
        if not len(rows):
            return head.sigmoid(logits)
        correction = head.fit(self.features, rows, target, offset=logits[rows])
        return head.sigmoid(logits + self.features.logits(correction))

    def _classes(self, labels: Mapping[str, str], rows: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
        """(N, K) probabilities of several classes."""
        number, classes = targets.argmax(axis=1) if len(rows) else np.empty(0, np.intp), len(self.task.classes)
        if self._logits is None:
            if len(np.unique(number)) < 2:
                return None
            fitted = head.fit_classes(self.features, rows, number, classes, c=self._regularisation(labels, -1))
            return head.softmax(self.features.logits(fitted))
        if not len(rows):
            return head.softmax(self._logits)
        correction = head.fit_classes(self.features, rows, number, classes, offset=self._logits[rows])
        return head.softmax(self._logits + self.features.logits(correction))

    def _regularisation(self, labels: Mapping[str, str], column: int) -> float:
        """C for one column, or −1 for all classes, chosen on a prefix of the labels and cached, so most new labels need
        no new choice.
        """
        known = [(key, label) for key, label in labels.items() if key in self.row]
        first = known[: head.answers_to_choose_by(len(known))]
        chosen_by, c = self._chosen.get(column, ([], head.REGULARISATION))
        if first != chosen_by:
            rows, targets = self.labeled(dict(first))
            if column < 0:
                c = head.chosen_for_classes(self.features.at(rows), targets.argmax(axis=1))
            else:
                is_known = ~np.isnan(targets[:, column])
                c = head.chosen_regularisation(self.features.at(rows[is_known]), targets[is_known, column] == 1)
            self._chosen[column] = (first, c)
        return c
