"""The tables of Timelapse: photos to label go out, species come back, and a wrong one takes nothing."""

from pathlib import Path

import pytest
from conftest import COLD, save_photo

from imlcull_al import open_session
from imlcull_al.errors import AnswersRefused, TableError
from imlcull_al.exchange.timelapse import SOURCE, Row, judge, read_species, selector
from imlcull_al.project.settings import open_task
from imlcull_al.project.task import Task

SPECIES = Task("species", ("deer", "fox", "NA", "None", "1"))
OWN = "RootFolder,File,RelativePath,DateTime,DeleteFlag,Species,Count"
"""Columns of Timelapse's own export."""


def written(path, text):
    path.write_bytes(text.encode())
    return path


def test_the_selector_is_that_of_the_other_program_to_the_byte():
    keys = ("a.jpg", "day1/b, c.jpg", "day1/site 2/d.jpg")
    assert selector(keys, ["day1/site 2/d.jpg"], "/") == (
        'File,RelativePath,Selected\na.jpg,,False\n"b, c.jpg",day1,False\nd.jpg,day1/site 2,True\n'
    )
    assert selector(keys, [], "\\").endswith("d.jpg,day1\\site 2,False\n")


def test_rows_with_a_species_are_read_past_all_other_columns(tmp_path):
    table = written(
        tmp_path / "labels.csv",
        f"{OWN}\r\nSite,a.jpg,,2026-11-21 10:00:00,false,deer,1\r\nSite,b.jpg,day1\\site 2,,false,,\r\n"
        'Site,"c, d.jpg",day1/site 2,,true, NA ,2\r\nSite,e.jpg\r\n',
    )
    assert read_species(table) == ([Row(2, "a.jpg", "deer"), Row(4, "day1/site 2/c, d.jpg", "NA")], 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("File,Species\na.jpg,deer\n", "no column 'RelativePath'. Export it"),
        ("File,RelativePath,Selected\na.jpg,,True\n", "no column 'Species'"),
        ("File,RelativePath,Species\na.jpg,,deer\n,day1,fox\n", "labels.csv, line 3: there is a species, but no file"),
    ],
)
def test_what_is_not_such_a_table_is_refused(tmp_path, text, reason):
    with pytest.raises(AnswersRefused, match=reason):
        read_species(written(tmp_path / "labels.csv", text))


def test_a_table_with_a_broken_line_is_refused(tmp_path):
    with pytest.raises(TableError, match="line 2: 4 fields under 3 columns"):
        read_species(written(tmp_path / "labels.csv", "File,RelativePath,Species\na.jpg,,deer,x\n"))


def test_a_species_is_a_class_or_nothing_is_taken():
    rows = [Row(2, "a", "deer"), Row(3, "b", "NA"), Row(4, "c", "1"), Row(5, "a", "deer"), Row(6, "away", "fox")]
    known = {"a": "a.jpg", "b": "b.jpg", "c": "c.jpg"}.get
    labels, ignored = judge(rows, SPECIES, known, Path("x.csv"))
    assert labels == {"a.jpg": "deer", "b.jpg": "NA", "c.jpg": "1"}
    assert ignored == {"away": "there is no such photo"}
    with pytest.raises(AnswersRefused, match=r"x\.csv, line 7: 'Dear' is no class of species.*Did you mean 'deer'\?"):
        judge([*rows, Row(7, "away", "Dear")], SPECIES, known, Path("x.csv"))
    with pytest.raises(AnswersRefused, match=r"x\.csv, line 7: 'a' is fox here and deer in line 2"):
        judge([*rows, Row(7, "a", "fox")], SPECIES, known, Path("x.csv"))


def filled(table, species, separator="/"):
    """The table as a person fills it in Timelapse: a species for some of the selected photos."""
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    left = iter(species)
    lines = [f"{row.replace('/', separator)},{next(left, '') if row.endswith('True') else ''}" for row in rows]
    return written(table.with_name("labels.csv"), "\n".join([f"{header},Species", *lines, ""]))


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_photos_go_out_and_species_come_back(run, project, cache_dir, tmp_path, separator):
    save_photo(project / "stage_1" / "day1" / "site 2" / "a.jpg", COLD, seed=90)
    open_task(project, "species", ["deer", "fox"])
    table = tmp_path / "timelapse_selector.csv"
    asked = ("order", "--project", project, "--task", "species", "-n", "13", "--format", "timelapse", "--out", table)
    assert run(*asked)[:2] == (0, "")
    lines = table.read_text(encoding="utf-8").splitlines()
    assert (lines[0], len(lines), sum(line.endswith(",True") for line in lines)) == (
        "File,RelativePath,Selected", 14, 13,
    )  # fmt: skip
    labels = filled(table, ["deer", "fox", "deer"], separator)  # by name: cold_00, cold_01, cold_02
    taking = ("import", "timelapse", labels, "--project", project, "--task", "species", "--yes")
    code, out, err = run(*taking)
    assert (code, out.splitlines()[0]) == (0, "2 deer, 1 fox, 10 without an answer in these files")
    assert "Rows with a species: 3, without one: 10" in err
    session = open_session(project, cache_dir=cache_dir, task="species", prepare=False)
    assert set(session.sources().values()) == {SOURCE}
    assert run(*asked)[0] == 0  # the rest is asked again
    rest = [line for line in table.read_text(encoding="utf-8").splitlines()[1:] if line.endswith(",True")]
    assert len(rest) == 10 and "a.jpg,day1/site 2,True" in rest
    labels = filled(table, [*["fox"] * 9, "fix"], separator)
    code, out, err = run(*taking)
    assert (code, out) == (1, "")
    assert "'fix' is no class of species, which has deer and fox. Did you mean 'fox'? Nothing was taken." in err
    assert "--classes fix" in err
    filled(table, ["fox"] * 10, separator)
    assert run(*taking)[0] == 0
    assert len(open_session(project, cache_dir=cache_dir, task="species", prepare=False).labels()) == 13
    assert run("import", "timelapse", "--undo", "--project", project, "--task", "species")[1].startswith("Took back 13")


def test_a_new_class_is_added_where_it_is_named(run, project, cache_dir, tmp_path):
    labels = written(tmp_path / "labels.csv", "File,RelativePath,Species\nwarm_00.jpg,,owl\nwarm_01.jpg,,deer\n")
    taking = ("import", "timelapse", labels, "--project", project, "--task", "species")
    assert "There is no task 'species'" in run(*taking, "--yes")[2]
    assert "'owl' is no class" in run(*taking, "--classes", "deer,fox", "--yes")[2]
    assert run(*taking, "--classes", "deer,fox,owl", "--yes")[0] == 0
    assert open_session(project, cache_dir=cache_dir, task="species", prepare=False).labels() == {
        "warm_00.jpg": "owl",
        "warm_01.jpg": "deer",
    }


def test_the_selector_is_not_written_among_the_photos(run, project):
    place = project / "stage_1" / "selector.csv"
    code, _, err = run("order", "--project", project, "--format", "timelapse", "--out", place)
    assert (code, "lies among the photos" in err, place.exists()) == (1, True, False)
