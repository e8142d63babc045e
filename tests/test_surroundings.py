"""Disks that are full, folders that may not be written, clocks, zones and encodings: what is stored stays the same."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import fill_stage, fingerprint_of, label_of

from imlcull_al.culling import copies, make, undo
from imlcull_al.culling.plan import Plan, decide, make_plan
from imlcull_al.errors import CullRefused, StorageError
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage

ROOT = Path(__file__).parents[1]
NAMES = ("Ä é.jpg", "写真 😀.jpg")


def fill_disk(folder: Path, room: int = 0) -> Path:
    """Leave `room` bytes."""
    path = folder / "full"
    path.write_bytes(bytes(max(0, os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - room)))
    return path


def answer_until_refused(labels: Labels) -> dict[str, str]:
    """What was acknowledged before the first refusal."""
    acknowledged: dict[str, str] = {}
    for number in range(100_000):
        try:
            labels.answer(f"{number:05}.jpg", "keep" if number % 3 else "cull")
        except StorageError as error:
            assert "No space left on device" in str(error)
            return acknowledged
        acknowledged[f"{number:05}.jpg"] = "keep" if number % 3 else "cull"
    pytest.fail("the disk never filled up")


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 4096, 12_288, 50_000])
def test_answers_on_a_disk_that_fills_up(small_disk, room):
    """Each is acknowledged and there, or refused and not; with room again, work goes on."""
    stage = Stage(small_disk("512k"), 1)
    fill_stage(stage.folder, warm=1, cold=1)
    labels = Labels(stage)
    full = fill_disk(stage.project, room)
    acknowledged = answer_until_refused(labels)
    assert Labels(stage).as_dict() == labels.as_dict() == acknowledged
    full.unlink()
    labels.answer("later.jpg", "keep")
    assert Labels(stage).as_dict() == {**acknowledged, "later.jpg": "keep"}
    assert len(stage.labels.read_text().splitlines()) == len(acknowledged) + 2
    assert not list(stage.project.glob("*.tmp"))


def plan_of(stage: Stage) -> Plan:
    listing = list_photos(stage)
    decisions = decide(dict.fromkeys(listing.keys, 0.5), {key: label_of(key) for key in listing.keys}, {})
    return make_plan(stage, decisions, listing, 0.5, "none")


def test_a_cull_onto_a_disk_that_fills_up_meanwhile(small_disk, monkeypatch):
    stage = Stage(small_disk("1m"), 1)
    fill_stage(stage.folder, warm=8, cold=2)
    before = fingerprint_of(stage.folder)
    write = copies.write_all

    def and_others_write_too(file, piece):
        if "warm_04" in str(file.name):
            fill_disk(stage.project, room=100)
        write(file, piece)

    with monkeypatch.context() as patch:
        patch.setattr(copies, "write_all", and_others_write_too)
        with pytest.raises(StorageError, match="No space left on device"):
            make.make_stage(plan_of(stage))
    assert sorted(path.name for path in stage.project.iterdir() if path.suffix != ".lock") == ["full", "stage_1"]
    (stage.project / "full").unlink()
    make.make_stage(plan_of(stage))
    assert undo.changes_since_cull(stage.next) == []
    assert fingerprint_of(stage.folder) == before


AS_NOBODY = """
import os, sys
from pathlib import Path
import filelock
from imlcull_al.culling.make import make_stage
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.errors import ImlcullError
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
"".encode("utf-8-sig")
if os.getuid() == 0:
    os.setuid(65534)  # only now: Python's own files may be root's
stage = Stage(Path(sys.argv[1]), 1)
labels = Labels(stage)
print(len(labels.as_dict()))
for work in (
    lambda: labels.answer("warm_00.jpg", "keep"),
    lambda: make_stage(make_plan(stage, decide(dict.fromkeys(list_photos(stage).keys, 0.9), {}, {}),
                                      list_photos(stage), 0.5, "none")),
):
    try:
        work()
    except ImlcullError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a system with user ids")
def test_a_project_that_may_only_be_read():
    """Answers are shown, none is taken, no stage is made, and each refusal is a sentence."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage = Stage(folder, 1)
        fill_stage(stage.folder, warm=2, cold=1)
        Labels(stage).answer("cold_00.jpg", "cull")
        stage.lock.unlink(missing_ok=True)
        before = fingerprint_of(folder)
        folder.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, name], cwd=ROOT, capture_output=True, text=True, check=False
            )
        finally:
            folder.chmod(0o755)
        assert done.returncode == 0, done.stderr
        known, refused, no_stage = done.stdout.splitlines()
        assert known == "1"
        assert refused.startswith(f"Could not write {stage.journal}: Permission denied.")
        assert "Permission denied" in no_stage
        assert fingerprint_of(folder) == before


WORK = """
import sys
from pathlib import Path
from imlcull_al.culling.make import make_stage
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.terminal import say
stage = Stage(Path(sys.argv[1]), 1)
labels = Labels(stage)
listing = list_photos(stage)
labels.answer_all(listing.keys, "keep")
labels.answer("cold_00.jpg", "cull")
labels.undo()
labels.answer("cold_01.jpg", "cull")
decisions = decide(dict.fromkeys(listing.keys, 0.9), labels.as_dict(), {})
make_stage(make_plan(stage, decisions, listing, 0.5, "none"))
say(f"culled {listing.keys}")
"""
SURROUNDINGS = {
    "as usual": {},
    "ASCII": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    "Latin 1": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    "Samoa": {"TZ": "Pacific/Apia"},
    "Newfoundland": {"TZ": "America/St_Johns"},
}


def stored(folder: Path, surroundings: dict[str, str]) -> dict[str, bytes]:
    """What a program started so leaves in the project, without times and seeds."""
    stage = Stage(folder, 1)
    fill_stage(stage.folder, warm=2, cold=2)
    for name in NAMES:
        shutil.copy2(stage.path("warm_01.jpg"), stage.path(name))
    arguments = [sys.executable, "-c", WORK, str(folder)]
    done = subprocess.run(arguments, cwd=ROOT, env={**os.environ, **surroundings}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found = {path.name: path.read_bytes() for path in (stage.labels, stage.next.manifest)}
    lines = stage.journal.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 2 and all('+00:00"' in line for line in lines)
    found["journal"] = "\n".join(
        line.partition('"do"')[2].partition(', "table"')[0] for line in lines if '"audit"' not in line
    ).encode()
    return found | {path.name: path.read_bytes() for path in stage.next.folder.iterdir()}


@pytest.mark.slow
def test_encoding_and_zone_have_no_part_in_what_is_stored(tmp_path):
    found = [stored(tmp_path / name, variables) for name, variables in SURROUNDINGS.items()]
    assert set(NAMES) <= set(found[0])
    assert all(each == found[0] for each in found)


def test_a_clock_that_runs_backwards_costs_nothing(tmp_path, monkeypatch):
    """An hour back at every look; every answer, its order, and undo to the first."""
    stage = Stage(tmp_path, 1)
    fill_stage(stage.folder, warm=3, cold=3)
    keys = [path.name for path in sorted(stage.folder.iterdir())]
    for hour, key in enumerate(keys):
        labels = Labels(stage)
        labels.answer(key, label_of(key))
        for path in (stage.journal, stage.labels):
            then = path.stat().st_mtime_ns - hour * 3600 * 10**9
            os.utime(path, ns=(then, then))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    labels = Labels(stage)
    assert labels.as_dict() == {key: label_of(key) for key in keys}
    for key in reversed(keys):
        assert labels.undo().key == key
    assert labels.undo() is None
    assert "edit" not in stage.journal.read_text()


def test_two_undone_culls_in_one_second_are_both_kept(tmp_path, monkeypatch):
    """As when the clock was set back."""
    monkeypatch.setattr(time, "strftime", lambda _: "20261121-100000")
    stage = Stage(tmp_path, 1)
    fill_stage(stage.folder, warm=2, cold=2)
    asides = set()
    for _ in range(3):
        make.make_stage(plan_of(stage))
        asides.add(undo.undo_cull(stage.next))
    assert len(asides) == 3
    assert all(len(list(aside.iterdir())) == 2 for aside in asides)
    assert len(list(tmp_path.glob("stage_2_cull_manifest.csv.undone-*"))) == 3
    assert not make.interrupted(stage)
    with pytest.raises(CullRefused):
        undo.undo_cull(stage.next)
