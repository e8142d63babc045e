"""In which order unlabeled photos are shown: arithmetic on probabilities, ties broken by position.

Positions are rows of the caller's arrays, which lie in key order, so a tie goes to the smaller key.
Knows nothing of keeping, photos or files.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def uncertainty(probability: np.ndarray) -> np.ndarray:
    """(N,) probabilities → (N,) 1 at 0.5, falling to 0 at 0 and 1. For two classes least confidence, margin and
    entropy are this one order.
    """
    return 1 - 2 * np.abs(np.asarray(probability, np.float64) - 0.5)


def most_uncertain_first(probability: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N,), most uncertain first."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-uncertainty(probability[candidates]), kind="stable")]


def shuffled(keys: Sequence[str], candidates: np.ndarray) -> np.ndarray:
    """The `candidates`, positions in `keys`, in an order that looks random, is always the same, and stays when
    photos are added or taken away: that of a hash of each key. It is used until both classes have been seen.
    """
    digest = {int(position): hashlib.sha256(keys[position].encode()).digest() for position in candidates}
    return np.array(sorted(digest, key=lambda position: digest[position]), np.intp)
