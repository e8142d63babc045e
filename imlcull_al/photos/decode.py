"""Decode a photo's bytes: upright sRGB pixels, a preview JPEG, or camera metadata.

`opening` chooses the library by the content, and checks dimensions before anything is decoded.
Everything runs in the calling process, without limits on what a decoder does to it.
Independent of files and processes.
"""

import io
import math
from contextlib import suppress

from PIL import Image, ImageOps, JpegImagePlugin

from . import camera, colors, formats, opening, pages, tiles
from .camera import UNKNOWN, Moment
from .opening import MAX_PIXELS, MAX_SIDE, Opened, only_unreadable, opened

__all__ = ["MAX_PIXELS", "MAX_SIDE", "UNKNOWN", "Moment"]
DECODER = opening.decoder()
"""Version tag of cached decoding failures: other libraries may read the file."""
FACTS = (*camera.SETTINGS, "shown", "damaged")
"""Keys of `exposure`, in display order."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes it upright."""


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """Decode the first frame as 8-bit sRGB, mode RGB, upright as its EXIF, its HEIF boxes or its raw say.

    With `min_side` (pixels) the image may be downscaled, for JPEG through libjpeg's DCT scaling, but its shorter side
    stays at or above `min_side`. It then has at most `most_pixels`; longer strips are cropped to their middle, see
    `tiles.without_ends`. Raises `UnreadablePhoto` only, whatever the bytes.
    """
    with only_unreadable(data):
        return _small(_decoded(opened(data, min_side), min_side), min_side)


def most_pixels(min_side: int | None) -> int:
    """The most pixels `decode` returns: those of the longest allowed strip whose shorter side is `min_side`."""
    return min(MAX_PIXELS, tiles.MOST_ASPECT * min_side**2) if min_side else MAX_PIXELS


def decode_with_tiles(data: bytes, min_side: int) -> tuple[Image.Image, Image.Image]:
    """The result of `decode`, and the photo's full-resolution tiles, mode L, in the layout of `tiles.cut`. Raises as
    `decode`.
    """
    with only_unreadable(data):
        source = opened(data, min_side)
        if _is_jpeg(source):
            small = _small(_decoded(source, min_side), min_side)
            grey = tiles.large_enough(_grey(opened(data, min_side)))
        else:
            whole = _decoded(source, None)
            small, grey = _small(whole, min_side), tiles.large_enough(whole.convert("L"))
        return small, tiles.cut(grey, tiles.chosen(grey))


def decode_lattice(data: bytes, most: int) -> tuple[Image.Image, list[tiles.Place], tuple[int, int]]:
    """Evenly spaced tiles over the whole photo, at most `most` along a side. Raises as `decode`.

    Returns the tiles in the layout of `tiles.cut`, their places row by row, and the size of the upright photo in
    pixels.
    """
    with only_unreadable(data):
        grey = tiles.large_enough(_grey(opened(data, 1)))
        places = tiles.lattice(grey, most)
        return tiles.cut(grey, places), places, grey.size


def preview(data: bytes, max_side: int) -> bytes:
    """An upright sRGB JPEG whose longer side is at most `max_side` pixels. Raises `UnreadablePhoto`."""
    image = decode(data, max_side)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return as_jpeg(image)


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB image as a preview JPEG, without metadata."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, comment=b"")  # by default Pillow copies the photo's comment
    return file.getvalue()


def exposure(data: bytes) -> dict[str, str]:
    """Texts for display: the camera's settings, what is shown of a raw, and damage. May be empty."""
    facts = {}
    with suppress(Exception):  # as in `only_unreadable`; broken metadata counts as missing
        facts = camera.settings(opening.notes_of(data))
    with suppress(Exception):
        facts |= {"shown": shown} if (shown := opening.shown(data)) else {}
    return facts | ({"damaged": "its end is missing"} if formats.lacks_end(data) else {})


def moment(data: bytes) -> Moment:
    """When and how a photo was taken, and whether its end is missing; `UNKNOWN` if the metadata is unreadable."""
    found = UNKNOWN
    with suppress(Exception):  # as in `only_unreadable`; broken metadata counts as missing
        found = camera.moment(opening.notes_of(data))
    return found._replace(damaged=formats.lacks_end(data))


def capture_time(data: bytes) -> float:
    """When the photo was taken, see `camera.capture_time`; NaN if the metadata is unreadable."""
    with suppress(Exception):  # as in `moment`
        return camera.capture_time(opening.notes_of(data))
    return math.nan


def _is_jpeg(source: Opened) -> bool:
    return isinstance(source.image, JpegImagePlugin.JpegImageFile)


def _grey(source: Opened) -> Image.Image:
    """The whole photo as upright grayscale, mode L. For a JPEG, chroma is not decoded."""
    if not _is_jpeg(source):
        return _decoded(source, None).convert("L")
    image = source.image
    image.draft("L", image.size)
    image.load()
    return _upright(image if image.mode == "L" else image.convert("L"), source.orientation)


def _decoded(source: Opened, min_side: int | None) -> Image.Image:
    image = source.image
    if min_side:
        _draft(image, min_side)
    image.load()
    if source.is_float_rgb:
        image = pages.joined(image)
    notes = _exif_of(image) if source.notes is None else source.notes
    if not min_side:
        return colors.to_srgb(_upright(image, source.orientation), notes)
    return _reduced(colors.to_srgb(_upright(_reduced(image, min_side), source.orientation), notes), min_side)


def _exif_of(image: Image.Image) -> Image.Exif | None:
    with suppress(Exception):  # as in `only_unreadable`; broken metadata doesn't affect the pixels
        return image.getexif()
    return None


def _draft(image: Image.Image, min_side: int) -> None:
    """Request the smallest DCT scale with a shorter side of at least `min_side`; a no-op for all formats but JPEG."""
    scale = min(image.size) / min_side
    if scale >= 2:
        image.draft(None, (int(image.width / scale), int(image.height / scale)))


def _small(image: Image.Image, min_side: int | None) -> Image.Image:
    """Bring the upright sRGB image within the bounds of `decode`."""
    if not min_side:
        return image
    image = _reduced(image, min_side)
    if image.width * image.height <= most_pixels(min_side):
        return image
    image = tiles.without_ends(image)
    if min(image.size) <= min_side:
        return image
    width, height = (side * min_side // min(image.size) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _reduced(image: Image.Image, min_side: int) -> Image.Image:
    """Downscale by averaging whole blocks of pixels, so that images queued for the encoder are small in any format."""
    factor = min(image.size) // min_side
    if factor < 2 or image.mode in ("P", "PA", "1") or image.mode.startswith("I"):
        return image  # palette indices and 16-bit grays can't be averaged before conversion
    reduced = image.reduce(factor)
    reduced.info = image.info
    return reduced


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """`orientation` by EXIF; None for that of the image."""
    # In place: a copy of the largest photo takes a gigabyte. Broken EXIF (any error, see `only_unreadable`) doesn't
    # affect the pixels.
    if orientation is not None:
        turn = _TURNS.get(orientation)
        return image if turn is None else image.transpose(turn)
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image
