"""The files of a photographer, only ever read: the state a file is in, its bytes, and what names these.

Knows nothing of formats, pixels or stages.
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
"""The bits of an inode that count: a column of numbers has a sign."""
State = tuple[int, int, int]
"""Size in bytes, mtime in ns and inode: as long as these are the same, a file is trusted to hold what it held."""


class Original(NamedTuple):
    """A file, the state in which its bytes were named, and their name, where it is known."""

    path: str
    state: State
    content_id: str = ""


def stat_of(path: str | Path) -> State:
    """The state of a file; zeros where there is none."""
    try:
        return _state(os.stat(path))  # noqa: PTH116 - of a hundred thousand texts, without making paths of them
    except (OSError, ValueError):
        return 0, 0, 0


def read(path: str | Path, state: State | None = None) -> bytes:
    """The bytes of a photo, at most `MAX_BYTES`; of a file that is still in `state`. Raises `UnreadablePhoto`."""
    try:
        with _opened(path, state) as file:
            data = file.readall()
            if state is not None and _state(os.fstat(file.fileno())) != state:
                raise _changed()
    except (OSError, ValueError) as error:
        raise _closed(error) from error
    return data


def open_inside(root: str | Path, name: str) -> FileIO:
    """Open the file `name`, a relative path in the system's spelling, below the folder `root`, wherever that lies.

    What is opened lies below `root`, whatever is swapped for a link meanwhile: links are followed only where they stay
    there. Raises `OSError`.
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
    """`content_id` of a file's bytes, of which few are in memory at a time. Raises `UnreadablePhoto`."""
    try:
        with _opened(path) as file:
            return content_id_of(file)
    except (OSError, ValueError) as error:
        raise _closed(error) from error


def content_id(data: bytes) -> str:
    """32 hexadecimal digits that name these bytes (BLAKE3, 128 bits)."""
    return blake3(data).hexdigest(_ID_BYTES)


def content_id_of(file: BufferedReader | RawIOBase) -> str:
    """`content_id` of an open file of any size, read piece by piece."""
    digest: blake3 = hashlib.file_digest(file, blake3)  # type: ignore[assignment, arg-type]  # it takes any such object
    return digest.hexdigest(_ID_BYTES)


def is_content_of(file: BufferedReader | RawIOBase, name: str) -> bool:
    """Whether an open file holds what `name` names; manifests of version 0.1.0 name bytes by BLAKE2b."""
    if content_id_of(file) == name:
        return True
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_ID_BYTES)).hexdigest() == name


def _opened(path: str | Path, state: State | None = None) -> FileIO:
    """A file with bytes in it, and not too many. Raises `UnreadablePhoto`, `OSError`, `ValueError`."""
    file = open(path, "rb", buffering=0, opener=without_waiting)  # noqa: SIM115 - closed by whoever asked
    try:
        found = _state(os.fstat(file.fileno()))
        if not found[0]:
            raise UnreadablePhoto("the file is empty")
        if found[0] > MAX_BYTES:
            raise UnreadablePhoto(f"the file is larger than {MAX_BYTES >> 20} MiB")
        if state is not None and found != state:
            raise _changed()
    except BaseException:
        file.close()
        raise
    return file


def _opened_inside(root: str | Path, name: str) -> FileIO:
    """Open without following any link below `root`: folder by folder, each from the one before."""
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
    """The same where folders can't be opened: what was opened must be what lies there, by its own name."""
    file = open(path, "rb", 0)  # noqa: PTH123, SIM115 - closed by whoever asked
    if os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
        return file
    file.close()
    raise OSError(errno.ELOOP, "it is a link", path)


def _is_refused_link(error: OSError) -> bool:
    return error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR)


def _state(status: os.stat_result) -> State:
    return status.st_size, status.st_mtime_ns, status.st_ino & INODE


def _changed() -> UnreadablePhoto:
    return UnreadablePhoto("the file was being written while it was read", lasting=False)


def _closed(error: Exception) -> UnreadablePhoto:
    reason = getattr(error, "strerror", None) or error
    return UnreadablePhoto(f"the file can't be opened: {reason}", lasting=False)
