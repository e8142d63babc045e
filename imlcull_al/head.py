"""The light classifier on embeddings, refitted after every answer: arrays in, arrays out.

Class-balanced L2-regularised logistic regression on features that are unit-length embeddings, centred over all photos
and scaled to unit mean square. Takes a binary target; knows nothing of keeping, of photos or of files.
"""

from dataclasses import dataclass

import numpy as np

REGULARISATION = 3.0
"""C of the logistic regression: inverse strength of the penalty, on features whose squared length is 1 on average."""


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


def fit(embeddings: np.ndarray, labeled: np.ndarray, target: np.ndarray, offset: np.ndarray | None = None) -> Head:
    """Fit on the rows `labeled` (n,) of `embeddings` (N, D) with `target` (n,) bool; all rows set centre and scale.

    `offset` (n,): log-odds known beforehand for those rows; what is fitted then is a correction to them, zero where
    they are right. Without it both classes must be there (`ValueError`).
    """
    if offset is None and (target.all() or not target.any()):
        raise ValueError("both classes are needed")
    rows = unit(embeddings)
    centre = rows.mean(axis=0)
    scale = max(float(np.sqrt(np.square(rows - centre).sum(axis=1).mean())), 1e-9)
    features = (rows[labeled] - centre) / scale
    known = np.zeros(len(target)) if offset is None else offset
    weights, bias = _minimise(features, target, known, class_weights(target), REGULARISATION)
    weights = weights / scale
    return Head(weights.astype(np.float32), float(bias - centre @ weights))


def class_weights(target: np.ndarray) -> np.ndarray:
    """(n,) weights that give both classes the same sum, n in all; ones where there is one class only."""
    positive = int(target.sum())
    if positive in (0, len(target)):
        return np.ones(len(target))
    n = len(target)
    return np.where(target, n / (2 * positive), n / (2 * (n - positive)))


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Rows of length 1 (float32); a row of zeros stays zero."""
    rows = np.asarray(embeddings, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−logits)) without overflow; float64."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))


def _minimise(
    features: np.ndarray, target: np.ndarray, offset: np.ndarray, weight: np.ndarray, c: float
) -> tuple[np.ndarray, float]:
    """Weights (D,) and bias of ½|w|² + c Σ weight · log-loss, the bias unpenalised but for one class only."""
    from scipy.optimize import minimize

    x = features.astype(np.float64)
    sign = np.where(target, 1.0, -1.0)
    bias_penalty = 0.0 if target.any() and not target.all() else 1.0  # else it would run off to infinity

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = parameters[:-1], parameters[-1]
        margin = sign * (x @ w + b + offset)
        slope = -c * weight * sign * sigmoid(-margin)
        value = 0.5 * (w @ w + bias_penalty * b * b) + c * (weight * np.logaddexp(0, -margin)).sum()
        return value, np.append(w + x.T @ slope, bias_penalty * b + slope.sum())

    solution = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return solution.x[:-1], float(solution.x[-1])
