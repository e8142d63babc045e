"""Accuracy, precision, recall and agreement, with intervals. Pure arithmetic."""

from typing import NamedTuple

import numpy as np

STABLE_AGREEMENT = 0.97
"""Mean Cohen's kappa of the last three pairs of predictions from which more labels change little (small-text)."""


class Share(NamedTuple):
    """`hits` of `trials`, and the interval of the share that they were drawn from, 0 … 1."""

    hits: int
    trials: int
    low: float
    high: float


def interval(hits: int, trials: int, confidence: float = 0.95) -> Share:
    """A share with its two-sided Clopper-Pearson interval: never covered less often than it says, at any share and
    any size, where Wilson's falls short near 0 and 1 just where good scores are. For one look. 0 … 1 of no trials.
    """
    from scipy.special import betaincinv

    if not (0 <= hits <= trials and 0 < confidence < 1):
        raise ValueError(f"{hits} hits of {trials} trials, {confidence} confidence: not a share")
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return Share(hits, trials, low, high)


class Measures(NamedTuple):
    """How good decisions are on the photos that no query asked about, from the audit alone.

    `accuracy`: of all, decided as the person did. `precision`: of those kept, keepers. `recall`: of keepers, kept.
    """

    accuracy: Share
    precision: Share
    recall: Share


def measure(keeper: np.ndarray, kept: np.ndarray, confidence: float = 0.95) -> Measures:
    """The person's answers against the decisions, both (n,) bool, for audited photos that no query asked about."""
    right, hits = int((keeper == kept).sum()), int((keeper & kept).sum())
    return Measures(
        interval(right, len(keeper), confidence),
        interval(hits, int(kept.sum()), confidence),
        interval(hits, int(keeper.sum()), confidence),
    )


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two vectors of decisions (n,) bool: 1 for equal ones, 0 for no more than chance.

    0 as well where both decide the same for all photos: that says nothing.
    """
    if len(first) == 0:
        return 0.0
    p, q = float(np.mean(first)), float(np.mean(second))
    by_chance = p * q + (1 - p) * (1 - q)
    return (float(np.mean(first == second)) - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
