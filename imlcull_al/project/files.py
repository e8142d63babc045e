"""The files of a project and of the cache: opened without following links, replaced whole or not at all.

Write beside, flush to the disk, rename: a reader sees the old file or the new one, never half of one. A symbolic link
in the place of such a file is refused or set aside, so that nothing behind it is read, moved or written.
Knows nothing of what the files hold.
"""

import errno
import logging
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import StorageError

log = logging.getLogger(__name__)
TEMPORARY_PREFIX = ".imlcull-"
LOCK_PATIENCE = 10.0
"""Seconds to wait for another process."""
LEFT_BEHIND = 3600.0
"""Seconds after which a temporary file is nobody's any more: no write takes so long."""
NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that has no such call; others refuse a write


def open_own(path: Path, mode: str = "rb", buffering: int = -1) -> BinaryIO:
    """Open one of our files, in binary, without following a link in its place.

    Raises `OSError`, whose `strerror` says so, for a link, a pipe or a device.
    """
    file = open(path, mode, buffering, opener=_without_following)  # noqa: SIM115 - Path.open takes no opener
    return cast(BinaryIO, file)


def read_own(path: Path) -> bytes:
    """All bytes of one of our files. Raises `OSError` as `open_own` does."""
    with open_own(path) as file:
        return file.read()


def stat_own(path: Path) -> os.stat_result:
    """The status of one of our files. Raises `OSError` as `open_own` does."""
    status = path.lstat()
    if is_link(path):
        raise _linked(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path)
    return status


def is_link(path: Path) -> bool:
    """Whether `path` is a symbolic link, or on Windows a junction, wherever it leads."""
    return path.is_symlink() or (hasattr(os.path, "isjunction") and os.path.isjunction(path))


def without_waiting(path: str | Path, flags: int, folder: int | None = None) -> int:
    """An `opener` for `open` that follows links, but waits for no pipe and opens no device. `folder`: as `dir_fd`."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666, dir_fd=folder)
    if stat.S_ISREG(mode := os.fstat(descriptor).st_mode) or stat.S_ISDIR(mode):  # `open` refuses folders itself
        return descriptor
    os.close(descriptor)
    raise _irregular(path)


def _without_following(path: str, flags: int) -> int:
    """The same for what may be no link."""
    if is_link(Path(path)):
        raise _linked(path)
    try:
        return without_waiting(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # put there just now; the latter is FreeBSD's
            raise _linked(path) from error
        raise


def _linked(path: str) -> OSError:
    return OSError(errno.ELOOP, "it is a symbolic link; put the file itself in its place", path)


def _irregular(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "it is no regular file", path)


def set_link_aside(path: Path) -> None:
    """Rename a link in the place of one of our files or folders, and say so. Raises `OSError`."""
    if is_link(path):
        aside = set_aside(path, "link")
        log.warning("%s was a symbolic link; it is now %s. Nothing behind it was touched.", path, aside.name)


def temporary_sibling(path: Path) -> Path:
    """A free name in the folder of `path`; short whatever the length of `path`'s own name."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}.tmp")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on any failure `path` stays as it was.

    A link in the place of `path` is set aside.
    `durable`: flush it to the disk before it counts; not needed for what can be made again.
    Raises `StorageError` where the disk refuses.
    """
    temporary = temporary_sibling(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                sync(file.fileno())
        set_link_aside(path)
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Make `text` (UTF-8, newlines as given) the content of `path`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextmanager
def locked(path: Path, what: str, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the lock file `path` against other processes and threads; a killed holder's lock is free at once.

    There is no lock where the folder can't be written, because there is nothing to protect, nor where the file system
    has none. Raises `StorageError` after `patience` seconds, saying that another program is at `what`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=patience)
    try:
        set_link_aside(path)
        lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"Another imlcull is {what} (it holds {path}). Wait until it is done, then try again."
        ) from error
    except (OSError, NotImplementedError):
        pass  # the latter where the file system has no locks
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether somebody, of this process or another, holds the lock file `path` now."""
    if is_link(path) or not path.exists():
        return False
    try:
        with locked(path, "", patience=0):
            return False
    except StorageError:
        return True


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written in `folder`; as far as that may be done."""
    with suppress(OSError):
        for path in list(folder.glob(f"{TEMPORARY_PREFIX}*.tmp")):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > LEFT_BEHIND:
                    shutil.rmtree(path) if path.is_dir() and not is_link(path) else path.unlink()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """All of `data`, or `OSError`: a file without a buffer may take less than it is given."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def set_aside(path: Path, why: str) -> Path:
    """Rename a file or folder to a `free_name`, and return that. Raises `OSError`."""
    return path.rename(free_name(path, why))


def free_name(path: Path, why: str) -> Path:
    """`<name>.<why>-<local time>` beside `path`, with a number where that is taken: when the clock is set back, say."""
    name = f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}"
    free, number = path.with_name(name), 1
    while os.path.lexists(free):
        free, number = path.with_name(f"{name}-{number}"), number + 1
    return free


def sync(descriptor: int) -> None:
    """Have the disk hold what was written; nothing where the file system has no such call. Raises `OSError`."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` durable, where the system has such a call (Windows has not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> StorageError:
    """The sentence for a write that the disk refused."""
    reason = error.strerror or str(error)
    return StorageError(
        f"Could not write {path}: {reason}. Check that the folder is writable and the disk has room, then try again."
    )


def unreadable(path: Path, error: Exception) -> StorageError:
    """The sentence for a read that the disk refused."""
    reason = getattr(error, "strerror", None) or str(error)
    return StorageError(f"Could not read {path}: {reason}. Check the file and its permissions, then try again.")
