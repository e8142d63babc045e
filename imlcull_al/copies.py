"""One file into another place: copied, linked or sharing its blocks, and verified. `content_id` names what it holds.

What is verified:
    copy       Every piece that was read is written, read back and compared, byte by byte. The file system answers from
               memory where it can, so this finds what goes wrong on the way into it: a fault of memory, a write that
               fell short, a second writer. What the disk itself refuses later is found by `on_the_disk`. A disk that
               takes the bytes and forgets them is found by neither.
    hard link  Both names are one file; no byte is read.
    reflink    Both files have one size; their blocks are the same ones by the file system's word, and no byte is read.
In all three the source must be the same file after as before: its inode, size and time.

Files of any size are copied in pieces. Knows nothing of stages.
"""

import errno
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import photos
from .errors import Cancelled
from .files import NO_SYNC, unreadable, unwritable, write_all
from .progress import Stop, never

LINKS = ("copy", "hardlink", "reflink")
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
_FICLONE = 0x40049409  # Linux's ioctl that lets two files share their blocks until one is changed
_ASK_EVERY = 1 << 26  # bytes of one file between two looks at whether to stop


class Differs(Exception):
    """A copy is not as its source. The text says which, without an end."""


class NoLinks(Exception):
    """The file system makes no such links. The text is their kind."""


def content_id(path: Path) -> str:
    """What a file holds. Raises `StorageError`."""
    try:
        with path.open("rb", buffering=0) as file:
            return photos.content_id_of(file)
    except OSError as error:
        raise unreadable(path, error) from error


def holds(path: Path, name: str) -> bool:
    """Whether a file holds what this content id names. Raises `StorageError`."""
    try:
        with path.open("rb", buffering=0) as file:
            return photos.is_content_of(file, name)
    except OSError as error:
        raise unreadable(path, error) from error


def copy(source: Path, target: Path, stop: Stop = never) -> str:
    """Copy bytes, times, mode and extended attributes to a new file; the content id of what was read and written.

    Raises `Differs`, `FileExistsError`, `StorageError`, other `OSError` for times and mode; `Cancelled` within a file
    of many megabytes.
    """
    try:
        old = source.open("rb", buffering=0)
    except OSError as error:
        raise unreadable(source, error) from error
    with old:
        before = os.fstat(old.fileno())
        with target.open("xb+", buffering=0) as new:
            copying = _Copying(old, new, source, target, before.st_size, stop)
            content_id = photos.content_id_of(copying)
            if os.fstat(new.fileno()).st_size != copying.at:
                raise _differs(source)
    shutil.copystat(source, target)
    _check_unchanged(source, before)
    return content_id


def hardlink(source: Path, target: Path) -> None:
    """Give a file a second name. Raises `NoLinks`, `Differs`, `FileExistsError`, `StorageError`, other `OSError`."""
    try:
        before = os.lstat(source)
        if stat.S_ISLNK(before.st_mode):
            source = source.resolve(strict=True)  # a second name of the link may lead nowhere
            before = os.lstat(source)
    except OSError as error:
        raise unreadable(source, error) from error
    _linked(os.link, source, target, "hardlink")
    if not _is_same(before, os.lstat(target)):
        raise _differs(source)


def reflink(source: Path, target: Path) -> None:
    """Make a new file of the same blocks, times, mode and attributes; raises what `hardlink` does."""
    try:
        before = source.stat()
    except OSError as error:
        raise unreadable(source, error) from error
    _linked(clone, source, target, "reflink")
    shutil.copystat(source, target)
    if target.stat().st_size != before.st_size:
        raise _differs(source)
    _check_unchanged(source, before)


def clone(source: Path, target: Path) -> None:
    """A new file that shares the blocks of `source`. Raises `OSError`."""
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, "no reflinks on this system") from error
    with source.open("rb") as old, target.open("xb") as new:
        fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())


@contextmanager
def on_the_disk(folder: Path) -> Iterator[None]:
    """What is written to the disk of `folder` inside this block is there to stay at its end, or `OSError`.

    Linux says then, for one disk, which write it could not do; where there is no such call, all disks are flushed,
    and nothing is heard of a write that failed.
    """
    if (sync_one := _syncfs()) is None:
        yield
        if hasattr(os, "sync"):
            os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY)  # before the first write: what fails from here on is told
    try:
        yield
        if (code := sync_one(descriptor)) in NO_SYNC:
            os.sync()
        elif code:
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _syncfs() -> Callable[[int], int] | None:
    """Linux's call that flushes one file system and says what of it failed: descriptor → error number, 0 for none."""
    import ctypes

    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, TypeError, AttributeError):
        return None  # another system
    return lambda descriptor: ctypes.get_errno() if function(descriptor) else 0


class _Copying(io.RawIOBase):
    """A file to read, each piece of which is in its copy, and found there, before the reader gets it."""

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
        if self.at + count > self._size:  # a file that grows while it is read might never end
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
        if self._back != piece:  # in this order: a comparison by memcmp, whereas memoryview's own goes byte by byte
            raise _differs(self._source)


def _check_unchanged(source: Path, before: os.stat_result) -> None:
    try:
        after = source.stat()
    except OSError as error:
        raise unreadable(source, error) from error
    if not _is_same(before, after):
        raise _differs(source)


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """One file, not written meanwhile."""
    return os.path.samestat(one, other) and one.st_size == other.st_size and one.st_mtime_ns == other.st_mtime_ns


def _differs(source: Path) -> Differs:
    return Differs(f"The copy of {source} differs from it")


def _linked(make: Callable[[Path, Path], None], source: Path, target: Path, link: str) -> None:
    try:
        make(source, target)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise NoLinks(link) from error
        raise
