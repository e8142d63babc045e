"""What the audit promises: a blind random stream of photos, and what its answers say of all the others.

Everything here holds for one stage and one person's answers. It rests on three things that the caller keeps to:

- The order of the stream is drawn once (`seed`), and what it finds never trains, queries, stops or moves a threshold.
- Of the stream only the leading run of answered photos counts: no photo is left out for being hard.
- What is promised of a pile is computed anew when the pile changes, from all answers of that run (see `Certificate`).

Arithmetic only: knows nothing of photos, files or pages. `confidence` is 1 − δ, between 0 and 1, wherever it occurs.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

AUDIT_EVERY = 8
"""One photo of so many that are shown comes from the audit stream."""
RARE_KEEPERS = (1.0, 100.0)
"""Parameters (a, b) of the Beta prior for the share of keepers among predicted culls: where bounds are narrowest."""
ANY_SHARE = (1.0, 1.0)
"""The same for predicted keeps. Both must be fixed before the first answer; they cost width, never truth."""
LOST_RISK = 0.8
"""The part of δ that the bound on lost keepers gets where the keepers in the other pile are bounded too."""
_GRID = 512  # totals among which the prior is spread, at most
NEAR_THE_LIMIT = (0.5, 0.5)
"""Beta parameters of the bets in `threshold`, on shares below the one allowed."""
STABLE_AGREEMENT = 0.97
"""Mean Cohen's kappa of the last three pairs of predictions from which more labels change little (small-text)."""


def stream(keys: Iterable[str], seed: str) -> list[str]:
    """The keys in audit order: that of a hash of seed and key. It looks random, is always the same for a seed, and
    the order of the rest stays when photos are added or taken away.

    The seed must be drawn at the first answer, and not from the photos: then any order was as likely as any other.
    """
    return sorted(keys, key=lambda key: _digest(seed, key))


def is_audit_turn(seed: str, shown: int) -> bool:
    """Whether the photo shown after `shown` others (0, 1, …) comes from the audit stream: one in each block of
    `AUDIT_EVERY`, at a place that nobody can tell by counting.
    """
    block, place = divmod(shown, AUDIT_EVERY)
    return _digest(seed, str(block))[0] % AUDIT_EVERY == place


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


@dataclass(frozen=True)
class Threshold:
    """Cull photos with p_keep < `value`; None where the audit can't support any.

    `keepers`: how many audited keepers it rests on, `below` of them are under it. `missing`: so many more audited
    keepers, none of them low, would support one; 0 where there is one.
    """

    value: float | None
    keepers: int
    below: int
    missing: int


def threshold(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """The largest threshold that loses at most the share `max_keepers_lost` of all keepers, from p_keep (n,) of the
    audited keepers. Holds at all looks together, for one set of scores that no audit answer had a part in.

    Below a threshold that loses too much, an audited keeper falls with a chance of α at least. Bets against that, one
    for each smaller chance, mixed over a Beta(½, ½) cut off at α, multiply to a supermartingale, which passes 1/δ with
    probability δ at most (Ville); drawing without replacement only shrinks it where it is large. Only the smallest
    threshold that loses too much needs testing, so all others cost nothing (Bates et al. 2021, RCPS). The audit has a
    part in the pile that this threshold makes: of that pile this promise holds, and no `Certificate`.
    Raises `ValueError` unless all of p_keep are 0 … 1 and both shares are between 0 and 1.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _evidence)


def threshold_at_one_look(p_keep: np.ndarray, max_keepers_lost: float, confidence: float = 0.95) -> Threshold:
    """`threshold` for a number of audited keepers that was settled beforehand: BetaInv(1 − δ; V + 1, n − V) <= α
    with V of n below (Clopper & Pearson 1934). Needs fewer, and breaks its promise when one looks until it fits.
    """
    return _largest(p_keep, max_keepers_lost, confidence, _exact_evidence)


class Share(NamedTuple):
    """`hits` of `trials`, and the interval of the share that they were drawn from, 0 … 1."""

    hits: int
    trials: int
    low: float
    high: float


def interval(hits: int, trials: int, confidence: float = 0.95) -> Share:
    """A share with its two-sided Clopper-Pearson interval: never covered less often than it says, at any share and
    any size, where Wilson's falls short near 0 and 1 just where good scores are. For one look. 0 … 1 of no trials.
    """
    from scipy.special import betaincinv

    _check(trials, trials, hits, 1 - confidence)
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return Share(hits, trials, low, high)


class Measures(NamedTuple):
    """How good decisions are on the photos that no query asked about, from the audit alone.

    `accuracy`: of all, decided as the person did. `precision`: of those kept, keepers. `recall`: of keepers, kept.
    """

    accuracy: Share
    precision: Share
    recall: Share


def measure(keeper: np.ndarray, kept: np.ndarray, confidence: float = 0.95) -> Measures:
    """The person's answers against the decisions, both (n,) bool, for audited photos that no query asked about."""
    right, hits = int((keeper == kept).sum()), int((keeper & kept).sum())
    return Measures(
        interval(right, len(keeper), confidence),
        interval(hits, int(kept.sum()), confidence),
        interval(hits, int(keeper.sum()), confidence),
    )


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two vectors of decisions (n,) bool: 1 for equal ones, 0 for no more than chance.

    0 as well where both decide the same for all photos: that says nothing.
    """
    if len(first) == 0:
        return 0.0
    p, q = float(np.mean(first)), float(np.mean(second))
    by_chance = p * q + (1 - p) * (1 - q)
    return (float(np.mean(first == second)) - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


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


def _largest(p_keep: np.ndarray, limit: float, confidence: float, evidence: "Evidence") -> Threshold:
    """The largest threshold against which there is evidence enough that it loses too much."""
    p_keep = np.sort(np.asarray(p_keep, np.float64))
    n, wanted = len(p_keep), -np.log1p(-confidence)
    if not (0 < limit < 1 and 0 < confidence < 1 and ((p_keep >= 0) & (p_keep <= 1)).all()):
        raise ValueError(f"not probabilities: p_keep, {limit} or {confidence}")
    enough = evidence(np.arange(n), n, limit) >= wanted  # True … True False … False: evidence falls with V
    if not enough[:1].any():
        return Threshold(None, n, 0, _keepers_needed(limit, wanted, evidence) - n)
    value = float(p_keep[int(enough.sum()) - 1])
    return Threshold(value, n, int((p_keep < value).sum()), 0)


def _keepers_needed(limit: float, wanted: float, evidence: "Evidence") -> int:
    """The fewest audited keepers that support a threshold when none of them is below it."""
    high = 1
    while evidence(np.zeros(1), high, limit)[0] < wanted:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if evidence(np.zeros(1), middle, limit)[0] >= wanted else (middle, high)
    return high


Evidence = Callable[[np.ndarray, int, float], np.ndarray]
"""(V, n, α) → logarithm of the evidence that less than the share α is lost, when V of n audited keepers would be."""


def _evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """Logarithm of what the bets of `threshold` have made of 1."""
    from scipy.special import betainc, betaln

    a, b = NEAR_THE_LIMIT
    hit, missed = below + a, keepers - below + b
    with np.errstate(divide="ignore"):  # far above the limit nothing is left of the bets
        bets = betaln(hit, missed) + np.log(betainc(hit, missed, limit)) - betaln(a, b) - np.log(betainc(a, b, limit))
    return bets - below * np.log(limit) - (keepers - below) * np.log1p(-limit)


def _exact_evidence(below: np.ndarray, keepers: int, limit: float) -> np.ndarray:
    """Minus the logarithm of P(V or fewer of n) when the share is α; >= log 1/δ where BetaInv(1 − δ; …) <= α."""
    from scipy.special import betainc

    with np.errstate(divide="ignore"):
        return -np.log(betainc(keepers - below, below + 1.0, 1 - limit))


def _share(lost: int, kept: int) -> float:
    return lost / (lost + kept) if lost else 0.0


def _digest(seed: str, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode(errors="surrogateescape")).digest()


def _check(pile: np.ndarray | int, checked: np.ndarray | int, found: np.ndarray | int, risk: float) -> None:
    counts_fit = np.all((np.asarray(found) >= 0) & (np.asarray(found) <= checked) & (np.asarray(checked) <= pile))
    if not (counts_fit and 0 < risk < 1):
        raise ValueError(f"0 <= {found} found <= {checked} checked <= {pile} in the pile, δ = {risk}: this can't be")
