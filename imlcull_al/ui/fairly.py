"""Run request work in a dedicated thread pool, scheduled fairly across visitors.

Waiting requests hold no thread, so answers never queue behind a flood of image requests.
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
"""Maps a request to its visitor's name."""
Handler = Callable[[Request], Awaitable[Response]]


class Fairly:
    """A fair pool of at most `most` threads, at most `each` per visitor."""

    def __init__(self, whose: Whose, most: int, each: float = math.inf) -> None:
        """Starts idle."""
        self._whose = whose
        self._turns = Turns(most, each)
        self._threads = CapacityLimiter(most)

    async def do(self, request: Request, work: Callable[[], Result]) -> Result | None:
        """Run `work()` when it is the visitor's turn; None if they disconnected by then. Raises `TooManyRequests`."""
        async with self._turns.taken(self._whose(request)):
            if await request.is_disconnected():
                return None
            return await to_thread.run_sync(work, limiter=self._threads)


def turning_away(handler: Handler) -> Handler:
    """Wrap a handler to reply 429 on `TooManyRequests`."""

    async def turned(request: Request) -> Response:
        try:
            return await handler(request)
        except TooManyRequests as error:
            return PlainTextResponse(str(error), 429, {"Retry-After": "1"})

    return turned
