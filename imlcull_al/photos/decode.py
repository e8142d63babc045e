"""Decode a photo's bytes: upright sRGB pixels, a preview JPEG, or camera metadata.

Dimensions are checked before anything is decoded, and only formats written by cameras and photo editors are tried.
Everything runs in the calling process, without limits on what a decoder does to it.
Independent of files and processes.
"""

import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from PIL import ExifTags, Image, ImageCms, ImageOps, JpegImagePlugin

from ..errors import UnreadablePhoto
from . import tiles

MAX_PIXELS = 250_000_000
MAX_SIDE = 300_000
"""Pixels per side. Photoshop's own limit, so that any panorama it writes can be read."""
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000")
DECODER = f"Pillow {Image.__version__}"
"""Version tag of cached decoding failures: another version may read the file."""

Image.init()  # registers the plugins of FORMATS up front, because threads share the registry
# Pillow's own guard is a second line of defense behind `_check_pixels`. Whatever its plugins warn about (broken EXIF,
# an MPO without its second frame) either raises an error later or doesn't affect the pixels.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
_SRGB = ImageCms.createProfile("sRGB")
FACTS = ("camera", "lens", "shutter", "aperture", "ISO", "focal length", "taken")
"""Keys of `exposure`, in display order."""
_BACKGROUND = (255, 255, 255)  # under transparent pixels


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """Decode the first frame as 8-bit sRGB, mode RGB, upright according to its EXIF orientation.

    With `min_side` (pixels) the image may be downscaled, for JPEG through libjpeg's DCT scaling, but its shorter side
    stays at or above `min_side`. It then has at most `most_pixels`; longer strips are cropped to their middle, see
    `tiles.without_ends`. Raises `UnreadablePhoto` only, whatever the bytes.
    """
    with _only_unreadable(), _opened(data) as image:
        return _small(_decoded(image, min_side), min_side)


def most_pixels(min_side: int | None) -> int:
    """The most pixels `decode` returns: those of the longest allowed strip whose shorter side is `min_side`."""
    return min(MAX_PIXELS, tiles.MOST_ASPECT * min_side**2) if min_side else MAX_PIXELS


def decode_with_tiles(data: bytes, min_side: int) -> tuple[Image.Image, Image.Image]:
    """The result of `decode`, and the photo's full-resolution tiles, mode L, in the layout of `tiles.cut`. Raises as
    `decode`.
    """
    with _only_unreadable():
        with _opened(data) as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                small = _small(_decoded(image, min_side), min_side)
                grey = tiles.large_enough(_grey(data))
            else:
                whole = _decoded(image, None)
                small, grey = _small(whole, min_side), tiles.large_enough(whole.convert("L"))
        return small, tiles.cut(grey, tiles.chosen(grey))


def decode_lattice(data: bytes, most: int) -> tuple[Image.Image, list[tiles.Place], tuple[int, int]]:
    """Evenly spaced tiles over the whole photo, at most `most` along a side. Raises as `decode`.

    Returns the tiles in the layout of `tiles.cut`, their places row by row, and the size of the upright photo in
    pixels.
    """
    with _only_unreadable():
        grey = tiles.large_enough(_grey(data))
        places = tiles.lattice(grey, most)
        return tiles.cut(grey, places), places, grey.size


def _grey(data: bytes) -> Image.Image:
    """The whole photo as upright grayscale, mode L. For a JPEG, chroma is not decoded."""
    with _opened(data) as image:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft("L", image.size)
            image.load()
            return _upright(image if image.mode == "L" else image.convert("L"))
        return _decoded(image, None).convert("L")


def _decoded(image: Image.Image, min_side: int | None) -> Image.Image:
    if min_side:
        _draft(image, min_side)
    image.load()
    if not min_side:
        return _to_srgb(_upright(image))
    return _reduced(_to_srgb(_upright(_reduced(image, min_side))), min_side)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_pixels(image)
    return image


@contextmanager
def _only_unreadable() -> Iterator[None]:
    """Convert any exception raised inside to `UnreadablePhoto`."""
    try:
        yield
    except UnreadablePhoto:
        raise
    except MemoryError as error:
        raise UnreadablePhoto("there is not enough memory to decode it", lasting=False) from error
    # Pillow's plugins raise anything: OSError, ValueError, SyntaxError, EOFError, NotImplementedError, struct.error,
    # IndexError, TypeError, DecompressionBombError … A closed list would only hold the crashes found so far.
    except Exception as error:
        raise UnreadablePhoto(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"it is not an image in a known format ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError):
        return f"it claims more than {MAX_PIXELS // 1_000_000} megapixels"
    text = " ".join(str(error).split()) or type(error).__name__
    return f"it can't be decoded: {text[:200]}"


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise UnreadablePhoto(f"it has no pixels ({width} × {height})")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UnreadablePhoto(
            f"it claims {width} × {height} pixels; the limits are {MAX_PIXELS // 1_000_000} MP and {MAX_SIDE:,} pixels "
            "per side"
        )


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


def _upright(image: Image.Image) -> Image.Image:
    # In place: a copy of the largest photo takes a gigabyte. Broken EXIF (any error, see `_only_unreadable`) doesn't
    # affect the pixels.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = _eight_bit(image)
    if image.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", rgba.size, _BACKGROUND)
        image.paste(rgba, mask=rgba)
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _apply_profile(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Convert 16-bit grays by their high byte (Pillow's own convert clips them), and floats from 0 … 1."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode == "F":
        return image.point(lambda value: value * 255).convert("L")
    return image


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # the pixels are fine without an unusable profile
    return image if converted is None else converted


def preview(data: bytes, max_side: int) -> bytes:
    """An upright sRGB JPEG whose longer side is at most `max_side` pixels. Raises `UnreadablePhoto`."""
    image = decode(data, max_side)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return as_jpeg(image)


def exposure(data: bytes) -> dict[str, str]:
    """Camera metadata for display: camera, lens, shutter, aperture, ISO, focal length, time; may be empty."""
    try:
        with _opened(data) as image:
            exif = image.getexif()
            details = exif.get_ifd(ExifTags.IFD.Exif)
            facts = (
                exif.get(ExifTags.Base.Model),
                details.get(ExifTags.Base.LensModel),
                _shutter(details.get(ExifTags.Base.ExposureTime)),
                _measure("f/{:g}", details.get(ExifTags.Base.FNumber)),
                details.get(ExifTags.Base.ISOSpeedRatings),
                _measure("{:g} mm", details.get(ExifTags.Base.FocalLength)),
                details.get(ExifTags.Base.DateTimeOriginal),
            )
            texts = [" ".join(str(fact or "").split())[:60] for fact in facts]
    except Exception:  # noqa: BLE001 - as in decode; broken metadata counts as missing
        return {}
    return {name: text for name, text in zip(FACTS, texts, strict=True) if text}


class Moment(NamedTuple):
    """Capture time and exposure compensation, NaN where the camera recorded none.

    `taken`: seconds with fractions by the camera's clock. The time zone is unknown; only differences are meaningful.
    `compensation`: exposure compensation in EV.
    """

    taken: float
    compensation: float


UNKNOWN = Moment(math.nan, math.nan)


def moment(data: bytes) -> Moment:
    """Read DateTimeOriginal, SubSecTimeOriginal and ExposureBiasValue; `UNKNOWN` if the metadata is unreadable."""
    try:
        with _opened(data) as image:
            details = image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Exception:  # noqa: BLE001 - as in decode; broken metadata counts as missing
        return UNKNOWN
    text = f"{details.get(ExifTags.Base.DateTimeOriginal)}"
    fraction = f"{details.get(ExifTags.Base.SubsecTimeOriginal)}".strip(" \0")
    return Moment(_seconds(text, fraction), _finite(details.get(ExifTags.Base.ExposureBiasValue)))


def _seconds(text: str, fraction: str) -> float:
    """`2024:05:01 12:30:05` and `42` → seconds; NaN if invalid."""
    try:
        whole = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan
    return whole + (float(f"0.{fraction}") if fraction.isascii() and fraction.isdigit() else 0.0)


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _shutter(seconds: Any) -> str | None:
    if not seconds or float(seconds) <= 0:
        return None
    return f"1/{1 / float(seconds):.0f} s" if float(seconds) < 0.4 else f"{float(seconds):g} s"


def _measure(form: str, number: Any) -> str | None:
    return form.format(round(float(number), 1)) if number else None


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB image as a preview JPEG, without metadata."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, comment=b"")  # by default Pillow copies the photo's comment
    return file.getvalue()
