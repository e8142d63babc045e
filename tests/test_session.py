"""One person's work through the object that page, command line and scripts share."""

import os
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import raws
from conftest import OUT_OF_REACH, fill_stage, label_of, save_photo

from imlcull_al import open_session
from imlcull_al.encoding.load import BESIDE
from imlcull_al.errors import LabelsError, NotEnoughLabels, StageError
from imlcull_al.learning import blind, model
from imlcull_al.learning.queues import QUEUES, Ranker
from imlcull_al.photos.read import content_id
from imlcull_al.project.names import known_key
from imlcull_al.session.session import Counts, Session

pytestmark = pytest.mark.usefixtures("unreported")


@pytest.fixture
def session(project, cache_dir, tiny_model):
    return open_session(project, model=str(tiny_model), cache_dir=cache_dir)


def answer_all(session, count=99):
    keys = []
    while (photo := session.next()) and len(keys) < count:
        session.answer(photo.key, label_of(photo.key))
        keys.append(photo.key)
    return keys


def test_every_photo_is_asked_about_once_and_then_none(session):
    keys = answer_all(session)
    assert sorted(keys) == sorted(session.listing.keys)
    assert session.next() is None
    assert session.labels() == {key: label_of(key) for key in keys}
    counts = session.counts()
    assert counts == Counts(photos=12, keep=6, cull=6, unreadable=0, missing=0)


def test_before_both_classes_there_is_an_order_but_no_score(session):
    first = session.next()
    assert first.p_keep is None
    session.answer(first.key, "keep")
    assert session.next().p_keep is None
    assert session.next().key != first.key
    with pytest.raises(NotEnoughLabels, match="only keep labels, 1 of them"):
        session.scores()


def test_an_answer_changes_the_scores_at_once(session):
    session.answer("warm_00.jpg", "keep")
    session.answer("cold_00.jpg", "cull")
    before = {photo.key: photo.p_keep for photo in session.order()}
    assert min(before[key] for key in before if "warm" in key) > max(before[key] for key in before if "cold" in key)
    session.answer("cold_01.jpg", "keep")
    after = {photo.key: photo.p_keep for photo in session.order()}
    assert all(after[key] > before[key] for key in after if "cold" in key)


def test_scores_tell_the_photos_apart_and_labels_beat_them(session):
    for key in ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg", "cold_01.jpg"):
        session.answer(key, label_of(key))
    session.answer("cold_02.jpg", "keep")
    session.answer("cold_02.jpg", "cull")
    session.answer("warm_02.jpg", "cull")  # against its looks
    decisions = {each.key: each for each in session.scores()}
    assert decisions["warm_02.jpg"].decision == "cull"
    assert decisions["warm_02.jpg"].reason == "label"
    unlabeled = [each for each in decisions.values() if each.reason == "score"]
    assert sum(each.decision == label_of(each.key) for each in unlabeled) >= len(unlabeled) - 1
    assert set(decisions) == set(session.listing.keys)


@pytest.mark.slow
def test_skipped_photos_come_last_and_undo_brings_them_back(session):
    first, second = (photo.key for photo in session.order(2))
    session.skip(first)
    assert session.next().key == second
    assert session.order()[-1].key == first
    assert session.undo().key == first
    assert session.next().key == first


def test_undo_takes_answers_back_one_by_one(session):
    keys = answer_all(session, 3)
    assert [session.undo().key for _ in keys] == keys[::-1]
    assert session.undo() is None
    assert session.labels() == {}
    assert session.next().key == keys[0]


@pytest.mark.slow
def test_a_new_session_goes_on_where_the_last_one_was(session, project, cache_dir, tiny_model):
    answer_all(session, 5)
    again = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    assert again.labels() == session.labels()
    assert [photo.key for photo in again.order()] == [photo.key for photo in session.order()]


def test_labeling_works_before_the_embeddings_are_there(project, cache_dir, tiny_model):
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir, prepare=False)
    assert not session.prepared
    order = [photo.key for photo in session.order()]
    session.answer(order[0], "keep")
    session.answer(order[1], "cull")
    assert session.next().key == order[2]
    session.prepare()
    assert session.next().p_keep is not None


def test_keys_and_labels_are_checked(session):
    for key in ("nowhere.jpg", "../stage_1/warm_00.jpg", ""):
        with pytest.raises(StageError, match="There is no photo"):
            session.answer(key, "keep")
    with pytest.raises(LabelsError):
        session.answer("warm_00.jpg", "maybe")


def test_a_key_is_taken_in_any_normalization(tmp_path, cache_dir):
    key = "Müller/été 1.jpg"
    save_photo(tmp_path / "project" / "stage_1" / key, (200, 90, 40))
    session = open_session(tmp_path / "project", model="builtin", cache_dir=cache_dir)
    for form in (unicodedata.normalize("NFD", key), f"./{key}"):
        session.answer(form, "keep")
        assert session.labels() == {key: "keep"}
        assert session.photo(form).key == key
        assert session.undo(form).key == key
        session.answer_all([form, form], "cull")
        assert session.undo_all([form])[0].key == key
        session.skip(form)
        session.undo(form)
        assert session.similar(form) == []
        assert session.exposure(form) == {}


def test_a_class_is_taken_in_any_normalization(project, cache_dir):
    session = open_session(project, model="builtin", cache_dir=cache_dir, task="kind", classes=["Écharpe", "robe"])
    session.answer("warm_00.jpg", unicodedata.normalize("NFD", "Écharpe"))
    assert session.labels() == {"warm_00.jpg": "Écharpe"}


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("day1/img_0001.jpg", "Did you mean 'day1/IMG_0001.JPG'?"),
        ("IMG_0002.JPG", "Did you mean 'day2/IMG_0002.JPG'?"),
        ("day3/img_0002.jpg", "Did you mean 'day2/IMG_0002.JPG'?"),
        ("day1/IMG_00001.JPG", "Did you mean 'day1/IMG_0001.JPG'?"),
        ("IMG_0001.JPG", "Did you mean 'day1/IMG_0001.JPG'?"),
        ("../secret.txt", "Name one that `order` lists."),
        ("", "Name one that `order` lists."),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key, advice):
    keys = ["day1/IMG_0001.JPG", "day2/IMG_0001.JPG", "day2/IMG_0002.JPG"]
    with pytest.raises(StageError) as refused:
        known_key(key, keys, Path("/project/stage_1"))
    assert str(refused.value) == f"There is no photo {key!r} in {Path('/project/stage_1')}. {advice}"


def test_labels_of_missing_photos_are_kept_and_not_used(project, cache_dir, tiny_model):
    (project / "stage_1_cull_labels.csv").write_text("image_name,label\ngone.jpg,keep\nwarm_00.jpg,keep\n")
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    assert session.counts().missing == 1
    session.answer("cold_00.jpg", "cull")
    assert "gone.jpg,keep" in (project / "stage_1_cull_labels.csv").read_text()


def test_an_unreadable_photo_is_kept_and_never_asked_about(project, cache_dir, tiny_model):
    (project / "stage_1" / "broken.jpg").write_bytes(b"broken")
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    answer_all(session, 4)
    assert "broken.jpg" not in [photo.key for photo in session.order()]
    (broken,) = [each for each in session.scores() if each.key == "broken.jpg"]
    assert (broken.decision, broken.p_keep) == ("keep", None)
    assert broken.reason.startswith("unreadable: it is not an image")


@pytest.mark.slow
def test_after_training_scores_come_from_the_model(session, project, cache_dir, tiny_model):
    answer_all(session, 8)
    before = {each.key: each.p_keep for each in session.scores()}
    session.train(epochs=3, learning_rate=1e-3)
    after = {each.key: each.p_keep for each in session.scores()}
    assert before != after
    assert "model trained from" in session.source
    again = open_session(project, cache_dir=cache_dir)
    assert {each.key: each.p_keep for each in again.scores()} == after
    assert again.prepare().computed == 0


@pytest.mark.slow
def test_an_answer_after_training_corrects_the_models_scores(session):
    answer_all(session, 8)
    session.train(epochs=1)
    asked = session.next()
    before = {photo.key: photo.p_keep for photo in session.order()}
    session.answer(asked.key, "cull" if asked.p_keep > 0.5 else "keep")  # against the model
    after = {photo.key: photo.p_keep for photo in session.order()}
    assert any(not np.isclose(after[key], before[key]) for key in after)


@pytest.mark.slow
def test_after_training_beside_the_builtin_encoder_scores_come_from_both(project, cache_dir, tiny_model):
    reference = f"{tiny_model}{BESIDE}"
    session = open_session(project, model=reference, cache_dir=cache_dir)
    assert reference.rpartition("/")[2].removesuffix(BESIDE) in session.source
    assert "builtin" in session.source
    answer_all(session, 8)
    session.train(epochs=1, learning_rate=1e-3)
    trained = model.load(session.stage.model)
    after = {each.key: each.p_keep for each in session.scores()}
    again = open_session(project, cache_dir=cache_dir)
    assert "model trained from" in again.source
    assert {each.key: each.p_keep for each in again.scores()} == after
    assert again.prepare().computed == 0
    assert trained.base_model == reference
    again.train(epochs=1, learning_rate=1e-3)  # from what it was trained from
    assert model.load(session.stage.model).base_model == reference
    assert "trained from" in open_session(project, model=reference, cache_dir=cache_dir).source
    assert "trained from" not in open_session(project, model=str(tiny_model), cache_dir=cache_dir).source


@pytest.mark.slow
def test_another_model_named_is_used_instead_of_the_trained_one(session, project, cache_dir, tiny_model):
    answer_all(session, 8)
    session.train(epochs=1)
    other = open_session(project, model="builtin", cache_dir=cache_dir)
    assert "builtin" in other.source
    assert other.notice == ""
    assert "trained from" in open_session(project, model=str(tiny_model), cache_dir=cache_dir).source


@pytest.mark.slow
def test_what_is_out_of_reach_is_said_in_the_runs_that_ask_for_it_and_in_no_other(project, cache_dir):
    session = open_session(project, model=OUT_OF_REACH, cache_dir=cache_dir)
    assert session.notice.startswith(f"{OUT_OF_REACH} is not on this machine")
    answer_all(session, 8)
    session.train(epochs=1)
    assert session.notice.startswith(f"{OUT_OF_REACH} is not on this machine")  # it is asked for, and still away
    assert session.source == "model trained from builtin, 8 labels"
    later = open_session(project, cache_dir=cache_dir)
    assert (later.notice, later.source) == ("", "model trained from builtin, 8 labels")
    assert open_session(project, model="builtin", cache_dir=cache_dir).notice == ""
    new = later.cull()
    started = "logistic regression on model trained from builtin, starting from the model of stage_1"
    assert Session(new, None, cache_dir).source == started
    assert Session(new, None, cache_dir).notice.startswith("Scores start from the model of stage_1.")


def test_the_next_stage_computes_nothing(session, project, cache_dir, tiny_model):
    answer_all(session, 6)
    new = session.cull()
    seen = Session(new, str(tiny_model), cache_dir).prepare()
    assert seen.computed == 0
    assert seen.found == len(list(new.folder.iterdir()))


def test_all_labeled_with_one_class_needs_no_score(tmp_path, cache_dir, tiny_model):
    fill_stage(tmp_path / "stage_1", warm=3, cold=0)
    session = open_session(tmp_path, model=str(tiny_model), cache_dir=cache_dir)
    answer_all(session)
    assert [each.decision for each in session.scores()] == ["keep"] * 3


@pytest.mark.parametrize("photos", [1, 2, 3])
def test_very_small_stages_are_defined(tmp_path, cache_dir, tiny_model, photos):
    fill_stage(tmp_path / "stage_1", warm=photos - photos // 2, cold=photos // 2)
    session = open_session(tmp_path, model=str(tiny_model), cache_dir=cache_dir)
    assert len(answer_all(session)) == photos
    assert len(session.scores()) == photos


def test_photos_that_came_since_are_seen_by_the_next_look(session, project):
    save_photo(project / "stage_1" / "warm_99.jpg", (200, 80, 40), seed=99)
    assert "warm_99.jpg" not in [photo.key for photo in session.order()]
    session.prepare()
    assert "warm_99.jpg" in [photo.key for photo in session.order()]
    session.answer("warm_99.jpg", "keep")


@pytest.mark.slow
def test_a_training_stopped_after_an_improvement_leaves_a_session_that_can_go_on(session):
    answer_all(session, 8)
    epochs = []
    done = session.train(
        epochs=50, learning_rate=1e-3, stop=lambda: len(epochs) > 4, on_epoch=lambda epoch, best: epochs.append(epoch)
    )
    assert done.ended == "stopped on request"
    assert not session.prepared
    session.prepare()
    assert "model trained from" in session.source


@pytest.mark.slow
def test_a_new_training_starts_from_what_the_trained_model_started_from(session, project, cache_dir, tiny_model):
    answer_all(session, 8)
    session.train(epochs=1)
    again = open_session(project, cache_dir=cache_dir)
    again.train(epochs=1, seed=1)
    assert model.load(session.stage.model).base_model == str(tiny_model)


def test_answers_of_another_program_leave_the_queue_at_once(session, project, cache_dir, tiny_model):
    other = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    asked = session.next().key
    other.answer(asked, "cull")
    assert session.next().key != asked
    assert session.photo(asked).label == "cull"
    (project / "stage_1_cull_labels.csv").write_text("image_name,label\nwarm_05.jpg,keep\n")
    assert session.counts().keep == 1


@pytest.mark.slow
def test_the_next_stage_goes_on_with_the_same_encoder(session, project, cache_dir):
    answer_all(session, 8)
    session.train(epochs=1)
    session.cull()
    assert open_session(project, cache_dir=cache_dir).prepare().computed == 0


def test_every_queue_has_its_order(session):
    for key in ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg", "cold_01.jpg"):
        session.answer(key, label_of(key))
    session.answer("warm_02.jpg", "cull")
    offered = {queue: [photo.key for photo in session.offer("me", queue, 99)] for queue in QUEUES}
    unlabeled = sorted(set(session.listing.keys) - set(session.labels()))
    assert offered["files"] == unlabeled
    assert all(sorted(offered[queue]) == unlabeled for queue in ("uncertain", "audit", "keepers", "culls"))
    assert offered["keepers"] == offered["culls"][::-1]
    assert set(offered["disagreements"]) <= set(session.labels())
    p_keep = [session.photo(key).p_keep for key in offered["keepers"]]
    assert p_keep == sorted(p_keep, reverse=True)
    with pytest.raises(StageError, match="There is no queue"):
        session.offer("me", "nonsense")


def test_two_visitors_are_never_shown_the_same_photo(session):
    mine = {photo.key for photo in session.offer("me", "uncertain", 5)}
    yours = {photo.key for photo in session.offer("you", "files", 5)}
    assert len(mine) == len(yours) == 5
    assert not mine & yours
    assert session.visitors() == 2


def test_many_photos_are_answered_at_once_or_not_at_all(session, project):
    session.answer_all(["warm_00.jpg", "warm_01.jpg"], "keep", "files")
    with pytest.raises(StageError):
        session.answer_all(["warm_02.jpg", "nowhere.jpg"], "keep")
    assert session.labels() == {"warm_00.jpg": "keep", "warm_01.jpg": "keep"}
    assert '"queue": "files"' in (project / "stage_1_cull_journal.jsonl").read_text()


def test_similar_photos_are_the_closest_of_both_kinds(session):
    for key in ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg"):
        session.answer(key, label_of(key))
    found = session.similar("warm_05.jpg", count=1)
    assert [(each.label, each.key[:4]) for each in found] == [("keep", "warm"), ("cull", "cold")]
    assert found[0].similarity > found[1].similarity
    assert -1.001 <= found[1].similarity <= 1.001
    assert [each.key for each in session.similar("warm_00.jpg")] == ["warm_01.jpg", "cold_00.jpg"]


def test_the_survey_has_every_photo(session, project):
    session.answer("warm_00.jpg", "keep")
    survey = session.survey()
    assert [photo.key for photo in survey] == list(session.listing.keys)
    assert {photo.key: photo.label for photo in survey}["warm_00.jpg"] == "keep"


def test_what_killed_writers_left_is_swept_an_hour_later(project, tiny_model, cache_dir):
    """Files and folders; not what somebody may still be writing, and nothing else."""
    (cache_dir / "previews").mkdir(parents=True)
    old, young = [], []
    for folder in (project, cache_dir, cache_dir / "previews"):
        for number, made in enumerate((old, young)):
            made += [folder / f".imlcull-{number}.tmp", folder / f".imlcull-{number}d.tmp"]
            made[-2].write_text("half")
            made[-1].mkdir()
            (made[-1] / "part").write_text("half")
        (folder / "mine.tmp").write_text("mine")
        os.utime(folder / "mine.tmp", (1, 1))
    for path in old:
        os.utime(path, (1, 1))
    open_session(project, model=str(tiny_model), cache_dir=cache_dir, prepare=False)
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in young)
    assert (project / "mine.tmp").exists()


@pytest.fixture
def a_fit_that_takes_long(session, monkeypatch):
    """While the block runs, a thread asks for photos, and its fit of the scores does not end."""
    rank = Ranker.rank

    @contextmanager
    def running():
        begun, end = threading.Event(), threading.Event()

        def slow(*arguments):
            begun.set()
            assert end.wait(20)
            return rank(*arguments)

        with monkeypatch.context() as patch, ThreadPoolExecutor() as threads:
            patch.setattr(Ranker, "rank", slow)
            waiting = threads.submit(session.offer, "somebody else")
            assert begun.wait(20)
            try:
                yield waiting
            finally:
                end.set()

    return running


def test_nobody_waits_for_the_scores_of_somebody_else(session, a_fit_that_takes_long):
    """Answers, skips and undo go on, the last scores order the queue, and nothing of it is asked again."""
    answer_all(session, 4)
    first, second, third, fourth = (photo.key for photo in session.offer("me", count=4))
    session.answer(first, label_of(first))
    with a_fit_that_takes_long() as waiting:
        session.answer(second, label_of(second))
        session.skip(third)
        offered = [photo.key for photo in session.offer("me", count=9, first=[second, third, fourth])]
        assert not {first, second, third, *[photo.key for photo in session.offer("she", count=9)]} & set(offered)
        assert offered[0] == fourth
        assert session.photo(second).label == label_of(second)
        assert session.undo(second).label == label_of(second)
        assert not waiting.done()
    assert {second, third} <= {photo.key for photo in session.offer("me", count=9)} | {waiting.result()[0].key}
    assert session.order()[-1].key == third


def test_what_has_no_older_scores_waits(session, a_fit_that_takes_long):
    """Nothing but the queue is content with old ones."""
    answer_all(session, 4)
    key = session.next().key
    session.answer(key, label_of(key))
    with ThreadPoolExecutor() as threads, a_fit_that_takes_long():
        asked = [threads.submit(work) for work in (session.order, session.scores, session.survey, session.promise)]
        time.sleep(0.2)
        assert not any(each.done() for each in asked)
        wanted = asked[0]
    assert key not in [photo.key for photo in wanted.result()]


@pytest.mark.slow
def test_many_at_once_are_given_each_photo_once(project, cache_dir, tiny_model):
    fill_stage(project / "stage_1", warm=40, cold=40)
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    given = []

    def label(number):
        while photos := session.offer(f"visitor {number}", count=2):
            for photo in photos:
                given.append(photo.key)
                session.answer(photo.key, label_of(photo.key))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(label, range(8)))
    assert sorted(given) == sorted(session.listing.keys)
    assert session.labels() == {key: label_of(key) for key in given}


@pytest.mark.slow
def test_one_photo_in_each_eight_is_a_check_though_three_are_loaded_ahead(project, cache_dir, tiny_model):
    """At its turn, never lost and never twice; half the presses come two at a time, as quick ones do."""
    fill_stage(project / "stage_1", warm=40, cold=40)
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    queues, held = [], []
    while len(queues) < 72:
        photos = session.offer("me", count=4, first=held)
        answered = 1 + len(queues) % 2
        for photo in photos[:answered]:
            session.answer(photo.key, label_of(photo.key))
            queues.append(photo.queue)
        held = [photo.key for photo in photos[answered:]]
    seed = session._labels.now().seed
    checks = [number for number, queue in enumerate(queues) if queue == "audit"]
    start = 2 * blind.AUDIT_EVERY  # the first were loaded before the start was over
    expected = [number for number in range(start, len(queues)) if blind.is_audit_turn(seed, number)]
    assert [number for number in checks if number >= start] == expected


def test_what_looks_for_the_least_like_does_not_hold_up_a_fit(session, a_fit_that_takes_long):
    """Both want the other's lock otherwise, and nothing goes on for ever."""
    answer_all(session, 2)
    session.prepare()
    session.skip(next(key for key in session.listing.keys if key not in session.labels()))  # there is something to fit
    with ThreadPoolExecutor() as threads:
        with a_fit_that_takes_long() as waiting:
            looking = threads.submit(session.unlike)
            time.sleep(0.1)
        assert looking.result(10).label is None
        assert waiting.result(10)


def test_an_edit_that_a_count_sees_first_counts_for_scores_and_cull(session):
    answer_all(session, 4)
    before = session.scores()
    key = next(each.key for each in before if each.reason == "score" and each.decision == "keep")
    with session.stage.labels.open("a") as file:
        file.write(f"{key},cull\n")
    assert session.counts().cull
    assert {each.key: each.decision for each in session.scores()}[key] == "cull"
    assert key not in [photo.key for photo in session.offer("me", count=9)]


def test_after_a_prepare_all_wait_for_one_fit_and_no_longer(session, monkeypatch):
    """Not one after the other, each for a fit of its own, while answers come."""
    answer_all(session, 4)
    session.prepare()
    rank, fits = Ranker.rank, []

    def slow(*arguments):
        fits.append(time.monotonic())
        time.sleep(0.2)
        return rank(*arguments)

    monkeypatch.setattr(Ranker, "rank", slow)

    def labels(number):
        photo = session.offer(f"visitor {number}")[0]
        session.answer(photo.key, label_of(photo.key))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(labels, range(6)))
    assert len(fits) <= 3


def test_photos_that_came_since_the_last_look_are_in_the_next_stage(session):
    answer_all(session, 6)
    save_photo(session.stage.path("warm_99.jpg"), (200, 80, 40), seed=99)
    plan = session.plan_cull()
    assert "warm_99.jpg" in [each.key for each in plan.decisions]


def test_a_cull_by_links_knows_the_content_of_what_was_embedded(session):
    """Only what was never embedded, or changed since, would be read."""
    answer_all(session)
    plan = session.plan_cull()
    paths = [session.stage.path(key) for key in session.listing.keys]
    assert [plan.known(path) for path in paths] == [content_id(path.read_bytes()) for path in paths]
    os.utime(paths[0], (1, 1))
    assert plan.known(paths[0]) is None
    assert plan.known(session.stage.path("warm_01.xmp")) is None


def test_preparing_again_without_changes_keeps_the_revision(session):
    before = session.revision
    session.prepare()
    assert session.revision == before


def test_a_standing_stays_as_it_is(session):
    before = session.standing()
    photo = before.next()
    session.answer(photo.key, "keep")
    after = session.standing()
    assert (before.counts.keep, after.counts.keep) == (0, 1)
    assert (before.photo(photo.key).label, after.photo(photo.key).label) == (None, "keep")
    assert before.next() == photo != after.next()
    assert before.revision != after.revision == session.revision


def test_counts_fit_nothing(session, monkeypatch):
    answer_all(session, 4)
    monkeypatch.setattr(Ranker, "rank", lambda *arguments: pytest.fail("fitted"))
    assert (session.counts().keep, session.counts().cull) == (2, 2)


def test_a_skip_holds_for_an_offer_from_an_earlier_standing(session):
    answer_all(session, 2)
    before = session.standing()
    key = before.next().key
    session.skip(key)
    assert key not in [photo.key for photo in session.offer("she", count=30, now=before)]


def test_an_unprepared_standing_says_so(project, cache_dir, tiny_model):
    standing = open_session(project, model=str(tiny_model), cache_dir=cache_dir, prepare=False).standing()
    with pytest.raises(StageError, match="not analyzed yet"):
        standing.scores()
    with pytest.raises(StageError, match="not analyzed yet"):
        standing.threshold_for(0.05)


def test_raws_and_damaged_photos_are_photos_like_others(project, tiny_model, cache_dir):
    (project / "stage_1" / "DSC_1.NEF").write_bytes(raws.raw())
    cut = (project / "stage_1" / "cold_00.jpg").read_bytes()[:-2]
    (project / "stage_1" / "cut.jpg").write_bytes(cut)
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    session.prepare()
    assert session.unreadable() == {}
    assert session.damaged() == ("cut.jpg",)
    assert session.exposure("DSC_1.NEF")["shown"] == "embedded JPEG, 1200 × 900"
