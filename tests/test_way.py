"""What to do next: every step, in the order of a cull."""

import pytest
from conftest import save_photo

from imlcull_al.learning.ways import Way
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import way
from imlcull_al.ui.way import Facts, next_step

AFTER = Facts(photos=500, answered=40, checked=20)


@pytest.mark.parametrize(
    ("facts", "words", "tab"),
    [
        (Facts(500, 0, "First label some photos."), "Answer about 20 photos", "Label"),
        (Facts(500, 8), "Answer about 12 more photos", "Label"),
        (Facts(500, 30, "First label some."), "Answer more photos, until you have kept one and culled one", "Label"),
        (Facts(500, 40, near=187), "Scores are useful now: review 187 of 500 photos", "Review/close"),
        (AFTER._replace(near=187), "Answer more photos while the rest is analyzed", "Label"),
        (AFTER._replace(way=Way(0.5, 200, 0, 182)), "Check: 182 photos on sheets (2 minutes)", "Check"),
        (AFTER._replace(way=Way(0.2, 107, 93, 0)), "Look at 93 photos (46 seconds)", "Check"),
        (AFTER._replace(way=Way(0.2, 107, 93, 9, again=1)), "Check: answer 1 photo of your sheets again", "Check"),
        (AFTER._replace(way=Way(0.5, 0, 0, 0)), "Look again at what you culled on sheets", "Review"),
        (AFTER._replace(way=Way(0.5, 9, 0, 0, is_reached=True), culled=189), "Ready: cull 189, keep 311", "Cull"),
        (Facts(500, 500, culled=1000 - 700), "Ready: cull 300, keep 200", "Cull"),
        (Facts(9, 4, "Scores start with a shirt.", is_cull=False), "Scores start with a shirt", "Label"),
        (Facts(9, 4, is_cull=False), "Scores are useful now: review 5 of 9 photos", "Review"),
        (Facts(9, 9, is_cull=False), "Every photo has an answer", "Review"),
        (Facts(500, 2, "First label some.", unreadable=30), "Answer about 18 more photos", "Label"),
        (Facts(9, 4, is_cull=False, unreadable=2), "Scores are useful now: review 3 of 9 photos", "Review"),
        (Facts(500, 470, culled=300, unreadable=30), "Ready: cull 300, keep 200", "Cull"),
    ],
)
def test_each_step_and_its_tab(facts, words, tab):
    assert next_step(facts) == (words, tab)


@pytest.fixture
def desk(project, cache_dir):
    session = open_session(project, model="builtin", cache_dir=cache_dir)
    for number, key in enumerate(session.listing.keys):
        session.answer(key, "keep" if number % 2 else "cull")
    return Desk(session)


def test_it_waits_while_somebody_presses_keys(desk, monkeypatch):
    monkeypatch.setattr(desk.session, "standing", None)  # not asked for
    monkeypatch.setattr(desk.session, "seconds_since_press", lambda: 0.1)
    assert "value" not in way.look(desk)


def test_it_is_found_once_for_the_same_scores(desk, monkeypatch):
    monkeypatch.setattr(desk.session, "seconds_since_press", lambda: 9.0)
    first = way.look(desk, 50, 0.05)
    monkeypatch.setattr(way, "facts_of", None)
    assert way.look(desk, 50, 0.05) == first
    assert 'href="#cull"' in first


def test_checks_alone_make_no_scores_however_many_are_analyzed(project, cache_dir):
    session = open_session(project, model="builtin", cache_dir=cache_dir)
    session.answer("warm_00.jpg", "keep")
    session.answer("cold_00.jpg", "cull", "audit")
    assert way.facts_of(session.standing(), 0.5, 0.05).missing == "First label some photos keep and some cull."


def test_what_would_be_culled_is_counted_while_an_answered_photo_is_not_analyzed(desk):
    save_photo(desk.session.stage.folder / "new.jpg", (9, 9, 9))
    assert desk.session.follow_photos()
    desk.session.answer("new.jpg", "cull")
    now = desk.session.standing()
    assert now.cheapest_way().is_reached
    assert way.facts_of(now, 0.5, 0.05).culled == now.counts.cull


def test_names_of_classes_are_escaped(desk, monkeypatch):
    monkeypatch.setattr(way, "step_of", lambda *asked: way.Step("Only <b>", "Label"))
    monkeypatch.setattr(desk.session, "seconds_since_press", lambda: 9.0)
    assert "Only &lt;b&gt;" in way.look(desk)
