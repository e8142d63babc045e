"""Every queue of a stage, from its answers and what the encoder sees: keys in, keys out.

    ranker = Ranker(scorer, seen)                  # once for a set of embeddings
    ranking = ranker.rank(answers)                 # after every answer
    next(ranking.queue("uncertain"))               # "b.jpg"

Audited photos measure: they never train, and never say what is asked next.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

import numpy as np

from . import audit, bursts, query
from .embeddings import Embeddings
from .errors import StageError
from .labels import AUDIT, KEEP, Answers
from .scores import Scorer

QUEUES = {
    "uncertain": "most uncertain",
    AUDIT: "audit",
    "keepers": "likely keepers",
    "culls": "likely culls",
    "disagreements": "disagreements",
    "files": "file order",
}
"""The queues a person can choose, and what they are called. `uncertain` asks what teaches most, and every eighth time
or so for the audit; `audit` is blind and in random order; `disagreements` holds answered photos that the scores would
decide otherwise; the others hold unlabeled photos."""
_MIXED = 256
"""Places of `uncertain` into which the audit is mixed; no page looks further ahead."""


class Ranker:
    """What stays the same from answer to answer."""

    def __init__(self, scorer: Scorer, seen: Embeddings) -> None:
        """`seen`: the embeddings that `scorer` works on."""
        self.scorer = scorer
        self.bursts = bursts.in_time(seen.taken, bursts.groups(seen.taken, seen.rows))
        self.brackets = bursts.brackets(seen.taken, self.bursts, seen.compensation)

    @cached_property
    def covering(self) -> np.ndarray:
        """(N,) rows, those first that cover the rest best; until the answers can say more."""
        return query.covering_first(self.scorer.features, query.uniform(self.scorer.keys))

    @lru_cache(maxsize=2)  # noqa: B019 - it lives as long as the embeddings
    def stream(self, seed: str) -> np.ndarray:
        """(N,) rows in the order of the audit."""
        order = audit.stream(self.scorer.keys, seed)
        return np.array([self.scorer.row[key] for key in order], np.intp)

    def rank(self, answers: Answers, withheld: Collection[str] = ()) -> "Ranking":
        """Fit the head and order all queues, each when it is first asked for; see `Ranking`."""
        return Ranking(self.scorer.keys, answers, self, withheld)


class Ranking:
    """The queues and scores at one moment. Without a ranker, while nothing is embedded, photos come in random order."""

    def __init__(
        self,
        keys: Sequence[str],
        answers: Answers,
        ranker: Ranker | None = None,
        withheld: Collection[str] = (),
    ) -> None:
        """`keys`: all photos that can be shown, sorted. `withheld`: never asked about, but scored."""
        self.keys = keys
        self.answers = answers
        self._ranker = ranker
        self._names = np.array(keys, object)
        self._is_open = np.array([key not in answers.labels and key not in withheld for key in keys], bool)
        self._p_keep = ranker.scorer.p_keep(answers.training) if ranker else None
        self._orders: dict[str, list[str]] = {}
        self.promises: dict[tuple[float, ...], Any] = {}
        """What was worked out about these answers, by what was asked; see promise."""

    @property
    def ranker(self) -> Ranker | None:
        """What made it; None while nothing is embedded."""
        return self._ranker

    @property
    def p_keep(self) -> np.ndarray | None:
        """(N,) by `keys`; None while there is no score."""
        return self._p_keep

    def score(self, key: str) -> float | None:
        """p_keep of one photo, None where there is none."""
        if self._p_keep is None or self._ranker is None:
            return None
        row = self._ranker.scorer.row.get(key)
        return None if row is None else float(self._p_keep[row])

    def queue(self, name: str) -> Iterator[str]:
        """Keys in the order of a queue. Raises `StageError` for no queue."""
        if name != "uncertain":
            return iter(self.order(name))
        return chain(self._mixed, (key for key in self.order(name) if key not in self._mixed))

    def asked_for(self, name: str, key: str) -> str:
        """What a photo of a queue is asked for: in `uncertain` now and then for the audit."""
        return self._mixed.get(key, name) if name == "uncertain" else name

    def holds(self, name: str, key: str) -> bool:
        """Whether a photo is in a queue."""
        if name == "disagreements":
            return key in self.order(name)
        row = bisect_left(self.keys, key)
        return row < len(self.keys) and self.keys[row] == key and bool(self._is_open[row])

    def order(self, name: str) -> list[str]:
        """Keys in the order of one queue alone, skipped ones last. Raises `StageError` for no queue."""
        check_queue(name)
        if name not in self._orders:
            self._orders[name] = last(self._audit() if name == AUDIT else self._keys(name), self.answers.skipped)
        return self._orders[name]

    def most_uncertain(self) -> list[str]:
        """Keys that have no answer, p_keep nearest to ½ first: what the scores are least sure of, which is not always
        what teaches most. Without scores, the order of `uncertain`.
        """
        if self._p_keep is None:
            return self.order("uncertain")
        rows = query.most_uncertain_first(self._p_keep, np.flatnonzero(self._is_open))
        return last(self._names[rows].tolist(), self.answers.skipped)

    @cached_property
    def _mixed(self) -> dict[str, str]:
        """The front of `uncertain`, each key with what it is asked for: what teaches most, and at its turns the next of
        the audit.
        """
        if self._is_starting:  # nothing can be measured yet
            return {}
        asked = self.order("uncertain")
        checks, queries = iter(self.order(AUDIT)), iter(asked)
        given = len(self.answers.labels)
        mixed: dict[str, str] = {}
        for place in range(min(_MIXED, len(asked))):
            is_check = audit.is_audit_turn(self.answers.seed, given + place)
            source, name = (checks, AUDIT) if is_check else (queries, "uncertain")
            key = next((key for key in source if key not in mixed), None)
            if key is not None:
                mixed[key] = name
        return mixed

    @property
    def _is_starting(self) -> bool:
        if self._p_keep is None or self._ranker is None:
            return True
        return query.still_starting(self._ranker.scorer.labeled(self.answers.training)[1])

    def _audit(self) -> list[str]:
        if self._ranker is None:
            return audit.stream(self._names[self._is_open].tolist(), self.answers.seed)
        stream = self._ranker.stream(self.answers.seed)
        keys: list[str] = self._names[stream[self._is_open[stream]]].tolist()
        return keys

    def _keys(self, name: str) -> list[str]:
        keys: list[str] = self._names[self._rows(name)].tolist()
        return keys

    def _rows(self, name: str) -> np.ndarray:
        """Rows in the order of a queue."""
        candidates = np.flatnonzero(self._is_open)
        if name == "files":
            return candidates
        if self._ranker is None:
            if name == "disagreements":
                return candidates[:0]
            return candidates[np.argsort(query.uniform(self._names[candidates].tolist()), kind="stable")]
        if name == "disagreements":
            return self._disagreements()
        if self._p_keep is None or (name == "uncertain" and self._is_starting):
            covering = self._ranker.covering
            return covering[self._is_open[covering]]
        if name == "uncertain":
            _, target = self._ranker.scorer.labeled(self.answers.training)
            return query.next_first(self._p_keep, target, candidates, self._ranker.bursts)
        return query.likeliest_first(self._p_keep if name == "keepers" else 1 - self._p_keep, candidates)

    def _disagreements(self) -> np.ndarray:
        if self._p_keep is None:
            return np.empty(0, np.intp)
        labels, settled = self.answers.labels, self.answers.confirmed | self.answers.audited  # a check stays blind
        rows = [row for row, key in enumerate(self.keys) if key in labels and key not in settled]
        is_keep = np.array([labels[self.keys[row]] == KEEP for row in rows], bool)
        return query.disagreements_first(self._p_keep, np.array(rows, np.intp), is_keep)


def check_queue(queue: str) -> None:
    """Raise `StageError` for what is none of `QUEUES`."""
    if queue not in tuple(QUEUES):  # a tuple: a page may send what has no hash
        raise StageError(f"There is no queue {queue!r}. Choose one of {', '.join(QUEUES)}.")


def last(keys: Sequence[str], skipped: Sequence[str]) -> list[str]:
    """The keys, those that were skipped behind the others."""
    if not skipped:
        return list(keys)
    ranked = dict.fromkeys(keys)
    behind = [key for key in skipped if ranked.pop(key, key) is None]
    return [*ranked, *behind]
