"""Who may ask the server for what: real requests, and the guard's rules as functions."""

import base64
import socket

import httpx
import pytest
from conftest import ask, fill_stage
from PIL import Image
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.testclient import TestClient

from imlcull_al import ui
from imlcull_al.errors import ServerError
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui import guard, guesses, headers


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


@pytest.fixture
def desk(tmp_path, warm_cache):
    fill_stage(tmp_path / "project" / "stage_1")
    return Desk(open_session(tmp_path / "project", model="builtin", cache_dir=warm_cache))


@pytest.fixture(scope="module")
def address(session, keep_serving):
    return keep_serving(Desk(session))


@pytest.fixture(scope="module")
def locked(session, keep_serving):
    return keep_serving(Desk(session), "anna:pass:wörd")


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

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("place", ["iframe", "frame", "embed", "object", "fencedframe"])
    def test_no_page_of_theirs_frames_this_one(self, address, site, place):
        seen = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": place}
        assert ask(address, "/", **seen)[0] == 403

    def test_a_link_to_the_page_may_be_followed(self, address):
        assert ask(address, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
        seen = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert ask(address, "/", **seen)[0] == 200

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


class TestFrames:
    """What replies tell the browser."""

    @pytest.fixture
    def public(self, tmp_path, serve):
        return serve(Workspaces(tmp_path, "builtin"))

    @staticmethod
    def told(address, path, **sent):
        return httpx.get(address.rstrip("/") + path, headers=sent).headers

    PATHS = ("/", "/config", "/theme.css", "/gradio_api/info", "/report/curves.png", "/photos/x/320", "/nonsense",
             "/gradio_api/run/nonsense", "/gradio_api/file=x", "/assets/nonsense.js",
             "/scripts/x/label.js")  # fmt: skip

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("sent", [{}, {"Host": "evil.example"}], ids=["welcome", "refused"])
    def test_every_reply_tells_where_it_may_be_shown(self, address, path, sent):
        told = self.told(address, path, **sent)
        assert told["X-Frame-Options"] == "DENY"
        assert told["Content-Security-Policy"].endswith("; frame-ancestors 'none'")
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "no-referrer"
        assert told["Cross-Origin-Opener-Policy"] == told["Cross-Origin-Resource-Policy"] == "same-origin"

    @pytest.mark.slow
    def test_a_space_is_shown_by_its_host_and_nobody_else(self, public):
        told = self.told(public, "/")
        assert "X-Frame-Options" not in told
        assert told["Content-Security-Policy"].endswith("; frame-ancestors https://huggingface.co")
        seen = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert [ask(public, "/", **seen, **{"Sec-Fetch-Dest": place})[0] for place in ("iframe", "object")] == [
            200,
            403,
        ]

    def test_the_policy_lists_the_inline_scripts_of_a_page_and_no_others(self):
        page = b'<script>1</script><script type="module" src="a.js"></script><script data-x>\n2</script>'
        scripts = next(each for each in headers.policy(page).split("; ") if each.startswith("script-src"))
        assert scripts == (
            "script-src 'self' 'unsafe-eval' 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=' "
            "'sha256-kCSv90ewvHGK5blxNkGWfoCgvxu6azHCPqUBonYwcFo='"
        )
        assert headers.policy().split("; ") == [
            "default-src 'none'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:", "font-src 'self'",
            "connect-src 'self'", "manifest-src 'self'", "object-src 'none'", "base-uri 'self'", "form-action 'none'",
            "script-src 'self' 'unsafe-eval'", "frame-ancestors 'none'",
        ]  # fmt: skip

    def test_a_page_that_comes_in_pieces_arrives_whole(self):
        async def app(scope, receive, send):
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}
            await send(start)
            await send({"type": "http.response.body", "body": b"<script>", "more_body": True})
            await send({"type": "http.response.body", "body": b"1</script>"})

        reply = TestClient(guard._Guard(app, "127.0.0.1"), base_url="http://127.0.0.1").get("/")
        assert reply.text == "<script>1</script>"
        assert "'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='" in reply.headers["Content-Security-Policy"]

    def test_a_browser_gets_one_cookie_with_its_first_page(self):
        client = TestClient(guard._Guard(HTMLResponse("x"), "127.0.0.1"), base_url="http://127.0.0.1")
        first, *others = (client.get("/") for _ in range(2))
        parts = first.headers["Set-Cookie"].split("; ")
        assert parts[1:] == ["Path=/", "Max-Age=34560000", "HttpOnly", "SameSite=Strict"]
        assert len(parts[0]) == len(f"{guard.COOKIE}=") + 32
        assert "Set-Cookie" not in others[0].headers

    def test_every_tab_works_within_the_policy(self, desk, serve, browser):
        tab, said = browser.new_page(), []
        tab.on("console", lambda message: said.append(message.text))
        tab.add_init_script(
            "window.refused = [];"
            "addEventListener('securitypolicyviolation', (event) => window.refused.push(event.violatedDirective));"
        )
        tab.goto(serve(desk))
        stage = tab.locator("#label-screen .stage[data-shown]")
        for key in "kcsk":
            shown = stage.get_attribute("data-shown")
            tab.keyboard.press(key)
            tab.wait_for_function(
                "(shown) => document.querySelector('#label-screen .stage').dataset.shown !== shown", arg=shown
            )
        tab.keyboard.press("m")
        tab.get_by_role("tab", name="Review").click()
        cell = tab.locator("#review-screen .cell").first
        cell.click()
        tab.keyboard.press("c")
        for name in ("Check", "Improve", "Cull"):
            tab.get_by_role("tab", name=name).click()
            tab.locator(".screen:visible").first.wait_for()
        tab.get_by_role("heading", name="Close calls").wait_for()
        assert len(desk.session.labels()) == 4
        assert (tab.evaluate("refused"), said) == ([], [])

        tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"owned = true\">')")
        tab.wait_for_function("refused.length")
        assert tab.evaluate("[refused, window.owned]") == [["script-src-attr"], None]
        tab.context.close()


class TestGuesses:
    @pytest.fixture
    def now(self):
        return [1000.0]

    @pytest.fixture
    def tries(self, now):
        return guesses.Guesses(lambda: now[0])

    def test_after_five_wrong_ones_each_pause_is_twice_the_last_up_to_a_minute(self):
        assert [guesses.pause(wrong, 5) for wrong in range(13)] == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
        assert guesses.pause(10**9, 5) == 60

    def test_a_pause_ends_by_itself_and_with_the_right_one(self, tries, now):
        for _ in range(5):
            assert tries.wait("a") == 0
            tries.wrong("a")
        assert (tries.wait("a"), tries.wait("b")) == (1, 0)
        now[0] += 1
        assert tries.wait("a") == 0
        tries.wrong("a")
        assert tries.wait("a") == 2
        tries.right("a")
        assert tries.wait("a") == 0
        tries.wrong("a")
        assert tries.wait("a") == 0

    def test_wrong_ones_are_forgotten_after_a_while(self, tries, now):
        for _ in range(9):
            tries.wrong("a")
        now[0] += guesses.FORGOTTEN + 1
        tries.wrong("a")
        assert tries.wait("a") == 0

    def test_thousands_of_addresses_have_to_wait_together_but_not_who_knew_it_before(self, tries):
        tries.right("known")
        for number in range(guesses.FREE_IN_ALL):
            tries.wrong(f"address {number}")
        assert (tries.wait("new"), tries.wait("known")) == (1, 0)

    def test_memory_is_bounded(self, tries):
        for number in range(guesses._ADDRESSES + 10):
            tries.wrong(f"wrong {number}")
            tries.right(f"right {number}")
        assert (len(tries._tallies), len(tries._right)) == (guesses._ADDRESSES, guesses._ADDRESSES)


class TestPassword:
    PATHS = ("/", "/config", "/theme.css", "/report/curves.png", "/photos/x/320", "/photos/x/sharpness", "/assets/x.js",
             "/scripts/x/label.js", "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/heartbeat/x",
             "/gradio_api/file=x", "/nonsense")  # fmt: skip

    @pytest.mark.slow
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

    def test_guesses_have_to_wait_and_are_not_looked_at_meanwhile(self):
        now = [0.0]
        made = guard._Guard(PlainTextResponse("open"), "127.0.0.1", "anna:secret", clock=lambda: now[0])
        mallory, anna = (TestClient(made, "http://127.0.0.1", client=(name, 1)) for name in ("10.0.0.1", "10.0.0.2"))

        def tried(client, password):
            reply = client.get("/", headers={"Authorization": basic(f"anna:{password}")})
            return reply.status_code, reply.headers.get("Retry-After")

        assert [tried(mallory, number) for number in range(6)] == [(401, None)] * 5 + [(429, "1")]
        assert tried(mallory, "secret") == (429, "1")
        assert mallory.get("/").status_code == 401  # who says nothing guesses nothing
        assert mallory.get("/", headers={"Authorization": "Bearer x"}).status_code == 401
        assert tried(anna, "secret") == (200, None)
        now[0] += 0.5
        assert tried(mallory, "secret") == (429, "1")
        now[0] += 0.5
        assert [tried(mallory, "wrong"), tried(mallory, "wrong")] == [(401, None), (429, "2")]
        now[0] += 2
        assert tried(mallory, "secret") == (200, None)
        assert [tried(mallory, number) for number in range(6)] == [(401, None)] * 5 + [(429, "1")]

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
        tab.get_by_role("tab", name="Improve").click()
        tab.get_by_text("1 answer.").wait_for(timeout=15_000)  # from the timer
        assert [url for url in refused if "/photos/" not in url] == []
