"""Anytime-valid bounds on the keepers that a cull would lose.

They hold for one stage and one person's answers. The caller must guarantee:

- The checks are the leading run of a blind random stream (`blind`): no hard photo is skipped.
- When a pile changes, its bound is recomputed from all checks of that run (see `Certificate`).

Pure arithmetic: independent of photos, files and pages. Throughout, `confidence` is 1 − δ, strictly between 0 and 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Prior = tuple[tuple[float, float, float], ...]
"""A mixture of Beta(a, b) on a share of keepers: (weight, a, b) each; the weights add up to 1."""
RARE_KEEPERS: Prior = ((0.5, 1.0, 1000.0), (0.5, 1.0, 100.0))
"""For predicted culls: hardly any keeper, or a per cent of them. Bounds are tightest where the mass lies."""
ANY_SHARE: Prior = ((1.0, 1.0, 1.0),)
"""For predicted keeps. Fix both before the first answer; a bad prior costs width, never validity."""
LOST_RISK = 0.8
"""Fraction of δ spent on the bound on lost keepers when the keepers in the other pile are bounded too."""
_GRID = 512  # maximum number of grid points for the prior over totals


def keepers_lost_bound(pile: int, checked: int, found: int, confidence: float = 0.95) -> int:
    """Upper bound on the keepers left in a pile, besides the `found` among `checked` photos.

    The checks are drawn uniformly without replacement. Anytime-valid: look as often as you like, stop when you like.
    For one pile, fixed independently of what was found in it.

    L keepers in the pile are in the confidence set after m checks if P(the m answers | L) exceeds δ times its average
    over a beta-binomial prior on L. For the true L, average over likelihood is a martingale, so by Ville's inequality
    it stays below 1/δ forever with probability at least 1 − δ (Waudby-Smith & Ramdas 2020, prior-posterior ratio).
    Raises `ValueError` unless 0 <= found <= checked <= pile and 0 < confidence < 1.
    """
    return int(keepers_lost_bounds(pile, np.array(checked), np.array(found), confidence))


def keepers_lost_bounds(
    pile: np.ndarray | int, checked: np.ndarray, found: np.ndarray, confidence: float = 0.95
) -> np.ndarray:
    """Vectorized `keepers_lost_bound`: the counts broadcast."""
    return _most_keepers(pile, checked, found, 1 - confidence, RARE_KEEPERS) - found


@dataclass(frozen=True, eq=False)
class History:
    """The checks of a pile, interleaved with other answers in it: to queries, or to photos a person picked.

    Before each of the m checks: `unseen` (m,) photos of the pile had no answer, and `revealed` (m,) keepers had been
    found since the first check, by any answer. `is_keeper` (m,) bool: result of the check. The same counts now: `left`
    photos without an answer, `known` keepers found since the first check.
    """

    unseen: np.ndarray
    revealed: np.ndarray
    is_keeper: np.ndarray
    left: int
    known: int

    def before(self, check: int) -> "History":
        """The history just before check number `check`, from 0; the full history for m."""
        if check >= len(self.unseen):
            return self
        kept = (self.unseen[:check], self.revealed[:check], self.is_keeper[:check])
        return History(*kept, int(self.unseen[check]), int(self.revealed[check]))

    def of_culls(self) -> "History":
        """The same history with the roles of keepers and culls swapped. `unseen[0]` is the size of the pile."""
        gone = (self.unseen[0] - self.unseen) if len(self.unseen) else self.unseen
        all_gone = int(self.unseen[0]) - self.left if len(self.unseen) else 0
        return History(self.unseen, gone - self.revealed, ~self.is_keeper, self.left, all_gone - self.known)


class Pile(NamedTuple):
    """The photos on one side of the threshold, without those that a query or a person chose.

    `checked`: checks so far, the leading run of the stream restricted to the pile; `found`: keepers among them.

    `history`: required if other photos of the pile were answered after the first check. They are not in `photos`, but
    were in the pile when earlier checks were drawn. Without it, answering only the culls of a pile would bias the bound
    downward.

    `overlooked`: estimate of the keepers among checks that a person culled on a sheet without seeing it; in the cull
    pile, `found` and `history` count them as keepers.
    """

    photos: int
    checked: int
    found: int
    history: History | None = None
    overlooked: int = 0


@dataclass(frozen=True)
class Certificate:
    """Upper bound on the keepers that a cull would lose, as a count and as a share of all keepers.

    Keepers overlooked on sheets are lost, as they are culled.
    `known`: keepers confirmed by a person in any queue; they are kept. `keep_pile`: if given, unseen keepers in it also
    count as kept, as a lower bound from its own checks. Answers in it after a gap in the checks, or to later queries,
    must then not be in `known`, or they would count twice.

    The exact guarantee: for one pair of piles chosen independently of the checks, P(the bound is ever wrong) is at most
    1 − confidence, over the random stream, at all looks together. Each answer to a query changes the piles. The
    guarantee holds for each pair, but not for all pairs jointly: stopping at the most favorable pair is a multiple
    comparison. benchmarks/promise.py measures the effect. `remade` corrects for it: the n-th pair (1, 2, …) gets
    δ / (n (n + 1)), which sums to δ over all pairs; 0 means a single pair.
    The bound is not intersected with earlier bounds. For one fixed pile that would be valid and a sixth narrower, but
    it spends all of δ on each pile, and with changing piles the bound would fail nearly twice as often.
    Raises `ValueError` for inconsistent counts.
    """

    cull_pile: Pile
    known: int
    keep_pile: Pile | None = None
    confidence: float = 0.95
    remade: int = 0

    def __post_init__(self) -> None:
        """Validate the counts."""
        found = self.cull_pile.found - self.cull_pile.overlooked + (self.keep_pile.found if self.keep_pile else 0)
        if self.known < found or self.remade < 0:
            raise ValueError(f"not a certificate: {self}; known is below {found} found, or remade negative")

    @property
    def risk(self) -> float:
        """The δ available to this pair of piles."""
        return (1 - self.confidence) / (self.remade * (self.remade + 1) if self.remade else 1)

    @property
    def keepers_lost(self) -> int:
        """Upper bound on keepers lost: unseen ones in the cull pile, and those overlooked on sheets."""
        return self._lost(self.cull_pile)

    @property
    def keepers_kept(self) -> int:
        """Lower bound on kept keepers: those known, plus unseen keepers in the keep pile."""
        if self.keep_pile is None:
            return self.known
        photos, checked, found, history, _ = self.keep_pile
        risk = (1 - LOST_RISK) * self.risk
        if history is not None:
            return self.known + history.left - _most_left(history.of_culls(), risk, ANY_SHARE)
        culls = _most_keepers(photos, checked, checked - found, risk, ANY_SHARE)
        return self.known + photos - int(culls) - found

    @property
    def share_lost(self) -> float:
        """Upper bound on the share of all keepers that is lost, 0 … 1."""
        return _share(self.keepers_lost, self.keepers_kept)

    def reaches(self, max_keepers_lost: float) -> bool:
        """Whether the bound is at most this share α (0 … 1): lost <= α / (1 − α) · kept."""
        return self.share_lost <= max_keepers_lost

    def checks_missing(self, max_keepers_lost: float, keepers: float | None = None) -> int | None:
        """Estimate of the additional checks of the cull pile until `reaches` holds; 0 if it already does.

        `keepers`: expected share of keepers among them, by default the share found so far. None if all the rest of the
        pile would have to be checked, so that sampling is of no use.
        """
        (photos, checked, found, history, overlooked), kept = self.cull_pile, self.keepers_kept
        if keepers is None:
            keepers = found / checked if checked else 0.0

        def enough(more: int) -> bool:
            more_found = min(round(keepers * more), more)
            pile = Pile(photos, checked + more, found + more_found, history, overlooked)
            lost = self._lost(pile, more, more_found)
            return _share(lost, kept + more_found) <= max_keepers_lost

        if enough(0):
            return 0
        low, high = 0, photos - checked  # `low` is too few, `high` is enough: nothing is left then
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high if high < photos - checked else None

    def _lost(self, pile: Pile, more: int = 0, more_found: int = 0) -> int:
        """Bound for a pile with `more` checks after the end of its history."""
        risk = (LOST_RISK if self.keep_pile else 1.0) * self.risk
        overlooked = pile.overlooked + (self.keep_pile.overlooked if self.keep_pile else 0)
        if pile.history is not None:
            return overlooked + _most_left(pile.history, risk, RARE_KEEPERS, more, more_found)
        most = int(_most_keepers(pile.photos, pile.checked, pile.found, risk, RARE_KEEPERS))
        return overlooked + most - pile.found


def _most_keepers(
    pile: np.ndarray | int, checked: np.ndarray | int, found: np.ndarray | int, risk: float, prior: Prior
) -> np.ndarray:
    """The largest L in the confidence set, elementwise: keepers in the pile, including those found.

    With j keepers found in m checks of M photos, the likelihood C(M − m, L − j) / C(M, L) increases in L up to
    j (M + 1) / m and decreases beyond: the ratio of L + 1 to L is at least 1 exactly where m L <= j (M + 1) − m. So the
    set is an interval around that mode, and bisection finds its upper end. At the mode, mixture over likelihood is at
    most 1, so the set is never empty.
    """
    from scipy.special import gammaln

    pile, checked, found = np.broadcast_arrays(pile, checked, found)
    _check(pile, checked, found, risk)
    mixture = _log_mixture(prior, found, checked - found)

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


def _most_left(history: History, risk: float, prior: Prior, more: int = 0, more_found: int = 0) -> int:
    """Upper bound on unseen keepers, from the largest T in the confidence set.

    T keepers were in the pile before the first check. Whatever was answered before check i, it draws from U unseen
    photos with T − r keepers among them, so it finds one with probability (T − r) / U. The product over the checks is a
    partial likelihood, and its average over a fixed prior, divided by it, is a martingale as in `keepers_lost_bound`.
    Chosen answers carry no evidence; they only change r and U. The likelihood is log-concave in T. `more` hypothetical
    checks with `more_found` keepers follow the history directly.
    """
    from scipy.special import gammaln, logsumexp

    unseen, revealed, is_keeper = history.unseen, history.revealed, history.is_keeper
    first = int(unseen[0]) if len(unseen) else history.left
    lowest, highest = history.known + more_found, history.known + history.left - (more - more_found)
    if first == 0 or lowest >= highest:
        return max(highest - lowest, 0)

    def log_falling(n: np.ndarray, k: int) -> np.ndarray:
        """log n (n − 1) … (n − k + 1); −∞ for n < k."""
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
    mass = gammaln(first + 1.0) - gammaln(grid + 1.0) - gammaln(first - grid + 1.0)
    mass = mass + _log_mixture(prior, grid, first - grid) + np.log(np.gradient(grid))
    likelihood = log_likelihood(grid)
    limit = float(logsumexp(mass - logsumexp(mass) + likelihood)) + np.log(risk)
    inside = (grid >= lowest) & (grid <= highest) & (likelihood > limit)
    low, high = (int(grid[inside].max()) if inside.any() else lowest), highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if log_likelihood(np.array([middle]))[0] > limit else (low, middle - 1)
    return low - lowest


def _log_mixture(prior: Prior, keepers: np.ndarray, culls: np.ndarray) -> np.ndarray:
    """Log probability of one order of so many keepers and culls, drawn with replacement, on average over `prior`."""
    from scipy.special import betaln, logsumexp

    parts = [np.log(weight) + betaln(a + keepers, b + culls) - betaln(a, b) for weight, a, b in prior]
    mixture: np.ndarray = logsumexp(parts, axis=0)
    return mixture


def _share(lost: int, kept: int) -> float:
    return lost / (lost + kept) if lost else 0.0


def _check(pile: np.ndarray | int, checked: np.ndarray | int, found: np.ndarray | int, risk: float) -> None:
    counts_fit = np.all((np.asarray(found) >= 0) & (np.asarray(found) <= checked) & (np.asarray(checked) <= pile))
    if not (counts_fit and 0 < risk < 1):
        raise ValueError(
            f"{found} found in {checked} checked of {pile} photos, δ = {risk}: can't be counts and a probability"
        )
