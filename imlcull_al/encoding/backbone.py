"""A vision transformer as one function: pixels (B, 3, H, W) → embeddings (B, D).

The only module that imports transformers. That takes seconds, so this module is imported lazily, at the first run of a
model.
Independent of photos, caches and labels.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from ..errors import EncoderError
from .device import device

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
_MOST_LAYERS = 1000
_LARGEST_NUMBER = 10_000_000  # any other integer of a vision config; token ids are the largest
_MOST_ATTENTION = 1 << 30
_LARGEST_IMAGE = 4096  # pixels per side
_NOT_A_SHAPE = ("model_type", "auto_map", "attn_implementation")  # the last two may name code on the hub


class Backbone(nn.Module):
    """A Hugging Face vision model with token pooling.

    `pooling`: `first` (class token), `pooler` (the model's own pooled output), `mean` (over all tokens), `both`
    (class token and pooled output, concatenated), `sized` (class token and a one, so that the length of the token can
    be told after both are normalized), or `logits` (those of an image classifier).
    """

    def __init__(self, transformer: nn.Module, pooling: str) -> None:
        """Wrap `transformer`."""
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed → (B, D)."""
        output = self.transformer(pixel_values=pixels)
        if self.pooling == "logits":
            return output.logits
        if self.pooling == "both":
            return torch.cat([output.last_hidden_state[:, 0], output.pooler_output], dim=1)
        if self.pooling == "first":
            return output.last_hidden_state[:, 0]
        if self.pooling == "sized":
            return nn.functional.pad(output.last_hidden_state[:, 0], (0, 1), value=1)
        if self.pooling == "pooler":
            return output.pooler_output
        return output.last_hidden_state.mean(dim=1)

    def prepare_to_train(self, photos: int, side: int) -> None:
        """Compute attention by plain matrix products where that is faster: on a processor, whose fused kernel goes
        backward slowly, as long as the attention weights of a batch fit into `_MOST_ATTENTION` bytes.

        `photos`: the size of a batch; `side`: of its photos, in pixels.
        """
        config = self.transformer.config
        heads, blocks, patch = (
            getattr(config, name, 0) for name in ("num_attention_heads", "num_hidden_layers", "patch_size")
        )
        if device().type != "cpu" or not all(isinstance(each, int) and each for each in (heads, blocks, patch)):
            return
        tokens = (side // patch) ** 2 + 1
        if 4 * photos * heads * blocks * tokens**2 <= _MOST_ATTENTION:
            self.transformer.set_attn_implementation("eager")


def from_folder(folder: Path, vision_config: dict[str, Any], pooling: str, size: int) -> Backbone:
    """Load the weights in `folder`, whose files hold `size` bytes, in evaluation mode.

    Loads only the vision tower of a two-tower model. Never runs code from the folder. Raises `EncoderError` if the
    weights don't match the config.
    """
    try:
        claimed = sum(shape.numel() for shape in shapes(vision_config, pooling).values())
    except EncoderError as error:
        raise EncoderError(f"The config in {folder} can't be used: {error}") from error
    if claimed > 2 * size:  # the library would allocate and initialize missing weights, at any memory cost
        raise EncoderError(
            f"The config in {folder} claims {claimed:,} weights, but its files have only {size:,} bytes. Download the "
            "model again."
        )
    try:
        transformer, info = _library(pooling).from_pretrained(
            folder, config=_config(vision_config), output_loading_info=True, dtype=torch.float32
        )
    # The parsers of configs, safetensors and pickles raise all kinds of exceptions.
    except Exception as error:
        raise EncoderError(f"Could not load the model in {folder}: {error}. Download it again.") from error
    missing = [name for name in info["missing_keys"] if pooling in ("pooler", "both") or not name.startswith("pooler.")]
    if missing:
        raise EncoderError(
            f"The weights in {folder} lack {len(missing)} tensors of their config, {missing[0]} first. "
            "Download the model again."
        )
    return Backbone(transformer, pooling).eval()


def from_config(vision_config: dict[str, Any], pooling: str) -> Backbone:
    """A freshly initialized model, ready for `load_state_dict`. Raises `EncoderError`."""
    try:
        return Backbone(_library(pooling).from_config(_config(vision_config)), pooling).eval()
    except Exception as error:  # as above
        raise EncoderError(f"Could not build a {vision_config.get('model_type')} model: {error}.") from error


def shapes(vision_config: dict[str, Any], pooling: str) -> dict[str, torch.Size]:
    """Names and shapes of the tensors that `from_config` would create, without allocating them: an untrusted config
    may claim any size. Raises `EncoderError`.
    """
    _check_claims(vision_config)
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in from_config(vision_config, pooling).state_dict().items()}


def _check_claims(vision_config: dict[str, Any]) -> None:
    """Raise `EncoderError` for absurd sizes. The library creates layers one by one, so even their shapes take time."""
    claims = list(vision_config.items())
    while claims:
        name, value = claims.pop()
        if isinstance(value, dict):
            claims += [(f"{name} {inner}", each) for inner, each in value.items()]
        elif isinstance(value, list):
            claims += [(name, each) for each in value]
        elif isinstance(value, int) and abs(value) > _most(name):
            raise EncoderError(f"Could not build a model whose {name} is over {_most(name):,}. Choose another.")


def _most(name: str) -> int:
    if "layers" in name or "depth" in name:
        return _MOST_LAYERS
    return _LARGEST_IMAGE if name.endswith("image_size") else _LARGEST_NUMBER


def _library(pooling: str) -> Any:
    return transformers.AutoModelForImageClassification if pooling == "logits" else transformers.AutoModel


def _config(vision_config: dict[str, Any]) -> Any:
    fields = {name: value for name, value in vision_config.items() if name not in _NOT_A_SHAPE and name[:1] != "_"}
    return transformers.AutoConfig.for_model(vision_config["model_type"], **fields)


AGREEMENT = 0.999
"""Least cosine similarity between a probe's float32 and bfloat16 embeddings for bfloat16 to be used."""


def agrees_in_bfloat16(backbone: Backbone, probe: Tensor) -> bool:
    """Whether bfloat16 autocast over float32 weights is safe: the device supports it natively, and the embeddings of
    `probe` (B, 3, H, W), on that device, agree with those in float32.

    Leaves the backbone in evaluation mode. Raises `ValueError` or `RuntimeError` if it rejects such pixels.
    """
    backbone.eval()
    with torch.inference_mode():
        exact = backbone(probe)
        if not _has_bfloat16(probe.device):
            return False
        with torch.autocast(probe.device.type, torch.bfloat16):
            rough = backbone(probe).float()
    return bool((torch.cosine_similarity(exact, rough) >= AGREEMENT).all())


class Runner:
    """A backbone for inference on the best device, in bfloat16 where that is native and agrees with float32.

    Thread-safe. On the CPU each call runs single-threaded: one batch per thread has a higher throughput than
    intra-op parallelism, which synchronizes after every layer.
    """

    def __init__(self, backbone: Backbone, probe: Tensor) -> None:
        """`probe`: (B, 3, H, W) typical inputs that decide the precision; the same in every run."""
        self.device = device()
        self._turn = threading.Lock()  # one batch at a time on a GPU, to bound its memory
        self.backbone = backbone.to(self.device).eval()
        self.dtype = torch.float32
        exact = self(probe)  # raises if model and preprocessing don't match
        if _has_bfloat16(self.device):
            self._try_bfloat16(probe, exact)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) float32 on the CPU → (B, D) float32 on the CPU."""
        alone = _in_one_thread() if self.device.type == "cpu" else self._turn
        with torch.inference_mode(), alone:
            return self.backbone(pixels.to(self.device, self.dtype)).float().cpu()

    def _try_bfloat16(self, probe: Tensor, exact: Tensor) -> None:
        weights = {name: tensor.clone() for name, tensor in self.backbone.state_dict().items()}
        attention = self.backbone.transformer.config._attn_implementation
        self.dtype = torch.bfloat16
        self.backbone.to(self.dtype)
        if self.device.type == "cpu":
            self.backbone.transformer.set_attn_implementation(_TWO_PRODUCTS)
        cosine = torch.cosine_similarity(exact, self(probe))
        if not bool((cosine >= AGREEMENT).all()):
            self.dtype = torch.float32
            self.backbone.transformer.set_attn_implementation(attention)
            self.backbone.to(self.dtype).load_state_dict(weights)


def _two_products(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **ignored: Any,
) -> tuple[Tensor, None]:
    """Plain attention, two matrix products. In bfloat16 on a CPU it takes half the time of torch's fused kernel, which
    computes in float32 there.
    """
    weights = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(-1, -2))
    if attention_mask is not None:
        weights = weights + attention_mask
    return torch.matmul(torch.softmax(weights, -1), value).transpose(1, 2), None


_TWO_PRODUCTS = "imlcull_two_products"
transformers.AttentionInterface.register(_TWO_PRODUCTS, _two_products)

THREADS = torch.get_num_threads()
"""Torch's default number of intra-op threads."""


@contextmanager
def _in_one_thread() -> Iterator[None]:
    """Run torch single-threaded. Torch's setting is per thread, and threads started meanwhile inherit it: a new thread
    that needs all processors sets `THREADS` itself.
    """
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(THREADS)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
