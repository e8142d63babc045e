import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from imlcull_al.learning import head

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 5)) + 3 * np.eye(5)[RNG.integers(0, 2, 60)]
TARGET = ROWS[:, 0] > ROWS[:, 1]


def test_it_is_scikit_learns_logistic_regression():
    labeled = np.arange(30)
    known = head.features(ROWS)
    ours = head.fit(known, labeled, TARGET[:30]).logits(ROWS)
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    centred = unit - unit.mean(0)
    features = centred / np.sqrt((centred**2).sum(1).mean())
    theirs = LogisticRegression(C=head.chosen_regularisation(known.rows[:30], TARGET[:30]), tol=1e-8, max_iter=10_000)
    theirs.fit(features[:30], TARGET[:30], sample_weight=head.class_weights(TARGET[:30]))
    assert np.allclose(ours, theirs.decision_function(features), atol=2e-3)


def test_the_target_is_the_likely_side():
    probability = head.fit(head.features(ROWS), np.arange(40), TARGET[:40]).probability(ROWS[40:])
    assert ((probability > 0.5) == TARGET[40:]).mean() > 0.9


def test_one_class_only_needs_something_known_beforehand():
    with pytest.raises(ValueError, match="both classes"):
        head.fit(head.features(ROWS), np.arange(3), np.array([True, True, True]))


def test_an_offset_that_is_right_is_hardly_corrected_and_a_wrong_one_is():
    labeled = np.arange(20)
    right = np.where(TARGET[:20], 6.0, -6.0)
    assert np.abs(head.fit(head.features(ROWS), labeled, TARGET[:20], offset=right).logits(ROWS)).max() < 0.6
    correction = head.fit(head.features(ROWS), labeled, TARGET[:20], offset=-right).logits(ROWS[:20])
    assert (np.sign(correction) == np.where(TARGET[:20], 1, -1)).mean() > 0.9


def test_one_new_answer_pulls_a_known_score_its_way():
    correction = head.fit(head.features(ROWS), np.array([7]), np.array([True]), offset=np.array([-2.0])).logits(ROWS)
    assert correction[7] > 0.1
    assert np.isfinite(correction).all()


def test_the_sums_of_the_classes_weights_have_the_ratio_of_their_roots():
    weights = head.class_weights(np.array([True] + [False] * 4))
    assert weights.sum() == pytest.approx(5)
    assert weights[1:].sum() / weights[0] == pytest.approx(2)  # 4 to the power ½
    assert head.class_weights(np.array([True, True])).tolist() == [1, 1]


class TestHint:
    """Rows that say nothing, and a hint that does."""

    ALIKE = np.ones((8, 3), np.float32)
    KEPT = np.array([True, False] * 4)

    def test_it_is_learned_from_few_answers(self):
        known = head.features(self.ALIKE.copy(), np.where(self.KEPT, 0.0, -2.0))
        logits = known.logits(head.fit(known, np.arange(4), self.KEPT[:4]))
        assert (logits[4:] > 0).tolist() == self.KEPT[4:].tolist()

    def test_it_never_speaks_against_the_target(self):
        known = head.features(self.ALIKE.copy(), np.where(self.KEPT, -2.0, 0.0))
        fitted = head.fit(known, np.arange(8), self.KEPT)
        assert fitted.hint == 0
        assert np.allclose(known.logits(fitted), 0, atol=1e-6)

    def test_without_differences_the_fit_is_the_one_without_it(self):
        plain, hinted = head.features(ROWS), head.features(ROWS, np.zeros(60))
        one, two = (known.logits(head.fit(known, np.arange(30), TARGET[:30])) for known in (plain, hinted))
        assert np.allclose(one, two, atol=1e-6)


def test_all_alike_and_zero_rows_are_defined():
    same = np.ones((4, 3))
    assert np.allclose(head.fit(head.features(same), np.array([0, 1]), np.array([True, False])).probability(same), 0.5)
    assert head.unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


@pytest.mark.slow
@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_probability_is_one(logits):
    probability = head.sigmoid(np.array(logits))
    assert ((probability >= 0) & (probability <= 1)).all()
    assert np.allclose(probability + head.sigmoid(-np.array(logits)), 1)


def test_features_give_the_logits_that_the_embeddings_do():
    known = head.features(ROWS)
    fitted = head.fit(known, np.arange(30), TARGET[:30])
    assert np.allclose(known.logits(fitted), fitted.logits(ROWS), atol=1e-4)
    features = known.at(np.arange(len(ROWS)))
    assert np.allclose(features.mean(axis=0), 0, atol=1e-5)
    assert np.square(features).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)
    assert np.allclose(np.square(known.rows).sum(axis=1), 1)


def test_what_is_no_number_is_not_usable_and_harms_no_other():
    rows = ROWS.copy()
    rows[3, 1], rows[4, 0] = np.nan, np.inf
    known = head.features(rows)
    assert np.flatnonzero(~known.usable).tolist() == [3, 4]
    logits = known.logits(head.fit(known, np.arange(10, 40), TARGET[10:40]))
    assert np.isfinite(logits).all()
    assert logits[3] == 0


def test_more_labels_than_dimensions_and_fewer_are_the_same_optimum():
    wide = np.hstack([ROWS, np.zeros((60, 100))])
    narrow_logits = head.features(ROWS).logits(head.fit(head.features(ROWS), np.arange(30), TARGET[:30]))
    wide_logits = head.features(wide).logits(head.fit(head.features(wide), np.arange(30), TARGET[:30]))
    assert np.allclose(narrow_logits, wide_logits, atol=1e-4)


def test_what_is_left_out_is_predicted_as_a_fit_without_it_would():
    rows, target = head.features(ROWS).at(np.arange(30)).astype(float), TARGET[:30]
    approximate = head._left_out_losses(rows, target, 3.0) / head.class_weights(target)
    for left_out in (0, 7, 19):
        rest = np.delete(np.arange(30), left_out)
        weights, bias = head._minimise(rows[rest], target[rest], np.zeros(29), 3.0)
        logit = rows[left_out] @ weights + bias
        assert approximate[left_out] == pytest.approx(np.logaddexp(0, -logit if target[left_out] else logit), abs=0.05)


def test_the_penalty_is_the_usual_one_unless_the_answers_clearly_speak_for_another():
    chance = np.random.default_rng(3)
    loud = np.hstack(
        [chance.normal(size=(200, 4)) * 20, chance.normal(size=(200, 4))]
    )  # the target is in the quiet part
    # The target lies in the quiet part.
    target = loud[:, 5] + 0.2 * chance.normal(size=200) > 0
    known = head.features(loud)
    assert head.chosen_regularisation(known.rows[:80], target[:80]) >= 10
    assert head.chosen_regularisation(known.rows[:10], target[:10]) == head.REGULARISATION  # too few to tell
    assert (
        head.chosen_regularisation(head.features(ROWS).at(np.arange(30)), chance.random(30) > 0.5)
        <= head.REGULARISATION
    )


def test_c_is_chosen_anew_when_a_tenth_more_answers_are_there():
    counts = [head.answers_to_choose_by(count) for count in range(400)]
    assert counts[:17] == list(range(17))
    assert all(count <= answers < max(1.1 * count + 2, 17) for answers, count in enumerate(counts))
    assert len(set(counts[17:])) < 40


class TestClasses:
    """Three directions, one a class: the middle of each is its own."""

    ROWS = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0.1, 0.9, 0], [0, 0, 1], [0, 0.1, 0.9]], np.float32)
    NUMBER = np.array([0, 0, 1, 1, 2, 2])

    def probability(self, number, classes=3, **named):
        known = head.features(self.ROWS.copy())
        return head.softmax(known.logits(head.fit_classes(known, np.arange(len(number)), number, classes, **named)))

    def test_every_row_is_likeliest_of_its_class(self):
        p = self.probability(self.NUMBER)
        assert p.argmax(axis=1).tolist() == self.NUMBER.tolist()
        assert p.sum(axis=1) == pytest.approx(np.ones(6))

    def test_two_classes_come_to_what_the_binary_fit_comes_to(self):
        """The penalty on two opposite weight vectors is half of that on their difference."""
        known = head.features(self.ROWS.copy())
        binary = known.logits(head.fit(known, np.arange(4), np.array([True, True, False, False]), c=2.0))
        logits = known.logits(head.fit_classes(known, np.arange(4), np.array([0, 0, 1, 1]), 2, c=1.0))
        assert logits[:, 0] - logits[:, 1] == pytest.approx(binary, abs=0.02)

    def test_a_class_without_labels_has_no_probability(self):
        p = self.probability(self.NUMBER[:4], classes=4)
        assert p[:, 2:].tolist() == [[0, 0]] * 6
        with pytest.raises(ValueError, match="two classes"):
            self.probability(np.array([1, 1, 1]))

    def test_a_correction_is_zero_where_the_offset_is_right(self):
        known = head.features(self.ROWS.copy())
        offset = np.where(np.eye(3)[self.NUMBER], 30.0, 0.0)
        correction = known.logits(head.fit_classes(known, np.arange(6), self.NUMBER, 3, offset=offset))
        assert correction == pytest.approx(np.zeros((6, 3)), abs=1e-6)

    def test_rarer_classes_weigh_more(self):
        weights = head.weights_of_classes(np.array([0, 0, 0, 0, 1]))
        assert weights == pytest.approx(np.array([0.5, 0.5, 0.5, 0.5, 1]) * 5 / 3)
        both = head.weights_of_classes(np.array([0, 1, 1]))
        assert both == pytest.approx(head.class_weights(np.array([True, False, False])))


def test_classes_that_were_added_are_unlikely_and_added_tags_unknown():
    two = np.array([[2.0, 0.0], [1.0, 3.0]])
    assert head.with_added(two, 3, exclusive=True).tolist() == [[2, 0, -5], [1, 3, -4]]
    assert head.with_added(two, 2, exclusive=True).tolist() == two.tolist()
    odds = np.array([2.0, -4.0])
    assert head.with_added(odds, 2, exclusive=True).tolist() == [2, -4]
    assert head.with_added(odds, 3, exclusive=True).tolist() == [[1, -1, -6], [-2, 2, -7]]
    assert head.with_added(odds, 1, exclusive=False).tolist() == [2, -4]
    tags = head.with_added(odds, 2, exclusive=False)
    assert tags[:, 0].tolist() == [2, -4]
    assert np.isnan(tags[:, 1]).all()
