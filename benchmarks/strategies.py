"""Query strategies on a pool with known labels: ours, margin, random, and those of scikit-activeml.

All use the same features. Ours and margin refit after every label, as the app does, but choose C only after every
eighth, because that takes most of the time. scikit-activeml's strategies query batches of 20, as most of them are
designed for, after the first 20 photos of the same covering start.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from imlcull_al.learning import head, orders

AUDIT_EVERY = 8
CHOOSE_C_EVERY = 8
BATCH = 20
Asked = tuple[np.ndarray, np.ndarray]
"""Rows (n,) in query order, and whether each may train (n,) bool: spot checks only measure."""


@dataclass(frozen=True)
class Pool:
    """The N photos that may be asked: features, `covering` order, burst numbers.

    `seed`: for everything a strategy draws at random.
    """

    known: head.Features
    covering: np.ndarray
    bursts: np.ndarray
    seed: int


def make_pool(embeddings: np.ndarray, bursts: np.ndarray, seed: int) -> Pool:
    """A pool of embeddings (N, D), centered and scaled on this pool alone."""
    known = head.features(embeddings)
    drawn = np.random.default_rng([seed, 4]).random(len(embeddings))
    return Pool(known, orders.covering_first(known, drawn), bursts, seed)


def random(pool: Pool, answers: np.ndarray, budget: int) -> Asked:
    """Uniformly random order."""
    rows = np.random.default_rng([pool.seed, 5]).permutation(len(answers))[:budget]
    return rows, np.ones(len(rows), bool)


def ours(pool: Pool, answers: np.ndarray, budget: int, *, audited: bool = False, plain: bool = False) -> Asked:
    """The app's order. `audited`: after the start, one photo in eight is drawn at random as a spot check and never
    trains. `plain`: after the start, always the most uncertain photo.
    """
    chance = np.random.default_rng([pool.seed, 6])
    stream, turns = chance.permutation(len(answers)), chance.integers(AUDIT_EVERY, size=budget)
    rows: list[int] = []
    trains: list[bool] = []
    free = np.ones(len(answers), bool)
    c = head.REGULARISATION
    for shown in range(min(budget, len(answers))):
        learned = np.array(rows, np.intp)[np.array(trains, np.bool_)]
        target = answers[learned]
        starting = orders.still_starting(orders.two_classes(target))
        block, place = divmod(shown, AUDIT_EVERY)
        is_audit = audited and not starting and place == turns[block]
        if starting or is_audit:
            order = (row for row in (stream if is_audit else pool.covering) if free[row])
        else:
            if len(target) % CHOOSE_C_EVERY == 0:
                c = head.chosen_regularisation(pool.known.at(learned), target)
            with patch.object(head, "chosen_regularisation", return_value=c):
                p = orders.two_classes(head.sigmoid(pool.known.logits(head.fit(pool.known, learned, target))))
            left = np.flatnonzero(free)
            by_app = orders.next_first(p, orders.two_classes(target), left, pool.bursts)
            order = iter(orders.most_uncertain_first(p, left) if plain else by_app)
        rows.append(int(next(order)))
        trains.append(not is_audit)
        free[rows[-1]] = False
    return np.array(rows), np.array(trains)


def scikit_activeml(name: str, **options: Any) -> Callable[[Pool, np.ndarray, int], Asked]:
    """A scikit-activeml strategy by class name, with a class-balanced logistic regression if it needs a classifier."""

    def asked(pool: Pool, answers: np.ndarray, budget: int) -> Asked:
        import skactiveml.pool
        from skactiveml.classifier import SklearnClassifier
        from sklearn.linear_model import LogisticRegression

        settings = {key: dict(value, random_state=pool.seed) for key, value in options.items() if key.endswith("dict")}
        strategy = getattr(skactiveml.pool, name)(random_state=pool.seed, **{**options, **settings})
        learner = LogisticRegression(C=head.REGULARISATION, class_weight="balanced", max_iter=500)
        needs = {} if name in ("TypiClust", "CoreSet") else {"clf": SklearnClassifier(learner, classes=[0, 1])}
        features = pool.known.at(np.arange(len(pool.known.rows)))
        given = np.full(len(answers), np.nan)  # NaN marks unlabeled photos
        rows = pool.covering[:BATCH].tolist()
        given[rows] = answers[rows]
        while len(rows) < min(budget, len(answers)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # while only one class is labeled
                batch = strategy.query(X=features, y=given, batch_size=BATCH, **needs)
            given[batch] = answers[batch]
            rows += [int(row) for row in batch]
        return np.array(rows), np.ones(len(rows), bool)

    return asked


STRATEGIES: dict[str, Callable[[Pool, np.ndarray, int], Asked]] = {
    "random": random,
    "ours": ours,
    "ours, audit counted": partial(ours, audited=True),
    "margin": partial(ours, plain=True),
    "uncertainty (sk)": scikit_activeml("UncertaintySampling", method="margin_sampling"),
    "BADGE (sk)": scikit_activeml("Badge"),
    "DropQuery (sk)": scikit_activeml("DropQuery", cluster_algo_dict={"n_init": 1}),
    "TypiClust (sk)": scikit_activeml("TypiClust"),
    "CoreSet (sk)": scikit_activeml("CoreSet"),
}
RIVALS = [name for name in STRATEGIES if name.endswith("(sk)")]
