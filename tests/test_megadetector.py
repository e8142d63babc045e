"""What a detector found empty is asked last, and nothing more: read, matched to photos, kept, replaced and removed."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import fill_stage

from imlcull_al import open_session
from imlcull_al.errors import DetectionsRefused
from imlcull_al.exchange.megadetector import Results, match, read_results, results_of, take
from imlcull_al.learning import orders
from imlcull_al.project.detections import drop_detections, empty_photos
from imlcull_al.project.listing import Listing
from imlcull_al.project.stages import Stage


def image(file, *confidences, category="1"):
    detections = [{"category": category, "conf": each, "bbox": [0, 0, 1, 1]} for each in confidences]
    return {"file": file, "detections": detections}


def whole(*images, **info):
    return {
        "info": {"format_version": "1.6", **info},
        "detection_categories": {"1": "animal", "2": "person"},
        "images": list(images),
    }


def test_the_surest_detection_of_a_listed_category_counts():
    failed = {"file": "d.jpg", "failure": "Failure image access", "detections": None}
    data = whole(
        image("a.jpg", 0.1, 0.926, 0.5), image("b.jpg"), image("c.jpg", 0.9, category="9"), failed,
        {"file": "e.jpg", "failure": None, "detections": []}, {"file": "f.jpg"},
    )  # fmt: skip
    assert results_of(data, "x") == Results(
        {"a.jpg": 0.926, "b.jpg": 0.0, "c.jpg": 0.0, "e.jpg": 0.0}, ("d.jpg", "f.jpg"), None
    )
    recommending = whole(detector_metadata={"typical_detection_threshold": 0.8})
    assert results_of(recommending, "x") == Results({}, (), 0.8)
    listed = [{"file": "a.jpg", "detections": [{"category": "animal", "confidence": 0.93, "bbox": [1, 2, 3, 4]}]}]
    assert results_of(listed, "x") == Results({"a.jpg": 0.93}, (), None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", r"is no JSON \(.*\)\. Name the JSON that MegaDetector wrote"),
        ("[" * 100_000, "is no JSON"),
        ('"photos"', "has no list of images"),
        ('{"images": {"a": 1}}', "has no list of images"),
        ('{"images": [{"file": "a.jpg", "detections": []}, {"path": "b.jpg"}]}', "image 2 has no file"),
        ('{"images": [7]}', "image 1 has no file"),
        ('{"images": [{"file": "a.jpg", "detections": {"conf": 1}}]}', "the detections of 'a.jpg' are no list"),
        ('{"images": [{"file": "a.jpg", "detections": [{"conf": 90}]}]}', "'a.jpg' has no confidence from 0 to 1"),
        ('{"images": [{"file": "a.jpg", "detections": [{"conf": NaN}]}]}', "'a.jpg' has no confidence from 0 to 1"),
        (
            f'{{"images": [{{"file": "a.jpg", "detections": [{{"conf": 1{"0" * 400}}}]}}]}}',
            "'a.jpg' has no confidence from 0 to 1",
        ),
        ('{"images": [{"file": "a.jpg", "detections": [3]}]}', "'a.jpg' has no confidence from 0 to 1"),
    ],
)
def test_what_is_not_of_megadetector_is_refused_with_a_sentence(tmp_path, text, reason):
    path = tmp_path / "md.json"
    path.write_text(text)
    with pytest.raises(DetectionsRefused, match=reason):
        read_results(path)
    with pytest.raises(DetectionsRefused, match="Could not read"):
        read_results(tmp_path / "gone.json")


def found_in(confidence, *keys, threshold=None, recommended=None, folder=None):
    return match(Results(confidence, (), recommended), Listing(tuple(sorted(keys)), {}, {}), threshold, folder=folder)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("day1/a.jpg", "day1/a.jpg"),
        ("day1\\a.jpg", "day1/a.jpg"),
        ("study/day1/a.jpg", "day1/a.jpg"),
        ("C:\\study\\day1\\a.jpg", "day1/a.jpg"),
        ("/old/project/stage_1/day1/a.jpg", "day1/a.jpg"),
        ("b.jpg", "day1/b.jpg"),
        ("day9/b.jpg", None),
        ("a.jpg", None),
        ("ay1/b.jpg", None),
        ("clip.mp4", None),
    ],
)
def test_an_image_means_the_photo_that_ends_as_it_does(file, key):
    found = found_in({file: 0.0}, "day1/a.jpg", "day2/a.jpg", "day1/b.jpg")
    assert found.empty == ({key} if key else set())
    assert list(found.ignored) == ([] if key else [file])


def test_of_two_images_of_one_photo_the_surer_counts():
    assert found_in({"x/a.jpg": 0.0, "x\\a.jpg": 0.7}, "a.jpg").confidence == {"a.jpg": 0.7}


def test_images_of_other_folders_whose_names_repeat_mean_nothing():
    whole_card = {"day1/a.jpg": 0.9, "day2/a.jpg": 0.0, "day2/b.jpg": 0.0}
    unknown = found_in(whole_card, "a.jpg", "b.jpg")
    assert (unknown.confidence, set(unknown.ignored)) == ({}, set(whole_card))
    named = found_in(whole_card, "a.jpg", "b.jpg", folder=Path("/card/day1"))
    assert (named.confidence, set(named.ignored)) == ({"a.jpg": 0.9}, {"day2/a.jpg", "day2/b.jpg"})
    assert named.ignored["day2/b.jpg"] == "it may be a photo of another folder"
    exact = found_in({"a.jpg": 0.9, "day2/b.jpg": 0.0}, "a.jpg", "b.jpg")
    assert exact.confidence == {"a.jpg": 0.9}


def test_the_threshold_is_that_of_the_person_else_of_the_file():
    confidence = {"a.jpg": 0.1, "b.jpg": 0.2, "c.jpg": 0.5}
    for given, expected in (({}, "a"), ({"recommended": 0.5}, "ab"), ({"recommended": 0.5, "threshold": 0.05}, "")):
        assert found_in(confidence, *confidence, **given).empty == {f"{name}.jpg" for name in expected}
    with pytest.raises(DetectionsRefused, match="above 0 and up to 1"):
        found_in(confidence, threshold=0.0)


def test_photos_of_the_same_turn_keep_their_order():
    turn = np.array([1, 0, 1, 3, 2, 0])
    assert orders.in_turn(np.array([3, 2, 4, 0, 1, 5]), turn).tolist() == [1, 5, 2, 0, 4, 3]


@pytest.fixture
def project(tmp_path):
    fill_stage(tmp_path / "project" / "stage_1")
    return tmp_path / "project"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "md.json"
    empty = [image(f"warm_{number:02}.jpg", 0.1) for number in range(4)]
    path.write_text(json.dumps(whole(*empty, image("cold_00.jpg", 0.9), image("elsewhere.jpg", 0.9))))
    return path


def asked(session, queue="uncertain"):
    return [key for key, asked_in in session.standing().ranking.queue(queue) if asked_in == queue]


def test_empty_photos_are_asked_last_and_answers_and_scores_stay(project, cache_dir, file):
    session = open_session(project, model="builtin", cache_dir=cache_dir)
    empty = {f"warm_{number:02}.jpg" for number in range(4)}
    session.answer("warm_00.jpg", "keep")
    session.answer("cold_01.jpg", "cull")
    before = {name: asked(session, name) for name in ("uncertain", "keepers", "culls", "files", "audit")}
    scores = session.scores()
    take(session.stage, match(read_results(file), session.listing))
    session.follow_disk()
    uncertain = [key for key in before["uncertain"] if key not in empty]
    assert asked(session) == [*uncertain, *(key for key in before["uncertain"] if key in empty)] != before["uncertain"]
    assert [photo.key in empty for photo in session.order()] == [False] * 7 + [True] * 3
    assert {name: asked(session, name) for name in before if name != "uncertain"} == {
        name: keys for name, keys in before.items() if name != "uncertain"
    }
    assert session.scores() == scores, "a score or a decision depends on what a detector found"
    assert session.labels() == {"warm_00.jpg": "keep", "cold_01.jpg": "cull"}
    unprepared = open_session(project, model="builtin", cache_dir=cache_dir, prepare=False)
    assert set(asked(unprepared)[-3:]) < empty
    drop_detections(session.stage)
    session.follow_disk()
    assert asked(session) == before["uncertain"]


def test_the_file_is_as_written_down_and_a_new_import_replaces_it(project, file, run):
    arguments = ("import", "megadetector", file, "--project", project)
    code, out, err = run(*arguments)
    assert (code, out.splitlines()) == (
        0,
        [
            "4 empty, 1 with a detection of 20% or more, 7 not looked at",
            "Nothing was changed. Run it again with --yes to go on.",
        ],
    )
    assert "Ignored: 'elsewhere.jpg': there is no such photo" in err
    stage = Stage(project, 1)
    assert not stage.detections.exists()
    assert "To take it back: " in run(*arguments, "--yes")[1]
    assert stage.detections.read_text().splitlines() == [
        "image_name,confidence,empty", "cold_00.jpg,0.9,0", "warm_00.jpg,0.1,1", "warm_01.jpg,0.1,1",
        "warm_02.jpg,0.1,1", "warm_03.jpg,0.1,1",
    ]  # fmt: skip
    assert run(*arguments, "--yes", "--threshold", "0.95")[0] == 0
    assert empty_photos(stage) == {"cold_00.jpg", *(f"warm_{number:02}.jpg" for number in range(4))}
    assert "stage_1_detections.csv.undone-" in run("import", "megadetector", "--undo", "--project", project)[1]
    assert empty_photos(stage) == frozenset()
    assert run("import", "megadetector", "--undo", "--project", project)[1] == "No photo was asked last.\n"
    code, _, err = run("import", "megadetector", "--project", project)
    assert (code, "Name the JSON that MegaDetector wrote" in err) == (1, True)


@pytest.mark.parametrize("text", ["image_name,label\na.jpg,keep\n", 'image_name,empty\n"a', "\0" * 40])
def test_a_file_that_is_spoiled_stops_nothing(project, caplog, text):
    Stage(project, 1).detections.write_text(text)
    assert empty_photos(Stage(project, 1)) == frozenset()
    assert "No photo is asked last" in caplog.text
