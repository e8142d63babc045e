"""p_keep by photo: an encoder, the cache, and either the light head or the fine-tuned model.

Without a fine-tuned model p_keep is the logistic regression on all answers. With one, it is the model's own, on the
model's own embeddings, corrected by a logistic regression on all answers: those given since the training, and the
validation photos, which the model never learned from.
Knows nothing of the order in which photos are shown.
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
    """Where scores come from: an encoder, and the fine-tuned model whose encoder it is, if there is one."""

    encoder: Encoder
    model: "TrainedModel | None"
    notice: str = ""
    """A sentence to show wherever these scores are shown: another encoder was asked for than gives them."""

    @property
    def description(self) -> str:
        """A few words for people."""
        if self.model is None:
            return f"logistic regression on {self.encoder.name}"
        return f"{self.encoder.name}, {len(self.model.labels)} labels"


def choose_source(stage: Stage, model: str | None) -> Source:
    """The stage's fine-tuned model, if there is one and it was trained from `model` (or none is named); else `model`.

    With neither, what the model of the stage before was trained from, so that a cull doesn't change the encoder.
    Raises `ModelFileError` for a model file that can't be used, `EncoderError`.
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
    """p_keep of one set of photos, from any answers: what all answers have in common is worked out once."""

    def __init__(self, source: Source, seen: Embeddings) -> None:
        """`seen`: embeddings by the encoder of `source`; its rows have length 1 afterwards."""
        self.keys = seen.keys
        self.row = {key: row for row, key in enumerate(seen.keys)}
        self.features = head.features(seen.rows)
        self._logits = self.features.logits(source.model.head) if source.model else None
        self._chosen: tuple[list[tuple[str, str]], float] = ([], head.REGULARISATION)

    def labeled(self, labels: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of the labeled photos, in key order, and whether each is to keep (n,) bool."""
        rows = np.sort(np.array([self.row[key] for key in labels if key in self.row], np.intp))
        return rows, np.array([labels[self.keys[row]] == KEEP for row in rows], bool)

    def p_keep(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """(N,) in the order of `keys`, float64; None while there is no model and a class has no answer.

        `labels`: those that may train, not the audited ones.
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
        """C by the first of the answers alone, so that most answers need no new choice."""
        known = [(key, label) for key, label in labels.items() if key in self.row]
        first = known[: head.answers_to_choose_by(len(known))]
        chosen_by, c = self._chosen
        if first != chosen_by:
            rows, target = self.labeled(dict(first))
            c = head.chosen_regularisation(self.features.at(rows), target)
            self._chosen = (first, c)
        return c
