"""Which models a project or folder holds, and what each says of itself. Computes nothing."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..encoding.encoder import Architecture, VisionEncoder
from ..encoding.load import load_classifier
from ..errors import ImlcullError, ModelFileError
from ..project.task import in_words
from .scores import MODEL_SUFFIX

CONFIG = "config.json"


class Entry(NamedTuple):
    """A model and its `summary`, or why it can't be used."""

    path: Path
    summary: str


def models_in(folder: Path) -> list[Entry]:
    """The models in a project or folder: model files, and folders of Hugging Face, itself or in it.

    Raises `ModelFileError` if there are none.
    """
    if not folder.is_dir():
        raise ModelFileError(f"There is no folder {folder}. Name a project, or a folder of models.")
    configs = [folder / CONFIG, *sorted(folder.glob(f"*/{CONFIG}"))]
    paths = [*sorted(folder.glob(f"*{MODEL_SUFFIX}")), *(path.parent for path in configs if path.is_file())]
    if not paths:
        raise ModelFileError(f"There are no models in {folder}. Run `train`, or name another folder.")
    return [Entry(path, _summary(path)) for path in paths]


def facts(path: Path) -> dict[str, str]:
    """What a model file or folder says of itself, by name. Raises `ModelFileError`, `EncoderError`."""
    return _of_folder(path) if path.is_dir() else _of_file(path)


def _summary(path: Path) -> str:
    try:
        found = facts(path)
    except ImlcullError as error:
        return str(error).removeprefix(f"{path} ")
    return "; ".join(f"{name} {found[name]}" for name in ("kind", "classes", "tags", "labels") if name in found)


def _of_folder(folder: Path) -> dict[str, str]:
    encoder, classes, exclusive = load_classifier(folder)
    what = "classes" if exclusive else "tags"
    found = {"kind": "image classifier of Hugging Face", what: in_words(classes)}
    return found | _of_architecture(encoder.architecture) | {"fingerprint": encoder.fingerprint}


def _of_file(path: Path) -> dict[str, str]:
    from . import model
    from .head import Layers

    trained = model.load(path, None)
    encoder, task = trained.encoder, trained.task
    own = encoder if isinstance(encoder, VisionEncoder) else getattr(encoder, "trained", None)
    found = {
        "kind": "model of iml-cull" if isinstance(trained.head, Layers) else "model of imlcull",
        "task": task.name,
        "classes" if task.exclusive else "tags": in_words(task.classes),
    }
    if not isinstance(trained.head, Layers):
        counts = Counter(name for label in trained.labels.values() for name, has in task.tags_of(label).items() if has)
        of_each = ", ".join(f"{counts[name]:,} {name}" for name in task.classes)
        found |= {
            "trained from": trained.base_model or "a model that was an object in a script",
            "labels": f"{len(trained.labels):,} ({of_each})",
            "validation accuracy": f"{trained.validation_accuracy:.3f}",
            "validation photos": f"{len(trained.validation_keys):,}",
            "epoch": str(trained.epoch),
            "scores that count": trained.scores,
        }
    if isinstance(own, VisionEncoder):
        found |= _of_architecture(own.architecture)
        found["beside it"] = "nothing" if own is encoder else "the built-in encoder, on the photo and four tiles of it"
    return found | {"fingerprint": encoder.fingerprint, "size": f"{path.stat().st_size:,} bytes"}


def _of_architecture(architecture: Architecture) -> dict[str, str]:
    config, preprocessing = architecture.vision_config, architecture.preprocessing
    blocks, width = config.get("num_hidden_layers"), config.get("hidden_size")
    size = f", {blocks} blocks of width {width}" if blocks and width else ""
    crop = f", cropped to {preprocessing.crop}" if preprocessing.crop else ""
    return {
        "transformer": f"{config.get('model_type')}{size}",
        "input": f"resized to {preprocessing.resize}{crop}; mean {preprocessing.mean}, std {preprocessing.std}",
    }
