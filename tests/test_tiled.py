"""Encoders that look at tiles in full resolution, alone and beside another."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_PROCESSOR, save_checkpoint
from PIL import Image

from imlcull_al.encoding import builtin, load
from imlcull_al.encoding.builtin import QUALITIES, SideBySide, TiledEncoder, parts_of
from imlcull_al.encoding.load import BUILTIN, load_encoder
from imlcull_al.photos import tiles as places
from recipe.losses import OUTPUTS

CONFIG = {
    **TINY_CONFIG, "image_size": places.SIDE, "patch_size": 16, "pooler_output_size": len(QUALITIES),
    "pooler_act": "linear", "initializer_range": 0.3,
}  # fmt: skip
PROCESSOR = {**TINY_PROCESSOR, "size": {"height": places.SIDE, "width": places.SIDE}}
IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 60 * seed, (200, 300, 3), dtype=np.uint8))
    for seed in range(1, 5)
]
WIDTH, COUNT = TINY_CONFIG["hidden_size"], len(QUALITIES)
CONTENT, WHOLE = slice(0, WIDTH), slice(WIDTH, WIDTH + COUNT)
ROUNDING = 0.03  # bfloat16 where the processor has it


def strip_of(image: Image.Image) -> Image.Image:
    grey = places.large_enough(image.convert("L"))
    return places.cut(grey, places.chosen(grey))


def made(folder, seed: int = 0) -> TiledEncoder:
    """As the built-in one is made, small and with weights that tell photos apart."""
    save_checkpoint(folder, CONFIG, PROCESSOR, seed)
    whole = load._from_folder("tiny", "tiny", folder, pooling="both")
    return TiledEncoder("tiny", "tiny", whole, load._from_folder("tiny", "tiny", folder))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("tiled"))


@pytest.fixture(scope="module")
def both(encoder, tiny_model):
    return SideBySide(load_encoder(str(tiny_model)), encoder, "tiny+tiled", "both")


def test_the_builtin_encoder_is_one_of_them():
    builtin = load_encoder(BUILTIN)
    assert isinstance(builtin, TiledEncoder)
    assert builtin.views.tiles and not builtin.trained.views.tiles
    assert parts_of(builtin) == (builtin.trained, builtin)
    assert builtin.views.min_side == builtin.trained.views.min_side == 2 * places.SIDE
    assert (builtin.whole.architecture.pooling, builtin.trained.architecture.pooling) == ("both", "first")
    assert builtin.dim == 192 + (1 + 1 + places.COUNT) * len(QUALITIES)
    assert QUALITIES == OUTPUTS  # what it was trained to say


def test_an_embedding_is_content_then_quality_of_the_whole_of_the_tiles_and_of_each(monkeypatch):
    monkeypatch.setattr(builtin, "WEIGHT", 1.0)
    whole = np.array([[3, 4, *[7] * 9]], np.float32)
    quality = np.array([[[1] * 9, [2] * 9]], np.float32)
    expected = [[0.6, 0.8, *[7] * 9, *[1.5] * 9, *[1] * 9, *[2] * 9]]
    assert np.allclose(builtin.composed(whole, quality), expected)
    assert builtin.composed(whole, quality).dtype == np.float32


def test_quality_counts_as_much_as_its_weight_says(monkeypatch):
    monkeypatch.setattr(builtin, "WEIGHT", 2.0)
    found = builtin.composed(np.array([[5, *[1] * 9]], np.float32), np.full((1, 1, 9), 3, np.float32))
    assert np.allclose(found, [[1, *[2] * 9, *[6] * 9, *[6] * 9]])


def test_rows_are_what_the_transformer_says_of_the_whole_and_of_each_tile(encoder, monkeypatch):
    monkeypatch.setattr(builtin, "WEIGHT", 1.0)
    rows = encoder.encode(IMAGES)
    assert rows.shape == (len(IMAGES), encoder.dim)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows[:, CONTENT], axis=1), 1, atol=1e-4)
    whole = encoder.whole.encode(IMAGES)
    assert np.allclose(rows[:, WHOLE], whole[:, WIDTH:], atol=ROUNDING)
    for row, image in zip(rows, IMAGES, strict=True):
        quality = np.concatenate(
            [encoder.quality(part) for part in places.parted(strip_of(image))]  # each tile alone
        )
        assert np.allclose(row[WIDTH + COUNT :], [*quality.mean(0), *quality.ravel()], atol=ROUNDING)


def test_the_trained_part_is_the_class_token_of_the_same_transformer(encoder):
    rows = encoder.trained.encode(IMAGES)
    assert rows.shape == (len(IMAGES), WIDTH)
    assert np.allclose(rows, encoder.whole.encode(IMAGES)[:, :WIDTH], atol=0.1)
    assert encoder.trained.fingerprint != encoder.whole.fingerprint


@pytest.mark.parametrize(("which", "rounding"), [("encoder", ROUNDING), ("both", 0.01)])
def test_a_photo_is_seen_alike_whatever_is_beside_it(which, rounding, request):
    encoder = request.getfixturevalue(which)
    alone = np.concatenate([encoder.encode([image]) for image in IMAGES])
    apart = np.abs(alone[:, None] - alone[None]).max(axis=2)[np.triu_indices(len(IMAGES), 1)]
    assert apart.min() > 3 * rounding  # each is told from each: what was exchanged would show
    assert np.allclose(encoder.encode(IMAGES), alone, atol=rounding)
    assert np.allclose(encoder.encode(IMAGES[::-1])[::-1], alone, atol=rounding)


@pytest.mark.parametrize("which", ["encoder", "both"])
def test_without_tiles_those_of_the_images_are_looked_at(which, request):
    encoder = request.getfixturevalue(which)
    strips = [strip_of(image) for image in IMAGES]
    assert np.array_equal(encoder.encode(IMAGES), encoder.encode(IMAGES, strips))


def test_tiles_change_what_is_said_of_tiles_and_nothing_else(encoder):
    strips = [strip_of(image) for image in IMAGES]
    usual, other = encoder.encode(IMAGES, strips), encoder.encode(IMAGES, strips[::-1])
    assert np.array_equal(usual[:, : WIDTH + COUNT], other[:, : WIDTH + COUNT])
    assert np.allclose(usual[:, WIDTH + COUNT :], other[::-1, WIDTH + COUNT :], atol=ROUNDING)
    assert not np.allclose(usual[:, WIDTH + COUNT :], other[:, WIDTH + COUNT :], atol=ROUNDING)


def test_threads_may_ask_at_once(encoder):
    alone = [encoder.encode([image]) for image in IMAGES]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: encoder.encode([IMAGES[number % len(IMAGES)]]), range(16)))
    assert all(np.array_equal(rows, alone[number % len(IMAGES)]) for number, rows in enumerate(together))


def test_the_severity_is_read_back_from_embeddings_of_any_length(both, encoder):
    quality = np.stack([encoder.quality(builtin.tiles_of(image))[:, -1] for image in IMAGES])
    whole = encoder.whole.encode(IMAGES)[:, -1]
    expected = np.stack([whole, quality.max(axis=1)], axis=1)
    assert np.allclose(builtin.severity(encoder, 3 * encoder.encode(IMAGES)), expected, atol=1e-5)
    assert np.allclose(builtin.severity(both, both.encode(IMAGES)), expected, atol=1e-5)
    assert np.isnan(builtin.severity(both, np.zeros((1, both.dim), np.float32))).all()
    assert builtin.severity(both.trained, np.ones((1, both.trained.dim))) is None


def test_side_by_side_are_both_each_of_length_1(both, encoder, tiny_model):
    rows = both.encode(IMAGES)
    first, second = load_encoder(str(tiny_model)).encode(IMAGES), encoder.encode(IMAGES)
    assert rows.shape == (len(IMAGES), both.dim) == (len(IMAGES), first.shape[1] + second.shape[1])
    assert rows.dtype == np.float32
    for part, expected in ((rows[:, : first.shape[1]], first), (rows[:, first.shape[1] :], second)):
        assert np.allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)
        assert np.allclose(part, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    assert (both.views.tiles, parts_of(both).beside, both.notice) == (True, encoder, "")
    assert both.views.min_side == max(both.trained.views.min_side, encoder.views.min_side)


def test_an_embedding_of_nothing_is_no_division_by_zero():
    assert np.array_equal(
        builtin.side_by_side(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32)), np.zeros((1, 5))
    )


def test_the_fingerprint_changes_with_all_that_an_embedding_depends_on(encoder, tiny_model, tmp_path, monkeypatch):
    first = load_encoder(str(tiny_model))
    other = made(tmp_path / "other", seed=1)
    other_first = load_encoder(str(save_checkpoint(tmp_path / "first", TINY_CONFIG, TINY_PROCESSOR, seed=1)))
    pairs = [(first, encoder), (first, other), (other_first, encoder)]
    found = [encoder.fingerprint, other.fingerprint, encoder.whole.fingerprint, first.fingerprint]
    found += [SideBySide(one, two, "", "").fingerprint for one, two in pairs]
    for name, value in (("WEIGHT", 2.0), ("_VERSION", "imlcull tiles 0")):
        with monkeypatch.context() as patch:
            patch.setattr(builtin, name, value)
            found += [encoder.fingerprint, SideBySide(first, encoder, "", "").fingerprint]
    assert len(set(found)) == len(found) == 11
    assert all(len(each) == 64 and int(each, 16) >= 0 for each in found)
    assert made(tmp_path / "again").fingerprint == encoder.fingerprint
    assert SideBySide(first, encoder, "another reference", "another name").fingerprint == found[4]


def test_sharp_is_what_neither_defocus_nor_motion_blurs(encoder, monkeypatch):
    said = np.zeros((4, COUNT), np.float32)
    said[:, QUALITIES.index("defocus")] = 0.2, 0, -1, 2
    said[:, QUALITIES.index("motion")] = 0.5, 0, -1, 0
    said[:, QUALITIES.index("noise")] = 1
    monkeypatch.setattr(TiledEncoder, "quality", lambda self, strip: said)
    assert np.allclose(encoder.sharpness(strip_of(IMAGES[0])), [0.5, 1, 1, 0])
