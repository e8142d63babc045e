"""Where a photo is looked at in full resolution: a few tiles, chosen by how much detail they hold.

    places = chosen(grey)         # the sharpest, another as sharp, and two towards the middle
    cut(grey, places)             # side by side in one image

Detail is the mean of the brightness steps between neighbouring pixels, taken across and down on every eighth line of
the photo, which is all of it for every structure and a fraction of the work. Imports Pillow only, as it works in the
processes that decode.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageChops, ImageStat

SIDE = 112
"""Pixels of a tile's side."""
COUNT = 4
"""Tiles of a photo."""
MOST_ASPECT = 32
"""Longer side over shorter, of what is looked at. The widest panoramas have some 10."""
_LINES = 8
_LARGE = 4_000_000  # pixels
_GAIN = 8  # a step of 32 of 255 is an edge like any other
_STEEPEST = [min(255, _GAIN * step) for step in range(256)]
_SPREAD = 0.25  # of the photo's sides: how fast what is away from the middle counts less


class Place(NamedTuple):
    """The corner of a tile, in pixels, and the detail in it, 0 … 255."""

    left: int
    top: int
    detail: float


def without_ends(image: Image.Image) -> Image.Image:
    """The middle of a strip, `MOST_ASPECT` times as long as it is wide; any other image as it is. The whole, brought to
    a useful width, might fill the memory.
    """
    reach = MOST_ASPECT * min(image.size)
    if max(image.size) <= reach:
        return image
    left, top = max(0, image.width - reach) // 2, max(0, image.height - reach) // 2
    return image.crop((left, top, left + min(image.width, reach), top + min(image.height, reach)))


def large_enough(grey: Image.Image) -> Image.Image:
    """The image, enlarged where a side is shorter than a tile's; of a strip, the middle."""
    grey = without_ends(grey)
    scale = SIDE / min(grey.size)
    if scale <= 1:
        return grey
    return grey.resize((math.ceil(grey.width * scale), math.ceil(grey.height * scale)), Image.Resampling.BICUBIC)


def chosen(grey: Image.Image) -> list[Place]:
    """`COUNT` places in an image of mode L that is `large_enough`: the one with the most detail, the next that doesn't
    touch it, and the same again with what is away from the middle counting less. Fewer tiles than that fit in: some
    overlap.
    """
    places = _places(grey)
    middle = [(_nearness(place, grey.size) * place.detail, place) for place in places]
    plain = [(place.detail, place) for place in places]
    taken: list[Place] = []
    for order in (plain, plain, middle, middle):
        free = [scored for scored in order if not any(_touch(scored[1], other) for other in taken)]
        free = free or [scored for scored in order if scored[1] not in taken] or order
        taken.append(max(free)[1])
    return taken


def lattice(grey: Image.Image, most: int) -> list[Place]:
    """Places evenly apart, row by row, as many along the longer side as fit in, and no more than `most`; as close down
    as across. Of an image of mode L that is `large_enough`.
    """
    step = max(SIDE, max(grey.size) / most)
    columns, rows = (min(max(1, round(side / step)), side // SIDE) for side in grey.size)
    return [
        Place(left, top, _detail(grey.crop((left, top, left + SIDE, top + SIDE))))
        for top in _evenly(grey.height, rows)
        for left in _evenly(grey.width, columns)
    ]


def cut(grey: Image.Image, places: Sequence[Place]) -> Image.Image:
    """The tiles at these places, from left to right in one image of mode L."""
    strip = Image.new("L", (SIDE * len(places), SIDE))
    for number, (left, top, _) in enumerate(places):
        strip.paste(grey.crop((left, top, left + SIDE, top + SIDE)), (number * SIDE, 0))
    return strip


def parted(strip: Image.Image) -> list[Image.Image]:
    """The tiles of what `cut` gave."""
    return [strip.crop((left, 0, left + SIDE, SIDE)) for left in range(0, strip.width, SIDE)]


def _evenly(side: int, count: int) -> list[int]:
    return [round((side / count - SIDE) / 2 + number * side / count) for number in range(count)]


def _detail(tile: Image.Image) -> float:
    steps = (_steps(tile, way) for way in ((1, 0), (0, 1)))
    return sum(ImageStat.Stat(one).mean[0] for one in steps) / 2


def _places(grey: Image.Image) -> list[Place]:
    """Every place on a grid of half a tile, in a large photo of a whole one."""
    if grey.width * grey.height > _LARGE:
        return _corners(grey, SIDE)
    return _corners(grey, SIDE // 2)


def _corners(grey: Image.Image, cell: int) -> list[Place]:
    columns, rows, each = grey.width // cell, grey.height // cell, SIDE // cell
    width, height = columns * cell, rows * cell
    across = grey.resize((grey.width, height // _LINES), Image.Resampling.NEAREST, (0, 0, grey.width, height))
    down = grey.resize((width // _LINES, grey.height), Image.Resampling.NEAREST, (0, 0, width, grey.height))
    cells = [
        sum(pair)
        for pair in zip(
            _means(_steps(across, (1, 0)), (cell, cell // _LINES), columns, rows),
            _means(_steps(down, (0, 1)), (cell // _LINES, cell), columns, rows),
            strict=True,
        )
    ]
    inside = [row * columns + column for row in range(each) for column in range(each)]
    return [
        Place(column * cell, row * cell, sum(cells[start + other] for other in inside) / (2 * len(inside)))
        for row in range(rows - each + 1)
        for column in range(columns - each + 1)
        for start in [row * columns + column]
    ]


def _steps(image: Image.Image, way: tuple[int, int]) -> Image.Image:
    """How much each pixel differs from its neighbour to the right (1, 0) or below (0, 1)."""
    width, height = image.size
    right, down = way
    one = image.crop((0, 0, width - right, height - down))
    return ImageChops.difference(one, image.crop((right, down, width, height))).point(_STEEPEST)


def _means(image: Image.Image, block: tuple[int, int], columns: int, rows: int) -> bytes:
    whole = image.crop((0, 0, columns * block[0], rows * block[1]))  # the last step of a line may be missing: 0
    return whole.reduce(block).tobytes()


def _nearness(place: Place, size: tuple[int, int]) -> float:
    """1 in the middle of the photo, falling off as a bell curve."""
    x, y = ((corner + SIDE / 2) / side - 0.5 for corner, side in zip(place[:2], size, strict=True))
    return math.exp(-(x * x + y * y) / (2 * _SPREAD**2))


def _touch(one: Place, other: Place) -> bool:
    return abs(one.left - other.left) < SIDE and abs(one.top - other.top) < SIDE
