import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from imlcull_al import head

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 5)) + 3 * np.eye(5)[RNG.integers(0, 2, 60)]
TARGET = ROWS[:, 0] > ROWS[:, 1]


def test_it_is_scikit_learns_balanced_logistic_regression():
    labeled = np.arange(30)
    ours = head.fit(ROWS, labeled, TARGET[:30]).logits(ROWS)
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    centred = unit - unit.mean(0)
    features = centred / np.sqrt((centred**2).sum(1).mean())
    theirs = LogisticRegression(C=head.REGULARISATION, class_weight="balanced", tol=1e-8, max_iter=10_000)
    theirs.fit(features[:30], TARGET[:30])
    assert np.allclose(ours, theirs.decision_function(features), atol=2e-3)


def test_the_target_is_the_likely_side():
    probability = head.fit(ROWS, np.arange(40), TARGET[:40]).probability(ROWS[40:])
    assert ((probability > 0.5) == TARGET[40:]).mean() > 0.9


def test_one_class_only_needs_something_known_beforehand():
    with pytest.raises(ValueError, match="both classes"):
        head.fit(ROWS, np.arange(3), np.array([True, True, True]))


def test_an_offset_that_is_right_is_hardly_corrected_and_a_wrong_one_is():
    labeled = np.arange(20)
    right = np.where(TARGET[:20], 6.0, -6.0)
    assert np.abs(head.fit(ROWS, labeled, TARGET[:20], offset=right).logits(ROWS)).max() < 0.6
    correction = head.fit(ROWS, labeled, TARGET[:20], offset=-right).logits(ROWS[:20])
    assert (np.sign(correction) == np.where(TARGET[:20], 1, -1)).mean() > 0.9


def test_one_new_answer_pulls_a_known_score_its_way():
    correction = head.fit(ROWS, np.array([7]), np.array([True]), offset=np.array([-2.0])).logits(ROWS)
    assert correction[7] > 0.1
    assert np.isfinite(correction).all()


def test_weights_of_the_classes_sum_alike():
    assert head.class_weights(np.array([True, False, False, False])).tolist() == [2, 2 / 3, 2 / 3, 2 / 3]
    assert head.class_weights(np.array([True, True])).tolist() == [1, 1]


def test_all_alike_and_zero_rows_are_defined():
    same = np.ones((4, 3))
    assert np.allclose(head.fit(same, np.array([0, 1]), np.array([True, False])).probability(same), 0.5)
    assert head.unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_probability_is_one(logits):
    probability = head.sigmoid(np.array(logits))
    assert ((probability >= 0) & (probability <= 1)).all()
    assert np.allclose(probability + head.sigmoid(-np.array(logits)), 1)
