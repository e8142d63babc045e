"""The Check screen: its functions, then whole sheets in a real browser."""

import json
import shutil

import pytest
from conftest import fill_stage, label_of, until

from imlcull_al import open_session
from imlcull_al.learning import sheets
from imlcull_al.session.desk import Desk
from imlcull_al.ui import check, presses

ME, YOU = (f"{number * 8}-{number * 4}-4{number * 3}-8{number * 3}-{number * 12}" for number in "12")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A project of 20 warm photos, which are kept, and 60 cold ones, and the cache of their embeddings."""
    root = tmp_path_factory.mktemp("embedded")
    fill_stage(root / "project" / "stage_1", warm=20, cold=60)
    open_session(root / "project", model="builtin", cache_dir=root / "cache").prepare()
    return root


@pytest.fixture
def unlabeled(tmp_path, embedded):
    """A copy of its own."""
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    return open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache")


@pytest.fixture
def session(unlabeled):
    """With twelve answers."""
    unlabeled.answer_all([f"warm_{number:02}.jpg" for number in range(6)], "keep")
    unlabeled.answer_all([f"cold_{number:02}.jpg" for number in range(6)], "cull")
    return unlabeled


def look(session, visitor=ME, **named):
    request = {"do": "look", "visitor": visitor, "queue": "sheet", "count": 12, "threshold": 0.5, "limit": 0, **named}
    return check.respond(session, request)


def keys_of(reply) -> list[str]:
    return [photo["key"] for photo in reply["photos"]]


def press(session, number, **what):
    return presses.respond(session, {"visitor": ME, "presses": [{"number": number, **what}]})


def journal(session) -> list[dict]:
    return [json.loads(line) for line in session.stage.journal.read_text().splitlines()]


class TestLook:
    def test_a_sheet_is_blind_and_stays_while_the_next_one_comes(self, session):
        first = look(session)
        keys = keys_of(first)
        assert (len(keys), keys, first["again"], first["nothing"], first["error"]) == (12, sorted(keys), None, "", "")
        assert {photo["p_keep"] for photo in first["photos"]} == {None}
        both = keys_of(look(session, held=keys, count=24))
        assert len(both) == 24
        assert set(keys) < set(both)
        session.answer(keys[0], "cull")  # elsewhere
        assert keys[0] not in keys_of(look(session, held=keys, count=12))
        assert set(keys[1:]) < set(keys_of(look(session, held=keys, count=12)))

    def test_two_tabs_never_get_the_same_photos_and_a_closed_one_gives_them_back(self, session):
        mine = keys_of(look(session, count=60))
        yours = keys_of(look(session, YOU, count=60))
        assert (len(mine), len(yours)) == (60, 8)
        assert not set(mine) & set(yours)
        assert session.visitors() == 2
        assert look(session, "3" * 8 + ME[8:])["nothing"] == "Somebody else is checking the last photos."
        assert check.respond(session, {"do": "leave", "visitor": ME}) == {"error": ""}
        assert session.visitors() == 1
        assert set(keys_of(look(session, YOU, count=68))) == {*mine, *yours}

    def test_a_page_with_a_queue_and_a_sheet_is_one_visitor(self, session):
        session.offer(ME, "uncertain", 4)
        look(session)
        assert session.visitors() == 1

    def test_photos_of_the_other_queue_are_given_back(self, session):
        sheet = keys_of(look(session, count=68))
        looks = look(session, queue="look", count=68)
        assert set(keys_of(looks)) <= set(sheet)
        scores = [photo["p_keep"] for photo in looks["photos"]]
        assert scores == sorted(scores, reverse=True)
        assert max(scores) < 0.5

    def test_before_there_are_scores_it_says_what_is_missing(self, unlabeled):
        reply = look(unlabeled)
        assert (reply["photos"], reply["nothing"]) == (
            [],
            "Sheets come once there are scores. First label some photos keep and some cull.",
        )
        plan = check.respond(unlabeled, {"do": "plan", "threshold": 0.5, "target": 0.05})
        assert (plan["plan"], plan["is_ready"]) == ("First label some photos keep and some cull.", False)
        assert "Nothing to report until there are scores." in plan["said"]

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({}, "Reload"),
            ({"do": ["look"]}, "Reload"),
            ({"do": "look"}, "no valid visitor"),
            ({"do": "look", "visitor": ME, "queue": "audit"}, "Reload"),
            ({"do": "look", "visitor": ME, "queue": "sheet", "count": 101}, "up to 100 photos"),
            ({"do": "look", "visitor": ME, "queue": "sheet", "count": -1}, "up to 100 photos"),
            ({"do": "look", "visitor": ME, "queue": "sheet", "count": True}, "up to 100 photos"),
            ({"do": "look", "visitor": ME, "queue": "sheet", "count": 9, "held": 5}, "no valid list"),
            ({"do": "look", "visitor": ME, "queue": "sheet", "count": 9, "threshold": None}, "no threshold"),
            ({"do": "look", "visitor": ME, "queue": "look", "count": 9, "limit": "0"}, "no limit"),
            ({"do": "plan", "threshold": 2}, "no threshold"),
            ({"do": "plan", "target": 0}, "between 0 and 1"),
            ({"do": "leave", "visitor": "me"}, "no valid visitor"),
        ],
    )
    def test_nonsense_gets_a_sentence(self, session, request_, says):
        assert says in check.respond(session, request_)["error"]


class TestSheet:
    def test_it_is_answered_by_one_press_that_counts_once_and_undone_by_one(self, session):
        keys = keys_of(look(session))
        sheet = {"do": "sheet", "keys": keys, "labels": list(map(label_of, keys)), "queue": "sheet"}
        for _ in range(2):
            reply = press(session, 1, **sheet)
            assert (reply["refused"], reply["error"]) == ([], "")
        lines = journal(session)
        assert {line["queue"] for line in lines[-12:]} == {"sheet"}
        assert [line["key"] for line in lines].count(keys[0]) == 1
        assert session.labels() | dict(zip(keys, sheet["labels"], strict=True)) == session.labels()
        (undone,) = press(session, 2, do="undo", keys=keys, of=1)["undone"]
        assert sorted(undone["keys"]) == keys
        assert len(session.labels()) == 12

    @pytest.mark.parametrize(
        "bad",
        [
            {"keys": ["cold_10.jpg"], "labels": []},
            {"keys": ["cold_10.jpg"], "labels": "keep"},
            {"keys": ["cold_10.jpg", "cold_10.jpg"], "labels": ["keep", "cull"]},
            {"keys": [], "labels": []},
            {"labels": ["keep"]},
            {"keys": ["cold_10.jpg"], "labels": ["maybe"]},
            {"keys": ["cold_10.jpg"], "labels": ["keep"], "queue": "audit"},
            {"keys": ["cold_10.jpg", "nobody.jpg"], "labels": ["keep", "keep"]},
        ],
    )
    def test_a_bad_one_is_refused_whole(self, session, bad):
        (refused,) = press(session, 1, **{"do": "sheet", "queue": "sheet", **bad})["refused"]
        assert refused["error"]
        assert len(session.labels()) == 12


class TestPlan:
    def test_it_says_what_a_promise_takes_and_when_it_is_reached(self, session):
        plan = check.respond(session, {"do": "plan", "threshold": 0.5, "target": 0.05})
        assert plan["plan"] == "Look at 54 (27 seconds): then none is lost."
        assert (plan["then"], plan["left"], plan["is_ready"]) == (
            'The spot checks are done. Next: "Photos to look at".',
            {"sheet": 0, "look": 54},
            False,
        )
        assert plan["said"] == '<p class="promise numbers">0 of 20 spot checks until there is a first figure.</p>'
        keys = keys_of(look(session, queue="look", count=68))
        session.answer_sheet({key: label_of(key) for key in keys}, "look")
        plan = check.respond(session, {"do": "plan", "threshold": 0.5, "target": 0.05})
        assert (plan["plan"], plan["then"]) == ("Ready. No photo would be culled unseen.", "Next: cull.")
        assert plan["is_ready"]
        assert look(session, queue="look")["nothing"].startswith("No photos are left to look at.")

    def test_from_twenty_checks_on_there_is_a_figure(self, session):
        keys = keys_of(look(session, count=24))
        session.answer_sheet({key: label_of(key) for key in keys})
        said = check.respond(session, {"do": "plan"})["said"]
        assert session.promise().summary in said.replace("&#x27;", "'")
        assert "<svg" in check.respond(session, {"do": "curves"})["curves"]
