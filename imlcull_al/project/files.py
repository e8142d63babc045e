"""Safe access to the files of a project and its cache: links are not followed, replacement is atomic.

Files are written to a temporary sibling, synced and renamed, so a reader sees the old file or the new one, never a
partial one. A symbolic link in the place of such a file is refused or renamed, and its target is never read, moved or
written.
Independent of file contents.
"""

import errno
import logging
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import StorageError

log = logging.getLogger(__name__)
TEMPORARY_PREFIX = ".imlcull-"
LOCK_PATIENCE = 10.0
"""Seconds to wait for a lock."""
OTHERS_READ = 2.0
"""Seconds to wait for other programs to close a file on Windows, where an open one can't be renamed."""
LEFT_BEHIND = 3600.0
"""Seconds after which a temporary file counts as abandoned: no write takes that long."""
_IS_WINDOWS = os.name == "nt"
NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""The file system has no fsync; other errors are failed writes."""


def open_own(path: Path, mode: str = "rb", buffering: int = -1) -> BinaryIO:
    """Open one of our files in binary mode without following links.

    Raises `OSError` for a link, a pipe or a device, with the reason in `strerror`.
    """
    file = open(path, mode, buffering, opener=_without_following)  # noqa: SIM115 - Path.open takes no opener
    return cast(BinaryIO, file)


def read_own(path: Path) -> bytes:
    """Read one of our files. Raises as `open_own`."""
    with open_own(path) as file:
        return file.read()


def stat_own(path: Path) -> os.stat_result:
    """Stat one of our files. Raises as `open_own`."""
    status = path.lstat()
    if is_link(path):
        raise _linked(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path)
    return status


def is_link(path: Path) -> bool:
    """Whether `path` is a symbolic link, dangling or not, or a Windows junction."""
    return path.is_symlink() or (hasattr(os.path, "isjunction") and os.path.isjunction(path))


def without_waiting(path: str | Path, flags: int, folder: int | None = None) -> int:
    """An `opener` for `open` that follows links, never blocks on a pipe and rejects devices. `folder`: as `dir_fd`."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666, dir_fd=folder)
    if stat.S_ISREG(mode := os.fstat(descriptor).st_mode) or stat.S_ISDIR(mode):  # `open` refuses folders itself
        return descriptor
    os.close(descriptor)
    raise _irregular(path)


def _without_following(path: str, flags: int) -> int:
    """`without_waiting` that also rejects links."""
    if is_link(Path(path)):
        raise _linked(path)
    try:
        return without_waiting(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # a race: the link was just created; EMLINK is FreeBSD's
            raise _linked(path) from error
        raise


def _linked(path: str) -> OSError:
    return OSError(errno.ELOOP, "it is a symbolic link; put the file itself in its place", path)


def _irregular(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", path)


def set_link_aside(path: Path) -> None:
    """Rename a link in the place of one of our files or folders, with a warning. Raises `OSError`."""
    if is_link(path):
        aside = set_aside(path, "link")
        log.warning("%s was a symbolic link; it is now %s. Nothing behind it was touched.", path, aside.name)


def temporary_sibling(path: Path) -> Path:
    """An unused name in the same folder; short, so that it fits even where `path` has the longest possible name."""
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}.tmp")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` on success, leave `path` unchanged on failure.

    A link in the place of `path` is set aside.
    `durable`: sync file and folder; not needed for files that can be recomputed.
    Raises `StorageError` on I/O errors.
    """
    temporary = temporary_sibling(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+" if _IS_WINDOWS else "rb") as file:  # it can't sync what is open for reading only
                sync(file.fileno())
        set_link_aside(path)
        put_in_place(temporary, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_in_place(new: Path, path: Path) -> None:
    """Rename `new`, a file or a folder, to `path`, over a file of that name. Raises `OSError`.

    On Windows, while another program reads either, or a file in it, such as a virus scanner: tried again for a while.
    """
    until = time.monotonic() + OTHERS_READ
    while True:
        try:
            new.replace(path)
        except PermissionError:
            if not _IS_WINDOWS or time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours with everything in it. Raises `OSError`.

    On Windows, read-only copies too; but not hard links, whose mode is that of the user's own file.
    """
    try:
        shutil.rmtree(folder)
    except PermissionError:
        if not _IS_WINDOWS:
            raise
        for path in [folder, *folder.rglob("*")]:
            status = path.lstat()
            if not is_link(path) and (path.is_dir() or status.st_nlink == 1):
                path.chmod(status.st_mode | stat.S_IWUSR)
        shutil.rmtree(folder)


@contextmanager
def making_folder(path: Path, *, instead: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; rename it to `path` on success, remove it on failure.

    `instead`: what is there already is renamed to `<name>.replaced-<time>` first. Raises `StorageError`, also for a
    folder that is there and stays.
    """
    partial = temporary_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        partial.mkdir()
        yield partial
        if instead and os.path.lexists(path):
            set_aside(path, "replaced")
        if os.path.lexists(path):  # made meanwhile
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        put_in_place(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            remove_tree(partial)


def replace_text(path: Path, text: str) -> None:
    """Replace the content of `path` atomically with `text` (UTF-8, newlines as given)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextmanager
def locked(path: Path, what: str, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the lock file `path` against other processes and threads; a lock is released when its holder dies.

    A no-op where the folder is missing or not writable, because there is nothing to protect, and where the file system
    has no locks. Raises `StorageError` after `patience` seconds; its message says that another program is doing `what`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=patience)
    try:
        if path.parent.is_dir():  # else filelock would make it, where a disk is not mounted
            set_link_aside(path)
            lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"Another imlcull is {what} (it holds {path}). Wait until it is done, then try again."
        ) from error
    except (OSError, NotImplementedError):
        pass  # NotImplementedError: the file system has no locks
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether any thread of this or another process holds the lock file `path`."""
    if is_link(path) or not path.exists():
        return False
    try:
        with locked(path, "", patience=0):
            return False
    except StorageError:
        return True


def sweep(folder: Path) -> None:
    """Remove abandoned temporary files of killed writers from `folder`, best effort."""
    with suppress(OSError):
        for path in list(folder.glob(f"{TEMPORARY_PREFIX}*.tmp")):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > LEFT_BEHIND:
                    remove_tree(path) if path.is_dir() and not is_link(path) else path.unlink()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`: an unbuffered file may do partial writes. Raises `OSError`."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def set_aside(path: Path, why: str) -> Path:
    """Rename a file or folder to a `free_name` and return the new path. Raises `OSError`."""
    aside = free_name(path, why)
    put_in_place(path, aside)
    return aside


def free_name(path: Path, why: str) -> Path:
    """`<name>.<why>-<local time>` beside `path`, numbered if taken, as when the clock was set back."""
    name = f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}"
    free, number = path.with_name(name), 1
    while os.path.lexists(free):
        free, number = path.with_name(f"{name}-{number}"), number + 1
    return free


def sync(descriptor: int) -> None:
    """Make what was written to an open file durable; a no-op where the file system can't. Raises `OSError`.

    `descriptor`: open for writing. On macOS, fsync leaves it in the disk's own cache; a full sync doesn't.
    """
    try:
        if not _synced_fully(descriptor):
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def _synced_fully(descriptor: int) -> bool:
    if sys.platform != "darwin":
        return False
    import fcntl

    try:
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    except OSError:  # such as a network share
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` durable; a no-op on Windows, which can't sync folders."""
    if _IS_WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> StorageError:
    """The error for a failed write."""
    reason = error.strerror or str(error)
    return StorageError(
        f"Could not write {path}: {reason}. Check that the folder is writable and the disk has room, then try again."
    )


def unreadable(path: Path, error: Exception) -> StorageError:
    """The error for a failed read."""
    reason = getattr(error, "strerror", None) or str(error)
    return StorageError(f"Could not read {path}: {reason}. Check the file and its permissions, then try again.")
