"""The Improve and Cull screens: as functions with numbers, then in Chromium on a real server with a real training."""

import itertools
import math
import re
import shutil
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import fill_bright_and_dark

from imlcull_al.culling.plan import Decision, Plan
from imlcull_al.errors import CullRefused, StageError, StorageError, TrainingError
from imlcull_al.session.desk import CULLING, DRY_RUN, EMBEDDING, TRAINING, UNDOING, Desk, Lap
from imlcull_al.session.jobs import CANCELLED, DONE, Job
from imlcull_al.session.outlook import Outlook, _emptied, outlook, spent
from imlcull_al.session.session import Counts, open_session
from imlcull_al.training.epoch_loop import FineTuning
from imlcull_al.training.options import Epoch, Options
from imlcull_al.training.unfinished import Interrupted, note_unfinished
from imlcull_al.ui import cull, curves, folders, improve, look, telling


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Ten bright and ten dark photos, one that is none, and a cache with the embeddings."""
    root = tmp_path_factory.mktemp("prepared")
    stage = fill_bright_and_dark(root / "holiday at home" / "stage_1", 20)
    open_session(stage.parent, model="builtin", cache_dir=root / "cache")
    return root


@pytest.fixture
def session(prepared, tmp_path):
    """A session on a copy that has not looked for embeddings yet; eight photos are labeled."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    found = open_session(tmp_path / "holiday at home", model="builtin", cache_dir=tmp_path / "cache", prepare=False)
    for number in range(8):
        found.answer(f"{number:02}.jpg", "keep" if number % 2 == 0 else "cull")
    return found


def epoch(number, train_loss=0.7, val_loss=0.6, val_accuracy=0.5):
    return Epoch(number, train_loss, 0.5, val_loss, val_accuracy)


def finish(jobs, name, seconds=60):
    """The job of this name once it has ended; others may run after it."""
    until = time.monotonic() + seconds
    while (job := jobs.latest(name)) is None or job.running:
        assert time.monotonic() < until, job
        time.sleep(0.01)
    return job


class TestCurves:
    def drawn(self, *epochs, best=None):
        return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", curves.curves_svg(epochs, best), re.DOTALL)]

    def test_no_epochs_are_no_drawing(self):
        assert curves.curves_svg([]) == ""

    def test_two_drawings_with_axis_names_units_and_words(self):
        loss, accuracy = self.drawn(epoch(0, 0.8), epoch(1, 0.4, 0.5, 0.75))
        texts = [each.text for each in loss.iter("text")]
        assert "Epoch" in texts
        assert "Cross-entropy (nats)" in texts
        assert "Correct (%)" in [each.text for each in accuracy.iter("text")]
        assert loss.get("role") == "img"
        assert loss.get("aria-label") == "Loss, epoch 0 to 1: Training from 0.8 to 0.4; Validation from 0.6 to 0.5"

    def test_points_lie_where_the_axes_say(self):
        _, accuracy = self.drawn(epoch(0, val_accuracy=0.0), epoch(1, val_accuracy=0.5), epoch(2, val_accuracy=1.0))
        line = next(path for path in accuracy.iter("path") if "line" in path.get("class"))
        points = [tuple(map(float, point.split())) for point in re.split("[ML]", line.get("d"))[1:]]
        left, top = curves._LEFT, curves._TOP
        right, bottom = curves.WIDTH - curves._RIGHT, curves.HEIGHT - curves._BOTTOM
        assert points == [(left, bottom), ((left + right) / 2, (top + bottom) / 2), (right, top)]

    def test_the_best_epoch_is_marked(self):
        assert not [path for path in self.drawn(epoch(0))[0].iter("path") if path.get("class") == "best"]
        (rule,) = [p for p in self.drawn(epoch(0), epoch(2), best=2)[0].iter("path") if p.get("class") == "best"]
        assert rule.get("d").startswith(f"M{curves.WIDTH - curves._RIGHT:.1f} ")

    @pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
    def test_a_loss_that_is_no_number_breaks_the_line_and_nothing_else(self, odd):
        loss, _ = self.drawn(epoch(0), epoch(1, train_loss=odd), epoch(2))
        soft = next(path for path in loss.iter("path") if path.get("class") == "line soft")
        assert soft.get("d").count("M") == 2
        assert "nan" not in curves.curves_svg([epoch(0, odd, odd)]).split("aria-label")[0]

    def test_losses_of_nothing_can_be_drawn(self):
        assert len(self.drawn(epoch(0, 0.0, 0.0, 0.0))) == 2

    @pytest.mark.parametrize(
        ("low", "high", "whole", "expected"),
        [
            (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
            (0, 0.69, False, [0, 0.2, 0.4, 0.6, 0.8]),
            (0, 100, False, [0, 20, 40, 60, 80, 100]),
            (0, 1, True, [0, 1]),
            (0, 7, True, [0, 2, 4, 6, 8]),
            (0, 256, True, [0, 100, 200, 300]),
        ],
    )
    def test_ticks_are_round(self, low, high, whole, expected):
        assert curves.ticks(low, high, whole=whole) == expected


class TestTrain:
    def test_fields_become_options(self):
        assert improve.options((256, 64, 1e-4, 8, 0.25, 0, None, False)) == Options()
        assert improve.options((256, 64, 1e-4, 8, 0.25, 0, 0, False)) == Options()
        assert improve.options((256, 64, 1e-4, 8, 0.25, 0, 2, True)) == Options(train_blocks=2, gentle=True)

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ((256, None, 1e-4, 8, 0.25, 0, None, False), "Batch size is empty"),
            ((0, 64, 1e-4, 8, 0.25, 0, None, False), "epochs is 0"),
            ((256, 64, 1e-4, 8, 1.5, 0, None, False), "validation_split is 1.5"),
            ((256, 64, 1e-4, 8, 0.25, 0, -1, False), "train_blocks is -1"),
        ],
    )
    def test_what_can_not_be_trained_with_is_named(self, values, says):
        with pytest.raises(TrainingError, match=says):
            improve.options(values).check()

    def test_the_cost_is_photos_and_seconds_once_known(self):
        counts = Counts(photos=360, keep=30, cull=50, unreadable=0, missing=0)
        assert improve.cost(counts, None, 256) == (
            "80 labeled photos (30 keep, 50 cull). Time per epoch: unknown until the first epoch is done."
        )
        assert improve.cost(counts, 2.04, 30) == (
            "80 labeled photos (30 keep, 50 cull). An epoch took 2 s; all epochs take at most 1:01."
        )
        assert improve.price_of(counts, 2.04, 30) == "80 answers, at most 1:01."
        assert improve.price_of(counts, None, 30) == "80 answers."
        for nonsense in (None, "many", math.nan, math.inf, -1, [3]):
            assert improve.cost(counts, 2.0, nonsense).endswith("An epoch took 2 s.")

    def test_what_follows_is_said_before(self):
        said = "Afterwards all photos (3,000) are analyzed again in the background{}; until then the old scores hold."
        assert improve.afterwards(3000, None) == said.format("")
        assert improve.afterwards(3000, 0.2) == said.format(", about 10:00")

    def test_the_pace_leaves_the_start_out(self):
        laps = (Lap(epoch(0), True, 60.0), Lap(epoch(1), True, 2.0), Lap(epoch(2), False, 3.0))
        assert improve.pace(None) is None
        assert improve.pace(Job(1, 1, TRAINING, notes=laps[:1])) is None
        assert improve.pace(Job(1, 1, TRAINING, notes=laps)) == 2.5

    @pytest.mark.slow
    def test_without_labels_the_job_fails_with_a_sentence(self, session):
        while session.undo():
            pass
        desk = Desk(session)
        desk.train(Options())
        job = finish(desk.jobs, TRAINING)
        assert "no labels yet" in job.error
        assert "no labels yet" in improve.training_html(session, job)

    def test_epochs_are_curves_and_a_table_latest_first(self):
        laps = (
            Lap(epoch(0), True, 9.0),
            Lap(epoch(1), True, 1.0),
            Lap(epoch(2, 0.1, 0.1, 0.75), False, 1.0),
        )
        html = improve.epochs_html(laps)
        table = html[html.index("<table") :]
        assert html.count("<svg") == 2
        assert table.index("75.0%") < table.index("50.0%") < table.index("Start")
        assert table.count("saved") == 1  # the start is no epoch that could be saved

    def test_what_a_stop_would_keep_is_said(self):
        none_yet = Job(1, 1, TRAINING, notes=(Lap(epoch(0), True, 1.0),))
        assert "stopping now changes nothing" in improve.standing(none_yet)
        one = Job(1, 1, TRAINING, notes=(Lap(epoch(3, val_accuracy=0.875), True, 1.0),))
        assert improve.standing(one) == "Epoch 3 is the best so far, 87.5%; stopping keeps it."

    def test_stop_means_the_training_and_nothing_else(self):
        desk, asked = Desk(None), []
        desk.jobs.start("cull", lambda progress, stop: (desk.stop_training(), asked.append(stop())))
        desk.jobs.wait(5)
        assert asked == [False]

    def test_every_picture_of_the_report_has_its_sentence(self, session, monkeypatch):
        monkeypatch.setattr(improve, "report_urls", lambda session: {"curves": "report/curves.png?1", "other": "x"})
        html = improve.report_html(session)
        assert html.count("<img") == 1
        assert 'alt="Curves"' in html


class TestInterrupted:
    def leave(self, session, options=None):
        """What a killed training leaves."""
        facts = vars(Options(epochs=3, batch_size=4)) if options is None else options
        with pytest.raises(StorageError), note_unfinished(session.stage.unfinished, facts):
            kept = session.stage.unfinished.read_text()
            raise StorageError("killed")
        session.stage.unfinished.write_text(kept)

    def test_nothing_was_interrupted(self, session):
        assert session.interrupted_training() is None
        with pytest.raises(TrainingError, match="No training was interrupted"):
            Desk(session).train_again()

    def test_the_note_is_these_bytes(self, session):
        with note_unfinished(session.stage.unfinished, {"epochs": 3}):
            assert session.stage.unfinished.read_bytes() == b'{"version": 1, "options": {"epochs": 3}}\n'
        assert not session.stage.unfinished.exists()

    def test_a_killed_training_is_noticed_with_its_options(self, session):
        self.leave(session)
        lost = session.interrupted_training()
        assert lost == Interrupted(Options(epochs=3, batch_size=4), 0, False)
        assert improve.offer_again(session, lost) == (
            "Training on stage_1 was interrupted before its first epoch was done; no model was changed. "
            "You can restart it with its options."
        )

    def test_its_epochs_are_counted_but_not_those_of_an_earlier_one(self, session):
        log = "epoch,train_loss,val_loss,val_accuracy\n1,0.5,0.5,0.5\n2,0.5,0.5,0.5\n"
        session.stage.epoch_log.write_text(log)
        time.sleep(0.02)
        self.leave(session)
        assert session.interrupted_training().epochs == 0
        time.sleep(0.02)
        session.stage.epoch_log.write_text(log)
        session.stage.model.write_bytes(b"a model")
        assert improve.offer_again(session, session.interrupted_training()) == (
            "Training on stage_1 was interrupted after epoch 2; its best epoch is saved. "
            "You can restart it with its options."
        )

    @pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": "x"}, {"other": 1}])
    def test_a_note_of_another_hand_gives_the_defaults(self, session, options):
        self.leave(session, options)
        assert session.interrupted_training().options == Options()

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "options": {}}', '{"version": 1, "options": 3}'])
    def test_a_damaged_note_too(self, session, text):
        session.stage.unfinished.write_text(text)
        assert session.interrupted_training().options == Options()

    def test_a_killed_cull_is_noticed(self, session):
        desk = Desk(session)
        assert cull.interrupted(desk) == ""
        (session.stage.project / ".imlcull-stage_2.partial").mkdir()
        assert "was interrupted; stage_2 was not made" in cull.interrupted(desk)


class TestCull:
    def dry_run(self, session, threshold=0.5):
        desk = Desk(session)
        desk.dry_run(threshold)
        finish(desk.jobs, DRY_RUN)
        return desk

    def test_what_a_cull_comes_to_is_counted_and_nothing_is_written(self, session):
        session.prepare()
        before = sorted(session.stage.project.iterdir())
        found = outlook(session, 0.5)
        plan, html = found.plan, cull.outcome_html(Desk(session), found)
        assert len(plan.kept) + len(plan.culled) == 21
        assert f"<td>{len(plan.kept)}</td><td>4</td>" in html
        assert html.count("<img") == 12  # the photos that the scores decide
        assert session.notice[:20] in html
        assert found.kept_bytes == sum(session.stage.path(key).stat().st_size for key in plan.files)
        assert sorted(session.stage.project.iterdir()) == before

    def test_before_all_photos_are_analyzed_it_says_so(self, session):
        with pytest.raises(StageError, match="once all photos are analyzed"):
            outlook(session, 0.5)

    def test_moments_that_keep_nothing_are_named_with_their_best_photo(self):
        frames = [
            Decision(key, side, "score", p)
            for key, side, p in (
                ("a", "cull", 0.1),
                ("b", "cull", 0.4),
                ("c", "keep", 0.9),
                ("d", "cull", 0.1),
                ("e", "cull", 0.1),
            )
        ]
        plan = Plan(None, 0.5, "", tuple(frames), {}, {})
        assert _emptied(plan, {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2}, set()) == ("b",)
        assert _emptied(plan, {"a": 0, "b": 0}, {0}) == ()  # a bracket
        by_hand = replace(plan, decisions=tuple(replace(each, reason="label") for each in frames))
        assert _emptied(by_hand, {"a": 0, "b": 0}, set()) == ()
        html = "".join(cull.warnings(Outlook(plan, 0, 0, ("b", "<b>"), ("c",))))
        assert "2 moments keep nothing: b, &lt;b&gt;." in html
        assert "1 kept photo is damaged: c." in html
        assert re.findall(r'href="(.*?)"', html) == ["#review/emptied", "#review/damaged"]

    def test_the_time_spent_leaves_pauses_out(self, session):
        assert spent([]) == spent([7.0]) == 0
        assert spent([100.0, 159.9, 103.0, 300.0, 310.0]) == pytest.approx(69.9)
        assert cull.spent_words(session) == ""  # nobody answered on the page
        session.answer("08.jpg", "keep", source="page")
        assert cull.spent_words(session) == "Your 1 answer took less than a minute."

    def test_the_next_stage_opens_only_for_whoever_sits_here(self, monkeypatch, tmp_path):
        started = []
        monkeypatch.setattr(folders.subprocess, "Popen", lambda command, **_: started.append(command))
        monkeypatch.setattr(folders, "file_manager", lambda: "opener")
        here, elsewhere = (SimpleNamespace(client=SimpleNamespace(host=host)) for host in ("127.0.0.1", "192.0.2.7"))
        with pytest.raises(StageError, match=re.escape(str(tmp_path))):
            folders.open_folder(tmp_path, elsewhere)
        assert started == []
        folders.open_folder(tmp_path, here)
        assert started == [["opener", str(tmp_path)]]
        monkeypatch.setattr(folders, "file_manager", lambda: None)
        with pytest.raises(StageError, match="Open it there"):
            folders.open_folder(tmp_path, here)

    def test_what_is_no_photo_and_what_stays_behind_is_told(self, session):
        for name in ("00.NEF", "01.NEF", "02.HEIC", "02.NEF", "<b>.psd", "Thumbs.db"):
            (session.stage.folder / name).write_bytes(name.encode())
        for number in range(100):
            (session.stage.folder / f"MVI_{number}.MOV").touch()
        session.prepare()
        desk = Desk(session)
        told = cull.outcome_html(desk, None)
        assert "<summary>102 files or folders are left out</summary>" in told
        assert "&#x27;&lt;b&gt;.psd&#x27;: it is a Photoshop document, which is not read" in told
        assert "&#x27;MVI_10.MOV&#x27; and 97 more: each is a movie without a photo of its name" in told
        html = cull.outlook_html(session, outlook(session, 0.5))
        assert told.partition("</p>")[2] in html
        assert "With their photos: 2 companion files." in html
        assert "1 companion file stays behind with culled photos: &#x27;01.NEF&#x27;." in html
        assert "1 companion file belongs to several photos and is kept if one of them is: &#x27;02.NEF&#x27;" in html

    def test_without_a_dry_run_nothing_is_made(self, session):
        _, says = telling.attempt(lambda: Desk(session).cull())
        assert says == "Preview the cull first."

    def test_a_training_makes_a_dry_run_old_and_previews_do_not(self, session):
        desk = self.dry_run(session)
        desk.jobs.start(EMBEDDING, lambda progress, stop: None, yields=True)
        desk.jobs.wait(5)
        assert desk.planned() is not None
        desk.jobs.start(TRAINING, lambda progress, stop: None)
        finish(desk.jobs, TRAINING)
        assert desk.planned() is None

    def test_a_cull_can_be_taken_back_until_its_stage_is_changed(self, session):
        desk = self.dry_run(session)
        assert session.cull_to_undo() is None
        desk.cull()
        made = finish(desk.jobs, CULLING).result.stage
        assert session.cull_to_undo() == made
        html = cull.outcome_html(desk, None)
        assert "Made stage_2 with 11 photos, listed in stage_2_cull_manifest.csv, in holiday at home" in html

        first = sorted(made.folder.iterdir())[0]
        original = first.read_bytes()
        first.write_bytes(original + b"edited")
        desk.take_back()
        finish(desk.jobs, UNDOING)
        assert "was changed" in cull.outcome_html(desk, None)
        assert made.folder.exists()

        first.write_bytes(original)
        desk.take_back()
        aside = finish(desk.jobs, UNDOING).result
        assert not made.folder.exists()
        assert (aside / first.name).exists()
        assert aside.name in cull.outcome_html(desk, None)
        assert session.cull_to_undo() is None

    def test_an_answer_in_the_new_stage_hides_the_way_back(self, session):
        desk = self.dry_run(session)
        desk.cull()
        made = finish(desk.jobs, CULLING).result.stage
        made.labels.write_text("image_name,label\n")
        assert session.cull_to_undo() is None
        with pytest.raises(CullRefused, match=r"stage_2_cull_labels\.csv was written"):
            session.undo_cull()

    def test_a_folder_that_no_cull_made_is_not_taken_back(self, session):
        session.stage.next.folder.mkdir()
        assert session.cull_to_undo() is None
        with pytest.raises(CullRefused, match="manifest"):
            session.undo_cull()

    def test_names_cannot_smuggle_html(self, session):
        plan = Plan(session.stage, 0.5, "", (Decision('<b onload="x">.jpg', "keep", "score", 0.6),), {}, {})
        for html in (cull.wall_html(session, plan), cull.mosaic_html(session, ['<b onload="x">.jpg'])):
            assert "<img" in html
            assert "<b " not in html


class TestLook:
    def test_less_than_a_second_left_is_not_worth_words(self):
        job = Job(1, 1, "training", what="epoch 3", done=4, total=8, seconds_left=0.4)
        assert look.progress_line(job) == "Epoch 3 · 4 of 8"

    def test_a_job_that_was_asked_to_stop_says_so(self):
        assert "Training: stopping" in look.status(Job(1, 1, "training", what="epoch 3", stopping=True))


@pytest.fixture
def desk(session):
    return Desk(session)


@pytest.fixture
def address(desk, serve):
    return serve(desk)


@pytest.fixture
def tab(visit, address):
    return visit(address)


def opened(tab, name):
    tab.get_by_role("tab", name=name).click()


def in_detail(tab, *, gentle: bool = True) -> None:
    """Show the settings of a training."""
    tab.get_by_role("button", name="More").locator("visible=true").click()
    if not gentle:
        tab.get_by_label("Gentle").uncheck()
        tab.wait_for_function("[...document.querySelectorAll('input')].some((input) => input.value === '256')")


def ticks(tab) -> None:
    """Wait until the page has asked twice what is new: the second time began after this."""
    for _ in range(2):
        with tab.expect_event("requestfinished", lambda request: request.url.endswith("/gradio_api/run/predict")):
            pass
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


@pytest.fixture
def sixth_epoch(monkeypatch):
    """Set to let a training begin its sixth epoch; it waits there, as one of a large stage takes long."""
    may_begin, evaluate, done = threading.Event(), FineTuning._evaluate, itertools.count()

    def evaluate_in_time(self, photos):
        if next(done) > 5:
            may_begin.wait(60)
        return evaluate(self, photos)

    monkeypatch.setattr(FineTuning, "_evaluate", evaluate_in_time)
    yield may_begin
    may_begin.set()


def test_a_training_outlives_a_reload_and_stops_with_its_best(tab, address, desk, session, sixth_epoch):
    jobs = desk.jobs
    opened(tab, "Improve")
    tab.get_by_text("8 answers.").wait_for()
    in_detail(tab, gentle=False)
    tab.get_by_text("8 labeled photos (4 keep, 4 cull). Time per epoch: unknown").wait_for()
    for label, value in (("Epochs", 500), ("Patience", 500), ("Batch size", 2)):
        tab.get_by_label(label).first.fill(str(value))
    tab.get_by_role("button", name="Start training").click()
    tab.locator("svg.chart").nth(1).wait_for()
    tab.get_by_text("is the best so far").wait_for()
    tab.get_by_text("An epoch took").wait_for()

    tab.reload()
    opened(tab, "Improve")
    tab.locator("svg.chart").first.wait_for()
    assert jobs.latest(TRAINING).running
    tab.get_by_role("status").get_by_text("of at most 500").wait_for()
    second = tab.context.browser.new_page()
    second.goto(address)
    second.get_by_role("status").get_by_text("of at most 500").wait_for()
    second.close()

    tab.get_by_role("button", name="Stop training").click()
    sixth_epoch.set()
    tab.get_by_text("stopped on request").wait_for()
    assert jobs.latest(TRAINING).status == DONE
    best = jobs.latest(TRAINING).result.best.epoch
    tab.get_by_text(f"Epoch {best} is saved").wait_for()
    tab.locator(".report figure figcaption").nth(len(improve.REPORT) - 1).wait_for()
    assert session.stage.model.exists()
    assert not session.stage.unfinished.exists()


KEEPERS = re.compile(r"Copy \d+ keepers to stage_2")


def test_cull_opens_computed_then_makes_the_stage_says_what_was_made_and_undoes_it(tab, session):
    session.prepare()
    opened(tab, "Cull")
    back = tab.get_by_role("button", name="Undo this cull")
    tab.get_by_role("heading", name="Close calls").wait_for()
    assert not back.is_visible()
    assert not session.stage.next.folder.exists()
    kept = len(session.plan_cull(0.5).kept)
    tab.get_by_role("button", name=f"Copy {kept} keepers to stage_2").click()
    tab.get_by_role("button", name="Continue with the").wait_for()
    tab.get_by_text(f"{kept} kept · {21 - kept} culled").wait_for()
    tab.get_by_text("12 photos nobody had to look at.").wait_for()
    assert tab.locator("#cull-screen .mosaic img").count() == kept
    back.click()
    tab.get_by_text("Cull undone.").wait_for()
    assert not session.stage.next.folder.exists()
    assert session.stage.folder.exists()
    tab.get_by_role("heading", name="Close calls").wait_for()
    assert not back.is_visible()


def test_what_a_cull_comes_to_follows_the_threshold_and_the_answers(tab, session):
    session.prepare()
    opened(tab, "Cull")
    for percent in (100, 0):
        tab.locator("input[type=number]:visible").fill(str(percent))
        kept = len(session.plan_cull(percent / 100).kept)
        tab.get_by_role("button", name=f"Copy {kept} keepers to stage_2").wait_for()
    key = next(each.key for each in session.plan_cull(0).kept if each.reason == "score")
    session.answer(key, "cull")
    tab.get_by_role("button", name=f"Copy {kept - 1} keepers to stage_2").wait_for()


def test_a_close_call_is_shown_large_and_answered_there(tab, session):
    session.prepare()
    opened(tab, "Cull")
    call = tab.locator("#cull-screen .call").first
    key = call.get_attribute("data-key")
    call.click()
    closer = tab.get_by_role("dialog", name="Large view")
    closer.get_by_text(f"{key}, 1 of 12: ").wait_for()
    with tab.expect_response("**/act/presses"):
        tab.keyboard.press("k")
    closer.get_by_text(", 2 of 12: ").wait_for()
    assert session.labels()[key] == "keep"
    with tab.expect_response("**/act/presses"):
        tab.keyboard.press("u")
    closer.get_by_text(f"{key}, 1 of 12: ").wait_for()
    assert key not in session.labels()
    tab.keyboard.press("Escape")
    closer.wait_for(state="hidden")


def test_errors_are_sentences_in_the_page(tab, session, monkeypatch):
    opened(tab, "Improve")
    in_detail(tab)
    tab.get_by_label("Epochs").first.fill("0")
    tab.get_by_role("button", name="Start training").click()
    tab.get_by_text("epochs is 0; choose 1 or more.").wait_for()

    def defective(*anything):
        raise ZeroDivisionError("one by nothing")

    monkeypatch.setattr(Desk, "train", defective)
    tab.get_by_label("Epochs").first.fill("3")
    tab.get_by_role("button", name="Start training").click()
    tab.get_by_text("This is a defect, please report it: ZeroDivisionError: one by nothing").wait_for()
    monkeypatch.setattr(session, "counts", defective)  # in what the page asks for by itself, too
    ticks(tab)
    assert tab.locator(".toast-wrap .toast-body").count() == 0
    assert tab.locator("[data-testid='status-tracker'] .error").count() == 0


def test_a_killed_training_is_offered_again(session, tab, desk, unreported):
    with note_unfinished(session.stage.unfinished, vars(Options(epochs=2))):
        note = session.stage.unfinished.read_text()
    session.stage.unfinished.write_text(note)
    tab.reload()
    opened(tab, "Improve")
    tab.get_by_text("was interrupted before its first epoch was done").wait_for()
    tab.get_by_role("button", name="Start again").click()
    tab.get_by_text("was interrupted").wait_for(state="hidden")
    assert finish(desk.jobs, TRAINING).status != CANCELLED


def test_go_on_with_the_next_stage_and_back(tab, desk, visit, address):
    first = desk.session
    other = visit(address)
    other.locator("#label-screen .counts", has_text="8 of 21 labeled").wait_for()
    first.prepare()
    opened(tab, "Cull")
    tab.get_by_role("button", name=KEEPERS).click()
    tab.get_by_role("button", name="Continue with the").click()
    tab.get_by_role("heading", name="holiday at home / stage_2").wait_for()
    tab.get_by_role("button", name="to stage_3").wait_for()
    kept = len(desk.session.listing.keys)
    assert desk.session.stage == first.stage.next
    # The other tab had photos of stage_1 in hand; a key there never answers a photo of stage_2 by mistake.
    other.locator("#label-screen .counts", has_text=f"0 of {kept} labeled").wait_for()
    assert desk.session.labels() == {}
    tab.get_by_role("button", name="Back to stage_1").click()
    tab.get_by_role("heading", name="holiday at home / stage_1").wait_for()
    tab.get_by_role("button", name="Undo this cull").wait_for()


def test_a_press_for_the_stage_before_lands_there(desk, address):
    import json
    import urllib.request

    def act(stage, key, number):
        press = {"number": number, "do": "answer", "key": key, "label": "keep", "queue": "files"}
        body = {"visitor": "11111111-1111-4111-8111-111111111111", "presses": [press]}
        request = urllib.request.Request(f"{address}act/presses", json.dumps({**body, "stage": stage}).encode())
        request.add_header("Content-Type", "application/json")
        return json.load(urllib.request.urlopen(request, timeout=10))

    first = desk.session
    desk.dry_run(0.5)
    finish(desk.jobs, DRY_RUN)
    desk.cull()
    finish(desk.jobs, CULLING)
    desk.go_on()
    assert act("stage_1", "10.jpg", 1)["now"] == "stage_2"
    assert first.labels()["10.jpg"] == "keep"
    assert desk.session.labels() == {}
    assert "not open; stage_2 is" in act("stage_7", "10.jpg", 2)["error"]
    assert act("stage_2", desk.session.listing.keys[0], 3)["error"] == ""
    assert len(desk.session.labels()) == 1
    desk.go_back()
    assert desk.session is first


def test_the_way_on_stays_when_the_next_stage_has_answers(tab, desk):
    desk.dry_run(0.5)
    finish(desk.jobs, DRY_RUN)
    desk.cull()
    finish(desk.jobs, CULLING)
    desk.go_on()
    desk.session.answer(desk.session.listing.keys[0], "keep")
    desk.go_back()
    opened(tab, "Cull")
    tab.get_by_role("button", name="Continue with").wait_for()
    assert not tab.get_by_role("button", name="Undo this cull").is_visible()


def test_each_tab_has_an_address_which_reload_back_and_links_open(tab, address):
    def is_open(name):
        tab.get_by_role("tab", name=name, selected=True).wait_for()
        assert tab.url == (f"{address}#{name.lower()}" if name != "Label" else address)

    is_open("Label")
    opened(tab, "Improve")
    tab.get_by_role("button", name="Start training").wait_for()
    is_open("Improve")
    tab.reload()
    tab.get_by_role("button", name="Start training").wait_for()
    is_open("Improve")
    opened(tab, "Check")
    for name in ("Improve", "Label"):
        tab.go_back()
        is_open(name)
    tab.go_forward()
    is_open("Improve")
    tab.goto("about:blank")
    tab.goto(f"{address}#cull")
    is_open("Cull")


def test_the_step_that_is_next_is_said_and_its_link_opens_the_tab(tab, session):
    tab.get_by_role("link", name="Answer about 12 more photos").wait_for()
    for number in range(8, 20):
        session.answer(f"{number:02}.jpg", "keep" if number % 2 == 0 else "cull")
    session.prepare()
    tab.get_by_role("link", name="Ready: cull 10, keep 11").click()
    tab.get_by_role("tab", name="Cull", selected=True).wait_for()


def test_a_refusal_goes_when_the_answers_have_changed(tab, session):
    for _ in range(8):
        session.undo()
    opened(tab, "Improve")
    tab.get_by_role("button", name="Start training").click()
    refused = tab.get_by_text("stage_1 has no labels yet")
    refused.wait_for()
    ticks(tab)
    assert refused.is_visible()
    session.answer("00.jpg", "keep")
    refused.wait_for(state="hidden")


def test_why_a_cull_is_not_possible_yet_is_said_without_a_press(tab, session):
    for _ in range(8):
        session.undo()
    opened(tab, "Cull")
    tab.get_by_text("known once all photos are analyzed").wait_for()
    session.prepare()
    tab.get_by_text("stage_1 has no labels yet").wait_for()
    assert tab.get_by_role("button", name="Copy the keepers").is_disabled()


def test_what_could_not_start_is_said_until_the_answers_change(tab, session):
    opened(tab, "Improve")
    in_detail(tab)
    tab.get_by_label("Epochs").first.fill("0")
    tab.get_by_role("button", name="Start training").click()
    refused = tab.get_by_text("epochs is 0; choose 1 or more.")
    refused.wait_for()
    ticks(tab)
    assert refused.is_visible()
    session.answer("09.jpg", "cull")
    refused.wait_for(state="hidden")
