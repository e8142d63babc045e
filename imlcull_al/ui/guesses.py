"""Exponential backoff for wrong passwords.

Backoff is per address and, since an attacker may have thousands of addresses, also global. Addresses that once sent the
right password are exempt from the global backoff.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5
"""Wrong guesses per address before backoff starts."""
FREE_IN_ALL = 50
"""Wrong guesses from all addresses before global backoff starts."""
LONGEST = 60.0
"""Longest backoff, in seconds."""
FORGOTTEN = 600.0
"""Seconds without a wrong guess after which the count restarts."""
_ADDRESSES = 10_000  # most remembered


def pause(wrong: int, free: int) -> float:
    """Seconds of backoff after `wrong` guesses: 0 below `free`, then 1, 2, 4 … up to `LONGEST`."""
    return 0.0 if wrong < free else min(2.0 ** min(wrong - free, 32), LONGEST)


@dataclass
class Tally:
    """Count of wrong guesses, per address or global."""

    free: int
    wrong: int = 0
    last: float = -math.inf
    """Time of the last wrong guess."""

    def add(self, now: float) -> None:
        """Count a wrong guess."""
        self.wrong = 1 if now - self.last > FORGOTTEN else self.wrong + 1
        self.last = now

    def wait(self, now: float) -> float:
        """Seconds until the next guess is checked."""
        return max(self.last + pause(self.wrong, self.free) - now, 0.0)


class Guesses:
    """Backoff state of all addresses, in bounded memory."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic, in seconds."""
        self._clock = clock
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()
        self._all = Tally(FREE_IN_ALL)

    def wait(self, caller: str) -> float:
        """Seconds until a guess from `caller` is checked; 0 for now."""
        now = self._clock()
        own = self._tallies[caller].wait(now) if caller in self._tallies else 0.0
        return own if caller in self._right else max(own, self._all.wait(now))

    def wrong(self, caller: str) -> None:
        """Count a wrong guess."""
        now = self._clock()
        self._tallies.setdefault(caller, Tally(FREE)).add(now)
        self._all.add(now)
        _used(self._tallies, caller)

    def right(self, caller: str) -> None:
        """Reset the backoff of `caller` and exempt it from the global one."""
        self._tallies.pop(caller, None)
        self._right[caller] = None
        _used(self._right, caller)


def _used(remembered: OrderedDict, caller: str) -> None:
    """Mark `caller` as most recently used, and evict the least recently used one above the limit."""
    remembered.move_to_end(caller)
    if len(remembered) > _ADDRESSES:
        remembered.popitem(last=False)
