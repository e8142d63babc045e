"""Raws and rendered pictures of one name: one photo, unless both say that they were taken at different moments."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import save_photo
from PIL import Image
from raws import raw

from imlcull_al import open_session
from imlcull_al.encoding.moments import Moments
from imlcull_al.errors import Cancelled, UnreadablePhoto
from imlcull_al.exchange.tags_txt import read_tags
from imlcull_al.photos import read as photos
from imlcull_al.project.companions import raw_pairs
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.session.answers import listing_of

TIMES = {  # of the raw: 2024:10:10 19:05:10.25
    "same": "2024:10:10 19:05:10",
    "slow": "2024:10:10 19:05:14",
    "later": "2024:10:10 19:05:20",
    "next_day": "2024:10:11 19:05:10",
    "unknown": None,
}


def save_taken(path, taken, tag=0x9003, seed=0):
    save_photo(path, (200, 80, 40), seed)
    if taken:
        exif = Image.Exif()
        (exif if tag == 0x132 else exif.get_ifd(0x8769))[tag] = taken
        Image.open(path).save(path, exif=exif)


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path / "project", 1)
    for seed, (name, taken) in enumerate(TIMES.items()):
        save_taken(stage.folder / f"{name}.JPG", taken, seed=seed)
        (stage.folder / f"{name}.NEF").write_bytes(raw(notes=None))
    return stage


@pytest.fixture
def opened(stage, cache_dir):
    return lambda **named: open_session(stage.project, model="builtin", cache_dir=cache_dir, **named)


def test_a_raw_of_another_moment_is_a_photo_of_its_own(stage, opened):
    (stage.folder / "later.NEF.xmp").write_text("<x/>")
    (stage.folder / "later.xmp").write_text("<x/>")
    session = opened()
    assert session.listing.keys == (
        "later.JPG", "later.NEF", "next_day.JPG", "next_day.NEF", "same.JPG", "slow.JPG", "unknown.JPG",
    )  # fmt: skip
    assert session.listing.companions == {
        "later.JPG": ("later.xmp",),
        "later.NEF": ("later.NEF.xmp", "later.xmp"),
        "same.JPG": ("same.NEF",),
        "slow.JPG": ("slow.NEF",),
        "unknown.JPG": ("unknown.NEF",),
    }
    session.answer_each({key: "cull" if "JPG" in key else "keep" for key in session.listing.keys})
    plan = session.plan_cull()
    assert list(plan.files) == ["later.NEF", "later.NEF.xmp", "later.xmp", "next_day.NEF"]
    assert list(plan.stays) == ["same.NEF", "slow.NEF", "unknown.NEF"]
    session.cull()
    assert opened(stage=2).listing.keys == ("later.NEF", "next_day.NEF")


def test_folders_of_formats_are_compared_too(tmp_path, cache_dir):
    stage = Stage(tmp_path, 1)
    for name in ("A", "B"):
        save_taken(stage.folder / f"JPG/{name}.JPG", TIMES["same" if name == "A" else "later"], seed=ord(name))
        (stage.folder / "RAW").mkdir(exist_ok=True)
        (stage.folder / f"RAW/{name}.NEF").write_bytes(raw())
    session = open_session(tmp_path, model="builtin", cache_dir=cache_dir)
    assert session.listing.keys == ("JPG/A.JPG", "JPG/B.JPG", "RAW/B.NEF")


def test_a_time_of_a_change_says_nothing_of_the_press(stage, opened):
    for name in TIMES:
        save_taken(stage.folder / f"{name}.JPG", TIMES["later"], tag=0x132)
    assert opened().listing.keys == tuple(f"{name}.JPG" for name in sorted(TIMES))


def test_times_are_read_once_and_known_at_the_next_start(stage, opened, monkeypatch):
    keys = opened().listing.keys
    monkeypatch.setattr(photos, "capture_time", lambda path: pytest.fail(f"{path} was read again"))
    assert opened(prepare=False).listing.keys == keys
    assert opened().listing.keys == keys


def test_a_raw_that_is_replaced_is_compared_anew(stage, opened):
    session = opened()
    (stage.folder / "later.NEF").unlink()
    (stage.folder / "later.NEF").write_bytes(raw(notes={36867: ("text", b"2024:10:10 19:05:20\0")}))
    (stage.folder / "same.NEF").write_bytes(raw(notes={36867: ("text", b"2024:10:10 20:05:10\0")}))
    session.answer_each({key: "cull" if "slow" in key else "keep" for key in session.listing.keys})
    session.plan_cull()
    assert "later.NEF" in session.listing.companions["later.JPG"]
    assert "same.NEF" in session.listing.keys


def test_a_listing_reads_no_photo(stage, cache_dir, monkeypatch):
    monkeypatch.setattr(photos, "capture_time", lambda path: pytest.fail(f"{path} was read"))
    assert len(list_photos(stage, Moments(cache_dir, stage.paths).apart).keys) == len(TIMES)


def test_what_cant_be_read_now_is_tried_again(stage, cache_dir, monkeypatch):
    pairs = raw_pairs(list_photos(stage).companions)
    read = []

    def refuse(path):
        read.append(path)
        raise UnreadablePhoto("the disk is away", lasting=False)

    with monkeypatch.context() as patched:
        patched.setattr(photos, "capture_time", refuse)
        assert not Moments(cache_dir, stage.paths).read(pairs)
    assert len(read) == len(TIMES)
    assert Moments(cache_dir, stage.paths).read(pairs)


def test_a_raw_is_not_read_if_its_picture_has_no_time(stage, cache_dir, monkeypatch):
    original, read = photos.capture_time, []
    monkeypatch.setattr(photos, "capture_time", lambda path: (read.append(Path(path).name), original(path))[1])
    Moments(cache_dir, stage.paths).read(raw_pairs(list_photos(stage).companions))
    assert sorted({f"{name}.{kind}" for name in TIMES for kind in ("JPG", "NEF")} - set(read)) == ["unknown.NEF"]


def test_stopped_keeps_what_was_read(stage, cache_dir):
    pairs, looks = raw_pairs(list_photos(stage).companions), iter([False, False, True])
    with pytest.raises(Cancelled, match="stopped"):
        Moments(cache_dir, stage.paths).read(pairs, stop=lambda: next(looks))
    assert len(Moments(cache_dir, stage.paths)._segments.read()[0]) == 2


def test_the_file_is_as_written_down(stage, cache_dir):
    Moments(cache_dir, stage.paths).read([("same.JPG", "same.NEF")])
    path_id, stat, taken = Moments(cache_dir, stage.paths)._segments.read()
    assert (path_id.shape, path_id.dtype, stat.shape, stat.dtype) == ((2, 16), np.uint8, (2, 4), np.int64)
    assert sorted(taken.tolist()) == [1728587110.0, 1728587110.25]


def test_of_a_long_file_the_head_is_read(tmp_path, monkeypatch):
    long = tmp_path / "a.NEF"
    long.write_bytes(raw() + bytes(photos.HEAD))
    whole = []
    monkeypatch.setattr(photos, "_now", whole.append)
    assert photos.capture_time(long) == 1728587110.25
    assert whole == []


def test_notes_behind_the_head_are_found(tmp_path):
    data = raw(preview=os.urandom(photos.HEAD))
    (tmp_path / "a.NEF").write_bytes(data)
    assert data.index(b"2024:10:10") > photos.HEAD
    assert photos.capture_time(tmp_path / "a.NEF") == 1728587110.25


def test_of_a_raf_the_notes_of_its_embedded_picture_are_read(tmp_path):
    save_taken(tmp_path / "a.JPG", TIMES["same"])
    jpeg = (tmp_path / "a.JPG").read_bytes()
    header = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + (148).to_bytes(4, "big") + len(jpeg).to_bytes(4, "big")
    (tmp_path / "a.RAF").write_bytes(header.ljust(148, b"\0") + jpeg + bytes(photos.HEAD))
    assert photos.capture_time(tmp_path / "a.RAF") == 1728587110.0


def test_a_text_file_of_a_raw_that_is_a_photo_of_its_own_is_read(stage, opened, cache_dir):
    (stage.folder / "later.NEF.txt").write_bytes(b"red")
    opened()
    assert read_tags(stage, listing_of(stage, cache_dir)) == ({"later.NEF": ("red",)}, {})
