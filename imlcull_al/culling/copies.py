"""One file into another place: copied, linked or sharing its blocks, and verified. `content_id` names what it holds.

What is verified:
    copy       Every piece that was read is written, read back and compared, byte by byte. The file system answers from
               memory where it can, so this finds what goes wrong on the way into it: a fault of memory, a write that
               fell short, a second writer. What the disk itself refuses later is found by `on_the_disk`. A disk that
               takes the bytes and forgets them is found by neither.
    hard link  Both names are one file; no byte is read.
    reflink    Both files have one size; their blocks are the same ones by the file system's word, and no byte is read.
In all three the source is opened once, by whoever calls, and must be the same file after as before: its inode, size and
time. Its path is only named in errors, linked, and looked at again at the end.

Files of any size are copied in pieces. Knows nothing of stages.
"""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Cancelled
from ..photos import read as photos
from ..progress import Stop, never
from ..project.files import NO_SYNC, unreadable, unwritable, write_all
from ..project.originals import open_inside
from ..project.stages import Stage

AHEAD = 8
"""Files in flight at most: enough for a network share, not too many for a spinning disk."""
LINKS = ("copy", "hardlink", "reflink")
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
_FICLONE = 0x40049409  # Linux's ioctl that lets two files share their blocks until one is changed
_ASK_EVERY = 1 << 26  # bytes of one file between two looks at whether to stop


class Differs(Exception):
    """A copy is not as its source. The text says which, without an end."""


class NoLinks(Exception):
    """The file system makes no such links. The text is their kind."""


def content_id(source: io.FileIO, path: Path) -> str:
    """What an open file holds. Raises `StorageError`."""
    try:
        return photos.content_id_of(source)
    except OSError as error:
        raise unreadable(path, error) from error


def copy(source: io.FileIO, path: Path, target: Path, stop: Stop = never) -> str:
    """Copy bytes, times, mode and extended attributes to a new file; the content id of what was read and written.

    Raises `Differs`, `FileExistsError`, `StorageError`, other `OSError` for times and mode; `Cancelled` within a file
    of many megabytes.
    """
    before = os.fstat(source.fileno())
    with target.open("xb+", buffering=0) as new:
        copying = _Copying(source, new, path, target, before.st_size, stop)
        content_id = photos.content_id_of(copying)
        if os.fstat(new.fileno()).st_size != copying.at:
            raise _differs(path)
    _copy_status(source, target)
    _check_unchanged(path, before)
    return content_id


def hardlink(source: io.FileIO, path: Path, target: Path) -> None:
    """Give a file a second name. Raises `NoLinks`, `Differs`, `FileExistsError`, `StorageError`, other `OSError`."""
    try:
        real = path.resolve(strict=True)  # a second name of a link may lead nowhere
    except (OSError, RuntimeError) as error:  # the latter for a loop of links
        raise unreadable(path, error) from error
    with _no_links("hardlink"):
        os.link(real, target)
    if not _is_same(os.fstat(source.fileno()), os.lstat(target)):
        raise _differs(path)


def reflink(source: io.FileIO, path: Path, target: Path) -> None:
    """Make a new file of the same blocks, times, mode and attributes; raises what `hardlink` does."""
    before = os.fstat(source.fileno())
    with _no_links("reflink"):
        clone(source, target)
    _copy_status(source, target)
    if target.stat().st_size != before.st_size:
        raise _differs(path)
    _check_unchanged(path, before)


def clone(source: io.FileIO, target: Path) -> None:
    """A new file that shares the blocks of `source`. Raises `OSError`."""
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, "no reflinks on this system") from error
    with target.open("xb") as new:
        fcntl.ioctl(new.fileno(), _FICLONE, source.fileno())


def _copy_status(source: io.FileIO, target: Path) -> None:
    """Times, mode and extended attributes of an open file."""
    shutil.copystat(source.fileno(), target)  # type: ignore[arg-type]  # every call it makes takes a descriptor


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
