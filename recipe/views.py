"""Random views of the training photos, as the blocks see them first: crops of any scale, in turns of many small and
few large ones.
"""

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from recipe.sources import Pool

PATCH = 16
GRID = 14
"""Patches along a side of the encoder's input."""
WINDOWS = ((7, 64, 0.7), (10, 32, 0.15), (14, 16, 0.15))
"""Patches along a window's side, views of a batch, and how often."""


def batch(pool: Pool, chance: Generator) -> tuple[Tensor, int, int]:
    """(B, 3, S, S) pixels from -1 to 1, and the row and column of the input's patches where the window begins."""
    grid, count, _ = WINDOWS[chance.choice(len(WINDOWS), p=[share for *_, share in WINDOWS])]
    images = [np.asarray(_view(pool.any(chance), grid * PATCH, chance)) for _ in range(count)]
    row, column = chance.integers(GRID - grid + 1, size=2)
    return as_pixels(np.stack(images)), int(row), int(column)


def plain(pool: Pool, count: int, chance: Generator) -> Tensor:
    """(B, 3, 224, 224) views as large as the input."""
    return as_pixels(np.stack([np.asarray(_view(pool.any(chance), GRID * PATCH, chance)) for _ in range(count)]))


def as_pixels(images: np.ndarray) -> Tensor:
    """(B, S, S, 3) uint8 → (B, 3, S, S) float32 from -1 to 1."""
    return torch.tensor(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def _view(image: Image.Image, side: int, chance: Generator) -> Image.Image:
    """A part of the image in a square: as much as `side` shows of an input on which 4 % to all of the image lie, or at
    the image's own resolution.
    """
    width, height = image.size
    shape = np.exp(chance.uniform(-0.3, 0.3))
    if chance.random() < 0.2:
        across, down = side, side
    else:
        length = np.sqrt(chance.uniform(0.06, 1) * width * height) * side / (GRID * PATCH)
        across, down = length * shape, length / shape
    across, down = min(across, width), min(down, height)
    left, top = chance.uniform(0, width - across + 1e-6), chance.uniform(0, height - down + 1e-6)
    box = (left, top, min(left + across, width), min(top + down, height))
    view = image.resize((side, side), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if chance.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if chance.random() < 0.5:
        view = ImageEnhance.Color(view).enhance(chance.uniform(0, 2))
    if chance.random() < 0.5:
        gains = np.exp(chance.normal(0, 0.25, 3) + chance.normal(0, 0.3))
        curves = [np.clip(np.arange(256) * gain + chance.normal(0, 10), 0, 255) for gain in gains]
        view = view.point(np.concatenate(curves).astype(int).tolist())
    if chance.random() < 0.15:
        view = view.filter(ImageFilter.GaussianBlur(chance.uniform(0.5, 3)))
    return view
