"""The Label screen: its functions, then keys, buttons and touch in a real Chromium."""

import json
import re
import shutil
import uuid

import numpy as np
import pytest
from conftest import OUT_OF_REACH, until
from PIL import Image

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.project import tables
from imlcull_al.project.labels import Labels
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import label, presses, scripts, serving

PHOTOS = 30
ME, YOU = (str(uuid.UUID(int=number)) for number in (1, 2))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Fifteen bright and fifteen dark photos, and a cache with their embeddings."""
    root = tmp_path_factory.mktemp("prepared")
    stage = root / "holiday" / "stage_1"
    stage.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(PHOTOS):
        level = 200 if number % 2 == 0 else 30
        pixels = chance.integers(level, level + 40, (1200, 1800, 3) if number == 0 else (60, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stage / f"{number:02}.jpg")
    open_session(stage.parent, model=OUT_OF_REACH, cache_dir=root / "cache")
    return root


@pytest.fixture
def session(prepared, tmp_path):
    """A session on a copy that has not looked for embeddings yet."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return open_session(tmp_path / "holiday", model=OUT_OF_REACH, cache_dir=tmp_path / "cache", prepare=False)


def answers(session) -> dict[str, str]:
    """Rows of the labels CSV."""
    if not session.stage.labels.exists():
        return {}
    _, rows = tables.read(session.stage.labels)
    return {row.values["image_name"]: row.values["label"] for row in rows}


def journal(session) -> list[dict]:
    if not session.stage.journal.exists():
        return []
    lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    return [line for line in lines if line["do"] != "audit"]


def look(session, visitor=ME, queue="uncertain", **more):
    return label.respond(session, {"do": "look", "visitor": visitor, "queue": queue, **more})


def take(session, *taken, visitor=ME):
    return presses.respond(session, {"visitor": visitor, "presses": list(taken)})


def answer(number, key, answer, queue="uncertain"):
    return {"number": number, "do": "answer", "key": key, "label": answer, "queue": queue}


class TestRespond:
    @pytest.mark.slow
    def test_looking_shows_the_queue_and_writes_nothing(self, session):
        view = look(session)
        order = [photo.key for photo in session.order(len(view["upcoming"]))]
        assert [photo["key"] for photo in view["upcoming"]] == order
        assert view["counts"] == "0 of 30 labeled · 0 keep · 0 cull"
        assert (view["error"], journal(session)) == ("", [])

    def test_an_answer_is_on_the_disk_with_its_queue_when_the_reply_comes(self, session):
        assert take(session, answer(1, "03.jpg", "cull", "files")) == {"refused": [], "undone": [], "error": ""}
        assert answers(session) == {"03.jpg": "cull"}
        assert [line["queue"] for line in journal(session)] == ["files"]
        assert "03.jpg" not in [photo["key"] for photo in look(session)["upcoming"]]

    def test_a_press_that_is_sent_twice_counts_once(self, session):
        press = answer(1, "03.jpg", "cull")
        take(session, press)
        take(session, press, answer(2, "04.jpg", "keep"))
        take(session, answer(1, "05.jpg", "keep"), visitor=YOU)  # numbers are per page
        assert [line["key"] for line in journal(session)] == ["03.jpg", "04.jpg", "05.jpg"]

    def test_a_refused_press_holds_up_no_other_and_may_be_sent_again(self, session):
        reply = take(session, answer(1, "nowhere.jpg", "cull"), answer(2, "04.jpg", "keep"))
        assert [each["number"] for each in reply["refused"]] == [1]
        assert "no photo" in reply["refused"][0]["error"]
        assert answers(session) == {"04.jpg": "keep"}
        assert len(take(session, answer(1, "nowhere.jpg", "cull"))["refused"]) == 1

    def test_the_undo_of_a_refused_press_takes_no_older_answer_back(self, session):
        take(session, answer(1, "03.jpg", "keep"))
        undo = {"number": 3, "do": "undo", "key": "03.jpg", "of": 2}
        reply = take(session, answer(2, "03.jpg", "perhaps"), undo)
        assert [each["number"] for each in reply["refused"]] == [2, 3]
        assert answers(session) == {"03.jpg": "keep"}

    def test_undo_is_of_ones_own_answer(self, session):
        take(session, answer(1, "03.jpg", "cull"))
        take(session, answer(1, "04.jpg", "keep"), visitor=YOU)
        look(session)
        look(session, visitor=YOU)
        take(session, {"number": 2, "do": "undo", "key": "03.jpg"})
        assert answers(session) == {"04.jpg": "keep"}
        refused = take(session, {"number": 3, "do": "undo", "key": None})["refused"]
        assert "somebody else" in refused[0]["error"]
        label.respond(session, {"do": "leave", "visitor": YOU})
        reply = take(session, {"number": 4, "do": "undo", "key": None})
        assert reply["undone"] == [{"number": 4, "keys": ["04.jpg"]}]
        assert answers(session) == {}
        again = open_session(session.stage.project, model="builtin", cache_dir=session._cache_dir, prepare=False)
        assert again.labels() == {}

    def test_what_is_held_stays_in_front_and_what_was_passed_comes_last(self, session):
        order = [photo.key for photo in session.order()]
        view = look(session, held=[order[9], order[5]], passed=[order[0]])
        keys = [photo["key"] for photo in view["upcoming"]]
        assert keys[:3] == [order[9], order[5], order[1]]
        assert order[0] not in keys

    @pytest.mark.parametrize("asked", [{"do": "look"}, {"do": "about", "key": "00.jpg"}, {"do": "find", "text": "0"}])
    def test_a_reply_looks_at_the_labels_once(self, session, monkeypatch, asked):
        looks, writing = [], Labels._writing

        def seen(self):
            if self is session._labels:  # other pages look on
                looks.append(1)
            return writing(self)

        monkeypatch.setattr(Labels, "_writing", seen)
        reply = label.respond(session, {"visitor": str(uuid.uuid4()), "queue": "uncertain", **asked})
        assert (reply["error"], len(looks)) == ("", 1)

    def test_nobody_is_shown_what_somebody_else_is(self, session):
        mine = {photo["key"] for photo in look(session)["upcoming"]}
        view = look(session, visitor=YOU)
        assert mine
        assert not mine & {photo["key"] for photo in view["upcoming"]}
        assert view["visitors"] == "2 people labeling"

    def test_the_photos_of_a_closed_page_are_free(self, session):
        first = look(session)["upcoming"][0]["key"]
        label.respond(session, {"do": "leave", "visitor": ME})
        assert look(session, visitor=YOU)["upcoming"][0]["key"] == first
        assert session.visitors() == 1

    def test_a_look_that_comes_after_the_farewell_of_its_page_takes_nothing(self, session):
        take(session, answer(1, "03.jpg", "cull"))
        label.respond(session, {"do": "leave", "visitor": ME})
        assert look(session)["upcoming"] == []  # was under way when the page was reloaded
        look(session, visitor=YOU)
        reply = take(session, {"number": 1, "do": "undo", "key": None}, visitor=YOU)
        assert reply["undone"] == [{"number": 1, "keys": ["03.jpg"]}]

    def test_audit_photos_are_blind(self, session):
        session.prepare()
        take(session, answer(1, "00.jpg", "keep"), answer(2, "01.jpg", "cull"))
        assert all(photo["p_keep"] is not None for photo in look(session)["upcoming"])
        assert all(photo["p_keep"] is None for photo in look(session, queue="audit")["upcoming"])
        assert label.respond(session, {"do": "about", "key": "02.jpg", "blind": True})["similar"] == []
        about = label.respond(session, {"do": "about", "key": "02.jpg"})
        assert [(each["key"], each["label"]) for each in about["similar"]] == [("00.jpg", "keep"), ("01.jpg", "cull")]

    def test_a_confirmed_disagreement_is_none_any_more_until_it_is_undone(self, session):
        session.prepare()
        bright = [f"{number:02}.jpg" for number in range(0, 12, 2)]
        dark = [f"{number:02}.jpg" for number in range(1, 12, 2)]
        session.answer_all(bright, "keep")
        session.answer_all([*dark, "12.jpg"], "cull")  # 12 is bright
        assert [photo["key"] for photo in look(session, queue="disagreements")["upcoming"]] == ["12.jpg"]
        take(session, answer(1, "12.jpg", "cull", "disagreements"))
        view = look(session, queue="disagreements")
        assert view["upcoming"] == []
        assert "Choose another queue" in view["nothing"]
        take(session, {"number": 2, "do": "undo", "key": "12.jpg"})
        view = look(session, queue="disagreements")
        assert [photo["key"] for photo in view["upcoming"]] == ["12.jpg"]

    def test_search_by_number_and_by_name(self, session):
        found = label.respond(session, {"do": "find", "text": " 13 "})
        assert [(photo["key"], photo["number"]) for photo in found["found"]] == [("12.jpg", 13), ("13.jpg", 14)]
        found = label.respond(session, {"do": "find", "text": "JPG"})
        assert (len(found["found"]), found["total"]) == (label.FOUND, PHOTOS)
        assert label.respond(session, {"do": "find", "text": "zebra"})["found"] == []

    def test_with_one_class_something_unlike_is_offered(self, session):
        session.prepare()
        assert not look(session)["offer_unlike"]
        session.answer_all([f"{number:02}.jpg" for number in range(0, 10, 2)], "keep")  # bright ones
        view = look(session)
        assert view["offer_unlike"]
        assert "first cull" in view["advice"]
        photo = label.respond(session, {"do": "unlike", "visitor": ME})["photo"]
        assert int(photo["key"][:2]) % 2 == 1  # a dark one
        assert photo["key"] not in [each["key"] for each in look(session, visitor=YOU)["upcoming"]]

    def test_at_the_end_it_says_so(self, session):
        session.answer_all(session.listing.keys, "keep")
        assert look(session)["nothing"].startswith("All photos are labeled. Next: train")

    def test_at_the_end_unreadable_photos_are_mentioned(self, session):
        session.stage.path("00.jpg").write_bytes(b"no photo")
        session.prepare()
        session.answer_all(session.listing.keys[1:], "keep")
        says = look(session)["nothing"]
        assert says == "All photos are labeled except 1 that can't be read; those are kept. Next: train, or cull."

    def test_the_label_of_an_absent_photo_can_be_undone(self, session):
        session.answer("00.jpg", "keep")
        session.stage.path("00.jpg").unlink()
        again = open_session(session.stage.project, model="builtin", cache_dir=session._cache_dir, prepare=False)
        reply = take(again, {"number": 1, "do": "undo", "key": None})
        assert (reply["undone"], reply["refused"], again.labels()) == ([{"number": 1, "keys": ["00.jpg"]}], [], {})

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({}, "Reload"),
            ({"do": ["look"]}, "Reload"),
            ({"do": "look"}, "no valid visitor id"),
            ({"do": "look", "visitor": "me"}, "no valid visitor id"),
            ({"do": "look", "visitor": 7}, "no valid visitor id"),
            ({"do": "look", "visitor": ME}, "no queue"),
            ({"do": "look", "visitor": ME, "queue": {}}, "no queue"),
            ({"do": "look", "visitor": ME, "queue": "files", "held": 7}, "no valid list"),
            ({"do": "look", "visitor": ME, "queue": "files", "current": "../secret.jpg"}, "no photo"),
            ({"do": "about", "key": "../secret.jpg"}, "no photo"),
            ({"do": "about", "key": ["00.jpg"]}, "no photo"),
            ({"do": "find", "text": ["00.jpg"]}, "part of a name"),
            ({"do": "unlike", "visitor": ME}, "No such photo"),
        ],
    )
    def test_nonsense_gets_a_sentence_and_changes_nothing(self, session, request_, says):
        reply = label.respond(session, request_)
        assert says in reply["error"]
        json.dumps(reply)
        assert journal(session) == []

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({}, "no valid visitor id"),
            ({"visitor": "me"}, "no valid visitor id"),
            ({"visitor": ME, "presses": 7}, "no valid list"),
            ({"visitor": ME, "presses": ["k"]}, "has no number"),
            ({"visitor": ME, "presses": [{"number": True}]}, "has no number"),
        ],
    )
    def test_presses_that_are_none_get_a_sentence(self, session, request_, says):
        reply = presses.respond(session, request_)
        assert says in reply["error"]
        assert "refused" not in reply
        assert journal(session) == []

    @pytest.mark.parametrize(
        ("press", "says"),
        [
            ({"number": 1}, "Unknown request"),
            ({"number": 1, "do": "answer", "key": ["03.jpg"], "label": "keep"}, "no photo"),
            ({"number": 1, "do": "answer", "key": "03.jpg", "label": "perhaps"}, "neither keep nor cull"),
            ({"number": 1, "do": "answer", "key": "03.jpg", "label": "keep", "queue": ["files"]}, "no queue"),
            ({"number": 1, "do": "undo", "key": "03.jpg"}, "nothing to undo"),
            ({"number": 1, "do": "undo", "key": None}, "nothing to undo"),
            ({"number": 1, "do": "skip", "key": "\ud800"}, "no photo"),
            ({"number": 1, "do": "answer", "keys": "03.jpg", "label": "keep"}, "names no photos"),
            ({"number": 1, "do": "answer", "keys": [["03.jpg"]], "label": "keep"}, "names no photos"),
            ({"number": 1, "do": "answer", "keys": {"03.jpg": 1}, "label": "keep"}, "names no photos"),
            ({"number": 1, "do": "answer", "keys": ["03.jpg", "../secret.jpg"], "label": "keep"}, "no photo"),
            ({"number": 1, "do": "answer", "keys": ["\ud800"], "label": "keep"}, "no photo"),
            ({"number": 1, "do": "answer", "keys": ["03.jpg"], "label": None}, "neither keep nor cull"),
            ({"number": 1, "do": "undo", "keys": 7}, "names no photos"),
            ({"number": 1, "do": "undo", "keys": []}, "nothing to undo"),
        ],
    )
    def test_a_nonsense_press_is_refused_with_a_sentence(self, session, press, says):
        reply = take(session, press)
        assert says in reply["refused"][0]["error"]
        json.dumps(reply["refused"][0]["error"]).encode()
        assert journal(session) == []


@pytest.fixture
def served(session, serve):
    """Address and session of a running page."""
    return serve(Desk(session)), session


@pytest.fixture
def open_page(visit, served):
    """Opens the page in a tab and waits for its first photo."""

    def open_page(query: str = "", **options):
        tab = visit(served[0] + query, **options)
        tab.locator("#label-screen .stage[data-shown]").wait_for()
        return tab

    return open_page


def counts(tab, labeled: int) -> None:
    """Wait until the page shows `labeled` photos as labeled."""
    tab.locator("#label-screen .counts", has_text=f"{labeled} of {PHOTOS} labeled").wait_for()


def shown(tab) -> str:
    """Key of the painted photo."""
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    return tab.locator("#label-screen .stage").get_attribute("data-shown")


def wait_for(tab, key: str) -> None:
    tab.locator(f'#label-screen .stage[data-shown="{key}"]').wait_for()


def settled(tab) -> None:
    """Wait until no press is under way: what was taken by mistake would be on the disk too."""
    tab.wait_for_function(
        "async (page) => !(await import(new URL(page, document.baseURI))).outbox.pending().length",
        arg=scripts.url("page.js"),
    )


def replied(tab, does: str):
    """Context that ends once the server has replied to such a request of the screen."""
    return tab.expect_event(
        "requestfinished", lambda request: "/act/label" in request.url and request.post_data_json["do"] == does
    )


def test_keys_undo_skip_next_and_reload(open_page, served):
    _, session = served
    tab, expected = open_page(), {}
    for number, key in enumerate(["k", "c", "k", "c", "p", "x"]):
        photo = shown(tab)
        assert photo not in expected
        expected[photo] = "keep" if number % 2 == 0 else "cull"
        tab.keyboard.press(key)
        counts(tab, number + 1)
        assert answers(session) == expected

    for photo in list(expected)[::-1][:3]:
        tab.keyboard.press("u")
        wait_for(tab, photo)
        del expected[photo]
    counts(tab, 3)
    assert answers(session) == expected

    left = shown(tab)
    tab.keyboard.press("Space")  # viewed without an answer
    tab.locator(f'#label-screen .stage[data-shown]:not([data-shown="{left}"])').wait_for()
    tab.keyboard.press("ArrowUp")
    wait_for(tab, left)
    tab.keyboard.press("s")
    tab.locator(f'#label-screen .stage[data-shown]:not([data-shown="{left}"])').wait_for()
    settled(tab)
    assert session.order()[-1].key == left
    assert answers(session) == expected

    tab.get_by_role("tab", name="Improve").click()
    tab.keyboard.press("k")  # on another tab keys are ignored
    tab.get_by_role("tab", name="Label").click()
    settled(tab)
    assert answers(session) == expected

    tab.reload()
    counts(tab, 3)
    assert shown(tab) not in expected
    last = list(expected)[-1]
    tab.keyboard.press("u")  # a reloaded page has no presses of its own: undoes the skip, then the last answer
    wait_for(tab, left)
    tab.keyboard.press("u")
    wait_for(tab, last)
    counts(tab, 2)
    assert last not in answers(session)


def test_twenty_presses_at_60_ms_are_twenty_answers_in_order(open_page, served):
    _, session = served
    session.prepare()
    tab = open_page()
    tab.evaluate("""() => { window.painted = []; document.querySelector('#label-screen')
        .addEventListener('drawn', (event) => window.painted.push(event.detail)); }""")
    first = shown(tab)
    for number in range(20):
        tab.keyboard.press("kc"[number % 2])
        tab.wait_for_timeout(60)
    counts(tab, 20)
    lines = journal(session)
    assert [line["label"] for line in lines] == ["keep", "cull"] * 10
    assert len({line["key"] for line in lines}) == 20
    painted = [first, *tab.evaluate("window.painted")]
    assert [line["key"] for line in lines] == painted[:20]  # each was painted, in this order
    assert len(answers(session)) == 20


def test_answers_survive_a_server_that_does_not_answer_and_a_page_that_is_closed(open_page, served):
    _, session = served
    tab = open_page()
    tab.route("**/act/presses", lambda route: route.abort())
    photo = shown(tab)
    tab.keyboard.press("k")
    tab.locator("#label-screen .error", has_text="not saved yet").wait_for()
    assert answers(session) == {}
    tab.unroute("**/act/presses")
    counts(tab, 1)
    assert answers(session) == {photo: "keep"}
    assert tab.locator("#label-screen .error").inner_text() == ""

    tab.route("**/act/presses", lambda route: None)  # never completes
    second = shown(tab)
    tab.keyboard.press("c")
    tab.wait_for_timeout(100)
    tab.unroute("**/act/presses")
    tab.goto("about:blank")  # the beacon delivers it
    for _ in range(40):
        if second in answers(session):
            break
        tab.wait_for_timeout(50)
    assert answers(session) == {photo: "keep", second: "cull"}
    assert len(journal(session)) == 2


def test_zoom_search_queues_and_legend(open_page, served):
    _, session = served
    session.prepare()
    session.answer("02.jpg", "keep")
    session.answer("03.jpg", "cull")
    tab = open_page()
    tab.locator("#label-screen .score", has_text="Score: ").wait_for()
    assert tab.locator("#label-screen .notice").inner_text() == session.notice
    tab.locator("#label-screen .likes img").nth(1).wait_for()

    tab.keyboard.press("/")
    tab.keyboard.type("00")
    tab.locator("#label-screen .found button").first.wait_for()
    tab.keyboard.press("Enter")
    wait_for(tab, "00.jpg")
    tab.mouse.move(300, 300)
    tab.keyboard.press("z")
    tab.get_by_text("100 %", exact=True).wait_for()
    left, top, *size = place(tab)
    assert size == [1800, 1200]
    tab.mouse.down()
    tab.mouse.move(260, 280)
    tab.mouse.up()
    assert place(tab) == [left - 40, top - 20, 1800, 1200]
    tab.keyboard.press("z")
    whole(tab)

    tab.locator("#label-screen .queue select").select_option("audit")
    tab.locator("#label-screen .queue select").blur()  # focus leaves the menu
    tab.locator("#label-screen .answer", has_text="Spot check").wait_for()
    assert tab.locator("#label-screen .score").inner_text() == ""
    tab.keyboard.press("k")
    counts(tab, 3)
    assert journal(session)[-1]["queue"] == "audit"

    tab.keyboard.press("?")
    tab.get_by_role("dialog", name="Keys").wait_for()
    tab.keyboard.press("k")  # ignored here
    tab.keyboard.press("Escape")
    tab.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    assert len(answers(session)) == 3


def place(tab) -> list[float]:
    """Left, top, width and height on the stage of the photo that is enlarged, in CSS pixels."""
    return [float(value) for value in tab.locator("#label-screen .pixels").get_attribute("data-place").split()]


def whole(tab) -> None:
    """Wait until the photo is not enlarged."""
    tab.locator("#label-screen .stage:not(.close)").wait_for()


@pytest.fixture
def large_photo(open_page, served):
    """Opens the page at a photo of 1800 × 1200 pixels."""

    def large_photo(**options):
        tab = open_page(**options)
        tab.get_by_label("Queue").select_option("files")
        tab.get_by_label("Queue").press("Escape")
        wait_for(tab, "00.jpg")
        tab.locator(
            "#label-screen .stage"
        ).scroll_into_view_if_needed()  # on a phone the menu is at the end of the page
        return tab

    return large_photo


def share_at(tab, x: float, y: float) -> tuple[float, float]:
    """The point of the photo at a point of the page, as shares of its sides."""
    stage, (left, top, width, height) = tab.locator("#label-screen .stage").bounding_box(), place(tab)
    return round((x - stage["x"] - left) / width, 3), round((y - stage["y"] - top) / height, 3)


def test_a_click_and_the_wheel_enlarge_at_the_pointer_and_dragging_answers_nothing(large_photo, served):
    tab = large_photo()
    stage = tab.get_by_role("img", name="Photo 00.jpg")
    box = stage.bounding_box()
    x, y = box["x"] + box["width"] / 2 + 100, box["y"] + box["height"] / 2
    tab.mouse.click(x, y)
    tab.get_by_text("100 %", exact=True).wait_for()
    clicked = share_at(tab, x, y)
    assert place(tab)[2:] == [1800, 1200]
    tab.mouse.wheel(0, -200)
    tab.get_by_text("165 %").wait_for()
    assert share_at(tab, x, y) == clicked
    tab.mouse.wheel(0, 3000)
    whole(tab)
    tab.mouse.wheel(0, -200)
    tab.locator("#label-screen .stage.close").wait_for()
    assert share_at(tab, x, y) == clicked
    tab.mouse.down()
    tab.mouse.move(x - 200, y)
    tab.mouse.up()
    assert stage.get_attribute("class").split()[-1] == "close"  # a drag is no click
    tab.mouse.click(x, y)
    whole(tab)
    assert journal(served[1]) == []


def test_a_zoomed_photo_follows_the_window_and_the_pixels_of_the_screen(large_photo):
    tab = large_photo(viewport={"width": 1200, "height": 800})
    tab.keyboard.press("z")
    tab.get_by_text("100 %", exact=True).wait_for()
    stage = tab.locator("#label-screen .stage")

    def middle():
        box = stage.bounding_box()
        return share_at(tab, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def fills(ratio: float) -> bool:
        return tab.locator("#label-screen .pixels").evaluate(
            """async (canvas, ratio) => {
                 await new Promise(requestAnimationFrame);
                 return canvas.width === Math.round(canvas.clientWidth * ratio)
                   && canvas.height === Math.round(canvas.clientHeight * ratio);
               }""",
            ratio,
        )

    before = middle()
    tab.set_viewport_size({"width": 1500, "height": 900})
    until(tab, lambda: fills(1))
    assert (place(tab)[2:], middle()) == ([1800, 1200], before)
    # Of another width, too: emulation alone lays nothing out.
    screen = {"width": 1480, "height": 900, "deviceScaleFactor": 1.5, "mobile": False}
    tab.context.new_cdp_session(tab).send("Emulation.setDeviceMetricsOverride", screen)
    until(tab, lambda: fills(1.5))
    assert place(tab)[2:] == [1200, 800]  # still a pixel of the photo for each of the screen
    assert tab.get_by_text("100 %", exact=True).is_visible()


def test_a_pinch_enlarges_and_neither_it_nor_a_drag_after_it_answers(large_photo, served):
    tab = large_photo(viewport={"width": 390, "height": 844}, has_touch=True)
    box = tab.locator("#label-screen .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = tab.context.new_cdp_session(tab)

    def send(kind, *apart):
        points = [{"x": x + way, "y": y, "id": number} for number, way in enumerate(apart)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pinch(ways):
        send("touchStart", -ways[0])
        send("touchStart", -ways[0], ways[0])
        for way in ways[1:]:
            send("touchMove", -way, way)
        send("touchEnd")

    pinch([40, 80, 120, 160])
    tab.locator("#label-screen .stage.close").wait_for()
    assert place(tab)[2] == pytest.approx(4 * 390, rel=0.02)
    assert share_at(tab, x, y) == pytest.approx((0.5, 0.5), abs=0.01)
    left = place(tab)[0]
    swipe(tab, 120)  # moves the photo
    assert place(tab)[0] == left + 120
    pinch([160, 80, 30])
    whole(tab)
    settled(tab)
    wait_for(tab, "00.jpg")
    assert journal(served[1]) == []
    swipe(tab, 120)
    counts(tab, 1)


def painted(tab) -> list[int]:
    """RGB at the center of the painted photo."""
    return tab.locator("#label-screen canvas.photo").evaluate(
        "(each) => [...each.getContext('2d').getImageData(each.width / 2, each.height / 2, 1, 1).data].slice(0, 3)"
    )


def test_the_sharpness_map_is_laid_over_and_taken_away(open_page, monkeypatch):
    monkeypatch.setattr(serving, "sharpness_map", lambda path: np.array([[1.0]]))  # all of it yellow
    tab = open_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if request.url.endswith("/sharpness") else None)
    legend, button = tab.locator("#label-screen .legend"), tab.get_by_role("button", name="Sharpness map")
    tab.keyboard.press("k")
    counts(tab, 1)
    first = shown(tab)
    plain = painted(tab)
    tab.wait_for_timeout(500)  # longer than the delay before a map is fetched
    assert asked == []
    assert not legend.is_visible()

    def wait_for_map(key):
        tab.locator(f'#label-screen .stage[data-shown="{key}"][data-map="{key}"]').wait_for()
        red, green, blue = painted(tab)
        assert red > blue + 60
        assert green > blue + 60

    tab.keyboard.press("m")
    wait_for_map(first)
    assert button.get_attribute("aria-pressed") == "true"
    for word in ("blurred", "sharp", "too plain to tell"):
        assert word in legend.inner_text()
    tab.keyboard.press("c")
    counts(tab, 2)
    second = shown(tab)
    assert second != first
    wait_for_map(second)

    tab.keyboard.press("z")
    tab.locator("#label-screen .stage.close").wait_for()
    assert not legend.is_visible()  # hidden at 100 %
    tab.keyboard.press("m")
    whole(tab)
    assert legend.is_visible()

    button.click()
    tab.locator("#label-screen .stage:not([data-map])").wait_for()
    assert button.get_attribute("aria-pressed") == "false"
    tab.keyboard.press("u")
    wait_for(tab, first)
    assert painted(tab) == plain
    assert not legend.is_visible()
    tab.wait_for_timeout(100)  # for requests from before the button was pressed
    count = len(asked)
    tab.keyboard.press("k")
    counts(tab, 2)
    tab.wait_for_timeout(500)
    assert len(asked) == count


def test_why_there_is_no_map_is_said_in_its_place(open_page, monkeypatch):
    def fail(path):
        raise UnreadablePhoto("the file breaks off")

    monkeypatch.setattr(serving, "sharpness_map", fail)
    tab = open_page()
    tab.get_by_role("button", name="Sharpness map").click()
    tab.locator("#label-screen .legend", has_text="the file breaks off").wait_for()
    assert tab.locator("#label-screen .stage[data-map]").count() == 0


def test_two_tabs_share_the_work(open_page, served):
    _, session = served
    one, two = open_page(), open_page()
    one.locator("#label-screen .visitors", has_text="2 people labeling").wait_for()
    for _ in range(4):
        assert shown(one) != shown(two)
        for tab, key in ((one, "k"), (two, "c")):
            before = shown(tab)
            tab.keyboard.press(key)
            tab.locator(f'#label-screen .stage[data-shown]:not([data-shown="{before}"])').wait_for()
    counts(one, 8)
    counts(two, 8)
    keys = [line["key"] for line in journal(session)]
    assert len(set(keys)) == len(keys) == 8
    mine = [line["key"] for line in journal(session) if line["label"] == "keep"]
    one.keyboard.press("u")  # undoes its own answer, though the other tab answered last
    wait_for(one, mine[-1])
    counts(two, 7)
    assert mine[-1] not in answers(session)


def swipe(tab, distance: int) -> None:
    """Swipe over the photo by touch."""
    box = tab.locator("#label-screen .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = tab.context.new_cdp_session(tab)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        point = {"x": x + distance * step / 5, "y": y}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_swipes_on_a_dark_phone(open_page, served):
    _, session = served
    tab = open_page("?__theme=dark", viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    expected = {}
    for distance, answer_ in ((120, "keep"), (-120, "cull")):
        expected[shown(tab)] = answer_
        swipe(tab, distance)
        counts(tab, len(expected))
    swipe(tab, 20)  # too short to count
    settled(tab)
    assert answers(session) == expected
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    surround = tab.locator("#label-screen .stage").evaluate("stage => getComputedStyle(stage).backgroundColor")
    assert surround == "rgb(38, 38, 38)"
    assert tab.get_by_role("button", name=re.compile("^Keep")).bounding_box()["height"] >= 44


def test_the_full_size_is_not_kept_on_the_disk(served):
    import urllib.request

    address, session = served
    url = address + serving.photo_url(session, "00.jpg", serving.FULL)
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert reply.read(2) == b"\xff\xd8"
    assert not list(session.previews.folder.glob("*")) if session.previews.folder.exists() else True


LOW = {"viewport": {"width": 1280, "height": 720}}


def on_top(tab, selector: str) -> bool:
    """Whether the center and both edges of the selected element are unobstructed."""
    return tab.locator(selector).first.evaluate(
        """(element) => {
          const box = element.getBoundingClientRect(), x = box.left + box.width / 2;
          return box.height > 0 && [box.top + 3, box.top + box.height / 2, box.bottom - 4].every((y) => {
            const hit = document.elementFromPoint(x, y);
            return element.contains(hit);
          });
        }"""
    )


def test_a_refused_answer_is_said_over_the_photo_until_one_is_taken(open_page, served):
    _, session = served
    session.prepare()
    for number in range(4):
        session.answer(f"{number:02}.jpg", "keep" if number % 2 == 0 else "cull")
    tab = open_page(**LOW)
    tab.locator("#label-screen .keep-row .likes button").first.wait_for()
    good = session.stage.labels.read_text()
    session.stage.labels.write_text(good.replace("keep", "kepe", 1))
    error = tab.get_by_role("alert").filter(has_text="kepe")
    with replied(tab, "about"):  # the details are fetched again, and refused too
        tab.keyboard.press("k")
        error.wait_for()
    for width, height, scheme in ((1280, 720, "light"), (1440, 813, "light"), (1280, 720, "dark")):
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(color_scheme=scheme)
        tab.locator("body.dark" if scheme == "dark" else "body:not(.dark)").wait_for()
        assert on_top(tab, "#label-screen .error"), (width, height, scheme)
    assert tab.locator("#label-screen .likes button").count()

    session.stage.labels.write_text(good)
    for _ in range(2):  # the second is of the mended file; no answer was accepted yet
        with replied(tab, "look"):
            pass
    assert error.is_visible()
    tab.keyboard.press("k")
    counts(tab, 5)
    error.wait_for(state="hidden")


def test_notices_are_two_short_paragraphs_and_nothing_reaches_out_of_the_panel(open_page, served, monkeypatch):
    _, session = served
    session.prepare()
    for number in range(8):
        session.answer(f"{number:02}.jpg", "keep" if number % 2 == 0 else "cull")
    news = "The labels were changed by something else, and what could not be read was set aside. " * 4
    monkeypatch.setattr(session._labels, "news", news.strip())
    tab = open_page(**LOW)
    tab.locator("#label-screen .news", has_text="set aside").wait_for()
    tab.locator("#label-screen .cull-row .likes button").first.wait_for()
    assert tab.locator("#label-screen .news").get_attribute("title") == news.strip()
    assert tab.locator("#label-screen .notice").inner_text() == session.notice
    for name in ("news", "notice"):
        paragraph = tab.locator(f"#label-screen .{name}")
        lines = paragraph.evaluate("(each) => each.clientHeight / parseFloat(getComputedStyle(each).lineHeight)")
        assert 1 <= round(lines) <= 2, name
    assert on_top(tab, "#label-screen .keep-row .likes button")
    assert on_top(tab, "#label-screen .cull-row .likes button")
    wide, room = tab.locator("#label-screen .side").evaluate("(side) => [side.scrollWidth, side.clientWidth]")
    assert wide <= room
    tab.locator("#label-screen .news").click()
    assert tab.locator("#label-screen .news").evaluate("(each) => each.scrollHeight <= each.clientHeight")
