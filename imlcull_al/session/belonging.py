"""Keeps every answer with the bytes of its photo, whatever name these have on the disk today; see `identity`."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..encoding.cache import ContentIds
from ..encoding.identities import Identities
from ..errors import StorageError, UnreadablePhoto
from ..photos import read as photos
from ..progress import Progress, Stop
from ..project.identity import are_astray
from ..project.labels import Labels
from ..project.stages import Stage

log = logging.getLogger(__name__)


class Belonging:
    """The content ids of a stage's photos, as far as answers need them."""

    def __init__(self, stage: Stage, labels: Labels, cache_dir: Path) -> None:
        """Nothing is read yet."""
        self._stage, self._labels, self._cache_dir = stage, labels, cache_dir
        self._all: Identities | None = None

    def settle(self, paths: Mapping[str, str], progress: Progress, stop: Stop) -> None:
        """Let answers follow their photos, now at `paths` (key → file).

        Reads photos only where the bytes of answered ones are unknown or astray.
        """
        answered = self._labels.answered()
        if not (answered or self._labels.are_waiting):
            return
        identities = self._known({key: paths[key] for key in answered if key in paths})
        present = identities.of(identities.paths, progress=progress, stop=stop)
        there = {**dict.fromkeys(identities.paths, ""), **present}
        if self._labels.are_waiting or are_astray(answered, there):
            identities = self._known(paths)
            present = identities.of(paths, progress=progress, stop=stop)
        if stop():
            return
        present = {**dict.fromkeys((key for key in answered if key in paths), ""), **present}

        def was_edited(key: str, content_id: str, since: float) -> bool:
            others = (self._stage.previous, self._stage.next)  # an edit shows in both, if a cull linked the file
            twins = [other.folder / self._stage.name_of(key) for other in others]
            return identities.are_new(key, present[key], twins) and identities.was_edited(key, content_id, since)

        try:
            self._labels.settle(present, was_edited)
        except StorageError as error:
            log.warning("Answers can't be bound to the bytes of their photos. %s", error)

    def settle_rest(self, paths: Mapping[str, str], progress: Progress, stop: Stop) -> None:
        """`settle` once all photos were read, if answers were given before their bytes were known."""
        if not all(content for key, content in self._labels.answered().items() if key in paths):
            self.settle(paths, progress, stop)

    def remember(self, paths: Mapping[str, str]) -> None:
        """Look up what is known of all photos, so that an answer need not read its file."""
        self._all = self._known(paths)

    def read(self, paths: Mapping[str, str], progress: Progress, stop: Stop) -> dict[str, str]:
        """Key → content id of the photos at `paths` (key → file) that can be read."""
        return self._known(paths).of(paths, progress=progress, stop=stop)

    def content_ids(self, keys: Sequence[str]) -> dict[str, str]:
        """Key → content id of photos that are being answered, empty for unknown.

        One file is read if it must be; many are bound by `settle_rest`.
        """
        if len(keys) > 1:
            identities = self._known(self._stage.paths(keys))
            return {key: identities.known(key) for key in keys}
        found = {key: self._all.known(key) if self._all else "" for key in keys}
        for key in [key for key, content_id in found.items() if not content_id]:
            with suppress(UnreadablePhoto):
                found[key] = photos.identify(self._stage.path(key))
        return found

    def _known(self, paths: Mapping[str, str]) -> Identities:
        return Identities(paths, ContentIds(self._cache_dir))
