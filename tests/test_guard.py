"""Who may ask the server for what: real requests, and the guard's rules as functions."""

import base64
import socket

import pytest
from conftest import ask, fill_stage
from PIL import Image

from imlcull_al import ui
from imlcull_al.desk import Desk
from imlcull_al.errors import ServerError
from imlcull_al.session import open_session
from imlcull_al.ui import guard


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A few photos, one answer, and a picture of a report."""
    root = tmp_path_factory.mktemp("guard")
    fill_stage(root / "project" / "stage_1", 2, 2)
    found = open_session(root / "project", model="builtin", cache_dir=root / "cache", prepare=False)
    found.answer("warm_00.jpg", "keep")
    found.stage.report.mkdir()
    Image.new("RGB", (4, 3)).save(found.stage.report / "curves.png")
    return found


@pytest.fixture(scope="module")
def address(session, serve):
    return serve(Desk(session))


@pytest.fixture(scope="module")
def locked(session, serve):
    return serve(Desk(session), "anna:pass:wörd")


def basic(pair):
    return "Basic " + base64.b64encode(pair.encode()).decode()


class TestOtherSites:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example"},
            {"Host": ""},
            {"Host": "[::1"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
            {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        ],
    )
    @pytest.mark.parametrize(
        "path", ["/", "/photos/x/320", "/gradio_api/queue/join", "/act/label", "/gradio_api/run/predict"]
    )
    def test_are_turned_away_everywhere(self, address, session, path, headers):
        before = session.stage.journal.read_bytes()
        body = '{"do": "undo", "data": [], "fn_index": 0, "session_hash": "a"}'
        assert ask(address, path, "POST", body, Content_Type="application/json", **headers)[0] == 403
        assert session.stage.journal.read_bytes() == before

    def test_a_link_to_the_page_may_be_followed(self, address):
        assert ask(address, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200

    def test_the_page_itself_is_welcome(self, address):
        own = address.rstrip("/")
        assert ask(address, "/config", Origin=own, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")[0] == 200

    @pytest.mark.parametrize(
        ("name", "is_shared", "auth", "welcome"),
        [
            ("localhost:7860", False, None, True),
            ("[::1]:7860", False, None, True),
            ("192.168.1.7:7860", False, None, False),
            ("192.168.1.7:7860", True, None, True),
            ("[fe80::1]:7860", True, None, True),
            (f"{socket.gethostname()}:7860", True, None, True),
            ("evil.example", True, None, False),
            ("photos.example", True, "anna:secret", True),  # behind a proxy, under its name
            ("photos.example", False, "anna:secret", False),
            ("", True, "anna:secret", False),
        ],
    )
    def test_by_which_names_the_page_is_found(self, name, is_shared, auth, welcome):
        host = "0.0.0.0" if is_shared else "127.0.0.1"
        made = guard._Guard(None, host, auth)
        assert made._named(name) is welcome


class TestPassword:
    PATHS = ("/", "/config", "/theme.css", "/report/curves.png", "/photos/x/320", "/photos/x/sharpness", "/assets/x.js",
             "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/heartbeat/x", "/gradio_api/file=x",
             "/nonsense")  # fmt: skip

    @pytest.mark.parametrize("path", PATHS)
    def test_every_route_asks_for_it(self, locked, path):
        assert ask(locked, path)[0] == 401

    @pytest.mark.parametrize(
        "path",
        ["/act/label", "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/call/x", "/gradio_api/upload"],
    )
    def test_every_press_does(self, locked, path):
        assert ask(locked, path, "POST", "{}", Content_Type="application/json")[0] == 401

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "Basic",
            "Basic !",
            "Basic é",
            "Bearer x",
            basic("anna:wrong"),
            basic("anna:"),
            basic(":pass:wörd"),
            basic(""),
        ],
    )
    def test_a_wrong_one_is_refused(self, locked, given):
        assert ask(locked, "/", Authorization=given.encode("latin-1"))[0] == 401

    def test_the_right_one_opens(self, locked):
        assert ask(locked, "/", Authorization=basic("anna:pass:wörd"))[0] == 200
        assert ask(locked, "/gradio_api/file=x", Authorization=basic("anna:pass:wörd"))[0] == 404

    @pytest.mark.parametrize("auth", ["anna", "anna:", ":secret", ":"])
    def test_what_is_no_pair_is_said_at_the_start(self, auth):
        with pytest.raises(ServerError, match="user:password"):
            guard.check_auth(auth)

    def test_the_environment_is_asked_too(self, monkeypatch, session):
        monkeypatch.setenv(guard.AUTH_VARIABLE, "anna")
        with pytest.raises(ServerError, match="IMLCULL_AUTH"):
            ui.launch(session.stage.project)

    def test_a_browser_that_knows_it_sees_the_page_live(self, locked, browser):
        refused = []
        tab = browser.new_context(http_credentials={"username": "anna", "password": "pass:wörd"}).new_page()
        tab.on("response", lambda reply: refused.append(reply.url) if reply.status >= 400 else None)
        tab.goto(locked)
        tab.get_by_role("tab", name="Train").click()
        tab.get_by_text("1 labeled photo (").wait_for(timeout=15_000)  # from the timer
        assert [url for url in refused if "/photos/" not in url] == []
