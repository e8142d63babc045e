"""A classifier of photos that needs no project: a trained model's file, iml-cull's, or a folder of Hugging Face.

predictor = load_predictor(Path("stage_1_cull_model.pth"))
predictor.probability(embeddings)               # (N, K), for embeddings by predictor.encoder
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..encoding.encoder import Encoder
from ..encoding.load import load_classifier
from ..errors import ModelFileError
from . import head, model


@dataclass(frozen=True)
class Predictor:
    """What a classifier says, and of what.

    `classes`: K names. `codes`: K numbers by which other programs know them. `exclusive`: whether a photo has one of
    them, rather than any number. `probability`: embeddings (N, D) by `encoder` → (N, K), 0 … 1.
    """

    name: str
    classes: tuple[str, ...]
    codes: tuple[int, ...]
    exclusive: bool
    encoder: Encoder
    probability: Callable[[np.ndarray], np.ndarray]


def load_predictor(path: Path) -> Predictor:
    """Load a model file or a folder. Raises `ModelFileError`, `EncoderError`."""
    if path.is_dir():
        if found := sorted(path.glob("stage_*_model.pth")):
            raise ModelFileError(f"{path} is a project. Name one of its models, such as {found[0]}.")
        encoder, classes, exclusive = load_classifier(path)
        squash = head.softmax if exclusive else head.sigmoid
        return Predictor(encoder.name, classes, tuple(range(len(classes))), exclusive, encoder, squash)
    trained = model.load(path, None)
    names = sorted(trained.task.classes)
    codes = tuple(names.index(name) for name in trained.task.classes)
    return Predictor(
        path.stem, trained.task.classes, codes, trained.task.exclusive, trained.encoder, trained.probability
    )
