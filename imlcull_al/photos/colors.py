"""What pixel values mean: any mode, depth and color space to 8-bit sRGB.

ICC profiles are honored; where there is none, Adobe RGB is told by DCF's interoperability index `R03`, Display P3 and
BT.2020 by the numbers of ISO 23091-2 that a HEIF carries. HDR curves are shown up to their reference white.
"""

import io
import math
import struct
from collections.abc import Callable, Sequence
from typing import cast

from PIL import ExifTags, Image, ImageChops, ImageCms

_BACKGROUND = (255, 255, 255)  # under transparent pixels
_SRGB = ImageCms.createProfile("sRGB")
_CURVE_POINTS = 1024
_WHITE = (0.9642, 1.0, 0.8249)  # D50, as in all of ICC
_ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_BT2020 = ((0.67346, 0.27903, -0.00193), (0.16566, 0.67534, 0.02998), (0.12510, 0.04563, 0.79686))
_PRIMARIES = {9: _BT2020, 11: _P3, 12: _P3}
DEPTH, INVERTED = "depth", "inverted"
"""Keys of an image's `info`: bits of a gray of more than 8, by default 16; whether 0 is white in it."""
_FLOAT_SCALES = ((16, 1), (256, 255), (math.inf, 65535))  # values up to the first are fractions of the second


def to_srgb(image: Image.Image, notes: Image.Exif | None = None) -> Image.Image:
    """A decoded image as 8-bit sRGB, mode RGB, over white where it is transparent. `notes`: its EXIF."""
    profile = image.info.get("icc_profile") or _profile_said_by(notes)
    image = _eight_bit(image)
    if image.mode in ("P", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha:
        image = image.convert(image.mode[:-1])
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _converted(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if not alpha:
        return image
    over = Image.new("RGB", image.size, _BACKGROUND)
    over.paste(image, mask=alpha)
    return over


def profile_of(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile of color primaries and transfer characteristics as numbered by ISO 23091-2; None for sRGB's."""
    curve = {16: _perceptual_quantizer, 18: _hybrid_log_gamma}.get(transfer, _srgb)
    return _profile(_PRIMARIES[primaries], _points(curve)) if primaries in _PRIMARIES else None


def float_scale(image: Image.Image) -> float:
    """What floats are multiplied by to become 0 … 255: they count from 0 to 1, 255 or 65535, as their largest says."""
    _, most = cast(tuple[float, float], image.getextrema())
    return 255 / next(scale for limit, scale in _FLOAT_SCALES if not most > limit)  # not >: it may be NaN


def _profile_said_by(notes: Image.Exif | None) -> bytes | None:
    if notes is None:
        return None
    try:
        index = notes.get_ifd(ExifTags.IFD.Exif) and notes.get_ifd(ExifTags.IFD.Interop).get(1)
    except Exception:  # noqa: BLE001 - broken metadata counts as missing, whatever Pillow raises
        return None
    return _profile(_ADOBE, [round(2.19921875 * 256)]) if f"{index}".startswith("R03") else None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Convert grays of more than 8 bits and floats, which Pillow would clip."""
    if image.mode == "F":
        scale = float_scale(image)
    elif image.mode.startswith("I"):
        image = image.convert("I")
        scale = 256 / 2 ** image.info.get(DEPTH, 16)
    else:
        return image
    gray = image.point(lambda value: value * scale).convert("L")
    return ImageChops.invert(gray) if image.info.get(INVERTED) else gray


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # the pixels are fine without an unusable profile
    return image if converted is None else converted


def _profile(primaries: Sequence[tuple[float, float, float]], curve: Sequence[int]) -> bytes:
    """An ICC profile (ICC.1:2001-04) of three primaries as D50 XYZ and one tone curve.

    `curve`: a gamma in 1/256, or points from black to white, 16 bits each.
    """
    tags = {b"wtpt": _xyz(_WHITE)}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[name + b"XYZ"] = _xyz(primary)
        tags[name + b"TRC"] = struct.pack(f">4sxxxxI{len(curve)}H", b"curv", len(curve), *curve)
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(tag))
        body += tag + b"\0" * (-len(tag) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x", at + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", *map(_fixed, _WHITE)
    )
    return head + struct.pack(">I", len(tags)) + table + body


def _xyz(color: Sequence[float]) -> bytes:
    return struct.pack(">4sxxxx3i", b"XYZ ", *map(_fixed, color))


def _fixed(number: float) -> int:
    return round(number * 65536)


def _points(curve: Callable[[float], float]) -> list[int]:
    light = (curve(step / (_CURVE_POINTS - 1)) for step in range(_CURVE_POINTS))
    return [round(65535 * min(1.0, max(0.0, each))) for each in light]


def _srgb(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


def _perceptual_quantizer(signal: float) -> float:
    """SMPTE ST 2084; 1 is the reference white of 203 cd/m² (ITU-R BT.2408)."""
    root = signal ** (1 / 78.84375)
    return (max(0.0, root - 0.8359375) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125) * 10_000 / 203


def _hybrid_log_gamma(signal: float) -> float:
    """ARIB STD-B67; 1 is the reference white at 75 % signal (ITU-R BT.2408)."""
    light = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return light / 0.26496256
