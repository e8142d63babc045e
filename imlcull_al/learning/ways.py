"""The promise in the least of a person's time: which photos to cull unseen, which to look at, how many to check.

    way = cheapest(ranking, 0.5, max_keepers_lost=0.05)   # Way(threshold=0.21, culls=1720, looks=310, checks=260)

Photos that score from `Way.threshold` to the given threshold are looked at; those below are culled unseen. A planner
that sees what the checks found must not gain by choosing. So its thresholds are quantiles of the scores, which no check
moves, and a pile meets the promise only if all smaller ones do: to certify a pile that loses too much, it has to
certify the smallest such pile first, and for one pile a certificate is wrong with a probability of at most δ at all
looks together (a fixed sequence of tests). That smallest pile may change while keepers are found,
and other scores or another threshold begin another sequence, as they begin another bound: benchmarks/plans.py plays
the planner. What a way will still take is a forecast; whether it meets the promise never is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..progress import amount
from ..project.labels import AGAIN, LOOK, SHEET
from .bounds import Certificate
from .queues import Ranking
from .sample import Sample
from .sheets import KEEPS

SECONDS = 0.5
"""A person's time for one photo of a contact sheet, checked or looked at."""
LOOKED_AT = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.0)
"""Shares of the photos below the threshold that may be looked at, those with the highest scores; 1 for all."""

ABOVE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Quantiles of the scores above 0.5 that `largest` tries."""


class Way(NamedTuple):
    """One way to a promise.

    `threshold`: photos that score lower are culled unseen; `culls`: how many. `looks`: unanswered photos from there to
    the threshold of the cull. `checks`: forecast of the sheet photos to check after that. `again`: answers of sheets to
    ask again first. `is_reached`: whether the promise is met; it may not be although nothing is left to do, where
    keepers were overlooked on sheets.
    """

    threshold: float
    culls: int
    looks: int
    checks: int
    again: int = 0
    is_reached: bool = False

    @property
    def seconds(self) -> float:
        """Of a person, for the looks and the checks."""
        return SECONDS * (self.looks + self.checks)

    @property
    def next_step(self) -> str:
        """What to do first: `AGAIN` for answers to ask again, `SHEET` for checks, `LOOK` for looks, empty for nothing.

        Checks come before looks: they show where the keepers are, and what was checked need not be looked at.
        """
        steps = ((AGAIN, self.again), (SHEET, self.checks), (LOOK, self.looks))
        return next((step for step, count in steps if count), "")

    def advice(self, max_keepers_lost: float, confidence: float) -> str:
        """The summary, called the cheapest way where there is something to do."""
        said = self.summary(max_keepers_lost, confidence)
        return f"The cheapest way: {said}" if self.culls or self.next_step else said

    def summary(self, max_keepers_lost: float, confidence: float) -> str:
        """One sentence for people: what to do for which promise."""
        parts = [f"answer {amount(self.again, 'photo')} of your sheets again"] if self.again else []
        parts += [f"cull {self.culls:,} unseen"] if self.culls else []
        parts += [f"look at {self.looks:,} ({time_for(self.looks)})"] if self.looks else []
        parts += [f"check {self.checks:,} ({time_for(self.checks)})"] if self.checks else []
        if not parts and not self.is_reached:
            return "More keepers were overlooked on sheets than may be lost. Look at what you culled there, in Review."
        if not parts:
            return "No photo would be culled unseen."
        aim = f"{max_keepers_lost:.1%}".replace(".0%", "%")
        holds = (
            f"at most {aim} of your keepers are lost ({confidence:.0%} confidence)" if self.culls else "none is lost"
        )
        what = ", ".join(parts)
        return f"{what[0].upper()}{what[1:]}: then {holds}."


def time_for(photos: int) -> str:
    """The time that so many photos take on sheets."""
    seconds = SECONDS * photos
    return amount(max(round(seconds), 1), "second") if seconds < 90 else amount(round(seconds / 60), "minute")


def cheapest(
    ranking: Ranking, threshold: float = 0.5, max_keepers_lost: float = 0.05, confidence: float = 0.95
) -> Way | None:
    """The way that takes the least time: at worst, all photos below the threshold are looked at. None before all photos
    have scores, or for a task that is not binary.
    """
    known = _known(ranking)
    if known is None:
        return None
    sample, lows = known.sample, limits(known.p_keep, threshold)
    certificates = _certificates(ranking, sample, lows, threshold, confidence)
    unseen = [int(sample.is_unseen[ranking.below(low)].sum()) for low in lows]
    needed = [forecast(certificate, max_keepers_lost) for certificate in certificates]
    are_met = np.logical_and.accumulate([certificate.reaches(max_keepers_lost) for certificate in certificates])
    return least(lows, unseen, needed, are_met.tolist(), len(ranking.asked_again()))


def largest(ranking: Ranking, max_keepers_lost: float, confidence: float = 0.95) -> float | None:
    """The largest threshold whose pile meets the promise now, as all smaller ones do: of the thresholds of `cheapest`
    for 0.5, and of more above. 0 if none does; None without scores, as of `cheapest`.
    """
    known = _known(ranking)
    if known is None:
        return None
    (sample, p_keep), found = known, 0.0
    higher = p_keep[p_keep >= 0.5]
    above = np.unique(np.quantile(higher, ABOVE, method="higher")).tolist() if len(higher) else []
    for low in [*limits(p_keep, 0.5), *above]:
        (certificate,) = _certificates(ranking, sample, [low], max(low, 0.5), confidence)
        if not certificate.reaches(max_keepers_lost):
            break
        found = low
    return found


class _Known(NamedTuple):
    """The checks, and `Ranking.p_keep`."""

    sample: Sample
    p_keep: np.ndarray


def _known(ranking: Ranking) -> _Known | None:
    """None before all photos without an answer have scores, or for a task that is not binary."""
    ranker, p_keep = ranking.ranker, ranking.p_keep
    if ranker is None or p_keep is None or not ranking.task.is_binary:
        return None
    sample = Sample(ranker, ranking)
    return None if (sample.is_unseen & ~sample.is_scored).any() else _Known(sample, p_keep)


def _certificates(
    ranking: Ranking, sample: Sample, lows: Sequence[float], threshold: float, confidence: float
) -> list[Certificate]:
    """Of the piles below each of `lows`, where photos that score from `threshold` on are kept."""
    kept = ~ranking.below(threshold)
    return [sample.certificate(ranking.below(low), kept, confidence) for low in lows]


def least(
    lows: Sequence[float], unseen: Sequence[int], needed: Sequence[float], are_met: Sequence[bool], again: int = 0
) -> Way:
    """The way that takes the least time, of those with one of the thresholds `lows`, ascending, the first of which
    culls nothing unseen.

    `unseen`, `needed`: photos without an answer in the pile below each, and checks that it is expected to miss once the
    others are looked at. `are_met`: whether it and all smaller ones are certified now. `again`: answers to ask again.
    """
    ways = []
    for low, culls, count, is_met in zip(
        lows, unseen, [0.0, *in_sequence(needed[1:], unseen[1:])], are_met, strict=True
    ):
        if not np.isfinite(count):
            continue
        looks, checks = unseen[-1] - culls, int(np.ceil(count * KEEPS / (KEEPS - 1)))
        if culls and not looks and not is_met:
            checks = max(checks, KEEPS)  # the forecast is too bright
        is_reached = is_met and not (looks or again)
        ways.append(Way(low, culls, looks, 0 if is_reached else checks, again, is_reached))
    return min(ways, key=lambda way: (way.seconds, -way.threshold))


def limits(p_keep: np.ndarray, threshold: float) -> list[float]:
    """Thresholds below which photos may be culled unseen, ascending: 0 for none, and quantiles of the scores below
    `threshold`, which is the last.
    """
    below = np.sort(p_keep[p_keep < threshold])
    places = [int((1 - share) * len(below)) for share in LOOKED_AT[1:-1]]
    return [0.0, *np.unique([float(below[place]) for place in places if len(below)]).tolist(), threshold]


def forecast(certificate: Certificate, max_keepers_lost: float) -> float:
    """Checks that the cull pile misses; infinite if sampling is of no use. Keepers that looks may find don't count yet.

    From the counts alone: the exact bound takes fifty times as long, and this one certifies nothing.
    """
    plain = replace(certificate, cull_pile=certificate.cull_pile._replace(history=None))
    count = plain.checks_missing(max_keepers_lost)
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
