"""The linear probe that a training starts from: the light head of a task, fitted to embeddings. Arrays in, head out.

Independent of photos, files and torch.
"""

import numpy as np

from ..learning import head
from ..learning.head import Head, Heads
from ..project.task import Task


def fit(embeddings: np.ndarray, targets: np.ndarray, task: Task) -> Head | Heads:
    """A head for finite `embeddings` (n, D) with `task.targets` (n, K): log-odds of the first of two classes, or else
    logits of all classes, or log-odds of each tag.

    `embeddings` are normalized in place. Raises `ValueError` unless there are two classes, or a tag that some have and
    some don't.
    """
    known = head.features(embeddings)
    everything = np.arange(len(targets))
    if not task.exclusive:
        return _tags(known, targets)
    if task.is_binary:
        return head.fit(known, everything, targets[:, 0] == 1)
    return head.fit_classes(known, everything, targets.argmax(axis=1), len(task.classes))


def _tags(known: head.Features, targets: np.ndarray) -> Heads:
    """A tag that all have, or none, has the same odds for every photo: those of `n + 1` to 1."""
    have, lack = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    weights, bias = np.zeros((known.rows.shape[1], targets.shape[1]), np.float32), np.log((have + 1) / (lack + 1))
    told = np.flatnonzero((have > 0) & (lack > 0))
    if not len(told):
        raise ValueError("a tag that some have and some don't is needed")
    for tag in told:
        rows = np.flatnonzero(np.isfinite(targets[:, tag]))
        fitted = head.fit(known, rows, targets[rows, tag] == 1)
        weights[:, tag], bias[tag] = fitted.weights, fitted.bias
    return Heads(weights, bias)
