"""Choose the full-resolution tiles of a photo by their detail, and cut them out.

    places = chosen(grey)         # the two with the most detail, and two more near the center
    cut(grey, places)             # side by side in one image

Detail is the mean brightness step between neighboring pixels, horizontally and vertically, sampled on every eighth line
of the photo: enough for any structure, at a fraction of the work. Runs in the decoder processes, so it imports Pillow
only.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageChops, ImageStat

SIDE = 112
"""Pixels per side of a tile."""
COUNT = 4
"""Tiles per photo."""
MOST_ASPECT = 32
"""Largest aspect ratio that is used in full. The widest panoramas have about 10."""
_LINES = 8
_LARGE = 4_000_000  # pixels
_GAIN = 8  # saturates: all steps of 32 or more, out of 255, count as the same edge
_STEEPEST = [min(255, _GAIN * step) for step in range(256)]
_SPREAD = 0.25  # standard deviation of the center weighting, relative to the photo's sides


class Place(NamedTuple):
    """The upper left corner of a tile in pixels, and its detail, 0 … 255."""

    left: int
    top: int
    detail: float


def without_ends(image: Image.Image) -> Image.Image:
    """Crop a strip to its middle, at most `MOST_ASPECT` times as long as it is wide; other images are unchanged. A
    whole strip, scaled to a useful width, could exhaust memory.
    """
    reach = MOST_ASPECT * min(image.size)
    if max(image.size) <= reach:
        return image
    left, top = max(0, image.width - reach) // 2, max(0, image.height - reach) // 2
    return image.crop((left, top, left + min(image.width, reach), top + min(image.height, reach)))


def large_enough(grey: Image.Image) -> Image.Image:
    """Upscale the image if a side is shorter than a tile. A strip is cropped to its middle."""
    grey = without_ends(grey)
    scale = SIDE / min(grey.size)
    if scale <= 1:
        return grey
    return grey.resize((math.ceil(grey.width * scale), math.ceil(grey.height * scale)), Image.Resampling.BICUBIC)


def chosen(grey: Image.Image) -> list[Place]:
    """Choose `COUNT` places in an image of mode L that is `large_enough`: two with the most detail, then two more by
    center-weighted detail. Tiles overlap only if the photo is too small for separate ones.
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
    """Evenly spaced places, row by row, at most `most` along the longer side and only as many as fit, with equal
    horizontal and vertical spacing. For an image of mode L that is `large_enough`.
    """
    step = max(SIDE, max(grey.size) / most)
    columns, rows = (min(max(1, round(side / step)), side // SIDE) for side in grey.size)
    return [
        Place(left, top, _detail(grey.crop((left, top, left + SIDE, top + SIDE))))
        for top in _evenly(grey.height, rows)
        for left in _evenly(grey.width, columns)
    ]


def cut(grey: Image.Image, places: Sequence[Place]) -> Image.Image:
    """Cut out the tiles at `places`, left to right in one image of mode L."""
    strip = Image.new("L", (SIDE * len(places), SIDE))
    for number, (left, top, _) in enumerate(places):
        strip.paste(grey.crop((left, top, left + SIDE, top + SIDE)), (number * SIDE, 0))
    return strip


def parted(strip: Image.Image) -> list[Image.Image]:
    """The inverse of `cut`: split a strip into its tiles."""
    return [strip.crop((left, 0, left + SIDE, SIDE)) for left in range(0, strip.width, SIDE)]


def _evenly(side: int, count: int) -> list[int]:
    return [round((side / count - SIDE) / 2 + number * side / count) for number in range(count)]


def _detail(tile: Image.Image) -> float:
    steps = (_steps(tile, way) for way in ((1, 0), (0, 1)))
    return sum(ImageStat.Stat(one).mean[0] for one in steps) / 2


def _places(grey: Image.Image) -> list[Place]:
    """All candidate places: on a grid of half a tile, or of whole tiles in a large photo."""
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
    """Amplified difference of each pixel to its neighbor to the right (1, 0) or below (0, 1)."""
    width, height = image.size
    right, down = way
    one = image.crop((0, 0, width - right, height - down))
    return ImageChops.difference(one, image.crop((right, down, width, height))).point(_STEEPEST)


def _means(image: Image.Image, block: tuple[int, int], columns: int, rows: int) -> bytes:
    whole = image.crop((0, 0, columns * block[0], rows * block[1]))  # pads a missing last step with 0
    return whole.reduce(block).tobytes()


def _nearness(place: Place, size: tuple[int, int]) -> float:
    """Center weight: 1 in the middle of the photo, with a Gaussian falloff."""
    x, y = ((corner + SIDE / 2) / side - 0.5 for corner, side in zip(place[:2], size, strict=True))
    return math.exp(-(x * x + y * y) / (2 * _SPREAD**2))


def _touch(one: Place, other: Place) -> bool:
    return abs(one.left - other.left) < SIDE and abs(one.top - other.top) < SIDE
