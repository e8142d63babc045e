"""Trainings of other tasks than keep or cull: several classes, tags, and two classes; from labels to the report."""

import numpy as np
import pytest
import torch
from conftest import save_photo

from imlcull_al.encoding.load import load_encoder
from imlcull_al.errors import ModelFileError, NotEnoughLabels, TrainingError
from imlcull_al.learning import model
from imlcull_al.photos import read as photos
from imlcull_al.project import tables
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.training import train
from imlcull_al.training.options import Epoch, Options

COLOURS = {"Kleid/Rock für Mädchen": (210, 90, 50), "../x y": (50, 90, 210), "grün": (60, 190, 60)}
GARMENT = Task("garment", tuple(COLOURS))
NOTES = Task("notes", ("rötlich", "grün/blau", "never asked"), exclusive=False)
PAIR = Task("pair", ("rötlich", "other"))
pytestmark = pytest.mark.slow
ALWAYS = {f"{name}.{kind}" for name in ("curves", "precision_recall", "roc", "reliability") for kind in ("png", "csv")}


@pytest.fixture
def stage(tmp_path):
    for place, colour in enumerate(COLOURS.values()):
        for number in range(8):
            save_photo(tmp_path / "stage_1" / f"{place}_{number}.jpg", colour, number)
    return Stage(tmp_path, 1, task="any")


def label_of(name, task):
    place = int(name[0])
    if task == GARMENT:
        return task.classes[place]
    if task == PAIR:
        return task.classes[place > 0]
    tags = {"rötlich": place == 0, "grün/blau": place > 0}
    known = tuple(tags) if name[2] < "6" else (tuple(tags)[int(name[2]) - 6],)
    return task.label_of({tag: tags[tag] for tag in known})


@pytest.fixture
def fit(stage, tiny_model):
    def fit(task, labels=None, **options):
        given = {path.name: label_of(path.name, task) for path in stage.folder.iterdir()} if labels is None else labels
        chosen = Options(**{"epochs": 8, "learning_rate": 1e-3, **options})
        return train.train(stage, load_encoder(str(tiny_model)), given, chosen, task=task)

    return fit


@pytest.fixture
def unseen(tmp_path):
    paths = [save_photo(tmp_path / "new" / f"{place}.jpg", colour, 99) for place, colour in enumerate(COLOURS.values())]
    return [photos.load(path) for path in paths]


def rows_of(path):
    return [row.values for row in tables.read(path)[1]]


def test_three_classes_are_learned_saved_loaded_and_reported(stage, fit, unseen):
    training = fit(GARMENT)
    assert (len(training.train_keys), len(training.validation_keys)) == (18, 6)
    assert training.summary.endswith("of the 6 validation photos right.")
    loaded = model.load(stage.model, GARMENT)
    assert loaded.validation_accuracy == training.best.val_accuracy
    probability = loaded.probability(loaded.encoder.encode(unseen))
    assert probability.sum(axis=1) == pytest.approx(np.ones(3))
    assert probability.argmax(axis=1).tolist() == [0, 1, 2]
    assert {path.name for path in stage.report.iterdir()} == {
        "epochs.csv", "confusion_matrix.png", "confusion_matrix.csv", "classes.png", "classes.csv", "mistakes.png",
        "mistakes.csv", *ALWAYS}  # fmt: skip
    epochs = rows_of(stage.report / "epochs.csv")
    assert [row["class"] for row in epochs] == [*GARMENT.classes] * (len(epochs) // 3)
    assert {sum(int(row[name]) for name in ("tp", "fp", "fn", "tn")) for row in epochs} == {6}
    assert list(dict.fromkeys(row["class"] for row in rows_of(stage.report / "roc.csv"))) == list(GARMENT.classes)
    counts = rows_of(stage.report / "confusion_matrix.csv")
    assert list(counts[0]) == ["label", *(f"model_{name}" for name in GARMENT.classes)]
    table = np.array([[int(each) for each in list(row.values())[1:]] for row in counts])
    assert table.sum(axis=1).tolist() == [2, 2, 2]
    assert np.trace(table) / 6 == training.best.val_accuracy
    assert [row["class"] for row in rows_of(stage.report / "classes.csv")] == list(GARMENT.classes)


def test_tags_are_learned_where_they_are_known(stage, fit, unseen, monkeypatch):
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: True)
    training = fit(NOTES)
    loaded = model.load(stage.model, NOTES)
    probability = loaded.probability(loaded.encoder.encode(unseen))
    assert (probability[:, :2] > 0.5).tolist() == [[True, False], [False, True], [False, True]]
    assert probability[:, 2].tolist() == [0.5] * 3  # nothing is known of it
    assert training.best.val_accuracy == loaded.validation_accuracy == 1
    assert training.summary.endswith(f"of the tags of the {len(training.validation_keys)} validation photos right.")
    assert {path.name for path in stage.report.iterdir()} == {
        "epochs.csv", "tags.png", "tags.csv", "mistakes.png", "mistakes.csv", *ALWAYS}  # fmt: skip
    assert list(dict.fromkeys(row["tag"] for row in rows_of(stage.report / "roc.csv"))) == ["rötlich", "grün/blau"]
    red, other, never = rows_of(stage.report / "tags.csv")
    assert (red["tag"], other["tag"], never["tag"]) == NOTES.classes
    known = [NOTES.tags_of(loaded.labels[key]) for key in training.validation_keys]
    assert int(red["both"]) == sum(each.get("rötlich", False) for each in known) > 0
    assert int(red["neither"]) == sum(not each.get("rötlich", True) for each in known) > 0
    assert [never[name] for name in ("both", "missed", "added", "neither", "recall")] == ["0", "0", "0", "0", ""]


def test_two_classes_start_as_keep_or_cull_does(stage, fit, unreported):
    fit(PAIR, epochs=2)
    paired = torch.load(stage.model, weights_only=True)
    log = stage.epoch_log.read_bytes()
    labels = {path.name: CULL_TASK.classes[path.name[0] != "0"] for path in stage.folder.iterdir()}
    fit(CULL_TASK, labels, epochs=2)
    culled = torch.load(stage.model, weights_only=True)
    assert stage.epoch_log.read_bytes() == log
    for name, tensor in culled["state_dict"].items():
        assert torch.equal(tensor, paired["state_dict"][name]), name


def test_the_report_of_another_kind_of_task_takes_the_earlier_ones_files_away(stage, fit):
    fit(GARMENT, epochs=1)
    (stage.report / "notes.txt").write_text("mine")
    fit(NOTES, epochs=1)
    names = {path.name for path in stage.report.iterdir()}
    assert {"tags.png", "notes.txt"} <= names
    assert not {"classes.png", "classes.csv", "confusion_matrix.png", "confusion_matrix.csv"} & names


def test_the_model_of_another_task_is_none_to_fall_back_on(stage, fit, unreported, monkeypatch):
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: False)
    assert fit(GARMENT, epochs=1).best.epoch == 0
    before = stage.model.read_bytes()
    with pytest.raises(TrainingError, match="is unchanged"):
        fit(GARMENT, epochs=1, seed=1)
    assert stage.model.read_bytes() == before
    fit(NOTES, epochs=1)
    with pytest.raises(ModelFileError, match="it was trained for the task 'notes', not for garment"):
        model.load(stage.model, GARMENT)


def test_training_the_last_blocks_and_the_same_seed_work_for_tags(stage, fit, unreported):
    first = fit(NOTES, epochs=2, train_blocks=1).epochs
    assert first == fit(NOTES, epochs=2, train_blocks=1).epochs
    assert first[-1].finite


def test_too_few_labels_are_said_in_the_words_of_the_task(fit):
    with pytest.raises(NotEnoughLabels, match=r"stage_1 has no labels yet\. Label photos of two classes first"):
        fit(GARMENT, {})
    with pytest.raises(NotEnoughLabels, match=r"stage_1 has no labels yet\. Tag some photos first"):
        fit(NOTES, {})
    with pytest.raises(NotEnoughLabels, match=r"there are 2 Kleid/Rock für Mädchen, 0 \.\./x y and 0 grün"):
        fit(GARMENT, {"0_0.jpg": GARMENT.classes[0], "0_1.jpg": GARMENT.classes[0]})
    with pytest.raises(NotEnoughLabels, match=r"rötlich \(1 with, 0 without\)"):
        fit(NOTES, {"0_0.jpg": "rötlich=1"})
