"""Leases on photos, so that two tabs or two people are never shown the same photo. Pure arithmetic on keys and times.

A lease ends with the answer, or after `SECONDS` of inactivity. Independent of photos and pages.
"""

from collections.abc import Iterable

SECONDS = 120.0


class Leases:
    """Maps key → (visitor, time of last activity). Not thread-safe."""

    def __init__(self) -> None:
        """Starts without leases."""
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, visitor: str, ranked: Iterable[str], count: int, now: float) -> list[str]:
        """Lease to `visitor` the first `count` keys of `ranked` that no other visitor holds, until `now` + SECONDS.

        The visitor's other leases are released.
        """
        self._drop_old(now)
        taken: list[str] = []
        for key in ranked:
            if len(taken) == count:
                break
            if self._held.get(key, (visitor, 0.0))[0] == visitor:
                taken.append(key)
        for key in [key for key, (holder, _) in self._held.items() if holder == visitor]:
            del self._held[key]
        self._held |= dict.fromkeys(taken, (visitor, now))
        return taken

    def free(self, key: str) -> None:
        """Release the lease of an answered photo."""
        self._held.pop(key, None)

    def held(self, now: float) -> list[str]:
        """Keys leased to anybody."""
        self._drop_old(now)
        return list(self._held)

    def held_by_others(self, visitor: str, now: float) -> set[str]:
        """Keys leased to other visitors."""
        self._drop_old(now)
        return {key for key, (holder, _) in self._held.items() if holder != visitor}

    def visitors(self, now: float) -> int:
        """Number of visitors that hold a lease."""
        self._drop_old(now)
        return len({visitor for visitor, _ in self._held.values()})

    def _drop_old(self, now: float) -> None:
        for key in [key for key, (_, since) in self._held.items() if now - since > SECONDS]:
            del self._held[key]
