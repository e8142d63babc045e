"""Bursts of two frames of one scene, each damaged in its own way: training data for technical quality."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor

from imlcull_al.photos import tiles
from recipe import degradations
from recipe.degradations import KINDS
from recipe.sources import Pool
from recipe.views import stacked

TILES = 2
"""How many of the tiles that the encoder would take from a frame are trained on."""
SIDES = (256, 640)
_OF_ALL = [KINDS.index(kind) for kind in ("tilt", "occlusion")]  # not visible in a tile
_BLURS = [KINDS.index(kind) for kind in ("defocus", "motion")]


class Frames(NamedTuple):
    """F frames; frames of a burst are adjacent.

    `pixels`: (F, 112, 112, 3) uint8, the whole views; `tiles`: (F, TILES, 112, 112, 3); `strengths`: (F, 8), by
    `KINDS`; `severity`: (F,); `tile_strengths`: (F, TILES, 8).
    """

    pixels: Tensor
    tiles: Tensor
    strengths: Tensor
    severity: Tensor
    tile_strengths: Tensor


def in_tiles() -> Tensor:
    """(8,) 1 where a tile can show the defect, 0 where only the whole view can."""
    known = torch.ones(len(KINDS))
    known[_OF_ALL] = 0
    return known


def bursts(pool: Pool, count: int, chance: Generator) -> Frames:
    """`count` bursts of two frames."""
    frames, cuts, strengths, severity, tile_strengths = [], [], [], [], []
    for _ in range(count):
        for image in _burst(pool.any(chance), chance):
            damage = degradations.drawn(chance)
            spoiled, mask = degradations.done(image, damage, chance)
            frames.append(spoiled.resize((tiles.SIDE, tiles.SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))
            strengths.append(damage.vector())
            severity.append(damage.severity)
            grey = spoiled.convert("L")
            places = tiles.chosen(grey)
            for place in chance.permutation(len(places))[:TILES].tolist():
                left, top, _ = places[place]
                box = (left, top, left + tiles.SIDE, top + tiles.SIDE)
                here = damage.vector()
                here[_BLURS] *= np.asarray(mask.crop(box)).mean() / 255
                here[_OF_ALL] = 0
                cuts.append(grey.crop(box).convert("RGB"))
                tile_strengths.append(here)
    return Frames(
        stacked(frames),
        stacked(cuts).unflatten(0, (-1, TILES)),
        torch.tensor(np.stack(strengths)),
        torch.tensor(severity, dtype=torch.float32),
        torch.tensor(np.stack(tile_strengths)).unflatten(0, (-1, TILES)),
    )


def _burst(image: Image.Image, chance: Generator) -> list[Image.Image]:
    """Two nearly identical frames: a random part of the image at a random size, enlarged little or not at all."""
    width, height = image.size
    side = chance.uniform(0.5, 0.95)
    corner = chance.uniform(0, 1 - side, 2)
    across, down = side * width, side * height
    least, most = SIDES
    longer = min(most, max(across, down) / chance.choice([1, 1, 1.5, 2]))
    scale = max(longer / max(across, down), tiles.SIDE / min(across, down))
    if max(across, down) > 2 * most and chance.random() < 0.5:  # a part of a large photo, near its native resolution
        across = down = min(most * chance.uniform(1, 2), across, down)
        scale = min(1.0, most / across)
    scale = max(scale, min(1.25, least / max(across, down)))
    size = (max(round(across * scale), tiles.SIDE), max(round(down * scale), tiles.SIDE))
    mirrored = chance.random() < 0.5
    frames = []
    for _ in range(2):
        left, top = np.clip(corner + chance.normal(0, 0.012, 2), 0, 1) * (width, height)
        left, top = min(left, width - across), min(top, height - down)
        frame = image.resize(size, Image.Resampling.LANCZOS, (left, top, left + across, top + down), reducing_gap=3.0)
        frames.append(frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else frame)
    return frames
