"""When the next guess of a password is looked at.

After a few wrong ones from an address it has to wait, twice as long after each further one. Wrong ones of all addresses
count too, because one person may have thousands; that pause spares those from where the right one came before.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5
"""Wrong ones from one address without a pause."""
FREE_IN_ALL = 50
LONGEST = 60.0
"""Seconds of a pause, at most."""
FORGOTTEN = 600.0
"""Seconds without a wrong one after which earlier ones count no more."""
_ADDRESSES = 10_000  # remembered


def pause(wrong: int, free: int) -> float:
    """Seconds to wait after so many wrong guesses, of which `free` cost nothing: 0, then 1, 2, 4 …"""
    return 0.0 if wrong < free else min(2.0 ** min(wrong - free, 32), LONGEST)


@dataclass
class Tally:
    """The wrong guesses of somebody."""

    free: int
    wrong: int = 0
    last: float = -math.inf
    """When the last one was."""

    def add(self, now: float) -> None:
        """Count a wrong one."""
        self.wrong = 1 if now - self.last > FORGOTTEN else self.wrong + 1
        self.last = now

    def wait(self, now: float) -> float:
        """Seconds until the next one is looked at."""
        return max(self.last + pause(self.wrong, self.free) - now, 0.0)


class Guesses:
    """The wrong guesses of all callers, in bounded memory."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, never backwards."""
        self._clock = clock
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()
        self._all = Tally(FREE_IN_ALL)

    def wait(self, caller: str) -> float:
        """Seconds until a guess from there is looked at; 0 when it is now."""
        now = self._clock()
        own = self._tallies[caller].wait(now) if caller in self._tallies else 0.0
        return own if caller in self._right else max(own, self._all.wait(now))

    def wrong(self, caller: str) -> None:
        """Count a wrong one."""
        now = self._clock()
        self._tallies.setdefault(caller, Tally(FREE)).add(now)
        self._all.add(now)
        _used(self._tallies, caller)

    def right(self, caller: str) -> None:
        """Forget the wrong ones from there."""
        self._tallies.pop(caller, None)
        self._right[caller] = None
        _used(self._right, caller)


def _used(remembered: OrderedDict, caller: str) -> None:
    """Put `caller` last, and forget the first of too many."""
    remembered.move_to_end(caller)
    if len(remembered) > _ADDRESSES:
        remembered.popitem(last=False)
