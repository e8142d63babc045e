"""Tasks: what labels they know, as arrays and in words, and how `project.toml` keeps them."""

import numpy as np
import pytest

from imlcull_al.errors import LabelsError, StageError, StorageError, TableError
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
            Task("t", ("Decision", "b")), Task("t", ("image_name",), exclusive=False),
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

    def test_tags_may_be_put_in_another_order(self, tmp_path):
        stage = Stage(tmp_path, 1, task="notes")
        stage.folder.mkdir()
        Labels(stage, NOTES).answer("a.jpg", "red")
        turned = Task("notes", ("striped", "red"), exclusive=False)
        (label,) = Labels(stage, turned).as_dict().values()
        assert turned.tags_of(label) == {"red": True, "striped": False}

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


class TestCsv:
    """Literal text in, labels out, and one more answer written in the same dialect."""

    @pytest.mark.parametrize(
        ("task", "text", "labels", "answer", "added"),
        [
            (GARMENT, "image_name,label\na.jpg,Dress\nb.jpg,red shoe\n", ["dress", "red shoe"], "shirt",
             "c.jpg,shirt\n"),
            (GARMENT, "image_path,label,tag\na.jpg,1,x\nb.jpg,2,\n", ["dress", "red shoe"], "shirt", "c.jpg,0,\n"),
            (NOTES, "image_name,red,striped\na.jpg,1,\nb.jpg,no,Yes\n", ["red=1", "red=0;striped=1"], "red",
             "c.jpg,1,0\n"),
            (NOTES, "who;image_path;red\nme;a.jpg;0\nme;b.jpg;1\n", ["red=0", "red=1"], "striped", ";c.jpg;0;1\n"),
        ],
    )  # fmt: skip
    def test_is_read_and_goes_on_in_its_dialect(self, tmp_path, task, text, labels, answer, added):
        stage = Stage(tmp_path, 1, task=task.name)
        stage.folder.mkdir()
        stage.labels.write_text(text)
        found = Labels(stage, task)
        assert list(found.as_dict().values()) == labels
        found.answer("c.jpg", answer)
        assert stage.labels.read_text().endswith(added)
        assert list(Labels(stage, task).as_dict().values()) == [*labels, task.parse(answer)]

    @pytest.mark.parametrize(
        ("task", "text", "message"),
        [
            (GARMENT, "image_name,label\na.jpg,keep\n", "line 2: the label 'keep' of a.jpg is not one of shirt"),
            (GARMENT, "image_path,label\na.jpg,3\n", "line 2: the label '3' of a.jpg is not one of 0, 1 and 2"),
            (NOTES, "image_name,red\na.jpg,maybe\n", "line 2: red of a.jpg is 'maybe', neither 1 nor 0"),
            (NOTES, "image_name,red\na.jpg,\n", "line 2: none of the tags of a.jpg is known"),
            (NOTES, "image_name,label\na.jpg,red\n", "needs the columns image_name and red and striped"),
        ],
    )  # fmt: skip
    def test_what_is_no_label_is_refused_with_its_line(self, tmp_path, task, text, message):
        stage = Stage(tmp_path, 1, task=task.name)
        stage.folder.mkdir()
        stage.labels.write_text(text)
        with pytest.raises((LabelsError, TableError), match=message):
            Labels(stage, task)


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
