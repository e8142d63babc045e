"""How many connections may be open, and how long one may keep the server waiting.

uvicorn waits for ever for the end of a request's headers and for whoever is slow to read a reply. Gradio starts uvicorn
without a way to give it options, but each new connection asks the server's configuration for its protocol.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from .senders import network_of

MOST = 512
"""Open connections; a program may have some 1,000 files open."""
MOST_OF_ONE = 128
"""From one address; behind a proxy all come from the same, and only `MOST` counts."""
SECONDS = 10.0
"""For the headers of a request, from the connection or the end of the reply before."""
SECONDS_TO_READ = 30.0
"""For a reader to take what is already sent."""
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def bound(config: Config, is_proxied: bool) -> None:
    """Have a running server bound each connection from now on."""
    connections = Connections(MOST, MOST if is_proxied else MOST_OF_ONE)
    config.http_protocol_class = partial(Connection, connections)  # type: ignore[assignment]


class Connections:
    """The open ones by address, the oldest first."""

    def __init__(self, most: int, most_of_one: int) -> None:
        """In all, and from one address."""
        self._most = most
        self._most_of_one = most_of_one
        self._open: dict[Any, str] = {}

    def add(self, connection: Any, address: str) -> bool:
        """Count one more. Where there are too many, the oldest that asks for nothing is closed; False if none is."""
        own = [each for each, other in self._open.items() if other == address]
        crowd = own if len(own) >= self._most_of_one else list(self._open) if len(self._open) >= self._most else []
        idle = next((each for each in crowd if each.is_waiting), None)
        if crowd and idle is None:
            return False
        if idle is not None:
            self.remove(idle)
            idle.give_up()
        self._open[connection] = address
        return True

    def remove(self, connection: Any) -> None:
        """It is closed."""
        self._open.pop(connection, None)


class Connection(H11Protocol):
    """One connection: uvicorn's, with an end to its patience."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        """As uvicorn makes one, after `connections`."""
        super().__init__(*arguments, **named)
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None
        self._read_by: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered: its headers are still to come."""
        return self.cycle is None or self.cycle.response_complete

    def give_up(self) -> None:
        """Close it."""
        if self.transport and not self.transport.is_closing():
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, if there is room."""
        super().connection_made(transport)
        if self._connections.add(self, network_of(self.client[0] if self.client else "unknown")):
            self._watch()
        else:
            transport.write(_BUSY)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Go on with the request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._connections.remove(self)
        _stop(self._deadline)
        _stop(self._read_by)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the reader."""
        super().pause_writing()
        self._read_by = self.loop.call_later(SECONDS_TO_READ, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the reply."""
        super().resume_writing()
        _stop(self._read_by)

    def _watch(self) -> None:
        """Keep a deadline while no request is being answered; bytes that trickle in don't move it."""
        if not self.is_waiting:
            _stop(self._deadline)
            self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SECONDS, self.give_up)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
