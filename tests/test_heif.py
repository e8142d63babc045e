"""HEIC: the primary picture, turned once, with its notes and profile."""

import builtins
import io
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.photos import colors, decode, heif

HEIC = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "heic").glob("*.heic")}


def where_red_is(image):
    """The side along which the red bar lies."""
    places = {"top": (0.5, 0.05), "left": (0.05, 0.5), "right": (0.95, 0.5), "bottom": (0.5, 0.95)}
    (side,) = [
        side
        for side, (x, y) in places.items()
        if (pixel := image.getpixel((int(x * image.width), int(y * image.height))))[0] > 150 > 100 > pixel[2]
    ]
    return side


@pytest.mark.parametrize("name", ["exif6_irot", "exif6_no_irot"])
def test_a_heic_is_turned_once_by_its_box_or_by_its_exif(name):
    image = decode.decode(HEIC[name])
    assert (image.mode, image.size, where_red_is(image)) == ("RGB", (480, 640), "right")
    small, strip = decode.decode_with_tiles(HEIC[name], 100)
    assert (min(small.size), strip.size) == (120, (448, 112))


def test_a_heic_that_says_nothing_stays_as_it_is():
    assert decode.decode(HEIC["plain"]).size == (640, 480)
    assert decode.preview(HEIC["plain"], 100)[:3] == b"\xff\xd8\xff"


def test_the_boxes_tell_what_is_left_to_turn():
    exif = {name: heif.notes(data) for name, data in HEIC.items()}
    assert {name: heif.orientation(HEIC[name], notes) for name, notes in exif.items()} == {
        "plain": 1,
        "exif6_irot": 1,
        "exif6_no_irot": 6,
    }
    broken = HEIC["exif6_irot"].replace(b"ipma", b"xxxx")
    assert heif.orientation(broken, exif["exif6_irot"]) == 6
    for cut in range(0, 600, 11):
        assert heif.orientation(HEIC["exif6_irot"][:cut], exif["plain"]) == 1


def test_notes_are_those_of_the_picture():
    assert decode.exposure(HEIC["plain"]) == {"camera": "Synthetic 1", "taken": "2026:01:02 03:04:05"}
    assert decode.moment(HEIC["plain"]).taken == 1767323045


def test_broken_notes_leave_the_pixels_alone():
    broken = HEIC["plain"].replace(b"MM\0*", b"MM\0?").replace(b"II*\0", b"II?\0")
    assert broken != HEIC["plain"]
    assert decode.decode(broken).size == (640, 480)
    assert decode.exposure(broken) == {}


def test_a_cut_heic_has_a_reason():
    with pytest.raises(UnreadablePhoto, match="can't be decoded: Invalid input: Unexpected end of file"):
        decode.decode(HEIC["plain"][:5000])


def test_without_the_library_a_heic_says_how_to_get_it(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: real({"pi_heif": "missing"}.get(name, name), *rest))
    with pytest.raises(UnreadablePhoto, match=r"a HEIF picture; to read it: pip install 'imlcull\[raw\]'"):
        decode.decode(HEIC["plain"])


@pytest.mark.parametrize(
    ("primaries", "transfer", "pixel", "expected"),
    [
        (12, 13, (128, 128, 128), (128, 128, 128)),  # Display P3
        (12, 13, (200, 50, 50), (218, 24, 40)),
        (9, 16, (148, 148, 148), (255, 255, 255)),  # BT.2020 PQ: 203 cd/m² are white
        (9, 16, (94, 94, 94), (94, 94, 94)),  # 23 cd/m²
        (9, 18, (191, 191, 191), (255, 255, 255)),  # BT.2020 HLG: 75 % are white
    ],
)
def test_numbered_color_spaces_are_converted(primaries, transfer, pixel, expected):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(colors.profile_of(primaries, transfer)))
    image = Image.new("RGB", (1, 1), pixel)
    image.info["icc_profile"] = profile.tobytes()
    assert colors.to_srgb(image).getpixel((0, 0)) == pytest.approx(expected, abs=3)


def test_srgb_needs_no_profile():
    assert colors.profile_of(1, 13) is None
