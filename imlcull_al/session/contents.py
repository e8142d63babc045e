"""Content ids that a cull need not compute, and the states of the files that it linked."""

from functools import cached_property
from pathlib import Path

from ..culling.plan import Linked
from ..encoding.cache import Content, ContentIds
from ..project.listing import Listing
from ..project.originals import State, stat_of
from ..project.stages import Stage


class KnownContents:
    """Content ids of the photos that are unchanged since they were embedded. Loaded on first use."""

    def __init__(self, stage: Stage, listing: Listing, cache_dir: Path) -> None:
        """Remember where to look."""
        self._stage, self._cache_dir = stage, cache_dir
        self._paths = list(stage.paths(listing.keys).values())
        self._trusted: dict[str, Content] = {}

    def of(self, path: Path) -> str | None:
        """The content id of a file if known without reading it, else None."""
        state, content = self._embedded.get(str(path), (None, None))
        self._trusted.pop(str(path), None)
        if content is None or state != stat_of(path):
            return None
        self._trusted[str(path)] = content
        return content.content_id

    def note_links(self, new: Stage, linked: Linked) -> None:
        """Note what hard links changed: a new ctime, and a second path. Otherwise all are read again at the next start.

        Only for files whose content was known when they were linked.
        """
        files = ContentIds(self._cache_dir)
        for name, state in linked.items():
            path = self._stage.folder / name
            if content := self._trusted.get(str(path)):
                files.put(path, state, content)
                files.put(new.folder / name, state, content)
        files.save()

    @cached_property
    def _embedded(self) -> dict[str, tuple[State, Content]]:
        states = list(map(stat_of, self._paths))
        is_known, contents = ContentIds(self._cache_dir).look_up(self._paths)
        found = zip(self._paths, states, contents.contents(), is_known, strict=True)
        return {path: (state, content) for path, state, content, known in found if known}
