"""The light classifier on embeddings, refitted after every label: arrays in, arrays out.

L2-regularized logistic regression, binary (`fit`) or over several classes (`fit_classes`). Features are unit-length
embeddings, centered over all photos and scaled to unit mean square; classes are half balanced. Independent of keeping,
photos and files. See benchmarks/RESULTS.md for the measurements behind the constants.
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
HINT = 0.5
"""What a unit of the hint counts beside features whose mean squared norm is 1: the more, the fewer labels it takes."""
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
    infinity. `centre` (D,): mean of the usable rows; `scale`: root mean squared distance of these from it. `hint` (N,):
    a number that speaks for the target where it is high, never against it; None for none.
    """

    rows: np.ndarray
    usable: np.ndarray
    centre: np.ndarray
    scale: float
    hint: np.ndarray | None = None

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Features (n, D) float32 of the rows `positions` (n,), centered and scaled, zero where not usable."""
        chosen: np.ndarray = (self.rows[positions] - self.centre) / np.float32(self.scale)
        chosen[~self.usable[positions]] = 0
        return chosen

    def logits(self, head: "AnyHead") -> np.ndarray:
        """(N,) float64 log-odds of the target, or (N, K) logits of `Heads`; 0 where not usable."""
        if isinstance(head, Layers):
            logits = head.logits(self.rows)
        else:
            logits = (self.rows @ head.weights).astype(np.float64) + head.bias
        if isinstance(head, Head) and self.hint is not None:
            logits += head.hint * self.hint
        logits[~self.usable] = 0
        return logits


@dataclass(frozen=True)
class Head:
    """An affine function of the unit-length embedding: logit = unit(x) · weights + bias.

    `hint`: weight of the hint, at least 0; photos outside of the features it was fitted to have none.
    """

    weights: np.ndarray
    bias: float
    hint: float = 0.0

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N,) log-odds of the target."""
        return unit(embeddings) @ self.weights + self.bias

    def probability(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N,) probability of the target, 0 … 1."""
        return sigmoid(self.logits(embeddings))


@dataclass(frozen=True)
class Heads:
    """K affine functions of the unit-length embedding: `weights` (D, K) float32, `bias` (K,) float64."""

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) → (N, K)."""
        logits: np.ndarray = unit(embeddings) @ self.weights + self.bias
        return logits


@dataclass(frozen=True)
class Layers:
    """Linear layers with ReLU between, on embeddings x of any length that end with a one, or on unit(x).

    `layers`: weights (outputs, inputs) and biases (outputs,), float64; the last has two outputs, for and against the
    target.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D + 1) → (N,) log-odds of the target; 0 for an embedding of zeros."""
        size = embeddings[:, -1:].astype(np.float64)
        values = np.divide(embeddings[:, :-1], size, out=np.zeros((len(size), embeddings.shape[1] - 1)), where=size > 0)
        for number, (weights, bias) in enumerate(self.layers):
            values = (np.maximum(values, 0) if number else values) @ weights.T + bias
        return np.where(size[:, 0] > 0, values[:, 0] - values[:, 1], 0.0)


AnyHead = Head | Heads | Layers


def features(embeddings: np.ndarray, hint: np.ndarray | None = None) -> Features:
    """(N, D) embeddings → the features for `fit`. `hint` (N,): see `Features`, with a standard deviation of about 1.

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
    return Features(rows, usable, centre, max(float(np.sqrt(spread / count)), 1e-9), hint)


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
    Without an offset both classes are required (`ValueError`). `c`: the regularization, if it was chosen before; the
    choice leaves the hint out.
    """
    if offset is None and (target.all() or not target.any()):
        raise ValueError("both classes are needed")
    rows = known.at(labeled)
    if c is None:
        c = chosen_regularisation(rows, target) if offset is None else REGULARISATION
    hint = np.zeros(len(rows)) if known.hint is None else HINT * known.hint[labeled]
    before = np.zeros(len(target)) if offset is None else offset
    with _one_thread():
        weights, bias = _minimise(np.column_stack([rows, hint]), target, before, c)
        weights, by_hint = weights[:-1], HINT * float(weights[-1])
        if by_hint < 0:
            (weights, bias), by_hint = _minimise(rows, target, before, c), 0.0
    weights = weights / known.scale
    return Head(weights.astype(np.float32), float(bias - known.centre @ weights), by_hint)


def fit_classes(
    known: Features,
    labeled: np.ndarray,
    number: np.ndarray,
    classes: int,
    offset: np.ndarray | None = None,
    c: float | None = None,
) -> Heads:
    """Fit K = `classes` classes to the rows `labeled` (n,), whose class is `number` (n,) int: softmax regression.

    A class without labels gets a bias of −inf, so its probability is 0. `offset` (n, K): fixed logits of these rows;
    the fit is then a correction. `c`: the regularization, if it was chosen before. Raises `ValueError` for fewer than
    two classes with labels and no offset.
    """
    present = np.unique(number)
    if offset is None and len(present) < 2:
        raise ValueError("two classes are needed")
    rows = known.at(labeled)
    if c is None:
        c = chosen_for_classes(rows, number) if offset is None else REGULARISATION
    chosen = present if offset is None else np.arange(classes)
    start = np.zeros((len(number), len(chosen))) if offset is None else np.asarray(offset, np.float64)
    with _one_thread():
        found, found_bias = _minimise_classes(rows, np.searchsorted(chosen, number), start, c)
    weights, bias = np.zeros((rows.shape[1], classes), np.float32), np.full(classes, -np.inf)
    weights[:, chosen] = found / known.scale
    bias[chosen] = found_bias - known.centre @ (found / known.scale)
    return Heads(weights, bias)


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


def chosen_for_classes(rows: np.ndarray, number: np.ndarray) -> float:
    """`chosen_regularisation` for several classes: the gains of every class against all others are added up."""
    some = slice(None, None, -(-len(number) // _ASKED))
    targets = [number[some] == value for value in np.unique(number)]
    targets = [target for target in targets if min(int(target.sum()), int((~target).sum())) >= ENOUGH]
    if not targets:
        return REGULARISATION
    rows = rows[some]
    best, most = REGULARISATION, 0.0
    with _one_thread():
        usual = np.sum([_left_out_losses(rows, target, REGULARISATION) for target in targets], axis=0)
        for c in OTHERS:
            gains = usual - np.sum([_left_out_losses(rows, target, c) for target in targets], axis=0)
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


FADES = 40
"""Labels after which a prior has half of its weight."""


def trust(prior: np.ndarray, number: np.ndarray) -> float:
    """How much of a prior to use, 0 … 1, given its logits (n, K) for rows whose class is `number` (n,) int.

    It fades as labels come in. It is dropped once it predicts them worse than the frequencies of their classes do, each
    label left out of its own.
    """
    count = len(number)
    if not count:
        return 1.0
    of_class = np.bincount(number, minlength=prior.shape[1])[number] - 1
    by_frequency = -np.log((of_class + 1) / (count - 1 + prior.shape[1]))
    by_prior = -np.log(np.maximum(softmax(prior)[np.arange(count), number], 1e-300))
    return FADES / (FADES + count) if by_prior.mean() <= by_frequency.mean() else 0.0


UNSEEN = 5.0
"""How far below the least likely class, in nats, one lies that a model or prior never saw."""


def with_added(logits: np.ndarray, classes: int, *, exclusive: bool) -> np.ndarray:
    """Logits (N, k) of the first k of K = `classes` classes or tags → (N, K); as they are if none is missing.

    Also of (N,) log-odds, of the first of two classes or of one tag. Added classes are unlikely; added tags are
    unknown, NaN.
    """
    if logits.ndim == 1:
        if classes == (2 if exclusive else 1):
            return logits
        logits = np.stack([logits, -logits], axis=1) / 2 if exclusive else logits[:, None]
    added = np.full((len(logits), classes - logits.shape[1]), np.nan)
    if exclusive:
        added[:] = logits.min(axis=1, keepdims=True) - UNSEEN
    return np.hstack([logits, added])


def weights_of_classes(number: np.ndarray) -> np.ndarray:
    """`class_weights` for the classes `number` (n,) int: (n,) weights that sum to n."""
    counts = np.bincount(number)
    weight = (1.0 / counts[number]) ** BALANCE
    weights: np.ndarray = weight * len(number) / weight.sum()
    return weights


def weights_of_tags(targets: np.ndarray) -> np.ndarray:
    """`class_weights` of every tag, for `targets` (n, K) of 1, 0 and NaN for unknown, which weighs 0: (n, K)."""
    weights = np.zeros(targets.shape)
    for tag, column in enumerate(targets.T):
        known = ~np.isnan(column)
        weights[known, tag] = class_weights(column[known] == 1)
    return weights


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, K) → (N, K) probabilities, float64. A logit of −inf gives 0."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probability


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
    design, basis = _in_their_span(rows)
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


def _minimise_classes(
    rows: np.ndarray, number: np.ndarray, offset: np.ndarray, c: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, K) and biases (K,) that minimize ½|W|² + c Σ weight · cross-entropy on `rows` (n, D), by L-BFGS.

    Works in the span of the rows, like `_minimise`. Biases are almost unpenalized.
    """
    from scipy.optimize import minimize

    design, basis = _in_their_span(rows)
    weight = c * weights_of_classes(number)
    classes, place = offset.shape[1], np.arange(len(number))
    penalty = np.ones((design.shape[1], 1))
    penalty[-1] = 1 / _WIDE

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = flat.reshape(-1, classes)
        p = softmax(design @ parameters + offset)
        right = np.maximum(p[place, number], 1e-300)
        p[place, number] -= 1
        slope = penalty * parameters + design.T @ (weight[:, None] * p)
        return 0.5 * float((penalty * parameters**2).sum()) - float(weight @ np.log(right)), slope.ravel()

    found = minimize(loss, np.zeros(design.shape[1] * classes), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    parameters = found.x.reshape(-1, classes)
    weights = parameters[:-1] if basis is None else basis @ parameters[:-1]
    return weights, parameters[-1]


def _in_their_span(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(n, d + 1) coordinates of `rows` (n, D) in their span, d = min(n, D), and a column of ones; and the span's basis
    (D, d), None if the coordinates are the rows themselves.
    """
    rows, basis = np.asarray(rows, np.float64), None
    if len(rows) < rows.shape[1]:
        basis, triangle = np.linalg.qr(rows.T)
        rows = triangle.T
    return np.hstack([rows, np.ones((len(rows), 1))]), basis
