"""The timer of the page: one request a second for all that changes by itself."""

import gradio as gr
import pytest

from imlcull_al import ui
from imlcull_al.errors import NotEnoughLabels, NoWorkspace, StageError
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.session.workspaces import Workspaces
from imlcull_al.ui.clock import Clock
from imlcull_al.ui.threshold import given, threshold_slider


def fail(desk):
    raise NotEnoughLabels("Label more.")


def tick(find):
    """What a tick returns with a poll that fails and one of two components, the input of which is 7."""
    with gr.Blocks(analytics_enabled=False) as page:
        first, second, message, number = gr.HTML(), gr.HTML(), gr.HTML(), gr.Number()
        clock = Clock(find)
        clock.every_second(fail, None, first, message)
        clock.every_second(lambda desk, value: (f"{desk} {value}", 2), number, [first, second])
        clock.start()
    (only,) = page.fns.values()
    assert only.inputs == [number]
    assert only.outputs == [first, message, first, second]
    return only.fn(None, 7)


def test_a_failure_is_said_and_stops_no_other():
    said = '<p class="failed">Label more.</p>'
    assert tick(lambda request: "the desk") == (gr.skip(), said, "the desk 7", 2)


def test_a_visitor_without_a_desk_sees_no_change():
    def find(request):
        raise NoWorkspace("Upload photos first.")

    assert tick(find) == (gr.skip(),) * 4


def test_a_threshold_that_was_emptied_stops_only_what_needs_it():
    with gr.Blocks(analytics_enabled=False):
        slider = threshold_slider()
    assert [slider.preprocess(value) for value in (25, None, 100)] == [25, None, 100]
    with pytest.raises(gr.Error):
        slider.preprocess(150)
    assert [given(percent) for percent in (0, 29, 100)] == [0.0, 0.29, 1.0]
    with pytest.raises(StageError, match="There is no threshold"):
        given(None)


@pytest.mark.parametrize("kind", ["local", "public"])
def test_a_page_has_one(project, tmp_path, kind):
    session = open_session(project, model="builtin", cache_dir=tmp_path / "cache", prepare=False)
    place = Desk(session) if kind == "local" else Workspaces(tmp_path / "public", "builtin")
    targets = [event for each in ui.build(place).config["dependencies"] for _, event in each["targets"]]
    assert targets.count("tick") == 1
    if kind == "public":
        place.close()


def test_a_refusal_is_cleared_by_other_answers_but_not_by_a_look_that_began_before_it(monkeypatch):
    with gr.Blocks(analytics_enabled=False):
        clock = Clock(lambda request: "the desk")
        clock.until_answers_change(gr.HTML())
    monkeypatch.setattr("imlcull_al.ui.clock.answers", lambda desk: ("stage_1", 1, 0))
    (poll,) = clock._polls
    assert poll.function("the desk", None) == (("stage_1", 1, 0), gr.skip())
    assert poll.function("the desk", ("stage_1", 1, 0)) == (gr.skip(), gr.skip())
    assert poll.function("the desk", ("stage_1", 0, 0)) == (("stage_1", 1, 0), "")
