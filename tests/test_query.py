import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al import query


def test_uncertainty_by_eye():
    assert np.allclose(query.uncertainty(np.array([0, 0.25, 0.5, 0.75, 1])), [0, 0.5, 1, 0.5, 0])


def test_most_uncertain_first_and_ties_by_position():
    probability = np.array([0.9, 0.4, 0.6, 0.5, 0.1])
    assert query.most_uncertain_first(probability, np.array([4, 2, 1, 0])).tolist() == [1, 2, 0, 4]
    assert query.most_uncertain_first(probability, np.arange(5)).tolist() == [3, 1, 2, 0, 4]
    assert query.most_uncertain_first(probability, np.array([], int)).tolist() == []


def test_the_shuffle_is_fixed_and_stays_when_photos_come_and_go():
    keys = [f"{number}.jpg" for number in range(50)]
    order = [keys[position] for position in query.shuffled(keys, np.arange(50))]
    assert order[:3] == [keys[position] for position in query.shuffled(keys, np.arange(50))][:3]
    assert order != sorted(order)
    fewer = [key for key in keys if key != order[4]]
    again = [fewer[position] for position in query.shuffled(fewer, np.arange(49))]
    assert again == [key for key in order if key != order[4]]


@given(st.lists(st.floats(0, 1), max_size=30))
def test_every_candidate_comes_once_and_uncertainty_never_rises(probabilities):
    probability = np.array(probabilities)
    order = query.most_uncertain_first(probability, np.arange(len(probability)))
    assert sorted(order) == list(range(len(probability)))
    assert (np.diff(query.uncertainty(probability[order])) <= 0).all()


def test_likeliest_first_by_eye():
    probability = np.array([0.9, 0.4, 0.9, 0.5])
    assert query.likeliest_first(probability, np.array([3, 2, 1, 0])).tolist() == [0, 2, 3, 1]


def test_disagreements_are_the_furthest_off_first():
    probability = np.array([0.9, 0.4, 0.1, 0.5, 0.7])
    target = np.array([False, True, True, True, True])
    assert query.disagreements_first(probability, np.arange(5), target).tolist() == [0, 2, 1]


def test_least_like_is_the_furthest_from_its_closest_neighbour():
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0, -1]], float)
    assert query.least_like(rows, np.array([0]), np.arange(1, 5)) == 3
    assert query.least_like(rows, np.array([0, 3]), np.array([4, 2, 1])) == 2  # a tie with 4
