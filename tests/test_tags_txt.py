"""Tags in text files become answers and come of them; a person's file is never overwritten unasked."""

import zipfile

import pytest
from conftest import WARM, fingerprint_of, save_photo

from imlcull_al import open_session
from imlcull_al.errors import AnswersRefused
from imlcull_al.exchange.tags_txt import SOURCE, name_of, plan, read_tags, read_whitelist, tags_in, text_of, texts_of
from imlcull_al.project.listing import list_photos
from imlcull_al.project.settings import open_task, tasks_of
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import Task

NOTES = Task("notes", ("red", "striped", "blue"), exclusive=False)


def beside(project, **texts):
    """Text files of photos, with the bytes that multitag-trainer gives them."""
    for name, text in texts.items():
        (project / "stage_1" / f"{name}.jpg.txt").write_bytes(text)


def read(project, *arguments):
    stage = Stage(project, 1)
    return read_tags(stage, list_photos(stage), *arguments)


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        (b"red", ("red",)),  # as its preparation writes it
        (b"red\nstriped\n", ("red", "striped")),  # as its inference does
        (b"", ()),
        (b"\xef\xbb\xbf red \r\n\r\nstriped\r\nred\r\n", ("red", "striped")),
        ("grün\n".encode(), ("grün",)),
    ],
)
def test_a_file_holds_a_tag_a_line(data, tags):
    assert tags_in(data, "x") == tags


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"red\nno\xff", r"a\.txt, line 2: it is not UTF-8 text"),
        (b"red\n\na, b\n", r"a\.txt, line 3: A class can't be named 'a, b'"),
        (b"tag", r"a\.txt, line 1: .* tables have such a column"),
        (b"x" * (1 << 21), r"a\.txt is larger than 1 MiB"),
    ],
)
def test_what_holds_no_tags_is_refused_with_its_line(data, reason):
    with pytest.raises(AnswersRefused, match=reason):
        tags_in(data, "a.txt")


def test_tags_are_written_as_the_other_program_does():
    assert text_of(["striped", "red"]) == b"red\nstriped\n"
    assert text_of([]) == b""
    assert (name_of("day1/a.b.JPG", "full"), name_of("day1/a.b.JPG", "stem")) == ("day1/a.b.JPG.txt", "day1/a.b.txt")


def test_photos_without_a_file_are_no_error_and_one_tag_works(run, project, cache_dir):
    beside(project, warm_00=b"red", warm_01=b"", cold_00=b"red\n")
    arguments = ("import", "tags-txt", "--project", project, "--task", "notes")
    before = fingerprint_of(project / "stage_1")
    code, out, _ = run(*arguments, "--dry-run")
    assert (code, out.splitlines()[0]) == (0, "2 red, 1 with none, 9 without an answer in these files")
    assert "notes" not in tasks_of(project)
    assert run(*arguments, "--yes")[0] == 0
    session = open_session(project, cache_dir=cache_dir, task="notes", prepare=False)
    assert session.labels() == {"cold_00.jpg": "red=1", "warm_00.jpg": "red=1", "warm_01.jpg": "red=0"}
    assert fingerprint_of(project / "stage_1") == before
    beside(project, warm_00=b"red\nstriped", warm_02=b"striped")  # edited by hand, and a new tag
    assert run(*arguments, "--yes")[0] == 0
    labels = open_session(project, cache_dir=cache_dir, task="notes", prepare=False).labels()
    assert (labels["warm_00.jpg"], labels["cold_00.jpg"]) == ("red=1;striped=1", "red=1;striped=0")
    assert run(*arguments, "--undo")[1] == "Took back 7 answers that came from text files.\n"


def test_a_bad_file_takes_nothing(run, project):
    beside(project, warm_00=b"red", warm_01=b"red\na;b")
    code, out, err = run("import", "tags-txt", "--project", project, "--task", "notes", "--yes")
    assert (code, out) == (1, "")
    assert "warm_01.jpg.txt, line 2: A class can't be named 'a;b'" in err
    assert "notes" not in tasks_of(project)


def test_files_are_named_in_full_or_by_the_stem(project):
    beside(project, warm_00=b"red")
    (project / "stage_1" / "warm_00.txt").write_bytes(b"blue")
    save_photo(project / "stage_1" / "cold_00.png", WARM)
    (project / "stage_1" / "cold_00.txt").write_bytes(b"blue")
    assert read(project) == ({"warm_00.jpg": ("red",)}, {})
    assert read(project, "stem") == (
        {"warm_00.jpg": ("blue",)},
        {"cold_00.txt": "it could be of cold_00.jpg or cold_00.png"},
    )
    with pytest.raises(AnswersRefused, match=r"No text file in .* is that of a photo.*--names stem"):
        (project / "stage_1" / "warm_00.jpg.txt").unlink()
        read(project)
    assert texts_of(Stage(project, 1), {"a.jpg": ["red"], "a.png": []}, "stem") == (
        {},
        {"a.txt": "it would belong to a.jpg and a.png, which have different tags"},
    )
    assert texts_of(Stage(project, 1), {"A.jpg": ["red"], "a.png": [], "b.jpg": ["red"], "B.png": ["red"]}, "stem") == (
        {"B.txt": b"red\n"},  # on many disks, it is the file of both
        {"A.txt": "it would belong to A.jpg and a.png, which have different tags"},
    )


def test_a_whitelist_is_the_tags_of_a_file(tmp_path):
    (tmp_path / "whitelist.txt").write_bytes(b" blue \nhat\nred\n")
    assert read_whitelist(tmp_path / "whitelist.txt", NOTES) == (["blue", "red"], ["hat"])
    (tmp_path / "whitelist.txt").write_bytes(b"hat\n")
    with pytest.raises(AnswersRefused, match="lists no tag of notes"):
        read_whitelist(tmp_path / "whitelist.txt", NOTES)


@pytest.fixture
def answered(project, cache_dir):
    open_task(project, "notes", tags=NOTES.classes)
    save_photo(project / "stage_1" / "day1" / "warm_00.jpg", WARM, seed=90)
    session = open_session(project, cache_dir=cache_dir, task="notes", prepare=False)
    session.answer_each({"warm_00.jpg": "striped;red", "day1/warm_00.jpg": "blue", "cold_00.jpg": ""})
    return session


@pytest.mark.parametrize("names", ["full", "stem"])
def test_answers_go_out_into_a_folder_and_come_back(run, project, answered, tmp_path, names):
    out = tmp_path / "tags"
    (tmp_path / "whitelist.txt").write_text("red\nblue\nhat\n")
    export = ("export", "tags-txt", "--project", project, "--task", "notes", "--out", out, "--names", names)
    assert run(*export)[:2] == (0, f"Made {out} with 3 text files.\n")
    end = ".jpg.txt" if names == "full" else ".txt"
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.txt")} == {
        f"warm_00{end}": b"red\nstriped\n",
        f"day1/warm_00{end}": b"blue\n",
        f"cold_00{end}": b"",
    }
    before = answered.labels()
    answered.take_back("api")
    taken = ("import", "tags-txt", "--project", project, "--task", "notes", "--from", out, "--names", names, "--yes")
    assert run(*taken)[0] == 0
    assert set(answered.sources().values()) == {SOURCE}
    assert answered.labels() == before
    code, _, err = run(*export)
    assert (code, "already exists" in err) == (1, True)
    code, _, err = run(*export, "--replace", "--whitelist", tmp_path / "whitelist.txt")
    assert code == 0 and "In the whitelist: 'hat': it is no tag of notes" in err
    assert (out / f"warm_00{end}").read_bytes() == b"red\n"
    (old,) = tmp_path.glob("tags.replaced-*")
    assert (old / f"warm_00{end}").read_bytes() == b"red\nstriped\n"


def test_scores_go_out_where_asked(run, project, answered, tmp_path):
    answered.answer_each({"warm_01.jpg": "red", "cold_01.jpg": "blue"})
    out = tmp_path / "tags"
    asked = ("export", "tags-txt", "--project", project, "--task", "notes", "--out", out, "--above", "0.5")
    assert run(*asked)[:2] == (0, f"Made {out} with 13 text files.\n")
    assert (out / "warm_00.jpg.txt").read_bytes() == b"red\nstriped\n"  # an answer beats a score


def test_a_file_of_a_person_is_never_overwritten_unasked(run, project, answered):
    stage = project / "stage_1"
    beside(project, warm_00=b"mine\n", cold_00=b"\n")
    asked = ("export", "tags-txt", "--project", project, "--task", "notes")
    code, out, err = run(*asked)
    assert (code, "Say where the text files go" in err) == (1, True)
    code, out, err = run(*asked, "--beside", "--yes")
    assert out.startswith(
        "0 text files to replace, 1 to create, 1 say so already, 1 stay as they are\nWrote 1 text file"
    )
    assert "Left as it is: 'warm_00.jpg.txt': it says something else and stays; --replace replaces it" in err
    assert (stage / "warm_00.jpg.txt").read_bytes() == b"mine\n"
    assert (stage / "day1" / "warm_00.jpg.txt").read_bytes() == b"blue\n"
    assert run(*asked, "--beside", "--replace", "--yes")[0] == 0
    assert (stage / "warm_00.jpg.txt").read_bytes() == b"red\nstriped\n"
    with zipfile.ZipFile(project / "stage_1_notes_sidecars_2.zip") as backup:
        assert backup.read("warm_00.jpg.txt") == b"mine\n"
    assert run(*asked, "--undo")[1].startswith("Restored 1 sidecar.")
    assert (stage / "warm_00.jpg.txt").read_bytes() == b"mine\n"
    assert run(*asked, "--undo")[0] == 0
    assert not (stage / "day1" / "warm_00.jpg.txt").exists()
    assert plan(answered.stage, {"warm_00.jpg.txt": b"mine\n"}, {}).same == 1


def test_a_task_with_classes_is_refused(run, project):
    for words in (("import", "tags-txt"), ("export", "tags-txt", "--beside")):
        code, _, err = run(*words, "--project", project, "--dry-run")
        assert (code, "A photo has one class of cull, and text files hold tags" in err) == (1, True)
