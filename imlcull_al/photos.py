"""From a file to upright sRGB pixels, or `UnreadablePhoto` with the reason.

Whoever wants pixels asks here. Files come from strangers: their size is bounded, and nothing is decoded in this process
(see `decoders`). Knows nothing of stages, models or caches.
"""

import hashlib
from io import BufferedReader
from pathlib import Path

from PIL import Image

from . import decoders
from .errors import UnreadablePhoto
from .pixels import DECODER, UNKNOWN, Moment, as_jpeg

__all__ = [
    "DECODER", "UNKNOWN", "Moment", "as_jpeg", "content_id", "content_id_of", "decode", "decode_with_moment",
    "exposure", "load", "moment", "preview", "read",
]  # fmt: skip
MAX_BYTES = 1 << 30


def read(path: str | Path) -> bytes:
    """The bytes of a photo, at most `MAX_BYTES`. Raises `UnreadablePhoto`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - texts too
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadablePhoto(f"the file can't be opened: {reason}", lasting=False) from error
    if not data:
        raise UnreadablePhoto("the file is empty")
    if len(data) > MAX_BYTES:
        raise UnreadablePhoto(f"the file is larger than {MAX_BYTES >> 20} MiB")
    return data


def content_id(data: bytes) -> str:
    """32 hexadecimal digits that name these bytes (BLAKE2b, 128 bits)."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def content_id_of(file: BufferedReader) -> str:
    """`content_id` of an open file of any size, read piece by piece."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def load(path: Path, min_side: int | None = None) -> Image.Image:
    """`decode(read(path))`."""
    return decode(read(path), min_side)


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """The first frame as 8-bit sRGB, mode RGB, turned upright by its EXIF orientation; see `pixels.decode`.

    Raises `UnreadablePhoto`, and nothing else, whatever the bytes.
    """
    return decode_with_moment(data, min_side)[0]


def decode_with_moment(data: bytes, min_side: int | None = None) -> tuple[Image.Image, Moment]:
    """`decode` and `moment` of the same bytes in one go. Raises `UnreadablePhoto`."""
    return decoders.shared().decode(data, min_side)


def preview(path: Path, max_side: int) -> bytes:
    """An upright sRGB JPEG whose longer side is at most `max_side` pixels. Raises `UnreadablePhoto`."""
    return decoders.shared().preview(read(path), max_side)


def exposure(path: Path) -> dict[str, str]:
    """What the camera noted, for people: camera, lens, shutter, aperture, ISO, focal length, time; may be empty."""
    try:
        return decoders.shared().exposure(read(path))
    except UnreadablePhoto:
        return {}


def moment(data: bytes) -> Moment:
    """When and how a photo was taken, by its bytes; `UNKNOWN` where the camera noted nothing."""
    try:
        return decoders.shared().moment(data)
    except UnreadablePhoto:
        return UNKNOWN
