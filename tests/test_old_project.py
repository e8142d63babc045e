"""A project left by an earlier version opens without loss: its literal files are in tests/old_project."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from imlcull_al import open_session
from imlcull_al.culling.undo import changes_since_cull
from imlcull_al.project.originals import identify
from imlcull_al.project.stages import Stage

OLD = Path(__file__).with_name("old_project")
LABELS = {
    "warm_01.jpg": "keep",
    "cold_02.jpg": "cull",
    "cold_04.jpg": "cull",
    "warm_03.jpg": "keep",
    "cold_03.jpg": "cull",
    "cold_06.jpg": "cull",
    "warm_00.jpg": "keep",
    "warm_02.jpg": "keep",
    "warm_05.jpg": "keep",
    "cold_05.jpg": "cull",
    "cold_01.jpg": "cull",
    "warm_06.jpg": "keep",
}
SKIPPED, AUDITED, UNDONE = ("cold_00.jpg",), frozenset({"cold_01.jpg"}), "warm_04.jpg"


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "project"))


@pytest.fixture
def session(project, cache_dir):
    return open_session(project, 1, cache_dir=cache_dir)


def test_the_answers_are_there_and_their_files_stay_as_they_are(session, project):
    assert session.labels() == LABELS
    counts = session.counts()
    assert (counts.photos, counts.keep, counts.cull, counts.missing) == (15, 6, 6, 0)
    answers = session.standing().answers
    assert answers.skipped == SKIPPED
    assert answers.audited == AUDITED
    assert answers.seed == "363d56ebd3b283968ce2589843bda1cb"
    assert (project / "stage_1_cull_labels.csv").read_bytes() == (OLD / "stage_1_cull_labels.csv").read_bytes()
    before = (OLD / "stage_1_cull_journal.jsonl").read_text(encoding="utf-8")
    added = (project / "stage_1_cull_journal.jsonl").read_text(encoding="utf-8").removeprefix(before)
    (line,) = map(json.loads, added.splitlines())  # binds the answers to the bytes of their photos
    assert (line["v"], line["do"], line["moved"], line["away"], line["back"]) == (2, "photos", [], [], {})
    assert line["contents"] == {key: identify(project / "stage_1" / key) for key in [*LABELS, *SKIPPED, UNDONE]}


def test_the_model_gives_the_scores_it_gave(session, project):
    content = torch.load(project / "stage_1_cull_model.pth", weights_only=True)
    assert (content["format"], content["base_name"], len(content["labels"])) == ("imlcull model", "tiny", 11)
    by_key = {each.key: each for each in session.scores()}
    assert by_key["cold_00.jpg"].p_keep == pytest.approx(0.0640, abs=0.01)
    assert by_key["warm_04.jpg"].p_keep == pytest.approx(0.9401, abs=0.01)
    assert session.source == "model trained from tiny, 11 labels"


def test_the_cull_is_recognized_and_can_be_undone(session, project):
    assert changes_since_cull(Stage(project, 2)) == []
    aside = session.undo_cull()
    assert len([path for path in aside.rglob("*") if path.is_file()]) == 9


def test_an_answer_goes_into_the_old_files(session, project):
    session.answer("cold_00.jpg", "cull")
    journal = (project / "stage_1_cull_journal.jsonl").read_bytes()
    assert journal.startswith((OLD / "stage_1_cull_journal.jsonl").read_bytes())
    lines = (project / "stage_1_cull_labels.csv").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "cold_00.jpg,cull"
    assert len(lines) == 14
