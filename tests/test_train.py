"""The fine-tuning on a tiny real transformer: what is written when, and what a bad run leaves alone."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from conftest import fill_stage, fingerprint_of, label_of, save_photo

from imlcull_al.encoding import builtin
from imlcull_al.encoding.embeddings import ensure
from imlcull_al.encoding.load import BESIDE, BUILTIN, load_encoder
from imlcull_al.encoding.preprocess import Preprocessing
from imlcull_al.errors import Cancelled, ModelFileError, NotEnoughLabels, StorageError, TrainingError
from imlcull_al.learning import model
from imlcull_al.photos import read as photos
from imlcull_al.progress import never, silent
from imlcull_al.project.files import locked
from imlcull_al.project.stages import Stage
from imlcull_al.training import epoch_loop, labeled_photos, train, unfinished
from imlcull_al.training.options import Epoch, Options
from imlcull_al.training.processes import Alone

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(tmp_path):
    fill_stage(tmp_path / "stage_1", warm=8, cold=8)
    return Stage(tmp_path, 1)


@pytest.fixture
def labels(stage):
    return {path.name: label_of(path.name) for path in stage.folder.iterdir()}


@pytest.fixture
def fit_and_draw(stage, labels, tiny_model):
    """Train on the stage with these options; `given` replaces the labels; `reference`: with {} for the tiny model."""

    def fit(given=None, stop=lambda: False, on_epoch=None, reference="{}", **options):
        chosen = Options(**{"epochs": 2, "learning_rate": 1e-3, **options})
        return train.train(
            stage,
            load_encoder(reference.format(tiny_model)),
            labels if given is None else given,
            chosen,
            on_epoch=on_epoch,
            stop=stop,
        )

    return fit


@pytest.fixture
def fit(fit_and_draw, unreported):
    """Without the report."""
    return fit_and_draw


def test_a_training_writes_model_log_and_report_and_leaves_the_photos_alone(stage, fit_and_draw):
    told, photos_before = [], fingerprint_of(stage.folder)
    training = fit_and_draw(on_epoch=lambda epoch, best: told.append((epoch.epoch, best)))
    assert [number for number, _ in told] == [0, 1, 2]
    assert (len(training.train_keys), len(training.validation_keys)) == (12, 4)
    lines = stage.epoch_log.read_text().splitlines()
    assert lines[0] == "epoch,train_loss,val_loss,val_accuracy"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    for line, epoch in zip(lines[1:], training.epochs, strict=True):
        assert line == f"{epoch.epoch},{epoch.train_loss:.6f},{epoch.val_loss:.6f},{epoch.val_accuracy:.6f}"
    loaded = model.load(stage.model)
    assert (loaded.epoch, loaded.validation_accuracy) == (training.best.epoch, training.best.val_accuracy)
    assert set(loaded.validation_keys) == set(training.validation_keys)
    assert {"curves.png", "confusion_matrix.png", "reliability.png", "mistakes.csv"} <= {
        path.name for path in stage.report.iterdir()
    }
    assert fingerprint_of(stage.folder) == photos_before


def test_the_transformer_itself_is_trained(stage, fit, tiny_model):
    fit(epochs=3)
    before = load_encoder(str(tiny_model)).build().state_dict()
    after = torch.load(stage.model, weights_only=True)["state_dict"]
    changed = [name for name, tensor in before.items() if not torch.equal(tensor, after[f"backbone.{name}"])]
    trained = [name for name in before if "pooler" not in name]
    assert set(changed) >= {name for name in trained if "weight" in name}


def test_the_same_seed_gives_the_same_training(stage, fit):
    first, second = fit().epochs, fit().epochs
    assert first == second
    assert fit(seed=1).epochs != first


def test_patience_ends_it(fit, monkeypatch):
    monkeypatch.setattr(Epoch, "better_than", lambda self, other: False)
    monkeypatch.setattr(epoch_loop.FineTuning, "_evaluate", lambda self, photos: torch.zeros(len(photos), 2))
    training = fit(epochs=50, patience=3)
    assert len(training.epochs) == 3
    assert training.ended == "no better validation accuracy for 3 epochs"


def never_better(monkeypatch):
    monkeypatch.setattr(Epoch, "better_than", lambda self, other: False)


def test_a_run_that_never_improves_leaves_the_earlier_model(stage, fit, monkeypatch):
    fit()
    before = stage.model.read_bytes()
    never_better(monkeypatch)
    with pytest.raises(TrainingError, match=r"No epoch was better than the start .* is unchanged"):
        fit(seed=1)
    assert stage.model.read_bytes() == before


def test_without_an_earlier_model_the_start_becomes_the_model(stage, fit, monkeypatch):
    never_better(monkeypatch)
    assert fit().best.epoch == 0
    assert model.load(stage.model).epoch == 0


def test_a_run_that_diverges_leaves_the_earlier_model(stage, fit):
    fit()
    before = stage.model.read_bytes()
    with pytest.raises(TrainingError, match="no longer finite"):
        fit(learning_rate=1e30, epochs=5)
    assert stage.model.read_bytes() == before


def test_stopped_after_an_improvement_keeps_it(stage, fit):
    seen = []
    training = fit(epochs=50, stop=lambda: len(seen) >= 3, on_epoch=lambda epoch, best: seen.append(epoch))
    assert training.ended == "stopped on request"
    assert model.load(stage.model).epoch == training.best.epoch > 0


def test_stopped_at_once_changes_nothing(stage, fit):
    with pytest.raises(Cancelled):
        fit(stop=lambda: True)
    assert not stage.model.exists()
    assert not stage.epoch_log.exists()


@pytest.mark.parametrize(("is_better", "saved"), [(True, 1), (False, None)])
def test_a_crash_leaves_the_best_so_far(stage, fit, monkeypatch, is_better, saved):
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: is_better)

    def crash(epoch, best):
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(on_epoch=crash)
    assert (model.load(stage.model).epoch if stage.model.exists() else None) == saved


@pytest.mark.parametrize(
    ("reference", "blocks", "function"),
    [("{}", None, "decode_file"), ("{}", 1, "decode_file"), ("{}" + BESIDE, None, "decode_with_tiles")],
)
def test_every_photo_is_decoded_once(fit, labels, monkeypatch, stage, reference, blocks, function):
    """By nobody more than once: not for the start, the bursts or the report either."""
    decoded = []

    def counted(name, decode, path, *rest):
        decoded.append((path.name, name))
        return decode(path, *rest)

    for name in ("decode_file", "decode_with_tiles"):
        monkeypatch.setattr(photos, name, partial(counted, name, getattr(photos, name)))
    monkeypatch.setattr(train.report, "write_report", lambda *args, **named: None)  # its sheets show mistakes, large
    fit(epochs=3, train_blocks=blocks, reference=reference)
    assert sorted(decoded) == [(key, function) for key in sorted(labels)]


def test_unreadable_photos_are_listed_and_not_trained_on(stage, fit, labels):
    (stage.folder / "broken.jpg").write_bytes(b"broken")
    training = fit({**labels, "broken.jpg": "keep"})
    assert set(training.unreadable) == {"broken.jpg"}
    assert "broken.jpg" not in training.train_keys + training.validation_keys


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "there is not enough memory"), (ValueError("a strange picture."), "a strange picture")],
)
def test_a_photo_that_cant_be_prepared_is_listed_and_not_trained_on(stage, fit, labels, monkeypatch, error, reason):
    def prepared(self, image):
        if np.asarray(image).mean() > 200:
            raise error
        return prepare(self, image)

    prepare = Preprocessing.bytes
    monkeypatch.setattr(Preprocessing, "bytes", prepared)
    save_photo(stage.folder / "bright.jpg", (250, 250, 250))
    training = fit({**labels, "bright.jpg": "keep"}, epochs=1)
    assert training.unreadable == {"bright.jpg": f"it can't be prepared: {reason}"}
    assert {*training.train_keys, *training.validation_keys} == set(labels)


def test_too_few_labels_are_said(stage, fit):
    with pytest.raises(NotEnoughLabels, match="has no labels yet"):
        fit({})
    with pytest.raises(NotEnoughLabels, match="there are 2 keep and 0 cull"):
        fit({"warm_00.jpg": "keep", "warm_01.jpg": "keep"})


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 0), ("batch_size", 0), ("patience", 0), ("learning_rate", 0), ("learning_rate", math.nan),
     ("validation_split", 0), ("validation_split", 1), ("validation_split", math.nan),
     ("train_blocks", 0), ("train_blocks", -1), ("train_blocks", 1.5), ("train_blocks", True),
     ("learning_rate", math.inf),
     ("learning_rate", True), ("validation_split", math.inf), ("seed", math.nan), ("seed", 2**63), ("epochs", math.inf),
     ("epochs", "\ud800"), ("learning_rate", [1])],
)  # fmt: skip
def test_options_that_make_no_sense_are_named(fit, option, value):
    with pytest.raises(TrainingError, match=f"{option} is .*; choose"):
        fit(**{option: value})


def test_a_model_learns_what_separates_the_photos(tmp_path, stage, fit, labels, cache_dir):
    fit(epochs=12, patience=12)
    loaded = model.load(stage.model)
    fresh = [save_photo(tmp_path / "new" / f"{name}.jpg", colour, 99) for name, colour in
             (("warm", (210, 90, 50)), ("cold", (50, 90, 210)))]  # fmt: skip
    p_keep = loaded.head.probability(loaded.encoder.encode([photos.load(path) for path in fresh]))
    assert p_keep[0] > 0.5 > p_keep[1]


def test_the_log_stays_that_of_the_model_beside_it(stage, fit, monkeypatch):
    fit()
    before = stage.epoch_log.read_bytes()
    never_better(monkeypatch)
    with pytest.raises(TrainingError):
        fit(seed=1, epochs=3)
    assert stage.epoch_log.read_bytes() == before


def test_one_training_of_a_stage_at_a_time(stage, fit):
    """And while one runs elsewhere, none is offered as killed."""
    with locked(stage.training_lock, "training"):
        with pytest.raises(StorageError, match="Another imlcull is training the model of stage_1"):
            fit()
        stage.unfinished.write_text('{"version": 1, "options": {"epochs": 9}}')
        assert unfinished.interrupted(stage) is None
    assert unfinished.interrupted(stage).options.epochs == 9
    fit()


@pytest.mark.parametrize("blocks", [None, 1])
@pytest.mark.parametrize("reference", [BUILTIN, "{}" + BESIDE])
def test_a_model_with_tiles_scores_as_its_training_said(stage, fit, labels, cache_dir, monkeypatch, reference, blocks):
    """The report's p_keep is that of photos which are decoded and embedded anew by the loaded model."""
    said = []
    monkeypatch.setattr(train.report, "write_report", lambda *args, **named: said.extend(named["predictions"]))
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: True)
    training = fit(reference=reference, train_blocks=blocks)
    loaded = model.load(stage.model)
    seen = ensure({key: stage.path(key) for key in labels}, loaded.encoder, cache_dir)
    p_keep = dict(zip(seen.keys, loaded.head.probability(seen.rows.copy()).tolist(), strict=True))
    assert {each.key: each.probability[0] for each in said} == pytest.approx(p_keep, abs=0.02)
    assert max(p_keep.values()) - min(p_keep.values()) > 0.2  # so that another photo's would be noticed
    right = [(p_keep[key] >= 0.5) == (labels[key] == "keep") for key in training.validation_keys]
    assert sum(right) / len(right) == training.best.val_accuracy == loaded.validation_accuracy
    own = load_encoder(reference.format("nowhere") if reference == BUILTIN else loaded.base_model)
    before = {f"backbone.{name}": tensor for name, tensor in own.trained.build().state_dict().items()}
    after = torch.load(stage.model, weights_only=True)["state_dict"]
    assert set(after) == {*before, "head.weight", "head.bias"}
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert any("layers.0" in name or "embeddings" in name for name in changed) == (blocks is None)


def test_what_stands_beside_sees_each_photo_with_its_tiles(stage, labels, tiny_model, monkeypatch):
    given = {}

    def seen(self, images, tiles=None):
        (image,), (strip,) = images, tiles
        given[image.tobytes()] = strip.tobytes()
        return np.full((1, self.dim), image.getpixel((20, 15))[0], np.float32)

    monkeypatch.setattr(builtin.TiledEncoder, "encode", seen)
    found = labeled_photos.read(stage, load_encoder(f"{tiny_model}{BESIDE}"), labels, Alone(), silent, never)
    paths = [stage.path(key) for key in found.keys]
    expected = [photos.decode_with_tiles(path, photos.stat_of(path), 448) for path in paths]
    assert given == {each.image.tobytes(): each.tiles.tobytes() for each in expected}
    assert len(given) == len(labels)
    assert found.beside.shape == (len(labels), load_encoder(BUILTIN).dim)
    assert found.beside[:, 0].tolist() == [each.image.getpixel((20, 15))[0] for each in expected]
    without = labeled_photos.read(stage, load_encoder(str(tiny_model)), labels, Alone(), silent, never)
    assert without.beside.shape == (len(labels), 0)
    assert torch.equal(without.pixels, found.pixels)


def test_what_stands_beside_is_part_of_what_the_head_learns(stage, labels, tiny_model):
    """A head that saw one part alone would have no weights for the other."""
    train.train(stage, load_encoder(f"{tiny_model}{BESIDE}"), labels, Options(epochs=1, learning_rate=1e-9))
    weight = torch.load(stage.model, weights_only=True)["state_dict"]["head.weight"]
    width = load_encoder(str(tiny_model)).dim
    assert weight[:, :width].abs().max() > 0
    assert weight[:, width:].abs().max() > 0


def test_a_model_beside_another_builtin_encoder_is_none_to_fall_back_on(stage, fit, monkeypatch):
    never_better(monkeypatch)
    assert fit(reference="{}" + BESIDE).best.epoch == 0
    before = stage.model.read_bytes()
    with pytest.raises(TrainingError, match="is unchanged"):  # it can be used: nothing replaces it
        fit(reference="{}" + BESIDE, seed=1)
    assert stage.model.read_bytes() == before
    monkeypatch.setattr(builtin, "WEIGHT", 2.0)
    with pytest.raises(ModelFileError):
        model.load(stage.model)
    fit(reference="{}" + BESIDE)
    assert model.load(stage.model).epoch == 0
