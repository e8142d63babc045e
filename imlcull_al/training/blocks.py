"""Splits a vision transformer into a frozen lower part and a trained upper part.

    cut = Cut(backbone, 2, pixels)
    hidden = cut.below(pixels)      # (B, T, D): input of the last two blocks
    cut.above(hidden)               # (B, D): equals backbone(pixels)

The blocks are located by what Hugging Face vision models share: one module list as long as the config's layer count.
Every split is verified on real pixels against the whole model. Independent of training and photos.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..encoding.backbone import Backbone
from ..errors import EncoderError, TrainingError

_TOLERANCE = 1e-3
"""Relative to the norm of an embedding. Reordered floating-point sums differ by far less."""


class Cut:
    """A backbone split before its last blocks. Both parts share the backbone's own modules."""

    def __init__(self, backbone: Backbone, count: int, probe: Tensor) -> None:
        """Split before the last `count` blocks and freeze every parameter that the input of those blocks depends on.

        `probe`: (B, 3, H, W) preprocessed pixels on the backbone's device; the split is verified on them. Raises
        `TrainingError` if the backbone has fewer blocks, `EncoderError` if this transformer can't be split.
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
        # The model's own code may raise anything when its block list has changed.
        except Exception as error:
            raise _unpartable(backbone, str(error)) from error

    def below(self, pixels: Tensor) -> Tensor:
        """Preprocessed pixels (B, 3, H, W) → input of the trained blocks, (B, T, D) for all tested models. No
        gradients.
        """
        with torch.inference_mode():
            return self._reach(pixels)

    def above(self, hidden: Tensor) -> Tensor:
        """Output of `below` → embeddings (B, D)."""
        self._entrance.hidden = hidden
        try:
            # One blank photo supplies the input shape that position embeddings need; `_Entrance` then discards its
            # activations and substitutes `hidden`.
            embeddings: Tensor = self._upper(self._one)
            return embeddings
        finally:
            self._entrance.hidden = None

    def keep_frozen(self) -> None:
        """Put the frozen blocks back into evaluation mode (no dropout) after `train()` on the whole model."""
        self._lower.eval()

    def _reach(self, pixels: Tensor) -> Tensor:
        try:
            self._lower(pixels)
        except _Reached as reached:
            return reached.hidden
        raise RuntimeError("its blocks were not run")

    def _try(self, backbone: Backbone, probe: Tensor) -> None:
        """Freeze the lower part. Raises unless both parts together reproduce the output of the whole."""
        parameters = list(backbone.parameters())
        backbone.eval()
        hidden = self._reach(probe)
        whole, parted = backbone(probe).detach(), self.above(hidden.detach())
        if not bool((torch.linalg.vector_norm(whole - parted, dim=1) <= _TOLERANCE * whole.norm(dim=1)).all()):
            raise RuntimeError("its two parts don't reproduce the embedding of the whole")
        needed = _depends_on(parted, parameters)
        fixed = _depends_on(hidden, parameters)
        for parameter, above, below in zip(parameters, needed, fixed, strict=True):
            parameter.requires_grad_(above and not below)


class FrozenOutputs:
    """Memory cache of the inputs of the trained blocks: (T, D) for each photo and for its mirror image, while room
    lasts.
    """

    def __init__(self, photos: int, most: int) -> None:
        """An empty cache for `photos` photos, at most `most` bytes."""
        self._most = most
        self._rows: Tensor | None = None
        self._row_of = torch.full((photos, 2), -1)
        self._filled = 0

    @property
    def is_full(self) -> bool:
        """Whether the cache can take no more rows."""
        return self._rows is not None and self._filled == len(self._rows)

    def put(self, photos: Tensor, mirrored: bool, hidden: Tensor) -> None:
        """Store `hidden` (B, T, D) of these photos; rows that exceed the room are dropped from the end."""
        if self._rows is None:  # the OS commits pages only when they are written
            room = min(2 * len(self._row_of), self._most // hidden[0].nbytes)
            self._rows = torch.empty((room, *hidden.shape[1:]), dtype=hidden.dtype)
        end = min(self._filled + len(photos), len(self._rows))
        count = end - self._filled
        self._rows[self._filled : end] = hidden[:count]
        self._row_of[photos[:count], int(mirrored)] = torch.arange(self._filled, end)
        self._filled = end

    def of(self, photos: Tensor, mirrored: Tensor | None, compute: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """(B, T, D): cached rows, and `compute(photos, mirrored)` for the rows that are not cached."""
        mirrored = torch.zeros(len(photos), dtype=torch.bool) if mirrored is None else mirrored
        assert self._rows is not None  # `put` is always called first
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
    """Raise `TrainingError` unless `count` is between 1 and `there_are`."""
    if not 1 <= count <= there_are:
        raise TrainingError(
            f"train_blocks is {count}; this transformer has {there_are} blocks. Choose 1 to {there_are}."
        )


def block_count(backbone: Backbone) -> int:
    """The number of blocks. Raises `EncoderError` if the block list can't be found."""
    return len(_block_list(backbone)[1])


class _Reached(Exception):  # control flow, not an error: leaves the forward pass before the trained blocks
    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


class _Exit(nn.Module):
    """Stands in for the trained blocks and ends the forward pass."""

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Tensor:
        raise _Reached(hidden_states)


class _Entrance(nn.Module):
    """Wraps the first trained block and feeds it the cached hidden states instead of its input."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.hidden: Tensor | None = None

    def forward(self, hidden_states: Tensor, *arguments: Any, **named: Any) -> Any:
        return self.block(self.hidden, *arguments, **named)


def _block_list(backbone: Backbone) -> tuple[str, nn.ModuleList]:
    """The transformer's blocks, and the dotted name of their list in the backbone."""
    layers = getattr(backbone.transformer.config, "num_hidden_layers", None)
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers and len(set(map(type, module))) == 1:
            return name, module
    raise _unpartable(backbone, "it has no single list of blocks")


def _with(module: nn.Module, name: str, blocks: nn.ModuleList) -> nn.Module:
    """A shallow copy of `module` with `blocks` at the dotted `name`. All other submodules are shared."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    first, _, rest = name.partition(".")
    inner = module._modules[first]
    assert inner is not None
    twin._modules[first] = _with(inner, rest, blocks) if rest else blocks
    return twin


def _depends_on(output: Tensor, parameters: Iterable[Tensor]) -> list[bool]:
    """Which of `parameters` receive a gradient from `output`."""
    if not output.requires_grad:
        return [False for _ in parameters]
    return [slope is not None for slope in torch.autograd.grad(output.sum(), list(parameters), allow_unused=True)]


def _unpartable(backbone: Backbone, why: str) -> EncoderError:
    kind = getattr(backbone.transformer.config, "model_type", "nameless")
    return EncoderError(
        f"The last blocks of this {kind} transformer can't be trained alone: {why.rstrip('.')}. Train all of them "
        "(leave train_blocks out), or choose a ViT, DeiT, DINOv2, CLIP or SigLIP model."
    )
