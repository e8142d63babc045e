"""Strict JSON: reject requests that no browser sends before acting on them.

Python's parser accepts more than JavaScript produces (NaN, arbitrarily large integers, lone surrogates), which would
fail far from the input. Replies are always encodable. Independent of the screens.
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
"""Most bytes of a request; enough for a range of 10,000 long names."""
_LARGEST_NUMBER = 2**53 - 1
_ROUTES = "/gradio_api/"
NONSENSE = "Invalid request. Reload the page."


def parsed(body: bytes) -> Any:
    """Parse a JSON body. Raises `ValueError` for numbers that JavaScript can't represent, lone surrogates and excessive
    nesting.
    """
    try:
        sent = json.loads(body.decode(), parse_constant=_whole, parse_int=_whole, parse_float=_finite)
        json.dumps(sent, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return sent


def rendered(reply: Mapping[str, Any]) -> Response:
    """A JSON response in ASCII, which can escape lone surrogates from undecodable file names."""
    return Response(json.dumps(reply, allow_nan=False), media_type="application/json")


async def received(receive: Receive) -> bytes:
    """Read a request body; empty if it exceeds `LONGEST` or the client disconnects."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST or message["type"] == "http.disconnect":
            return b""
    return body


class Page(gr.Blocks):
    """A page that reports invalid arguments as an error message; Gradio would print a traceback."""

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Call an event handler."""
        try:
            return await super().process_api(*arguments, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.warning("Gradio rejected the arguments of a request: %s", in_words(error))
            raise gr.Error(NONSENSE, print_exception=False) from error


class StrictJSON:
    """Middleware for Gradio's own routes: validates JSON bodies, and turns exceptions into 400 responses."""

    def __init__(self, app: ASGIApp) -> None:
        """`app`: the wrapped ASGI app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Validate a POST to a Gradio route; pass everything else through."""
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
            # Gradio replies 500 if a function rejects its arguments; that is a client error.
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
            log.warning("Gradio rejected a request: %s", type(error).__name__)
            await PlainTextResponse(NONSENSE, 400)(scope, receive, send)


def _whole(text: str) -> int:
    number = int(text)  # raises ValueError for NaN and Infinity
    if abs(number) > _LARGEST_NUMBER:
        raise ValueError("a number that a browser can't hold")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that a browser can't hold")
    return number
