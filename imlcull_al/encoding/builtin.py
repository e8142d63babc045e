"""Encoders that see more than the whole photo made small: tiles of it in full resolution.

`TiledEncoder` is the built-in one: its transformer says of the whole view what is in the picture, and of the whole view
and of every tile what spoils it. `SideBySide` puts it beside any other encoder.
Knows nothing of files, of where photos come from, or of which tiles are worth a look.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..photos import tiles as places
from .encoder import Encoder, VisionEncoder

QUALITIES = ("defocus", "motion", "dark", "bright", "noise", "compression", "tilt", "occlusion", "severity")
"""What the numbers of the built-in pooler mean: how strong each defect is, 0 (not there) … 1, and all of them."""
_BLURS = [QUALITIES.index("defocus"), QUALITIES.index("motion")]
_VERSION = "imlcull tiles 1"
WEIGHT = 0.5
"""Of the part about quality beside that about content, which has length 1: its length is then some 0.5 on sound photos
and 1 on spoiled ones. With more of it spoiled frames look less like the sound ones of their burst."""


@dataclass(frozen=True)
class TiledEncoder:
    """A transformer whose pooler tells quality (pooling `both`), on the whole photo and on its tiles."""

    name: str
    reference: str
    whole: VisionEncoder
    trained: VisionEncoder
    """The same transformer by its class token: what a training tunes, beside this encoder as it is."""
    notice: str = ""
    looks_at_tiles: bool = True

    @property
    def beside(self) -> Encoder:
        """Itself."""
        return self

    @property
    def fingerprint(self) -> str:
        """Another one for other weights, another choice of tiles, or another way of putting it all together."""
        return hashlib.sha256(f"{_VERSION} {WEIGHT} {self.whole.fingerprint}".encode()).hexdigest()

    @property
    def dim(self) -> int:
        """Length of an embedding: content, then quality of the whole, of the tiles on average, and of each."""
        return self.whole.dim + (1 + places.COUNT) * len(QUALITIES)

    @property
    def side(self) -> int:
        """As for the whole view."""
        return self.whole.side

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images and the strips of their tiles → (B, D) float32."""
        strips = [_tiles_of(image) for image in images] if tiles is None else tiles
        each = [tile for strip in strips for tile in places.parted(strip)]
        return composed(self.whole.encode(images), self._quality(each).reshape(len(strips), -1, len(QUALITIES)))

    def quality(self, strip: Image.Image) -> np.ndarray:
        """The tiles of a strip → (n, 9), how strong each of `QUALITIES` is."""
        return self._quality(places.parted(strip))

    def _quality(self, tiles: Sequence[Image.Image]) -> np.ndarray:
        pixels = np.stack([np.moveaxis(np.asarray(tile.convert("RGB")), -1, 0) for tile in tiles])
        rows = self.whole.run(self.whole.architecture.preprocessing.values(pixels))
        return rows[:, -len(QUALITIES) :]

    def sharpness(self, strip: Image.Image) -> np.ndarray:
        """The tiles of a strip → (n,), 1 for sharp … 0 for as blurred as photos are."""
        return np.clip(1 - self.quality(strip)[:, _BLURS].max(axis=1), 0, 1)


@dataclass(frozen=True)
class SideBySide:
    """Two encoders as one: their embeddings, each of length 1, one after the other."""

    trained: VisionEncoder
    beside: TiledEncoder
    reference: str
    name: str
    looks_at_tiles: bool = True

    @property
    def notice(self) -> str:
        """That of the first: of the second there is none."""
        return self.trained.notice

    @property
    def fingerprint(self) -> str:
        """Another one where either has another."""
        return hashlib.sha256(f"{self.trained.fingerprint} {self.beside.fingerprint}".encode()).hexdigest()

    @property
    def dim(self) -> int:
        """Of both together."""
        return self.trained.dim + self.beside.dim

    @property
    def side(self) -> int:
        """As much as the more demanding of both wants."""
        return max(self.trained.side, self.beside.side)

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B RGB images and the strips of their tiles → (B, D) float32."""
        return side_by_side(self.trained.encode(images), self.beside.encode(images, tiles))


def composed(whole: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """What the transformer says of B whole photos (B, C + 9) and of their tiles (B, T, 9) → embeddings (B, D)."""
    content, seen = whole[:, : -len(QUALITIES)], whole[:, -len(QUALITIES) :]
    parts = [seen, quality.mean(axis=1), quality.reshape(len(quality), -1)]
    return np.concatenate([_unit(content), WEIGHT * np.concatenate(parts, axis=1)], axis=1)


def side_by_side(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(B, D) and (B, E) → (B, D + E)."""
    return np.concatenate([_unit(first), _unit(second)], axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _tiles_of(image: Image.Image) -> Image.Image:
    grey = places.large_enough(image.convert("L"))
    return places.cut(grey, places.chosen(grey))
