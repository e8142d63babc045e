"""Query strategies: the order in which photos are asked, from probabilities, features and bursts. Pure arithmetic.

1. Start with the photos that best cover the others (`covering_first`). The head is refitted after every label.
2. While a class that occurs has fewer than its part of `RARER` labels, ask the photo most likely to belong to the
   rarest (`rarer_first`), so that rare keepers are found early.
3. Then ask the photo the head is least sure of, one frame per burst before any second frame (`next_first`).

`probability` (N, K) and `targets` (n, K) of K classes are `exclusive` if every photo has exactly one of them: rows sum
to 1. Otherwise each column is a tag of its own, NaN where unknown. See benchmarks/RESULTS.md for comparisons, and for
what was tried and dropped. Positions are rows of the caller's arrays, which are in key order, so ties go to the smaller
key. Independent of keeping, photos and files.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from .head import Features

START = 10
"""Labels before the head chooses. It also needs one label of each class."""
RARER = 16
"""Labels to look for first, divided equally among the classes: eight of the rarer of two. At least two of each."""
SAMPLE = 2000
"""Size of the random sample that represents all photos while the start is planned."""
COVERED = 100
"""Length of the planned start. The remaining photos follow in uniform random order."""
SHORTLIST = 400
"""Length of the front of the queue in which frames of a burst take turns."""


def two_classes(first: np.ndarray) -> np.ndarray:
    """(N,) probability of the first of two classes, or whether it is that one → (N, 2) for both."""
    first = np.asarray(first, np.float64)
    return np.stack([first, 1 - first], axis=1)


def uncertainty(probability: np.ndarray, exclusive: bool = True) -> np.ndarray:
    """(N, K) probabilities → (N,) 0 … 1: 1 minus the margin between the two likeliest classes, or for tags that of the
    least certain tag between yes and no.

    For two classes, least confidence, margin and entropy all give this order.
    """
    probability = np.asarray(probability, np.float64)
    if not exclusive or probability.shape[1] == 2:
        columns = probability[:, :1] if exclusive else probability
        unsure: np.ndarray = np.fmax.reduce(1 - 2 * np.abs(columns - 0.5), axis=1)
        return unsure
    two = np.partition(probability, -2, axis=1)[:, -2:]
    return 1 - (two[:, 1] - two[:, 0])


def most_uncertain_first(probability: np.ndarray, candidates: np.ndarray, exclusive: bool = True) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N, K), by descending uncertainty; NaN comes last."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-uncertainty(probability[candidates], exclusive), kind="stable")]


def likeliest_first(probability: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N,), by descending probability."""
    candidates = np.sort(np.asarray(candidates, np.intp))
    return candidates[np.argsort(-probability[candidates], kind="stable")]


def disagreements_first(
    probability: np.ndarray, labeled: np.ndarray, targets: np.ndarray, exclusive: bool = True
) -> np.ndarray:
    """Positions among `labeled` (n,) whose `targets` (n, K) contradict `probability` (N, K), largest error first:
    another class is likelier, or a tag is beyond 0.5 on the other side. A tie is no contradiction.
    """
    labeled = np.asarray(labeled, np.intp)
    given, targets = np.asarray(probability[labeled], np.float64), np.asarray(targets, np.float64)
    if exclusive:
        error = given.max(axis=1, initial=0) - (given * targets).sum(axis=1)
    else:
        error = np.fmax.reduce(2 * np.abs(given - targets) - 1, axis=1, initial=-1)
    order = np.argsort(-error, kind="stable")
    return labeled[order[error[order] > 0]]


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


def still_starting(targets: np.ndarray, exclusive: bool = True) -> bool:
    """Whether the labels so far, (n, K), are too few or too one-sided for the head to choose."""
    sides = _sides(targets, exclusive)
    both = sides if exclusive else sides[: targets.shape[1]] * sides[targets.shape[1] :]
    return len(targets) < START or int((both > 0).sum()) < (2 if exclusive else 1)


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


def next_first(
    probability: np.ndarray, targets: np.ndarray, candidates: np.ndarray, bursts: np.ndarray, exclusive: bool = True
) -> np.ndarray:
    """The `candidates` (n,), positions, in query order; for use once `still_starting` is over.

    `probability` (N, K): 0 … 1 from the head or a fine-tuned model; NaN sorts last. `targets` (m, K): the labels so
    far. `bursts` (N,) int: equal for frames of one moment; a second frame comes after the first frames of all other
    bursts near the front.
    """
    side = _rarest(targets, exclusive)
    if side is None:
        order = most_uncertain_first(probability, candidates, exclusive)
    else:
        order = rarer_first(probability, side, candidates)
    return _in_turns(order, bursts)


def in_turn(order: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """`order` (n,), positions, by their `turn` (N,), the smallest first; those of the same turn keep their order."""
    return order[np.argsort(turn[order], kind="stable")]


def rarer_first(probability: np.ndarray, side: int, candidates: np.ndarray) -> np.ndarray:
    """The `candidates` (n,), positions in `probability` (N, K), likeliest first to be on one `side`: in class `side`,
    or from K on without tag `side` − K.
    """
    columns = probability.shape[1]
    return likeliest_first(probability[:, side] if side < columns else -probability[:, side - columns], candidates)


def _rarest(targets: np.ndarray, exclusive: bool) -> int | None:
    """The rarest side that occurs and has fewer than its part of `RARER` labels; None if there is none."""
    counts = _sides(targets, exclusive).astype(np.float64)
    enough = max(2, round(RARER / len(counts)))
    counts[counts == 0] = np.inf
    rarest = int(np.argmin(counts))
    return rarest if counts[rarest] < enough else None


def _sides(targets: np.ndarray, exclusive: bool) -> np.ndarray:
    """Labels of every class (K,), or for tags with and without each, (2 K,)."""
    has = np.asarray(targets) == 1
    if exclusive:
        return has.sum(axis=0)
    return np.concatenate([has.sum(axis=0), (np.asarray(targets) == 0).sum(axis=0)])


def _in_turns(order: np.ndarray, bursts: np.ndarray) -> np.ndarray:
    """`order` (n,), with the frames of each burst taking turns among the first `SHORTLIST`."""
    short, turns = order[:SHORTLIST], []
    seen: dict[int, int] = {}
    for burst in bursts[short].tolist():
        turns.append(seen.get(burst, 0))
        seen[burst] = turns[-1] + 1
    return np.concatenate([short[np.argsort(turns, kind="stable")], order[SHORTLIST:]])
