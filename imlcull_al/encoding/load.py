"""Load an encoder by name: built-in, a local folder, a Hugging Face id, or one of these combined with the built-in.

    builtin                                 the one in `imlcull_al/builtin`: whole photo and full-resolution tiles
    google/vit-base-patch16-224             a Hugging Face id or a folder: a vision transformer on the whole photo
    google/vit-base-patch16-224+builtin     both, embeddings concatenated

An object of one's own is one already, see `own`.
The only module that interprets a checkpoint's config files. Independent of photos, caches and labels.
"""

import os
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import EncoderError
from .builtin import SideBySide, TiledEncoder
from .encoder import Architecture, Embedder, Encoder, VisionEncoder
from .model_folder import check, digest_of_files, read_json, weight_files
from .own import OwnEncoder
from .preprocess import Preprocessing

if TYPE_CHECKING:
    from .backbone import Backbone

Model = str | os.PathLike[str] | Embedder | None
"""What names a model or is one."""
BUILTIN = "builtin"
BESIDE = f"+{BUILTIN}"
DEFAULT_MODEL = f"google/vit-base-patch16-224{BESIDE}"
_FOLDER = Path(__file__).parents[1] / "builtin"
_CONFIG_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")
_NOT_OF_EMBEDDINGS = ("id2label", "label2id", "architectures", "transformers_version", "dtype", "torch_dtype")
_PROCESSORS = ("ViT", "DeiT", "Beit", "CLIP", "Siglip", "Bit", "ConvNext", "DINOv3ViT")
"""Image processors, by the beginning of their names, whose work is `Preprocessing`; others do more than it says."""
_WEIGHTS_PATTERNS = ("*.safetensors", "*.safetensors.index.json")
# Models whose pooler was trained with them. The pooler of plain ViT and DeiT was not; use their class token.
_POOLER_MODELS = (
    "clip_vision_model",
    "siglip_vision_model",
    "siglip2_vision_model",
    "beit",
    "data2vec-vision",
    "swin",
    "swinv2",
)
_FIRST_TOKEN_MODELS = (
    "vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit", "vit_msn", "vit_mae",
)  # fmt: skip


def load_encoder(model: Model = None) -> Encoder:
    """Load the encoder named `model`, by default `DEFAULT_MODEL`; an encoder is returned as it is.

    Raises `EncoderError` for a folder without a vision transformer, or an object that is no encoder. A Hugging Face id
    that is neither on this machine nor reachable falls back to the built-in encoder, whose `notice` says so.
    """
    if isinstance(model, VisionEncoder | TiledEncoder | SideBySide | OwnEncoder):
        return model
    if not isinstance(model, str | os.PathLike | None):
        return OwnEncoder(model)
    wanted = DEFAULT_MODEL if model is None else os.fspath(model)
    if not wanted:
        raise EncoderError(
            "The model has no name to load it by, because it was an object in a script. Open the session with that "
            "object again, or name a model (--model)."
        )
    if wanted == BUILTIN:
        return builtin_encoder()
    first = wanted.removesuffix(BESIDE)
    found = _vision_encoder(first)
    if found is None:
        return replace(
            builtin_encoder(),
            notice=f"{first} is not on this machine and the Hugging Face hub can't be reached: scores come from the "
            "built-in encoder alone. Go online once, or name a local folder (--model).",
        )
    return SideBySide(found, builtin_encoder(), wanted, f"{found.name} + {BUILTIN}") if first != wanted else found


class ImageClassifier(NamedTuple):
    """An image classifier of Hugging Face: an encoder whose embeddings are its logits (K,), and its K classes in order.

    `exclusive`: whether a photo has one of them, rather than any number.
    """

    encoder: VisionEncoder
    classes: tuple[str, ...]
    exclusive: bool


def load_classifier(folder: Path) -> ImageClassifier:
    """Load the image classifier in a local folder. Raises `EncoderError` for any other folder."""
    config = _config(folder)
    if not any(str(name).endswith("ForImageClassification") for name in config.get("architectures") or ()):
        raise EncoderError(
            f"{folder} holds a {config.get('model_type', 'nameless')} model that gives no classes. Name the folder of "
            "a Hugging Face image classifier, or a model file that `train` wrote."
        )
    names = config.get("id2label")
    classes = tuple(str(names.get(str(number), "")) for number in range(len(names))) if isinstance(names, dict) else ()
    if not all(classes) or not classes:
        raise EncoderError(f"The config.json in {folder} doesn't name its classes in id2label. Download it again.")
    processor = _processor(folder) or {}
    kind = str(processor.get("image_processor_type") or processor.get("feature_extractor_type") or "ViT")
    if not kind.startswith(_PROCESSORS):
        raise EncoderError(
            f"{folder} prepares photos by a {kind}, which imlcull can't do. Choose a model that uses one of "
            f"{', '.join(_PROCESSORS)}."
        )
    name = folder.resolve().name
    encoder = _from_folder(name, str(folder.resolve()), folder, pooling="logits")
    return ImageClassifier(encoder, classes, config.get("problem_type") != "multi_label_classification")


@cache
def builtin_encoder() -> TiledEncoder:
    """The encoder shipped with this package, a singleton."""
    return tiled_encoder(_FOLDER)


def tiled_encoder(folder: Path) -> TiledEncoder:
    """The tiled encoder for a folder of weights trained like the built-in ones. Raises `EncoderError`."""
    whole = _from_folder(BUILTIN, BUILTIN, folder, pooling="both")
    return TiledEncoder(BUILTIN, BUILTIN, whole, trained=_from_folder(BUILTIN, BUILTIN, folder))


def _vision_encoder(model: str) -> VisionEncoder | None:
    """The encoder of a folder or a Hugging Face id; None if it would have to be downloaded and the hub is offline."""
    folder = Path(os.path.expanduser(model))  # noqa: PTH111 - unlike Path's, these three answer any text
    if os.path.isdir(folder):  # noqa: PTH112
        return _from_folder(folder.resolve().name, str(folder.resolve()), folder)
    names_a_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if names_a_path or os.path.exists(folder):  # noqa: PTH110
        raise EncoderError(f"There is no model folder {model}. Name a folder with a config.json, or a Hugging Face id.")
    snapshot = _from_hub(model)
    return None if snapshot is None else _from_folder(model, model, snapshot)


def _from_hub(model: str) -> Path | None:
    """The local snapshot of a Hugging Face id, downloaded if missing; None if the hub is unreachable.

    Raises `EncoderError` when the hub refuses or the download breaks off.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils import httpx

    patterns = [*_CONFIG_FILES, *_WEIGHTS_PATTERNS]
    try:
        with suppress(LocalEntryNotFoundError):  # not on this machine yet
            folder = Path(snapshot_download(model, allow_patterns=patterns, local_files_only=True))
            if weight_files(folder):
                return folder
        folder = Path(snapshot_download(model, allow_patterns=patterns, etag_timeout=5))
        if not weight_files(folder):
            folder = Path(snapshot_download(model, allow_patterns=[*patterns, "pytorch_model.bin"], etag_timeout=5))
        return folder
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise EncoderError(f"{model} is neither a folder nor a Hugging Face id. Name one or the other.") from error
    except (RepositoryNotFoundError, GatedRepoError) as error:
        raise EncoderError(
            f"The Hugging Face hub has no accessible model {model}. Check the id, or name a local folder."
        ) from error
    except (OSError, httpx.HTTPError) as error:
        raise EncoderError(
            f"The download of {model} broke off ({error}). Try again, or name a local folder."
        ) from error


def _config(folder: Path) -> dict[str, Any]:
    check(folder)
    config = read_json(folder / "config.json")
    if config is None:
        raise EncoderError(f"{folder} holds no config.json. Name the folder of a Hugging Face vision transformer.")
    return config


def _from_folder(name: str, reference: str, folder: Path, pooling: str | None = None) -> VisionEncoder:
    config = _config(folder)
    weights = weight_files(folder)
    if not weights:
        raise EncoderError(f"{folder} holds no model.safetensors and no pytorch_model.bin. Download the model again.")
    architecture = _architecture(folder, config, pooling)
    fingerprint = architecture.digest(digest_of_files(weights))
    size = sum(path.stat().st_size for path in weights)

    def build() -> "Backbone":
        from .backbone import from_folder

        return from_folder(folder, architecture.vision_config, architecture.pooling, size)

    return VisionEncoder(name, reference, architecture, fingerprint, build)


def _architecture(folder: Path, config: dict[str, Any], pooling: str | None) -> Architecture:
    tower = None if pooling == "logits" else config.get("vision_config")
    vision_config = dict(tower if isinstance(tower, dict) else config)
    if isinstance(tower, dict):  # a two-tower model: derive the vision tower's type from the whole model's
        vision_config.setdefault("model_type", f"{config.get('model_type')}_vision_model")
        vision_config["model_type"] = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}.get(
            vision_config["model_type"], vision_config["model_type"]
        )
    dim = vision_config.get("hidden_size")
    if pooling == "logits":
        vision_config["num_labels"] = len(config["id2label"])
    elif "patch_size" not in vision_config or "model_type" not in vision_config or type(dim) is not int or dim < 1:
        raise EncoderError(
            f"{folder} holds a {config.get('model_type', 'nameless')} model, not a vision transformer. "
            "Choose a ViT, DeiT, DINOv2, CLIP or SigLIP model."
        )
    named = vision_config.get("architectures")
    for label_field in _NOT_OF_EMBEDDINGS:
        vision_config.pop(label_field, None)
    if pooling == "logits":
        vision_config["architectures"] = named  # some kinds have two
    processor = _processor(folder)
    image_size = vision_config.get("image_size", 224)
    try:
        preprocessing = Preprocessing.from_config(processor, image_size if type(image_size) is int else 224)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise EncoderError(f"The preprocessor_config.json in {folder} is not usable ({error!r}). Repair it.") from error
    try:
        return Architecture(vision_config, preprocessing, pooling or _pooling(vision_config["model_type"]))
    except ValueError as error:
        raise EncoderError(f"The config.json in {folder} is not usable: {error}. Choose another model.") from error


def _processor(folder: Path) -> dict[str, Any] | None:
    processor = read_json(folder / "preprocessor_config.json")
    return processor or (read_json(folder / "processor_config.json") or {}).get("image_processor")


def _pooling(model_type: str) -> str:
    if model_type in _POOLER_MODELS:
        return "pooler"
    return "first" if model_type in _FIRST_TOKEN_MODELS else "mean"
