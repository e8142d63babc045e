"""Row 5: from a label to the new order, against scikit-activeml on the same embeddings and labels."""

import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.speed.harness import fresh
from benchmarks.speed.material import Material, rows, subjects
from benchmarks.speed.report import Aim, Row
from imlcull_al import open_session

ANSWERED = 100


def measure(material: Material) -> list[Row]:
    """Both sides in alternating turns."""
    count = material.some(100_000, 3000)
    made = material.project(count)
    where = {"folder": str(made.folder), "cache": str(made.cache), "model": str(material.base())}
    found = fresh(answers, **where, count=count, turns=5 if material.quick else 9)
    against = "scikit-activeml's UncertaintySampling with scikit-learn's LogisticRegression"
    note = f"after {ANSWERED} answers; fits, scores all, lists the first 20; the answer is on the disk before"
    work = f"refit and order again after an answer, {count:,} × 768"
    return [Row("5", work, found["ours"], against, found["theirs"], Aim("faster", 10), note=note)]


def answers(folder: str, cache: str, model: str, count: int, turns: int) -> dict[str, list[float]]:
    """Runs in a process of its own. Both sides start with `ANSWERED` labels; each turn adds one to both."""
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import UncertaintySampling
    from sklearn.linear_model import LogisticRegression

    session = open_session(folder, model=model, cache_dir=Path(cache))
    features = np.concatenate(list(rows(count, 768)))
    truth = subjects(count) % 2
    given = np.full(count, np.nan)
    before = [int(key.split("_")[1].split(".")[0]) for key in session.labels()]  # from an earlier run
    given[before] = truth[before]
    asked = iter(np.setdiff1d(np.random.default_rng(5).permutation(count)[: 4 * (ANSWERED + turns)], before).tolist())
    keys = session.listing.keys
    for number in [next(asked) for _ in range(max(0, ANSWERED - len(before)))]:
        session.answer(keys[number], ("keep", "cull")[truth[number]])
        given[number] = truth[number]
    session.order(20)
    strategy = UncertaintySampling(random_state=0)
    learner = SklearnClassifier(LogisticRegression(max_iter=500), classes=[0, 1])
    warnings.simplefilter("ignore")
    strategy.query(X=features, y=given, clf=learner)
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(turns):
        number = next(asked)
        session.answer(keys[number], ("keep", "cull")[truth[number]])
        since = time.perf_counter()
        session.order(20)
        found["ours"].append(time.perf_counter() - since)
        given[number] = truth[number]
        since = time.perf_counter()
        strategy.query(X=features, y=given, clf=learner)
        found["theirs"].append(time.perf_counter() - since)
    return found
