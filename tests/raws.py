"""Tiny raw photos, written by hand: a DNG, and a NEF as Nikon lays it out.

the first directory     a thumbnail of 160 × 120, the camera's name, and the EXIF directory
its subdirectories      an embedded JPEG, and the mosaic: left half red, right half blue, as the JPEG
"""

import io
import struct

from PIL import Image

_KINDS = {
    "byte": (1, "B"),
    "text": (2, "s"),
    "short": (3, "H"),
    "long": (4, "I"),
    "rational": (5, "I"),
    "signed": (10, "i"),
}
MOSAIC = (64, 48)
NAMES = {272: ("text", b"NIKON Z 6\0"), 306: ("text", b"2030:01:01 00:00:00\0")}
CFA = {33421: ("short", [2, 2]), 33422: ("byte", [0, 1, 1, 2]), 50717: ("short", [65535])}
DNG = {
    50706: ("byte", [1, 4, 0, 0]), 50708: ("text", b"NIKON Z 6\0"), 50728: ("rational", [1] * 6),
    50778: ("short", [21]), 50721: ("signed", [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
}  # fmt: skip


class Writer:
    """A little-endian TIFF that grows at its end."""

    def __init__(self, head=b"II*\0"):
        self.data = bytearray(head + bytes(4))

    def put(self, data):
        at = len(self.data)
        self.data += data + b"\0" * (len(data) % 2)
        return at

    def directory(self, tags):
        """`tags`: tag → (kind, values). Returns where it lies."""
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            code, letter = _KINDS[kind]
            packed = values if letter == "s" else struct.pack(f"<{len(values)}{letter}", *values)
            count = len(values) // (2 if kind in ("rational", "signed") else 1)
            held = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", self.put(packed))
            entries += struct.pack("<HHI", tag, code, count) + held
        return self.put(struct.pack("<H", len(tags)) + entries + bytes(4))

    def finished(self, first):
        struct.pack_into("<I", self.data, 4, first)
        return bytes(self.data)


def half_red_half_blue(size):
    image = Image.new("RGB", size, (230, 20, 20))
    image.paste((20, 20, 230), (size[0] // 2, 0, *size))
    return image


def jpeg_of(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def raw(
    preview=(1200, 900), orientation=1, maker=b"NIKON CORPORATION", mosaic=MOSAIC, head=b"II*\0", dng=True, notes=None
):
    """The bytes of a raw; the mosaic comes last, as in a camera's file.

    `preview`: the embedded JPEG or its size, None for no JPEG. `dng`: with the tags of a DNG. `notes`: of its EXIF.
    """
    pixels = _mosaic(*mosaic)
    named = {271: ("text", maker + b"\0"), 274: ("short", [orientation])}
    notes = notes or {36867: ("text", b"2024:10:10 19:05:10\0"), 37521: ("text", b"25\0")}
    where = 0
    for _ in range(2):  # the second time, the place of the mosaic is known
        writer = Writer(head)
        children = [_preview(writer, preview)] if preview else []
        children.append(writer.directory(_strip(*mosaic, 16, 32803, where, len(pixels)) | CFA))
        thumbnail = half_red_half_blue((160, 120)).tobytes()
        small = _strip(160, 120, 8, 2, writer.put(thumbnail), len(thumbnail))
        links = {330: ("long", children), 34665: ("long", [writer.directory(notes)])}
        first = writer.directory(small | {254: ("long", [1])} | NAMES | named | links | (DNG if dng else {}))
        where = len(writer.data)
    writer.put(pixels)
    return writer.finished(first)


def _strip(width, height, bits, photometric, where, length):
    samples = 3 if bits == 8 else 1
    return {
        254: ("long", [0]), 256: ("long", [width]), 257: ("long", [height]), 258: ("short", [bits] * samples),
        259: ("short", [1]), 262: ("short", [photometric]), 273: ("long", [where]), 277: ("short", [samples]),
        278: ("long", [height]), 279: ("long", [length]),
    }  # fmt: skip


def _preview(writer, preview):
    jpeg = preview if isinstance(preview, bytes) else jpeg_of(half_red_half_blue(preview))
    where = writer.put(jpeg)
    return writer.directory(
        {254: ("long", [1]), 259: ("short", [6]), 513: ("long", [where]), 514: ("long", [len(jpeg)])}
    )


def _mosaic(width, height):
    red, blue = (60_000, 2_000, 2_000, 2_000), (2_000, 2_000, 2_000, 60_000)  # of two by two: R G, G B
    rows = [[*red[2 * row : 2 * row + 2] * (width // 4), *blue[2 * row : 2 * row + 2] * (width // 4)] for row in (0, 1)]
    return b"".join(struct.pack(f"<{width}H", *row) for row in rows) * (height // 2)
