"""Ratings of other programs become answers: rules, where they are read from, and what is never overwritten."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import WARM, MeanColour, encoded, fingerprint_of, save_photo
from PIL import Image

from imlcull_al.errors import RatingsRefused
from imlcull_al.exchange.beside import by_file, by_stem, files_of, raws_of, sidecars_of
from imlcull_al.exchange.elsewhere import assign, sidecars_below
from imlcull_al.exchange.ratings import judge, rules_for
from imlcull_al.exchange.rules import rule_of
from imlcull_al.exchange.values import Values
from imlcull_al.project.listing import Listing
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.session import ratings
from imlcull_al.session.session import open_session

SIDECARS = Path(__file__).parent / "sidecars"
GARMENT = Task("garment", ("shirt", "dress"))
NOTES = Task("notes", ("bird", "red"), exclusive=False)


def rated(attributes):
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" {attributes}/></rdf:RDF>'
    ).encode()


HERON = Values(3, 1, "To print", frozenset({"red"}), frozenset({"heron", "animal|bird|heron"}))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rating>=3", True), ("rating > 3", False), ("rating==3", True), ("rating!=3", False), ("rating<4", True),
        ("rating<=2", False), ("stars==3", True), ("RATING>=3", True), ("pick==1", True), ("pick==-1", False),
        ("label=='to PRINT'", True), ("label==red", True), ("label!=Green", True), ('label=="Red wine"', False),
        ("color==red", True), ("colour==rot", True), ("color!=red", False), ("color==purple", False),
        ("keyword==Heron", True), ('keyword=="animal|bird|heron"', True), ("keyword==her", False),
        ("rating==5 or color==red", True), ("rating==5 or color==red and pick==-1", False),
        ("rating==3 and pick==1 or rating==5 and pick==-1", True),
        ("color==green OR keyword==heron AND rating>=3", True),
    ],
)  # fmt: skip
def test_a_rule_holds(text, holds):
    assert rule_of(text)(HERON) is holds


def test_what_is_not_said_matches_no_comparison():
    for text in ("rating<3", "rating!=3", "rating==0", "pick!=1", "color!=red", "label!=a", "keyword!=a"):
        assert not rule_of(text)(Values())
    assert rule_of("rating==0")(Values(0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "each part is a field"),
        ("rating", "each part is a field"),
        ("rating=>3", "compared by one of == != < <= > >=, not by =>"),
        ("rating=3", "not by ="),
        ("rating>=nine", "from -1 to 5, not 'nine'"),
        ("rating>=6", "from -1 to 5"),
        ("pick==2", "from -1 to 1"),
        ("color>red", "compared by one of == !=, not by >"),
        ("color==mauve", "none of the colors red, orange"),
        ("stars>=3 xor pick==1", "'xor' does not continue it"),
        ("rating>=3 and", "'and' does not continue it"),
        ("rating>=3 and or pick==1", "each part is a field"),
        ("__import__('os')", "each part is a field"),
        ("exif==3", "no field 'exif'"),
        ('label=="a', "a quote without its end"),
        ("rating>=3 or " * 100, "at most 1000 characters"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_allowed(text, reason):
    with pytest.raises(RatingsRefused, match=reason) as caught:
        rule_of(text)
    assert "such as rating>=3, pick==1" in str(caught.value)


def test_answers_come_from_rules_and_contradictions_are_left():
    said = {
        "a": Values(5), "b": Values(-1, -1), "c": Values(2), "d": Values(0), "e": Values(4, -1), "f": Values(pick=1),
        "g": Values(pick=-1),
    }  # fmt: skip
    verdict = judge(CULL_TASK, rules_for(CULL_TASK, {}), said)
    assert verdict.labels == {"a": "keep", "b": "cull", "f": "keep", "g": "cull"}
    assert verdict.both == ("e",)


def test_classes_and_tags_have_rules_too():
    rules = rules_for(GARMENT, {"shirt": "label==Red", "dress": "rating==5"})
    said = {"a": Values(colors=frozenset({"red"})), "b": Values(5), "c": Values(5, colors=frozenset({"red"}))}
    verdict = judge(GARMENT, rules, said)
    assert (verdict.labels, verdict.both) == ({"a": "shirt", "b": "dress"}, ("c",))
    verdict = judge(NOTES, rules_for(NOTES, {}), {"a": HERON, "b": Values(keywords=frozenset({"bird", "RED"}))})
    assert (verdict.labels, verdict.both) == ({"b": "bird=1;red=1"}, ())
    with pytest.raises(RatingsRefused, match="'hat' is none of shirt, dress"):
        rules_for(GARMENT, {"hat": "rating==5"})
    with pytest.raises(RatingsRefused, match="--class NAME"):
        rules_for(GARMENT, {})


def test_the_sidecars_of_a_photo_are_found_by_name():
    beside = ("a/IMG_1.CR2", "a/IMG_1.CR2.XMP", "a/IMG_1_01.CR2.xmp", "a/img_1.xmp", "a/IMG_1.JPG.xmp", "a/IMG_1.txt")
    assert files_of("a/IMG_1.JPG", beside) == ["a/IMG_1.JPG", "a/IMG_1.CR2"]
    assert sidecars_of("a/IMG_1.JPG", beside) == ["a/IMG_1.JPG.xmp", "a/IMG_1.CR2.XMP", "a/img_1.xmp"]
    assert by_file("a/IMG_1.JPG", beside) == ["a/IMG_1.JPG.xmp", "a/IMG_1.CR2.xmp"]
    assert by_stem("JPG/A.JPG", ("RAW/A.ARW",)) == ["JPG/A.xmp", "RAW/A.xmp"]
    assert (raws_of("A.JPG", ("A.ARW", "A.DNG")), raws_of("A.DNG", ())) == (["A.ARW"], [])


@pytest.fixture
def stage(tmp_path):
    """Eight photos: four with the sidecars of this project, one rated inside, two with other sidecars, one alone."""
    folder = tmp_path / "project" / "stage_1"
    for number in range(1, 9):
        save_photo(folder / f"IMG_000{number}.JPG", WARM, number)
    for name in ("IMG_0001.xmp", "IMG_0003.JPG.xmp", "IMG_0004.xmp", "IMG_0006.xmp"):
        shutil.copy(SIDECARS / name, folder / name)
    (folder / "IMG_0002.JPG.xmp").write_bytes((SIDECARS / "IMG_0002.CR2.xmp").read_bytes())
    inside = encoded(Image.new("RGB", (8, 6)), "JPEG", xmp=rated('xmp:Rating="5"'))
    (folder / "IMG_0005.JPG").write_bytes(inside)
    (folder / "IMG_0007.JPG.xmp").write_bytes(rated('xmp:Rating="0"'))
    (folder / "IMG_0007.xmp").write_bytes(rated('xmp:Rating="2"'))
    return Stage(folder.parent, 1)


def opened(stage, **named):
    return open_session(stage.project, model=MeanColour(), cache_dir=stage.project / "cache", prepare=False, **named)


KEPT = {f"IMG_000{number}.JPG": "keep" for number in (1, 3, 5)}
CULLED = {f"IMG_000{number}.JPG": "cull" for number in (2, 4)}


def test_ratings_of_sidecars_and_photos_become_answers(stage):
    before = fingerprint_of(stage.folder)
    session = opened(stage)
    found = ratings.look(session, rules_for(session.task, {}))
    assert found.summary == "3 keep, 2 cull, 3 unrated"
    assert found.refused == {"IMG_0006.xmp": "it has a document type, which XMP never needs"}
    assert session.labels() == {}
    ratings.take(session, found)
    assert session.labels() == {**KEPT, **CULLED}
    lines = [json.loads(line) for line in stage.journal.read_text().splitlines()]
    assert {line["source"] for line in lines if line["do"] == "answer"} == {"import:xmp"}
    assert fingerprint_of(stage.folder) == before
    again = ratings.look(session, rules_for(session.task, {"keep": "rating==2"}))
    assert again.summary == "1 keep, 0 cull, 5 unrated, 2 answered so already"
    assert len(ratings.take_back(session)) == 5
    assert session.labels() == {}


def test_an_answer_given_here_is_overwritten_only_if_asked(stage):
    session = opened(stage)
    for name, label in (("IMG_0001.JPG", "cull"), ("IMG_0002.JPG", "cull"), ("IMG_0008.JPG", "keep")):
        session.answer(name, label, source="page")
    rules = rules_for(session.task, {})
    found = ratings.look(session, rules)
    assert (found.summary, found.own) == ("2 keep, 1 cull, 3 unrated, 1 answered so already", ("IMG_0001.JPG",))
    ratings.take(session, found)
    assert session.labels()["IMG_0001.JPG"] == "cull"
    ratings.take(session, ratings.look(session, rules, overwrite=True))
    assert session.labels()["IMG_0001.JPG"] == "keep"
    ratings.take_back(session)
    assert session.labels() == {"IMG_0001.JPG": "cull", "IMG_0002.JPG": "cull", "IMG_0008.JPG": "keep"}


def test_another_rule_replaces_what_an_import_said(stage):
    session = opened(stage)
    ratings.take(session, ratings.look(session, rules_for(session.task, {})))
    found = ratings.look(session, rules_for(session.task, {"keep": "rating==5", "cull": "rating<=3"}))
    assert (found.own, found.labels) == ((), {"IMG_0001.JPG": "cull", "IMG_0007.JPG": "cull"})


def test_classes_are_imported_by_the_rules_named(stage):
    session = opened(stage, task="garment", classes=("shirt", "dress"))
    found = ratings.look(session, rules_for(session.task, {"shirt": "label==Red", "dress": "color==green"}))
    ratings.take(session, found)
    assert session.labels() == {
        "IMG_0001.JPG": "shirt", "IMG_0002.JPG": "shirt", "IMG_0003.JPG": "dress", "IMG_0004.JPG": "dress"
    }  # fmt: skip


def test_the_command_shows_a_preview_and_goes_on_only_if_told(run, stage):
    arguments = ("import", "ratings", "--project", stage.project)
    for extra in ((), ("--dry-run",), ("--dry-run", "--yes")):
        code, out, err = run(*arguments, *extra)
        assert (code, out.splitlines()[0]) == (0, "3 keep, 2 cull, 3 unrated")
        assert "othing was changed" in out
        assert "keep where rating>=3 or pick==1; cull where rating==-1 or pick==-1" in err
        assert "  keep: 'IMG_0001.JPG', 'IMG_0003.JPG', 'IMG_0005.JPG'\n" in err
        assert "Not read, and left as it is: 'IMG_0006.xmp': it has a document type" in err
    assert not stage.journal.exists()
    taken = run(*arguments, "--yes")[1]
    assert "Took over 5 answers. To take them back: " in taken
    assert f" import ratings --undo --project {stage.project} --cache-dir " in taken
    assert stage.labels.read_text().count("keep") == 3
    code, _, err = run(*arguments, "--undo", "--dry-run")
    said = "Error: --undo has no preview. Leave out --dry-run to undo, or --undo to see a preview.\n"
    assert (code, err) == (1, said)
    assert stage.labels.read_text().count("keep") == 3
    assert run(*arguments, "--undo")[1] == "Took back 5 answers that came from ratings.\n"
    assert stage.labels.read_text() == "image_name,label\n"


def test_the_command_takes_rules_for_classes(run, stage):
    asked = ("--project", stage.project, "--task", "garment", "--classes", "shirt,dress", "--yes")
    code, out, _ = run("import", "ratings", *asked, "--class", "shirt", "rating>=3", "--class", "dress", "rating==-1")
    assert (code, "--task garment" in out) == (0, True)


def test_the_command_refuses_a_rule_with_a_sentence(run, stage):
    code, out, err = run("import", "ratings", "--project", stage.project, "--keep", "rating>=x")
    assert (code, out) == (1, "")
    assert "Error: The rule 'rating>=x' can't be read" in err


ELSEWHERE = Listing(
    ("IMG_1.JPG", "a/IMG_2.JPG", "b/IMG_2.JPG", "b/IMG_3.HEIC", "b/IMG_3.JPG"), {"IMG_1.JPG": ("IMG_1.CR2",)}, {}
)


@pytest.mark.parametrize(
    ("names", "found", "left"),
    [
        ("IMG_1.xmp", {"IMG_1.JPG": "IMG_1.xmp"}, ""),
        ("x/y/img_1.XMP, x/y/IMG_1.CR2.xmp", {"IMG_1.JPG": "x/y/IMG_1.CR2.xmp, x/y/img_1.XMP"}, ""),
        ("x/a/IMG_2.xmp, x/b/IMG_2.JPG.xmp", {"a/IMG_2.JPG": "x/a/IMG_2.xmp", "b/IMG_2.JPG": "x/b/IMG_2.JPG.xmp"}, ""),
        ("IMG_3.xmp", {"b/IMG_3.HEIC": "IMG_3.xmp", "b/IMG_3.JPG": "IMG_3.xmp"}, ""),
        ("IMG_2.xmp", {}, "it could be of several photos"),
        ("c/IMG_2.xmp", {}, "there is no photo of its name"),
        ("IMG_1_01.CR2.xmp", {}, "there is no photo of its name"),
        ("x/IMG_1.xmp, x/IMG_1.XMP", {}, "2 sidecars are of the same photo"),
        ("x/IMG_1.xmp, y/IMG_1.xmp", {}, "it may be of a photo in another folder"),
    ],
)
def test_sidecars_from_elsewhere_are_matched_by_the_ends_of_their_paths(names, found, left):
    theirs, rest = assign(names.split(", "), ELSEWHERE)
    assert {key: ", ".join(sidecars) for key, sidecars in theirs.items()} == found
    assert rest == (dict.fromkeys(names.split(", "), left) if left else {})


def test_sidecars_of_a_folder_elsewhere_count_instead_of_those_beside_the_photos(run, stage, tmp_path):
    elsewhere = tmp_path / "from another machine"
    for name, rating in (("x/IMG_0001.xmp", -1), ("x/IMG_0005.JPG.XMP", 4), ("x/IMG_0099.xmp", 5)):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_bytes(rated(f'xmp:Rating="{rating}"'))
    (elsewhere / "notes.txt").touch()
    (elsewhere / "x/IMG_0002.xmp").symlink_to(stage.folder / "IMG_0002.JPG.xmp")
    before = fingerprint_of(stage.folder), fingerprint_of(elsewhere)
    code, out, err = run("import", "ratings", "--project", stage.project, "--from", elsewhere, "--yes")
    assert (code, out.splitlines()[0]) == (0, "1 keep, 1 cull, 6 unrated")
    assert "'x/IMG_0099.xmp': there is no photo of its name" in err
    assert "'x/IMG_0002.xmp': it can't be opened" in err
    assert opened(stage).labels() == {"IMG_0001.JPG": "cull", "IMG_0005.JPG": "keep"}
    assert (fingerprint_of(stage.folder), fingerprint_of(elsewhere)) == before
    assert run("import", "ratings", "--undo", "--project", stage.project)[1].startswith("Took back 2 answers")


def test_a_folder_of_sidecars_that_cant_be_opened_is_named(run, stage, tmp_path, monkeypatch):
    elsewhere, scandir = tmp_path / "from another machine", os.scandir
    (elsewhere / "closed").mkdir(parents=True)
    (elsewhere / "IMG_0001.xmp").write_bytes(rated('xmp:Rating="-1"'))

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    err = run("import", "ratings", "--project", stage.project, "--from", elsewhere, "--dry-run")[2]
    assert "Not read, and left as it is: 'closed': the folder can't be opened: Permission denied" in err


def test_a_folder_without_sidecars_is_refused_with_a_sentence(stage, tmp_path, monkeypatch):
    for folder, reason in ((tmp_path / "gone", "There is no folder"), (tmp_path / "cache", "There are no sidecars")):
        (tmp_path / "cache").mkdir(exist_ok=True)
        with pytest.raises(RatingsRefused, match=reason):
            sidecars_below(folder)
    monkeypatch.setattr("imlcull_al.exchange.elsewhere.MOST", 3)
    with pytest.raises(RatingsRefused, match="one import takes 3"):
        sidecars_below(stage.folder)
