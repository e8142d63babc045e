"""The promise in the least of a person's time: which photos to cull unseen, which to look at, how many to check.

    way = cheapest(ranking, 0.5, max_keepers_lost=0.05)   # Way(threshold=0.21, culls=1720, looks=310, checks=260)

Photos that score from `Way.threshold` to the given threshold are looked at; those below are culled unseen. A planner
may not peek: where it looks at what the checks found, it must not gain by choosing. So its thresholds are quantiles of
the scores, which no check moves, and one counts only if all lower ones meet the promise too. To certify any pile that
loses too much it would have to certify the smallest one of those first, and that is one fixed pile, whose certificate
is wrong with a probability of at most δ at all looks together (a fixed sequence of tests, as in `thresholds`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..project.labels import LOOK, SHEET
from .bounds import Certificate
from .queues import Ranking
from .sample import Sample
from .sheets import KEEPS

SECONDS = 0.5
"""A person's time for one photo of a contact sheet, checked or looked at."""
LOOKED_AT = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.0)
"""Shares of the photos below the threshold that may be looked at, those with the highest scores; 1 for all."""


FIRST_CHECKS = 48
"""Photos to check before any is looked at."""
AS_CHECKS = 5
"""How many checks the scores weigh as in an estimate."""


class Way(NamedTuple):
    """One way to a promise.

    `threshold`: photos that score lower are culled unseen; `culls`: how many. `looks`: unanswered photos from there to
    the threshold of the cull. `checks`: estimate of the sheet photos to check after that; with none of either left, the
    promise is met.
    """

    threshold: float
    culls: int
    looks: int
    checks: int

    @property
    def seconds(self) -> float:
        """Of a person, for the looks and the checks."""
        return SECONDS * (self.looks + self.checks)

    @property
    def is_reached(self) -> bool:
        """Whether the promise is met."""
        return not (self.looks or self.checks)

    def next_step(self, checked: int) -> str:
        """What to do first: `SHEET` for checks, `LOOK` for looks, empty if the promise is met. `checked`: photos of the
        cull pile that were; before some were, nobody knows how many keepers are where.
        """
        if self.checks and (checked < FIRST_CHECKS or not self.looks):
            return SHEET
        return LOOK if self.looks else ""

    def summary(self, max_keepers_lost: float, confidence: float) -> str:
        """One sentence for people: what to do for which promise."""
        parts = [f"cull {self.culls:,} unseen"] if self.culls else []
        parts += [f"look at {self.looks:,} ({_minutes(self.looks)})"] if self.looks else []
        parts += [f"check {self.checks:,} ({_minutes(self.checks)})"] if self.checks else []
        if not parts:
            return "No photo would be culled unseen."
        aim = f"{max_keepers_lost:.1%}".replace(".0%", "%")
        holds = (
            f"at most {aim} of your keepers are lost ({confidence:.0%} confidence)" if self.culls else "none is lost"
        )
        what = ", ".join(parts)
        return f"{what[0].upper()}{what[1:]}: then {holds}."


def _minutes(photos: int) -> str:
    """The time that so many photos take on sheets."""
    seconds = SECONDS * photos
    return f"{max(round(seconds), 1)} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"


def cheapest(
    ranking: Ranking, threshold: float = 0.5, max_keepers_lost: float = 0.05, confidence: float = 0.95
) -> Way | None:
    """The way that takes the least time: at worst, all photos below the threshold are looked at. None without scores,
    or for a task that is not binary.
    """
    ranker, p_keep = ranking.ranker, ranking.p_keep
    if ranker is None or p_keep is None or not ranking.task.is_binary:
        return None
    sample, kept = Sample(ranker, ranking), ~ranking.below(threshold)
    lows = limits(p_keep, threshold)
    piles = [ranking.below(low) for low in lows]
    needed = []
    for pile in piles:
        certificate = sample.certificate(pile, kept, confidence)
        looked_at = expected(sample, ~pile & ~kept, p_keep)
        needed.append(missing(replace(certificate, known=certificate.known + looked_at), max_keepers_lost))
    return least(lows, [int(sample.is_unseen[pile].sum()) for pile in piles], needed)


def least(lows: Sequence[float], unseen: Sequence[int], needed: Sequence[float]) -> Way:
    """The way that takes the least time, of those with one of the thresholds `lows`, ascending, the first of which
    culls nothing unseen. `unseen`, `needed`: photos without an answer and missing checks of the pile below each.
    """
    checks = in_sequence(needed[1:], unseen[1:])
    ways = [
        Way(low, culls, unseen[-1] - culls, int(np.ceil(count * KEEPS / (KEEPS - 1))))
        for low, culls, count in zip(lows, unseen, [0.0, *checks], strict=True)
        if np.isfinite(count)
    ]
    return min(ways, key=lambda way: (way.seconds, -way.threshold))


def expected(sample: Sample, side: np.ndarray, p_keep: np.ndarray) -> int:
    """Estimate of the keepers without an answer on a `side` (N,) bool, which are known once they are looked at: by the
    checks there, and for `AS_CHECKS` more by the scores.
    """
    unseen = side & sample.is_unseen
    checked, scored = sample.within(side), p_keep[side[: len(p_keep)].nonzero()[0]]
    if not unseen.any() or not len(scored):
        return 0
    found = float(sample.keepers(checked).sum()) + AS_CHECKS * float(scored.mean())
    return int(unseen.sum() * found / (len(checked) + AS_CHECKS))


def limits(p_keep: np.ndarray, threshold: float) -> list[float]:
    """Thresholds below which photos may be culled unseen, ascending: 0 for none, and quantiles of the scores below
    `threshold`, which is the last.
    """
    below = np.sort(p_keep[p_keep < threshold])
    places = [int((1 - share) * len(below)) for share in LOOKED_AT[1:-1]]
    return [0.0, *np.unique([float(below[place]) for place in places if len(below)]).tolist(), threshold]


def missing(certificate: Certificate, max_keepers_lost: float) -> float:
    """`Certificate.checks_missing`, infinite for None."""
    count = certificate.checks_missing(max_keepers_lost)
    return np.inf if count is None else float(count)


def in_sequence(needed: Sequence[float], unseen: Sequence[int]) -> list[float]:
    """Checks that each of several nested piles needs, the smallest first, until it and all smaller ones are certified.

    `needed`: checks of each pile alone; `unseen`: photos of each without an answer. Of so many checks of a pile, a
    smaller one has its share.
    """
    found, most = [], 0.0
    for count, photos in zip(needed, unseen, strict=True):
        most = max(most, count / max(photos, 1))  # the share of each pile that must be checked
        found.append(min(most * photos, np.inf) if most else 0.0)
    return found
