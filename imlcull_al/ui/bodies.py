"""Limits on the size and speed of request bodies.

Bodies are counted as they arrive, regardless of Content-Length. A route sees a violation as a client disconnect, and
this module sends the error response.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWER = 4_000_000  # bytes; a range of 10,000 long names fits
CALL = 64_000
STRANGER = 8_000
"""Bytes from a visitor of a public page without a workspace."""
TOO_LONG = "This request is too large."
ROOM = 64_000_000
"""Bytes of all bodies in memory at once, except uploads."""
PATIENCE = 20.0
"""Seconds to wait for the next chunk."""
SLOWEST = 2_000.0
"""Minimum average rate in bytes per second, after a grace period of `PATIENCE`."""


def longest(path: str, is_stranger: bool) -> int:
    """Size limit of a route, in bytes."""
    most = ANSWER if path.startswith("/act/") else CALL if path.startswith("/gradio_api/") else 0
    return min(most, STRANGER) if is_stranger else most


def announced(headers: Headers) -> int | None:
    """Body size from Content-Length; None for a chunked body."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def patience(received: int, waited: float) -> float:
    """Seconds to wait for the next chunk, after `received` bytes in `waited` seconds."""
    return max(min(PATIENCE, PATIENCE + received / SLOWEST - waited), 0.0)


_GONE: Message = {"type": "http.disconnect"}


class Room:
    """Shared budget for bodies held in memory."""

    def __init__(self, most: int = ROOM) -> None:
        """`most`: total bytes."""
        self.most = most
        self.taken = 0


class Body:
    """The body of one request. The route reads from `receive`; `refusal` is set once a limit is exceeded."""

    def __init__(
        self, receive: Receive, most: int | None, room: Room, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most`: bytes; None for a route that enforces its own limit and streams to disk."""
        self.refusal: Response | None = None
        self._receive = receive
        self._most = most
        self._room = room
        self._clock = clock
        self._waited = 0.0
        self._size = 0
        self._held = 0
        self._more = True
        self._read: bytes | None = None

    async def receive(self) -> Message:
        """The next ASGI message; passes messages through after the end of the body."""
        if self._read is not None:
            body, self._read = self._read, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self.refusal or not self._more:
            return _GONE if self.refusal else await self._receive()
        began = self._clock()
        try:
            async with asyncio.timeout(patience(self._size, self._waited)):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(408, "This request arrived too slowly. Send it again.")
        if message["type"] == "http.disconnect":
            return self._refuse(400, "The connection was lost.")
        self._waited += self._clock() - began
        self._more = message.get("more_body", False)
        size = len(message.get("body", b""))
        self._size += size
        return message if self._most is None else self._hold(message, size)

    async def whole(self) -> bytes:
        """Read the whole body, and buffer it for `receive`. Empty if a limit was exceeded or the connection lost."""
        body = b""
        while self._more and not self.refusal:
            body += (await self.receive()).get("body", b"")
        self._read = None if self.refusal else body
        return body

    async def serve(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Run the app, or send the refusal if a limit is exceeded before the app responds."""
        has_begun = False
        if self.refusal:
            return await self.refusal(scope, self._receive, send)

        async def answer(message: Message) -> None:
            nonlocal has_begun
            if has_begun or not self.refusal:
                has_begun = True
                await send(message)

        try:
            await app(scope, self.receive, answer)
        except ClientDisconnect:
            if not self.refusal:
                raise
        if self.refusal and not has_begun:
            return await self.refusal(scope, self._receive, send)
        return None

    def close(self) -> None:
        """Release the memory budget."""
        self._room.taken -= self._held

    def _hold(self, message: Message, size: int) -> Message:
        if self._most is not None and self._size > self._most:
            return self._refuse(413, TOO_LONG)
        if self._room.taken + size > self._room.most:
            return self._refuse(503, "The server is receiving too much at once. Try again in a moment.")
        self._room.taken += size
        self._held += size
        return message

    def _refuse(self, status: int, words: str) -> Message:
        self.refusal = PlainTextResponse(words, status)
        return _GONE
