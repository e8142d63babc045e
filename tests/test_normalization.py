"""Names in other Unicode normalizations than NFC, as files from a Mac have them, from the listing to the cull."""

import csv
import io
import json
from unicodedata import normalize

import pytest
from conftest import COLD, WARM, fingerprint_of, save_photo
from starlette.applications import Starlette
from starlette.testclient import TestClient

from imlcull_al.culling.undo import changes_since_cull
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.training.options import Options
from imlcull_al.ui import serving

NFC, NFD = "Müller_01", normalize("NFD", "Müller_01")
TWIN = "another file has the same name in another Unicode normalization; rename one"


def test_the_names_here_differ():
    assert (len(NFC), len(NFD)) == (9, 10)


@pytest.fixture
def stage(project):
    """Among others an NFD photo in an NFD folder, with an NFC companion and an NFD one of an NFC photo."""
    folder = project / "stage_1"
    save_photo(folder / normalize("NFD", "Tür") / f"{NFD}.jpg", WARM, seed=50)
    (folder / "Tür").mkdir()
    (folder / "Tür" / f"{NFC}.NEF").write_bytes(b"raw")
    save_photo(folder / "é.jpg", COLD, seed=51)
    (folder / normalize("NFD", "é.xmp")).write_bytes(b"sidecar")
    return Stage(project, 1)


KEY = f"Tür/{NFC}.jpg"


def test_companions_pair_across_normalizations(stage):
    found = list_photos(stage)
    assert {*found.keys} >= {KEY, "é.jpg"}
    assert len(found.keys) == 14
    assert found.companions == {KEY: (f"Tür/{NFC}.NEF",), "é.jpg": ("é.xmp",)}
    assert found.left_out == {}
    assert stage.path(KEY).is_file()
    assert stage.paths(found.keys) == {key: str(stage.path(key)) for key in found.keys}
    assert stage.path("é.xmp").read_bytes() == b"sidecar"


def test_a_file_that_is_renamed_is_found_under_its_new_name(stage):
    list_photos(stage)
    stage.path("é.xmp").rename(stage.folder / "é.xmp")
    list_photos(stage)
    assert stage.path("é.xmp").read_bytes() == b"sidecar"


def test_of_two_names_that_differ_only_in_normalization_one_is_told_as_left_out(stage):
    save_photo(stage.folder / normalize("NFD", "é.jpg"), WARM)
    save_photo(stage.folder / "\u01d6.jpg", WARM)  # u with diaeresis and macron, and two other forms of it
    for form in ("u\u0308\u0304.jpg", "ü\u0304.jpg"):
        save_photo(stage.folder / form, WARM)
    found = list_photos(stage)
    assert found.left_out == dict.fromkeys((normalize("NFD", "é.jpg"), "u\u0308\u0304.jpg", "ü\u0304.jpg"), TWIN)
    assert [stage.path(key).name for key in ("é.jpg", "\u01d6.jpg")] == ["é.jpg", "\u01d6.jpg"]
    (stage.folder / "\u01d6.jpg").unlink()
    assert list_photos(stage).left_out == dict.fromkeys((normalize("NFD", "é.jpg"), "ü\u0304.jpg"), TWIN)
    assert stage.path("\u01d6.jpg").name == "u\u0308\u0304.jpg"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_label_is_the_photos_in_any_normalization(stage, form):
    row = f"{normalize(form, KEY)},keep\n"
    stage.labels.write_text(f"image_name,label\n{row}")
    labels = Labels(stage)
    assert labels.as_dict() == {KEY: "keep"}
    labels.answer("é.jpg", "cull")
    assert stage.labels.read_text() == f"image_name,label\n{row}é.jpg,cull\n"


def test_a_journal_of_an_older_version_is_the_photos(stage):
    line = {"v": 1, "at": "", "do": "answer", "key": normalize("NFD", KEY), "label": "cull", "before": None}
    stage.journal.write_text(json.dumps(line, ensure_ascii=False) + "\n")
    labels = Labels(stage)
    assert labels.as_dict() == {KEY: "cull"}
    assert labels.undo(KEY).key == KEY
    assert Labels(stage).as_dict() == {}


@pytest.mark.usefixtures("unreported")
def test_a_stage_from_a_mac_goes_through_everything(stage, run, project):
    before = fingerprint_of(stage.folder)
    rows = [f"{KEY},keep", "warm_00.jpg,keep", "é.jpg,cull", "cold_00.jpg,cull"]
    stage.labels.write_text("image_name,label\n" + "".join(f"{normalize('NFD', row)}\n" for row in rows))
    assert run("embed", "--project", project)[1].endswith(
        "14 photos in stage_1: 0 found in the cache, 14 computed, 0 unreadable\n"
    )
    assert run("embed", "--project", project)[1].endswith("14 found in the cache, 0 computed, 0 unreadable\n")
    out = run("score", "--project", project)[1]
    scores = {row["image_name"]: row for row in csv.DictReader(io.StringIO(out))}
    assert [(scores[key]["decision"], scores[key]["reason"]) for key in (KEY, "é.jpg")] == [
        ("keep", "label"),
        ("cull", "label"),
    ]
    assert len(scores) == 14
    assert run("cull", "--project", project)[0] == 0
    culled = fingerprint_of(project / "stage_2")
    expected = {f"{normalize('NFD', 'Tür')}/{NFD}.jpg", f"Tür/{NFC}.NEF"}
    assert {name for name in culled if not name.isascii()} == expected
    assert {name: culled[name][0] for name in expected} == {name: before[name][0] for name in expected}
    with Stage(project, 2).manifest.open(encoding="utf-8") as file:
        sources = {row["image_name"]: row["source"] for row in csv.DictReader(file)}
    assert sources[KEY] == f"stage_1/{KEY}"
    assert changes_since_cull(Stage(project, 2)) == []
    save_photo(Stage(project, 2).folder / normalize("NFD", "Tür") / f"{NFC}.jpg", COLD)
    assert len(changes_since_cull(Stage(project, 2))) == 1
    assert fingerprint_of(stage.folder) == before


def test_a_hard_link_has_the_name_of_its_file(stage, run, project):
    stage.labels.write_text(f"image_name,label\n{KEY},keep\ncold_00.jpg,cull\n")
    assert run("cull", "--project", project, "--link", "hardlink")[0] == 0
    name = f"{normalize('NFD', 'Tür')}/{NFD}.jpg"
    assert (project / "stage_2" / name).samefile(stage.folder / name)


@pytest.mark.usefixtures("unreported")
def test_it_is_shown_asked_and_trained_on(stage, project, cache_dir, tiny_model):
    session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
    for key in (KEY, "é.jpg", "warm_00.jpg", "cold_00.jpg"):
        session.answer(key, "keep" if key in (KEY, "warm_00.jpg") else "cull")
    assert session.photo(KEY).path.is_file()
    desk = Desk(session)
    with TestClient(Starlette(routes=serving.routes(lambda request: desk, {}))) as client:
        reply = client.get("/" + serving.photo_url(session, KEY, serving.SMALL))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/jpeg")
    desk.jobs.close()
    session.train(Options(epochs=1, patience=1))
    assert session.unreadable() == {}
    assert (session.labels()[KEY], session.counts().missing) == ("keep", 0)
