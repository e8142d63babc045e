"""Whose a session of Gradio's is, and how much of Gradio one caller may keep busy.

Gradio knows sessions and calls by names that a page makes up, or is told, and whoever says such a name reads its
stream. Here it belongs to whom it came from first: `owner`, the secret of a browser, or of what has none, its payer.
What is counted is counted by `payer`: a workspace, or an address.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST = 64
"""Calls of one caller that wait, run, or came to something that nobody has read; and as many open streams, of which a
tab has two."""
STRANGERS = 16
"""The same of a visitor of a public page who has no photos there."""
CALLS_IN_ALL = 256
AT_ONCE = 32
"""Calls that run; they have threads of their own, so that photos and answers don't wait for them."""
SESSIONS = 256
"""Pages of which Gradio remembers the state; who was away longest finds a fresh one."""
_NAMES = 500  # of one caller
_CALLERS = 1_000
_LONGEST_NAME = 100


class Streams:
    """Names and their owners, in bounded memory; all of it in the server's event loop."""

    def __init__(self, queue: Any) -> None:
        """`queue`: Gradio's, of the page."""
        self._queue = queue
        self._owners: OrderedDict[str, OrderedDict[str, str]] = OrderedDict()  # payer → name → owner
        self._payers: dict[str, str] = {}  # name → payer
        self._open: Counter[tuple[str, str]] = Counter()

    def owns(self, name: str, owner: str) -> bool:
        """Whether a name is theirs."""
        payer = self._payers.get(name)
        return payer is not None and self._owners[payer].get(name) == owner

    def claim(self, name: str, owner: str, payer: str) -> bool:
        """Whether a name is theirs from now on. It is not where it is another's."""
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
        """Count one more call or stream for as long as this lasts; False where that would be too many."""
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
        """Calls of theirs that wait or run. Where `room` is too small, results that nobody reads are thrown away."""
        pending = self._queue.pending_event_ids_session
        held = {name: len(pending[name]) for name in self._owners.get(payer, ()) if name in pending}
        for name in [name for name in held if not self._is_busy(name)] if sum(held.values()) >= room else ():
            self._let_go(name)
            if sum(held.values()) - held.pop(name) < room:
                break
        return sum(held.values())

    def _is_busy(self, name: str) -> bool:
        """Whether a session has calls that wait or run, and not only results."""
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
        """What Gradio itself does when a stream breaks off."""
        self._queue.pending_messages_per_session.pop(name, None)
        self._queue.pending_event_ids_session.pop(name, None)
