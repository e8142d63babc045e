"""Keys and clicks on the page: they answer only what is meant for the photo."""

import json
import re

import pytest
from conftest import fill_stage, until

from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import scripts

NOTHING_UNDER_WAY = "!Object.keys(sessionStorage).some((name) => name.startsWith('imlcull press'))"


@pytest.fixture
def session(tmp_path, warm_cache):
    fill_stage(tmp_path / "project" / "stage_1", warm=15, cold=15)
    return open_session(tmp_path / "project", model="builtin", cache_dir=warm_cache)


@pytest.fixture
def tab(session, serve, visit):
    tab = visit(serve(Desk(session)))
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    return tab


def journal(session) -> list[tuple]:
    if not session.stage.journal.exists():
        return []
    lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    return [(line["label"], line["queue"]) for line in lines if line["do"] != "audit"]


def answered(tab, count: int) -> None:
    """Wait until so many are labeled and nothing is under way: what answered by mistake would be on the disk too."""
    tab.locator("#label-screen .counts", has_text=f"{count} of 30 labeled").wait_for()
    tab.wait_for_function(NOTHING_UNDER_WAY)


def on_photo(tab) -> None:
    tab.locator("#label-screen .stage").click()


def test_the_menu_keeps_its_arrows_until_it_is_left(tab, session):
    menu = tab.get_by_label("Queue")
    menu.focus()
    for _ in range(2):  # the first arrow chooses another queue, and the second one is the menu's too
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("k")
    tab.wait_for_function("() => document.activeElement.tagName === 'SELECT'")
    assert journal(session) == []
    chosen = menu.input_value()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Escape")
    tab.locator("#label-screen .stage:focus").wait_for()
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.keyboard.press("k")
    answered(tab, 1)
    assert menu.input_value() == chosen
    assert journal(session) == [("keep", chosen)]


def test_each_arrow_may_change_the_closed_menu_as_in_firefox(tab, session):
    """There `change` comes with every arrow, and the menu stays the one that has the keys."""
    menu = tab.get_by_label("Queue")
    menu.focus()
    for queue in ("audit", "files"):
        tab.keyboard.press("ArrowDown")
        menu.evaluate("(menu, queue) => { menu.value = queue; menu.dispatchEvent(new Event('change')); }", queue)
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.keyboard.press("k")
    tab.keyboard.press("c")
    assert menu.evaluate("(menu) => menu === document.activeElement")
    tab.keyboard.press("Escape")
    menu.evaluate("(menu) => { menu.value = 'files'; menu.dispatchEvent(new Event('change')); }")
    tab.locator('#label-screen .stage[data-shown="cold_00.jpg"]').wait_for()
    tab.keyboard.press("c")
    answered(tab, 1)
    assert journal(session) == [("cull", "files")]


def test_a_click_on_the_photo_leaves_the_menu(tab, session):
    tab.get_by_label("Queue").focus()
    on_photo(tab)
    tab.keyboard.press("c")
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["cull"]


def test_a_double_click_answers_one_photo(tab, session):
    tab.get_by_role("button", name=re.compile("^Keep")).dblclick()
    tab.get_by_text("Double click: only the first click counted.").wait_for()
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["keep"]


def test_a_double_tap_answers_one_photo(session, serve, visit):
    phone = visit(serve(Desk(session)), viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.locator("#label-screen .stage[data-shown]").wait_for()
    button = phone.get_by_role("button", name=re.compile("^Keep"))
    button.evaluate(
        """(button) => { for (let tap = 0; tap < 2; tap += 1) button.dispatchEvent(new PointerEvent(
             'click', { detail: 1, pointerType: 'touch', clientX: 200 + tap, clientY: 600, bubbles: true })); }"""
    )  # as from browsers that don't count taps
    phone.get_by_text("Double click: only the first click counted.").wait_for()
    answered(phone, 1)
    assert [label for label, _ in journal(session)] == ["keep"]


def test_a_held_key_answers_one_photo_on_the_photo_and_on_a_button(tab, session):
    tab.keyboard.down("k")
    answered(tab, 1)
    for _ in range(3):
        tab.keyboard.down("k")
    tab.keyboard.up("k")
    tab.get_by_role("button", name=re.compile("^Cull")).focus()
    tab.keyboard.down("Enter")
    answered(tab, 2)
    for _ in range(3):
        tab.keyboard.down("Enter")
    tab.keyboard.up("Enter")
    on_photo(tab)
    tab.keyboard.press("p")
    answered(tab, 3)
    assert [label for label, _ in journal(session)] == ["keep", "cull", "keep"]


def test_a_key_that_went_down_in_the_menu_answers_nothing_after_it(tab, session):
    tab.evaluate(
        """() => {
             const menu = document.querySelector('#label-screen .queue select');
             const stage = document.querySelector('#label-screen .stage');
             for (const target of [menu, stage, stage]) {
               const key = { key: 'k', code: 'KeyK', bubbles: true };
               target.focus();
               target.dispatchEvent(new KeyboardEvent('keydown', key));
             }
           }"""
    )  # as from systems that don't mark what repeats; in one call, because a pause of a second frees the key
    tab.keyboard.press("c")
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["cull"]


def test_compositions_and_shortcuts_answer_nothing(tab, session):
    for fields in ({"isComposing": True}, {"altKey": True}, {"ctrlKey": True}, {"metaKey": True}):
        tab.evaluate(
            """(fields) => document.body.dispatchEvent(
                 new KeyboardEvent('keydown', { key: 'k', code: 'KeyK', bubbles: true, ...fields }))""",
            fields,
        )
        tab.evaluate("document.body.dispatchEvent(new KeyboardEvent('keyup', { code: 'KeyK', bubbles: true }))")
    tab.keyboard.press("c")
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["cull"]


def test_keys_on_other_tabs_answer_nothing(tab, session):
    tab.get_by_role("tab", name="Improve").click()
    tab.get_by_role("button", name="More").locator("visible=true").click()
    field = tab.get_by_label("Batch size").first
    field.wait_for()
    field.focus()
    for key in ("ArrowRight", "k", "ArrowLeft", "Space"):
        tab.keyboard.press(key)
    tab.get_by_role("tab", name="Label").focus()
    tab.keyboard.press("Enter")
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.keyboard.press("ArrowRight")  # the tab has the hand
    tab.keyboard.press("c")
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["cull"]


def test_the_keys_of_another_program_are_chosen_shown_and_remembered(tab, session):
    tab.keyboard.press("?")
    keys = tab.get_by_role("dialog", name="Keys")
    keys.get_by_label("Keys as in").select_option("Lightroom")
    keys.get_by_role("button", name="Close").click()
    tab.reload()
    tab.get_by_role("button", name="Keep P").wait_for()
    tab.get_by_role("button", name="Cull X").wait_for()
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.keyboard.press("c")  # compares, and there is no burst
    tab.keyboard.press("p")
    answered(tab, 1)
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    tab.get_by_role("listbox", name="Photos").focus()
    for key in ("Home", "c", "x"):
        tab.keyboard.press(key)
    until(tab, lambda: len(journal(session)) == 2)
    assert [label for label, _ in journal(session)] == ["keep", "cull"]


def test_a_layout_without_latin_letters_answers_by_place(tab, session):
    tab.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'л', code: 'KeyK', bubbles: true }))")
    answered(tab, 1)
    assert [label for label, _ in journal(session)] == ["keep"]


def test_three_keys_are_shown_until_the_first_press(tab):
    hint = tab.locator("#label-screen .first-keys")
    assert hint.inner_text().split() == ["K", "keep", "C", "cull", "U", "undo"]
    tab.keyboard.press("k")
    hint.wait_for(state="hidden")
    tab.reload()
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    assert not hint.is_visible()


@pytest.fixture
def grid(tab):
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    tab.get_by_label("Sort").select_option("name")
    tab.get_by_role("listbox", name="Photos").focus()
    tab.keyboard.press("Home")
    return tab


def settled(tab, session, count: int) -> None:
    tab.wait_for_function(NOTHING_UNDER_WAY)
    tab.wait_for_function(
        "(count) => document.querySelectorAll('#review-screen .cell.labeled').length >= Math.min(count, 1)", arg=count
    )
    assert len(journal(session)) == count


def test_a_double_click_on_a_tick_of_review_answers_once(grid, session):
    cell = grid.locator("#review-screen .cell").nth(1)
    cell.hover()
    cell.locator("[data-answer=keep]").dblclick()
    settled(grid, session, 1)
    assert not grid.get_by_role("dialog", name="Large view").is_visible()


def test_a_double_click_on_keep_all_answers_the_range_and_opens_nothing_beneath(grid, session):
    grid.keyboard.press("Shift+ArrowRight")
    grid.get_by_role("button", name="Keep all").dblclick()
    settled(grid, session, 2)
    grid.keyboard.press("Escape")
    assert not grid.get_by_role("dialog", name="Large view").is_visible()


def test_a_double_click_in_the_large_view_answers_once(grid, session):
    grid.keyboard.press("Enter")
    view = grid.get_by_role("dialog", name="Large view")
    view.get_by_role("button", name="Cull").dblclick()
    settled(grid, session, 1)
    grid.keyboard.press("ArrowRight")  # the hand is on the photo again
    grid.keyboard.press("k")
    settled(grid, session, 2)


def test_keys_on_the_controls_of_review_stay_there(grid, session):
    sort = grid.get_by_label("Sort")
    sort.focus()
    for key in ("ArrowDown", "k", "ArrowRight", "c"):
        grid.keyboard.press(key)
    slider = grid.get_by_role("slider", name="Threshold")
    if slider.is_visible():
        slider.focus()
        grid.keyboard.press("ArrowRight")
    grid.get_by_role("listbox", name="Photos").focus()
    for _ in range(3):
        grid.keyboard.down("k")
    grid.keyboard.up("k")
    settled(grid, session, 1)


def test_where_the_hand_is(tab):
    """What `focus.js` says of a focused element, by the markup around it."""
    expected = {
        ("", ""): "photo",
        ("", ".photo"): "photo",
        ("<button></button>", "button"): "control",
        ("<div role=radiogroup><input type=radio></div>", "input"): "control",
        ("<input type=range>", "input"): "control",
        ("<div role=tab tabindex=0></div>", "[role=tab]"): "control",
        ("<input type=number>", "input"): "field",
        ("<input>", "input"): "field",
        ("<select></select>", "select"): "field",
        ("<div contenteditable><b tabindex=0></b></div>", "b"): "field",
        ("<div contenteditable=plaintext-only></div>", "[contenteditable]"): "field",
        ("<ul role=listbox><li role=option tabindex=0></li></ul>", "li"): "field",
        ("<div data-keys=own><button></button></div>", "button"): "field",
        ("<dialog><button></button></dialog>", "button"): "field",
        ("<div aria-modal=true></div>", ""): "field",
    }
    found = tab.evaluate(
        """async ([module, cases]) => {
          const { handIsOn } = await import(new URL(module, document.baseURI));
          const page = document.createElement('div');
          document.body.append(page);
          return cases.map(([markup, target]) => {
            page.innerHTML = `<div class=photo tabindex=-1></div>${markup}`;
            return handIsOn(target ? page.querySelector(target) : document.body, page.querySelector('.photo'));
          });
        }""",
        [scripts.url("focus.js"), [list(case) for case in expected]],
    )
    assert dict(zip(expected, found, strict=True)) == expected
