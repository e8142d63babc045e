"""The model file of iml-cull scores photos as that program does; one that can't is named, and blocks no embedding."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from imlcull_al import open_session
from imlcull_al.errors import ModelFileError
from imlcull_al.learning import model
from imlcull_al.learning.head import Layers, features
from imlcull_al.project.task import CULL_TASK, Task

WIDTH, HEADS, INNER, PATCH, SIDE = 48, 3, 96, 16, 64
OLD = {
    "layers.": "encoder.layer.", "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key", "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
}  # fmt: skip


def tensors_of(blocks=2):
    """Random tensors in the layout of that program, by the names of transformers 5."""
    shapes = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.position_embeddings": (1, (SIDE // PATCH) ** 2 + 1, WIDTH),
        "embeddings.patch_embeddings.projection.weight": (WIDTH, 3, PATCH, PATCH),
        "embeddings.patch_embeddings.projection.bias": (WIDTH,),
        "layernorm.weight": (WIDTH,), "layernorm.bias": (WIDTH,),
        "pooler.dense.weight": (WIDTH, WIDTH), "pooler.dense.bias": (WIDTH,),
    }  # fmt: skip
    linear = {f"attention.{part}_proj": (WIDTH, WIDTH) for part in "qkvo"}
    linear |= {"mlp.fc1": (INNER, WIDTH), "mlp.fc2": (WIDTH, INNER)}
    for block in range(blocks):
        for name, shape in linear.items():
            shapes |= {f"layers.{block}.{name}.weight": shape, f"layers.{block}.{name}.bias": shape[:1]}
        for name in ("layernorm_before", "layernorm_after"):
            shapes |= {f"layers.{block}.{name}.weight": (WIDTH,), f"layers.{block}.{name}.bias": (WIDTH,)}
    shapes = {f"vit.{name}": shape for name, shape in shapes.items()}
    for number, shape in {0: (512, WIDTH), 3: (256, 512), 6: (2, 256)}.items():
        shapes |= {f"cull_head.{number}.weight": shape, f"cull_head.{number}.bias": shape[:1]}
    chance = torch.Generator().manual_seed(7)
    made = {name: torch.randn(shape, generator=chance) * 0.2 for name, shape in shapes.items()}
    for name, shape in shapes.items():
        if name.startswith("cull_head"):
            made[name] = made[name] * (8 / shape[-1] ** 0.5 if len(shape) > 1 else 0)
    return made


def old_names(tensors):
    renamed = {}
    for name, tensor in tensors.items():
        for new, old in OLD.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    return renamed


def p_keep(tensors, image):
    """What that program says of an RGB image, restated without transformers."""
    squashed = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / 255
    pixels = torch.from_numpy((squashed - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).float().permute(2, 0, 1)[None]

    def linear(name, values):
        return functional.linear(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def norm(name, values):
        return functional.layer_norm(values, (WIDTH,), tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1e-12)

    patches = "vit.embeddings.patch_embeddings.projection"
    seen = functional.conv2d(pixels, tensors[f"{patches}.weight"], tensors[f"{patches}.bias"], stride=PATCH)
    tokens = torch.cat([tensors["vit.embeddings.cls_token"], seen.flatten(2).transpose(1, 2)], dim=1)
    tokens = tokens + tensors["vit.embeddings.position_embeddings"]
    for block in ("vit.layers.0", "vit.layers.1"):
        query, key, value = (
            linear(f"{block}.attention.{part}_proj", norm(f"{block}.layernorm_before", tokens))
            .unflatten(2, (HEADS, WIDTH // HEADS))
            .transpose(1, 2)
            for part in "qkv"
        )
        weights = (query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).softmax(-1)
        tokens = tokens + linear(f"{block}.attention.o_proj", (weights @ value).transpose(1, 2).flatten(2))
        inner = functional.gelu(linear(f"{block}.mlp.fc1", norm(f"{block}.layernorm_after", tokens)))
        tokens = tokens + linear(f"{block}.mlp.fc2", inner)
    hidden = norm("vit.layernorm", tokens)[:, 0]
    for number in ("0", "3"):
        hidden = linear(f"cull_head.{number}", hidden).relu()
    return linear("cull_head.6", hidden).softmax(-1)[0, 0].item()


@pytest.fixture
def save(project):
    """Save tensors as the model of the first stage."""

    def save(tensors):
        path = project / "stage_1_cull_model.pth"
        torch.save(tensors, path)
        return path

    return save


@pytest.mark.parametrize(
    "names", [old_names, dict, lambda tensors: {f"module.{name}": tensors[name] for name in tensors}]
)
def test_scores_are_those_of_its_own_code(names, project, cache_dir, save):
    tensors = tensors_of()
    save(names(tensors))
    session = open_session(project, cache_dir=cache_dir)
    expected = {
        key: p_keep(tensors, Image.open(project / "stage_1" / key).convert("RGB")) for key in session.listing.keys
    }
    assert max(expected.values()) - min(expected.values()) > 0.01
    assert {each.key: each.p_keep for each in session.scores()} == pytest.approx(expected, abs=2e-3)
    assert session.source == "model of iml-cull"


def test_it_can_be_named_for_a_stage_without_a_model(project, cache_dir, save, tmp_path):
    path = save(old_names(tensors_of())).rename(tmp_path / "theirs.pth")
    session = open_session(project, model=str(path), cache_dir=cache_dir)
    image = Image.open(project / "stage_1" / "warm_02.jpg").convert("RGB")
    before = session.photo("warm_02.jpg").p_keep
    assert before == pytest.approx(p_keep(tensors_of(), image), abs=2e-3)
    session.answer_each(dict.fromkeys(["warm_00.jpg", "warm_01.jpg"], "cull" if before > 0.5 else "keep"))
    after = session.photo("warm_02.jpg").p_keep
    assert (after < before) == (before > 0.5)  # answers correct it, as they do any model


@pytest.mark.slow
def test_a_training_goes_on_from_it(project, cache_dir, save, unreported):
    before = tensors_of()
    save(old_names(before))
    session = open_session(project, cache_dir=cache_dir)
    session.answer_each({f"warm_{number:02}.jpg": "keep" for number in range(6)})
    session.answer_each({f"cold_{number:02}.jpg": "cull" for number in range(6)})
    session.train(epochs=1, learning_rate=1e-6)
    own = torch.load(project / "stage_1_cull_model.pth", weights_only=True)["state_dict"]
    name = "embeddings.patch_embeddings.projection.weight"
    assert torch.allclose(own[f"backbone.transformer.{name}"], before[f"vit.{name}"], atol=1e-3)


BAD = {
    "it lacks cull_head.0.weight of the head": lambda names: {
        name: each for name, each in names.items() if "head" not in name
    },
    "its head tells 3 classes, not keep and cull": lambda names: {
        **names, "cull_head.6.weight": torch.zeros(3, 256), "cull_head.6.bias": torch.zeros(3)
    },
    "cull_head.6.bias contains NaN": lambda names: {**names, "cull_head.6.bias": torch.tensor([0.0, float("nan")])},
    "a layer of its head has the shape": lambda names: {**names, "cull_head.3.weight": torch.zeros(256, 5)},
    "it has 9 positions": lambda names: {**names, "vit.embeddings.position_embeddings": torch.zeros(1, 9, WIDTH)},
    "its weights don't fit its config": lambda names: {**names, "vit.layers.0.mlp.fc2.weight": torch.zeros(WIDTH, 7)},
    "it lacks vit.layers.0.mlp.fc1.weight": lambda names: {
        name: each for name, each in names.items() if "layers" not in name
    },
    "larger than the file": lambda names: {**names, "vit.layernorm.bias": torch.zeros(1).expand(1 << 40)},
}  # fmt: skip


@pytest.mark.parametrize("reason", BAD)
def test_a_file_that_it_would_not_use_is_refused_and_named(reason, save):
    path = save(BAD[reason](tensors_of()))
    with pytest.raises(ModelFileError, match=reason) as raised:
        model.load(path)
    assert str(path) in str(raised.value)


def test_it_tells_keep_from_cull_and_nothing_else(save):
    path = save(tensors_of())
    assert model.load(path, None).task == CULL_TASK
    with pytest.raises(ModelFileError, match="it was trained for the task 'cull', not for garment"):
        model.load(path, Task("garment", ("shirt", "shoe")))


def test_a_refused_file_blocks_no_embedding(project, cache_dir, save, caplog):
    path = save({name: each for name, each in tensors_of().items() if "head" not in name})
    session = open_session(project, model="builtin", cache_dir=cache_dir, prepare=False)
    assert session.fill_cache().computed == 12
    assert f"{path} can't be used as a model: it lacks cull_head.0.weight" in caplog.text


def test_layers_are_the_same_on_normalized_embeddings():
    chance = np.random.default_rng(0)
    head = Layers(((chance.normal(size=(5, 3)), chance.normal(size=5)), (chance.normal(size=(2, 5)), np.ones(2))))
    rows = np.pad(chance.normal(size=(4, 3)), ((0, 0), (0, 1)), constant_values=1).astype(np.float32)
    rows = np.vstack([rows, np.full((1, 4), np.nan, np.float32)])
    expected = [*head.logits(rows[:4]), 0]
    assert np.allclose(features(rows.copy()).logits(head), expected, atol=1e-5)
