"""Every screen, light and dark, on a desk and on a phone, under axe-core: no violation that is ours."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import fill_stage, label_of

from imlcull_al import ui
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces

# Of Gradio's own frame, which this project can't change.
NOT_OURS = ".toast-wrap"
STILL = "() => document.getAnimations().every((each) => each.playState !== 'running')"
"""Nothing fades any more: the contrast of colors half way would be measured."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory, embedded):
    folder = tmp_path_factory.mktemp("accessible")
    fill_stage(folder / "project" / "stage_1")
    (folder / "project" / "stage_1" / "broken.jpg").write_bytes(b"no photo")
    session = open_session(folder / "project", model="builtin", cache_dir=shutil.copytree(embedded, folder / "cache"))
    for key in session.listing.keys[::3]:
        session.answer(key, label_of(key))
    return Desk(session)


@pytest.fixture(scope="module")
def address(desk, keep_serving):
    return keep_serving(desk)


@pytest.fixture(scope="module")
def public(tmp_path_factory, keep_serving):
    return keep_serving(Workspaces(tmp_path_factory.mktemp("public"), "builtin"))


def violations(tab) -> list[str]:
    """What axe-core finds: rule, how bad, where."""
    from axe_playwright_python.sync_playwright import Axe

    tab.wait_for_function(STILL)
    options = {"resultTypes": ["violations"]}  # all rules; spends no time on describing what passed
    found = Axe().run(tab, context={"exclude": [NOT_OURS]}, options=options).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {' | '.join(node['html'][:160] for node in each['nodes'][:3])}"
        for each in found
    ]


LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("look", LOOKS)
def test_screens(visit, address, look):
    tab = visit(address, **LOOKS[look])
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.locator("#label-screen .score", has_text="Score").wait_for()
    assert violations(tab) == []
    tab.get_by_role("button", name="Sharpness map").click()
    tab.locator("#label-screen .stage[data-map]").wait_for()
    assert violations(tab) == [], "with the map"
    signs = {
        "Review": "#review-screen .cell",
        "Promise": "text=Checks still needed",
        "Train": "text=Adam's step size",
        "Cull": "text=Copy method",
    }
    for name, sign in signs.items():
        tab.get_by_role("tab", name=name).click()
        tab.locator(sign).first.wait_for()
        assert violations(tab) == [], name
    tab.get_by_role("button", name="Preview").click()
    tab.get_by_role("heading", name="Kept").wait_for()
    assert violations(tab) == []


def test_nothing_is_named_that_has_no_role():
    """What axe-core says only of elements that happen to be seen while it looks."""
    for page in (Path(ui.__file__).parent / "assets").glob("*.html"):
        for tag in re.findall(r"<(?:div|span)\b[^>]*\baria-label=[^>]*>", page.read_text(encoding="utf-8")):
            assert "role=" in tag, f"{page.name}: {tag}"


@pytest.mark.parametrize("look", LOOKS)
def test_the_public_page(visit, public, look):
    tab = visit(public, **LOOKS[look])
    tab.get_by_text("Bring your photos").wait_for()
    assert violations(tab) == []
