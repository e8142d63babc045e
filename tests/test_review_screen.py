"""The Review screen: its functions, then mouse, touch and keys in a real browser."""

import re
import shutil

import numpy as np
import pytest
from conftest import OUT_OF_REACH, fill_shoot, until
from PIL import Image

from imlcull_al.project import tables
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import presses, review, serving, way

PHOTOS = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos from dark to bright, an unreadable one, and one with markup in its name."""
    stage = tmp_path_factory.mktemp("photos") / "stage_1"
    stage.mkdir()
    chance = np.random.default_rng(0)
    for number in range(PHOTOS):
        pixels = chance.integers(0, 40, (30, 40, 3)) + number * 3
        Image.fromarray(pixels.astype(np.uint8)).save(stage / f"{number:03}.jpg")
    (stage / "<b onmouseover=alert(1)>.jpg").write_bytes((stage / "030.jpg").read_bytes() + b"another")
    (stage / "broken.jpg").write_bytes(b"no photo")
    cache = stage.parent / "cache"
    open_session(stage.parent, model="builtin", cache_dir=cache)
    return stage.parent


@pytest.fixture
def session(photos, tmp_path):
    """A prepared session on a copy; the two darkest are culled, the two brightest kept."""
    project = tmp_path / "project"
    shutil.copytree(photos / "stage_1", project / "stage_1")
    session = open_session(project, model=OUT_OF_REACH, cache_dir=photos / "cache")
    session.answer_all(["000.jpg", "001.jpg"], "cull")
    session.answer_all(["058.jpg", "059.jpg"], "keep")
    return session


@pytest.fixture
def served(session, serve):
    return serve(Desk(session))


def answers(session) -> dict[str, str]:
    """Rows of the labels CSV."""
    return {row.values["image_name"]: row.values["label"] for row in tables.read(session.stage.labels)[1]}


def sides(session, threshold: float) -> tuple[int, int, int, int]:
    """Counts of kept, culled, labeled and unreadable photos, as a cull at this threshold would decide."""
    decisions = session.scores(threshold)
    kept = sum(each.decision == "keep" for each in decisions)
    reasons = [each.reason.partition(":")[0] for each in decisions]
    return kept, len(decisions) - kept, reasons.count("label"), reasons.count("unreadable")


class TestLook:
    @pytest.mark.slow
    def test_the_table_has_a_row_for_every_photo(self, session):
        view = review.respond(session, {"do": "look"})["view"]
        names = view["photos"]["names"]
        assert names == list(session.listing.keys)
        assert view["photos"]["ids"][3] == serving.photo_id(session, names[3])
        assert len(view["scores"]) == len(view["labels"]) == len(names)
        assert [view["labels"][names.index(key)] for key in ("059.jpg", "000.jpg", "030.jpg")] == [1, 2, 0]
        row = names.index("broken.jpg")
        assert list(view["unreadable"]) == [row]
        assert view["scores"][row] == -1
        assert view["notice"] == session.notice != ""
        assert view["advice"] == ""

    def test_nothing_is_sent_twice(self, session):
        view = review.respond(session, {"do": "look"})["view"]
        known = {"do": "look", "revision": view["revision"], "listing": view["photos"]["listing"]}
        assert review.respond(session, known)["view"] == {"revision": view["revision"]}
        session.answer("030.jpg", "keep")
        later = review.respond(session, known)["view"]
        assert later["revision"] != view["revision"]
        assert "photos" not in later
        assert sum(label > 0 for label in later["labels"]) == 5

    def test_a_restarted_server_has_another_revision(self, session):
        again = open_session(session.stage.project, model="builtin", cache_dir=session._cache_dir, prepare=False)
        assert again.revision != session.revision

    @pytest.mark.parametrize("hundredths", [0, 29, 50, 57, 58, 100])
    def test_rounding_never_changes_a_side(self, hundredths):
        at = hundredths / 100
        scores = [np.nextafter(at, 0), at, np.nextafter(at, 1), None]
        steps = review.in_steps(scores)
        assert [step >= hundredths * review.STEPS // 100 for step in steps[:3]] == [score >= at for score in scores[:3]]
        assert steps[3] == -1

    def test_without_scores_it_says_when_they_start(self, photos, tmp_path):
        shutil.copytree(photos / "stage_1", tmp_path / "stage_1")
        session = open_session(tmp_path, model="builtin", cache_dir=photos / "cache", prepare=False)
        assert "analyzed" in review.respond(session, {"do": "look"})["view"]["advice"]
        session.prepare()
        view = review.respond(session, {"do": "look"})["view"]
        assert view["advice"].startswith("Scores start once you have labeled")
        assert set(view["scores"]) == {-1}


def take(session, *taken):
    """Reply to presses, numbered in sequence."""
    take.number = getattr(take, "number", 0) + 1
    numbered = [{"number": take.number * 100 + place, **press} for place, press in enumerate(taken)]
    return presses.respond(session, {"visitor": "11111111-1111-4111-8111-111111111111", "presses": numbered})


class TestAnswer:
    def test_a_range_is_on_the_disk_when_the_reply_comes_and_undo_takes_it_back_whole(self, session):
        before, keys = answers(session), ["030.jpg", "000.jpg", "031.jpg"]
        reply = take(session, {"do": "answer", "keys": keys, "label": "keep"})
        assert (reply["refused"], reply["error"]) == ([], "")
        assert answers(session) == {**before, "000.jpg": "keep", "030.jpg": "keep", "031.jpg": "keep"}
        (undone,) = take(session, {"do": "undo", "keys": keys})["undone"]
        assert sorted(undone["keys"]) == sorted(keys)
        assert answers(session) == before

    def test_undo_leaves_a_later_answer_of_somebody_else_alone(self, session):
        before = answers(session)
        take(session, {"do": "answer", "keys": ["030.jpg", "031.jpg"], "label": "keep"})
        session.answer("040.jpg", "cull")
        undo = {"do": "undo", "keys": ["030.jpg", "031.jpg"]}
        assert take(session, undo)["undone"][0]["keys"] == ["031.jpg", "030.jpg"]
        assert "nothing to undo" in take(session, undo)["refused"][0]["error"]
        assert answers(session) == {**before, "040.jpg": "cull"}

    def test_an_undo_of_nothing_leaves_the_answer_of_somebody_who_is_labeling_alone(self, session):
        session.offer("somebody else")
        session.answer("040.jpg", "cull")
        assert "somebody else's" in take(session, {"do": "undo", "keys": []})["refused"][0]["error"]
        session.offer("somebody else", count=0)
        assert take(session, {"do": "undo", "keys": []})["undone"][0]["keys"] == ["040.jpg"]

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({}, "Reload"),
            ({"do": ["look"]}, "Reload"),
            ({"do": "explode"}, "Reload"),
        ],
    )
    def test_nonsense_gets_a_sentence_and_changes_nothing(self, session, request_, says):
        before = answers(session)
        reply = review.respond(session, request_)
        assert says in reply["error"]
        assert reply["view"] is None
        assert answers(session) == before

    def test_any_revision_is_taken_for_an_old_one(self, session):
        for nonsense in (None, 7, [], {"a": 1}, "x" * 1000):
            assert review.respond(session, {"do": "look", "revision": nonsense, "listing": nonsense})["view"]["photos"]


@pytest.fixture
def review_tab(visit, served):
    """Opens the screen in a new tab."""

    def review_tab(**options):
        tab = visit(served, **options)
        tab.get_by_role("tab", name="Review").click()
        tab.locator("#review-screen .cell").first.wait_for()
        return tab

    return review_tab


def words(numbers: tuple[int, int, int, int]) -> str:
    kept, culled, labeled, unreadable = numbers
    return f"{kept} kept · {culled} culled, {labeled} decided by you, {unreadable} unreadable"


def parted(tab, text: str) -> None:
    """Wait until the counts show `text`."""
    tab.wait_for_function(
        "text => document.querySelector('#review-screen .sides').textContent.replace(/\\s+/g, ' ').trim() === text",
        arg=text,
    )


def focused(tab) -> str:
    return tab.locator("#review-screen .cell.focused .file").inner_text()


def chip(tab, name: str):
    """The chip of this name; its count follows the name."""
    return tab.get_by_role("group", name="Show").get_by_role("button", name=re.compile(rf"^{name} [\d,]+$"))


def counts(tab, *names: str) -> list[int]:
    """What these chips count."""
    return [int(chip(tab, name).locator("small").inner_text().replace(",", "")) for name in names]


def by_name(tab) -> None:
    """Sort by name, and go to the first photo."""
    tab.get_by_label("Sort").select_option("name")
    tab.get_by_role("listbox", name="Photos").focus()
    tab.keyboard.press("Home")


def test_the_threshold_parts_keep_from_cull_as_a_cull_would(review_tab, session):
    tab = review_tab()
    parted(tab, words(sides(session, 0.5)))
    slider = tab.get_by_role("slider", name="Threshold")
    slider.focus()
    seen = set()
    for _ in range(6):
        for _ in range(5):
            tab.keyboard.press("ArrowRight")
        at = int(slider.input_value())
        parted(tab, words(sides(session, at / 100)))
        seen.add(sides(session, at / 100))
    assert len(seen) > 2
    slider.evaluate("slider => slider.value = 37")
    slider.dispatch_event("input")
    parted(tab, words(sides(session, 0.37)))

    box = slider.bounding_box()  # drag on the histogram
    tab.mouse.move(box["x"] + box["width"] * 0.37, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 30, steps=4)
    tab.mouse.up()
    at = int(slider.input_value())
    assert 55 <= at <= 65
    parted(tab, words(sides(session, at / 100)))

    tab.reload()
    tab.get_by_role("tab", name="Review").click()
    parted(tab, words(sides(session, at / 100)))


def test_answers_by_key_by_click_and_for_a_range_reach_the_disk(review_tab, session):
    tab = review_tab()
    grid = tab.get_by_role("listbox", name="Photos")
    best = focused(tab)
    steps = review.in_steps([photo.p_keep for photo in session.survey()])
    assert best == session.listing.keys[steps.index(max(steps))]
    tab.keyboard.press("c")
    until(tab, lambda: answers(session).get(best) == "cull")
    assert grid.locator(".cell.focused.labeled.culled").count() == 1
    tab.keyboard.press("u")
    until(tab, lambda: answers(session).get(best) != "cull")
    grid.locator(".cell.focused:not(.culled)").wait_for()

    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    second = focused(tab)
    tab.locator(".cell.focused").hover()
    tab.locator(".cell.focused .pick[data-answer=cull]").click()
    until(tab, lambda: answers(session).get(second) == "cull")

    before = answers(session)
    by_name(tab)
    cells = grid.locator(".cell")
    cells.filter(has_text="010.jpg").click()
    cells.filter(has_text="014.jpg").click(modifiers=["Shift"])
    tab.keyboard.press("Shift+ArrowRight")
    tab.get_by_text("6 selected").wait_for()
    tab.keyboard.press("k")
    expected = {**before, **{f"{number:03}.jpg": "keep" for number in range(10, 16)}}
    until(tab, lambda: answers(session) == expected)
    tab.keyboard.press("u")  # the whole range
    until(tab, lambda: answers(session) == before)

    tab.get_by_role("button", name="Unlabeled").click()
    tab.keyboard.press("Control+a")
    tab.get_by_role("button", name="Keep all").click()
    until(tab, lambda: len(answers(session)) == len(session.listing.keys))
    assert set(before.items()) <= set(answers(session).items())
    assert tab.locator("#review-screen .below .error").inner_text() == ""


def test_filters_show_what_they_say_and_nothing_moves_under_a_hand(review_tab, session):
    tab = review_tab()
    grid = tab.locator("#review-screen .cells")

    def names(button):
        chip(tab, button).click()
        grid.evaluate("cells => { cells.scrollTop = 0; }")
        tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return grid.locator(".cell .file").all_inner_texts()

    assert sorted(names("Labeled")) == ["000.jpg", "001.jpg", "058.jpg", "059.jpg"]
    assert names("Unreadable") == ["broken.jpg"]
    assert grid.locator(".cell .why").inner_text() == session.unreadable()["broken.jpg"]
    decided = {each.key: each.decision for each in session.scores(0.5)}
    assert {decided[name] for name in names("Kept")} == {"keep"}
    culled = names("Culled")
    assert {decided[name] for name in culled} == {"cull"}

    names("Unlabeled")
    tab.keyboard.press("Home")
    first = focused(tab)
    tab.keyboard.press("k")
    until(tab, lambda: answers(session).get(first) == "keep")
    assert focused(tab) == first  # unchanged until the list is updated
    tab.get_by_role("button", name="Update list").click()
    until(tab, lambda: first not in grid.locator(".cell .file").all_inner_texts())


def test_the_large_view_goes_on_by_arrows_and_takes_answers(review_tab, session):
    tab = review_tab()
    by_name(tab)
    tab.keyboard.press("Enter")
    view = tab.get_by_role("dialog", name="Large view")
    name = view.locator(".file")
    assert name.inner_text() == session.listing.keys[0]
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert name.inner_text() == session.listing.keys[2]
    assert view.locator("img").get_attribute("src").endswith("/1600")
    tab.keyboard.press("k")
    until(tab, lambda: answers(session).get(session.listing.keys[2]) == "keep")
    assert "your answer: keep" in view.locator(".facts").inner_text()
    view.get_by_role("button", name="Cull").click()
    until(tab, lambda: answers(session).get(session.listing.keys[2]) == "cull")
    tab.keyboard.press("End")
    assert "can't be read" in view.locator(".why").inner_text()
    tab.keyboard.press("Escape")
    view.wait_for(state="hidden")
    assert focused(tab) == "broken.jpg"


def test_another_tabs_answer_shows_up(review_tab, session):
    one, other = review_tab(), review_tab()
    for tab in (one, other):
        by_name(tab)
    one.locator(".cell", has_text="005.jpg").click()
    one.keyboard.press("k")
    other.locator(".cell.labeled.kept", has_text="005.jpg").wait_for()
    parted(other, words(sides(session, 0.5)))


def test_only_what_is_in_sight_is_in_the_page_and_dark_is_dark(review_tab, session):
    tab = review_tab(viewport={"width": 700, "height": 600}, color_scheme="dark")
    cells = tab.locator("#review-screen .cell")
    assert cells.count() < PHOTOS
    tab.keyboard.press("End")
    assert focused(tab) == "broken.jpg"  # no score, so last
    assert cells.count() < PHOTOS
    ink, ground = tab.evaluate(
        """() => [document.querySelector('#review-screen .sides'), document.body].map((element) => {
             const property = element === document.body ? 'backgroundColor' : 'color';
             return getComputedStyle(element)[property].match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);
           })"""
    )
    assert ink > 500
    assert ground < 150


def test_on_a_phone_a_tap_opens_the_photo_and_a_button_answers(review_tab, session):
    tab = review_tab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    cell = tab.locator("#review-screen .cell").nth(4)
    name = cell.locator(".file").inner_text()
    cell.tap()
    view = tab.get_by_role("dialog", name="Large view")
    assert view.locator(".file").inner_text() == name
    view.get_by_role("button", name="Cull").tap()
    until(tab, lambda: answers(session).get(name) == "cull")
    view.get_by_role("button", name="Close").tap()
    view.wait_for(state="hidden")


def test_it_is_calm_without_scores(review_tab, session):
    while session.undo():
        pass
    tab = review_tab()
    tab.get_by_text("Scores start once you have labeled").wait_for()
    assert not tab.get_by_role("slider", name="Threshold").is_visible()
    tab.keyboard.press("k")
    until(tab, lambda: len(session.labels()) == 1)
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("c")
    until(tab, lambda: len(session.labels()) == 2)
    parted(tab, words(sides(session, 0.5)))  # scores appear without a reload
    assert tab.get_by_role("slider", name="Threshold").is_visible()


@pytest.fixture
def shoot(tmp_path, serve):
    """The shoot, with three answers."""
    stage = fill_shoot(tmp_path / "shoot" / "stage_1")
    session = open_session(stage.parent, model="builtin", cache_dir=tmp_path / "cache")
    session.answer_all(["00.jpg", "10.jpg"], "keep")
    session.answer("22.jpg", "cull")
    return session


def files(tab) -> list[str]:
    """Names in grid order."""
    cells = tab.locator("#review-screen .cell").evaluate_all(
        "cells => cells.map((cell) => [cell.ariaPosInSet, cell.querySelector('.file').textContent])"
    )
    return [name for _, name in sorted(cells, key=lambda cell: int(cell[0]))]


def test_by_time_bursts_lie_together_earliest_first(shoot, serve, visit):
    view = review.respond(shoot, {"do": "look"})["view"]
    assert view["sequence"]["bursts"] == [2, 2, 2, 1, 1, 1, 0, 0, 0, 3]
    assert view["sequence"]["ranks"] == [6, 7, 8, 3, 4, 5, 0, 1, 2, 9]
    known = {"do": "look", "listing": view["photos"]["listing"], "moments": view["sequence"]["moments"]}
    assert "sequence" not in review.respond(shoot, known)["view"]

    tab = visit(serve(Desk(shoot)), viewport={"width": 1280, "height": 1200})
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    tab.get_by_label("Sort").select_option("time")
    tab.locator("#review-screen .cell.begins").nth(2).wait_for()
    assert files(tab) == [f"{burst}{frame}.jpg" for burst in (2, 1, 0) for frame in range(3)] + ["99.jpg"]
    assert tab.locator("#review-screen .cell.ends").count() == 3
    tab.get_by_label("Sort").select_option("burst")
    survey = shoot.survey()
    scores = dict(zip([each.key for each in survey], review.in_steps([each.p_keep for each in survey]), strict=True))
    order = files(tab)
    assert all(len({scores[name] for name in order[at : at + 3]}) == 3 for at in (0, 3, 6))
    assert [name[0] for name in order] == ["2"] * 3 + ["1"] * 3 + ["0"] * 3 + ["9"]
    assert all(sorted(order[at : at + 3], key=lambda key: -scores[key]) == order[at : at + 3] for at in (0, 3, 6))


def headers(tab) -> list[str]:
    return tab.locator("#review-screen .head-of-moment span").all_inner_texts()


def test_moments_have_headers_and_one_that_keeps_nothing_is_kept_by_its_best_frame(shoot, serve, visit):
    tab = visit(serve(Desk(shoot)), viewport={"width": 1280, "height": 1200})
    tab.goto(tab.url + "#review/emptied")  # as the Cull screen links to it
    chip(tab, "All").locator("small", has_text=re.compile(r"\d")).wait_for()
    slider = tab.get_by_role("slider", name="Threshold")
    slider.evaluate("slider => slider.value = 100")
    slider.dispatch_event("input")
    until(tab, lambda: counts(tab, "Moments that keep nothing") == [1])
    assert headers(tab) == ["09:10 · 3 frames · keeps 0"]
    before, best = answers(shoot), max(shoot.survey(), key=lambda photo: (photo.key[0] == "2", photo.p_keep)).key
    tab.get_by_role("button", name="Keep best: 09:10").click()
    until(tab, lambda: answers(shoot) == {**before, best: "keep"})
    until(tab, lambda: counts(tab, "Moments that keep nothing") == [0])
    assert headers(tab) == ["09:10 · 3 frames · keeps 1"]
    tab.keyboard.press("u")
    until(tab, lambda: answers(shoot) == before)
    tab.get_by_role("button", name="Keep its best").click()
    until(tab, lambda: answers(shoot) == {**before, best: "keep"})


def test_a_limit_for_bursts_shows_what_would_go_and_culls_it_as_one_step_that_does_not_train(shoot, serve, visit):
    tab = visit(serve(Desk(shoot)), viewport={"width": 1280, "height": 1200})
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    slider = tab.get_by_role("slider", name="Threshold")
    slider.evaluate("slider => slider.value = 0")
    slider.dispatch_event("input")
    before, trained = answers(shoot), dict(shoot.standing().answers.training)
    tab.get_by_label("Keep of each burst").select_option("1")
    tab.get_by_text("5 more frames would be culled.").wait_for()
    assert tab.locator("#review-screen .cell.leaving").count() == 5
    assert answers(shoot) == before
    tab.get_by_role("button", name="Cull the other 5 frames").click()
    until(tab, lambda: len(answers(shoot)) == 8)
    assert before.items() <= answers(shoot).items()
    assert shoot.standing().answers.training == trained
    for burst in "012":
        decided = [each.decision for each in shoot.scores(0) if each.key.startswith(burst)]
        assert decided.count("keep") == 1, burst
    tab.keyboard.press("u")
    until(tab, lambda: answers(shoot) == before)


def test_chips_count_as_a_cull_would_decide_and_follow_the_threshold_and_answers(review_tab, session):
    tab = review_tab()

    def agrees(threshold):
        kept, culled, labeled, unreadable = sides(session, threshold)
        scores = [photo.p_keep for photo in session.survey() if photo.label is None and photo.p_keep is not None]
        near = sum(threshold - way.NEAR <= p_keep < threshold + way.NEAR for p_keep in scores)
        wanted = [kept + culled, kept, culled, near, labeled, unreadable]
        until(tab, lambda: counts(tab, "All", "Kept", "Culled", "Close calls", "Labeled", "Unreadable") == wanted)

    agrees(0.5)
    slider = tab.get_by_role("slider", name="Threshold")
    for percent in (30, 62):
        slider.evaluate("(slider, percent) => slider.value = percent", percent)
        slider.dispatch_event("input")
        agrees(percent / 100)
    tab.get_by_role("listbox", name="Photos").press("c")
    until(tab, lambda: len(answers(session)) == 5)
    agrees(0.62)
    assert not chip(tab, "Damaged").is_visible()
    chip(tab, "Close calls").click()
    assert tab.evaluate("location.hash") == "#review/close"
    tab.reload()
    tab.locator("#review-screen .cell").first.wait_for()
    assert chip(tab, "Close calls").get_attribute("aria-pressed") == "true"


def test_a_resting_finger_begins_a_range_and_a_tap_ends_it(review_tab, session):
    tab = review_tab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    by_name(tab)
    cells = tab.locator("#review-screen .cell")
    first = cells.filter(has_text="003.jpg").bounding_box()
    client = tab.context.new_cdp_session(tab)
    point = {"x": first["x"] + 30, "y": first["y"] + 30}
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    tab.get_by_text("1 selected; tap the last one").wait_for()
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    cells.filter(has_text="006.jpg").tap()
    tab.get_by_text("4 selected").wait_for()
    before = answers(session)
    tab.get_by_role("button", name="Cull all").tap()
    until(tab, lambda: answers(session) == {**before, **{f"{n:03}.jpg": "cull" for n in range(3, 7)}})
    cells.filter(has_text="006.jpg").tap()  # a tap opens the large view again
    tab.get_by_role("dialog", name="Large view").wait_for()
