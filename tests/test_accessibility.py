"""Every screen, light and dark, on a desk and on a phone, under axe-core: no violation that is ours."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import fill_shoot, fill_stage, label_of

from imlcull_al import ui
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces

# Of Gradio's own frame, which this project can't change.
NOT_OURS = ".toast-wrap"
STILL = "() => document.getAnimations().every((each) => each.playState !== 'running')"
"""Nothing fades any more: the contrast of colors half way would be measured."""


@pytest.fixture
def desk(tmp_path, embedded):
    """Of its own, as an open page keeps the photos of its sheets."""
    folder = tmp_path
    fill_stage(folder / "project" / "stage_1")
    (folder / "project" / "stage_1" / "broken.jpg").write_bytes(b"no photo")
    session = open_session(folder / "project", model="builtin", cache_dir=shutil.copytree(embedded, folder / "cache"))
    for key in session.listing.keys[::3]:
        session.answer(key, label_of(key))
    return Desk(session)


@pytest.fixture
def address(desk, serve):
    return serve(desk)


@pytest.fixture(scope="module")
def public(tmp_path_factory, keep_serving):
    return keep_serving(Workspaces(tmp_path_factory.mktemp("public"), "builtin"))


AXE = """async ([context, options]) => (await axe.run(context, options)).violations.map((each) =>
  `${each.id} (${each.impact}): ${each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`)"""


def violations(tab, schemes: str) -> list[str]:
    """What axe-core finds in these color schemes: rule, how bad, where."""
    from axe_playwright_python.base import AXE_SCRIPT

    if not tab.evaluate("'axe' in window"):
        tab.evaluate(AXE_SCRIPT)
    found = []
    for scheme in schemes.split():
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function("is => document.body.classList.contains('dark') == is", arg=scheme == "dark")
        tab.wait_for_function(STILL)
        options = {"resultTypes": ["violations"]}  # all rules; spends no time on describing what passed
        found += [f"{scheme}: {each}" for each in tab.evaluate(AXE, [{"exclude": [NOT_OURS]}, options])]
    return found


SIZES = {"desk": {}, "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}}


@pytest.mark.parametrize(("size", "schemes"), [("desk", "light dark"), ("phone", "light")])
def test_screens(visit, address, size, schemes):
    tab = visit(address, **SIZES[size])
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.locator("#label-screen .score", has_text="Score").wait_for()
    assert violations(tab, schemes) == []
    tab.get_by_role("button", name="Sharpness map").click()
    tab.locator("#label-screen .stage[data-map]").wait_for()
    assert violations(tab, schemes) == [], "with the map"
    signs = {
        "Review": "#review-screen .cell",
        "Check": "#check-screen .cells[data-seen=true]",
        "Improve": "text=Start training",
        "Cull": "#cull-screen .call",
    }
    for name, sign in signs.items():
        tab.get_by_role("tab", name=name).click()
        tab.locator(sign).first.wait_for()
        assert violations(tab, schemes) == [], name
        if name == "Check":
            tab.get_by_text("More", exact=True).locator("visible=true").click()
            tab.get_by_text("Checks still needed").first.wait_for()
            tab.get_by_role("button", name="Large", exact=True).click()
            assert violations(tab, schemes) == [], "its large view"
            tab.keyboard.press("Escape")
        if name == "Improve":
            tab.get_by_role("button", name="More").locator("visible=true").click()
            tab.get_by_text("Step size of Adam").first.wait_for()
            assert violations(tab, schemes) == [], "its settings"
    tab.get_by_role("tab", name="Cull").click()
    tab.locator("#cull-screen .call").first.click()
    tab.get_by_role("dialog", name="Large view").wait_for()
    assert violations(tab, schemes) == [], "its large view"
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="to stage_2").click()
    tab.get_by_role("heading", name="Kept").wait_for()
    assert violations(tab, schemes) == [], "its summary"


@pytest.mark.parametrize(("size", "schemes"), [("desk", "light dark"), ("phone", "dark")])
def test_the_strip_the_last_answers_and_compare(visit, serve, tmp_path, size, schemes):
    stage = fill_shoot(tmp_path / "shoot" / "stage_1")
    session = open_session(stage.parent, model="builtin", cache_dir=tmp_path / "cache")
    session.answer("22.jpg", "cull")
    session.answer("10.jpg", "keep")
    tab = visit(serve(Desk(session)), **SIZES[size])
    tab.get_by_label("Queue").select_option("files")
    tab.get_by_label("Queue").press("Escape")
    tab.get_by_role("group", name="Frames of this burst").get_by_role("button").nth(2).wait_for()
    assert violations(tab, schemes) == []
    tab.get_by_role("button", name="Compare").click()
    tab.get_by_role("dialog", name="Compare").get_by_role("img").nth(2).click()
    assert violations(tab, schemes) == [], "side by side"
    tab.get_by_role("button", name="Back").click()
    tab.get_by_role("button", name="All keys").click()
    tab.get_by_label("Keys as in").wait_for()
    assert violations(tab, schemes) == [], "the keys"


def test_light_or_dark_is_chosen_and_remembered(visit, public):
    tab = visit(public)
    menu, is_dark = tab.get_by_label("Appearance"), "is => document.body.classList.contains('dark') === is"
    for choice, scheme, dark in (("dark", "light", True), ("light", "dark", False), ("system", "dark", True)):
        menu.select_option(choice)
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_function(is_dark, arg=dark)
        tab.reload()
        tab.wait_for_function(is_dark, arg=dark)
        assert menu.input_value() == choice


def test_nothing_is_named_that_has_no_role():
    """What axe-core says only of elements that happen to be seen while it looks."""
    for page in (Path(ui.__file__).parent / "assets").glob("*.html"):
        for tag in re.findall(r"<(?:div|span)\b[^>]*\baria-label=[^>]*>", page.read_text(encoding="utf-8")):
            assert "role=" in tag, f"{page.name}: {tag}"


@pytest.mark.parametrize(("size", "schemes"), [("desk", "light dark"), ("phone", "light")])
def test_the_public_page(visit, public, size, schemes):
    tab = visit(public, **SIZES[size])
    tab.get_by_text("Bring your photos").wait_for()
    assert violations(tab, schemes) == []


def test_black_words_are_noticed_on_the_dark_page_alone(visit, public):
    """Or looking at one page in both schemes would prove nothing."""
    tab = visit(public)
    tab.get_by_text("Bring your photos").wait_for()
    tab.evaluate("document.body.insertAdjacentHTML('afterbegin', '<p style=\"color: black\">planted</p>')")
    found = [each for each in violations(tab, "light dark") if "color-contrast" in each]
    assert found == ['dark: color-contrast (serious): <p style="color: black">planted</p>']
