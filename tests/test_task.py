"""Tasks: what labels they know, as arrays and in words, and how `project.toml` keeps them."""

import numpy as np
import pytest

from imlcull_al.errors import LabelsError, StageError, StorageError
from imlcull_al.project.labels import Labels
from imlcull_al.project.settings import open_task, path_of, tasks_of
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task

GARMENT = Task("garment", ("shirt", "dress", "red shoe"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)


class TestLabels:
    def test_one_class_is_a_label(self):
        assert GARMENT.parse("red shoe") == "red shoe"
        assert GARMENT.targets(["dress", "shirt"]).tolist() == [[0, 1, 0], [1, 0, 0]]
        assert GARMENT.words("dress") == "dress"
        assert (CULL_TASK.is_binary, GARMENT.is_binary) == (True, False)

    @pytest.mark.parametrize("text", ["Shirt", "", "shirt;dress", "trousers"])
    def test_any_other_text_is_none(self, text):
        with pytest.raises(LabelsError, match="not one of shirt, dress and red shoe"):
            GARMENT.parse(text)

    def test_tags_that_are_not_named_are_absent_in_a_new_answer_and_unknown_in_an_old_one(self):
        assert NOTES.parse("striped") == NOTES.parse("striped;") == "red=0;striped=1"
        assert NOTES.parse("") == "red=0;striped=0"
        assert NOTES.parse("striped=1;red=0") == "red=0;striped=1"
        assert NOTES.tags_of("red=1") == {"red": True}
        later = NOTES.with_more(["torn", "red"])
        assert later.classes == ("red", "striped", "torn")
        np.testing.assert_array_equal(
            later.targets(["red=0;striped=1", "red=1;striped=1;torn=0"]), [[0, 1, np.nan], [1, 1, 0]]
        )
        assert [NOTES.words(label) for label in ("red=1;striped=1", "red=0;striped=0")] == ["red, striped", "none"]
        assert Task("red", ("red",), exclusive=False).is_binary

    @pytest.mark.parametrize("text", ["blue", "red=2", "blue=1", "red=1;red=0", "red=1;striped"])
    def test_text_that_names_no_tags_is_refused(self, text):
        with pytest.raises(LabelsError, match="notes"):
            NOTES.parse(text)

    @pytest.mark.parametrize(
        "task",
        [
            Task("Garment", ("a", "b")), Task("a_b", ("a", "b")), Task("", ("a", "b")), Task("t", ("a",)),
            Task("t", (), exclusive=False), Task("t", ("a", "A")), Task("t", ("a", "b;c")), Task("t", ("a", " b")),
            Task("t", ("a", "b=c")), Task("t", ("a", "b\n")), Task("t", ("a", "b" * 61)), Task("t", ("a", "")),
        ],
        ids=str,
    )  # fmt: skip
    def test_impossible_tasks_are_refused(self, task):
        with pytest.raises(StageError):
            task.check()


class TestSettings:
    def test_a_task_is_kept_and_grows(self, tmp_path):
        assert tasks_of(tmp_path) == {"cull": CULL_TASK}
        assert open_task(tmp_path, "cull") == CULL_TASK
        assert not path_of(tmp_path).exists()
        assert open_task(tmp_path, "garment", ["shirt", " dress "]) == Task("garment", ("shirt", "dress"))
        assert open_task(tmp_path, "notes", tags=["red"]) == Task("notes", ("red",), exclusive=False)
        assert open_task(tmp_path, "garment", ["shoe"]).classes == ("shirt", "dress", "shoe")
        assert path_of(tmp_path).read_text() == (
            'version = 1\n\n[tasks.garment]\nclasses = ["shirt", "dress", "shoe"]\n\n[tasks.notes]\ntags = ["red"]\n'
        )
        assert list(tasks_of(tmp_path)) == ["cull", "garment", "notes"]
        assert open_task(tmp_path, "notes") == Task("notes", ("red",), exclusive=False)

    def test_what_a_person_wrote_survives(self, tmp_path):
        path_of(tmp_path).write_text("# mine\nversion = 1\nother = 7\n\n[tasks.a]\ntags = ['x'] # why\n")
        open_task(tmp_path, "b", ["y", "z"])
        text = path_of(tmp_path).read_text()
        assert text.startswith("# mine\nversion = 1\nother = 7\n\n[tasks.a]\ntags = ['x'] # why\n")
        assert list(tasks_of(tmp_path)) == ["cull", "a", "b"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("garment",), "There is no task 'garment' .* only cull"),
            (("cull", ["keep", "maybe"]), "cull has the classes keep and cull"),
            (("t", ["a", "b"], ["c"]), "either classes or tags"),
            (("notes", ["a", "b"]), "has tags"),
            (("t", ["a"]), "Name 2 to"),
        ],
    )
    def test_what_is_refused(self, tmp_path, arguments, message):
        open_task(tmp_path, "notes", tags=["red"])
        before = path_of(tmp_path).read_text()
        with pytest.raises(StageError, match=message):
            open_task(tmp_path, *arguments)
        assert path_of(tmp_path).read_text() == before

    @pytest.mark.parametrize(
        "text",
        ["version = 2\n", "tasks = 7", "[", "version = 1\n[tasks.a]\n", "version = 1\n[tasks.a]\nclasses = 'a'\n",
         "version = 1\n[tasks.A]\nclasses = ['a', 'b']\n", "version = 1\ntasks = 7\n"],
    )  # fmt: skip
    def test_a_file_that_is_not_understood_is_refused(self, tmp_path, text):
        path_of(tmp_path).write_text(text)
        with pytest.raises(StorageError, match=r"project\.toml"):
            tasks_of(tmp_path)


def test_each_task_has_files_of_its_own(tmp_path):
    (tmp_path / "stage_1").mkdir()
    stages = [Stage(tmp_path, 1), Stage(tmp_path, 1, task="garment"), Stage(tmp_path, 1, task="notes")]
    for stage, task, label in zip(stages, (CULL_TASK, GARMENT, NOTES), ("keep", "dress", "striped"), strict=True):
        Labels(stage, task).answer("a.jpg", label)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "stage_1_cull_journal.jsonl", "stage_1_garment_journal.jsonl", "stage_1_notes_journal.jsonl",
    ]  # fmt: skip
    found = [Labels(stage, task).as_dict() for stage, task in zip(stages, (CULL_TASK, GARMENT, NOTES), strict=True)]
    assert found == [{"a.jpg": "keep"}, {"a.jpg": "dress"}, {"a.jpg": "red=0;striped=1"}]
    assert stages[1].next.model.name == "stage_2_garment_model.pth"
    stages[0].journal.rename(stages[1].journal)
    with pytest.raises(LabelsError, match="doesn't know"):
        Labels(stages[1], GARMENT)
