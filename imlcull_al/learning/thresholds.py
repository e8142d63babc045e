"""The largest threshold that a promise on lost keepers supports, from the audited keepers' scores. Pure arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEAR_THE_LIMIT = (0.5, 0.5)
"""Beta parameters of the bets in `threshold`, on shares below the one allowed."""


@dataclass(frozen=True)
class Threshold:
    """Cull photos with p_keep < `value`; None where the audit can't support any.

    `keepers`: how many audited keepers it rests on, `below` of them are under it. `missing`: so many more audited
    keepers, none of them low, would support one; 0 where there is one.
    """

    value: float | None
    keepers: int
    below: int
    missing: int


def threshold(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """The largest threshold that loses at most the share `max_keepers_lost` of all keepers, from p_keep (n,) of the
    audited keepers. Holds at all looks together, for one set of scores that no audit answer had a part in.

    Below a threshold that loses too much, an audited keeper falls with a chance of α at least. Bets against that, one
    for each smaller chance, mixed over a Beta(½, ½) cut off at α, multiply to a supermartingale, which passes 1/δ with
    probability δ at most (Ville); drawing without replacement only shrinks it where it is large. Only the smallest
    threshold that loses too much needs testing, so all others cost nothing (Bates et al. 2021, RCPS). The audit has a
    part in the pile that this threshold makes: of that pile this promise holds, and no `Certificate`.
    Raises `ValueError` unless all of p_keep are 0 … 1 and both shares are between 0 and 1.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _evidence)


def threshold_at_one_look(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """`threshold` for a number of audited keepers that was settled beforehand: BetaInv(1 − δ; V + 1, n − V) <= α
    with V of n below (Clopper & Pearson 1934). Needs fewer, and breaks its promise when one looks until it fits.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _exact_evidence)


def _largest(p_keep: np.ndarray, limit: float, confidence: float, evidence: "Evidence") -> Threshold:
    """The largest threshold against which there is evidence enough that it loses too much."""
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
    """The fewest audited keepers that support a threshold when none of them is below it."""
    high = 1
    while evidence(np.zeros(1), high, limit)[0] < wanted:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if evidence(np.zeros(1), middle, limit)[0] >= wanted else (middle, high)
    return high


Evidence = Callable[[np.ndarray, int, float], np.ndarray]
"""(V, n, α) → logarithm of the evidence that less than the share α is lost, when V of n audited keepers would be."""


def _evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """Logarithm of what the bets of `threshold` have made of 1."""
    from scipy.special import betainc, betaln

    a, b = NEAR_THE_LIMIT
    hit, missed = below + a, keepers - below + b
    with np.errstate(divide="ignore"):  # far above the limit nothing is left of the bets
        bets = betaln(hit, missed) + np.log(betainc(hit, missed, limit)) - betaln(a, b) - np.log(betainc(a, b, limit))
    return bets - below * np.log(limit) - (keepers - below) * np.log1p(-limit)


def _exact_evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """Minus the logarithm of P(V or fewer of n) when the share is α; >= log 1/δ where BetaInv(1 − δ; …) <= α."""
    from scipy.special import betainc

    with np.errstate(divide="ignore"):
        return -np.log(betainc(keepers - below, below + 1.0, 1 - limit))
