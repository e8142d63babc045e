"""The XMP packet inside a photo: found in every format, bounded whatever the bytes."""

import struct
import zlib

import pytest
from conftest import encoded
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from imlcull_al.photos import packet as module
from imlcull_al.photos import read as photos
from imlcull_al.photos.operations import XMP
from imlcull_al.photos.packet import MAX_BYTES, packet

TEXT = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmp:Rating="3"/></x:xmpmeta>'
PHOTO = Image.new("RGB", (8, 6), (200, 80, 40))


def png(compressed):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", TEXT.decode(), zip=compressed)
    return encoded(PHOTO, "PNG", pnginfo=info)


def tiff(order):
    """Two directories, the second one with the packet, in this byte order: a DNG may be built like that."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    first = struct.pack(f"{order}HHHIII", 1, 256, 4, 1, 8, 26)
    second = struct.pack(f"{order}HHHIII", 1, 700, 1, len(TEXT), 44, 0)
    return head + first + second + TEXT


def raf():
    jpeg = encoded(PHOTO, "JPEG", xmp=TEXT)
    return b"FUJIFILMCCD-RAW".ljust(84) + struct.pack(">II", 92, len(jpeg)) + jpeg + b"raw"


def pillow_tiff():
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[700] = TEXT
    return encoded(PHOTO, "TIFF", tiffinfo=info)


FILES = {
    "JPEG": lambda: encoded(PHOTO, "JPEG", xmp=TEXT),
    "JPEG with fill bytes": lambda: b"\xff\xd8\xff" + encoded(PHOTO, "JPEG", xmp=TEXT)[2:],
    "PNG": lambda: png(False),
    "compressed PNG": lambda: png(True),
    "WebP": lambda: encoded(PHOTO, "WEBP", xmp=TEXT),
    "TIFF": pillow_tiff,
    "little-endian directories": lambda: tiff("<"),
    "big-endian directories": lambda: tiff(">"),
    "RAF": raf,
    "AVIF": lambda: encoded(PHOTO, "AVIF", xmp=TEXT),
    "HEIC with a gain map": lambda: (
        b"\0\0\0\x18ftypheic" + TEXT.replace(b"xmp:Rating", b"HDRGainMap:Version") + b"\0" * 9 + TEXT + b"\0"
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_packet_is_found_in_every_format(kind):
    assert packet(FILES[kind]()) == TEXT


def test_a_photo_without_one_has_none():
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"):
        assert packet(encoded(PHOTO, kind)) == b""
    assert packet(b"") == b""


def test_a_worker_gives_it_to_the_app(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FILES["JPEG"]())
    (tmp_path / "b.jpg").write_bytes(encoded(PHOTO, "JPEG"))
    assert (photos.xmp(tmp_path / "a.jpg"), photos.xmp(tmp_path / "b.jpg")) == (TEXT, b"")


def test_a_reply_with_a_head_is_not_believed():
    assert (XMP.check({}, TEXT, None), XMP.longest(None)) == (TEXT, MAX_BYTES)
    with pytest.raises(ValueError, match="not a packet"):
        XMP.check({"size": [1, 1]}, TEXT, None)


def test_a_packet_that_expands_is_bounded():
    bomb = zlib.compress(b"<" * (64 << 20))
    chunk = b"XML:com.adobe.xmp\0\1\0\0\0" + bomb
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(chunk)) + b"iTXt" + chunk + b"0000"
    assert packet(data) == b""


def test_a_packet_that_is_too_long_is_none():
    long = b"<x:xmpmeta" + b" " * MAX_BYTES + b"</x:xmpmeta>"
    assert packet(long) == b""
    assert packet(b"<x:xmpmeta" * 200_000) == b""


def test_directories_in_a_circle_end():
    assert packet(b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 4, 1, 8, 8)) == b""


@given(st.sampled_from(sorted(FILES)), st.integers(0, 400), st.binary(min_size=1, max_size=8), st.integers(0, 400))
def test_damage_raises_nothing(kind, at, noise, end):
    data = FILES[kind]()
    damaged = data[:at] + noise + data[at + len(noise) :]
    for each in (damaged, damaged[: len(data) - end]):
        assert len(packet(each)) <= module.MAX_BYTES
