from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.session.leases import FAREWELL, SECONDS, Leases

RANKED = ["a", "b", "c", "d", "e"]


def test_two_visitors_never_hold_the_same_photo():
    leases = Leases()
    assert leases.take("one", RANKED, 2, now=0) == ["a", "b"]
    assert leases.take("two", RANKED, 2, now=0) == ["c", "d"]
    assert leases.visitors(now=1) == 2


def test_a_visitor_gets_its_own_again_and_frees_the_rest():
    leases = Leases()
    leases.take("one", RANKED, 3, now=0)
    assert leases.take("one", ["e", "a"], 2, now=1) == ["e", "a"]
    assert leases.take("two", RANKED, 9, now=1) == ["b", "c", "d"]


def test_a_visitor_has_leases_of_its_own_at_every_place_and_counts_once():
    leases = Leases()
    assert leases.take("one", RANKED, 2, now=0, place="sheet") == ["a", "b"]
    assert leases.take("one", RANKED, 2, now=0) == ["c", "d"]
    assert leases.take("one", RANKED, 1, now=0, place="look") == ["c"]  # taken over
    assert leases.take("one", RANKED, 1, now=0) == ["d"]
    assert leases.held(now=1) == {"a": "sheet", "b": "sheet", "c": "look", "d": ""}
    assert leases.held_by_others("one", now=1) == {"a", "b", "c"}
    assert leases.take("two", RANKED, 9, now=1, place="sheet") == ["e"]
    assert leases.visitors(now=1) == 2


def test_an_answer_and_silence_free_a_photo():
    leases = Leases()
    leases.take("one", RANKED, 2, now=0)
    leases.free("a")
    assert leases.take("two", RANKED, 1, now=1) == ["a"]
    assert leases.take("three", RANKED, 9, now=SECONDS + 1) == ["b", "c", "d", "e"]


def test_who_has_left_takes_nothing_until_its_last_requests_are_over():
    leases = Leases()
    leases.take("one", RANKED, 2, now=0)
    leases.leave("one", now=1)
    assert leases.take("one", RANKED, 2, now=2) == []
    assert leases.visitors(now=2) == 0
    assert leases.take("one", RANKED, 2, now=2 + FAREWELL) == ["a", "b"]  # the page came back


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 4), st.floats(0, 30)), max_size=30))
def test_no_photo_is_ever_held_twice(steps):
    leases, now, held = Leases(), 0.0, {}
    for visitor, count, pause in steps:
        now += pause
        held = {key: pair for key, pair in held.items() if now - pair[1] <= SECONDS and pair[0] != visitor}
        taken = leases.take(visitor, RANKED, count, now)
        assert not set(taken) & set(held)
        held |= dict.fromkeys(taken, (visitor, now))
