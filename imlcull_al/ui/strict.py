"""Requests as a browser can mean them: what it can't is refused before anything is done, with a sentence.

Python's parser takes more than JavaScript writes (NaN, numbers of any length, halves of characters), and what comes of
that fails far from where it came in. What goes out can always be sent. Knows nothing of screens.
"""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import gradio as gr
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import in_words

log = logging.getLogger(__name__)
LONGEST = 4_000_000
"""Bytes of a request; a range of 10,000 long names fits."""
_LARGEST_NUMBER = 2**53 - 1
_ROUTES = "/gradio_api/"
NONSENSE = "This request makes no sense here. Reload the page."


def parsed(body: bytes) -> Any:
    """What was sent. Raises `ValueError` for what no browser sends: other numbers than it can hold, halves of
    characters, nesting without end.
    """
    try:
        sent = json.loads(body.decode(), parse_constant=_whole, parse_int=_whole, parse_float=_finite)
        json.dumps(sent, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return sent


def rendered(reply: Mapping[str, Any]) -> Response:
    """A reply as JSON in ASCII, which holds halves of characters too, as a name that is no text has them."""
    return Response(json.dumps(reply, allow_nan=False), media_type="application/json")


async def received(receive: Receive) -> bytes:
    """The body of a request; nothing when it is longer than any page would send."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST or message["type"] == "http.disconnect":
            return b""
    return body


class Page(gr.Blocks):
    """A page whose functions are called as they were written, or answer with a sentence: where the values don't fit,
    Gradio would print a traceback.
    """

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Call a function."""
        try:
            return await super().process_api(*arguments, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.warning("Gradio refused the values of a request: %s", in_words(error))
            raise gr.Error(NONSENSE, print_exception=False) from error


class StrictJSON:
    """Middleware before Gradio's own routes: what they are sent is parsed here first, and an error that a request led
    them into is answered by a sentence.
    """

    def __init__(self, app: ASGIApp) -> None:
        """`app`: what comes after it."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let `app` do so."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(_ROUTES):
            return await self._app(scope, receive, send)
        body, is_answered = await received(receive), False
        bodies = iter([body])

        async def again() -> Message:
            sent = next(bodies, None)
            return await receive() if sent is None else {"type": "http.request", "body": sent}

        async def noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            # Gradio answers with 500 where a function refused its arguments; here that is no defect of the server.
            await send({**message, "status": 400} if message.get("status") == 500 else message)

        try:
            parsed(body)
        except ValueError:
            return await PlainTextResponse(NONSENSE, 400)(scope, receive, send)
        try:
            await self._app(scope, again, noted)
        except Exception as error:
            if is_answered:
                raise
            log.warning("Gradio refused a request: %s", type(error).__name__)
            await PlainTextResponse(NONSENSE, 400)(scope, receive, send)


def _whole(text: str) -> int:
    number = int(text)  # refuses NaN and Infinity
    if abs(number) > _LARGEST_NUMBER:
        raise ValueError("a number that a browser can't hold")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that a browser can't hold")
    return number
