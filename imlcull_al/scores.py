"""p_keep by photo: an encoder, the cache, and either the light head or the fine-tuned model.

Without a fine-tuned model p_keep is the logistic regression on all answers. With one, it is the model's own, on the
model's own embeddings, corrected by a logistic regression on all answers: those given since the training, and the
validation photos, which the model never learned from.
Knows nothing of the order in which photos are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import embeddings, head
from .embeddings import Embeddings
from .encoder import VisionEncoder, load_encoder
from .labels import KEEP
from .progress import Progress, Stop, never, silent
from .project import Stage, list_photos

if TYPE_CHECKING:
    from .model import TrainedModel


@dataclass(frozen=True)
class Source:
    """Where scores come from: an encoder, and the fine-tuned model whose encoder it is, if there is one."""

    encoder: VisionEncoder
    model: "TrainedModel | None"

    @property
    def description(self) -> str:
        """A few words for people."""
        if self.model is None:
            return f"logistic regression on {self.encoder.name}"
        return f"{self.encoder.name}, {len(self.model.labels)} labels"


def choose_source(stage: Stage, model: str | None) -> Source:
    """The stage's fine-tuned model, if there is one and it was trained from `model` (or none is named); else `model`.

    Raises `ModelFileError` for a model file that can't be used, `EncoderError`.
    """
    if not stage.model.exists():
        return Source(load_encoder(model), None)
    from .model import load

    trained = load(stage.model)
    if model is not None and load_encoder(model).fingerprint != trained.base_fingerprint:
        return Source(load_encoder(model), None)
    return Source(trained.encoder, trained)


class Scorer:
    """p_keep of every photo of a stage that can be read."""

    def __init__(self, stage: Stage, source: Source, cache_dir: Path) -> None:
        """Nothing is computed yet."""
        self.stage = stage
        self.source = source
        self._cache_dir = cache_dir
        self.embeddings: Embeddings | None = None

    def prepare(
        self,
        *,
        batch_size: int = embeddings.DEFAULT_BATCH_SIZE,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Embeddings:
        """Find or compute all embeddings. Raises `Cancelled` when stopped; what was done is in the cache."""
        paths = {key: self.stage.path(key) for key in list_photos(self.stage).keys}
        self.embeddings = embeddings.ensure(
            paths, self.source.encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
        )
        return self.embeddings

    def p_keep(self, labels: Mapping[str, str]) -> np.ndarray | None:
        """(N,) in the order of `embeddings.keys`, float64; None while there is no model and a class has no answer."""
        seen = self.embeddings or self.prepare()
        rows = np.array([row for row, key in enumerate(seen.keys) if key in labels], np.intp)
        target = np.array([labels[seen.keys[row]] == KEEP for row in rows], bool)
        if self.source.model is None:
            if target.all() or not target.any():
                return None
            return head.fit(seen.rows, rows, target).probability(seen.rows)
        logits = self.source.model.head.logits(seen.rows).astype(np.float64)
        if len(rows):
            logits += head.fit(seen.rows, rows, target, offset=logits[rows]).logits(seen.rows)
        return head.sigmoid(logits)
