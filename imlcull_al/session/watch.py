"""Detects changes that other programs make while the page runs: the model, the photos of a stage, the next stage.

One poll costs a `stat` of each folder and of a few files. Photos overwritten in place are found in rotation, a few
thousand per poll. Independent of labels, which `labels` follows itself, and of how changes are handled.
"""

from collections.abc import Mapping

from ..project.listing import Listing
from ..project.originals import State, stat_of
from ..project.stages import Stage

A_LOOK = 2000
"""Photos checked per poll: a stage of 100,000 takes fifty polls."""


def model_state(stage: Stage) -> tuple[State, State]:
    """Changes with the model file of this stage, or of the previous one, whose encoder this stage may adopt."""
    return stat_of(stage.model), stat_of(stage.previous.model)


def next_state(stage: Stage) -> tuple[State, State]:
    """Changes when the next stage or its manifest appears, disappears or is replaced."""
    folder = stat_of(stage.next.folder)
    return (0, 0, folder[2], 0), stat_of(stage.next.manifest)


class Photos:
    """File states of the photos of a listing at the last poll. Not thread-safe."""

    def __init__(self, listing: Listing, paths: Mapping[str, str]) -> None:
        """Only the folders' states are known at first, from the listing."""
        self._folders = listing.folders
        self._paths = list(paths.values())
        self._states: list[State | None] = [None] * len(self._paths)
        self._at = 0

    def have_changed(self) -> bool:
        """Whether a photo was added, removed or replaced since the listing or the last poll. Resets."""
        now = {folder: stat_of(folder)[1] for folder in self._folders}
        is_new, self._folders = now != self._folders, now
        return self._some_are_new() or is_new

    def _some_are_new(self) -> bool:
        is_new = False
        for at in range(self._at, min(self._at + A_LOOK, len(self._paths))):
            state = stat_of(self._paths[at])
            is_new |= self._states[at] not in (None, state)
            self._states[at] = state
        self._at = self._at + A_LOOK if self._at + A_LOOK < len(self._paths) else 0
        return is_new
