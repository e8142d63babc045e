"""Writes sidecars, XMP or tags in text, all changes of an export as one step that can be undone.

`stage_N_<task>_sidecars_<number>.zip` in the project holds the bytes that an export replaced, each under the path of
its sidecar below the stage, and `sidecars.csv`: sidecar,before,after; the content ids of each sidecar, `before` empty
for one that was created. It is written before the first sidecar is touched.

Each sidecar is written beside and renamed, so a kill at any moment leaves every one old or new, and the undo goes by
content: one that is new becomes old again, one that is old stays, one that is neither was changed by another program
and stays too. A hard link is thereby broken: its twin in another stage keeps its bytes. Nothing is written through a
symbolic link, and nothing but sidecars is written.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import RatingsRefused, StageError, StorageError, UnreadableXmp
from ..progress import Progress, amount, logged, silent
from ..project import tables
from ..project.files import (
    locked,
    open_own,
    replacing,
    set_aside,
    sweep,
    sync,
    sync_folder,
    temporary_sibling,
    unreadable,
    unwritable,
)
from ..project.listing import has_photos
from ..project.originals import content_id
from ..project.stages import Stage, as_key, as_text, gone
from .beside import SUFFIX
from .sidecars import Change, id_of, read

SUFFIXES = (SUFFIX, ".txt")
"""Of the files that may be written beside photos."""
_COLUMNS = ("sidecar", "before", "after")
_MANIFEST = "sidecars.csv"
_OTHER = b"other bytes"
"""Stands for bytes that are not those expected."""
_CHANGED = "it was changed by another program; it stays as it is"


class Writing(Protocol):
    """What an export would do; see `sidecars.Writing` and `tags_txt.Writing`."""

    @property
    def stage(self) -> Stage:
        """Whose sidecars they are."""

    @property
    def changes(self) -> Sequence[Change]:
        """The sidecars to write."""

    def bytes_of(self, change: Change, old: bytes | None) -> bytes:
        """The bytes that a sidecar gets. Raises `UnreadableXmp`."""


class Saved(NamedTuple):
    """One sidecar of an export: its name, its content ids, and its bytes before."""

    name: str
    before: str
    after: str
    old: bytes


class Written(NamedTuple):
    """What was written, or taken back: number of sidecars, key → why one was left, and where the old bytes are."""

    sidecars: int
    left: dict[str, str]
    backup: Path


@logged("writing sidecars")
def write(writing: Writing, *, progress: Progress = silent) -> Written:
    """Write what a preview showed. A sidecar that changed since then is left.

    Raises `StageError` if the photos are gone, `StorageError`; what was written before can be undone.
    """
    stage = writing.stage
    _check_photos(stage)
    with locked(stage.next.lock, f"writing sidecars of {stage.name}"):
        for folder in sorted({(stage.folder / each.name).parent for each in writing.changes}):
            if not folder.is_dir():
                raise StorageError(f"The folder {folder} is gone; no sidecar was written. Preview the export again.")
            if not os.access(folder, os.W_OK):
                raise StorageError(f"The folder {folder} is read-only; no sidecar was written. Make it writable.")
            sweep(folder)
        left: dict[str, str] = {}
        ready = [each for each in writing.changes if _seen(stage, each, left) is not _OTHER]
        backup, count = stage.sidecars(max(_numbers(stage), default=0) + 1), 0
        if ready:
            _back_up(stage, ready, backup)
        for done, each in enumerate(ready):
            progress("writing sidecars", done, len(ready))
            try:
                count += _put(writing, each, left)
            except StorageError as error:
                raise StorageError(
                    f"{error} {count:,} of {amount(len(ready), 'sidecar')} written. Export again to go on, or undo it."
                ) from error
        return Written(count, left, backup)


@logged("undoing an export")
def undo(stage: Stage) -> Written:
    """Give sidecars the bytes that they had before the last export.

    Raises `RatingsRefused` if there is none; `StageError` if the photos are gone, whose sidecars would all seem to be
    removed; `StorageError`.
    """
    _check_photos(stage)
    with locked(stage.next.lock, f"writing sidecars of {stage.name}"):
        numbers = _numbers(stage)
        if not numbers:
            raise RatingsRefused(f"No export beside the photos of {stage.name} is there to be undone.")
        backup = stage.sidecars(max(numbers))
        left: dict[str, str] = {}
        count = sum(_restore(stage, saved, left) for saved in _backed_up(backup))
        try:
            aside = set_aside(backup, "undone")
        except OSError as error:
            raise unwritable(backup, error) from error
        return Written(count, left, aside)


def can_undo(stage: Stage) -> bool:
    """Whether there is an export to undo, and the project can be read."""
    with suppress(StorageError):
        return bool(_numbers(stage))
    return False


def _check_photos(stage: Stage) -> None:
    if not stage.folder.is_dir():
        raise gone(stage)
    if not has_photos(stage.folder):  # a card that is pulled may leave an empty folder
        raise StageError(f"There are no photos in {stage.folder} any more. Connect its disk again, then try again.")


def _seen(stage: Stage, change: Change, left: dict[str, str]) -> bytes | None:
    """The bytes of a sidecar; `_OTHER`, with the reason in `left`, if they are not those that the preview saw."""
    try:
        old = read(stage, change.name)
        if id_of(old) == change.before:
            return old
        left[as_key(change.name)] = _CHANGED
    except UnreadableXmp as error:
        left[as_key(change.name)] = str(error)
    return _OTHER


def _put(writing: Writing, change: Change, left: dict[str, str]) -> bool:
    """Write one sidecar. Whether it was as the preview saw it. Raises `StorageError`."""
    stage, old = writing.stage, _seen(writing.stage, change, left)
    if old is _OTHER:
        return False
    new = writing.bytes_of(change, old)
    if old is not None:
        _replace(stage, change.name, new)
    elif not _create(stage, change.name, new):
        left[as_key(change.name)] = _CHANGED
        return False
    return True


def _replace(stage: Stage, name: str, data: bytes) -> None:
    """Replace a sidecar, which keeps its mode and attributes. Raises `StorageError`."""
    path = _inside(stage, name)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
        shutil.copystat(path, temporary)
        os.utime(temporary)  # it is newer than before, and readers compare


def _create(stage: Stage, name: str, data: bytes) -> bool:
    """Make a sidecar; False if there is one meanwhile. Raises `StorageError`."""
    path = _inside(stage, name)
    temporary = temporary_sibling(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        _name_it(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True


def _name_it(temporary: Path, path: Path) -> None:
    """Give a file its name without ever overwriting another. Raises `FileExistsError`, other `OSError`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:  # no hard links on this disk
        if os.path.lexists(path):
            raise FileExistsError from error
        temporary.rename(path)


def _inside(stage: Stage, name: str) -> Path:
    """The path of a sidecar whose folder is no link out of the stage. Raises `StorageError`."""
    path = stage.folder / name
    if Path(os.path.realpath(path.parent)) != (Path(os.path.realpath(stage.folder)) / name).parent:
        raise StorageError(f"The folder of {path} is a link. Put the folder itself in its place, then try again.")
    return path


def _back_up(stage: Stage, changes: Sequence[Change], backup: Path) -> None:
    """Keep the bytes before, and what will come of them. Raises `StorageError`."""
    rows = [
        {"sidecar": tables.as_name(as_text(each.name)), "before": each.before, "after": each.after} for each in changes
    ]
    with replacing(backup) as temporary, zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED) as archive:
        for each in changes:
            if each.before and (old := read(stage, each.name)) is not None:
                archive.writestr(as_text(each.name), old)
        archive.writestr(_MANIFEST, tables.render(_COLUMNS, rows))


def _backed_up(backup: Path) -> Iterator[Saved]:
    """The sidecars of an export. Raises `StorageError`."""
    try:
        with open_own(backup) as file, zipfile.ZipFile(file) as archive:
            for row in tables.parse(archive.read(_MANIFEST).decode(), backup).rows:
                text, before, after = (row.values.get(column, "") for column in _COLUMNS)
                name = text.removeprefix("./")
                if name.casefold().endswith(SUFFIXES) and not Path(name).is_absolute():
                    yield Saved(os.fsdecode(name.encode()), before, after, archive.read(name) if before else b"")
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError, UnicodeError) as error:
        raise unreadable(backup, error) from error


def _restore(stage: Stage, saved: Saved, left: dict[str, str]) -> bool:
    """Give one sidecar its bytes before, if it still has those after. Whether it was changed."""
    name, before, after, old = saved
    try:
        now = id_of(read(stage, name))
    except UnreadableXmp as error:
        left[as_key(name)] = str(error)
        return False
    if now == before:
        return False
    if now != after or (before and content_id(old) != before):
        left[as_key(name)] = _CHANGED
        return False
    if before:
        _replace(stage, name, old)
    else:
        _remove(_inside(stage, name))
    return True


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


def _numbers(stage: Stage) -> list[int]:
    """Numbers of the exports that are not undone. Raises `StorageError`."""
    start, end = stage.sidecars(0).name.split("0.zip")[0], ".zip"
    try:
        names = [each.name for each in stage.project.iterdir()]
    except OSError as error:
        raise unreadable(stage.project, error) from error
    numbers = [name.removeprefix(start).removesuffix(end) for name in names if name.startswith(start)]
    return [int(each) for each in numbers if each.isascii() and each.isdigit()]
