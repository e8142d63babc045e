"""A vision transformer as one function: pixels (B, 3, H, W) → embeddings (B, D).

The only module that imports transformers; importing it takes seconds, so others do so when a model first runs.
Knows nothing of photos, caches or labels.
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

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
_MOST_LAYERS = 1000
_LARGEST_NUMBER = 10_000_000  # of what a config says of a vision tower; the numbers of tokens are the largest
_LARGEST_IMAGE = 4096  # pixels of a side
_NOT_A_SHAPE = ("model_type", "auto_map", "attn_implementation")  # the last two may name code on the hub


class Backbone(nn.Module):
    """A Hugging Face vision model with one way of pooling its tokens.

    `pooling`: `first` (class token), `pooler` (the model's own pooled output), `mean` (all tokens), or `both`: class
    token, then pooled output.
    """

    def __init__(self, transformer: nn.Module, pooling: str) -> None:
        """Keep the model and the pooling."""
        super().__init__()
        self.transformer = transformer
        self.pooling = pooling

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed → (B, D)."""
        output = self.transformer(pixel_values=pixels)
        if self.pooling == "both":
            return torch.cat([output.last_hidden_state[:, 0], output.pooler_output], dim=1)
        if self.pooling == "first":
            return output.last_hidden_state[:, 0]
        if self.pooling == "pooler":
            return output.pooler_output
        return output.last_hidden_state.mean(dim=1)


def from_folder(folder: Path, vision_config: dict[str, Any], pooling: str, size: int) -> Backbone:
    """The weights in `folder`, files of `size` bytes, in evaluation mode. Raises `EncoderError` where they don't fit
    the config.

    Of a model with a text tower only the vision tower is loaded. Code in the folder is never run.
    """
    try:
        claimed = sum(shape.numel() for shape in shapes(vision_config, pooling).values())
    except EncoderError as error:
        raise EncoderError(f"The config in {folder} is of no use: {error}") from error
    if claimed > 2 * size:  # what is missing, the library would make up, whatever memory that takes
        raise EncoderError(
            f"The config in {folder} claims {claimed:,} weights, its files have {size:,} bytes. Download the model "
            "again."
        )
    try:
        transformer, info = transformers.AutoModel.from_pretrained(
            folder, config=_config(vision_config), output_loading_info=True, dtype=torch.float32
        )
    # The library raises whatever its parsers of configs, safetensors and pickles run into.
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
    """The same shape with fresh weights, to be filled by `load_state_dict`. Raises `EncoderError`."""
    try:
        return Backbone(transformers.AutoModel.from_config(_config(vision_config)), pooling).eval()
    except Exception as error:  # as above
        raise EncoderError(f"Could not build a {vision_config.get('model_type')} model: {error}.") from error


def shapes(vision_config: dict[str, Any], pooling: str) -> dict[str, torch.Size]:
    """Names and shapes of the tensors that `from_config` would make, without making them: a config from elsewhere may
    claim any size. Raises `EncoderError`.
    """
    _check_claims(vision_config)
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in from_config(vision_config, pooling).state_dict().items()}


def _check_claims(vision_config: dict[str, Any]) -> None:
    """Refuse numbers that not even the shapes could be made from: the library makes layers one by one."""
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


def _config(vision_config: dict[str, Any]) -> Any:
    fields = {name: value for name, value in vision_config.items() if name not in _NOT_A_SHAPE and name[:1] != "_"}
    return transformers.AutoConfig.for_model(vision_config["model_type"], **fields)


def device() -> torch.device:
    """The best device of this machine: CUDA, then Apple's MPS, then the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


AGREEMENT = 0.999
"""Smallest cosine between the embeddings of a probe in float32 and in bfloat16 for the latter to be used."""


def agrees_in_bfloat16(backbone: Backbone, probe: Tensor) -> bool:
    """Whether the weights, left in float32, may be multiplied in bfloat16 (autocast): it is native to the device and
    its embeddings of `probe` (B, 3, H, W), on that device, agree with float32's.

    Leaves the backbone in evaluation mode. Raises `ValueError` or `RuntimeError` where it can't take such pixels.
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
    """A backbone on the best device, for inference, in bfloat16 where that is native and agrees with float32.

    Threads may share it. On the processor each call keeps to the thread that makes it: several threads with a batch
    each get more done than several processors with one batch, which wait for each other after every layer.
    """

    def __init__(self, backbone: Backbone, probe: Tensor) -> None:
        """`probe`: (B, 3, H, W) typical inputs that decide on the precision, the same for every run."""
        self.device = device()
        self._turn = threading.Lock()  # one batch at a time on a graphics card: it has one memory
        self.backbone = backbone.to(self.device).eval()
        self.dtype = torch.float32
        exact = self(probe)  # raises where model and preprocessing don't fit each other
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
    """Attention as it is written down. In bfloat16 on a processor it takes half the time of torch's fused one, which
    computes in float32 there.
    """
    weights = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(-1, -2))
    if attention_mask is not None:
        weights = weights + attention_mask
    return torch.matmul(torch.softmax(weights, -1), value).transpose(1, 2), None


_TWO_PRODUCTS = "imlcull_two_products"
transformers.AttentionInterface.register(_TWO_PRODUCTS, _two_products)

THREADS = torch.get_num_threads()
"""That torch takes for one operation, unless it is told otherwise."""


@contextmanager
def _in_one_thread() -> Iterator[None]:
    """Have torch use no thread beside the calling one. Its setting is of a thread, and of those that begin meanwhile:
    who needs all processors in a thread of its own asks for `THREADS`.
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
