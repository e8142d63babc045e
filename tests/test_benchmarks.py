"""What the published figures depend on: medians, ratios, fresh processes and the material. Nothing here is timed."""

import os
from pathlib import Path

import pytest

from benchmarks.results import END, splice
from benchmarks.speed import harness, material, memory, report
from benchmarks.speed.report import Aim, Point, Row, Store


def doubled(number: int) -> dict[str, int]:
    return {"twice": 2 * number, "process": os.getpid()}


@pytest.mark.parametrize(
    ("aim", "ours", "theirs", "came", "reached"),
    [
        (Aim("faster", 12), [1.0, 2.0, 9.0], [24.0, 30.0, 20.0], "12 × faster", True),
        (Aim("faster", 12), [2.0], [23.9], "11.9 × faster", False),
        (Aim("faster", 12), [2.0], [1.0], "2 × slower", False),
        (Aim("times", 1.5), [1.0, 3.0, 50.0], [2.0], "1.5 ×", True),
        (Aim("times", 1.5), [3.1], [2.0], "1.55 ×", False),
        (Aim("share", 0.85), [2.0], [1.7], "85%", True),
        (Aim("share", 0.85), [2.0], [1.6], "80%", False),
        (Aim("share", 0), [2.0], [1.6], "80%", None),
        (Aim("over", 0.5), [0.75], [0.25], "0.5 s over", True),
        (Aim("over", 0.5), [0.76], [0.25], "0.51 s over", False),
        (Aim("below", 1.5), [1.4], [], "1.4 s", True),
        (Aim("below", 1.5), [1.5], [], "1.5 s", False),
        (Aim("above", 0.999), [0.99901], [], "0.99901", True),
        (Aim("above", 0.999), [0.99899], [], "0.99899", False),
        (None, [3.0], [2.0], "1.5 ×", None),
        (None, [3.0], [], "", None),
        (Aim("faster", 12), [], [], "", None),
    ],
)
def test_what_came_out_and_whether_that_was_the_aim(aim, ours, theirs, came, reached):
    assert report.outcome(Row("1", "work", ours, "rival", theirs, aim)) == (came, reached)


def test_a_spread_is_the_median_with_the_least_and_the_most():
    assert report.spread([5.0, 1.0, 2.0], "s") == "2 s (1–5)"
    assert report.spread([5.0], "s") == "5 s"
    assert report.spread([], "s") == ""
    assert report.spread([0.99954], "") == "0.99954"


def test_a_part_is_replaced_and_all_around_it_stays():
    text = (
        f"before\n<!-- written by x: begin -->\n\nold\n\n{END}\nbetween\n<!-- written by y: begin -->\ny\n{END}\nafter"
    )
    once = splice(text, "x", "new\n")
    assert once == text.replace("old", "new")
    assert splice(once, "x", "new") == once
    with pytest.raises(ValueError, match="no end"):
        splice("<!-- written by x: begin -->\nall the rest of the file", "x", "new")


def test_the_machine_is_said_without_its_name():
    said = report.machine()
    assert "Python" in said and "cores" in said
    assert os.uname().nodename not in said
    assert "/" not in said


def test_figures_are_kept_until_machine_or_versions_change(tmp_path):
    row = Row("1", "work", [1.0], "rival", [30.0], Aim("faster", 12), note="a note")
    point = Point("embed", 1000, [2.0])
    store = Store(tmp_path / "speed.json", "this machine")
    store.put("one", [row])
    store.put("two", [point])
    again = Store(tmp_path / "speed.json", "this machine")
    assert (again.rows("one"), again.points("two"), again.rows("three")) == ([row], [point], [])
    assert Store(tmp_path / "speed.json", "another machine").entries == {}


def test_turns_alternate_and_keep_their_results_apart():
    order = []
    found = harness.alternate(3, a=lambda: order.append("a") or len(order), b=lambda: order.append("b") or len(order))
    assert "".join(order) == "abbaab"
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}


@pytest.mark.slow
def test_a_fresh_process_is_another_one_and_its_errors_are_said(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    found = harness.fresh(doubled, number=21)
    assert found["twice"] == 42
    assert found["process"] != os.getpid()
    with pytest.raises(RuntimeError, match="TypeError"):
        harness.fresh(doubled, number=None)


def test_memory_of_a_million_is_on_the_line():
    assert memory.line_at(10, [1, 2, 3], [5.0, 7.0, 9.0]) == pytest.approx(23)


def test_material_is_the_same_every_time_and_no_two_photos_are_alike():
    some = material.content_ids(200) + material.content_ids(200, empty=True)
    assert len(set(some)) == 400
    first, again = (next(material.rows(30, 4)) for _ in range(2))
    assert first.shape == (30, 4)
    assert (first == again).all()
    assert (material.subjects(30).reshape(-1, material.BURST).std(axis=1) == 0).all()


def test_a_project_made_here_is_warm_for_the_app(tmp_path, tiny_model, monkeypatch):
    made = material.Project(tmp_path / "project", tmp_path / "cache")
    made.stage.mkdir(parents=True)
    for number in range(40):
        (made.stage / material.name_of(number)).write_bytes(material.small_jpeg(number))
    ids = material.content_ids(40)
    material.remember(made, ids)
    encoder = material.load_encoder(str(tiny_model))
    material.fill(made, ids, encoder)
    material.answer(made, tiny_model, 40, 8)
    read = []
    monkeypatch.setattr("imlcull_al.photos.read.identify", read.append)
    monkeypatch.setattr("imlcull_al.photos.read.look", lambda path, *_: read.append(path))
    session = material.open_session(made.folder, model=str(tiny_model), cache_dir=made.cache, prepare=False)
    seen = session.prepare()
    assert (seen.found, seen.computed, seen.unreadable, read) == (40, 0, {}, [])
    assert len(session.labels()) == 8
