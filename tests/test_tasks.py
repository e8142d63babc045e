"""One task of three classes and one of three tags beside the default one, in one project, through the session and the
command line: label, order, score, audit.
"""

import shutil

import numpy as np
import pytest
from conftest import save_photo

from imlcull_al import open_session
from imlcull_al.encoding.device import VARIABLE, choose, device
from imlcull_al.errors import EncoderError, LabelsError, ModelFileError, NotEnoughLabels, StageError
from imlcull_al.learning.promise import class_measures
from imlcull_al.learning.queues import queues_of
from imlcull_al.ui.improve import TASK_REPORT
from imlcull_al.ui.serving import report_urls

COLOURS = {"red": (210, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 210)}
CLASSES = tuple(COLOURS)
EACH = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve photos of each color, one after the other."""
    project = tmp_path_factory.mktemp("tasks") / "project"
    for number in range(3 * EACH):
        name = CLASSES[number % 3]
        save_photo(project / "stage_1" / f"{number:02} {name}.jpg", COLOURS[name], seed=number)
    open_session(project, model="builtin", cache_dir=project.parent / "cache")
    return project


@pytest.fixture
def opened(folder, tmp_path):
    """Opens the project, without answers so far."""
    for path in folder.glob("*"):
        if path.is_file():
            path.unlink()

    def opened(task="cull", **named):
        return open_session(folder, model="builtin", cache_dir=folder.parent / "cache", task=task, **named)

    return opened


def colour_of(key):
    return key.removesuffix(".jpg")[3:]


def answer(session, label_of, count, queue=None):
    for _ in range(count):
        photo = session.next()
        session.answer(photo.key, label_of(photo.key), queue)


class TestClasses:
    def test_the_scores_of_a_few_answers_tell_the_others(self, opened):
        session = opened("colour", classes=CLASSES)
        assert session.order(1)[0].probability is None
        answer(session, colour_of, 14)
        assert session.counts().by_class == tuple(list(session.labels().values()).count(name) for name in CLASSES)
        assert session.counts().labeled == 14
        found = session.predictions()
        assert [each.label for each in found] == [colour_of(each.key) for each in found]
        assert [each.reason for each in found].count("label") == 14
        assert sum(found[0].probability) == pytest.approx(1)
        assert opened("colour").labels() == session.labels()

    def test_the_least_certain_photo_has_the_smallest_margin(self, opened):
        session = opened("colour", classes=CLASSES)
        answer(session, colour_of, 14)
        probability = np.array([photo.probability for photo in session.order()])
        two = np.sort(probability, axis=1)[:, -2:]
        margins = two[:, 1] - two[:, 0]
        assert (np.diff(margins) >= 0).all()
        assert len(margins) == 3 * EACH - 14

    def test_its_queues_are_named_after_its_classes(self, opened):
        session = opened("colour", classes=CLASSES)
        assert list(queues_of(session.task)) == [
            "uncertain", "audit", "likely red", "likely green", "likely blue", "disagreements", "files",
        ]  # fmt: skip
        answer(session, colour_of, 14)
        assert colour_of(session.offer("me", "likely green")[0].key) == "green"
        with pytest.raises(StageError, match="no queue 'keepers'"):
            session.offer("me", "keepers")

    def test_a_disagreement_is_found(self, opened):
        session = opened("colour", classes=CLASSES)
        answer(session, colour_of, 20)
        wrong = next(key for key, label in session.labels().items() if label == "red")
        session.answer(wrong, "blue", "uncertain")
        assert [photo.key for photo in session.offer("me", "disagreements", 9)] == [wrong]

    def test_the_checks_measure_every_class(self, opened):
        session = opened("colour", classes=CLASSES)
        assert session.measures() is None
        answer(session, colour_of, 14, "uncertain")
        for photo in session.offer("me", "audit", 12):
            session.answer(photo.key, colour_of(photo.key), "audit")
        measured = session.measures()
        assert (measured.checks, measured.answers, measured.right.hits, measured.right.trials) == (12, 26, 12, 12)
        assert measured.report[0].startswith("Random checks: 12 of 26 answers; 100% [74%, 100%] correct.")
        assert [line.partition(":")[0] for line in measured.report[1:]] == list(CLASSES)
        assert sum(each.recall.trials for each in measured.by_class.values()) == 12
        assert session.promise() is None
        assert class_measures(session.standing().ranking) == measured
        assert session.learning_curve()[-1].right.hits == 12

    def test_it_decides_nothing_about_keeping(self, opened):
        session = opened("colour", classes=CLASSES)
        answer(session, colour_of, 14)
        for refused in (session.plan_cull, session.scores, lambda: session.threshold_for(0.1)):
            with pytest.raises(StageError, match="The task colour decides nothing about keeping"):
                refused()

    def test_a_class_that_another_program_adds_is_known_at_once(self, opened):
        session = opened("colour", classes=CLASSES[:2])
        answer(session, lambda key: "green" if "green" in key else "red", 14)
        held = [photo.key for photo in session.offer("me", count=3)]
        before = session.standing()
        other = opened("colour", classes=["blue"])
        blue = [key for key in session.listing.keys if "blue" in key]
        other.answer(blue[0], "blue")
        now = session.standing()
        assert (now.task.classes, session.task) == (CLASSES, now.task)
        assert (before.task.classes, len(before.order(1)[0].probability)) == (CLASSES[:2], 2)
        assert now.revision != before.revision
        assert now.answers.labels == {**before.answers.labels, blue[0]: "blue"}
        assert now.counts.by_class[2] == 1
        assert len(now.order(1)[0].probability) == 3
        assert [photo.key for photo in session.offer("you", count=9) if photo.key in held] == []
        session.answer_all(blue[1:], "blue")
        assert {each.key: each.label for each in session.predictions()} == {
            key: session.labels().get(key, colour_of(key)) for key in session.listing.keys
        }
        assert "Added to colour: blue." in session.news

    def test_other_changes_of_a_task_wait_for_the_next_start(self, opened, folder):
        session = opened("colour", classes=CLASSES)
        settings = folder / "project.toml"
        told = "changed in project.toml by more than classes at the end. It stays red, green and blue here until"
        for names in (["red", "blue", "green"], ["red", "green"]):
            settings.write_text(f"version = 1\n[tasks.colour]\nclasses = {names}\n")
            assert session.standing().task.classes == CLASSES
            assert told in session.news
        settings.write_text("version = 1\n[tasks.colour]\nclasses = 3\n")
        session.answer("00 red.jpg", "blue")
        assert "The task colour stays as it was." in session.news
        assert "needs either classes or tags, a list of names. Correct it." in session.news
        settings.write_text(f"version = 1\n[tasks.colour]\nclasses = {[*CLASSES, 'grey']}\n")
        session.answer("00 red.jpg", "grey")
        assert session.labels() == {"00 red.jpg": "grey"}

    def test_without_embeddings_or_while_another_thread_fits_it_is_known_too(self, opened):
        opened("colour", classes=CLASSES[:2])
        session = opened("colour", prepare=False)
        session.answer("00 red.jpg", "red")
        assert len(session.standing().task.classes) == 2
        opened("colour", classes=["blue"]).answer("02 blue.jpg", "blue")
        session._knowledge._fitting.acquire()
        assert session.standing(wait=False).answers.labels == {"00 red.jpg": "red"}  # the scores know no blue yet
        session._knowledge._fitting.release()
        assert session.standing(wait=False).counts.by_class == (1, 0, 1)
        session.prepare()
        assert len(session.order(1)[0].probability) == 3

    def test_a_class_that_is_added_later_can_be_answered(self, opened):
        session = opened("colour", classes=CLASSES[:2])
        answer(session, lambda key: "red" if colour_of(key) == "red" else "green", 12)
        with pytest.raises(LabelsError, match="not one of red and green"):
            session.answer("02 blue.jpg", "blue")
        session = opened("colour", classes=["blue"])
        assert session.order(1)[0].probability[2] == 0
        session.answer("02 blue.jpg", "blue")
        assert session.counts().by_class[2] == 1

    def test_without_scores_it_says_what_is_needed(self, opened):
        session = opened("colour", classes=CLASSES)
        session.answer("00 red.jpg", "red")
        with pytest.raises(NotEnoughLabels, match=r"has only red labels, 1 of them.*at least two classes"):
            session.predictions()


class TestTags:
    TAGS = ("red", "not blue", "even")

    def label_of(self, key):
        tags = {"red": colour_of(key) == "red", "not blue": colour_of(key) != "blue", "even": int(key[:2]) % 2 == 0}
        return ";".join(name for name, has in tags.items() if has)

    def test_every_tag_has_a_score_of_its_own(self, opened):
        session = opened("notes", tags=self.TAGS)
        answer(session, self.label_of, 16)
        for each in session.predictions():
            tags = session.task.tags_of(each.label)
            assert (tags["red"], tags["not blue"]) == (colour_of(each.key) == "red", colour_of(each.key) != "blue")
        assert session.counts().labeled == 16
        assert session.counts().by_class[1] == sum(colour_of(key) != "blue" for key in session.labels())

    def test_a_tag_that_is_added_later_is_unknown_in_earlier_answers(self, opened):
        session = opened("notes", tags=["red"])
        answer(session, lambda key: "red" if colour_of(key) == "red" else "", 12)
        first = next(iter(session.labels()))
        session = opened("notes", tags=["blue"])
        assert session.labels()[first] in ("red=1", "red=0")
        assert np.isnan([photo.probability[1] for photo in session.order()]).all()
        left = [photo.key for photo in session.order()]
        for key in [next(key for key in left if colour_of(key) == name) for name in ("blue", "red")]:
            session.answer(key, {"blue": "blue", "red": "red"}[colour_of(key)])
        assert not np.isnan([photo.probability for photo in session.order()]).any()
        assert session.predictions()

    def test_the_promise_of_one_tag_is_in_its_words(self, opened):
        session = opened("red", tags=["red"])
        answer(session, lambda key: "red" if colour_of(key) == "red" else "", 14, "uncertain")
        for photo in session.offer("me", "audit", 16):
            session.answer(photo.key, "red" if colour_of(photo.key) == "red" else "", "audit")
        promise = session.promise()
        assert "of the photos with red are scored below the threshold (95% confidence)" in promise.summary
        assert "keeper" not in " ".join(promise.report)
        assert promise.measures.accuracy.hits == 16


def test_a_tag_that_another_program_adds_is_unknown_in_earlier_answers(opened):
    session = opened("notes", tags=["warm"])
    answer(session, lambda key: "warm" if "red" in key else "", 14)
    first = next(iter(session.labels()))
    opened("notes", tags=["cool"])
    assert session.standing().counts.by_class[1] == 0
    assert np.isnan(session.order(1)[0].probability[1])
    session.answer(first, "cool")
    assert session.labels()[first] == "warm=0;cool=1"
    lines = session.stage.labels.read_text().splitlines()
    assert lines[:2] == ["image_name,warm,cool", f"{first},0,1"]
    assert [line.split(",")[2] for line in lines[2:]] == [""] * 13


def test_three_tasks_in_one_project_leave_each_other_alone(opened, folder):
    cull, colour, notes = opened(), opened("colour", classes=CLASSES), opened("notes", tags=["red", "even"])
    cull.answer("00 red.jpg", "keep")
    colour.answer("00 red.jpg", "red")
    notes.answer("00 red.jpg", "red;even")
    assert opened().labels() == {"00 red.jpg": "keep"}
    assert opened("colour").labels() == {"00 red.jpg": "red"}
    assert opened("notes").labels() == {"00 red.jpg": "red=1;even=1"}
    names = {path.name for path in folder.glob("*_labels.csv")}
    assert names == {f"stage_1_{task}_labels.csv" for task in ("cull", "colour", "notes")}
    with pytest.raises(StageError, match="no task 'color'"):
        opened("color")


@pytest.fixture
def run_task(opened, folder, capsys):
    from imlcull_al.cli.commands import main

    def run(command, *arguments):
        capsys.readouterr()
        places = ["--project", str(folder), "--model", "builtin", "--cache-dir", str(folder.parent / "cache")]
        code = main([command, *places, *arguments])
        return code, *capsys.readouterr()

    return run


def test_the_commands_know_tasks(run_task, opened):
    code, out, err = run_task("order", "--task", "colour", "--classes", "red, green,blue", "-n", "2")
    assert (code, out.splitlines()[0]) == (0, "image_name,red,green,blue")
    assert "No scores yet" in err
    answer(opened("colour"), colour_of, 14, "uncertain")
    code, out, _ = run_task("score", "--task", "colour")
    lines = out.splitlines()
    assert (code, lines[0], len(lines)) == (0, "image_name,red,green,blue,decision,reason", 1 + 3 * EACH)
    assert all(line.split(",")[-2] == colour_of(line.split(",")[0]) for line in lines[1:])
    session = opened("colour")
    for photo in session.offer("me", "audit", 3):
        session.answer(photo.key, colour_of(photo.key), "audit")
    code, out, _ = run_task("audit", "--task", "colour")
    assert (code, out.splitlines()[0].partition(":")[0]) == (0, "Random checks")
    assert [line.partition(":")[0] for line in out.splitlines()[1:4]] == list(CLASSES)
    code, _, err = run_task("order", "--task", "color")
    assert (code, "There is no task 'color'" in err) == (1, True)


class TestDevice:
    def test_the_best_there_is_unless_one_is_chosen(self, monkeypatch):
        torch = pytest.importorskip("torch")
        monkeypatch.delenv(VARIABLE, raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert device().type == "cuda"
        monkeypatch.setenv(VARIABLE, "cpu")
        assert device().type == "cpu"
        choose("auto")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        assert device().type == "mps"

    def test_one_that_is_not_there_is_refused(self, run_task, monkeypatch):
        monkeypatch.setenv(VARIABLE, "auto")
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        code, _, err = run_task("order", "--device", "cuda")
        assert (code, "PyTorch finds no cuda device here. Choose another (--device): auto, cpu." in err) == (1, True)
        monkeypatch.setenv(VARIABLE, "tpu")
        with pytest.raises(EncoderError, match=r"no device 'tpu'. Choose one of auto, cpu, cuda, mps"):
            device()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "tags"])
def test_a_task_is_trained_scored_and_reported(opened, folder, tiny_model, kind, cache_dir):
    named = {"classes": CLASSES} if kind == "classes" else {"tags": TestTags.TAGS}
    label_of = colour_of if kind == "classes" else TestTags().label_of
    opened("kind", **named)
    session = open_session(folder, model=str(tiny_model), cache_dir=cache_dir, task="kind")
    for key in session.listing.keys[:24]:
        session.answer(key, label_of(key), "files")
    training = session.train(epochs=2, learning_rate=1e-3)
    assert len(training.train_keys) + len(training.validation_keys) == 24
    assert session.source.endswith(", 24 labels")
    names = {path.name for path in (folder / "stage_1_kind_report").iterdir()}
    assert {"curves.png", "mistakes.csv", "classes.csv" if kind == "classes" else "tags.csv"} <= names
    assert set(report_urls(session)) <= set(TASK_REPORT), "every figure has a caption on the page"
    found = session.predictions()
    assert len(found) == 3 * EACH
    assert sum(each.reason == "score" for each in found) == 3 * EACH - 24
    later = open_session(folder, cache_dir=cache_dir, task="kind")
    assert [each.label for each in later.predictions()] == [each.label for each in found]
    assert later.source == session.source
    shutil.copy(folder / "stage_1_kind_model.pth", folder / "stage_1_cull_model.pth")
    with pytest.raises(ModelFileError, match="kind"):
        open_session(folder, cache_dir=cache_dir)


@pytest.mark.slow
def test_a_task_is_replayed(run_task, opened, folder, tmp_path):
    opened("colour", classes=CLASSES)
    names = sorted(path.name for path in (folder / "stage_1").iterdir())
    rows = "".join(f"{name},{colour_of(name)},{number}\n" for number, name in enumerate(names))
    (tmp_path / "truth.csv").write_text("image_name,label,burst\n" + rows)
    places = ["--truth", str(tmp_path / "truth.csv"), "--out", str(tmp_path / "curve.csv")]
    for strategy in ("default", "uncertainty"):
        code, out, _ = run_task(
            "replay",
            "--task",
            "colour",
            *places,
            "--seeds",
            "2",
            "--budget",
            "20",
            "--step",
            "10",
            "--strategy",
            strategy,
        )
        assert code == 0
        assert "36 photos with a known answer: 12 red, 12 green, 12 blue. Held out" in out
        last = (tmp_path / "curve.csv").read_text().splitlines()[-1].split(",")
        assert (last[2], float(last[5])) == ("20", 1.0), "random labels, too, tell three colors apart"
    assert opened("colour").labels() == {}


def test_a_class_of_one_burst_is_asked_in_a_replay_but_not_measured(run_task, opened, folder, tmp_path):
    opened("colour", classes=CLASSES)
    names = sorted(path.name for path in (folder / "stage_1").iterdir())
    rows = "".join(f"{name},{colour_of(name)},{'blue' in name or name}\n" for name in names)
    (tmp_path / "truth.csv").write_text("image_name,label,burst\n" + rows)
    places = ["--truth", str(tmp_path / "truth.csv"), "--out", str(tmp_path / "curve.csv")]
    code, out, err = run_task("replay", "--task", "colour", *places, "--seeds", "1", "--budget", "20", "--step", "20")
    assert code == 0
    assert "too few groups (burst) tell blue apart: asked, but not measured" in out + err
    last = (tmp_path / "curve.csv").read_text().splitlines()[-1].split(",")
    assert (last[2], float(last[5])) == ("20", 1.0)
