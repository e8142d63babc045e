"""The burst of a photo: its frames in time order, the sharpest one, and what the built-in encoder sees wrong."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from ..encoding.builtin import QUALITIES, blur, qualities
from .standing import Standing

SHARPER = 0.1
"""How much less blurred than the average frame the sharpest one must be to be called so."""

BEHIND = 0.25
"""How much more blurred than the sharpest frame of its burst a frame must be for that to be a reason."""
_WHOLE, _TILES = 0, 1
REASONS = (
    ("out of focus", "defocus", _TILES, 0.3),
    ("blurred by motion", "motion", _TILES, 0.5),
    ("dark", "dark", _WHOLE, 0.5),
    ("too bright", "bright", _WHOLE, 0.4),
)
"""Words, the quality they stand for, where it is seen, and the least strength. In the sample project each is right for
all photos that it is said of. Tilt is left out: the encoder tells too little of it."""


class Burst(NamedTuple):
    """`keys`: the frames in time order. `sharpest`: the sharpest of them, None if none stands out or nothing is known.

    `is_bracket`: an exposure bracket, whose frames are no alternatives. `is_blind`: a frame is out as a blind check, so
    nothing may be shown that tells scores.
    """

    keys: tuple[str, ...]
    sharpest: str | None
    is_bracket: bool
    is_blind: bool


def burst_of(now: Standing, key: str, blind: Collection[str] = ()) -> Burst | None:
    """The burst of a photo; None for a single frame or one that is not analyzed. `blind`: see `Session.blind`."""
    ranker = now.ranking.ranker
    row = ranker.scorer.row.get(key) if ranker else None
    if ranker is None or row is None:
        return None
    number = ranker.bursts[row]
    rows = np.flatnonzero(ranker.bursts == number)
    if len(rows) < 2:
        return None
    rows = rows[np.argsort(ranker.seen.taken[rows], kind="stable")]
    keys = tuple(ranker.scorer.keys[row] for row in rows)
    is_blind = any(frame in blind and frame not in now.answers.labels for frame in keys)
    seen = None if is_blind else qualities(ranker.scorer.source.encoder, ranker.seen.rows[rows])
    best = None if seen is None else sharpest(blur(seen))
    return Burst(keys, None if best is None else keys[best], int(number) in ranker.brackets, is_blind)


def reasons_of(now: Standing, key: str) -> list[str]:
    """What the built-in encoder sees wrong with a photo, in plain words; empty without its numbers."""
    ranker = now.ranking.ranker
    row = ranker.scorer.row.get(key) if ranker else None
    if ranker is None or row is None:
        return []
    rows = np.flatnonzero(ranker.bursts == ranker.bursts[row])
    seen = qualities(ranker.scorer.source.encoder, ranker.seen.rows[rows])
    return [] if seen is None else reasons(seen, int(np.searchsorted(rows, row)))


def reasons(seen: np.ndarray, at: int) -> list[str]:
    """`builtin.qualities` (n, V, 9) of the frames of a burst → what is wrong with frame `at`, at most three reasons."""
    said = [words for words, name, view, least in REASONS if seen[at, view, QUALITIES.index(name)] >= least]
    blurs = blur(seen)
    if np.isfinite(blurs[at]) and blurs[at] - np.nanmin(blurs) >= BEHIND:
        said.append("a sharper frame in this burst")
    return said[:3]


def sharpest(blurs: np.ndarray) -> int | None:
    """(n,) blur of the frames of a burst, see `builtin.blur` → the index of the sharpest; None if none stands out.

    >>> sharpest(np.array([0.6, 0.1, 0.5])), sharpest(np.array([0.1, 0.12])), sharpest(np.array([np.nan, 0.1]))
    (1, None, None)
    """
    known = blurs[np.isfinite(blurs)]
    if not len(known) or known.mean() - known.min() < SHARPER:
        return None
    return int(np.nanargmin(blurs))
