"""What a stage folder holds: photos, their companions, and what was left out with the reason."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import StageError
from .companions import _pair
from .stages import Stage, as_key


@dataclass(frozen=True)
class Listing:
    """What a stage folder holds.

    `keys`: photos, sorted. `companions`: photo key → keys of its RAW and sidecar files.
    `left_out`: key → reason, for what looks like a photo but must not be followed or can't be named in a table.
    `folders`: path → its mtime in ns just before it was read.
    """

    keys: tuple[str, ...]
    companions: dict[str, tuple[str, ...]]
    left_out: dict[str, str]
    folders: dict[str, int] = field(default_factory=dict, compare=False)


def list_photos(stage: Stage) -> Listing:
    """All photos below the stage folder, by suffix; hidden files and folders are passed over.

    Raises `StageError` for an empty stage.
    """
    root = os.path.realpath(stage.folder)
    left_out: dict[str, str] = {}
    files: list[str] = []
    folders: dict[str, int] = {}
    for entry, key in _walk(root, "", folders):
        reason = _reason_to_leave_out(entry, key, root)
        if reason:
            left_out[key.encode("utf-8", "backslashreplace").decode("utf-8")] = reason
        else:
            files.append(key)
    keys, companions = _pair(files)
    if not keys:
        but = "".join(f" {key!r} was left out: {reason}." for key, reason in list(left_out.items())[:1])
        raise StageError(f"There are no photos in {stage.folder}. Put JPEG, PNG, TIFF or WebP files into it.{but}")
    keys.sort()
    return Listing(tuple(keys), companions, dict(sorted(left_out.items())), folders)


def _walk(folder: str, prefix: str, folders: dict[str, int]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Entry and key of every file below `folder`; links to folders are files here, so nothing loops. `folders` is
    filled.
    """
    try:
        folders[folder] = os.stat(folder).st_mtime_ns  # noqa: PTH116
        entries = list(os.scandir(folder))
        if not os.access(folder, os.X_OK):  # its files have names, and can't be opened
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError as error:
        raise StageError(f"The folder {folder} is gone. Connect its disk again, or put it back.") from error
    except OSError as error:
        raise StageError(f"Could not open {folder}: {error.strerror}. Make it readable, then try again.") from error
    for entry in entries:
        name = entry.name
        if name[0] == ".":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{as_key(name)}/", folders)
        else:
            yield entry, prefix + as_key(name)


def _reason_to_leave_out(entry: os.DirEntry[str], key: str, root: str) -> str:
    """Why a file is no photo of the stage; of a regular file that asks the disk nothing."""
    if not key.isascii():
        try:
            key.encode("utf-8")
        except UnicodeEncodeError:
            return "its name is not valid UTF-8; rename it"
    if entry.is_file(follow_symlinks=False):
        return ""
    is_link, target = entry.is_symlink(), os.path.realpath(entry.path)
    if is_link and os.path.isdir(target):  # noqa: PTH112
        return "it is a link to a folder; links to folders are not followed"
    if is_link and os.path.commonpath([root, target]) != root:
        return "it is a symbolic link that leaves the stage"
    if not os.path.isfile(entry.path):  # noqa: PTH113 - a pipe would keep its reader waiting for ever
        return "it is a link to nothing" if is_link else "it is no regular file"
    return ""
