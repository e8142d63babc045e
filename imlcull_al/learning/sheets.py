"""Blind checks answered as contact sheets: which photos come on one, which answers are asked again, and what those say.

A sheet is a tenth of the time of single photos, but a keeper may be overlooked on it. So a random tenth of its answers
is asked again, one photo at a time. Pure arithmetic.
"""

import math

import numpy as np

from .blind import digest

SHEET_SIZE = 24
"""Photos of a sheet, unless asked for otherwise."""
KEEPS = 8
"""One in this many photos of a sheet is from the keep pile, which has to be measured too, but less."""
AGAIN = 10
"""One in this many answers of a sheet is asked again."""


def in_turn(stream: np.ndarray, is_culled: np.ndarray) -> np.ndarray:
    """The rows `stream` (n,) in the order in which sheets ask them: after every `KEEPS` − 1 photos to be culled, one of
    the others. Each side stays in the order of the stream.

    `is_culled`: (N,) bool, by row. It must not depend on what checks found.
    """
    side = is_culled[stream]
    culls, keeps = np.arange(side.sum()), np.arange((~side).sum())
    turns = np.empty(len(stream), np.intp)
    turns[side], turns[~side] = culls + culls // (KEEPS - 1), KEEPS - 1 + KEEPS * keeps
    return stream[np.argsort(turns, kind="stable")]


def is_asked_again(seed: str, key: str) -> bool:
    """Whether the answer that a sheet got for this photo is asked again: a random tenth, fixed by the seed."""
    return int.from_bytes(digest(f"{seed} again", key)[:8], "big") % AGAIN == 0


def overlooked(doubted: int, asked_again: int, missed: int) -> int:
    """Estimate of the keepers among `doubted` photos that were culled on sheets and not asked again: as many, in
    proportion, as the `missed` among those `asked_again`. Rounded up.
    """
    return math.ceil(doubted * missed / asked_again) if asked_again else 0
