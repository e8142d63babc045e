"""Detects changes that other programs make while the page runs: the model, the photos of a stage, the next stage.

One poll costs a `stat` of each folder and of some files. Photos overwritten in place are found in rotation, ten
thousand per poll. Independent of labels, which `labels` follows itself, and of how changes are handled.
"""

import time
from collections.abc import Mapping

from ..project.listing import Listing, away, has_photos
from ..project.originals import State, stat_of
from ..project.stages import Stage, gone

A_LOOK = 10_000
"""Photos checked per poll: a stage of 100,000 takes ten polls."""
_QUIET = 60.0
"""Seconds without a change after which what comes next is other news."""


def model_state(stage: Stage) -> tuple[State, State]:
    """Changes with the model file of this stage, or of the previous one, whose encoder this stage may adopt."""
    return stat_of(stage.model), stat_of(stage.previous.model)


def next_state(stage: Stage) -> tuple[State, State]:
    """Changes when the next stage or its manifest appears, disappears or is replaced."""
    folder = stat_of(stage.next.folder)
    return (0, 0, folder[2], 0), stat_of(stage.next.manifest)


def check_photos(stage: Stage, known: int) -> None:
    """Raise `StageError` if the folder of a stage is gone, or the `known` photos in it."""
    if has_photos(stage.folder):
        return
    if not stage.folder.is_dir():
        raise gone(stage)
    if known:
        photos = "The one known photo is" if known == 1 else f"All {known:,} known photos are"
        raise away(f"{photos} gone from {stage.folder}.")


class Photos:
    """File states of the photos of a listing at the last poll. Not thread-safe."""

    def __init__(self, listing: Listing, paths: Mapping[str, str]) -> None:
        """`paths`: photo key → file."""
        self._folders = listing.folders
        self._keys, self._paths = list(paths), list(paths.values())
        self._as_listed: list[State] = list(map(stat_of, self._paths))
        self._states = list(self._as_listed)
        self._at = 0

    def have_changed(self) -> bool:
        """Whether a photo was added, removed or replaced since the listing or the last poll. Resets."""
        now = {folder: stat_of(folder) for folder in self._folders}
        is_new, self._folders = now != self._folders, now
        return self._some_are_new() or is_new

    def replaced_since(self, before: "Photos") -> dict[str, State]:
        """Key → state now, of the photos that had another one when `before` was made."""
        then = dict(zip(before._keys, before._as_listed, strict=True))
        now = zip(self._keys, self._as_listed, strict=True)
        return {key: state for key, state in now if then.get(key, state) != state}

    def _some_are_new(self) -> bool:
        is_new = False
        for at in range(self._at, min(self._at + A_LOOK, len(self._paths))):
            state = stat_of(self._paths[at])
            is_new |= self._states[at] != state
            self._states[at] = state
        self._at = self._at + A_LOOK if self._at + A_LOOK < len(self._paths) else 0
        return is_new


class News:
    """What came and went while the page is open, in words. Changes in close succession are told together."""

    def __init__(self) -> None:
        """With no news."""
        self.text = ""
        """Such as `14:05 12 new photos. 1 photo is gone.`; empty if there is nothing to tell."""
        self._before: frozenset[str] = frozenset()
        self._replaced: frozenset[str] = frozenset()
        self._at = -_QUIET

    def tell(self, before: frozenset[str], after: frozenset[str], replaced: frozenset[str] = frozenset()) -> None:
        """Add a change from the photos `before` to those `after`, `replaced` ones being among both."""
        if before == after and not replaced:
            return
        now = time.monotonic()
        if now - self._at > _QUIET:
            self._before, self._replaced = before, frozenset()
        self._at, self._replaced = now, self._replaced | replaced
        told = told_of(len(after - self._before), len(self._before - after), len(self._replaced & after & self._before))
        self.text = f"{time.strftime('%H:%M')} {told}" if told else ""


def told_of(came: int, went: int, replaced: int) -> str:
    """Photos that `came`, `went` and were `replaced`, in sentences; empty for none.

    >>> told_of(12, 1, 0)
    '12 new photos. 1 photo is gone.'
    """
    parts = (
        (came, "1 new photo.", f"{came:,} new photos."),
        (went, "1 photo is gone.", f"{went:,} photos are gone."),
        (replaced, "1 photo was replaced.", f"{replaced:,} photos were replaced."),
    )
    return " ".join(one if count == 1 else many for count, one, many in parts if count)
