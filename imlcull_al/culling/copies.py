"""Places one file elsewhere by copy, hard link or reflink, and verifies it. `content_id` identifies the content.

Verification:
    copy       Every piece is written, read back and compared byte by byte. Reads may come from the page cache, so this
               detects errors on the way there: faulty memory, a short write, a second writer. Errors that the disk
               reports later are caught by `on_the_disk`. A disk that silently drops writes is not detected.
    hard link  Both names refer to one file; no byte is read.
    reflink    Both files have the same size. The file system guarantees that they share blocks; no byte is read.

In all three cases the caller opens the source once, and it must be the same file afterwards: same inode, size and
mtime. Its path is used only for error messages, for linking, and for the final check. A source whose ctime alone
changed while it was copied is read once more: a program may have turned it in place, or only linked it.

Files of any size are copied in pieces. Independent of stages.
"""

import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import Cancelled
from ..photos import read as photos
from ..progress import Stop, never
from ..project.files import NO_SYNC, sync, unreadable, unwritable, write_all
from ..project.originals import open_inside, state_of
from ..project.stages import Stage

AHEAD = 8
"""Files in flight at most: enough for a network share, not too many for a spinning disk."""
LINKS = ("copy", "hardlink", "reflink")
_NO_LINKS = (
    errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS,
)  # fmt: skip
_FICLONE = 0x40049409  # Linux ioctl: copy-on-write clone of a file
_AT_FDCWD = -2  # of macOS: paths are relative to the current folder
_ASK_EVERY = 1 << 26  # bytes of one file between two calls of `stop`


class Differs(Exception):
    """A copy differs from its source. The text says which, without a final period."""


class NoLinks(Exception):
    """The file system doesn't support this kind of link. The text is the kind."""


def content_id(source: io.FileIO, path: Path) -> str:
    """Content id of an open file. Raises `StorageError`."""
    try:
        return photos.content_id_of(source)
    except OSError as error:
        raise unreadable(path, error) from error


def copy(source: io.FileIO, path: Path, target: Path, stop: Stop = never) -> str:
    """Copy bytes, times, mode and extended attributes to a new file. Returns the content id of the verified bytes.

    Raises `Differs`, `FileExistsError`, `StorageError`, other `OSError` for times and mode; `Cancelled` within a file
    of many megabytes.
    """
    before = os.fstat(source.fileno())
    with target.open("xb+", buffering=0) as new:
        copying = _Copying(source, new, path, target, before.st_size, stop)
        content_id = photos.content_id_of(copying)
        if os.fstat(new.fileno()).st_size != copying.at:
            raise _differs(path)
        if _syncfs() is None and not hasattr(os, "sync"):  # Windows
            sync(new.fileno())
    _copy_status(source, target)
    _check_unchanged(path, before)
    _check_content(source, path, before, content_id)
    return content_id


def hardlink(source: io.FileIO, path: Path, target: Path) -> None:
    """Hard-link the file. Raises `NoLinks`, `Differs`, `FileExistsError`, `StorageError`, other `OSError`."""
    try:
        real = path.resolve(strict=True)  # a hard link to a symlink may dangle
    except (OSError, RuntimeError) as error:  # RuntimeError: a symlink loop
        raise unreadable(path, error) from error
    with _no_links("hardlink"):
        os.link(real, target)
    if not _is_same(os.fstat(source.fileno()), os.lstat(target)):
        raise _differs(path)


def reflink(source: io.FileIO, path: Path, target: Path) -> None:
    """Clone the file copy-on-write, with times, mode and attributes. Raises as `hardlink` does."""
    before = os.fstat(source.fileno())
    with _no_links("reflink"):
        clone(source, target)
    _copy_status(source, target)
    if target.stat().st_size != before.st_size:
        raise _differs(path)
    _check_unchanged(path, before)


def clone(source: io.FileIO, target: Path) -> None:
    """Create a file that shares the blocks of `source`. Raises `OSError`."""
    if sys.platform == "darwin":
        _clone_on_apfs(source.fileno(), target)
        return
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, "no reflinks on this system") from error
    with target.open("xb") as new:
        fcntl.ioctl(new.fileno(), _FICLONE, source.fileno())


def _clone_on_apfs(source: int, target: Path) -> None:
    import ctypes

    code = ctypes.CDLL(None, use_errno=True).fclonefileat(source, _AT_FDCWD, os.fsencode(target), 0)
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def _copy_status(source: io.FileIO, target: Path) -> None:
    """Copy times, mode and extended attributes of an open file."""
    shutil.copystat(source.fileno(), target)  # type: ignore[arg-type]  # every call it makes accepts a descriptor


@contextmanager
def on_the_disk(folder: Path) -> Iterator[None]:
    """Flush everything written to the file system of `folder` inside this block at its end. Raises `OSError` on a
    failure.

    On Linux, `syncfs` flushes one file system and reports failed writes. Elsewhere all disks are flushed, and failures
    go unreported; on Windows nothing is left to flush, because `copy` flushes each file.
    """
    if (sync_one := _syncfs()) is None:
        yield
        if hasattr(os, "sync"):
            os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)  # opened before the first write, so that later failures are reported
    try:
        yield
        if (code := sync_one(descriptor)) in NO_SYNC:
            os.sync()
        elif code:
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> Callable[[int], int] | None:
    """Linux's `syncfs`: descriptor → error number, 0 for success. None on other systems."""
    import ctypes

    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, TypeError, AttributeError):
        return None  # another system
    return lambda descriptor: ctypes.get_errno() if function(descriptor) else 0


class _Copying(io.RawIOBase):
    """A readable file that tees every piece into the copy, and verifies it there, before the reader receives it."""

    def __init__(self, old: io.FileIO, new: io.FileIO, source: Path, target: Path, size: int, stop: Stop) -> None:
        self._old, self._new, self._source, self._target, self._size, self._stop = old, new, source, target, size, stop
        self._back = bytearray()
        self.at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.at and self.at % _ASK_EVERY == 0 and self._stop():
            raise Cancelled(f"The copy of {self._source} was stopped.")
        try:
            count = self._old.readinto(buffer)
        except OSError as error:
            raise unreadable(self._source, error) from error
        if self.at + count > self._size:  # a file that keeps growing would never end
            raise _differs(self._source)
        try:
            self._put(memoryview(buffer)[:count])
        except OSError as error:
            raise unwritable(self._target, error) from error
        self.at += count
        return count

    def _put(self, piece: memoryview) -> None:
        write_all(self._new, piece)
        self._new.seek(self.at)
        if len(self._back) != len(piece):
            self._back = bytearray(len(piece))
        left = memoryview(self._back)
        while left:
            count = self._new.readinto(left)
            if not count:
                raise _differs(self._source)
            left = left[count:]
        if self._back != piece:  # bytearray first: that uses memcmp, while memoryview compares byte by byte
            raise _differs(self._source)


def _check_unchanged(source: Path, before: os.stat_result) -> None:
    try:
        after = source.stat()
    except OSError as error:
        raise unreadable(source, error) from error
    if not _is_same(before, after):
        raise _differs(source)


def _check_content(source: io.FileIO, path: Path, before: os.stat_result, known: str) -> None:
    """Raise `Differs` if the ctime of an open file changed, and its content with it. Raises `StorageError`."""
    if state_of(os.fstat(source.fileno())) != state_of(before):
        source.seek(0)
        if content_id(source, path) != known:
            raise _differs(path)


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """The same file, not modified in between."""
    return os.path.samestat(one, other) and one.st_size == other.st_size and one.st_mtime_ns == other.st_mtime_ns


def _differs(source: Path) -> Differs:
    return Differs(f"The copy of {source} differs from it")


@contextmanager
def _no_links(link: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise NoLinks(link) from error
        raise


def opened(stage: Stage, name: str) -> io.FileIO:
    """Open a file of the stage for reading, refusing any link on its way. Raises `StorageError`."""
    try:
        return open_inside(stage.folder, name)
    except OSError as error:
        raise unreadable(stage.folder / name, error) from error
