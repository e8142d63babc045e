"""The filmstrip of a burst on the Label screen, in a real Chromium."""

import json

import pytest
from conftest import fill_shoot, until

from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session


@pytest.fixture
def session(tmp_path):
    stage = fill_shoot(tmp_path / "shoot" / "stage_1")
    session = open_session(stage.parent, model="builtin", cache_dir=tmp_path / "cache")
    session.answer("22.jpg", "cull")
    session.answer("10.jpg", "keep")
    return session


@pytest.fixture
def open_page(session, serve, visit):
    """Opens the page in file order, at the first burst."""

    def open_page(**options):
        tab = visit(serve(Desk(session)), **options)
        tab.get_by_label("Queue").select_option("files")
        tab.get_by_label("Queue").press("Escape")
        shows(tab, "00.jpg")
        strip(tab).get_by_role("button").nth(2).wait_for()
        return tab

    return open_page


def strip(tab):
    return tab.get_by_role("group", name="Frames of this burst")


def shows(tab, key: str) -> None:
    tab.locator(f'#label-screen .stage[data-shown="{key}"]').wait_for()


def journal(session):
    lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    return [(line["do"], line["key"], line["label"], line["queue"]) for line in lines if line["do"] != "audit"][2:]


def test_arrows_move_in_the_burst_and_answer_nothing(open_page, session):
    tab = open_page()
    fetched = "performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/1600')).length"
    before = -1
    while before < (before := tab.evaluate(fetched)):  # until what is fetched ahead is there
        tab.wait_for_timeout(1000)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    frames = strip(tab).get_by_role("button")
    assert frames.count() == 3
    for key in ("01.jpg", "02.jpg"):
        tab.keyboard.press("ArrowRight")
        shows(tab, key)
        assert frames.and_(tab.locator("[aria-current=true]")).get_attribute("aria-label").startswith(key)
    tab.keyboard.press("ArrowRight")  # the last frame
    tab.keyboard.press("ArrowLeft")
    shows(tab, "01.jpg")
    assert journal(session) == []
    assert not [url for url in asked if url.endswith("/1600")]  # they were there before
    tab.keyboard.press("k")
    shows(tab, "02.jpg")  # the next one without an answer
    strip(tab).get_by_role("button", name="01.jpg, keep").wait_for()
    frames.nth(0).click()
    shows(tab, "00.jpg")
    tab.keyboard.press("c")
    shows(tab, "02.jpg")  # the queue goes on
    until(tab, lambda: journal(session) == [("answer", "01.jpg", "keep", None), ("answer", "00.jpg", "cull", "files")])


@pytest.mark.parametrize("by_key", [True, False])
def test_the_whole_burst_in_one_step_and_back(open_page, session, by_key):
    tab = open_page()
    before = session.labels()
    tab.keyboard.press("ArrowRight")
    shows(tab, "01.jpg")
    button = tab.get_by_role("button", name="Keep this, cull the other 2")
    button.wait_for()
    if by_key:
        tab.keyboard.press("Enter")
    else:
        button.click()
    shows(tab, "11.jpg")
    until(tab, lambda: session.labels() == {**before, "00.jpg": "cull", "01.jpg": "keep", "02.jpg": "cull"})
    assert len(journal(session)) == 3
    tab.keyboard.press("u")
    shows(tab, "01.jpg")
    until(tab, lambda: session.labels() == before)
    button.wait_for()


def test_a_burst_of_a_spot_check_shows_no_scores(open_page):
    tab = open_page()
    assert "%" in strip(tab).inner_text()
    tab.get_by_label("Queue").select_option("audit")
    tab.get_by_label("Queue").press("Escape")
    tab.locator("#label-screen .answer", has_text="Spot check").wait_for()
    if tab.locator('#label-screen .stage[data-shown="99.jpg"]').count():  # has no burst
        tab.keyboard.press("Space")
    strip(tab).get_by_role("button").nth(2).wait_for()
    assert "%" not in strip(tab).inner_text()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_timeout(2500)  # a look later
    assert "%" not in strip(tab).inner_text()
    assert tab.locator("#label-screen .score").inner_text() == ""


def test_frames_side_by_side_have_one_zoom_and_a_number_chooses_the_best(open_page, session):
    tab = open_page()
    before = session.labels()
    tab.keyboard.press("b")
    view = tab.get_by_role("dialog", name="Compare")
    assert view.get_by_role("img").count() == 3
    view.get_by_role("img", name="01.jpg").click()
    places = view.get_by_role("img").evaluate_all("all => all.map((each) => getComputedStyle(each).transform)")
    assert len(set(places)) == 1
    widths = {
        box["width"]
        for box in view.get_by_role("img").evaluate_all("all => all.map((each) => each.getBoundingClientRect())")
    }
    assert widths == {160 * 6}  # whole pixels, and twice the size that fits
    view.locator(".window").first.click()
    view.locator(".panes:not(.zoomed)").wait_for()
    tab.keyboard.press("k")  # answers nothing here
    tab.keyboard.press("Enter")
    tab.keyboard.press("Escape")
    view.wait_for(state="hidden")
    shows(tab, "00.jpg")
    assert journal(session) == []
    tab.keyboard.press("b")
    tab.keyboard.press("2")
    view.wait_for(state="hidden")
    until(tab, lambda: session.labels() == {**before, "00.jpg": "cull", "01.jpg": "keep", "02.jpg": "cull"})
    tab.keyboard.press("u")
    until(tab, lambda: session.labels() == before)


def test_on_a_phone_the_strip_is_below_the_photo(open_page):
    tab = open_page(viewport={"width": 390, "height": 844}, has_touch=True)
    photo, frames = tab.locator("#label-screen .stage").bounding_box(), strip(tab).bounding_box()
    assert photo["y"] + photo["height"] <= frames["y"]
    assert frames["y"] + frames["height"] <= tab.locator("#label-screen .cull-button").bounding_box()["y"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_zoom_stays_at_its_place_for_the_next_frame(open_page):
    tab = open_page()
    photo, close = tab.locator("#label-screen .pixels"), tab.locator("#label-screen .stage.close")
    tab.keyboard.press("z")
    tab.locator("#label-screen .pixels[data-pixels=all]").wait_for()
    before = photo.get_attribute("data-place")
    tab.keyboard.press("ArrowRight")
    shows(tab, "01.jpg")
    close.wait_for()
    assert photo.get_attribute("data-place") == before
    tab.keyboard.press("Escape")
    close.wait_for(state="hidden")
    tab.keyboard.press("ArrowRight")
    shows(tab, "02.jpg")
    assert close.count() == 0
    assert tab.locator("#label-screen .badge").inner_text() == ""


def test_the_last_answers_lie_beside_the_strip_and_are_changed_there(open_page, session):
    tab = open_page()
    answers = tab.get_by_role("group", name="Last answers").get_by_role("button")
    answers.nth(1).wait_for()
    said = answers.evaluate_all("all => all.map((each) => each.ariaLabel)")
    assert said == ["10.jpg, keep: show it again", "22.jpg, cull: show it again"]
    tab.keyboard.press("k")
    shows(tab, "01.jpg")
    assert answers.count() == 3
    answers.nth(2).click()
    shows(tab, "22.jpg")
    tab.locator("#label-screen .answer", has_text="Your answer: cull").wait_for()
    tab.keyboard.press("k")
    shows(tab, "01.jpg")  # the queue goes on where it was
    answers.and_(tab.get_by_label("22.jpg, keep")).wait_for()
    until(tab, lambda: journal(session) == [("answer", "00.jpg", "keep", "files"), ("answer", "22.jpg", "keep", None)])
    tab.keyboard.press("u")
    shows(tab, "22.jpg")
    answers.and_(tab.get_by_label("22.jpg, cull")).wait_for()
    until(tab, lambda: session.labels()["22.jpg"] == "cull")


def test_without_a_burst_the_last_answers_have_the_place_of_the_strip(open_page):
    tab = open_page()
    stage, answers = tab.locator("#label-screen .stage"), tab.get_by_role("group", name="Last answers")
    height, narrow = stage.bounding_box()["height"], answers.bounding_box()["width"]
    tab.get_by_role("searchbox").fill("99")
    tab.get_by_role("button", name="99.jpg").click()
    shows(tab, "99.jpg")
    strip(tab).wait_for(state="hidden")
    assert stage.bounding_box()["height"] == height
    assert answers.get_by_role("button").first.bounding_box()["width"] > narrow / 4
