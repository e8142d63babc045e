"""What another program changes beside a running page: noticed by a look, and followed."""

import io
import os
import re
import shutil
import threading
import time

import pytest
from conftest import COLD, WARM, fingerprint_of, label_of, save_photo, save_upright, turn_in_place
from PIL import Image

from imlcull_al.culling.make import make_stage
from imlcull_al.errors import CullRefused, StageError, StorageError
from imlcull_al.photos import read as photos
from imlcull_al.project.files import locked
from imlcull_al.project.listing import list_photos
from imlcull_al.project.originals import stat_of
from imlcull_al.project.stages import Stage
from imlcull_al.session import outlook as outlooks
from imlcull_al.session.desk import DRY_RUN, EMBEDDING, TRAINING, Desk
from imlcull_al.session.outlook import outlook
from imlcull_al.session.session import open_session
from imlcull_al.session.watch import News, Photos, next_state, told_of
from imlcull_al.training.options import Options
from imlcull_al.ui import label, review
from imlcull_al.ui.cull import outcome_html, promised
from imlcull_al.ui.serving import photo_id

pytestmark = pytest.mark.usefixtures("unreported")
LOOK = {"do": "look", "visitor": "00000000-0000-4000-8000-000000000001", "queue": "uncertain"}


@pytest.fixture
def desk(project, cache_dir, tiny_model):
    desk = Desk(open_session(project, model=str(tiny_model), cache_dir=cache_dir))
    for key in ("warm_00.jpg", "warm_01.jpg", "cold_00.jpg", "cold_01.jpg"):
        desk.session.answer(key, label_of(key))
    yield desk
    desk.jobs.close()
    desk.jobs.wait(60)


def look(desk):
    """Look once, as the watch does, and let what follows end."""
    desk.follow_disk()
    desk.jobs.wait(60)


class TestPhotos:
    @pytest.fixture
    def seen(self, project):
        (project / "stage_1" / "day2").mkdir()
        save_photo(project / "stage_1" / "day2" / "a.jpg", WARM)
        listing = list_photos(Stage(project, 1))
        seen = Photos(listing, Stage(project, 1).paths(listing.keys))
        assert not seen.have_changed()
        return seen

    def test_nothing_changed(self, seen):
        assert not seen.have_changed()

    @pytest.mark.parametrize("name", ["stage_1/new.jpg", "stage_1/day2/new.jpg", "stage_1/day3/new.jpg"])
    def test_a_photo_came(self, project, seen, name):
        save_photo(project / name, COLD)
        assert seen.have_changed()
        assert not seen.have_changed()

    def test_a_photo_went(self, project, seen):
        (project / "stage_1" / "day2" / "a.jpg").unlink()
        assert seen.have_changed()

    def test_a_photo_was_overwritten_in_place(self, project, seen):
        with (project / "stage_1" / "warm_03.jpg").open("r+b") as file:
            file.write(b"other bytes")
        os.utime(project / "stage_1" / "warm_03.jpg", (1, 1))
        assert seen.have_changed()

    def test_a_photo_overwritten_before_the_first_look_is_noticed(self, project):
        listing = list_photos(Stage(project, 1))
        seen = Photos(listing, Stage(project, 1).paths(listing.keys))
        os.utime(project / "stage_1" / "warm_03.jpg", (1, 1))
        assert seen.have_changed()
        assert not seen.have_changed()

    def test_replaced_photos_are_named(self, project, seen):
        save_photo(project / "stage_1" / "warm_03.jpg", COLD, seed=5)
        save_photo(project / "stage_1" / "new.jpg", COLD)
        (project / "stage_1" / "warm_04.jpg").unlink()
        listing = list_photos(Stage(project, 1))
        now = Photos(listing, Stage(project, 1).paths(listing.keys))
        assert now.replaced_since(seen) == {"warm_03.jpg": stat_of(project / "stage_1" / "warm_03.jpg")}

    def test_photos_are_looked_at_by_turns(self, project, seen, monkeypatch):
        monkeypatch.setattr("imlcull_al.session.watch.A_LOOK", 5)
        for _ in range(3):
            assert not seen.have_changed()
        os.utime(project / "stage_1" / "warm_05.jpg", (1, 1))
        assert [seen.have_changed() for _ in range(3)].count(True) == 1


@pytest.mark.parametrize(
    ("came", "went", "replaced", "told"),
    [
        (12, 0, 0, "12 new photos."),
        (1, 1, 1, "1 new photo. 1 photo is gone. 1 photo was replaced."),
        (0, 3, 1200, "3 photos are gone. 1,200 photos were replaced."),
        (0, 0, 0, ""),
    ],
)
def test_what_came_and_went_is_said(came, went, replaced, told):
    assert told_of(came, went, replaced) == told


class TestNews:
    @pytest.fixture
    def clock(self, monkeypatch):
        """The seconds and the time of day."""
        now = [1000.0]
        monkeypatch.setattr("imlcull_al.session.watch.time.monotonic", lambda: now[0])
        monkeypatch.setattr("imlcull_al.session.watch.time.strftime", lambda form: "14:05")
        return now

    def test_a_card_that_is_copied_is_one_piece_of_news(self, clock):
        news, a, b = News(), frozenset("a"), frozenset("b")
        news.tell(a, a | b)
        assert news.text == "14:05 1 new photo."
        clock[0] += 50
        news.tell(a | b, a | b | {"c"})
        assert news.text == "14:05 2 new photos."
        clock[0] += 50
        news.tell(a | b | {"c"}, a | {"c"}, a)
        assert news.text == "14:05 1 new photo. 1 photo was replaced."
        clock[0] += 61
        news.tell(a | {"c"}, a)
        assert news.text == "14:05 1 photo is gone."

    def test_no_change_is_no_news(self, clock):
        news = News()
        news.tell(frozenset("a"), frozenset("a"))
        assert news.text == ""


@pytest.mark.slow
def test_a_model_trained_by_another_program_is_taken_over(desk, project, cache_dir, tiny_model):
    other = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    before = {each.key: each.p_keep for each in desk.session.scores()}
    other.train(Options(epochs=1, batch_size=4))
    look(desk)
    assert desk.jobs.latest(EMBEDDING).status == "done"
    assert desk.session.source == other.source
    after = {each.key: each.p_keep for each in desk.session.scores()}
    assert after == pytest.approx({each.key: each.p_keep for each in other.scores()}, abs=1e-6)
    assert after != pytest.approx(before, abs=1e-6)


@pytest.mark.slow
def test_a_model_is_left_alone_while_it_is_trained(desk, project, cache_dir, tiny_model):
    open_session(project, model=str(tiny_model), cache_dir=cache_dir).train(Options(epochs=1, batch_size=4))
    with locked(desk.session.stage.training_lock, "training"):
        assert not desk.session.follow_disk()
    assert desk.session.follow_disk()
    assert not desk.session.follow_disk()


@pytest.mark.slow
def test_after_a_training_of_this_page_photos_are_embedded_again_once(desk):
    desk.train(Options(epochs=1, batch_size=4))
    desk.jobs.wait(60, TRAINING)
    assert desk.jobs.latest(TRAINING).status == "done"
    assert (desk.session.follow_disk(), desk.session.prepared) == (True, False)
    desk.session.prepare()
    assert (desk.session.follow_disk(), desk.session.prepared) == (False, True)


def test_a_damaged_model_is_said_once_and_the_scores_stay(desk):
    before = [photo.p_keep for photo in desk.session.survey()]
    desk.session.stage.model.write_bytes(b"no model")
    look(desk)
    job = desk.jobs.latest(EMBEDDING)
    assert "can't be used as a model" in job.error
    assert [photo.p_keep for photo in desk.session.survey()] == before
    look(desk)
    assert desk.jobs.latest(EMBEDDING).number == job.number
    desk.session.stage.model.unlink()
    look(desk)
    assert desk.session.prepared


def test_photos_that_come_and_go_are_followed(desk, project):
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)
    (project / "stage_1" / "cold_05.jpg").unlink()
    look(desk)
    keys = desk.session.listing.keys
    assert "new.jpg" in keys
    assert "cold_05.jpg" not in keys


def test_photos_that_come_and_go_are_said(desk, project):
    look(desk)
    assert desk.session.news == ""
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)
    (project / "stage_1" / "cold_05.jpg").unlink()
    look(desk)
    assert desk.session.news.endswith(" 1 new photo. 1 photo is gone.")
    assert label.respond(desk.session, LOOK)["news"] == desk.session.news


def test_photos_that_come_during_a_job_are_listed_at_once_and_embedded_after_it(desk, project):
    is_done = threading.Event()
    desk.jobs.start(TRAINING, lambda progress, stop: is_done.wait(60))
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)
    (project / "stage_1" / "cold_05.jpg").unlink()
    desk.follow_disk()
    asked = [key for key, _ in desk.session.standing().ranking.queue("uncertain")]
    assert asked[-1] == "new.jpg"
    assert "cold_05.jpg" not in asked
    assert desk.session.news.endswith(
        " 1 new photo. 1 photo is gone. They will be analyzed after the job that is running."
    )
    is_done.set()
    desk.jobs.wait(60, TRAINING)
    look(desk)
    assert desk.session.prepared
    assert desk.session.photo("new.jpg").p_keep is not None
    assert desk.session.news.endswith(" 1 new photo. 1 photo is gone.")


def test_while_photos_keep_coming_they_are_listed_and_embedded_in_the_first_pause(desk, project):
    found = []
    for number in range(3):
        save_photo(project / "stage_1" / f"new_{number}.jpg", WARM, seed=90 + number)
        found.append(desk.session.follow_disk())
        assert f"new_{number}.jpg" in desk.session.listing.keys
    assert [*found, desk.session.follow_disk()] == [True, False, False, True]


def test_a_replaced_photo_has_another_address_and_the_old_one_stays_good(desk, project):
    before = {key: photo_id(desk.session, key) for key in desk.session.listing.keys}
    save_photo(project / "stage_1" / "warm_05.jpg", COLD, seed=77)
    listed = review.look(desk.session)["photos"]["listing"]
    look(desk)
    after = {key: photo_id(desk.session, key) for key in desk.session.listing.keys}
    assert [key for key in after if after[key] != before[key]] == ["warm_05.jpg"]
    assert photo_id(desk.session.standing(), "warm_05.jpg") == after["warm_05.jpg"]
    assert review.look(desk.session, listing=listed)["photos"]["ids"] == list(after.values())
    assert desk.session.news.endswith(" 1 photo was replaced.")


def test_all_photos_are_labeled_is_not_said_while_one_is_new(desk, project):
    desk.session.answer_all(desk.session.listing.keys, "keep")
    assert label.respond(desk.session, LOOK)["nothing"].startswith("All photos are labeled")
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)  # nobody has looked at the disk since
    view = label.respond(desk.session, LOOK)
    assert (view["nothing"], [photo["key"] for photo in view["upcoming"]]) == ("", ["new.jpg"])
    look(desk)
    assert desk.session.prepared


def test_a_photo_on_screen_that_was_removed_is_said_and_the_queue_goes_on(desk, project):
    (project / "stage_1" / "cold_05.jpg").unlink()
    look(desk)
    view = label.respond(desk.session, {**LOOK, "current": "cold_05.jpg"})
    assert view["error"] == "There is no photo 'cold_05.jpg' in stage_1 any more."
    assert (view["gone"], view["current"]) == ("cold_05.jpg", None)
    assert view["upcoming"]


def test_a_replaced_photo_gets_a_score_of_its_own(desk, project):
    before = {photo.key: photo.p_keep for photo in desk.session.survey()}
    look(desk)
    save_photo(project / "stage_1" / "warm_05.jpg", COLD, seed=77)
    look(desk)
    after = {photo.key: photo.p_keep for photo in desk.session.survey()}
    assert after["warm_05.jpg"] != pytest.approx(before["warm_05.jpg"], abs=1e-3)


def test_a_photo_turned_in_place_gets_a_score_and_a_preview_of_its_own(desk, project, tiny_model, tmp_path):
    save_upright(project / "stage_1" / "warm_05.jpg", COLD, seed=77)
    look(desk)
    before = desk.session.photo("warm_05.jpg").p_keep
    assert not desk.session.follow_disk()
    turn_in_place(project / "stage_1" / "warm_05.jpg")
    assert desk.session.follow_disk()
    seen = desk.session.prepare()
    assert (seen.found, seen.computed) == (11, 1)
    fresh = open_session(project, model=str(tiny_model), cache_dir=tmp_path / "fresh")
    assert desk.session.photo("warm_05.jpg").p_keep == pytest.approx(fresh.photo("warm_05.jpg").p_keep, abs=1e-6)
    assert desk.session.photo("warm_05.jpg").p_keep != pytest.approx(before, abs=1e-6)
    preview = desk.session.previews.get(desk.session.stage.path("warm_05.jpg"), 20)
    assert Image.open(io.BytesIO(preview)).size == (15, 20)


def test_a_cull_by_hard_links_reads_no_photo_again(desk, project, cache_dir, tiny_model, monkeypatch):
    """Though each link changes the ctime of its photo; unless a photo was turned in the meantime."""
    session = desk.session
    assert not session.follow_disk()
    save_upright(project / "stage_1" / "warm_05.jpg", WARM, seed=77)
    session.prepare()
    plan = session.plan_cull()
    turn_in_place(project / "stage_1" / "warm_05.jpg")
    read, identify = [], photos.identify
    monkeypatch.setattr(photos, "identify", lambda path: read.append(str(path)) or identify(path))
    new = make_stage(plan, "hardlink")
    assert len(plan.kept) > 3
    for stage in (1, 2):
        open_session(project, stage, model=str(tiny_model), cache_dir=cache_dir)
    assert read == [str(stage.path("warm_05.jpg")) for stage in (session.stage, new)]


def test_a_stage_that_is_gone_takes_no_answers_until_it_is_back(desk, project, tmp_path):
    journal = desk.session.stage.journal.read_bytes()
    shutil.move(project / "stage_1", tmp_path / "elsewhere")
    look(desk)
    assert "stage_1 is gone. Connect its disk again" in desk.jobs.latest(EMBEDDING).error
    with pytest.raises(StageError, match="stage_1 is gone"):
        desk.session.answer("warm_02.jpg", "keep")
    assert desk.session.stage.journal.read_bytes() == journal
    for screen in (label.respond(desk.session, LOOK), review.respond(desk.session, {"do": "look"})):
        assert "stage_1 is gone. Connect its disk again" in screen["error"]
    number = desk.jobs.state().number
    look(desk)
    assert desk.jobs.state().number == number  # it is said once
    shutil.move(tmp_path / "elsewhere", project / "stage_1")
    look(desk)
    assert desk.jobs.latest(EMBEDDING).status == "done"
    desk.session.answer("warm_02.jpg", "keep")
    assert desk.session.counts().keep == 3


@pytest.fixture
def pull(project, tmp_path):
    """`pull()`: the card with the photos leaves an empty folder where it was mounted; `pull(back=True)` ends that."""
    stage, away = project / "stage_1", tmp_path / "elsewhere"

    def pull(*, back=False):
        if back:
            shutil.rmtree(stage)
            shutil.move(away, stage)
        else:
            shutil.move(stage, away)
            stage.mkdir()

    return pull


GONE = r"All 12 known photos are gone from .*stage_1\. Was a card pulled, or is a disk not mounted\? The answers"


@pytest.mark.parametrize("left", [(), (".Trashes/501", "lost+found", "System Volume Information/IndexerVolumeGuid")])
def test_an_empty_folder_where_photos_were_is_a_card_that_was_pulled(desk, project, pull, left):
    session = desk.session
    assert session.next()
    desk.dry_run(0.5)
    plan = desk.jobs.wait(60).result
    pull()
    for name in left:
        (project / "stage_1" / name).mkdir(parents=True)
    before = fingerprint_of(project)
    look(desk)
    assert re.match(GONE, desk.jobs.latest(EMBEDDING).error)
    for refused in (
        lambda: session.answer("warm_02.jpg", "keep"),
        lambda: session.answer_all(["warm_02.jpg", "warm_03.jpg"], "keep"),
        lambda: session.skip("warm_02.jpg"),
        lambda: session.undo(),
        lambda: session.train(epochs=1),
        lambda: session.cull(),
        lambda: session.prepare(),
        lambda: desk.cull("copy", plan),
    ):
        with pytest.raises(StageError, match=GONE):
            refused()
    for screen in (label.respond(session, LOOK), review.respond(session, {"do": "look"})):
        assert re.match(GONE, screen["error"])
    assert fingerprint_of(project) == before
    assert session.unreadable() == {}
    number = desk.jobs.state().number
    look(desk)
    assert desk.jobs.state().number == number  # it is said once
    pull(back=True)
    look(desk)
    assert desk.jobs.latest(EMBEDDING).status == "done"
    assert "gone" not in session.news
    session.answer("warm_02.jpg", "keep")
    assert session.counts().keep == 3


def test_a_project_is_not_opened_while_its_card_is_pulled(desk, project, pull, run):
    answers = desk.session.labels()
    table = desk.session.stage.labels
    rows = "".join(f"/card/stage_1/{key},{label}\n" for key, label in answers.items())
    table.write_text(f"image_name,label\n{rows}")
    pull()
    before = fingerprint_of(project)
    assert desk.session._labels.look().labels == answers  # no name of the table can be told yet
    for command in ("order", "score", "cull", "train"):
        code, _, error = run(command, "--project", str(project))
        assert code != 0
        assert f"All {len(answers)} known photos are gone from" in error
    assert fingerprint_of(project) == before
    pull(back=True)
    assert open_session(project, prepare=False).labels() == answers
    assert not list(project.glob("*before-edit*"))


def test_a_card_pulled_while_its_photos_are_embedded_makes_none_unreadable(desk, project, tmp_path, monkeypatch):
    for number in range(4):
        save_photo(project / "stage_1" / f"new_{number}.jpg", WARM, seed=90 + number)
    identify = photos.identify

    def pulled(path):
        if (project / "stage_1").exists():
            shutil.move(project / "stage_1", tmp_path / "elsewhere")
        return identify(path)

    monkeypatch.setattr(photos, "identify", pulled)
    with pytest.raises(StageError, match="stage_1 is gone"):
        desk.session.prepare()
    assert desk.session.unreadable() == {}
    monkeypatch.undo()
    shutil.move(tmp_path / "elsewhere", project / "stage_1")  # before anybody looked
    look(desk)
    assert desk.session.prepared
    assert len(desk.session.moments()) == 16


def test_a_cull_by_another_program_is_another_revision(desk, project, cache_dir, tiny_model):
    before, state = desk.session.revision, next_state(desk.session.stage)
    open_session(project, model=str(tiny_model), cache_dir=cache_dir).cull()
    assert next_state(desk.session.stage) != state
    look(desk)
    assert desk.session.revision != before
    assert desk.session.cull_to_undo() is not None


def shown(desk, threshold=0.5):
    """What the Cull screen shows, once it is made."""
    until = time.monotonic() + 60
    while (found := desk.outlooks.at(desk.session, threshold)) is None:
        assert time.monotonic() < until
    return found


class TestPreview:
    @pytest.fixture
    def previewed(self, desk):
        desk.dry_run(0.5)
        desk.jobs.wait(60, DRY_RUN)
        return desk

    def decide_otherwise(self, desk):
        """Another program answers, so that another number is kept."""
        other = open_session(desk.session.stage.project, model="builtin", prepare=False)
        for key in ("warm_02.jpg", "warm_03.jpg", "cold_02.jpg", "cold_03.jpg", "cold_04.jpg"):
            other.answer(key, "cull")

    def test_a_button_promises_what_is_shown_and_makes_that(self, desk):
        found = shown(desk)
        assert promised("stage_2", found, "copy") == f"Copy {len(found.plan.kept)} keepers to stage_2"
        desk.cull("copy", desk.outlooks.shown(found.token, 0.5))
        made = desk.jobs.wait(60, "cull").result
        assert made.photos == len(found.plan.kept) == len(list_photos(made.stage).keys)
        assert f"Made stage_2 with {made.photos} photos, listed in" in outcome_html(desk, None)

    def test_answers_make_a_preview_old_on_every_page(self, previewed):
        plan = previewed.planned()
        self.decide_otherwise(previewed)
        assert previewed.planned() is None
        now = len(previewed.session.plan_cull(0.5).kept)
        with pytest.raises(CullRefused, match=f"{now} photos would be kept now, not {len(plan.kept)}"):
            previewed.cull()
        assert not previewed.session.stage.next.folder.exists()

    def test_what_fills_the_time_between_leaves_a_preview_true(self, desk):
        desk.embed()
        desk.jobs.wait(60)
        desk.dry_run(0.5)
        desk.jobs.wait(60, DRY_RUN)
        for _ in range(3):
            look(desk)
        assert desk.planned() is not None
        assert desk.jobs.latest(EMBEDDING).number > desk.jobs.latest(DRY_RUN).number

    def test_answers_make_what_is_shown_anew_and_the_old_is_not_made(self, desk):
        old = shown(desk)
        self.decide_otherwise(desk)
        look(desk)
        assert len(shown(desk).plan.kept) < len(old.plan.kept)
        with pytest.raises(CullRefused, match="Look at what would be kept now"):
            desk.outlooks.shown(old.token, 0.5)

    def test_each_page_has_what_its_own_threshold_keeps(self, desk):
        found = {threshold: shown(desk, threshold) for threshold in (0.0, 1.0)}
        assert len(found[0.0].plan.kept) > len(found[1.0].plan.kept)
        for each in found.values():
            assert desk.outlooks.shown(each.token, each.plan.threshold) == each.plan

    def test_what_is_shown_of_another_threshold_than_was_set_is_not_made(self, desk):
        with pytest.raises(CullRefused, match="or the threshold have changed"):
            desk.outlooks.shown(shown(desk, 0.5).token, 0.6)

    def test_it_analyzes_no_photo(self, desk):
        save_photo(desk.session.stage.folder / "new.jpg", (9, 9, 9))
        with pytest.raises(StageError, match="once all photos are analyzed"):
            shown(desk)
        assert "new.jpg" not in desk.session.moments()
        look(desk)
        assert "new.jpg" in {each.key for each in shown(desk).plan.decisions}

    def test_one_is_made_at_a_time_and_few_are_kept(self, desk, monkeypatch):
        held = threading.Event()

        def slow(session, threshold):
            held.wait(60)
            return outlook(session, threshold)

        monkeypatch.setattr(outlooks, "outlook", slow)
        monkeypatch.setattr(outlooks, "_SECONDS", 0.01)
        assert [desk.outlooks.at(desk.session, percent / 100) for percent in range(20)] == [None] * 20
        assert len(desk.outlooks._made) == 1
        held.set()
        for percent in range(20):
            assert shown(desk, percent / 100).plan.threshold == percent / 100
        assert len(desk.outlooks._made) == outlooks._MOST

    def test_what_the_disk_refused_once_is_tried_again(self, desk, monkeypatch):
        def refused(session, threshold):
            raise StorageError("It can't be read.")

        with monkeypatch.context() as patched:
            patched.setattr(outlooks, "outlook", refused)
            with pytest.raises(StorageError):
                shown(desk)
        assert shown(desk).plan.kept

    def test_answers_that_change_nothing_leave_the_promise_as_it_is(self, previewed):
        plan = previewed.planned()
        kept = next(each.key for each in plan.kept if each.reason == "score")
        previewed.session.skip(kept)
        previewed.cull()
        assert previewed.jobs.wait(60, "cull").result.photos == len(plan.kept)


@pytest.mark.slow
def test_old_scores_hold_until_those_of_a_new_model_are_complete(desk):
    session = desk.session
    before = [photo.p_keep for photo in session.survey()]
    desk.train(Options(epochs=1, batch_size=4))
    desk.jobs.wait(60, TRAINING)
    assert [photo.p_keep for photo in session.survey()] == before
    parts = []
    session.prepare(batch_size=1, on_part=lambda: parts.append([photo.p_keep for photo in session.survey()]))
    assert all(part == before for part in parts)
    assert [photo.p_keep for photo in session.survey()] != before
    assert session.source.startswith("model trained from")
