"""What an encoder is, and the plain one: a vision transformer and its preprocessing, on the whole photo.

Name and fingerprint, which embeddings are bound to, come from small files and file hashes; weights are loaded when the
first photo is encoded.
Knows nothing of photos on disk, caches or labels.
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
from .preprocess import Preprocessing

if TYPE_CHECKING:
    from .backbone import Backbone, Runner

_FINGERPRINT_VERSION = "imlcull encoder 1"
MAX_SIZE = 65536
"""Of what a transformer says of a photo; the largest have 6,144 numbers."""
POOLINGS = ("first", "pooler", "mean", "both")

_loading = threading.Lock()
_runners: "WeakValueDictionary[str, Runner]" = WeakValueDictionary()


class Encoder(Protocol):
    """What the cache, the scores and a training need of an encoder."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def reference(self) -> str:
        """What `load_encoder` makes it from again; empty for one that lies in a model file."""
        ...

    @property
    def notice(self) -> str:
        """A sentence to show wherever its scores are shown: it stands in for another one. Empty for none."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hexadecimal; another one for other weights, preprocessing or pooling."""
        ...

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        ...

    @property
    def side(self) -> int:
        """Pixels of the shorter side below which decoding small would lose what `encode` sees."""
        ...

    @property
    def looks_at_tiles(self) -> bool:
        """Whether `encode` looks at tiles in full resolution."""
        ...

    @property
    def trained(self) -> "VisionEncoder":
        """The part of it that a training tunes."""
        ...

    @property
    def beside(self) -> "Encoder | None":
        """The encoder whose embeddings stand beside those of `trained` in a model, and stay as they are."""
        ...

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images of any size → (B, D) float32. Threads call it at the same time.

        `tiles`: theirs, each as `tiles.cut` lays them out, where `looks_at_tiles`; by default those of the images.
        """
        ...


def encode_each(
    encoder: Encoder, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None
) -> list[np.ndarray | str]:
    """Of each image its row (D,), or the reason why it alone can't be encoded; the others of its batch have theirs.

    Raises `EncoderError` where the encoder can't encode a plain image either: then no photo is at fault.
    """
    try:
        return list(_rows(encoder, images, tiles))
    except ImlcullError:
        raise
    except Exception as error:  # noqa: BLE001 - torch, Pillow and numpy raise what they run into
        if len(images) == 1:
            _check_encodes(encoder)
            return [f"the encoder {encoder.name} failed on it: {in_words(error)}"]
    alone = (slice(number, number + 1) for number in range(len(images)))
    return [encode_each(encoder, images[one], tiles and tiles[one])[0] for one in alone]


def _rows(encoder: Encoder, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None) -> np.ndarray:
    rows = np.asarray(encoder.encode(images, tiles), np.float32)
    if rows.shape != (len(images), encoder.dim):
        raise ValueError(f"it gave numbers of the shape {rows.shape} for {len(images)} photos")
    return rows


def _check_encodes(encoder: Encoder) -> None:
    try:
        _rows(encoder, [Image.new("RGB", (encoder.side, encoder.side), "grey")], None)
    except ImlcullError:
        raise
    except Exception as error:
        raise EncoderError(
            f"The encoder {encoder.name} can't encode any photo: {in_words(error)}. Free memory or choose another "
            "(--model); what was done is kept."
        ) from error


@dataclass(frozen=True)
class Architecture:
    """Everything of an encoder but its weights, as plain values that go into files."""

    vision_config: dict[str, Any]
    preprocessing: Preprocessing
    pooling: str

    def __post_init__(self) -> None:
        """Refuse a pooling that nobody knows, and embeddings that could fill the memory, with `ValueError`."""
        if self.pooling not in POOLINGS:
            raise ValueError(f"the pooling {self.pooling[:20]} is none of {', '.join(POOLINGS)}")
        sizes = [self.vision_config.get(name) for name in ("hidden_size", "pooler_output_size")]
        if not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes[: 1 + (self.pooling == "both")]):
            raise ValueError(f"its embeddings don't have 1 to {MAX_SIZE:,} numbers")

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        hidden: int = self.vision_config["hidden_size"]
        return hidden + int(self.vision_config["pooler_output_size"]) if self.pooling == "both" else hidden

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
    looks_at_tiles: bool = False
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

    @property
    def trained(self) -> "VisionEncoder":
        """Itself."""
        return self

    @property
    def beside(self) -> None:
        """None."""
        return

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images → (B, D) float32; `tiles` are not looked at. Raises `EncoderError` when the weights can't be
        loaded.
        """
        return self.run(np.stack([self.architecture.preprocessing(image) for image in images]))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocessed pixels (B, 3, H, W) float32 → (B, D) float32. Raises as `encode`."""
        import torch

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
