"""The photos in a zip archive, read in place: unpacked a part at a time into a folder that is gone afterwards.

Archives are untrusted, as in `archives`. A photo that can't be unpacked is told with its reason and the rest goes on.
A zip in the archive is looked into; one in that isn't.
"""

import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ..errors import UploadRefused
from .archives import ARCHIVE_SUFFIX, DAMAGE, METHODS, BoundedReader, Limits, safe_key
from .companions import pair, photo_suffix
from .files import TEMPORARY_PREFIX
from .left_out import why_folder

PART_FILES, PART_BYTES = 500, 512 << 20
"""Photos and bytes that are on the disk at once, about."""
_PIECE = 1 << 20
_LIMITS = Limits()


class Part(NamedTuple):
    """Some photos of an archive. `files`: name in `folder` → path in the archive, with `zip/path` for a zip in it.

    `unreadable`: path in the archive → why it could not be unpacked. `total`: photos in all archives opened so far.
    """

    folder: Path
    files: dict[str, str]
    unreadable: dict[str, str]
    total: int


class _Refused(Exception):
    """One entry can't be unpacked; the message is a clause."""


def is_zip(path: str | Path) -> bool:
    """Whether a file has the name of a zip archive."""
    return photo_suffix(os.fspath(path)) == ARCHIVE_SUFFIX


def parts(archive: Path, limits: Limits = _LIMITS, folder: Path | None = None) -> Generator[Part]:
    """Unpack the photos of `archive`, part by part. A part's files are there until the next one is asked for.

    `folder`: where the temporary folder is made. An archive that can't be opened is one unreadable file, named "".
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, suffix=".tmp", dir=folder) as temporary:
        unpacking = _Unpacking(Path(temporary), limits)
        yield from unpacking.open(archive, "")
        yield unpacking.rest()


class _Unpacking:
    def __init__(self, root: Path, limits: Limits) -> None:
        self._root, self._limits, self._numbers = root, limits, count()
        self._total = 0
        self._begin()

    def open(self, archive: Path, prefix: str) -> Generator[Part]:
        """Parts that are full; `prefix`: of what the photos of this archive are named."""
        try:
            with BoundedReader(io.FileIO(archive)) as file, zipfile.ZipFile(file) as opened:
                yield from self._all(opened, prefix)
        except UploadRefused:
            self._unreadable[prefix[:-1]] = "the archive holds too many files"
        except DAMAGE:
            self._unreadable[prefix[:-1]] = "it is damaged, or not a zip archive"
        except OSError as error:
            self._unreadable[prefix[:-1]] = f"it can't be read: {error.strerror or error}"

    def rest(self) -> Part:
        """What is unpacked and was not given yet."""
        return Part(self._folder, self._files, self._unreadable, self._total)

    def _begin(self) -> None:
        self._folder = self._root / f"part_{next(self._numbers)}"
        self._folder.mkdir()
        self._files: dict[str, str] = {}
        self._unreadable: dict[str, str] = {}
        self._bytes = 0

    def _all(self, opened: zipfile.ZipFile, prefix: str) -> Generator[Part]:
        entries = {entry.filename: entry for entry in opened.infolist() if entry.filename[-1:] not in "/\\"}
        archives = [name for name in entries if is_zip(name) and not _is_left_out(name)] if not prefix else []
        keys = {}
        for name in entries:
            try:
                key = safe_key(name)
            except UploadRefused:
                self._unreadable[prefix + name] = "its name leaves the archive, or is not portable"
                continue
            if key is not None:
                keys[key] = name
        photos = pair(keys).photos
        self._total += len(photos)
        for key in photos:
            yield from self._unpack(opened, entries[keys[key]], prefix + key)
        for name in archives:
            inner = self._folder / f"archive_{next(self._numbers)}"
            try:
                _write(opened, entries[name], inner, self._limits.total)
            except _Refused as error:
                self._unreadable[name] = str(error)
                continue
            yield from self.open(inner, f"{name}/")
            inner.unlink(missing_ok=True)

    def _unpack(self, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> Generator[Part]:
        name = f"{next(self._numbers):08}{photo_suffix(path)}"
        try:
            self._bytes += _write(opened, entry, self._folder / name, self._limits.photo)
        except _Refused as error:
            self._unreadable[path] = str(error)
            return
        self._files[name] = path
        if len(self._files) >= PART_FILES or self._bytes >= PART_BYTES:
            full = self.rest()
            yield full
            for each in full.files:
                (full.folder / each).unlink(missing_ok=True)
            self._begin()


def _is_left_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return any(not part or part == ".." or why_folder(part) for part in parts[:-1]) or parts[-1].startswith(".")


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    """Unpack one entry; returns its bytes, which are counted, because a declared size can be wrong."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _Refused("it is a link")
    if entry.flag_bits & 1:
        raise _Refused("it is encrypted")
    if entry.compress_type not in METHODS:
        raise _Refused("it is compressed in an unusual way; make a plain zip")
    written = 0
    try:
        with opened.open(entry) as source, target.open("xb") as file:
            while piece := source.read(_PIECE):
                written += len(piece)
                if written > most:
                    raise _Refused(f"it is larger than {most >> 20} MB")
                file.write(piece)
    except DAMAGE as error:
        target.unlink(missing_ok=True)
        raise _Refused("its part of the archive is damaged") from error
    except _Refused:
        target.unlink(missing_ok=True)
        raise
    return written
