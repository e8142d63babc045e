"""Ratings on the Cull screen: previews first, and what was previewed is what is done."""

import base64
import shutil
from pathlib import Path

import pytest
from conftest import MeanColour, fill_stage, fingerprint_of
from test_train_cull_screens import finish

from imlcull_al import ui
from imlcull_al.errors import RatingsRefused
from imlcull_al.exchange import elsewhere
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui import ratings, sidecars

SIDECARS = Path(__file__).parent / "sidecars"
TITLE = "Ratings of other programs"


@pytest.fixture
def desk(tmp_path):
    folder = fill_stage(tmp_path / "project" / "stage_1", warm=2, cold=2)
    for name, target in (
        ("IMG_0001.xmp", "cold_00.xmp"),
        ("IMG_0004.xmp", "warm_00.xmp"),
        ("IMG_0006.xmp", "warm_01.xmp"),
    ):
        shutil.copy(SIDECARS / name, folder / target)
    desk = Desk(open_session(folder.parent, model=MeanColour(), cache_dir=tmp_path / "cache"))
    yield desk
    desk.jobs.close()


def html(desk):
    return ratings.outcome_html(ratings.latest(desk))


def test_ratings_are_previewed_taken_over_and_taken_back(desk):
    assert html(desk) == ""
    ratings.start_reading(desk)
    number = finish(desk.jobs, ratings.LOOKING).number
    assert "1 keep, 1 cull, 2 unrated." in html(desk)
    assert "keep: &#x27;cold_00.jpg&#x27;." in html(desk)
    assert "Not read: warm_01.xmp: it has a document type" in html(desk)
    assert desk.session.labels() == {}
    ratings.start_taking(desk, number)
    finish(desk.jobs, ratings.TAKING)
    assert "Took over 2 answers." in html(desk)
    assert desk.session.labels() == {"cold_00.jpg": "keep", "warm_00.jpg": "cull"}
    with pytest.raises(RatingsRefused, match="newer preview"):
        ratings.start_taking(desk, number)
    ratings.start_taking_back(desk)
    finish(desk.jobs, ratings.TAKING_BACK)
    assert ("Took back 2 answers." in html(desk), desk.session.labels()) == (True, {})


def test_an_answer_given_after_the_preview_stays(desk):
    ratings.start_reading(desk)
    number = finish(desk.jobs, ratings.LOOKING).number
    desk.session.answer("cold_00.jpg", "cull")
    ratings.start_taking(desk, number)
    finish(desk.jobs, ratings.TAKING)
    assert "Took over 1 answer." in html(desk)
    assert desk.session.labels() == {"cold_00.jpg": "cull", "warm_00.jpg": "cull"}


def test_sidecars_are_previewed_written_and_undone(desk):
    desk.session.answer("cold_00.jpg", "cull")
    before = (desk.session.stage.folder / "cold_00.xmp").read_bytes()
    ratings.start_planning(desk, "lightroom", False, 0.5)
    number = finish(desk.jobs, ratings.PLANNING).number
    assert "1 sidecar to change, 0 to create. Nothing was written yet." in html(desk)
    assert "keeps flags in its catalog" in html(desk)
    assert (desk.session.stage.folder / "cold_00.xmp").read_bytes() == before
    ratings.start_writing(desk, number)
    finish(desk.jobs, ratings.WRITING)
    assert "Wrote 1 sidecar." in html(desk)
    assert b'xmp:Rating="-1"' in (desk.session.stage.folder / "cold_00.xmp").read_bytes()
    ratings.start_undoing(desk)
    finish(desk.jobs, ratings.UNDOING)
    assert "Restored 1 sidecar." in html(desk)
    assert (desk.session.stage.folder / "cold_00.xmp").read_bytes() == before


def test_a_preview_of_other_answers_is_not_written(desk):
    desk.session.answer("cold_00.jpg", "cull")
    ratings.start_planning(desk, "lightroom", False, 0.5)
    number = finish(desk.jobs, ratings.PLANNING).number
    desk.session.answer("cold_00.jpg", "keep")
    ratings.start_writing(desk, number)
    finish(desk.jobs, ratings.WRITING)
    assert "Answers changed since the preview; no sidecar was written." in html(desk)
    assert not desk.session.stage.sidecars(1).exists()


def sent(name, data=None):
    data = (SIDECARS / "IMG_0001.xmp").read_bytes() if data is None else data
    return [name, base64.b64encode(data).decode()]


def test_dropped_sidecars_are_previewed_in_place_of_those_beside_the_photos(desk):
    before = fingerprint_of(desk.session.stage.folder)
    assert sidecars.respond(desk.session, {"drop": "a", "part": 0, "sidecars": [sent("card/cold_01.xmp")]}) == {
        "error": ""
    }
    again = {"drop": "a", "part": 1, "sidecars": [sent("card/warm_01.jpg.xmp"), sent("card/nobody.xmp")]}
    assert sidecars.respond(desk.session, again) == {"error": ""}
    ratings.start_reading(desk, desk.session.drops.take("a"))
    number = finish(desk.jobs, ratings.LOOKING).number
    assert "2 keep, 0 cull, 2 unrated." in html(desk)
    assert "Not read: card/nobody.xmp: there is no photo of its name." in html(desk)
    ratings.start_taking(desk, number)
    finish(desk.jobs, ratings.TAKING)
    assert desk.session.labels() == {"cold_01.jpg": "keep", "warm_01.jpg": "keep"}
    ratings.start_taking_back(desk)
    finish(desk.jobs, ratings.TAKING_BACK)
    assert desk.session.labels() == {}
    assert fingerprint_of(desk.session.stage.folder) == before


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({}, "holds no sidecars"),
        ({"drop": "a", "part": 0, "sidecars": ["x"]}, "holds no sidecars"),
        ({"drop": "a" * 65, "sidecars": []}, "holds no sidecars"),
        ({"drop": "a", "part": 0, "sidecars": [["x.xmp", "?"]]}, "x.xmp arrived damaged"),
        ({"drop": "a", "part": 0, "sidecars": [["x.xmp", "é"]]}, "x.xmp arrived damaged"),
        ({"drop": "a", "part": 1, "sidecars": [sent("x.xmp")]}, "A part of the sidecars is missing"),
        ({"drop": "a", "part": 0, "sidecars": [sent("x.jpg")]}, "x.jpg is no sidecar"),
        ({"drop": "a", "part": 0, "sidecars": [sent("x.xmp", bytes(60)), sent("y.xmp", bytes(60))]}, "larger than"),
        (
            {"drop": "a", "part": 0, "sidecars": [sent(f"{n}.xmp", b"") for n in range(4)]},
            "one import takes 3",
        ),
    ],
)
def test_what_is_sent_is_checked_and_bounded(desk, monkeypatch, request_, reason):
    monkeypatch.setattr(elsewhere, "MOST_BYTES", 100)
    monkeypatch.setattr(elsewhere, "MOST", 3)
    assert reason in sidecars.respond(desk.session, request_)["error"]


def test_two_pages_that_drop_at_once_lose_nothing(desk):
    for drop, part, name in (("a", 0, "1.xmp"), ("b", 0, "9.xmp"), ("a", 1, "2.xmp")):
        assert sidecars.respond(desk.session, {"drop": drop, "part": part, "sidecars": [sent(name)]}) == {"error": ""}
    assert desk.session.drops.take("a").names == ("1.xmp", "2.xmp")
    assert desk.session.drops.take("b").names == ("9.xmp",)
    with pytest.raises(RatingsRefused, match="Drop them again"):
        desk.session.drops.take("a")


def test_a_drop_that_nobody_takes_is_forgotten():
    drops = elsewhere.Drops(seconds=0.01)
    drops.add("a", 0, {"1.xmp": b""})
    drops._drops["a"].timer.join()
    with pytest.raises(RatingsRefused, match="A part of the sidecars is missing"):
        drops.add("a", 1, {"2.xmp": b""})


def test_a_folder_of_sidecars_is_chosen_on_the_page(desk, visit, serve, tmp_path):
    folder = tmp_path / "from the laptop"
    for name in ("cold_01.xmp", "warm_01.jpg.xmp", "day1/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SIDECARS / "IMG_0001.xmp", folder / name)
    tab = visit(serve(desk))
    tab.get_by_role("tab", name="Cull").click()
    tab.get_by_text(TITLE).click()
    tab.get_by_label("A folder of sidecars").set_input_files(folder)
    tab.get_by_text("2 sidecars sent. 1 other file left out.").wait_for()
    tab.get_by_text("2 keep, 0 cull, 2 unrated.").wait_for()
    tab.get_by_role("button", name="Take over 2 answers").click()
    tab.get_by_text("Took over 2 answers.").wait_for()
    assert desk.session.labels() == {"cold_01.jpg": "keep", "warm_01.jpg": "keep"}


def test_a_public_page_has_no_other_programs(desk, tmp_path):
    workspaces = Workspaces(tmp_path / "workspaces", "builtin")
    try:
        pages = [ui.build(place).get_config_file() for place in (desk, workspaces)]
    finally:
        workspaces.close()
    titles = [[each["props"].get("label") for each in page["components"]] for page in pages]
    assert [TITLE in each for each in titles] == [True, False]


def test_it_stands_above_the_thumbnails(desk, tmp_path, serve, visit):
    desk.session.answer("cold_00.jpg", "cull")
    desk.session.answer("warm_00.jpg", "keep")
    tab = visit(serve(desk))
    tab.get_by_role("tab", name="Cull").click()
    close = tab.get_by_role("heading", name="Close calls")
    close.wait_for()
    assert tab.get_by_role("button", name=TITLE).bounding_box()["y"] < close.bounding_box()["y"]
