"""Where a photo is sharp, as the built-in encoder sees it: a map of tiles in full resolution.

Knows nothing of stages or labels.
"""

from pathlib import Path

import numpy as np

from . import photos
from .checkpoints import builtin

MOST = 16
"""Tiles along the longer side of a photo."""
LEAST_DETAIL = 3.0
"""Mean step of brightness (0 … 255, see `tiles`) below which a tile is too plain to tell: sky, a wall."""


def sharpness_map(path: str | Path) -> np.ndarray:
    """(rows, columns) float32 of the upright photo in this file, in cells of one size that cover it: 1 for sharp, 0 for
    as blurred as photos are, NaN where nothing can be told.

    Raises `UnreadablePhoto`, and `EncoderError` where the encoder can't be loaded.
    """
    strip, places, _ = photos.lattice(path, MOST)
    values = builtin().sharpness(strip)
    values[[place.detail < LEAST_DETAIL for place in places]] = np.nan
    columns = len({place.left for place in places})
    return values.reshape(-1, columns)
