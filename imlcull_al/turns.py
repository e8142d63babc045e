"""A fair semaphore: a bounded number of concurrent turns, shared among visitors.

    turns = Turns(most=2, each=1)
    with turns.held("anna"): ...          # in a thread
    async with turns.taken("anna"): ...   # in a task, which blocks no thread while it waits

The next turn goes to the waiting visitor who was served least recently, so one visitor's backlog doesn't delay the
others. Independent of the work done in a turn.
"""

import asyncio
import math
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar

from .errors import TooManyRequests

WAITING = 128
"""Requests of one visitor that may wait; enough for a browser that loads a screen full of pictures."""
_REMEMBERED = 10_000
"""Number of visitors whose last turn is remembered while anyone waits; the oldest are forgotten."""
working_for: ContextVar[str] = ContextVar("working_for", default="")
"""The visitor whose background job runs in this context; empty for interactive requests."""


class Turn:
    """A place in the queue, then a running turn, until `Turns.leave`."""

    def __init__(self, visitor: str, begin: Callable[[], None]) -> None:
        """`begin`: called once when the turn starts, by the thread that made room for it."""
        self.visitor = visitor
        self.begin = begin
        self.has_begun = False


class Turns:
    """At most `most` concurrent turns, `each` per visitor, and `waiting` queued per visitor. Thread-safe."""

    def __init__(self, most: int, each: float = math.inf, waiting: float = WAITING) -> None:
        """Start with no turns."""
        self._most, self._each, self._longest = most, each, waiting
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Turn]] = {}
        self._running: Counter[str] = Counter()
        self._served: dict[str, int] = {}  # visitor → number of the last turn, oldest first
        self._begun = 0

    def join(self, visitor: str, begin: Callable[[], None]) -> Turn:
        """Queue for a turn, which may start immediately. Raises `TooManyRequests`."""
        turn = Turn(visitor, begin)
        with self._lock:
            if len(self._waiting.get(visitor, ())) >= self._longest:
                raise TooManyRequests("You sent too many requests at once. Wait a moment, then try again.")
            self._waiting.setdefault(visitor, deque()).append(turn)
            self._go_on()
        return turn

    def leave(self, turn: Turn) -> None:
        """End a turn, or cancel a queued one."""
        with self._lock:
            if turn.has_begun:
                self._running[turn.visitor] -= 1
                self._running += Counter()  # drops visitors with no running turn
            else:
                self._remove(turn)
            self._go_on()

    def others_wait(self, visitor: str) -> bool:
        """Whether another visitor waits for a turn."""
        with self._lock:
            return any(other != visitor for other in self._waiting)

    @contextmanager
    def held(self, visitor: str) -> Iterator[None]:
        """Hold a turn in this thread. Raises `TooManyRequests`."""
        has_come = threading.Event()
        turn = self.join(visitor, has_come.set)
        try:
            has_come.wait()
            yield
        finally:
            self.leave(turn)

    @asynccontextmanager
    async def taken(self, visitor: str) -> AsyncIterator[None]:
        """Hold a turn in this asyncio task. Raises `TooManyRequests`."""
        loop, has_come = asyncio.get_running_loop(), asyncio.Event()

        def begin() -> None:
            with suppress(RuntimeError):  # the loop is closed: the server is shutting down
                loop.call_soon_threadsafe(has_come.set)

        turn = self.join(visitor, begin)
        try:
            await has_come.wait()
            yield
        finally:
            self.leave(turn)

    def _go_on(self) -> None:
        """Start queued turns while there is room."""
        while self._running.total() < self._most and (visitor := self._next()) is not None:
            turn = self._waiting[visitor][0]
            self._remove(turn)
            self._running[visitor] += 1
            self._begun += 1
            self._served.pop(visitor, None)
            self._served[visitor] = self._begun
            turn.has_begun = True
            turn.begin()
        if not self._waiting:
            self._served = {visitor: self._served[visitor] for visitor in self._running if visitor in self._served}
        while len(self._served) > _REMEMBERED:
            self._served.pop(next(iter(self._served)))

    def _next(self) -> str | None:
        ready = [visitor for visitor in self._waiting if self._running[visitor] < self._each]
        return min(ready, key=lambda visitor: self._served.get(visitor, 0), default=None)

    def _remove(self, turn: Turn) -> None:
        queue = self._waiting[turn.visitor]
        queue.remove(turn)
        if not queue:
            del self._waiting[turn.visitor]
