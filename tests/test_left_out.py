"""Every file of a stage is a photo, a companion, or left out with a reason; and how that is told."""

import errno
import os
import sys
from unicodedata import normalize

import pytest
from conftest import save_photo
from test_project import listing_of

from imlcull_al.errors import StageError
from imlcull_al.project.left_out import told
from imlcull_al.project.listing import DEEPEST, has_photos, list_photos
from imlcull_al.project.stages import Stage


def test_unknown_kinds_are_told_by_what_they_are(tmp_path):
    found = listing_of(
        tmp_path, "DSC_1.JPG", "AJKL0035.HIF", "IMG_0700.JXL", "MVI_0701.MOV", "GOPR0001.GPR", "retouch.psd", "a.wav",
        "old.xmp", "all.zip", "notes.txt", "README", "x.exr", "Cat.lrcat", "Thumbs.db", ".DS_Store", "._DSC_1.JPG",
        "IMG.jpg.part", ".imlcull-1.tmp",
    )  # fmt: skip
    assert found.keys == ("AJKL0035.HIF", "DSC_1.JPG", "GOPR0001.GPR", "IMG_0700.JXL")
    assert found.companions == {}
    assert found.left_out == {
        ".DS_Store": "it is a hidden file",
        "._DSC_1.JPG": "it is a hidden file",
        "Cat.lrcat": "it is a catalog of another program",
        "IMG.jpg.part": "it is a file that is not complete",
        "MVI_0701.MOV": "it is a movie without a photo of its name",
        "README": "it is no photo: its name has no suffix",
        "Thumbs.db": "it is a file of the system",
        "a.wav": "it is a sound without a photo of its name",
        "all.zip": "it is an archive; unpack it",
        "notes.txt": "it is no photo: .txt files are not read",
        "old.xmp": "it is a sidecar without its photo",
        "retouch.psd": "it is a Photoshop document, which is not read",
        "x.exr": "it is no photo: .exr files are not read",
    }


def test_every_file_is_in_one_place(tmp_path):
    names = ["a.JPG", "a.NEF", "b.NEF", "b.mov", "c.mov", "d/a.JPG", "d/RAW/a.NEF", "d/e.xyz", "#recycle/x.jpg"]
    found = listing_of(tmp_path, *names)
    companions = {key for keys in found.companions.values() for key in keys}
    assert [*sorted({*found.keys, *companions}), *found.left_out] == [
        "a.JPG", "a.NEF", "b.NEF", "b.mov", "d/RAW/a.NEF", "d/a.JPG", "#recycle", "c.mov", "d/e.xyz",
    ]  # fmt: skip


NAS = {
    "@eaDir": "it is a folder of thumbnails",
    "#recycle": "it is a folder of deleted files",
    "$RECYCLE.BIN": "it is a folder of deleted files",
    ".Trash-1000": "it is a folder of the system",
    "__MACOSX": "it is a folder of the system",
    "System Volume Information": "it is a folder of the system",
    "lost+found": "it is a folder of the system",
    "FOUND.000": "it is a folder of the system",
    "#snapshot": "it is a folder of the system",
    ".thumbnails": "it is a folder of thumbnails",
    ".git": "it is a hidden folder",
    "Catalog Previews.lrdata": "it is a folder of previews of Lightroom",
    "Session.cocatalog": "it is a catalog of Capture One",
    "Photos.photoslibrary": "it is a library of another program; export its photos",
    "Wedding.imlcull": "it is a project of imlcull",
}


def test_folders_of_systems_and_programs_are_one_line_each(tmp_path):
    found = listing_of(tmp_path, "DSC_1.JPG", "day/DSC_2.JPG", "day/@eaDir/y.jpg", *(f"{name}/a/x.jpg" for name in NAS))
    assert found.keys == ("DSC_1.JPG", "day/DSC_2.JPG")
    assert found.left_out == {**NAS, "day/@eaDir": "it is a folder of thumbnails"}
    assert len(found.folders) == 2


def test_a_folder_of_nothing_but_thumbnails_has_no_photos(tmp_path):
    with pytest.raises(
        StageError, match=r"There are no photos in .* Left out: '@eaDir': it is a folder of thumbnails\."
    ):
        listing_of(tmp_path, "@eaDir/DSC_1.JPG/SYNOPHOTO_THUMB_XL.jpg", ".hidden.jpg")
    assert not has_photos(tmp_path / "stage_1")


def deny(monkeypatch, folder, code=errno.EACCES):
    real = os.scandir

    def scandir(path):
        if str(path) == str(folder):
            raise OSError(code, os.strerror(code), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_folder_that_cant_be_opened_stops_nothing(tmp_path, monkeypatch, code):
    listing_of(tmp_path, "a.jpg", "private/b.jpg")
    deny(monkeypatch, tmp_path / "stage_1" / "private", code)
    found = list_photos(Stage(tmp_path, 1))
    assert found.keys == ("a.jpg",)
    assert found.left_out == {"private": f"the folder can't be opened: {os.strerror(code)}"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may open everything")
def test_a_folder_that_may_not_be_entered_stops_nothing(tmp_path):
    listing_of(tmp_path, "a.jpg", "private/b.jpg")
    (tmp_path / "stage_1" / "private").chmod(0o600)
    try:
        assert list_photos(Stage(tmp_path, 1)).left_out == {"private": "the folder can't be opened: Permission denied"}
    finally:
        (tmp_path / "stage_1" / "private").chmod(0o700)


def test_the_stage_itself_must_be_readable(tmp_path, monkeypatch):
    listing_of(tmp_path, "a.jpg")
    deny(monkeypatch, tmp_path / "stage_1")
    with pytest.raises(StageError, match=r"Could not open .*stage_1: Permission denied"):
        list_photos(Stage(tmp_path, 1))
    assert has_photos(tmp_path / "stage_1")  # nobody knows


def test_a_disk_that_goes_while_it_is_listed_is_no_folder_left_out(tmp_path, monkeypatch):
    listing_of(tmp_path, "a.jpg", "day/b.jpg")
    real, stage = os.scandir, tmp_path / "stage_1"

    def scandir(path):
        if str(path).endswith("day"):
            stage.rename(tmp_path / "unmounted")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StageError, match="is gone"):
        list_photos(Stage(tmp_path, 1))


@pytest.fixture
def deep(tmp_path):
    """A stage of a photo and a thousand folders, one in the other. They are taken apart at the end: few tools can."""
    stage, other = tmp_path / "stage_1", tmp_path / "other"
    for _ in range(1000):
        other.mkdir()
        if (stage / "d").exists():
            (stage / "d").rename(other / "d")
        stage.mkdir(exist_ok=True)
        other.rename(stage / "d")
    save_photo(stage / "a.jpg", (1, 2, 3))
    yield tmp_path
    while (stage / "d" / "d").exists():
        (stage / "d" / "d").rename(other)
        (stage / "d").rmdir()
        other.rename(stage / "d")


def test_folders_a_thousand_deep_are_left_out(deep):
    found = list_photos(Stage(deep, 1))
    assert found.keys == ("a.jpg",)
    assert found.left_out == {"d/" * DEEPEST + "d": "it is a folder more than 100 levels deep"}
    assert has_photos(deep / "stage_1")


def test_a_mac_names_its_files_otherwise(tmp_path):
    nfd = normalize("NFD", "Müller_01.jpg")
    found = listing_of(tmp_path, nfd, "Müller_01.NEF", normalize("NFD", "ü.mov"))
    assert found.keys == ("Müller_01.jpg",)
    assert found.companions == {"Müller_01.jpg": ("Müller_01.NEF",)}
    assert found.left_out == {"ü.mov": "it is a movie without a photo of its name"}


def test_few_are_told_by_name_and_many_by_their_number():
    left_out = {"a.psd": "it is a Photoshop document", **{f"{n:05}.MOV": "it is a movie" for n in range(10_000)}}
    assert list(told(left_out)) == [
        "'a.psd': it is a Photoshop document",
        "'00000.MOV', '00001.MOV', '00002.MOV' and 9,997 more: each is a movie",
    ]
    assert list(told({})) == []


def test_many_reasons_are_no_wall_either():
    lines = list(told({f"x.{n}": f"it is no photo: .{n} files are not read" for n in range(1000)}))
    assert len(lines) == 21
    assert lines[-1] == "980 others, for 980 more reasons"
