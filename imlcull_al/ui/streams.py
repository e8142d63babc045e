"""Ownership and quotas of Gradio sessions and calls.

Gradio identifies sessions and calls by client-chosen or server-issued names, and anybody who knows a name can read its
stream. Here the first user of a name owns it: `owner` is the browser's secret cookie or, without one, the payer. Quotas
are per `payer`: a workspace or an address.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST = 64
"""Most calls per payer that wait, run or have unread results; also most open streams (a tab has two)."""
STRANGERS = 16
"""The same for a visitor of a public page without a workspace."""
CALLS_IN_ALL = 256
AT_ONCE = 32
"""Most concurrent calls. They have their own threads, so that photos and answers don't wait for them."""
SESSIONS = 256
"""Most pages whose state Gradio keeps; least recently used ones are evicted and start afresh."""
_NAMES = 500  # per payer
_CALLERS = 1_000
_LONGEST_NAME = 100


class Streams:
    """Names and their owners, in bounded memory. Not thread-safe: use only in the server's event loop."""

    def __init__(self, queue: Any) -> None:
        """`queue`: the page's Gradio queue."""
        self._queue = queue
        self._owners: OrderedDict[str, OrderedDict[str, str]] = OrderedDict()  # payer → name → owner
        self._payers: dict[str, str] = {}  # name → payer
        self._open: Counter[tuple[str, str]] = Counter()

    def owns(self, name: str, owner: str) -> bool:
        """Whether `owner` owns a name."""
        payer = self._payers.get(name)
        return payer is not None and self._owners[payer].get(name) == owner

    def claim(self, name: str, owner: str, payer: str) -> bool:
        """Claim a name; False if somebody else owns it or it is too long."""
        if len(name) > _LONGEST_NAME or (name in self._payers and not self.owns(name, owner)):
            return False
        self._drop(name)
        names = self._owners.setdefault(payer, OrderedDict())
        names[name], self._payers[name] = owner, payer
        self._owners.move_to_end(payer)
        if len(names) > _NAMES:
            self._forget(next(iter(names)))
        if len(self._owners) > _CALLERS:
            for each in list(next(iter(self._owners.values()))):
                self._forget(each)
        return True

    @contextmanager
    def one(self, kind: str, payer: str, most: int) -> Iterator[bool]:
        """Count one call or stream while the context is open; yields False at the limit."""
        free = most - self._open[kind, payer]
        if kind == "call":
            free -= self._waiting(payer, free)
        if free <= 0:
            yield False
            return
        self._open[kind, payer] += 1
        try:
            yield True
        finally:
            self._open[kind, payer] -= 1
            if not self._open[kind, payer]:
                del self._open[kind, payer]

    def _waiting(self, payer: str, room: int) -> int:
        """Calls of a payer that wait, run or have unread results. Discards unread results if `room` is too small."""
        pending = self._queue.pending_event_ids_session
        held = {name: len(pending[name]) for name in self._owners.get(payer, ()) if name in pending}
        for name in [name for name in held if not self._is_busy(name)] if sum(held.values()) >= room else ():
            self._let_go(name)
            if sum(held.values()) - held.pop(name) < room:
                break
        return sum(held.values())

    def _is_busy(self, name: str) -> bool:
        """Whether a session has waiting or running calls, not only results."""
        return any(each in self._queue.event_ids_to_events for each in self._queue.pending_event_ids_session[name])

    def _forget(self, name: str) -> None:
        self._drop(name)
        self._let_go(name)

    def _drop(self, name: str) -> None:
        payer = self._payers.pop(name, None)
        if payer is not None:
            del self._owners[payer][name]
            if not self._owners[payer]:
                del self._owners[payer]

    def _let_go(self, name: str) -> None:
        """Clean up as Gradio does when a stream disconnects."""
        self._queue.pending_messages_per_session.pop(name, None)
        self._queue.pending_event_ids_session.pop(name, None)
