"""The fine-tuned classifier of a task, and its file `stage_N_TASK_model.pth`.

The file is a `torch.save` of one dictionary of plain values and tensors; it loads with `weights_only=True`:

    format = "imlcull model", version = 1, classes = ["keep", "cull"]
    base_model          str, the encoder it was trained from, as given to `--model`
    base_name           str, display name of that encoder; base_fingerprint: its fingerprint
    notice              str, empty; in older files, why `base_name` replaced an unavailable `base_model`
    beside              str, fingerprint of the built-in encoder if its E embedding dimensions are concatenated to the
                        transformer's; empty or missing for none, E = 0
    vision_config       dict, the Hugging Face config of the transformer, with model_type
    preprocessing       dict, the fields of `Preprocessing`
    pooling             "first" | "pooler" | "mean"
    state_dict          tensors: backbone.transformer.…, head.weight (K, D + E), head.bias (K,), for K classes
    epoch, validation_accuracy, seed
    labels              dict, photo key → label, training and validation photos; validation_keys: list of keys
    scores              "head" | "model" | "average", which of them the training found best; missing in older files,
                        whose model counts

Any other task than keep or cull has version 2, and beside `classes`, its K names, `task`, str, its name, and
`exclusive`, bool: whether the K logits are those of a softmax, rather than log-odds of each tag.

The model file of iml-cull is read, too; see `royokello`.

Independent of optimizers, stages and caches.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..encoding.backbone import Backbone, from_config, shapes
from ..encoding.builtin import SideBySide, TiledEncoder, parts_of
from ..encoding.encoder import Architecture, Encoder, VisionEncoder
from ..encoding.load import builtin_encoder
from ..encoding.preprocess import Preprocessing
from ..errors import EncoderError, ModelFileError, in_words, shown
from ..project import task as tasks
from ..project.files import open_own, replacing
from ..project.task import CULL_TASK, Task
from . import head, royokello
from .choice import MODEL, SCORES

FORMAT = "imlcull model"
VERSION = 1
TASK_VERSION = 2
UNSEEN = 20.0
"""Nats by which the logit of a class without training photos starts below the mean of the others."""
_MOST_EPOCHS = 1_000_000_000
Number = TypeVar("Number", int, float)


class Classifier(nn.Module):
    """A backbone and a linear layer on its unit-length embedding, optionally concatenated with frozen embeddings."""

    def __init__(self, backbone: Backbone, dim: int, outputs: int = len(CULL_TASK.classes)) -> None:
        """The linear layer has a logit for each of K = `outputs` classes or tags, and is initialized to zero."""
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(dim, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Preprocessed pixels (B, 3, H, W) → logits (B, K). Only valid without frozen embeddings (E = 0)."""
        return self.logits(self.backbone(pixels))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Embeddings (B, D + E), see `side_by_side` → logits (B, K)."""
        logits: Tensor = self.head(nn.functional.normalize(embeddings, dim=1))
        return logits

    def start_from(self, probe: head.Head | head.Heads) -> None:
        """Initialize the linear layer from `probe`: linear probing, then fine-tuning (Kumar et al. 2022)."""
        if isinstance(probe, head.Head):
            weights, bias = np.stack([probe.weights, -probe.weights]) / 2, np.array([probe.bias, -probe.bias]) / 2
        else:
            probe = _finite(probe)
            weights, bias = probe.weights.T, probe.bias
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(weights, dtype=torch.float32))
            self.head.bias.copy_(torch.tensor(bias))


def _finite(heads: head.Heads) -> head.Heads:
    """The same with `UNSEEN` in place of −inf, so that what is learned later can raise these logits."""
    unseen = np.isneginf(heads.bias)
    weights, bias = heads.weights.copy(), heads.bias.copy()
    weights[:, unseen] = weights[:, ~unseen].mean(axis=1, keepdims=True)
    bias[unseen] = bias[~unseen].mean() - UNSEEN
    return head.Heads(weights, bias)


@dataclass(frozen=True)
class TrainedModel:
    """A loaded model: its encoder and head, and what it was trained on.

    `head`: log-odds of the first of two classes, or else logits of all classes, or log-odds of each tag of `task`.
    `base_model` and what follows it are empty or 0 for a model of iml-cull, whose file doesn't say them.
    `scores`: which count, see `choice`.
    """

    task: Task
    encoder: Encoder
    head: head.AnyHead
    base_model: str
    base_fingerprint: str
    epoch: int
    validation_accuracy: float
    labels: dict[str, str]
    validation_keys: list[str]
    scores: str = MODEL

    def probability(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N, K) probability of each class or tag, 0 … 1."""
        if not isinstance(self.head, head.Heads):
            first = head.sigmoid(self.head.logits(embeddings))
            return np.stack([first, 1 - first], axis=1)
        logits = self.logits(embeddings)
        return head.softmax(logits) if self.task.exclusive else head.sigmoid(logits)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N, K) logits of the classes, or log-odds of the tags."""
        found = self.head.logits(embeddings)
        return found if isinstance(self.head, head.Heads) else np.stack([found, -found], axis=1) / 2


def side_by_side(embeddings: Tensor, beside: Tensor) -> Tensor:
    """(B, D) and (B, E) → (B, D + E), each part normalized to length 1; `embeddings` unchanged if E = 0."""
    if not beside.shape[1]:
        return embeddings
    return torch.cat([nn.functional.normalize(part, dim=1) for part in (embeddings, beside)], dim=1)


def save(path: Path, classifier: Classifier, base: Encoder, facts: dict[str, Any], task: Task = CULL_TASK) -> None:
    """Write the model to `path`, atomically. `facts`: epoch, validation_accuracy, seed, labels, validation_keys
    and scores.
    """
    trained, beside = parts_of(base)
    own = (
        {"version": VERSION}
        if task == CULL_TASK
        else {"version": TASK_VERSION, "task": task.name, "exclusive": task.exclusive}
    )
    content = {
        "format": FORMAT,
        **own,
        "classes": list(task.classes),
        "base_model": shown(base.reference),  # visitors of a public page download this file
        "base_name": base.name,
        "base_fingerprint": base.fingerprint,
        "notice": "",
        "beside": beside.fingerprint if beside else "",
        "vision_config": trained.architecture.vision_config,
        "preprocessing": trained.architecture.preprocessing.as_dict(),
        "pooling": trained.architecture.pooling,
        "state_dict": {name: tensor.detach().cpu() for name, tensor in classifier.state_dict().items()},
        **facts,
    }
    with replacing(path) as temporary, temporary.open("xb") as file:  # torch can't open every path that Python can
        torch.save(content, file)


def load(path: Path, task: Task | None = CULL_TASK) -> TrainedModel:
    """Load the model of `task` at `path` without running code from it; None for the task it was trained for. Classes
    that were added to the task since the training are unknown to it: the last ones of an exclusive task are unlikely,
    the last ones of tags even.

    Raises `ModelFileError` that names what is wrong with the file.
    """
    content, digest, size = _load_content(path)
    try:
        if royokello.is_one(content):
            _check_task(path, CULL_TASK, task or CULL_TASK)
            _check_size(path, content, size)
            return _of_royokello(path, royokello.parts_of(content), digest)
        own_task = _task_of(content)
        if task is None:
            task = own_task
            task.check()
        _check_task(path, own_task, task)
        preprocessing = Preprocessing.from_dict(content["preprocessing"])
        architecture = Architecture(dict(content["vision_config"]), preprocessing, _text(content["pooling"]))
        state = {name: tensor.detach() for name, tensor in content["state_dict"].items()}
        _check_size(path, state, size)
        weight, bias = state["head.weight"].double().numpy(), state["head.bias"].double().numpy()
        beside = _beside(path, str(content.get("beside", "")))
        dim = architecture.dim + (beside.dim if beside else 0)
        outputs = len(own_task.classes)
        if weight.shape != (outputs, dim) or bias.shape != (outputs,):
            raise _unfit(path, f"its head has the shape {weight.shape}, but its embeddings have {dim} numbers")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):  # NaN scores would cull everything
            raise _unfit(path, "its head contains NaN or infinite values")
        own = VisionEncoder(
            name=f"model trained from {_text(content['base_name'])}",
            reference=str(path),
            architecture=architecture,
            fingerprint=architecture.digest(digest),
            build=lambda: _backbone(path, architecture, state),
        )
        return TrainedModel(
            task,
            SideBySide(own, beside, str(path), own.name) if beside else own,
            _head_for(task, weight, bias),
            _text(content["base_name" if _text(content["notice"]) else "base_model"]),
            _text(content["base_fingerprint"]),
            _number(content["epoch"], int, _MOST_EPOCHS),
            _number(content["validation_accuracy"], float, 1),
            {_text(key): task.parse(_text(label)) for key, label in content["labels"].items()},
            [_text(key) for key in content["validation_keys"]],
            _one_of(content.get("scores", MODEL), SCORES),
        )
    except ModelFileError:
        raise
    except royokello.Unfit as error:
        raise _unfit(path, str(error)) from error
    # A forged file can hold anything in place of these parts, and raise anything.
    except Exception as error:
        raise _unfit(path, f"a part of it is missing or of the wrong type ({in_words(error)})") from error


def _of_royokello(path: Path, parts: royokello.Parts, digest: str) -> TrainedModel:
    state = {f"transformer.{name}": tensor for name, tensor in parts.state.items()}
    _check_shapes(path, parts.architecture, state)
    encoder = VisionEncoder(
        name="model of iml-cull",
        reference=str(path),
        architecture=parts.architecture,
        fingerprint=parts.architecture.digest(digest),
        build=lambda: _fitting(path, parts.architecture, state),
    )
    return TrainedModel(CULL_TASK, encoder, parts.head, "", "", 0, 0.0, {}, [])


def _check_size(path: Path, state: Mapping[str, Tensor], size: int) -> None:
    if sum(tensor.nbytes for tensor in state.values()) > size:  # a view of stride 0 claims any size
        raise _unfit(path, "its weights claim to be larger than the file")


def _head_for(task: Task, weight: np.ndarray, bias: np.ndarray) -> head.Head | head.Heads:
    """The head of `task` for weights (k, D) and biases (k,) of its first k classes."""
    if task.exclusive and task.is_binary:
        return head.Head((weight[0] - weight[1]).astype(np.float32), float(bias[0] - bias[1]))
    added = len(task.classes) - len(bias)
    heads = head.Heads(
        np.pad(weight.T.astype(np.float32), ((0, 0), (0, added))),
        np.append(bias, np.full(added, -np.inf if task.exclusive else 0.0)),
    )
    return _finite(heads) if task.exclusive and added else heads


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def _one_of(value: Any, possible: Sequence[str]) -> str:
    if value not in possible:
        raise ValueError(f"it is none of {', '.join(possible)}")
    return _text(value)


def _number(value: Any, kind: type[Number], most: float) -> Number:
    """`value` in the range 0 to `most`. Raises `ValueError`, for NaN too."""
    if not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError("number out of range")
    return kind(value)


def _load_content(path: Path) -> tuple[dict[str, Any], str, int]:
    """Content, SHA-256 and size of the file, all from one open descriptor, so a concurrent training can't mix two
    files.
    """
    try:
        with open_own(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it takes any such file
            size = file.tell()
            file.seek(0)
            if zipfile.is_zipfile(file):
                _check_archive(path, zipfile.ZipFile(file))
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
        _check_kind(path, content)
    except OSError as error:
        raise _unfit(path, error.strerror or str(error)) from error
    except pickle.UnpicklingError as error:
        raise _unfit(
            path, "it is not a model, or contains more than tensors and plain values; it was not opened"
        ) from error
    except ModelFileError:
        raise
    # On a damaged file torch's zip and pickle readers raise all kinds of errors.
    except Exception as error:
        raise _unfit(path, f"it is damaged ({type(error).__name__})") from error
    return content, digest, size


def _check_kind(path: Path, content: Any) -> None:
    if royokello.is_one(content):
        return
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _unfit(path, "it was written by another program")
    version = content.get("version")
    is_cull = version == VERSION and content.get("classes") == list(CULL_TASK.classes)
    if not is_cull and (version != TASK_VERSION or "task" not in content):
        raise _unfit(
            path, f"its version is {version}, this program reads version {VERSION}, and {TASK_VERSION} for other tasks"
        )


def _check_task(path: Path, own: Task, task: Task) -> None:
    """Raise `ModelFileError` unless `own` is `task`, or was before its last classes were added."""
    if own.name != task.name:
        raise _unfit(path, f"it was trained for the task {own.name[:40]!r}, not for {task.name}")
    if own.exclusive != task.exclusive:
        kinds = ("one of several classes", "any number of tags")
        was, is_now = kinds if own.exclusive else reversed(kinds)
        raise _unfit(path, f"it gives a photo {was}, but the task {task.name} is now to give it {is_now}")
    if not own.classes or own.classes != task.classes[: len(own.classes)]:
        raise _unfit(
            path,
            f"its classes, {tasks.in_words(own.classes)}, are not those of the task {task.name}, "
            f"{tasks.in_words(task.classes)}",
        )


def _task_of(content: dict[str, Any]) -> Task:
    if content["version"] == VERSION:
        return CULL_TASK
    return Task(_text(content["task"]), tuple(map(_text, content["classes"])), bool(content["exclusive"]))


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Reject a damaged or compressed archive. torch checks neither, and would decompress a zip bomb into memory."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise _unfit(path, "it is compressed, which imlcull never does")
    if damaged := archive.testzip():
        raise _unfit(path, f"it is damaged ({damaged})")


def _beside(path: Path, fingerprint: str) -> TiledEncoder | None:
    if not fingerprint:
        return None
    beside = builtin_encoder()
    if beside.fingerprint != fingerprint:
        raise _unfit(path, "it was trained with a different built-in encoder than this program has")
    return beside


def _backbone(path: Path, architecture: Architecture, state: dict[str, Tensor]) -> Backbone:
    prefix = "backbone."
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return _fitting(path, architecture, own)


def _fitting(path: Path, architecture: Architecture, own: dict[str, Tensor]) -> Backbone:
    """A backbone with these tensors. Raises `ModelFileError`."""
    _check_shapes(path, architecture, own)
    try:
        backbone = from_config(architecture.vision_config, architecture.pooling)
        backbone.load_state_dict(own)
    except (RuntimeError, EncoderError) as error:
        raise _misfit(path, str(error)) from error
    return backbone


def _check_shapes(path: Path, architecture: Architecture, own: Mapping[str, Tensor]) -> None:
    """Raise `ModelFileError` unless these are the tensors of such a backbone."""
    try:
        wanted = shapes(architecture.vision_config, architecture.pooling)
    except EncoderError as error:
        raise _misfit(path, str(error)) from error
    if wanted != {name: tensor.shape for name, tensor in own.items()}:
        raise _misfit(path, "other shapes")


def _misfit(path: Path, what: str) -> ModelFileError:
    return _unfit(path, f"its weights don't fit its config ({what[:300]})")


def _unfit(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path} can't be used as a model: {what}. Move it away, or run `train` again to replace it.")
