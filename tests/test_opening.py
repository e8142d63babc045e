"""Any folder of photos as it is: its project stands beside it, and nothing is written inside."""

import shutil
from pathlib import Path

import pytest
from conftest import fill_stage, fingerprint_of, label_of, save_photo

import imlcull_al.ui
from imlcull_al.cli.commands import main
from imlcull_al.culling import copies, undo
from imlcull_al.culling.importing import import_folder
from imlcull_al.errors import CullRefused, StageError, StorageError
from imlcull_al.project import tables
from imlcull_al.project.listing import list_photos
from imlcull_al.project.opening import project_of, stage_of
from imlcull_al.project.settings import open_task, start_from
from imlcull_al.project.stages import Stage, open_stage
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session


@pytest.fixture
def wedding(tmp_path):
    """A folder of six warm and six cold photos, and a RAW file of each kind."""
    folder = fill_stage(tmp_path / "Pictures" / "Wedding")
    for name in ("warm_00.NEF", "cold_00.NEF", "film.mov"):
        (folder / name).write_bytes(name.encode())
    return folder


def inside(folder):
    return fingerprint_of(folder), sorted(path.name for path in folder.rglob("*"))


def test_the_project_stands_beside_its_photos(wedding):
    before = inside(wedding)
    project = project_of(wedding)
    assert project == wedding.with_name("Wedding.imlcull")
    assert (project / "project.toml").read_text() == 'version = 1\nstage_1 = "../Wedding"\n'
    assert project_of(wedding) == project
    assert open_stage(project) == open_stage(wedding) == Stage(project, 1, elsewhere=wedding)
    assert open_stage(project).folder == wedding
    assert inside(wedding) == before


def test_a_name_that_is_as_long_as_can_be_leaves_no_room_for_a_project_beside_it(wedding, tmp_path, run):
    long = tmp_path / ("x" * 255)
    wedding.rename(long)
    code, _, err = run("import", "tags-txt", "--project", long, "--task", "notes")
    assert (code, "No text file in" in err) == (1, True)
    with pytest.raises(StageError, match="There is no stage folder in"):
        open_stage(long)
    with pytest.raises(StorageError, match="Name another place for it with --project"):
        project_of(long)
    assert open_stage(project_of(long, tmp_path / "mine")).folder == long
    (tmp_path / ("y" * 255)).mkdir()
    long.rename(tmp_path / ("y" * 255) / "stage_1")
    assert open_stage(tmp_path / ("y" * 255)).number == 1


def test_the_project_may_stand_anywhere(wedding, tmp_path):
    project = project_of(wedding, tmp_path / "mine")
    assert (project / "project.toml").read_text() == f'version = 1\nstage_1 = "{wedding}"\n'
    assert open_stage(project).folder == wedding
    with pytest.raises(StageError, match="To work on photos where they are: imlcull"):
        open_stage(wedding)  # only the project beside it is found


def test_a_project_of_stages_is_opened_as_it_is(project, wedding):
    assert project_of(project) == project
    assert open_stage(project) == Stage(project, 1)
    beside = project_of(wedding)
    assert project_of(beside) == beside
    with pytest.raises(StageError, match="is a project itself"):
        project_of(project, wedding)


def test_all_work_is_done_beside_the_photos(wedding, cache_dir, encoder):
    before = inside(wedding)
    session = open_session(project_of(wedding), model="builtin", cache_dir=cache_dir)
    for key in session.listing.keys:
        session.answer(key, label_of(key))
    made = session.cull()
    assert made.folder == wedding.with_name("Wedding.imlcull") / "stage_2"
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "warm_00.NEF", *(f"warm_{number:02}.jpg" for number in range(6)),
    ]  # fmt: skip
    rows = {row.values["image_name"]: row.values for row in tables.read(made.manifest)[1]}
    assert rows["cold_00.NEF"]["decision"] == "cull"
    assert rows["film.mov"]["decision"] == "left out"
    assert open_stage(wedding) == Stage(made.project, 2, elsewhere=wedding)
    assert open_stage(wedding, 1).folder == wedding

    desk = Desk(session)
    desk.go_on()
    assert desk.session.stage.previous.folder == wedding
    desk.go_back()
    desk.jobs.close()
    assert desk.session.stage.folder == wedding

    assert undo.undo_cull(made).name.startswith("stage_2.undone-")
    assert inside(wedding) == before


def test_photos_that_come_while_it_is_open_are_noticed(wedding, cache_dir):
    session = open_session(project_of(wedding), model="builtin", cache_dir=cache_dir)
    save_photo(wedding / "day 2" / "new.jpg", (1, 2, 3))
    assert session.follow_disk()
    assert "day 2/new.jpg" in session.listing.keys


def test_both_can_be_moved_together(wedding, tmp_path):
    project_of(wedding)
    shutil.move(tmp_path / "Pictures", tmp_path / "Photos")
    moved = tmp_path / "Photos" / "Wedding"
    assert open_stage(moved).folder == moved
    assert project_of(moved) == moved.with_name("Wedding.imlcull")


def test_photos_that_were_moved_are_named_anew(wedding, cache_dir, tmp_path):
    project = project_of(wedding)
    session = open_session(project, model="builtin", cache_dir=cache_dir)
    session.answer("warm_00.jpg", "keep")
    wedding.rename(tmp_path / "archive")
    sentence = (
        f"The folder {wedding} is gone. Connect its disk again, or put it back. If it was moved, name its new place: "
        f"imlcull NEW_FOLDER --project {project} --moved"
    )
    with pytest.raises(StageError) as caught:
        session.answer("warm_01.jpg", "keep")
    assert str(caught.value) == sentence
    with pytest.raises(StageError) as caught:
        open_session(project, model="builtin", cache_dir=cache_dir)
    assert str(caught.value) == sentence
    with pytest.raises(StageError) as caught:
        project_of(wedding)
    assert str(caught.value) == sentence
    with pytest.raises(StageError, match=r"which is gone. If .*archive holds those photos, say .*--moved. If it holds"):
        project_of(tmp_path / "archive", project)
    assert open_stage(project).folder == wedding
    assert project_of(tmp_path / "archive", project, moved=True) == project
    assert open_session(project, model="builtin", cache_dir=cache_dir).labels() == {"warm_00.jpg": "keep"}


def test_photos_that_were_moved_out_of_their_folder_are_named_anew(wedding, tmp_path):
    project = project_of(wedding)
    shutil.copytree(wedding, tmp_path / "archive")
    for each in wedding.iterdir():
        each.unlink()
    with pytest.raises(
        StageError, match=r"which has no photos any more. If .*archive holds those photos, say .*--moved"
    ):
        project_of(tmp_path / "archive", project)
    assert project_of(tmp_path / "archive", project, moved=True) == project


def test_a_project_is_not_taken_from_photos_that_are_there(wedding, tmp_path):
    project, other = project_of(wedding), fill_stage(tmp_path / "other")
    before = (project / "project.toml").read_text()
    with pytest.raises(StageError, match=r"Wedding\.imlcull is the project of .*Wedding\. Name another one"):
        project_of(other, project)
    with pytest.raises(StageError, match=r"Wedding\.imlcull is the project of .*Wedding\. Name another one"):
        project_of(other, project, moved=True)
    assert (project / "project.toml").read_text() == before


def test_a_project_that_cant_be_made_may_stand_elsewhere(wedding, monkeypatch):
    def mkdir(self, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(wedding), "mkdir", mkdir)
    for work in (project_of, import_folder):
        with pytest.raises(StorageError, match=r"make the project .*Wedding\.imlcull: Permission.* with --project"):
            work(wedding)


def test_nothing_may_lie_among_the_photos(wedding, tmp_path, cache_dir):
    for place in (wedding, wedding / "mine", wedding / "a" / "b"):
        with pytest.raises(StageError, match="would lie among the photos"):
            project_of(wedding, place)
        with pytest.raises(StageError, match="would lie among the photos"):
            import_folder(wedding, place)
    (tmp_path / "link").symlink_to(wedding)
    with pytest.raises(StageError, match="would lie among the photos"):
        project_of(wedding, tmp_path / "link" / "mine")
    project = project_of(wedding)
    with pytest.raises(StageError, match="inside the photo folder of a stage"):
        open_session(project, model="builtin", cache_dir=wedding / "cache", prepare=False)
    (project / "stage_2").mkdir()
    save_photo(project / "stage_2" / "a.jpg", (1, 2, 3))
    with pytest.raises(StageError, match="inside the photo folder of a stage"):  # of stage 1, though stage 2 is open
        open_session(project, 2, model="builtin", cache_dir=wedding / "cache", prepare=False)


def test_a_stage_of_a_project_is_no_folder_of_its_own(project):
    with pytest.raises(StageError, match="is a stage, not a project"):
        project_of(project / "stage_1")
    save_photo(project / "stage_1" / "day" / "a.jpg", (1, 2, 3))
    with pytest.raises(StageError, match="is in a stage of"):
        project_of(project / "stage_1" / "day", project)


def test_two_first_stages_are_one_too_many(wedding):
    project = project_of(wedding)
    (project / "stage_1").mkdir()
    with pytest.raises(StageError, match=r"say that stage 1 is .*Wedding, but there is .*stage_1, too"):
        open_stage(project)


def test_a_folder_without_photos_gets_no_project(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in (("empty", "There are no photos in"), ("nowhere", "There is no folder")):
        with pytest.raises(StageError, match=words):
            project_of(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_projects_among_photos_are_left_out(wedding):
    save_photo(wedding / "a.imlcull" / "stage_2" / "x.jpg", (1, 2, 3))
    listing = list_photos(open_stage(project_of(wedding)))
    assert listing.left_out["a.imlcull"] == "it is a project of imlcull"
    assert len(listing.keys) == 12


def test_settings_survive(wedding):
    project = project_of(wedding)
    open_task(project, "garment", ["shirt", "dress"])
    assert (project / "project.toml").read_text() == (
        'version = 1\nstage_1 = "../Wedding"\n\n[tasks.garment]\nclasses = ["shirt", "dress"]\n'
    )


class TestImport:
    @pytest.mark.parametrize("link", ["copy", "hardlink"])
    def test_a_stage_is_made_of_a_folder(self, wedding, link):
        before = inside(wedding)
        plan, new = import_folder(wedding, link=link)
        assert new == Stage(wedding.with_name("Wedding.imlcull"), 1)
        files = sorted(path.name for path in wedding.iterdir() if path.name != "film.mov")
        assert sorted(path.name for path in new.folder.iterdir()) == files
        assert all((new.folder / name).read_bytes() == (wedding / name).read_bytes() for name in files)
        assert (new.folder / "warm_00.jpg").samefile(wedding / "warm_00.jpg") == (link == "hardlink")
        assert plan.left_out == {"film.mov": "it is a movie without a photo of its name"}
        rows = {row.values["image_name"]: row.values for row in tables.read(new.manifest)[1]}
        assert rows["warm_00.NEF"]["source"] == f"{wedding}/warm_00.NEF"
        assert (rows["warm_00.jpg"]["reason"], rows["warm_00.jpg"]["threshold"]) == ("imported", "")
        assert undo.changes_since_cull(new) == []
        assert inside(wedding) == before
        assert open_stage(new.project) == new
        assert project_of(wedding) == new.project

    def test_a_project_beside_a_folder_is_its_own_only_if_it_says_so(self, wedding, tmp_path):
        _, new = import_folder(wedding)
        assert (new.project / "project.toml").read_text() == 'version = 1\nimported_from = "../Wedding"\n'
        shutil.move(tmp_path / "Pictures", tmp_path / "Photos")
        moved = tmp_path / "Photos" / "Wedding"
        assert open_stage(moved) == stage_of(moved) == Stage(moved.with_name("Wedding.imlcull"), 1)
        moved.with_name("Wedding.imlcull").rename(tmp_path / "Photos" / "Party.imlcull")
        party = fill_stage(tmp_path / "Photos" / "Party")
        for opening in (project_of, open_stage, stage_of):
            with pytest.raises(StageError, match=r"Party\.imlcull has stages of its own, .*by its name: .*--project"):
                opening(party)

    def test_a_stage_that_is_there_stays(self, wedding, project):
        before = fingerprint_of(project / "stage_1")
        with pytest.raises(CullRefused, match="already exists"):
            import_folder(wedding, project)
        assert fingerprint_of(project / "stage_1") == before

    def test_photos_that_were_opened_in_place_are_not_copied_too(self, wedding):
        project = project_of(wedding)
        with pytest.raises(CullRefused, match=r"Wedding, where they are; nothing was copied\. .* with --project"):
            import_folder(wedding)
        assert open_stage(wedding) == Stage(project, 1, elsewhere=wedding)
        assert import_folder(wedding, wedding.with_name("copy"))[1].folder.is_dir()

    def test_one_that_fails_leaves_nothing(self, wedding, monkeypatch):
        monkeypatch.setattr(copies, "copy", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_folder(wedding)
        assert [path.name for path in wedding.parent.iterdir()] == ["Wedding"]

    def test_it_can_be_undone(self, wedding, capsys):
        assert main(["import", str(wedding), "--link", "hardlink"]) == 0
        project = wedding.with_name("Wedding.imlcull")
        out, err = capsys.readouterr()
        assert out == (
            f"Made {project / 'stage_1'} with 12 photos and 2 companion files, listed in stage_1_cull_manifest.csv; "
            f"{wedding} is unchanged.\n"
        )
        assert "Left out: 'film.mov': it is a movie without a photo of its name\n" in err
        assert main(["undo-cull", "--project", str(project)]) == 0
        assert capsys.readouterr().out.startswith(f"Moved {project / 'stage_1'} to stage_1.undone-")


class TestCommandLine:
    @pytest.fixture
    def opened(self, monkeypatch):
        """The projects that a page was opened on."""
        projects = []
        monkeypatch.setattr(imlcull_al.ui, "launch", lambda project, *given, **named: projects.append(project))
        return projects

    def test_a_folder_is_opened_by_its_name_alone(self, wedding, opened, monkeypatch, tmp_path, project):
        beside = wedding.with_name("Wedding.imlcull")
        monkeypatch.chdir(wedding.parent)
        for arguments in (["Wedding"], ["./Wedding", "--port", "5001"], [str(wedding)], ["open", "Wedding"]):
            assert main(arguments) == 0
        assert opened == [beside] * 4
        assert main(["Wedding", "--project", str(tmp_path / "mine")]) == 0
        assert main([str(project)]) == 0
        assert main([str(beside)]) == 0
        assert main(["--port", "5001", "Wedding"]) == 0
        assert opened.pop() == beside
        assert opened[4:] == [tmp_path / "mine", project, beside]

    def test_without_a_folder_one_is_chosen_on_the_page(self, wedding, opened, monkeypatch, project):
        monkeypatch.setattr(imlcull_al.ui, "choose_project", lambda *given: wedding.with_name("chosen"))
        assert main([]) == main(["open", "--port", "5001"]) == 0
        assert main(["open", "--project", str(project)]) == 0
        assert opened == [wedding.with_name("chosen"), wedding.with_name("chosen"), project]

    def test_what_is_neither_folder_nor_command_is_refused(self, opened, capsys, tmp_path):
        with pytest.raises(SystemExit) as caught:
            main(["Weding"])
        assert caught.value.code == 2
        assert "invalid choice: 'Weding'" in capsys.readouterr().err
        assert main([str(tmp_path / "Weding")]) == 1
        assert f"There is no folder {tmp_path / 'Weding'}" in capsys.readouterr().err
        assert opened == []

    def test_every_command_knows_the_folder(self, wedding, run):
        project_of(wedding)
        assert run("embed", "--project", wedding)[1].startswith("12 photos in stage_1: 0 found in the cache, 12 comp")
        assert run("order", "--project", wedding, "-n", "2")[0] == 0

    def test_a_command_that_begins_the_work_makes_the_project(self, wedding, opened, run):
        project, words = wedding.with_name("Wedding.imlcull"), ("ratings", "--project", str(wedding))
        for command in (["score", *words[1:]], ["import", *words, "--undo"]):
            assert main(command) == 1
        assert not project.exists()
        assert run("embed", "--project", wedding)[0] == 0
        assert main(["label", "--project", str(wedding)]) == 0
        assert (opened, project.is_dir()) == ([wedding], True)

    @pytest.mark.parametrize(
        ("kind", "more"),
        [
            ("ratings", ("--from", "in")),
            ("folders", ("in", "--task", "garment")),
            ("tags-txt", ("--from", "in", "--task", "notes")),
            ("timelapse", ("in/table.csv", "--task", "kind", "--classes", "deer,fox")),
            ("megadetector", ("in/found.json",)),
        ],
    )
    def test_an_import_makes_the_project_once_it_is_agreed_to(
        self, wedding, run, tmp_path, monkeypatch, project, kind, more
    ):
        monkeypatch.chdir(tmp_path)
        for name in ("shirt", "dress"):
            (tmp_path / "in" / name).mkdir(parents=True)
        shutil.copy(wedding / "warm_00.jpg", "in/shirt")
        shutil.copy(wedding / "cold_00.jpg", "in/dress")
        shutil.copy(Path(__file__).parent / "sidecars" / "IMG_0001.xmp", "in/warm_00.xmp")
        Path("in/warm_00.jpg.txt").write_text("red")
        Path("in/table.csv").write_text("File,RelativePath,Species\nwarm_00.jpg,,deer\n")
        Path("in/found.json").write_text('[{"file": "warm_00.jpg", "detections": []}]')
        start = None if kind == "megadetector" else project
        words = ("import", kind, *more, "--project", wedding, *(("--start-from", start) if start else ()))
        before = sorted(wedding.parent.iterdir())
        for extra in ((), ("--dry-run",)):
            code, out, err = run(*words, *extra)
            assert (code, "othing was changed" in out) == (0, True), err
            assert sorted(wedding.parent.iterdir()) == before
        assert run(*words, "--yes")[0] == 0
        stage = open_stage(wedding)
        assert stage == Stage(wedding.with_name("Wedding.imlcull"), 1, elsewhere=wedding)
        assert stage.detections.exists() or list(stage.project.glob("*_labels.csv"))
        assert start_from(stage.project) == start

    def test_every_command_knows_the_folder_of_an_import(self, wedding, run):
        assert main(["import", str(wedding)]) == 0
        assert run("embed", "--project", wedding)[1].startswith("12 photos in stage_1: 0 found in the cache, 12 comp")
        assert open_stage(wedding) == Stage(wedding.with_name("Wedding.imlcull"), 1)
