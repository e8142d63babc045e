"""Which scores count after a training: those of the head on frozen embeddings, of the trained model, or their mean.

Judged by cross-validation on the training answers, never by blind checks: these measure, and would stop measuring if
they chose. Pure arithmetic, independent of photos, files and torch.
"""

from typing import NamedTuple

import numpy as np

from ..project.task import Task
from .head import softmax

SCORES = HEAD, MODEL, AVERAGE = "head", "model", "average"
_SCALES = np.geomspace(0.1, 2.0, 61)


class Choice(NamedTuple):
    """The scores that count: `head`, `model` or `average`.

    `losses`, `accuracies`: of each of the three on photos that it was not trained on; mean cross-entropy in nats, share
    of photos, for tags of known tags. `scale`: what the logits of the model are multiplied by, so that they are neither
    too sure nor too modest.
    """

    scores: str
    losses: dict[str, float]
    accuracies: dict[str, float]
    scale: float


def choose(head: np.ndarray, model: np.ndarray, targets: np.ndarray, task: Task) -> Choice:
    """Choose by `targets` (n, K) and the logits (n, K) of head and model, each for photos that it was not trained on.

    Rows that hold no number in either are left out. The lowest loss wins; the model must beat the head by one standard
    error of the difference, so that it stands back where a class was given a few times only.
    """
    known = np.isfinite(head).all(axis=1) & np.isfinite(model).all(axis=1)
    head, model, targets = head[known], model[known], targets[known]
    if not len(targets):
        return Choice(HEAD, {}, {}, 1.0)
    scale = float(min(_SCALES, key=lambda each: losses(each * model, targets, task).mean()))
    logits = {HEAD: head, MODEL: scale * model, AVERAGE: (head + scale * model) / 2}
    found = {name: losses(each, targets, task) for name, each in logits.items()}
    means = {name: float(each.mean()) for name, each in found.items()}
    best = min(means, key=lambda name: means[name])
    gain = found[HEAD] - found[best]
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        best = HEAD
    return Choice(best, means, {name: _accuracy(each, targets, task) for name, each in logits.items()}, scale)


def losses(logits: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """(n,) cross-entropy in nats of each photo: of its class, or the mean over its known tags."""
    if task.exclusive:
        right = softmax(logits)[targets == 1]
        return -np.log(np.maximum(right, 1e-300))
    is_known = ~np.isnan(targets)
    each = np.logaddexp(0, np.where(targets == 1, -1, 1) * logits)
    total: np.ndarray = np.where(is_known, each, 0).sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    return total


def _accuracy(logits: np.ndarray, targets: np.ndarray, task: Task) -> float:
    if task.exclusive:
        return float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())
    is_known = ~np.isnan(targets)
    return float(((logits >= 0) == (targets == 1))[is_known].mean())
