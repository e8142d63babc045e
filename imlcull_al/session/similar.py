"""Photos that look alike, by the cosine of their embeddings."""

from dataclasses import dataclass

import numpy as np

from ..learning import orders
from .standing import Photo, Standing


@dataclass(frozen=True)
class Similar:
    """An answered photo that looks like another one. `similarity`: cosine of the embeddings, −1 … 1."""

    key: str
    label: str
    similarity: float


def similar(now: Standing, key: str, count: int = 3) -> list[Similar]:
    """The answered photos most like this one, closest first; none while unprepared.

    Of two labels up to `count` each, kept before culled; of more, `2 * count` in all.
    """
    key = now.check(key)
    ranker, labels = now.ranking.ranker, now.answers.labels
    if ranker is None or key not in ranker.scorer.row:
        return []
    row, keys, units = ranker.scorer.row, ranker.scorer.keys, ranker.scorer.features.rows
    rows = sorted(row[other] for other in labels if other in row and other != key)
    cosines = units[rows] @ units[row[key]]
    closest = sorted(zip(-cosines, rows, strict=True))
    found = [Similar(keys[row], labels[keys[row]], float(-minus)) for minus, row in closest]
    if not now.task.is_binary:
        return found[: 2 * count]
    kinds = list(dict.fromkeys([*now.task.classes, *(each.label for each in found)]))
    return [each for label in kinds for each in [one for one in found if one.label == label][:count]]


def unlike(now: Standing) -> Photo | None:
    """The unlabeled photo least like the labeled ones; None while unprepared, or where either kind is missing."""
    ranker = now.ranking.ranker
    if ranker is None:
        return None
    row = ranker.scorer.row
    labeled = np.array([row[key] for key in now.answers.labels if key in row], np.intp)
    is_other = np.ones(len(row), bool)
    is_other[labeled] = False
    if not (len(labeled) and is_other.any()):
        return None
    chosen = orders.least_like(ranker.scorer.features.rows, labeled, np.flatnonzero(is_other))
    return now.photo(ranker.scorer.keys[chosen])
