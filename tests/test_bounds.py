from fractions import Fraction
from math import comb, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imlcull_al.learning import blind, bounds, measures
from imlcull_al.learning.bounds import Certificate, Pile, keepers_lost_bound, keepers_lost_bounds

KEYS = [f"{number}.jpg" for number in range(400)]
SLACK = 3  # standard errors that a simulated rate may be above the promised one


def test_the_stream_is_fixed_by_its_seed_and_stays_when_photos_come_and_go():
    order = blind.stream(KEYS, "a")
    assert sorted(order) == sorted(KEYS) and order != KEYS
    assert order == blind.stream(reversed(KEYS), "a") != blind.stream(KEYS, "b")
    assert blind.stream(KEYS[50:], "a") == [key for key in order if key in KEYS[50:]]


def test_every_photo_is_as_likely_as_any_other_to_come_early():
    first = [number for seed in range(300) for number in map(KEYS.index, blind.stream(KEYS, str(seed))[:10])]
    often = np.bincount(first, minlength=400)  # 7.5 each
    assert 300 < np.square(often - 7.5).sum() / 7.5 < 500  # χ² with 399 degrees of freedom: ± 28


def test_one_in_eight_is_an_audit_at_no_regular_place():
    turns = np.array([blind.is_audit_turn("a", shown) for shown in range(800)])
    assert (turns.reshape(100, 8).sum(axis=1) == 1).all()
    assert len(set(np.flatnonzero(turns) % 8)) == 8


def bound_by_definition(pile: int, checked: int, found: int, risk: Fraction) -> int:
    """In whole numbers: likelihood of every L against its average over the prior."""

    def mass(k: int, n: int, a: int, b: int) -> Fraction:  # of the beta-binomial, a and b whole
        rising = [prod(range(x, x + m)) for x, m in ((a, k), (b, n - k), (a + b, n))]
        return Fraction(comb(n, k) * rising[0] * rising[1], rising[2])

    possible = range(found, pile - checked + found + 1)
    prior = {L: (mass(L, pile, 1, 1000) + mass(L, pile, 1, 100)) / 2 for L in possible}
    likelihood = {L: Fraction(comb(pile - checked, L - found), comb(pile, L)) for L in possible}
    average = sum(prior[L] * likelihood[L] for L in possible)

    def in_set(keepers: int) -> bool:
        return average / likelihood[keepers] < 1 / risk

    members = [keepers for keepers in range(found, pile - checked + found + 1) if in_set(keepers)]
    assert members == list(range(members[0], members[-1] + 1))  # an interval
    return members[-1] - found


COUNTS = st.integers(1, 60).flatmap(
    lambda pile: st.integers(0, pile).flatmap(
        lambda checked: st.tuples(st.just(pile), st.just(checked), st.integers(0, checked))
    )
)


@settings(deadline=None)
@given(COUNTS, st.sampled_from([Fraction(1, 20), Fraction(1, 3), Fraction(1, 1000)]))
def test_the_bound_is_that_of_the_definition(counts, risk):
    assert keepers_lost_bound(*counts, confidence=float(1 - risk)) == bound_by_definition(*counts, risk)


@settings(deadline=None)
@given(COUNTS)
def test_bounds_fall_with_checks_that_find_nothing_and_end_at_none(counts):
    pile, checked, found = counts
    further = np.arange(checked, pile + 1)
    bounds = keepers_lost_bounds(pile, further, np.array(found))
    assert (np.diff(bounds) <= 0).all() and bounds[-1] == 0
    assert keepers_lost_bound(*counts, 0.99) >= keepers_lost_bound(*counts, 0.9)


def test_bounds_of_small_and_large_piles():
    assert keepers_lost_bound(1, 0, 0) == 1
    assert keepers_lost_bound(1, 1, 1) == keepers_lost_bound(1, 1, 0) == 0
    assert keepers_lost_bound(0, 0, 0) == 0
    assert keepers_lost_bound(10**6, 0, 0) == 10**6
    assert keepers_lost_bound(10, 9, 3) == 1
    assert keepers_lost_bound(10**6, 10**6 - 1, 3) == 0  # else one of four of a million would have come last
    # With no keeper found L is out when (1 − m/M)^L < δ b / (b + m), b / (b + m) on average over the prior, all but
    # exactly so when m is small beside M.
    average = (1000 / 1300 + 100 / 400) / 2
    assert keepers_lost_bound(10**6, 300, 0) / 10**6 == pytest.approx(np.log(20 / average) / 300, rel=0.01)


@pytest.mark.parametrize("counts", [(5, 6, 0), (5, 3, 4), (5, 3, -1), (-1, -1, -1)])
def test_counts_that_can_not_be(counts):
    with pytest.raises(ValueError, match="can't be"):
        keepers_lost_bound(*counts)
    with pytest.raises(ValueError, match="can't be"):
        keepers_lost_bound(5, 2, 1, confidence=1.0)


RUNS = 2000


def peeked(photos: int, keepers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(RUNS, photos + 1) each: checks, keepers found, keepers left at every look until all of a pile is checked."""
    chance = np.random.default_rng(photos + keepers)
    drawn = chance.permuted(np.tile(np.arange(photos) < keepers, (RUNS, 1)), axis=1)
    found = np.append(np.zeros((RUNS, 1), int), np.cumsum(drawn, axis=1), axis=1)
    return np.broadcast_to(np.arange(photos + 1), found.shape), found, keepers - found


def at_most(share: float, runs: np.ndarray) -> bool:
    return runs.mean() <= share + SLACK * np.sqrt(share * (1 - share) / len(runs))


@pytest.mark.parametrize(("photos", "keepers"), [(40, 2), (200, 1), (200, 8), (200, 60)])
def test_a_pile_looked_at_after_every_check_breaks_the_bound_in_at_most_one_run_of_twenty(photos, keepers):
    checks, found, left = peeked(photos, keepers)
    table = keepers_lost_bounds(
        photos, np.arange(photos + 1)[:, None], np.minimum(np.arange(keepers + 1), checks[0][:, None])
    )
    broken = (left > table[checks, found]).any(axis=1)
    assert at_most(0.05, broken)
    assert broken.any()  # and it isn't kept by saying nothing


@pytest.mark.slow
def test_the_fixed_sample_bound_would_not_bear_so_many_looks_and_is_not_much_narrower():
    from scipy.stats import hypergeom

    photos, keepers = 200, 8
    checks, found, _ = peeked(photos, keepers)
    # The fixed-sample bound is below those left just where P(so few found | as many as there are) <= δ.
    assert not at_most(0.05, (hypergeom.cdf(found, photos, keepers, checks) <= 0.05).any(axis=1))
    for m, ratio in ((25, 1.0), (50, 1.2), (100, 1.34)):
        fixed = max(L for L in range(photos - m + 1) if hypergeom.cdf(0, photos, L, m) > 0.05)
        assert fixed <= keepers_lost_bound(photos, m, 0) <= ratio * fixed


def test_piles_that_move_with_the_labels_but_not_with_the_audit_hold_at_each_look():
    """300 photos, a pile that gains and loses photos after every check; the order of the audit is all that's random."""
    chance = np.random.default_rng(0)
    keeper = chance.random(300) < 0.1
    score = keeper * 0.5 + chance.normal(size=(151, 300)).cumsum(axis=0) / np.sqrt(np.arange(1, 152))[:, None]
    order = chance.random((RUNS, 300)).argsort(axis=1)
    for m in (20, 80, 150):
        pile = score[m] < 0.3
        inside = pile[order[:, :m]]
        found = (inside & keeper[order[:, :m]]).sum(axis=1)
        bound = keepers_lost_bounds(int(pile.sum()), inside.sum(axis=1), found)
        assert at_most(0.05, (pile & keeper).sum() - found > bound)


def test_a_certificate_by_eye():
    one = Certificate(Pile(100, 100, 3), known=47)
    assert (one.keepers_lost, one.keepers_kept, one.share_lost, one.checks_missing(0.01)) == (0, 47, 0.0, 0)
    other = Certificate(Pile(1000, 300, 0), known=100)
    assert other.keepers_lost == keepers_lost_bound(1000, 300, 0)
    assert other.share_lost == other.keepers_lost / (other.keepers_lost + 100)
    assert other.reaches(other.share_lost) and not other.reaches(other.share_lost - 0.001)
    assert Certificate(Pile(0, 0, 0), known=0).share_lost == 0
    assert Certificate(Pile(1, 0, 0), known=0).share_lost == 1


def test_keepers_of_the_keep_pile_count_as_far_as_they_were_checked():
    cull_pile = Pile(1000, 300, 0)
    unseen = Certificate(cull_pile, 100, Pile(500, 0, 0))
    assert unseen.keepers_kept == 100
    seen = Certificate(cull_pile, 180, Pile(500, 100, 80))
    assert 180 + 400 * 0.6 < seen.keepers_kept < 180 + 400 * 0.8
    assert Certificate(cull_pile, 500, Pile(500, 500, 400)).keepers_kept == 500
    little = Pile(1000, 100, 0)
    assert Certificate(little, 0).keepers_lost < Certificate(little, 0, Pile(9, 0, 0)).keepers_lost  # δ is shared


def test_the_checks_missing_bring_the_certificate_there():
    one = Certificate(Pile(2000, 100, 1), known=100)
    for keepers in (None, 0.0, 0.02):
        more = one.checks_missing(0.2, keepers)
        found = round((0.01 if keepers is None else keepers) * more)
        assert Certificate(Pile(2000, 100 + more, 1 + found), known=100 + found).reaches(0.2)
        assert not Certificate(Pile(2000, 90 + more, 1 + found), known=100 + found).reaches(0.2)
    assert one.checks_missing(0.2, 0.0) < one.checks_missing(0.2) < one.checks_missing(0.2, 0.02)
    assert Certificate(Pile(10, 0, 0), known=2).checks_missing(0.01) is None


def test_piles_remade_share_the_risk():
    risks = [Certificate(Pile(10, 0, 0), 0, remade=number).risk for number in range(1, 2000)]
    assert risks[0] == pytest.approx(0.025) and 0.0499 < sum(risks) < 0.05
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate(Pile(10, 5, 2), known=1)


def test_intervals_are_clopper_and_pearsons():
    assert measures.interval(0, 0) == (0, 0, 0.0, 1.0)
    assert np.allclose(measures.interval(0, 20), (0, 20, 0, 0.1684), atol=1e-4)
    assert np.allclose(measures.interval(8, 10), (8, 10, 0.4439, 0.9748), atol=1e-4)


def test_measures_by_eye():
    keeper = np.array([True, True, True, False, False])
    found = measures.measure(keeper, np.array([True, True, False, True, False]))
    assert [one[:2] for one in found] == [(3, 5), (2, 3), (2, 3)]
    assert measures.measure(keeper, np.zeros(5, bool)).precision == (0, 0, 0.0, 1.0)


def test_agreement_is_cohens_kappa():
    first = np.array([True] * 25 + [False] * 25)
    second = np.array([True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    assert measures.agreement(first, second) == pytest.approx(0.4)  # seen 0.7, by chance 0.5
    assert measures.agreement(first, first) == 1
    assert measures.agreement(first, ~first) == -1
    assert measures.agreement(np.ones(5, bool), np.ones(5, bool)) == measures.agreement(np.zeros(0), np.zeros(0)) == 0


def history(answers: np.ndarray, is_check: np.ndarray, pile: int) -> bounds.History:
    """Of a pile of so many photos, from its answers (n,) bool in order and which of them are checks."""
    before = np.cumsum(answers) - answers
    unseen = pile - np.arange(len(answers))
    return bounds.History(
        unseen[is_check].astype(float),
        before[is_check].astype(float),
        answers[is_check],
        pile - len(answers),
        int(answers.sum()),
    )


@pytest.mark.parametrize(("pile", "checked", "found"), [(50, 10, 2), (400, 60, 3), (400, 5, 0), (3000, 100, 4)])
def test_with_nothing_between_the_checks_the_history_says_what_the_counts_do(pile, checked, found):
    answers = np.zeros(checked, bool)
    answers[:found] = True
    said = bounds.Certificate(bounds.Pile(pile, checked, found), found + 20).keepers_lost
    told = bounds.Pile(pile, checked, found, history(answers, np.ones(checked, bool), pile))
    assert bounds.Certificate(told, found + 20).keepers_lost == pytest.approx(said, rel=0.02, abs=1)


def test_looking_through_the_pile_for_culls_buys_nothing():
    """Whoever answers 60 culls by eye after the checks must not make the rest look better than it is."""
    answers = np.concatenate([np.arange(40) < 4, np.zeros(60, bool)])
    is_check = np.arange(100) < 40
    before = bounds.Certificate(bounds.Pile(300, 40, 4, history(answers[:40], is_check[:40], 300)), 50).keepers_lost
    after = bounds.Certificate(bounds.Pile(240, 40, 4, history(answers, is_check, 300)), 50).keepers_lost
    naive = bounds.Certificate(bounds.Pile(240, 40, 4), 50).keepers_lost
    assert naive < after == before


@pytest.mark.slow
def test_the_bound_holds_while_a_person_picks_photos_out_of_the_pile():
    """Peeking after every check, with a person between who answers the likeliest culls, or the likeliest keepers."""
    chance, broken, runs, widths = np.random.default_rng(5), 0, 100, []
    for run in range(runs):
        is_keeper = chance.random(200) < 0.15
        likely = is_keeper + chance.normal(size=200) * 0.7
        picked = np.argsort(likely if run % 2 else -likely).tolist()
        stream, seen, order, check = chance.permutation(200).tolist(), set(), [], []
        is_broken = False
        for _ in range(60):
            is_check = not order or chance.random() < 0.5  # the pile begins with its first check
            row = next(each for each in (stream if is_check else picked) if each not in seen)
            seen.add(row)
            order.append(row)
            check.append(is_check)
            if is_check:
                told = history(is_keeper[order], np.array(check), 200)
                pile = bounds.Pile(told.left + sum(check), sum(check), int(told.is_keeper.sum()), told)
                lost = bounds.Certificate(pile, told.known).keepers_lost
                is_broken |= lost < int(is_keeper.sum()) - told.known
        broken += is_broken
        widths.append(lost / told.left)
    assert broken <= 0.05 * runs + 3 * (0.05 * 0.95 * runs) ** 0.5
    assert np.median(widths) < 0.75  # and it says something


def test_more_checks_on_a_history_are_as_many_as_on_counts():
    answers = np.arange(40) < 2
    told = bounds.Pile(400, 40, 2, history(answers, np.ones(40, bool), 400))
    missing = bounds.Certificate(told, 80).checks_missing(0.05)
    assert missing == pytest.approx(bounds.Certificate(bounds.Pile(400, 40, 2), 80).checks_missing(0.05), abs=3)
