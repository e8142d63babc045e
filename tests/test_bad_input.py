"""What people and disks do to a project: one sentence each, no traceback, and nothing lost."""

import codecs
import csv
import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from conftest import (
    TINY_CONFIG,
    TINY_PROCESSOR,
    WARM,
    fill_stage,
    fingerprint_of,
    label_of,
    save_checkpoint,
    save_photo,
)
from PIL import Image

from imlcull_al.project import tables
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK
from imlcull_al.session.session import open_session
from imlcull_al.training import before as before_training
from imlcull_al.training import train
from imlcull_al.training.options import Epoch

pytestmark = pytest.mark.slow

COMMANDS = ("embed", "order", "score", "train", "cull")
TRAIN = ("train", "--epochs", "1", "--patience", "1")
LABELED = tuple(f"{name}_0{number}.jpg" for number in range(4) for name in ("warm", "cold"))


def give_labels(project, keys=LABELED, stage=1):
    labels = Labels(Stage(project, stage))
    for key in keys:
        labels.answer(key, label_of(key))
    return labels


@pytest.fixture
def labeled(project):
    give_labels(project)
    return project


@pytest.fixture(autouse=True)
def nothing_is_left_behind(project):
    """No command leaves a temporary file or folder in the project."""
    yield
    assert not [path for path in project.glob(".imlcull-*") if path.suffix != ".lock"]


@pytest.fixture
def do(run, project):
    """Run a command on the project; no traceback, and stage_1 is byte- and time-identical afterwards."""

    def do(command, *arguments, on=None):
        where = project if on is None else on
        stage_1 = where / "stage_1"
        before = fingerprint_of(stage_1)
        result = run(command, "--project", where, *arguments)
        assert fingerprint_of(stage_1) == before
        assert "Traceback" not in result[1] + result[2]
        return result

    return do


def refusal(result, *parts):
    """Assert that a command failed with one sentence that holds `parts`, and return it."""
    code, _, err = result
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert code == 1
    assert len(errors) == 1, err
    for part in parts:
        assert str(part) in errors[0]
    return errors[0]


def scores_of(do, *arguments):
    """Photo → row, by CSV, which JSON must agree with."""
    code, out, _ = do("score", *arguments)
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    for row in rows:
        row["image_name"] = tables.as_key(row["image_name"])
    told = json.loads(do("score", "--format", "json", *arguments)[1])
    assert [row["image_name"] for row in rows] == [row["image_name"] for row in told]
    return {row["image_name"]: row for row in rows}


def culled_into_2(project):
    return set(fingerprint_of(project / "stage_2"))


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda root: None, "There is no folder"),
        (lambda root: root.mkdir(), "There is no stage folder"),
        (lambda root: root.write_text("a file"), "Not a directory"),
        (lambda root: (root / "stage_2_backup").mkdir(parents=True), "There is no stage folder"),
        (lambda root: (root / "stage_1").mkdir(parents=True), "There are no photos in"),
        (lambda root: (root / "stage_1/x.jpg").mkdir(parents=True), "There are no photos in"),
        (
            lambda root: save_photo(root / "stage_1/notes.jpg", WARM).rename(root / "stage_1/a.txt"),
            "There are no photos",
        ),
    ],
)
def test_a_project_without_photos(do, tmp_path, command, make, part):
    make(tmp_path / "other")
    refusal(do(command, on=tmp_path / "other"), part, tmp_path / "other")


def test_a_stage_instead_of_its_project(do, project):
    refusal(do("embed", on=project / "stage_1"), "is a stage, not a project", project)


@pytest.mark.parametrize("number", ["7", "0", "-1"])
def test_a_stage_that_is_not_there(do, number):
    refusal(do("order", "--stage", number), f"There is no stage_{number} in", "stage_1")


@pytest.mark.parametrize("folder", ["~nobody-of-that-name/project", "x" * 300])
def test_folders_that_can_be_nothing(run, folder):
    refusal(run("embed", "--project", folder), folder)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["score", "train", "cull"])
@pytest.mark.parametrize(
    ("keys", "part"), [((), "no labels yet"), (("warm_00.jpg", "warm_01.jpg"), "keep"), (("cold_00.jpg",), "cull")]
)
def test_too_few_answers(do, project, command, keys, part):
    give_labels(project, keys)
    assert part in refusal(do(command), "abel")
    assert not (project / "stage_2").exists()
    assert not (project / "stage_1_cull_model.pth").exists()


def test_fewer_answers_than_a_split_needs(do, project):
    give_labels(project, ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg"))
    refusal(
        do(*TRAIN), "at least 2 readable photos of each class; there are 2 keep and 1 cull", "Label more photos as cull"
    )


def test_answers_of_which_only_one_class_is_here(do, project):
    labels = "image_name,label\nwarm_00.jpg,keep\ngone.jpg,cull\n"
    Stage(project, 1).labels.write_text(labels)
    refusal(do("score"), "has only keep labels, 1 of them")
    assert Stage(project, 1).labels.read_text() == labels


def test_all_photos_are_labeled(do, project, unreported):
    give_labels(project, list_photos(Stage(project, 1)).keys)
    code, out, err = do("order")
    assert (code, out) == (0, "image_name,p_keep\n")
    assert "All readable photos are labeled." in err
    assert {row["reason"] for row in scores_of(do).values()} == {"label"}
    assert do(*TRAIN)[0] == 0
    assert do("cull")[0] == 0
    assert culled_into_2(project) == {f"warm_0{number}.jpg" for number in range(6)}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"image_name,label\nwarm_00.jpg,maybe\n", "line 2: the label 'maybe' of warm_00.jpg is neither keep nor cull"),
        (b"image_name,label\nwarm_00.jpg\n", "the label ''"),
        (b"image_name,label\n,keep\n", "line 2: no photo is named"),
        (b"image_name,label\na.jpg,keep\na.jpg,cull\n", "gives a.jpg two labels, on lines 2 and 3"),
        (b"image_path,label,tag\na.jpg,keep,\n", "neither 0 nor 1"),
        (b"file,verdict\na.jpg,keep\n", "has the columns file, verdict"),
        (b"image_name,label\na,b.jpg,keep\n", "3 fields under 2 columns"),
        (b'image_name,label\n"a.jpg,keep\n', "not valid CSV"),
        (bytes(range(256)) * 4, "is not UTF-8"),
        ("image_name,label\nwarm_00.jpg,keep\n".encode("utf-16")[:-1], "is not UTF-8"),
        ("image_name,label\nwarm_00.jpg,keep\n".encode("utf-32"), "holds zero bytes"),
        (b"image_name,label\n" + b"x" * 10_000_000 + b",keep\n", "not valid CSV"),
        (b"image_name,label\nwarm_00.jpg,ke\0ep\n", "holds zero bytes"),
    ],
)
def test_a_labels_file_without_a_safe_meaning_is_refused_and_left_alone(do, project, content, part):
    stage = Stage(project, 1)
    stage.labels.write_bytes(content)
    for command in ("order", "train", "cull"):
        message = refusal(do(command), stage.labels)
        assert part in message
    assert stage.labels.read_bytes() == content
    assert not stage.journal.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"image_name,label\nwarm_00.jpg,keep\ncold_00.jpg,cull\n",
        codecs.BOM_UTF8 + b"image_name,label\r\nwarm_00.jpg, KEEP \r\n\r\ncold_00.jpg,cull\r\n",
        b"image_name,label\nwarm_00.jpg,keep\nwarm_00.jpg,keep\nstage_1/cold_00.jpg,cull\n",
        b"image_path,label,tag\nwarm_00.jpg,0,sharp\ncold_00.jpg,1,\n",
        b"image_name,label\nwarm_00.jpg,keep\ncold_00.jpg,cull\nnowhere.jpg,keep\ngone.jpg,cull\n",
    ],
)
def test_labels_files_that_are_read(do, project, content):
    Stage(project, 1).labels.write_bytes(content)
    rows = scores_of(do)
    assert {key: row["decision"] for key, row in rows.items() if row["reason"] == "label"} == {
        "warm_00.jpg": "keep",
        "cold_00.jpg": "cull",
    }
    gone = content.count(b"where.jpg") + content.count(b"gone.jpg")
    err = do("order")[2]
    assert ("labels of photos that are not in stage_1" in err) == bool(gone)
    assert err.count(": there is no such photo\n") == gone


def test_tags_and_strange_rows_survive_a_new_answer(project):
    stage = Stage(project, 1)
    stage.labels.write_text('image_path,label,tag\nwarm_00.jpg,0,"sharp, odd"\ngone.jpg,1,blurred\n')
    open_session(project, model="builtin", prepare=False).answer("cold_00.jpg", "cull")
    assert stage.labels.read_text() == (
        'image_path,label,tag\nwarm_00.jpg,0,"sharp, odd"\ngone.jpg,1,blurred\ncold_00.jpg,1,\n'
    )


@pytest.mark.parametrize("content", [b"", codecs.BOM_UTF8, b"\n\n"])
def test_an_emptied_labels_file_is_no_edit_and_comes_back(labeled, content):
    stage = Stage(labeled, 1)
    before = stage.labels.read_bytes()
    stage.labels.write_bytes(content)
    assert len(Labels(stage).as_dict()) == len(LABELED)
    assert stage.labels.read_bytes() == before


def test_an_empty_labels_file_of_a_new_project(do, project):
    for content in (b"", b"image_name,label\n"):
        Stage(project, 1).labels.write_bytes(content)
        assert do("order")[0] == 0


GARBAGE = (
    b"no json\n",
    b"\xff\xfe\x00\n",
    b"[]\n7\nnull\n",
    b'{"v": 1}\n',
    b'{"v": 1, "do": "answer", "key": 7, "label": "keep"}\n',
    b'{"v": 1, "do": "answer", "key": "", "label": "keep"}\n',
    b'{"v": 1, "do": "answer", "key": "\\ud800.jpg", "label": "keep"}\n',
    b'{"v": 1, "do": "answer", "key": "a.jpg", "label": ["keep"]}\n',
    b'{"v": 1, "do": "answer", "key": "a.jpg", "label": null}\n',
    b"[" * 100_000 + b"\n",
    b'{"v": 1, "do": "answer", "key": "warm_05.jpg", "la',
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_journal_lines_that_are_no_events_are_passed_over(labeled, garbage):
    stage = Stage(labeled, 1)
    stage.journal.write_bytes(garbage[:-1].join((b"", b"\n")) + stage.journal.read_bytes() + garbage)
    labels = Labels(stage)
    assert list(labels.as_dict()) == list(LABELED)
    labels.answer("warm_05.jpg", "keep")
    assert list(Labels(stage).as_dict()) == [*LABELED, "warm_05.jpg"]


def test_a_journal_of_a_newer_version(do, labeled):
    stage = Stage(labeled, 1)
    before = stage.journal.read_bytes() + b'{"v": 2, "do": "rate", "key": "warm_00.jpg"}\n'
    stage.journal.write_bytes(before)
    refusal(do("order"), stage.journal, "newer imlcull", "Update")
    assert stage.journal.read_bytes() == before


# --- photos -----------------------------------------------------------------------------------------------------------


def png_claiming(width, height):
    """A valid PNG header of this size and almost no data."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_broken_photos_are_kept_and_listed_and_good_ones_work(do, labeled):
    folder = labeled / "stage_1"
    good = (folder / "warm_00.jpg").read_bytes()
    broken = {
        "bomb.png": png_claiming(60_000, 60_000),
        "empty.jpg": b"",
        "half.jpg": good[: len(good) // 2],
        "raw alone.CR2": b"II*\0 not really",
        "text.jpg": b"I am no photo",
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    Image.open(folder / "warm_00.jpg").resize((41, 31)).save(folder / "a PNG.jpg", "PNG")
    shutil.copy(folder / "warm_01.jpg", folder / "pair.JPG")
    for name in ("pair.CR2", "pair.xmp", "pair.CR2.xmp", "pair.JPG.pp3", "raw alone.xmp"):
        (folder / name).write_bytes(name.encode())
    code, out, err = do("embed")
    assert code == 0
    assert "19 photos" in out
    assert "5 unreadable" in out
    assert all(repr(name) in err for name in broken)
    rows = scores_of(do)
    assert {key for key, row in rows.items() if row["reason"].startswith("unreadable: ")} == set(broken)
    assert {row["decision"] for key, row in rows.items() if key in broken} == {"keep"}
    assert rows["a PNG.jpg"]["decision"] == "keep"
    assert do(*TRAIN)[0] == 0
    code, _, err = do("cull")
    assert code == 0
    assert all(f"Kept unseen: {name!r}" in err for name in broken)
    companions = {"pair.CR2", "pair.xmp", "pair.CR2.xmp", "pair.JPG.pp3", "raw alone.xmp"}
    assert culled_into_2(labeled) >= {*broken, *companions, "pair.JPG", "a PNG.jpg"}


def test_a_stage_of_nothing_readable(do, project):
    shutil.rmtree(project / "stage_1")
    (project / "stage_1").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (project / "stage_1" / name).write_text(name)
    give_labels(project, ("a.jpg",))
    assert "2 unreadable" in do("embed")[1]
    assert do("order")[:2] == (0, "image_name,p_keep\n")
    assert {row["decision"] for row in scores_of(do).values()} == {"keep", "cull"}
    refusal(do("train"), "there are 0 keep and 0 cull")


def test_what_is_no_regular_file_is_left_out_and_nothing_hangs(do, labeled):
    folder = labeled / "stage_1"
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "warm_05.xmp")
    (folder / "folder.jpg").mkdir()
    save_photo(folder / "folder.jpg" / "inside.jpg", WARM, seed=99)
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "one.jpg").symlink_to("two.jpg")
    (folder / "two.jpg").symlink_to("one.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "loop").symlink_to(".")
    save_photo(labeled / "elsewhere.jpg", WARM, seed=98)
    (folder / "out.jpg").symlink_to(labeled / "elsewhere.jpg")
    (folder / "in.jpg").symlink_to("warm_00.jpg")
    done = []
    thread = threading.Thread(target=lambda: done.extend(do(command) for command in ("embed", "cull")), daemon=True)
    thread.start()
    thread.join(60)
    (_, _, embedded), (code, _, err) = done
    assert "'pipe.jpg': it is not a regular file" in embedded
    assert "'gone.jpg': it is a broken link" in embedded
    assert code == 0
    left_out = {"pipe.jpg", "warm_05.xmp", "self.jpg", "one.jpg", "two.jpg", "gone.jpg", "loop", "out.jpg"}
    assert {line.split("'")[1] for line in err.splitlines() if line.startswith("Left out: ")} == left_out
    assert {"in.jpg", "folder.jpg/inside.jpg", "warm_00.jpg"} <= culled_into_2(labeled)
    assert not any(path.is_symlink() for path in (labeled / "stage_2").rglob("*"))


def test_a_link_is_hardlinked_by_what_it_leads_to(do, labeled):
    (labeled / "stage_1" / "in.jpg").symlink_to(labeled / "stage_1" / "cold_00.jpg")
    give_labels(labeled, ("in.jpg",))
    Labels(Stage(labeled, 1)).answer("in.jpg", "keep")
    assert do("cull", "--link", "hardlink")[0] == 0
    new = labeled / "stage_2" / "in.jpg"
    assert not new.is_symlink()
    assert new.samefile(labeled / "stage_1" / "cold_00.jpg")


def test_a_strip_of_a_photo_does_not_fill_the_memory(tmp_path, project):
    clip = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "do_center_crop": True}
    model = save_checkpoint(tmp_path / "clip-like", TINY_CONFIG, {**TINY_PROCESSOR, **clip, "crop_size": 32})
    Image.new("RGB", (60_000, 1), WARM).save(project / "stage_1" / "strip.png")  # 32 × 1,920,000 when resized whole
    session = open_session(project, model=str(model), cache_dir=tmp_path / "cache", prepare=False)
    assert "strip.png" in session.prepare().keys


def test_mutated_images(do, project):
    """Real files of five formats, cut and with flipped bytes: read or kept, never an error."""
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF"):
        file = io.BytesIO()
        pixels.save(file, kind)
        for number in range(6):
            data = bytearray(file.getvalue())
            for place in rng.integers(0, len(data), 3 * number):
                data[place] ^= int(rng.integers(1, 256))
            if number % 2:
                del data[int(rng.integers(1, len(data))) :]
            (project / "stage_1" / f"mutant_{number}.{kind.lower()}").write_bytes(data)
    give_labels(project)
    assert "42 photos" in do("embed")[1]
    rows = scores_of(do)
    assert len(rows) == 42
    assert do("cull")[0] == 0
    unreadable = {key for key, row in rows.items() if row["reason"].startswith("unreadable")}
    assert 5 < len(unreadable) < 30
    assert unreadable <= culled_into_2(project)


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = (
    "a b.jpg", " leading.jpg", "trailing.jpg ", "trailing .jpg", "it's.jpg", 'say "x".jpg', "a,b.jpg", "new\nline.jpg",
    "carriage\rreturn.jpg", "both\r\n.jpg", "tab\t.jpg", "😀.jpg", "Ä e\u0301.jpg", "--project.jpg", "-n.jpg",
    "=1+1.jpg", "@x.jpg", "x" * 251 + ".jpg", "back\\slash.jpg", "%s{0}$HOME.jpg", "\x1b[31mred.jpg", "\u2028.jpg",
    "stage_1/inner.jpg", "label.jpg/keep.jpg", "#.jpg", "\ufeffbom.jpg", "\u202egpj.jpg", ";a;.jpg", "a.jpg.jpg",
)  # fmt: skip


def test_every_name_goes_through_everything_as_it_is(do, project, cache_dir, tiny_model):
    keys = {normalize("NFC", name) for name in NAMES}
    for number, name in enumerate(NAMES):
        save_photo(project / "stage_1" / name.rstrip(), WARM, seed=100 + number)
        (project / "stage_1" / name.rstrip()).rename(project / "stage_1" / name)
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    assert keys <= set(session.listing.keys)
    for key in keys:
        session.answer(key, "keep")
    give_labels(project, ("cold_00.jpg", "cold_01.jpg", "cold_02.jpg"))
    for _ in range(2):  # the second from the rewritten CSV alone
        assert keys <= set(Labels(Stage(project, 1)).as_dict())
        Stage(project, 1).journal.unlink()
    assert do("order")[0] == 0
    rows = scores_of(do)
    assert {rows[key]["reason"] for key in keys} == {"label"}
    assert do(*TRAIN)[0] == 0
    assert do("cull")[0] == 0
    assert set(NAMES) <= culled_into_2(project)
    with Stage(project, 2).manifest.open(encoding="utf-8", newline="") as file:
        manifest = {tables.as_key(row["image_name"]): row["source"] for row in csv.DictReader(file)}
    assert {key: manifest[key] for key in keys} == {key: f"stage_1/{key}" for key in keys}


def test_names_that_are_not_utf8_are_left_out_and_said(do, labeled):
    folder = os.fsencode(labeled / "stage_1")
    shutil.copy(folder + b"/warm_00.jpg", folder + b"/\xff\xe4.jpg")
    os.mkdir(folder + b"/\xfe")  # noqa: PTH102 - bytes
    shutil.copy(folder + b"/warm_00.jpg", folder + b"/\xfe/a.jpg")
    assert len(scores_of(do)) == 12
    code, _, err = do("cull")
    assert code == 0
    assert "not valid UTF-8; rename it" in err
    assert len([line for line in err.splitlines() if line.startswith("Left out")]) == 2


def test_a_project_whose_own_name_is_not_utf8(project, tmp_path, unreported):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    project.rename(odd)
    give_labels(odd)
    before = fingerprint_of(odd / "stage_1")
    from imlcull_al.cli import commands as cli

    with pytest.MonkeyPatch.context() as patch:  # capsys reads what is written as UTF-8, which this name is not
        written = io.TextIOWrapper(io.BytesIO())
        patch.setattr("sys.stdout", written)
        codes = [run_on(cli.main, odd, command, tmp_path) for command in (("embed",), ("score",), TRAIN, ("cull",))]
        assert b"/odd\xff/stage_2" in written.buffer.getvalue()
    assert codes == [0, 0, 0, 0]
    assert fingerprint_of(odd / "stage_1") == before
    project.mkdir()


def run_on(main, project, command, tmp_path):
    name, *rest = command
    model = tmp_path / "model"
    if not model.exists():
        save_checkpoint(model, TINY_CONFIG, TINY_PROCESSOR)
    return main([name, "--project", str(project), *rest, "--model", str(model), "--cache-dir", str(tmp_path / "cache")])


# --- the disk ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_cant_be_written_is_refused(project, monkeypatch):
    session = open_session(project, model="builtin", prepare=False)
    monkeypatch.setattr(os, "fsync", raising(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match=r"Could not write .*journal\.jsonl: No space left on device.*room") as caught:
        session.answer("warm_00.jpg", "keep")
    assert type(caught.value).__name__ == "StorageError"


def test_an_answer_is_safe_where_only_the_csv_cant_be_written(project):
    Stage(project, 1).labels.mkdir()
    with pytest.raises(Exception, match=r"Could not read .*labels\.csv: Is a directory"):
        Labels(Stage(project, 1))
    Stage(project, 1).labels.rmdir()
    labels = Labels(Stage(project, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", raising(PermissionError(13, "Permission denied")))
        labels.answer("warm_00.jpg", "keep")
    assert Labels(Stage(project, 1)).as_dict() == {"warm_00.jpg": "keep"}
    assert "warm_00.jpg,keep" in Stage(project, 1).labels.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_results_that_nobody_takes(do, labeled, monkeypatch):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        refusal(do("score"), "Could not write the results: No space left on device")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert do("score")[0] == 0


@pytest.mark.parametrize("name", ["model", "epoch_log"])
def test_train_where_a_file_cant_be_written(do, labeled, name):
    target = getattr(Stage(labeled, 1), name)
    target.mkdir()
    refusal(do(*TRAIN), "Could not write", target, "Is a directory")


def test_cull_where_the_manifest_cant_be_written(do, labeled):
    Stage(labeled, 2).manifest.mkdir()
    refusal(do("cull"), "Could not write", Stage(labeled, 2).manifest)
    assert not (labeled / "stage_2").exists()


@pytest.mark.parametrize(
    "where", ["imlcull_al.culling.copies.copy", "imlcull_al.culling.copies._syncfs", "pathlib.Path.mkdir"]
)
def test_cull_on_a_disk_that_refuses(do, labeled, monkeypatch, where):
    do("embed")
    with monkeypatch.context() as patch:
        patch.setattr(where, raising(OSError(30, "Read-only file system", "/the/path")))
        refusal(do("cull"), "Could not write", "Read-only file system", "writable")
    assert not (labeled / "stage_2").exists()
    assert not Stage(labeled, 2).manifest.exists()
    assert do("cull")[0] == 0


def test_a_cache_folder_that_is_a_file(do, labeled, cache_dir, unreported):
    cache_dir.write_text("not a folder")
    for command in (("embed",), ("score",), TRAIN, ("cull",)):
        assert do(*command)[0] == 0
    assert cache_dir.read_text() == "not a folder"


@pytest.mark.parametrize("damage", [lambda old: b"garbage" * 999, lambda old: old[: len(old) // 2], lambda old: b""])
def test_damaged_cache_files_are_set_aside(do, labeled, cache_dir, damage):
    first = scores_of(do)
    for path in cache_dir.glob("*/*.h5"):
        path.write_bytes(damage(path.read_bytes()))
    assert scores_of(do) == first
    assert len(list(cache_dir.glob("*/*.damaged-*"))) == 2
    assert "12 found" in do("embed")[1]


def test_a_flipped_bit_in_the_cache_costs_time_and_no_score(do, labeled, cache_dir, caplog):
    import h5py

    first = scores_of(do)
    (path,) = cache_dir.glob("embeddings-*/*.h5")
    with h5py.File(path) as file:
        place = file["embedding"].id.get_offset() + 100
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)
    assert "0 found in the cache, 12 computed" in do("embed")[1]
    assert f"The cache file {path} is damaged (the check of its embedding doesn't match)." in caplog.text
    assert scores_of(do) == first
    assert "12 found" in do("embed")[1]


def test_a_cache_whose_rows_have_another_length(do, labeled, cache_dir):
    import h5py

    first = scores_of(do)
    (path,) = cache_dir.glob("embeddings-*/*.h5")
    with h5py.File(path, "a") as file:
        del file["embedding"]
        file["embedding"] = np.ones((12, 5), np.float32)
    assert scores_of(do) == first


# --- models -----------------------------------------------------------------------------------------------------------


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_model):
    """The content of a real model file."""
    import torch

    project = tmp_path_factory.mktemp("trained")
    fill_stage(project / "stage_1")
    give_labels(project)
    session = open_session(project, model=str(tiny_model), cache_dir=project / "cache", prepare=False)
    session.train(epochs=1)
    return torch.load(session.stage.model, weights_only=True)


def make_text(path, trained):
    path.write_text("I am no model")


def make_empty(path, trained):
    path.touch()


def make_zip(path, trained):
    import zipfile

    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "text")


def make_safetensors(path, trained):
    from safetensors.torch import save_file

    save_file({"head": trained["state_dict"]["head.weight"]}, path)


def make_torch(change):
    def make(path, trained):
        import torch

        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(20_000)  # a pickle can be nested more deeply than Python would write or follow it
        torch.save(change(trained), path)
        sys.setrecursionlimit(limit)

    return make


def make_truncated(path, trained):
    make_torch(dict)(path, trained)
    path.write_bytes(path.read_bytes()[:-3000])


def make_malicious(path, trained):
    make_torch(lambda content: {**content, "notice": Malice(path.with_name("created"))})(path, trained)


def make_malicious_pickle(path, trained):
    import pickle

    path.write_bytes(pickle.dumps(Malice(path.with_name("created"))))


def without(name):
    return lambda content: {key: value for key, value in content.items() if key != name}


def with_head(change):
    def make(content):
        state = content["state_dict"]
        return {**content, "state_dict": {**state, "head.weight": change(state["head.weight"])}}

    return make_torch(make)


def other_weights(content):
    state = {
        name: tensor[..., :-1] if "layernorm" in name else tensor for name, tensor in content["state_dict"].items()
    }
    return {**content, "state_dict": state}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def part(name, value):
    return make_torch(lambda content: {**content, name: value})


def inside(name, **changes):
    return make_torch(lambda content: {**content, name: {**content[name], **changes}})


def repeated(content):
    """Weights of a terabyte in a file of a few kilobytes."""
    import torch

    state = {name: torch.zeros(1).expand(1 << 20, 1 << 18) for name in content["state_dict"]}
    return {**content, "state_dict": state}


def make_compressed(path, trained):
    import zipfile

    make_torch(dict)(path, trained)
    with zipfile.ZipFile(path) as archive:
        files = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)


BAD_MODELS = {
    "compressed": make_compressed,
    "repeated weights": make_torch(repeated),
    "a config nested deeply": inside("vision_config", a=nested(3000)),
    "everything nested deeply": make_torch(lambda content: nested(3000)),
    "a version without end": part("version", 10**5000),
    "a version that is nested": part("version", nested(3000)),
    "a config without end": inside("vision_config", num_hidden_layers=10**5000),
    "an embedding without end": inside("vision_config", hidden_size=10**5000),
    "an embedding that is true": inside("vision_config", hidden_size=True),
    "a size without end": inside("preprocessing", resize=[10**5000, 32]),
    "a large size": inside("preprocessing", resize=[10**9, 10**9]),
    "three sizes": inside("preprocessing", resize=[32, 32, 32]),
    "a crop of one number": inside("preprocessing", crop=32),
    "an infinite factor": inside("preprocessing", rescale=float("inf")),
    "a factor without end": inside("preprocessing", rescale=10**400),
    "labels of numbers": part("labels", {1: "keep"}),
    "labels of lists": part("labels", {"a.jpg": ["keep"]}),
    "labels of another kind": part("labels", {"a.jpg": "maybe"}),
    "labels in a list": part("labels", ["a.jpg"]),
    "keys that are no list": part("validation_keys", 1),
    "keys of numbers": part("validation_keys", [1]),
    "an epoch that is no number": part("epoch", float("nan")),
    "an epoch without end": part("epoch", 10**5000),
    "an infinite accuracy": part("validation_accuracy", float("inf")),
    "no accuracy": part("validation_accuracy", float("nan")),
    "a name that is nested": part("base_name", nested(3000)),
    "a base that is a number": part("base_model", 1),
    "a notice that is none": part("notice", None),
    "text": make_text,
    "empty": make_empty,
    "zip": make_zip,
    "safetensors": make_safetensors,
    "list": make_torch(lambda content: [1, 2]),
    "another program": make_torch(lambda content: {"state_dict": {}, "epoch": 1}),
    "another version": make_torch(lambda content: {**content, "version": 2}),
    "other classes": make_torch(lambda content: {**content, "classes": ["cull", "keep"]}),
    "no pooling": make_torch(without("pooling")),
    "unknown pooling": make_torch(lambda content: {**content, "pooling": "median"}),
    "no weights": make_torch(without("state_dict")),
    "no labels": make_torch(without("labels")),
    "odd config": make_torch(
        lambda content: {**content, "vision_config": {**content["vision_config"], "patch_size": 0}}
    ),
    "odd size": make_torch(
        lambda content: {**content, "preprocessing": {**content["preprocessing"], "resize": ["a", -1]}}
    ),
    "other size": make_torch(
        lambda content: {**content, "preprocessing": {**content["preprocessing"], "resize": [48, 48]}}
    ),
    "head of another shape": with_head(lambda weight: weight[:, :-1]),
    "head that is not finite": with_head(lambda weight: weight * float("nan")),
    "weights of another shape": make_torch(other_weights),
    "truncated": make_truncated,
    "malicious": make_malicious,
    "malicious pickle": make_malicious_pickle,
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_model_file_that_is_none_is_refused_and_left_alone(do, labeled, trained, kind):
    stage = Stage(labeled, 1)
    BAD_MODELS[kind](stage.model, trained)
    before = stage.model.read_bytes()
    for command in ("order", "score", "cull") if kind in ("text", "malicious") else ("cull",):
        refusal(do(command), "can't " + ("run" if kind == "other size" else "be used"))
        assert stage.model.read_bytes() == before
    assert not before_training.is_usable(stage, CULL_TASK)
    assert not (labeled / "created").exists()
    assert not (labeled / "stage_2").exists()


@pytest.mark.parametrize("kind", ["text", "malicious", "other size", "repeated weights"])
def test_a_training_that_never_improves_replaces_what_is_no_model_by_its_start(do, labeled, trained, kind, unreported):
    stage = Stage(labeled, 1)
    BAD_MODELS[kind](stage.model, trained)
    before = stage.model.read_bytes()
    assert do(*TRAIN, "--learning-rate", "1e-9")[0] == 0
    assert stage.model.read_bytes() != before
    assert not (labeled / "created").exists()
    assert do("score")[0] == 0


def config(**changes):
    def make(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return make


def processor(**changes):
    return lambda folder: (folder / "preprocessor_config.json").write_text(json.dumps({**TINY_PROCESSOR, **changes}))


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def nan_weights(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * float("nan") for name, tensor in tensors.items()}, folder / "model.safetensors")


def pickled_weights(folder):
    import torch

    (folder / "model.safetensors").unlink()
    torch.save({"evil": Malice(folder / "created")}, folder / "pytorch_model.bin")


def deep(name):
    return lambda folder: (folder / name).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)


def deep_inside(name, depth):
    """Nested deeply, but not too deeply for a parser."""

    def make(folder):
        whole = json.loads((folder / name).read_text())
        text = json.dumps({**whole, "a": 0}).replace('"a": 0', '"a": ' + '{"a":' * depth + "1" + "}" * depth)
        (folder / name).write_text(text)

    return make


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def replaced(name, make):
    """Something else in the place of a file, or a new one."""

    def change(folder):
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def listening(path):
    """A socket; its path must be short."""
    import socket

    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def index(name):
    return written("model.safetensors.index.json", json.dumps({"weight_map": {"a": name}}).encode())


LARGE = "1" + "0" * 5000
BAD_ENCODERS = {
    **{f"a {name} nested without end": deep(name) for name in ("config.json", "preprocessor_config.json")},
    **{f"a {name} nested deeply": deep_inside(name, 900) for name in ("config.json", "preprocessor_config.json")},
    **{
        f"{kind} in place of {name}": replaced(name, make)
        for name in ("config.json", "preprocessor_config.json", "model.safetensors")
        for kind, make in {
            "a pipe": os.mkfifo,
            "a folder": Path.mkdir,
            "a device": lambda path: path.symlink_to("/dev/zero"),
            "a link to itself": lambda path: path.symlink_to(path.name),
            "a socket": listening,
        }.items()
    },
    "a pipe that the library would open": replaced("adapter_config.json", os.mkfifo),
    "a number without end": written(
        "config.json", b'{"model_type": "vit", "patch_size": 8, "hidden_size": %s}' % LARGE.encode()
    ),
    "a size without end": written(
        "preprocessor_config.json", b'{"size": {"height": %s, "width": 32}}' % LARGE.encode()
    ),
    "a mean without end": written("preprocessor_config.json", b'{"image_mean": [1e400, %s, 1]}' % (b"1" + b"0" * 400)),
    "a config of a gigabyte's kind": written("config.json", b" " * (17 << 20)),
    "a config in Latin 1": written("config.json", '{"name": "Käse"}'.encode("latin-1")),
    "a size that is true": processor(size={"height": True, "width": 32}),
    "a crop that is no size": processor(do_center_crop=True, crop_size={"height": 10**9, "width": 10**9}),
    "an infinite factor": processor(rescale_factor=float("inf")),
    "no factor": processor(rescale_factor=float("nan")),
    "a mean that is no number": processor(image_mean=[0.5, float("nan"), 0.5]),
    "a mean of texts": processor(image_mean=["a", "b", "c"]),
    "a mean of one": processor(image_mean=0.5),
    "a list for a size": processor(size=[[32], [32]]),
    "a processor that is a list": written("preprocessor_config.json", b"[1]"),
    "no size at all": config(hidden_size=True),
    "a list for a number": config(hidden_size=[32]),
    "embeddings of a billion numbers": config(hidden_size=10**9),
    "a billion layers": config(num_hidden_layers=10**9),
    "a hundred layers": config(num_hidden_layers=100),
    "an image of a billion pixels": config(image_size=10**9),
    "a large image": config(image_size=4096, patch_size=1),
    "a billion channels": config(num_channels=10**9),
    "wide layers": config(intermediate_size=10**7),
    "no such number of layers": config(num_hidden_layers=float("nan")),
    "weights elsewhere": index("../elsewhere/model.safetensors"),
    "weights in a device": index("/dev/zero"),
    "weights of no name": written("model.safetensors.index.json", b'{"weight_map": {"a": 1}}'),
    "an index nested without end": deep("model.safetensors.index.json"),
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no vit": config(model_type="bert", patch_size=None, hidden_size="large"),
    "unknown type": config(model_type="of-my-own"),
    "type of no kind": config(model_type=[1]),
    "text for a tower": config(vision_config="vit", hidden_size=None),
    "config that is a list": lambda folder: (folder / "config.json").write_text("[]"),
    "config that is garbage": lambda folder: (folder / "config.json").write_bytes(bytes(range(256))),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "other weights": config(hidden_size=64),
    "more layers": config(num_hidden_layers=4),
    "no patches": config(patch_size=0),
    "no heads": config(num_attention_heads=0),
    "a text for a number": config(num_hidden_layers="two"),
    "cut weights": cut_weights,
    "garbage weights": lambda folder: (folder / "model.safetensors").write_bytes(b"garbage" * 100),
    "pickled weights": pickled_weights,
    "garbage preprocessing": lambda folder: (folder / "preprocessor_config.json").write_text("{"),
    "no size": processor(size={"longest_edge": 32}),
    "odd size": processor(size="large"),
    "negative size": processor(size={"height": -32, "width": 32}),
    "enormous size": processor(size={"height": 10**9, "width": 10**9}),
    "size of another model": processor(size={"height": 64, "width": 64}),
    "photos as they are": processor(do_resize=False),
    "two channels": processor(image_mean=[0.5, 0.5]),
    "no spread": processor(image_std=[0, 0, 0]),
    "odd filter": processor(resample=99),
}


def test_a_model_folder_of_links_is_one_like_any_other(labeled, tmp_path, tiny_model, capsys):
    """As the hub's snapshots are: the names are links to blobs."""
    blobs, folder = shutil.copytree(tiny_model, tmp_path / "blobs"), tmp_path / "snapshot"
    folder.mkdir()
    for path in blobs.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "README.md").symlink_to("gone")
    from imlcull_al.cli.commands import main

    where = ["--project", str(labeled), "--cache-dir", str(tmp_path / "cache"), "--model", str(folder)]
    assert main(["embed", *where]) == 0


@pytest.mark.parametrize("kind", BAD_ENCODERS)
def test_a_model_folder_that_cant_be_used(labeled, tmp_path, tiny_model, kind, capsys):
    folder = shutil.copytree(tiny_model, tmp_path / "a model")
    BAD_ENCODERS[kind](folder)
    from imlcull_al.cli.commands import main

    for command in ("embed", "train"):
        where = ["--project", str(labeled), "--cache-dir", str(tmp_path / "cache")]
        code = main([command, *where, "--model", str(folder)])
        refusal((code, *capsys.readouterr()), folder.name)
    assert not (folder / "created").exists()


def test_weights_that_are_no_numbers(labeled, tmp_path, tiny_model, capsys):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    nan_weights(folder)
    from imlcull_al.cli.commands import main

    where = ["--project", str(labeled), "--cache-dir", str(tmp_path / "cache"), "--model", str(folder)]
    assert main(["score", *where]) == 0
    assert capsys.readouterr().out.count("unreadable: the encoder") == 4  # the other eight are labeled
    assert main(["train", *where]) == 1
    assert "gives no finite numbers" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["/no/such/folder", "~nobody-of-that-name/model", "not an id!", "x" * 300, "a/b/c"])
def test_a_model_name_that_can_be_nothing(labeled, cache_dir, model, capsys):
    from imlcull_al.cli.commands import main

    code = main(["embed", "--project", str(labeled), "--cache-dir", str(cache_dir), "--model", model])
    refusal((code, *capsys.readouterr()), model)


def test_a_model_out_of_reach_falls_back_and_says_so(labeled, cache_dir, capsys):
    from imlcull_al.cli.commands import main

    assert main(["embed", "--project", str(labeled), "--cache-dir", str(cache_dir), "--model", "nobody/has-this"]) == 0
    assert "nobody/has-this is not on this machine" in capsys.readouterr().err


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "option", "value", "part"),
    [
        ("cull", "threshold", "2", "2 is out of range; choose a number from 0 to 1"),
        ("cull", "threshold", "nan", "choose a number from 0 to 1"),
        ("cull", "threshold", "half", "'half' is not a number"),
        ("cull", "max-keepers-lost", "2", "2 is out of range; choose a number between 0 and 1"),
        ("cull", "confidence", "1", "choose a number between 0 and 1"),
        ("export", "unsure", "-1", "choose a number from 0 to 1"),
        ("label", "port", "99999", "99999 is out of range; choose a port from 1 to 65535"),
        ("label", "train-every", "-1", "'-1' is not a whole number of 0 or more"),
        ("order", "n", "-1", "-1 is out of range; choose 1 or more"),
        ("replay", "held-out", "1", "choose a number between 0 and 1"),
        ("train", "epochs", "0", "epochs is 0; choose 1 or more"),
        ("train", "batch-size", "0", "batch_size is 0"),
        ("train", "batch-size", "-3", "batch_size is -3"),
        ("train", "patience", "0", "patience is 0"),
        ("train", "validation-split", "1.5", "between 0 and 1"),
        ("train", "validation-split", "nan", "between 0 and 1"),
        ("train", "learning-rate", "0", "above 0"),
        ("train", "learning-rate", "nan", "above 0"),
        ("train", "learning-rate", "inf", "above 0"),
        ("train", "seed", "-1", "seed is -1"),
        ("train", "seed", "99999999999999999999", "seed is"),
    ],
)
def test_options_without_a_meaning_are_refused_before_any_work(tmp_path, capsys, command, option, value, part):
    from imlcull_al.cli.commands import main

    words = [command, *(["ratings"] if command == "export" else []), "--project", str(tmp_path / "nowhere")]
    with pytest.raises(SystemExit) as caught:
        main([*words, f"-{option}" if option == "n" else f"--{option}", value])
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


def test_extreme_options_that_have_a_meaning(do, labeled, unreported):
    assert do("embed", "--batch-size", "99999999999999999999")[0] == 0
    assert do("order", "-n", "99999999999999999999")[0] == 0
    assert do(*TRAIN, "--batch-size", "99999999999999999999", "--validation-split", "0.999")[0] == 0
    assert do("cull", "--threshold", "0", "--dry-run")[0] == 0


def test_a_training_that_diverges_leaves_the_earlier_model(do, labeled, unreported):
    assert do(*TRAIN)[0] == 0
    model = Stage(labeled, 1).model
    before = model.read_bytes(), model.stat().st_mtime_ns
    refusal(
        do("train", "--epochs", "40", "--patience", "40", "--learning-rate", "1e30"), "smaller learning rate", model
    )
    assert (model.read_bytes(), model.stat().st_mtime_ns) == before
    assert do("score")[0] == 0


# --- culling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.write_text("a file"), lambda path: path.symlink_to("nowhere")]
)
def test_a_next_stage_that_is_there_already(do, labeled, make):
    stage_2 = labeled / "stage_2"
    make(stage_2)
    before = stage_2.lstat()
    refusal(do("cull", "--stage", "1"), stage_2, "already exists; nothing was changed")
    assert stage_2.lstat() == before
    assert not Stage(labeled, 2).manifest.exists()


def test_a_photo_that_goes_between_plan_and_copy(labeled, cache_dir, tiny_model):
    session = open_session(labeled, model=str(tiny_model), cache_dir=cache_dir)
    plan = session.plan_cull()
    (labeled / "stage_1" / "warm_03.jpg").unlink()
    from imlcull_al.culling import make

    with pytest.raises(Exception, match=r"Could not read .*stage_1/warm_03\.jpg: No such file"):
        make.make_stage(plan)
    assert not (labeled / "stage_2").exists()


def test_a_copy_that_differs(do, labeled, monkeypatch):
    def corrupt(file, piece):
        file.write(bytes(piece[:-1]) + b"?" if "warm_03" in str(file.name) else piece)

    with monkeypatch.context() as patch:
        patch.setattr("imlcull_al.culling.copies.write_all", corrupt)
        refusal(do("cull"), "The copy of", "warm_03.jpg differs", "Check the disk")
    assert not (labeled / "stage_2").exists()
    assert not Stage(labeled, 2).manifest.exists()
    assert do("cull")[0] == 0


@pytest.mark.parametrize("make", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("stage_1")])
def test_something_else_in_the_place_of_the_half_made_stage(do, labeled, make):
    half_made = labeled / ".imlcull-stage_2.partial"
    make(half_made)
    refusal(do("cull"), "Could not write", half_made)
    half_made.unlink()


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def raising(error):
    def fail(*arguments, **named):
        raise error

    return fail


def after(calls, function, error=KeyboardInterrupt):
    """`function` that raises from its call number `calls` + 1 on."""
    left = iter(range(calls))

    def interrupted(*arguments, **named):
        if next(left, None) is None:
            raise error
        return function(*arguments, **named)

    return interrupted


def stopped(result):
    code, _, err = result
    assert code == 130
    assert err.count("Stopped.") == 1


def test_ctrl_c_while_embedding(do, labeled, monkeypatch):
    from imlcull_al.encoding.encoder import VisionEncoder

    with monkeypatch.context() as patch:
        patch.setattr(VisionEncoder, "encode", after(2, VisionEncoder.encode))
        stopped(do("embed", "--batch-size", "4"))
    assert "8 found in the cache, 4 computed" in do("embed")[1]


def test_ctrl_c_while_training_keeps_the_best_so_far(do, labeled, monkeypatch, unreported):
    monkeypatch.setattr(Epoch, "better_than", lambda epoch, other: True)
    with monkeypatch.context() as patch:
        patch.setattr(train._Run, "_save", after(1, train._Run._save))
        stopped(do("train", "--epochs", "3"))
    assert len(Stage(labeled, 1).epoch_log.read_text().splitlines()) == 2
    earlier = Stage(labeled, 1).model.read_bytes()
    assert do("score")[0] == 0
    assert Stage(labeled, 1).model.read_bytes() == earlier
    assert do(*TRAIN, "--seed", "1")[0] == 0
    assert Stage(labeled, 1).model.read_bytes() != earlier


COPIES = "imlcull_al.culling.copies"


@pytest.mark.parametrize("place", [f"{COPIES}.copy", f"{COPIES}._syncfs", "imlcull_al.culling.make.put_in_place"])
def test_ctrl_c_while_culling(do, labeled, monkeypatch, place):
    do("embed")
    with monkeypatch.context() as patch:
        patch.setattr(place, raising(KeyboardInterrupt))
        stopped(do("cull"))
    assert not (labeled / "stage_2").exists()
    assert not Stage(labeled, 2).manifest.exists()
    assert do("cull")[0] == 0
