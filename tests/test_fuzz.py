"""Files from strangers, or damaged on the disk: whatever their bytes, only this project's errors come out.

`HYPOTHESIS_PROFILE=torture python -m pytest tests/test_fuzz.py` tries twenty times as many.
"""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import fill_stage
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.culling import make, undo
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.errors import ImlcullError, LabelsError, ModelFileError, ReplayRefused, StorageError
from imlcull_al.learning import model
from imlcull_al.project import tables
from imlcull_al.project.journal import Journal
from imlcull_al.project.labels import Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.session.session import open_session
from imlcull_al.simulate.truth import read_truth
from imlcull_al.training import unfinished

CSV = b'image_name,label,mine\nwarm_00.jpg,keep,1\n"a,""b"".jpg",cull,2\nsub/c.jpg,keep,\n'
KNOWN = {"warm_00.jpg": "keep", 'a,"b".jpg': "cull", "sub/c.jpg": "keep"}
TRUTH = b"image_name,keep,burst\nwarm_00.jpg,1,3\ncold_00.jpg,no,4\n"
OPTIONS = {"epochs": 256, "patience": 32, "seed": 0}
NOTE = json.dumps({"version": 1, "options": OPTIONS}).encode()
PIECES = [b"\n", b",", b'"', b"\0", b"\r", b"\xff", b"keep", b"cull", b"../", b"{", b"}", b"null", b"1e999", b'"v": 2']


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with bytes overwritten, pieces put in or cut out, and perhaps its end lost; whole now and then."""
    if draw(st.integers(0, 9)) == 0:
        return data
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(changed)))
        kind = draw(st.sampled_from(["byte", "piece", "cut", "zeros", "twice"]))
        length = draw(st.integers(1, 40))
        if kind == "byte":
            changed[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "piece":
            changed[place:place] = draw(st.sampled_from(PIECES) | st.binary(max_size=8))
        elif kind == "cut":
            del changed[place : place + length]
        elif kind == "zeros":
            changed[place : place + length] = bytes(len(changed[place : place + length]))
        else:
            changed[place:place] = changed[place : place + length]
    if draw(st.booleans()):
        del changed[draw(st.integers(0, len(changed))) :]
    return bytes(changed)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A stage with answers, a next stage, and a model. Each example puts one damaged file in place of a good one."""
    project = tmp_path_factory.mktemp("fuzz")
    fill_stage(project / "stage_1")
    session = open_session(project, model="builtin", cache_dir=project / "cache", prepare=False)
    for key in session.listing.keys:
        session.answer(key, "keep" if "warm" in key else "cull")
    session.undo()
    session.skip(session.listing.keys[0])
    decisions = decide(dict.fromkeys(session.listing.keys, 0.5), session.labels(), {})
    make.make_stage(make_plan(session.stage, decisions, list_photos(session.stage), 0.5, "none"))
    return session.stage


@pytest.fixture
def answered(stage, tmp_path):
    """A copy of the stage's own files, to be damaged."""
    copy = Stage(tmp_path / "copy", 1)
    copy.folder.mkdir(parents=True)
    for path in (stage.labels, stage.journal):
        shutil.copy(path, copy.project)
    return copy


@pytest.mark.slow
@given(data=st.data())
def test_a_labels_file(answered, data):
    """Read or refused; what is refused stays as it is, and what an edit replaced is kept."""
    whole = answered.labels.read_bytes()
    content = data.draw(damaged(CSV) | damaged(whole))
    with_journal = data.draw(st.booleans())
    for path in answered.project.glob("stage_1_cull_*"):
        if path != answered.journal:
            path.unlink()
    kept, prior = answered.journal.read_bytes(), Journal(answered.journal).state.labels
    if not with_journal:
        answered.journal.unlink()
    answered.labels.write_bytes(content)
    try:
        labels = Labels(answered)
        before = labels.as_dict()
        labels.answer("warm_03.jpg", "cull")
    except (LabelsError, StorageError) as error:
        assert content not in (CSV, whole)
        assert str(answered.labels) in str(error)
        assert answered.labels.read_bytes() == content
    else:
        if content in (CSV, whole):
            assert before == (KNOWN if content == CSV else prior)
        assert Labels(answered).as_dict() == {**before, "warm_03.jpg": "cull"}
        if with_journal and any(before.get(key) != label for key, label in prior.items()):
            (replaced,) = answered.project.glob("stage_1_cull_labels.csv.before-edit-*")
            assert replaced.read_bytes() == whole
    finally:
        answered.journal.write_bytes(kept)
        answered.labels.write_bytes(whole)


@pytest.mark.slow
@given(data=st.data())
def test_a_journal(answered, data):
    """Its good lines count; it takes another answer, which is there after the next start."""
    whole, table = answered.journal.read_bytes(), answered.labels.read_bytes()
    content = data.draw(damaged(whole))
    prior = Journal(answered.journal).state.labels
    answered.journal.write_bytes(content)
    try:
        labels = Labels(answered)
    except LabelsError as error:
        assert content != whole
        told = (
            f"{answered.journal} was written by a newer imlcull",
            f"{answered.journal} holds a line that this imlcull",
        )
        assert str(error).startswith(told)
        assert answered.journal.read_bytes() == content
    else:
        if content == whole:
            assert labels.as_dict() == prior
        labels.answer("warm_03.jpg", "cull")
        labels.undo()
        labels.answer("warm_03.jpg", "cull")
        assert Labels(answered).as_dict()["warm_03.jpg"] == "cull"
    finally:
        answered.journal.write_bytes(whole)
        answered.labels.write_bytes(table)
        for path in answered.project.glob("stage_1_cull_labels.csv.*"):
            path.unlink()


@pytest.mark.slow
def test_a_journal_cut_anywhere_is_some_earlier_moment(answered):
    """Byte by byte: what a crash of the machine can leave of the last write."""
    whole = answered.journal.read_bytes()
    moments = []
    for end in range(len(whole) + 1):
        if end == 0 or whole[end - 1 : end] == b"\n":
            answered.journal.write_bytes(whole[:end])
            moments.append(Journal(answered.journal).state.labels)
        answered.journal.write_bytes(whole[:end])
        assert Journal(answered.journal).state.labels == moments[-1]


@pytest.mark.slow
@given(data=st.data())
def test_a_manifest(stage, data):
    """A cull whose manifest is damaged is not taken back."""
    manifest = stage.next.manifest
    whole = manifest.read_bytes()
    content = data.draw(damaged(whole))
    manifest.write_bytes(content)
    try:
        is_unchanged = undo.changes_since_cull(stage.next) == []
    except ImlcullError as error:
        assert content != whole
        assert str(manifest) in str(error)
    else:
        assert is_unchanged == same_files(content, whole, manifest)
    finally:
        manifest.write_bytes(whole)


def same_files(first: bytes, second: bytes, path: Path) -> bool:
    """Whether both manifests name the same kept files with the same content."""
    named = []
    for text in (first, second):
        rows = tables.parse(text.decode("utf-8-sig"), path)[1]
        kept = [row.values for row in rows if row.values.get("decision", "keep") == "keep"]
        named.append({row.get("image_name"): row.get("content_id") for row in kept})
    return named[0] == named[1]


@given(content=damaged(TRUTH))
def test_a_truth_file(tmp_path, content):
    """Read as its bytes say, or refused."""
    path = tmp_path / "truth.csv"
    path.write_bytes(content)
    try:
        known = read_truth(path, Stage(tmp_path, 1), "keep", None)
    except (ReplayRefused, StorageError) as error:
        assert content != TRUTH
        assert str(path) in str(error)
    else:
        rows = [
            row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if any(map(str.strip, row))
        ]
        named = [dict(zip(map(str.strip, rows[0]), row, strict=False)) for row in rows[1:]]
        yes = ("keep", "true", "1", "yes")
        assert known.labels == {
            row["image_name"].removeprefix("./"): "keep" if row["keep"].strip().lower() in yes else "cull"
            for row in named
        }


@given(content=damaged(NOTE))
def test_a_note_of_a_training(tmp_path, content):
    """The options as its bytes say, or none."""
    path = tmp_path / "note.json"
    path.write_bytes(content)
    found = unfinished.read_unfinished(path)
    assert found == OPTIONS if content == NOTE else found == {} or found == json.loads(content)["options"]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory, tiny_model):
    """A real one."""
    project = tmp_path_factory.mktemp("trained")
    fill_stage(project / "stage_1")
    session = open_session(project, model=str(tiny_model), cache_dir=project / "cache", prepare=False)
    for key in session.listing.keys:
        session.answer(key, "keep" if "warm" in key else "cull")
    session.train(epochs=1)
    return session.stage.model


@pytest.mark.slow
@given(data=st.data())
def test_a_model_file(model_file, tmp_path, data):
    """Loaded as it was, or refused."""
    whole, path = model_file.read_bytes(), tmp_path / "model.pth"
    content = data.draw(damaged(whole))
    path.write_bytes(content)
    try:
        found = model.load(path)
    except ModelFileError as error:
        assert content != whole
        assert str(path) in str(error)
    else:
        known = model.load(model_file)
        assert found.head.weights.tolist() == known.head.weights.tolist()
        assert (found.head.bias, found.labels, found.epoch) == (known.head.bias, known.labels, known.epoch)
