"""Photos, report pictures and the screens' requests: what is served, and to which names."""

import json
import os
import uuid

import numpy as np
import pytest
from conftest import ask
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imlcull_al.encoding.sharpness import as_png
from imlcull_al.errors import NoWorkspace, TooManyRequests, UnreadablePhoto
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import serving, strict

SECRET = "a secret outside"
NO_VALUES = [
    "NaN", "Infinity", "-Infinity", "1e400", "9007199254740992", "-1" + "0" * 400, "1" + "0" * 5000, '"\\ud800"',
    '{"a": ["\\udfff"]}', "[" * 100_000 + "]" * 100_000,
]  # fmt: skip
"""JSON to Python's parser, but nothing that a browser can mean."""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Two photos, a link out of the stage, labels, a journal, a report, and a picture that is none of it."""
    root = tmp_path_factory.mktemp("serving")
    stage = root / "project" / "stage_1"
    stage.mkdir(parents=True)
    for name in ("00.jpg", "01.jpg", "02.jpg"):
        Image.new("RGB", (40, 30), "red").save(stage / name)
    Image.new("RGB", (40, 30), "blue").save(root / "secret.jpg")
    (root / "secret.txt").write_text(SECRET)
    (stage / "link.jpg").symlink_to(root / "secret.jpg")
    found = open_session(stage.parent, model="builtin", cache_dir=root / "cache", prepare=False)
    (stage / "02.jpg").unlink()
    (stage / "02.jpg").symlink_to(root / "secret.jpg")  # a photo when it was listed
    found.answer("00.jpg", "keep")
    found.stage.report.mkdir()
    Image.new("RGB", (4, 3)).save(found.stage.report / "curves.png")
    (found.stage.report / "link.png").symlink_to(root / "secret.txt")
    return found


@pytest.fixture(scope="module")
def address(session, keep_serving):
    return keep_serving(Desk(session))


def act(address, body, screen="label", **headers):
    return ask(address, f"/act/{screen}", "POST", body, **{"Content-Type": "application/json", **headers})


class TestRoutes:
    def test_what_the_page_needs_answers(self, address, session):
        for path in (
            "/",
            "/config",
            "/theme.css",
            "/gradio_api/info",
            "/report/curves.png",
            f"/{serving.photo_url(session, '00.jpg', serving.SMALL)}",
        ):
            assert ask(address, path)[0] == 200, path

    @pytest.mark.parametrize(
        "path",
        [
            "/gradio_api/file={labels}",
            "/gradio_api/file={journal}",
            "/gradio_api/file={photo}",
            "/gradio_api/file/{labels}",
            "/gradio_api/file=http://127.0.0.1:1/",
            "/gradio_api/proxy=http://127.0.0.1:1/",
            "/gradio_api/proxy=https://a.hf.space/",
            "/gradio_api/upload_progress?upload_id=1",
            "/gradio_api/stream/a/0/1/playlist.m3u8",
            "/gradio_api/custom_component/a/b/c/d",
            "/gradio_api/openapi.json",
            "/gradio_api/deep_link",
            "/gradio_api/token",
            "/gradio_api/runs",
            "/monitoring",
            "/file={labels}",
            "/login",
            "/docs",
            "/openapi.json",
            "/assets/../../../../../../etc/passwd",
            "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
            "/static/..\\..\\etc\\passwd",
            "//etc/passwd",
        ],
    )
    def test_gradio_s_other_routes_stay_shut(self, address, session, path):
        stage = session.stage
        path = path.format(labels=stage.labels, journal=stage.journal, photo=stage.path("00.jpg"))
        assert ask(address, path)[0] == 404

    @pytest.mark.parametrize(
        "path", ["/gradio_api/upload", "/gradio_api/component_server", "/gradio_api/component_server/"]
    )
    def test_nothing_can_be_uploaded_or_called(self, address, path):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
        assert ask(address, path, "POST", body, Content_Type="multipart/form-data; boundary=x")[0] == 404

    @pytest.mark.parametrize(
        "name",
        [
            "../stage_1_cull_labels.csv",
            "..%2fstage_1_cull_labels.csv",
            "%2e%2e%2fsecret.txt",
            "link.png",
            "curves.csv",
            ".",
        ],
    )
    def test_the_report_gives_its_pictures_only(self, address, name):
        status, body = ask(address, f"/report/{name}")
        assert status == 404
        assert SECRET.encode() not in body

    @pytest.mark.parametrize(
        "path",
        [
            "00.jpg/320",
            "../stage_1/00.jpg/320",
            "..%2f..%2fsecret.jpg/320",
            "{id}/321",
            "{id}/1e3",
            "{id}/" + "9" * 5000,
        ],
    )
    def test_photos_go_by_their_id_and_two_sizes(self, address, session, path):
        path = path.format(id=serving.photo_id(session, "00.jpg"))
        assert ask(address, f"/photos/{path}")[0] == 404

    @pytest.mark.parametrize("key", ["link.jpg", "02.jpg"])
    def test_a_link_out_of_the_stage_leads_nowhere(self, address, session, key):
        assert ask(address, f"/{serving.photo_url(session, key, serving.SMALL)}")[0] == 404


class TestSharpness:
    @pytest.fixture
    def made(self, monkeypatch):
        """Names of the photos of which a map was made."""
        names = []

        def sharpness_map(path):
            names.append(path.name)
            if path.name == "01.jpg":
                raise UnreadablePhoto("the file is no photo \udcff")
            return np.array([[0, 1, np.nan]], np.float32)

        monkeypatch.setattr(serving, "sharpness_map", sharpness_map)
        return names

    @pytest.fixture
    def get(self, session, made):
        client = TestClient(Starlette(routes=serving.routes(lambda request: Desk(session), {})))
        return lambda key: client.get(f"/photos/{serving.photo_id(session, key)}/sharpness")

    def test_is_a_small_picture_made_once_for_each_state_of_a_photo(self, get, made, session):
        reply = get("00.jpg")
        assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
        assert reply.headers["cache-control"] == "private, max-age=600"
        assert reply.content == as_png(np.array([[0, 1, np.nan]]))
        assert get("00.jpg").content == reply.content
        assert made == ["00.jpg"]
        path = session.stage.path("00.jpg")
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))
        get("00.jpg")
        assert made == ["00.jpg", "00.jpg"]

    def test_of_a_photo_that_cannot_be_read_the_reason_is_told(self, get):
        for _ in range(2):  # and not kept: the file may be there again
            reply = get("01.jpg")
            assert (reply.status_code, reply.text) == (422, "the file is no photo ?")

    @pytest.mark.parametrize("key", ["link.jpg", "02.jpg", "nowhere.jpg", "../../secret.jpg"])
    def test_there_is_none_of_what_is_no_photo_of_the_stage(self, get, made, key):
        assert get(key).status_code == 404
        assert made == []

    @pytest.mark.parametrize("path", ["00.jpg/sharpness", "..%2f..%2fsecret.jpg/sharpness", "{id}/sharpnes"])
    def test_goes_by_id(self, address, session, path):
        assert ask(address, f"/photos/{path.format(id=serving.photo_id(session, '00.jpg'))}")[0] == 404

    def test_without_a_desk_there_is_none(self, session, made):
        def find(request):
            raise NoWorkspace("There is none.")

        client = TestClient(Starlette(routes=serving.routes(find, {})))
        assert client.get(f"/photos/{serving.photo_id(session, '00.jpg')}/sharpness").status_code == 404

    def test_the_page_gets_it(self, address, session, made):
        status, body = ask(address, f"/photos/{serving.photo_id(session, '00.jpg')}/sharpness")
        assert (status, body[:4]) == (200, b"\x89PNG")


def test_who_asks_for_too_much_at_once_is_told_to_wait(session, monkeypatch):
    async def refuse(fairly, request, work):
        raise TooManyRequests("Wait a moment.")

    monkeypatch.setattr(serving.Fairly, "do", refuse)
    client = TestClient(Starlette(routes=serving.routes(lambda request: Desk(session), {"x": lambda *_: {}})))
    photo = serving.photo_id(session, "00.jpg")
    replies = [client.get(f"/photos/{photo}/{each}") for each in (320, 6000, "sharpness")]
    for reply in (*replies, client.post("/act/x", json={})):
        assert (reply.status_code, reply.text, reply.headers["retry-after"]) == (429, "Wait a moment.", "1")


class TestScreens:
    @pytest.mark.parametrize(
        "body",
        ["", "no json", "[]", "3", "null", "[" * 100_000, b"\xff\xfe", *NO_VALUES],
    )
    def test_what_is_no_object_is_refused(self, address, body):
        assert act(address, body)[0] == 400

    @pytest.mark.parametrize("value", NO_VALUES)
    @pytest.mark.parametrize("name", ["number", "key", "label", "queue", "do"])
    def test_what_no_browser_can_mean_is_refused_with_a_sentence(self, address, session, name, value, caplog):
        before = session.stage.journal.read_bytes()
        press = {"number": "1", "key": '"01.jpg"', "label": '"cull"', "queue": '"files"', "do": '"answer"', name: value}
        presses = ", ".join(f'"{each}": {text}' for each, text in press.items())
        body = f'{{"do": "look", "visitor": "{uuid.uuid4()}", "queue": "files", "presses": [{{{presses}}}]}}'
        assert act(address, body) == (400, strict.NONSENSE.encode())
        assert session.stage.journal.read_bytes() == before
        assert caplog.text == ""

    @pytest.mark.parametrize("body", ['{"queue": "\\ud800"}', '{"held": ["x\\udfff"]}', '{"\\ud800": 1}'])
    def test_halves_of_characters_are_refused_wherever_they_are(self, address, body):
        assert act(address, body) == (400, strict.NONSENSE.encode())
        assert strict.parsed(b'{"\\ud83d\\ude00": "\\ud83d\\ude00"}') == {"😀": "😀"}

    def test_the_largest_numbers_of_a_browser_are_taken(self):
        assert strict.parsed(b"[9007199254740991, -9007199254740991, 1e308, 0.5]") == [2**53 - 1, 1 - 2**53, 1e308, 0.5]
        with pytest.raises(ValueError, match="can't hold"):
            strict.parsed(b"9007199254740992")

    def test_a_form_is_refused(self, address):
        assert act(address, "{}", **{"Content-Type": "text/plain"})[0] == 415

    @pytest.mark.parametrize("screen", ["train", "..%2flabel", "Label"])
    def test_other_screens_there_are_not(self, address, screen):
        assert act(address, "{}", screen)[0] == 404

    @pytest.mark.parametrize("key", ["../../secret.txt", "\0", {"a": [1]}, 1e308, None, "x" * 10_000])
    def test_nonsense_gets_an_object_with_a_sentence(self, address, key):
        status, body = act(address, json.dumps({"do": "answer", "key": key, "label": "keep"}))
        assert status == 200
        assert isinstance(json.loads(body)["error"], str)
        assert b"Traceback" not in body

    def test_a_name_that_is_no_text_can_be_sent(self, session):
        screens = {"odd": lambda session, request: {"key": "\ud800"}}
        client = TestClient(Starlette(routes=serving.routes(lambda request: Desk(session), screens)))
        answer = client.post("/act/odd", json={})
        assert (answer.status_code, answer.json()["now"]) == (200, "stage_1")
        assert answer.content.startswith(b'{"key": "\\ud800", ')

    @pytest.mark.parametrize("reply", [None, {"p_keep": float("nan")}, {"key": object()}])
    def test_a_defect_is_a_sentence_too(self, session, reply, caplog):
        screens = {"broken": lambda session, request: reply}
        client = TestClient(Starlette(routes=serving.routes(lambda request: Desk(session), screens)))
        answer = client.post("/act/broken", json={})
        assert answer.status_code == 200
        assert answer.json()["error"].startswith("This is a defect, please report it: ")
        assert "Traceback" in caplog.text
