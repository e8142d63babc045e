"""The queues of a stage, computed from its answers and embeddings: keys in, keys out.

    ranker = Ranker(scorer, seen)                  # once per set of embeddings
    ranking = ranker.rank(answers)                 # after every answer
    next(ranking.queue("uncertain"))               # ("b.jpg", "uncertain")

While photos are embedded, `seen` is the part that is there. Its photos come first; the `unseen` ones follow in a random
order, so no photo is out of reach. Checks are drawn from all photos, seen or not, so their order doesn't depend on what
is embedded first. Checked photos only measure: they never train and never decide what is asked next.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from ..encoding.embeddings import Embeddings
from ..errors import StageError
from ..project.labels import AUDIT, Answers
from ..project.task import CULL_TASK, Task
from . import blind, bursts, orders, sheets
from .scores import Scorer

QUEUES = {
    "uncertain": "most uncertain",
    AUDIT: "audit",
    "keepers": "likely keepers",
    "culls": "likely culls",
    "disagreements": "disagreements",
    "files": "file order",
}
"""The queues a person can choose, and their display names. `uncertain` asks the most informative photos, with about one
check in eight; `audit` holds the checks: blind, in random order; `disagreements` holds answered photos where the score
contradicts the answer; the others hold unlabeled photos. Other tasks have a queue `likely NAME` for each class."""
_LIKELY = "likely "
_MIXED = 256
"""Length of the front of `uncertain` that is interleaved with checks; no page prefetches further."""


class Ranker:
    """The state that does not depend on the answers: features, bursts, covering order and audit stream.

    `keys`: the readable photos, those with an embedding first, in the rows of `scorer` and `seen`; `row`: their places
    in it. `unseen`: photos without an embedding, sorted.
    """

    def __init__(self, scorer: Scorer, seen: Embeddings, photos: Sequence[str] = ()) -> None:
        """`seen`: the embeddings that `scorer` works on. `photos`: all of the stage, sorted, if there are more."""
        self.scorer, self.seen = scorer, seen
        self.unseen = tuple(key for key in photos if key not in scorer.row and key not in seen.unreadable)
        self.keys, self.row = scorer.keys, scorer.row
        if self.unseen:
            self.keys = (*scorer.keys, *self.unseen)
            self.row = {key: row for row, key in enumerate(self.keys)}
        self._stream: tuple[str, Mapping[str, str], np.ndarray] | None = None
        self.bursts, self.brackets = scorer.bursts, scorer.brackets

    @cached_property
    def others(self) -> np.ndarray:
        """Rows of the `unseen` photos, in random order."""
        return len(self.scorer.keys) + np.argsort(orders.uniform(self.unseen), kind="stable")

    @cached_property
    def by_name(self) -> np.ndarray:
        """All rows, in the order of their keys."""
        if not self.unseen:
            return np.arange(len(self.keys))
        return np.array(sorted(range(len(self.keys)), key=self.keys.__getitem__), np.intp)

    def among(self, photos: Sequence[str]) -> "Ranker":
        """The ranker for other photos of the stage, sorted: those that are gone are left out, new ones are unseen."""
        seen = self.seen.among(frozenset(photos))
        is_same = len(seen.keys) == len(self.seen.keys)
        return Ranker(self.scorer if is_same else self.scorer.of(seen, self.scorer.task), seen, photos)

    def is_same(self, other: "Ranker") -> bool:
        """Whether both rank the same photos by the same embeddings from the same source."""
        one, two = self.scorer, other.scorer
        if one.source is not two.source or not self.seen.is_same(other.seen):
            return False
        return one.frozen is two.frozen or (one.frozen is not None and one.frozen.is_same(two.frozen))

    def asking(self, task: Task) -> "Ranker":
        """The ranker for the same photos and a task that got more classes; itself if it has as many."""
        if not task.is_more_than(self.scorer.task):
            return self
        return Ranker(self.scorer.of(self.seen, task), self.seen, self.unseen)

    @cached_property
    def has_bursts(self) -> bool:
        """Whether any burst has several frames."""
        return int(self.bursts.max(initial=-1)) + 1 < len(self.bursts)

    @cached_property
    def copies(self) -> np.ndarray:
        """(n,) numbers of the photos with an embedding that are there more than once; see `bursts.copies`."""
        return bursts.copies(self.seen.rows)

    @cached_property
    def covering(self) -> np.ndarray:
        """(N,) rows in covering order, most representative first: the order of the start."""
        return orders.covering_first(self.scorer.features, orders.uniform(self.scorer.keys))

    def stream(self, answers: Answers) -> np.ndarray:
        """All rows in audit order. Cached for the latest seed."""
        seed, names = answers.seed, answers.first_names
        if self._stream is None or self._stream[:2] != (seed, names):
            order = blind.stream(self.keys, seed, names)
            self._stream = (seed, names, np.array([self.row[key] for key in order], np.intp))
        return self._stream[2]

    def rank(self, answers: Answers, withheld: Collection[str] = (), last: Collection[str] = ()) -> "Ranking":
        """Fit the head to the answers. Queues are ordered lazily; see `Ranking`."""
        return Ranking(self.keys, answers, self, withheld, self.scorer.task, last)


class Ranking:
    """The queues and scores for one set of answers. Without a ranker (no embeddings yet), the order is random."""

    def __init__(
        self,
        keys: Sequence[str],
        answers: Answers,
        ranker: Ranker | None = None,
        withheld: Collection[str] = (),
        task: Task = CULL_TASK,
        last: Collection[str] = (),
    ) -> None:
        """`keys`: the `keys` of the ranker, or all photos, sorted. `withheld`: photos that are never asked about.

        `last`: photos that come last in `uncertain`, and as checks whenever it is their turn.
        """
        self.keys, self.task = keys, task
        self.answers = answers
        self._ranker = ranker
        self._is_open = np.ones(len(keys), bool)
        self._is_open[[row for key in chain(answers.labels, withheld) if (row := self._row(key)) is not None]] = False
        self._is_last = np.zeros(len(keys), bool)
        self._is_last[[row for key in last if (row := self._row(key)) is not None]] = True
        self.probability = ranker.scorer.probability(answers.training) if ranker else None
        """(n, K) scores of the first n of `keys`, those with an embedding; None without scores."""
        self._orders: dict[str, np.ndarray] = {}
        self.promises: dict[tuple[float | str, ...], Any] = {}
        """Cache of promises for this ranking, by what was asked; see `Standing.promise`."""

    @property
    def ranker(self) -> Ranker | None:
        """The ranker behind this ranking; None without embeddings."""
        return self._ranker

    @property
    def p_keep(self) -> np.ndarray | None:
        """(n,) probability of the first class, or of the first tag; None without scores."""
        return None if self.probability is None else self.probability[:, 0]

    def scores(self, key: str) -> tuple[float, ...] | None:
        """The probability of every class for one photo, or None. NaN for a tag that nothing is known of."""
        row = None if self.probability is None else self._row(key)
        if self.probability is None or row is None or row >= len(self.probability):
            return None
        return tuple(self.probability[row].tolist())

    def queue(self, name: str, out: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """(key, queue it is asked in) in order; in `uncertain`, some photos are asked as checks. No key repeats.

        `out`: photos already shown to people; they count as asked before these, which shifts the turns of the checks.
        Raises `StageError` for an unknown queue.
        """
        keys = self._names(self._order(name))
        mixed = self._mixed(out) if name == "uncertain" else {}
        return chain(mixed.items(), ((key, name) for key in keys if key not in mixed))

    def below(self, threshold: float) -> np.ndarray:
        """(N,) bool by row of `keys`: photos that score below `threshold`, or have no score."""
        is_below = np.ones(len(self.keys), bool)
        if self.p_keep is not None:
            is_below[: len(self.p_keep)] = self.p_keep < threshold
        return is_below

    def sheet(self, threshold: float) -> Iterator[str]:
        """The checks in the order in which sheets ask them: mostly photos that score below `threshold`."""
        return self._names(sheets.in_turn(self._order(AUDIT), self.below(threshold)))

    def asked_again(self) -> list[str]:
        """Photos whose answer on a sheet is to be asked again, in the order of their answers."""
        answers = self.answers
        there = [key for key in answers.labels if key in answers.sheets and key not in answers.again]
        return [key for key in there if self._row(key) is not None and sheets.is_asked_again(answers.seed, key)]

    def looks(self, threshold: float, until: float) -> Iterator[str]:
        """Unanswered photos that score from `threshold` to below `until`, likeliest keepers first."""
        if self.p_keep is None:
            return iter(())
        rows = orders.likeliest_first(self.p_keep, self._candidates)
        return self._names(rows[(self.below(until) & ~self.below(threshold))[rows]])

    def holds(self, name: str, key: str) -> bool:
        """Whether a queue contains a photo."""
        row = self._row(key)
        if row is None or name != "disagreements":
            return row is not None and bool(self._is_open[row])
        return row in self._order(name)

    def most_uncertain(self) -> Iterator[str]:
        """Unlabeled keys by uncertainty; without scores, in the order of `uncertain`.

        The least certain photo is not always the most informative one.
        """
        if self.probability is None:
            return self._names(self._order("uncertain"))
        rows = orders.most_uncertain_first(self.probability, self._candidates, self.task.exclusive)
        return self._names(orders.in_turn(self._and_others(rows), np.maximum(self._turn, self._is_last)))

    def _mixed(self, out: Collection[str]) -> dict[str, str]:
        """The front of `uncertain`, with checks interleaved: key → queue it is asked in."""
        if self._is_starting:  # nothing to measure yet
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
        """(n, K) targets of the training answers."""
        assert self._ranker is not None
        return self._ranker.scorer.labeled(self.answers.training)[1]

    @property
    def _is_starting(self) -> bool:
        if self.probability is None or self._ranker is None:
            return True
        return orders.still_starting(self._learned, self.task.exclusive)

    def _row(self, key: str) -> int | None:
        """Index of a photo in `keys`, or None."""
        if self._ranker is not None:
            return self._ranker.row.get(key)
        row = bisect_left(self.keys, key)
        return row if row < len(self.keys) and self.keys[row] == key else None

    def _names(self, rows: np.ndarray) -> Iterator[str]:
        """Lazy, because a page needs the first few of a million."""
        return (self.keys[row] for row in rows)

    def _order(self, name: str) -> np.ndarray:
        """Rows of one queue without interleaving, skipped ones last. Raises `StageError` for an unknown queue."""
        check_queue(name, self.task)
        if name not in self._orders:
            turn = np.maximum(self._turn, self._is_last) if name == "uncertain" else self._turn
            self._orders[name] = orders.in_turn(self._rows(name), turn)
        return self._orders[name]

    @cached_property
    def _turn(self) -> np.ndarray:
        """(N,) 0, or from 2 on for skipped photos, in the order in which they were skipped: later than what is asked
        last.
        """
        turn = np.zeros(len(self.keys), np.intp)
        skipped = [row for key in self.answers.skipped if (row := self._row(key)) is not None]
        turn[skipped] = 2 + np.arange(len(skipped))
        return turn

    def _rows(self, name: str) -> np.ndarray:
        """Rows of a queue in order, skipped ones in place."""
        if self._ranker is None:
            return self._without_ranker(name, np.flatnonzero(self._is_open))
        if name == "files":
            return self._open(self._ranker.by_name)
        if name == AUDIT:
            return self._open(self._ranker.stream(self.answers))
        if name == "disagreements":
            return self._disagreements()
        return self._and_others(self._by_score(name, self._ranker))

    def _by_score(self, name: str, ranker: Ranker) -> np.ndarray:
        """Rows with an embedding, in the order of a queue that depends on it."""
        if self.probability is None or (name == "uncertain" and self._is_starting):
            return self._open(ranker.covering)
        if name == "uncertain":
            return orders.next_first(
                self.probability, self._learned, self._candidates, ranker.bursts, self.task.exclusive
            )
        column = {"keepers": 0, "culls": 1}.get(name)
        if column is None:
            column = self.task.classes.index(name.removeprefix(_LIKELY))
        return orders.likeliest_first(self.probability[:, column], self._candidates)

    def _and_others(self, rows: np.ndarray) -> np.ndarray:
        """`rows`, then the open ones without an embedding."""
        if self._ranker is None or not self._ranker.unseen:
            return rows
        return np.concatenate([rows, self._open(self._ranker.others)])

    def _open(self, rows: np.ndarray) -> np.ndarray:
        return rows[self._is_open[rows]]

    @property
    def _candidates(self) -> np.ndarray:
        """Open rows with an embedding, ascending."""
        count = len(self._ranker.scorer.keys) if self._ranker else 0
        return np.flatnonzero(self._is_open[:count])

    def _without_ranker(self, name: str, candidates: np.ndarray) -> np.ndarray:
        if name == "files":
            return candidates
        if name == "disagreements":
            return candidates[:0]
        keys = [self.keys[row] for row in candidates]
        if name == AUDIT:
            row = dict(zip(keys, candidates, strict=True))
            order = blind.stream(keys, self.answers.seed, self.answers.first_names)
            return np.array([row[key] for key in order], np.intp)
        return candidates[np.argsort(orders.uniform(keys), kind="stable")]

    def _disagreements(self) -> np.ndarray:
        if self.probability is None:
            return np.empty(0, np.intp)
        labels, settled = self.answers.labels, self.answers.confirmed | self.answers.audited  # checks stay blind
        scored = self.keys[: len(self.probability)]
        rows = [row for row, key in enumerate(scored) if key in labels and key not in settled]
        targets = self.task.targets([labels[self.keys[row]] for row in rows])
        return orders.disagreements_first(self.probability, np.array(rows, np.intp), targets, self.task.exclusive)


def queues_of(task: Task) -> dict[str, str]:
    """The queues of a task, and their display names."""
    if task == CULL_TASK:
        return QUEUES
    likely = {f"{_LIKELY}{name}": f"{_LIKELY}{name}" for name in task.classes}
    first, last = ("uncertain", AUDIT), ("disagreements", "files")
    return {**{name: QUEUES[name] for name in first}, **likely, **{name: QUEUES[name] for name in last}}


def check_queue(queue: str, task: Task = CULL_TASK) -> None:
    """Raise `StageError` unless `queue` is one of the task."""
    known = queues_of(task)
    if queue not in tuple(known):  # a tuple: pages may send unhashable values
        raise StageError(f"There is no queue {queue!r}. Choose one of {', '.join(known)}.")
