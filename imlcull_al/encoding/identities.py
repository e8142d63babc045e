"""Content ids of the photos of a stage: known while a file is unchanged, read where they are not.

    photos = Identities(paths, ContentIds(cache_dir))
    photos.known("a.jpg")                # one `stat`; empty if the file must be read
    photos.of(["a.jpg", "b.jpg"])        # reads what is unknown

Independent of answers and embeddings.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ..errors import UnreadablePhoto
from ..parallel import in_order
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project.originals import stat_of
from .cache import ContentIds, states_of
from .ids import as_bytes, as_hex

_AHEAD = 8  # files
_CLOCK_TICK = 0.05  # seconds; mtime may lag behind the clock


class Identities:
    """What is known of the bytes of the files `paths` (key → file)."""

    def __init__(self, paths: Mapping[str, str], content_ids: ContentIds) -> None:
        """One `stat` a file."""
        self.paths = paths
        self._content_ids = content_ids
        self._row = {key: row for row, key in enumerate(paths)}
        files = list(paths.values())
        self._states = states_of(files)
        is_known, contents = content_ids.look_up(files, self._states)
        self._ids = contents.ids
        self._is_known = is_known

    def known(self, key: str) -> str:
        """The content id of a photo if it is known and its file unchanged, else empty."""
        row = self._row.get(key)
        if row is None or not self._is_known[row] or tuple(self._states[row].tolist()) != stat_of(self.paths[key]):
            return ""
        return as_hex(self._ids[row])[0]

    def of(self, keys: Iterable[str], *, progress: Progress = silent, stop: Stop = never) -> dict[str, str]:
        """Key → content id, of the photos that can be read. `stop` ends the reading early."""
        found: dict[str, str] = {}
        unknown = []
        for key in keys:
            if content_id := self.known(key):
                found[key] = content_id
            else:
                unknown.append(key)
        with closing(in_order(self._read, unknown, ahead=_AHEAD)) as reads:
            for done, (key, read) in enumerate(zip(unknown, reads, strict=False)):
                if stop():
                    break
                progress("looking for renamed photos", done, len(unknown))
                if read:
                    found[key] = read
        return {key: found[key] for key in sorted(found)}

    def was_edited(self, key: str, content_id: str, since: float) -> bool:
        """Whether a file whose bytes were `content_id` looks edited since then, in seconds since 1970.

        Another photo that was given this name brings an older mtime, as renaming keeps it; and its own inode.
        """
        path = self.paths[key]
        _, mtime, inode = stat_of(path)[:3]
        return mtime / 1e9 > since - _CLOCK_TICK or self._content_ids.inode_of(path, content_id) == inode

    def are_new(self, key: str, content_id: str, twins: Sequence[str | Path] = ()) -> bool:
        """Whether these bytes were never seen in another file. `twins`: files that may be the same one, hard-linked."""
        return not self._content_ids.is_elsewhere(content_id, [self.paths[key], *twins])

    def _read(self, key: str) -> str:
        row, path = self._row[key], self.paths[key]
        state = stat_of(path)
        try:
            content_id = photos.identify(path)
        except UnreadablePhoto:
            return ""
        self._states[row], self._ids[row], self._is_known[row] = state, as_bytes([content_id])[0], True
        return content_id
