"""Zip archives: photos that a stranger sent into a stage folder, and what they made of them out again.

Nothing in an archive is believed: names are checked before anything is written, sizes are counted while it is
unpacked, and an archive that is refused leaves nothing behind. Knows nothing of visitors or pages.
"""

import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import UploadRefused
from .files import TEMPORARY_PREFIX, unreadable, unwritable
from .project import DECODABLE_SUFFIXES, RAW_SUFFIXES, Stage, photo_suffix

SUFFIXES = DECODABLE_SUFFIXES | RAW_SUFFIXES | {".xmp"}
"""What is taken in; other files are passed over."""
ARCHIVE_SUFFIX = ".zip"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
_CHUNK = 1 << 20
_END_OF_DIRECTORY, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 0xFFFF
_LARGEST_DIRECTORY = 16 << 20  # bytes; Python reads it whole
_LONGEST_NAME = 200  # bytes of one folder's or file's name in UTF-8
_DEEPEST = 16


@dataclass(frozen=True)
class Limits:
    """How much one visitor may send: bytes of one photo and of all, and how many files."""

    photo: int = 128 << 20
    total: int = 2 << 30
    files: int = 5000


@dataclass(frozen=True)
class Added:
    """What became of files that were sent: how many are new, were there by that name already, or are no photos."""

    new: int = 0
    known: int = 0
    passed_over: int = 0

    def __add__(self, other: "Added") -> "Added":
        """The sums."""
        return Added(self.new + other.new, self.known + other.known, self.passed_over + other.passed_over)


def add(sent: Path, name: str, folder: Path, limits: Limits = Limits()) -> Added:
    """Move the file `sent`, which its sender calls `name`, into `folder`; an archive is unpacked there.

    `sent` is gone afterwards or of no use any more. Raises `UploadRefused`, `StorageError`.
    """
    if photo_suffix(name) == ARCHIVE_SUFFIX:
        return unpack(sent, folder, limits)
    key = safe_key(name)
    if key is None or photo_suffix(key) not in SUFFIXES:
        return Added(passed_over=1)
    if sent.stat().st_size > limits.photo:
        raise UploadRefused(f"{name} is larger than {megabytes(limits.photo)}. Leave it out.")
    used, files = usage(folder)
    if used + sent.stat().st_size > limits.total or files + 1 > limits.files:
        raise UploadRefused(_full(limits))
    return _place(sent, folder / key)


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> Added:
    """Add the photos of a zip to `folder`, all of them or, when the archive is refused, none.

    Raises `UploadRefused` for an archive that is damaged, encrypted, too large, or names a place outside.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_directory(archive)
        with (
            tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder.parent) as inside,
            zipfile.ZipFile(archive) as opened,
        ):
            keys = _unpack(opened, Path(inside), folder, limits)
            added = Added(passed_over=len([each for each in opened.infolist() if not each.is_dir()]) - len(keys))
            for key in keys:
                added += _place(Path(inside) / key, folder / key)
            return added
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise UploadRefused(f"The archive is damaged, or no zip ({error}). Nothing of it was taken.") from error
    except OSError as error:
        raise unwritable(folder, error) from error


def safe_key(name: str) -> str | None:
    """The photo key for a name that a stranger gave; None for a hidden file, which is passed over.

    Raises `UploadRefused` for a name that leads out of its folder, or that not every system can store.
    """
    parts = name.replace("\\", "/").split("/")
    if any(part in ("", ".", "..") or ":" in part for part in parts) or not name.isprintable():
        raise UploadRefused(f"{name!r} is no name for a photo: it leads elsewhere. Nothing was taken.")
    if len(parts) > _DEEPEST or any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in parts):
        raise UploadRefused(f"{name[:80]!r} … is too long a name. Nothing was taken.")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return "/".join(parts)


def usage(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder; zero for none."""
    sizes = [os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names]  # noqa: PTH116, PTH118
    return sum(sizes), len(sizes)


def pack(stage: Stage) -> Iterator[bytes]:
    """A zip as it is made, piece by piece: the photos of a stage that a cull made, and the files beside all stages.

    Raises `StorageError` where a file can't be read; what was sent by then is no whole zip.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # photos and weights don't get any smaller
        for path, name in _to_pack(stage):
            try:
                with path.open("rb") as file, archive.open(_entry(path, name), "w", force_zip64=True) as entry:
                    while chunk := file.read(_CHUNK):
                        entry.write(chunk)
                        yield sink.drain()
            except OSError as error:
                raise unreadable(path, error) from error
    yield sink.drain()


def megabytes(size: int) -> str:
    """`128 MB`."""
    return f"{size >> 20} MB"


class _Sink:
    """A file that can only be written, whose content is taken away as it comes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def drain(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data


def _to_pack(stage: Stage) -> Iterator[tuple[Path, str]]:
    project = stage.project
    if stage.manifest.exists():
        yield from _below(stage.folder, project)
    for beside in sorted(project.glob("stage_*_cull_*")):
        if beside.is_dir():
            yield from _below(beside, project)
        elif beside.is_file():
            yield beside, beside.name


def _below(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.relative_to(root).as_posix()


def _entry(path: Path, name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
    entry.compress_type = zipfile.ZIP_STORED
    return entry


def _check_directory(archive: Path) -> None:
    """Refuse a list of contents that would fill the memory before a name of it is seen."""
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
        tail = file.read()
    found = tail.rfind(_END_OF_DIRECTORY)
    if found < 0 or len(tail) - found < _END_SIZE:
        raise zipfile.BadZipFile("it has no end")
    (directory,) = struct.unpack_from("<L", tail, found + 12)
    if directory > _LARGEST_DIRECTORY:
        raise UploadRefused("The archive holds too many files. Send fewer at once.")


def _unpack(opened: zipfile.ZipFile, inside: Path, folder: Path, limits: Limits) -> list[str]:
    """Write the photos of an archive below `inside`; their keys."""
    used, files = usage(folder)
    keys: list[str] = []
    for entry in opened.infolist():
        if entry.is_dir():
            continue
        key = safe_key(entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UploadRefused(f"{entry.filename!r} in the archive is a link. Nothing was taken.")
        if key is None or photo_suffix(key) not in SUFFIXES:
            continue
        if entry.flag_bits & 1:
            raise UploadRefused("The archive is encrypted. Send it without a password.")
        keys.append(key)
        if files + len(keys) > limits.files:
            raise UploadRefused(_full(limits))
        used += _write(opened, entry, inside / key, min(limits.photo, limits.total - used), limits)
    return list(dict.fromkeys(keys))


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, room: int, limits: Limits) -> int:
    """Unpack one file and return its size. What the archive says about sizes may be a lie: they are counted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(entry) as source, path.open("wb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > room:
                raise UploadRefused(
                    f"{entry.filename} is larger than {megabytes(limits.photo)}. Leave it out."
                    if room == limits.photo
                    else _full(limits)
                )
            target.write(chunk)
    return written


def _place(sent: Path, path: Path) -> Added:
    """Give a file its name; one that is there already stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return Added(known=1)
        shutil.move(sent, path)
    except OSError as error:
        raise unwritable(path, error) from error
    return Added(new=1)


def _full(limits: Limits) -> str:
    return f"That is more than there is room for: {limits.files} files, {megabytes(limits.total)} in all. Send fewer."
