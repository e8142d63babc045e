"""Losses of the second stage: the student imitates the teacher's view of a picture and estimates its defects.

The teacher's class token and patches are predicted by linear layers on the student's tokens. These layers are discarded
after training. Errors are in units of the teacher's standard deviation over all views: the share of the teacher's
variance that the student misses.

The pooler predicts the quality of a photo, or of one of its tiles, from the class token: the strength of each of
`KINDS`, and the total severity. Pairs of frames of a burst must also be ranked by severity.
"""

import torch
from torch import Tensor, nn

from recipe.degradations import KINDS
from recipe.material import Views
from recipe.scenes import TILES, Frames, in_tiles
from recipe.views import as_pixels

OUTPUTS = (*KINDS, "severity")
"""Meaning of the pooler's outputs, in order."""
PARTS = ("class token", "patches", "quality", "tile quality", "order")
WEIGHTS = (1.0, 1.0, 1.0, 1.0, 0.05)
"""Weights of the parts of the loss."""
_SHARPER = 8.0  # log-odds of a ranking per unit of severity difference
_ALIKE = 0.08  # pairs with a smaller difference are not ranked


class Distillation(nn.Module):
    """The parts of the loss of a student with a pooler of `OUTPUTS`."""

    def __init__(self, student: nn.Module, views: Views) -> None:
        """`student`: a `ViTModel`; `views`: the complete set, for the means and deviations of the teacher's outputs."""
        super().__init__()
        self.student = student
        width, taught = student.config.hidden_size, views.first.shape[1]
        self.of_first, self.of_patches = nn.Linear(width, taught), nn.Linear(width, taught)
        for layer in (self.of_first, self.of_patches):
            nn.init.eye_(layer.weight)  # after the first stage the student works in the teacher's feature space
            nn.init.zeros_(layer.bias)
        some = views.patches[:: max(len(views.patches) // 2000, 1)].float()
        self.scales = [_scale(views.first.float()), _scale(some.flatten(0, 1))]

    def forward(self, views: Views, frames: Frames) -> Tensor:
        """(5,) losses, as in `PARTS`, of a batch of views and a batch of frames."""
        pixels = [as_pixels(views.pixels), as_pixels(frames.pixels), as_pixels(frames.tiles.flatten(0, 1))]
        pixels[0] = _toned(pixels[0])
        found = self.student(torch.cat(pixels))
        hidden = found.last_hidden_state[: len(views.pixels)]
        _, whole, tiled = found.pooler_output.float().split([len(each) for each in pixels])
        first = (self.of_first(hidden[:, 0]).float() - _scaled(views.first, self.scales[0])).square().mean()
        patches = (self.of_patches(hidden[:, 1:]).float() - _scaled(views.patches, self.scales[1])).square().mean()
        return torch.stack([first, patches, *_quality(whole, tiled.unflatten(0, (-1, TILES)), frames)])


def _quality(whole: Tensor, tiled: Tensor, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the quality of F frames (F, 9), of their tiles (F, TILES, 9), and of the ranking within bursts of
    two.
    """
    wrong = (whole[:, :-1] - frames.strengths).square().mean() + (whole[:, -1] - frames.severity).square().mean()
    in_tile = ((tiled[..., :-1] - frames.tile_strengths).square() * in_tiles()).mean()
    in_tile = in_tile + (tiled[..., -1] - frames.severity[:, None]).square().mean() / 2
    pooled = whole[:, -1] + tiled[..., -1].mean(1)
    apart = frames.severity[0::2] - frames.severity[1::2]
    sign = apart.sign() * (apart.abs() > _ALIKE)
    disorder = nn.functional.softplus(-_SHARPER * sign * (pooled[0::2] - pooled[1::2])) * sign.abs()
    return wrong, in_tile, disorder.sum() / sign.abs().sum().clamp_min(1)


def _toned(pixels: Tensor) -> Tensor:
    """Jitter color and brightness slightly; the content stays the same."""
    gains = torch.exp(torch.randn(len(pixels), 3, 1, 1) * 0.15)
    return pixels * gains + torch.randn(len(pixels), 1, 1, 1) * 0.1


def _scale(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean(0), values.std(0)


def _scaled(values: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
    mean, deviation = scale
    return (values.float() - mean) / deviation
