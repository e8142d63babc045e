"""First stage of the training: every block of the student learns what its share of the teacher's blocks does.

Blocks need not wait for each other: each gets the teacher's hidden state and is to give the teacher's next one. Later
they get what the student's own blocks below give, more and more often, and learn to mend it. What they see are windows
of the teacher's input, many small and few large ones.
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
"""Patches along a side of the teacher's input."""
WINDOWS = ((7, 64, 0.7), (10, 32, 0.15), (14, 16, 0.15))
"""Patches along a window's side, windows of a batch, and how often."""
_NATIVE = 0.2

FLOOR = 0.1
"""Share of the mean variance that is added to each channel's: channels that hardly change must not rule the loss."""


def windows(pool: Pool, chance: Generator) -> tuple[Tensor, int, int]:
    """(B, 3, S, S) pixels, and the row and column of the input's patches where the window begins."""
    grid, count, _ = WINDOWS[chance.choice(len(WINDOWS), p=[share for *_, share in WINDOWS])]
    images = [views.view(pool, grid * PATCH, chance, _NATIVE) for _ in range(count)]
    row, column = chance.integers(GRID - grid + 1, size=2)
    return views.as_pixels(views.stacked(images)), int(row), int(column)


class Blockwise(nn.Module):
    """The losses of all of a student's blocks against a teacher of the same width."""

    spread: Tensor

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        """`student`, `teacher`: `ViTModel`s; the teacher has a multiple of the student's blocks."""
        super().__init__()
        self.student = student
        self._teacher = [teacher]  # not a part: neither saved nor trained
        self.each = len(teacher.layers) // len(student.layers)
        width = student.config.hidden_size
        self.register_buffer("spread", torch.zeros(len(student.layers) + 1, width))

    def forward(self, pixels: Tensor, row: int, column: int, own: float) -> Tensor:
        """(blocks + 1,) losses of the patch embedding and of each block: the mean squared error as a share of what the
        teacher's blocks change. `own`: how often, 0 … 1, a view comes from the student's blocks below.
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
    """`smaller`, of the same shape but for an input of half the side, with the weights of `student`."""
    state = student.state_dict()
    name = "embeddings.position_embeddings"
    places = state[name][:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))
    fewer = nn.functional.interpolate(places, size=(GRID // 2, GRID // 2), mode="bicubic", align_corners=False)
    state[name] = torch.cat([state[name][:, :1], fewer.flatten(2).transpose(1, 2)], dim=1)
    smaller.load_state_dict(state)
    return smaller


def embedded(model: nn.Module, pixels: Tensor, row: int, column: int) -> Tensor:
    """(B, 3, S, S) → (B, 1 + patches, D): what enters the first block, where the pixels are a window of the input that
    begins at this row and column of its patches.
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
    # The class token is one of many tokens, and the one that is read at the end.
    return 0.9 * squared.mean() + 0.1 * squared[:, 0].mean()
