"""Raw photos through LibRaw: the JPEG that the camera embedded, or the mosaic at half size.

    opened(data, 224, check)      # the embedded JPEG, if its longer side is at least `PREVIEW` pixels; else half size
    opened(data, None, check)     # the larger of both

A smaller embedded JPEG is never used: it is a thumbnail. rawpy (MIT; LibRaw inside is LGPL-2.1 or CDDL-1.0) is
optional, and imported when the first raw comes.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from ..errors import UnreadablePhoto
from . import formats, tiff

PREVIEW = 1000
"""Longer side in pixels from which an embedded JPEG is a picture, not a thumbnail."""
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # LibRaw's flip → EXIF
_TURNING = 4  # in a flip: the sides are swapped
_JPEG_OFFSET, _JPEG_LENGTH, _STRIPS, _STRIP_LENGTHS, _COMPRESSION = 513, 514, 273, 279, 259
_JPEG_COMPRESSIONS = {6, 7, 34892}
_CR3_NOTES, _CR3_HEAD = (b"CMT1", b"CMT2"), 1 << 20  # bytes
_RAF, _RAF_PICTURE, _JPEG = b"FUJIFILMCCD-RAW", slice(84, 88), b"\xff\xd8"
"""How a RAF begins, where its header says at which byte the embedded JPEG does, and how that does."""


class Raw(NamedTuple):
    """`image`: opened, not decoded if it is the embedded JPEG. `orientation`: by EXIF, of the image as stored.

    `is_embedded`: it is the embedded JPEG.
    """

    image: Image.Image
    orientation: int
    is_embedded: bool = True


def opened(data: bytes, side: int | None, check: Callable[[tuple[int, int]], None]) -> Raw:
    """Open the raw for a use that needs `side` pixels on the longer side. `check` may refuse the size of the mosaic.

    Raises `UnreadablePhoto`, with the maker's name, if it holds neither a picture nor a mosaic that LibRaw knows.
    """
    with _libraw(data) as (library, raw, found):
        if found:
            return found
        embedded = _embedded(library, raw)
        if embedded and _is_enough(embedded.image, raw, side):
            return embedded
        check((raw.sizes.raw_width, raw.sizes.raw_height))
        try:
            return Raw(Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True)), 1, is_embedded=False)
        except library.LibRawError:
            if embedded is None:
                raise
            return embedded


def shown(data: bytes) -> str:
    """What `opened` shows at most, in words. Decodes nothing; raises as `opened`."""
    with _libraw(data) as (library, raw, found):
        best = found or _embedded(library, raw)
        if best and (found or _is_enough(best.image, raw, None)):
            width, height = best.image.size
            turns = best.orientation > _TURNING
            what = "embedded JPEG"
        else:
            width, height = raw.sizes.iwidth // 2, raw.sizes.iheight // 2
            turns, what = bool(raw.sizes.flip & _TURNING), "raw at half size"
        width, height = (height, width) if turns else (width, height)
        return f"{what}, {width} × {height}"


def notes(data: bytes) -> Image.Exif:
    """The EXIF of a raw: its own directories, else those of its embedded JPEG. Raises as `opened`."""
    exif = Image.Exif()
    if data[:4] in tiff.HEADS:
        exif.load(tiff.plain(data))
    elif data[4:12] == b"ftypcrx ":
        first, details = (_cr3_notes(data, name) for name in _CR3_NOTES)
        exif.load(first)
        second = Image.Exif()
        second.load(details)
        exif.get_ifd(ExifTags.IFD.Exif).update(second)
    elif data.startswith(_RAF) and (picture := data[int.from_bytes(data[_RAF_PICTURE], "big") :]).startswith(_JPEG):
        return Image.open(io.BytesIO(picture), formats=("JPEG",)).getexif()
    else:
        with _libraw(data) as (library, raw, _):
            thumb = raw.extract_thumb()
            if thumb.format == library.ThumbFormat.JPEG:
                return Image.open(io.BytesIO(thumb.data), formats=("JPEG",)).getexif()
    return exif


@contextmanager
def _libraw(data: bytes) -> Iterator[tuple[ModuleType, Any, Raw | None]]:
    """rawpy, the opened raw, and the picture that was found without LibRaw where it can't open the raw.

    Converts LibRaw's errors to `UnreadablePhoto`.
    """
    maker, found = formats.raw_maker(data), None
    library = _library(maker)
    with library.RawPy() as raw:
        try:
            try:
                raw.open_buffer(io.BytesIO(data))
            except library.LibRawError:  # the raw is damaged, or LibRaw does not know its camera
                found = _found(data)
                if found is None:
                    raise
            yield library, raw, found
        except library.LibRawError as error:
            raise _unreadable(library, maker, error) from error


def _library(maker: str | None) -> ModuleType:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is one decoder process for each core
    try:
        import rawpy
    except ImportError as error:
        raise UnreadablePhoto(f"it is a raw of {maker}; to read it: pip install 'imlcull[raw]'") from error
    return rawpy


def _unreadable(library: ModuleType, maker: str | None, error: Any) -> Exception:
    if isinstance(error, library.LibRawUnsufficientMemoryError):
        return MemoryError()
    said = b"".join(each for each in error.args if isinstance(each, bytes)).decode(errors="replace")
    return UnreadablePhoto(
        f"it is a raw of {maker} without an embedded JPEG of {PREVIEW:,} pixels, and LibRaw can't read it: {said}"
    )


def _is_enough(image: Image.Image, raw: Any, side: int | None) -> bool:
    half = max(raw.sizes.iwidth, raw.sizes.iheight) // 2
    return max(image.size) >= (half if side is None else min(half, side))


def _embedded(library: ModuleType, raw: Any) -> Raw | None:
    """The embedded picture; None if there is only a thumbnail, or none that LibRaw finds."""
    try:
        thumb = raw.extract_thumb()
    except library.LibRawError:
        return None
    is_jpeg = thumb.format == library.ThumbFormat.JPEG
    image = _picture(thumb.data) if is_jpeg else Image.fromarray(thumb.data)
    if image is None or max(image.size) < PREVIEW:
        return None
    orientation = _ORIENTATIONS.get(raw.sizes.flip, 1)
    is_upright = (image.width < image.height) != (raw.sizes.iwidth < raw.sizes.iheight)
    return Raw(image, 1 if orientation > _TURNING and is_upright else orientation)


def _found(data: bytes) -> Raw | None:
    """The largest embedded picture that a directory of a TIFF-like raw names, found without LibRaw."""
    directories = tiff.directories(data)
    images = [image for each in directories if (image := _picture(_jpeg_of(data, each)))]
    if not images:
        return None
    image = max(images, key=lambda each: each.width * each.height)
    return Raw(image, directories[0].number(ExifTags.Base.Orientation, 1))


def _jpeg_of(data: bytes, directory: tiff.Directory) -> bytes:
    if _JPEG_OFFSET in directory.numbers:
        start, length = directory.number(_JPEG_OFFSET), directory.number(_JPEG_LENGTH)
    elif directory.number(_COMPRESSION) in _JPEG_COMPRESSIONS and len(directory.numbers.get(_STRIPS, ())) == 1:
        start, length = directory.number(_STRIPS), directory.number(_STRIP_LENGTHS)
    else:
        return b""
    return data[start : start + length]


def _picture(data: bytes) -> Image.Image | None:
    """A whole JPEG of at least `PREVIEW` pixels, opened."""
    if formats.lacks_end(data):
        return None
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
    except (OSError, ValueError, SyntaxError):
        return None
    return image if max(image.size) >= PREVIEW else None


def _cr3_notes(data: bytes, name: bytes) -> bytes:
    """The content of a box of CR3 that holds a TIFF directory; empty without it."""
    at = data.find(name, 0, _CR3_HEAD)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")] if at >= 4 else b""
