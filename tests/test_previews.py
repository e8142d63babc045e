import io
import os

import pytest
from conftest import fill_stage, save_photo, save_upright, turn_in_place
from PIL import Image

from imlcull_al.errors import Cancelled, UnreadablePhoto
from imlcull_al.photos import read as photos
from imlcull_al.photos.previews import Previews


@pytest.fixture
def made(monkeypatch):
    """Names of the photos that a preview was made of."""
    names, preview = [], photos.preview

    def counted(path, side):
        names.append(path.name)
        return preview(path, side)

    monkeypatch.setattr(photos, "preview", counted)
    return names


def test_a_preview_is_made_once(tmp_path, made):
    photo = save_photo(tmp_path / "a.jpg", (200, 10, 10))
    for _ in range(2):
        data = Previews(tmp_path / "previews").get(photo, 20)
    assert Image.open(io.BytesIO(data)).size == (20, 15)
    assert made == ["a.jpg"]


def test_a_changed_photo_has_another_preview(tmp_path, made):
    previews = Previews(tmp_path / "previews")
    before = previews.get(save_photo(tmp_path / "a.jpg", (200, 10, 10)), 20)
    os.utime(save_photo(tmp_path / "a.jpg", (10, 200, 10)), (1, 1))
    assert previews.get(tmp_path / "a.jpg", 20) != before
    assert made == ["a.jpg", "a.jpg"]


def test_a_photo_that_was_turned_in_place_has_another_preview(tmp_path, made):
    previews, photo = Previews(tmp_path / "previews"), save_upright(tmp_path / "a.jpg", (200, 10, 10))
    assert Image.open(io.BytesIO(previews.get(photo, 20))).size == (20, 15)
    turn_in_place(photo)
    assert previews.find(photo, 20) is None
    assert Image.open(io.BytesIO(previews.get(photo, 20))).size == (15, 20)


def test_a_preview_of_a_photo_that_changes_meanwhile_is_not_kept_for_the_new_one(tmp_path, monkeypatch):
    previews, preview = Previews(tmp_path / "previews"), photos.preview
    photo = save_upright(tmp_path / "a.jpg", (9, 9, 9))

    def turned_after(path, side):
        data = preview(path, side)
        turn_in_place(photo)
        return data

    with monkeypatch.context() as patched:
        patched.setattr(photos, "preview", turned_after)
        assert Image.open(io.BytesIO(previews.get(photo, 20))).size == (20, 15)
    assert Image.open(io.BytesIO(previews.get(photo, 20))).size == (15, 20)


def test_made_ahead_only_what_is_missing(tmp_path, made):
    paths = sorted(fill_stage(tmp_path / "stage_1", 3, 3).iterdir())
    (tmp_path / "stage_1" / "broken.jpg").write_bytes(b"broken")
    previews = Previews(tmp_path / "previews")
    previews.get(paths[0], 20)
    made.clear()
    previews.make([*paths, tmp_path / "stage_1" / "broken.jpg"], 20)
    assert sorted(made) == sorted([path.name for path in paths[1:]] + ["broken.jpg"])
    with pytest.raises(UnreadablePhoto):
        previews.get(tmp_path / "stage_1" / "broken.jpg", 20)
    with pytest.raises(Cancelled):
        previews.make(paths, 30, stop=lambda: True)


def test_the_least_recently_used_go_when_there_are_too_many(tmp_path):
    paths = sorted(fill_stage(tmp_path / "stage_1", 5, 0).iterdir())
    size = len(Previews(tmp_path / "other").get(paths[0], 20))
    previews = Previews(tmp_path / "previews", limit=int(size * 3.9))
    for age, path in enumerate(paths):
        previews.get(path, 20)
        for entry in (tmp_path / "previews").iterdir():
            os.utime(entry, (age + 1, age + 1) if entry.stat().st_mtime > 100 else None)
    left = sum(entry.stat().st_size for entry in (tmp_path / "previews").iterdir())
    assert left <= previews.limit
    assert len(list((tmp_path / "previews").iterdir())) < 5


def test_a_disk_that_refuses_costs_only_time(tmp_path, caplog):
    (tmp_path / "file").touch()
    photo = save_photo(tmp_path / "a.jpg", (200, 10, 10))
    assert Previews(tmp_path / "file" / "previews").get(photo, 20)
    assert "not kept" in caplog.text


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-9], lambda data: bytes(len(data))])
def test_a_damaged_preview_is_made_again(tmp_path, damage):
    """And a smaller one is made of the photo then."""
    photo = save_photo(tmp_path / "a.jpg", (200, 10, 10))
    previews = Previews(tmp_path / "previews")
    whole = previews.get(photo, 20)
    (place,) = (tmp_path / "previews").glob("*-20.jpg")
    place.write_bytes(damage(whole))
    assert Image.open(io.BytesIO(previews.get(photo, 10, larger=20))).size == (10, 8)
    assert previews.get(photo, 20) == whole
    assert place.read_bytes() == whole
