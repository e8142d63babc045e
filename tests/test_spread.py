"""The order in which photos are embedded, and when a part is handed out."""

import numpy as np
import pytest

from imlcull_al.encoding.spread import is_worth_it, spread, urgent_first


@pytest.mark.parametrize(
    ("count", "order"),
    [
        (0, []),
        (1, [0]),
        (2, [0, 1]),
        (5, [0, 4, 2, 1, 3]),
        (8, [0, 4, 2, 6, 1, 5, 3, 7]),
        (12, [0, 8, 4, 2, 10, 6, 1, 9, 5, 3, 11, 7]),
    ],
)
def test_the_ends_come_first_then_what_lies_between(count, order):
    assert spread(count).tolist() == order


@pytest.mark.parametrize(("count", "first"), [(3000, 40), (100_000, 64), (777, 100)])
def test_no_stretch_is_left_out_of_a_beginning(count, first):
    order = spread(count)
    assert np.array_equal(np.sort(order), np.arange(count))
    gaps = np.diff([*np.sort(order[:first]), count])
    assert gaps.max() <= 4 * count / first


def test_urgent_ones_go_before_all_others_and_none_goes_twice():
    asked = iter([[7], [], [2, 9, 2, 7], []])
    assert list(urgent_first([0, 4, 2, 6, 1, 5, 7, 9], lambda: next(asked), every=2)) == [7, 0, 4, 2, 9, 6, 1, 5]


def test_what_is_not_in_the_order_is_not_urgent():
    assert list(urgent_first([3, 1], lambda: [2], every=8)) == [3, 1]


@pytest.mark.parametrize(
    ("count", "before", "is_urgent", "since", "cost", "worth"),
    [
        (1, 0, False, 2.0, 0.0, True),
        (100, 0, False, 1.9, 0.0, False),
        (149, 100, False, 60.0, 0.1, False),
        (150, 100, False, 60.0, 0.1, True),
        (101, 100, True, 60.0, 0.1, True),
        (100, 100, True, 60.0, 0.1, False),  # nothing new
        (150, 100, True, 4.0, 0.5, False),  # half a second in four would be an eighth
        (150, 100, True, 5.0, 0.5, True),
    ],
)
def test_a_part_is_worth_its_cost(count, before, is_urgent, since, cost, worth):
    assert is_worth_it(count, before, is_urgent=is_urgent, since=since, cost=cost) is worth
