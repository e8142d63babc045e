import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import OUT_OF_REACH, fill_bright_and_dark
from PIL import Image

import app
from imlcull_al import ui
from imlcull_al.errors import NotEnoughLabels, StageError
from imlcull_al.photos.previews import SCREEN
from imlcull_al.progress import minutes
from imlcull_al.project import tables
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import serving, telling


@pytest.fixture
def project(tmp_path):
    """Six bright photos, six dark ones, and an unreadable file."""
    return fill_bright_and_dark(tmp_path / "holiday" / "stage_1", 12).parent


@pytest.fixture
def session(project, tmp_path):
    return open_session(project, model=OUT_OF_REACH, cache_dir=tmp_path / "cache", prepare=False)


@pytest.fixture
def served(session, serve):
    """Address and desk of a running page."""
    desk = Desk(session)
    return serve(desk), desk


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(session) -> dict[str, str]:
    """Rows of the labels CSV."""
    if not session.stage.labels.exists():
        return {}
    _, rows = tables.read(session.stage.labels)
    return {row.values["image_name"]: row.values["label"] for row in rows}


def get(address: str, **headers: str):
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10)
    except urllib.error.HTTPError as error:
        return error


class TestLook:
    @pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (40, "0:40"), (725, "12:05"), (3725, "1:02:05")])
    def test_minutes(self, seconds, shown):
        assert minutes(seconds) == shown

    def test_every_error_becomes_a_sentence_and_a_defect_is_logged(self, caplog):
        def fail():
            raise NotEnoughLabels("Label more.")

        assert telling.attempt(fail) == (None, "Label more.")
        assert caplog.text == ""
        _, says = telling.attempt(lambda: 1 // 0)
        assert says.startswith("This is a defect, please report it: ZeroDivisionError")
        assert "Traceback" in caplog.text


class TestServing:
    def test_photos_by_id_only(self, served):
        address, session = served[0], served[1].session
        good = get(address + serving.photo_url(session, "00.jpg", serving.SMALL))
        assert (good.status, good.headers["Content-Type"]) == (200, "image/jpeg")
        assert good.headers["X-Content-Type-Options"] == "nosniff"
        assert good.headers["Cache-Control"].startswith("private")
        assert good.read(2) == b"\xff\xd8"
        photo = serving.photo_id(session, "00.jpg")
        for path in ("photos/00.jpg/320", f"photos/{photo}/9999", "photos/..%2f..%2fapp.py/320", f"photos/{photo}"):
            assert get(address + path).status == 404, path

    def test_an_unreadable_photo_has_a_picture_of_its_reason(self, served):
        address, session = served[0], served[1].session
        reply = get(address + serving.photo_url(session, "broken.jpg", SCREEN))
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")

    def test_files_are_not_served_by_path(self, served):
        address, session = served[0], served[1].session
        session.answer("00.jpg", "keep")
        for file in (session.stage.path("00.jpg"), session.stage.labels):
            assert get(f"{address}gradio_api/file={file}").status in (403, 404)

    def test_report_pictures_by_name_only(self, served):
        address, session = served[0], served[1].session
        session.stage.report.mkdir()
        Image.new("RGB", (2, 2)).save(session.stage.report / "curves.png")
        assert get(address + serving.report_urls(session)["curves"]).headers["Content-Type"] == "image/png"
        for name in ("other.png", "..%2fstage_1%2f00.jpg", "curves.csv"):
            assert get(f"{address}report/{name}").status == 404, name

    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
    def test_other_sites_are_turned_away(self, served, headers):
        assert get(served[0], **headers).status == 403


class TestEntry:
    def test_no_stage_is_a_sentence(self, tmp_path, capsys):
        assert app.main(["--project", str(tmp_path), "--port", str(free_port())]) == 1
        assert capsys.readouterr().err.startswith("Error: There is no stage folder in ")

    def test_a_port_in_use_says_what_to_do(self, project, capsys):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            assert app.main(["--project", str(project), "--port", str(port)]) == 1
        said = capsys.readouterr().err
        assert f"--port {port + 1}" in said
        assert "Traceback" not in said

    def test_ctrl_c_is_quiet(self, monkeypatch):
        def interrupted(*arguments, **named):
            raise KeyboardInterrupt

        monkeypatch.setattr(ui, "launch", interrupted)
        assert app.main([]) == 130

    @pytest.mark.slow
    def test_the_command_line_does_without_gradio(self):
        code = "import imlcull_al.cli.commands, sys; sys.exit('gradio' in sys.modules or 'torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=Path(app.__file__).parent, check=False).returncode == 0

    def test_a_second_embedding_is_refused(self, session):
        desk = Desk(session)
        desk.jobs.start("training", lambda progress, stop: [progress("epoch 1", 1, 2) for _ in iter(stop, True)])
        with pytest.raises(StageError, match="training is still running"):
            desk.embed()
        desk.jobs.cancel()
        desk.jobs.wait(5)


def test_scores_appear_then_dry_run_and_cull(visit, served):
    address, desk = served
    page = visit(address)
    session = desk.session
    for number, photo in enumerate(session.listing.keys[:4]):
        session.answer(photo, "keep" if number % 2 == 0 else "cull")
    desk.embed()
    page.locator("#label-screen .score", has_text="Score: ").wait_for()  # without input or a reload
    assert page.locator("#label-screen .notice").inner_text() == session.notice

    page.get_by_role("tab", name="Cull").click()
    page.get_by_role("heading", name="Close calls").wait_for()
    assert not session.stage.next.folder.exists()
    make = page.get_by_role("button", name=re.compile(r"Copy \d+ keepers to stage_2"))
    kept = int("".join(filter(str.isdigit, make.inner_text().split(" to ")[0])))
    make.click()
    page.get_by_text("Made ").wait_for()
    assert len(list(session.stage.next.folder.iterdir())) == kept
    assert not make.is_visible()  # it exists already


def test_no_name_of_a_photo_acts_on_the_page(visit, serve, project, tmp_path):
    """Markup in a file name is displayed literally on every screen."""
    names = ['"><img src=x onerror=window.owned=1>.jpg', "<svg onload=window.owned=1>.jpg", "';window.owned=1;'.jpg"]
    for number, name in enumerate(names):
        (project / "stage_1" / f"{number:02}.jpg").rename(project / "stage_1" / name)
    (project / "stage_1" / "broken.jpg").rename(project / "stage_1" / "<b onclick=1>broken.jpg")
    session = open_session(project, model="builtin", cache_dir=tmp_path / "cache")
    for number, name in enumerate(names):
        session.answer(name, "keep" if number else "cull")
    page = visit(serve(Desk(session)))
    page.locator("#label-screen .score").wait_for()
    page.locator("#label-screen input[placeholder='Name or number']").fill("<svg")
    page.keyboard.press("Enter")
    for tab in ("Review", "Check", "Improve", "Cull"):
        page.get_by_role("tab", name=tab).click()
        page.locator("#review-screen .cell, #check-screen .cell, .screen").filter(visible=True).first.wait_for()
    page.get_by_role("heading", name="Close calls").wait_for()
    page.locator("#cull-screen .call").first.click()
    page.get_by_role("button", name="Close", exact=True).locator("visible=true").click()
    page.get_by_role("button", name=re.compile(r"Copy \d+ keepers")).click()
    page.locator("#cull-screen").get_by_alt_text(names[1]).wait_for()
    assert page.evaluate("window.owned") is None
    assert page.locator("b[onclick], svg[onload]").count() == 0
