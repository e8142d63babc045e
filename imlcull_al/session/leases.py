"""Leases on photos, so that two tabs or two people are never shown the same photo. Pure arithmetic on keys and times.

A lease ends with the answer, or after `SECONDS` of inactivity. Independent of photos and pages.
"""

from collections.abc import Iterable

SECONDS = 120.0
FAREWELL = 5.0
"""Seconds after a visitor left in which a request of its page may still be under way."""


class Leases:
    """Maps key → (holder, time of last activity). A holder is a visitor at one place. Not thread-safe."""

    def __init__(self) -> None:
        """Starts without leases."""
        self._held: dict[str, tuple[tuple[str, str], float]] = {}
        self._left: dict[str, float] = {}

    def take(self, visitor: str, ranked: Iterable[str], count: int, now: float, place: str = "") -> list[str]:
        """Lease to `visitor` the first `count` keys of `ranked` that nobody else holds, until `now` + SECONDS.

        `place`: where the visitor is shown them, such as a sheet. Its other leases there are released; those elsewhere
        stay, but a place with a name takes over what the one without holds ahead, or the last photos of a sheet would
        be missing. Nothing is leased twice, nor to a visitor who has just left.
        """
        self._drop_old(now)
        own = visitor, place
        yielding = (own, (visitor, ""))
        taken: list[str] = []
        count = 0 if visitor in self._left else count
        for key in ranked:
            if len(taken) == count:
                break
            if self._held.get(key, (own, 0.0))[0] in yielding:
                taken.append(key)
        for key in [key for key, (holder, _) in self._held.items() if holder == own]:
            del self._held[key]
        self._held |= dict.fromkeys(taken, (own, now))
        return taken

    def leave(self, visitor: str, now: float) -> None:
        """Release what a visitor is shown outside of sheets. A late request of its page takes nothing again."""
        self.take(visitor, (), 0, now)
        self._left[visitor] = now

    def free(self, key: str) -> None:
        """Release the lease of an answered photo."""
        self._held.pop(key, None)

    def held(self, now: float) -> dict[str, str]:
        """Keys leased to anybody → the place where they are shown."""
        self._drop_old(now)
        return {key: place for key, ((_, place), _) in self._held.items()}

    def held_by_others(self, visitor: str, now: float) -> set[str]:
        """Keys leased to other visitors, or to this one at another place."""
        self._drop_old(now)
        return {key for key, (holder, _) in self._held.items() if holder != (visitor, "")}

    def visitors(self, now: float, but: str = "") -> int:
        """Number of visitors that hold a lease, without the one named `but`."""
        self._drop_old(now)
        return len({visitor for (visitor, _), _ in self._held.values()} - {but})

    def _drop_old(self, now: float) -> None:
        for key in [key for key, (_, since) in self._held.items() if now - since > SECONDS]:
            del self._held[key]
        for visitor in [visitor for visitor, since in self._left.items() if now - since > FAREWELL]:
            del self._left[visitor]
