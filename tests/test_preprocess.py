"""Our preprocessing against the library's own image processors, without torchvision."""

import numpy as np
import pytest
from conftest import TINY_PROCESSOR
from PIL import Image

from imlcull_al.encoding.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

CASES = {
    "ViTImageProcessorPil": {},
    "DeiTImageProcessorPil": {},
    "CLIPImageProcessorPil": {},
    "BitImageProcessorPil": {"size": {"shortest_edge": 256}},  # DINOv2's
    "SiglipImageProcessorPil": {"size": {"height": 384, "width": 384}},
}


@pytest.mark.parametrize("size", [(640, 427), (300, 500), (224, 224), (97, 61)])
@pytest.mark.parametrize("kind", CASES)
def test_equal_to_the_librarys_own_within_rounding(kind, size):
    import transformers

    processor = getattr(transformers, kind)(**CASES[kind])
    pixels = np.random.default_rng(0).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    theirs = processor(image, return_tensors="np")["pixel_values"][0]
    ours = Preprocessing.from_config(processor.to_dict())(image)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5


def test_without_a_config_it_is_imagenet_at_the_models_size():
    plain = Preprocessing.from_config(None)
    assert (plain.resize, plain.mean, plain.std) == ((224, 224), IMAGENET_MEAN, IMAGENET_STD)
    assert Preprocessing.from_config(None, image_size=32).resize == (32, 32)


def test_old_configs_with_plain_numbers_for_sizes():
    assert Preprocessing.from_config({"size": 224, "image_processor_type": "ViTImageProcessor"}).resize == (224, 224)
    clip = Preprocessing.from_config({"size": 224, "crop_size": 224, "feature_extractor_type": "CLIPFeatureExtractor"})
    assert (clip.resize, clip.crop, clip.resample) == (224, (224, 224), 3)


def test_values_by_hand():
    half = Preprocessing.from_config({**TINY_PROCESSOR, "size": {"height": 2, "width": 2}})
    values = half(Image.new("RGB", (2, 2), (0, 255, 51)))
    assert np.allclose(values[:, 0, 0], [-1.0, 1.0, -0.6])


def test_plain_values_there_and_back_hold_nothing_but_plain_types():
    for config in (None, TINY_PROCESSOR):
        preprocessing = Preprocessing.from_config(config)
        fields = preprocessing.as_dict()
        assert {type(value) for value in fields.values()} <= {int, float, list, type(None)}
        assert Preprocessing.from_dict(fields) == preprocessing


@pytest.mark.parametrize(("side", "resize", "crop"), [(224, 256, (224, 224)), (384, (384, 384), None)])
def test_small_inputs_of_convnext_have_a_margin(side, resize, crop):
    config = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": side}, "crop_pct": 0.875}
    made = Preprocessing.from_config(config)
    assert (made.resize, made.crop) == (resize, crop)
