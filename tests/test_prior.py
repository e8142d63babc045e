"""Scores before the first answer: from the stage before, or from another project."""

import shutil

import numpy as np
import pytest
from conftest import MeanColour, fill_stage, label_of

from imlcull_al import open_session
from imlcull_al.encoding.embeddings import Embeddings
from imlcull_al.errors import StageError
from imlcull_al.learning import head
from imlcull_al.learning.scores import Prior, Scorer, Source, prior_of
from imlcull_al.project.settings import path_of, start_from
from imlcull_al.project.task import CULL_TASK, Task


class TestTrust:
    """Two classes; the prior's logits say the first one."""

    PRIOR = np.array([[2.0, 0.0]] * 10)

    def test_it_fades_as_labels_come_in(self):
        weights = [head.trust(3 * self.PRIOR[:count], np.zeros(count, int)) for count in (0, 1, 10)]
        assert weights == [1, 40 / 41, 40 / 50]

    def test_it_is_dropped_where_it_is_worse_than_the_frequencies(self):
        assert head.trust(self.PRIOR, np.array([1] * 10)) == 0
        assert head.trust(self.PRIOR, np.array([0, 1] * 5)) == 0

    def test_it_is_kept_where_it_tells_classes_apart(self):
        prior = np.array([[2.0, 0.0], [0.0, 2.0]] * 5)
        assert head.trust(prior, np.array([0, 1] * 5)) == 0.8


def test_a_prior_needs_two_classes_and_knows_all_of_the_task():
    known = head.features(np.eye(4, dtype=np.float32))
    assert prior_of(known, ["keep"] * 4, CULL_TASK, "x") is None
    assert prior_of(known, ["keep", "cull", "keep", "cull"], CULL_TASK, "x").head.weights.shape == (4,)
    task = Task("kind", ("a", "b", "c"))
    found = prior_of(known, ["a", "b", "a", "b"], task, "x").head
    assert np.isfinite(found.bias).all()
    assert found.bias[2] == found.bias[:2].min() - 5


def test_a_prior_of_tags_knows_those_that_are_on_some_photos_and_not_on_others():
    known = head.features(np.eye(4, dtype=np.float32))
    task = Task("notes", ("t", "u", "v"), exclusive=False)
    found = prior_of(known, ["t=1;u=1", "t=0;u=1;v=1", "t=1", "t=0;v=0"], task, "x").head
    assert np.isnan(found.bias).tolist() == [False, True, False]
    assert found.weights.shape == (4, 3)
    assert (known.logits(found)[:, 0] > 0).tolist() == [True, False, True, False]
    assert prior_of(known, ["t=1", "t=1;u=0", "t=1", "t=1"], task, "x") is None


def test_a_tag_without_a_prior_is_unknown_until_it_is_answered():
    task = Task("notes", ("t", "u"), exclusive=False)
    known = head.features(np.eye(4, dtype=np.float32))
    prior = prior_of(known, ["t=1", "t=0", "t=1", "t=0"], task, "x")
    seen = Embeddings(tuple("abcd"), np.eye(4, dtype=np.float32), {}, 4, 0, np.full(4, np.nan), np.full(4, np.nan))
    for more in ((), ("v",)):  # also a tag that was added after the prior
        scorer = Scorer(Source(MeanColour(), None, prior=prior), seen, task.with_more(more))
        before = scorer.probability({})
        assert (before[:, 0] > 0.5).tolist() == [True, False, True, False]
        assert np.isnan(before[:, 1:]).all()
        after = scorer.probability({"a": "t=1;u=1", "b": "t=0;u=0"})
        assert (after[:2, 1] > 0.5).tolist() == [True, False]


def test_tags_start_from_another_project_which_may_have_others(new, cache_dir, tmp_path):
    fill_stage(tmp_path / "notes" / "stage_1")
    other = open_session(
        tmp_path / "notes", model="builtin", cache_dir=cache_dir, task="notes", tags=["odd", "warm", "cold"]
    )
    for key in other.listing.keys:
        other.answer(key, f"warm={int('warm' in key)};cold={int('cold' in key)};odd=0", "files")
    session = open_session(
        new, model="builtin", cache_dir=cache_dir, task="notes", tags=["cold", "worn", "warm"], start=tmp_path / "notes"
    )
    assert session.notice.startswith("Scores start from your answers in")
    for photo in session.survey():
        cold, worn, warm = photo.probability
        assert (warm > 0.5, cold > 0.5) == ("warm" in photo.key, "cold" in photo.key)
        assert np.isnan(worn)


def test_another_project_may_ask_tags_where_this_one_has_classes(new, cache_dir, tmp_path, caplog):
    fill_stage(tmp_path / "notes" / "stage_1")
    other = open_session(tmp_path / "notes", model="builtin", cache_dir=cache_dir, task="kind", tags=["warm", "cold"])
    for key in other.listing.keys:
        other.answer(key, key[:4], "files")
    session = open_session(
        new, model="builtin", cache_dir=cache_dir, task="kind", classes=["warm", "cold"], start=tmp_path / "notes"
    )
    assert session.notice == ""
    assert f"In {tmp_path / 'notes'} the task kind is of another kind." in caplog.text


@pytest.fixture
def old(tmp_path, cache_dir):
    """A project whose twelve photos are answered by taste."""
    fill_stage(tmp_path / "old" / "stage_1")
    session = open_session(tmp_path / "old", model="builtin", cache_dir=cache_dir)
    session.answer_all([key for key in session.listing.keys if "warm" in key], "keep")
    session.answer_all([key for key in session.listing.keys if "cold" in key], "cull")
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path):
    fill_stage(tmp_path / "new" / "stage_1", warm=9, cold=9)
    return tmp_path / "new"


def test_a_project_starts_from_another_and_says_so(old, new, cache_dir):
    session = open_session(new, model="builtin", cache_dir=cache_dir, start=old)
    decisions = {each.key: each.decision for each in session.scores()}
    assert decisions == {key: label_of(key) for key in session.listing.keys}
    assert session.notice.startswith(f"Scores start from your answers in {old}.")
    assert session.source.endswith(f"starting from your answers in {old}")
    assert path_of(new).read_text() == f'version = 1\nstart_from = "{old}"\n'
    again = open_session(new, model="builtin", cache_dir=cache_dir)
    assert [each.p_keep for each in again.scores()] == [each.p_keep for each in session.scores()]
    assert again.prepare() is not None
    assert again.source == session.source


def test_another_taste_takes_over_after_a_few_answers(old, new, cache_dir):
    session = open_session(new, model="builtin", cache_dir=cache_dir, start=old)
    opposite = {"keep": "cull", "cull": "keep"}
    for key in ("warm_00.jpg", "cold_00.jpg", "warm_01.jpg", "cold_01.jpg"):
        session.answer(key, opposite[label_of(key)], "files")
    decisions = {each.key: each.decision for each in session.scores()}
    assert decisions == {key: opposite[label_of(key)] for key in session.listing.keys}


def test_a_stage_starts_from_the_one_before(old, cache_dir):
    session = open_session(old, model="builtin", cache_dir=cache_dir)
    session.cull()
    session = open_session(old, model="builtin", cache_dir=cache_dir)
    assert session.stage.number == 2
    assert session.notice.startswith("Scores start from your answers of stage_1.")
    assert all(photo.p_keep > 0.5 for photo in session.survey())


def test_a_stage_without_answers_before_it_starts_from_another_project(old, new, cache_dir, tmp_path):
    session = open_session(new, model="builtin", cache_dir=cache_dir)
    session.answer_all(session.listing.keys, "keep")
    session.cull()
    session = open_session(new, model="builtin", cache_dir=cache_dir, start=old)
    assert session.stage.number == 2
    assert session.notice.startswith(f"Scores start from your answers in {old}.")
    before = open_session(new, 1, model="builtin", cache_dir=cache_dir)
    before.answer_all([key for key in before.listing.keys if "cold" in key], "cull")
    session = open_session(new, model="builtin", cache_dir=cache_dir)
    assert session.notice.startswith("Scores start from your answers of stage_1.")
    shutil.move(new / "stage_1", tmp_path / "stage_1")
    session = open_session(new, model="builtin", cache_dir=cache_dir)
    assert session.notice.startswith(f"Scores start from your answers in {old}.")


def test_checks_of_the_other_project_do_not_count(new, cache_dir, tmp_path):
    fill_stage(tmp_path / "checked" / "stage_1")
    checked = open_session(tmp_path / "checked", model="builtin", cache_dir=cache_dir)
    for key in checked.listing.keys:
        checked.answer(key, label_of(key), "audit")
    assert open_session(new, model="builtin", cache_dir=cache_dir, start=tmp_path / "checked").notice == ""


def test_what_it_can_not_start_from(old, new, cache_dir, tmp_path):
    for place, message in ((new, "can't start from itself"), (tmp_path / "nothing", "no folder")):
        with pytest.raises(StageError, match=message):
            start_from(new, place)
    assert not path_of(new).exists()
    open_session(new, model="builtin", cache_dir=cache_dir, start=old)
    old.rename(tmp_path / "elsewhere")
    session = open_session(new, model="builtin", cache_dir=cache_dir)
    assert session.survey()[0].p_keep is None
    assert session.notice == ""


def test_a_model_for_tags_is_a_prior_tag_by_tag():
    rows = np.eye(4, dtype=np.float32)
    for tags in (("t",), ("t", "u", "v")):
        task = Task("notes", tags, exclusive=False)
        heads = head.Heads(np.ones((4, len(tags)), np.float32), np.zeros(len(tags)))
        seen = Embeddings(tuple("abcd"), rows.copy(), {}, 4, 0, np.full(4, np.nan), np.full(4, np.nan))
        scorer = Scorer(Source(MeanColour(), None, prior=Prior(heads, "x")), seen, task)
        for labels in ({}, {"a": task.parse("")}, {"a": task.parse("t"), "b": task.parse("")}):
            assert np.isfinite(scorer.probability(labels)).all()


def test_another_project_may_have_other_classes(new, cache_dir, tmp_path):
    fill_stage(tmp_path / "kinds" / "stage_1")
    other = open_session(
        tmp_path / "kinds", model="builtin", cache_dir=cache_dir, task="kind", classes=["warm", "odd", "cold"]
    )
    for key in other.listing.keys:
        other.answer(key, key[:4], "files")
    other.answer("warm_00.jpg", "odd", "files")
    session = open_session(
        new, model="builtin", cache_dir=cache_dir, task="kind", classes=["cold", "warm"], start=tmp_path / "kinds"
    )
    assert {each.key: each.label for each in session.predictions()} == {key: key[:4] for key in session.listing.keys}
