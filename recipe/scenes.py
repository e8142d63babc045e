"""Bursts of two frames of one scene, each spoiled in its own way: what the student learns technical quality from."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor

from imlcull_al import tiles
from recipe import degradations
from recipe.degradations import KINDS
from recipe.sources import Pool
from recipe.views import GRID, PATCH, as_pixels

TILES = 2
"""Of the tiles that the encoder would take of a frame, how many are learned from."""
SIDES = (256, 640)
_OF_ALL = [KINDS.index(kind) for kind in ("tilt", "occlusion")]  # not to be seen in a tile
_BLURS = [KINDS.index(kind) for kind in ("defocus", "motion")]


class Scenes(NamedTuple):
    """F frames, those of a burst beside each other. `frames`: (F, 3, 224, 224). `tiles`: (F * TILES, 3, 112, 112).

    `strengths`: (F, 8), by `KINDS`; `severity`: (F,); `tile_strengths`: (F * TILES, 8); `seen`: the same shape, whether
    a tile can show it.
    """

    frames: Tensor
    tiles: Tensor
    strengths: Tensor
    severity: Tensor
    tile_strengths: Tensor
    seen: Tensor


def batch(pool: Pool, bursts: int, chance: Generator) -> Scenes:
    """So many bursts of two."""
    frames, cuts, strengths, severity, tile_strengths = [], [], [], [], []
    for _ in range(bursts):
        for image in _burst(pool.any(chance), chance):
            damage = degradations.drawn(chance)
            spoiled, mask = degradations.done(image, damage, chance)
            size = (GRID * PATCH, GRID * PATCH)
            frames.append(np.asarray(spoiled.resize(size, Image.Resampling.BILINEAR)))
            strengths.append(damage.vector())
            severity.append(damage.severity)
            grey = spoiled.convert("L")
            places = tiles.chosen(grey)
            for place in chance.permutation(len(places))[:TILES].tolist():
                left, top, _ = places[place]
                box = (left, top, left + tiles.SIDE, top + tiles.SIDE)
                tile, here = grey.crop(box), damage.vector()
                here[_BLURS] *= np.asarray(mask.crop(box)).mean() / 255
                here[_OF_ALL] = 0
                cuts.append(np.asarray(tile.convert("RGB")))
                tile_strengths.append(here)
    known = torch.ones(len(KINDS))
    known[_OF_ALL] = 0
    return Scenes(
        as_pixels(np.stack(frames)),
        as_pixels(np.stack(cuts)),
        torch.tensor(np.stack(strengths)),
        torch.tensor(severity, dtype=torch.float32),
        torch.tensor(np.stack(tile_strengths)),
        known.expand(len(cuts), -1),
    )


def _burst(image: Image.Image, chance: Generator) -> list[Image.Image]:
    """Two frames that hardly differ: a part of the image, made no larger, at some size."""
    width, height = image.size
    side = chance.uniform(0.5, 0.95)
    corner = chance.uniform(0, 1 - side, 2)
    across, down = side * width, side * height
    least, most = SIDES
    longer = min(most, max(across, down) / chance.choice([1, 1, 1.5, 2]))
    scale = max(longer / max(across, down), tiles.SIDE / min(across, down))
    if max(across, down) > 2 * most and chance.random() < 0.5:  # a part of a large photo, hardly made smaller
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
