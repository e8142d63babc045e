"""Every queue of a stage, from its answers and what the encoder sees: keys in, keys out.

    ranker = Ranker(scorer, seen)                  # once for a set of embeddings
    ranking = ranker.rank(answers)                 # after every answer
    next(ranking.queue("uncertain"))               # ("b.jpg", "uncertain")

Audited photos measure: they never train, and never say what is asked next.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from ..encoding.embeddings import Embeddings
from ..errors import StageError
from ..project.labels import AUDIT, KEEP, Answers
from . import blind, bursts, orders
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
        self.scorer, self.seen = scorer, seen
        self._stream: tuple[str, np.ndarray] | None = None
        self.bursts = bursts.in_time(seen.taken, bursts.groups(seen.taken, seen.rows))

    @cached_property
    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets."""
        return bursts.brackets(self.seen.taken, self.bursts, self.seen.compensation)

    @cached_property
    def covering(self) -> np.ndarray:
        """(N,) rows, those first that cover the rest best; until the answers can say more."""
        return orders.covering_first(self.scorer.features, orders.uniform(self.scorer.keys))

    def stream(self, seed: str) -> np.ndarray:
        """(N,) rows in the order of the audit."""
        if self._stream is None or self._stream[0] != seed:
            order = blind.stream(self.scorer.keys, seed)
            self._stream = (seed, np.array([self.scorer.row[key] for key in order], np.intp))
        return self._stream[1]

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
        self._is_open = np.ones(len(keys), bool)
        self._is_open[[row for key in chain(answers.labels, withheld) if (row := self._row(key)) is not None]] = False
        self._p_keep = ranker.scorer.p_keep(answers.training) if ranker else None
        self._orders: dict[str, np.ndarray] = {}
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
        row = None if self._p_keep is None else self._row(key)
        return None if self._p_keep is None or row is None else float(self._p_keep[row])

    def queue(self, name: str, out: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Keys in the order of a queue, each with what it is asked for: in `uncertain` now and then for the audit.

        `out`: photos that people are given already, and will answer before. The turns of the audit go by how many come
        before a photo; none comes twice. Raises `StageError` for no queue.
        """
        keys = self._names(self._order(name))
        mixed = self._mixed(out) if name == "uncertain" else {}
        return chain(mixed.items(), ((key, name) for key in keys if key not in mixed))

    def holds(self, name: str, key: str) -> bool:
        """Whether a photo is in a queue."""
        row = self._row(key)
        if row is None or name != "disagreements":
            return row is not None and bool(self._is_open[row])
        return row in self._order(name)

    def most_uncertain(self) -> Iterator[str]:
        """Keys that have no answer, p_keep nearest to ½ first: what the scores are least sure of, which is not always
        what teaches most. Without scores, the order of `uncertain`.
        """
        if self._p_keep is None:
            return self._names(self._order("uncertain"))
        rows = orders.most_uncertain_first(self._p_keep, np.flatnonzero(self._is_open))
        return self._names(self._skipped_last(rows))

    def _mixed(self, out: Collection[str]) -> dict[str, str]:
        """The front of `uncertain`: what teaches most, and at its turns the next of the audit."""
        if self._is_starting:  # nothing can be measured yet
            return {}
        asked = self._order("uncertain")
        checks, queries = self._names(self._order(AUDIT)), self._names(asked)
        given = len(self.answers.labels) + len(out)
        mixed: dict[str, str] = {}
        for place in range(min(_MIXED, len(asked))):
            is_check = blind.is_audit_turn(self.answers.seed, given + place)
            source, name = (checks, AUDIT) if is_check else (queries, "uncertain")
            key = next((key for key in source if key not in mixed and key not in out), None)
            if key is not None:
                mixed[key] = name
        return mixed

    @cached_property
    def _learned(self) -> np.ndarray:
        """(n,) bool, whether each of the answers that train is to keep."""
        assert self._ranker is not None
        return self._ranker.scorer.labeled(self.answers.training)[1]

    @property
    def _is_starting(self) -> bool:
        if self._p_keep is None or self._ranker is None:
            return True
        return orders.still_starting(self._learned)

    def _row(self, key: str) -> int | None:
        """Where a photo is among `keys`; None for one that is not."""
        row = bisect_left(self.keys, key)
        return row if row < len(self.keys) and self.keys[row] == key else None

    def _names(self, rows: np.ndarray) -> Iterator[str]:
        """Lazily: of a million photos a page wants the first few."""
        return (self.keys[row] for row in rows)

    def _order(self, name: str) -> np.ndarray:
        """Rows in the order of one queue alone, skipped ones last. Raises `StageError` for no queue."""
        check_queue(name)
        if name not in self._orders:
            self._orders[name] = self._skipped_last(self._rows(name))
        return self._orders[name]

    def _skipped_last(self, rows: np.ndarray) -> np.ndarray:
        skipped = np.array([row for key in self.answers.skipped if (row := self._row(key)) is not None], np.intp)
        if not len(skipped):
            return rows
        return np.concatenate([rows[~np.isin(rows, skipped)], skipped[np.isin(skipped, rows)]])

    def _rows(self, name: str) -> np.ndarray:
        """Rows in the order of a queue."""
        candidates = np.flatnonzero(self._is_open)
        if name == "files":
            return candidates
        if self._ranker is None:
            return self._without_ranker(name, candidates)
        if name == AUDIT:
            stream = self._ranker.stream(self.answers.seed)
            return stream[self._is_open[stream]]
        if name == "disagreements":
            return self._disagreements()
        if self._p_keep is None or (name == "uncertain" and self._is_starting):
            covering = self._ranker.covering
            return covering[self._is_open[covering]]
        if name == "uncertain":
            return orders.next_first(self._p_keep, self._learned, candidates, self._ranker.bursts)
        return orders.likeliest_first(self._p_keep if name == "keepers" else 1 - self._p_keep, candidates)

    def _without_ranker(self, name: str, candidates: np.ndarray) -> np.ndarray:
        if name == "disagreements":
            return candidates[:0]
        keys = [self.keys[row] for row in candidates]
        if name == AUDIT:
            row = dict(zip(keys, candidates, strict=True))
            return np.array([row[key] for key in blind.stream(keys, self.answers.seed)], np.intp)
        return candidates[np.argsort(orders.uniform(keys), kind="stable")]

    def _disagreements(self) -> np.ndarray:
        if self._p_keep is None:
            return np.empty(0, np.intp)
        labels, settled = self.answers.labels, self.answers.confirmed | self.answers.audited  # a check stays blind
        rows = [row for row, key in enumerate(self.keys) if key in labels and key not in settled]
        is_keep = np.array([labels[self.keys[row]] == KEEP for row in rows], bool)
        return orders.disagreements_first(self._p_keep, np.array(rows, np.intp), is_keep)


def check_queue(queue: str) -> None:
    """Raise `StageError` for what is none of `QUEUES`."""
    if queue not in tuple(QUEUES):  # a tuple: a page may send what has no hash
        raise StageError(f"There is no queue {queue!r}. Choose one of {', '.join(QUEUES)}.")
