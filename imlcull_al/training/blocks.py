"""A vision transformer parted in two: blocks below that stay as they are, and blocks above that are trained.

    cut = Cut(backbone, 2, pixels)
    hidden = cut.below(pixels)      # (B, T, D): what enters the last two blocks
    cut.above(hidden)               # (B, D): what backbone(pixels) gives

The blocks are found by what the library's models have in common: one list of as many blocks as the config counts
layers. Whether parting them gives what the whole gives is tried, not believed. Knows nothing of training or photos.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..encoding.backbone import Backbone
from ..errors import EncoderError, TrainingError

_TOLERANCE = 1e-3
"""Of an embedding's length; two orders of the same sums differ by far less."""


class Cut:
    """A backbone before its last blocks, and from them on. Both are made of the backbone's own modules."""

    def __init__(self, backbone: Backbone, count: int, probe: Tensor) -> None:
        """Part before the last `count` blocks and freeze every parameter that what enters them depends on.

        `probe`: (B, 3, H, W) preprocessed, to try it on, on the backbone's device. Raises `TrainingError` where there
        are fewer blocks, `EncoderError` where this transformer can't be parted.
        """
        name, found = _block_list(backbone)
        check_count(count, len(found))
        blocks = list(found)
        self._entrance = _Entrance(blocks[-count])
        self._lower = _with(backbone, name, nn.ModuleList([*blocks[: len(blocks) - count], _Exit()]))
        self._upper = _with(backbone, name, nn.ModuleList([self._entrance, *blocks[len(blocks) - count + 1 :]]))
        self._one = torch.zeros_like(probe[:1])
        try:
            self._try(backbone, probe)
        # Whatever a model's code does when it finds other blocks in its list than it made.
        except Exception as error:
            raise _unpartable(backbone, str(error)) from error

    def below(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed → what enters the trained blocks, (B, T, D) on all tested models. No gradient."""
        with torch.inference_mode():
            return self._reach(pixels)

    def above(self, hidden: Tensor) -> Tensor:
        """What `below` gave → embeddings (B, D)."""
        self._entrance.hidden = hidden
        try:
            # Tables of positions and the like are made from one photo's shape; what it would enter the blocks with is
            # replaced at the entrance.
            embeddings: Tensor = self._upper(self._one)
            return embeddings
        finally:
            self._entrance.hidden = None

    def keep_frozen(self) -> None:
        """The blocks below in evaluation mode (no dropout), after the whole was put into training mode."""
        self._lower.eval()

    def _reach(self, pixels: Tensor) -> Tensor:
        try:
            self._lower(pixels)
        except _Reached as reached:
            return reached.hidden
        raise RuntimeError("its blocks were not run")

    def _try(self, backbone: Backbone, probe: Tensor) -> None:
        """Raise where both parts together don't give what the whole gives; freeze what is below."""
        parameters = list(backbone.parameters())
        backbone.eval()
        hidden = self._reach(probe)
        whole, parted = backbone(probe).detach(), self.above(hidden.detach())
        if not bool((torch.linalg.vector_norm(whole - parted, dim=1) <= _TOLERANCE * whole.norm(dim=1)).all()):
            raise RuntimeError("its parts together give another embedding than the whole")
        needed = _depends_on(parted, parameters)
        fixed = _depends_on(hidden, parameters)
        for parameter, above, below in zip(parameters, needed, fixed, strict=True):
            parameter.requires_grad_(above and not below)


class Kept:
    """What enters the trained blocks, (T, D) of a photo and of its mirror image each, as far as there is room."""

    def __init__(self, photos: int, most: int) -> None:
        """Nothing yet of so many photos; room for `most` bytes."""
        self._most = most
        self._rows: Tensor | None = None
        self._row_of = torch.full((photos, 2), -1)
        self._filled = 0

    @property
    def is_full(self) -> bool:
        """Whether there is no room for any other."""
        return self._rows is not None and self._filled == len(self._rows)

    def put(self, photos: Tensor, mirrored: bool, hidden: Tensor) -> None:
        """Keep `hidden` (B, T, D) of these photos, the first ones where there is no room for all."""
        if self._rows is None:  # memory that is never written to is never taken
            room = min(2 * len(self._row_of), self._most // hidden[0].nbytes)
            self._rows = torch.empty((room, *hidden.shape[1:]), dtype=hidden.dtype)
        end = min(self._filled + len(photos), len(self._rows))
        count = end - self._filled
        self._rows[self._filled : end] = hidden[:count]
        self._row_of[photos[:count], int(mirrored)] = torch.arange(self._filled, end)
        self._filled = end

    def of(self, photos: Tensor, mirrored: Tensor | None, compute: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """(B, T, D), kept or, where there was no room, as `compute` gives it for (photos, mirrored)."""
        mirrored = torch.zeros(len(photos), dtype=torch.bool) if mirrored is None else mirrored
        assert self._rows is not None  # something was put in first
        rows = self._row_of[photos, mirrored.long()]
        lacking = rows < 0
        if not bool(lacking.any()):
            return self._rows[rows]
        computed = compute(photos[lacking], mirrored[lacking])
        hidden = computed.new_empty((len(photos), *computed.shape[1:]))
        hidden[~lacking] = self._rows[rows[~lacking]]
        hidden[lacking] = computed
        return hidden


def check_count(count: int, there_are: int) -> None:
    """Raise `TrainingError` unless the last `count` of so many blocks can be trained."""
    if not 1 <= count <= there_are:
        raise TrainingError(
            f"train_blocks is {count}; this transformer has {there_are} blocks. Choose 1 to {there_are}."
        )


def block_count(backbone: Backbone) -> int:
    """How many blocks there are. Raises `EncoderError` where they can't be found."""
    return len(_block_list(backbone)[1])


class _Reached(Exception):  # no error: how a run is left at the trained blocks
    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


class _Exit(nn.Module):
    """Stands where the trained blocks begin and ends the run there."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        raise _Reached(hidden_states)


class _Entrance(nn.Module):
    """The first trained block, run on what was kept instead of what comes in."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.hidden: Tensor | None = None

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Any:
        return self.block(self.hidden, *arguments, **named)


def _block_list(backbone: Backbone) -> tuple[str, nn.ModuleList]:
    """The blocks of the transformer and the name of their list in the backbone."""
    layers = getattr(backbone.transformer.config, "num_hidden_layers", None)
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers and len(set(map(type, module))) == 1:
            return name, module
    raise _unpartable(backbone, "it has no one list of its blocks")


def _with(module: nn.Module, name: str, blocks: nn.ModuleList) -> nn.Module:
    """A twin of `module` that shares all its parts, but holds `blocks` under this dotted name."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    first, _, rest = name.partition(".")
    inner = module._modules[first]
    assert inner is not None
    twin._modules[first] = _with(inner, rest, blocks) if rest else blocks
    return twin


def _depends_on(output: Tensor, parameters: Iterable[Tensor]) -> list[bool]:
    """Which of the parameters moved `output`."""
    if not output.requires_grad:
        return [False for _ in parameters]
    return [slope is not None for slope in torch.autograd.grad(output.sum(), list(parameters), allow_unused=True)]


def _unpartable(backbone: Backbone, why: str) -> EncoderError:
    kind = getattr(backbone.transformer.config, "model_type", "nameless")
    return EncoderError(
        f"The last blocks of this {kind} transformer can't be trained alone: {why.rstrip('.')}. Train all of them "
        "(leave train_blocks out), or choose a ViT, DeiT, DINOv2, CLIP or SigLIP model."
    )
