"""Who is being shown which photo, so that two tabs or two people never get the same one. Arithmetic on keys and times.

A lease ends with the answer, or after `SECONDS` without a sign of its visitor. Knows nothing of photos or pages.
"""

from collections.abc import Iterable

SECONDS = 120.0


class Leases:
    """Key → visitor and time of the last sign. Not safe to share between threads without a lock."""

    def __init__(self) -> None:
        """Nobody is shown anything."""
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, visitor: str, ranked: Iterable[str], count: int, now: float) -> list[str]:
        """The first `count` keys of `ranked` that no other visitor holds, now held by `visitor` until `now` + SECONDS.

        What the visitor held before and doesn't get again is free.
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
        """The photo was answered."""
        self._held.pop(key, None)

    def held_by_others(self, visitor: str, now: float) -> set[str]:
        """The photos that others than this visitor hold."""
        self._drop_old(now)
        return {key for key, (holder, _) in self._held.items() if holder != visitor}

    def visitors(self, now: float) -> int:
        """How many hold something."""
        self._drop_old(now)
        return len({visitor for visitor, _ in self._held.values()})

    def _drop_old(self, now: float) -> None:
        for key in [key for key, (_, since) in self._held.items() if now - since > SECONDS]:
            del self._held[key]
