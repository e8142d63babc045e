"""Predictions against answers: the arithmetic of the report and of a replay."""

import math

import numpy as np
import pytest

from imlcull_al.training import evaluation
from imlcull_al.training.evaluation import Bin, Prediction, labels_to_reach, mean_interval, quality


def validation(*pairs):
    return [Prediction(f"{n}.jpg", label, p_keep, "validation") for n, (label, p_keep) in enumerate(pairs)]


def test_confusion_counts_answers_by_decisions_and_a_tie_keeps():
    pairs = [("keep", 0.9), ("keep", 0.5), ("keep", 0.49), ("cull", 0.5), ("cull", 0.2), ("cull", 0.1)]
    assert evaluation.confusion(validation(*pairs)) == [[2, 1], [1, 2]]
    assert evaluation.confusion([]) == [[0, 0], [0, 0]]


def test_a_bin_holds_its_lower_edge_and_the_last_one_holds_1():
    edges = [("keep", 0.0), ("keep", 0.2), ("cull", 0.6), ("keep", 0.8), ("cull", 1.0)]
    bins = evaluation.reliability(validation(*edges), bins=5)
    assert [(part.p_keep_from, part.p_keep_to, part.photos) for part in bins] == [
        (0.0, 0.2, 1),
        (0.2, 0.4, 1),
        (0.6, 0.8, 1),
        (0.8, 1.0, 2),
    ]
    assert bins[-1][3:5] == (0.9, 0.5)


@pytest.mark.parametrize("bins", [5, 10])
def test_every_edge_falls_into_the_bin_that_it_opens(bins):
    found = evaluation.reliability(validation(*(("keep", place / bins) for place in range(bins))), bins)
    assert [part.p_keep for part in found] == [part.p_keep_from for part in found]
    assert len(found) == bins


def test_wilson_interval():
    assert evaluation.wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert evaluation.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert evaluation.wilson(1, 1) == pytest.approx((0.2065, 1.0), abs=1e-4)


def test_calibration_error_weighs_bins_by_their_photos():
    bins = [Bin(0.0, 0.5, 3, 0.2, 0.3, 0, 1), Bin(0.5, 1.0, 1, 0.9, 0.4, 0, 1)]
    assert evaluation.calibration_error(bins) == pytest.approx((3 * 0.1 + 1 * 0.5) / 4)
    assert math.isnan(evaluation.calibration_error([]))


def test_mistakes_are_validation_first_then_by_confidence_then_by_key():
    predictions = [
        Prediction("sure_but_trained_on.jpg", "keep", 0.01, "train"),
        Prediction("b.jpg", "keep", 0.3, "validation"),
        Prediction("a.jpg", "keep", 0.3, "validation"),
        Prediction("sure.jpg", "keep", 0.1, "validation"),
        Prediction("right.jpg", "keep", 0.5, "validation"),
        Prediction("cull.jpg", "cull", 0.5, "validation"),
    ]
    lost_keepers = evaluation.mistakes(predictions, "keep")
    assert [one.key for one in lost_keepers] == ["sure.jpg", "a.jpg", "b.jpg", "sure_but_trained_on.jpg"]
    assert [one.key for one in evaluation.mistakes(predictions, "cull")] == ["cull.jpg"]


@pytest.mark.parametrize(
    ("label", "p_keep", "split"),
    [("maybe", 0.5, "train"), ("keep", math.nan, "train"), ("keep", 1.5, "train"), ("keep", 0.5, "test")],
)
def test_what_is_no_prediction_is_refused(label, p_keep, split):
    with pytest.raises(ValueError, match="not a prediction"):
        Prediction("a.jpg", label, p_keep, split)


def test_quality_by_eye():
    found = quality(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
    assert found == pytest.approx(((1 + 2 / 3) / 2, 3 / 4, 3 / 4, (1 + 1 / 2) / 2))


def test_a_score_that_says_nothing_is_worth_the_share_of_keepers():
    assert quality(np.ones(4), np.array([True, False, False, False]))[:2] == (0.25, 0.5)


def test_labels_to_reach_by_eye():
    labels = np.array([20, 40, 60])
    curves = np.array([[0.5, 0.7, 0.9], [0.5, 0.7, 0.9]])
    assert labels_to_reach(labels, curves, np.array([0.8, 0.8])) == pytest.approx((50, 50, 50))
    assert labels_to_reach(labels, curves, np.array([0.4, 0.4])).labels == 20
    assert labels_to_reach(labels, curves, np.array([0.95, 0.95])).labels == math.inf
    one = labels_to_reach(labels, curves[:1], np.array([0.8]))
    assert one.labels == pytest.approx(50)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    apart = labels_to_reach(labels, np.array([[0.5, 0.7, 0.9], [0.6, 0.7, 0.8]]), np.array([0.7, 0.7]))
    assert apart.labels == pytest.approx(40)
    assert (apart.low, apart.high) == (20, 40)


def test_the_interval_is_student_s():
    mean, half = mean_interval(np.array([[1.0], [2.0], [3.0]]))
    assert (mean[0], half[0]) == pytest.approx((2.0, 4.302653 / math.sqrt(3)))
