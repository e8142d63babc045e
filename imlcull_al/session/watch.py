"""What other programs change beside a running page: the model, the photos of a stage, the stage that a cull makes.

A look costs one `stat` of each folder and of a few files; photos that were overwritten in place are found by turns, a
few thousand a look. Knows nothing of answers, which `labels` follows by itself, nor of what is done about a change.
"""

from collections.abc import Mapping

from ..project.listing import Listing
from ..project.originals import State, stat_of
from ..project.stages import Stage

A_LOOK = 2000
"""Photos looked at by turns: a stage of 100,000 takes fifty looks."""


def model_state(stage: Stage) -> tuple[State, State]:
    """Another value for another model file of this stage, or of the one before, whose encoder it may take over."""
    return stat_of(stage.model), stat_of(stage.previous.model)


def next_state(stage: Stage) -> tuple[State, State]:
    """Another value when the next stage or its manifest came, went or was replaced."""
    folder = stat_of(stage.next.folder)
    return (0, 0, folder[2]), stat_of(stage.next.manifest)


class Photos:
    """The photos of a listing, as they were at the last look. For one thread."""

    def __init__(self, listing: Listing, paths: Mapping[str, str]) -> None:
        """Nothing is looked at yet but the folders, when they were listed."""
        self._folders = listing.folders
        self._paths = list(paths.values())
        self._states: list[State | None] = [None] * len(self._paths)
        self._at = 0

    def have_changed(self) -> bool:
        """Whether a photo came, went or was replaced since it was listed, or looked at last; false again afterwards."""
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
