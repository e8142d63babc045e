"""Which photo an answer belongs to: by arithmetic on names and bytes, and in a project whose files are renamed."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import fill_stage, save_photo

from imlcull_al import open_session
from imlcull_al.photos import read as photos
from imlcull_al.project.identity import Settled, are_astray, in_words, opposites, settle
from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage


def settled(bound, labels, present, waiting=(), edited=()):
    return settle(bound, labels, present, waiting, lambda key: key in edited)


class TestArithmetic:
    def test_an_answer_that_has_its_bytes_stays(self):
        assert not settled({"a": "1", "b": "2"}, {"a": "keep", "b": "cull"}, {"a": "1", "b": "2", "c": "3"})

    def test_an_answer_without_bytes_is_bound_to_those_of_its_name(self):
        assert settled({"a": "", "gone": ""}, {"a": "keep"}, {"a": "1"}) == Settled(contents={"a": "1"})

    def test_bytes_take_their_answers_along(self):
        """b is deleted, c becomes b, d becomes c."""
        bound = {"a": "1", "b": "2", "c": "3", "d": "4"}
        labels = {"a": "keep", "b": "cull", "c": "keep", "d": "cull"}
        found = settled(bound, labels, {"a": "1", "b": "3", "c": "4"}, edited="abcd")
        assert found == Settled(moved=[("c", "b"), ("d", "c")], away=["b"])

    def test_two_names_are_swapped(self):
        found = settled({"a": "1", "b": "2"}, {"a": "keep", "b": "cull"}, {"a": "2", "b": "1"})
        assert found == Settled(moved=[("a", "b"), ("b", "a")])

    def test_an_edited_photo_keeps_its_answer(self):
        assert settled({"a": "1"}, {"a": "cull"}, {"a": "9"}, edited="a") == Settled(contents={"a": "9"}, edited=["a"])

    def test_another_photo_under_the_name_has_no_answer(self):
        assert settled({"a": "1"}, {"a": "cull"}, {"a": "9"}) == Settled(away=["a"])

    def test_a_copy_of_another_answered_photo_over_it_is_no_edit(self):
        found = settled({"a": "1", "b": "2"}, {"a": "cull", "b": "keep"}, {"a": "2", "b": "2"}, edited="a")
        assert found == Settled(away=["a"])

    def test_a_missing_photo_keeps_its_answer(self):
        assert not settled({"a": "1"}, {"a": "cull"}, {"b": "2"})

    def test_an_answer_that_waits_comes_back_with_its_bytes(self):
        assert settled({}, {}, {"z": "1"}, ["1", "2"]) == Settled(back={"1": "z"})
        assert not settled({"z": ""}, {"z": "keep"}, {"z": "1"}, ["1"]).back, "it has an answer of its own"

    def test_copies_of_a_renamed_photo_all_have_its_answer(self):
        found = settled({"a": "1"}, {"a": "cull"}, {"x": "1", "y": "1"})
        assert found == Settled(moved=[("a", "x"), ("a", "y")])

    def test_a_copy_beside_the_photo_is_not_answered(self):
        assert not settled({"a": "1"}, {"a": "cull"}, {"a": "1", "copy": "1"})

    def test_opposite_answers_to_the_same_bytes_are_not_guessed_at(self):
        labels = {"a": "keep", "b": "cull"}
        assert settled({"a": "1", "b": "1"}, labels, {"x": "1"}) == Settled(unclear=["x"])
        assert opposites({"a": "1", "b": "1", "c": "2"}, {**labels, "c": "keep"}) == [["a", "b"]]
        assert opposites({"a": "1", "b": "1"}, {"a": "keep", "b": "keep"}) == []

    def test_only_known_bytes_can_be_astray(self):
        assert not are_astray({"a": "", "b": "2"}, {"b": "2"})
        assert are_astray({"b": "2"}, {})
        assert are_astray({"b": "2"}, {"b": "3"})

    def test_what_a_person_is_told(self):
        assert in_words(Settled(contents={"a": "1"})) == ""
        moved = [(f"{place}.jpg", f"{place + 1}.jpg") for place in range(6)]
        assert in_words(Settled(moved=moved)) == (
            "Photos were renamed, and their answers went with them: 0.jpg is 1.jpg, 1.jpg is 2.jpg, 2.jpg is 3.jpg, "
            "3.jpg is 4.jpg and 2 more."
        )
        assert (
            in_words(Settled(away=["a"]))
            == "The photos that had these names are gone, and their answers wait for them: a."
        )
        assert "Edited since the answer, which stays: a." in in_words(Settled(edited=["a"]))
        assert in_words(Settled(), [["a", "b"]]) == "Copies of one photo with different answers: a, b."


@pytest.fixture
def folder(tmp_path):
    return fill_stage(tmp_path / "project" / "stage_1", warm=4, cold=4)


@pytest.fixture
def opened(folder, cache_dir):
    """Opens the project anew, as the next start of the program does."""
    return lambda: open_session(folder.parent, model="builtin", cache_dir=cache_dir)


def test_renumbered_photos_keep_their_answers(folder, opened):
    session = opened()
    for number, label in enumerate(("keep", "cull", "keep", "cull")):
        session.answer(f"cold_{number:02}.jpg", label)
    session.skip("warm_00.jpg")
    (folder / "cold_01.jpg").unlink()
    (folder / "cold_02.jpg").rename(folder / "cold_01.jpg")
    (folder / "cold_03.jpg").rename(folder / "cold_02.jpg")
    session = opened()
    assert session.labels() == {"cold_00.jpg": "keep", "cold_01.jpg": "keep", "cold_02.jpg": "cull"}
    assert session.standing().answers.skipped == ("warm_00.jpg",)
    rows = (folder.parent / "stage_1_cull_labels.csv").read_text().splitlines()
    assert rows == ["image_name,label", "cold_00.jpg,keep", "cold_01.jpg,keep", "cold_02.jpg,cull"]
    assert "cold_02.jpg is cold_01.jpg" in session.news
    assert session.labels() == opened().labels()


def test_labels_of_a_file_are_bound_at_the_first_look(folder, opened):
    names = sorted(path.name for path in folder.iterdir())
    taste = {name: "keep" if number % 2 else "cull" for number, name in enumerate(names)}
    rows = "".join(f"{name},{label}\n" for name, label in taste.items())
    (folder.parent / "stage_1_cull_labels.csv").write_text("image_name,label\n" + rows)
    opened()
    for name in names:
        (folder / name).rename(folder / f"2026 {name}")
    assert opened().labels() == {f"2026 {name}": label for name, label in taste.items()}


@pytest.mark.parametrize("is_cached", [True, False])
def test_an_unlabeled_photo_that_gets_the_name_of_an_answered_one_has_no_answer(folder, opened, cache_dir, is_cached):
    session = opened()
    session.answer("warm_00.jpg", "cull")
    (folder / "warm_00.jpg").rename(folder.parent / "away.jpg")
    (folder / "warm_01.jpg").rename(folder / "warm_00.jpg")
    if not is_cached:  # what is left is the file's time, which is older than the answer
        shutil.rmtree(cache_dir)
        os.utime(folder / "warm_00.jpg", (1_700_000_000, 1_700_000_000))
    session = opened()
    assert session.labels() == {}
    assert "had these names are gone, and their answers wait for them: warm_00.jpg." in session.news
    (folder.parent / "away.jpg").rename(folder / "back.jpg")
    session = opened()
    assert session.labels() == {"back.jpg": "cull"}
    assert "Photos that are back, with their answers: back.jpg." in session.news


def test_an_edited_photo_keeps_its_answer(folder, opened):
    session = opened()
    session.answer("warm_00.jpg", "cull")
    save_photo(folder / "warm_00.jpg", (10, 10, 10))
    session = opened()
    assert session.labels() == {"warm_00.jpg": "cull"}
    assert "Edited since the answer, which stays: warm_00.jpg." in session.news
    assert opened().news == ""


def test_an_edit_that_keeps_the_time_is_one_too(folder, opened):
    """As exiftool -P does: the file is the same, and no other photo ever had these bytes."""
    os.utime(folder / "warm_00.jpg", (1_700_000_000, 1_700_000_000))
    session = opened()
    session.answer("warm_00.jpg", "cull")
    (folder / "warm_00.jpg").write_bytes((folder / "warm_00.jpg").read_bytes() + b"edited")
    os.utime(folder / "warm_00.jpg", (1_700_000_000, 1_700_000_000))
    assert opened().labels() == {"warm_00.jpg": "cull"}


def test_a_photo_that_is_renamed_while_the_page_is_open(folder, opened):
    session = opened()
    session.answer("warm_00.jpg", "cull", "audit")
    (folder / "warm_00.jpg").rename(folder / "z.jpg")
    assert session.follow_disk()
    session.prepare()
    answers = session.standing().answers
    assert (answers.labels, answers.audited) == ({"z.jpg": "cull"}, {"z.jpg"})
    assert session.undo().key == "z.jpg"
    assert session.labels() == {}


def test_answers_given_before_the_photos_are_read_are_bound_once_they_are(folder, cache_dir):
    session = open_session(folder.parent, model="builtin", cache_dir=cache_dir, prepare=False)
    session.answer_all(["warm_00.jpg", "warm_01.jpg"], "keep")
    assert set(session._labels.answered().values()) == {""}
    session.answer("cold_00.jpg", "cull")
    assert len(session._labels.answered()["cold_00.jpg"]) == 32
    session.prepare()
    assert all(session._labels.answered().values())


def test_copies_with_opposite_answers_are_named(folder, opened):
    shutil.copy(folder / "warm_00.jpg", folder / "copy.jpg")
    session = opened()
    session.answer("warm_00.jpg", "keep")
    session.answer("copy.jpg", "cull")
    assert "Copies of one photo with different answers: warm_00.jpg, copy.jpg." in opened().news
    assert opened().labels() == {"warm_00.jpg": "keep", "copy.jpg": "cull"}
    (folder / "warm_00.jpg").rename(folder / "x.jpg")
    (folder / "copy.jpg").rename(folder / "y.jpg")
    told = "Answered in opposite ways under names that are gone: x.jpg, y.jpg. Answer again."
    assert opened().news.partition(" ")[2] == told  # and not that copies which are gone differ


def test_only_changed_files_are_read(folder, opened, monkeypatch):
    session = opened()
    session.answer("warm_00.jpg", "cull")
    (folder / "warm_00.jpg").rename(folder / "a.jpg")
    (folder / "cold_00.jpg").rename(folder / "b.jpg")
    read = []
    identify = photos.identify
    monkeypatch.setattr(photos, "identify", lambda path: read.append(Path(path).name) or identify(path))
    opened()
    assert set(read) == {"a.jpg", "b.jpg"}


def test_other_columns_of_a_row_go_with_the_photo(folder, opened):
    csv = folder.parent / "stage_1_cull_labels.csv"
    csv.write_text("image_path,label,tag\nstage_1/warm_00.jpg,1,sharp\n")
    opened()
    (folder / "warm_00.jpg").rename(folder / "z.jpg")
    opened()
    assert csv.read_text() == "image_path,label,tag\nz.jpg,1,sharp\n"
    assert Labels(Stage(folder.parent, 1)).as_dict() == {"z.jpg": "cull"}


def test_renamed_checks_still_measure(folder, opened):
    """They keep their place in the random order, so the run of checks that counts is not broken."""
    session = opened()
    for name, label in (("warm_00.jpg", "keep"), ("cold_00.jpg", "cull"), ("warm_01.jpg", "keep")):
        session.answer(name, label, "files")
    for photo in session.offer("me", "audit", 4):
        session.answer(photo.key, "keep" if "warm" in photo.key else "cull", "audit")
    before = session.promise()
    for key in session.standing().answers.audited:
        (folder / key).rename(folder / f"z {key}")
    after = opened().promise()
    assert after.measures == before.measures
    assert after.certificate.share_lost == before.certificate.share_lost
    assert after.measures.accuracy.trials == 4


def test_an_answer_on_the_page_reads_no_file(folder, opened, monkeypatch):
    session = opened()
    session.remember_contents()
    monkeypatch.setattr(photos, "identify", lambda path: pytest.fail(f"{path} was read"))
    session.answer("warm_00.jpg", "keep")
    session.answer_all(["warm_01.jpg", "warm_02.jpg"], "keep")
    assert all(session._labels.answered().values())


def test_a_photo_that_can_not_be_read_now_keeps_its_answer():
    found = settled({"a": "1"}, {"a": "keep"}, {"a": "", "copy": "1"}, edited="a")
    assert not found
    assert not are_astray({"a": "1"}, {"a": ""})


def test_opposite_answers_that_went_away_do_not_come_back(folder, opened):
    shutil.copy(folder / "warm_00.jpg", folder / "copy.jpg")
    session = opened()
    session.answer("warm_00.jpg", "keep")
    session.answer("copy.jpg", "cull")
    (folder / "warm_00.jpg").rename(folder / "new.jpg")
    (folder / "copy.jpg").unlink()
    (folder / "warm_01.jpg").rename(folder / "warm_00.jpg")
    (folder / "warm_02.jpg").rename(folder / "copy.jpg")
    assert opened().labels() == opened().labels() == {}


def test_columns_of_swapped_photos_are_swapped_too(folder, opened):
    csv = folder.parent / "stage_1_cull_labels.csv"
    csv.write_text("image_name,label,note\nwarm_00.jpg,keep,first\nwarm_01.jpg,cull,second\n")
    opened()
    (folder / "warm_00.jpg").rename(folder / "x")
    (folder / "warm_01.jpg").rename(folder / "warm_00.jpg")
    (folder / "x").rename(folder / "warm_01.jpg")
    opened()
    assert csv.read_text() == "image_name,label,note\nwarm_01.jpg,keep,first\nwarm_00.jpg,cull,second\n"


def test_an_edit_that_a_hard_linked_stage_knows_already_is_one(folder, opened, cache_dir):
    session = opened()
    for key in session.listing.keys:
        session.answer(key, "keep", "files")
    session.cull(link="hardlink")
    (folder / "warm_00.jpg").write_bytes((folder / "warm_00.jpg").read_bytes() + b"edited")
    assert opened().stage.number == 2
    first = open_session(folder.parent, 1, "builtin", cache_dir)
    assert first.labels()["warm_00.jpg"] == "keep"


def test_a_skip_follows_the_photo_too(folder, opened):
    session = opened()
    session.skip("warm_00.jpg")
    (folder / "warm_00.jpg").rename(folder / "z.jpg")
    assert opened().standing().answers.skipped == ("z.jpg",)
