"""Lists a stage folder: every file is a photo, a companion of one, or left out with a reason."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ..errors import StageError
from ..progress import Stop, never
from .companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, Apart, none_known, pair, photo_suffix
from .left_out import OWN_PREFIX, told, why_file, why_folder
from .originals import State, stat_of
from .stages import Stage, as_key, as_text, gone

DEEPEST = 100
"""Levels of folders that are walked; no photographer nests deeper, and much of the system can't."""
_UNOPENED = "the folder can't be opened"
_PICTURES = DECODABLE_SUFFIXES | RAW_SUFFIXES


@dataclass(frozen=True)
class Listing:
    """Contents of a stage folder. Every file is in one of the first three.

    `keys`: photos, sorted. `companions`: photo key → keys of its RAW and sidecar files.
    `left_out`: key → reason, of everything else; a folder that is not walked has one entry.
    `folders`: path → state just before the folder was read. `is_whole`: whether all folders were walked to their end.
    """

    keys: tuple[str, ...]
    companions: dict[str, tuple[str, ...]]
    left_out: dict[str, str]
    folders: dict[str, State] = field(default_factory=dict, compare=False)
    is_whole: bool = True


def list_photos(stage: Stage, apart: Apart = none_known, enough: Stop = never) -> Listing:
    """List the photos below the stage folder, recognized by suffix. `apart`: pairs of one name that are two photos.

    `enough`: polled at every file and folder; once it is true, the rest is not listed.
    Notes in `stage.names` the files whose names are not NFC.
    Raises `StageError` for a stage without photos, or whose folder can't be read. Folders in it that can't are left
    out.
    """
    root = os.path.realpath(stage.folder)
    left_out: dict[str, str] = {}
    files: list[str] = []
    odd: list[tuple[str, str]] = []
    folders: dict[str, State] = {}
    is_whole = True

    def ended() -> bool:
        nonlocal is_whole
        is_whole = is_whole and not enough()
        return not is_whole

    try:
        for entry, name in _walk(root, folders, left_out, ended):
            key = as_key(name)
            reason = _reason_to_leave_out(entry, key, root)
            if reason:
                left_out[_legible(key)] = reason
            elif key is name or key == as_text(name):
                files.append(key)
            else:
                odd.append((name, key))
    except FileNotFoundError as error:
        raise gone(stage) from error
    except OSError as error:
        raise StageError(f"Could not open {root}: {error.strerror}. Make it readable, then try again.") from error
    names = _unique(odd, files, left_out)
    _replace(stage.names, names)
    keys, companions, rest = pair([*files, *names], apart)
    left_out |= {key: why_file(key) for key in rest}
    if not keys and not is_whole:
        raise StageError(
            f"There are no photos among the first files of {stage.folder}. Name the folder that holds them."
        )
    if not keys:
        but = "".join(f" Left out: {line}." for line in islice(told(left_out), 3))
        if any(stage.project.glob(f"{stage.name}_*_journal.jsonl")):
            raise away(f"There are no photos in {stage.folder}, although some have answers.", but)
        raise StageError(f"There are no photos in {stage.folder}. Put JPEG, HEIC, raw or other photos into it.{but}")
    keys.sort()
    return Listing(tuple(keys), companions, dict(sorted(left_out.items())), folders, is_whole)


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


def away(what: str, but: str = "") -> StageError:
    """The error for a folder that lost its photos, as one does where a disk was mounted. `what`: a sentence."""
    return StageError(
        f"{what} Was a card pulled, or is a disk not mounted? The answers are kept. Connect it again, or put the "
        f"photos back.{but}"
    )


def has_photos(folder: str | Path) -> bool:
    """Whether a folder seems to hold photos, by the names of its files; stops at the first one.

    A card that is pulled may leave an empty folder where it was mounted.
    """
    left_out: dict[str, str] = {}
    try:
        if any(photo_suffix(name) in _PICTURES for _, name in _walk(os.fspath(folder), {}, left_out)):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # `list_photos` says why it can't be read
        return True
    return any(reason.startswith(_UNOPENED) for reason in left_out.values())


def _walk(
    root: str, folders: dict[str, State], left_out: dict[str, str], ended: Stop = never
) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield entry and path, with `/`, of every visible file below `root`; record the state of each folder in `folders`.

    Links to folders are yielded as files, so there are no loops. Raises `OSError` for `root` only.
    """
    waiting = [(root, "")]
    while waiting:
        folder, prefix = waiting.pop()
        folders[folder] = stat_of(folder)
        try:
            if not os.access(folder, os.X_OK) and os.path.isdir(folder):  # noqa: PTH112
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # files could be listed but not opened
            with os.scandir(folder) as entries:
                for entry in entries:
                    if ended():
                        return
                    name = entry.name
                    if name[0] == "." and name.startswith(OWN_PREFIX):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if reason := why_folder(name) or _too_deep(prefix):
                            left_out[_legible(as_key(prefix + name))] = reason
                        else:
                            waiting.append((entry.path, f"{prefix}{name}/"))
                    elif name[0] == ".":
                        left_out[_legible(as_key(prefix + name))] = why_file(name)
                    else:
                        yield entry, prefix + name
        except OSError as error:
            if not (prefix and os.path.isdir(root)):  # noqa: PTH112
                raise
            if not isinstance(error, FileNotFoundError):
                left_out[_legible(as_key(prefix[:-1]))] = f"{_UNOPENED}: {error.strerror}"


def _too_deep(prefix: str) -> str:
    return f"it is a folder more than {DEEPEST} levels deep" if prefix.count("/") >= DEEPEST else ""


def _legible(key: str) -> str:
    """A key with what is not valid UTF-8 in it escaped."""
    return key if key.isascii() else key.encode("utf-8", "backslashreplace").decode("utf-8")


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
