"""Does the promise hold, and what does it cost? Monte Carlo simulation of the bounds, checked after every spot check.

    python -m benchmarks.promise [--runs 2000] [--seed 0]

Four tables at 95 % confidence: at most 5 % of the runs may break a promise at any look.

1. One pile: remaining keepers against `bounds.keepers_lost_bound`, compared with the exact fixed-sample bound
   (hypergeometric) at the same looks, and the ratio of their widths.
2. Moving piles: a ridge classifier is refitted after every queried label; every other label is a spot check.
3. The same piles with `bounds.History`, as in the app, which accounts for photos labeled between the checks; compared
   with the plain counts of table 2 at the same looks.
4. How many photos of a stage of 3,000 must be checked until a certificate reaches a share.

All labels are simulated. Nothing here measures a person, who may judge the same photo differently on another day.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imlcull_al.learning import bounds
from imlcull_al.learning.bounds import Certificate, History, Pile

Bounds = Callable[[int, np.ndarray, np.ndarray, float], np.ndarray]
CONFIDENCE = 0.95
MANY_CHECKS = 600
DOUBLINGS = {20, 40, 80, 160}
FIRST = 20  # labels before moving piles are first evaluated
STOP_AT = 0.45
SOMETIMES = 10
WITH_HISTORY = 5
NEVER = np.iinfo(np.int64).max


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulated stages a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    print(f"95 % confidence, {options.runs} runs a row; ± one standard error\n")
    one_pile(chance, options.runs)
    moving_piles(chance, options.runs)
    with_history(chance, options.runs // 2)
    costs()


def one_pile(chance: np.random.Generator, runs: int) -> None:
    """Table 1."""
    print("1. One pile, looked at after each of up to 600 checks: runs with more keepers left than the bound at a look")
    print("   photos  keepers | broken             fixed-sample as often | width at 50, 200, 600 checks; remembered")
    for photos, keepers in ((60, 3), (300, 1), (300, 9), (300, 60), (2000, 4), (2000, 40), (2000, 400), (20_000, 200)):
        checks = np.arange(min(photos, MANY_CHECKS) + 1)
        found = draws(chance, runs, photos, keepers, len(checks) - 1)
        bound = on_grid(bounds.keepers_lost_bounds, photos, checks, found)
        in_order = np.minimum.accumulate(bound + found, axis=1) - found
        fixed = on_grid(fixed_sample_bounds, photos, checks, found)
        left = keepers - found
        shown = [m for m in (50, 200, 600) if m < min(photos, len(checks))]
        widths = [[f"{one[:, m].mean() / fixed[:, m].mean():.2f}" for m in shown] for one in (bound, in_order)]
        often = [broken((left > one).any(axis=1)) for one in (bound, fixed)]
        print(f"   {photos:6d}  {keepers:7d} | {'    '.join(often)}       | {'; '.join(' '.join(w) for w in widths)}")
    print()


def draws(chance: np.random.Generator, runs: int, photos: int, keepers: int, checks: int) -> np.ndarray:
    """(runs, checks + 1) keepers found after 0, 1, … checks, drawn without replacement."""
    found = np.zeros((runs, checks + 1), np.int64)
    for m in range(checks):
        left = keepers - found[:, m]
        found[:, m + 1] = found[:, m] + (chance.random(runs) * (photos - m) < left)
    return found


def on_grid(bounds: Bounds, photos: int, checks: np.ndarray, found: np.ndarray) -> np.ndarray:
    """`bounds` for all pairs of counts, each distinct pair computed once."""
    size = int(found.max()) + 1
    place = checks * size + found
    pairs, where = np.unique(place, return_inverse=True)
    return bounds(photos, pairs // size, pairs % size, CONFIDENCE)[where.reshape(found.shape)]


def fixed_sample_bounds(photos: int, checked: np.ndarray, found: np.ndarray, confidence: float) -> np.ndarray:
    """The exact bound for a single look: the largest L with P(at most this many found | L) > δ, minus those found."""
    from scipy.stats import hypergeom

    low, high = found.copy(), photos - checked + found
    while (low < high).any():
        middle = (low + high + 1) // 2
        inside = hypergeom.cdf(found, photos, middle, checked) > 1 - confidence
        low, high = np.where(inside, middle, low), np.where(inside, high, middle - 1)
    return low - found


@dataclass(frozen=True)
class Look:
    """State of all runs at one look, arrays (runs, photos) in audit order: the pile, the keepers, the photos labeled
    for a query, those labeled as spot checks, and those that the stream of checks has passed (labeled for either).
    `side`: the pile plus the photos labeled before it was made; `turn`: when a photo was labeled, `NEVER` if it was
    not.
    """

    pile: np.ndarray
    keeper: np.ndarray
    trained: np.ndarray
    audited: np.ndarray
    passed: np.ndarray
    side: np.ndarray
    turn: np.ndarray

    def left(self) -> np.ndarray:
        """(runs,) unlabeled keepers in the pile."""
        return (self.pile & self.keeper & ~(self.audited | self.trained)).sum(axis=1)

    def bound(self, confidence: float) -> np.ndarray:
        """(runs,) upper bound on `left` by the audit."""
        seen = self.pile & self.passed
        checked, found = seen.sum(axis=1), (seen & self.keeper).sum(axis=1)
        return bounds.keepers_lost_bounds(self.pile.sum(axis=1), checked, found, confidence)

    def bound_in_order(self, confidence: float) -> np.ndarray:
        """(runs,) the same bound, tightened by earlier looks at this pile."""
        length = int(self.passed.sum(axis=1).max()) + 1
        seen = (self.pile & self.passed)[:, :length]
        checked, found = np.cumsum(seen, axis=1), np.cumsum(seen & self.keeper[:, :length], axis=1)
        left = bounds.keepers_lost_bounds(self.pile.sum(axis=1)[:, None], checked, found, confidence)
        return (left + found).min(axis=1) - found[:, -1]

    def bound_with_history(self, confidence: float) -> np.ndarray:
        """(runs,) upper bound on `left` that accounts for labels between the checks, as in the app."""
        return np.array([self._certificate(run, confidence).keepers_lost for run in range(len(self.pile))])

    def _certificate(self, run: int, confidence: float) -> Certificate:
        answered = np.flatnonzero(self.side[run] & (self.turn[run] < NEVER))
        answered = answered[self.turn[run][answered].argsort()]
        is_check, is_keeper = self.audited[run][answered], self.keeper[run][answered]
        start = int(is_check.argmax()) if is_check.any() else len(answered)
        is_check, is_keeper = is_check[start:], is_keeper[start:]
        first, revealed = int(self.side[run].sum()) - start, np.cumsum(is_keeper) - is_keeper
        known, left = int(is_keeper.sum()), first - len(is_keeper)
        found = is_keeper[is_check]
        history = History((first - np.arange(len(is_keeper)))[is_check], revealed[is_check], found, left, known)
        pile = Pile(left + len(found), len(found), int(found.sum()), history)
        return Certificate(pile, int(found.sum()), None, confidence)

    def known(self) -> np.ndarray:
        """(runs,) labeled keepers."""
        return (self.keeper & (self.audited | self.trained)).sum(axis=1)


MOVING: dict[str, dict[str, Any]] = {
    "never remade": {"remake": "never"},
    "remade after every query": {},
    "the same, audited not asked again": {"avoid": True},
    "the same, clean taste": {"avoid": True, "whim": 0.05},
    "remade at doublings, δ shared out": {"avoid": True, "remake": "doubling"},
    "random piles at every look": {"remake": "randomly"},
    "forbidden: audit answers train": {"avoid": True, "audit_trains": True},
}


def moving_piles(chance: np.random.Generator, runs: int, batch: int = 250, answers: int = 300) -> None:
    """Table 2."""
    print(f"2. Moving piles: 600 photos, {answers} answers, every other one for the audit; looked at after each")
    print(f"   certified: wrong at the first look that says that at most {STOP_AT:.0%} of the keepers are lost")
    print(
        f"   remembered: broken where each pile's earlier looks count too, looked at after every {SOMETIMES}th answer"
    )
    print(f"   {'':33s} | broken at any look | at the last    | certified                   | remembered")
    for name, kind in MOVING.items():
        ends = [watch(shoots(chance, batch, answers, **kind), batch, "δ" in name) for _ in range(max(runs // batch, 1))]
        ever, last, wrong, stopped, remembered = (np.concatenate(one) for one in zip(*ends, strict=True))
        certified = f"{broken(wrong)}, {stopped.mean():4.0%} get there"
        print(f"   {name:33s} | {broken(ever)}     | {broken(last)} | {certified} | {broken(remembered)}")
    print()


def with_history(chance: np.random.Generator, runs: int, batch: int = 250, answers: int = 300) -> None:
    """Table 3."""
    print(
        f"3. The same with what was answered between the checks, as in the app; looked at after every {WITH_HISTORY}th"
    )
    print(f"   {'':33s} | broken at any look | plain counts there | width to them at the last")
    for name in ("never remade", "the same, audited not asked again", "the same, clean taste"):
        ever, plainly, widths = [], [], []
        for _ in range(max(runs // batch, 1)):
            wrong, plain = np.zeros((2, batch), bool)
            for number, look in enumerate(shoots(chance, batch, answers, **MOVING[name]), start=1):
                if number % WITH_HISTORY == 0:
                    bound, counts = look.bound_with_history(CONFIDENCE), look.bound(CONFIDENCE)
                    wrong, plain = wrong | (look.left() > bound), plain | (look.left() > counts)
            ever.append(wrong)
            plainly.append(plain)
            widths.append(bound.mean() / counts.mean())
        often = [broken(np.concatenate(one)) for one in (ever, plainly)]
        print(f"   {name:33s} | {often[0]}     | {often[1]}     | {np.mean(widths):.2f}")
    print()


def watch(looks: Iterator[Look], runs: int, shared_out: bool) -> tuple[np.ndarray, ...]:
    """(runs,) bool each: broken at any look, at the last look, when first certified; whether ever certified; broken
    when earlier looks are remembered.
    """
    ever, wrong, stopped, remembered = np.zeros((4, runs), bool)
    last = ever
    for number, look in enumerate(looks, start=1):
        remade = 1 + int(np.log2(look.trained[0].sum() / FIRST))
        confidence = 1 - (1 - CONFIDENCE) / (remade * (remade + 1) if shared_out else 1)
        left, bound = look.left(), look.bound(confidence)
        last = left > bound
        ever = ever | last
        now = ~stopped & (bound * (1 - STOP_AT) <= STOP_AT * look.known())
        stopped = stopped | now
        wrong = wrong | (now & (left * (1 - STOP_AT) > STOP_AT * look.known()))
        if number % SOMETIMES == 0:
            remembered = remembered | (left > look.bound_in_order(confidence))
    return ever, last, wrong, stopped, remembered


def shoots(
    chance: np.random.Generator,
    runs: int,
    answers: int,
    *,
    photos: int = 600,
    size: int = 24,
    whim: float = 0.4,
    remake: str = "always",
    avoid: bool = False,
    audit_trains: bool = False,
) -> Iterator[Look]:
    """Simulate all runs at once, photos in audit order: 20 random labels, then alternately a spot check and the most
    uncertain photo.

    Photos are i.i.d., so their order is random. `whim`: share of labels drawn at random. `avoid`: queries never ask
    about checked photos; otherwise they may, at no extra cost, and the photo then trains.
    """
    features = chance.normal(size=(runs, photos, size)).astype(np.float32)
    features[:, :, 0] = 1
    fine = (features @ chance.normal(size=(runs, size, 1)))[:, :, 0]
    keeper = fine > np.quantile(fine, 0.8, axis=1, keepdims=True)
    keeper = np.where(chance.random(keeper.shape) < whim, chance.random(keeper.shape) < 0.2, keeper)
    every, rows = np.arange(runs), np.zeros((runs, photos), bool)
    trained, audited = rows.copy(), rows.copy()
    inverse = np.broadcast_to(np.eye(size), (runs, size, size)).copy()
    moment = np.zeros((runs, size))
    turn = np.full((runs, photos), NEVER)

    def learn(which: np.ndarray) -> None:
        nonlocal inverse, moment
        x, y = features[every, which], keeper[every, which]
        weight = np.where(y, 4.0, 1.0)
        step = np.einsum("rij,rj->ri", inverse, x)
        shrink = weight / (1 + weight * (x * step).sum(axis=1))
        inverse -= shrink[:, None, None] * step[:, :, None] * step[:, None, :]
        moment += (weight * np.where(y, 1, -1))[:, None] * x

    for start in chance.random((runs, photos)).argsort(axis=1)[:, :FIRST].T:
        trained[every, start] = True
        turn[every, start] = 0
        learn(start)
    pile, side, labels = rows, rows, FIRST
    for number in range(answers):
        score = (features @ np.einsum("rij,rj->ri", inverse, moment)[:, :, None].astype(np.float32))[:, :, 0]
        if remake == "randomly":
            side = chance.random(score.shape) < 0.5
            pile = side & ~trained
        elif number == 0 or remake == "always" or (remake == "doubling" and labels in DOUBLINGS):
            side = score < 0
            pile = side & ~trained
        if number % 2 == 0:
            which = (trained | audited).argmin(axis=1)
            audited[every, which] = True
            if audit_trains:
                learn(which)
        elif remake != "never":
            which = np.where(trained | (avoid & audited), np.inf, np.abs(score)).argmin(axis=1)
            trained[every, which] = True
            learn(which)
            labels += 1
        if number % 2 == 0 or remake != "never":
            turn[every, which] = np.minimum(turn[every, which], number + 1)
        passed = np.cumsum(audited[:, ::-1], axis=1)[:, ::-1] > 0
        yield Look(pile, keeper, trained, audited, passed, side, turn)


def costs() -> None:
    """Table 4."""
    print(
        "4. Checks in a stage of 3,000: 100 queries found 50 keepers; 2,300 predicted culls, 600 predicted keeps (70 %)"
    )
    print(
        "   keepers among the culls | at most 10 %   5 %   2 % lost   (where only known keepers count: 10 %  5 %  2 %)"
    )
    for rate in (0.0, 0.002, 0.005, 0.01):
        cells = []
        for both in (True, False):
            for share in (0.1, 0.05, 0.02):
                cells.append(next((n for n in range(0, 2901, 10) if certificate(n, rate, both).reaches(share)), 2900))
        print(
            f"   {rate:22.1%}  | {cells[0]:12d} {cells[1]:5d} {cells[2]:5d} {'':40s}",
            *(f"{cell:5d}" for cell in cells[3:]),
        )


def certificate(checks: int, rate: float, both: bool) -> Certificate:
    """The certificate after `checks` checks that found exactly the expected number of keepers."""
    culls, keeps = round(checks * 2300 / 2900), checks - round(checks * 2300 / 2900)
    cull_pile, keep_pile = Pile(2300, culls, int(rate * culls)), Pile(600, keeps, int(0.7 * keeps))
    return Certificate(cull_pile, 50 + cull_pile.found + keep_pile.found, keep_pile if both else None, CONFIDENCE)


def broken(runs: np.ndarray) -> str:
    """Share of runs, with its standard error."""
    share = float(runs.mean())
    return f"{share:6.2%} ± {np.sqrt(share * (1 - share) / len(runs)):5.2%}"


if __name__ == "__main__":
    main()
