import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.learning import head, orders
from imlcull_al.learning.orders import two_classes


def test_uncertainty_by_eye():
    assert np.allclose(orders.uncertainty(two_classes([0, 0.25, 0.5, 0.75, 1])), [0, 0.5, 1, 0.5, 0])


def test_most_uncertain_first_and_ties_by_position():
    probability = two_classes([0.9, 0.4, 0.6, 0.5, 0.1])
    assert orders.most_uncertain_first(probability, np.array([4, 2, 1, 0])).tolist() == [1, 2, 0, 4]
    assert orders.most_uncertain_first(probability, np.arange(5)).tolist() == [3, 1, 2, 0, 4]
    assert orders.most_uncertain_first(probability, np.array([], int)).tolist() == []


def test_uniform_numbers_are_fixed_and_belong_to_their_keys():
    keys = [f"{number}.jpg" for number in range(2000)]
    numbers = orders.uniform(keys)
    assert np.array_equal(orders.uniform(keys[::-1])[::-1], numbers)
    assert 0 <= numbers.min() < 0.01 < 0.99 < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.03
    assert len(set(numbers.tolist())) == 2000
    assert orders.uniform(["\udcff.jpg"]).shape == (1,)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_every_candidate_comes_once_and_uncertainty_never_rises(probabilities):
    probability = two_classes(probabilities)
    order = orders.most_uncertain_first(probability, np.arange(len(probability)))
    assert sorted(order) == list(range(len(probability)))
    assert (np.diff(orders.uncertainty(probability[order])) <= 0).all()


def test_likeliest_first_by_eye():
    probability = np.array([0.9, 0.4, 0.9, 0.5])
    assert orders.likeliest_first(probability, np.array([3, 2, 1, 0])).tolist() == [0, 2, 3, 1]


def test_disagreements_are_the_furthest_off_first():
    probability = two_classes([0.9, 0.4, 0.1, 0.5, 0.7])
    targets = two_classes([False, True, True, True, True])
    assert orders.disagreements_first(probability, np.arange(5), targets).tolist() == [0, 2, 1]


def test_least_like_is_the_furthest_from_its_closest_neighbour():
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0, -1]], float)
    assert orders.least_like(rows, np.array([0]), np.arange(1, 5)) == 3
    assert orders.least_like(rows, np.array([0, 3]), np.array([4, 2, 1])) == 2  # a tie with 4


CHANCE = np.random.default_rng(0)
CLUSTERS = CHANCE.normal(size=(4, 16)) * 3
GROUP = np.repeat(np.arange(4), 30)
ROWS = CLUSTERS[GROUP] + CHANCE.normal(size=(120, 16))


def asked(rows, labeled, target, candidates, bursts=None):
    """The order after a fit on these answers."""
    known = head.features(rows)
    probability = head.sigmoid(known.logits(head.fit(known, labeled, target)))
    bursts = np.arange(len(rows)) if bursts is None else bursts
    probability[~known.usable] = np.nan
    return orders.next_first(two_classes(probability), two_classes(target), candidates, bursts)


def test_the_start_sees_every_cluster_first():
    order = orders.covering_first(head.features(ROWS), orders.uniform([str(row) for row in range(120)]))
    assert sorted(order) == list(range(120))
    assert set(GROUP[order[:4]]) == {0, 1, 2, 3}


def test_the_start_lasts_until_ten_answers_of_both_kinds():
    assert orders.still_starting(two_classes([]))
    assert orders.still_starting(two_classes([True] * 30))
    assert orders.still_starting(two_classes([True, False] * 4))
    assert not orders.still_starting(two_classes([True] + [False] * 9))


def test_the_rarer_kind_is_looked_for_first():
    target = np.array([True, True] + [False] * 18)
    labeled = np.array([0, 1, *range(30, 48)])
    order = asked(ROWS, labeled, target, np.arange(2, 30, dtype=np.intp))
    everything = asked(ROWS, labeled, target, np.setdiff1d(np.arange(120), labeled))
    assert len(order) == 28
    assert (GROUP[everything[:20]] == 0).all()  # where the only keepers were


def test_later_it_asks_what_is_uncertain():
    side = GROUP < 2
    labeled = np.concatenate([np.flatnonzero(group == GROUP)[:5] for group in range(4)])
    border = (CLUSTERS[0] + CLUSTERS[3]) / 2
    rows = np.vstack([ROWS, np.repeat(border[None], 6, axis=0) + CHANCE.normal(size=(6, 16)) * 0.01])
    order = asked(rows, labeled, side[labeled], np.setdiff1d(np.arange(126), labeled))
    assert set(order[:6]) == set(range(120, 126))


def test_frames_of_a_burst_take_turns():
    target = np.array([True] * 10 + [False] * 10)
    labeled = np.concatenate([np.arange(10), np.arange(60, 70)])
    bursts = np.arange(120)
    bursts[70:100] = 70
    for taught in (target, np.array([True] * 2 + [False] * 18)):
        order = asked(ROWS, labeled, taught, np.setdiff1d(np.arange(120), labeled), bursts)
        assert sorted(order) == sorted(np.setdiff1d(np.arange(120), labeled))
        assert (bursts[order[:10]] == 70).sum() <= 1


def test_what_is_no_number_comes_last_and_nothing_crashes():
    rows = ROWS.copy()
    rows[50] = np.nan
    rows[60] = rows[61]
    labeled, target = np.arange(20), np.arange(20) < 10
    order = asked(rows, labeled, target, np.arange(20, 120))
    assert order[-1] == 50
    assert sorted(order) == list(range(20, 120))
    few = head.features(ROWS[:3])
    assert sorted(orders.covering_first(few, orders.uniform(["a", "b", "c"]))) == [0, 1, 2]
    assert asked(ROWS[:3], np.array([0, 1]), np.array([True, False]), np.array([2])).tolist() == [2]
    alike = np.ones((30, 4))
    assert sorted(asked(alike, np.arange(20), np.arange(20) < 10, np.arange(20, 30))) == list(range(20, 30))
    assert asked(ROWS, labeled, target, np.array([], np.intp)).tolist() == []


class TestSeveralClasses:
    def test_the_margin_is_between_the_two_likeliest(self):
        probability = np.array([[0.4, 0.35, 0.25], [0.5, 0.0, 0.5], [0.1, 0.1, 0.8]])
        assert np.allclose(orders.uncertainty(probability), [0.95, 1, 0.3])
        assert orders.most_uncertain_first(probability, np.arange(3)).tolist() == [1, 0, 2]

    def test_of_tags_the_least_certain_one_counts(self):
        tags = np.array([[0.9, 0.5], [0.7, np.nan], [0.0, 1.0], [np.nan, np.nan]])
        assert np.allclose(orders.uncertainty(tags, False), [1, 0.6, 0, np.nan], equal_nan=True)
        assert orders.most_uncertain_first(tags, np.arange(4), False).tolist() == [0, 1, 2, 3]

    def test_the_rarest_class_that_occurs_is_looked_for_first(self):
        targets = np.repeat([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], [9, 2, 8], axis=0)
        probability = np.array([[0.5, 0.1, 0.4, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.6, 0.1]])
        assert orders.next_first(probability, targets, np.arange(3), np.arange(3)).tolist() == [1, 2, 0]
        many = np.repeat(targets, 4, axis=0)
        assert orders.next_first(probability, many, np.arange(3), np.arange(3)).tolist() == [0, 1, 2]

    def test_a_tag_is_looked_for_with_and_without(self):
        with_few = np.array([[1, 1]] * 9 + [[0, 1]] * 9 + [[1, 0]] * 2)
        probability = np.array([[0.5, 0.9], [0.5, 0.2], [0.5, 0.6]])
        assert orders.next_first(probability, with_few, np.arange(3), np.arange(3), False).tolist() == [1, 2, 0]

    def test_the_start_takes_two_classes_or_a_tag_with_both_answers(self):
        assert orders.still_starting(np.array([[1, 0, 0]] * 12))
        assert not orders.still_starting(np.array([[1, 0, 0]] * 11 + [[0, 0, 1]]))
        assert orders.still_starting(np.array([[1, 0], [1, np.nan]] * 6), False)
        assert not orders.still_starting(np.array([[1, 0], [1, 1]] * 5), False)
        assert not orders.still_starting(np.array([[1], [0]] * 5), False)

    def test_disagreements_of_classes_and_of_known_tags(self):
        probability = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
        targets = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0]])
        assert orders.disagreements_first(probability, np.arange(3), targets).tolist() == [2, 0]
        tags, known = np.array([[0.9, 0.1], [0.9, 0.4], [np.nan, 0.7]]), np.array([[0, 0], [np.nan, 1], [1, 1]])
        assert orders.disagreements_first(tags, np.arange(3), known, False).tolist() == [0, 1]
