"""The first screen of a page that was started without a project: choose a folder, see what opening it comes to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from ..encoding.load import Model
from ..errors import StageError
from ..project.opening import project_of
from ..session import preview
from ..session.recent import recent
from .look import heading, sentence
from .strict import Page
from .telling import attempt

SCREEN = "first_screen"
_WAIT = f"""(project) => {{
  const look = () => fetch(location.href, {{ cache: 'no-store' }}).then((reply) => reply.text()).then((text) => {{
    if (text.includes('{SCREEN}')) throw new Error(); location.reload();
  }}).catch(() => setTimeout(look, 500));
  setTimeout(look, 500);
  return project;
}}"""
"""Reload the page as soon as the project is served in the place of this one."""


def build(model: Model, cache_dir: Path, chosen: Callable[[Path], None]) -> gr.Blocks:
    """Build the page. `chosen`: called with the project to open, once."""
    known = [(f"{path.name}, in {path.parent}", str(path)) for path in recent(cache_dir)]
    with Page(title="imlcull", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(heading("imlcull", "Choose a folder of photos. Nothing in it is changed."))
        with gr.Column(elem_classes="screen", elem_id=SCREEN):
            folder = gr.Textbox(label="Folder of photos, or a project", placeholder="~/Pictures/Wedding", max_lines=1)
            latest = gr.Radio(known, label="Recent projects", visible=bool(known))
            with gr.Row():
                look = gr.Button("Look", scale=0, min_width=140)
                start = gr.Button("Open", variant="primary", scale=0, min_width=140)
            found, pace = gr.HTML(), gr.HTML()
        project = gr.State()

        def on_look(folder: str) -> tuple[str, str]:
            there, error = attempt(lambda: preview.find(_named(folder)))
            if there is None:
                return sentence(error, "failed"), ""
            return "".join(map(sentence, there.sentences)), sentence("Analyzing a few photos, to know the time …")

        def on_pace(folder: str) -> str:
            there, _ = attempt(lambda: preview.find(_named(folder)))
            if there is None:
                return ""
            words, error = attempt(lambda: preview.first_pass(there, model, cache_dir))
            return sentence(words or error, "subdued" if words else "failed")

        def on_open(folder: str) -> str:
            opened, error = attempt(lambda: _opened(_named(folder)))
            if opened is None:
                raise gr.Error(error, duration=None, print_exception=False)
            return str(opened)

        private: dict[str, Any] = {"api_visibility": "private"}
        latest.input(lambda path: path, latest, folder, **private)
        for press in (look.click, folder.submit, latest.input):
            press(on_look, latest if press == latest.input else folder, [found, pace], **private).then(
                on_pace, latest if press == latest.input else folder, pace, **private
            )
        start.click(on_open, folder, project, **private).success(None, None, None, js=_WAIT, **private).success(
            lambda path: chosen(Path(path)), project, None, **private
        )
    return page


def _named(folder: str) -> str:
    """What was typed, as a path: shells put quotes around names, and so do people who paste them. Raises `StageError`
    where nothing was.
    """
    named = folder.strip().strip("'\"")
    if not named:
        raise StageError("No folder is named. Type the path of a folder of photos, or of a project.")
    return named


def _opened(folder: str) -> Path:
    """The project of a folder, made if there is none. Raises `ImlcullError` where it can't be shown."""
    preview.find(folder)
    return project_of(folder)
