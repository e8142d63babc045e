"""Finds the XMP packet in a photo's bytes, and reads nothing of it.

| file | where |
| --- | --- |
| JPEG | segment APP1 that begins `http://ns.adobe.com/xap/1.0/` and a zero |
| TIFF, DNG and raw files built like them | tag 700 of the first directories |
| RAF | in the JPEG that it embeds |
| PNG | chunk iTXt with the keyword `XML:com.adobe.xmp`, perhaps compressed |
| WebP | chunk `XMP ` |
| HEIC, AVIF, CR3 and all others | text from `<x:xmpmeta` to `</x:xmpmeta>`; the first one that rates |

Positions and lengths come from the file, so all are checked and every walk is bounded. Independent of files and
processes.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

MAX_BYTES = 4 << 20
"""Bytes of a packet that is looked at."""
_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_IN_PNG = b"XML:com.adobe.xmp\0"
_OPENS, _CLOSES = b"<x:xmpmeta", b"</x:xmpmeta>"
_RATES = (b":Rating", b":Label", b":pick", b":PickLabel", b":ColorLabel", b":colorlabels")
_TAG = 700
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_PACKETS = 8, 4096, 16


def packet(data: bytes) -> bytes:
    """The packet of a photo; empty if it has none, or one of more than `MAX_BYTES`. Raises nothing."""
    with suppress(struct.error, IndexError, zlib.error):
        found = _finder(data)
        return found.rstrip(b"\0") if len(found) <= MAX_BYTES else b""
    return b""


def _finder(data: bytes) -> bytes:
    if data.startswith(b"\xff\xd8"):
        return _in_jpeg(data)
    if data.startswith(_TIFF_STARTS):
        return _in_tiff(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _in_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _in_webp(data)
    if data.startswith(b"FUJIFILMCCD-RAW"):
        start, length = struct.unpack_from(">II", data, 84)
        return _in_jpeg(data[start : start + length])
    return _by_search(data)


def _in_jpeg(data: bytes) -> bytes:
    """Walk the segments up to the first scan."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in (0xDA, 0xD9):
            break
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if marker == 0xE1 and data.startswith(_IN_JPEG, at + 4):
                return data[at + 4 + len(_IN_JPEG) : at + 2 + length]
            at += 2 + max(length, 2)
    return b""


def _in_tiff(data: bytes) -> bytes:
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    for _ in range(_MOST_DIRECTORIES):
        if not at:
            break
        (entries,) = struct.unpack_from(f"{order}H", data, at)
        for entry in range(at + 2, at + 2 + 12 * min(entries, _MOST_ENTRIES), 12):
            tag, _, length, start = struct.unpack_from(f"{order}HHII", data, entry)
            if tag == _TAG:
                return data[start : start + min(length, MAX_BYTES + 1)]
        (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * entries)
    return b""


def _in_png(data: bytes) -> bytes:
    for kind, chunk in _chunks(data, 8, ">I4s", trailer=4):
        if kind == b"iTXt" and chunk.startswith(_IN_PNG):
            is_compressed = chunk[len(_IN_PNG)] == 1
            text = chunk[len(_IN_PNG) + 2 :].split(b"\0", 2)[2]
            return zlib.decompressobj().decompress(text, MAX_BYTES + 1) if is_compressed else text
    return b""


def _in_webp(data: bytes) -> bytes:
    return next((chunk for kind, chunk in _chunks(data, 12, "<4sI") if kind == b"XMP "), b"")


def _chunks(data: bytes, at: int, head: str, trailer: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk. Chunks of RIFF begin at even positions."""
    while at + 8 <= len(data):
        one, other = struct.unpack_from(head, data, at)
        kind, length = (one, other) if isinstance(one, bytes) else (other, one)
        yield kind, data[at + 8 : at + 8 + min(length, 2 * MAX_BYTES)]
        at += 8 + length + trailer + (0 if trailer else length % 2)


def _by_search(data: bytes) -> bytes:
    """Depth and gain maps have packets of their own, which rate nothing."""
    packets = list(_packets(data))
    return next((each for each in packets if any(name in each for name in _RATES)), packets[0] if packets else b"")


def _packets(data: bytes) -> Iterator[bytes]:
    end = 0
    for _ in range(_MOST_PACKETS):
        start = data.find(_OPENS, end)
        end = data.find(_CLOSES, start) + len(_CLOSES)
        if start < 0 or end < len(_CLOSES):
            return
        yield data[start : min(end, start + MAX_BYTES + 1)]
