"""Checks on contact sheets, answers asked again, and the cheapest way to a promise."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import fill_stage, label_of, save_photo

from imlcull_al import open_session
from imlcull_al.errors import CullRefused, StageError
from imlcull_al.learning import sheets
from imlcull_al.learning.bounds import Certificate, Pile
from imlcull_al.learning.sample import Sheets
from imlcull_al.learning.ways import Way, in_sequence, least, limits


def test_a_sheet_asks_one_of_the_kept_after_seven_to_be_culled_each_in_the_order_of_the_stream():
    stream = np.array([9, 0, 8, 1, 2, 3, 4, 5, 6, 7])
    is_culled = np.arange(10) < 8
    assert sheets.in_turn(stream, is_culled).tolist() == [0, 1, 2, 3, 4, 5, 6, 9, 7, 8]
    assert sheets.in_turn(stream, np.ones(10, bool)).tolist() == stream.tolist()
    assert sheets.in_turn(stream, np.zeros(10, bool)).tolist() == stream.tolist()
    assert sheets.in_turn(stream[:0], is_culled).tolist() == []


def test_a_tenth_of_the_answers_is_asked_again_another_one_for_every_seed():
    keys = [f"{number}.jpg" for number in range(4000)]
    chosen = [{key for key in keys if sheets.is_asked_again(seed, key)} for seed in ("a", "b")]
    assert all(330 < len(each) < 470 for each in chosen)  # 400 ± 19
    assert 15 < len(chosen[0] & chosen[1]) < 70  # 40 ± 6


@pytest.mark.parametrize(
    ("doubted", "again", "missed", "count"), [(90, 0, 0, 0), (90, 10, 0, 0), (90, 10, 1, 9), (7, 3, 1, 3)]
)
def test_keepers_are_overlooked_as_often_as_among_those_asked_again(doubted, again, missed, count):
    assert sheets.overlooked(doubted, again, missed) == count


def test_overlooked_keepers_are_lost_and_make_the_bound_wider():
    """Ten of the hundred checks count as keepers: as if they had been found, but they stay in the cull pile."""
    found = Certificate(Pile(1000, 100, 12), known=60, confidence=0.9)
    overlooked = Certificate(Pile(1000, 100, 12, overlooked=10), known=50, confidence=0.9)
    assert overlooked.keepers_lost == found.keepers_lost + 10
    assert overlooked.keepers_kept == 50
    assert overlooked.checks_missing(0.3) > found.checks_missing(0.3)
    with pytest.raises(ValueError, match="known is below"):
        Certificate(Pile(1000, 100, 12, overlooked=10), known=1)
    both = Certificate(Pile(1000, 100, 0), 50, Pile(500, 50, 40, overlooked=3))
    assert both.keepers_lost == Certificate(Pile(1000, 100, 0), 50, Pile(500, 50, 40)).keepers_lost + 3


def test_the_limits_of_what_is_culled_unseen_are_quantiles_of_the_scores():
    p_keep = np.linspace(0, 0.99, 100)
    assert limits(p_keep, 0.5) == pytest.approx([0, 0.15, 0.25, 0.32, 0.4, 0.45, 0.47, 0.49, 0.5])
    assert limits(np.array([0.9]), 0.5) == [0, 0.5]
    assert limits(np.full(9, 0.2), 0.5) == [0, 0.2, 0.5]


def test_a_pile_counts_once_all_smaller_ones_do():
    assert in_sequence([0, 10, 30], [100, 200, 300]) == [0, 10, 30]
    assert in_sequence([20, 0, 90], [100, 200, 300]) == [20, 40, 90]
    assert in_sequence([10, np.inf, 0], [100, 200, 300]) == [10, np.inf, np.inf]
    assert in_sequence([0, 0], [0, 10]) == [0, 0]


def test_looks_and_checks_take_half_a_second_each():
    assert Way(0.2, 1000, 30, 50).seconds == 40


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A project of 20 warm photos, which are kept, and 60 cold ones, and the cache of their embeddings."""
    root = tmp_path_factory.mktemp("embedded")
    fill_stage(root / "project" / "stage_1", warm=20, cold=60)
    open_session(root / "project", model="builtin", cache_dir=root / "cache").prepare()
    return root


@pytest.fixture
def session(tmp_path, embedded, unreported):
    """A copy of its own, with twelve answers."""
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    session = open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache")
    for number in range(6):
        session.answer(f"warm_{number:02}.jpg", "keep")
        session.answer(f"cold_{number:02}.jpg", "cull")
    return session


def answer(session, photos, queue="sheet", taste=label_of):
    session.answer_sheet({photo.key: taste(photo.key) for photo in photos}, queue)


@pytest.mark.slow
class TestSheet:
    def test_it_is_blind_mostly_of_the_cull_pile_and_its_order_says_nothing(self, session):
        photos = session.sheet("me", count=16)
        keys = [photo.key for photo in photos]
        assert keys == sorted(keys)
        assert [(photo.queue, photo.p_keep) for photo in photos] == [("sheet", None)] * 16
        assert sum("cold" in key for key in keys) == 14
        assert {photo.key for photo in session.sheet("me", count=16)} == set(keys)
        assert not {photo.key for photo in session.sheet("another", count=16)} & set(keys)

    def test_what_is_on_it_is_not_embedded_early_and_an_answer_elsewhere_is_no_check(self, session):
        (photo,) = session.offer("another", "files", 1)  # of the queue `uncertain`, it might be a check
        sheet = session.sheet("me")
        assert session._visitors.awaited() == [photo.key]
        session.answer(sheet[0].key, "cull")
        assert json.loads(session.stage.journal.read_text().splitlines()[-1])["queue"] is None
        assert session.promise().certificate.cull_pile.checked == 0

    def test_its_answers_are_one_step_measure_and_never_train(self, session):
        before = {photo.key: photo.p_keep for photo in session.survey()}
        photos = session.sheet("me")
        answer(session, photos)
        lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
        assert {line["queue"] for line in lines[-24:]} == {"sheet"}
        assert {photo.key: photo.p_keep for photo in session.survey()} == before
        pile = session.promise().certificate.cull_pile
        assert (pile.checked, pile.found) == (sum("cold" in photo.key for photo in photos), 0)
        assert len(session.undo_all([photo.key for photo in photos])) == 24
        assert len(session.labels()) == 12
        answer(session, photos)
        again = open_session(session.stage.project, model="builtin", cache_dir=session._cache_dir)
        assert again.promise().certificate.cull_pile.checked == pile.checked

    def test_every_photo_of_the_cull_pile_can_be_checked_so(self, session):
        while photos := session.sheet("me"):
            answer(session, photos)
        assert len(session.labels()) == 80
        assert session.promise().summary == "No keeper is lost: every photo that would be culled has an answer."

    def test_a_tenth_is_asked_again_and_a_keeper_that_was_overlooked_widens_the_bound(self, session, monkeypatch):
        monkeypatch.setattr(sheets, "AGAIN", 3)
        assert session.asked_again("me") is None
        answer(session, session.sheet("me", count=54), taste=lambda key: "cull")
        calm = session.promise()
        due = session.standing().ranking.asked_again()
        cold = [key for key in due if "cold" in key]
        assert 5 < len(due) < 35
        while photo := session.asked_again("me"):
            assert (photo.queue, photo.label, photo.key) == (
                "again",
                "cull",
                due[len(session.standing().answers.again)],
            )
            session.answer_sheet({photo.key: "keep" if photo.key == cold[0] else "cull"}, "again")
        alarmed, checked = session.promise(), calm.certificate.cull_pile.checked
        assert alarmed.sheets == Sheets(len(cold), 1, -(-(checked - len(cold)) // len(cold)))
        assert alarmed.certificate.keepers_lost >= alarmed.sheets.overlooked > 0
        said = f"Of {len(cold)} answers that a sheet culled and that were asked again, 1 was a keeper: about "
        assert said in alarmed.report[1]
        session.undo(cold[0])
        assert session.standing().ranking.asked_again() == cold[:1]
        assert session.promise().sheets == Sheets(len(cold) - 1, 0, 0)

    def test_a_ranking_of_before_asks_nothing_again_that_was_taken_back_or_asked(self, session, monkeypatch):
        monkeypatch.setattr(sheets, "AGAIN", 1)
        photos = session.sheet("me", count=3)
        answer(session, photos)
        before, keys = session.standing(), [photo.key for photo in photos]
        assert sorted(before.asked_again()) == keys
        answer(session, [session.asked_again("me")], "again")
        asked = next(iter(session.standing().answers.again))
        now = replace(before, answers=session.standing().answers)
        assert sorted(now.asked_again()) == [key for key in keys if key != asked]
        session.undo(asked)
        session.undo_all(keys)
        now = replace(before, answers=session.standing().answers)
        assert now.asked_again() == []
        held = session._visitors.lease(now, "me", (), "sheet", 9, keys)
        assert [photo.key for photo in held] == keys

    def test_what_is_looked_at_does_not_train_either(self, session):
        before = {photo.key: photo.p_keep for photo in session.survey()}
        photos = session.looks("me", 0.0, 0.5, 10)
        scores = [before[photo.key] for photo in photos]
        assert all(one >= other for one, other in pairwise(scores))
        answer(session, photos, "look")
        assert {photo.key: photo.p_keep for photo in session.survey()} == before
        assert session.promise().certificate.cull_pile.checked == 0

    def test_other_sheets_and_other_photos_are_refused(self, session):
        with pytest.raises(StageError, match="There are no sheets of 'audit'"):
            session.answer_sheet({"cold_10.jpg": "cull"}, "audit")
        with pytest.raises(StageError, match="nobody"):
            session.answer_sheet({"cold_10.jpg": "cull", "nobody.jpg": "keep"})
        assert len(session.labels()) == 12


@pytest.mark.slow
class TestWay:
    def test_looking_at_all_of_a_small_pile_is_cheapest(self, session):
        assert session.cheapest_way() == Way(0.0, 0, 54, 0)

    def test_it_is_reached_by_looks(self, session):
        answer(session, session.looks("me", 0.0, 0.5, 54), "look")
        assert session.cheapest_way() == Way(0.5, 0, 0, 0, 0, True)
        assert session.promise().is_reached

    def test_looks_do_not_stop_the_checks_from_counting(self, session):
        answer(session, session.looks("me", 0.0, 0.5, 20), "look")
        sheet = session.sheet("me", count=24)
        answer(session, sheet)
        pile = session.promise().certificate.cull_pile
        assert pile.checked == sum("cold" in photo.key for photo in sheet)

    def test_it_is_not_reached_while_answers_are_to_be_asked_again_nor_if_keepers_were_overlooked(
        self, session, monkeypatch
    ):
        monkeypatch.setattr(sheets, "AGAIN", 2)
        while photos := session.sheet("me"):
            answer(session, photos, taste=lambda key: "cull" if "cold" in key else "keep")
        due = session.standing().asked_again()
        way = session.cheapest_way()
        assert (way.again, way.is_reached, way.next_step) == (len(due), False, "again")
        assert f"answer {len(due)} photos of your sheets again" in way.summary(0.05, 0.95).lower()
        assert not session.promise().is_reached
        cold = next(key for key in due if "cold" in key)
        while photo := session.asked_again("me"):
            session.answer_sheet({photo.key: "keep" if photo.key == cold else label_of(photo.key)}, "again")
        way = session.cheapest_way(max_keepers_lost=0.01)
        assert (way.looks, way.checks, way.again, way.is_reached) == (0, 0, 0, False)
        assert way.summary(0.01, 0.95).startswith("More keepers were overlooked on sheets than may be lost.")
        with pytest.raises(CullRefused, match=r"confidence\)\. More keepers .* in Review. Or choose a threshold"):
            session.threshold_for(0.01)
        assert "They were overlooked on sheets" in session.promise(0.5, 0.01).summary

    def test_there_is_none_while_photos_have_no_score(self, session):
        save_photo(session.stage.folder / "new.jpg", (9, 9, 9))
        assert session.follow_photos()
        assert session.cheapest_way() is None

    def test_the_command_says_it(self, session, run):
        asked = ("--project", session.stage.project, "--model", "builtin", "--cache-dir", session._cache_dir)
        for command in ("check", "audit"):
            code, out, _ = run(command, *asked)
            assert code == 0
            assert "The cheapest way: Look at 54 (27 seconds): then none is lost." in out.splitlines()


def test_a_way_in_words():
    assert Way(0.2, 1720, 310, 260).summary(0.05, 0.95) == (
        "Cull 1,720 unseen, look at 310 (3 minutes), check 260 (2 minutes): then at most 5% of your keepers are lost "
        "(95% confidence)."
    )
    assert Way(0.2, 9, 2, 3).summary(0.05, 0.95).startswith("Cull 9 unseen, look at 2 (1 second), check 3 (2 seconds):")
    assert Way(0.5, 10, 0, 0).summary(0.025, 0.9) == (
        "Cull 10 unseen: then at most 2.5% of your keepers are lost (90% confidence)."
    )
    assert Way(0.5, 0, 0, 0, 0, True).summary(0.05, 0.95) == "No photo would be culled unseen."


def test_what_is_asked_again_comes_first_then_checks_then_looks():
    ways = Way(0.2, 10, 30, 50, 2), Way(0.2, 10, 30, 50), Way(0.1, 5, 35, 0), Way(0.5, 9, 0, 0, 0, True)
    assert [way.next_step for way in ways] == ["again", "sheet", "look", ""]


def test_a_way_counts_as_reached_only_if_it_and_all_smaller_ones_are_certified_now():
    """Nothing is left to look at; the forecasts say that no check is missing."""
    lows, unseen = [0.0, 0.2, 0.5], [0, 40, 40]
    assert least(lows, unseen, [0, 0, 0], [True, True, True]) == Way(0.5, 40, 0, 0, 0, True)
    assert least(lows, unseen, [0, 0, 0], [True, True, True], again=2) == Way(0.5, 40, 0, 0, 2, False)
    assert least(lows, unseen, [0, 0, 0], [True, False, False]) == Way(0.5, 40, 0, 8)
    assert least(lows, [0, 10, 40], [0, 0, 0], [True, True, False]) == Way(0.5, 40, 0, 8)
    assert least(lows, [0, 38, 40], [0, 0, np.inf], [True, True, False]) == Way(0.2, 38, 2, 0)
