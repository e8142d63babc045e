"""Query strategies: the order in which photos are asked, from probabilities, features and bursts. Pure arithmetic.

1. Start with the photos that best cover the others (`covering_first`). The head is refitted after every label.
2. While the rarer class has fewer than `RARER` labels, ask the photo most likely to belong to it (`rarer_first`), so
   that rare keepers are found early.
3. Then ask the photo the head is least sure of, one frame per burst before any second frame (`next_first`).

See benchmarks/RESULTS.md for comparisons, and for what was tried and dropped. Positions are rows of the caller's
arrays, which are in key order, so ties go to the smaller key. Independent of keeping, photos and files.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from .head import Features

START = 10
"""Labels before the head chooses. It also needs one label of each class."""
RARER = 8
"""Labels of the rarer class to look for first."""
SAMPLE = 2000
"""Size of the random sample that represents all photos while the start is planned."""
COVERED = 100
"""Length of the planned start. The remaining photos follow in uniform random order."""
SHORTLIST = 400
"""Length of the front of the queue in which frames of a burst take turns."""


def uncertainty(probability: np.ndarray) -> np.ndarray:
    """(N,) probabilities → (N,) 1 at 0.5, falling to 0 at 0 and 1. For two classes, least confidence, margin and
    entropy all give this order.
    """
    return 1 - 2 * np.abs(np.asarray(probability, np.float64) - 0.5)


def most_uncertain_first(probability: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N,), by descending uncertainty."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-uncertainty(probability[candidates]), kind="stable")]


def likeliest_first(probability: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N,), by descending probability."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-probability[candidates], kind="stable")]


def disagreements_first(probability: np.ndarray, labeled: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Positions among `labeled` (n,) whose `target` (n,) bool contradicts `probability` (N,), largest error first. At
    exactly 0.5 there is no contradiction.
    """
    labeled = np.asarray(labeled, np.intp)
    distance = np.abs(probability[labeled] - np.asarray(target, np.float64))
    order = np.argsort(-distance, kind="stable")
    return labeled[order[distance[order] > 0.5]]


def uniform(keys: Sequence[str]) -> np.ndarray:
    """(N,) a pseudo-random number in 0 … 1 per key, from a hash: reproducible, and independent of the other keys."""
    digests = (hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=8).digest() for key in keys)
    return np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests], np.float64)


def least_like(rows: np.ndarray, labeled: np.ndarray, candidates: np.ndarray) -> int:
    """The position among `candidates` whose nearest neighbor among `labeled` is furthest; ties to the smaller position.

    `rows`: (N, D) of length 1. Neither list may be empty.
    """
    candidates, others = np.sort(np.asarray(candidates, np.intp)), rows[labeled].T
    blocks = (candidates[start : start + 4096] for start in range(0, len(candidates), 4096))
    closest = np.concatenate([(rows[block] @ others).max(axis=1) for block in blocks])
    return int(candidates[np.argmin(closest)])


def still_starting(target: np.ndarray) -> bool:
    """Whether the labels so far, (n,) bool, are too few or too one-sided for the head to choose."""
    return len(target) < START or bool(target.all()) or not target.any()


def covering_first(known: Features, uniform: np.ndarray) -> np.ndarray:
    """All N positions, best coverage first: greedy facility location, maximizing the summed similarity of every photo
    to its nearest chosen photo (MaxHerding, Bae et al. 2024).

    Similarity is exp(−squared distance) of unit-length features. `uniform` (N,): see the function of that name; it
    selects the sample and orders the remaining photos. The order does not depend on labels, so it is computed once and
    the start resumes in it where it left off.
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
        gain = np.maximum(similarity - covered, 0).sum(axis=1)  # symmetric: row i is the coverage of photo i
        gain[~free] = -1
        best = int(np.argmax(gain))
        taken.append(best)
        free[best] = False
        covered = np.maximum(covered, similarity[best])
    first = sample[np.array(taken, np.intp)]
    rest = everything[~np.isin(everything, first)]
    return np.concatenate([first, rest[known.usable[rest]], rest[~known.usable[rest]]]).astype(np.intp)


def next_first(probability: np.ndarray, target: np.ndarray, candidates: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions, in query order; for use once `still_starting` is over.

    `probability` (N,): 0 … 1 from the head or a fine-tuned model; NaN sorts last. `target` (m,) bool: the labels so
    far. `bursts` (N,) int: equal for frames of one moment; a second frame comes after the first frames of all other
    bursts near the front.
    """
    if min(int(target.sum()), len(target) - int(target.sum())) < RARER:
        order = rarer_first(probability, target, candidates)
    else:
        order = most_uncertain_first(probability, candidates)
    return _in_turns(order, bursts)


def rarer_first(probability: np.ndarray, target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), most likely to belong to the rarer class first. If both classes are equally frequent, the
    target counts as rarer.
    """
    towards = 1 if 2 * int(target.sum()) <= len(target) else -1
    return likeliest_first(towards * probability, candidates)


def _in_turns(order: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """`order` (n,), with the frames of each burst taking turns among the first `SHORTLIST`."""
    short, turns = order[:SHORTLIST], []
    seen: dict[int, int] = {}
    for burst in bursts[short].tolist():
        turns.append(seen.get(burst, 0))
        seen[burst] = turns[-1] + 1
    return np.concatenate([short[np.argsort(turns, kind="stable")], order[SHORTLIST:]])
