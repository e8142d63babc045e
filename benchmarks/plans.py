"""What the cheapest way to a promise costs, and whether the promise holds: the planner of the app, played to its end.

    python -m benchmarks.plans [--runs 100] [--seed 0]

A stage of 3,000 photos has 500 keepers, 50 of them known; 2,450 photos score below 0.5, a share of them keepers. Scores
are drawn, so that they tell keepers with a given AUC on each side of 0.5. A person who overlooks nothing answers sheets
of 24, checks or looks, as `ways.cheapest` says after each, until the promise of at most 5 % is met (95 % confidence).
Beside it: the same by checks of the whole pile alone. A photo of a sheet takes half a second.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from imlcull_al.learning import sheets, ways
from imlcull_al.learning.bounds import Certificate
from imlcull_al.learning.sample import Sample
from imlcull_al.project.labels import LOOK, SHEET, Answers
from imlcull_al.project.task import CULL, CULL_TASK, KEEP

CONFIDENCE, SHARE = 0.95, 0.05
BELOW, ABOVE, KEEPERS, KNOWN = 2450, 500, 500, 50
SHEET_SIZE = 24
PLANS = (
    (0.0, 0.95), (0.002, 0.95), (0.002, 0.85), (0.005, 0.95), (0.005, 0.85), (0.011, 0.95), (0.011, 0.7), (0.011, 0.5),
)  # fmt: skip
"""Shares of keepers in the cull pile, and the AUC of the scores within it. At 1.1 %, too many are lost unseen."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="simulated stages a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    print(f"{options.runs} runs a row; ± one standard error")
    print("keepers among the culls  AUC | broken           | checks  looks  minutes | checks alone  minutes")
    for share, auc in PLANS:
        ends = [play(chance, auc, share) for _ in range(options.runs)]
        lost, checks, looks, alone = (np.array(each, float) for each in zip(*ends, strict=True))
        broken = float((lost > SHARE).mean())
        error = np.sqrt(broken * (1 - broken) / options.runs)
        minutes = [count.mean() * ways.SECONDS / 60 for count in (checks + looks, alone)]
        print(
            f"{share:23.1%}  {auc:.2f} | {broken:6.2%} ± {error:6.2%} | {checks.mean():6.0f} {looks.mean():6.0f} "
            f"{minutes[0]:8.1f} | {alone.mean():12.0f} {minutes[1]:8.1f}",
            flush=True,
        )


def play(chance: np.random.Generator, auc: float, share: float) -> tuple[float, int, int, int]:
    """One stage: share of the keepers lost, photos checked and looked at, and checked where looks are no choice."""
    from scipy.stats import norm

    keeper = np.zeros(BELOW + ABOVE, bool)
    low = round(share * BELOW)
    keeper[chance.permutation(BELOW)[:low]] = True
    keeper[BELOW + chance.permutation(ABOVE)[: KEEPERS - KNOWN - low]] = True
    rank = chance.normal(size=len(keeper)) + np.sqrt(2) * norm.ppf(auc) * keeper
    sides = [rank[:BELOW], rank[BELOW:]]
    p_keep = [0.5 * number + 0.5 * (side.argsort().argsort() + 0.5) / len(side) for number, side in enumerate(sides)]
    scores, keeper = np.concatenate([*p_keep, np.ones(KNOWN)]), np.concatenate([keeper, np.ones(KNOWN, bool)])
    stream, known = chance.permutation(len(scores)), range(BELOW + ABOVE, len(scores))
    played = Played(scores, keeper, stream, known)
    while not (way := ways.cheapest(played, 0.5, SHARE, CONFIDENCE)).is_reached:
        played.answer(way)
    lost = (keeper & ~played.is_answered & played.below(way.threshold)).sum() / KEEPERS
    alone = checks_alone(Played(scores, keeper, stream, known))
    return float(lost), len(played.answers.audited), len(played.answers.looked), alone


def checks_alone(played: "Played") -> int:
    """Photos on sheets until the whole pile is certified by checks alone: counts say all, as there are no others."""
    pile, count = played.below(0.5), 0
    while not certified(Sample(played.ranker, played).certificate(pile, ~pile, CONFIDENCE)):
        played.check()
        count += SHEET_SIZE
    return count


def certified(exact: Certificate) -> bool:
    """Whether the counts of a certificate meet the promise."""
    assert exact.keep_pile is not None
    piles = [each._replace(history=None) for each in (exact.cull_pile, exact.keep_pile)]
    return replace(exact, cull_pile=piles[0], keep_pile=piles[1]).reaches(SHARE)


class Played:
    """As much of a ranking as the planner asks for: fixed scores, and a person who answers its sheets by the truth."""

    task = CULL_TASK

    def __init__(self, scores: np.ndarray, keeper: np.ndarray, stream: np.ndarray, known: Iterable[int]) -> None:
        """`scores`: p_keep; `stream`: rows in the order of the checks; `known`: rows with an answer at the start."""
        keys = [str(row) for row in range(len(scores))]
        rows = {key: row for row, key in enumerate(keys)}
        self.ranker = SimpleNamespace(keys=keys, row=rows, scorer=SimpleNamespace(keys=keys), stream=lambda _: stream)
        self.p_keep, self._keeper, self._stream = scores, keeper, stream
        self.is_answered = np.zeros(len(scores), bool)
        self.answers = Answers({}, frozenset(), (), frozenset(), "")
        self._take(np.array(known), "")

    def below(self, threshold: float) -> np.ndarray:
        """As of a ranking."""
        return self.p_keep < threshold

    def asked_again(self) -> tuple[str, ...]:
        """Nothing: a person who overlooks nothing need not be asked again."""
        return ()

    def answer(self, way: ways.Way) -> None:
        """Answer one sheet, of checks or of looks, as the page says."""
        if way.next_step == SHEET:
            self.check()
            return
        between = np.flatnonzero(self.below(0.5) & ~self.below(way.threshold))
        self._take(between[(-self.p_keep[between]).argsort()], LOOK)

    def check(self) -> None:
        """Answer one sheet of checks."""
        self._take(sheets.in_turn(self._stream[~self.is_answered[self._stream]], self.below(0.5)), SHEET)

    def _take(self, order: np.ndarray, queue: str) -> None:
        rows = order[~self.is_answered[order]][: SHEET_SIZE if queue else None]
        self.is_answered[rows] = True
        given = {str(row): KEEP if self._keeper[row] else CULL for row in rows.tolist()}
        before = self.answers
        self.answers = replace(
            before,
            labels=before.labels | given,
            audited=before.audited | (given.keys() if queue == SHEET else frozenset()),
            looked=before.looked | (given.keys() if queue == LOOK else frozenset()),
        )


if __name__ == "__main__":
    main()
