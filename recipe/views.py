"""Views of the training photos, from which the student learns content: random crops of any scale and shape."""

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from recipe.sources import Pool

WHOLE = 224
"""Pixels per side of the teacher's input."""


def view(pool: Pool, side: int, chance: Generator, native: float = 0.0) -> Image.Image:
    """A random crop of an image, resized to a square of `side` pixels. At the teacher's input size, the crop covers 6 %
    to 100 % of the image; smaller windows cover proportionally less. Half of the views get color and tone jitter, a few
    are blurred. `native`: share of views at the image's own resolution instead.
    """
    image = pool.any(chance)
    width, height = image.size
    shape = np.exp(chance.uniform(-0.3, 0.3))
    if native and chance.random() < native:
        across, down = float(side), float(side)
    else:
        length = np.sqrt(chance.uniform(0.06, 1) * width * height) * side / WHOLE
        across, down = length * shape, length / shape
    across, down = min(across, width), min(down, height)
    left, top = chance.uniform(0, width - across + 1e-6), chance.uniform(0, height - down + 1e-6)
    box = (left, top, min(left + across, width), min(top + down, height))
    seen = image.resize((side, side), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if chance.random() < 0.5:
        seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if chance.random() < 0.5:
        seen = ImageEnhance.Color(seen).enhance(chance.uniform(0, 2))
    if chance.random() < 0.5:
        gains = np.exp(chance.normal(0, 0.25, 3) + chance.normal(0, 0.3))
        curves = [np.clip(np.arange(256) * gain + chance.normal(0, 10), 0, 255) for gain in gains]
        seen = seen.point(np.concatenate(curves).astype(int).tolist())
    if chance.random() < 0.15:
        seen = seen.filter(ImageFilter.GaussianBlur(chance.uniform(0.5, 3)))
    return seen


def as_pixels(images: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 → (B, 3, S, S) float32 in −1 … 1: the student's only input format."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def stacked(images: list[Image.Image]) -> Tensor:
    """RGB images of equal size → (B, S, S, 3) uint8."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images]))
