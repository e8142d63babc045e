"""From a file to upright sRGB pixels, or `UnreadablePhoto` with the reason.

Whoever wants pixels asks here. Files come from strangers: their size is bounded, and nothing is decoded in this process
(see `pool`), which doesn't even read them but to name their bytes. Knows nothing of stages, models or caches.
"""

import os
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..errors import UnreadablePhoto
from ..project.originals import Original, State, content_id, content_id_of, identify, is_content_of, stat_of
from . import operations, pool
from .decode import DECODER, UNKNOWN, Moment, as_jpeg
from .operations import Decoded, Lattice

__all__ = [
    "DECODER", "UNKNOWN", "Decoded", "Lattice", "Moment", "Views", "as_jpeg", "content_id", "content_id_of", "decode",
    "decode_file", "decode_with_tiles", "exposure", "identify", "is_content_of", "lattice", "load", "moment", "preview",
    "preview_of", "stat_of",
]  # fmt: skip


class Views(NamedTuple):
    """What an encoder wants to see of a photo. `min_side`: pixels of the shorter side from which on a reduced decode
    changes nothing; `tiles`: whether it also wants tiles in full resolution.
    """

    min_side: int
    tiles: bool = False


def look(path: str | Path, state: State, views: Views, content_id: str = "") -> Decoded:
    """The views of a file that is still in `state`, from one reading of it. Raises `UnreadablePhoto`.

    `content_id`, if known, recognizes bytes that ended a decoder under another name.
    """
    decode_views = decode_with_tiles if views.tiles else decode_file
    return decode_views(path, state, views.min_side, content_id)


def load(path: str | Path, min_side: int | None = None) -> Image.Image:
    """The pixels of a file; see `decode`."""
    return decode_file(path, stat_of(path), min_side).image


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """The first frame as 8-bit sRGB, mode RGB, turned upright by its EXIF orientation; see `decode.decode`.

    Raises `UnreadablePhoto`, and nothing else, whatever the bytes.
    """
    return pool.shared().do(operations.DECODE, data, min_side).image


def decode_file(path: str | Path, state: State, min_side: int | None = None, content_id: str = "") -> Decoded:
    """`decode` and `moment` of a file that is still in `state`, in one go. Raises `UnreadablePhoto`.

    `content_id`, where it is known: bytes that ended a decoder are then known again under another name.
    """
    return pool.shared().do(operations.DECODE, _in(path, state, content_id), min_side)


def decode_with_tiles(path: str | Path, state: State, min_side: int, content_id: str = "") -> Decoded:
    """The same with the tiles that `tiles.chosen` chooses, in full resolution, from one reading of the file."""
    return pool.shared().do(operations.DECODE_WITH_TILES, _in(path, state, content_id), min_side)


def lattice(path: str | Path, most: int) -> Lattice:
    """Tiles all over the photo, at most so many along a side. Raises `UnreadablePhoto`."""
    return pool.shared().do(operations.LATTICE, _now(path), most)


def preview(path: str | Path, max_side: int) -> bytes:
    """An upright sRGB JPEG whose longer side is at most `max_side` pixels. Raises `UnreadablePhoto`."""
    return pool.shared().do(operations.PREVIEW, _now(path), max_side)


def preview_of(data: bytes, max_side: int) -> bytes:
    """`preview` of a photo's bytes."""
    return pool.shared().do(operations.PREVIEW, data, max_side)


def exposure(path: str | Path) -> dict[str, str]:
    """What the camera noted, for people: camera, lens, shutter, aperture, ISO, focal length, time; may be empty."""
    try:
        return pool.shared().do(operations.EXPOSURE, _now(path))
    except UnreadablePhoto:
        return {}


def moment(path: str | Path) -> Moment:
    """When and how a photo was taken; `UNKNOWN` where the camera noted nothing."""
    try:
        return pool.shared().do(operations.MOMENT, _now(path))
    except UnreadablePhoto:
        return UNKNOWN


def _now(path: str | Path) -> Original:
    return _in(path, stat_of(path))


def _in(path: str | Path, state: State, content_id: str = "") -> Original:
    return Original(os.path.abspath(path), state, content_id)  # noqa: PTH100 - fast
