"""Links, pipes and devices in the place of our files: nothing behind one is read, moved or written, nobody waits."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import MeanColour, fill_stage, fingerprint_of, label_of

from imlcull_al.culling import copies, make, undo
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.encoding.embeddings import ensure
from imlcull_al.errors import ImlcullError, StageError, StorageError
from imlcull_al.photos.previews import Previews
from imlcull_al.project.files import is_locked, locked, open_own, read_own, replace_text, sweep
from imlcull_al.project.journal import Journal
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.originals import open_inside
from imlcull_al.project.stages import Stage
from imlcull_al.session.session import open_session
from imlcull_al.training import report, unfinished

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
JOURNAL = '{"v": 1, "at": "", "do": "answer", "key": "warm_00.jpg", "label": "cull", "before": null}\n'
CSV = "image_name,label\nwarm_00.jpg,cull\n"


@pytest.fixture(autouse=True)
def nobody_waits():
    """Whoever waits for a pipe is called back after a minute."""

    def give_up(*_):
        raise TimeoutError("waited for a pipe")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def stage(project):
    return Stage(project, 1)


@pytest.fixture
def outside(tmp_path):
    """A folder that is nobody's business, and a check that it stays as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "journal").write_text(JOURNAL)
    (folder / "labels").write_text(CSV)
    (folder / "precious.txt").write_text("precious")
    before = fingerprint_of(folder)
    yield folder
    assert fingerprint_of(folder) == before


class TestOpening:
    def test_a_file_is_read_and_appended_to(self, tmp_path):
        with open_own(tmp_path / "a", "a+b") as file:
            file.write(b"one")
        assert read_own(tmp_path / "a") == b"one"

    @pytest.mark.parametrize("mode", ["rb", "r+b", "a+b", "wb"])
    def test_a_link_is_refused_in_every_mode(self, tmp_path, outside, mode):
        (tmp_path / "a").symlink_to(outside / "precious.txt")
        with pytest.raises(OSError, match="it is a symbolic link"):
            open_own(tmp_path / "a", mode)

    def test_a_link_to_nothing_makes_no_file(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        with pytest.raises(OSError, match="it is a symbolic link"):
            open_own(tmp_path / "a", "a+b")
        assert not (tmp_path / "b").exists()

    def test_a_link_put_there_at_the_last_moment(self, tmp_path, outside, monkeypatch):
        (tmp_path / "a").symlink_to(outside / "precious.txt")
        monkeypatch.setattr("imlcull_al.project.files.is_link", lambda path: False)
        with pytest.raises(OSError, match="it is a symbolic link"):
            open_own(tmp_path / "a", "a+b")

    @pytest.mark.parametrize("mode", ["rb", "a+b"])
    def test_a_pipe_is_refused(self, tmp_path, mode):
        os.mkfifo(tmp_path / "a")
        with pytest.raises(OSError, match="it is not a regular file"):
            open_own(tmp_path / "a", mode)

    def test_a_device_is_refused(self):
        with pytest.raises(OSError, match="it is not a regular file"):
            open_own(Path("/dev/zero"))

    def test_what_replaces_a_link_sets_it_aside(self, tmp_path, outside, caplog):
        (tmp_path / "a").symlink_to(outside / "precious.txt")
        replace_text(tmp_path / "a", "ours")
        (aside,) = tmp_path.glob("a.link-*")
        assert (read_own(tmp_path / "a"), aside.readlink()) == (b"ours", outside / "precious.txt")
        assert f"was a symbolic link; it is now {aside.name}" in caplog.text

    def test_a_lock_is_held_where_a_link_was(self, tmp_path, outside):
        lock = tmp_path / ".imlcull-a.lock"
        lock.symlink_to(outside / "precious.txt")
        assert not is_locked(lock)
        with locked(lock, "at it"):
            assert is_locked(lock)
        assert not lock.is_symlink()

    def test_what_killed_writers_left_is_swept_and_nothing_behind_a_link(self, tmp_path, outside):
        folder, link = tmp_path / ".imlcull-1.tmp", tmp_path / ".imlcull-2.tmp"
        folder.mkdir()
        link.symlink_to(outside)
        os.utime(folder, (0, 0))
        os.utime(link, (0, 0), follow_symlinks=False)
        sweep(tmp_path)
        assert not (folder.exists() or link.is_symlink())


class TestAnswers:
    @pytest.mark.parametrize("make", [lambda path, to: path.symlink_to(to), lambda path, to: os.mkfifo(path)])
    def test_a_journal_that_is_none_is_refused(self, stage, outside, make):
        make(stage.journal, outside / "journal")
        with pytest.raises(StorageError, match=r"stage_1_cull_journal\.jsonl: it is (a symbolic link|not a regular)"):
            Labels(stage)

    def test_a_journal_that_becomes_a_link_gets_no_answer(self, stage, outside):
        labels = Labels(stage)
        labels.answer("warm_00.jpg", "keep")
        stage.journal.unlink()
        stage.journal.symlink_to(outside / "journal")
        with pytest.raises(StorageError, match="it is a symbolic link"):
            labels.answer("warm_01.jpg", "keep")

    def test_a_link_to_nothing_is_no_new_journal(self, stage, tmp_path):
        stage.journal.symlink_to(tmp_path / "elsewhere.jsonl")
        with pytest.raises(StorageError, match="it is a symbolic link"):
            Journal(stage.journal)
        assert not (tmp_path / "elsewhere.jsonl").exists()

    @pytest.mark.parametrize("make", [lambda path, to: path.symlink_to(to), lambda path, to: os.mkfifo(path)])
    def test_labels_that_are_none_are_not_read(self, stage, outside, make):
        make(stage.labels, outside / "labels")
        with pytest.raises(StorageError, match=r"stage_1_cull_labels\.csv: it is (a symbolic link|not a regular file)"):
            Labels(stage)

    def test_labels_that_become_a_link_are_set_aside_and_written_again(self, stage, outside):
        labels = Labels(stage)
        labels.answer("warm_00.jpg", "keep")
        stage.labels.unlink()
        stage.labels.symlink_to(outside / "labels")
        labels.answer("warm_01.jpg", "keep")
        assert stage.labels.read_text() == "image_name,label\nwarm_00.jpg,keep\nwarm_01.jpg,keep\n"
        assert "it is a symbolic link" in labels.news

    def test_a_note_that_is_a_link_says_nothing(self, stage, outside):
        (outside.parent / "note").write_text('{"version": 1, "options": {"epochs": 3}}')
        stage.unfinished.symlink_to(outside.parent / "note")
        assert unfinished.read_unfinished(stage.unfinished) == {}

    def test_a_note_nested_too_deeply_says_nothing(self, stage):
        stage.unfinished.write_text("[" * 200_000)
        assert unfinished.read_unfinished(stage.unfinished) == {}


def write_report(folder, title="one"):
    report.write_report(
        folder, title=title, epochs=[], best=0, predictions=[], path_of=Path, sharpness_of=lambda path: None
    )


@pytest.mark.slow
class TestReport:
    @pytest.mark.slow
    def test_a_report_that_is_a_link_to_the_photos_takes_none_away(self, stage):
        before = fingerprint_of(stage.folder)
        stage.report.symlink_to(stage.folder)
        write_report(stage.report)
        assert fingerprint_of(stage.folder) == before
        assert (stage.report / "curves.png").is_file()
        assert not stage.report.is_symlink()
        assert [path.readlink() for path in stage.project.glob("stage_1_cull_report.link-*")] == [stage.folder]

    @pytest.mark.slow
    def test_the_files_of_a_person_in_a_report_stay(self, stage):
        stage.report.mkdir()
        (stage.report / "mine.txt").write_text("mine")
        write_report(stage.report)
        assert (stage.report / "mine.txt").read_text() == "mine"

    @pytest.mark.slow
    def test_training_through_the_command_line(self, project, stage, outside, run):
        for key in list_photos(stage).keys:
            Labels(stage).answer(key, label_of(key))
        for path in (stage.report, stage.model, stage.epoch_log, stage.unfinished):
            path.symlink_to(outside if path == stage.report else outside / "precious.txt")
        before = fingerprint_of(stage.folder)
        code, _, said = run("train", "--project", project, "--epochs", 1)
        assert code == 0, said
        assert fingerprint_of(stage.folder) == before
        assert not any(path.is_symlink() for path in (stage.report, stage.model, stage.epoch_log))


class TestCache:
    def test_cache_folders_that_are_links_are_set_aside(self, stage, cache_dir, outside, encoder):
        cache_dir.mkdir()
        paths = stage.paths(list_photos(stage).keys)
        names = [cache_dir / f"embeddings-{encoder.fingerprint[:16]}", cache_dir / "content_ids"]
        for path in names:
            path.symlink_to(outside)
        ensure(paths, encoder, cache_dir)
        assert ensure(paths, MeanColour(), cache_dir).computed == 0
        assert not any(path.is_symlink() for path in names)

    def test_previews_in_a_link_are_neither_read_nor_dropped(self, stage, cache_dir, outside):
        cache_dir.mkdir()
        (cache_dir / "previews").symlink_to(outside)
        previews = Previews(cache_dir / "previews", limit=1)
        previews.get(stage.path("warm_00.jpg"), 320)
        assert not (cache_dir / "previews").is_symlink()

    def test_a_preview_that_is_a_link_is_made_anew(self, stage, cache_dir):
        previews = Previews(cache_dir / "previews")
        right = previews.get(stage.path("warm_00.jpg"), 320)
        other = previews.get(stage.path("cold_00.jpg"), 320)
        (place,) = [path for path in previews.folder.glob("*.jpg") if path.read_bytes() == right]
        (elsewhere,) = [path for path in previews.folder.glob("*.jpg") if path.read_bytes() == other]
        place.unlink()
        place.symlink_to(elsewhere)
        assert previews.get(stage.path("warm_00.jpg"), 320) == right

    def test_other_files_beside_the_previews_stay(self, stage, cache_dir):
        (cache_dir / "previews").mkdir(parents=True)
        (cache_dir / "previews" / "mine.jpg").write_bytes(b"mine")
        previews = Previews(cache_dir / "previews", limit=1)
        previews.get(stage.path("warm_00.jpg"), 320)
        assert [path.name for path in previews.folder.iterdir()] == ["mine.jpg"]

    def test_a_cache_among_the_photos_is_refused(self, stage, tmp_path):
        (tmp_path / "cache").symlink_to(stage.folder)
        for folder in (tmp_path / "cache", stage.folder / "cache", stage.next.folder):
            with pytest.raises(StageError, match="inside the photo folder of a stage"):
                open_session(stage.project, cache_dir=folder, model="builtin", prepare=False)


class TestCull:
    def plan(self, stage):
        listing = list_photos(stage)
        return make_plan(stage, decide(dict.fromkeys(listing.keys, 1.0), {}, {}), listing, 0.5, "")

    @pytest.mark.parametrize("link", ["copy", "hardlink"])
    def test_a_photo_swapped_for_a_link_makes_no_stage(self, stage, tmp_path, link):
        secret = fill_stage(tmp_path / "secret", 1, 0) / "warm_00.jpg"
        plan = self.plan(stage)
        stage.path("warm_03.jpg").unlink()
        stage.path("warm_03.jpg").symlink_to(secret)
        with pytest.raises(StorageError, match=r"Could not read .*warm_03\.jpg"):
            make.make_stage(plan, link)
        assert not stage.next.folder.exists()

    def test_a_folder_swapped_for_a_link_makes_no_stage(self, stage, tmp_path):
        fill_stage(stage.folder / "day1", 1, 0)
        fill_stage(tmp_path / "secret", 1, 0)
        plan = self.plan(stage)
        shutil.rmtree(stage.folder / "day1")
        (stage.folder / "day1").symlink_to(tmp_path / "secret")
        with pytest.raises(StorageError, match=r"Could not read .*day1/warm_00\.jpg"):
            make.make_stage(plan)
        assert not stage.next.folder.exists()

    @pytest.mark.parametrize("link", ["copy", "hardlink"])
    def test_a_photo_swapped_once_it_is_open(self, stage, tmp_path, monkeypatch, link):
        secret = fill_stage(tmp_path / "secret", 1, 0) / "warm_00.jpg"
        plan = self.plan(stage)

        def swapped(source, path, target, *rest):
            if path.name == "warm_03.jpg":
                path.unlink()
                path.symlink_to(secret)
            return place(source, path, target, *rest)

        place = getattr(copies, link)
        monkeypatch.setattr(copies, link, swapped)
        with pytest.raises(StorageError, match=r"warm_03\.jpg differs from it"):
            make.make_stage(plan, link)
        assert not stage.next.folder.exists()

    def test_a_stage_that_is_a_link_is_not_taken_back(self, stage, tmp_path):
        new = make.make_stage(self.plan(stage))
        new.folder.rename(tmp_path / "moved")
        new.folder.symlink_to(tmp_path / "moved")
        assert not undo.seems_unchanged(new)
        with pytest.raises(ImlcullError, match="stage_2 is a symbolic link"):
            undo.undo_cull(new)

    def test_a_file_that_became_a_link_is_a_change(self, stage, tmp_path):
        new = make.make_stage(self.plan(stage))
        (new.folder / "warm_00.jpg").rename(tmp_path / "moved.jpg")
        (new.folder / "warm_00.jpg").symlink_to(tmp_path / "moved.jpg")
        with pytest.raises(StorageError, match=r"Could not read .*warm_00\.jpg"):
            undo.undo_cull(new)
        assert new.folder.is_dir()


class TestOpenInside:
    def test_a_file_and_a_link_below_the_folder(self, stage):
        (stage.folder / "in").mkdir()
        (stage.folder / "in" / "link.jpg").symlink_to(stage.path("warm_00.jpg"))
        photo = stage.path("warm_00.jpg").read_bytes()
        for name in ("warm_00.jpg", "in/link.jpg"):
            with open_inside(stage.folder, name) as file:
                assert file.read() == photo

    def test_the_folder_itself_may_be_a_link(self, stage, tmp_path):
        (tmp_path / "link").symlink_to(stage.folder)
        with open_inside(tmp_path / "link", "warm_00.jpg") as file:
            assert file.read() == stage.path("warm_00.jpg").read_bytes()

    @pytest.mark.parametrize("name", ["out.jpg", "out/precious.txt", "loop.jpg", "../../outside/precious.txt"])
    def test_nothing_outside_is_opened(self, stage, outside, name):
        (stage.folder / "out.jpg").symlink_to(outside / "precious.txt")
        (stage.folder / "out").symlink_to(outside)
        (stage.folder / "loop.jpg").symlink_to("loop.jpg")
        with pytest.raises(OSError):
            open_inside(stage.folder, name)

    def test_pipes_are_not_waited_for(self, stage):
        os.mkfifo(stage.folder / "pipe.jpg")
        with pytest.raises(OSError, match="it is not a regular file"):
            open_inside(stage.folder, "pipe.jpg")


def test_a_photo_that_became_a_pipe_is_unreadable(stage, cache_dir, encoder):
    paths = stage.paths(list_photos(stage).keys)
    stage.path("warm_00.jpg").unlink()
    os.mkfifo(stage.path("warm_00.jpg"))
    seen = ensure(paths, encoder, cache_dir)
    assert seen.unreadable == {"warm_00.jpg": "the file can't be opened: it is not a regular file"}
    assert np.isfinite(seen.rows).all()
    assert len(seen.keys) == 11
