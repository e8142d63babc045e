"""From bytes to an opened picture, whichever library reads it: Pillow, LibRaw, libheif or libjxl.

The content decides, not the name. Dimensions are checked before anything is decoded. Independent of files, sizes asked
for and processes.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import NamedTuple

from PIL import Image

from ..errors import UnreadablePhoto
from . import formats, heif, jxl, pages, raw, tiff

MAX_PIXELS = 250_000_000
MAX_SIDE = 300_000
"""Pixels per side. Photoshop's own limit, so that any panorama it writes can be read."""
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000")
_OTHERS = ("RAW", "HEIF", "JPEG XL")

Image.init()  # registers the plugins of FORMATS up front, because threads share the registry
# Pillow's own guard is a second line of defense behind `check_pixels`. Whatever its plugins warn about (broken EXIF,
# an MPO without its second frame) either raises an error later or doesn't affect the pixels.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class Opened(NamedTuple):
    """A picture whose pixels are not decoded yet, where its format allows that.

    `notes` and `orientation`: None for those of `image`.
    """

    image: Image.Image
    notes: Image.Exif | None = None
    orientation: int | None = None
    is_float_rgb: bool = False


def decoder() -> str:
    """Every library that reads photos, with its version."""
    return ", ".join([f"Pillow {Image.__version__}", *map(_named, ("rawpy", "pi-heif", "pylibjxl"))])


def opened(data: bytes, side: int | None = None) -> Opened:
    """Open a photo for a use that needs `side` pixels on its longer side; None for all there are.

    Raises `UnreadablePhoto`, and whatever the libraries raise; see `only_unreadable`.
    """
    if formats.raw_maker(data):
        image, orientation, is_embedded = raw.opened(data, side, check_pixels)
        check_pixels(image.size)
        return Opened(image, _notes(raw.notes, data) if is_embedded else Image.Exif(), orientation)
    if formats.is_heif(data):
        exif = _notes(heif.notes, data)
        return Opened(heif.decoded(data, check_pixels), exif, heif.orientation(data, exif))
    if formats.is_jxl(data):
        return Opened(jxl.decoded(data, check_pixels), _notes(jxl.notes, data), 1)
    page = pages.picture_of(formats.with_end(data))
    image = _by_pillow(page.data)
    check_pixels((image.width // 3, image.height) if page.is_float_rgb else image.size)
    image.info.update(page.info)
    notes = None if page.is_first else _by_pillow(data).getexif()
    return Opened(image, notes, None, page.is_float_rgb)


def notes_of(data: bytes) -> Image.Exif:
    """The EXIF of a photo, without decoding it. Raises as `opened`."""
    if formats.raw_maker(data):
        return raw.notes(data)
    if formats.is_heif(data):
        return heif.notes(data)
    if formats.is_jxl(data):
        return jxl.notes(data)
    image = _by_pillow(data)
    check_pixels(image.size)
    return image.getexif()


def shown(data: bytes) -> str:
    """What is shown of a raw at most, in words; empty for other photos. Raises as `opened`."""
    return raw.shown(data) if formats.raw_maker(data) else ""


def check_pixels(size: tuple[int, int]) -> None:
    """Raise `UnreadablePhoto` for a size without pixels, or with too many."""
    width, height = size
    if width < 1 or height < 1:
        raise UnreadablePhoto(f"it has no pixels ({width} × {height})")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UnreadablePhoto(
            f"it claims {width} × {height} pixels; the limits are {MAX_PIXELS // 1_000_000} MP and {MAX_SIDE:,} pixels "
            "per side"
        )


@contextmanager
def only_unreadable(data: bytes) -> Iterator[None]:
    """Convert any exception raised inside to `UnreadablePhoto`; its reason names what `data` is, if that is known."""
    try:
        yield
    except UnreadablePhoto:
        raise
    except MemoryError as error:
        raise UnreadablePhoto("there is not enough memory to decode it", lasting=False) from error
    # The libraries raise anything: OSError, ValueError, SyntaxError, EOFError, NotImplementedError, struct.error,
    # IndexError, TypeError, DecompressionBombError … A closed list would only hold the crashes found so far.
    except Exception as error:
        raise UnreadablePhoto(_reason(error, data)) from error


def _notes(read: Callable[[bytes], Image.Exif], data: bytes) -> Image.Exif:
    """Broken notes count as missing: they don't affect the pixels."""
    with suppress(Exception):  # as in `only_unreadable`
        return read(data)
    return Image.Exif()


def _by_pillow(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        if name := formats.name_of(data):
            return f"it is {name}"
        if kind := pages.kind_of(data):
            return f"it is a TIFF with {kind}, which Pillow can't read"
        if data[:4] in tiff.HEADS:
            return "it begins like a TIFF or a raw, but holds no picture"
        return f"it is not an image in a known format ({', '.join((*FORMATS, *_OTHERS))})"
    if isinstance(error, Image.DecompressionBombError):
        return f"it claims more than {MAX_PIXELS // 1_000_000} megapixels"
    text = " ".join(str(error).split()) or type(error).__name__
    what = "it is a HEIF picture that" if formats.is_heif(data) else "it"
    what = "it is a JPEG XL picture that" if formats.is_jxl(data) else what
    return f"{what} can't be decoded: {text[:200]}"


def _named(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"
