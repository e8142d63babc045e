"""Class folders become answers and answers become class folders; photos are told by place, bytes or name."""

import shutil

import pytest
from conftest import COLD, WARM, fingerprint_of, save_photo

from imlcull_al import open_session
from imlcull_al.errors import AnswersRefused, StorageError
from imlcull_al.exchange.folders import SOURCE, judge, placed, read_folders, write
from imlcull_al.project.settings import open_task, tasks_of
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import Task
from imlcull_al.session.answers import decided, from_folders, planned, take

GARMENT = Task("garment", ("shirt", "dress"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)


@pytest.fixture
def folders(project, tmp_path):
    """Class folders of the photos of the project: a copy of one, another photo of a name, one that isn't there."""
    made = tmp_path / "garments"
    for name, key in (("shirt", "warm_00.jpg"), ("dress", "cold_00.jpg")):
        (made / name).mkdir(parents=True)
        shutil.copy(project / "stage_1" / key, made / name / f"renamed_{key}")
    save_photo(made / "dress" / "cold_01.jpg", WARM, seed=70)
    save_photo(made / "dress" / "unknown.jpg", WARM, seed=71)
    return made


def looked(project, cache_dir, folder, task="garment", whole=None, **named):
    found = read_folders(folder, whole)
    session, wanted = planned(project, task, found.names, cache_dir=cache_dir, tags=named.pop("tags", False))
    return session, from_folders(session, wanted, found, **named)


def test_photos_elsewhere_are_told_by_their_bytes_else_by_their_name(project, cache_dir, folders):
    session, found = looked(project, cache_dir, folders)
    assert found.labels == {"warm_00.jpg": "shirt", "cold_00.jpg": "dress", "cold_01.jpg": "dress"}
    assert found.ignored == {"dress/unknown.jpg": "there is no photo of its bytes or its name"}
    assert found.told == ("Photos in the class folders: 2 by their bytes, 1 by their name",)
    assert "garment" not in tasks_of(project)
    assert not session.stage.journal.exists()
    assert take(session, found) == 3
    assert tasks_of(project)["garment"].classes == ("dress", "shirt")
    assert set(session.sources().values()) == {SOURCE}
    assert len(session.take_back(SOURCE)) == 3
    assert session.labels() == {}


def test_a_name_says_nothing_of_a_photo_that_another_file_has_the_bytes_of(project, cache_dir, folders):
    shutil.copy(project / "stage_1" / "warm_01.jpg", folders / "shirt")
    save_photo(folders / "dress" / "warm_01.jpg", COLD, seed=83)
    found = looked(project, cache_dir, folders)[1]
    assert found.labels["warm_01.jpg"] == "shirt"
    assert found.ignored["dress/warm_01.jpg"] == "another file has the bytes of warm_01.jpg"


def test_a_name_in_several_folders_is_not_guessed(project, cache_dir, folders):
    for folder in ("day1", "day2"):
        save_photo(project / "stage_1" / folder / "twice.jpg", COLD, seed=80)
    save_photo(folders / "shirt" / "twice.jpg", COLD, seed=81)
    save_photo(folders / "shirt" / "day2" / "twice.jpg", COLD, seed=82)
    found = looked(project, cache_dir, folders)[1]
    assert found.labels["day2/twice.jpg"] == "shirt"
    assert found.ignored["shirt/twice.jpg"] == "it could be day1/twice.jpg or day2/twice.jpg"
    assert "day1/twice.jpg" not in found.labels


def test_folders_in_the_stage_are_the_classes_of_its_photos(tmp_path, cache_dir):
    stage = tmp_path / "project" / "stage_1"
    for place in ("shirt/a.jpg", "dress/a.jpg", "dress/day1/b.jpg", "loose.jpg"):
        save_photo(stage / place, COLD)
    before = fingerprint_of(stage)
    _, found = looked(tmp_path / "project", cache_dir, stage)
    assert found.labels == {"dress/a.jpg": "dress", "dress/day1/b.jpg": "dress", "shirt/a.jpg": "shirt"}
    assert found.ignored == {"loose.jpg": "it lies in no class folder"}
    assert fingerprint_of(stage) == before


@pytest.mark.parametrize("parts", [("train", "validation"), ("Train", "val", "test")])
def test_parts_for_training_and_validation_hold_the_class_folders(tmp_path, parts):
    for number, part in enumerate(parts):
        save_photo(tmp_path / part / "shirt" / f"{number}.jpg", WARM)
        save_photo(tmp_path / part / "dress" / f"{number}.jpg", COLD)
    assert read_folders(tmp_path).names == ["dress", "shirt"]
    save_photo(tmp_path / "hat" / "a.jpg", COLD)  # then the others are classes, too
    assert read_folders(tmp_path).names == sorted(["hat", *parts])


def test_what_is_no_class_folder_is_refused(tmp_path):
    save_photo(tmp_path / "a.jpg", WARM)
    with pytest.raises(AnswersRefused, match=r"no class folders in .*--as"):
        read_folders(tmp_path)
    assert read_folders(tmp_path, "shirt").classes == {"a.jpg": "shirt"}
    with pytest.raises(AnswersRefused, match="There is no folder"):
        read_folders(tmp_path / "nowhere")


def test_an_answer_of_ones_own_stays_unless_told_otherwise(project, cache_dir, folders):
    open_task(project, "garment", ["shirt", "dress"])
    mine = open_session(project, cache_dir=cache_dir, task="garment", prepare=False)
    mine.answer("warm_00.jpg", "dress")
    mine.answer("cold_00.jpg", "dress")
    found = looked(project, cache_dir, folders)[1]
    assert (found.own, found.same, found.labels) == (("warm_00.jpg",), 1, {"cold_01.jpg": "dress"})
    assert found.summary == "1 dress, 9 without an answer in these files, 1 answered so already"
    assert looked(project, cache_dir, folders, overwrite=True)[1].labels["warm_00.jpg"] == "shirt"


def test_a_new_folder_is_a_new_class_unless_the_task_is_fixed(project, cache_dir, folders):
    open_task(project, "garment", ["Shirt", "hat"])  # a class keeps its spelling
    session, found = looked(project, cache_dir, folders)
    assert found.task.classes == ("Shirt", "hat", "dress")
    take(session, found)
    assert session.task.classes == ("Shirt", "hat", "dress")
    assert session.labels()["warm_00.jpg"] == "Shirt"
    (folders / "dress").rename(folders / "keeps")
    with pytest.raises(
        AnswersRefused, match=r"'keeps' is no class of cull, which has keep and cull\. Did you mean 'keep'"
    ):
        (folders / "shirt").rename(folders / "cull")
        looked(project, cache_dir, folders, task="cull")


def test_a_photo_in_two_folders_has_both_tags_and_no_class():
    classes = {"a.jpg": ("shirt", "dress"), "b.jpg": ("dress",)}
    assert judge(GARMENT, classes, {}) == ({"b.jpg": "dress"}, ("a.jpg",))
    tags = {"a.jpg": ("red", "striped"), "b.jpg": ("striped",), "c.jpg": ("red",)}
    answers = {"b.jpg": "red=0", "c.jpg": "red=0;striped=1"}
    assert judge(NOTES, tags, answers)[0] == {
        "a.jpg": "red=1;striped=1",
        "b.jpg": "red=0;striped=1",
        "c.jpg": "red=1;striped=1",
    }


def test_one_folder_can_be_one_tag(project, cache_dir, folders):
    session, found = looked(project, cache_dir, folders / "shirt", "notes", "red", tags=True)
    assert found.labels == {"warm_00.jpg": "red=1"}
    take(session, found)
    more = looked(project, cache_dir, folders / "shirt", "notes", "striped")[1]
    assert more.labels == {"warm_00.jpg": "red=1;striped=1"}


def test_equal_names_never_overwrite():
    classes = {"day1/a.jpg": ["shirt"], "day2/A.jpg": ["shirt"], "day3/a.jpg": ["shirt", "dress"], "a-2.jpg": ["shirt"]}
    places = placed(classes)
    assert sorted(places.values()) == ["a-2.jpg", "day1/a.jpg", "day2/A.jpg", "day3/a.jpg", "day3/a.jpg"]
    assert places["dress/a.jpg"] == "day3/a.jpg"
    assert len({place.casefold() for place in places}) == 5


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_answers_go_out_as_class_folders_and_come_back(project, cache_dir, tmp_path, link):
    open_task(project, "garment", ["shirt", "dress"])
    save_photo(project / "stage_1" / "day1" / "warm_00.jpg", WARM, seed=90)
    session = open_session(project, cache_dir=cache_dir, task="garment", prepare=False)
    answers = {"warm_00.jpg": "shirt", "day1/warm_00.jpg": "shirt", "cold_00.jpg": "dress"}
    session.answer_each(answers)
    classes = {key: [name for name, has in tags.items() if has] for key, tags in decided(session).items()}
    out = tmp_path / "out" / "folders"
    assert write(session.stage, classes, out, link) == 3
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))
    assert names == ["dress/cold_00.jpg", "shirt/warm_00-2.jpg", "shirt/warm_00.jpg"]
    assert (out / "dress/cold_00.jpg").samefile(project / "stage_1/cold_00.jpg") is (link == "hardlink")
    session.take_back("api")
    found = looked(project, cache_dir, out)[1]
    assert found.labels == answers
    assert [path.name for path in out.parent.iterdir()] == ["folders"]
    with pytest.raises(AnswersRefused, match="already exists"):
        write(session.stage, classes, out)


def test_an_export_that_fails_leaves_nothing(project, tmp_path):
    classes = {"cold_00.jpg": ["shirt"], "gone.jpg": ["shirt"]}
    with pytest.raises(StorageError, match=r"Could not read .*gone\.jpg"):
        write(Stage(project, 1), classes, tmp_path / "new" / "out")
    assert list((tmp_path / "new").iterdir()) == []


def test_scores_decide_only_what_nobody_answered(project, warm_cache, encoder):
    session = open_session(project, model=encoder, cache_dir=warm_cache)
    session.answer_each({"warm_00.jpg": "keep", "cold_00.jpg": "cull", "warm_01.jpg": "cull"})
    assert decided(session).keys() == {"warm_00.jpg", "cold_00.jpg", "warm_01.jpg"}
    found = decided(session, 0.5)
    assert found["warm_01.jpg"] == {"keep": False, "cull": True}
    assert found["cold_02.jpg"] == {"keep": False, "cull": True}
    assert len(found) == 12
    assert decided(session, 1.0) == decided(session)


def test_nothing_is_made_among_the_photos_or_under_a_name_that_is_no_folder(project, tmp_path):
    stage = Stage(project, 1)
    for place in (project / "stage_1" / "out", project / "stage_2"):
        with pytest.raises(AnswersRefused, match="lies among the photos"):
            write(stage, {"warm_00.jpg": ["shirt"]}, place)
    for name in ("../up", "a/b", ".hidden", "no."):
        with pytest.raises(AnswersRefused, match="can't be the name of a folder"):
            write(stage, {"warm_00.jpg": [name]}, tmp_path / "out")


def test_the_commands(run, project, folders, tmp_path):
    arguments = ("import", "folders", folders, "--project", project, "--task", "garment")
    code, out, err = run(*arguments, "--dry-run")
    assert (code, out.splitlines()[:1]) == (0, ["2 dress, 1 shirt, 9 without an answer in these files"])
    assert "Ignored: 'dress/unknown.jpg'" in err
    assert "garment" not in tasks_of(project)
    taken = run(*arguments, "--yes")[1]
    assert "Took over 3 answers. To take them back: " in taken
    assert f" import folders --undo --project {project} --cache-dir " in taken
    code, out, err = run("export", "folders", "--project", project, "--task", "garment", "--out", tmp_path / "new")
    assert (code, out) == (0, f"2 dress, 1 shirt\nMade {tmp_path / 'new'} with 3 photos.\n")
    more = ("export", "folders", "--project", project, "--task", "garment", "--above", "0.1", "--dry-run", "--out")
    code, out, err = run(*more, tmp_path / "newer")
    assert code == 0 and sum(int(part.split()[0]) for part in out.splitlines()[0].split(", ")) == 12
    assert not (tmp_path / "newer").exists()
    back = run("import", "folders", "--undo", "--project", project, "--task", "garment")[1]
    assert back == "Took back 3 answers that came from class folders.\n"
    code, out, err = run("import", "folders", "--project", project, "--task", "garment")
    assert (code, err.startswith("Error: Name the folder that holds the class folders")) == (1, True)
