"""The blind checks that may measure, and their counts on one side of a threshold: the input of the bounds."""

from typing import NamedTuple

import numpy as np

from . import sheets
from .bounds import Certificate, History, Pile
from .queues import Ranker, Ranking


class Sheets(NamedTuple):
    """What the answers on sheets, asked again, say of the others: how many were asked again after a sheet culled them,
    how many of these are keepers, and the estimate of the others that are.
    """

    asked_again: int
    missed: int
    overlooked: int


NO_SHEETS = Sheets(0, 0, 0)


class Sample:
    """The valid checks: the leading run of the audit stream, without photos answered in other queues."""

    def __init__(self, ranker: Ranker, ranking: Ranking) -> None:
        """`ranking`: with scores."""
        answers, row, self._keys, self._task = ranking.answers, ranker.row, ranker.keys, ranking.task
        self._labels, self._answers = answers.labels, answers
        said = {*self._labels.values(), *answers.sheets.values(), *answers.again.values()}
        self._firsts = {label for label in said if self._task.targets([label])[0, 0] == 1}
        self._answered = [(row[key], label) for key, label in self._labels.items() if key in row]
        self.is_scored = np.arange(len(self._keys)) < len(ranker.scorer.keys)
        """(N,) bool: which of all photos have an embedding."""
        self.is_unseen = np.ones(len(self._keys), bool)
        """(N,) bool: which have no answer."""
        self.is_unseen[[place for place, _ in self._answered]] = False
        free = np.ones(len(self._keys), bool)
        free[[row[key] for key in answers.labels if key in row and key not in answers.audited]] = False
        self._audited = np.zeros(len(self._keys), bool)
        self._audited[[row[key] for key in answers.audited if key in row]] = True
        stream = ranker.stream(answers)
        self._stream = stream[free[stream]]

    def certificate(self, culled: np.ndarray, kept: np.ndarray, confidence: float) -> Certificate:
        """Of the piles `culled` and `kept`, (N,) bool each, which must not depend on what the checks found.

        A keeper overlooked on a sheet is culled by its answer, wherever its score lies.
        """
        cull_pile = self.pile(culled, self.within(culled), self.sheets(culled).overlooked)
        keep_pile = self.pile(kept, self.within(kept))._replace(overlooked=self.sheets(~culled).overlooked)
        return Certificate(cull_pile, self.known(), keep_pile, confidence)

    def sheets(self, side: np.ndarray) -> Sheets:
        """What the answers on sheets on one side (N,) bool, asked again, say of the others there."""
        answers, here = self._answers, [self._keys[row] for row in self.within(side)]
        asked = [key for key in here if key in answers.again and answers.sheets.get(key) not in self._firsts]
        missed = sum(answers.again[key] in self._firsts for key in asked)
        return Sheets(len(asked), missed, sheets.overlooked(len(self._doubted(side)), len(asked), missed))

    def _doubted(self, side: np.ndarray) -> list[int]:
        """Rows of checks that are culled by a sheet alone."""
        answers, keys = self._answers, self._keys
        on_sheets = [row for row in self.within(side).tolist() if keys[row] in answers.sheets]
        return [
            row for row in on_sheets if keys[row] not in answers.again and self._labels[keys[row]] not in self._firsts
        ]

    def within(self, side: np.ndarray) -> np.ndarray:
        """Rows of the leading run of checked photos, in the stream restricted to `side` (N,) bool."""
        stream = self._stream[side[self._stream]]
        checked = self._audited[stream]
        return stream[: len(checked) if checked.all() else int(np.argmin(checked))]

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """(n, K): what the person answered."""
        return self._task.targets([self._labels[self._keys[row]] for row in rows])

    def keepers(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: whether the person answered keep, or the first class, or the tag."""
        is_keeper: np.ndarray = self.targets(rows)[:, 0] == 1
        return is_keeper

    def known(self) -> int:
        """How many photos of the stage were answered so, in any queue."""
        return int((self._task.targets([label for _, label in self._answered])[:, 0] == 1).sum())

    def pile(self, side: np.ndarray, checked: np.ndarray, overlooked: int = 0) -> Pile:
        """The counts on one side (N,) bool of the threshold, with the other answers given between its checks.

        `overlooked`: how many of those that sheets culled count as keepers.
        """
        seen_as = set(self._doubted(side)[:overlooked])
        is_check = np.zeros(len(side), bool)
        is_check[checked] = True
        here = [(row, label) for row, label in self._answered if side[row]]
        is_first = self._task.targets([label for _, label in here])[:, 0] == 1
        rows = [row for row, _ in here]
        answered = [(row, is_keeper or row in seen_as) for row, is_keeper in zip(rows, is_first.tolist(), strict=True)]
        start = next((place for place, (row, _) in enumerate(answered) if is_check[row]), len(answered))
        unseen, revealed = int(side.sum()) - start, 0
        checks: list[tuple[int, int, bool]] = []
        for row, is_keeper in answered[start:]:
            if is_check[row]:
                checks.append((unseen, revealed, is_keeper))
            unseen, revealed = unseen - 1, revealed + is_keeper
        columns = np.array(checks, float).reshape(-1, 3)
        history = History(columns[:, 0], columns[:, 1], columns[:, 2] > 0, unseen, revealed)
        return Pile(unseen + len(checked), len(checked), int(history.is_keeper.sum()), history, len(seen_as))
