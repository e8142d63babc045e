"""Which scores count after a training: those of the head on frozen embeddings, of the trained model, or their mean.

Judged by cross-validation on the training answers, never by blind checks: these measure, and would stop measuring if
they chose. None of the three is judged with the hint, see `head.Features`, and in use all of them have it: the head
learns it as a feature, the model as a part of its correction, the mean as both. Pure arithmetic, independent of photos,
files and torch.
"""

from typing import NamedTuple

import numpy as np

from ..project.task import Task
from .head import softmax, weights_of_classes, weights_of_tags

SCORES = HEAD, MODEL, AVERAGE = "head", "model", "average"
OFTEN = 10
"""Answers of a class that a training needs before its model may count."""
ENOUGH = 20
"""New answers on which an earlier model is compared."""
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

    Rows that hold no number in either are left out. The lowest loss wins, but the model stands back where fewer than
    two classes, or no tag, were given `OFTEN` times: on so few, it is worse than it looks.
    """
    known = np.isfinite(head).all(axis=1) & np.isfinite(model).all(axis=1)
    head, model, targets = head[known], model[known], targets[known]
    if not len(targets):
        return Choice(HEAD, {}, {}, 1.0)
    scale = float(min(_SCALES, key=lambda each: losses(each * model, targets, task).mean()))
    logits = {HEAD: head, MODEL: scale * model, AVERAGE: (head + scale * model) / 2}
    found = {name: losses(each, targets, task) for name, each in logits.items()}
    means = {name: float(each.mean()) for name, each in found.items()}
    best = min(means, key=lambda name: means[name]) if _was_given_often(targets, task) else HEAD
    return Choice(best, means, {name: _accuracy(each, targets, task) for name, each in logits.items()}, scale)


def _was_given_often(targets: np.ndarray, task: Task) -> bool:
    have = (targets == 1).sum(axis=0)
    if task.exclusive:
        return bool((have >= OFTEN).sum() > 1)
    return bool((np.minimum(have, (targets == 0).sum(axis=0)) >= OFTEN).any())


def is_worse(found: np.ndarray, before: np.ndarray, targets: np.ndarray, task: Task) -> tuple[float, float] | None:
    """Whether the logits `found` (n, K) are worse than those of the model `before`, by more than one standard error of
    the loss: the accuracies of both; None if they aren't, or if fewer than `ENOUGH` rows hold numbers in both.
    """
    known = np.isfinite(found).all(axis=1) & np.isfinite(before).all(axis=1)
    if known.sum() < ENOUGH:
        return None
    found, before, targets = found[known], before[known], targets[known]
    loss = losses(found, targets, task) - losses(before, targets, task)
    if loss.mean() <= loss.std() / np.sqrt(len(loss)):
        return None
    return _accuracy(found, targets, task), _accuracy(before, targets, task)


def losses(logits: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """(n,) cross-entropy in nats of each photo: of its class, or the mean over its known tags. Rare classes weigh more,
    as in the fits of head and model: plain losses would favor whichever calls everything common.
    """
    if task.exclusive:
        right = softmax(logits)[targets == 1]
        weighed: np.ndarray = -weights_of_classes(targets.argmax(axis=1)) * np.log(np.maximum(right, 1e-300))
        return weighed
    each = weights_of_tags(targets) * np.logaddexp(0, np.where(targets == 1, -1, 1) * logits)
    total: np.ndarray = each.sum(axis=1) / np.maximum((~np.isnan(targets)).sum(axis=1), 1)
    return total


def _accuracy(logits: np.ndarray, targets: np.ndarray, task: Task) -> float:
    if task.exclusive:
        return float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())
    is_known = ~np.isnan(targets)
    return float(((logits >= 0) == (targets == 1))[is_known].mean())
