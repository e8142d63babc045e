"""Deciding, planning and making the next stage; what must never happen to the old one."""

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from conftest import fill_stage, fingerprint_of

from imlcull_al import cull, tables
from imlcull_al.cull import Decision, apply, decide, make_plan
from imlcull_al.errors import Cancelled, CullRefused, StorageError
from imlcull_al.photos import content_id
from imlcull_al.project import Listing, Stage, list_photos


@pytest.fixture
def stage(tmp_path):
    fill_stage(tmp_path / "stage_1", warm=3, cold=3)
    (tmp_path / "stage_1" / "sub").mkdir()
    shutil.copy(tmp_path / "stage_1" / "warm_00.jpg", tmp_path / "stage_1" / "sub" / "warm, 'x'.jpg")
    for name in ("warm_00.xmp", "warm_00.CR2", "cold_00.xmp"):
        (tmp_path / "stage_1" / name).write_text(name)
    os.utime(tmp_path / "stage_1" / "warm_01.jpg", (1_000_000_000, 1_000_000_000.5))
    return Stage(tmp_path, 1)


@pytest.fixture
def plan(stage):
    listing = list_photos(stage)
    p_keep = {key: 0.9 if "warm" in key else 0.1 for key in listing.keys}
    return make_plan(stage, decide(p_keep, {}, {}), listing, 0.5, "a model")


def everything(project):
    """All files but the empty ones that hold locks."""
    files = (path for path in project.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(project).as_posix() for path in files)


def test_decisions_by_eye():
    p_keep = {"a": 0.5, "b": 0.49, "c": 0.9, "d": 0.1}
    decisions = decide(p_keep, {"c": "cull", "d": "keep", "u": "cull"}, {"e": "it is broken", "u": "it is broken"})
    assert decisions == [
        Decision("a", "keep", "score", 0.5),  # an exact tie is keep
        Decision("b", "cull", "score", 0.49),
        Decision("c", "cull", "label", 0.9),  # a label beats a score
        Decision("d", "keep", "label", 0.1),
        Decision("e", "keep", "unreadable: it is broken", None),
        Decision("u", "cull", "label", None),
    ]


def test_the_threshold_moves_scores_only():
    p_keep = {"a": 0.6, "b": 0.8, "c": 0.1}
    kept = [each.key for each in decide(p_keep, {"c": "keep"}, {}, threshold=0.7) if each.decision == "keep"]
    assert kept == ["b", "c"]


def test_companions_go_with_their_photo():
    listing = Listing(("a.jpg", "b.jpg"), {"a.jpg": ("a.CR2", "a.xmp"), "b.jpg": ("b.xmp",)}, {})
    plan = make_plan(Stage(None, 1), decide({"a.jpg": 1.0, "b.jpg": 0.0}, {}, {}), listing, 0.5, "m")
    assert plan.files == {"a.CR2": "companion of a.jpg", "a.jpg": "score", "a.xmp": "companion of a.jpg"}


def test_the_new_stage_holds_the_kept_photos_with_their_times(stage, plan):
    before = fingerprint_of(stage.folder)
    new = apply(plan)
    assert new.folder.name == "stage_2"
    made = fingerprint_of(new.folder)
    assert set(made) == {
        "sub/warm, 'x'.jpg", "warm_00.CR2", "warm_00.jpg", "warm_00.xmp", "warm_01.jpg", "warm_02.jpg"
    }  # fmt: skip
    assert made == {key: before[key] for key in made}  # bytes, times and modes
    assert fingerprint_of(stage.folder) == before


def test_the_manifest_is_as_written_down(stage, plan):
    new = apply(plan)
    columns, rows = tables.read(new.manifest)
    assert columns == ["image_name", "source", "content_id", "reason", "p_keep", "threshold", "model"]
    table = {row.values["image_name"]: row.values for row in rows}
    assert len(table) == 6
    assert table["sub/warm, 'x'.jpg"] == {
        "image_name": "sub/warm, 'x'.jpg",
        "source": "stage_1/sub/warm, 'x'.jpg",
        "content_id": content_id((new.folder / "sub" / "warm, 'x'.jpg").read_bytes()),
        "reason": "score",
        "p_keep": "0.9000",
        "threshold": "0.5",
        "model": "a model",
    }
    assert (table["warm_00.xmp"]["reason"], table["warm_00.xmp"]["p_keep"]) == ("companion of warm_00.jpg", "")


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_an_existing_next_stage_is_never_touched(stage, plan, kind):
    there = stage.next.folder
    if kind == "folder":
        there.mkdir()
        (there / "mine.jpg").write_text("mine")
    elif kind == "file":
        there.write_text("mine")
    else:
        there.symlink_to("nowhere")
    before = everything(stage.project)
    with pytest.raises(CullRefused, match=r"stage_2 exists already; nothing was changed\. Rename or move it away"):
        apply(plan)
    assert everything(stage.project) == before


def test_a_stage_that_appears_meanwhile_stays(stage, plan, monkeypatch):
    write = tables.write

    def and_another(path, *rest):
        write(path, *rest)
        stage.next.folder.mkdir()
        (stage.next.folder / "mine.jpg").write_text("mine")

    monkeypatch.setattr(cull.tables, "write", and_another)
    with pytest.raises(StorageError, match="stage_2"):
        apply(plan)
    assert everything(stage.next.folder) == ["mine.jpg"]


def leaves_no_trace(stage, plan, **options):
    before, files = fingerprint_of(stage.folder), everything(stage.project)
    with pytest.raises((StorageError, CullRefused, Cancelled, KeyboardInterrupt)) as caught:
        apply(plan, **options)
    assert everything(stage.project) == files
    assert sorted(path.name for path in stage.project.iterdir() if path.suffix != ".lock") == ["stage_1"]
    assert fingerprint_of(stage.folder) == before
    return str(caught.value)


def test_a_copy_that_differs_makes_no_stage(stage, plan, monkeypatch):
    copy = shutil.copy2

    def bad_copy(source, target):
        copy(source, target)
        if target.name == "warm_01.jpg":
            target.write_bytes(target.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(cull.shutil, "copy2", bad_copy)
    assert "differs from it; no stage was made" in leaves_no_trace(stage, plan)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_refuses_makes_no_stage(stage, plan, monkeypatch, code):
    def refuse(source, target):
        raise OSError(code, os.strerror(code), str(target))

    monkeypatch.setattr(cull.shutil, "copy2", refuse)
    message = leaves_no_trace(stage, plan)
    assert os.strerror(code) in message
    assert str(stage.project) in message


def test_ctrl_c_makes_no_stage(stage, plan, monkeypatch):
    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(cull.shutil, "copy2", interrupt)
    leaves_no_trace(stage, plan)


def test_stopped_makes_no_stage(stage, plan):
    asked = iter([False, False, True])
    assert "was not made" in leaves_no_trace(stage, plan, stop=lambda: next(asked))


def test_too_little_room_is_said_before_anything_is_copied(stage, plan, monkeypatch):
    monkeypatch.setattr(cull.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 5))
    assert "Make room, or use hard links" in leaves_no_trace(stage, plan)


def test_a_photo_that_vanished_makes_no_stage(stage, plan):
    (stage.folder / "warm_01.jpg").unlink()
    message = leaves_no_trace(stage, plan)
    assert "warm_01.jpg" in message


def test_what_a_killed_run_left_is_cleared(stage, plan):
    leftover = stage.project / ".imlcull-stage_2.partial"
    leftover.mkdir()
    (leftover / "half.jpg").write_text("half")
    apply(plan)
    assert not leftover.exists()
    assert "half.jpg" not in everything(stage.next.folder)


def test_the_manifest_of_a_stage_that_was_moved_away_is_set_aside(stage, plan):
    stage.next.manifest.write_text("an older one")
    apply(plan)
    (aside,) = stage.project.glob("stage_2_cull_manifest.csv.old-*")
    assert aside.read_text() == "an older one"


def test_labels_of_a_stage_that_was_moved_away_are_not_taken_for_the_new_ones(stage, plan):
    stage.next.labels.write_text("image_name,label\n")
    with pytest.raises(CullRefused, match=r"stage_2_cull_labels\.csv of an earlier stage_2"):
        apply(plan)


def test_two_culls_at_once_make_one_whole_stage(stage, plan):
    def attempt():
        try:
            return apply(plan).name
        except CullRefused as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: attempt(), range(4)))
    assert ends.count("stage_2") == 1
    assert sum("exists already" in end for end in ends) == 3
    assert len([path for path in stage.next.folder.rglob("*") if path.is_file()]) == len(plan.files)


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_names_that_the_disk_takes_for_one_make_no_stage(stage, plan, monkeypatch, link):
    """On a disk without upper and lower case `Warm_00.jpg` would replace `warm_00.jpg`."""
    shutil.copy(stage.path("cold_00.jpg"), stage.path("WARM_00.jpg"))
    plan = replace(plan, files={**plan.files, "WARM_00.jpg": "score"})
    place = cull._place

    def on_a_disk_without_case(source, target, link):
        return place(source, target.with_name(target.name.lower()), link)

    monkeypatch.setattr(cull, "_place", on_a_disk_without_case)
    with pytest.raises(CullRefused, match=r"takes the name of .*(WARM|warm)_00\.jpg"):
        apply(plan, link)
    assert not stage.next.folder.exists()
    assert not [name for name in everything(stage.project) if "stage_2" in name]


def test_a_photo_that_changes_while_it_is_copied_makes_no_stage(stage, plan, monkeypatch):
    copy = shutil.copy2

    def and_somebody_saves_it_meanwhile(source, target):
        if source.name == "warm_01.jpg":
            source.write_bytes(source.read_bytes() + b"edited")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copy2", and_somebody_saves_it_meanwhile)
    with pytest.raises(StorageError, match=r"warm_01\.jpg differs"):
        apply(plan)
    assert not stage.next.folder.exists()


def test_hard_links_share_the_file(stage, plan):
    new = apply(plan, "hardlink")
    assert (new.folder / "warm_01.jpg").samefile(stage.folder / "warm_01.jpg")


def test_a_file_system_without_the_link_says_so(stage, plan, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(cull, "_reflink", refuse)
    assert "makes no reflinks here. Use --link copy" in leaves_no_trace(stage, plan, link="reflink")


def test_nothing_to_keep_and_odd_options_are_refused(stage, plan):
    nothing = make_plan(stage, decide({"cold_00.jpg": 0.1}, {}, {}), list_photos(stage), 0.5, "m")
    assert "would be kept" in leaves_no_trace(stage, nothing)
    assert "no link kind symlink" in leaves_no_trace(stage, plan, link="symlink")
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(CullRefused, match="choose one between 0 and 1"):
            make_plan(stage, [], list_photos(stage), threshold, "m")


def test_undo_moves_the_new_stage_aside(stage, plan):
    new = apply(plan)
    made = fingerprint_of(new.folder)
    aside = cull.undo(new)
    assert fingerprint_of(aside) == made
    assert aside.name.startswith("stage_2.undone-")
    assert not new.folder.exists()
    assert not new.manifest.exists()
    assert apply(plan).folder.is_dir()


def test_a_stage_that_was_changed_is_not_undone(stage, plan):
    new = apply(plan)

    def refused(words):
        before = fingerprint_of(stage.project)
        with pytest.raises(CullRefused, match=words):
            cull.undo(new)
        assert fingerprint_of(stage.project) == before

    photo = new.folder / "warm_01.jpg"
    original = photo.read_bytes()
    photo.write_bytes(original + b"edited")
    refused(r"warm_01\.jpg was changed")
    photo.unlink()
    refused(r"warm_01\.jpg is missing")
    photo.write_bytes(original)
    (new.folder / "mine.jpg").write_text("mine")
    refused(r"mine\.jpg is new")
    (new.folder / "mine.jpg").unlink()
    new.labels.write_text("image_name,label\n")
    refused(r"stage_2_cull_labels\.csv was written")
    new.labels.unlink()
    new.manifest.unlink()
    refused(r"stage_2_cull_manifest\.csv is missing")
