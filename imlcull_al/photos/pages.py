"""Which page of a TIFF is the picture, and kinds of samples that Pillow does not open by itself.

kind                                          how it is opened
first page marked as a reduced image          the largest page that is not, also among its subdirectories
16-bit and 12-bit gray, where 0 is white      as gray; `colors` inverts it
32-bit float RGB, interleaved                 as float gray, three times as wide; `joined` puts its channels together
"""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, TiffImagePlugin

from . import colors, tiff

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _TILE, _FORMAT = 254, 256, 257, 258, 262, 277, 322, 339
_PREDICTOR, _PLANES = 317, 284
_SIGNED, _FLOAT = 2, 3
_RGB = 2
for order, gray, twelve, thirty_two in ((b"II", "I;16", "I;12", "I;32N"), (b"MM", "I;16B", "I;12", "I;32B")):
    for photometric in (0, 1):
        for bits, kind in ((12, ("I;16", twelve)), (16, (gray, gray)), (32, ("I", thirty_two))):
            TiffImagePlugin.OPEN_INFO.setdefault((order, photometric, (1,), 1, (bits,), ()), kind)


class Page(NamedTuple):
    """`data`: a file that Pillow opens at the picture. `info`: for `colors`. `is_first`: it is the first page."""

    data: bytes
    info: dict[str, int]
    is_first: bool = True
    is_float_rgb: bool = False


def picture_of(data: bytes) -> Page:
    """The picture in a file; the file itself if it is no TIFF."""
    directories = tiff.directories(data)
    if not directories:
        return Page(data, {})
    page = _largest(directories)
    is_first = page is directories[0]
    if not is_first:
        data = tiff.starting_at(data, page)
    if is_float_rgb := _is_float_rgb(page):
        wide = {tag: 3 * page.number(tag) for tag in (_WIDTH, _TILE)}
        data = tiff.patched(data, page, {**wide, _BITS: 32, _PHOTOMETRIC: 1, _SAMPLES: 1, _FORMAT: _FLOAT})
    depth = page.number(_BITS, 16) - (page.number(_FORMAT) == _SIGNED)
    info = {colors.DEPTH: depth, colors.INVERTED: page.number(_PHOTOMETRIC, 1) == 0}
    return Page(data, info, is_first, is_float_rgb)


def joined(wide: Image.Image) -> Image.Image:
    """Interleaved channels, mode F and three times as wide as the picture → mode RGB."""
    size = wide.width // 3, wide.height
    channels = [wide.transform(size, Image.Transform.AFFINE, (3, 0, start - 1, 0, 1, 0)) for start in range(3)]
    scale = colors.float_scale(wide)
    return Image.merge("RGB", [each.point(lambda value: value * scale).convert("L") for each in channels])


def kind_of(data: bytes) -> str:
    """What a TIFF that can't be opened holds: `32, 32, 32 bits of photometric 2`; empty if it is none."""
    directories = tiff.directories(data)
    if not directories or _WIDTH not in directories[0].numbers:
        return ""
    bits = ", ".join(map(str, directories[0].numbers.get(_BITS, ())))
    return f"{bits} bits of photometric {directories[0].number(_PHOTOMETRIC)}"


def _largest(directories: Sequence[tiff.Directory]) -> tiff.Directory:
    if not _is_reduced(directories[0]):
        return directories[0]
    whole = [each for each in directories if not _is_reduced(each) and _WIDTH in each.numbers]
    return max(whole or directories, key=lambda each: each.number(_WIDTH) * each.number(_HEIGHT))


def _is_reduced(directory: tiff.Directory) -> bool:
    return bool(directory.number(_SUBFILE) & 1)


def _is_float_rgb(page: tiff.Directory) -> bool:
    return (
        page.number(_PHOTOMETRIC) == _RGB
        and page.numbers.get(_BITS) == (32, 32, 32)
        and page.number(_FORMAT) == _FLOAT
        and page.number(_PLANES, 1) == page.number(_PREDICTOR, 1) == 1
    )
