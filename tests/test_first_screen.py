"""The first screen: what a folder holds and how long it takes, before anything is written; then its project."""

import socket
import threading

import pytest
from conftest import fill_stage
from pages import close

from imlcull_al import ui
from imlcull_al.encoding import embeddings
from imlcull_al.errors import ServerError, StageError
from imlcull_al.project.opening import project_of, stage_of
from imlcull_al.project.stages import Stage
from imlcull_al.session import preview, recent
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import choose_project


@pytest.fixture
def wedding(tmp_path):
    folder = fill_stage(tmp_path / "Wedding")
    for name in ("warm_00.NEF", "film.mov"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder_is_looked_into_and_nothing_is_made(wedding, tmp_path):
    found = preview.find(wedding)
    assert found.sentences == [
        f"12 photos with 1 companion file in {wedding}. They stay as they are; the project will be {wedding}.imlcull.",
        "Left out: 'film.mov': it is a movie without a photo of its name.",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["Wedding"]
    project_of(wedding)
    assert f"the project is {wedding}.imlcull." in preview.find(wedding).sentences[0]


def test_a_look_has_an_end(wedding, monkeypatch):
    monkeypatch.setattr(preview, "MOST_LOOKED_AT", 9)
    found = preview.find(wedding)
    assert len(found.listing.keys) < 9
    assert found.sentences[0].startswith(f"More than {len(found.listing.keys)} photos")
    assert f" in {wedding}. The others were not looked at. They stay as they are;" in found.sentences[0]
    monkeypatch.setattr(preview, "MOST_LOOKED_AT", 0)
    with pytest.raises(StageError, match="no photos among the first files of"):
        preview.find(wedding)


def test_what_would_be_shown_is_what_is_opened(wedding, project):
    beside = wedding.with_name("Wedding.imlcull")
    assert stage_of(wedding) == Stage(beside, 1, elsewhere=wedding)
    project_of(wedding)
    assert stage_of(wedding) == stage_of(beside) == Stage(beside, 1, elsewhere=wedding)
    assert stage_of(project) == Stage(project, 1)
    with pytest.raises(StageError, match="There is no folder"):
        stage_of(wedding / "nowhere")


def test_the_first_pass_is_measured_and_its_photos_are_in_the_cache(wedding, cache_dir, encoder):
    found = preview.find(wedding)
    assert preview.first_pass(found, encoder, cache_dir) == "Analyzing them takes less than a minute, once."
    filled = embeddings.fill(found.stage.paths(found.listing.keys), encoder, cache_dir)
    assert (filled.found, filled.computed) == (12, 0)
    assert preview.first_pass(found, encoder, cache_dir).startswith("They were analyzed before")
    with pytest.raises(StageError, match="is among the photos"):
        preview.first_pass(found, encoder, wedding / "cache")


@pytest.mark.parametrize(
    ("photos", "computed", "seconds", "words"),
    [
        (100, 0, 9.0, "They were analyzed before, or are so few that they take no time."),
        (100, 12, 1.2, "Analyzing them takes less than a minute, once."),
        (600, 12, 1.2, "Analyzing them takes about 1 minute, once; you can label meanwhile."),
        (6000, 12, 1.2, "Analyzing them takes about 10 minutes, once; you can label meanwhile."),
        (100_000, 12, 1.2, "Analyzing them takes about 3 hours, once; you can label meanwhile."),
    ],
)
def test_the_time_in_words(photos, computed, seconds, words):
    assert preview.in_words(photos, computed, seconds) == words


def test_recent_projects(tmp_path):
    cache = tmp_path / "cache"
    assert recent.recent(cache) == []
    projects = [tmp_path / f"p{number}" for number in range(10)]
    for project in [*projects, projects[5]]:
        project.mkdir(exist_ok=True)
        recent.remember(project, cache)
    assert recent.recent(cache) == [projects[number] for number in (5, 9, 8, 7, 6, 4, 3, 2)]
    projects[9].rmdir()
    recent.remember(tmp_path / "a\nb", cache)
    assert recent.recent(cache) == [projects[number] for number in (5, 8, 7, 6, 4, 3, 2)]
    (cache / "recent_projects.txt").write_bytes(b"\xff")
    assert recent.recent(cache) == []


def test_no_stranger_may_choose_a_folder():
    with pytest.raises(ServerError, match="needs a password"):
        choose_project(host="0.0.0.0", port=5079)


def test_a_folder_is_chosen_and_its_project_takes_the_place_of_the_screen(wedding, cache_dir, visit, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    recent.remember(project_of(fill_stage(wedding.with_name("Earlier"))), cache_dir)
    chosen, is_served = [], threading.Event()

    def choose():
        chosen.append(choose_project("builtin", cache_dir, port=port))

    def launched(*given, **named):
        real(*given, **named)
        is_served.set()

    real = ui._serve
    monkeypatch.setattr(ui, "_serve", launched)
    thread = threading.Thread(target=choose, daemon=True)
    thread.start()
    assert is_served.wait(60)
    tab = visit(f"http://127.0.0.1:{port}/")
    tab.get_by_label(f"Earlier.imlcull, in {wedding.parent}", exact=True).click()
    tab.get_by_text("12 photos in").wait_for()
    tab.get_by_text("Analyzing them takes").wait_for(timeout=60_000)  # the encoder is loaded
    folder = tab.get_by_label("Folder of photos, or a project")
    assert folder.input_value() == str(wedding.with_name("Earlier.imlcull"))
    folder.fill("")
    tab.get_by_role("button", name="Open").click()
    tab.get_by_text("No folder is named.").wait_for()
    tab.get_by_role("button", name="Look").click()
    tab.locator("p", has_text="No folder is named.").wait_for()
    folder.fill(str(wedding / "nowhere"))
    tab.get_by_role("button", name="Open").click()
    tab.get_by_text("There is no folder").wait_for()
    assert chosen == []
    folder.fill(f" '{wedding}' ")
    tab.get_by_role("button", name="Look").click()
    tab.get_by_text("12 photos with 1 companion file").wait_for()
    tab.get_by_text("They were analyzed before").wait_for()  # as Earlier, whose bytes they have
    tab.get_by_role("button", name="Open").click()
    thread.join(60)
    assert chosen == [wedding.with_name("Wedding.imlcull")]
    desk = Desk(open_session(chosen[0], model="builtin", cache_dir=cache_dir, prepare=False))
    page = ui.serve(desk, "127.0.0.1", port)
    try:
        tab.get_by_role("tab", name="Label").wait_for()
        tab.get_by_role("heading", name="Wedding / stage_1", exact=True).wait_for()
    finally:
        tab.goto("about:blank")
        desk.jobs.close()
        close(page)
