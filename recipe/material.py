"""Training data, made once and kept in files: views with the teacher's outputs, and damaged frames.

    views-00.pt …    pixels (N, 112, 112, 3) uint8, first (N, 192) and patches (N, 49, 192) float16
    frames-00.pt …   as `Frames`

The content of a file depends only on the seed and its number, so a resumed run makes the same files.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from imlcull_al.progress import Progress
from recipe import scenes, views
from recipe.sources import Pool

SIDE = 112
"""Pixels per side of the student's input."""
_SHARD = 2000
_BATCH = 25


class Views(NamedTuple):
    """N views and the teacher's outputs for them at `views.WHOLE` pixels: the class token, and an average over the four
    teacher patches under each student patch.
    """

    pixels: Tensor
    first: Tensor
    patches: Tensor


def views_of(pool: Pool, teacher: nn.Module, count: int, seed: int, folder: Path, progress: Progress) -> Views:
    """`count` views, in complete files."""

    def make(chance: np.random.Generator) -> tuple[Tensor, ...]:
        images = [views.view(pool, views.WHOLE, chance) for _ in range(_BATCH)]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            said = teacher(views.as_pixels(views.stacked(images))).last_hidden_state.float()
        maps = said[:, 1:].transpose(1, 2).unflatten(2, (14, 14))
        patches = nn.functional.avg_pool2d(maps, 2).flatten(2).transpose(1, 2)
        small = views.stacked([image.resize((SIDE, SIDE), 2) for image in images])
        return small, said[:, 0].half(), patches.half()

    return Views(*_files("views", count, seed, folder, make, progress))


def frames_of(pool: Pool, count: int, seed: int, folder: Path, progress: Progress) -> scenes.Frames:
    """`count` frames; frames of a burst are adjacent."""
    made = _files("frames", count, seed + 1, folder, lambda chance: scenes.bursts(pool, _BATCH // 2, chance), progress)
    return scenes.Frames(*made)


def _files(
    name: str,
    count: int,
    seed: int,
    folder: Path,
    make: Callable[[np.random.Generator], tuple[Tensor, ...]],
    progress: Progress,
) -> list[Tensor]:
    shards: list[Any] = []
    for number in range(-(-count // _SHARD)):
        file = folder / f"{name}-{number:02}.pt"
        if not file.exists():
            chance, parts, done = np.random.default_rng([seed, 7, number]), [], 0
            while done < min(_SHARD, count - number * _SHARD):
                parts.append(make(chance))
                done += len(parts[-1][0])
                progress(f"making {name}", min(number * _SHARD + done, count), count)
            torch.save([torch.cat(each) for each in zip(*parts, strict=True)], file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)  # noqa: PTH105
        shards.append(torch.load(file, weights_only=True, mmap=True))
    return [torch.cat(each) for each in zip(*shards, strict=True)]
