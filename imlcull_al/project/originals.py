"""Read-only access to the photographer's files: stat, bytes and content ids.

Independent of formats, pixels and stages.
"""

import errno
import hashlib
import os
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from ..errors import UnreadablePhoto
from .files import without_waiting

MAX_BYTES = 1 << 30
_ID_BYTES = 16
INODE = 0x7FFF_FFFF_FFFF_FFFF
"""Mask for inode numbers, so that they fit a signed 64-bit column."""
_HAS_CTIME = os.name != "nt"
"""On Windows, `st_ctime` is the time of creation."""
State = tuple[int, int, int, int]
"""Size in bytes, mtime in ns, inode, and ctime in ns, 0 where the system has none.

While these are equal, a file is considered unchanged. Programs that turn a photo in place restore its mtime; only its
ctime tells. It also changes with the mode, the name and the number of hard links.
"""


class Original(NamedTuple):
    """A file, its state when it was hashed, and its content id; empty if unknown."""

    path: str
    state: State
    content_id: str = ""


def stat_of(path: str | Path) -> State:
    """The state of a file; zeros if it is missing."""
    try:
        return state_of(os.stat(path))  # noqa: PTH116 - building 100,000 Path objects is slow
    except (OSError, ValueError):
        return 0, 0, 0, 0


def state_of(status: os.stat_result) -> State:
    """The state in a stat result."""
    ctime = status.st_ctime_ns if _HAS_CTIME else 0
    return status.st_size, status.st_mtime_ns, status.st_ino & INODE, ctime


def is_rewritten(before: State, now: State) -> bool:
    """Whether size, mtime or inode differ. A file whose ctime alone differs may only have been linked or renamed."""
    return before[:3] != now[:3]


def read(path: str | Path, state: State | None = None) -> bytes:
    """The bytes of a photo, at most `MAX_BYTES`. Raises `UnreadablePhoto`, also if it was rewritten since `state`."""
    try:
        with _opened(path, state) as file:
            data = file.readall()
            if state is not None and is_rewritten(state, state_of(os.fstat(file.fileno()))):
                raise _changed()
    except (OSError, ValueError) as error:
        raise _closed(error) from error
    return data


def head(path: str | Path, length: int) -> bytes:
    """The first bytes of a photo, at most `length`. Raises `UnreadablePhoto`."""
    try:
        with _opened(path) as file:
            return file.read(length) or b""  # None: it would block
    except (OSError, ValueError) as error:
        raise _closed(error) from error


def open_inside(root: str | Path, name: str) -> FileIO:
    """Open the file `name`, a native relative path, below the folder `root`.

    The opened file is guaranteed to lie below `root`, even if a path component is swapped for a link concurrently.
    Links are followed only if they stay below `root`. Raises `OSError`.
    """
    if os.pardir in Path(name).parts:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    try:
        return _opened_inside(root, name)
    except OSError as error:
        real = os.path.realpath(root)
        target = os.path.realpath(os.path.join(root, name))  # noqa: PTH118
        if not _is_refused_link(error) or os.path.commonpath([real, target]) != real:
            raise
    return _opened_inside(real, os.path.relpath(target, real))


def identify(path: str | Path) -> str:
    """The `content_id` of a file, streamed. Raises `UnreadablePhoto`."""
    try:
        with _opened(path) as file:
            return content_id_of(file)
    except (OSError, ValueError) as error:
        raise _closed(error) from error


def check_unchanged(path: str | Path, state: State, content_id: str) -> None:
    """Raise `UnreadablePhoto` if a file is no longer in `state`, unless it still has this content."""
    if stat_of(path) != state and identify(path) != content_id:
        raise _changed()


def content_id(data: bytes | memoryview) -> str:
    """BLAKE3 of `data`, truncated to 128 bits: 32 hexadecimal digits."""
    return blake3(data).hexdigest(_ID_BYTES)


def content_id_of(file: BufferedReader | RawIOBase) -> str:
    """The `content_id` of an open file of any size, streamed."""
    digest: blake3 = hashlib.file_digest(file, blake3)  # type: ignore[assignment, arg-type]  # accepts any hash object
    return digest.hexdigest(_ID_BYTES)


def is_content_of(file: BufferedReader | RawIOBase, name: str) -> bool:
    """Whether an open file has the content id `name`. Manifests of version 0.1.0 hold BLAKE2b ids."""
    if content_id_of(file) == name:
        return True
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_ID_BYTES)).hexdigest() == name


def _opened(path: str | Path, state: State | None = None) -> FileIO:
    """Open a file of 1 to `MAX_BYTES` bytes. Raises `UnreadablePhoto`, `OSError`, `ValueError`."""
    file = open(path, "rb", buffering=0, opener=without_waiting)  # noqa: SIM115 - closed by the caller
    try:
        found = state_of(os.fstat(file.fileno()))
        if not found[0]:
            raise UnreadablePhoto("the file is empty")
        if found[0] > MAX_BYTES:
            raise UnreadablePhoto(f"the file is larger than {MAX_BYTES >> 20} MiB")
        if state is not None and is_rewritten(state, found):
            raise _changed()
    except BaseException:
        file.close()
        raise
    return file


def _opened_inside(root: str | Path, name: str) -> FileIO:
    """Open without following any link below `root`: component by component, each relative to the one before."""
    if os.open not in os.supports_dir_fd:
        return _opened_and_looked_at(os.path.join(root, name))  # noqa: PTH118
    *folders, last = Path(name).parts
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for each in folders:
            below = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return open(last, "rb", 0, opener=lambda path, flags: without_waiting(path, flags | os.O_NOFOLLOW, at))
    finally:
        os.close(at)


def _opened_and_looked_at(path: str) -> FileIO:
    """`_opened_inside` for systems without `dir_fd`: the opened file must be the one that `lstat` finds at `path`."""
    file = open(path, "rb", 0)  # noqa: PTH123, SIM115 - closed by the caller
    if os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
        return file
    file.close()
    raise OSError(errno.ELOOP, "it is a link", path)


def _is_refused_link(error: OSError) -> bool:
    return error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR)


def _changed() -> UnreadablePhoto:
    return UnreadablePhoto("the file was being written while it was read", lasting=False)


def _closed(error: Exception) -> UnreadablePhoto:
    reason = getattr(error, "strerror", None) or error
    return UnreadablePhoto(f"the file can't be opened: {reason}", lasting=False)
