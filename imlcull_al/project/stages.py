"""Stages, every file name of a project, and photo keys.

    project/
      stage_1/                          the photos; read only, for ever
      stage_1_cull_labels.csv           image_name,label
      stage_1_cull_journal.jsonl        every answer ever given
      stage_1_cull_model.pth            best model by validation accuracy
      stage_1_cull_epoch_log.csv        epoch,train_loss,val_loss,val_accuracy
      stage_1_cull_report/              plots and tables of the last training
      stage_1_cull_unfinished.json      there while a training runs
      stage_2/                          the kept photos
      stage_2_cull_manifest.csv         what was copied, from where and why

A photo key is the POSIX path of a photo relative to its stage folder, the only identity used in code. Its bytes on the
disk are UTF-8, whatever encoding Python was started with.
Knows names and folders; opens no file.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StageError
from .files import TEMPORARY_PREFIX

DECODABLE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2",
    ".j2k",
))  # fmt: skip
# Photos too, but not decoded yet: alone they are kept as unreadable, beside a JPEG they are its companion.
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".heic", ".heif", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))  # fmt: skip
_STAGE_NAME = re.compile(r"stage_([1-9][0-9]*)")


@dataclass(frozen=True)
class Stage:
    """One stage of a project, and where each of its files lies."""

    project: Path
    number: int

    @property
    def name(self) -> str:
        """`stage_N`."""
        return f"stage_{self.number}"

    @property
    def folder(self) -> Path:
        """The photos."""
        return self.project / self.name

    @property
    def labels(self) -> Path:
        """The CSV that the world reads and may edit."""
        return self._beside("labels.csv")

    @property
    def journal(self) -> Path:
        """Every answer ever given."""
        return self._beside("journal.jsonl")

    @property
    def model(self) -> Path:
        """The fine-tuned classifier."""
        return self._beside("model.pth")

    @property
    def epoch_log(self) -> Path:
        """Losses and accuracy by epoch."""
        return self._beside("epoch_log.csv")

    @property
    def report(self) -> Path:
        """Folder of plots and tables of the last training."""
        return self._beside("report")

    @property
    def unfinished(self) -> Path:
        """There while a training runs."""
        return self._beside("unfinished.json")

    @property
    def manifest(self) -> Path:
        """Where this stage's photos came from."""
        return self._beside("manifest.csv")

    @property
    def lock(self) -> Path:
        """Held by whoever writes this stage's files."""
        return self.project / f"{TEMPORARY_PREFIX}{self.name}.lock"

    @property
    def training_lock(self) -> Path:
        """Held by whoever trains this stage's model."""
        return self.project / f"{TEMPORARY_PREFIX}{self.name}-training.lock"

    @property
    def next(self) -> "Stage":
        """The stage that a cull of this one makes."""
        return Stage(self.project, self.number + 1)

    @property
    def previous(self) -> "Stage":
        """The stage that a cull made this one from; `stage_0`, which is nowhere, for the first."""
        return Stage(self.project, self.number - 1)

    def path(self, key: str) -> Path:
        """The file of a photo key."""
        return self.folder / as_path(key)

    def paths(self, keys: Iterable[str]) -> dict[str, str]:
        """Photo key → path of its file, as text: a hundred thousand of them in no time."""
        folder = os.path.join(self.folder, "")  # noqa: PTH118
        return {key: folder + (as_path(key) if os.sep == "/" else as_path(key).replace("/", os.sep)) for key in keys}

    def _beside(self, name: str) -> Path:
        return self.project / f"{self.name}_cull_{name}"


@dataclass(frozen=True)
class Rehearsal(Stage):
    """A stage whose photos lie elsewhere: answers and all else that is written about it stay apart from them."""

    photos: Path

    @property
    def folder(self) -> Path:
        """The photos; still only read."""
        return self.photos


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


def open_stage(project: str | Path, number: int | None = None) -> Stage:
    """The stage with this number, or the latest: the largest N with a folder named exactly `stage_N`.

    Raises `StageError` when there is none.
    """
    root = absolute(project)
    numbers = _stage_numbers(root)
    if not numbers:
        what = "move the photos there" if _holds_photos(root) else "put your photos into it"
        raise StageError(f"There is no stage folder in {root}. Create {root / 'stage_1'} and {what}.")
    if number is None:
        return Stage(root, numbers[-1])
    if number not in numbers:
        there = ", ".join(f"stage_{n}" for n in numbers)
        raise StageError(f"There is no stage_{number} in {root}. Choose one that exists: {there}.")
    return Stage(root, number)


def absolute(folder: str | Path) -> Path:
    """The absolute path of a folder that a person named; `~` is theirs, an unknown `~name` stays as it is."""
    return Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111 - Path's raises for an unknown name


def lies_in_a_stage(folder: Path, stage: Stage) -> bool:
    """Whether a folder, wherever links lead to it, lies inside `stage` or another stage of its project."""
    real, project = Path(os.path.realpath(folder)), Path(os.path.realpath(stage.project))
    if real.is_relative_to(os.path.realpath(stage.folder)):
        return True
    below = real.relative_to(project).parts if real.is_relative_to(project) else ()
    return any(_STAGE_NAME.fullmatch(part) for part in below[:1])


def as_path(key: str) -> str:
    """A photo key as this Python names files."""
    return key if key.isascii() else os.fsdecode(key.encode("utf-8", "surrogateescape"))


def as_key(path: str) -> str:
    """The inverse of `as_path`."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "surrogateescape")


def _stage_numbers(root: Path) -> list[int]:
    try:
        entries = list(root.iterdir())
    except FileNotFoundError as error:
        raise StageError(f"There is no folder {root}. Create it, with your photos in {root / 'stage_1'}.") from error
    except OSError as error:
        raise StageError(f"Could not open {root}: {error.strerror}. Name a project folder you may read.") from error
    if _STAGE_NAME.fullmatch(root.name):
        raise StageError(f"{root} is a stage, not a project. Name the folder that holds it: {root.parent}")
    matches = ((_STAGE_NAME.fullmatch(entry.name), entry) for entry in entries)
    return sorted(int(match[1]) for match, entry in matches if match and entry.is_dir())


def _holds_photos(folder: Path) -> bool:
    return any(photo_suffix(entry.name) in DECODABLE_SUFFIXES | RAW_SUFFIXES for entry in folder.iterdir())


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


def _pair(files: list[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Tell photos from companions: `IMG_1.CR2`, `IMG_1.xmp` and `IMG_1.JPG.txt` belong to `IMG_1.JPG`.

    A sidecar goes to the photo whose full name it extends, else to every photo with its stem; upper and lower
    case are one. A RAW file with no such photo is a photo itself.
    """
    photos: list[str] = []
    others: list[str] = []
    for key in files:
        (photos if photo_suffix(key) in DECODABLE_SUFFIXES else others).append(key)
    if not others:
        return photos, {}
    owners = _owners(photos)
    lone_raws = [key for key in others if photo_suffix(key) in RAW_SUFFIXES and not _owned_by(key, owners)]
    photos += lone_raws
    owners = _owners(photos)
    companions: dict[str, list[str]] = {}
    for key in set(others) - set(lone_raws):
        for owner in _owned_by(key, owners):
            companions.setdefault(owner, []).append(key)
    return photos, {owner: tuple(sorted(keys)) for owner, keys in companions.items()}


def _owners(photos: list[str]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for key in photos:
        name = key.rstrip().casefold()
        for each in {name, name[: len(name) - len(_suffix(name))]}:
            owners.setdefault(each, []).append(key)
    return owners


def _owned_by(key: str, owners: dict[str, list[str]]) -> list[str]:
    name = key.casefold()
    while suffix := _suffix(name):
        name = name[: -len(suffix)]
        if name in owners:
            return owners[name]
    return []


def photo_suffix(key: str) -> str:
    """By which a photo is told: in lower case, with its dot."""
    return _suffix(key.rstrip()).lower()  # a name may end in a space, and is a photo all the same


def _suffix(name: str) -> str:
    """From the last dot of the file's name on, unless the name begins or ends with it; as `PurePosixPath`'s."""
    dot = name.rfind(".")
    return name[dot:] if name.rfind("/") + 1 < dot < len(name) - 1 else ""
