"""The public page: isolation of two visitors by real requests, then a whole visit in Chromium."""

import http.client
import io
import json
import os
import re
import socket
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from conftest import COLD, WARM, save_photo
from PIL import Image
from starlette.requests import Request

from imlcull_al import errors
from imlcull_al.errors import UploadRefused
from imlcull_al.project.archives import Limits
from imlcull_al.session import incoming
from imlcull_al.session import workspaces as module
from imlcull_al.session.desk import EMBEDDING
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.turns import Turns
from imlcull_al.ui import serving, visitors

pytestmark = pytest.mark.slow

BYTES = "application/octet-stream"
ZIP = {"photo": 100_000, "total": 1_000_000, "files": 60}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "FREE", 0)
    yield Workspaces(tmp_path_factory.mktemp("public") / "data", "builtin", Limits(**ZIP))
    patch.undo()


@pytest.fixture(scope="module")
def address(places, keep_serving):
    return keep_serving(places)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return save_photo(tmp_path_factory.mktemp("photo") / "a.jpg", WARM).read_bytes()


def ask(address, path, method="GET", body=None, cookie="", **headers):
    """Response and body."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {**({"Cookie": cookie} if cookie else {}), **named})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def zipped(files) -> bytes:
    """A zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def send(address, name, body, cookie="", **headers):
    """Response to an upload, and its JSON."""
    path = f"/upload?name={quote(name)}"
    reply, said = ask(address, path, "POST", body, cookie, **{"Content_Type": BYTES, **headers})
    return reply, json.loads(said)


def calls(address, session):
    """Requests that call every handler of the page, with nothing as input and with the values of a new page.

    The timer's comes first, before buttons start jobs.
    """
    config = json.loads(ask(address, "/config")[1])
    values = {each["id"]: each["props"].get("value") for each in config["components"]}
    for each in sorted(config["dependencies"], key=lambda each: "tick" not in [event for _, event in each["targets"]]):
        for data in ([None for _ in each["inputs"]], [values[number] for number in each["inputs"]]):
            yield json.dumps({"data": data, "fn_index": each["id"], "session_hash": session, "trigger_id": None})


def heard(line):
    """Response on an open connection, and its body."""
    reply = http.client.HTTPResponse(line)
    reply.begin()
    return reply, reply.read()


def wait_until(is_so):
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def given(reply) -> str:
    """Cookie set by a response, as a Cookie header value."""
    return (reply.getheader("Set-Cookie") or "").partition(";")[0]


def token(cookie) -> str:
    return cookie.partition("=")[2]


@pytest.fixture
def anna(address, photo, places):
    """Cookie of a visitor with one photo."""
    cookie = given(send(address, "a.jpg", photo)[0])
    yield cookie
    ask(address, "/workspace", "DELETE", cookie=cookie)


@pytest.fixture
def bert(address, photo):
    cookie = given(send(address, "b.jpg", photo)[0])
    yield cookie
    ask(address, "/workspace", "DELETE", cookie=cookie)


class TestCookie:
    def test_no_script_and_no_other_site_gets_it(self, address, photo):
        reply, said = send(address, "a.jpg", photo)
        assert said == {"new": 1, "known": 0, "passed_over": 0, "error": ""}
        parts = set(reply.getheader("Set-Cookie").split("; ")[1:])
        assert parts == {"Path=/", "Max-Age=86400", "HttpOnly", "SameSite=Strict"}

    def test_on_a_space_it_is_kept_in_a_frame(self, address, photo):
        reply, _ = send(address, "a.jpg", photo, X_Forwarded_Proto="https")
        parts = set(reply.getheader("Set-Cookie").split("; ")[1:])
        assert parts == {"Path=/", "Max-Age=86400", "HttpOnly", "SameSite=None", "Secure", "Partitioned"}

    def test_every_look_makes_it_last_as_long_as_the_workspace(self, address, anna):
        reply, body = ask(address, "/workspace", cookie=anna)
        assert given(reply) == anna
        assert reply.getheader("Cache-Control") == "no-store"
        assert json.loads(body)["files"] == 1

    def test_deleting_takes_it_back(self, address, photo, places):
        cookie = given(send(address, "a.jpg", photo)[0])
        folder = places.find(token(cookie)).folder
        reply, body = ask(address, "/workspace", "DELETE", cookie=cookie)
        assert json.loads(body) == {"error": ""}
        assert reply.getheader("Set-Cookie").startswith(f"{visitors.COOKIE}=; Path=/; Max-Age=0;")
        assert not folder.exists()
        assert "or they were deleted" in json.loads(ask(address, "/workspace", cookie=cookie)[1])["error"]

    @pytest.mark.parametrize("value", ["", "../..", "x", "%00", '"', "=;=", "\xff", "x" * 10_000])
    def test_a_wrong_one_opens_nothing(self, address, anna, value):
        cookie = f"{visitors.COOKIE}={value}"
        assert json.loads(ask(address, "/workspace", cookie=cookie)[1])["error"]
        assert ask(address, "/workspace.zip", cookie=cookie)[0].status == 404


class TestTwoVisitors:
    """Request everything of Anna's with Bert's cookie, and with none."""

    @pytest.fixture(params=["Bert", "nobody"])
    def other(self, request, bert):
        return bert if request.param == "Bert" else ""

    def test_photos(self, address, places, anna, other):
        session = places.find(token(anna)).desk.session
        for size in (serving.SMALL, serving.SCREEN, serving.FULL):
            path = f"/{serving.photo_url(session, 'a.jpg', size)}"
            reply, _ = ask(address, path, cookie=anna)
            assert (reply.status, reply.getheader("Content-Type")) == (200, "image/jpeg")
            assert reply.getheader("X-Content-Type-Options") == "nosniff"
            assert "private" in reply.getheader("Cache-Control")
            assert ask(address, path, cookie=other)[0].status == 404

    def test_report(self, address, places, anna, other):
        report = places.find(token(anna)).desk.session.stage.report
        report.mkdir(exist_ok=True)
        Image.new("RGB", (4, 3)).save(report / "curves.png")
        assert ask(address, "/report/curves.png", cookie=anna)[0].status == 200
        assert ask(address, "/report/curves.png", cookie=other)[0].status == 404

    def test_zip(self, address, places, anna, other):
        places.find(token(anna)).desk.session.answer("a.jpg", "keep")
        reply, body = ask(address, "/workspace.zip", cookie=anna)
        assert (reply.status, reply.getheader("Content-Type")) == (200, "application/zip")
        assert reply.getheader("Content-Disposition") == 'attachment; filename="stage_1.zip"'
        assert reply.getheader("Cache-Control") == "no-store"
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.read("stage_1_cull_labels.csv") == b"image_name,label\na.jpg,keep\n"
        assert b"a.jpg" not in ask(address, "/workspace.zip", cookie=other)[1]

    def test_presses(self, address, places, anna, other):
        def press(cookie, what):
            asked = json.dumps(what)
            return json.loads(ask(address, "/act/presses", "POST", asked, cookie, Content_Type="application/json")[1])

        visitor = "00000000-0000-0000-0000-000000000001"
        answer = {"number": 1, "do": "answer", "key": "a.jpg", "label": "cull", "queue": "files"}
        look = {"visitor": visitor, "presses": [answer]}
        said = press(other, look)
        assert said["error"] or said["refused"]
        assert places.find(token(anna)).desk.session.labels() == {}
        assert press(anna, look)["refused"] == []
        assert places.find(token(anna)).desk.session.labels() == {"a.jpg": "cull"}

    def test_functions_of_the_api(self, address, anna, other):
        def call(name, cookie, *values):
            asked = json.dumps({"data": values})
            path = f"/gradio_api/run/{name}"
            return ask(address, path, "POST", asked, cookie, Content_Type="application/json")[1]

        assert b"a.jpg" in call("next_batch", anna, 1, "files")
        for name, values in (("next_batch", (1, "files")), ("scores", (0.5,)), ("label", ("a.jpg", "keep", None))):
            said = call(name, other, *values)
            assert b'"data":' not in said or b"a.jpg" not in said, name

    def test_every_handler_of_the_page(self, address, places, anna, other):
        """No call, by any route, reads or changes anything of Anna's."""
        desk = places.find(token(anna)).desk
        desk.jobs.wait(30, EMBEDDING)
        number = desk.jobs.state().number
        for call in calls(address, "a"):
            said = ask(address, "/gradio_api/run/predict", "POST", call, other, Content_Type="application/json")[1]
            assert b"a.jpg" not in said, call
            assert b"Traceback" not in said
        assert desk.jobs.state().number == number

    def test_a_second_upload_stays_in_its_own(self, address, places, anna, bert, photo):
        send(address, "c.jpg", photo, bert)
        names = [sorted(path.name for path in places.find(token(who)).stage.folder.iterdir()) for who in (anna, bert)]
        assert names == [["a.jpg"], ["b.jpg", "c.jpg"]]


class TestUpload:
    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, places):
        before = self.left(places)
        yield
        assert self.left(places) == before

    def left(self, places):
        """All files on disk except caches."""
        # Unlike `rglob`, tolerates a folder being deleted meanwhile.
        every = ((at, [*folders, *files]) for at, folders, files in os.walk(places.folder))
        found = (Path(at, name).relative_to(places.folder) for at, names in every for name in names)
        return sorted(path.as_posix() for path in found if "cache" not in path.parts)

    @pytest.mark.parametrize(
        ("name", "body", "says"),
        [
            ("../../a.jpg", b"x", "leaves its folder"),
            ("a.zip", b"no zip", "damaged"),
            ("a.jpg", bytes(100_001), "larger than"),
            ("a.jpg", b"x", "Nothing here can be shown: a.jpg: "),
            ("a.NEF", b"a RAW file, say", "Nothing here can be shown: a.NEF: "),
            (
                "a.xmp",
                b"<x/>",
                "Nothing here can be shown yet. Send a photo first, then its raw or XMP sidecar; no other companions "
                "are taken.",
            ),
            ("a.zip", zipped({"a.jpg": b"x", "b.NEF": b"x"}), "Nothing here can be shown: a.jpg: "),
            ("a.zip", bytes(1_000_001), "larger than"),
            ("a.txt", b"x", ""),
            ("", b"x", "leaves its folder"),
            ("\0.jpg", b"x", "control character"),
        ],
    )
    def test_what_is_refused_makes_no_workspace(self, address, name, body, says):
        reply, said = send(address, name, body)
        assert reply.status == 200
        assert says in said["error"]
        assert given(reply) == ""

    def test_one_without_a_length_is_refused_long_before_its_end(self, address):
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            head = f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
            line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(20):
                line.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            assert b"larger than" in heard(line)[1]  # refused before the rest arrives

    def test_one_that_breaks_off_leaves_nothing(self, address, places, photo):
        before = self.left(places)
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            head = f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
            line.sendall(f"{head}Content-Length: 90000\r\n\r\n".encode() + bytes(70_000))
            until = time.monotonic() + 20
            while self.left(places) == before:  # until its first half is on disk
                assert time.monotonic() < until
                time.sleep(0.01)
        while self.left(places) != before:
            assert time.monotonic() < until
            time.sleep(0.01)

    @pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/json"])
    def test_a_form_is_refused(self, address, photo, kind):
        reply, _ = ask(address, "/upload?name=a.jpg", "POST", photo, Content_Type=kind)
        assert reply.status == 415

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
            {"Host": "evil.example"},
        ],
    )
    @pytest.mark.parametrize(
        ("path", "method"),
        [
            ("/upload?name=c.jpg", "POST"),
            ("/workspace", "GET"),
            ("/workspace", "DELETE"),
            ("/workspace/open", "POST"),
            ("/workspace.zip", "GET"),
        ],
    )
    def test_other_sites_are_turned_away(self, address, photo, headers, path, method):
        reply, _ = ask(address, path, method, photo, **{"Content_Type": BYTES, **headers})
        assert reply.status == 403

    def test_gradio_s_own_upload_stays_shut(self, address):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
        reply, _ = ask(address, "/gradio_api/upload", "POST", body, Content_Type="multipart/form-data; boundary=x")
        assert reply.status == 404


def test_a_refused_upload_leaves_a_workspace_as_it_was(address, places, anna):
    reply, said = send(address, "b.zip", b"no zip", anna)
    assert "damaged" in said["error"]
    assert given(reply) == anna
    assert [path.name for path in places.find(token(anna)).stage.folder.iterdir()] == ["a.jpg"]


def test_others_are_served_while_a_large_upload_comes(address, photo, monkeypatch):
    """The page stays responsive between any two chunks."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        head = f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
        body = photo + bytes(90_000 - len(photo))
        line.sendall(f"{head}Content-Length: 90000\r\n\r\n".encode() + body[:50_000])
        assert ask(address, "/workspace")[0].status == 200
        line.sendall(body[50_000:])
        reply, said = heard(line)
    assert b'"new":1' in said
    ask(address, "/workspace", "DELETE", cookie=given(reply))


class TestCrowds:
    """Its own server with few places; each sender has its own address, as reported by a Space's proxy."""

    @pytest.fixture
    def places(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SPACE_ID", "me/here")
        for name, value in {"FREE": 0, "MOST": 6, "EACH": 3}.items():
            monkeypatch.setattr(module, name, value)
        return Workspaces(tmp_path / "data", "builtin", Limits(**ZIP))

    @pytest.fixture
    def address(self, places, serve):
        return serve(places)

    def test_bytes_that_are_no_photo_take_no_place(self, address, places, photo):
        for number in range(2 * module.MOST):
            assert "Nothing here" in send(address, "a.jpg", b"x", X_Forwarded_For=f"1.1.1.{number}")[1]["error"]
        reply, said = send(address, "a.jpg", photo, X_Forwarded_For="2.2.2.2")
        assert (said["new"], bool(given(reply))) == (1, True)
        assert len(list(places.folder.iterdir())) == 1

    def test_one_address_fills_its_share_and_no_more(self, address, photo):
        said = [send(address, "a.jpg", photo, X_Forwarded_For=f"{n}.9.9.9, 1.1.1.1")[1]["error"] for n in range(10)]
        assert said[:3] == [""] * 3
        assert all("3 people at your address" in each for each in said[3:])
        assert send(address, "a.jpg", photo, X_Forwarded_For="2.2.2.2")[1]["error"] == ""

    def test_an_archive_with_one_photo_among_others_takes_a_place(self, address, photo):
        body = zipped({"a.jpg": b"x", "b.NEF": b"raw", "c.jpg": photo})
        assert send(address, "a.zip", body)[1] == {"new": 3, "known": 0, "passed_over": 0, "error": ""}

    def test_unfinished_uploads_keep_nobody_out(self, address, places, photo):
        parts = urlsplit(address)
        head = (
            f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
            "X-Forwarded-For: 1.1.1.1\r\nContent-Length: 90000\r\n\r\n"
        )
        lines = [socket.create_connection((parts.hostname, parts.port), timeout=20) for _ in range(incoming.EACH)]
        for line in lines:
            line.sendall(head.encode() + photo[:100])
        wait_until(lambda: len(list(places.folder.glob("*/sent"))) == incoming.EACH)
        refused = send(address, "a.jpg", photo, X_Forwarded_For="1.1.1.1")[1]["error"]
        assert refused == "Your other photos are still being uploaded. Wait until they are done."
        assert send(address, "a.jpg", photo, X_Forwarded_For="2.2.2.2")[1]["error"] == ""
        for line in lines:
            line.close()
        wait_until(lambda: not list(places.folder.glob("*/sent")))
        assert send(address, "a.jpg", photo, X_Forwarded_For="1.1.1.1")[1]["error"] == ""

    def test_an_upload_that_no_longer_comes_ends(self, address, places, photo, monkeypatch):
        monkeypatch.setattr(visitors, "_PATIENCE", 0.2)
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            head = f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
            line.sendall(f"{head}Content-Length: 90000\r\n\r\n".encode() + photo[:100])
            assert b"The upload was too slow" in heard(line)[1]
        assert list(places.folder.iterdir()) == []

    def test_senders_are_known_again_after_a_restart(self, address, places, photo):
        for _ in range(3):
            send(address, "a.jpg", photo, X_Forwarded_For="1.1.1.1")
        again = Workspaces(places.folder, "builtin", Limits(**ZIP))
        with pytest.raises(UploadRefused, match="3 people at your address"), again.receive(sender="1.1.1.1"):
            pass
        assert not any(b"1.1.1.1" in path.read_bytes() for path in places.folder.glob("*/sender"))
        again.close()


class TestTurns:
    """Anna requests eighty photos at once, Bert one."""

    @pytest.fixture
    def flood(self, address, places, anna, bert, monkeypatch):
        """Starts once all of Anna's requests wait: previews begun, visitors queued, and a semaphore to proceed."""
        begun, joined, go_on, statuses = [], [], threading.Semaphore(0), []

        def preview(path, side):
            begun.append(path.name)
            assert go_on.acquire(timeout=30)
            return photos_preview(path, serving.SMALL)

        def join(turns, visitor, begin):
            joined.append(visitor)
            return turns_join(turns, visitor, begin)

        photos_preview, turns_join = serving.photos.preview, Turns.join
        session = places.find(token(anna)).desk.session
        places.find(token(bert)).desk.jobs.wait(30)
        places.find(token(anna)).desk.jobs.wait(30)
        monkeypatch.setattr(serving.photos, "preview", preview)
        monkeypatch.setattr(Turns, "join", join)
        path = f"/{serving.photo_url(session, 'a.jpg', serving.FULL)}"
        asking = [threading.Thread(target=lambda: statuses.append(ask(address, path, cookie=anna)[0].status))
                  for _ in range(80)]  # fmt: skip
        for thread in asking:
            thread.start()
        wait_until(
            lambda: joined.count(f"workspace {places.name_of(token(anna))}") == 2 * 80
        )  # to look it up, and to decode it
        wait_until(lambda: begun == ["a.jpg", "a.jpg"])
        yield SimpleNamespace(begun=begun, joined=joined, go_on=go_on)
        go_on.release(200)
        for thread in asking:
            thread.join(30)
        assert statuses == [200] * 80

    def test_the_next_turn_is_another_visitor_s(self, address, places, anna, bert, flood):
        session, seen = places.find(token(bert)).desk.session, []
        path = f"/{serving.photo_url(session, 'b.jpg', serving.FULL)}"
        before = flood.joined.count(f"workspace {places.name_of(token(bert))}")
        asking = threading.Thread(target=lambda: seen.append(ask(address, path, cookie=bert)[0].status))
        asking.start()
        wait_until(lambda: flood.joined.count(f"workspace {places.name_of(token(bert))}") == before + 2)
        flood.go_on.release()
        wait_until(lambda: len(flood.begun) == 3)
        assert flood.begun == ["a.jpg", "a.jpg", "b.jpg"]
        flood.go_on.release(200)
        asking.join(30)
        assert seen == [200]

    def test_answers_wait_for_no_picture(self, address, bert, flood):
        assert json.loads(ask(address, "/workspace", cookie=bert)[1])["files"] == 1
        look = {"do": "look", "visitor": "00000000-0000-0000-0000-000000000001", "queue": "files", "presses": []}
        _, body = ask(address, "/act/label", "POST", json.dumps(look), bert, Content_Type="application/json")
        assert json.loads(body)["photos"] == 1
        assert len(flood.begun) == 2


class TestDeleted:
    def test_the_old_cookie_begins_nothing_and_is_taken_back(self, address, places, photo):
        cookie = given(send(address, "a.jpg", photo)[0])
        ask(address, "/workspace", "DELETE", cookie=cookie)
        before = sorted(places.folder.iterdir())
        reply, said = send(address, "b.jpg", photo, cookie)
        assert said == {"error": "Your photos were deleted. Reload the page to start anew.", "gone": True}
        assert reply.getheader("Set-Cookie").startswith(f"{visitors.COOKIE}=; Path=/; Max-Age=0;")
        assert sorted(places.folder.iterdir()) == before
        assert ask(address, "/workspace", cookie=cookie)[0].getheader("Set-Cookie").startswith(f"{visitors.COOKIE}=;")

    def test_a_page_that_shows_the_old_photos_begins_nothing_without_a_cookie_either(self, address, places, photo):
        before = sorted(places.folder.iterdir())
        reply, body = ask(address, "/upload?name=a.jpg&into=mine", "POST", photo, Content_Type=BYTES)
        assert json.loads(body) == {"error": "Your photos were deleted. Reload the page to start anew.", "gone": True}
        assert (given(reply), sorted(places.folder.iterdir())) == ("", before)

    @pytest.mark.parametrize("name", ["b.jpg", "b.zip"])
    def test_in_the_middle_of_an_upload(self, address, places, photo, name):
        cookie = given(send(address, "a.jpg", photo)[0])
        before = {path.name for path in places.folder.iterdir()}
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
            head = f"POST /upload?name={name} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {BYTES}\r\n"
            line.sendall(f"{head}Cookie: {cookie}\r\nContent-Length: 90000\r\n\r\n".encode() + bytes(50_000))
            wait_until(lambda: list(places.folder.glob("*/sent")))
            ask(address, "/workspace", "DELETE", cookie=cookie)
            line.sendall(bytes(40_000))
            reply, said = heard(line)
        assert json.loads(said) == {"error": "Your photos were deleted. Reload the page to start anew.", "gone": True}
        assert reply.getheader("Set-Cookie").startswith(f"{visitors.COOKIE}=;")
        assert {path.name for path in places.folder.iterdir()} == before - {module._name(token(cookie))}

    def test_while_an_archive_is_unpacked(self, address, places, photo, monkeypatch):
        cookie = given(send(address, "a.jpg", photo)[0])
        folder, unpacks, go_on, said = places.find(token(cookie)).folder, threading.Event(), threading.Event(), []
        add = module.archives.add

        def slow(*arguments):
            unpacks.set()
            assert go_on.wait(30)
            return add(*arguments)

        monkeypatch.setattr(module.archives, "add", slow)
        body = zipped({"c.jpg": photo})
        sending = threading.Thread(target=lambda: said.append(send(address, "c.zip", body, cookie)[1]))
        sending.start()
        assert unpacks.wait(30)
        removing = threading.Thread(target=ask, args=(address, "/workspace", "DELETE"), kwargs={"cookie": cookie})
        removing.start()
        wait_until(lambda: not places.has(token(cookie)))
        go_on.set()
        sending.join(30)
        removing.join(30)
        assert said[0]["error"] == "Your photos were deleted. Reload the page to start anew."
        assert not folder.exists()


def every_error(*paths):
    """One error of each class, with a message that contains all `paths`."""
    kinds, found, named = [errors.ImlcullError], [], " ".join(map(str, paths))
    told = " ".join(f"Could not write {path}: no room. Look into {path.parent} ({path!r})." for path in paths)
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found.append(kind(told))
    return [*found, FileNotFoundError(2, "No such file", named), RuntimeError(f"{named} is odd"), KeyError(*paths)]


PLACES = ("stage_1/a.jpg", "stage_1_cull_labels.csv", "../cache/content_ids.h5", "../../.imlcull-0.tmp/sent", "../..")


class TestNoPathOfTheServerIsTold:
    @pytest.fixture(params=range(len(every_error(Path("/x")))), ids=lambda n: type(every_error(Path("/x"))[n]).__name__)
    def raised(self, request, places, anna):
        """An error of one kind that names files in different places."""
        project = places.find(token(anna)).project
        return every_error(*(Path(os.path.normpath(project / each)) for each in PLACES))[request.param]

    def replies(self, address, anna, photo):
        """Replies of every route to a visitor; the job's first, as opening the workspace restarts it."""
        yield ask(address, "/gradio_api/run/status", "POST", '{"data": []}', anna, Content_Type="application/json")
        yield send(address, "z.jpg", photo, anna)
        yield ask(address, "/workspace", cookie=anna)
        yield ask(address, "/workspace/open", "POST", cookie=anna)
        yield ask(address, "/workspace.zip", cookie=anna)
        for screen, does in (("label", "look"), ("review", "rows")):
            what = {"do": does, "visitor": "00000000-0000-0000-0000-000000000001", "queue": "files", "presses": []}
            yield ask(address, f"/act/{screen}", "POST", json.dumps(what), anna, Content_Type="application/json")
        for name, values in (("next_batch", (1, "files")), ("cull", (0.5, "copy", True))):
            asked = json.dumps({"data": values})
            yield ask(address, f"/gradio_api/run/{name}", "POST", asked, anna, Content_Type="application/json")

    def told(self, address, places, anna, photo):
        bodies = [body for _, body in self.replies(address, anna, photo)]
        said = b"".join(body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies).decode()
        assert str(places.folder.parents[1]) not in said
        return said

    def test_when_a_desk_can_not_be_opened(self, address, places, anna, photo, raised, monkeypatch):
        def refuse(*arguments):
            raise raised

        monkeypatch.setattr(module.Workspace, "desk", property(refuse))
        monkeypatch.setattr(module.Workspace, "add", refuse)
        monkeypatch.setattr(module.Workspace, "latest", property(refuse))
        self.told(address, places, anna, photo)

    def test_when_a_job_fails(self, address, places, anna, photo, raised):
        desk = places.find(token(anna)).desk

        def fail(progress, stop):
            raise raised

        desk.jobs.wait(30)
        desk.jobs.start(EMBEDDING, fail, yields=True)
        said = desk.jobs.wait(30, EMBEDDING).error
        assert said
        assert json.dumps(said) in self.told(address, places, anna, photo)

    def test_by_the_page_when_a_job_fails(self, address, places, anna, photo):
        """All polling handlers of the page, and all its buttons."""
        desk = places.find(token(anna)).desk

        def fail(progress, stop):
            raise errors.StorageError(f"Could not write {places.find(token(anna)).project / PLACES[0]}: no room.")

        desk.jobs.wait(30)
        desk.session.follow_disk()  # else the watcher sees new photos and starts another job
        desk.jobs.start(EMBEDDING, fail, yields=True)
        desk.jobs.wait(30)
        said = []
        for call in calls(address, token(anna)):
            path = "/gradio_api/run/predict"
            said.append(ask(address, path, "POST", call, anna, Content_Type="application/json")[1].decode())
        assert str(places.folder.parents[1]) not in "".join(said)
        assert "Could not write photos/stage_1/a.jpg: no room." in "".join(said)

    def test_of_the_model_and_the_program(self, tmp_path):
        found = Workspaces(tmp_path / "data", str(tmp_path / "weights"))
        text = f"Could not load {tmp_path / 'weights' / 'config.json'} with {module.__file__}."
        assert str(errors.EncoderError(text)) == "Could not load config.json with workspaces.py."
        found.close()

    def test_files_are_named_by_their_place_in_the_workspace(self, places, anna):
        project = places.find(token(anna)).project
        told = [str(errors.StorageError(f"Could not read {project / each}: gone.")) for each in PLACES[:2]]
        assert told == [f"Could not read photos/{each}: gone." for each in PLACES[:2]]
        assert str(errors.StorageError(f"Could not write {places.folder}: gone.")) == (
            "Could not write the workspace: gone."
        )
        for text in ("RAW/HEIC and/or 1/2 of http://127.0.0.1:1/x </p>", "Wait. / Go on."):
            assert str(errors.StageError(text)) == text


def test_no_field_takes_a_path(address):
    config = json.loads(ask(address, "/config")[1])
    kinds = {each["type"] for each in config["components"]}
    assert not kinds & {"textbox", "file", "fileexplorer", "uploadbutton", "image", "gallery", "code"}
    assert b"/tmp" not in ask(address, "/")[1]


def test_a_visit_in_chromium(address, places, visit, tmp_path):
    """Upload a zip of thirty photos and one oversized photo; label by keys, preview, cull, download, delete."""
    archive, chance = tmp_path / "holiday.zip", np.random.default_rng(0)
    with zipfile.ZipFile(archive, "w") as made:
        for number in range(30):
            level = WARM if number % 2 else COLD
            path = save_photo(tmp_path / f"{number:02}.jpg", level, int(chance.integers(1 << 30)))
            made.write(path, f"holiday/{number:02}.jpg")
        made.writestr("holiday/notes.txt", "no photo")
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(100_001))
    tab = visit(address)
    tab.get_by_text("Bring your photos").wait_for()
    assert tab.get_by_role("tab").all_inner_texts() == ["Photos"]
    tab.locator("#visitors-screen input.files").set_input_files([archive, large])
    tab.get_by_text("30 new photos. 1 other file was skipped.").wait_for()
    tab.get_by_text("large.jpg: It is larger than").wait_for()
    tab.get_by_text("30 files").wait_for()
    assert not tab.evaluate("document.cookie")  # HttpOnly

    tab.get_by_role("tab", name="Label").click()
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    (cookie,) = [each for each in tab.context.cookies() if each["name"] == visitors.COOKIE]
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (visitors.COOKIE, True, "Strict")
    workspace = places.find(cookie["value"])
    session = workspace.desk.session
    for number in range(8):
        before = len(session.labels())
        key = tab.locator("#label-screen .stage").get_attribute("data-shown")
        assert key
        tab.keyboard.press("k" if number % 2 else "c")
        tab.wait_for_function(
            "(before) => document.querySelector('#label-screen .stage').dataset.shown !== before", arg=key
        )
        until = time.monotonic() + 15
        while len(session.labels()) == before:
            assert time.monotonic() < until
            time.sleep(0.01)

    tab.get_by_role("tab", name="Cull").click()
    tab.get_by_role("button", name=re.compile(r"Copy \d+ keepers? to stage_2")).click()
    tab.get_by_role("button", name="Continue with the").wait_for()

    tab.get_by_role("tab", name="Photos").click()
    tab.get_by_text("The zip contains the kept photos").wait_for()
    with tab.expect_download() as caught:
        tab.get_by_role("link", name="Download as zip").click()
    assert caught.value.suggested_filename == "stage_2.zip"
    with zipfile.ZipFile(caught.value.path()) as taken:
        kept = [name for name in taken.namelist() if name.startswith("stage_2/")]
        assert kept
        assert all(taken.read(name) == (tmp_path / name.rpartition("/")[2]).read_bytes() for name in kept)
        assert {"stage_1_cull_labels.csv", "stage_1_cull_journal.jsonl"} < set(taken.namelist())

    tab.on("dialog", lambda dialog: dialog.accept())
    with tab.expect_navigation():
        tab.get_by_role("button", name="Delete everything now").click()
    tab.get_by_text("Bring your photos").wait_for()
    for _ in range(2):  # the timer shows the other tabs
        with tab.expect_event("requestfinished", lambda request: request.url.endswith("/gradio_api/run/predict")):
            pass
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert not tab.locator("#visitors-screen .mine").is_visible()
    wait_until(lambda: not workspace.folder.exists())  # the page may notice before the last job has stopped
    assert tab.get_by_role("tab").all_inner_texts() == ["Photos"]


@pytest.mark.parametrize(("length", "size"), [("12", 12), ("9" * 5000, 0), ("-1", 0), ("٣", 0), ("", 0)])
def test_a_length_that_is_none_is_told_by_what_comes(length, size):
    request = Request({"type": "http", "headers": [(b"content-length", length.encode())]})
    assert visitors._announced(request) == size


def test_a_tab_whose_photos_another_tab_deleted_begins_nothing_unasked(address, places, visit, photo, tmp_path):
    for name in ("a.jpg", "b.jpg", "raw.NEF"):
        (tmp_path / name).write_bytes(photo)
    tab = visit(address)
    files = tab.locator("#visitors-screen input.files")
    files.set_input_files([tmp_path / "raw.NEF", tmp_path / "a.jpg"])  # the photo is sent first
    tab.get_by_text("2 new photos.").wait_for()
    tab.get_by_text("2 files").wait_for()
    (cookie,) = [each for each in tab.context.cookies() if each["name"] == visitors.COOKIE]
    ask(address, "/workspace", "DELETE", cookie=f"{cookie['name']}={cookie['value']}")
    before = sorted(places.folder.iterdir())
    tab.context.clear_cookies()  # as the reply to another tab does
    files.set_input_files([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    tab.get_by_text("Your photos were deleted. Reload the page to start anew.").wait_for()
    tab.get_by_text("0 new photos.").wait_for()
    assert sorted(places.folder.iterdir()) == before
    tab.reload()
    files.set_input_files([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    tab.get_by_text("2 new photos.").wait_for()
