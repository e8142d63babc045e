"""Windows and macOS, as far as Linux can pretend to be them. Neither was at hand: their real behavior is untested."""

import errno
import fcntl
import os
import stat
import sys
from pathlib import Path

import pytest
from conftest import fill_stage

from imlcull_al.culling import copies
from imlcull_al.culling.make import make_stage
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.errors import Cancelled
from imlcull_al.project import files
from imlcull_al.project.files import making_folder, put_in_place, remove_tree, replace_text, sync
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage


@pytest.fixture
def windows(monkeypatch):
    """No sync of what is open for reading only, none of whole disks, and no removal of read-only files."""
    synced, fsync, unlink = [], os.fsync, os.unlink

    def strict_fsync(descriptor):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def strict_unlink(path, *, dir_fd=None):
        if not os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "Access is denied", str(path))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "fsync", strict_fsync)
    monkeypatch.setattr(os, "unlink", strict_unlink)
    monkeypatch.delattr(os, "sync")
    monkeypatch.setattr(copies, "_syncfs", lambda: None)
    monkeypatch.setattr(files, "_IS_WINDOWS", True)
    return synced


def test_a_file_is_replaced_durably(windows, tmp_path):
    replace_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert len(windows) == 1


def test_a_file_that_others_read_is_waited_for(windows, tmp_path, monkeypatch):
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    refusals, rename = iter([True, True, False]), os.replace

    def busy(source, target):
        if next(refusals):
            raise PermissionError(errno.EACCES, "it is being used by another process", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", busy)
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


def test_a_new_folder_that_others_read_is_waited_for_and_a_failed_one_leaves_nothing(windows, tmp_path, monkeypatch):
    refusals, rename = iter([True, False]), os.replace

    def busy(source, target):
        if next(refusals):
            raise PermissionError(errno.EACCES, "it is being used by another process", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", busy)
    with making_folder(tmp_path / "new") as partial:
        (partial / "a").write_text("a")
    assert (tmp_path / "new" / "a").read_text() == "a"
    with pytest.raises(Cancelled), making_folder(tmp_path / "other") as partial:
        (partial / "a").write_text("a")
        (partial / "a").chmod(0o444)
        raise Cancelled("Stopped.")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_file_that_stays_open_is_refused_in_the_end(windows, tmp_path, monkeypatch):
    (tmp_path / "new").write_text("new")
    monkeypatch.setattr(files, "OTHERS_READ", 0.1)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EACCES, "in use")))
    with pytest.raises(PermissionError):
        put_in_place(tmp_path / "new", tmp_path / "old")


def test_a_cull_of_read_only_photos_is_flushed_file_by_file_and_can_be_taken_up_again(windows, tmp_path):
    stage = Stage(tmp_path, 1)
    fill_stage(stage.folder, warm=2, cold=0)
    keys = sorted(path.name for path in stage.folder.iterdir())
    for key in keys:
        (stage.folder / key).chmod(0o444)
    partial = tmp_path / ".imlcull-stage_2.partial"
    partial.mkdir()
    (partial / keys[0]).write_bytes(b"left by a killed cull")
    (partial / keys[0]).chmod(0o444)
    listing = list_photos(stage)
    make_stage(make_plan(stage, decide(dict.fromkeys(keys, 1.0), {}, {}), listing, 0.5, "m"))
    assert sorted(path.name for path in (tmp_path / "stage_2").iterdir()) == keys
    assert set(keys) <= set(windows)
    assert not partial.exists()


def test_read_only_files_are_removed(windows, tmp_path):
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "a").write_text("a")
    (tmp_path / "folder" / "below" / "a").chmod(0o444)
    remove_tree(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


class TestMac:
    @pytest.fixture(autouse=True)
    def mac(self, monkeypatch):
        monkeypatch.setattr(sys, "platform", "darwin")

    def test_a_sync_reaches_the_disk_where_it_can(self, tmp_path, monkeypatch):
        asked = []
        monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
        monkeypatch.setattr(fcntl, "fcntl", lambda descriptor, what: asked.append(what))
        monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append("fsync"))
        with (tmp_path / "a").open("wb") as file:
            sync(file.fileno())
        assert asked == [51]

    def test_where_it_cannot_a_plain_one_does(self, tmp_path, monkeypatch):
        def refused(descriptor, what):
            raise OSError(errno.ENOTSUP, "Operation not supported")

        asked = []
        monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
        monkeypatch.setattr(fcntl, "fcntl", refused)
        monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append("fsync"))
        with (tmp_path / "a").open("wb") as file:
            sync(file.fileno())
        assert asked == ["fsync"]
