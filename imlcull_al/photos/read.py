"""Decode photo files to upright sRGB pixels; `UnreadablePhoto` carries the reason when that fails.

The facade of this package. Files are untrusted: their size is bounded, and they are decoded in worker processes (see
`pool`). This process reads them only to hash them. Independent of stages, models and caches.
"""

import math
import os
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..errors import UnreadablePhoto
from ..project.originals import (
    Original,
    State,
    check_unchanged,
    content_id,
    content_id_of,
    head,
    identify,
    is_content_of,
    stat_of,
)
from . import operations, pool
from .decode import DECODER, UNKNOWN, Moment, as_jpeg
from .operations import Decoded, Lattice

__all__ = [
    "DECODER",
    "UNKNOWN",
    "Decoded",
    "Lattice",
    "Moment",
    "Views",
    "as_jpeg",
    "capture_time",
    "content_id",
    "content_id_of",
    "decode",
    "decode_file",
    "decode_with_tiles",
    "exposure",
    "identify",
    "is_content_of",
    "lattice",
    "load",
    "moment",
    "preview",
    "preview_of",
    "stat_of",
    "xmp",
]  # fmt: skip
HEAD = 1 << 17
"""Bytes. The notes of a JPEG stand there, and those of nearly every raw."""
_JPEG = b"\xff\xd8"


class Views(NamedTuple):
    """What an encoder needs of a photo.

    `min_side`: a decode reduced to this many pixels on the shorter side gives the same views as a full one.
    `tiles`: whether it also needs tiles in full resolution.
    """

    min_side: int
    tiles: bool = False


def look(path: str | Path, state: State, views: Views, content_id: str = "") -> Decoded:
    """The views of a file, read once. Raises `UnreadablePhoto`, also for a file that was rewritten since `state`.

    `content_id`, if known, identifies bytes that ended a decoder under another name; a file that no longer has it is
    unreadable for now.
    """
    decode_views = decode_with_tiles if views.tiles else decode_file
    seen = decode_views(path, state, views.min_side, content_id)
    if content_id:
        check_unchanged(path, state, content_id)
    return seen


def load(path: str | Path, min_side: int | None = None) -> Image.Image:
    """The pixels of a file; see `decode`."""
    return decode_file(path, stat_of(path), min_side).image


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """The first frame as 8-bit sRGB, mode RGB, turned upright by its EXIF orientation; see `decode.decode`.

    Raises `UnreadablePhoto`, and nothing else, whatever the bytes.
    """
    return pool.shared().do(operations.DECODE, data, min_side).image


def decode_file(path: str | Path, state: State, min_side: int | None = None, content_id: str = "") -> Decoded:
    """`decode` and `moment` of a file, read once. Raises `UnreadablePhoto`, also for a file rewritten since `state`.

    `content_id`: see `look`.
    """
    return pool.shared().do(operations.DECODE, _in(path, state, content_id), min_side)


def decode_with_tiles(path: str | Path, state: State, min_side: int, content_id: str = "") -> Decoded:
    """`decode_file` plus the full-resolution tiles that `tiles.chosen` selects, from one read of the file."""
    return pool.shared().do(operations.DECODE_WITH_TILES, _in(path, state, content_id), min_side)


def lattice(path: str | Path, most: int) -> Lattice:
    """A regular grid of tiles, at most `most` along a side. Raises `UnreadablePhoto`."""
    return pool.shared().do(operations.LATTICE, _now(path), most)


def preview(path: str | Path, max_side: int) -> bytes:
    """An upright sRGB JPEG whose longer side is at most `max_side` pixels. Raises `UnreadablePhoto`."""
    return pool.shared().do(operations.PREVIEW, _now(path), max_side)


def preview_of(data: bytes, max_side: int) -> bytes:
    """`preview` of the bytes of a photo."""
    return pool.shared().do(operations.PREVIEW, data, max_side)


def exposure(path: str | Path) -> dict[str, str]:
    """Texts for display: camera, lens, shutter, aperture, ISO, focal length, time, what is shown of a raw, damage."""
    try:
        return pool.shared().do(operations.EXPOSURE, _now(path))
    except UnreadablePhoto:
        return {}


def moment(path: str | Path) -> Moment:
    """When and how the photo was taken, and whether its end is missing; `UNKNOWN` if it can't be read."""
    try:
        return pool.shared().do(operations.MOMENT, _now(path))
    except UnreadablePhoto:
        return UNKNOWN


def capture_time(path: str | Path) -> float:
    """When the photo was taken, in seconds by the camera's clock; NaN if that isn't noted.

    Reads `HEAD` bytes where the notes stand in these. Raises `UnreadablePhoto`.
    """
    start = head(path, HEAD)
    time = pool.shared().do(operations.CAPTURE_TIME, start)
    if math.isnan(time) and len(start) == HEAD and not start.startswith(_JPEG):
        time = pool.shared().do(operations.CAPTURE_TIME, _now(path))
    return time


def xmp(path: str | Path) -> bytes:
    """The XMP packet inside a photo; empty if it has none. Raises `UnreadablePhoto`."""
    return pool.shared().do(operations.XMP, _now(path))


def _now(path: str | Path) -> Original:
    return _in(path, stat_of(path))


def _in(path: str | Path, state: State, content_id: str = "") -> Original:
    return Original(os.path.abspath(path), state, content_id)  # noqa: PTH100 - fast
