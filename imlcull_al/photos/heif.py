"""HEIC and HEIF through libheif: the primary picture with its profile, its notes, and how it is to be turned.

libheif turns a picture by its `irot` and `imir` boxes. Files that have neither and say an orientation in EXIF are
common, and are turned here. pi_heif (BSD; libheif and libde265 inside are LGPL-3.0) only decodes; it is optional, and
imported when the first such file comes. ISO/IEC 23008-12.
"""

import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any

from PIL import ExifTags, Image

from ..errors import UnreadablePhoto
from . import boxes, colors

_TURNS = (b"irot", b"imir")


def decoded(data: bytes, check: Callable[[tuple[int, int]], None]) -> Image.Image:
    """The primary picture, of 8 bits if it is in color, as libheif turns it. `check` may refuse its size.

    Raises `UnreadablePhoto` without pi_heif, and what libheif's faults become in Python.
    """
    file = _file(data)
    check(file.size)
    picture = file[file.primary_index]
    image = Image.frombytes(picture.mode, picture.size, picture.data, "raw", picture.mode, picture.stride)
    profile, said = picture.info.get("icc_profile"), picture.info.get("nclx_profile", {})
    if not profile and said:
        profile = colors.profile_of(said["color_primaries"], said["transfer_characteristics"])
    if profile:
        image.info["icc_profile"] = profile
    return image


def notes(data: bytes) -> Image.Exif:
    """The EXIF of the primary picture. Raises as `decoded`."""
    exif = Image.Exif()
    exif.load(_file(data).info.get("exif") or b"")
    return exif


def orientation(data: bytes, exif: Image.Exif) -> int:
    """The orientation that is left to apply: what EXIF says, unless a box of the primary picture has turned it."""
    return 1 if _is_turned(data) else exif.get(ExifTags.Base.Orientation, 1)


def _file(data: bytes) -> Any:
    library = _library()
    library.options.DECODE_THREADS = 1  # there is one decoder process for each core
    library.options.THUMBNAILS = library.options.DEPTH_IMAGES = library.options.AUX_IMAGES = False
    return library.open_heif(data, remove_stride=False)


def _library() -> ModuleType:
    try:
        import pi_heif
    except ImportError as error:
        raise UnreadablePhoto("it is a HEIF picture; to read it: pip install 'imlcull[raw]'") from error
    return pi_heif


def _is_turned(data: bytes) -> bool:
    """Whether the primary picture has a property that turns or mirrors it."""
    try:
        return any(kind in _TURNS for kind in _properties(memoryview(data)))
    except (struct.error, IndexError, KeyError):
        return False


def _properties(data: memoryview) -> list[bytes]:
    """Types of the properties of the primary picture."""
    meta = dict(boxes.inside(boxes.first(data, b"meta")[4:]))
    pitm, properties = meta[b"pitm"], dict(boxes.inside(meta[b"iprp"]))
    primary = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)[0]
    kinds = [kind for kind, _ in boxes.inside(properties[b"ipco"])]
    return [kinds[number - 1] for number in _associated(properties[b"ipma"], primary) if 0 < number <= len(kinds)]


def _associated(ipma: memoryview, item: int) -> list[int]:
    """Numbers of the properties of an item, from 1."""
    named, is_long = (">I", 4) if ipma[0] else (">H", 2), ipma[3] & 1
    at = 8
    for _ in range(struct.unpack_from(">I", ipma, 4)[0]):
        found = struct.unpack_from(named[0], ipma, at)[0]
        at += named[1]
        count, at = ipma[at], at + 1
        numbers = struct.unpack_from(f">{count}{'H' if is_long else 'B'}", ipma, at)
        at += count * (2 if is_long else 1)
        if found == item:
            return [number & (0x7FFF if is_long else 0x7F) for number in numbers]  # the highest bit: essential
    return []
