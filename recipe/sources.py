"""Training images of the built-in encoder: photos under free licenses, and generated images.

    small_free, exif_orientation_mit    all photos train
    fullsize_cc0, camera_exif_free      every other photo trains, the others are held out
    clothing_cc0                        photos of senders with an odd number train, without their labels

LICENCES.md next to the photos names the license of each. The benchmark measures on the held-out photos.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from imlcull_al.progress import Progress, silent

WHOLE = ("small_free", "exif_orientation_mit")
HALVES = ("fullsize_cc0", "camera_exif_free")
CLOTHING = "clothing_cc0"
LONGEST = 4096
"""Pixels of the longer side above which training photos are downscaled, because all stay in memory."""
GENERATED = 600
GENERATED_SIDE = 512
_GENERATED_SHARE = 0.15


class Pool:
    """Source of views: photos, large ones more often because they contain more, and generated images."""

    def __init__(self, photos: Sequence[Image.Image], drawn: Sequence[Image.Image]) -> None:
        """`drawn`: the generated images."""
        self._photos, self._drawn = photos, drawn
        sizes = np.array([photo.width * photo.height for photo in photos], float) ** 0.75
        self._upto = np.cumsum(sizes) / sizes.sum()

    def any(self, chance: Generator) -> Image.Image:
        """A random image."""
        if chance.random() < _GENERATED_SHARE:
            return self._drawn[int(chance.integers(len(self._drawn)))]
        return self._photos[int(np.searchsorted(self._upto, chance.random()))]


def training_photos(photos: Path) -> list[Path]:
    """The training photos, in a fixed order."""
    chosen = [path for name in WHOLE for path in _images(photos / name)]
    for name in HALVES:
        chosen += _images(photos / name)[::2]
    return chosen + [path for path, sender in _clothing(photos) if sender % 2]


def held_out_photos(photos: Path) -> list[Path]:
    """Full-size photos that are never trained on."""
    return [path for name in HALVES for path in _images(photos / name)[1::2]]


def held_out_garments(photos: Path) -> list[tuple[Path, int]]:
    """Photos of `clothing_cc0` that are never trained on, and their senders."""
    return [(path, sender) for path, sender in _clothing(photos) if sender % 2 == 0]


def load(paths: list[Path], progress: Progress = silent) -> list[Image.Image]:
    """The photos, upright and in RGB."""
    images = []
    for number, path in enumerate(paths, start=1):
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        images.append(image)
        progress("reading photos", number, len(paths))
    return images


def generated(count: int, seed: int, progress: Progress = silent) -> Iterator[Image.Image]:
    """Images of overlapping shapes, like leaves on a pile, each plain, shaded or textured; sharp to the pixel."""
    for number in range(count):
        yield _leaves(np.random.default_rng([seed, number]))
        progress("generating images", number + 1, count)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def _clothing(photos: Path) -> Iterator[tuple[Path, int]]:
    with (photos / CLOTHING / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in sorted(csv.DictReader(file), key=lambda row: row["file"]):
            if (path := photos / CLOTHING / row["file"]).exists():
                yield path, int(row["sender_id"])


def _leaves(chance: Generator) -> Image.Image:
    side = GENERATED_SIDE
    image = _texture(chance, side)
    for _ in range(int(chance.integers(5, 90))):
        size = side * min(0.6, 0.03 / chance.uniform(0.03, 1))  # few large, many small
        leaf, mask = _texture(chance, side), Image.new("L", (side, side))
        _draw_shape(ImageDraw.Draw(mask), chance, chance.uniform(0, side, 2), size)
        image.paste(leaf, mask=mask)
    return image.filter(ImageFilter.GaussianBlur(0.5))  # simulates a lens, so that edges are not jagged


def _texture(chance: Generator, side: int) -> Image.Image:
    """A plain color, or a mix of two: a gradient, noise of one grain size, or stripes."""
    first, second = (chance.integers(0, 256, 3) for _ in range(2))
    match chance.integers(4):
        case 0:
            return Image.new("RGB", (side, side), tuple(first.tolist()))
        case 1:
            amount = np.linspace(0, 255, 16)[:, None] + np.zeros((1, 16))
            grey = Image.fromarray(amount.astype(np.uint8)).rotate(float(chance.uniform(0, 360)), expand=False)
        case 2:
            cells = int(2 ** chance.uniform(3, 9))
            grey = Image.fromarray(chance.integers(0, 256, (cells, cells), dtype=np.uint8))
        case _:
            wave = np.sin(np.arange(side) * chance.uniform(0.05, 1.2)) * 127 + 128
            grey = Image.fromarray(np.tile(wave.astype(np.uint8), (side, 1))).rotate(float(chance.uniform(0, 180)))
    grey = grey.resize((side, side), Image.Resampling.BICUBIC)
    return ImageOps.colorize(grey, tuple(first.tolist()), tuple(second.tolist()))


def _draw_shape(draw: ImageDraw.ImageDraw, chance: Generator, centre: np.ndarray, size: float) -> None:
    x, y = centre
    width, height = size * chance.uniform(0.3, 1, 2)
    match chance.integers(3):
        case 0:
            draw.ellipse((x - width, y - height, x + width, y + height), fill=255)
        case 1:
            draw.rectangle((x - width, y - height, x + width, y + height), fill=255)
        case _:
            angles = np.sort(chance.uniform(0, 2 * np.pi, int(chance.integers(3, 8))))
            draw.polygon([(x + width * np.cos(a), y + height * np.sin(a)) for a in angles], fill=255)
