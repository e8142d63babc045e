"""The outbox of the page: what is answered while the server is away is on its disk once it is back."""

import json

import pytest
from conftest import fill_stage, until

from imlcull_al.session.desk import Desk
from imlcull_al.session.session import Session, open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui import visitors

PHOTOS = 30


@pytest.fixture
def session(tmp_path) -> Session:
    """Thirty photos, of which nothing is known."""
    fill_stage(tmp_path / "project" / "stage_1", warm=PHOTOS // 2, cold=PHOTOS // 2)
    return open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache", prepare=False)


@pytest.fixture
def address(session, serve):
    return serve(Desk(session))


def journal(session) -> list[tuple]:
    """What was done to which photo, and the label after it."""
    if not session.stage.journal.exists():
        return []
    lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    return [(line["do"], line["key"], line["label"]) for line in lines if line["do"] != "audit"]


def review(tab) -> None:
    """Go to the Review screen, sorted by name, the first photo in focus."""
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    tab.get_by_label("Sort").select_option("name")
    tab.get_by_role("listbox", name="Photos").focus()
    tab.keyboard.press("Home")


def names(session, count: int) -> list[str]:
    return list(session.listing.keys[:count])


def keep(tab, count: int) -> None:
    """Keep the photo in focus and those after it."""
    for _ in range(count):
        tab.keyboard.press("k")
        tab.keyboard.press("ArrowRight")


def said(tab, screen: str, text: str) -> None:
    tab.locator(f"#{screen}-screen").get_by_text(text).first.wait_for()


def kept(tab) -> int:
    """How many presses lie in the tab's storage."""
    return tab.evaluate("Object.keys(sessionStorage).filter((name) => name.startsWith('imlcull press')).length")


def sent(tab) -> None:
    """Wait until the tab keeps no press any more, in this page or in the next."""
    tab.wait_for_function("!Object.keys(sessionStorage).some((name) => name.startsWith('imlcull press'))")


def lose_what_goes_with_the_page(tab) -> None:
    """No beacon arrives: the network is away, or the renderer crashed."""
    tab.evaluate("navigator.sendBeacon = () => false")


def test_three_answers_of_review_outlive_a_network_that_is_away(visit, address, session):
    tab = visit(address)
    review(tab)
    tab.context.set_offline(True)
    keep(tab, 3)
    said(tab, "review", "3 answers are not saved yet; trying again.")
    assert kept(tab) == 3
    tab.context.set_offline(False)
    expected = [("answer", name, "keep") for name in names(session, 3)]
    until(tab, lambda: journal(session) == expected)
    sent(tab)


def test_it_says_so_on_both_screens_and_when_all_is_saved_again(visit, address, session):
    tab = visit(address)
    review(tab)
    tab.route("**/act/presses", lambda route: route.abort())
    keep(tab, 1)
    said(tab, "review", "One answer is not saved yet; trying again.")
    tab.get_by_role("tab", name="Label").click()
    said(tab, "label", "One answer is not saved yet; trying again.")
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.keyboard.press("c")
    said(tab, "label", "2 answers are not saved yet; trying again.")
    tab.unroute("**/act/presses")
    said(tab, "label", "All answers are saved.")
    assert tab.locator("#label-screen .error").inner_text() == ""
    first, second = journal(session)
    assert first == ("answer", names(session, 1)[0], "keep")
    assert second[2] == "cull"


def test_answers_outlive_a_reload_while_they_can_not_be_sent(visit, address, session):
    tab = visit(address)
    review(tab)
    tab.context.route("**/act/presses", lambda route: route.abort())
    keep(tab, 3)
    said(tab, "review", "3 answers are not saved yet; trying again.")
    lose_what_goes_with_the_page(tab)
    tab.reload()
    tab.get_by_role("tab", name="Review", selected=True).wait_for()  # the page opens it again by itself
    tab.get_by_role("tab", name="Label").click()
    said(tab, "label", "3 answers are not saved yet; trying again.")
    assert journal(session) == []
    tab.context.unroute("**/act/presses")
    expected = [("answer", name, "keep") for name in names(session, 3)]
    until(tab, lambda: journal(session) == expected)
    sent(tab)
    said(tab, "label", "All answers are saved.")


def test_gradio_reloads_the_page_once_the_network_is_back_and_asks_nobody(visit, address, session):
    tab = visit(address)
    review(tab)
    asked = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    tab.route("**/act/presses", lambda route: route.abort())
    keep(tab, 3)
    said(tab, "review", "3 answers are not saved yet; trying again.")
    lose_what_goes_with_the_page(tab)
    tab.context.set_offline(True)
    tab.locator(".toast-wrap").get_by_text("Connection").first.wait_for(timeout=30_000)
    with tab.expect_navigation(timeout=30_000):
        tab.context.set_offline(False)
    assert asked == []
    assert journal(session) == []
    tab.unroute("**/act/presses")
    expected = [("answer", name, "keep") for name in names(session, 3)]
    until(tab, lambda: journal(session) == expected)


def test_whoever_closes_the_page_meanwhile_is_asked(visit, address):
    tab = visit(address)
    review(tab)
    asked = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    tab.route("**/act/presses", lambda route: route.abort())
    keep(tab, 1)
    said(tab, "review", "One answer is not saved yet; trying again.")
    tab.goto("about:blank")
    assert asked == ["beforeunload"]


def test_undo_of_answers_under_way_takes_back_the_right_ones(visit, address, session):
    session.answer(names(session, 3)[2], "cull")
    tab = visit(address)
    review(tab)
    tab.route("**/act/presses", lambda route: route.abort())
    tab.keyboard.press("k")  # 0
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("k")  # 1 and 2, which was culled
    said(tab, "review", "3 answers are not saved yet; trying again.")
    one, two, three = names(session, 3)

    def marks():
        cells = [tab.locator("#review-screen .cell", has_text=name) for name in (one, two, three)]
        return [cell.locator(".mark").inner_text() for cell in cells]

    assert marks() == ["✓", "✓", "✓"]
    tab.keyboard.press("u")
    assert marks() == ["✓", "", "✕"]
    tab.unroute("**/act/presses")
    expected = [
        ("answer", three, "cull"),
        ("answer", one, "keep"), ("answer", two, "keep"), ("answer", three, "keep"),
        ("undo", three, "cull"), ("undo", two, None),
    ]  # fmt: skip
    until(tab, lambda: journal(session) == expected)
    assert session.labels() == {three: "cull", one: "keep"}


def test_a_press_whose_reply_was_lost_counts_once(visit, address, session):
    tab = visit(address)
    review(tab)
    lost = []

    def lose(route):
        lost.append(route.fetch().status)
        route.abort()

    tab.route("**/act/presses", lose)
    keep(tab, 1)
    said(tab, "review", "One answer is not saved yet; trying again.")
    tab.unroute("**/act/presses")
    sent(tab)
    assert lost[0] == 200
    assert journal(session) == [("answer", names(session, 1)[0], "keep")]


def test_a_copied_tab_sends_what_it_copied_without_counting_it_twice(visit, address, session):
    tab = visit(address)
    review(tab)
    tab.context.route("**/act/presses", lambda route: route.abort())
    keep(tab, 2)
    said(tab, "review", "2 answers are not saved yet; trying again.")
    copied = tab.evaluate("JSON.stringify(sessionStorage)")
    copy = tab.context.new_page()
    copy.add_init_script(f"if (!sessionStorage.length) Object.assign(sessionStorage, {copied})")
    copy.goto(address)
    review(copy)
    copy.keyboard.press("End")
    copy.keyboard.press("c")
    said(copy, "review", "3 answers are not saved yet; trying again.")
    tab.context.unroute("**/act/presses")
    sent(tab)
    sent(copy)
    last = session.listing.keys[-1]
    assert sorted(journal(session)) == sorted(
        [*(("answer", name, "keep") for name in names(session, 2)), ("answer", last, "cull")]
    )


def test_a_refused_answer_of_review_is_said_and_its_undo_takes_nothing_back(visit, address, session):
    first = names(session, 1)[0]
    session.answer(first, "keep")
    tab = visit(address)
    review(tab)
    good = session.stage.labels.read_text()
    session.stage.labels.write_text(good.replace("keep", "kepe", 1))
    tab.route("**/act/presses", lambda route: route.abort())
    tab.keyboard.press("c")
    tab.keyboard.press("u")
    said(tab, "review", "2 answers are not saved yet; trying again.")
    tab.unroute("**/act/presses")
    said(tab, "review", "neither keep nor cull")
    session.stage.labels.write_text(good)
    sent(tab)
    assert journal(session) == [("answer", first, "keep")]
    tab.locator("#review-screen .cell.kept.labeled").wait_for()


def test_answers_for_another_project_wait_for_it(visit, serve, session, tmp_path):
    fill_stage(tmp_path / "other" / "stage_1", warm=2, cold=2)
    other = open_session(tmp_path / "other", model="builtin", cache_dir=tmp_path / "cache", prepare=False)
    desk = Desk(session)
    tab = visit(serve(desk))
    review(tab)
    tab.context.route("**/act/presses", lambda route: route.abort())
    keep(tab, 2)
    said(tab, "review", "2 answers are not saved yet; trying again.")
    mine, desk.session = desk.session, other  # a server of another project took the address
    with tab.expect_navigation():  # the page reloads itself
        tab.context.unroute("**/act/presses")
    said(tab, "review", "2 answers are not saved: This page shows another project")
    assert kept(tab) == 2
    assert journal(other) == []
    with tab.expect_navigation():
        desk.session = mine
    until(tab, lambda: journal(session) == [("answer", name, "keep") for name in names(session, 2)])
    assert journal(other) == []


def test_on_a_public_page_answers_outlive_a_reload_too(visit, serve, tmp_path):
    places = Workspaces(tmp_path / "public", "builtin")
    photos = sorted(fill_stage(tmp_path / "camera", warm=3, cold=3).iterdir())
    tab = visit(serve(places))
    tab.locator("#visitors-screen input.files").set_input_files(photos)
    tab.get_by_text("6 files").wait_for()
    (cookie,) = [each for each in tab.context.cookies() if each["name"] == visitors.COOKIE]
    session = places.find(cookie["value"]).desk.session
    until(tab, lambda: len(session.listing.keys) == 6)  # it may have been opened with the first
    review(tab)
    tab.context.route("**/act/presses", lambda route: route.abort())
    keep(tab, 3)
    said(tab, "review", "3 answers are not saved yet; trying again.")
    lose_what_goes_with_the_page(tab)
    tab.reload()
    said(tab, "review", "3 answers are not saved yet; trying again.")
    tab.context.unroute("**/act/presses")
    sent(tab)
    assert journal(session) == [("answer", name, "keep") for name in names(session, 3)]


def test_presses_beyond_the_loaded_photos_are_said_and_answer_nothing(visit, address, session):
    tab = visit(address)
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.context.route("**/act/*", lambda route: route.abort())
    loaded = 0
    while tab.locator("#label-screen .stage[data-shown]").count():
        shown = tab.locator("#label-screen .stage").get_attribute("data-shown")
        tab.keyboard.press("k")
        loaded += 1
        tab.wait_for_function(
            "(shown) => document.querySelector('#label-screen .stage').dataset.shown !== shown", arg=shown
        )
    said(tab, "label", "No more photos are loaded, and the app is not responding.")
    tab.keyboard.press("k")
    tab.keyboard.press("c")
    said(tab, "label", "2 presses ignored: no photo was on screen yet.")
    tab.context.unroute("**/act/*")
    until(tab, lambda: len(journal(session)) == loaded)
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    said(tab, "label", "2 presses ignored: no photo was on screen yet.")
    tab.keyboard.press("k")
    until(tab, lambda: len(journal(session)) == loaded + 1)
    assert {label for _, _, label in journal(session)} == {"keep"}
    assert tab.locator("#label-screen .error").inner_text() == ""


def test_a_photo_that_could_not_be_loaded_is_not_answered(visit, address, session):
    tab = visit(address)
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.route("**/photos/*/1600", lambda route: route.abort())
    tab.reload()
    said(tab, "label", "This photo could not be loaded.")
    tab.keyboard.press("k")
    said(tab, "label", "One press ignored: no photo was on screen yet.")
    assert journal(session) == []
