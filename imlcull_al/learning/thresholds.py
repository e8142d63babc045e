"""The largest threshold with a guarantee on lost keepers, from the scores of checked keepers. Pure arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEAR_THE_LIMIT = (0.5, 0.5)
"""Beta prior of the bets in `threshold`, truncated at the allowed share."""


@dataclass(frozen=True)
class Threshold:
    """Cull photos with p_keep < `value`; None if the checks support no threshold.

    `keepers`: number of checked keepers behind it; `below`: how many of them score lower. `missing`: additional checked
    keepers, none of them low, until a threshold is supported; 0 if one is.
    """

    value: float | None
    keepers: int
    below: int
    missing: int


def threshold(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """The largest threshold that loses at most the share `max_keepers_lost` (α) of all keepers.

    `p_keep` (n,): scores of the checked keepers. Anytime-valid for one set of scores independent of the checks.

    At a threshold that loses too much, a checked keeper falls below it with probability at least α. Bets against this,
    one per smaller probability, mixed over Beta(½, ½) truncated at α, form a supermartingale, which exceeds 1/δ with
    probability at most δ (Ville); sampling without replacement only shrinks it where it is large. Only the smallest
    threshold that loses too much needs testing, so there is no multiplicity correction (Bates et al. 2021, RCPS). The
    cull pile of this threshold depends on the checks: this guarantee holds for that pile, a `Certificate` does not.
    Raises `ValueError` unless all p_keep are 0 … 1 and both shares are strictly between 0 and 1.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _evidence)


def threshold_at_one_look(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """`threshold` for a number of checked keepers fixed in advance.

    Requires BetaInv(1 − δ; V + 1, n − V) <= α with V of n below (Clopper & Pearson 1934). Needs fewer checks than
    `threshold`, but is invalid under optional stopping.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _exact_evidence)


def _largest(p_keep: np.ndarray, limit: float, confidence: float, evidence: "Evidence") -> Threshold:
    """The largest threshold with sufficient evidence that it loses at most `limit`."""
    p_keep = np.sort(np.asarray(p_keep, np.float64))
    n, wanted = len(p_keep), -np.log1p(-confidence)
    if not (0 < limit < 1 and 0 < confidence < 1 and ((p_keep >= 0) & (p_keep <= 1)).all()):
        raise ValueError(f"not probabilities: p_keep, {limit} or {confidence}")
    enough = evidence(np.arange(n), n, limit) >= wanted  # True … True False … False: evidence falls with V
    if not enough[:1].any():
        return Threshold(None, n, 0, _keepers_needed(limit, wanted, evidence) - n)
    value = float(p_keep[int(enough.sum()) - 1])
    return Threshold(value, n, int((p_keep < value).sum()), 0)


def _keepers_needed(limit: float, wanted: float, evidence: "Evidence") -> int:
    """The smallest number of checked keepers that supports a threshold when none scores below it."""
    high = 1
    while evidence(np.zeros(1), high, limit)[0] < wanted:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if evidence(np.zeros(1), middle, limit)[0] >= wanted else (middle, high)
    return high


Evidence = Callable[[np.ndarray, int, float], np.ndarray]
"""(V, n, α) → log evidence that the share lost is below α, when V of n checked keepers score below the threshold."""


def _evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """Log wealth of the bets of `threshold`, from an initial wealth of 1."""
    from scipy.special import betainc, betaln

    a, b = NEAR_THE_LIMIT
    hit, missed = below + a, keepers - below + b
    with np.errstate(divide="ignore"):  # far above the limit the wealth underflows to 0
        bets = betaln(hit, missed) + np.log(betainc(hit, missed, limit)) - betaln(a, b) - np.log(betainc(a, b, limit))
    return bets - below * np.log(limit) - (keepers - below) * np.log1p(-limit)


def _exact_evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """−log P(at most V of n) at share α; >= log 1/δ exactly where BetaInv(1 − δ; …) <= α."""
    from scipy.special import betainc

    with np.errstate(divide="ignore"):
        return -np.log(betainc(keepers - below, below + 1.0, 1 - limit))
