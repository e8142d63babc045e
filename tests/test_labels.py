"""The labels CSV and the journal: formats by literal text, and who wins when they differ."""

import csv
import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlcull_al.errors import LabelsError, StorageError, TableError
from imlcull_al.project.journal import Answer, Given, Journal
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage


@pytest.fixture
def stage(tmp_path):
    (tmp_path / "stage_1").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "stage_1" / name).touch()
    return Stage(tmp_path, 1)


def later(path, seconds=10):
    """Make a file look written after everything else."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def journal_of(stage):
    """Its lines but the one that draws the order of the audit."""
    lines = [json.loads(line) for line in stage.journal.read_text().splitlines()]
    return [line for line in lines if line["do"] != "audit"]


def test_the_csv_is_as_written_down(stage):
    labels = Labels(stage)
    labels.answer("b.jpg", "cull")
    labels.answer('a, "b"\n.jpg', "keep")
    assert stage.labels.read_bytes() == b'image_name,label\nb.jpg,cull\n"a, ""b""\n.jpg",keep\n'


def test_the_journal_is_as_written_down(stage):
    labels = Labels(stage)
    labels.answer("b.jpg", "cull")
    labels.answer("b.jpg", "keep")
    labels.skip("ä.jpg")
    labels.undo()
    lines = stage.journal.read_text(encoding="utf-8").splitlines()
    at, seed = json.loads(lines[0])["at"], json.loads(lines[0])["seed"]
    assert lines[0] == (
        f'{{"v": 2, "at": "{at}", "do": "audit", "task": "cull", "key": "", "label": null, "before": null, '
        f'"queue": null, "source": null, "content": null, "seed": "{seed}", "table": null}}'
    )
    assert len(bytes.fromhex(seed)) == 16
    at = json.loads(lines[1])["at"]
    assert lines[1] == (
        f'{{"v": 2, "at": "{at}", "do": "answer", "task": "cull", "key": "b.jpg", "label": "cull", "before": null, '
        '"queue": null, "source": "api", "content": null, "table": null}'
    )
    assert at.endswith("+00:00")
    assert [(line["do"], line["key"], line["label"], line["before"]) for line in journal_of(stage)] == [
        ("answer", "b.jpg", "cull", None),
        ("answer", "b.jpg", "keep", "cull"),
        ("skip", "ä.jpg", None, None),
        ("undo", "ä.jpg", None, None),
    ]


def timeless(answers):
    return [each._replace(at="") for each in answers]


def test_a_step_is_undone_without_what_others_answered_before_it_since_or_in_between(stage):
    labels = Labels(stage)
    labels.answer("c.jpg", "keep")
    labels.answer_each({"a.jpg": "keep", "b.jpg": "cull", "c.jpg": "cull", "d.jpg": "cull"}, only_new=["c.jpg"])
    labels.answer("d.jpg", "keep")
    labels.answer("e.jpg", "cull")
    keys = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert [each.key for each in Labels(stage).undo_all(keys)] == ["b.jpg", "a.jpg"]
    assert Labels(stage).as_dict() == {"c.jpg": "keep", "d.jpg": "keep", "e.jpg": "cull"}
    assert labels.undo_all(["x.jpg"]) == []
    assert labels.undo_all([])[0].key == "e.jpg"


def test_answers_of_one_source_are_taken_back_where_they_still_stand(stage):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep", source="page")
    labels.answer_each({"a.jpg": "cull", "b.jpg": "keep", "c.jpg": "cull"}, source="import:xmp")
    labels.answer("b.jpg", "cull", source="page")
    assert labels.sources() == {"a.jpg": "import:xmp", "b.jpg": "page", "c.jpg": "import:xmp"}
    again = Labels(stage)
    assert timeless(again.take_back("import:xmp")) == [
        Answer("c.jpg", "cull", None), Answer("a.jpg", "cull", "keep", Given("page"))
    ]  # fmt: skip
    assert again.as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}
    assert again.sources() == {"a.jpg": "page", "b.jpg": "page"}
    assert (again.take_back("import:xmp"), Labels(stage).sources()) == ([], again.sources())
    again.undo("b.jpg")
    assert again.sources() == {"a.jpg": "page", "b.jpg": "import:xmp"}


def test_all_answers_of_one_source_to_a_photo_are_taken_back(stage):
    labels = Labels(stage)
    for label in ("cull", "keep"):
        labels.answer("a.jpg", label, source="import:xmp")
    assert [each.label for each in labels.take_back("import:xmp")] == ["keep", "cull"]
    assert (labels.as_dict(), Labels(stage).sources()) == ({}, {})


def test_what_a_sheet_said_outlives_other_answers_and_is_undone_with_its_own(stage):
    labels = Labels(stage)
    for label, queue in (("cull", "sheet"), ("keep", None), ("keep", "again"), ("cull", "files")):
        labels.answer("a.jpg", label, queue)
    for _ in range(2):  # with the last answer, and without it
        assert (labels.now().sheets, labels.now().again) == ({"a.jpg": "cull"}, {"a.jpg": "keep"})
        assert labels.undo().label
    assert (labels.now().sheets, labels.now().again) == ({"a.jpg": "cull"}, {})
    labels.undo()
    labels.undo()
    assert (labels.now().sheets, labels.as_dict()) == ({}, {})


def test_a_sheet_leaves_an_answer_alone_that_came_meanwhile(stage):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep", source="page")
    labels.answer_each({"a.jpg": "cull", "b.jpg": "cull"}, "sheet", only_new=["a.jpg"])
    assert labels.as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}
    assert labels.now().sheets == {"b.jpg": "cull"}


def test_undo_goes_back_to_the_first_answer_even_in_another_process(stage):
    labels = Labels(stage)
    for key, label in (("a.jpg", "keep"), ("b.jpg", "cull"), ("a.jpg", "cull")):
        labels.answer(key, label)
    again = Labels(stage)
    assert timeless([again.undo()]) == [Answer("a.jpg", "cull", "keep", Given("api"))]
    assert again.as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}
    assert timeless([again.undo(), again.undo()]) == [Answer("b.jpg", "cull", None), Answer("a.jpg", "keep", None)]
    assert again.undo() is None
    assert stage.labels.read_text() == "image_name,label\n"


def test_two_writers_share_one_journal(stage):
    first, second = Labels(stage), Labels(stage)
    first.answer("a.jpg", "keep")
    second.answer("b.jpg", "cull")
    first.answer("c.jpg", "keep")
    assert first.as_dict() == {"a.jpg": "keep", "b.jpg": "cull", "c.jpg": "keep"}
    second.refresh()
    assert second.as_dict() == first.as_dict() == Labels(stage).as_dict()


def test_many_writers_at_once_lose_nothing(stage):
    def work(number):
        labels = Labels(stage)  # each with its own view, as processes have
        for turn in range(5):
            labels.answer(f"{number}-{turn}.jpg", "keep" if turn % 2 else "cull")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    expected = {f"{number}-{turn}.jpg": "keep" if turn % 2 else "cull" for number in range(4) for turn in range(5)}
    assert Labels(stage).as_dict() == expected
    assert not [line for line in journal_of(stage) if line["do"] == "edit"]


def test_a_journal_that_was_taken_away_is_begun_again_from_the_csv(stage):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    stage.journal.unlink()
    labels.answer("b.jpg", "cull")
    assert labels.as_dict() == Labels(stage).as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}


def test_a_label_that_is_neither_is_refused(stage):
    with pytest.raises(LabelsError, match="neither keep nor cull"):
        Labels(stage).answer("a.jpg", "maybe")
    assert not stage.journal.exists()


def test_a_csv_without_a_journal_is_taken_over(stage):
    stage.labels.write_text("image_name,label\na.jpg,keep\n")
    labels = Labels(stage)
    assert labels.as_dict() == {"a.jpg": "keep"}
    assert [(line["do"], line["label"]) for line in journal_of(stage)] == [("edit", "keep")]
    assert labels.undo() is None  # it was no answer of this session


def test_a_journal_without_a_csv_writes_it_again(stage):
    Labels(stage).answer("a.jpg", "keep")
    stage.labels.unlink()
    assert Labels(stage).as_dict() == {"a.jpg": "keep"}
    assert stage.labels.read_text() == "image_name,label\na.jpg,keep\n"


@pytest.mark.parametrize("reopened", [True, False])
def test_an_edit_by_somebody_else_is_taken_over_and_recorded(stage, reopened):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    labels.answer("b.jpg", "cull")
    stage.labels.write_text("image_name,label\na.jpg,cull\nc.jpg,keep\n")
    later(stage.labels)
    if reopened:
        labels = Labels(stage)
    labels.refresh()
    assert labels.as_dict() == {"a.jpg": "cull", "c.jpg": "keep"}
    edits = {line["key"]: (line["label"], line["before"]) for line in journal_of(stage) if line["do"] == "edit"}
    assert edits == {"a.jpg": ("cull", "keep"), "b.jpg": (None, "cull"), "c.jpg": ("keep", None)}


@pytest.fixture
def answers_not_in_the_csv(stage, monkeypatch):
    """A stage with one answer in both files, and more in the journal alone, as a crash leaves it."""
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")

    def crash(*_):
        raise StorageError("a crash came between")

    def give(*answers):
        with monkeypatch.context() as patch:
            patch.setattr("imlcull_al.project.labels.replacing", crash)
            for key, label in answers:
                labels.answer(key, label)

    give.labels = labels
    return give


@pytest.mark.parametrize("step", [0, 3600, -3600])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_csv_that_a_crash_left_behind_is_no_edit(stage, answers_not_in_the_csv, lost, step):
    """Whatever the clock did meanwhile."""
    answers_not_in_the_csv(*[("b.jpg", "cull"), ("c.jpg", "keep")][:lost])
    later(stage.journal, step)
    again = Labels(stage)
    assert list(again.as_dict()) == ["a.jpg", "b.jpg", "c.jpg"][: lost + 1]
    assert "b.jpg,cull" in stage.labels.read_text()
    assert not [line for line in journal_of(stage) if line["do"] == "edit"]


def test_a_journal_that_notes_nothing_of_the_csv_goes_by_the_times(stage):
    Labels(stage).answer("a.jpg", "keep")
    text = stage.labels.read_text()
    Labels(stage).answer("b.jpg", "cull")
    lines = [{key: line[key] for key in line if key != "table"} for line in map(json.loads, stage.journal.open())]
    stage.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stage.labels.write_text(text)
    later(stage.labels, -20)
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}


@pytest.mark.parametrize("step", [0, -3600])
def test_a_row_deleted_by_hand_stays_deleted_and_is_kept_aside(stage, step):
    """Though the CSV is then as it once was, and even if the clock was set back."""
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    text = stage.labels.read_text()
    labels.answer("b.jpg", "cull")
    whole = stage.labels.read_text()
    later(stage.labels, step)
    stage.labels.write_text(text)
    later(stage.labels, step + 1)
    assert Labels(stage).as_dict() == {"a.jpg": "keep"}
    (kept,) = stage.project.glob("stage_1_cull_labels.csv.before-edit-*")
    assert kept.read_text() == whole


UNREADABLE = {
    "other columns": b"file,verdict\na.jpg,keep\n",
    "no text": bytes(range(256)),
    "half of it zeros": b"image_name,label\na.j" + bytes(40),
    "an open quote": b'image_name,label\n"a.jpg,keep\n',
    "too many fields": b"image_name,label\na,b.jpg,keep\n",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("reopened", [True, False])
def test_a_csv_that_became_unreadable_is_set_aside_and_rebuilt(stage, content, reopened, caplog):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    whole = stage.labels.read_bytes()
    stage.labels.write_bytes(content)
    later(stage.labels)
    if reopened:
        labels = Labels(stage)
    labels.refresh()
    assert labels.as_dict() == {"a.jpg": "keep"}
    assert stage.labels.read_bytes() == whole
    (aside,) = stage.project.glob("stage_1_cull_labels.csv.unreadable-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text
    labels.answer("b.jpg", "cull")
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}


def test_a_torn_last_line_is_passed_over_and_the_next_answer_is_whole(stage, caplog):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    with stage.journal.open("ab") as file:
        file.write(b'{"v": 1, "do": "answer", "key": "b.j')
    again = Labels(stage)
    assert again.as_dict() == {"a.jpg": "keep"}
    again.answer("c.jpg", "cull")
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "c.jpg": "cull"}
    assert "not an event" in caplog.text


@pytest.mark.parametrize(
    "line", ["garbage", "[]", '{"v": 1}', '{"v": 1, "do": "answer", "key": "b.jpg", "label": "maybe", "before": null}']
)
def test_a_line_that_is_no_event_is_passed_over(stage, line):
    Labels(stage).answer("a.jpg", "keep")
    with stage.journal.open("a") as file:
        file.write(line + "\n")
    assert Journal(stage.journal).state.labels == {"a.jpg": "keep"}


def test_a_line_that_repeats_the_one_before_it_counts_once(stage):
    """Whether it is read with the others or comes later: one undo takes the answer back."""
    Labels(stage).answer("a.jpg", "keep")
    running = Labels(stage)
    lines = stage.journal.read_text()
    stage.journal.write_text(lines + lines.splitlines(keepends=True)[-1])
    for labels in (running, Labels(stage)):
        labels.refresh()
        assert len(labels._journal.state.undoable) == 1
    running.undo()
    assert running.undo() is None


def test_an_answer_that_the_disk_refuses_is_none_after_the_next_start(stage, monkeypatch):
    """Though its line was written before the flush failed."""
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    before = stage.journal.read_bytes()

    def refuse(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("imlcull_al.project.journal.sync", refuse)
        with pytest.raises(StorageError, match=r"Could not write .*journal"):
            labels.answer("b.jpg", "cull")
    assert stage.journal.read_bytes() == before
    labels.answer("c.jpg", "keep")
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "c.jpg": "keep"}


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_fsync_takes_answers_all_the_same(stage, monkeypatch, code):
    def no_such_call(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", no_such_call)
    Labels(stage).answer("a.jpg", "keep")
    assert Labels(stage).as_dict() == {"a.jpg": "keep"}


def test_a_journal_of_a_newer_version_is_not_guessed_at(stage):
    stage.journal.write_text('{"v": 3, "do": "answer"}\n')
    with pytest.raises(LabelsError, match=r"newer imlcull \(3\)\. Update this one"):
        Labels(stage)


@pytest.mark.parametrize(
    "change",
    [{"do": "rate"}, {"label": "maybe"}, {"task": "birds"}, {"content": 7}, {"do": "photos"}, {"key": None}],
    ids=str,
)
def test_a_whole_line_of_this_version_that_is_unknown_is_refused(stage, change):
    """Passing over it could lose an answer; only a damaged line or one of version 1 is skipped."""
    Labels(stage).answer("a.jpg", "keep")
    line = json.loads(stage.journal.read_text().splitlines()[-1])
    with stage.journal.open("a") as file:
        file.write(json.dumps({**line, **change}) + "\n")
    before = stage.journal.read_bytes()
    with pytest.raises(LabelsError, match="newer imlcull may have written it"):
        Labels(stage)
    assert stage.journal.read_bytes() == before


def test_version_1_is_read_and_stays_as_it_is(stage):
    lines = (
        '{"v": 1, "at": "2026-11-21T10:00:00.000+00:00", "do": "audit", "key": "", "label": null, "before": null, '
        '"queue": null, "seed": "00112233445566778899aabbccddeeff", "table": null}\n'
        '{"v": 1, "at": "2026-11-21T10:00:01.000+00:00", "do": "answer", "key": "a.jpg", "label": "keep", '
        '"before": null, "queue": "audit", "table": null}\n'
        '{"v": 1, "at": "2026-11-21T10:00:02.000+00:00", "do": "skip", "key": "b.jpg", "label": null, '
        '"before": null, "queue": null, "table": [28, 1]}\n'
    )
    stage.journal.write_text(lines)
    labels = Labels(stage)
    assert labels.as_dict() == {"a.jpg": "keep"}
    assert labels.answered() == {"a.jpg": "", "b.jpg": ""}
    assert (labels.now().audited, labels.now().skipped) == ({"a.jpg"}, ("b.jpg",))
    labels.answer("c.jpg", "cull", "files", "page", "00" * 16)
    added = stage.journal.read_text().removeprefix(lines)
    assert [json.loads(line)["v"] for line in added.splitlines()] == [2]
    assert Labels(stage).answered() == {"a.jpg": "", "b.jpg": "", "c.jpg": "00" * 16}


def test_the_tag_dialect_is_read_and_its_tags_survive(stage):
    stage.labels.write_text("image_path,label,tag\nstage_1/a.jpg,0,user\nb.jpg,1,odd tag\n")
    labels = Labels(stage)
    assert labels.as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}
    labels.answer("c.jpg", "cull")
    labels.answer("b.jpg", "keep")
    assert stage.labels.read_text() == "image_path,label,tag\nstage_1/a.jpg,0,user\nb.jpg,0,odd tag\nc.jpg,1,\n"
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "b.jpg": "keep", "c.jpg": "cull"}


def test_a_byte_order_mark_and_crlf_are_accepted(stage):
    stage.labels.write_bytes(b"\xef\xbb\xbfimage_name,label\r\na.jpg,Keep\r\n\r\nb.jpg,cull\r\n")
    assert Labels(stage).as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}


def test_absolute_paths_into_the_stage_are_keys(stage):
    stage.labels.write_text(f"image_name,label\n{stage.folder / 'a.jpg'},keep\n")
    assert Labels(stage).as_dict() == {"a.jpg": "keep"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_name,label\na.jpg,maybe\n", r"line 2: the label 'maybe' of a\.jpg is neither keep nor cull"),
        ("image_name,label\na.jpg,keep\nb.jpg,cull\na.jpg,cull\n", r"gives a\.jpg two labels, on lines 2 and 4"),
        ("image_path,label,tag\na.jpg,2,\n", "neither 0 nor 1"),
    ],
)
def test_what_has_no_safe_reading_is_refused_and_left_alone(stage, text, message):
    stage.labels.write_text(text)
    with pytest.raises(LabelsError, match=message):
        Labels(stage)
    assert stage.labels.read_text() == text


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_csv_that_is_no_table_is_left_alone_while_there_is_nothing_to_rebuild_it_from(stage, content):
    stage.labels.write_bytes(content)
    with pytest.raises(TableError):
        Labels(stage)
    assert stage.labels.read_bytes() == content


def test_no_name_is_a_formula_to_a_spreadsheet(stage):
    """Nor becomes one where fields are parted by semicolons or tabs; and each is found again under its own name."""
    names = ["=1+1.jpg", "+1.jpg", "-1.jpg", "@x.jpg", "\t=1.jpg", "a;=1.jpg", "a\t=1.jpg", "'=1.jpg", 'a";=1.jpg']
    labels = Labels(stage)
    labels.answer_all(names, "keep")
    text = stage.labels.read_text()
    for delimiter in ",;\t":
        cells = [cell for row in csv.reader(text.splitlines(), delimiter=delimiter) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    stage.journal.unlink()
    assert list(Labels(stage).as_dict()) == names


def test_a_csv_that_cant_be_written_costs_no_answer(stage, monkeypatch, caplog):
    def refuse(path):
        raise StorageError(f"Could not write {path}: no space.")

    labels = Labels(stage)
    with monkeypatch.context() as patch:
        patch.setattr("imlcull_al.project.labels.replacing", refuse)
        labels.answer("a.jpg", "keep")
        labels.answer("b.jpg", "cull")
    assert "answers are safe in" in caplog.text
    assert labels.as_dict() == {"a.jpg": "keep", "b.jpg": "cull"}
    labels.refresh()
    assert stage.labels.read_text() == "image_name,label\na.jpg,keep\nb.jpg,cull\n"


def test_the_order_of_the_audit_is_drawn_once_for_all(stage):
    labels = Labels(stage)
    drawn = labels.now().seed
    labels.answer("a.jpg", "keep")
    labels.answer("b.jpg", "keep")
    assert labels.now().seed == Labels(stage).now().seed == drawn
    assert stage.journal.read_text().count('"do": "audit"') == 1
    other = stage.__class__(stage.project.parent / "other", 1)
    other.folder.mkdir(parents=True)
    assert Labels(other).now().seed != drawn


def test_a_photo_whose_first_answer_was_the_audits_never_trains(stage):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep", "audit")
    labels.answer("b.jpg", "keep", "uncertain")
    labels.answer("c.jpg", "cull")
    labels.answer("a.jpg", "cull", "disagreements")  # changed later, and known as audited still
    labels.answer("b.jpg", "cull", "audit")  # the scores were fitted on it before
    assert labels.now().audited == {"a.jpg"}
    assert labels.now().training == {"b.jpg": "cull", "c.jpg": "cull"}
    labels.undo("a.jpg")
    labels.undo("a.jpg")
    assert labels.now().audited == frozenset()  # it has no answer
    labels.answer("a.jpg", "keep", "uncertain")
    assert Labels(stage).now().audited == {"a.jpg"}  # a check that was taken back stays one


def test_an_edit_of_a_csv_that_lags_behind_removes_no_answer_from_it(stage, answers_not_in_the_csv):
    """Whoever edited it found no such row; with this process, and with another that has looked meanwhile."""
    answers_not_in_the_csv(("b.jpg", "cull"))
    with stage.labels.open("a") as file:
        file.write("c.jpg,keep\n")
    later(stage.labels)
    assert answers_not_in_the_csv.labels.refresh()
    assert answers_not_in_the_csv.labels.as_dict() == {"a.jpg": "keep", "b.jpg": "cull", "c.jpg": "keep"}
    assert set(stage.labels.read_text().splitlines()[1:]) == {"a.jpg,keep", "b.jpg,cull", "c.jpg,keep"}


def test_an_editor_that_empties_the_file_and_then_writes_it_loses_nothing(stage):
    """Answers are given in between."""
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    with stage.labels.open("w") as file:
        labels.refresh()
        labels.answer("b.jpg", "cull")
        file.write("image_name,label\na.jpg,cull\nb.jpg,cull\n")
    labels.refresh()
    assert labels.as_dict() == {"a.jpg": "cull", "b.jpg": "cull"}
    assert Labels(stage).as_dict() == labels.as_dict()


def test_an_edit_between_the_last_look_and_the_write_is_taken_over(stage, monkeypatch):
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    render = labels._as_csv

    def somebody_saves_meanwhile():
        text = render()
        stage.labels.write_text("image_name,label\na.jpg,cull\n")
        later(stage.labels)
        return text

    with monkeypatch.context() as patch:
        patch.setattr(labels, "_as_csv", somebody_saves_meanwhile)
        labels.answer("b.jpg", "keep")
    labels.refresh()
    assert labels.as_dict() == {"a.jpg": "cull", "b.jpg": "keep"}
    assert Labels(stage).as_dict() == {"a.jpg": "cull", "b.jpg": "keep"}


def test_an_earlier_csv_that_is_put_back_is_an_edit(stage, tmp_path):
    """With the time it had, as `cp -p` does: the answers since are kept aside."""
    labels = Labels(stage)
    labels.answer("a.jpg", "keep")
    shutil.copy2(stage.labels, tmp_path / "copy.csv")
    labels.answer("b.jpg", "cull")
    shutil.copy2(tmp_path / "copy.csv", stage.labels)
    labels.refresh()
    assert labels.as_dict() == {"a.jpg": "keep"}
    (kept,) = stage.project.glob("stage_1_cull_labels.csv.before-edit-*")
    assert "b.jpg,cull" in kept.read_text()


def test_columns_without_a_name_at_the_end_are_dropped_and_two_of_one_name_refused(stage):
    stage.labels.write_text("image_name,label,,\na.jpg,keep,,\n")
    assert Labels(stage).as_dict() == {"a.jpg": "keep"}
    stage.journal.unlink()
    stage.labels.write_text("image_name,label,mine,mine\na.jpg,keep,1,2\n")
    with pytest.raises(TableError, match="more than one column 'mine'"):
        Labels(stage)


def test_a_skip_of_another_program_is_seen(stage):
    mine, hers = Labels(stage), Labels(stage)
    hers.skip("a.jpg")
    assert mine.refresh()
    assert mine.now().skipped == ("a.jpg",)
    assert not mine.refresh()
