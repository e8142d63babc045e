"""Encoders that see full-resolution tiles beside the downscaled photo.

`TiledEncoder` is the built-in encoder: one transformer extracts content from the whole view, and defects from the whole
view and from every tile. `SideBySide` concatenates it to any other encoder.
Independent of files and of the choice of tiles.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import EncoderError
from ..photos import tiles as places
from ..photos.read import Views
from .encoder import Encoder, VisionEncoder

QUALITIES = ("defocus", "motion", "dark", "bright", "noise", "compression", "tilt", "occlusion", "severity")
"""The outputs of the built-in pooler: the strength of each defect, 0 (absent) … 1, and overall severity."""
_BLURS = [QUALITIES.index("defocus"), QUALITIES.index("motion")]
_VERSION = "imlcull tiles 1"
WEIGHT = 0.5
"""Weight of the quality part; the content part is normalized to length 1. The quality part then has a length of some
0.5 on sound photos and 1 on defective ones. A larger weight would separate defective frames from the rest of their
burst."""


@dataclass(frozen=True)
class TiledEncoder:
    """A transformer whose pooler predicts quality (pooling `both`), on the whole photo and its tiles."""

    name: str
    reference: str
    whole: VisionEncoder
    trained: VisionEncoder
    """The same transformer, pooled by its class token: the part that fine-tuning updates; this encoder stays frozen."""
    notice: str = ""

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, the tile selection (by version) and the composition."""
        return hashlib.sha256(f"{_VERSION} {WEIGHT} {self.whole.fingerprint}".encode()).hexdigest()

    @property
    def dim(self) -> int:
        """Length of an embedding: content, then quality of the whole view, the tile average, and each tile."""
        return self.whole.dim + (1 + places.COUNT) * len(QUALITIES)

    @property
    def views(self) -> Views:
        """The whole photo, as its transformer wants it, and tiles."""
        return self.whole.views._replace(tiles=True)

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images and their tile strips → (B, D) float32."""
        strips = [tiles_of(image) for image in images] if tiles is None else tiles
        each = [tile for strip in strips for tile in places.parted(strip)]
        return composed(self.whole.encode(images), self._quality(each).reshape(len(strips), -1, len(QUALITIES)))

    def quality(self, strip: Image.Image) -> np.ndarray:
        """The n tiles of a strip → (n, 9), the strength of each of `QUALITIES`."""
        return self._quality(places.parted(strip))

    def _quality(self, tiles: Sequence[Image.Image]) -> np.ndarray:
        pixels = np.stack([np.moveaxis(np.asarray(tile.convert("RGB")), -1, 0) for tile in tiles])
        rows = self.whole.run(self.whole.architecture.preprocessing.values(pixels))
        return rows[:, -len(QUALITIES) :]

    def sharpness(self, strip: Image.Image) -> np.ndarray:
        """The n tiles of a strip → (n,), from 0 (as blurred as photos get) to 1 (sharp)."""
        return np.clip(1 - self.quality(strip)[:, _BLURS].max(axis=1), 0, 1)


@dataclass(frozen=True)
class SideBySide:
    """Two encoders as one: their unit-length embeddings, concatenated."""

    trained: VisionEncoder
    beside: TiledEncoder
    reference: str
    name: str

    @property
    def notice(self) -> str:
        """The notice of the first encoder; the built-in one has none."""
        return self.trained.notice

    @property
    def fingerprint(self) -> str:
        """Digest of both fingerprints."""
        return hashlib.sha256(f"{self.trained.fingerprint} {self.beside.fingerprint}".encode()).hexdigest()

    @property
    def dim(self) -> int:
        """Sum of both dimensions."""
        return self.trained.dim + self.beside.dim

    @property
    def views(self) -> Views:
        """What both want."""
        return Views(max(self.trained.views.min_side, self.beside.views.min_side), tiles=True)

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images and their tile strips → (B, D) float32."""
        return side_by_side(self.trained.encode(images), self.beside.encode(images, tiles))


def qualities(encoder: Encoder, embeddings: np.ndarray) -> np.ndarray | None:
    """Embeddings (N, D) of `encoder`, of any length → (N, V, 9): each of `QUALITIES` in the whole view, in the average
    of the tiles, and in each tile, about 0 … 1; NaN for an unusable embedding. None if the encoder doesn't see that.
    """
    tiled = encoder.beside if isinstance(encoder, SideBySide) else encoder
    if not isinstance(tiled, TiledEncoder):
        return None
    content, quality = np.split(embeddings[:, -tiled.dim :], [tiled.whole.dim - len(QUALITIES)], axis=1)
    length = WEIGHT * np.linalg.norm(content, axis=1, keepdims=True)
    strengths = np.divide(quality, length, out=np.full(quality.shape, np.nan), where=length > 0)
    return strengths.reshape(len(quality), -1, len(QUALITIES))


def severity(encoder: Encoder, embeddings: np.ndarray) -> np.ndarray | None:
    """Embeddings (N, D) → (N, 2): how bad the whole view is and how bad its worst tile; otherwise as `qualities`."""
    seen = qualities(encoder, embeddings)
    if seen is None:
        return None
    severe = seen[:, :, QUALITIES.index("severity")]
    return np.stack([severe[:, 0], severe[:, 2:].max(axis=1)], axis=1)


def blur(seen: np.ndarray) -> np.ndarray:
    """`qualities` (N, V, 9) → (N,): how blurred the tiles are on average, 0 (sharp) … 1."""
    strongest: np.ndarray = seen[:, 1, _BLURS].max(axis=1)
    return strongest


class Parts(NamedTuple):
    """An encoder as fine-tuning sees it: the transformer it updates, and a frozen encoder beside it, if any."""

    trained: VisionEncoder
    beside: TiledEncoder | None


def parts_of(encoder: Encoder) -> Parts:
    """The trainable and the frozen part. Raises `EncoderError` for an encoder that can't be fine-tuned."""
    if isinstance(encoder, SideBySide):
        return Parts(encoder.trained, encoder.beside)
    if isinstance(encoder, TiledEncoder):
        return Parts(encoder.trained, encoder)
    if isinstance(encoder, VisionEncoder):
        return Parts(encoder, None)
    raise EncoderError(
        f"{encoder.name} can't be fine-tuned: it is not a vision transformer that imlcull loaded. All else works with "
        "it; to train, name a model (--model)."
    )


def composed(whole: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Transformer outputs for B whole views (B, C + 9) and their tiles (B, T, 9) → embeddings (B, D)."""
    content, seen = whole[:, : -len(QUALITIES)], whole[:, -len(QUALITIES) :]
    parts = [seen, quality.mean(axis=1), quality.reshape(len(quality), -1)]
    return np.concatenate([_unit(content), WEIGHT * np.concatenate(parts, axis=1)], axis=1)


def side_by_side(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Normalize and concatenate: (B, D) and (B, E) → (B, D + E)."""
    return np.concatenate([_unit(first), _unit(second)], axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def tiles_of(image: Image.Image) -> Image.Image:
    """The strip of tiles of a whole photo."""
    grey = places.large_enough(image.convert("L"))
    return places.cut(grey, places.chosen(grey))
