"""What a session promises of photos nobody looked at, and that the audit stays apart from what it measures."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
from conftest import fill_stage, label_of

from imlcull_al import open_session
from imlcull_al.errors import CullRefused, NotEnoughLabels
from imlcull_al.learning.measures import Share
from imlcull_al.learning.promise import CONFIDENCE, Point, changes_little

pytestmark = pytest.mark.usefixtures("unreported")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A project of 40 warm photos, which are kept, and 60 cold ones, and the cache of their embeddings."""
    root = tmp_path_factory.mktemp("embedded")
    fill_stage(root / "project" / "stage_1", warm=40, cold=60)
    open_session(root / "project", model="builtin", cache_dir=root / "cache").prepare()
    return root


@pytest.fixture
def session(tmp_path, embedded):
    """A copy of its own."""
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    return open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache")


def play(session, count: int, taste=label_of) -> list[str]:
    """Answer so many photos as they come; the queues that they were asked for."""
    queues = []
    for _ in range(count):
        photo = session.next()
        session.answer(photo.key, taste(photo.key))
        queues.append(photo.queue)
    return queues


def journal(session) -> list[dict]:
    return [json.loads(line) for line in session.stage.journal.read_text().splitlines()]


@pytest.mark.slow
def test_about_one_in_eight_is_a_blind_check_once_there_are_scores(session):
    queues = play(session, 74)
    assert "audit" not in queues[:10]
    assert 6 <= queues[10:].count("audit") <= 10
    assert [line["queue"] for line in journal(session) if line["do"] == "answer"] == queues


@pytest.mark.slow
def test_a_check_is_blind_and_comes_in_the_order_that_was_drawn(session):
    play(session, 10)
    drawn = [photo.key for photo in session.offer("me", "audit", 99)]
    seen = []
    while len(seen) < 4:
        photo = session.next()
        if photo.queue == "audit":
            assert photo.p_keep is None
            seen.append(photo.key)
        else:
            assert photo.p_keep is not None
        session.answer(photo.key, label_of(photo.key))
    asked = {line["key"] for line in journal(session) if line.get("queue") == "uncertain"}
    assert seen == [key for key in drawn if key not in asked][:4]


@pytest.mark.slow
def test_what_the_audit_finds_moves_no_score_and_no_question(session):
    play(session, 30)
    scores = {photo.key: photo.p_keep for photo in session.survey()}
    checked, orders = [photo.key for photo in session.offer("me", "audit", 12)], []
    for label in ("keep", "cull"):
        for key in checked:
            session.answer(key, label, "audit")
        orders.append([photo.key for photo in session.order()])
    assert {photo.key: photo.p_keep for photo in session.survey()} == scores
    assert orders[0] == orders[1]


@pytest.mark.slow
def test_a_training_does_without_the_audit(session, unreported):
    play(session, 24)
    audited = session._labels.now().audited
    training = session.train(epochs=1)
    assert audited
    assert not audited & {*training.train_keys, *training.validation_keys}


@pytest.mark.slow
def test_the_promise_gets_better_with_every_check_and_is_said(session):
    assert session.promise() is None
    play(session, 20)
    shares = []
    while photo := next(iter(session.offer("me", "audit")), None):
        promise = session.promise(max_keepers_lost=0.2)
        shares.append(promise.certificate.share_lost)
        if promise.is_reached:
            break
        session.answer(photo.key, label_of(photo.key))
    lost = f"{shares[-1]:.1%} of your keepers"
    assert promise.summary.startswith(f"At most {lost} are in the cull pile (95% confidence).")
    assert shares[-1] <= 0.2 < shares[0]
    assert all(later <= earlier + 0.05 for earlier, later in pairwise(shares))
    assert len(shares) < 60  # long before all photos were seen


def test_keepers_found_are_rescued_and_counted(session):
    play(session, 20)
    cold = [photo.key for photo in session.offer("me", "audit", 99) if "cold" in photo.key]
    before = session.promise().certificate.cull_pile
    for photo in session.offer("me", "audit", 99):
        session.answer(photo.key, "keep" if photo.key == cold[0] else label_of(photo.key))
        if photo.key == cold[0]:
            break
    pile = session.promise().certificate.cull_pile
    assert (pile.photos, pile.found) == (before.photos, before.found + 1)
    assert next(each for each in session.scores() if each.key == cold[0]).decision == "keep"


@pytest.mark.slow
def test_when_everything_was_looked_at_nothing_is_lost(session):
    play(session, 100)
    assert "No keeper is lost" in session.promise().summary


def test_a_gap_ends_the_sample_until_it_is_answered(session):
    play(session, 20)
    stream = [photo.key for photo in session.offer("me", "audit", 20)]
    session.skip(stream[3])
    start = session.promise().measures.accuracy.trials
    for key in stream[:3] + stream[4:10]:
        session.answer(key, label_of(key), "audit")
    assert session.promise().measures.accuracy.trials == start + 3
    session.answer(stream[3], label_of(stream[3]), "audit")
    assert session.promise().measures.accuracy.trials == start + 10


@pytest.mark.slow
def test_a_threshold_is_as_large_as_the_checks_support_and_refused_with_the_way_there(session):
    with pytest.raises(NotEnoughLabels):
        session.threshold_for(0.05)
    play(session, 20)
    with pytest.raises(CullRefused, match=r"at most 5\.0% .* \(95% confidence\).* cheapest way: Look at \d+"):
        session.threshold_for(0.05)
    for nonsense in (0, 1, 7, -1):
        with pytest.raises(CullRefused, match="between 0 and 1"):
            session.threshold_for(nonsense)
    for photo in session.offer("me", "audit", 99)[:60]:
        session.answer(photo.key, label_of(photo.key), "audit")
    threshold = session.threshold_for(0.3)
    assert threshold >= 0.5
    assert session.promise(threshold, 0.3).is_reached
    keepers = [photo for photo in session.survey() if "warm" in photo.key]
    assert np.mean([photo.label is None and photo.p_keep < threshold for photo in keepers]) <= 0.3


@pytest.mark.slow
def test_the_learning_curve_is_measured_by_the_audit(session):
    play(session, 60)
    curve = session.learning_curve()
    assert [point.labels for point in curve] == list(range(10, 10 * len(curve) + 1, 10))
    assert curve[0].agreement is None
    assert curve[-1].right.trials == session.promise().measures.accuracy.trials
    assert curve[-1].right.hits / curve[-1].right.trials > 0.9
    assert CONFIDENCE == 0.95


def test_more_labels_change_little_after_three_agreements():
    def curve(*agreements):
        return [Point(10 * number, Share(1, 1, 0.0, 1.0), each) for number, each in enumerate(agreements, 1)]

    assert changes_little(curve(None, 0.98, 0.97, 0.96))
    assert not changes_little(curve(None, 0.98, 0.97))
    assert not changes_little(curve(None, 1.0, 1.0, 0.8, 1.0, 1.0))
    assert changes_little(curve(None, 0.2, 1.0, 1.0, 1.0))


def test_answers_by_eye_after_the_checks_buy_nothing(session):
    play(session, 20)
    for photo in session.offer("me", "audit", 20):
        session.answer(photo.key, label_of(photo.key))
    before = session.promise().certificate
    culls = [each.key for each in sorted(session.scores(), key=lambda each: each.p_keep) if each.reason == "score"]
    scores = {photo.key: photo.p_keep for photo in session.survey()}
    scorer = session.standing().ranking.ranker.scorer
    scorer.p_keep = lambda labels: np.array([scores[key] for key in sorted(scores)])  # as they were
    session.answer_all(culls[:30], "cull")
    after = session.promise().certificate
    assert after.cull_pile.photos < before.cull_pile.photos
    assert after.keepers_lost >= min(before.keepers_lost, after.cull_pile.photos - after.cull_pile.checked)


def test_a_check_that_is_taken_back_or_skipped_stays_one(session):
    play(session, 20)
    taken_back, skipped = (photo.key for photo in session.offer("me", "audit", 2))
    session.answer(taken_back, "keep")
    session.undo(taken_back)
    session.skip(skipped)
    session.answer_all([taken_back, skipped], "cull")  # in Review, where the score is seen
    assert {taken_back, skipped} <= session._labels.now().audited
    assert not {taken_back, skipped} & set(session._labels.now().training)


@pytest.mark.slow
def test_disagreements_leave_the_checks_alone(session):
    play(session, 40)
    for photo in session.offer("me", "audit", 8):
        session.answer(photo.key, "cull" if label_of(photo.key) == "keep" else "keep")
    shown = {photo.key for photo in session.offer("me", "disagreements", 99)}
    assert not shown & session._labels.now().audited
