"""Deciding, planning and making the next stage; what must never happen to the old one."""

import errno
import hashlib
import io
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WARM, fill_stage, fingerprint_of, save_upright, turn_in_place

from imlcull_al.culling import copies, make, undo
from imlcull_al.culling.make import make_stage
from imlcull_al.culling.plan import Decision, decide, make_plan, told
from imlcull_al.errors import Cancelled, CullRefused, StorageError
from imlcull_al.photos.read import content_id
from imlcull_al.project import tables
from imlcull_al.project.listing import Listing, list_photos
from imlcull_al.project.originals import open_inside
from imlcull_al.project.stages import Stage


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
    new = make_stage(plan)
    assert new.folder.name == "stage_2"
    made = fingerprint_of(new.folder)
    assert set(made) == {
        "sub/warm, 'x'.jpg", "warm_00.CR2", "warm_00.jpg", "warm_00.xmp", "warm_01.jpg", "warm_02.jpg"
    }  # fmt: skip
    assert made == {key: before[key] for key in made}  # bytes, times and modes
    assert fingerprint_of(stage.folder) == before


def test_the_manifest_is_as_written_down(stage, plan):
    new = make_stage(plan)
    content = content_id((new.folder / "sub" / "warm, 'x'.jpg").read_bytes())
    lines = new.manifest.read_text().splitlines()
    assert lines[0] == "image_name,source,content_id,reason,p_keep,threshold,model,decision"
    assert f"\"sub/warm, 'x'.jpg\",\"stage_1/sub/warm, 'x'.jpg\",{content},score,0.9000,0.5,a model,keep" in lines
    assert "cold_01.jpg,stage_1/cold_01.jpg,,score,0.1000,0.5,a model,cull" in lines


def test_the_manifest_is_the_log_of_every_decision(stage):
    (stage.folder / "old.mov").write_text("a movie")
    listing = list_photos(stage)
    p_keep = {key: 0.9 if "warm" in key else 0.1 for key in listing.keys}
    decisions = decide(p_keep, {"warm_02.jpg": "cull", "cold_02.jpg": "keep"}, {"sub/warm, 'x'.jpg": "it is broken"})
    rows = tables.read(make_stage(make_plan(stage, decisions, listing, 0.5, "m")).manifest)[1]
    assert [tuple(row.values[name] for name in ("image_name", "decision", "reason", "p_keep")) for row in rows] == [
        ("cold_00.jpg", "cull", "score", "0.1000"),
        ("cold_00.xmp", "cull", "companion of cold_00.jpg", ""),
        ("cold_01.jpg", "cull", "score", "0.1000"),
        ("cold_02.jpg", "keep", "label", "0.1000"),
        ("old.mov", "left out", "it is a movie without a photo of its name", ""),
        ("sub/warm, 'x'.jpg", "keep", "score", "0.9000"),
        ("warm_00.CR2", "keep", "companion of warm_00.jpg", ""),
        ("warm_00.jpg", "keep", "score", "0.9000"),
        ("warm_00.xmp", "keep", "companion of warm_00.jpg", ""),
        ("warm_01.jpg", "keep", "score", "0.9000"),
        ("warm_02.jpg", "cull", "label", "0.9000"),
    ]
    assert {row.values["image_name"] for row in rows if row.values["content_id"]} == set(everything(stage.next.folder))


def test_a_manifest_without_decisions_names_files_that_were_kept(stage, plan):
    new = make_stage(plan)
    columns, rows = tables.read(new.manifest)
    kept = [row.values for row in rows if row.values["decision"] == "keep"]
    tables.write(new.manifest, columns[:-1], kept)
    assert undo.changes_since_cull(new) == []
    new.path("warm_00.CR2").unlink()
    assert undo.changes_since_cull(new) == ["warm_00.CR2 is missing"]


SHARED = Listing(
    ("a.HEIC", "a.JPG", "b.JPG", "c.JPG"),
    {"a.HEIC": ("a.NEF",), "a.JPG": ("a.NEF",), "b.JPG": ("b.xmp",), "c.JPG": ("c.NEF", "c.xmp")},
    {},
)


def test_a_raw_of_two_photos_is_kept_with_either():
    decisions = decide({"a.HEIC": 0.0, "a.JPG": 1.0, "b.JPG": 0.0, "c.JPG": 0.0}, {}, {})
    plan = make_plan(Stage(None, 1), decisions, SHARED, 0.5, "m")
    assert plan.files == {"a.JPG": "score", "a.NEF": "companion of a.JPG"}
    assert plan.stays == {
        "b.xmp": "companion of b.JPG",
        "c.NEF": "companion of c.JPG",
        "c.xmp": "companion of c.JPG",
    }
    assert told(plan) == [
        "3 companion files stay behind with culled photos: 'b.xmp', 'c.NEF', 'c.xmp'.",
        "1 companion file belongs to several photos and is kept if one of them is: 'a.NEF' ('a.HEIC', 'a.JPG').",
    ]


def test_where_nothing_stays_and_nothing_is_shared_nothing_is_told(stage):
    listing = list_photos(stage)
    assert told(make_plan(stage, decide(dict.fromkeys(listing.keys, 1.0), {}, {}), listing, 0.5, "m")) == []


def unopened(monkeypatch, stage, *keys, code=errno.EACCES):
    real, access = copies.open_inside, os.access

    def open_inside(folder, name):
        if name in keys:
            raise OSError(code, os.strerror(code), name)
        return real(folder, name)

    monkeypatch.setattr(copies, "open_inside", open_inside)
    names = {str(stage.path(key)) for key in keys}
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in names and access(path, mode))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_photo_that_cant_be_read_is_left_behind_and_stops_nothing(stage, monkeypatch, code):
    listing = list_photos(stage)
    scores = {key: 0.9 for key in listing.keys if key != "warm_00.jpg"}
    plan = make_plan(stage, decide(scores, {}, {"warm_00.jpg": "no permission"}), listing, 0.5, "m")
    unopened(monkeypatch, stage, "warm_00.jpg", "cold_00.xmp", code=code)
    plan = make.openable(plan)
    assert plan.left_out == dict.fromkeys(("cold_00.xmp", "warm_00.jpg"), f"it can't be read: {os.strerror(code)}")
    assert len(plan.kept) == len(listing.keys) - 1
    new = make_stage(plan)
    assert "warm_00.jpg" not in everything(new.folder)
    assert "warm_00.CR2" in everything(new.folder)  # it can be read
    assert undo.changes_since_cull(new) == []
    rows = {row.values["image_name"]: row.values for row in tables.read(new.manifest)[1]}
    assert rows["warm_00.jpg"]["decision"] == "left out"


def test_a_photo_that_is_gone_is_none_that_cant_be_read(stage, plan, monkeypatch):
    unopened(monkeypatch, stage, "warm_00.xmp", code=errno.ENOENT)
    assert make.openable(plan) == plan


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
    with pytest.raises(CullRefused, match=r"stage_2 already exists; nothing was changed\. Rename or move it away"):
        make_stage(plan)
    assert everything(stage.project) == before


def test_a_stage_that_appears_meanwhile_stays(stage, plan, monkeypatch):
    write = tables.write

    def and_another(path, *rest):
        write(path, *rest)
        stage.next.folder.mkdir()
        (stage.next.folder / "mine.jpg").write_text("mine")

    monkeypatch.setattr(make.tables, "write", and_another)
    with pytest.raises(StorageError, match="stage_2"):
        make_stage(plan)
    assert everything(stage.next.folder) == ["mine.jpg"]


def leaves_no_trace(stage, plan, **options):
    before, files = fingerprint_of(stage.folder), everything(stage.project)
    with pytest.raises((StorageError, CullRefused, Cancelled, KeyboardInterrupt)) as caught:
        make_stage(plan, **options)
    assert everything(stage.project) == files
    assert sorted(path.name for path in stage.project.iterdir() if path.suffix != ".lock") == ["stage_1"]
    assert fingerprint_of(stage.folder) == before
    return str(caught.value)


def at_the_write_of(name, monkeypatch, do):
    """Have `do(file, piece)` write the pieces of one copy."""
    write = copies.write_all

    def instead(file, piece):
        (do if Path(file.name).name == name else write)(file, piece)

    monkeypatch.setattr(copies, "write_all", instead)


def test_a_copy_that_differs_makes_no_stage(stage, plan, monkeypatch):
    """One bit is flipped, or bytes are lost, on the way into the file."""
    for fault in (
        lambda file, piece: file.write(bytes([piece[0] ^ 1]) + piece[1:]),
        lambda file, piece: file.write(piece[:-1]),
        lambda file, piece: file.write(bytes(piece) + b"more"),
    ):
        with monkeypatch.context() as patch:
            at_the_write_of("warm_01.jpg", patch, fault)
            assert "warm_01.jpg differs from it; no stage was made" in leaves_no_trace(stage, plan)


def test_a_fault_in_any_piece_of_a_long_file_is_noticed(stage, plan, monkeypatch):
    length = 3 * (1 << 18) + 5
    stage.path("warm_01.jpg").write_bytes(bytes(length))
    for wrong in range(4):
        left = iter(range(4))
        with monkeypatch.context() as patch:
            at_the_write_of(
                "warm_01.jpg",
                patch,
                lambda file, piece, left=left, wrong=wrong: file.write(
                    bytes(piece) if next(left) != wrong else b"?" + piece[1:]
                ),
            )
            assert "warm_01.jpg differs" in leaves_no_trace(stage, plan)
    new = make_stage(plan)
    assert new.path("warm_01.jpg").read_bytes() == bytes(length)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_refuses_makes_no_stage(stage, plan, monkeypatch, code):
    def refuse(file, piece):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(copies, "write_all", refuse)
    message = leaves_no_trace(stage, plan)
    assert os.strerror(code) in message
    assert str(stage.project) in message


@pytest.mark.skipif(copies._syncfs() is None, reason="needs Linux's syncfs")
def test_a_write_that_the_disk_could_not_do_later_makes_no_stage(stage, plan, monkeypatch):
    monkeypatch.setattr(copies, "_syncfs", lambda: lambda descriptor: errno.EIO)
    assert os.strerror(errno.EIO) in leaves_no_trace(stage, plan)


@pytest.mark.parametrize("code", [None, errno.ENOSYS])
def test_where_one_disk_cannot_be_flushed_all_are(stage, plan, monkeypatch, code):
    calls = []
    monkeypatch.setattr(copies, "_syncfs", lambda: None if code is None else lambda descriptor: code)
    monkeypatch.setattr(os, "sync", lambda: calls.append(True))
    make_stage(plan)
    assert calls == [True]


def test_ctrl_c_makes_no_stage(stage, plan, monkeypatch):
    def interrupt(file, piece):
        raise KeyboardInterrupt

    monkeypatch.setattr(copies, "write_all", interrupt)
    leaves_no_trace(stage, plan)


def test_a_stop_is_heard_within_a_long_file(stage, plan, monkeypatch):
    monkeypatch.setattr(copies, "_ASK_EVERY", 1 << 18)
    stage.path("warm_01.jpg").write_bytes(bytes(1 << 22))
    pieces = []
    write = copies.write_all

    def counted(file, piece):
        pieces.append(Path(file.name).name)
        write(file, piece)

    monkeypatch.setattr(copies, "write_all", counted)
    message = leaves_no_trace(stage, plan, stop=lambda: pieces.count("warm_01.jpg") >= 3)
    assert "The cull was stopped" in message
    assert pieces.count("warm_01.jpg") == 3


@pytest.fixture
def bytes_read(monkeypatch):
    """Name → bytes that were read of a file, below its buffers."""
    read, usual = Counter(), Path.open

    class Counting(io.FileIO):
        def readinto(self, buffer):
            count = super().readinto(buffer)
            path = places.get(self.name) or Path(self.name)
            read[f"{path.parent.name}/{path.name}"] += count
            return count

    places: dict[int, Path] = {}

    def inside(root, name):
        with open_inside(root, name) as file:
            counting = Counting(os.dup(file.fileno()))
        places[counting.name] = Path(root, name)
        return counting

    def opened(path, mode="r", buffering=-1, **options):
        return Counting(path, mode.replace("b", "")) if buffering == 0 else usual(path, mode, buffering, **options)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(copies, "open_inside", inside)
    return read


def test_a_source_is_read_once_and_so_is_its_copy(stage, plan, bytes_read):
    sizes = {key: stage.path(key).stat().st_size for key in plan.files}
    make_stage(plan)
    of_sources = {name: count for name, count in bytes_read.items() if name.startswith("stage_1/") or "'x'" in name}
    assert sum(bytes_read.values()) == 2 * sum(sizes.values())
    assert of_sources["stage_1/warm_01.jpg"] == sizes["warm_01.jpg"]


def test_hard_links_of_known_content_are_not_read(stage, plan, bytes_read):
    known = {stage.path(key): content_id(stage.path(key).read_bytes()) for key in plan.files}
    new = make_stage(replace(plan, known=known.get), "hardlink")
    assert bytes_read == {}
    bytes_read.clear()
    assert undo.changes_since_cull(new) == []
    assert sum(bytes_read.values()) == sum(path.stat().st_size for path in new.folder.rglob("*") if path.is_file())


def test_of_hard_links_only_the_unknown_is_read(stage, plan, bytes_read):
    known = {stage.path(key): "0" * 32 for key in plan.files if key != "warm_00.xmp"}
    new = make_stage(replace(plan, known=known.get), "hardlink")
    assert bytes_read == {"stage_1/warm_00.xmp": len("warm_00.xmp")}
    _, rows = tables.read(new.manifest)
    ids = {row.values["image_name"]: row.values["content_id"] for row in rows if row.values["content_id"]}
    assert ids.pop("warm_00.xmp") == content_id(b"warm_00.xmp")
    assert set(ids.values()) == {"0" * 32}


def test_a_link_to_another_file_makes_no_stage(stage, plan, monkeypatch):
    link = os.link
    monkeypatch.setattr(copies.os, "link", lambda source, target: link(stage.path("cold_00.jpg"), target))
    assert "differs from it; no stage was made" in leaves_no_trace(stage, plan, link="hardlink")


def test_a_reflink_that_is_not_whole_makes_no_stage(stage, plan, monkeypatch):
    monkeypatch.setattr(copies, "clone", lambda source, target: target.write_bytes(source.read()[:-1]))
    assert "differs from it; no stage was made" in leaves_no_trace(stage, plan, link="reflink")


def test_stopped_makes_no_stage(stage, plan):
    asked = iter([False, False, True])
    assert "was not made" in leaves_no_trace(stage, plan, stop=lambda: next(asked))


def test_too_little_room_is_said_before_anything_is_copied(stage, plan, monkeypatch):
    monkeypatch.setattr(make.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 5))
    assert "Make room, or use hard links" in leaves_no_trace(stage, plan)


def test_a_photo_that_vanished_makes_no_stage(stage, plan):
    (stage.folder / "warm_01.jpg").unlink()
    message = leaves_no_trace(stage, plan)
    assert "warm_01.jpg" in message


def test_what_a_killed_run_left_is_cleared(stage, plan):
    leftover = stage.project / ".imlcull-stage_2.partial"
    leftover.mkdir()
    (leftover / "half.jpg").write_text("half")
    make_stage(plan)
    assert not leftover.exists()
    assert "half.jpg" not in everything(stage.next.folder)


def test_the_manifest_of_a_stage_that_was_moved_away_is_set_aside(stage, plan):
    stage.next.manifest.write_text("an older one")
    make_stage(plan)
    (aside,) = stage.project.glob("stage_2_cull_manifest.csv.old-*")
    assert aside.read_text() == "an older one"


def test_labels_of_a_stage_that_was_moved_away_are_not_taken_for_the_new_ones(stage, plan):
    stage.next.labels.write_text("image_name,label\n")
    with pytest.raises(CullRefused, match=r"stage_2_cull_labels\.csv of an earlier stage_2"):
        make_stage(plan)


def test_two_culls_at_once_make_one_whole_stage(stage, plan):
    def attempt():
        try:
            return make_stage(plan).name
        except CullRefused as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: attempt(), range(4)))
    assert ends.count("stage_2") == 1
    assert sum("already exists" in end for end in ends) == 3
    assert len([path for path in stage.next.folder.rglob("*") if path.is_file()]) == len(plan.files)


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_names_that_the_disk_takes_for_one_make_no_stage(stage, plan, monkeypatch, link):
    """On a disk without upper and lower case `Warm_00.jpg` would replace `warm_00.jpg`."""
    shutil.copy(stage.path("cold_00.jpg"), stage.path("WARM_00.jpg"))
    plan = replace(plan, files={**plan.files, "WARM_00.jpg": "score"})
    place = make._place

    def on_a_disk_without_case(stage, name, target, make):
        return place(stage, name, target.with_name(target.name.lower()), make)

    monkeypatch.setattr(make, "_place", on_a_disk_without_case)
    with pytest.raises(CullRefused, match=r"distinguish the name of .*(WARM|warm)_00\.jpg"):
        make_stage(plan, link)
    assert not stage.next.folder.exists()
    assert not [name for name in everything(stage.project) if "stage_2" in name]


def test_a_photo_that_changes_while_it_is_copied_makes_no_stage(stage, plan, monkeypatch):
    source = stage.path("warm_01.jpg")
    original = source.read_bytes()

    def and_somebody_saves_it_meanwhile(file, piece):
        file.write(piece)
        source.write_bytes(original + b"edited")

    at_the_write_of("warm_01.jpg", monkeypatch, and_somebody_saves_it_meanwhile)
    with pytest.raises(StorageError, match=r"warm_01\.jpg differs"):
        make_stage(plan)
    assert not stage.next.folder.exists()


@pytest.mark.parametrize("link", ["copy", "reflink"])
def test_a_photo_saved_with_the_same_size_meanwhile_makes_no_stage(stage, plan, monkeypatch, link):
    source = stage.path("warm_01.jpg")

    def save():
        os.utime(source, (1_500_000_000, 1_500_000_000))

    def cloned(old, new):
        new.write_bytes(old.read())
        if new.name == source.name:
            save()

    monkeypatch.setattr(copies, "clone", cloned)
    at_the_write_of("warm_01.jpg", monkeypatch, lambda file, piece: (file.write(piece), save()))
    with pytest.raises(StorageError, match="differs from it"):
        make_stage(plan, link)
    assert not stage.next.folder.exists()


def test_a_photo_turned_in_place_while_it_is_copied_makes_no_stage(stage, plan, monkeypatch):
    source = save_upright(stage.path("warm_01.jpg"), WARM)

    def and_somebody_turns_it_meanwhile(file, piece):
        file.write(piece)
        if len(piece):  # the last one is empty
            turn_in_place(source)

    at_the_write_of("warm_01.jpg", monkeypatch, and_somebody_turns_it_meanwhile)
    with pytest.raises(StorageError, match="differs from it"):
        make_stage(plan)
    assert not stage.next.folder.exists()


def test_a_photo_that_is_only_linked_while_it_is_copied_is_copied(stage, plan, monkeypatch, tmp_path):
    source = stage.path("warm_01.jpg")
    before = source.stat().st_ctime_ns

    def link():
        while source.stat().st_ctime_ns == before:
            (tmp_path / "link.jpg").unlink(missing_ok=True)
            os.link(source, tmp_path / "link.jpg")

    at_the_write_of("warm_01.jpg", monkeypatch, lambda file, piece: (file.write(piece), link()))
    new = make_stage(plan)
    assert new.path("warm_01.jpg").read_bytes() == source.read_bytes()


def test_hard_links_share_the_file(stage, plan):
    new = make_stage(plan, "hardlink")
    assert (new.folder / "warm_01.jpg").samefile(stage.folder / "warm_01.jpg")


def test_a_file_system_without_the_link_says_so(stage, plan, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(copies, "clone", refuse)
    assert "does not support reflinks here. Use --link copy" in leaves_no_trace(stage, plan, link="reflink")


def test_nothing_to_keep_and_odd_options_are_refused(stage, plan):
    nothing = make_plan(stage, decide({"cold_00.jpg": 0.1}, {}, {}), list_photos(stage), 0.5, "m")
    assert "would be kept" in leaves_no_trace(stage, nothing)
    assert "Unknown link kind symlink" in leaves_no_trace(stage, plan, link="symlink")
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(CullRefused, match="Choose one between 0 and 1"):
            make_plan(stage, [], list_photos(stage), threshold, "m")


def test_undo_moves_the_new_stage_aside(stage, plan):
    new = make_stage(plan)
    made = fingerprint_of(new.folder)
    aside = undo.undo_cull(new)
    assert fingerprint_of(aside) == made
    assert aside.name.startswith("stage_2.undone-")
    assert not new.folder.exists()
    assert not new.manifest.exists()
    assert make_stage(plan).folder.is_dir()


def test_a_manifest_that_names_bytes_by_blake2b_is_understood(stage, plan):
    new = make.make_stage(plan)
    columns, rows = tables.read(new.manifest)
    rows = [row for row in rows if row.values["decision"] == "keep"]
    for row in rows:
        data = new.path(row.values["image_name"]).read_bytes()
        row.values["content_id"] = hashlib.blake2b(data, digest_size=16).hexdigest()
    tables.write(new.manifest, columns, [row.values for row in rows])
    assert undo.changes_since_cull(new) == []
    new.path(rows[0].values["image_name"]).write_bytes(b"changed")
    assert undo.changes_since_cull(new) == [f"{rows[0].values['image_name']} was changed"]


def test_a_stage_that_was_changed_is_not_undone(stage, plan):
    new = make_stage(plan)

    def refused(words):
        before = fingerprint_of(stage.project)
        with pytest.raises(CullRefused, match=words):
            undo.undo_cull(new)
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
