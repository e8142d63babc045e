"""Where a photo is sharp, as the built-in encoder sees it: a map of tiles in full resolution, and its colours.

The picture to lay over a photo is a PNG, RGBA, one pixel a cell: from the first of `COLOURS` for 0 to the last for 1,
half transparent, and nothing where nothing can be told. On a photo without colours of its own these can't be mistaken.
Knows nothing of stages or labels.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UnreadablePhoto
from ..photos import read as photos
from ..photos import tiles
from .load import builtin_encoder

MOST = 16
"""Tiles along the longer side of a photo."""
LEAST_CONTRAST = 10.0
"""Standard deviation of brightness (0 … 255) below which a tile is too plain to tell: sky, a wall, a background so far
out of focus that only grain is left."""
COLOURS = ("#3b4fc4", "#1f9e9a", "#ffe125")
"""Blurred, between, sharp: ever lighter, and blue to yellow, which eyes that see no red or no green tell apart too."""
_ALPHA = 128


def sharpness_map(path: str | Path) -> np.ndarray:
    """(rows, columns) float32 of the upright photo in this file, in cells of one size that cover it: 1 for sharp, 0 for
    as blurred as photos are, NaN where nothing can be told.

    Raises `UnreadablePhoto`, and `EncoderError` where the encoder can't be loaded.
    """
    strip, places, _ = photos.lattice(path, MOST)
    try:
        values = builtin_encoder().sharpness(strip)
    except MemoryError as error:
        raise UnreadablePhoto("there is not enough memory for its sharpness", lasting=False) from error
    contrasts = [np.asarray(tile, np.float32).std() for tile in tiles.parted(strip)]
    values[np.array(contrasts) < LEAST_CONTRAST] = np.nan
    columns = len({place.left for place in places})
    return values.reshape(-1, columns)


def coloured(values: np.ndarray) -> Image.Image:
    """A map (rows, columns) → RGBA, one pixel a cell."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS])
    where, known = np.linspace(0, 1, len(stops)), ~np.isnan(values)
    channels = [np.interp(values, where, stop) for stop in stops.T]
    rgba = np.stack([*channels, np.full(values.shape, _ALPHA)], axis=-1)
    return Image.fromarray(np.where(known[..., None], rgba, 0).round().astype(np.uint8), "RGBA")


def as_png(values: np.ndarray) -> bytes:
    """The picture of a map (rows, columns), as above."""
    data = io.BytesIO()
    coloured(values).save(data, "PNG")
    return data.getvalue()


def laid_over(photo: Image.Image, values: np.ndarray) -> Image.Image:
    """An RGB photo without its colours, under its map (rows, columns)."""
    grey = photo.convert("L").convert("RGBA")
    grey.alpha_composite(coloured(values).resize(photo.size, Image.Resampling.NEAREST))
    return grey.convert("RGB")
