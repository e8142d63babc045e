"""Lists a stage folder: photos, their companions, and the files left out, each with a reason."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StageError
from .companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, _pair, photo_suffix
from .stages import Stage, as_key, as_text


@dataclass(frozen=True)
class Listing:
    """Contents of a stage folder.

    `keys`: photos, sorted. `companions`: photo key → keys of its RAW and sidecar files.
    `left_out`: key → reason, for links that must not be followed, irregular files, names that no table can hold, and
    names that differ from another one in Unicode normalization only.
    `folders`: path → mtime in ns just before the folder was read.
    """

    keys: tuple[str, ...]
    companions: dict[str, tuple[str, ...]]
    left_out: dict[str, str]
    folders: dict[str, int] = field(default_factory=dict, compare=False)


def list_photos(stage: Stage) -> Listing:
    """List the photos below the stage folder, recognized by suffix. Hidden files and folders are skipped.

    Notes in `stage.names` the files whose names are not NFC.
    Raises `StageError` for a stage without photos or with a folder that can't be read.
    """
    root = os.path.realpath(stage.folder)
    left_out: dict[str, str] = {}
    files: list[str] = []
    odd: list[tuple[str, str]] = []
    folders: dict[str, int] = {}
    for entry, name in _walk(root, "", folders):
        key = as_key(name)
        reason = _reason_to_leave_out(entry, key, root)
        if reason:
            left_out[key.encode("utf-8", "backslashreplace").decode("utf-8")] = reason
        elif key is name or key == as_text(name):
            files.append(key)
        else:
            odd.append((name, key))
    names = _unique(odd, files, left_out)
    _replace(stage.names, names)
    keys, companions = _pair([*files, *names])
    if not keys:
        but = "".join(f" {key!r} was left out: {reason}." for key, reason in list(left_out.items())[:1])
        raise StageError(f"There are no photos in {stage.folder}. Put JPEG, PNG, TIFF or WebP files into it.{but}")
    keys.sort()
    return Listing(tuple(keys), companions, dict(sorted(left_out.items())), folders)


def _unique(odd: list[tuple[str, str]], files: list[str], left_out: dict[str, str]) -> dict[str, str]:
    """Key → name of files whose names are not NFC. A file whose key another one has goes to `left_out`."""
    taken = {key for key in files if not key.isascii()} if odd else set()
    names: dict[str, str] = {}
    for name, key in sorted(odd):
        if key in taken:
            left_out[as_text(name)] = "another file has the same name in another Unicode normalization; rename one"
        else:
            taken.add(key)
            names[key] = name
    return names


def _replace(names: dict[str, str], new: dict[str, str]) -> None:
    """Make `names` equal to `new`. Other threads may read it: names that are in both are there all the time."""
    names.update(new)
    for key in names.keys() - new.keys():
        del names[key]


def keys_of(stage: Stage) -> tuple[str, ...]:
    """The photo keys of a stage; none if it has no photos or can't be listed."""
    try:
        return list_photos(stage).keys
    except StageError:
        return ()


def has_photos(folder: str | Path) -> bool:
    """Whether a folder seems to hold photos, by the names of its files; stops at the first one.

    A card that is pulled may leave an empty folder where it was mounted.
    """
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif photo_suffix(entry.name) in DECODABLE_SUFFIXES | RAW_SUFFIXES:
                    return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # `list_photos` says why it can't be read
        return True
    return any(map(has_photos, folders))


def _walk(folder: str, prefix: str, folders: dict[str, int]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield entry and path, with `/`, of every file below `folder`, and record the mtime of each folder in `folders`.

    Links to folders are yielded as files, so there are no loops.
    """
    try:
        folders[folder] = os.stat(folder).st_mtime_ns  # noqa: PTH116
        entries = list(os.scandir(folder))
        if not os.access(folder, os.X_OK):  # its files could be listed but not opened
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
            yield from _walk(entry.path, f"{prefix}{name}/", folders)
        else:
            yield entry, prefix + name


def _reason_to_leave_out(entry: os.DirEntry[str], key: str, root: str) -> str:
    """Why a file is left out, empty if it isn't. Regular files cost no system call."""
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
    if not os.path.isfile(entry.path):  # noqa: PTH113 - reading a pipe would block forever
        return "it is a broken link" if is_link else "it is not a regular file"
    return ""
