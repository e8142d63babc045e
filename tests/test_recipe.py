"""How the built-in encoder is trained: the damage that is done, and a run that is broken off and goes on."""

import csv
import json
import sys
from functools import cache

import numpy as np
import pytest
import torch
from conftest import save_checkpoint
from PIL import Image

from imlcull_al.encoding.load import BUILTIN, load_encoder
from recipe import __main__ as recipe
from recipe import blockwise, degradations, scenes, sources, views
from recipe.degradations import KINDS, Damage

pytestmark = pytest.mark.slow

TEACHER = {
    "model_type": "vit", "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3,
    "intermediate_size": 768, "image_size": 224, "patch_size": 16,
}  # fmt: skip
SMALL = {
    "layers": 2, "block_steps": 2, "steps": 2, "views": 12, "frames": 8, "view_batch": 3, "burst_batch": 2,
}  # fmt: skip
ROUND = np.linspace(0, 1, 6)
SENDERS = (("a.jpg", 3), ("b.jpg", 4), ("gone.jpg", 5), ("c.jpg", 7))


def textured(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Soft blotches with sharp grain."""
    chance = np.random.default_rng(seed)
    blotches = Image.fromarray(chance.integers(60, 190, (6, 8, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    grain = chance.integers(-40, 41, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(blotches, int) + grain).clip(0, 255).astype(np.uint8))


def spoiled(image: Image.Image, seed: int = 1, spared=None, **strengths: float) -> np.ndarray:
    """(H, W, 3) float64."""
    done, _ = degradations.done(image, Damage(strengths, spared), np.random.default_rng(seed))
    assert (done.mode, done.size) == ("RGB", image.size)
    return np.asarray(done, float)


def steps(pixels: np.ndarray) -> float:
    """Mean squared step of brightness from pixel to pixel."""
    grey = pixels.mean(axis=2)
    return float((np.diff(grey, axis=0) ** 2).mean() + (np.diff(grey, axis=1) ** 2).mean())


def rises(values) -> bool:
    return bool((np.diff(values) > 0).all())


# --- degradations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["defocus", "motion"])
def test_the_stronger_a_blur_the_less_detail_is_left(kind):
    image = textured()
    for seed in range(3):
        found = [steps(spoiled(image, seed, **{kind: strength})) for strength in ROUND[:4]]
        assert rises(-np.array(found)), (seed, found)
    assert found[-1] < 0.1 * steps(np.asarray(image, float))


def test_light_goes_the_way_it_is_named():
    image = textured()
    usual = spoiled(image).mean()
    dark = [spoiled(image, dark=strength).mean() for strength in ROUND]
    bright = [spoiled(image, bright=strength).mean() for strength in ROUND]
    assert rises(-np.array([usual, *dark]))
    assert rises([usual, *bright])
    assert dark[-1] < 0.35 * usual
    assert bright[-1] > 1.5 * usual


def test_noise_grows():
    plain = Image.new("RGB", (200, 150), (120, 120, 120))
    found = [spoiled(plain, noise=strength, compression=0.0).std() for strength in ROUND]
    assert rises(found)
    assert found[0] < 3 < 15 < found[-1]


def test_compression_loses_more_and_more():
    image = textured()
    found = [np.abs(spoiled(image, compression=strength) - np.asarray(image, float)).mean() for strength in ROUND]
    assert rises(found)


def test_a_tilt_turns_the_photo_and_leaves_no_corner_empty():
    ramp = Image.merge("RGB", [Image.linear_gradient("L").resize((320, 240)).point(lambda tone: 100 + tone // 2)] * 3)

    def turned(strength: float) -> float:
        pixels = spoiled(ramp, tilt=strength)
        assert pixels.min() > 80
        return abs(pixels[:, :20].mean() - pixels[:, -20:].mean())

    assert rises([turned(strength) for strength in ROUND])
    assert turned(0) < 6


def test_what_is_before_the_lens_covers_more():
    image = textured()

    def covered(strength: float) -> float:
        shares = []
        for seed in range(6):
            changed = np.abs(spoiled(image, seed, occlusion=strength) - spoiled(image, seed)).mean(axis=2) > 20
            shares.append(changed.mean())
        return float(np.mean(shares))

    assert covered(0) < covered(0.5) < covered(1)
    assert covered(1) > 0.1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tilt"])  # any turn moves all that is seen
def test_no_strength_is_a_small_change_and_the_full_one_is_not(kind):
    image = textured(size=(80, 60)).resize((320, 240), Image.Resampling.BICUBIC)  # no detail but what the eye sees
    seeds = range(4)
    usual = [spoiled(image, seed) for seed in seeds]

    def change(strength: float) -> float:
        return float(np.mean([np.abs(spoiled(image, seed, **{kind: strength}) - usual[seed]).mean() for seed in seeds]))

    assert 2 * change(0.0) < change(1.0)
    assert change(1.0) > 5


def test_a_blur_spares_what_its_mask_says():
    image = textured()
    middle, edge = (slice(100, 140), slice(140, 180)), (slice(0, 40), slice(0, 40))
    sharp = steps(np.asarray(image, float))
    for inverse, blurred, spared in ((False, middle, edge), (True, edge, middle)):
        damage = Damage({"defocus": 1.0}, (0.5, 0.5, 0.3, inverse))
        done, mask = degradations.done(image, damage, np.random.default_rng(0))
        pixels, weights = np.asarray(done, float), np.asarray(mask)
        assert (weights[blurred].min(), weights[spared].max()) == (255, 0)
        assert steps(pixels[blurred]) < 0.1 * sharp
        assert steps(pixels[spared]) > 0.3 * sharp
    assert degradations.done(image, Damage({"defocus": 1.0}), np.random.default_rng(0))[1].getextrema() == (255, 255)


def test_damage_is_drawn_by_the_generator_alone():
    def draw(seed):
        chance = np.random.default_rng(seed)
        return [degradations.drawn(chance) for _ in range(40)]

    assert draw(3) == draw(3) != draw(4)
    image = textured()
    for damage in draw(3)[:6]:
        first, again = (degradations.done(image, damage, np.random.default_rng(5)) for _ in range(2))
        assert first[0].tobytes() == again[0].tobytes()
        assert first[1].tobytes() == again[1].tobytes()


def test_what_is_drawn_is_within_its_bounds_and_of_every_kind():
    chance = np.random.default_rng(0)
    drawn = [degradations.drawn(chance) for _ in range(2000)]
    kinds = [set(damage.strengths) for damage in drawn]
    assert set().union(*kinds) == set(KINDS)
    assert {len(each) for each in kinds} == {0, 1, 2}
    assert not [each for each in kinds if {"dark", "bright"} <= each]
    assert 0.25 < np.mean([not each for each in kinds]) < 0.35
    for damage in drawn:
        assert all(0 <= strength <= 1 for strength in damage.strengths.values())
        assert damage.vector().tolist() == [np.float32(damage.strengths.get(kind, 0)) for kind in KINDS]
        assert 0 <= damage.severity < 1
    severities = [Damage({"noise": strength, "dark": 0.2}).severity for strength in ROUND]
    assert rises(severities)
    assert Damage().severity == 0


# --- sources, views, scenes -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A folder of photos as the recipe expects it."""
    folder = tmp_path_factory.mktemp("library")
    for number, (place, size) in enumerate(
        [("small_free/x", (240, 180)), ("exif_orientation_mit", (200, 150)), *[("fullsize_cc0", (700, 500))] * 3,
         ("camera_exif_free", (400, 300))]
    ):  # fmt: skip
        (folder / place).mkdir(parents=True, exist_ok=True)
        textured(number, size).save(folder / place / f"{number}.jpg")
    (folder / sources.CLOTHING).mkdir()
    with (folder / sources.CLOTHING / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "sender_id"), *SENDERS])
    for name, sender in SENDERS:
        if name != "gone.jpg":
            textured(sender, (120, 160)).save(folder / sources.CLOTHING / name)
    return folder


@pytest.fixture(scope="module")
def pool(library):
    photos = sources.load(sources.training_photos(library))
    return sources.Pool(photos, list(sources.generated(2, 0)))


def test_what_trains_and_what_is_held_out_have_nothing_in_common(library):
    training = [path.relative_to(library).as_posix() for path in sources.training_photos(library)]
    held_out = [path.relative_to(library).as_posix() for path in sources.held_out_photos(library)]
    assert training == [
        "small_free/x/0.jpg", "exif_orientation_mit/1.jpg", "fullsize_cc0/2.jpg", "fullsize_cc0/4.jpg",
        "camera_exif_free/5.jpg", "clothing_cc0/a.jpg", "clothing_cc0/c.jpg",
    ]  # fmt: skip
    assert held_out == ["fullsize_cc0/3.jpg"]
    assert [(path.name, sender) for path, sender in sources.held_out_garments(library)] == [("b.jpg", 4)]


def test_strengths_that_are_held_out_are_never_drawn():
    chance = np.random.default_rng(0)
    strengths = [one for _ in range(4000) for one in degradations.drawn(chance).strengths.values()]
    for start, end in degradations.HELD_OUT:
        assert not [one for one in strengths if start < one < end]
    assert max(strengths) > 0.95 and len(strengths) > 2000


def test_views_and_scenes_have_the_shapes_they_say_and_are_drawn_by_the_generator(pool):
    some = scenes.bursts(pool, 2, np.random.default_rng(0))
    shapes = [(4, 112, 112, 3), (4, 2, 112, 112, 3), (4, 8), (4,), (4, 2, 8)]
    assert [tuple(part.shape) for part in some] == shapes
    for part in (some.pixels, some.tiles):
        assert part.dtype == torch.uint8 and part.float().std() > 5
    again = scenes.bursts(pool, 2, np.random.default_rng(0))
    assert all(torch.equal(one, other) for one, other in zip(some, again, strict=True))
    seen = dict(zip(KINDS, scenes.in_tiles().tolist(), strict=True))
    assert [kind for kind, known in seen.items() if not known] == ["tilt", "occlusion"]
    for seed in range(4):
        pixels, row, column = blockwise.windows(pool, np.random.default_rng(seed))
        assert pixels.min() >= -1 and pixels.max() <= 1 and pixels.std() > 0.05
        side = pixels.shape[-1] // blockwise.PATCH
        assert (side, len(pixels)) in [(grid, count) for grid, count, _ in blockwise.WINDOWS]
        assert 0 <= row <= blockwise.GRID - side and 0 <= column <= blockwise.GRID - side


def test_a_view_shows_a_part_of_an_image(pool):
    for native in (0.0, 1.0):
        view = views.view(pool, 96, np.random.default_rng(1), native)
        assert (view.mode, view.size) == ("RGB", (96, 96))
        assert views.view(pool, 96, np.random.default_rng(1), native).tobytes() == view.tobytes()


# --- the training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("teacher"), TEACHER, None)


@pytest.fixture(scope="module")
def command(library, teacher):
    """The words of a small run into a folder."""

    def words(folder, **others):
        options = {"photos": library, "teacher": teacher, "work": folder / "work", "out": folder / "out", **SMALL}
        named = (options | others).items()
        return ["recipe", *(word for name, value in named for word in (f"--{name.replace('_', '-')}", str(value)))]

    return words


@cache
def drawn_once(count, seed, draw=sources.generated):
    return tuple(draw(count, seed))


def run(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sources, "GENERATED", 2)
    monkeypatch.setattr(sources, "generated", lambda count, seed, progress: drawn_once(count, seed))
    recipe.main()


@pytest.fixture(scope="module")
def unbroken(command, tmp_path_factory):
    """The folder of a run to its end."""
    folder = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        run(command(folder), patch)
    return folder


@pytest.mark.parametrize("steps_before", [0, 1, 2, 3])
def test_a_run_that_was_broken_off_gives_what_an_unbroken_one_gives(
    command, unbroken, tmp_path, monkeypatch, steps_before
):
    """Bit for bit; broken off in either stage, and between them."""
    step, steps = recipe.Training.run, []

    def broken_off(self, *arguments):
        if len(steps) == steps_before:
            raise KeyboardInterrupt
        steps.append(1)
        return step(self, *arguments)

    monkeypatch.setattr(recipe, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(recipe, "plot", lambda *_: None)  # test_the_curves_are_drawn looks at those of `unbroken`
    with monkeypatch.context() as patch:
        patch.setattr(recipe.Training, "run", broken_off)
        with pytest.raises(KeyboardInterrupt):
            run(command(tmp_path), patch)
    assert not (tmp_path / "out").exists()
    torch.manual_seed(99)  # another process
    run(command(tmp_path), monkeypatch)
    for name in ("model.safetensors", "config.json", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (unbroken / "out" / name).read_bytes(), name
    for log in ("blocks.csv", "whole.csv"):
        assert [row[0] for row in csv.reader((tmp_path / "work" / log).open())] == ["1", "2"]


def test_every_weight_is_trained_in_one_stage_or_the_other(unbroken):
    torch.manual_seed(0)
    start = recipe._model(2, views.WHOLE).state_dict()
    loaded = torch.load(unbroken / "work" / "whole.pt", weights_only=True)["loss"]
    same = [
        name for name, tensor in start.items()
        if tensor.shape == loaded[f"student.{name}"].shape and torch.equal(tensor, loaded[f"student.{name}"])
    ]  # fmt: skip
    assert same == []
    losses = [list(csv.reader((unbroken / "work" / log).open())) for log in ("blocks.csv", "whole.csv")]
    assert [[len(row) for row in rows] for rows in losses] == [[5, 5], [7, 7]]
    assert all(np.isfinite(float(value)) for rows in losses for row in rows for value in row)


def test_the_state_of_another_recipe_is_refused(command, unbroken, tmp_path, monkeypatch):
    words = command(tmp_path, work=unbroken / "work", seed=1)
    with pytest.raises(SystemExit, match=r"blocks\.pt is of another recipe: .* Name another --work"):
        run(words, monkeypatch)


def test_the_curves_are_drawn(unbroken):
    with Image.open(unbroken / "out" / "training.png") as image:
        assert image.width > 800


def test_what_is_exported_loads_as_a_vit_and_as_an_encoder(unbroken):
    from transformers import ViTModel

    folder = unbroken / "out"
    model, info = ViTModel.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    trained = torch.load(unbroken / "work" / "whole.pt", weights_only=True)["loss"]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, trained[f"student.{name}"].half().float()), name
    assert json.loads((folder / "config.json").read_text())["pooler_output_size"] == len(KINDS) + 1
    encoder = load_encoder(str(folder))
    assert encoder.architecture.preprocessing == load_encoder(BUILTIN).whole.architecture.preprocessing
    image = textured(9, (112, 112))
    pixels = views.as_pixels(views.stacked([image]))
    assert np.allclose(encoder.architecture.preprocessing(image), pixels[0].numpy(), atol=1e-5)
    with torch.inference_mode():
        expected = model.eval()(pixels).last_hidden_state[:, 0].numpy()
    found = encoder.encode([image])
    cosine = (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.99
