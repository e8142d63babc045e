"""What a camera noted beside the pixels: settings for display, and when and by which camera a photo was taken.

Independent of pixels and formats: everything is read from EXIF 2.32 as Pillow parses it. Broken notes count as missing.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from PIL import ExifTags, Image

SETTINGS = ("camera", "lens", "shutter", "aperture", "ISO", "focal length", "taken")
"""Keys of `settings`, in display order."""
_Base = ExifTags.Base
_TIMES = (
    (_Base.DateTimeOriginal, _Base.SubsecTimeOriginal, _Base.OffsetTimeOriginal),
    (_Base.DateTimeDigitized, _Base.SubsecTimeDigitized, _Base.OffsetTimeDigitized),
    (_Base.DateTime, _Base.SubsecTime, _Base.OffsetTime),
)
"""Tags of a time, its fraction and its time zone, best first."""
_CAPTURE_TIMES = _TIMES[:2]
_TIME = re.compile(
    r"\s*(\d{4})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})(?:[.,](\d+))?",
    re.ASCII,
)
_SERIALS = (_Base.BodySerialNumber, _Base.CameraSerialNumber)


class Moment(NamedTuple):
    """When and how a photo was taken; NaN and 0 where the camera recorded nothing.

    `taken`: seconds with fractions by the camera's clock; only differences are meaningful. `compensation`: exposure
    compensation in EV. `camera`: a number for the camera and the time zone of its clock, by serial number if there is
    one, else by make and model, below 2**32. `damaged`: the end of the file is missing.
    """

    taken: float
    compensation: float
    camera: int = 0
    damaged: bool = False


UNKNOWN = Moment(math.nan, math.nan)


def settings(notes: Image.Exif) -> dict[str, str]:
    """Camera, lens, shutter, aperture, ISO, focal length and time as text; only what is there."""
    details = notes.get_ifd(ExifTags.IFD.Exif)
    facts = (
        notes.get(_Base.Model),
        details.get(_Base.LensModel),
        _shutter(details.get(_Base.ExposureTime)),
        _measure("f/{:g}", details.get(_Base.FNumber)),
        details.get(_Base.ISOSpeedRatings),
        _measure("{:g} mm", details.get(_Base.FocalLength)),
        _by_colons(_time(notes, details)[0]),
    )
    texts = [" ".join(str(fact or "").split())[:60] for fact in facts]
    return {name: text for name, text in zip(SETTINGS, texts, strict=True) if text}


def moment(notes: Image.Exif) -> Moment:
    """The `Moment` of these notes."""
    details = notes.get_ifd(ExifTags.IFD.Exif)
    text, fraction, zone = _time(notes, details)
    return Moment(seconds(text, fraction), _finite(details.get(_Base.ExposureBiasValue)), _camera(notes, details, zone))


def capture_time(notes: Image.Exif) -> float:
    """When the photo was taken, in seconds as `Moment.taken`; NaN if only the time of a change is noted."""
    text, fraction, _ = _time(notes, notes.get_ifd(ExifTags.IFD.Exif), _CAPTURE_TIMES)
    return seconds(text, fraction)


def seconds(text: str, fraction: str = "") -> float:
    """`2024:05:01 12:30:05`, with any separators, and `42` → seconds; NaN if it is no time."""
    found = _TIME.match(text)
    if not found:
        return math.nan
    try:
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan
    digits = fraction if fraction.isascii() and fraction.isdigit() else found[7] or "0"
    return whole + float(f"0.{digits}")


def _time(
    notes: Image.Exif, details: dict[int, Any], times: Sequence[tuple[int, int, int]] = _TIMES
) -> tuple[str, str, str]:
    """The best time that is one, its fraction and its zone, as texts; empty where there is none."""
    for tags in times:
        text, fraction, zone = (_text(details.get(tag, notes.get(tag))) for tag in tags)
        if not math.isnan(seconds(text)):
            return text, fraction, zone
    return "", "", ""


def _by_colons(text: str) -> str:
    """A time as EXIF writes it, without fractions and zone."""
    found = _TIME.match(text)
    return "{:0>4}:{:0>2}:{:0>2} {:0>2}:{:0>2}:{:0>2}".format(*found.groups()) if found else ""


def _camera(notes: Image.Exif, details: dict[int, Any], zone: str) -> int:
    """Frames of one camera at the same hour of two time zones were not taken together, so the zone is part of it."""
    serial = next((text for tag in _SERIALS if (text := _text(details.get(tag, notes.get(tag))))), "")
    names = [_text(notes.get(tag)) for tag in (_Base.Make, _Base.Model)]
    if not any((serial, *names)):
        return 0
    name = "\0".join((*names, serial, zone))
    return int.from_bytes(hashlib.blake2b(name.encode(errors="replace"), digest_size=4).digest(), "big")


def _text(value: Any) -> str:
    return f"{value}".strip(" \0") if isinstance(value, str | int) else ""


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _shutter(exposure: Any) -> str | None:
    if not exposure or float(exposure) <= 0:
        return None
    return f"1/{1 / float(exposure):.0f} s" if float(exposure) < 0.4 else f"{float(exposure):g} s"


def _measure(form: str, number: Any) -> str | None:
    return form.format(round(float(number), 1)) if number else None
