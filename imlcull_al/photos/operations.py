"""Everything that is done with a photo's bytes: one table of operations, run by a worker and checked by the app.

    name → work on the bytes → encoded reply → check of the reply that came back

`limit` is the one number that an operation may be asked with, in pixels or tiles; None where there is none. Replies
come from a process that a hostile photo may have taken over: `check` accepts nothing that the operation could not have
produced, and raises `ValueError`, `KeyError`, `TypeError` or `AttributeError` otherwise. A new operation is one entry
here and one function in `read`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from PIL import Image

from . import decode, packet, tiles
from .decode import Moment
from .tiles import Place

Result = TypeVar("Result")
Header = Mapping[str, Any]
Reply = tuple[dict[str, Any], bytes]
"""Header and payload of a frame."""
_JPEG_TABLES = 4096  # bytes at most
_JPEG_PIXEL = 4  # bytes at most; noise takes two


class Decoded(NamedTuple):
    """An upright photo, when and how it was taken, and its tiles if they were asked for."""

    image: Image.Image
    moment: Moment
    tiles: Image.Image | None = None


class Lattice(NamedTuple):
    """Tiles on a regular grid as `tiles.cut` lays them out, their places, and the size of the upright photo, pixels."""

    strip: Image.Image
    places: list[Place]
    size: tuple[int, int]


@dataclass(frozen=True)
class Operation(Generic[Result]):
    """One row of the table. `longest`: bytes of the reply's payload, at most, for a limit."""

    name: str
    work: Callable[[bytes, Any], Result]
    encode: Callable[[Result], Reply]
    check: Callable[[Header, bytes, Any], Result]
    longest: Callable[[Any], int]


def _decode(data: bytes, min_side: int | None) -> Decoded:
    return Decoded(decode.decode(data, min_side), decode.moment(data))


def _encode_image(decoded: Decoded) -> Reply:
    return {"size": decoded.image.size, "moment": _without_nan(decoded.moment)}, decoded.image.tobytes()


def _check_image(header: Header, payload: bytes, min_side: int | None) -> Decoded:
    width, height = _size(header, decode.most_pixels(min_side))
    if len(payload) != 3 * width * height:
        raise ValueError("the payload is not an RGB image of this size")
    return Decoded(Image.frombytes("RGB", (width, height), payload), _moment(header))


def _decode_with_tiles(data: bytes, min_side: int) -> Decoded:
    image, strip = decode.decode_with_tiles(data, min_side)
    return Decoded(image, decode.moment(data), strip)


def _encode_image_with_tiles(decoded: Decoded) -> Reply:
    header, pixels = _encode_image(decoded)
    assert decoded.tiles is not None
    count = decoded.tiles.width // decoded.tiles.height
    return {**header, "tiles": count}, pixels + decoded.tiles.tobytes()


def _check_image_with_tiles(header: Header, payload: bytes, min_side: int) -> Decoded:
    width, height = _size(header, decode.MAX_PIXELS)
    if header["tiles"] != tiles.COUNT:
        raise ValueError("the reply has another number of tiles")
    end = 3 * width * height
    return _check_image(header, payload[:end], min_side)._replace(tiles=_strip(tiles.COUNT, payload[end:]))


def _encode_lattice(lattice: Lattice) -> Reply:
    return {"size": lattice.size, "places": lattice.places}, lattice.strip.tobytes()


def _check_lattice(header: Header, payload: bytes, most: int) -> Lattice:
    width, height = _size(header, decode.MAX_PIXELS)
    places = [Place(*place) for place in header["places"]]
    for left, top, detail in places:
        if type(left) is not int or type(top) is not int or not 0 <= detail <= 255:
            raise ValueError("a place is a corner and a detail of 0 to 255")
        if not (0 <= left <= width - tiles.SIDE and 0 <= top <= height - tiles.SIDE):
            raise ValueError("a tile lies outside the photo")
    lefts, tops = ({place[axis] for place in places} for axis in (0, 1))
    if [place[:2] for place in places] != [(left, top) for top in sorted(tops) for left in sorted(lefts)]:
        raise ValueError("the places are not a grid in row-major order")
    if max(len(lefts), len(tops)) > most:
        raise ValueError("the grid is finer than asked for")
    return Lattice(_strip(len(places), payload), places, (width, height))


def _check_jpeg(header: Header, payload: bytes, max_side: int) -> bytes:
    if header or not payload.startswith(b"\xff\xd8\xff"):
        raise ValueError("the reply is not a JPEG")
    return payload


def _check_exposure(header: Header, payload: bytes, limit: None) -> dict[str, str]:
    facts = header["exposure"]
    if not all(isinstance(fact, str) and name in decode.FACTS for name, fact in facts.items()):
        raise ValueError("an exposure is texts by name")
    return dict(facts)


def _check_packet(header: Header, payload: bytes, limit: None) -> bytes:
    if header:
        raise ValueError("the reply is not a packet")
    return payload


def _check_capture_time(header: Header, payload: bytes, limit: None) -> float:
    time = header["capture_time"]
    if time is None:
        return math.nan
    if type(time) is not float or not math.isfinite(time):
        raise ValueError("a time is a finite number or null")
    return time


def _no_payload(limit: None) -> int:
    return 0


DECODE = Operation("decode", _decode, _encode_image, _check_image, lambda min_side: 3 * decode.most_pixels(min_side))
"""`decode.decode` and `decode.moment` of the same bytes; `limit`: `min_side`, or None for all pixels."""
DECODE_WITH_TILES = Operation(
    "decode_with_tiles",
    _decode_with_tiles,
    _encode_image_with_tiles,
    _check_image_with_tiles,
    lambda min_side: DECODE.longest(min_side) + tiles.COUNT * tiles.SIDE**2,
)
"""The same, and the tiles of `decode.decode_with_tiles`; `limit`: `min_side`."""
LATTICE = Operation(
    "lattice",
    lambda data, most: Lattice(*decode.decode_lattice(data, most)),
    _encode_lattice,
    _check_lattice,
    lambda most: (most * tiles.SIDE) ** 2,
)
"""`decode.decode_lattice`; `limit`: most tiles along a side."""
PREVIEW: Operation[bytes] = Operation(
    "preview",
    lambda data, max_side: decode.preview(data, max_side),
    lambda jpeg: ({}, jpeg),
    _check_jpeg,
    lambda max_side: _JPEG_TABLES + _JPEG_PIXEL * max_side**2,
)
"""`decode.preview`; `limit`: `max_side`."""
EXPOSURE: Operation[dict[str, str]] = Operation(
    "exposure",
    lambda data, _: decode.exposure(data),
    lambda exposure: ({"exposure": exposure}, b""),
    _check_exposure,
    _no_payload,
)
"""`decode.exposure`."""
MOMENT: Operation[Moment] = Operation(
    "moment",
    lambda data, _: decode.moment(data),
    lambda moment: ({"moment": _without_nan(moment)}, b""),
    lambda header, payload, _: _moment(header),
    _no_payload,
)
"""`decode.moment`."""
CAPTURE_TIME: Operation[float] = Operation(
    "capture_time",
    lambda data, _: decode.capture_time(data),
    lambda time: ({"capture_time": None if math.isnan(time) else time}, b""),
    _check_capture_time,
    _no_payload,
)
"""`decode.capture_time`."""
XMP: Operation[bytes] = Operation(
    "xmp", lambda data, _: packet.packet(data), lambda found: ({}, found), _check_packet, lambda _: packet.MAX_BYTES
)
"""`packet.packet`."""
OPERATIONS: dict[str, Operation[Any]] = {
    each.name: each for each in (DECODE, DECODE_WITH_TILES, LATTICE, PREVIEW, EXPOSURE, MOMENT, CAPTURE_TIME, XMP)
}


def _strip(count: int, payload: bytes) -> Image.Image:
    if not count or len(payload) != count * tiles.SIDE**2:
        raise ValueError("the payload is not this number of tiles")
    return Image.frombytes("L", (count * tiles.SIDE, tiles.SIDE), payload)


def _size(header: Header, most: int) -> tuple[int, int]:
    width, height = header["size"]
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError("a size is two positive integers")
    if width * height > most or max(width, height) > decode.MAX_SIDE:
        raise ValueError("the image is larger than asked for")
    return width, height


def _without_nan(moment: Moment) -> list[float | bool | None]:
    """JSON has no NaN."""
    return [None if math.isnan(number) else number for number in moment]


def _moment(header: Header) -> Moment:
    taken, compensation, camera, damaged = header["moment"]
    taken, compensation = (math.nan if number is None else number for number in (taken, compensation))
    if type(taken) is not float or type(compensation) is not float or math.isinf(taken) or math.isinf(compensation):
        raise ValueError("a moment begins with two finite numbers or nulls")
    if type(camera) is not int or not 0 <= camera < 1 << 32 or type(damaged) is not bool:
        raise ValueError("a moment ends with a number for the camera, and whether the file is damaged")
    return Moment(taken, compensation, camera, damaged)
