"""The Check screen: its functions, then whole sheets in a real browser."""

import json
import re
import shutil

import pytest
from conftest import fill_stage, label_of, until

from imlcull_al import open_session
from imlcull_al.learning import sheets
from imlcull_al.project.task import CULL_TASK, Task
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


def test_each_kind_of_task_has_its_own_parts_and_no_class_is_markup():
    two, tag, many = Task("a", ("<b>", "${c}")), Task("b", ("{{d}}",), exclusive=False), Task("c", ("e", "f", "g"))
    parts = ("Contact sheet", "Photos to look at", "Lose at most")
    assert [[part in check.page(task) for part in parts] for task in (CULL_TASK, two, tag, many)] == [
        [True, True, True],
        [True, False, False],
        [True, False, False],
        [False, False, False],
    ]
    for task in (CULL_TASK, two, tag, many):
        assert not re.search(r"<!--|<b>|[{}$]", check.page(task))


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
        session.undo(keys[0])
        assert keys[0] in keys_of(look(session, held=keys, count=12))
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
        assert len(keys_of(look(session, count=68))) == 68
        assert session.offer(ME, "uncertain", 4) == []
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
            'Next: "Photos to look at".',
            {"sheet": 0, "look": 54},
            False,
        )
        assert plan["said"] == '<p class="promise numbers">0 of 20 spot checks until there is a first figure.</p>'
        keys = keys_of(look(session, queue="look", count=68))
        session.answer_sheet({key: label_of(key) for key in keys}, "look")
        plan = check.respond(session, {"do": "plan", "threshold": 0.5, "target": 0.05})
        assert (plan["plan"], plan["then"]) == (
            "Ready. No photo would be culled unseen.",
            "Next: cull at 50%.",
        )
        assert plan["is_ready"]
        assert look(session, queue="look")["nothing"].startswith("No photos are left to look at.")

    def test_from_twenty_checks_on_there_is_a_figure(self, session):
        keys = keys_of(look(session, count=24))
        session.answer_sheet({key: label_of(key) for key in keys})
        said = check.respond(session, {"do": "plan"})["said"]
        assert session.promise().summary in said.replace("&#x27;", "'")
        assert "<svg" in check.respond(session, {"do": "curves"})["curves"]


@pytest.fixture
def check_tab(visit, serve, session):
    """Opens the screen in a new tab, and waits for a sheet."""
    desk = Desk(session)
    address = serve(desk)

    def check_tab(**options):
        tab = visit(address, **options)
        tab.get_by_role("tab", name="Check").click()
        seen(tab)
        return tab

    return check_tab


def seen(tab) -> list[str]:
    """The keys of the sheet, once it can be answered."""
    tab.locator("#check-screen .cells[data-seen=true]").wait_for()
    return shown(tab)


def shown(tab) -> list[str]:
    return tab.locator("#check-screen .cell").evaluate_all("cells => cells.map((cell) => cell.title)")


def mark(tab, keys) -> None:
    """Mark by click."""
    for key in keys:
        tab.locator(f"#check-screen .cell[title='{key}']").click()


def warm(keys) -> list[str]:
    return [key for key in keys if label_of(key) == "keep"]


def after(tab, keys) -> list[str]:
    """The keys of the sheet that follows."""
    tab.wait_for_function("key => !document.querySelector(`#check-screen .cell[title='${key}']`)", arg=keys[0])
    return seen(tab)


def test_a_sheet_is_marked_answered_at_once_and_taken_back_as_one(check_tab, session):
    tab = check_tab()
    keys = seen(tab)
    assert keys == sorted(keys)
    assert 12 <= len(keys) <= 30
    assert tab.locator("#check-screen .score").all_inner_texts() == [""] * len(keys)
    keepers = [keys[0], keys[5]]
    tab.get_by_role("button", name=f"None of {len(keys)} is a keeper").wait_for()
    mark(tab, keepers)
    tab.get_by_role("button", name=f"2 keepers, {len(keys) - 2} not").wait_for()
    tab.keyboard.press("Enter")
    second = after(tab, keys)
    assert not set(keys) & set(second)
    until(tab, lambda: len(session.labels()) == 12 + len(keys))
    lines = journal(session)[-len(keys) :]
    assert [(line["key"], line["label"], line["queue"], line["source"]) for line in lines] == [
        (key, "keep" if key in keepers else "cull", "sheet", "page") for key in keys
    ]
    tab.keyboard.press("u")
    assert after(tab, second) == keys
    until(tab, lambda: len(session.labels()) == 12)
    selected = tab.locator("#check-screen .cell[aria-selected=true]")
    assert selected.count() == 2
    tab.keyboard.press("Enter")
    assert after(tab, keys) == second
    until(tab, lambda: len(session.labels()) == 12 + len(keys))


def test_keys_mark_and_the_large_view_too(check_tab, session):
    tab = check_tab()
    keys = seen(tab)
    chosen = tab.locator("#check-screen .cell[aria-selected=true]")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("k")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press(" ")
    assert chosen.evaluate_all("cells => cells.map((cell) => cell.title)") == keys[1:3]
    tab.keyboard.press("c")
    tab.keyboard.press("z")
    view = tab.get_by_role("dialog", name="Large view")
    assert view.locator(".file").inner_text() == keys[2]
    assert view.locator("img").get_attribute("src").endswith("/1600")
    tab.keyboard.press("ArrowRight")
    view.get_by_role("button", name="Mark").click()
    assert view.get_by_role("button", name="Mark").get_attribute("aria-pressed") == "true"
    tab.keyboard.press("Enter")  # closes it, and answers nothing
    view.wait_for(state="hidden")
    assert chosen.evaluate_all("cells => cells.map((cell) => cell.title)") == [keys[1], keys[3]]
    tab.locator(f"#check-screen .cell[title='{keys[5]}']").dblclick()
    view.wait_for()
    assert view.locator(".file").inner_text() == keys[5]
    tab.keyboard.press("Escape")
    view.wait_for(state="hidden")
    assert chosen.count() == 2
    assert len(session.labels()) == 12


def test_a_held_key_and_a_sheet_that_nobody_saw_answer_nothing(check_tab, session):
    tab = check_tab()
    keys = seen(tab)
    second, is_seen, third = tab.evaluate(
        """() => {
             const strike = (repeat) => document.body.dispatchEvent(
               new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, repeat }));
             const titles = () => [...document.querySelectorAll('#check-screen .cell')].map((cell) => cell.title);
             strike(false);
             strike(true);
             const second = titles(), isSeen = document.querySelector('#check-screen .cells').dataset.seen;
             strike(false);
             return [second, isSeen, titles()];
           }"""
    )
    assert not set(second) & set(keys)
    assert (is_seen, third) == ("false", second)
    tab.get_by_text("Not answered: the sheet was not on screen yet.").first.wait_for()
    until(tab, lambda: len(session.labels()) == 12 + len(keys))


def test_some_are_asked_again_in_full_size_before_a_later_sheet(check_tab, session, monkeypatch):
    monkeypatch.setattr(sheets, "AGAIN", 3)
    tab = check_tab()
    first = seen(tab)
    mark(tab, warm(first))
    with tab.expect_response(lambda reply: reply.url.endswith("/act/check") and bool(reply.json().get("again"))):
        tab.keyboard.press("Enter")
    second = after(tab, first)
    until(tab, lambda: len(session.labels()) == 12 + len(first))
    due = session.standing().ranking.asked_again()
    assert 0 < len(due) < len(first)
    mark(tab, warm(second))
    tab.keyboard.press("Enter")
    view = tab.get_by_role("dialog", name="Large view")
    for count in range(len(due)):
        view.locator(f".file:text-is('{due[count]}')").wait_for()
        tab.locator("#check-screen .closer[data-seen=true]").wait_for()
        assert view.get_by_text("Asked again, in full size: is this a keeper?").is_visible()
        tab.keyboard.press("k" if label_of(due[count]) == "keep" else "c")
        until(tab, lambda expected=count + 1: len(session.standing().answers.again) == expected)
    assert set(due) <= set(session.standing().answers.again)


def test_photos_to_look_at_come_likeliest_first_with_their_scores_until_the_cull_is_next(check_tab, session):
    tab = check_tab()
    tab.get_by_text("Look at 54 (27 seconds): then none is lost.").wait_for()
    tab.get_by_role("button", name="Photos to look at 54").click()
    while left := session.cheapest_way().looks:
        tab.locator("#check-screen .cell .score:not(:empty)").first.wait_for()
        keys = seen(tab)
        scores = tab.locator("#check-screen .score").all_inner_texts()
        values = [int(text.removeprefix("score ").removesuffix("%")) for text in scores]
        assert values == sorted(values, reverse=True)
        tab.keyboard.press("Enter")
        until(tab, lambda before=left: session.cheapest_way().looks < before)
        tab.wait_for_function("key => !document.querySelector(`#check-screen .cell[title='${key}']`)", arg=keys[0])
    assert {line["queue"] for line in journal(session)[-54:]} == {"look"}
    tab.get_by_text("Ready. No photo would be culled unseen.").wait_for()
    tab.get_by_text("No photos are left to look at.").wait_for()
    tab.get_by_label("Threshold (%)").fill("45")
    tab.keyboard.press("Tab")
    tab.get_by_text("Next: cull at 45%.").wait_for()
    tab.get_by_role("button", name="Open the Cull tab").click()
    assert tab.get_by_role("tab", name="Cull", selected=True).is_visible()


def test_one_threshold_on_all_screens_and_after_a_reload(check_tab):
    tab = check_tab()

    def shown(name, value):
        tab.get_by_role("tab", name=name).click()
        boxes = "[...document.querySelectorAll('input:is([type=number], [type=range])')]"
        tab.wait_for_function(f"value => {boxes}.some((box) => box.offsetParent && box.value === value)", arg=value)

    box = tab.get_by_role("spinbutton", name="Threshold (%)")
    assert box.input_value() == "50"
    box.fill("45")
    tab.keyboard.press("Tab")
    for name in ("Cull", "Review", "Check"):
        shown(name, "45")
    tab.get_by_role("tab", name="Review").click()
    tab.get_by_role("slider", name="Threshold").press("ArrowRight")
    for name in ("Cull", "Check"):
        shown(name, "46")
    tab.get_by_role("tab", name="Cull").click()
    tab.locator("input[type=number]:visible").fill("44")
    with tab.expect_request(lambda asked: '"threshold":0.44' in (asked.post_data or "")):
        tab.get_by_role("tab", name="Check").click()
    for name in ("Review", "Check"):
        shown(name, "44")
    tab.reload()
    for name in ("Check", "Review", "Cull"):
        shown(name, "44")


def test_nonsense_in_the_box_leaves_the_threshold(check_tab):
    tab = check_tab()
    box = tab.get_by_role("spinbutton", name="Threshold (%)")
    for nonsense in ("", "200", "-1"):
        box.fill(nonsense)
        tab.keyboard.press("Tab")
        assert box.input_value() == "50"


def test_two_tabs_show_different_photos(check_tab):
    one, other = check_tab(), check_tab()
    assert not set(seen(one)) & set(seen(other))


def test_a_hidden_sheet_takes_no_photos_from_the_queue_on_screen(check_tab, session):
    tab, looks = check_tab(), []
    tab.get_by_role("tab", name="Label").click()
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.on("request", lambda asked: looks.append(asked.post_data) if asked.url.endswith("/act/check") else None)
    with tab.expect_response("**/act/presses"):
        tab.keyboard.press("k")
    assert len(session.labels()) == 13
    for _ in range(2):  # requests go out one by one: what the answer led to has been asked before the second of these
        with tab.expect_response(
            lambda reply: reply.url.endswith("/act/label") and '"do":"look"' in reply.request.post_data
        ):
            pass
    assert [asked for asked in looks if '"do":"look"' in asked] == []


def test_sheets_survive_an_outage(check_tab, session):
    tab = check_tab()
    keys = seen(tab)
    tab.locator("#check-screen .cells").focus()
    tab.wait_for_timeout(300)
    tab.context.set_offline(True)
    tab.keyboard.press("Enter")
    second = after(tab, keys)
    assert not set(keys) & set(second)
    tab.locator("#check-screen .below .error", has_text=f"{len(keys)} answers are not saved yet").wait_for()
    tab.context.set_offline(False)
    tab.locator("#check-screen .below .saved", has_text="All answers are saved.").wait_for()
    assert [session.labels()[key] for key in keys] == ["cull"] * len(keys)


def test_on_a_phone_a_tap_marks_and_a_finger_held_opens(check_tab, session):
    tab = check_tab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    keys = seen(tab)
    assert len(keys) == 12
    cell = tab.locator("#check-screen .cell").nth(2)
    cell.tap()
    assert cell.get_attribute("aria-selected") == "true"
    box = cell.bounding_box()
    client = tab.context.new_cdp_session(tab)
    client.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": box["x"] + 30, "y": box["y"] + 30}]}
    )
    view = tab.get_by_role("dialog", name="Large view")
    view.wait_for()
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    view.get_by_role("button", name="Close").tap()
    view.wait_for(state="hidden")
    tab.get_by_role("button", name="1 keeper, 11 not").tap()
    until(tab, lambda: len(session.labels()) == 24)
    assert session.labels()[keys[2]] == "keep"


def test_another_binary_task_marks_its_first_class(tmp_path, embedded, serve, visit):
    shutil.copytree(embedded, tmp_path, dirs_exist_ok=True)
    asked = {"model": "builtin", "cache_dir": tmp_path / "cache", "task": "warmth", "tags": ["warm"]}
    session = open_session(tmp_path / "project", **asked)
    for number in range(6):
        session.answer(f"warm_{number:02}.jpg", "warm")
        session.answer(f"cold_{number:02}.jpg", "")
    tab = visit(serve(Desk(session), alone=True))
    tab.get_by_role("tab", name="Check").click()
    keys = seen(tab)
    assert tab.get_by_text("Photos to look at").count() == 0
    assert tab.get_by_text("Mark the photos with warm.").is_visible()
    mark(tab, warm(keys))
    tab.keyboard.press("Enter")
    until(tab, lambda: len(session.labels()) == 12 + len(keys))
    assert {key: session.labels()[key] for key in keys} == {key: f"warm={int(label_of(key) == 'keep')}" for key in keys}
