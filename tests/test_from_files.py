"""From files to what is judged: bursts by the notes of the files, and a raw by its picture."""

import io

import numpy as np
import pytest
from conftest import COLD, WARM, MeanColour, save_photo
from PIL import Image
from raws import jpeg_of, raw

from imlcull_al import open_session

GREEN = (20, 200, 20)


def save_frame(folder, name, seed, *, tag=0x9003, taken=None, model="Z 6", colour=WARM):
    path = save_photo(folder / name, colour, seed)
    exif = Image.Exif()
    exif[0x110] = model
    if taken:
        (exif if tag == 0x132 else exif.get_ifd(0x8769))[tag] = taken
    Image.open(path).save(path, exif=exif, quality=90)


@pytest.fixture
def bursts(tmp_path, cache_dir):
    """Which photos of `tmp_path / "stage_1"` are in one burst, by the names of their files."""

    def found():
        for number in range(8):  # what frames of one scene are not like
            save_frame(tmp_path / "stage_1", f"other_{number}.jpg", 500 + number, colour=COLD)
        session = open_session(tmp_path, model=MeanColour(), cache_dir=cache_dir)
        together: dict[int, list[str]] = {}
        for key, (burst, _) in session.moments().items():
            if not key.startswith("other"):
                together.setdefault(burst, []).append(key[:-4])
        return sorted(together.values())

    return found


@pytest.mark.parametrize(
    ("tag", "form"),
    [
        (0x9003, "2024:10:10 19:05:1{}"),
        (0x9004, "2024:10:10 19:05:1{}"),
        (0x132, "2024:10:10 19:05:1{}"),
        (0x9003, "2024-10-10T19:05:1{}"),
        (0x9003, "2024/10/10 19:05:1{}"),
        (0x9003, "2024-10-10 19:05:1{}.500+02:00"),
    ],
)
def test_alike_frames_within_seconds_are_one_burst_however_their_time_is_noted(tmp_path, bursts, tag, form):
    for number in range(3):
        save_frame(tmp_path / "stage_1", f"{number}.jpg", number, tag=tag, taken=form.format(number))
    assert bursts() == [["0", "1", "2"]]


def test_frames_of_two_cameras_in_turns_are_two_bursts(tmp_path, bursts):
    for number in range(6):
        taken = f"2024:10:10 19:05:1{number}"
        save_frame(tmp_path / "stage_1", f"{number}.jpg", number, taken=taken, model=f"Z {number % 2}")
    assert bursts() == [["0", "2", "4"], ["1", "3", "5"]]


def test_a_dead_clock_makes_no_burst_of_a_whole_card(tmp_path, bursts):
    for number in range(40):
        save_frame(tmp_path / "stage_1", f"{number:02}.jpg", number, taken="2000:01:01 00:00:00")
    assert max(map(len, bursts())) < 24


def test_a_raw_alone_is_judged_and_shown_by_its_picture_and_kept_without_one(tmp_path, cache_dir):
    folder = tmp_path / "stage_1"
    save_photo(folder / "a.jpg", WARM)
    data = raw(preview=jpeg_of(Image.new("RGB", (1200, 900), GREEN)))
    (folder / "b.NEF").write_bytes(data)
    (folder / "c.NEF").write_bytes(raw(preview=None, dng=False)[:60_000])  # its thumbnail is whole, its mosaic is not
    session = open_session(tmp_path, model=MeanColour(), cache_dir=cache_dir)
    seen = session.standing().seen
    assert seen.keys == ("a.jpg", "b.NEF")
    assert np.argmax(seen.rows[1]) == 1, "green, as the embedded JPEG; the thumbnail is red and blue"
    assert list(session.unreadable()) == ["c.NEF"]
    shown = Image.open(io.BytesIO(session.previews.get(folder / "b.NEF", 320, 1600)))
    assert shown.getpixel((10, 10)) == pytest.approx(GREEN, abs=6)
    session.answer_each({"a.jpg": "keep", "b.NEF": "cull"})
    assert list(session.plan_cull().files) == ["a.jpg", "c.NEF"]
