"""JPEGs for the screen, made ahead and kept on the disk: at most so many bytes, the least recently used go first.

`<folder>/<32 hexadecimal digits>-<longer side>.jpg`, named after path, size and time of the photo, so that a changed
photo has another preview. Safe to delete at any moment. Knows nothing of stages or pages.
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
from ..progress import Progress, Stop, never, silent
from ..project.files import read_own, replacing, set_link_aside
from . import read as photos

log = logging.getLogger(__name__)
SCREEN = 1600
"""Pixels of the longer side of a preview that fills a screen."""
_NAME = re.compile(r"[0-9a-f]{32}-[0-9]+\.jpg")
_BEGIN, _END = b"\xff\xd8\xff", b"\xff\xd9"  # of a JPEG
LIMIT = 4 << 30
"""Bytes on the disk; at 1600 pixels about 10,000 previews."""


class Previews:
    """The previews in one folder. Threads may share it."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """Nothing is read until the first preview is written; a link in the place of the folder is set aside."""
        self.folder = folder
        with suppress(OSError):  # tried again, and said, when a preview is written
            set_link_aside(folder)
        self.limit = limit
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def get(self, path: Path, side: int, larger: int | None = None) -> bytes:
        """The preview of a photo, longer side at most `side` pixels, made when it is not there yet.

        It is made from the preview of the side `larger`, where that is there: a tenth of the work. Raises
        `UnreadablePhoto`. A disk that refuses is logged; the preview is given all the same.
        """
        data = self.find(path, side)
        if data is None:
            data = self._made(path, side, larger)
            self._keep(self._place(path, side), data)
        return data

    def find(self, path: Path, side: int) -> bytes | None:
        """The preview of a photo, if it is there."""
        place = self._place(path, side)
        try:
            data = read_own(place)
        except OSError:
            return None
        if not (data.startswith(_BEGIN) and data.endswith(_END)):
            return None  # half a preview, as a power cut leaves it
        with suppress(OSError):
            os.utime(place)  # used now, so it is dropped last
        return data

    def _made(self, path: Path, side: int, larger: int | None) -> bytes:
        if larger and larger > side:
            with suppress(OSError, UnreadablePhoto):  # it is not there, or damaged; the photo need not be
                return photos.preview_of(read_own(self._place(path, larger)), side)
        return photos.preview(path, side)

    def make(self, paths: Iterable[Path], side: int, *, progress: Progress = silent, stop: Stop = never) -> None:
        """Make those that are not there yet, in this order. Raises `Cancelled`; what was made by then stays."""
        missing = [path for path in paths if not self._place(path, side).exists()]
        for done, _ in enumerate(in_order(lambda path: self._make(path, side), missing, ahead=4)):
            progress("making previews", done + 1, len(missing))
            if stop():
                raise Cancelled("Making previews was stopped; what was made is kept.")

    def _make(self, path: Path, side: int) -> None:
        with suppress(UnreadablePhoto):  # its reason is shown in its place when somebody looks
            self.get(path, side)

    def _place(self, path: Path, side: int) -> Path:
        try:
            status = path.stat()
            what = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
        except (OSError, ValueError):
            what = str(path)
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
        """Time, size and path of each preview, and of nothing else in the folder."""
        entries = [entry for entry in os.scandir(self.folder) if _NAME.fullmatch(entry.name)]
        found = [(entry.stat(follow_symlinks=False), entry.path) for entry in entries]
        return [(status.st_mtime, status.st_size, path) for status, path in found]

    def _drop_oldest(self) -> int:
        """Go down to nine tenths of the limit, so that this is rare; the bytes that are left."""
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        for _, size, name in files:
            if left <= 0.9 * self.limit:
                break
            with suppress(OSError):
                Path(name).unlink()
                left -= size
        return left
