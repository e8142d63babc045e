"""Predictions without a project: of folders, zip archives and files, by a model file or a folder of Hugging Face."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_CONFIG, TINY_PROCESSOR, WARM, fill_stage, fingerprint_of, save_photo
from PIL import Image

from imlcull_al.cli.commands import main
from imlcull_al.encoding.load import load_classifier, load_encoder
from imlcull_al.errors import AnswersRefused, Cancelled, EncoderError, ModelFileError, StageError
from imlcull_al.exchange.predict import Wish, predict
from imlcull_al.exchange.predictions import Prediction, as_csv, as_object, as_output, bin_of, ranked
from imlcull_al.learning import head, model
from imlcull_al.learning.predictor import Predictor, load_predictor
from imlcull_al.project import zipped
from imlcull_al.project.archives import Limits
from imlcull_al.project.task import CULL_TASK, Task

GARMENT = Task("garment", ("shoe", "dress", "shirt"))
LOOKS = Task("looks", ("red", "blue"), exclusive=False)


@pytest.fixture
def save(tmp_path, tiny_model):
    """Save a model that was trained for a task, with random weights in its head."""

    def save(task):
        base, chance = load_encoder(str(tiny_model)), np.random.default_rng(0)
        count = 1 if task == CULL_TASK else len(task.classes)
        weights = chance.normal(size=(32, count)).astype(np.float32)
        probe = head.Head(weights[:, 0], 0.1) if task == CULL_TASK else head.Heads(weights, chance.normal(size=count))
        classifier = model.Classifier(base.build(), base.dim, len(task.classes))
        classifier.start_from(probe)
        facts = {"epoch": 1, "validation_accuracy": 0.5, "seed": 0, "labels": {}, "validation_keys": []}
        model.save(tmp_path / f"stage_1_{task.name}_model.pth", classifier, base, facts, task)
        return tmp_path / f"stage_1_{task.name}_model.pth"

    return save


@pytest.fixture
def folder(tmp_path):
    return fill_stage(tmp_path / "photos", warm=2, cold=2)


@pytest.fixture
def colours(encoder):
    """A predictor whose probabilities can be told by eye: the mean of red, of blue."""
    return Predictor("colours", ("red", "blue"), (1, 0), False, encoder, lambda rows: rows[:, [0, 2]] / 255)


def zip_of(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("task", [CULL_TASK, GARMENT, LOOKS])
def test_predictions_are_the_scores_of_a_project(save, folder, cache_dir, task):
    from imlcull_al import open_session

    path = save(task)
    found = predict(load_predictor(path), [folder], cache_dir).predictions
    project = folder.with_name("project")
    folder.rename(project.with_name("stage_1"))
    project.mkdir()
    project.with_name("stage_1").rename(project / "stage_1")
    path.rename(project / path.name)
    session = open_session(project, cache_dir=cache_dir, task=task)
    for each, scored in zip(found, session.predictions(), strict=True):
        assert each.file.endswith(scored.key)
        said = dict(zip(each.ranked, each.probabilities, strict=True))
        assert [said[number] for number in range(len(task.classes))] == pytest.approx(scored.probability, abs=1e-6)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A folder as `save_pretrained` writes it, of three classes, and what the library says of an image."""
    import transformers

    place = tmp_path_factory.mktemp("garments")
    torch.manual_seed(3)
    names = {0: "shirt", 1: "shoe", 2: "dress"}
    config = transformers.ViTConfig(**{**TINY_CONFIG, "initializer_range": 0.3}, id2label=names)
    theirs = transformers.ViTForImageClassification(config).eval()
    theirs.save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps(TINY_PROCESSOR))

    def logits(image):
        small = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1
        with torch.inference_mode():
            return theirs(torch.from_numpy(small).permute(2, 0, 1)[None]).logits[0]

    return place, logits


def test_a_folder_of_hugging_face_says_what_its_library_says(classifier, folder, cache_dir):
    place, logits = classifier
    predictor = load_predictor(place)
    assert (predictor.classes, predictor.codes, predictor.exclusive) == (("shirt", "shoe", "dress"), (0, 1, 2), True)
    for each in predict(predictor, [folder], cache_dir).predictions:
        expected = logits(Image.open(each.file)).softmax(0).numpy()
        assert expected.max() - expected.min() > 0.05
        assert np.allclose(each.probabilities, np.sort(expected)[::-1], atol=1e-2)
        assert each.ranked == tuple(np.argsort(-expected))


SIZES = {
    "DeiT": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
             "image_size": 32, "patch_size": 8},
    "Beit": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
             "image_size": 32, "patch_size": 8},
    "Dinov2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
    "Swin": {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
             "window_size": 4},
    "ConvNext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
}  # fmt: skip


@pytest.mark.parametrize("kind", SIZES)
def test_many_kinds_of_classifiers_are_read(kind, tmp_path):
    import transformers

    torch.manual_seed(0)
    kind_of = getattr(transformers, f"{kind}ForImageClassification")
    theirs = kind_of(kind_of.config_class(**SIZES[kind], id2label={0: "a", 1: "b", 2: "c"})).eval()
    theirs.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(TINY_PROCESSOR))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    pixels = torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = theirs(pixels).logits.numpy()
    assert np.allclose(load_predictor(tmp_path).encoder.encode([image]), expected, atol=2e-2)


def test_a_folder_whose_preparation_is_not_known_is_refused(classifier, tmp_path):
    place, _ = classifier
    (tmp_path / "config.json").write_text((place / "config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "MobileViTImageProcessor"}))
    with pytest.raises(EncoderError, match="prepares photos by a MobileViTImageProcessor, which imlcull can't do"):
        load_predictor(tmp_path)


def test_a_model_of_several_labels_gives_each_its_own(classifier, tmp_path):
    place, _ = classifier
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in place.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    predictor = load_predictor(copy)
    assert not predictor.exclusive
    assert predictor.probability(np.zeros((1, 3))).tolist() == [[0.5, 0.5, 0.5]]
    (copy / "config.json").write_text(json.dumps({**config, "id2label": {"0": "shirt", "5": "shoe"}}))
    with pytest.raises(EncoderError, match="doesn't name its classes in id2label"):
        load_classifier(copy)


def test_what_gives_no_classes_is_refused(tiny_model, tmp_path, save):
    with pytest.raises(EncoderError, match="holds a vit model that gives no classes"):
        load_predictor(tiny_model)
    with pytest.raises(EncoderError, match=r"holds no config\.json"):
        load_predictor(tmp_path)
    save(GARMENT)
    with pytest.raises(ModelFileError, match=r"is a project. Name one of its models, such as .*garment_model\.pth"):
        load_predictor(tmp_path)
    with pytest.raises(ModelFileError, match="No such file"):
        load_predictor(tmp_path / "none.pth")


SAID = Prediction("/a/b.jpg", "b.jpg", "c0", (1, 0), (0.75, 0.25))


def test_the_json_has_the_keys_of_the_other_system(colours):
    assert as_object(SAID, colours, 3) == {
        "file": "/a/b.jpg",
        "top_3_predicted_labels": ["blue", "red"],
        "top_3_predicted_codes": [0, 1],
        "top_3_probabilities": [0.75, 0.25],
    }
    assert as_output([SAID, SAID], colours) == {
        "c0": {
            "hash_id": "c0",
            "file_path": "b.jpg",
            "classifiers_output": [
                {"model_type": "colours", "tag_name": "blue", "tag_prob": 0.75},
                {"model_type": "colours", "tag_name": "red", "tag_prob": 0.25},
            ],
        }
    }


def test_codes_are_places_in_sorted_order(save):
    assert load_predictor(save(GARMENT)).codes == (2, 0, 1)


def test_a_table_has_a_row_for_unreadable_photos_too(colours):
    assert as_csv([SAID, Prediction("/a/c.jpg", "c.jpg", reason="it is empty")], colours, 3) == (
        "file,label_1,probability_1,label_2,probability_2,reason\n"
        "/a/b.jpg,blue,0.75,red,0.25,\n"
        "/a/c.jpg,,,,,it is empty\n"
    )


def test_classes_are_ranked_and_ties_are_in_their_order():
    assert ranked(np.array([0.2, 0.5, 0.2, 0.1]), 3) == ((1, 0, 2), (0.5, 0.2, 0.2))


@pytest.mark.parametrize(
    ("probability", "bins", "name"),
    [(0.0, 10, "0.1"), (0.05, 10, "0.1"), (0.16, 10, "0.2"), (1.0, 10, "1.0"), (0.3, 3, "0.333"), (0.2, 1, "1.0")],
)
def test_bins_are_named_as_the_other_system_names_them(probability, bins, name):
    assert bin_of(probability, bins) == name


def test_bins_hold_copies_and_equal_names_never_overwrite(colours, folder, cache_dir, tmp_path):
    save_photo(folder / "more" / "warm_00.jpg", WARM, seed=9)
    before, out = fingerprint_of(folder), tmp_path / "out"
    predict(colours, [folder], cache_dir, Wish(out=out, bins=10))
    assert fingerprint_of(folder) == before
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*") if path.is_file()) == [
        "colours/blue/0.2/warm_00-2.jpg", "colours/blue/0.2/warm_00.jpg", "colours/blue/0.2/warm_01.jpg",
        "colours/blue/0.8/cold_00.jpg", "colours/blue/0.8/cold_01.jpg",
        "colours/red/0.2/cold_00.jpg", "colours/red/0.2/cold_01.jpg",
        "colours/red/0.8/warm_00-2.jpg", "colours/red/0.8/warm_00.jpg", "colours/red/0.8/warm_01.jpg",
        "output.json",
    ]  # fmt: skip
    output = json.loads((out / "output.json").read_text())
    assert {each["file_path"] for each in output.values()} == {str(path) for path in folder.rglob("*.jpg")}
    one, other = (out / "colours/red/0.8" / name for name in ("warm_00.jpg", "warm_00-2.jpg"))
    assert {one.read_bytes(), other.read_bytes()} == {path.read_bytes() for path in folder.rglob("warm_00.jpg")}


def test_bins_can_be_hard_links(colours, folder, cache_dir, tmp_path):
    predict(colours, [folder / "warm_00.jpg"], cache_dir, Wish(out=tmp_path / "out", bins=10, link="hardlink"))
    assert (tmp_path / "out/colours/red/0.8/warm_00.jpg").samefile(folder / "warm_00.jpg")


def test_equal_stems_have_a_json_each(colours, folder, cache_dir, tmp_path):
    save_photo(folder / "more" / "Warm_00.png", WARM, seed=9)
    outcome = predict(colours, [folder], cache_dir, Wish(out=tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["Warm_00.json", "cold_00.json", "cold_01.json", "warm_00-2.json", "warm_01.json"]
    files = {json.loads(path.read_text())["file"] for path in (tmp_path / "out").iterdir()}
    assert files == {each.file for each in outcome.predictions}


def test_photos_in_archives_are_named_by_their_place(colours, folder, cache_dir, tmp_path):
    photo = (folder / "warm_00.jpg").read_bytes()
    inner = zip_of(tmp_path / "inner.zip", **{"day/b.jpg": photo, "deeper.zip": b"PK"}).read_bytes()
    zip_of(folder / "all.zip", **{"x/a.jpg": photo, "x/a.xmp": b"", "in.zip": inner, "c.jpg": b"no photo"})
    reports = []
    outcome = predict(colours, [folder], cache_dir, progress=lambda *report: reports.append(report))
    inside = [(each.file, each.path, each.reason[:20]) for each in outcome.predictions if ".zip" in each.file]
    assert inside == [
        (f"{folder}/all.zip/x/a.jpg", "x/a.jpg", ""),
        (f"{folder}/all.zip/in.zip/day/b.jpg", "in.zip/day/b.jpg", ""),
        (f"{folder}/all.zip/c.jpg", "c.jpg", "it is not an image i"),
    ]
    assert len(outcome.predictions) == 7
    assert reports[-1] == ("predicting", 7, 7)
    assert [path.name for path in cache_dir.iterdir() if path.name.startswith(".imlcull")] == []


def test_archives_of_windows_have_the_same_names(tmp_path):
    (part,) = zipped.parts(zip_of(tmp_path / "a.zip", **{"day\\a.jpg": b"x"}), folder=tmp_path)
    assert list(part.files.values()) == ["day/a.jpg"]


@pytest.mark.parametrize("name", ["../../up", "a/b", ".."])
def test_a_class_that_leaves_the_folder_is_refused(colours, folder, cache_dir, tmp_path, name):
    with pytest.raises(AnswersRefused, match="can't be the name of a folder"):
        predict(
            replace(colours, classes=("red", name)),
            [folder / "warm_00.jpg"],
            cache_dir,
            Wish(out=tmp_path / "out", bins=2),
        )
    assert not (tmp_path / "out").exists()


def test_a_model_file_with_impossible_classes_is_refused(save):
    path = save(GARMENT)
    torch.save({**torch.load(path, weights_only=True), "classes": ["shoe", "", "shirt"]}, path)
    with pytest.raises(ModelFileError, match="A class can't be named ''"):
        load_predictor(path)


def test_an_archive_is_unpacked_a_part_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "PART_FILES", 2)
    archive = zip_of(tmp_path / "a.zip", **{f"{number}.jpg": bytes([number]) for number in range(5)})
    there = []
    for part in zipped.parts(archive, folder=tmp_path):
        there.append(sorted(len((part.folder / name).read_bytes()) for name in part.files))
        assert sum(path.suffix == ".jpg" for path in part.folder.parent.rglob("*")) <= 2
    assert there == [[1, 1], [1, 1], [1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_entries_that_can_not_be_unpacked_are_named_and_the_rest_goes_on(tmp_path):
    path = zip_of(tmp_path / "a.zip", **{"../up.jpg": b"x", "big.jpg": bytes(1 << 21), "good.jpg": b"x"})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bad.zip", b"no archive")
        archive.writestr("damaged.jpg", b"needle" * 9)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"needle" * 9, b"noodle" * 9))
    (part,) = zipped.parts(path, Limits(photo=1 << 20))
    assert list(part.files.values()) == ["good.jpg"]
    assert part.unreadable == {
        "../up.jpg": "its name leaves the archive, or is not portable",
        "big.jpg": "it is larger than 1 MB",
        "link.jpg": "it is a link",
        "damaged.jpg": "its part of the archive is damaged",
        "bad.zip": "it is damaged, or not a zip archive",
    }


def test_an_archive_that_is_none_is_one_unreadable_file(colours, cache_dir, tmp_path, folder):
    (folder / "a.zip").write_bytes(b"no archive")
    outcome = predict(colours, [folder], cache_dir)
    assert outcome.unreadable == {str(folder / "a.zip"): "it is damaged, or not a zip archive"}
    assert len(outcome.predictions) == 5


def test_a_stopped_run_goes_on_where_it_was_and_leaves_no_folder(colours, folder, cache_dir, tmp_path):
    out = tmp_path / "out"
    stops = iter([False] * 6 + [True] * 100)
    with pytest.raises(Cancelled):
        predict(colours, [folder], cache_dir, Wish(out=out, bins=10), stop=lambda: next(stops))
    assert not out.exists()
    seen = colours.encoder.images
    assert seen
    predict(colours, [folder, folder / "warm_00.jpg"], cache_dir, Wish(out=out, bins=10))
    assert colours.encoder.images == 4  # the embeddings of the first run, and each photo once
    assert out.is_dir()


def test_places_that_can_not_be_are_refused_before_any_work(colours, folder, cache_dir, tmp_path):
    with pytest.raises(AnswersRefused, match=r"There is no .*/none\. Name a folder of photos"):
        predict(colours, [tmp_path / "none"], cache_dir)
    with pytest.raises(AnswersRefused, match="lies among the photos"):
        predict(colours, [folder], cache_dir, Wish(out=folder / "out"))
    with pytest.raises(AnswersRefused, match="already exists"):
        predict(colours, [folder / "warm_00.jpg"], cache_dir, Wish(out=folder))
    with pytest.raises(AnswersRefused, match="Name a new folder for them with --out"):
        predict(colours, [folder], cache_dir, Wish(bins=10))
    (tmp_path / "empty").mkdir()
    with pytest.raises(StageError, match=r"There are no photos in .*/empty"):
        predict(colours, [tmp_path / "empty"], cache_dir)
    assert colours.encoder.images == 0


def test_the_command_prints_and_writes(save, folder, cache_dir, tmp_path, capsys):
    (folder / "broken.jpg").write_bytes(b"no photo")
    words = ["predict", str(save(GARMENT)), str(folder), "--cache-dir", str(cache_dir)]
    assert main([*words, "--top", "2"]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert [len(each["top_2_predicted_labels"]) for each in printed] == [2, 2, 2, 2]
    assert f"Unreadable: '{folder}/broken.jpg': it is not an image" in err
    assert main([*words, "--format", "csv", "--out", str(tmp_path / "out")]) == 0
    assert "the predictions of 4 photos, 1 unreadable" in capsys.readouterr().out
    table = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert table[0].startswith("file,label_1,probability_1,label_2") and len(table) == 6
