"""The threshold of the page in the parts that Gradio draws: whole per cent, one value for all screens.

The browser keeps it; see assets/logic/aims.js. Everywhere below the page it is a number between 0 and 1.
"""

import gradio as gr

from ..errors import StageError
from ..learning.promise import MAX_KEEPERS_LOST
from .scripts import calling, starting

SCRIPT = "threshold.js"
USUAL = 50


def threshold_slider() -> gr.Slider:
    """A slider that follows the other screens, and they follow it.

    While its number box is empty the value is None; Gradio's own would then refuse the whole request, and with it
    whatever else the request asks for.
    """
    found = gr.Slider(0, 100, USUAL, step=1, label="Threshold: keep photos scoring at least this (%)", min_width=280)
    read = found.preprocess
    found.preprocess = lambda value: None if value is None else read(value)  # type: ignore[method-assign]
    return found


def follow(slider: gr.Slider) -> gr.Number:
    """Couple the slider to the threshold of the page. Call it outside the tabs, which are drawn when first opened.

    Returns the share of keepers that may be lost, as chosen on the Check screen.
    """
    follower = gr.HTML("", js_on_load=starting(SCRIPT), elem_classes="unseen", apply_default_css=False)
    target = gr.Number(MAX_KEEPERS_LOST, visible=False)
    follower.select(
        None, None, [slider, target], js=calling(SCRIPT, "aims"), show_progress="hidden", api_visibility="private"
    )
    slider.change(None, slider, None, js=calling(SCRIPT, "set"), show_progress="hidden", api_visibility="private")
    return target


def given(percent: float | None) -> float:
    """The value of a slider as a number between 0 and 1. Raises `StageError` while it has none."""
    if percent is None:
        raise StageError("There is no threshold. Enter a number from 0 to 100.")
    return percent / 100
