"""Scores of photos (p_keep) from an encoder, the cache, and either the light head or the fine-tuned model.

Without a fine-tuned model, p_keep is a logistic regression on all labels. With one, it is the model's own prediction
plus a correction: a logistic regression, offset by the model's logits, on all labels. These include labels given since
the training and the validation photos, which the model never learned from. Independent of the order of photos.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..encoding.embeddings import Embeddings
from ..encoding.encoder import Encoder
from ..encoding.load import load_encoder
from ..errors import NotEnoughLabels
from ..project.labels import KEEP
from ..project.stages import Stage
from . import head

if TYPE_CHECKING:
    from .model import TrainedModel


def without_scores(stage: Stage, labels: Mapping[str, str]) -> NotEnoughLabels:
    """The error for a stage whose unlabeled photos can't be scored yet."""
    given = set(labels.values())
    what = f"has only {given.pop()} labels, {len(labels)} of them" if given else "has no labels yet"
    return NotEnoughLabels(
        f"{stage.name} {what}, so nothing is known about its other photos. Label some to keep and some to cull first."
    )


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

    def __init__(self, source: Source, seen: Embeddings) -> None:
        """`seen`: embeddings by the encoder of `source`. Its rows are normalized in place."""
        self.source = source
        self.keys = seen.keys
        self.row = {key: row for row, key in enumerate(seen.keys)}
        self.features = head.features(seen.rows)
        self._logits = self.features.logits(source.model.head) if source.model else None
        self._chosen: tuple[list[tuple[str, str]], float] = ([], head.REGULARISATION)

    def labeled(self, labels: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of the labeled photos in key order, and whether each is a keeper, (n,) bool."""
        rows = np.sort(np.array([self.row[key] for key in labels if key in self.row], np.intp))
        return rows, np.array([labels[self.keys[row]] == KEEP for row in rows], bool)

    def p_keep(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """(N,) float64 in the order of `keys`; None if there is no model and one class has no labels.

        `labels`: training labels only, without those of spot checks.
        """
        rows, target = self.labeled(labels)
        if self._logits is None:
            if target.all() or not target.any():
                return None
            fitted = head.fit(self.features, rows, target, c=self._regularisation(labels))
            return head.sigmoid(self.features.logits(fitted))
        if not len(rows):
            return head.sigmoid(self._logits)
        correction = head.fit(self.features, rows, target, offset=self._logits[rows])
        return head.sigmoid(self._logits + self.features.logits(correction))

    def _regularisation(self, labels: Mapping[str, str]) -> float:
        """C, chosen on a prefix of the labels and cached, so most new labels need no new choice."""
        known = [(key, label) for key, label in labels.items() if key in self.row]
        first = known[: head.answers_to_choose_by(len(known))]
        chosen_by, c = self._chosen
        if first != chosen_by:
            rows, target = self.labeled(dict(first))
            c = head.chosen_regularisation(self.features.at(rows), target)
            self._chosen = (first, c)
        return c
