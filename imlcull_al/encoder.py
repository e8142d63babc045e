"""Encoders: a vision transformer plus its own preprocessing, with a fingerprint that its embeddings are bound to.

An encoder is anything with `name`, `notice`, `fingerprint`, `dim`, `side` and `encode`. Name and fingerprint come from
small files and file hashes; weights are loaded when the first photo is encoded.
Knows nothing of photos on disk, caches or labels.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image

from .errors import EncoderError
from .preprocess import Preprocessing

if TYPE_CHECKING:
    from .backbone import Backbone, Runner

DEFAULT_MODEL = "google/vit-base-patch16-224"
STAND_IN = "stand-in"
_FINGERPRINT_VERSION = "imlcull encoder 1"
POOLINGS = ("first", "pooler", "mean")
_CONFIG_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS_PATTERNS = ("*.safetensors", "*.safetensors.index.json")
# The library's pooler of these is trained with the model. Of plain ViT and DeiT it is not: there the class token is.
_POOLER_MODELS = (
    "clip_vision_model",
    "siglip_vision_model",
    "siglip2_vision_model",
    "beit",
    "data2vec-vision",
    "swin",
    "swinv2",
)
_FIRST_TOKEN_MODELS = (
    "vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit", "vit_msn", "vit_mae",
)  # fmt: skip


_loading = threading.Lock()
_runners: "WeakValueDictionary[str, Runner]" = WeakValueDictionary()


class Encoder(Protocol):
    """What the cache and the scores need of an encoder."""

    name: str
    """What a person calls it."""
    notice: str
    """A sentence to show wherever its scores are shown; empty for none."""
    fingerprint: str
    """Hexadecimal; another one for other weights, preprocessing or pooling."""

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        ...

    @property
    def side(self) -> int:
        """Pixels of the shorter side below which decoding small would lose what `encode` sees."""
        ...

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """B RGB images of any size → (B, D) float32. Threads call it at the same time."""
        ...


@dataclass(frozen=True)
class Architecture:
    """Everything of an encoder but its weights, as plain values that go into files."""

    vision_config: dict[str, Any]
    preprocessing: Preprocessing
    pooling: str

    def __post_init__(self) -> None:
        """Refuse a pooling that nobody knows, with `ValueError`."""
        if self.pooling not in POOLINGS:
            raise ValueError(f"the pooling {self.pooling} is none of {', '.join(POOLINGS)}")

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.vision_config["hidden_size"])

    def digest(self, weights: str) -> str:
        """The fingerprint of this architecture with weights of that digest: 64 hexadecimal digits."""
        parts = [
            _FINGERPRINT_VERSION,
            weights,
            self.vision_config,
            self.preprocessing.as_dict(),
            self.pooling,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass
class VisionEncoder:
    """An encoder whose weights `build` makes when they are first needed; safe to share between threads."""

    name: str
    reference: str
    """What `load_encoder` makes this encoder from again; empty for one that lies in a model file."""
    architecture: Architecture
    fingerprint: str
    build: "Callable[[], Backbone]"
    notice: str = ""
    _runner: "Runner | None" = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        return self.architecture.dim

    @property
    def side(self) -> int:
        """Twice the preprocessing's shorter side: a reduced decode then changes little (see benchmarks/RESULTS.md)."""
        return 2 * self.architecture.preprocessing.side

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """B RGB images → (B, D) float32. Raises `EncoderError` when the weights can't be loaded."""
        import torch

        pixels = np.stack([self.architecture.preprocessing(image) for image in images])
        with self._lock:
            if self._runner is None:
                self._runner = self._shared()
        return self._runner(torch.from_numpy(pixels)).numpy()

    def _shared(self) -> "Runner":
        """The weights of this fingerprint, loaded once however many sessions use them."""
        with _loading:
            runner = _runners.get(self.fingerprint)
            if runner is None:
                runner = _runners[self.fingerprint] = self._load()
            return runner

    def _load(self) -> "Runner":
        import torch

        from .backbone import Runner

        noise = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
        probe = [self.architecture.preprocessing(Image.fromarray(one).resize((256, 256))) for one in noise]
        backbone = self.build()
        try:
            return Runner(backbone, torch.from_numpy(np.stack(probe)))
        except (ValueError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise EncoderError(f"{self.name} can't run on its own preprocessing: {reason}. Choose another.") from error


def load_encoder(model: str | None = None) -> VisionEncoder:
    """The encoder named `model`: a local folder, a Hugging Face id, or `stand-in`; default `DEFAULT_MODEL`.

    Raises `EncoderError` for a folder that holds no vision transformer. An id that is neither on this machine nor
    to be reached gives the stand-in, whose `notice` says so.
    """
    wanted = model or DEFAULT_MODEL
    if wanted == STAND_IN:
        return _stand_in(
            STAND_IN, "Scores come from a small stand-in that was never trained on photos; they are rough."
        )
    folder = Path(os.path.expanduser(wanted))  # noqa: PTH111 - unlike Path's, these three answer any text
    if os.path.isdir(folder):  # noqa: PTH112
        return _from_folder(folder.resolve().name, str(folder.resolve()), folder)
    names_a_path = wanted.startswith((".", "/", "~")) or wanted.count("/") > 1
    if names_a_path or os.path.exists(folder):  # noqa: PTH110
        raise EncoderError(
            f"There is no model folder {wanted}. Name a folder with a config.json, or a Hugging Face id."
        )
    snapshot = _from_hub(wanted)
    if snapshot is not None:
        return _from_folder(wanted, wanted, snapshot)
    return _stand_in(
        wanted,
        f"{wanted} is not on this machine and the Hugging Face hub can't be reached: scores come from a small "
        "stand-in that was never trained on photos, and are rough. Go online once, or name a local folder (--model).",
    )


def _from_hub(model: str) -> Path | None:
    """The snapshot of a Hugging Face id: the one on this machine, else downloaded; None where the hub is out of reach.

    Raises `EncoderError` when the hub refuses or the download breaks off.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils import httpx

    patterns = [*_CONFIG_FILES, *_WEIGHTS_PATTERNS]
    try:
        with suppress(LocalEntryNotFoundError):  # not on this machine yet
            folder = Path(snapshot_download(model, allow_patterns=patterns, local_files_only=True))
            if _weight_files(folder):
                return folder
        folder = Path(snapshot_download(model, allow_patterns=patterns, etag_timeout=5))
        if not _weight_files(folder):
            folder = Path(snapshot_download(model, allow_patterns=[*patterns, "pytorch_model.bin"], etag_timeout=5))
        return folder
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise EncoderError(f"{model} is neither a folder nor a Hugging Face id. Name one or the other.") from error
    except (RepositoryNotFoundError, GatedRepoError) as error:
        raise EncoderError(
            f"The Hugging Face hub has no model {model} that may be read. Check the id, or name a local folder."
        ) from error
    except (OSError, httpx.HTTPError) as error:
        raise EncoderError(
            f"The download of {model} broke off ({error}). Try again, or name a local folder."
        ) from error


def _from_folder(name: str, reference: str, folder: Path) -> VisionEncoder:
    config = _read_json(folder / "config.json")
    if config is None:
        raise EncoderError(f"{folder} holds no config.json. Name the folder of a Hugging Face vision transformer.")
    weights = _weight_files(folder)
    if not weights:
        raise EncoderError(f"{folder} holds no model.safetensors and no pytorch_model.bin. Download the model again.")
    architecture = _architecture(folder, config)
    fingerprint = architecture.digest(_digest_of_files(weights))

    def build() -> "Backbone":
        from .backbone import from_folder

        return from_folder(folder, architecture.vision_config, architecture.pooling)

    return VisionEncoder(name, reference, architecture, fingerprint, build)


def _architecture(folder: Path, config: dict[str, Any]) -> Architecture:
    tower = config.get("vision_config")
    vision_config = dict(tower if isinstance(tower, dict) else config)
    if isinstance(tower, dict):  # a text tower beside it: its type is told by the whole model's
        vision_config.setdefault("model_type", f"{config.get('model_type')}_vision_model")
        vision_config["model_type"] = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}.get(
            vision_config["model_type"], vision_config["model_type"]
        )
    dim = vision_config.get("hidden_size")
    if "patch_size" not in vision_config or "model_type" not in vision_config or not isinstance(dim, int) or dim < 1:
        raise EncoderError(
            f"{folder} holds a {config.get('model_type', 'nameless')} model, no vision transformer. "
            "Choose a ViT, DeiT, DINOv2, CLIP or SigLIP model."
        )
    for label_field in (
        "id2label",
        "label2id",
        "architectures",
        "transformers_version",
        "dtype",
        "torch_dtype",
    ):
        vision_config.pop(label_field, None)  # they change no embedding
    processor = _read_json(folder / "preprocessor_config.json")
    if processor is None:
        processor = (_read_json(folder / "processor_config.json") or {}).get("image_processor")
    image_size = vision_config.get("image_size", 224)
    try:
        preprocessing = Preprocessing.from_config(processor, image_size if isinstance(image_size, int) else 224)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise EncoderError(f"The preprocessor_config.json in {folder} is not usable ({error!r}). Repair it.") from error
    return Architecture(vision_config, preprocessing, _pooling(vision_config["model_type"]))


def _pooling(model_type: str) -> str:
    if model_type in _POOLER_MODELS:
        return "pooler"
    return "first" if model_type in _FIRST_TOKEN_MODELS else "mean"


def _weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _digest_of_files(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise EncoderError(f"Could not read {path}: {error.strerror}. Check its permissions.") from error
    return digest.hexdigest()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EncoderError(f"Could not read {path}: {error}. Download the model again.") from error
    if not isinstance(content, dict):
        raise EncoderError(f"{path} holds no JSON object. Download the model again.")
    return content


def _stand_in(reference: str, notice: str) -> VisionEncoder:
    vision_config = {
        "model_type": "vit", "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3,
        "intermediate_size": 384, "image_size": 224, "patch_size": 16,
    }  # fmt: skip
    architecture = Architecture(vision_config, Preprocessing.from_config(None), "mean")

    def build() -> "Backbone":
        from .backbone import stand_in

        return stand_in(vision_config, seed=1)

    fingerprint = architecture.digest("seeded noise 1")
    return VisionEncoder(STAND_IN, reference, architecture, fingerprint, build, notice)
