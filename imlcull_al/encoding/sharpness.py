"""Sharpness maps: where a photo is sharp, estimated tile by tile in full resolution by the built-in encoder.

The overlay is an RGBA PNG with one pixel per cell, colored from the first of `COLOURS` (0) to the last (1) at half
opacity, and transparent where sharpness is unknown. It is unambiguous on a grayscale photo.
Independent of stages and labels.
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
"""Tiles along the longer side of a photo, at most."""
LEAST_CONTRAST = 10.0
"""Standard deviation of brightness (0 … 255) below which a tile is too flat to judge: sky, a wall, a background so far
out of focus that only grain is left."""
COLOURS = ("#3b4fc4", "#1f9e9a", "#ffe125")
"""Blurred, medium, sharp: increasing lightness from blue to yellow, distinguishable with red-green color blindness."""
_ALPHA = 128


def sharpness_map(path: str | Path) -> np.ndarray:
    """(rows, columns) float32 over the upright photo, in equal cells that cover it: 1 for sharp, 0 for as blurred as
    photos get, NaN where unknown.

    Raises `UnreadablePhoto`; `EncoderError` if the encoder can't be loaded.
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
    """A map (rows, columns) → an RGBA image, one pixel per cell."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS])
    where, known = np.linspace(0, 1, len(stops)), ~np.isnan(values)
    channels = [np.interp(values, where, stop) for stop in stops.T]
    rgba = np.stack([*channels, np.full(values.shape, _ALPHA)], axis=-1)
    return Image.fromarray(np.where(known[..., None], rgba, 0).round().astype(np.uint8), "RGBA")


def as_png(values: np.ndarray) -> bytes:
    """A map (rows, columns) → the bytes of its PNG overlay."""
    data = io.BytesIO()
    coloured(values).save(data, "PNG")
    return data.getvalue()


def laid_over(photo: Image.Image, values: np.ndarray) -> Image.Image:
    """An RGB photo in grayscale, overlaid with its map (rows, columns)."""
    grey = photo.convert("L").convert("RGBA")
    grey.alpha_composite(coloured(values).resize(photo.size, Image.Resampling.NEAREST))
    return grey.convert("RGB")
