"""JPEG XL: pixels, profile, notes, and what to install."""

import builtins
import io

import numpy as np
import pytest
from PIL import Image

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.photos import colors, decode

pylibjxl = pytest.importorskip("pylibjxl", reason="it has no wheel for this platform")
RED_BLUE = np.repeat(np.array([[[230, 20, 20], [20, 20, 230]]], np.uint8), 24, 1).repeat(32, 0)  # 48 × 32


def notes():
    exif = Image.Exif()
    exif.update({0x110: "A camera", 0x112: 6, 0x132: "2024:10:10 19:05:10"})
    return exif


def test_a_jxl_is_read_and_its_exif_does_not_turn_it():
    data = pylibjxl.encode(RED_BLUE, lossless=True, exif=notes().tobytes())
    image = decode.decode(data)
    assert (image.mode, image.size) == ("RGB", (48, 32))
    assert (image.getpixel((5, 5)), image.getpixel((40, 5))) == ((230, 20, 20), (20, 20, 230))
    assert decode.exposure(data) == {"camera": "A camera", "taken": "2024:10:10 19:05:10"}
    assert decode.moment(data).taken == 1728587110


def test_its_codestream_turns_it():
    file = io.BytesIO()
    Image.fromarray(RED_BLUE).save(file, "JPEG", exif=notes())
    assert decode.decode(pylibjxl.jpeg_to_jxl(file.getvalue())).size == (32, 48)


def test_its_profile_counts():
    adobe = colors._profile(colors._ADOBE, [563])
    plain = np.full((8, 8, 3), (128, 192, 64), np.uint8)
    image = decode.decode(pylibjxl.encode(plain, lossless=True, icc=adobe))
    assert image.getpixel((3, 3)) == pytest.approx((84, 193, 46), abs=4)


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_transparent_ones(channels):
    pixels = np.full((8, 8, channels), 255, np.uint8)
    pixels[..., 0] = 100
    expected = (100, 100, 100) if channels == 1 else (100, 255, 255)
    assert decode.decode(pylibjxl.encode(pixels, lossless=True)).getpixel((3, 3)) == expected


@pytest.mark.parametrize("data", [b"\xff\x0a" + bytes(90), pylibjxl.encode(RED_BLUE)[:60]])
def test_a_broken_one_has_a_reason(data):
    with pytest.raises(UnreadablePhoto, match="can't be decoded"):
        decode.decode(data)


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: real({"pylibjxl": "missing"}.get(name, name), *rest)
    )
    with pytest.raises(UnreadablePhoto, match=r"a JPEG XL picture; to read it: pip install 'imlcull\[raw\]'"):
        decode.decode(b"\xff\x0a" + bytes(90))
