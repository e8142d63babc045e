"""The model file: its fields, and what is said of files that are none."""

import os
import pickle
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import OUT_OF_REACH, TINY_CONFIG
from PIL import Image

from imlcull_al.encoding import builtin
from imlcull_al.encoding.builtin import parts_of
from imlcull_al.encoding.load import BESIDE, BUILTIN, builtin_encoder, load_encoder
from imlcull_al.errors import ModelFileError
from imlcull_al.learning import head, model
from imlcull_al.project.task import CULL_TASK, Task

FACTS = {
    "epoch": 3,
    "validation_accuracy": 0.75,
    "seed": 0,
    "labels": {"a.jpg": "keep", "b.jpg": "cull"},
    "validation_keys": ["b.jpg"],
}
IMAGES = [Image.new("RGB", (40, 30), colour) for colour in ("red", "teal", "olive")]


@pytest.fixture
def base(tiny_model):
    return load_encoder(str(tiny_model))


@pytest.fixture
def saved(tmp_path, base):
    classifier = model.Classifier(base.build(), base.dim)
    classifier.start_from(head.Head(np.linspace(-1, 1, 32, dtype=np.float32), 0.25))
    model.save(tmp_path / "model.pth", classifier, base, FACTS)
    return tmp_path / "model.pth"


def test_the_file_is_as_written_down_and_loads_with_weights_only(saved, base):
    content = torch.load(saved, weights_only=True)
    tensors = content.pop("state_dict")
    assert content == {
        "format": "imlcull model",
        "version": 1,
        "classes": ["keep", "cull"],
        "base_model": base.reference,
        "base_name": base.name,
        "base_fingerprint": base.fingerprint,
        "notice": "",
        "beside": "",
        "vision_config": base.architecture.vision_config,
        "preprocessing": base.architecture.preprocessing.as_dict(),
        "pooling": "first",
        **FACTS,
    }
    assert tensors["head.weight"].shape == (2, 32)
    assert all(name.startswith(("backbone.transformer.", "head.")) for name in tensors)
    assert content["vision_config"]["hidden_size"] == TINY_CONFIG["hidden_size"]


def test_a_loaded_model_says_what_the_saved_one_said(saved, base):
    loaded = model.load(saved)
    embeddings = base.encode(IMAGES)
    assert np.allclose(loaded.encoder.encode(IMAGES), embeddings, atol=1e-2)
    expected = head.unit(embeddings) @ np.linspace(-1, 1, 32) + 0.25
    assert np.allclose(loaded.head.logits(embeddings), expected, atol=1e-5)
    assert loaded.labels == FACTS["labels"]
    assert loaded.base_fingerprint == base.fingerprint
    assert loaded.encoder.fingerprint != base.fingerprint


def test_the_classifier_starts_as_the_head(base):
    probe = head.Head(np.linspace(-2, 2, 32, dtype=np.float32), -0.5)
    classifier = model.Classifier(base.build(), base.dim)
    classifier.start_from(probe)
    pixels = torch.from_numpy(np.stack([base.architecture.preprocessing(image) for image in IMAGES]))
    with torch.inference_mode():
        embeddings = classifier.backbone(pixels).numpy()
        p_keep = classifier(pixels).softmax(1)[:, 0].numpy()
    assert np.allclose(p_keep, probe.probability(embeddings), atol=1e-6)


GARMENT = Task("garment", ("shirt", "Kleid/Rock für", "shoe"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)
CHANCE = np.random.default_rng(0)
HEADS = {
    task: head.Heads(CHANCE.normal(size=(32, count)).astype(np.float32), CHANCE.normal(size=count))
    for task, count in ((GARMENT, 3), (NOTES, 2))
}
LABELS_OF = {
    GARMENT: {"a.jpg": "shirt", "b.jpg": "Kleid/Rock für"},
    NOTES: {"a.jpg": "red=1", "b.jpg": "red=0;striped=1"},
}


@pytest.fixture
def save_of(tmp_path, base):
    def save_of(task, probe=None):
        classifier = model.Classifier(base.build(), base.dim, len(task.classes))
        classifier.start_from(HEADS[task] if probe is None else probe)
        model.save(tmp_path / "model.pth", classifier, base, {**FACTS, "labels": LABELS_OF[task]}, task)
        return tmp_path / "model.pth"

    return save_of


@pytest.mark.parametrize("task", [GARMENT, NOTES])
def test_a_model_of_another_task_names_it_and_loads_as_it_was(save_of, base, task):
    content = torch.load(save_of(task), weights_only=True)
    assert {name: content[name] for name in ("version", "task", "exclusive", "classes", "labels")} == {
        "version": 2,
        "task": task.name,
        "exclusive": task.exclusive,
        "classes": list(task.classes),
        "labels": LABELS_OF[task],
    }
    assert content["state_dict"]["head.weight"].shape == (len(task.classes), 32)
    loaded = model.load(save_of(task), task)
    embeddings = base.encode(IMAGES)
    logits = HEADS[task].logits(embeddings)
    assert np.allclose(loaded.head.logits(embeddings), logits, atol=1e-5)
    expected = head.softmax(logits) if task.exclusive else head.sigmoid(logits)
    assert np.allclose(loaded.probability(embeddings), expected, atol=1e-5)
    assert loaded.labels == LABELS_OF[task]
    assert loaded.task == task


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (CULL_TASK, "it was trained for the task 'garment', not for cull"),
        (NOTES, "it was trained for the task 'garment', not for notes"),
        (Task("garment", ("shirt", "shoe")), "its classes, shirt, Kleid/Rock für and shoe, are not those of the"),
        (Task("garment", GARMENT.classes[:2]), "its classes, shirt, .* the task garment, shirt and Kleid"),
        (Task("garment", GARMENT.classes, exclusive=False), "it gives a photo one of several classes, but"),
    ],
)  # fmt: skip
def test_a_model_of_another_task_is_refused(save_of, task, message):
    with pytest.raises(ModelFileError, match=message):
        model.load(save_of(GARMENT), task)


def test_keep_or_cull_is_another_task(saved):
    with pytest.raises(ModelFileError, match=r"it was trained for the task 'cull', not for garment\. Move it away, or"):
        model.load(saved, GARMENT)


@pytest.mark.parametrize(
    "change",
    [{"task": 3}, {"classes": None}, {"classes": [1, 2, 3]}, {"labels": {"a.jpg": "sock"}}, {"labels": {"a.jpg": 3}},
     {"classes": ["shirt"]}, {"classes": []}],
)  # fmt: skip
def test_a_forged_model_of_another_task_is_refused(save_of, change):
    path = save_of(GARMENT)
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(ModelFileError):
        model.load(path, GARMENT)


def test_a_class_that_was_added_since_is_unlikely_and_can_be_corrected(save_of, base):
    loaded = model.load(save_of(GARMENT), GARMENT.with_more(["sock", "hat"]))
    embeddings = base.encode(IMAGES)
    probability = loaded.probability(embeddings)
    assert np.allclose(probability[:, :3], head.softmax(HEADS[GARMENT].logits(embeddings)), atol=1e-5)
    assert (probability[:, 3:] < 1e-6).all()
    logits = loaded.head.logits(embeddings)
    assert logits[:, 3] == pytest.approx(logits[:, :3].mean(axis=1) - 20, abs=1e-3)
    known = head.features(embeddings.copy())
    correction = head.fit_classes(known, np.arange(3), np.array([3, 3, 3]), 5, offset=logits)
    assert (logits + correction.logits(embeddings)).argmax(axis=1).tolist() == [3, 3, 3]


def test_a_tag_that_was_added_since_is_even(save_of, base):
    loaded = model.load(save_of(NOTES), NOTES.with_more(["new"]))
    embeddings = base.encode(IMAGES)
    assert loaded.probability(embeddings)[:, 2].tolist() == [0.5] * 3
    assert np.allclose(loaded.probability(embeddings)[:, :2], head.sigmoid(HEADS[NOTES].logits(embeddings)), atol=1e-5)


def test_two_classes_become_three(tmp_path, base, saved):
    """And keep or cull may get a class as any other task."""
    embeddings = base.encode(IMAGES)
    two, three = model.load(saved), model.load(saved, CULL_TASK.with_more(["maybe"]))
    assert two.probability(embeddings)[:, 0].tolist() == two.head.probability(embeddings).tolist()
    assert np.allclose(three.probability(embeddings)[:, :2], two.probability(embeddings), atol=1e-5)


def test_a_class_without_photos_starts_unlikely(base):
    bias = np.array([0.5, -np.inf, 2.5])
    probe = head.Heads(HEADS[GARMENT].weights * np.array([1, 0, 1], np.float32), bias)
    classifier = model.Classifier(base.build(), base.dim, 3)
    classifier.start_from(probe)
    rows = base.encode(IMAGES)
    with torch.inference_mode():
        logits = classifier.logits(torch.from_numpy(rows)).numpy()
    assert np.allclose(logits[:, [0, 2]], probe.logits(rows)[:, [0, 2]], atol=1e-5)
    assert logits[:, 1] == pytest.approx(logits[:, [0, 2]].mean(axis=1) - 20, abs=1e-4)


class Malice:
    """Unpickled, it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_malicious_pickle_is_not_run(tmp_path):
    torch.save({"format": "imlcull model", "evil": Malice(tmp_path / "created")}, tmp_path / "model.pth")
    with pytest.raises(ModelFileError, match="more than tensors and plain values; it was not opened"):
        model.load(tmp_path / "model.pth")
    (tmp_path / "model.pth").write_bytes(pickle.dumps(Malice(tmp_path / "created")))
    with pytest.raises(ModelFileError):
        model.load(tmp_path / "model.pth")
    assert not (tmp_path / "created").exists()


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_model_says_so_and_what_to_do(tmp_path, data):
    (tmp_path / "model.pth").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"model\.pth can't be used as a model: .*Move it away, or run `train`"):
        model.load(tmp_path / "model.pth")


def test_a_truncated_model_says_so(saved):
    saved.write_bytes(saved.read_bytes()[:-500])
    with pytest.raises(ModelFileError, match="damaged"):
        model.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "another"}, "written by another program"),
        ({"version": 2}, "its version is 2, this program reads version 1"),
        ({"classes": ["cull", "keep"]}, "its version"),
        ({"pooling": None, "preprocessing": {"size": 3}}, "missing or of the wrong type"),
        ({"labels": None}, "missing or of the wrong type"),
        ({"vision_config": {"hidden_size": 16}}, "its head has the shape"),
    ],
)
def test_a_model_that_does_not_fit_says_what_is_wrong(saved, change, message):
    torch.save({**torch.load(saved, weights_only=True), **change}, saved)
    with pytest.raises(ModelFileError, match=message):
        model.load(saved)


def test_weights_that_do_not_fit_the_config_are_said_when_used(saved):
    content = torch.load(saved, weights_only=True)
    content["vision_config"]["num_hidden_layers"] = 3
    torch.save(content, saved)
    with pytest.raises(ModelFileError, match="its weights don't fit its config"):
        model.load(saved).encoder.encode(IMAGES)


@pytest.mark.parametrize("claim", [{"num_hidden_layers": 10**9}, {"hidden_size": 2**20}, {"image_size": 2**20}])
def test_a_model_that_claims_to_be_huge_takes_no_memory(saved, claim, monkeypatch):
    content = torch.load(saved, weights_only=True)
    content["vision_config"] |= claim
    torch.save(content, saved)
    monkeypatch.setattr(model, "from_config", lambda *_: pytest.fail("it was built"))
    with pytest.raises(ModelFileError, match=r"its weights don't fit its config|its embeddings don't have 1 to"):
        model.load(saved).encoder.encode(IMAGES)


def test_a_config_can_name_no_code_on_the_hub(saved, base):
    content = torch.load(saved, weights_only=True)
    kernel = "somebody/kernel"
    names = {"attn_implementation": kernel, "_attn_implementation": kernel, "auto_map": {"AutoModel": "x"}}
    content["vision_config"] |= names
    torch.save(content, saved)
    np.testing.assert_allclose(model.load(saved).encoder.encode(IMAGES), base.encode(IMAGES), atol=1e-6)


def test_a_flipped_bit_in_the_weights_is_noticed(saved):
    data = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        largest = max(archive.infolist(), key=lambda each: each.file_size)
    data[largest.header_offset + 200 + largest.file_size // 2] ^= 64
    saved.write_bytes(data)
    with pytest.raises(ModelFileError, match="damaged"):
        model.load(saved)


@pytest.fixture(params=["alone", "beside"])
def tiled_base(request, tiny_model):
    """The built-in encoder, alone and beside another."""
    return load_encoder(BUILTIN if request.param == "alone" else f"{tiny_model}{BESIDE}")


@pytest.fixture
def saved_beside(tmp_path, tiled_base):
    """A model whose head says something else of every number of an embedding."""
    dim = sum(part.dim for part in parts_of(tiled_base))
    classifier = model.Classifier(tiled_base.trained.build(), dim)
    classifier.start_from(head.Head(np.linspace(-1, 1, dim, dtype=np.float32), 0.25))
    model.save(tmp_path / "model.pth", classifier, tiled_base, FACTS)
    return tmp_path / "model.pth"


@pytest.mark.slow
def test_a_model_beside_the_builtin_encoder_says_what_the_saved_one_said(saved_beside, tiled_base):
    content = torch.load(saved_beside, weights_only=True)
    assert content["beside"] == builtin_encoder().fingerprint
    assert (content["base_model"], content["base_name"]) == (tiled_base.reference, tiled_base.name)
    assert content["base_fingerprint"] == tiled_base.fingerprint
    assert content["pooling"] == "first"
    loaded = model.load(saved_beside)
    parts = [head.unit(part.encode(IMAGES)) for part in (tiled_base.trained, builtin_encoder())]
    embeddings = np.concatenate(parts, axis=1)
    assert loaded.encoder.dim == embeddings.shape[1] == content["state_dict"]["head.weight"].shape[1]
    assert loaded.encoder.views.tiles
    assert loaded.encoder.name == f"model trained from {tiled_base.name}"
    rows = loaded.encoder.encode(IMAGES)
    assert np.allclose(rows, embeddings, atol=1e-2)
    expected = head.unit(embeddings) @ np.linspace(-1, 1, loaded.encoder.dim) + 0.25
    assert np.allclose(loaded.head.logits(rows), expected, atol=0.1)
    assert loaded.encoder.fingerprint != tiled_base.fingerprint
    classifier = model.Classifier(tiled_base.trained.build(), loaded.encoder.dim)
    classifier.load_state_dict(content["state_dict"])
    with torch.inference_mode():
        both = model.side_by_side(*(torch.from_numpy(part) for part in parts))
        p_keep = classifier.logits(both).softmax(1)[:, 0].numpy()
    assert np.allclose(loaded.head.probability(embeddings), p_keep, atol=1e-5)


def test_a_model_beside_another_builtin_encoder_is_refused(saved_beside, monkeypatch):
    message = r"model\.pth can't be used as a model: it was trained with a different built-in encoder than this program"
    with monkeypatch.context() as patch:
        patch.setattr(builtin, "WEIGHT", 2.0)
        with pytest.raises(ModelFileError, match=message + r" has\. Move it away, or run `train` again"):
            model.load(saved_beside)
    model.load(saved_beside)
    content = torch.load(saved_beside, weights_only=True)
    for change in ("0" * 64, ["no", "text"]):
        torch.save({**content, "beside": change}, saved_beside)
        with pytest.raises(ModelFileError, match=message):
            model.load(saved_beside)
    torch.save({**content, "beside": ""}, saved_beside)
    with pytest.raises(ModelFileError, match="its head has the shape"):
        model.load(saved_beside)


def test_a_file_from_before_there_was_anything_beside_loads(saved, base):
    content = torch.load(saved, weights_only=True)
    del content["beside"]
    torch.save(content, saved)
    loaded = model.load(saved)
    assert not loaded.encoder.views.tiles
    assert np.allclose(loaded.encoder.encode(IMAGES), base.encode(IMAGES), atol=1e-2)


@pytest.fixture
def saved_in_place(tmp_path):
    """A model trained from the built-in encoder, which stood in for one that was out of reach."""
    base = load_encoder(OUT_OF_REACH)
    classifier = model.Classifier(base.trained.build(), sum(part.dim for part in parts_of(base)))
    model.save(tmp_path / "model.pth", classifier, base, FACTS)
    return tmp_path / "model.pth"


@pytest.mark.slow
def test_a_model_says_what_it_was_trained_from_and_not_what_was_out_of_reach_then(saved_in_place):
    content = torch.load(saved_in_place, weights_only=True)
    assert (content["base_model"], content["base_name"], content["notice"]) == (BUILTIN, BUILTIN, "")
    loaded = model.load(saved_in_place)
    assert (loaded.base_model, loaded.encoder.notice) == (BUILTIN, "")
    assert loaded.base_fingerprint == builtin_encoder().fingerprint


def test_a_stored_notice_of_an_earlier_version_is_read_as_what_the_model_was_trained_from(saved_in_place):
    stored = {"base_model": OUT_OF_REACH, "notice": f"{OUT_OF_REACH} is not on this machine"}
    torch.save({**torch.load(saved_in_place, weights_only=True), **stored}, saved_in_place)
    loaded = model.load(saved_in_place)
    assert (loaded.base_model, loaded.encoder.notice) == (BUILTIN, "")
    assert loaded.encoder.name == "model trained from builtin"


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path.name)]
)
def test_what_is_no_regular_file_is_no_model_and_nobody_waits_for_it(tmp_path, make):
    make(tmp_path / "model.pth")
    said = []

    def load():
        with pytest.raises(ModelFileError) as caught:
            model.load(tmp_path / "model.pth")
        said.append(str(caught.value))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(60)
    assert said[0].startswith(f"{tmp_path / 'model.pth'} can't be used as a model: ")
