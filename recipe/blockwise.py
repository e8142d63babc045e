"""First stage of the training: every block of the student learns to imitate its share of the teacher's blocks.

The blocks train in parallel: each receives the teacher's hidden state and learns to produce the teacher's next one. As
training proceeds, the input comes more and more often from the student's own lower blocks, so that each block learns to
correct their errors. The training data are windows of the teacher's input, many small and few large ones.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from numpy.random import Generator
from torch import Tensor, nn

from recipe import views
from recipe.sources import Pool

PATCH = 16
GRID = views.WHOLE // PATCH
"""Patches per side of the teacher's input."""
WINDOWS = ((7, 64, 0.7), (10, 32, 0.15), (14, 16, 0.15))
"""Patches per side of a window, windows per batch, probability."""
_NATIVE = 0.2

FLOOR = 0.1
"""Share of the mean variance added to each channel's variance, so that near-constant channels don't dominate the
loss.
"""


def windows(pool: Pool, chance: Generator) -> tuple[Tensor, int, int]:
    """(B, 3, S, S) pixels, and the row and column of the input's patch grid where the window begins."""
    grid, count, _ = WINDOWS[chance.choice(len(WINDOWS), p=[share for *_, share in WINDOWS])]
    images = [views.view(pool, grid * PATCH, chance, _NATIVE) for _ in range(count)]
    row, column = chance.integers(GRID - grid + 1, size=2)
    return views.as_pixels(views.stacked(images)), int(row), int(column)


class Blockwise(nn.Module):
    """Losses of all blocks of a student against a teacher of the same width."""

    spread: Tensor

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        """`student`, `teacher`: `ViTModel`s; the teacher's number of blocks is a multiple of the student's."""
        super().__init__()
        self.student = student
        self._teacher = [teacher]  # in a list, so not a submodule: neither saved nor trained
        self.each = len(teacher.layers) // len(student.layers)
        width = student.config.hidden_size
        self.register_buffer("spread", torch.zeros(len(student.layers) + 1, width))

    def forward(self, pixels: Tensor, row: int, column: int, own: float) -> Tensor:
        """(blocks + 1,) losses of the patch embedding and of each block: mean squared error relative to the variance of
        what the teacher's blocks change. `own`: probability, 0 … 1, that a view's input comes from the student's lower
        blocks.
        """
        with torch.no_grad():
            states = list(self._states(pixels, row, column))
            changes = [states[0], *(after - before for before, after in pairwise(states))]
            now = torch.stack([change.float().var(dim=(0, 1)) for change in changes])
            self.spread.copy_(now if not self.spread.any() else torch.lerp(self.spread, now, 0.01))
        scale = self.spread + FLOOR * self.spread.mean(1, keepdim=True)
        reached = embedded(self.student, pixels, row, column)
        losses = [_error(reached, states[0], scale[0])]
        for layer, before, after, variance in zip(self.student.layers, states, states[1:], scale[1:], strict=False):
            mine = torch.rand(len(pixels), 1, 1) < own
            reached = layer(torch.where(mine, reached.detach(), before))
            losses.append(_error(reached, after, variance))
        return torch.stack(losses)

    def _states(self, pixels: Tensor, row: int, column: int) -> Iterator[Tensor]:
        teacher = self._teacher[0]
        hidden = embedded(teacher, pixels, row, column)
        yield hidden
        for number, layer in enumerate(teacher.layers, start=1):
            hidden = layer(hidden)
            if number % self.each == 0:
                yield hidden


def halved(student: nn.Module, smaller: nn.Module) -> nn.Module:
    """Load the weights of `student` into `smaller`, the same architecture for half the input side, with interpolated
    position embeddings.
    """
    state = student.state_dict()
    name = "embeddings.position_embeddings"
    places = state[name][:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))
    fewer = nn.functional.interpolate(places, size=(GRID // 2, GRID // 2), mode="bicubic", align_corners=False)
    state[name] = torch.cat([state[name][:, :1], fewer.flatten(2).transpose(1, 2)], dim=1)
    smaller.load_state_dict(state)
    return smaller


def embedded(model: nn.Module, pixels: Tensor, row: int, column: int) -> Tensor:
    """(B, 3, S, S) → (B, 1 + patches, D): input of the first block, where the pixels are a window of the full input
    that begins at this row and column of the patch grid.
    """
    part = model.embeddings
    patches = part.patch_embeddings.projection(pixels)
    across, (height, width) = round((part.position_embeddings.shape[1] - 1) ** 0.5), patches.shape[2:]
    places = part.position_embeddings[0, 1:].view(across, across, -1)[row : row + height, column : column + width]
    patches = patches.flatten(2).transpose(1, 2) + places.reshape(height * width, -1)
    first = (part.cls_token + part.position_embeddings[:, :1]).expand(len(patches), -1, -1)
    return torch.cat([first, patches], dim=1)


def _error(found: Tensor, wanted: Tensor, variance: Tensor) -> Tensor:
    squared = (found.float() - wanted.float()).square() / variance
    # Extra weight for the class token: it is one of many tokens, but the one that is read at the end.
    return 0.9 * squared.mean() + 0.1 * squared[:, 0].mean()
