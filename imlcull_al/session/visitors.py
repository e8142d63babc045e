"""Leases of photos to visitors, and deduplication of button presses.

No two visitors are shown the same photo, and each press takes effect once. A visitor is a browser tab or an API client,
with a string of its own as id. Thread-safe.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ..learning.queues import check_queue
from ..project.labels import AUDIT, BLIND
from .leases import Leases
from .standing import Photo, Standing

_PRESSES = 1000
"""Limit on remembered press numbers per visitor, and on remembered visitors."""


class Visitors:
    """The photos that each visitor is being shown."""

    def __init__(self) -> None:
        """Start without leases."""
        self._lock = threading.Lock()
        self._leases = Leases()
        self._asked_in: dict[str, str] = {}
        self._changed: dict[str, int] = {}  # key → number of the first `Answers` with its latest answer
        self._pressing = threading.RLock()
        self._presses: dict[str, deque[int]] = {}
        self._last: tuple[float, list[str]] = -math.inf, []  # when which photos were answered or skipped

    def offer(
        self,
        now: Standing,
        visitor: str,
        queue: str = "uncertain",
        count: int = 1,
        first: Sequence[str] = (),
        last: Sequence[str] = (),
    ) -> list[Photo]:
        """Lease the first `count` photos of a queue that no other visitor is shown; see `Session.offer`."""
        check_queue(queue, now.task)
        next(now.ranking.queue(queue), None)  # orders the queue before taking the lock
        changed = now.changed_since_ranking()

        def is_open(key: str) -> bool:  # accounts for answers given since `now`
            return key not in changed and self._changed.get(key, 0) <= now.answers.number

        with self._lock:
            held = dict.fromkeys(key for key in first if is_open(key) and now.ranking.holds(queue, key))
            passed = dict.fromkeys(
                key for key in last if key not in held and is_open(key) and now.ranking.holds(queue, key)
            )
            out = {*held, *self._leases.held_by_others(visitor, time.monotonic())}
            asked_in = {key: self._asked_before(key, queue) for key in (*held, *passed)}

            def others() -> Iterator[str]:  # lazy, because a page needs the first few of a million
                for key, what in now.ranking.queue(queue, out):
                    if key not in held and key not in passed and is_open(key):
                        asked_in[key] = what
                        yield key

            keys = self._leases.take(visitor, chain(held, others(), passed), max(count, 0), time.monotonic())
            shown = {key: asked_in[key] for key in keys}
            self._asked_in |= shown
        return now.asked(shown)

    def lease(
        self, now: Standing, visitor: str, keys: Iterable[str], queue: str, count: int, first: Sequence[str] = ()
    ) -> list[Photo]:
        """Lease the first `count` of `keys` that nobody else is shown and that got no answer since `now`.

        `first`: keys on a visitor's sheets, which come before all others while they are unanswered.
        """
        changed = now.changed_since_ranking()

        def is_open(key: str) -> bool:
            return key not in changed and self._changed.get(key, 0) <= now.answers.number

        # The ranking may still be that of before an undo, which opened photos again.
        held = (key for key in first if key in now.keys and key not in now.answers.labels)
        ranked = dict.fromkeys(filter(is_open, held))
        others = (key for key in filter(is_open, keys) if key not in ranked)
        with self._lock:
            taken = self._leases.take(visitor, chain(ranked, others), max(count, 0), time.monotonic(), queue)
        return now.asked(dict.fromkeys(taken, queue))

    def leave(self, visitor: str) -> None:
        """Release what a closed page was shown."""
        with self._lock:
            self._leases.leave(visitor, time.monotonic())

    def show(self, asked_in: Mapping[str, str]) -> None:
        """Record the queue in which photos are asked, without leasing them."""
        with self._lock:
            self._asked_in |= asked_in

    def asked_in(self, key: str) -> str | None:
        """The queue in which a photo was last asked; None if it was not asked since its last answer."""
        return self._asked_in.get(key)

    def answered(self, keys: Iterable[str], number: int) -> None:
        """End the leases of answered photos. `number`: number of the `Answers` that include the answers."""
        keys = list(keys)
        with self._lock:
            self._last = time.monotonic(), keys
            for key in keys:
                self._changed[key] = number
                self._leases.free(key)
                self._asked_in.pop(key, None)

    def skipped(self, key: str, number: int) -> None:
        """Note that a photo was put off; `number`: as for `answered`."""
        with self._lock:
            self._last = time.monotonic(), [key]
            self._changed[key] = number

    def last_press(self) -> tuple[float, list[str]]:
        """How many seconds ago photos were last answered or skipped, infinity for never, and which."""
        with self._lock:
            return time.monotonic() - self._last[0], self._last[1]

    def awaited(self) -> list[str]:
        """The photos that people are being shown, without the blind checks."""
        with self._lock:
            held = self._leases.held(time.monotonic())
            return [key for key, place in held.items() if place not in BLIND and self._asked_in.get(key) != AUDIT]

    def blind(self) -> set[str]:
        """The photos that are out as blind checks."""
        with self._lock:
            held = self._leases.held(time.monotonic())
            return {key for key, place in held.items() if place in BLIND or self._asked_in.get(key) == AUDIT}

    def count(self, but: str = "") -> int:
        """Number of people or tabs that are being shown photos, without the visitor named `but`."""
        with self._lock:
            return self._leases.visitors(time.monotonic(), but)

    def once(self, visitor: str, number: int, work: Callable[[], Any]) -> Any:
        """Run `work` once per press of a visitor; return None for a duplicate press."""
        with self._pressing:
            done = self._presses.setdefault(visitor, deque(maxlen=_PRESSES))
            if number in done:
                return None
            result = work()
            done.append(number)
            while len(self._presses) > _PRESSES:
                del self._presses[next(iter(self._presses))]
            return result

    def _asked_before(self, key: str, queue: str) -> str:
        """The queue of a photo that stays on screen. A blind check stays a blind check."""
        return AUDIT if queue == "uncertain" and self._asked_in.get(key) == AUDIT else queue
