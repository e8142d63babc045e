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


def likeliest_first(probability: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N,), most probable first."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-probability[candidates], kind="stable")]


def disagreements_first(probability: np.ndarray, labeled: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Of the positions `labeled` (n,) with `target` (n,) bool, those that `probability` (N,) would decide otherwise,
    the furthest off first; an exact 0.5 is the target's side.
    """
    labeled = np.asarray(labeled, np.intp)
    distance = np.abs(probability[labeled] - np.asarray(target, np.float64))
    order = np.argsort(-distance, kind="stable")
    return labeled[order[distance[order] > 0.5]]


def shuffled(keys: Sequence[str], candidates: np.ndarray) -> np.ndarray:
    """The `candidates`, positions in `keys`, in an order that looks random, is always the same, and stays when
    photos are added or taken away: that of a hash of each key. It is used until both classes have been seen.
    """
    digest = {int(position): hashlib.sha256(keys[position].encode()).digest() for position in candidates}
    return np.array(sorted(digest, key=lambda position: digest[position]), np.intp)


def least_like(rows: np.ndarray, labeled: np.ndarray, candidates: np.ndarray) -> int:
    """Of the positions `candidates`, the one whose closest neighbour among `labeled` is furthest; ties to the smaller.

    `rows`: (N, D) of length 1. Neither list may be empty.
    """
    candidates = np.sort(np.asarray(candidates, np.intp))
    closest = (rows[candidates] @ rows[labeled].T).max(axis=1)
    return int(candidates[np.argmin(closest)])
