"""The burst of a photo: its frames, what is shown of them, and answers to all of them at once."""

import json
import uuid

import numpy as np
import pytest
from conftest import fill_shoot

from imlcull_al.encoding.builtin import QUALITIES
from imlcull_al.errors import StageError
from imlcull_al.project.labels import AUDIT
from imlcull_al.session.frames import burst_of, reasons, sharpest
from imlcull_al.session.session import open_session
from imlcull_al.ui import label, presses

ME = str(uuid.UUID(int=1))


@pytest.fixture(scope="module")
def shoot_cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("shoot")
    open_session(fill_shoot(root / "shoot" / "stage_1").parent, model="builtin", cache_dir=root / "cache")
    return root / "cache"


@pytest.fixture
def session(tmp_path, shoot_cache):
    stage = fill_shoot(tmp_path / "shoot" / "stage_1")
    session = open_session(stage.parent, model="builtin", cache_dir=shoot_cache)
    session.answer("22.jpg", "cull")
    session.answer("10.jpg", "keep")
    return session


def journal(session):
    lines = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    return [(line["do"], line["key"], line["label"], line["queue"]) for line in lines if line["do"] != "audit"]


def look(session, queue="uncertain", **more):
    return label.respond(session, {"do": "look", "visitor": ME, "queue": queue, **more})


def take(session, **press):
    return presses.respond(session, {"visitor": ME, "presses": [{"number": 1, **press}]})


def test_frames_come_in_time_order_and_a_single_photo_has_none(session):
    now = session.standing()
    assert burst_of(now, "02.jpg").keys == ("00.jpg", "01.jpg", "02.jpg")
    assert burst_of(now, "99.jpg") is None


def test_the_sharpest_frame_stands_out_or_is_not_named():
    assert sharpest(np.array([0.5, 0.1, 0.6])) == 1
    assert sharpest(np.array([0.10, 0.12, 0.15])) is None
    assert sharpest(np.array([np.nan, 0.1, 0.6])) == 1
    assert sharpest(np.array([np.nan, np.nan])) is None


def test_the_page_gets_the_bursts_of_the_photos_that_come_next(session):
    bursts = look(session, "files")["bursts"]
    assert bursts["any"]
    assert [[frame["key"] for frame in burst["frames"]] for burst in bursts["near"]] == [
        ["00.jpg", "01.jpg", "02.jpg"],
        ["10.jpg", "11.jpg", "12.jpg"],
    ]
    assert [frame["label"] for frame in bursts["near"][1]["frames"]] == ["keep", None, None]
    assert all(frame["p_keep"] is not None for frame in bursts["near"][0]["frames"])


def test_nothing_is_told_of_a_burst_with_a_frame_that_is_out_as_a_blind_check(session):
    for burst in look(session, AUDIT)["bursts"]["near"]:
        assert burst["blind"]
        assert burst["sharpest"] is None
        assert [frame["p_keep"] for frame in burst["frames"]] == [None] * 3


def test_a_burst_is_answered_in_one_step_with_an_entry_a_photo_and_undone_in_one(session):
    before, count = session.labels(), len(journal(session))
    take(session, do="burst", keys=["01.jpg", "00.jpg", "02.jpg"], key="00.jpg", queue="uncertain")
    assert session.labels() == {**before, "01.jpg": "keep", "00.jpg": "cull", "02.jpg": "cull"}
    assert sorted(journal(session)[count:]) == [
        ("answer", "00.jpg", "cull", "uncertain"),  # the one that was asked
        ("answer", "01.jpg", "keep", None),
        ("answer", "02.jpg", "cull", None),
    ]
    reply = take(session, number=2, do="undo", keys=["01.jpg", "00.jpg", "02.jpg"], of=1)
    assert sorted(reply["undone"][0]["keys"]) == ["00.jpg", "01.jpg", "02.jpg"]
    assert session.labels() == before


def test_only_the_check_that_was_asked_measures(session):
    asked = {photo["key"] for photo in look(session, AUDIT)["upcoming"]}
    assert {"00.jpg", "01.jpg", "02.jpg"} <= asked  # all are out as checks
    take(session, do="burst", keys=["01.jpg", "00.jpg", "02.jpg"], key="00.jpg", queue=AUDIT)
    assert session.standing().answers.audited == {"00.jpg"}
    take(session, number=2, do="answer", keys=["11.jpg"], label="keep", queue=None)
    assert session.standing().answers.audited == {"00.jpg"}


def test_an_answer_that_another_frame_got_meanwhile_stays(session):
    take(session, do="burst", keys=["11.jpg", "10.jpg", "12.jpg"], key="11.jpg", queue="files")
    assert session.labels() == {"22.jpg": "cull", "10.jpg": "keep", "11.jpg": "keep", "12.jpg": "cull"}


@pytest.mark.parametrize(
    ("press", "says"),
    [
        ({"keys": []}, "names no photos"),
        ({"keys": ["00.jpg", "nowhere.jpg"]}, "no photo"),
        ({"keys": ["00.jpg", "01.jpg"], "key": "00.jpg", "queue": "whatever"}, "no queue"),
        ({"keys": ["00.jpg", "01.jpg"], "key": "00.jpg", "queue": ["files"]}, "no queue"),
    ],
)
def test_a_nonsense_burst_is_refused_and_answers_nothing(session, press, says):
    before = session.labels()
    assert says in take(session, do="burst", **press)["refused"][0]["error"]
    assert session.labels() == before


def test_another_task_has_no_whole_burst(tmp_path, shoot_cache):
    stage = fill_shoot(tmp_path / "shoot" / "stage_1")
    (stage.parent / "project.toml").write_text('version = 1\n[tasks.kind]\nclasses = ["a", "b"]\n')
    session = open_session(stage.parent, model="builtin", cache_dir=shoot_cache, task="kind", prepare=False)
    with pytest.raises(StageError, match="decides nothing about keeping"):
        session.answer_burst("00.jpg", ["01.jpg"], {})


def test_reasons_are_said_only_of_what_is_clear_and_three_at_most():
    def seen(*frames):
        rows = np.zeros((len(frames), 6, len(QUALITIES)))
        for row, frame in zip(rows, frames, strict=True):
            for name, strength in frame.items():
                row[:2, QUALITIES.index(name)] = strength
        return rows

    burst = seen({}, {"motion": 0.49}, {"defocus": 0.6, "dark": 0.9, "bright": 0.5}, {"dark": 0.4, "motion": 0.1})
    assert [reasons(burst, at) for at in range(4)] == [
        [],
        ["a sharper frame in this burst"],
        ["out of focus", "dark", "too bright"],
        [],
    ]
    assert reasons(np.full((1, 6, len(QUALITIES)), np.nan), 0) == []


def test_nothing_is_said_against_a_photo_that_is_shown_blind(session, monkeypatch):
    monkeypatch.setattr(label, "reasons_of", lambda now, key: ["dark"])
    asked = {"do": "about", "key": "00.jpg"}
    assert label.respond(session, asked)["reasons"] == ["dark"]
    assert label.respond(session, {**asked, "blind": True})["reasons"] == []
