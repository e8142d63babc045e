"""Predictions against answers: the arithmetic of the report and of a replay."""

import math

import numpy as np
import pytest

from imlcull_al.project.task import CULL_TASK, LABELS, Task
from imlcull_al.training import evaluation
from imlcull_al.training.evaluation import (
    NO,
    YES,
    Bin,
    Prediction,
    Rates,
    decisions,
    labels_to_reach,
    mean_interval,
    quality,
    quality_by_class,
)

GARMENT = Task("garment", ("shirt", "dress", "shoe"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)


def prediction(key, label, p_keep, split):
    return Prediction(key, label, (p_keep, 1 - p_keep), split)


def validation(*pairs):
    return decisions([prediction(f"{n}.jpg", *pair, "validation") for n, pair in enumerate(pairs)], CULL_TASK)


def outcomes(*pairs):
    return evaluation.outcomes(validation(*pairs), CULL_TASK)


def test_confusion_counts_answers_by_decisions_and_a_tie_keeps():
    pairs = [("keep", 0.9), ("keep", 0.5), ("keep", 0.49), ("cull", 0.5), ("cull", 0.2), ("cull", 0.1)]
    assert evaluation.confusion(validation(*pairs), LABELS) == [[2, 1], [1, 2]]
    assert evaluation.confusion([], LABELS) == [[0, 0], [0, 0]]


def test_a_bin_holds_its_lower_edge_and_the_last_one_holds_1():
    edges = [("keep", 0.0), ("keep", 0.2), ("cull", 0.6), ("keep", 0.8), ("cull", 1.0)]
    bins = evaluation.reliability(outcomes(*edges), bins=5)
    assert [(part.start, part.end, part.total) for part in bins] == [
        (0.0, 0.2, 1),
        (0.2, 0.4, 1),
        (0.6, 0.8, 1),
        (0.8, 1.0, 2),
    ]
    assert bins[-1][3:5] == (0.9, 0.5)


@pytest.mark.parametrize("bins", [5, 10])
def test_every_edge_falls_into_the_bin_that_it_opens(bins):
    found = evaluation.reliability(outcomes(*(("keep", place / bins) for place in range(bins))), bins)
    assert [part.probability for part in found] == [part.start for part in found]
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
        prediction("sure_but_trained_on.jpg", "keep", 0.01, "train"),
        prediction("b.jpg", "keep", 0.3, "validation"),
        prediction("a.jpg", "keep", 0.3, "validation"),
        prediction("sure.jpg", "keep", 0.1, "validation"),
        prediction("right.jpg", "keep", 0.5, "validation"),
        prediction("cull.jpg", "cull", 0.5, "validation"),
    ]
    wrong = evaluation.mistakes(decisions(predictions, CULL_TASK))
    lost_keepers = [one.key for one in wrong if one.answer == "keep"]
    assert lost_keepers == ["sure.jpg", "a.jpg", "b.jpg", "sure_but_trained_on.jpg"]
    assert [one.key for one in wrong if one.answer == "cull"] == ["cull.jpg"]


@pytest.mark.parametrize(
    ("label", "p_keep", "split"),
    [("maybe", 0.5, "train"), ("keep", math.nan, "train"), ("keep", 1.5, "train"), ("keep", 0.5, "test")],
)
def test_what_is_no_prediction_is_refused(label, p_keep, split):
    with pytest.raises(ValueError, match="not a prediction"):
        decisions([prediction("a.jpg", label, p_keep, split)], CULL_TASK)


def test_the_likeliest_class_is_decided_and_of_equal_ones_the_first():
    given = [("shirt", (0.5, 0.3, 0.2)), ("dress", (0.4, 0.2, 0.4)), ("shoe", (0.1, 0.1, 0.8))]
    found = decisions([Prediction(f"{n}.jpg", *pair, "validation") for n, pair in enumerate(given)], GARMENT)
    assert [(one.decision, one.probability, one.certainty) for one in found] == [
        ("shirt", 0.5, 0.5), ("shirt", 0.4, 0.4), ("shoe", 0.8, 0.8)]  # fmt: skip
    assert evaluation.confusion(found, GARMENT.classes) == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert evaluation.outcomes(found, GARMENT) == [(0.5, True), (0.4, False), (0.8, True)]


def test_every_known_tag_is_a_decision():
    given = [("red=1;striped=0", (0.5, 0.7)), ("striped=1", (0.9, 0.25)), ("", (0.1, 0.1))]
    found = decisions([Prediction(f"{n}.jpg", *pair, "train") for n, pair in enumerate(given)], NOTES)
    assert [one[:6] for one in found] == [
        ("0.jpg", "red", YES, YES, 0.5, 0.5), ("0.jpg", "striped", NO, YES, 0.7, 0.7),
        ("1.jpg", "striped", YES, NO, 0.25, 0.75)]  # fmt: skip
    assert evaluation.outcomes(found, NOTES) == [(0.5, True), (0.7, False), (0.25, True)]
    assert [(one.key, one.tag) for one in evaluation.mistakes(found)] == [("1.jpg", "striped"), ("0.jpg", "striped")]


@pytest.mark.parametrize(
    ("label", "probability", "task"),
    [("sock", (0.5, 0.3, 0.2), GARMENT), ("shirt", (0.5, 0.5), GARMENT), ("blue=1", (0.5, 0.5), NOTES)],
)
def test_a_prediction_of_another_task_is_refused(label, probability, task):
    with pytest.raises(ValueError, match="not a prediction of"):
        decisions([Prediction("a.jpg", label, probability, "train")], task)


def test_rates_of_a_confusion_matrix():
    shirt, dress, shoe = evaluation.rates([[3, 1, 0], [0, 1, 0], [0, 0, 0]], GARMENT.classes)
    assert (shirt, dress, shoe) == (Rates("shirt", 4, 3, 3), Rates("dress", 1, 2, 1), Rates("shoe", 0, 0, 0))
    assert shirt.recall == (0.75, *evaluation.wilson(3, 4))
    assert dress.precision == (0.5, *evaluation.wilson(1, 2))
    assert math.isnan(shoe.recall.share)
    assert evaluation.rates([[3, 1], [2, 9]], ("red",)) == [Rates("red", 4, 5, 3)]


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


def test_the_quality_of_several_classes_is_the_mean_over_them():
    probability = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    targets = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    found = quality_by_class(probability, targets)
    assert (found.accuracy, found.balanced_accuracy) == pytest.approx((0.75, (0.5 + 1 + 1) / 3))
    assert (found.average_precision, found.auroc) == pytest.approx((1, 1))
    two = quality_by_class(probability[:, :2], np.array([[1, 0], [1, 0], [0, 1], [0, 1]]))
    assert two == quality(probability[:, 0], np.array([True, True, False, False]))


def test_the_quality_of_tags_leaves_out_what_is_unknown():
    probability = np.array([[0.9, 0.2], [0.2, 0.9], [0.8, 0.4], [0.1, np.nan]])
    targets = np.array([[1, np.nan], [0, 1], [1, 0], [0, 1]])
    assert quality_by_class(probability, targets, exclusive=False) == (1, 1, 1, 1)
    nothing = quality_by_class(probability, np.full((4, 2), np.nan), exclusive=False)
    assert np.isnan(nothing).all()
