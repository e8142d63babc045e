"""Accuracy, precision, recall and agreement, with confidence intervals. Pure arithmetic."""

from typing import NamedTuple

import numpy as np

STABLE_AGREEMENT = 0.97
"""Predictions are stable when the mean Cohen's kappa of the last three pairs reaches this (small-text)."""


class Share(NamedTuple):
    """`hits` of `trials`, with the confidence interval of the underlying share, 0 … 1."""

    hits: int
    trials: int
    low: float
    high: float


def interval(hits: int, trials: int, confidence: float = 0.95) -> Share:
    """A share with its two-sided Clopper-Pearson interval; 0 … 1 without trials. Valid for a single look.

    Coverage is at least `confidence` for every share and sample size. Wilson's interval undercovers near 0 and 1, where
    good scores lie. Raises `ValueError` for impossible counts or confidence.
    """
    from scipy.special import betaincinv

    if not (0 <= hits <= trials and 0 < confidence < 1):
        raise ValueError(f"{hits} hits of {trials} trials, {confidence} confidence: not a share")
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return Share(hits, trials, low, high)


class Measures(NamedTuple):
    """Quality of the decisions on photos that no query asked about, estimated from the checks alone.

    `accuracy`: share decided like the person. `precision`: keepers among kept. `recall`: kept among keepers.
    """

    accuracy: Share
    precision: Share
    recall: Share


def measure(keeper: np.ndarray, kept: np.ndarray, confidence: float = 0.95) -> Measures:
    """Compare answers with decisions, both (n,) bool, on checked photos that no query asked about."""
    right, hits = int((keeper == kept).sum()), int((keeper & kept).sum())
    return Measures(
        interval(right, len(keeper), confidence),
        interval(hits, int(kept.sum()), confidence),
        interval(hits, int(keeper.sum()), confidence),
    )


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two decision vectors (n,), bool or class numbers: 1 for identical ones, 0 for chance level.

    Also 0 when both are constant and equal, where kappa is undefined, and for empty vectors.
    """
    if len(first) == 0:
        return 0.0
    by_chance = sum(float(np.mean(first == value) * np.mean(second == value)) for value in np.union1d(first, second))
    return (float(np.mean(first == second)) - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
