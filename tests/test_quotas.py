"""How much one may ask the server for, and whose a session is: real requests, and the rules as functions."""

import asyncio
import json
import select
import socket
import threading
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from conftest import WARM, ask, fill_stage, save_photo
from pages import close, start

from imlcull_al.session import workspaces
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui import api, bodies, connections, quotas, streams

pytestmark = pytest.mark.slow

JSON = "application/json"
CALLS = [f"/gradio_api/{name}" for name in ("run/label", "call/label", "queue/join", "cancel", "reset")]
READING = [("/act/label", bodies.ANSWER), *((path, bodies.CALL) for path in CALLS)]
ROUTES = [*READING, ("/gradio_api/info", bodies.CALL), ("/config", 0), ("/", 0), ("/report/x.png", 0)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    root = tmp_path_factory.mktemp("bounds")
    fill_stage(root / "project" / "stage_1", 2, 2)
    return Desk(open_session(root / "project", model="builtin", cache_dir=root / "cache", prepare=False))


@pytest.fixture(scope="module")
def address(desk, keep_serving):
    return keep_serving(desk, alone=True)  # what one test uses up, no other page lacks


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(workspaces, "FREE", 0)
    yield Workspaces(tmp_path_factory.mktemp("public"), "builtin")
    patch.undo()


@pytest.fixture(scope="module")
def public(places, keep_serving):
    return keep_serving(places)


@pytest.fixture
def visitor(places):
    """Makes a visitor with one photo; the header of their cookie."""

    def visitor():
        token = places.create()
        save_photo(places.find(token).stage.folder / "a.jpg", WARM)
        return {"Cookie": f"imlcull_workspace={token}"}

    return visitor


def post(address, path, asked, **headers):
    """Status, and the object that was sent back."""
    status, body = ask(address, path, "POST", json.dumps(asked), Content_Type=JSON, **headers)
    return status, json.loads(body) if body.startswith(b"{") else body.decode()


def line_to(address):
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def status_of(line):
    """The status of the reply on a connection; 0 where it was closed, or reset, without one."""
    try:
        first = line.recv(100)
    except ConnectionResetError:
        return 0
    return int(first.split()[1]) if first else 0


def head(address, path, *fields, method="POST"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(address).netloc}", f"Content-Type: {JSON}", *fields, "", ""]
    return "\r\n".join(lines).encode()


class TestBodies:
    @pytest.mark.parametrize(("path", "most"), ROUTES)
    def test_each_route_has_a_bound_and_a_stranger_s_is_small(self, path, most):
        assert bodies.longest(path, is_stranger=False) == most
        assert bodies.longest(path, is_stranger=True) == min(most, 8_000)

    @pytest.mark.parametrize(("path", "most"), ROUTES)
    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_one_that_is_announced_too_long_is_not_waited_for(self, address, path, most, method):
        with line_to(address) as line:
            line.sendall(head(address, path, f"Content-Length: {most + 1}", method=method))
            assert status_of(line) == 413

    @pytest.mark.parametrize(("path", "most"), READING)
    def test_one_that_comes_in_pieces_is_counted(self, address, path, most):
        with line_to(address) as line:
            line.sendall(head(address, path, "Transfer-Encoding: chunked"))
            for _ in range(most // 50_000 + 1):
                line.sendall(b"C350\r\n" + bytes(50_000) + b"\r\n")
            line.sendall(b"C350\r\n" + bytes(50_000) + b"\r\n")
            assert status_of(line) == 413  # more would come

    def test_a_stranger_on_a_public_page_may_send_little(self, public, visitor):
        long = {"data": ["x" * bodies.STRANGER]}
        for path in ("/gradio_api/run/status", "/gradio_api/call/status", "/gradio_api/queue/join", "/act/label"):
            assert post(public, path, long)[0] == 413, path
            assert post(public, path, long, Cookie="imlcull_workspace=made-up")[0] == 413, path
            assert post(public, path, long, **visitor())[0] != 413, path

    def test_what_is_held_is_bounded_in_all_and_given_back(self):
        room = bodies.Room(100)

        def coming(*sizes):
            parts = [{"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes]

            async def receive():
                return parts.pop(0) if parts else {"type": "http.request", "body": b"", "more_body": False}

            return bodies.Body(receive, 90, room)

        async def all_of_it():
            first, second, third = coming(40, 40), coming(30), coming(30)
            assert len(await first.whole()) == 80
            assert (await second.whole(), second.refusal.status_code) == (b"", 503)
            second.close()
            first.close()
            assert (len(await third.whole()), third.refusal, room.taken) == (30, None, 30)
            third.close()

        asyncio.run(all_of_it())
        assert room.taken == 0

    def test_patience_ends_with_a_pause_or_a_trickle(self):
        assert bodies.patience(0, 0) == bodies.PATIENCE == 20
        assert bodies.patience(0, 15) == 5
        assert bodies.patience(1_000, 30) == 0
        assert bodies.patience(200_000, 90) == 20
        assert bodies.patience(10**9, 0) == 20

    @pytest.mark.parametrize("path", ["/act/label", "/gradio_api/run/label", "/gradio_api/queue/join"])
    def test_one_that_stops_coming_is_told_so(self, address, monkeypatch, path):
        monkeypatch.setattr(bodies, "PATIENCE", 0.05)
        with line_to(address) as line:
            line.sendall(head(address, path, "Content-Length: 100") + b'{"data": [')
            assert status_of(line) == 408

    def test_an_upload_that_stops_coming_leaves_nothing(self, public, places, monkeypatch):
        monkeypatch.setattr(bodies, "PATIENCE", 0.05)
        before = sorted(places.folder.iterdir())
        with line_to(public) as line:
            sent = head(public, "/upload?name=a.jpg", "Content-Length: 1000").replace(
                JSON.encode(), b"application/octet-stream"
            )
            line.sendall(sent + bytes(500))
            assert status_of(line) == 408
        assert sorted(places.folder.iterdir()) == before

    def test_half_of_one_is_not_acted_on(self):
        async def receive():
            return {"type": "http.disconnect"}

        body = bodies.Body(receive, 90, bodies.Room())
        assert (asyncio.run(body.whole()), body.refusal.status_code) == (b"", 400)


class TestConnections:
    @pytest.fixture
    def lines(self):
        with ExitStack() as stack:
            yield lambda address: stack.enter_context(line_to(address))

    def test_one_whose_headers_do_not_come_is_closed(self, address, lines, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", 0.05)
        silent, half = lines(address), lines(address)
        half.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert [status_of(silent), status_of(half)] == [0, 0]

    def test_a_trickle_is_no_reason_to_wait_longer(self, address, lines, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", 0.05)
        line = lines(address)
        line.sendall(b"GET / HTTP/1.1\r\n")
        with suppress(ConnectionError):  # it may be closed between the look and the byte
            while not select.select([line], [], [], 0.001)[0]:
                line.sendall(b"X")
        assert status_of(line) == 0

    def test_a_second_request_has_a_deadline_too(self, address, lines, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", 1)
        line = lines(address)
        line.sendall(head(address, "/gradio_api/app_id", method="GET"))
        assert status_of(line) == 200
        line.sendall(b"GET / HTTP/1.1\r\nHost:")
        while line.recv(10_000):  # the rest of the reply
            pass

    def test_many_half_sent_ones_make_room_for_a_whole_one(self, address, lines):
        half = [lines(address) for _ in range(connections.MOST_OF_ONE)]
        for line in half:
            line.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert ask(address, "/gradio_api/app_id")[0] == 200
        assert status_of(half[0]) == 0

    def test_the_oldest_that_asks_for_nothing_is_closed_first(self):
        closed = []

        class Made:
            def __init__(self, name, waits=True):
                self.name, self.is_waiting = name, waits

            def give_up(self):
                closed.append(self.name)

        crowd = connections.Connections(most=4, most_of_one=2)
        busy, idle = Made("busy", waits=False), Made("idle")
        assert crowd.add(busy, "a")
        assert crowd.add(idle, "a")
        assert crowd.add(Made("other", waits=False), "a")
        assert closed == ["idle"]
        assert not crowd.add(Made("one more"), "a")  # both are being answered
        assert crowd.add(Made("first of b"), "b")
        assert crowd.add(Made("first of c"), "c")
        assert crowd.add(Made("first of d"), "d")
        assert closed == ["idle", "first of b"]
        crowd.remove(busy)
        assert crowd.add(Made("again"), "a")


class TestCalls:
    @pytest.fixture
    def held(self, monkeypatch):
        """While it is not set, no call of `status` ends."""
        gate = threading.Event()
        monkeypatch.setattr(api, "_status", lambda desk: gate.wait(30) and {})
        yield gate
        gate.set()

    def test_only_so_many_wait_and_they_make_room_when_they_end(self, address, held):
        replies = [post(address, "/gradio_api/call/status", {"data": []}) for _ in range(streams.MOST + 5)]
        assert [status for status, _ in replies] == [200] * streams.MOST + [429] * 5
        assert replies[-1][1] == "You have too many open calls. Wait until some have ended."
        assert ask(address, "/gradio_api/app_id")[0] == 200  # others are served
        held.set()
        for _, said in replies[: streams.MOST]:
            assert b"complete" in ask(address, f"/gradio_api/call/status/{said['event_id']}")[1]
        assert post(address, "/gradio_api/call/status", {"data": []})[0] == 200

    def test_results_that_nobody_reads_are_thrown_away(self, address):
        for _ in range(streams.MOST * 2):
            status, said = post(address, "/gradio_api/call/status", {"data": []})
            assert status in (200, 429)  # as fast as they are done
        assert b"complete" in ask(address, f"/gradio_api/call/status/{said['event_id']}")[1]

    def test_a_stranger_may_have_few_streams(self, public, visitor):
        with ExitStack() as stack:

            def stream(number, *fields):
                line = stack.enter_context(line_to(public))
                line.sendall(head(public, f"/gradio_api/heartbeat/page{number}", *fields, method="GET"))
                return status_of(line)

            seen = [stream(number) for number in range(streams.STRANGERS + 2)]
            assert seen == [200] * streams.STRANGERS + [429] * 2
            assert stream("known", f"Cookie: {visitor()['Cookie']}") == 200

    def test_what_gradio_keeps_is_bounded(self, desk):
        page = start(desk)
        try:
            assert page._queue.max_size == streams.CALLS_IN_ALL
            assert page.server_app.state_holder.capacity == streams.SESSIONS
        finally:
            close(page)


class TestSessions:
    """Everything that Gradio does for whoever says a session's name, asked for by somebody else."""

    def test_of_two_visitors(self, public, visitor):
        anna, bert = visitor(), visitor()
        status, said = post(public, "/gradio_api/call/status", {"data": [], "session_hash": "annas"}, **anna)
        assert status == 200
        event = said["event_id"]
        for other in (bert, {}, {"Cookie": "imlcull_workspace=made-up"}):
            self.refused(public, "annas", event, other)
        assert b'"photos": 1' in ask(public, f"/gradio_api/call/status/{event}", **anna)[1]

    def test_of_two_browsers(self, address):
        anna, bert = ({"Cookie": f"{quotas.COOKIE}={name}"} for name in ("anna", "bert"))
        _, said = post(address, "/gradio_api/call/status", {"data": [], "session_hash": "hers"}, **anna)
        for other in (bert, {}):
            self.refused(address, "hers", said["event_id"], other)
        assert b'"photos": 4' in ask(address, f"/gradio_api/call/status/{said['event_id']}", **anna)[1]

    def refused(self, address, session, event, other):
        for path in (
            f"/gradio_api/queue/data?session_hash={session}",
            f"/gradio_api/queue/data?session_hash=x&session_hash={session}",
            f"/gradio_api/queue/data?session_hash={event}",
            f"/gradio_api/call/status/{event}",
            f"/gradio_api/call/v2/status/{event}",
            f"/gradio_api/call/status/{session}",
            f"/gradio_api/heartbeat/{session}",
            "/gradio_api/queue/data?session_hash=nobodys",
        ):
            assert ask(address, path, **other)[0] == 404, path
        for path, asked in (
            ("queue/join", {"data": [], "fn_index": 0, "session_hash": session}),
            ("run/status", {"data": [], "session_hash": session}),
            ("call/status", {"data": [], "session_hash": session}),
            ("cancel", {"session_hash": session, "fn_index": 0, "event_id": event}),
            ("cancel", {"session_hash": "x", "fn_index": 0, "event_id": event}),
            ("reset", {"event_id": event}),
        ):
            assert post(address, f"/gradio_api/{path}", asked, **other)[0] == 404, path

    def test_a_page_keeps_its_session_when_its_visitor_gets_a_workspace(self, public, visitor):
        page = f"{quotas.COOKIE}=page"
        asked = {"data": [], "session_hash": "early"}
        assert post(public, "/gradio_api/call/status", asked, Cookie=page)[0] == 200
        assert post(public, "/gradio_api/call/status", asked, Cookie=f"{page}; {visitor()['Cookie']}")[0] == 200


class TestStreams:
    @pytest.fixture
    def queue(self):
        return SimpleNamespace(pending_messages_per_session={}, pending_event_ids_session={}, event_ids_to_events={})

    def test_a_name_is_whose_it_was_first(self, queue):
        made = streams.Streams(queue)
        assert not made.owns("a", "anna")
        assert made.claim("a", "anna", "here")
        assert made.claim("a", "anna", "there")
        assert not made.claim("a", "bert", "here")
        assert (made.owns("a", "anna"), made.owns("a", "bert")) == (True, False)
        assert not made.claim("x" * 101, "anna", "here")

    def test_memory_is_bounded_and_nobody_drives_out_another_s(self, queue):
        made = streams.Streams(queue)
        made.claim("anna's", "anna", "anna's place")
        queue.pending_event_ids_session["0"] = set()
        for number in range(streams._NAMES + 1):
            made.claim(str(number), "bert", "bert's place")
        assert made.owns("anna's", "anna")
        assert not made.owns("0", "bert")
        assert queue.pending_event_ids_session == {}
        for number in range(streams._CALLERS):
            made.claim(f"name {number}", "carl", f"place {number}")
        assert (len(made._owners), len(made._payers)) == (streams._CALLERS, streams._CALLERS)

    def test_calls_are_counted_until_somebody_reads_what_came_of_them(self, queue):
        made = streams.Streams(queue)
        made.claim("page", "anna", "here")
        made.claim("script", "anna", "here")
        queue.pending_event_ids_session |= {"page": {"1", "2"}, "script": {"3"}, "another's": {"4", "5"}}
        queue.pending_messages_per_session |= {"script": ["a result"]}
        queue.event_ids_to_events |= {"1": None, "2": None}
        with made.one("call", "here", 4) as first, made.one("call", "here", 4) as second:
            assert (first, second) == (True, True)  # for the second, the result of 3 was thrown away
            with made.one("call", "here", 4) as third, made.one("stream", "here", 4) as other:
                assert (third, other) == (False, True)
        assert queue.pending_messages_per_session == {}
        assert queue.pending_event_ids_session == {"page": {"1", "2"}, "another's": {"4", "5"}}
        assert made._open == {}
