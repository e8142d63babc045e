"""A trained model as the folder of a Hugging Face image classifier, which gives the same scores.

    config.json  model.safetensors  preprocessor_config.json  README.md

`ViTForImageClassification` ends with a linear layer on the class token x; a trained model has its linear layer on
x / |x|. Layer norm divides by a length, too: that of what is left after the mean is subtracted. So the folder has one
block more, which computes x with a mean of 0 in place of the token, and its last layer norm makes x / |x| of it:

- The stream gets room for one more attention head, which stays 0. Everything that is written into it has its mean
  subtracted, which no layer norm notices, so the mean stays 0 in the wider stream.
- The block's MLP is gelu(x) − gelu(−x) = x, for any activation of that kind, turned into the directions of mean 0 and
  multiplied by `LARGE`, so that what was in the stream before is lost in rounding.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..encoding.encoder import VisionEncoder
from ..errors import ModelFileError
from ..learning import head
from ..learning.model import TrainedModel
from ..learning.royokello import old_name
from ..project.files import making_folder
from ..project.stages import Stage, absolute
from .folders import check_new

LARGE = 2.0**24


def write(stage: Stage, trained: TrainedModel, out: Path) -> None:
    """Make the new folder `out` of the model of a stage.

    Raises `ModelFileError` for a model that can't be such a folder, `AnswersRefused` for a place, `StorageError`.
    """
    from safetensors.torch import save_file

    check_new(stage, out)
    encoder, weights, bias = _parts(stage.model, trained)
    config = dict(encoder.architecture.vision_config)
    tensors = {name: tensor.detach().float() for name, tensor in encoder.build().transformer.state_dict().items()}
    widened, tensors, turn = _normalizing(config, tensors)
    tensors |= _classifier(turn, weights, bias)
    texts = {
        "config.json": json.dumps(widened | _classes(trained), indent=2, ensure_ascii=False),
        "preprocessor_config.json": json.dumps(encoder.architecture.preprocessing.as_config(), indent=2),
        "README.md": card(trained),
    }
    with making_folder(absolute(out)) as partial:
        for name, text in texts.items():
            (partial / name).write_text(text + "\n", encoding="utf-8", newline="")
        prefixed = {name if "classifier" in name else f"vit.{name}": tensor for name, tensor in tensors.items()}
        named = {old_name(name): tensor.contiguous() for name, tensor in prefixed.items()}
        save_file(named, partial / "model.safetensors", metadata={"format": "pt"})


def card(trained: TrainedModel) -> str:
    """The model card: what it tells, what it learned from, how good it was, and its limits."""
    task, labels = trained.task, list(trained.labels.values())
    what = "one of these classes" if task.exclusive else "any number of these tags"
    tags = [task.tags_of(label) for label in labels]
    counts = "\n".join(
        f"| {name.replace('|', '/')} | {sum(each.get(name, False) for each in tags):,} |" for name in task.classes
    )
    base = trained.base_model if trained.base_model.count("/") == 1 else Path(trained.base_model).name  # no place here
    return f"""---
library_name: transformers
pipeline_tag: image-classification
tags:
- imlcull
---

# {task.name}

Gives a photo {what}. Trained by imlcull from `{base or "a model of its own"}`.

| class | labeled photos |
| --- | --- |
{counts}

| figure | value |
| --- | --- |
| labeled photos, of which for validation | {len(labels):,}, {len(trained.validation_keys):,} |
| epoch | {trained.epoch} |
| validation accuracy | {trained.validation_accuracy:.3f} |

```python
from transformers import pipeline

pipeline("image-classification", model="this_folder")("photo.jpg")
```

## Limits

- The labeled photos were chosen where the model was unsure, so the validation accuracy is not that on all photos.
- It knows the taste of those who labeled, on photos like theirs.
- The scores are those of the model alone, not of the regression beside it that learns from every answer.
- Photos are expected upright: apply the orientation in their Exif first.
- The last block brings the class token to length one, with large weights: run it in float32 or bfloat16, not float16.
"""


def _parts(path: Path, trained: TrainedModel) -> tuple[VisionEncoder, np.ndarray, np.ndarray]:
    """The transformer, and weights (K, D) and biases (K,) on its unit-length class token. Raises `ModelFileError`."""
    encoder, known = trained.encoder, trained.head
    if not isinstance(encoder, VisionEncoder):
        raise _impossible(path, "it also looks at tiles of the photo in full resolution, beside the transformer")
    kind, pooling = encoder.architecture.vision_config.get("model_type"), encoder.architecture.pooling
    if isinstance(known, head.Layers):
        raise _impossible(path, "it was made by iml-cull, with a head of three layers")
    if kind != "vit" or pooling != "first":
        raise _impossible(path, f"its transformer is a {kind} model, not a ViT that is read by its class token")
    if isinstance(known, head.Head):
        return encoder, np.stack([known.weights, -known.weights]) / 2, np.array([known.bias, -known.bias]) / 2
    return encoder, known.weights.T, known.bias


def _impossible(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path} can't be exported to Hugging Face: {why}. Train it from a plain ViT, with --model FOLDER."
    )


def _classes(trained: TrainedModel) -> dict[str, Any]:
    names = trained.task.classes
    return {
        "architectures": ["ViTForImageClassification"],
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": f"{'single' if trained.task.exclusive else 'multi'}_label_classification",
    }


def _normalizing(
    config: Mapping[str, Any], old: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor], Tensor]:
    """Config and tensors of a ViT with a stream of D' numbers that gives y, where the one of D numbers gives x; and a
    matrix (D', D) with y @ matrix = x / |x|.
    """
    width, heads, blocks = (config[name] for name in ("hidden_size", "num_attention_heads", "num_hidden_layers"))
    wide = width + width // heads
    inner = max(int(config["intermediate_size"]), 2 * width)
    shrink = (width / wide) ** 0.5  # the same sum of squares, over more numbers
    new: dict[str, Tensor] = {}
    for name, tensor in old.items():
        if name.startswith("pooler."):
            continue
        if "layernorm" in name:
            tensor = tensor * (shrink if name.endswith("weight") else 1)
        elif name.startswith("embeddings.patch_embeddings") or ".o_proj." in name or ".fc2." in name:
            tensor = tensor - tensor.mean(dim=0, keepdim=True)
        elif name.startswith("embeddings."):
            tensor = tensor - tensor.mean(dim=-1, keepdim=True)
        new[name] = _padded(tensor, name, wide, inner)
    last, block = f"layers.{blocks}", f"layers.{blocks - 1}"
    for name in [name for name in new if name.startswith(f"{block}.")]:
        new[name.replace(block, last)] = torch.zeros_like(new[name])
    for part in ("weight", "bias"):
        new[f"{last}.layernorm_after.{part}"] = new[f"layernorm.{part}"]
    turn = _zero_mean_directions(wide, width)
    both = torch.cat([torch.eye(width), -torch.eye(width)])
    new[f"{last}.mlp.fc1.weight"][: 2 * width, :width] = both
    new[f"{last}.mlp.fc2.weight"][:, : 2 * width] = LARGE * turn @ both.T
    new["layernorm.weight"], new["layernorm.bias"] = torch.ones(wide), torch.zeros(wide)
    changes = {
        "hidden_size": wide,
        "num_attention_heads": heads + 1,
        "num_hidden_layers": blocks + 1,
        "intermediate_size": inner,
        "layer_norm_eps": config.get("layer_norm_eps", 1e-12) * width / wide,
    }
    return {**config, **changes}, new, turn / wide**0.5


def _padded(tensor: Tensor, name: str, wide: int, inner: int) -> Tensor:
    """Zeros after the numbers of the stream, the heads and the MLP, wherever a tensor has such an axis."""
    if ".mlp.fc1." in name:
        new = [inner, wide][: tensor.ndim]
    elif ".mlp.fc2." in name:
        new = [wide, inner][: tensor.ndim]
    elif name.startswith("embeddings.patch_embeddings"):
        new = [wide, *tensor.shape[1:]]
    elif name.startswith("embeddings."):
        new = [*tensor.shape[:-1], wide]
    else:
        new = [wide] * tensor.ndim
    padded = torch.zeros(new)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded


def _zero_mean_directions(wide: int, width: int) -> Tensor:
    """(D', D) orthonormal columns, each with a mean of 0; D' > D."""
    basis, _ = torch.linalg.qr(torch.cat([torch.ones(wide, 1), torch.eye(wide)[:, :width]], dim=1).double())
    return basis[:, 1:].float()


def _classifier(turn: Tensor, weights: np.ndarray, bias: np.ndarray) -> dict[str, Tensor]:
    return {
        "classifier.weight": torch.from_numpy(np.asarray(weights, np.float32)) @ turn.T,
        "classifier.bias": torch.from_numpy(np.asarray(bias, np.float32)),
    }
