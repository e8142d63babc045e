import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from imlcull_al import tables, ui
from imlcull_al.errors import NotEnoughLabels, StageError, TrainingError
from imlcull_al.jobs import Jobs
from imlcull_al.session import open_session
from imlcull_al.train import Epoch, Options
from imlcull_al.ui import cull, label, look, serving, telling, train

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def project(tmp_path):
    """Six bright and six dark photos, and one that is none."""
    stage = tmp_path / "holiday" / "stage_1"
    stage.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(12):
        level = 200 if number % 2 == 0 else 30
        pixels = chance.integers(level, level + 40, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stage / f"{number:02}.jpg")
    (stage / "broken.jpg").write_bytes(b"no photo")
    return stage.parent


@pytest.fixture
def session(project, tmp_path):
    return open_session(project, model="stand-in", cache_dir=tmp_path / "cache", prepare=False)


@pytest.fixture
def served(session):
    """A running page: its address, its session and its jobs."""
    jobs = Jobs()
    page = ui.serve(session, jobs, "127.0.0.1", free_port())
    yield page.local_url, session, jobs
    page.close(verbose=False)
    jobs.cancel()
    jobs.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(session) -> dict[str, str]:
    """What the labels file says."""
    if not session.stage.labels.exists():
        return {}
    _, rows = tables.read(session.stage.labels)
    return {row.values["image_name"]: row.values["label"] for row in rows}


def get(address: str, **headers: str):
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10)
    except urllib.error.HTTPError as error:
        return error


class TestLabel:
    def test_looking_shows_the_queue_and_writes_nothing(self, session):
        view = label.respond(session, {"do": "look"})
        assert [photo["key"] for photo in view["upcoming"]] == [photo.key for photo in session.order(label.UPCOMING)]
        assert view["photo"] is None
        assert view["counts"] == "0 of 13 labeled · 0 keep · 0 cull"
        assert answers(session) == {}

    def test_an_answer_is_on_the_disk_when_the_reply_comes(self, session):
        view = label.respond(session, {"do": "answer", "key": "03.jpg", "label": "cull"})
        assert answers(session) == {"03.jpg": "cull"}
        assert "03.jpg" not in [photo["key"] for photo in view["upcoming"]]
        assert [(photo["key"], photo["label"]) for photo in view["labeled"]] == [("03.jpg", "cull")]

    def test_undo_shows_the_photo_again(self, session):
        label.respond(session, {"do": "answer", "key": "03.jpg", "label": "cull"})
        view = label.respond(session, {"do": "undo"})
        assert (view["photo"]["key"], view["photo"]["label"]) == ("03.jpg", None)
        assert answers(session) == {}

    def test_a_skipped_photo_comes_last(self, session):
        first = session.next().key
        label.respond(session, {"do": "skip", "key": first})
        assert session.order()[-1].key == first

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({"do": "undo"}, "nothing to undo"),
            ({"do": "answer", "key": "../secret.jpg", "label": "keep"}, "no photo '../secret.jpg'"),
            ({"do": "answer", "key": ["03.jpg"], "label": "keep"}, "no photo"),
            ({"do": "answer", "key": "03.jpg", "label": "perhaps"}, "neither keep nor cull"),
            ({"do": "explode"}, "Reload"),
            ({}, "Reload"),
        ],
    )
    def test_nonsense_gets_a_sentence_and_changes_nothing(self, session, request_, says):
        assert says in label.respond(session, request_)["error"]
        assert answers(session) == {}

    def test_after_an_error_the_photo_comes_back(self, session):
        view = label.respond(session, {"do": "answer", "key": "03.jpg", "label": "perhaps"})
        assert view["photo"]["key"] == "03.jpg"

    def test_scores_come_with_both_classes_and_never_without_their_notice(self, session):
        session.prepare()
        label.respond(session, {"do": "answer", "key": "00.jpg", "label": "keep"})
        view = label.respond(session, {"do": "look", "key": "02.jpg"})
        assert view["photo"]["p_keep"] is None
        assert "first cull" in view["advice"]
        label.respond(session, {"do": "answer", "key": "01.jpg", "label": "cull"})
        view = label.respond(session, {"do": "look", "key": "02.jpg"})
        assert view["photo"]["p_keep"].endswith("%")
        assert view["notice"] == session.notice != ""
        assert view["advice"] == ""

    def test_at_the_end_it_says_so(self, session):
        for key in session.listing.keys:
            view = label.respond(session, {"do": "answer", "key": key, "label": "keep"})
        assert view["upcoming"] == []
        assert view["advice"].startswith("All photos are labeled")
        assert len(view["labeled"]) == label.STRIP

    def test_at_the_end_unreadable_photos_are_mentioned(self, session):
        session.prepare()
        for key in session.listing.keys[:-1]:
            view = label.respond(session, {"do": "answer", "key": key, "label": "keep"})
        assert view["advice"] == "All photos are labeled but 1 that can't be read; these are kept. Train next, or cull."

    def test_labels_of_absent_photos_are_passed_over(self, session):
        session.stage.labels.write_text("image_name,label\ngone.jpg,keep\n00.jpg,keep\n")
        again = open_session(session.stage.project, model="stand-in", cache_dir=session._cache_dir, prepare=False)
        assert [photo["key"] for photo in label.respond(again, {"do": "look"})["labeled"]] == ["00.jpg"]


class TestTrain:
    def test_fields_become_options(self):
        assert train.options((256, 64, 1e-4, 8, 0.25, 0)) == Options()

    def test_an_empty_field_is_named(self):
        with pytest.raises(TrainingError, match="Batch size is empty"):
            train.options((256, None, 1e-4, 8, 0.25, 0))

    def test_without_labels_the_job_fails_with_a_sentence(self, session):
        jobs = Jobs()
        train.start_training(session, jobs, Options())
        job = jobs.wait(30)
        assert "no labels yet" in job.error
        assert "no labels yet" in train.training_html(session, job)

    def test_epochs_are_a_table_latest_first(self):
        html = train.epochs_html(((Epoch(1, 0.7, 0.5, 0.69, 0.5), True), (Epoch(2, 0.6, 0.6, 0.65, 0.75), False)))
        assert html.index("75.0%") < html.index("50.0%")
        assert html.count("saved") == 1


class TestCull:
    def test_a_dry_run_embeds_first_then_counts_and_writes_nothing(self, session):
        session.answer("00.jpg", "keep")
        session.answer("01.jpg", "cull")
        before = sorted(session.stage.project.iterdir())
        jobs = Jobs()
        cull.start_dry_run(session, jobs, 0.5)
        job = jobs.wait(30)
        assert session.prepared
        assert cull.planned(job) is job.result
        html = cull.outcome_html(session, job)
        assert len(job.result.kept) + len(job.result.culled) == 13
        assert f"<td>{len(job.result.kept)}</td><td>1</td>" in html
        assert html.count("<img") == 13
        assert "unreadable" in html
        assert session.notice[:20] in html
        assert sorted(session.stage.project.iterdir()) == before

    def test_without_a_dry_run_nothing_is_made(self, session):
        _, says = telling.attempt(lambda: cull.start_cull(session, Jobs(), "copy"))
        assert says == "Make a dry run first."

    def test_too_few_labels_are_a_sentence(self, session):
        jobs = Jobs()
        cull.start_dry_run(session, jobs, 0.5)
        assert "no labels yet" in cull.outcome_html(session, jobs.wait(30))

    def test_names_cannot_smuggle_html(self, session):
        from imlcull_al.cull import Decision

        html = cull.sheet_html(session, "Kept", [Decision('<b onload="x">.jpg', "keep", "label", None)])
        assert "<b" not in html


class TestLook:
    @pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (40, "0:40"), (725, "12:05"), (3725, "1:02:05")])
    def test_minutes(self, seconds, shown):
        assert look.minutes(seconds) == shown

    def test_errors_of_this_project_become_sentences_and_defects_do_not(self):
        def fail():
            raise NotEnoughLabels("Label more.")

        assert telling.attempt(fail) == (None, "Label more.")
        with pytest.raises(ZeroDivisionError):
            telling.attempt(lambda: 1 // 0)


class TestServing:
    def test_photos_by_id_only(self, served):
        address, session, _ = served
        good = get(address + serving.photo_url(session, "00.jpg", serving.SMALL))
        assert (good.status, good.headers["Content-Type"]) == (200, "image/jpeg")
        assert good.headers["X-Content-Type-Options"] == "nosniff"
        assert good.headers["Cache-Control"].startswith("private")
        assert good.read(2) == b"\xff\xd8"
        photo = serving.photo_id(session, "00.jpg")
        for path in ("photos/00.jpg/320", f"photos/{photo}/9999", "photos/..%2f..%2fapp.py/320", f"photos/{photo}"):
            assert get(address + path).status == 404, path

    def test_an_unreadable_photo_has_a_picture_of_its_reason(self, served):
        address, session, _ = served
        reply = get(address + serving.photo_url(session, "broken.jpg", serving.LARGE))
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")

    def test_files_are_not_served_by_path(self, served):
        address, session, _ = served
        session.answer("00.jpg", "keep")
        for file in (session.stage.path("00.jpg"), session.stage.labels):
            assert get(f"{address}gradio_api/file={file}").status in (403, 404)

    def test_report_pictures_by_name_only(self, served):
        address, session, _ = served
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
        def interrupted(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(ui, "launch", interrupted)
        assert app.main([]) == 130

    def test_the_command_line_does_without_gradio(self):
        code = "import imlcull_al.cli, sys; sys.exit('gradio' in sys.modules or 'torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=Path(app.__file__).parent, check=False).returncode == 0

    def test_a_second_embedding_is_refused(self, session):
        jobs = Jobs()
        jobs.start("training", lambda progress, stop: [progress("epoch 1", 1, 2) for _ in iter(stop, True)])
        with pytest.raises(StageError, match="training is still running"):
            ui.embed(session, jobs)
        jobs.cancel()
        jobs.wait(5)


@pytest.fixture
def page(served):
    """A browser on the running page that fails the test for a request elsewhere or an error in a script."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    address, _, _ = served
    strangers, defects = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.set_default_timeout(10_000)
        tab.on("request", lambda request: strangers.append(request.url))
        tab.on("pageerror", lambda error: defects.append(str(error)))
        tab.goto(address)
        tab.locator("img.photo:not([hidden])").wait_for()
        yield tab
        browser.close()
    assert [url for url in strangers if not url.startswith((address, "data:", "blob:"))] == []
    assert defects == []


def counts(tab, text: str) -> None:
    """Wait until the page shows these counts."""
    tab.locator("p.counts", has_text=text).wait_for()


def shown(tab) -> str:
    return tab.locator("#label-screen .name").inner_text()


def test_labeling_by_keys(page, served):
    _, session, _ = served
    expected = {}
    for number, (key, answer) in enumerate(
        [("k", "keep"), ("c", "cull"), ("ArrowRight", "keep"), ("ArrowLeft", "cull"), ("p", "keep"), ("x", "cull")], 1
    ):
        photo = shown(page)
        assert photo not in expected
        expected[photo] = answer
        page.keyboard.press(key)
        counts(page, f"{number} of 13")
        assert answers(session) == expected

    for _ in range(3):  # at a quick hand's speed, without waiting for replies
        page.keyboard.press("k")
        page.wait_for_timeout(90)
    counts(page, "9 of 13")
    page.keyboard.press("k")  # taken back before its reply is here
    page.keyboard.press("u")
    page.wait_for_timeout(300)
    after = answers(session)
    assert len(after) == 9
    assert expected.items() <= after.items()
    assert len(session.stage.journal.read_text().splitlines()) == 9 + 2

    last = list(after)[-1]
    page.keyboard.press("u")  # the press before this one was taken back already
    counts(page, f"{len(after) - 1} of 13")
    assert shown(page) == last
    assert last not in answers(session)

    page.keyboard.press("s")
    page.locator("#label-screen .name", has_not_text=last).wait_for()
    page.get_by_role("button", name="Previous").click()
    page.locator("#label-screen .name", has_text=last).wait_for()
    page.keyboard.press("c")
    counts(page, f"{len(after)} of 13")
    assert answers(session)[last] == "cull"

    page.get_by_role("tab", name="Train").click()
    page.keyboard.press("k")  # on another tab keys mean nothing
    page.wait_for_timeout(300)
    labeled = answers(session)
    assert len(labeled) == len(after)
    page.get_by_role("tab", name="Label").click()
    page.keyboard.press("k")
    counts(page, "10 of 13")
    labeled = answers(session)
    assert len(labeled) == 10

    page.reload()
    counts(page, f"{len(labeled)} of 13")
    assert shown(page) not in labeled
    assert answers(session) == labeled


def test_scores_appear_then_dry_run_and_cull(page, served):
    _, session, jobs = served
    for number, photo in enumerate(session.listing.keys[:4]):
        session.answer(photo, "keep" if number % 2 == 0 else "cull")
    ui.embed(session, jobs)
    page.locator("#label-screen .score", has_text="Score: ").wait_for()  # without a press or a reload
    assert page.locator("#label-screen .notice").inner_text() == session.notice

    page.get_by_role("tab", name="Cull").click()
    page.get_by_role("button", name="Dry run").click()
    page.get_by_role("heading", name="Kept").wait_for()
    assert not session.stage.next.folder.exists()
    make = page.get_by_role("button", name="kept photos")
    kept = int("".join(filter(str.isdigit, make.inner_text().split(" of ")[1])))
    make.click()
    page.get_by_text("Made ").wait_for()
    assert len(list(session.stage.next.folder.iterdir())) == kept

    page.get_by_role("button", name="Dry run").click()
    make.click()
    page.get_by_text("exists already").wait_for()
