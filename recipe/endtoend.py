"""Second half of the training: the student as a whole gives what the teacher gives, and names what spoils a photo.

The quality of a photo, or of one of its tiles, is what the pooler makes of the class token: how strong each of
`KINDS` is, and how much all of it spoils the photo. Two frames of a burst are also to be ordered by the latter.
"""

import torch
from torch import Tensor, nn

from recipe.degradations import KINDS
from recipe.scenes import TILES, Scenes

OUTPUTS = (*KINDS, "severity")
"""What the pooler's outputs mean, in order."""
FLOOR = 0.1
PARTS = ("class token", "patches", "quality", "tile quality", "order")
WEIGHTS = (1.0, 1.0, 10.0, 10.0, 0.5)
"""Of the parts of the loss."""
_SHARPER = 8.0  # log-odds of an order by a difference of severity of 1
_ALIKE = 0.08  # frames closer than that have no order


class EndToEnd(nn.Module):
    """The parts of the loss of a student with a pooler of `OUTPUTS`, against a teacher of the same width."""

    spread: Tensor

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        """`student`, `teacher`: `ViTModel`s."""
        super().__init__()
        self.student = student
        self._teacher = [teacher]  # not a part: neither saved nor trained
        self.register_buffer("spread", torch.zeros(2, student.config.hidden_size))

    def forward(self, scenes: Scenes, plain: Tensor) -> Tensor:
        """(5,) losses, as in `PARTS`. `plain`: (B, 3, 224, 224) more pixels, of which only content is learned."""
        pixels = torch.cat([scenes.frames, plain])
        with torch.no_grad():
            wanted = self._teacher[0](pixels).last_hidden_state.float()
            now = torch.stack([wanted[:, 0].var(0), wanted[:, 1:].var((0, 1))])
            self.spread.copy_(now if not self.spread.any() else torch.lerp(self.spread, now, 0.01))
        found = self.student(pixels)
        hidden, quality = found.last_hidden_state.float(), found.pooler_output[: len(scenes.frames)].float()
        scale = self.spread + FLOOR * self.spread.mean(1, keepdim=True)
        squared = (hidden - wanted).square()
        first = (squared[:, 0] / scale[0]).mean()
        others = (squared[:, 1:] / scale[1]).mean()
        of_tiles = self.student(scenes.tiles, interpolate_pos_encoding=True).pooler_output.float()
        whole = (quality[:, :-1] - scenes.strengths).square().mean() + (
            quality[:, -1] - scenes.severity
        ).square().mean()
        severity = scenes.severity.repeat_interleave(TILES)
        tiled = ((of_tiles[:, :-1] - scenes.tile_strengths).square() * scenes.seen).mean()
        tiled = tiled + (of_tiles[:, -1] - severity).square().mean() / 2
        pooled = quality[:, -1] + of_tiles[:, -1].view(-1, TILES).mean(1)
        return torch.stack([first, others, whole, tiled, _disorder(pooled, scenes.severity)])


def _disorder(found: Tensor, severity: Tensor) -> Tensor:
    """Logistic loss of the order within bursts of two."""
    less = (severity[0::2] - severity[1::2]).sign() * ((severity[0::2] - severity[1::2]).abs() > _ALIKE)
    ahead = found[0::2] - found[1::2]
    return (nn.functional.softplus(-_SHARPER * less * ahead) * less.abs()).sum() / less.abs().sum().clamp_min(1)
