"""In which order photos are asked about: arithmetic on probabilities, features and bursts.

Ask first the photos that together cover the others best (`covering_first`). Then the head is fitted after every answer.
While the rarer answer was given fewer than `RARER` times, ask the photo likeliest to get it (`rarer_first`): rare
keepers are found early. From then on ask the photo the head is least sure of, one frame of a burst before a second
(`next_first`). benchmarks/RESULTS.md has what this was measured against, and what was tried and dropped.

Positions are rows of the caller's arrays, which lie in key order, so a tie goes to the smaller key.
Knows nothing of keeping, photos or files.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from .head import Features

START = 10
"""Answers before the head chooses; it also needs one answer of either class."""
RARER = 8
"""Answers of the rarer class that are looked for first."""
SAMPLE = 2000
"""Photos that stand for all of them while the start is planned."""
COVERED = 100
"""Places of the start that are planned; the photos after them come in the uniform order."""
SHORTLIST = 400
"""Places among which the frames of a burst take turns."""


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


def uniform(keys: Sequence[str]) -> np.ndarray:
    """(N,) a number for each key that looks drawn uniformly from 0 … 1, is always the same, and stays when others come
    and go: from a hash of the key.
    """
    digests = (hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=8).digest() for key in keys)
    return np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests], np.float64)


def least_like(rows: np.ndarray, labeled: np.ndarray, candidates: np.ndarray) -> int:
    """Of the positions `candidates`, the one whose closest neighbour among `labeled` is furthest; ties to the smaller.

    `rows`: (N, D) of length 1. Neither list may be empty.
    """
    candidates, others = np.sort(np.asarray(candidates, np.intp)), rows[labeled].T
    blocks = (candidates[start : start + 4096] for start in range(0, len(candidates), 4096))
    closest = np.concatenate([(rows[block] @ others).max(axis=1) for block in blocks])
    return int(candidates[np.argmin(closest)])


def still_starting(target: np.ndarray) -> bool:
    """Whether the answers so far, (n,) bool, are too few or too one-sided for the head to choose."""
    return len(target) < START or bool(target.all()) or not target.any()


def covering_first(known: Features, uniform: np.ndarray) -> np.ndarray:
    """All N positions, those first that cover the rest best: each time the photo that lifts the summed similarity of
    every photo to its most similar one before it the most (facility location, greedy; Bae et al. 2024, MaxHerding).

    Similarity is exp(−squared distance of the directions). `uniform` (N,): see there; it chooses the sample that stands
    for all, and orders what is not planned. The order does not depend on the answers: it is made once, and the start
    goes on in it where it left off.
    """
    everything = np.argsort(uniform, kind="stable")
    sample = np.sort(everything[known.usable[everything]][-SAMPLE:])
    directions = known.at(sample)
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    similarity = directions @ directions.T
    np.exp(2 * np.minimum(similarity, 1) - 2, out=similarity)
    covered = np.zeros(len(sample), np.float32)
    taken: list[int] = []
    free = np.ones(len(sample), bool)
    for _ in range(min(COVERED, len(sample))):
        gain = np.maximum(similarity - covered, 0).sum(axis=1)  # symmetric: row i is what photo i covers
        gain[~free] = -1
        best = int(np.argmax(gain))
        taken.append(best)
        free[best] = False
        covered = np.maximum(covered, similarity[best])
    first = sample[np.array(taken, np.intp)]
    rest = everything[~np.isin(everything, first)]
    return np.concatenate([first, rest[known.usable[rest]], rest[~known.usable[rest]]]).astype(np.intp)


def next_first(probability: np.ndarray, target: np.ndarray, candidates: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions, in the order to ask them, once `still_starting` is over.

    `probability` (N,): 0 … 1 from the head or from a fine-tuned model; NaN goes last. `target` (m,) bool: the answers
    so far. `bursts` (N,) int: equal for frames of one moment, of which the second comes when no other burst near the
    front is left without its first.
    """
    if min(int(target.sum()), len(target) - int(target.sum())) < RARER:
        order = rarer_first(probability, target, candidates)
    else:
        order = most_uncertain_first(probability, candidates)
    return _in_turns(order, bursts)


def rarer_first(probability: np.ndarray, target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), those likeliest to get the rarer answer first; where both are as frequent, the target."""
    towards = 1 if 2 * int(target.sum()) <= len(target) else -1
    return likeliest_first(towards * probability, candidates)


def _in_turns(order: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """`order` (n,), the frames of a burst taking turns among its first `SHORTLIST`."""
    short, turns = order[:SHORTLIST], []
    seen: dict[int, int] = {}
    for burst in bursts[short].tolist():
        turns.append(seen.get(burst, 0))
        seen[burst] = turns[-1] + 1
    return np.concatenate([short[np.argsort(turns, kind="stable")], order[SHORTLIST:]])
