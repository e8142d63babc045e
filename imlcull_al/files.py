"""Writing so that a reader sees the old file or the new one, never half of one.

Write beside, flush to the disk, rename. Knows nothing of what the files hold.
"""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import StorageError

TEMPORARY_PREFIX = ".imlcull-"
LOCK_PATIENCE = 10.0
"""Seconds to wait for another process."""
LEFT_BEHIND = 3600.0
"""Seconds after which a temporary file is nobody's any more: no write takes so long."""
NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that has no such call; others refuse a write


def temporary_sibling(path: Path) -> Path:
    """A free name in the folder of `path`; short whatever the length of `path`'s own name."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}.tmp")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on any failure `path` stays as it was.

    `durable`: flush it to the disk before it counts; not needed for what can be made again.
    Raises `StorageError` where the disk refuses.
    """
    temporary = temporary_sibling(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                sync(file.fileno())
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
    if not path.exists():
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
                if time.time() - path.stat().st_mtime > LEFT_BEHIND:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


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
