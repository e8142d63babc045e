"""Decisions become sidecars: as each program expects them, as one step, and never into a photo."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest
from conftest import MeanColour, fill_stage, fingerprint_of
from test_xmp import exiftool

from imlcull_al.culling.plan import Decision
from imlcull_al.errors import RatingsRefused, StageError, StorageError
from imlcull_al.exchange import step
from imlcull_al.exchange.profiles import BEST, CULLED, KEPT, PROFILES, UNSURE, Wish, marks_of, profile_of
from imlcull_al.exchange.ratings import rules_for
from imlcull_al.exchange.sidecars import new_bytes, plan
from imlcull_al.exchange.values import Values, values_of
from imlcull_al.exchange.xmp import parse
from imlcull_al.project.listing import list_photos
from imlcull_al.project.originals import content_id
from imlcull_al.project.stages import Stage
from imlcull_al.session import ratings
from imlcull_al.session.session import open_session

SIDECARS = Path(__file__).parent / "sidecars"
NOW = "2026-11-28T10:00:00+01:00"


def decided(key, p_keep, label=None):
    return Decision(key, label or ("keep" if p_keep >= 0.5 else "cull"), "label" if label else "score", p_keep)


def test_an_answer_beats_a_score_and_the_best_of_a_burst_is_kept_and_likeliest():
    decisions = [
        decided("a", 0.9), decided("b", 0.95), decided("c", 0.2), decided("d", 0.45), decided("e", 0.61),
        decided("f", 0.99, "cull"), decided("g", 0.1, "keep"), decided("h", 0.97), decided("i", 0.8),
        Decision("j", "keep", "unreadable: it is empty", None),
    ]  # fmt: skip
    bursts = {"a": 0, "b": 0, "c": 0, "g": 1, "h": 1, "f": 1, "i": 2, "e": 3, "d": 3}
    assert marks_of(decisions, bursts, 0.5) == {
        "a": KEPT, "b": BEST, "c": CULLED, "d": UNSURE, "e": BEST, "f": CULLED, "g": BEST, "h": KEPT, "i": KEPT,
        "j": UNSURE,
    }  # fmt: skip


SAID = {
    "lightroom": {"best of burst": (None, 1, "Purple"), "kept": (None, 1, "Green"), "unsure": (None, 0, "Yellow"),
                  "culled": (-1, -1, "Red")},
    "darktable": {"best of burst": (None, None, ""), "kept": (None, None, ""), "unsure": (None, None, ""),
                  "culled": (-1, -1, "")},
    "digikam": {"best of burst": (None, 1, "Purple"), "kept": (None, 1, "Green"), "unsure": (None, 0, "Yellow"),
                "culled": (None, -1, "Red")},
    "capture-one": {"best of burst": (None, None, "Purple"), "kept": (None, None, "Green"),
                    "unsure": (None, None, "Yellow"), "culled": (None, None, "Red")},
    "all": {"best of burst": (None, 1, "Purple"), "kept": (None, 1, "Green"), "unsure": (None, 0, "Yellow"),
            "culled": (-1, -1, "Red")},
}  # fmt: skip
COLORS = {"best of burst": "purple", "kept": "green", "unsure": "yellow", "culled": "red"}
STARS = {"best of burst": 5, "kept": 3, "unsure": 1}


def new_sidecar(wish, mark, before=None):
    return values_of(parse(new_bytes(before, wish, mark, NOW)))


@pytest.mark.parametrize("program", PROFILES)
@pytest.mark.parametrize("mark", COLORS)
def test_what_each_program_is_told(program, mark):
    rating, pick, label = SAID[program][mark]
    wish = Wish(profile_of(program))
    assert new_sidecar(wish, mark) == Values(rating, pick, label, frozenset({COLORS[mark]}))
    stars = new_sidecar(Wish(wish.profile, stars=True), mark).rating
    assert stars == (rating if mark == CULLED else STARS[mark])
    assert new_sidecar(Wish(wish.profile, colors=False), mark) == Values(rating, pick)


def test_a_person_s_stars_stay_and_a_reject_goes_only_where_it_was_set():
    three, rejected = ((SIDECARS / name).read_bytes() for name in ("IMG_0001.xmp", "IMG_0004.xmp"))
    wish = Wish(profile_of("lightroom"))
    assert new_sidecar(wish, KEPT, three).rating == 3
    assert new_sidecar(wish, CULLED, three).rating == -1
    assert new_sidecar(wish, UNSURE, rejected).rating == 0
    assert new_sidecar(Wish(profile_of("capture-one")), CULLED, three).rating == 3


def test_what_stands_there_for_another_program_is_never_left_to_contradict():
    picked = (SIDECARS / "IMG_0003.JPG.xmp").read_bytes()
    told = new_sidecar(Wish(profile_of("darktable"), stars=True), UNSURE, picked)
    assert (told.rating, told.pick, told.colors) == (1, 0, frozenset({"yellow"}))
    new = new_bytes(picked, Wish(profile_of("darktable"), stars=True), UNSURE, NOW)
    assert b'MicrosoftPhoto:Rating="1"' in new
    assert b"xmp:Label" not in new


@pytest.fixture
def stage(tmp_path):
    """Photos of every situation; only names matter, so they are no pictures."""
    folder = tmp_path / "project" / "stage_1"
    (folder / "sub").mkdir(parents=True)
    for name in ("IMG_1.JPG", "IMG_1.CR2", "IMG_2.JPG", "IMG_3.JPG", "sub/IMG_4.NEF", "IMG_5.DNG", "IMG_5_01.JPG"):
        (folder / name).write_bytes(name.encode())
    shutil.copy(SIDECARS / "IMG_0001.xmp", folder / "IMG_1.XMP")
    shutil.copy(SIDECARS / "IMG_0003.JPG.xmp", folder / "IMG_2.JPG.xmp")
    return Stage(folder.parent, 1)


def planned(stage, program, mark=CULLED, **options):
    listing = list_photos(stage)
    return plan(stage, listing, dict.fromkeys(listing.keys, mark), Wish(profile_of(program), **options), NOW)


def names(writing):
    return [each.name for each in writing.changes]


def test_existing_sidecars_are_changed_and_new_ones_named_as_expected(stage):
    there = ["IMG_1.XMP", "IMG_2.JPG.xmp"]
    assert names(planned(stage, "lightroom")) == sorted([*there, "sub/IMG_4.xmp"])
    assert planned(stage, "lightroom").out_of_reach == ("IMG_2.JPG", "IMG_3.JPG", "IMG_5.DNG", "IMG_5_01.JPG")
    by_file = ["IMG_3.JPG.xmp", "IMG_5.DNG.xmp", "IMG_5_01.JPG.xmp", "sub/IMG_4.NEF.xmp"]
    assert names(planned(stage, "darktable")) == sorted([*there, *by_file])
    both = ["IMG_1.CR2.xmp", "IMG_1.JPG.xmp"]
    assert names(planned(stage, "digikam")) == sorted([*there, *both, *by_file])
    by_stem = ["IMG_2.xmp", "IMG_3.xmp", "IMG_5.xmp", "IMG_5_01.xmp", "sub/IMG_4.xmp"]
    assert names(planned(stage, "capture-one")) == sorted([*there, *by_stem])
    assert names(planned(stage, "all")) == sorted([*there, *by_file, *by_stem])
    assert planned(stage, "darktable").summary == "2 sidecars to change, 4 to create"


def test_a_new_sidecar_is_named_like_its_photo_on_the_disk(stage):
    name = normalize("NFD", "é.JPG")
    (stage.folder / name).write_bytes(b"photo")
    assert normalize("NFD", "é") + ".xmp" in names(planned(stage, "capture-one"))
    assert f"{name}.xmp" in names(planned(stage, "darktable"))


def test_a_sidecar_of_two_photos_needs_one_decision(stage):
    (stage.folder / "IMG_1.TIF").write_bytes(b"another")
    listing = list_photos(stage)
    marks = dict.fromkeys(listing.keys, KEPT)
    wish = Wish(profile_of("capture-one"))
    if "IMG_1.XMP" not in listing.companions.get("IMG_1.TIF", ()):
        pytest.skip("the sidecar belongs to one of the two")
    assert "IMG_1.XMP" in names(plan(stage, listing, marks, wish, NOW))
    found = plan(stage, listing, {**marks, "IMG_1.TIF": CULLED}, wish, NOW)
    assert "IMG_1.XMP" not in names(found)
    assert found.refused["IMG_1.XMP"] == "it belongs to IMG_1.JPG and IMG_1.TIF, which are decided differently"


def test_an_export_changes_nothing_but_sidecars_and_is_undone_to_the_byte(stage):
    before = fingerprint_of(stage.folder)
    bytes_before = {name: digest for name, (digest, _, _) in before.items()}
    (stage.folder / "IMG_1.XMP").chmod(0o640)
    written = step.write(planned(stage, "all"))
    assert (written.sidecars, written.left, written.backup.name) == (11, {}, "stage_1_cull_sidecars_1.zip")
    after = fingerprint_of(stage.folder)
    photos = [name for name in before if not name.casefold().endswith(".xmp")]
    assert {name: after[name] for name in photos} == {name: before[name] for name in photos}
    assert (stage.folder / "IMG_1.XMP").stat().st_mode & 0o777 == 0o640
    assert planned(stage, "all").changes == ()
    assert planned(stage, "all").summary == "0 sidecars to change, 0 to create, 11 say so already"
    undone = step.undo(stage)
    assert (undone.sidecars, undone.left) == (11, {})
    assert {name: digest for name, (digest, _, _) in fingerprint_of(stage.folder).items()} == bytes_before
    assert undone.backup.name.startswith("stage_1_cull_sidecars_1.zip.undone-")
    with pytest.raises(RatingsRefused, match="No export beside the photos of stage_1"):
        step.undo(stage)


def test_the_backup_is_pinned(stage):
    step.write(planned(stage, "lightroom"))
    with zipfile.ZipFile(stage.project / "stage_1_cull_sidecars_1.zip") as archive:
        assert archive.namelist() == ["IMG_1.XMP", "IMG_2.JPG.xmp", "sidecars.csv"]
        assert archive.read("IMG_1.XMP") == (SIDECARS / "IMG_0001.xmp").read_bytes()
        rows = [line.split(",") for line in archive.read("sidecars.csv").decode().splitlines()]
    assert rows[0] == ["sidecar", "before", "after"]
    assert [(row[0], len(row[1]), len(row[2])) for row in rows[1:]] == [
        ("IMG_1.XMP", 32, 32), ("IMG_2.JPG.xmp", 32, 32), ("sub/IMG_4.xmp", 0, 32)
    ]  # fmt: skip


def test_exports_are_undone_from_the_last_one_on(stage):
    original = (stage.folder / "IMG_1.XMP").read_bytes()
    step.write(planned(stage, "lightroom", CULLED))
    between = (stage.folder / "IMG_1.XMP").read_bytes()
    step.write(planned(stage, "lightroom", KEPT))
    step.undo(stage)
    assert (stage.folder / "IMG_1.XMP").read_bytes() == between
    step.undo(stage)
    assert (stage.folder / "IMG_1.XMP").read_bytes() == original


def test_what_another_program_changed_meanwhile_is_left_and_named(stage):
    writing = planned(stage, "darktable")
    (stage.folder / "IMG_2.JPG.xmp").write_bytes(b"changed")
    (stage.folder / "IMG_3.JPG.xmp").write_bytes(b"made")
    left = dict.fromkeys(("IMG_2.JPG.xmp", "IMG_3.JPG.xmp"), "it was changed by another program; it stays as it is")
    assert step.write(writing)[:2] == (4, left)
    (stage.folder / "IMG_1.XMP").write_bytes(b"changed after")
    (stage.folder / "sub" / "IMG_4.NEF.xmp").unlink()
    undone = step.undo(stage)
    assert (undone.sidecars, undone.left) == (
        2, {"IMG_1.XMP": "it was changed by another program; it stays as it is"}
    )  # fmt: skip
    kept = {name: (stage.folder / name).read_bytes() for name in ("IMG_1.XMP", "IMG_2.JPG.xmp", "IMG_3.JPG.xmp")}
    assert kept == {"IMG_1.XMP": b"changed after", "IMG_2.JPG.xmp": b"changed", "IMG_3.JPG.xmp": b"made"}
    assert not (stage.folder / "IMG_5.DNG.xmp").exists()


def test_a_sidecar_that_is_no_plain_file_or_no_plain_xmp_is_left(stage):
    (stage.folder / "IMG_2.JPG.xmp").rename(stage.folder / "sub" / "real.xmp")
    (stage.folder / "IMG_2.JPG.xmp").symlink_to(stage.folder / "sub" / "real.xmp")
    shutil.copy(SIDECARS / "IMG_0006.xmp", stage.folder / "IMG_3.JPG.xmp")
    (stage.folder / "IMG_1.XMP").chmod(0o444)
    before = fingerprint_of(stage.folder)
    writing = planned(stage, "darktable")
    assert writing.refused == {
        "IMG_1.XMP": "it is write-protected",
        "IMG_2.JPG.xmp": "it is a symbolic link",
        "IMG_3.JPG.xmp": "it has a document type, which XMP never needs",
    }
    step.write(writing)
    after = fingerprint_of(stage.folder)
    assert {name: after[name] for name in before} == before


def test_a_hard_linked_twin_keeps_its_bytes(stage):
    twin = stage.project / "stage_2" / "IMG_1.XMP"
    twin.parent.mkdir()
    os.link(stage.folder / "IMG_1.XMP", twin)
    step.write(planned(stage, "lightroom"))
    assert twin.read_bytes() == (SIDECARS / "IMG_0001.xmp").read_bytes()
    assert b'xmp:Rating="-1"' in (stage.folder / "IMG_1.XMP").read_bytes()


def test_a_folder_that_became_a_link_is_not_written_through(stage, tmp_path):
    writing = planned(stage, "darktable")
    (stage.folder / "sub").rename(tmp_path / "elsewhere")
    (stage.folder / "sub").symlink_to(tmp_path / "elsewhere")
    written = step.write(writing)
    assert (written.sidecars, list(written.left)) == (5, ["sub/IMG_4.NEF.xmp"])
    assert [each.name for each in (tmp_path / "elsewhere").iterdir()] == ["IMG_4.NEF"]


def test_a_backup_that_names_other_files_restores_none(stage):
    other = stage.project / "other.xmp"
    other.write_bytes(b"mine")
    with zipfile.ZipFile(stage.sidecars(1), "w") as archive:
        rows = [f"{name},,{content_id(b'mine')}" for name in ("../other.xmp", str(other), "IMG_1.JPG")]
        archive.writestr("sidecars.csv", "\n".join(["sidecar,before,after", *rows]))
    assert step.undo(stage).sidecars == 0
    assert (other.read_bytes(), (stage.folder / "IMG_1.JPG").exists()) == (b"mine", True)


def test_a_damaged_backup_is_said(stage):
    stage.sidecars(1).write_bytes(b"no zip")
    with pytest.raises(StorageError, match=r"stage_1_cull_sidecars_1.zip"):
        step.undo(stage)


def test_a_read_only_folder_is_said_before_anything_is_written(stage, monkeypatch):
    before, writing = fingerprint_of(stage.folder), planned(stage, "darktable")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "sub" and access(path, mode))
    with pytest.raises(StorageError, match=r"sub is read-only; no sidecar was written"):
        step.write(writing)
    assert fingerprint_of(stage.folder) == before
    assert not stage.sidecars(1).exists()


@pytest.mark.parametrize("leaves_a_folder", [False, True])
def test_photos_that_are_away_use_up_no_undo(stage, tmp_path, leaves_a_folder):
    before, writing = fingerprint_of(stage.folder).keys(), planned(stage, "darktable")
    step.write(writing)
    away = stage.folder.rename(tmp_path / "away")
    if leaves_a_folder:
        stage.folder.mkdir()
    for work in (lambda: step.undo(stage), lambda: step.write(writing)):
        with pytest.raises(StageError, match="Connect its disk again"):
            work()
    assert step.can_undo(stage)
    if leaves_a_folder:
        stage.folder.rmdir()
    away.rename(stage.folder)
    step.undo(stage)
    assert fingerprint_of(stage.folder).keys() == before


def test_a_project_that_is_away_is_said(stage, tmp_path):
    writing = planned(stage, "darktable")
    stage = Stage(tmp_path / "gone", 1, elsewhere=stage.folder)
    assert not step.can_undo(stage)
    for work in (lambda: step.undo(stage), lambda: step.write(replace(writing, stage=stage))):
        with pytest.raises(StorageError, match=r"Could not read .*gone: No such file"):
            work()
    assert not stage.project.exists()  # the lock makes no folder where a disk is not mounted


def test_a_folder_that_went_since_the_preview_is_said(stage):
    writing = planned(stage, "darktable")
    shutil.rmtree(stage.folder / "sub")
    with pytest.raises(StorageError, match=r"sub is gone; no sidecar was written"):
        step.write(writing)


def test_a_full_disk_is_said_and_what_was_written_is_undone(stage, monkeypatch):
    before = {name: digest for name, (digest, _, _) in fingerprint_of(stage.folder).items()}
    replace = Path.replace

    def full(self, target):
        if Path(target).name == "IMG_2.JPG.xmp":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match=r"No space left.* 1 of 6 sidecars written. Export again"):
        step.write(planned(stage, "darktable"))
    monkeypatch.undo()
    step.undo(stage)
    assert {name: digest for name, (digest, _, _) in fingerprint_of(stage.folder).items()} == before


KILLED = """
import os, signal, sys
from pathlib import Path
from imlcull_al.exchange import step
from imlcull_al.project import files
sys.path.insert(0, "tests")
from test_ratings_out import planned
from imlcull_al.project.originals import content_id
from imlcull_al.project.stages import Stage
calls = 0
def counting(function):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls > int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
Path.replace, os.link, os.fsync = map(counting, (Path.replace, os.link, os.fsync))
step.write(planned(Stage(Path(sys.argv[1]), 1), sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("after", [0, 1, 3, 4, 6, 7, 10, 15])
def test_a_kill_leaves_every_sidecar_old_or_new_and_undo_works(stage, after):
    before = {name: digest for name, (digest, _, _) in fingerprint_of(stage.folder).items()}
    new = planned(stage, "darktable")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, stage.project, str(after), "darktable"],
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    for each in new.changes:
        path = stage.folder / each.name
        assert (content_id(path.read_bytes()) if path.exists() else "") in (each.before, each.after)
    list_photos(stage)  # what was left behind is hidden
    if stage.sidecars(1).exists():
        assert step.undo(stage).left == {}
    left = {name: digest for name, (digest, _, _) in fingerprint_of(stage.folder).items() if ".imlcull-" not in name}
    assert left == before


@pytest.fixture
def session(tmp_path):
    stage = fill_stage(tmp_path / "project" / "stage_1")
    shutil.copy(SIDECARS / "IMG_0001.xmp", stage / "cold_00.xmp")
    shutil.copy(SIDECARS / "IMG_0002.CR2.xmp", stage / "warm_00.jpg.xmp")
    return open_session(tmp_path / "project", model=MeanColour(), cache_dir=tmp_path / "cache")


def test_without_scores_only_answers_are_exported(session):
    session.answer("cold_00.jpg", "cull")
    export = ratings.plan_export(session, Wish(profile_of("darktable")))
    assert export.marks == {"cold_00.jpg": CULLED}
    assert export.summary == "0 best of burst, 0 kept, 0 unsure, 1 culled"
    assert names(export.writing) == ["cold_00.xmp"]


def test_answers_and_scores_are_exported_and_come_back_as_the_same_answers(session):
    for number in range(4):
        session.answer(f"warm_{number:02}.jpg", "keep")
        session.answer(f"cold_{number:02}.jpg", "cull")
    export = ratings.plan_export(session, Wish(profile_of("all"), stars=True))
    culled = {key for key, mark in export.marks.items() if mark == CULLED}
    assert culled >= {f"cold_{number:02}.jpg" for number in range(4)}
    assert not any("warm" in key for key in culled)
    step.write(export.writing)
    told = ratings.look(session, rules_for(session.task, {}))
    decided = {key: "cull" if mark == CULLED else "keep" for key, mark in export.marks.items() if mark != UNSURE}
    answers = session.labels()
    assert told.labels == {key: label for key, label in decided.items() if key not in answers}
    assert (told.own, told.same, told.both) == ((), 8, ())


def test_another_task_tells_nothing_about_keeping(session):
    session = open_session(
        session.stage.project, model=MeanColour(), cache_dir=session.stage.project.parent / "cache", task="garment",
        classes=("shirt", "dress"),
    )  # fmt: skip
    with pytest.raises(StageError, match="decides nothing about keeping"):
        ratings.plan_export(session, Wish(profile_of("darktable")))


def test_names_and_table_are_pinned(session):
    session.answer("warm_01.jpg", "keep")
    session.answer("cold_00.jpg", "cull")
    (session.stage.folder / "warm_01.CR2").write_bytes(b"raw")
    session.follow_photos()
    export = ratings.plan_export(session, Wish(profile_of("lightroom")), margin=0)
    assert "warm_01.jpg, warm_01.CR2" in export.names((BEST, KEPT))
    rows = export.table().splitlines()
    assert rows[0] == "image_name,mark,stars,color,p_keep,reason"
    assert rows[1].startswith("cold_00.jpg,culled,,red,0.")
    assert rows[1].endswith(",label")


def test_the_command_writes_only_when_told(run, session, tmp_path):
    session.answer("warm_01.jpg", "keep")
    session.answer("cold_00.jpg", "cull")
    project = session.stage.project
    before = fingerprint_of(session.stage.folder)
    arguments = ("export", "ratings", "--project", project, "--for", "darktable")
    for extra in ((), ("--dry-run",), ("--dry-run", "--yes")):
        code, out, err = run(*arguments, *extra)
        assert code == 0
        assert "sidecars to change, " in out
        assert "darktable reads sidecars when it imports photos" in err
        assert fingerprint_of(session.stage.folder) == before
    code, out, err = run(*arguments, "--yes", "--csv", tmp_path / "all.csv", "--list", tmp_path / "names.txt")
    assert (code, "To take them back: " in out) == (0, True)
    assert (tmp_path / "all.csv").read_text().count("\n") == 13
    assert "warm_01.jpg" in (tmp_path / "names.txt").read_text()
    assert (session.stage.folder / "warm_01.jpg.xmp").exists()
    assert run("export", "ratings", "--project", project, "--undo")[1].startswith("Restored ")
    digests = {name: digest for name, (digest, _, _) in fingerprint_of(session.stage.folder).items()}
    assert digests == {name: digest for name, (digest, _, _) in before.items()}


def test_the_command_says_what_lightroom_does_not_read_and_refuses_odd_places(run, session):
    session.answer("warm_01.jpg", "keep")
    session.answer("cold_00.jpg", "cull")
    project = session.stage.project
    code, out, err = run("export", "ratings", "--project", project, "--for", "lightroom")
    assert code == 0
    assert "Photos that hold their metadata inside, where lightroom looks for it: 12." in out
    assert "keeps flags in its catalog" in err
    code, _, err = run(
        "export", "ratings", "--project", project, "--for", "all", "--csv", session.stage.folder / "all.csv"
    )
    assert (code, "where only sidecars are written" in err) == (1, True)
    code, _, err = run("export", "ratings", "--project", project)
    assert (code, "--for lightroom, darktable, digikam, capture-one, all" in err) == (1, True)


@pytest.mark.slow
def test_exiftool_reads_what_every_program_is_told(stage):
    step.write(planned(stage, "all", BEST, stars=True))
    told = exiftool(stage.folder, "-ext", "xmp")
    assert len(told) == 9  # those in the folder itself
    for each in told.values():
        assert (each["XMP-xmp:Rating"], each["XMP-xmp:Label"], each["XMP-photoshop:LabelColor"]) == (
            5,
            "Purple",
            "purple",
        )
        assert (each["XMP-xmpDM:Pick"], each["XMP-digiKam:PickLabel"], each["XMP-digiKam:ColorLabel"]) == (1, 3, 6)
        assert each["XMP-darktable:Colorlabels"] == [4]
    dated = {name for name, each in told.items() if "XMP-xmp:MetadataDate" in each}
    assert dated == set(told) - {"IMG_2.JPG.xmp"}  # it had no date
