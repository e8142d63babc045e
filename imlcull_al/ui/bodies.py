"""How long the body of a request may be, and how slowly it may come.

A body is counted as it comes, whatever its sender announced. One that breaks a bound looks to the route like a broken
connection; what is answered then is said here.
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
"""Bytes from a visitor of a public page who has no photos there."""
TOO_LONG = "This request is longer than any that this page sends."
ROOM = 64_000_000
"""Bytes of all bodies at a time, those of uploads aside."""
PATIENCE = 20.0
"""Seconds that may pass until more of a body comes."""
SLOWEST = 2_000.0
"""Bytes a second of a whole body, after as many seconds."""


def longest(path: str, is_stranger: bool) -> int:
    """Bytes that a route takes."""
    most = ANSWER if path.startswith("/act/") else CALL if path.startswith("/gradio_api/") else 0
    return min(most, STRANGER) if is_stranger else most


def announced(headers: Headers) -> int | None:
    """Bytes of the body that will come, as its sender says; None where it comes in pieces and nobody says."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def patience(received: int, waited: float) -> float:
    """Seconds in which more of a body must come, when so many bytes of it took so many seconds."""
    return max(min(PATIENCE, PATIENCE + received / SLOWEST - waited), 0.0)


_GONE: Message = {"type": "http.disconnect"}


class Room:
    """Bytes of bodies in memory."""

    def __init__(self, most: int = ROOM) -> None:
        """`most`: in all."""
        self.most = most
        self.taken = 0


class Body:
    """The body of one request. `receive` is what its route gets; `refusal` is there once it broke a bound."""

    def __init__(
        self, receive: Receive, most: int | None, room: Room, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most`: bytes; None for a route that counts them itself and keeps none of them in memory."""
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
        """The next message of it; after its end, whatever comes then."""
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
            return self._refuse(408, "This request came too slowly. Send it again.")
        if message["type"] == "http.disconnect":
            return self._refuse(400, "The connection broke off.")
        self._waited += self._clock() - began
        self._more = message.get("more_body", False)
        size = len(message.get("body", b""))
        self._size += size
        return message if self._most is None else self._hold(message, size)

    async def whole(self) -> bytes:
        """All of it, which `receive` gives again; empty where it broke a bound, or off."""
        body = b""
        while self._more and not self.refusal:
            body += (await self.receive()).get("body", b"")
        self._read = None if self.refusal else body
        return body

    async def serve(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Have the app answer, unless a bound is broken before it does."""
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
        """Give its room back."""
        self._room.taken -= self._held

    def _hold(self, message: Message, size: int) -> Message:
        if self._most is not None and self._size > self._most:
            return self._refuse(413, TOO_LONG)
        if self._room.taken + size > self._room.most:
            return self._refuse(503, "Too much is sent to this page at once. Try again in a moment.")
        self._room.taken += size
        self._held += size
        return message

    def _refuse(self, status: int, words: str) -> Message:
        self.refusal = PlainTextResponse(words, status)
        return _GONE
