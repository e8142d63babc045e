"""The encoder protocol, and the plain encoder: a vision transformer with its preprocessing, on the whole photo.

Embeddings are bound to an encoder's fingerprint, which is derived from its configuration and file hashes. Weights are
loaded lazily, at the first `encode`.
Independent of photo files, caches and labels.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image

from ..errors import EncoderError, ImlcullError, in_words
from ..photos.read import Views
from .preprocess import Preprocessing

if TYPE_CHECKING:
    from .backbone import Backbone, Runner

_FINGERPRINT_VERSION = "imlcull encoder 1"
MAX_SIZE = 65536
"""Upper bound on embedding sizes. The largest models have 6,144."""
_SIZES = {
    "first": ("hidden_size",), "sized": ("hidden_size",), "pooler": ("hidden_size",), "mean": ("hidden_size",),
    "both": ("hidden_size", "pooler_output_size"), "logits": ("num_labels",),
}  # fmt: skip
"""Pooling → the fields of the config whose sum is the length of an embedding; see `backbone.Backbone`."""
POOLINGS = tuple(_SIZES)

_loading = threading.Lock()
_runners: "WeakValueDictionary[str, Runner]" = WeakValueDictionary()


class Embedder(Protocol):
    """What an object must have to be used as a model."""

    @property
    def name(self) -> str:
        """The display name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of weights, preprocessing and pooling."""
        ...

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        ...

    @property
    def views(self) -> Views:
        """What `encode` wants to see of a photo."""
        ...

    @property
    def encode(self) -> Callable[..., np.ndarray]:
        """B RGB images of any size → (B, D) float32. If `views.tiles`, a second argument has one strip of tiles per
        image.
        """
        ...


class Encoder(Embedder, Protocol):
    """What caching and scoring require of an encoder."""

    @property
    def reference(self) -> str:
        """The argument with which `load_encoder` recreates it; for one stored in a model file, the path of that. Empty
        for one's own.
        """
        ...

    @property
    def notice(self) -> str:
        """A sentence to show beside its scores when it replaces the requested encoder; otherwise empty."""
        ...

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images of any size → (B, D) float32. Thread-safe.

        `tiles`: one strip per image, laid out by `tiles.cut`, required by `views.tiles`. By default they are cut
        from the images.
        """
        ...


def encode_each(
    encoder: Encoder, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None
) -> list[np.ndarray | str]:
    """Per image its row (D,), or the reason why it can't be encoded. A failing batch is retried image by image.

    Raises `EncoderError` if the encoder fails on a plain image too: then no photo is at fault.
    """
    try:
        return list(_rows(encoder, images, tiles))
    except ImlcullError:
        raise
    except Exception as error:  # noqa: BLE001 - torch, Pillow and numpy raise anything
        if len(images) == 1:
            _check_encodes(encoder)
            return [f"the encoder {encoder.name} failed on it: {in_words(error)}"]
    alone = (slice(number, number + 1) for number in range(len(images)))
    return [encode_each(encoder, images[one], tiles and tiles[one])[0] for one in alone]


def _rows(encoder: Encoder, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None) -> np.ndarray:
    rows = np.asarray(encoder.encode(images, tiles), np.float32)
    if rows.shape != (len(images), encoder.dim):
        raise ValueError(f"it returned an array of shape {rows.shape} for {len(images)} photos")
    return rows


def _check_encodes(encoder: Encoder) -> None:
    try:
        _rows(encoder, [Image.new("RGB", (encoder.views.min_side,) * 2, "grey")], None)
    except ImlcullError:
        raise
    except Exception as error:
        raise EncoderError(
            f"The encoder {encoder.name} can't encode any photo: {in_words(error)}. Free memory or choose another "
            "(--model); what was done is kept."
        ) from error


@dataclass(frozen=True)
class Architecture:
    """Everything about an encoder except its weights, as plain serializable values."""

    vision_config: dict[str, Any]
    preprocessing: Preprocessing
    pooling: str

    def __post_init__(self) -> None:
        """Raises `ValueError` for an unknown pooling, or for embeddings large enough to exhaust memory."""
        if self.pooling not in POOLINGS:
            raise ValueError(f"the pooling {self.pooling[:20]} is not one of {', '.join(POOLINGS)}")
        sizes = [self.vision_config.get(name) for name in _SIZES[self.pooling]]
        if not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes):
            raise ValueError(f"its embeddings don't have 1 to {MAX_SIZE:,} numbers")

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        return sum(self.vision_config[name] for name in _SIZES[self.pooling]) + (self.pooling == "sized")

    def digest(self, weights: str) -> str:
        """The fingerprint of this architecture with the weights whose digest is `weights`: 64 hexadecimal digits."""
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
    """An encoder that calls `build` to load its weights at first use. Thread-safe."""

    name: str
    reference: str
    """The argument with which `load_encoder` recreates it, or the path of the model file that holds it."""
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
    def views(self) -> Views:
        """The whole photo at twice the input size: a reduced decode changes little from there on (see RESULTS.md)."""
        return Views(2 * self.architecture.preprocessing.side)

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images → (B, D) float32; `tiles` is ignored. Raises `EncoderError` if the weights can't be loaded."""
        return self.run(np.stack([self.architecture.preprocessing(image) for image in images]))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocessed pixels (B, 3, H, W) float32 → (B, D) float32. Raises as `encode`."""
        import torch

        with self._lock:
            if self._runner is None:
                self._runner = self._shared()
        return self._runner(torch.from_numpy(pixels)).numpy()

    def _shared(self) -> "Runner":
        """The runner for this fingerprint, loaded once and shared by all sessions."""
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
