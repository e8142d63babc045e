"""Workspaces: nobody finds another's, all of them end, and what they hold goes with them."""

import shutil
import threading
import time
from types import SimpleNamespace

import pytest
from conftest import fill_stage, save_photo

from imlcull_al import errors
from imlcull_al.errors import CullRefused, NoWorkspace, UploadRefused
from imlcull_al.project.archives import Limits
from imlcull_al.session import workspaces as module
from imlcull_al.session.desk import CULLING, DRY_RUN, EMBEDDING, TRAINING
from imlcull_al.session.jobs import DONE
from imlcull_al.session.workspaces import SECONDS, Workspaces


@pytest.fixture(autouse=True)
def _small_disk(monkeypatch):
    monkeypatch.setattr(module, "FREE", 0)


@pytest.fixture
def clock():
    """A clock that the test turns; it begins now, because file times do."""
    now = SimpleNamespace(time=time.time())
    now.read = lambda: now.time
    return now


@pytest.fixture
def places(tmp_path, clock):
    found = Workspaces(tmp_path / "data", "builtin", Limits(total=1 << 20), clock.read)
    yield found
    found.close()


def filled(places, count=2):
    """A token whose workspace holds some photos."""
    token = places.create()
    fill_stage(places.find(token).project / "stage_1", count, count)
    return token


def finished(desk, name):
    desk.jobs.wait(30, name)
    job = desk.latest(name)
    assert job is not None
    assert job.status == DONE, job.error
    return job


class TestTokens:
    def test_cannot_be_guessed_and_are_written_nowhere(self, places):
        tokens = {filled(places, 1) for _ in range(5)}
        assert all(len(token) >= 32 for token in tokens)  # 24 random bytes
        assert len(tokens) == 5
        files = {path: path.read_bytes() for path in places.folder.rglob("*") if path.is_file()}
        assert len(files) >= 5  # a photo of each
        assert not [path for path in places.folder.rglob("*") if any(token in str(path) for token in tokens)]
        assert not [path for path, data in files.items() if any(token.encode() in data for token in tokens)]

    @pytest.mark.parametrize(
        "token", ["", ".", "..", "../..", "/etc", "a/b", "\0", "%2e%2e", "\ud800", "x" * 100_000, "*", "{folder}"]
    )
    def test_what_is_none_leads_nowhere(self, places, token):
        held = filled(places)
        folder = places.find(held).folder
        with pytest.raises(NoWorkspace):
            places.find(token.format(folder=folder.name))
        with pytest.raises(NoWorkspace):
            places.remove(token.format(folder=folder.name))
        assert places.find(held).folder == folder

    def test_each_has_a_desk_of_its_own(self, places):
        mine, yours = filled(places), filled(places, 3)
        assert places.find(mine).desk is places.find(mine).desk
        assert len(places.find(mine).desk.session.listing.keys) == 4
        assert len(places.find(yours).desk.session.listing.keys) == 6
        places.find(mine).desk.session.answer("warm_00.jpg", "keep")
        assert places.find(yours).desk.session.labels() == {}

    def test_only_the_owner_of_the_program_may_look_into_the_folder(self, places):
        assert places.find(places.create()).folder.stat().st_mode & 0o077 == 0

    def test_a_workspace_without_photos_has_no_desk(self, places):
        workspace = places.find(places.create())
        with pytest.raises(NoWorkspace, match="Send photos first"):
            _ = workspace.desk
        (workspace.project / "stage_1").mkdir(parents=True)
        with pytest.raises(NoWorkspace, match="Send photos first"):
            _ = workspace.desk


class TestTheEnd:
    def test_comes_a_day_after_the_last_visit(self, places, clock):
        token = filled(places)
        for _ in range(3):
            clock.time += SECONDS - 1
            places.sweep()
            places.find(token)
        clock.time += SECONDS + 1
        places.sweep()
        with pytest.raises(NoWorkspace):
            places.find(token)
        assert list(places.folder.iterdir()) == []

    def test_waits_while_something_runs_or_comes(self, places, clock):
        token, other = filled(places), filled(places)
        stop = threading.Event()
        places.find(token).desk.jobs.start(TRAINING, lambda progress, stopped: stop.wait(30))
        with places.find(other).incoming():
            clock.time += SECONDS + 1
            places.sweep()
        assert places.find(token).is_busy
        assert not places.find(other).is_busy
        stop.set()

    def test_the_sweep_takes_what_an_earlier_program_left(self, places, clock):
        filled(places)
        (places.folder / ".imlcull-0123456789ab.tmp" / "project").mkdir(parents=True)  # killed while it deleted
        (places.folder / "not ours").mkdir()
        clock.time += SECONDS + 1
        Workspaces(places.folder, "builtin", clock=clock.read).sweep()
        assert [path.name for path in places.folder.iterdir()] == ["not ours"]

    def test_the_sweep_takes_what_a_late_request_brought_back(self, places):
        token = filled(places)
        previews = places.find(token).desk.session.previews
        places.remove(token)
        previews.get(save_photo(places.folder / "sent.jpg", (9, 9, 9)), 64)  # a request that had found it before
        assert previews.folder.exists()
        with pytest.raises(NoWorkspace):
            places.find(token)
        places.sweep()
        assert [path.name for path in places.folder.iterdir()] == ["sent.jpg"]

    def test_removing_stops_what_runs(self, places):
        token = filled(places)
        workspace = places.find(token)
        stopped = threading.Event()

        def work(progress, stop):
            while not stop():
                time.sleep(0.01)
            stopped.set()

        workspace.desk.jobs.start(TRAINING, work)
        places.remove(token)
        assert stopped.is_set()
        assert list(places.folder.iterdir()) == []
        with pytest.raises(NoWorkspace):
            places.find(token)
        with pytest.raises(NoWorkspace):  # for a request that had found it before
            _ = workspace.desk
        with pytest.raises(NoWorkspace):
            workspace.add(save_photo(places.folder / "sent.jpg", (9, 9, 9)), "a.jpg")
        assert [path.name for path in places.folder.iterdir()] == ["sent.jpg"]

    @pytest.mark.slow
    def test_what_a_last_step_writes_after_that_goes_too(self, places, monkeypatch):
        monkeypatch.setattr(module, "_SECONDS_TO_STOP", 0.01)
        token = filled(places)
        workspace = places.find(token)
        go_on = threading.Event()

        def work(progress, stop):
            go_on.wait(30)
            save_photo(workspace.folder / "cache" / "late.jpg", (9, 9, 9))

        workspace.desk.jobs.start(TRAINING, work)
        places.remove(token)
        (late,) = [thread for thread in threading.enumerate() if thread.name == "deleting"]
        with pytest.raises(NoWorkspace):
            places.find(token)
        go_on.set()
        late.join(30)
        assert list(places.folder.iterdir()) == []

    def test_others_need_not_wait_for_it(self, places):
        token, other = filled(places), places.create()
        stop = threading.Event()
        places.find(token).desk.jobs.start(TRAINING, lambda progress, stopped: stop.wait(30))
        removing = threading.Thread(target=places.remove, args=(token,))
        removing.start()
        places.find(other)
        assert removing.is_alive()
        stop.set()
        removing.join()


class TestAfterARestart:
    def test_everything_is_found_again(self, places):
        token = filled(places)
        desk = places.find(token).desk
        desk.session.answer("warm_00.jpg", "keep")
        finished(desk, EMBEDDING)
        again = Workspaces(places.folder, "builtin")
        assert again.find(token).desk.session.labels() == {"warm_00.jpg": "keep"}
        again.close()

    def test_idle_desks_are_put_away_and_come_back(self, places, monkeypatch, clock):
        monkeypatch.setattr(module, "_MOST_OPEN", 1)
        token, other = filled(places), filled(places)
        desk = places.find(token).desk
        desk.session.answer("warm_00.jpg", "keep")
        desk.jobs.wait(30)
        places.find(other)
        assert places.find(token).desk is desk  # it was looked at a moment ago
        clock.time += 11 * 60
        places.find(other)
        again = places.find(token).desk
        assert again is not desk
        assert again.session.labels() == {"warm_00.jpg": "keep"}

    def test_busy_ones_stay(self, places, monkeypatch):
        monkeypatch.setattr(module, "_MOST_OPEN", 1)
        token, other = filled(places), filled(places)
        workspace = places.find(token)
        with workspace.incoming():
            places.find(other)
            assert places.find(token) is workspace


def test_sentences_tell_paths_again_when_the_page_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(errors, "_workspaces", [])
    error = errors.StorageError(f"Could not write {tmp_path / 'data' / 'a' / 'photos' / 'b.csv'}.")
    places = Workspaces(tmp_path / "data")
    assert str(error) == "Could not write photos/b.csv."
    places.close()
    assert str(error) == f"Could not write {tmp_path}/data/a/photos/b.csv."
    left_open = Workspaces(tmp_path / "data")
    del left_open
    assert errors._workspaces == []


class TestRoom:
    def test_one_that_nobody_used_for_an_hour_makes_room(self, places, monkeypatch, clock):
        monkeypatch.setattr(module, "MOST", 1)
        token = places.create()
        clock.time += 59 * 60
        with pytest.raises(UploadRefused, match="Too many people"):
            places.create()
        clock.time += 2 * 60
        places.create()
        with pytest.raises(NoWorkspace):
            places.find(token)

    def test_for_so_many_workspaces(self, places, monkeypatch, clock):
        monkeypatch.setattr(module, "MOST", 2)
        for _ in range(2):
            places.create()
        with pytest.raises(UploadRefused, match="Too many people"):
            places.create()
        clock.time += SECONDS + 1
        places.create()  # the others are over

    def test_on_the_disk(self, places, monkeypatch):
        workspace = places.find(places.create())
        sent = save_photo(workspace.folder / "sent.jpg", (9, 9, 9))
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
        with pytest.raises(UploadRefused, match="no room left"):
            places.create()
        monkeypatch.setattr(module, "FREE", 1001)
        with pytest.raises(UploadRefused, match="no room left"):
            workspace.check_room()
        with pytest.raises(UploadRefused, match="no room left"):
            workspace.add(sent, "a.jpg")

    def test_for_so_many_uploads_at_once(self, places):
        workspace = places.find(places.create())
        with (
            workspace.incoming(),
            workspace.incoming(),
            pytest.raises(UploadRefused, match="still being uploaded"),
            workspace.incoming(),
        ):
            pass
        with workspace.incoming():
            pass

    def test_for_so_many_stages(self, places):
        """Culls copy; without an end to that, one visitor could fill the disk."""
        token = filled(places)
        desk = places.find(token).desk
        desk.session.answer("warm_00.jpg", "keep")
        desk.session.answer("cold_00.jpg", "cull")
        desk._room = 1.5 * module.usage(desk.session.stage.folder)[0]
        desk.dry_run(0)
        finished(desk, DRY_RUN)
        with pytest.raises(CullRefused, match="no room for another stage"):
            desk.cull()
        desk._room *= 2
        desk.cull()
        finished(desk, CULLING)


class TestPhotos:
    def test_that_come_later_are_found_by_the_open_desk(self, places):
        token = filled(places)
        workspace = places.find(token)
        desk = workspace.desk
        finished(desk, EMBEDDING)
        workspace.add(save_photo(workspace.folder / "sent.jpg", (9, 9, 9)), "late.jpg")
        assert "late.jpg" not in desk.session.listing.keys
        desk.embed()
        finished(desk, EMBEDDING)
        assert "late.jpg" in desk.session.listing.keys
        assert desk.session.photo("late.jpg").key == "late.jpg"

    def test_go_where_the_visitor_is(self, places):
        token = filled(places)
        desk = places.find(token).desk
        desk.session.answer("warm_00.jpg", "keep")
        desk.session.answer("cold_00.jpg", "cull")
        desk.dry_run(0)
        finished(desk, DRY_RUN)
        desk.cull()
        finished(desk, CULLING)
        assert places.find(token).stage.name == "stage_1"
        assert places.find(token).latest.name == "stage_2"
        desk.go_on()
        workspace = places.find(token)
        workspace.add(save_photo(workspace.folder / "sent.jpg", (9, 9, 9)), "late.jpg")
        assert (workspace.project / "stage_2" / "late.jpg").exists()

    def test_a_look_does_not_wait_for_an_archive(self, places, monkeypatch):
        token = filled(places)
        workspace, unpacks, go_on = places.find(token), threading.Event(), threading.Event()

        def slow(*arguments):
            unpacks.set()
            go_on.wait(30)

        monkeypatch.setattr(module.archives, "add", slow)
        adding = threading.Thread(target=workspace.add, args=(workspace.folder / "sent.jpg", "a.zip"))
        adding.start()
        assert unpacks.wait(30)
        assert workspace.desk is not None
        assert adding.is_alive()
        go_on.set()
        adding.join()


@pytest.mark.slow
def test_many_threads_at_once(places):
    """They create, send, look and remove; nobody ever sees another's photo, and nothing is left."""
    defects, turns = [], threading.Barrier(6)

    def visit(number):
        try:
            turns.wait()
            for each in range(3):
                token = places.create()
                workspace = places.find(token)
                name = f"{number}-{each}.jpg"
                workspace.add(save_photo(workspace.folder / "sent.jpg", (9, 9, 9), number), name)
                assert places.find(token).desk.session.listing.keys == (name,)
                places.sweep()
                places.remove(token)
        except Exception as error:  # noqa: BLE001 - a thread's error must not be lost
            defects.append(error)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    places.sweep()
    assert defects == []
    assert list(places.folder.iterdir()) == []
