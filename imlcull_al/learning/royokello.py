"""The model file of royokello/iml-cull, `stage_N_cull_model.pth`: named tensors of a transformer and three layers.

    vit.embeddings.…, vit.encoder.layer.I.…, vit.layernorm.…, vit.pooler.…     by transformers before 5
    vit.embeddings.…, vit.layers.I.…, vit.layernorm.…, vit.pooler.…            by transformers 5
    cull_head.0, .3, .6       weight and bias of three linear layers with ReLU between; logits of keep and cull

The head sees the class token. Nothing else is in the file: sizes follow from the shapes, the rest is as that program
has it. It squashes photos to the size of the model and normalizes with ImageNet's mean and std.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..encoding.encoder import Architecture
from ..encoding.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from .head import Layers

_NEW_NAMES = (
    ("encoder.layer.", "layers."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)
"""Names by transformers before 5, and by 5; in this order, since the last is the end of an earlier one."""
_PREFIX, _HEAD, _PARALLEL = "vit.", "cull_head.", "module."
_LAYERS = ("0", "3", "6")
_WIDTH_OF_A_HEAD = {1280: 80}
"""Width of a transformer → that of its attention heads: 64, but for ViT-Huge. No tensor tells it."""
_FEWEST_HEADS = 3


class Unfit(ValueError):
    """A clause that says what is wrong with a file."""


class Parts(NamedTuple):
    """A model file in parts: `state` are the tensors of the transformer, by the names of transformers 5."""

    architecture: Architecture
    state: dict[str, Tensor]
    head: Layers


def is_one(content: Any) -> bool:
    """Whether the content of a file is nothing but named tensors, some of them of such a model."""
    if not isinstance(content, dict) or not all(isinstance(each, Tensor) for each in content.values()):
        return False
    return any(str(name).removeprefix(_PARALLEL).startswith((_PREFIX, _HEAD)) for name in content)


def parts_of(content: Mapping[str, Tensor]) -> Parts:
    """The parts of such a content. Raises `Unfit`."""
    tensors = {name.removeprefix(_PARALLEL): tensor.float() for name, tensor in content.items()}
    if broken := [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]:
        raise Unfit(f"{broken[0]} contains NaN or infinite values")
    state = {_new_name(name.removeprefix(_PREFIX)): each for name, each in tensors.items() if name.startswith(_PREFIX)}
    return Parts(_architecture(state), state, _head(tensors))


def old_name(name: str) -> str:
    """The name of a tensor of a ViT by transformers before 5, which later ones read, too."""
    for old, new in _NEW_NAMES:
        name = name.replace(new, old)
    return name


def _new_name(name: str) -> str:
    for old, new in _NEW_NAMES:
        name = name.replace(old, new)
    return name


def _architecture(state: Mapping[str, Tensor]) -> Architecture:
    patches = _tensor(state, "embeddings.patch_embeddings.projection.weight", 4)
    places = _tensor(state, "embeddings.position_embeddings", 3)
    width, patch = patches.shape[0], patches.shape[-1]
    along = round((places.shape[1] - 1) ** 0.5)
    if along < 1 or along**2 + 1 != places.shape[1]:
        raise Unfit(f"it has {places.shape[1]} positions, which are no square and a class token")
    heads = max(width // _WIDTH_OF_A_HEAD.get(width, 64), _FEWEST_HEADS)
    if width % heads:
        raise Unfit(f"its width {width} can't be divided among {heads} attention heads")
    blocks = {found[1] for name in state if (found := re.match(r"layers\.(\d+)\.", name))}
    config = {
        "model_type": "vit",
        "hidden_size": width,
        "num_hidden_layers": len(blocks),
        "num_attention_heads": heads,
        "intermediate_size": _tensor(state, "layers.0.mlp.fc1.weight", 2).shape[0],
        "image_size": along * patch,
        "patch_size": patch,
    }
    side = (along * patch, along * patch)
    squash = Preprocessing(side, None, int(Image.Resampling.BILINEAR), 1 / 255, IMAGENET_MEAN, IMAGENET_STD)
    return Architecture(config, squash, "sized")


def _head(tensors: Mapping[str, Tensor]) -> Layers:
    missing = [name for layer in _LAYERS for name in _names(layer) if name not in tensors]
    if missing:
        raise Unfit(f"it lacks {missing[0]} of the head that tells keep from cull")
    layers = tuple(tuple(tensors[name].double().numpy() for name in _names(layer)) for layer in _LAYERS)
    inputs = tensors[f"{_PREFIX}layernorm.weight"].shape[0]
    for weight, bias in layers:
        if weight.ndim != 2 or weight.shape != (len(bias), inputs):
            raise Unfit(f"a layer of its head has the shape {weight.shape} for {inputs} numbers")
        inputs = len(bias)
    if inputs != 2:
        raise Unfit(f"its head tells {inputs} classes, not keep and cull")
    return Layers(layers)


def _names(layer: str) -> tuple[str, str]:
    return f"{_HEAD}{layer}.weight", f"{_HEAD}{layer}.bias"


def _tensor(state: Mapping[str, Tensor], name: str, dimensions: int) -> Tensor:
    if name not in state or state[name].ndim != dimensions:
        raise Unfit(f"it lacks {_PREFIX}{name} of its transformer")
    return state[name]
