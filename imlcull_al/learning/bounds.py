"""Anytime-valid bounds on the keepers that a cull would lose.

They hold for one stage and one person's answers, and rest on what the caller guarantees:

- The checks are the leading run of a blind random stream (`blind`): no photo is left out for being hard.
- A bound on a pile is computed anew when the pile changes, from all checks of that run (see `Certificate`).

Pure arithmetic: independent of photos, files and pages. `confidence` is 1 − δ, between 0 and 1, throughout.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RARE_KEEPERS = (1.0, 100.0)
"""Parameters (a, b) of the Beta prior for the share of keepers among predicted culls: where bounds are narrowest."""
ANY_SHARE = (1.0, 1.0)
"""The same for predicted keeps. Both must be fixed before the first answer; they cost width, never truth."""
LOST_RISK = 0.8
"""The part of δ that the bound on lost keepers gets where the keepers in the other pile are bounded too."""
_GRID = 512  # totals among which the prior is spread, at most


def keepers_lost_bound(pile: int, checked: int, found: int, confidence: float = 0.95) -> int:
    """At most so many keepers are in a pile, besides those found in it, when `checked` of its photos were drawn
    uniformly without replacement and `found` of them are keepers. Holds at all looks together: look as often as you
    like, stop when you like. For one pile, fixed independently of what was found in it.

    With L keepers in the pile: L is in the confidence set at the m-th look when P(the m answers | L) is more than δ
    times the same probability averaged over beta-binomial L. That ratio is a martingale for the true L, so by Ville's
    inequality it stays below 1/δ for ever with probability 1 − δ (Waudby-Smith & Ramdas 2020, prior-posterior ratio).
    Raises `ValueError` unless 0 <= found <= checked <= pile and 0 < confidence < 1.
    """
    return int(keepers_lost_bounds(pile, np.array(checked), np.array(found), confidence))


def keepers_lost_bounds(
    pile: np.ndarray | int, checked: np.ndarray, found: np.ndarray, confidence: float = 0.95
) -> np.ndarray:
    """`keepers_lost_bound` for whole arrays of counts that broadcast to one shape."""
    return _most_keepers(pile, checked, found, 1 - confidence, RARE_KEEPERS) - found


@dataclass(frozen=True, eq=False)
class History:
    """The checks of a pile between which people answered others of its photos, by query or by eye.

    Before each check, (m,): `unseen` photos of the pile had no answer, and `revealed` keepers of it had come to light
    since the first check. `is_keeper` (m,) bool: what the check found. `left` photos have no answer now, and `known`
    keepers came to light since the first check.
    """

    unseen: np.ndarray
    revealed: np.ndarray
    is_keeper: np.ndarray
    left: int
    known: int

    def before(self, check: int) -> "History":
        """As it stood before this check, counted from 0; the present for their number."""
        if check >= len(self.unseen):
            return self
        kept = (self.unseen[:check], self.revealed[:check], self.is_keeper[:check])
        return History(*kept, int(self.unseen[check]), int(self.revealed[check]))

    def of_culls(self) -> "History":
        """The same with culls in the keepers' place. The first check's `unseen` photos are all that ever were."""
        gone = (self.unseen[0] - self.unseen) if len(self.unseen) else self.unseen
        all_gone = int(self.unseen[0]) - self.left if len(self.unseen) else 0
        return History(self.unseen, gone - self.revealed, ~self.is_keeper, self.left, all_gone - self.known)


class Pile(NamedTuple):
    """`photos` that the scores put on one side, less those answered for a query before. Of them the audit has
    `checked` so many (the leading run of the stream's part within the pile), of which `found` so many are keepers.

    `history`: needed where other photos of the pile were answered after the first check. They are no part of `photos`,
    but were when earlier checks were drawn: without it, whoever looks through the pile and answers the culls makes the
    rest look better than it is.
    """

    photos: int
    checked: int
    found: int
    history: History | None = None


@dataclass(frozen=True)
class Certificate:
    """How many keepers a cull would lose at most, as a count and as a share of all keepers.

    `known`: keepers that a person confirmed, by whatever queue; they are kept. `keep_pile`: where given, the keepers
    in it that nobody has looked at count as kept too, as far as its own audit answers bear that out; what was answered
    in it behind a gap, or for a query since, must then not be among the known, or it would count twice.

    Exactly what holds: for one pair of piles that no audit answer had a part in, P(the statement is ever wrong) is
    1 − confidence at most, over the draw of the stream, however often it is looked at. After each answer to a query
    the piles are others; for each pair the same holds, but not for all pairs together: who stops at the most
    favourable has had several chances. benchmarks/promise.py measures what that comes to. `remade` rules it out: the
    n-th pair (1, 2, …) gets δ / (n (n + 1)), so that all that ever come share δ; 0 is for a single one.
    What earlier looks have ruled out is not remembered: for one pile that would hold too, and be a sixth narrower, but
    it spends all of δ on each pile, and piles that move would break the promise nearly twice as often.
    Raises `ValueError` for counts that don't fit together.
    """

    cull_pile: Pile
    known: int
    keep_pile: Pile | None = None
    confidence: float = 0.95
    remade: int = 0

    def __post_init__(self) -> None:
        """Refuse what can't be counted."""
        found = self.cull_pile.found + (self.keep_pile.found if self.keep_pile else 0)
        if self.known < found or self.remade < 0:
            raise ValueError(f"not a certificate: {self}; all {found} keepers found are among those known")

    @property
    def risk(self) -> float:
        """The δ that these piles may use."""
        return (1 - self.confidence) / (self.remade * (self.remade + 1) if self.remade else 1)

    @property
    def keepers_lost(self) -> int:
        """At most so many keepers are in the cull pile, unseen."""
        return self._lost(self.cull_pile)

    @property
    def keepers_kept(self) -> int:
        """At least so many are kept: those known, and those that the keep pile must hold besides."""
        if self.keep_pile is None:
            return self.known
        photos, checked, found, history = self.keep_pile
        risk = (1 - LOST_RISK) * self.risk
        if history is not None:
            return self.known + history.left - _most_left(history.of_culls(), risk, ANY_SHARE[::-1])
        culls = _most_keepers(photos, checked, checked - found, risk, ANY_SHARE[::-1])
        return self.known + photos - int(culls) - found

    @property
    def share_lost(self) -> float:
        """At most this share of all keepers is lost, 0 … 1."""
        return _share(self.keepers_lost, self.keepers_kept)

    def reaches(self, max_keepers_lost: float) -> bool:
        """Whether at most this share (0 … 1) is lost: lost <= α / (1 − α) · kept."""
        return self.share_lost <= max_keepers_lost

    def checks_missing(self, max_keepers_lost: float, keepers: float | None = None) -> int | None:
        """About how many more photos of the cull pile must be checked until `reaches` is true; 0 when it is now.

        `keepers`: the share of keepers to expect among them, by default that found so far. None where all the rest of
        the pile would have to be looked at, so that no audit is any use.
        """
        (photos, checked, found, history), kept = self.cull_pile, self.keepers_kept
        if keepers is None:
            keepers = found / checked if checked else 0.0

        def enough(more: int) -> bool:
            more_found = min(round(keepers * more), more)
            lost = self._lost(Pile(photos, checked + more, found + more_found, history), more, more_found)
            return _share(lost, kept + more_found) <= max_keepers_lost

        if enough(0):
            return 0
        low, high = 0, photos - checked  # not enough, enough: nothing is left
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high if high < photos - checked else None

    def _lost(self, pile: Pile, more: int = 0, more_found: int = 0) -> int:
        """Of a pile that has had `more` checks since its history ended."""
        risk = (LOST_RISK if self.keep_pile else 1.0) * self.risk
        if pile.history is not None:
            return _most_left(pile.history, risk, RARE_KEEPERS, more, more_found)
        return int(_most_keepers(pile.photos, pile.checked, pile.found, risk, RARE_KEEPERS)) - pile.found


def _most_keepers(
    pile: np.ndarray | int, checked: np.ndarray | int, found: np.ndarray | int, risk: float, prior: tuple[float, float]
) -> np.ndarray:
    """The largest L of the confidence set, elementwise: keepers of a pile, those found among them.

    The likelihood C(M − m, L − j) / C(M, L) rises in L up to j (M + 1) / m and falls from there on: its quotient for
    L + 1 and L is at least 1 just where m L <= j (M + 1) − m. So the set is an interval around that L, and its end is
    found by halving. Mixture over likelihood is at most 1 there, so it is never empty.
    """
    from scipy.special import betaln, gammaln

    pile, checked, found = np.broadcast_arrays(pile, checked, found)
    _check(pile, checked, found, risk)
    a, b = prior
    mixture = betaln(a + found, b + checked - found) - betaln(a, b)

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)

    def in_set(keepers: np.ndarray) -> np.ndarray:
        return mixture + log_choose(pile, keepers) - log_choose(pile - checked, keepers - found) < -np.log(risk)

    high = pile - checked + found
    low = np.where(checked == 0, high, np.clip(found * (pile + 1) // np.maximum(checked, 1), found, high))
    while (low < high).any():
        middle = (low + high + 1) // 2
        inside = in_set(middle)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle - 1)
    return low


def _most_left(history: History, risk: float, prior: tuple[float, float], more: int = 0, more_found: int = 0) -> int:
    """The most keepers that can be left without an answer: those of the largest T of the confidence set.

    T keepers were in the pile before the first check. Whatever was answered between, check i is one of T − r keepers
    among U photos without an answer, so it finds one with probability (T − r) / U: the product over the checks is a
    partial likelihood, and the ratio to its average over a prior fixed beforehand is a martingale as before. Answers
    that were chosen say nothing; they only change r and U. The likelihood is log-concave in T. `more` checks, of which
    `more_found` are keepers, follow upon the history with nothing between.
    """
    from scipy.special import betaln, gammaln, logsumexp

    unseen, revealed, is_keeper = history.unseen, history.revealed, history.is_keeper
    first = int(unseen[0]) if len(unseen) else history.left
    lowest, highest = history.known + more_found, history.known + history.left - (more - more_found)
    if first == 0 or lowest >= highest:
        return max(highest - lowest, 0)

    def log_falling(n: np.ndarray, k: int) -> np.ndarray:
        """log n (n − 1) … (n − k + 1); −∞ where that is none."""
        fits = n >= k
        safe = np.where(fits, n, k)
        return np.where(fits, gammaln(safe + 1.0) - gammaln(safe - k + 1.0), -np.inf)

    def log_likelihood(total: np.ndarray) -> np.ndarray:
        total = np.atleast_1d(np.asarray(total, np.float64))
        keepers = total[:, None] - revealed
        count = np.where(is_keeper, keepers, unseen - keepers)
        with np.errstate(divide="ignore"):
            each = np.log(np.maximum(count, 0) / np.maximum(unseen, 1))
        now = total - history.known
        later = log_falling(now, more_found) + log_falling(history.left - now, more - more_found)
        result: np.ndarray = each.sum(axis=1) + later - log_falling(np.array([float(history.left)]), more)
        return result

    grid = np.unique(np.round(np.linspace(0, np.sqrt(first), _GRID) ** 2)) if first > _GRID else np.arange(first + 1)
    a, b = prior
    mass = gammaln(first + 1.0) - gammaln(grid + 1.0) - gammaln(first - grid + 1.0)
    mass = mass + betaln(a + grid, b + first - grid) - betaln(a, b) + np.log(np.gradient(grid))
    likelihood = log_likelihood(grid)
    limit = float(logsumexp(mass - logsumexp(mass) + likelihood)) + np.log(risk)
    inside = (grid >= lowest) & (grid <= highest) & (likelihood > limit)
    low, high = (int(grid[inside].max()) if inside.any() else lowest), highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if log_likelihood(np.array([middle]))[0] > limit else (low, middle - 1)
    return low - lowest


def _share(lost: int, kept: int) -> float:
    return lost / (lost + kept) if lost else 0.0


def _check(pile: np.ndarray | int, checked: np.ndarray | int, found: np.ndarray | int, risk: float) -> None:
    counts_fit = np.all((np.asarray(found) >= 0) & (np.asarray(found) <= checked) & (np.asarray(checked) <= pile))
    if not (counts_fit and 0 < risk < 1):
        raise ValueError(f"0 <= {found} found <= {checked} checked <= {pile} in the pile, δ = {risk}: this can't be")
