import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_PROCESSOR, save_checkpoint
from PIL import Image

from imlcull_al.encoding.load import BESIDE, BUILTIN, builtin_encoder, load_encoder
from imlcull_al.errors import EncoderError

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)) for seed in range(3)
]
VISION = {name: value for name, value in TINY_CONFIG.items() if name != "model_type"}
TEXT = {**VISION, "vocab_size": 50}
KINDS = {
    "vit": (TINY_CONFIG, "first"),
    "deit": ({**TINY_CONFIG, "model_type": "deit"}, "first"),
    "dinov2": ({**TINY_CONFIG, "model_type": "dinov2"}, "first"),
    "clip": ({"model_type": "clip", "vision_config": VISION, "text_config": TEXT}, "pooler"),
    "siglip": ({"model_type": "siglip", "vision_config": VISION, "text_config": TEXT}, "pooler"),
}


def library_says(folder, pooling):
    """Embeddings by the library's own model and image processor, in float32."""
    import torch
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = getattr(model, "vision_model", model)
    with torch.inference_mode():
        output = model(**processor(IMAGES, return_tensors="pt"))
    return (output.pooler_output if pooling == "pooler" else output.last_hidden_state[:, 0]).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_gives_what_the_library_gives(kind, tmp_path):
    config, pooling = KINDS[kind]
    folder = save_checkpoint(tmp_path, config, TINY_PROCESSOR)
    encoder = load_encoder(str(folder))
    ours, theirs = encoder.encode(IMAGES), library_says(folder, pooling)
    assert ours.dtype == np.float32
    assert ours.shape == (3, encoder.dim) == (3, 32)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() > 0.999  # bfloat16 where the processor has it
    assert encoder.notice == ""


def test_the_fingerprint_changes_with_weights_preprocessing_and_pooling(tmp_path):
    prints = set()
    for name, config, processor, seed in (
        ("first", TINY_CONFIG, TINY_PROCESSOR, 0),
        ("other weights", TINY_CONFIG, TINY_PROCESSOR, 1),
        ("other size", TINY_CONFIG, {**TINY_PROCESSOR, "size": {"height": 48, "width": 48}}, 0),
        ("other mean", TINY_CONFIG, {**TINY_PROCESSOR, "image_mean": [0.4, 0.5, 0.5]}, 0),
        ("no preprocessing", TINY_CONFIG, None, 0),
        ("other family", {**TINY_CONFIG, "model_type": "deit"}, TINY_PROCESSOR, 0),
    ):
        prints.add(load_encoder(str(save_checkpoint(tmp_path / name, config, processor, seed))).fingerprint)
    assert len(prints) == 6
    again = save_checkpoint(tmp_path / "the same elsewhere", TINY_CONFIG, TINY_PROCESSOR, 0)
    assert load_encoder(str(again)).fingerprint in prints


def test_labels_of_a_classifier_change_nothing(tmp_path):
    folder = save_checkpoint(tmp_path, TINY_CONFIG, TINY_PROCESSOR)
    before = load_encoder(str(folder)).fingerprint
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": {"0": "tench"}}))
    assert load_encoder(str(folder)).fingerprint == before


def test_a_batch_is_each_photo_alone(tiny_model):
    encoder = load_encoder(str(tiny_model))
    alone = np.concatenate([encoder.encode([image]) for image in IMAGES])
    assert np.allclose(encoder.encode(IMAGES), alone, atol=2e-2)


def test_the_builtin_encoder_is_the_same_every_time_and_needs_no_notice():
    def looked_at():
        builtin_encoder.cache_clear()  # as in another process
        encoder = load_encoder(BUILTIN)
        return (encoder.name, encoder.reference, encoder.notice, encoder.fingerprint), encoder.encode(IMAGES)

    (first, rows), (second, again) = looked_at(), looked_at()
    assert first[:3] == (BUILTIN, BUILTIN, "")
    assert first == second
    assert rows.shape == (3, load_encoder(BUILTIN).dim)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, again)


@pytest.mark.parametrize("asked", ["nobody/has-this-model", f"nobody/has-this-model{BESIDE}"])
def test_an_id_out_of_reach_gives_the_builtin_encoder_with_a_plain_word(asked):
    encoder = load_encoder(asked)
    assert encoder.name == BUILTIN
    assert encoder.reference == BUILTIN  # what a model trained from it is trained from
    assert encoder.notice == (
        "nobody/has-this-model is not on this machine and the Hugging Face hub can't be reached: scores come from the "
        "built-in encoder alone. Go online once, or name a local folder (--model)."
    )
    assert encoder.fingerprint == load_encoder(BUILTIN).fingerprint
    assert load_encoder(BUILTIN).notice == ""


def test_two_encoders_are_named_together(tiny_model):
    encoder = load_encoder(f"{tiny_model}{BESIDE}")
    alone = load_encoder(str(tiny_model))
    assert encoder.reference == f"{tiny_model}{BESIDE}"
    assert encoder.name == f"{alone.name} + {BUILTIN}"
    assert encoder.trained.fingerprint == alone.fingerprint
    assert encoder.beside.fingerprint == load_encoder(BUILTIN).fingerprint
    assert encoder.dim == alone.dim + load_encoder(BUILTIN).dim
    assert encoder.views.tiles and not alone.views.tiles
    assert encoder.notice == ""
    with pytest.raises(EncoderError, match="There is no model folder /no/such/folder"):
        load_encoder(f"/no/such/folder{BESIDE}")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/no/such/folder", "There is no model folder /no/such/folder. Name a folder"),
        ("./here", "There is no model folder"),
        ("not a valid id!", "neither a folder nor a Hugging Face id"),
    ],
)
def test_a_name_that_can_be_nothing(model, message):
    with pytest.raises(EncoderError, match=message):
        load_encoder(model)


def test_folders_that_hold_no_vision_transformer_say_what_they_hold(tmp_path, tiny_model):
    with pytest.raises(EncoderError, match=r"holds no config\.json"):
        load_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    with pytest.raises(EncoderError, match=r"holds no model\.safetensors"):
        load_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes())
    with pytest.raises(EncoderError, match="a bert model, not a vision transformer"):
        load_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EncoderError, match=r"Could not read .*config\.json"):
        load_encoder(str(tmp_path))


def test_weights_of_another_shape_are_refused(tmp_path):
    small = save_checkpoint(tmp_path / "small", TINY_CONFIG, TINY_PROCESSOR)
    config = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(EncoderError, match=r"lack .* tensors of their config"):
        load_encoder(str(small)).encode(IMAGES)
    (small / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(EncoderError, match="Could not load the model in"):
        load_encoder(str(small)).encode(IMAGES)


def test_threads_encode_at_once_and_torch_has_its_threads_back(tiny_model):
    import torch

    from imlcull_al.encoding import backbone

    encoder, before = load_encoder(str(tiny_model)), torch.get_num_threads()
    alone = [encoder.encode([image])[0] for image in IMAGES]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: encoder.encode([IMAGES[number % 3]])[0], range(24)))
    assert all(np.array_equal(row, alone[number % 3]) for number, row in enumerate(together))
    with pytest.raises(ZeroDivisionError), backbone._in_one_thread():
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_two_products_are_attention():
    import torch

    from imlcull_al.encoding import backbone

    query, key, value = torch.randn(3, 2, 4, 7, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.where(torch.arange(7) < 5, 0.0, -1e9).expand(2, 1, 7, 7)
    for each in (None, mask):
        ours, _ = backbone._two_products(torch.nn.Identity(), query, key, value, each, scaling=0.3)
        theirs = torch.nn.functional.scaled_dot_product_attention(query, key, value, each, scale=0.3)
        assert torch.allclose(ours, theirs.transpose(1, 2), atol=1e-6)
