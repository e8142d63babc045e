"""The place on the Cull screen where sidecars from elsewhere are dropped, to be read as ratings. Local pages only.

The page sends the sidecars in parts. They are kept in memory until they are read, and never written anywhere.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ..errors import RatingsRefused
from ..exchange.elsewhere import Sidecars
from ..session.desk import Desk
from ..session.session import Session
from .assets import asset
from .look import sentence
from .scripts import starting
from .serving import Find
from .telling import attempt

SCREEN, SCRIPT = "sidecars", "sidecars.js"
_NOTHING = "The request holds no sidecars. Reload the page."


def build(find: Find, read: Callable[[Desk, Sidecars], None], message: gr.HTML) -> None:
    """Add the place. `read`: begins to read what was dropped; its errors go to `message`."""
    place = gr.HTML(
        value="",
        html_template=asset("sidecars.html"),
        css_template=asset("sidecars.css"),
        js_on_load=starting(SCRIPT),
        elem_id="sidecars-drop",
        apply_default_css=False,
    )

    def received(event: gr.EventData, request: gr.Request) -> str:
        def work() -> None:
            desk = find(request)
            read(desk, desk.session.drops.take((event._data or {}).get("drop")))

        return sentence(attempt(work)[1], "failed")

    place.select(received, None, message, show_progress="hidden", api_visibility="private")


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Take a part of what was dropped. `request`: `drop`, the page's name for all its parts; `part`, its number from 0;
    `sidecars`, a list of names and bytes in base64. On failure, the reply's `error` is a sentence.
    """
    return {"error": attempt(lambda: _take(session, request))[1]}


def _take(session: Session, request: Mapping[str, Any]) -> None:
    drop, part, sent = (request.get(name) for name in ("drop", "part", "sidecars"))
    if not isinstance(drop, str) or not 0 < len(drop) <= 64 or type(part) is not int:
        raise RatingsRefused(_NOTHING)
    if not isinstance(sent, list) or not sent or not all(map(_is_sidecar, sent)):
        raise RatingsRefused(_NOTHING)
    session.drops.add(drop, part, {name: _bytes(name, text) for name, text in sent})


def _is_sidecar(each: Any) -> bool:
    return isinstance(each, list) and [type(part) for part in each] == [str, str]


def _bytes(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RatingsRefused(f"{name} arrived damaged. Drop it again.") from error
