"""JPEG XL through libjxl, which turns the picture as its codestream says; EXIF's orientation does not count.

pylibjxl (BSD; libjxl inside is BSD too) is optional, and imported when the first such file comes. ISO/IEC 18181.
"""

from collections.abc import Callable
from types import ModuleType

from PIL import Image

from ..errors import UnreadablePhoto
from . import boxes

_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_PIXEL = bytes.fromhex("ff0a00101009080401001c004b188b15820300")
"""A codestream."""


def decoded(data: bytes, check: Callable[[tuple[int, int]], None]) -> Image.Image:
    """The first frame, of 8 bits, with its profile. `check` may refuse its size.

    Raises `UnreadablePhoto` without pylibjxl, and what libjxl's faults become in Python.
    """
    library = _library()
    about = library.probe(data)
    check((about["width"], about["height"]))
    pixels, extra = library.decode(data, metadata=True)
    image = Image.fromarray(pixels.squeeze(2) if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if profile := extra.get("icc"):
        image.info["icc_profile"] = profile
    return image


def notes(data: bytes) -> Image.Exif:
    """The EXIF of its container. Raises as `decoded` where it is compressed, as libjxl leaves it."""
    exif = Image.Exif()
    for kind, body in boxes.inside(memoryview(data)):
        if kind == b"Exif":
            exif.load(bytes(body[4:]))  # behind the offset of the TIFF header, which is 0
        elif kind == b"brob" and body[:4] == b"Exif":
            exif.load(_uncompressed(bytes(body)))
    return exif


def _uncompressed(brob: bytes) -> bytes:
    """The content of a compressed box: it is put beside a picture of one pixel, so that no other is decoded."""
    parts = ((b"ftyp", b"jxl \0\0\0\0jxl "), (b"jxlc", _PIXEL), (b"brob", brob))
    container = _SIGNATURE + b"".join((8 + len(body)).to_bytes(4, "big") + kind + body for kind, body in parts)
    _, extra = _library().decode(container, metadata=True)
    return extra.get("exif", b"")


def _library() -> ModuleType:
    try:
        import pylibjxl
    except ImportError as error:
        raise UnreadablePhoto("it is a JPEG XL picture; to read it: pip install 'imlcull[raw]'") from error
    return pylibjxl
