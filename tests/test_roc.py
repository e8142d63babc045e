"""Precision-recall and ROC curves: against scikit-learn, by eye, and by Monte Carlo for the intervals."""

import numpy as np
import pytest
from sklearn import metrics

from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.training.evaluation import Prediction
from imlcull_al.training.roc import curve_of, curves_of


def curve(probability, has):
    return curve_of("keep", np.array(probability, float), np.array(has, bool))


def test_equal_probabilities_share_a_threshold():
    tied = curve([0.5, 0.9, 0.2, 0.5, 0.5, 0.2], [1, 1, 1, 0, 0, 0])
    assert tied.thresholds.tolist() == [0.9, 0.5, 0.2]
    assert (tied.tp.tolist(), tied.fp.tolist()) == ([1, 2, 3], [0, 2, 3])
    assert (tied.positives, tied.negatives, tied.prevalence) == (3, 3, 0.5)
    assert tied.precision.tolist() == [1.0, 0.5, 0.5]
    assert tied.recall.tolist() == [1 / 3, 2 / 3, 1.0]
    assert tied.fallout.tolist() == [0.0, 2 / 3, 1.0]
    assert tied.average_precision.share == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert tied.auc.share == pytest.approx((3 + 2 * 0.5 + 0.5 + 0) / 9 + 1 / 9)


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_areas_are_those_of_scikit_learn(digits):
    chance = np.random.default_rng(digits)
    has = chance.random(200) < 0.3
    probability = np.round(chance.random(200) * 0.7 + 0.3 * has, digits)
    ours = curve(probability, has)
    assert ours.average_precision.share == pytest.approx(metrics.average_precision_score(has, probability))
    assert ours.auc.share == pytest.approx(metrics.roc_auc_score(has, probability))
    fallout, recall, thresholds = metrics.roc_curve(has, probability, drop_intermediate=False)
    assert np.allclose(ours.fallout, fallout[1:])
    assert np.allclose(ours.recall, recall[1:])
    assert np.array_equal(ours.thresholds, thresholds[1:])


def test_corners_leave_both_areas_as_they_are():
    chance = np.random.default_rng(0)
    has = chance.random(500) < 0.1
    whole = curve(chance.random(500), has)
    at = whole.corners()
    assert len(at) <= 2 * has.sum() + 2
    corners = type(whole)(whole.name, whole.thresholds[at], whole.tp[at], whole.fp[at])
    assert corners.average_precision == pytest.approx(whole.average_precision)
    assert corners.auc == pytest.approx(whole.auc)
    assert curve([0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 1, 0, 0]).corners().tolist() == [1, 2, 4]


def test_the_last_threshold_that_is_not_below_another():
    found = curve([0.9, 0.5, 0.2], [1, 0, 1])
    assert [found.at(threshold) for threshold in (0.95, 0.9, 0.5, 0.4, 0.0)] == [None, 0, 1, 1, 2]


@pytest.mark.parametrize("has", [[], [0, 0], [1, 1]])
def test_one_kind_of_photos_has_no_curve(has):
    assert not curve([0.5] * len(has), has).is_defined


def test_few_photos_in_perfect_order_prove_little():
    four = curve([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0])
    assert four.average_precision == pytest.approx((1.0, 0.342372, 1.0), abs=1e-6)
    assert four.auc == pytest.approx((1.0, 0.385627, 1.0), abs=1e-6)
    wrong = curve([0.1, 0.3, 0.8, 0.9], [1, 1, 0, 0])
    assert wrong.auc == pytest.approx((0.0, 0.0, 1 - 0.385627), abs=1e-6)


@pytest.mark.parametrize(("positives", "negatives"), [(3, 3), (10, 40), (40, 10)])
def test_intervals_hold_in_95_of_100_draws(positives, negatives):
    """Where those of the bootstrap hold in 55 to 90."""
    has = np.arange(positives + negatives) < positives
    chance = np.random.default_rng(0)
    many = np.repeat(has, 4000)
    truth = curve(chance.normal(size=len(many)) + 1.5 * many, many)
    draws = [curve(chance.normal(size=len(has)) + 1.5 * has, has) for _ in range(300)]
    for name in ("average_precision", "auc"):
        share = getattr(truth, name).share
        areas = [getattr(each, name) for each in draws]
        assert np.mean([area.low <= share <= area.high for area in areas]) > 0.93


def predictions(task, rows):
    return [Prediction(f"{n}.jpg", label, p, "train" if n == 0 else "validation") for n, (label, p) in enumerate(rows)]


def test_two_classes_have_the_curve_of_the_first():
    rows = [("keep", (0.1, 0.9)), ("keep", (0.75, 0.25)), ("cull", (0.25, 0.75)), ("keep", (0.25, 0.75))]
    (found,) = curves_of(predictions(CULL_TASK, rows), CULL_TASK)
    assert (found.name, found.thresholds.tolist()) == ("keep", [0.75, 0.25])
    assert (found.tp.tolist(), found.fp.tolist()) == ([1, 2], [0, 1])


def test_classes_have_one_against_all_others_each():
    task = Task("garment", ("shirt", "dress", "shoe"))
    rows = [("shoe", (0, 0, 1)), ("shirt", (0.5, 0.25, 0.25)), ("dress", (0.75, 0.25, 0.0))]
    shirt, dress, shoe = curves_of(predictions(task, rows), task)
    assert (shirt.thresholds.tolist(), shirt.tp.tolist(), shirt.fp.tolist()) == ([0.75, 0.5], [0, 1], [1, 1])
    assert (dress.thresholds.tolist(), dress.tp.tolist(), dress.fp.tolist()) == ([0.25], [1], [1])
    assert (shoe.positives, shoe.negatives, shoe.is_defined) == (0, 2, False)


def test_tags_are_measured_where_they_are_known():
    task = Task("notes", ("red", "torn"), exclusive=False)
    rows = [("red=1", (1, 1)), ("red=1;torn=0", (0.5, 0.25)), ("red=0", (0.25, 0.75))]
    red, torn = curves_of(predictions(task, rows), task)
    assert (red.thresholds.tolist(), red.tp.tolist(), red.fp.tolist()) == ([0.5, 0.25], [1, 1], [0, 1])
    assert (torn.positives, torn.negatives) == (0, 1)
    assert [each.name for each in curves_of([], task)] == ["red", "torn"]
