"""A checkpoint's own preprocessing: from an RGB image to the input its transformer was trained on.

Interprets the fields of Hugging Face's `preprocessor_config.json` and matches the library's image processor up to
rounding, without torchvision. Independent of models, files and torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..photos.tiles import without_ends

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_LARGE_CONVNEXT = 384  # pixels
MAX_SIDE = 4096  # pixels; more than any transformer takes


@dataclass(frozen=True)
class Preprocessing:
    """Resize, center crop, rescale and normalize, as configured by the checkpoint.

    `resize`: (height, width) in pixels, the shorter side as one number, or None. `crop`: (height, width) or None.
    `resample`: Pillow's filter number. `rescale`: factor on 0 … 255, or None. `mean`, `std`: per channel, applied after
    rescaling, or None.
    """

    resize: tuple[int, int] | int | None
    crop: tuple[int, int] | None
    resample: int
    rescale: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None

    def __post_init__(self) -> None:
        """Raises `ValueError` for impossible settings and for those that yield varying shapes."""
        resizes = self.resize is None or _is_side(self.resize) or _are_sides(self.resize)
        if not resizes or not (self.crop is None or _are_sides(self.crop)):
            raise ValueError(f"the sizes {self.resize} and {self.crop} are not within 1 to {MAX_SIDE} pixels")
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError("it doesn't bring photos to one shape")
        Image.Resampling(self.resample)
        if any(values is not None and len(values) != 3 for values in (self.mean, self.std)):
            raise ValueError("mean and std don't have three numbers each")
        numbers = (self.rescale or 0, *(self.mean or ()), *(self.std or ()))
        if not all(map(math.isfinite, numbers)) or 0 in (self.std or ()):
            raise ValueError("rescale_factor, mean or std has an unusable number")

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None, image_size: int = 224) -> "Preprocessing":
        """From the fields of a `preprocessor_config.json`; None means ImageNet's mean and std at `image_size`."""
        if config is None:
            return cls(
                (image_size, image_size),
                None,
                int(Image.Resampling.BILINEAR),
                1 / 255,
                IMAGENET_MEAN,
                IMAGENET_STD,
            )
        if config.get("crop_pct"):
            config = _with_margin(config)
        kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "ViT")
        bicubic_by_default = not kind.startswith("ViT")
        resample = config.get("resample")
        normalise = config.get("do_normalize", True)
        return cls(
            resize=_size(config.get("size", image_size), kind) if config.get("do_resize", True) else None,
            crop=_square(config.get("crop_size", image_size))
            if config.get("do_center_crop", "crop_size" in config)
            else None,
            resample=int(resample if resample is not None else 3 if bicubic_by_default else 2),
            rescale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else None,
            mean=_channels(config.get("image_mean", IMAGENET_MEAN)) if normalise else None,
            std=_channels(config.get("image_std", IMAGENET_STD)) if normalise else None,
        )

    @property
    def side(self) -> int:
        """Input size in pixels: the shorter side if `resize` is one number, else the longer side of resize or crop."""
        sides = self.resize or self.crop or 224
        return sides if isinstance(sides, int) else max(sides)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for fingerprints and files; equal preprocessing gives equal dicts."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def as_config(self) -> dict[str, Any]:
        """The fields of a `preprocessor_config.json`, for `from_config` and for Hugging Face's image processors."""
        kind = "ViTImageProcessor" if self.crop is None else "CLIPImageProcessor"  # the first of them can't crop
        config: dict[str, Any] = {
            "image_processor_type": kind,
            "do_resize": self.resize is not None,
            "resample": self.resample,
            "do_center_crop": self.crop is not None,
            "do_rescale": self.rescale is not None,
            "do_normalize": self.mean is not None,
        }
        if self.resize is not None:
            config["size"] = {"shortest_edge": self.resize} if isinstance(self.resize, int) else _sides(self.resize)
        if self.crop is not None:
            config["crop_size"] = _sides(self.crop)
        if self.rescale is not None:
            config["rescale_factor"] = self.rescale
        if self.mean is not None and self.std is not None:
            config |= {"image_mean": list(self.mean), "image_std": list(self.std)}
        return config

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `as_dict`. Raises `TypeError` for missing or unknown fields."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**values)

    def bytes(self, image: Image.Image) -> np.ndarray:
        """The resized and cropped image, (3, H, W) uint8, as training keeps it in memory."""
        image = self._cropped(self._resized(image))
        return np.ascontiguousarray(np.moveaxis(np.asarray(image, dtype=np.uint8), -1, 0))

    def values(self, pixels: np.ndarray) -> np.ndarray:
        """Rescale and normalize: (…, 3, H, W) uint8 → the same shape, float32."""
        result = pixels.astype(np.float32)
        if self.rescale is not None:
            result *= np.float32(self.rescale)
        if self.mean is not None and self.std is not None:
            result -= np.array(self.mean, dtype=np.float32)[:, None, None]
            result /= np.array(self.std, dtype=np.float32)[:, None, None]
        return result

    def __call__(self, image: Image.Image) -> np.ndarray:
        """An RGB image → (3, H, W) float32."""
        return self.values(self.bytes(image))

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.resize is None:
            return image
        if isinstance(self.resize, int):
            image = without_ends(image)  # bounds memory; the crop below keeps even less
            short, long = sorted(image.size)
            longer = int(self.resize * long / short)
            width, height = (self.resize, longer) if image.width <= image.height else (longer, self.resize)
        else:
            height, width = self.resize
        return image.resize((width, height), Image.Resampling(self.resample))

    def _cropped(self, image: Image.Image) -> Image.Image:
        if self.crop is None:
            return image
        height, width = self.crop
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))  # black where the image is smaller


def _sides(size: tuple[int, int]) -> dict[str, int]:
    return {"height": size[0], "width": size[1]}


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_SIDE


def _are_sides(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_side, value))


def _size(size: Any, kind: str) -> tuple[int, int] | int:
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return _whole(size["shortest_edge"])
    if isinstance(size, int) and kind.startswith(("CLIP", "Bit")):
        return size
    return _square(size)


def _with_margin(config: Mapping[str, Any]) -> dict[str, Any]:
    """ConvNeXt's rule in other words: of small inputs, a share `crop_pct` of each side is cropped from the middle."""
    side = _whole(config["size"]["shortest_edge"])
    squash = {"height": side, "width": side}
    if side >= _LARGE_CONVNEXT:
        return {**config, "crop_pct": None, "size": squash}
    resize = {"shortest_edge": int(side / config["crop_pct"])}
    return {**config, "crop_pct": None, "size": resize, "do_center_crop": True, "crop_size": squash}


def _square(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return _whole(size["height"]), _whole(size["width"])
    if isinstance(size, Sequence):
        return _whole(size[0]), _whole(size[-1])
    return _whole(size), _whole(size)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError("a size is not a whole number")
    return int(value)


def _channels(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
