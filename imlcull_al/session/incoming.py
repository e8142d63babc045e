"""Uploads in progress on a public page, kept outside all workspaces. Limited in number and bytes, in total and per
sender.

    <folder>/.imlcull-….tmp/sent     the bytes received so far; deleted with its folder when the upload ends

Independent of visitors and pages.
"""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UnreadablePhoto, UploadRefused
from ..photos import read as photos
from ..project.companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, photo_suffix
from ..project.files import temporary_sibling, unwritable

AT_ONCE = 24
"""Concurrent uploads in total."""
EACH = 4
"""Concurrent uploads per sender."""
_ROOM_FOR_ALL, _ROOM_EACH = 6, 2
"""Bytes in transit, in total and per sender, as multiples of one visitor's quota."""
_LONGEST_LOOK = 60.0
"""Seconds in which a decodable photo has to be found in an archive."""


class Upload:
    """One file being uploaded. Not thread-safe."""

    def __init__(self, folder: Path, incoming: "Incoming", sender: str) -> None:
        """`folder`: a temporary folder for this upload alone."""
        self.folder = folder
        self.path = folder / "sent"
        self.size = 0
        self._incoming = incoming
        self._sender = sender

    def append(self, piece: bytes) -> None:
        """Append received bytes. Raises `UploadRefused`, `StorageError`."""
        self._incoming.take_room(self, self._sender, len(piece))
        try:
            with self.path.open("ab") as file:
                file.write(piece)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def discard(self) -> None:
        """Delete the upload's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Incoming:
    """All uploads in progress. Thread-safe."""

    def __init__(self, folder: Path, room: int) -> None:
        """`room`: bytes that one visitor may keep."""
        self._folder = folder
        self._room = room
        self._lock = threading.Lock()
        self._uploads: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._live: set[Path] = set()

    @contextmanager
    def receive(self, sender: str) -> Iterator[Upload]:
        """Reserve a slot for one upload; its folder is deleted at the end. Raises `UploadRefused`, `StorageError`."""
        with self._lock:
            if self._uploads[sender] >= EACH:
                raise UploadRefused("Your other photos are still being uploaded. Wait until they are done.")
            if self._uploads.total() >= AT_ONCE:
                raise UploadRefused("Too many people are sending photos at the moment. Try again in a minute.")
            self._uploads[sender] += 1
            upload = Upload(temporary_sibling(self._folder / "incoming"), self, sender)
            self._live.add(upload.folder)
        try:
            try:
                upload.folder.mkdir(mode=0o700)
            except OSError as error:
                raise unwritable(upload.folder, error) from error
            yield upload
        finally:
            upload.discard()
            with self._lock:
                self._live.discard(upload.folder)
                self._uploads = self._uploads - Counter({sender: 1})  # drops senders at zero
                self._bytes = self._bytes - Counter({sender: upload.size})

    def take_room(self, upload: Upload, sender: str, size: int) -> None:
        """Reserve bytes before they are written. Raises `UploadRefused`."""
        with self._lock:
            is_too_much = self._bytes[sender] + size > _ROOM_EACH * self._room
            if is_too_much or self._bytes.total() + size > _ROOM_FOR_ALL * self._room:
                raise UploadRefused("Too much is being sent at the moment. Try again in a minute.")
            self._bytes[sender] += size
            upload.size += size

    def is_live(self, folder: Path) -> bool:
        """Whether `folder` belongs to a running upload; otherwise it is a leftover of an earlier run."""
        with self._lock:
            return folder in self._live


def check_readable(folder: Path) -> None:
    """Raise `UploadRefused` unless some photo below `folder` can be decoded."""
    until, reasons = time.monotonic() + _LONGEST_LOOK, []
    for path in sorted(folder.rglob("*")):
        if photo_suffix(path.name) not in DECODABLE_SUFFIXES | RAW_SUFFIXES or not path.is_file():
            continue
        if time.monotonic() > until:
            break
        try:
            photos.load(path, 1)
            return
        except UnreadablePhoto as error:
            reasons.append(f"{path.name}: {error}")
    why = f": {reasons[0][:200]}" if reasons else " yet"
    raise UploadRefused(
        f"Nothing here can be shown{why}. Send a photo first, then its raw or XMP sidecar; no other companions are "
        "taken."
    )
