"""Work for requests, done in threads of its own, in turns of the visitors who ask.

A request that waits holds no thread, so answers never wait behind a flood of pictures.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..errors import TooManyRequests
from ..turns import Turns

Result = TypeVar("Result")
Whose = Callable[[Any], str]
"""Which visitor sent a request."""
Handler = Callable[[Request], Awaitable[Response]]


class Fairly:
    """At most `most` threads at work, `each` of them for one visitor."""

    def __init__(self, whose: Whose, most: int, each: float = math.inf) -> None:
        """Nobody has asked yet."""
        self._whose = whose
        self._turns = Turns(most, each)
        self._threads = CapacityLimiter(most)

    async def do(self, request: Request, work: Callable[[], Result]) -> Result | None:
        """What `work()` returns; None for a visitor who is gone when their turn comes. Raises `TooManyRequests`."""
        async with self._turns.taken(self._whose(request)):
            if await request.is_disconnected():
                return None
            return await to_thread.run_sync(work, limiter=self._threads)


def turning_away(handler: Handler) -> Handler:
    """The handler, with a sentence for a visitor who has asked for too much at once."""

    async def turned(request: Request) -> Response:
        try:
            return await handler(request)
        except TooManyRequests as error:
            return PlainTextResponse(str(error), 429, {"Retry-After": "1"})

    return turned
