"""Quotas per visitor: body size, concurrent calls and open streams, on our routes and Gradio's.

Visitors of a public page without a workspace ("strangers") get the smallest. Sessions and calls are accessible only to
their owner.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .bodies import TOO_LONG, Body, Room, announced, longest
from .senders import sender_of
from .streams import MOST, STRANGERS, Streams

Known = Callable[[HTTPConnection], str | None]
"""Maps a request to its workspace; None for a stranger."""
COOKIE = "imlcull_browser"
"""Identifies a browser, which owns its sessions."""
GRADIO = "/gradio_api/"
RUN, CALL, HEARTBEAT = (GRADIO + name for name in ("run/", "call/", "heartbeat/"))
_JOIN, _DATA, _CANCEL, _RESET = (GRADIO + name for name in ("queue/join", "queue/data", "cancel", "reset"))


class Visitor(NamedTuple):
    """Sender of a request: owner of sessions, payer for quotas, and whether a stranger."""

    owner: str
    payer: str
    is_stranger: bool


class Quotas:
    """ASGI middleware that enforces the quotas; runs inside the guard's."""

    def __init__(self, app: ASGIApp, streams: Streams, uploads: frozenset[str], known: Known | None) -> None:
        """`uploads`: paths that limit their own body size. `known`: None on a local page."""
        self._app = app
        self._streams = streams
        self._uploads = uploads
        self._known = known
        self._room = Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        visitor, kind = self._visitor(HTTPConnection(scope)), _kind(scope["method"], scope["path"])
        if kind is None:
            return await self._answer(visitor, scope, receive, send)
        with self._streams.one(kind, visitor.payer, STRANGERS if visitor.is_stranger else MOST) as is_free:
            if not is_free:
                words = f"You have too many open {kind}s. Wait until some have ended."
                return await PlainTextResponse(words, 429, {"Retry-After": "1"})(scope, receive, send)
            return await self._answer(visitor, scope, receive, send)

    async def _answer(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        path, size = scope["path"], announced(HTTPConnection(scope).headers)
        most = None if path in self._uploads else longest(path, visitor.is_stranger)
        if most is not None and size is not None and size > most:
            return await PlainTextResponse(TOO_LONG, 413)(scope, receive, send)
        body = Body(receive, most, self._room)
        try:
            sent = await body.whole() if size != 0 and path.startswith(GRADIO) else b""
            if not self._is_theirs(visitor, scope, sent):
                return await _NO_SESSION(scope, receive, send)
            if _kind(scope["method"], path) == "call":
                send = self._learning(send, visitor)
            return await body.serve(self._app, scope, send) if size != 0 else await self._app(scope, receive, send)
        finally:
            body.close()

    def _visitor(self, request: HTTPConnection) -> Visitor:
        address = sender_of(request)
        workspace = self._known(request) if self._known else None
        payer = f"workspace {workspace}" if workspace else address
        # Ownership is by browser: its visitor may gain or lose a workspace while the page is open.
        return Visitor(request.cookies.get(COOKIE) or payer, payer, self._known is not None and not workspace)

    def _is_theirs(self, visitor: Visitor, scope: Scope, sent: bytes) -> bool:
        """Whether the sender owns all sessions and calls in the request; claims new sessions."""
        path, post = scope["path"], scope["method"] == "POST"
        if path.startswith(HEARTBEAT):
            return self._streams.claim(path.removeprefix(HEARTBEAT), visitor.owner, visitor.payer)
        if path == _DATA:
            return self._own(visitor, [QueryParams(scope["query_string"]).get("session_hash")])
        if path.startswith(CALL) and not post:
            return self._own(visitor, [path.rpartition("/")[2]])
        if not path.startswith(GRADIO) or not post:
            return True
        asked = _object(sent)
        if path.rstrip("/") in (_CANCEL, _RESET):
            return self._own(visitor, [asked.get("session_hash"), asked.get("event_id")])
        name = asked.get("session_hash")
        return not isinstance(name, str) or self._streams.claim(name, visitor.owner, visitor.payer)

    def _own(self, visitor: Visitor, names: Iterable[Any]) -> bool:
        return all(self._streams.owns(name, visitor.owner) for name in names if isinstance(name, str))

    def _learning(self, send: Send, visitor: Visitor) -> Send:
        """Wrap `send` to claim for the visitor the event id in the reply."""
        reply = b""

        async def learn(message: Message) -> None:
            nonlocal reply
            if message["type"] == "http.response.body" and len(reply) < _REPLY:
                reply += message.get("body", b"")
                name = _object(reply).get("event_id")
                if isinstance(name, str):
                    self._streams.claim(name, visitor.owner, visitor.payer)
            await send(message)

        return learn


_NO_SESSION: Response = PlainTextResponse("This session is not yours, or has expired. Reload the page.", 404)
_REPLY = 200  # bytes; longest reply that carries an event id


def _kind(method: str, path: str) -> str | None:
    """The quota a request counts towards: call, stream, or None."""
    if method == "POST":
        return "call" if path.startswith((RUN, CALL)) or path == _JOIN else None
    return "stream" if path.startswith((CALL, HEARTBEAT)) or path == _DATA else None


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
