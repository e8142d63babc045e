"""The place on the Cull screen where sidecars from elsewhere are dropped, to be read as ratings. Local pages only.

The page sends the sidecars in parts. They are kept in memory until they are read, and never written anywhere.
"""

import base64
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ..errors import RatingsRefused
from ..exchange.elsewhere import Received, Sidecars
from ..session.desk import Desk
from ..session.session import Session
from .assets import asset
from .look import sentence
from .scripts import starting
from .serving import Find
from .telling import attempt

SCREEN, SCRIPT = "sidecars", "sidecars.js"
_received: weakref.WeakKeyDictionary[Session, tuple[str, Received]] = weakref.WeakKeyDictionary()


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
            read(desk, sidecars_of(desk.session, (event._data or {}).get("drop")))

        return sentence(attempt(work)[1], "failed")

    place.select(received, None, message, show_progress="hidden", api_visibility="private")


def respond(session: Session, request: Mapping[str, Any]) -> dict[str, Any]:
    """Take a part of what was dropped. `request`: `drop`, the page's name for all its parts; `sidecars`, a list of
    names and bytes in base64. On failure, the reply's `error` is a sentence.
    """
    return {"error": attempt(lambda: _take(session, request))[1]}


def sidecars_of(session: Session, drop: Any) -> Sidecars:
    """What was sent under the name `drop`, once. Raises `RatingsRefused` if other sidecars came since, or none."""
    name, received = _received.pop(session, ("", Received()))
    if name != drop:
        raise RatingsRefused("Other sidecars were dropped meanwhile, or none. Drop these again.")
    return received.sidecars()


def _take(session: Session, request: Mapping[str, Any]) -> None:
    drop, sent = request.get("drop"), request.get("sidecars")
    if not isinstance(drop, str) or not 0 < len(drop) <= 64 or not isinstance(sent, list):
        raise RatingsRefused("The request holds no sidecars. Reload the page.")
    if _received.get(session, ("",))[0] != drop:
        _received[session] = drop, Received()
    received = _received[session][1]
    for each in sent:
        if not isinstance(each, list) or [type(part) for part in each] != [str, str]:
            raise RatingsRefused("The request holds no sidecars. Reload the page.")
        name, text = each
        try:
            received.add(name, base64.b64decode(text, validate=True))
        except ValueError as error:
            raise RatingsRefused(f"{name} arrived damaged. Drop it again.") from error
