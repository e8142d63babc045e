"""Connection limits and timeouts for uvicorn.

uvicorn has no timeout for request headers or slow readers, and Gradio exposes no uvicorn options. But uvicorn looks up
the protocol class in the server's config for every connection, so it can be replaced at runtime.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from .senders import network_of

MOST = 512
"""Most open connections; a process may typically have about 1,000 open files."""
MOST_OF_ONE = 128
"""Most from one address. Behind a proxy all share an address, so only `MOST` applies."""
SECONDS = 10.0
"""Timeout for request headers, since the connection opened or the last response ended."""
SECONDS_TO_READ = 30.0
"""Timeout for a client to drain the write buffer."""
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def bound(config: Config, is_proxied: bool) -> None:
    """Apply the limits to all new connections of a running server."""
    connections = Connections(MOST, MOST if is_proxied else MOST_OF_ONE)
    config.http_protocol_class = partial(Connection, connections)  # type: ignore[assignment]


class Connections:
    """Open connections by address, oldest first."""

    def __init__(self, most: int, most_of_one: int) -> None:
        """Limits in total and per address."""
        self._most = most
        self._most_of_one = most_of_one
        self._open: dict[Any, str] = {}

    def add(self, connection: Any, address: str) -> bool:
        """Register a connection. At a limit, evict the oldest idle one; False if none is idle."""
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
        """Unregister a closed connection."""
        self._open.pop(connection, None)


class Connection(H11Protocol):
    """uvicorn's HTTP connection, with timeouts."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        """`arguments`, `named`: as uvicorn passes them."""
        super().__init__(*arguments, **named)
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None
        self._read_by: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it is idle: no request in progress."""
        return self.cycle is None or self.cycle.response_complete

    def give_up(self) -> None:
        """Close the connection."""
        if self.transport and not self.transport.is_closing():
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or reply 503 at a limit."""
        super().connection_made(transport)
        if self._connections.add(self, network_of(self.client[0] if self.client else "unknown")):
            self._watch()
        else:
            transport.write(_BUSY)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser and update the header timeout."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the header timeout for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister and cancel timeouts."""
        self._connections.remove(self)
        _stop(self._deadline)
        _stop(self._read_by)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the timeout for a slow reader."""
        super().pause_writing()
        self._read_by = self.loop.call_later(SECONDS_TO_READ, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel the timeout for a slow reader."""
        super().resume_writing()
        _stop(self._read_by)

    def _watch(self) -> None:
        """Keep a header deadline while idle. Partial data doesn't extend it."""
        if not self.is_waiting:
            _stop(self._deadline)
            self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SECONDS, self.give_up)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
