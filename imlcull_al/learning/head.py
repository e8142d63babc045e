"""The light classifier on embeddings, refitted after every label: arrays in, arrays out.

L2-regularized logistic regression. Features are unit-length embeddings, centered over all photos and scaled to unit
mean square; classes are half balanced. The target is binary. Independent of keeping, photos and files. See
benchmarks/RESULTS.md for the measurements behind the constants.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

REGULARISATION = 1.0
"""C of the logistic regression: inverse penalty strength, for features whose mean squared norm is 1."""
OTHERS = (3.0, 10.0, 30.0, 100.0)
"""Alternative values of C, used if the labels clearly favor one: encoders differ in how much signal lies in directions
of low variance.
"""
ENOUGH = 8
"""Labels of the rarer class required before C is chosen."""
BALANCE = 0.5
"""Exponent of the class weights: 0 keeps the class frequencies, 1 gives both classes equal total weight."""
_WIDE = 1e3  # variance of the bias
_ASKED = 200  # most labels that C is chosen on
_MOST_STEPS = 50
_TOLERANCE = 1e-7  # relative change of the loss


@dataclass(frozen=True)
class Features:
    """Everything precomputed for all photos. The features themselves are computed lazily for the rows in use.

    `rows` (N, D) float32: unit-length embeddings, zero where not `usable` (N,), i.e. where an embedding holds NaN or
    infinity. `centre` (D,): mean of the usable rows; `scale`: root mean squared distance of these from it.
    """

    rows: np.ndarray
    usable: np.ndarray
    centre: np.ndarray
    scale: float

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Features (n, D) float32 of the rows `positions` (n,), centered and scaled, zero where not usable."""
        chosen: np.ndarray = (self.rows[positions] - self.centre) / np.float32(self.scale)
        chosen[~self.usable[positions]] = 0
        return chosen

    def logits(self, head: "Head") -> np.ndarray:
        """(N,) float64 log-odds of the target, equal to `head.logits` of the embeddings; 0 where not usable."""
        logits: np.ndarray = (self.rows @ head.weights).astype(np.float64) + head.bias
        logits[~self.usable] = 0
        return logits


@dataclass(frozen=True)
class Head:
    """An affine function of the unit-length embedding: logit = unit(x) · weights + bias."""

    weights: np.ndarray
    bias: float

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N,) log-odds of the target."""
        return unit(embeddings) @ self.weights + self.bias

    def probability(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N,) probability of the target, 0 … 1."""
        return sigmoid(self.logits(embeddings))


def features(embeddings: np.ndarray) -> Features:
    """(N, D) embeddings → the features for `fit`.

    A float32 array is normalized in place: for a million photos a copy would fill the memory.
    """
    rows = np.asarray(embeddings, np.float32)
    usable = np.isfinite(rows @ np.ones(rows.shape[1], np.float32))
    rows[~usable] = 0
    rows /= np.maximum(np.sqrt(np.vecdot(rows, rows)), 1e-12)[:, None]
    count = max(int(usable.sum()), 1)
    total = sum(
        (np.ones(len(block), np.float32) @ block for block, _ in _blocks(rows, usable)), np.zeros(rows.shape[1])
    )
    centre = (total / count).astype(np.float32)
    spread = sum(_squares(block[fine] - centre) for block, fine in _blocks(rows, usable))
    return Features(rows, usable, centre, max(float(np.sqrt(spread / count)), 1e-9))


def _blocks(rows: np.ndarray, usable: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of rows that fit into the CPU cache."""
    for start in range(0, len(rows), 1024):
        yield rows[start : start + 1024], usable[start : start + 1024]


def _squares(rows: np.ndarray) -> float:
    return float(np.vecdot(rows, rows).sum(dtype=np.float64))


def fit(
    known: Features,
    labeled: np.ndarray,
    target: np.ndarray,
    offset: np.ndarray | None = None,
    c: float | None = None,
) -> Head:
    """Fit to the rows `labeled` (n,) with `target` (n,) bool.

    `offset` (n,): fixed log-odds of these rows; the fit is then a correction, zero where they are already right.
    Without an offset both classes are required (`ValueError`). `c`: the regularization, if it was chosen before.
    """
    if offset is None and (target.all() or not target.any()):
        raise ValueError("both classes are needed")
    rows = known.at(labeled)
    if c is None:
        c = chosen_regularisation(rows, target) if offset is None else REGULARISATION
    with _one_thread():
        weights, bias = _minimise(rows, target, np.zeros(len(target)) if offset is None else offset, c)
    weights = weights / known.scale
    return Head(weights.astype(np.float32), float(bias - known.centre @ weights))


def answers_to_choose_by(answers: int) -> int:
    """How many of `answers` labels C is chosen on. Grows in steps of a tenth, because choosing takes longer than
    fitting.
    """
    count = 2 * ENOUGH
    while count + count // 10 <= answers:
        count += max(count // 10, 1)
    return min(count, answers)


def chosen_regularisation(rows: np.ndarray, target: np.ndarray) -> float:
    """C for features `rows` (n, D) with `target` (n,) bool: `REGULARISATION`, unless another value lowers the
    leave-one-out loss by more than one standard error.
    """
    if min(int(target.sum()), len(target) - int(target.sum())) < ENOUGH:
        return REGULARISATION
    some = slice(None, None, -(-len(target) // _ASKED))
    rows, target = rows[some], target[some]
    best, most = REGULARISATION, 0.0
    with _one_thread():
        usual = _left_out_losses(rows, target, REGULARISATION)
        for c in OTHERS:
            gains = usual - _left_out_losses(rows, target, c)
            gain = float(gains.mean())
            if gain > most and gain > float(gains.std()) / np.sqrt(len(gains)):
                best, most = c, gain
    return best


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit BLAS to one thread: for matrices this small, waiting for busy cores takes far longer than the
    computation.
    """
    with _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _left_out_losses(rows: np.ndarray, target: np.ndarray, c: float) -> np.ndarray:
    """(n,) weighted log-loss of each label predicted from all others, by one Newton step from the full fit (approximate
    leave-one-out, Rad & Maleki 2020).
    """
    rows = np.asarray(rows, np.float64)
    weights, bias = _minimise(rows, target, np.zeros(len(target)), c)
    logits, weight = rows @ weights + bias, class_weights(target)
    p = sigmoid(logits)
    prior = rows @ rows.T + _WIDE  # prior covariance of the logits; the bias is unpenalized
    root = np.sqrt(c * weight * np.maximum(p * (1 - p), 1e-9))
    inner = np.linalg.solve(np.eye(len(root)) + root[:, None] * prior * root, root[:, None] * prior)
    variance = np.diag(prior) - np.einsum("ij,ij->j", root[:, None] * prior, inner)
    step = variance * c * weight * (p - target) / np.maximum(1 - variance * root**2, 1e-3)
    losses: np.ndarray = weight * np.logaddexp(0, -np.where(target, 1, -1) * (logits + step))
    return losses


def class_weights(target: np.ndarray) -> np.ndarray:
    """(n,) weights that sum to n; total class weights are in the ratio of the class sizes to the power 1 −
    `BALANCE`.
    """
    positive = int(target.sum())
    if positive in (0, len(target)):
        return np.ones(len(target))
    weight = np.where(target, 1 / positive, 1 / (len(target) - positive)) ** BALANCE
    weights: np.ndarray = weight * len(target) / weight.sum()
    return weights


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Rows normalized to length 1 (float32); zero rows stay zero."""
    rows = np.asarray(embeddings, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−logits)) without overflow; float64."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))


def _minimise(rows: np.ndarray, target: np.ndarray, offset: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """Weights (D,) and bias that minimize ½|w|² + c Σ weight · log-loss on `rows` (n, D), by Newton's method.

    Works in the span of the rows, at most min(n, D) dimensions. The bias is unpenalized, except for a single class,
    where it would diverge.
    """
    rows = np.asarray(rows, np.float64)
    basis = None
    if len(rows) < rows.shape[1]:
        basis, triangle = np.linalg.qr(rows.T)
        rows = triangle.T
    design = np.hstack([rows, np.ones((len(rows), 1))])
    weight = c * class_weights(target)
    sign = np.where(target, 1.0, -1.0)
    penalty = np.ones(design.shape[1])
    penalty[-1] = 0.0 if target.any() and not target.all() else 1.0

    def loss(parameters: np.ndarray) -> float:
        margin = sign * (design @ parameters + offset)
        return 0.5 * float(penalty @ parameters**2) + float(weight @ np.logaddexp(0, -margin))

    parameters = np.zeros(design.shape[1])
    before = loss(parameters)
    for _ in range(_MOST_STEPS):
        p = sigmoid(design @ parameters + offset)
        slope = penalty * parameters + design.T @ (weight * (p - target))
        curvature = (design.T * (weight * np.maximum(p * (1 - p), 1e-9))) @ design
        curvature[np.diag_indices(len(curvature))] += penalty + 1e-9
        step = np.linalg.solve(curvature, slope)
        length = 1.0
        while (after := loss(parameters - length * step)) > before and length > 1e-4:
            length /= 2
        if after > before:
            break
        parameters = parameters - length * step
        if before - after < _TOLERANCE * max(1.0, before):
            break
        before = after
    weights = parameters[:-1] if basis is None else basis @ parameters[:-1]
    return weights, float(parameters[-1])
