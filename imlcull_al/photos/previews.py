"""A disk cache of preview JPEGs for the screen, size-limited, with LRU eviction.

Files are `<folder>/<32 hexadecimal digits>-<longer side>.jpg`, named by a hash of the photo's path and its state (see
`originals`), so that a changed photo gets a new preview. Safe to delete at any time.
Independent of stages and pages.
"""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..errors import Cancelled, StorageError, UnreadablePhoto
from ..parallel import in_order
from ..progress import Progress, Stop, logged, never, silent
from ..project.files import read_own, replacing, set_link_aside
from . import read as photos

log = logging.getLogger(__name__)
SCREEN = 1600
"""Longer side in pixels of a full-screen preview."""
_NAME = re.compile(r"[0-9a-f]{32}-[0-9]+\.jpg")
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # JPEG markers
LIMIT = 4 << 30
"""Bytes on disk; about 10,000 previews at 1600 pixels."""


class Previews:
    """The previews in one folder. Thread-safe."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """A link in the place of the folder is set aside. The folder is not scanned before the first write."""
        self.folder = folder
        with suppress(OSError):  # retried, and logged on failure, when a preview is written
            set_link_aside(folder)
        self.limit = limit
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def get(self, path: Path, side: int, larger: int | None = None) -> bytes:
        """The preview of a photo, longer side at most `side` pixels, from the cache or newly made.

        It is downscaled from the cached preview of side `larger`, if any, at a tenth of the cost. Write errors are
        logged; the preview is returned anyway. Raises `UnreadablePhoto`.
        """
        place = self._place(path, side)  # before the photo is read: a later state has another name
        data = self._kept(place)
        if data is None:
            data = self._made(path, side, larger)
            self._keep(place, data)
        return data

    def find(self, path: Path, side: int) -> bytes | None:
        """The cached preview of a photo, else None."""
        return self._kept(self._place(path, side))

    def _kept(self, place: Path) -> bytes | None:
        try:
            data = read_own(place)
        except OSError:
            return None
        if not (data.startswith(_BEGIN) and data.endswith(_END)):
            return None  # truncated, as after a power cut
        with suppress(OSError):
            os.utime(place)  # marks it as recently used
        return data

    def _made(self, path: Path, side: int, larger: int | None) -> bytes:
        if larger and larger > side:
            with suppress(OSError, UnreadablePhoto):  # the larger preview is missing or damaged; fall back to the photo
                return photos.preview_of(read_own(self._place(path, larger)), side)
        return photos.preview(path, side)

    @logged("making previews")
    def make(self, paths: Iterable[Path], side: int, *, progress: Progress = silent, stop: Stop = never) -> None:
        """Make missing previews, in the order of `paths`. Raises `Cancelled`; previews made by then are kept."""
        missing = [path for path in paths if not self._place(path, side).exists()]
        for done, _ in enumerate(in_order(lambda path: self._make(path, side), missing, ahead=4)):
            progress("making previews", done + 1, len(missing))
            if stop():
                raise Cancelled("Making previews was stopped; what was made is kept.")

    def _make(self, path: Path, side: int) -> None:
        with suppress(UnreadablePhoto):  # the reason is shown when the photo is viewed
            self.get(path, side)

    def _place(self, path: Path, side: int) -> Path:
        what = f"{path}\0{photos.stat_of(path)}"
        name = hashlib.blake2b(what.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return self.folder / f"{name}-{side}.jpg"

    def _keep(self, place: Path, data: bytes) -> None:
        try:
            set_link_aside(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(place, durable=False) as temporary:
                temporary.write_bytes(data)
            with self._lock:
                self._bytes = self._used() if self._bytes is None else self._bytes + len(data)
                if self._bytes > self.limit:
                    self._bytes = self._drop_oldest()
        except (OSError, StorageError) as error:
            log.warning("Previews are not kept: %s", error)

    def _used(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _files(self) -> list[tuple[float, int, str]]:
        """mtime, size and path of each preview. Other files in the folder are ignored."""
        entries = [entry for entry in os.scandir(self.folder) if _NAME.fullmatch(entry.name)]
        found = [(entry.stat(follow_symlinks=False), entry.path) for entry in entries]
        return [(status.st_mtime, status.st_size, path) for status, path in found]

    def _drop_oldest(self) -> int:
        """Evict the oldest previews down to 90 % of the limit, so that evictions are rare. Returns the bytes left."""
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        for _, size, name in files:
            if left <= 0.9 * self.limit:
                break
            with suppress(OSError):
                Path(name).unlink()
                left -= size
        return left
