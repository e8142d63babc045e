"""Import uploaded photos and zip archives into a stage folder, and export the results as a zip stream.

Archives are untrusted. Names are validated before anything is written, sizes are counted during extraction, and a
rejected archive leaves nothing behind. Photos are placed by atomic renames, so no partial file is ever visible.
Independent of visitors and pages.
"""

import io
import os
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import UploadRefused
from .companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, photo_suffix
from .files import TEMPORARY_PREFIX, open_own, unreadable, unwritable
from .left_out import why_folder
from .stages import Stage

SUFFIXES = DECODABLE_SUFFIXES | RAW_SUFFIXES | {".xmp"}
"""Accepted file types; other files are skipped."""
ARCHIVE_SUFFIX = ".zip"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, struct.error)
_CHUNK = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Accepted compression methods. Python decompresses the others without a memory bound."""
_LARGEST_READ = 4 << 20  # bytes; the central directory of 5,000 photos takes less than 1 MB
_LONGEST_NAME = 200  # bytes per path component in UTF-8
_DEEPEST = 16
_UNSTORABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, surrogates, line and paragraph separators."""


@dataclass(frozen=True)
class Limits:
    """Upload quota of one visitor: bytes per photo, bytes in total, and number of files."""

    photo: int = 128 << 20
    total: int = 2 << 30
    files: int = 5000


@dataclass(frozen=True)
class Added:
    """Outcome of an upload: files that are new, that existed under the same name, and that were skipped."""

    new: int = 0
    known: int = 0
    passed_over: int = 0


def add(sent: Path, name: str, folder: Path, limits: Limits = Limits()) -> Added:
    """Move the uploaded file `sent`, named `name` by its sender, into `folder`. An archive is unpacked there.

    `sent` must be on the same disk and is consumed. The folder and its project folder are created, but not the
    project's parent, which is missing once a workspace was deleted. Raises `UploadRefused`, `StorageError`.
    """
    if photo_suffix(name) == ARCHIVE_SUFFIX:
        return unpack(sent, folder, limits)
    key = safe_key(name)
    if key is None:
        return Added(passed_over=1)
    if _is_there(folder, key):
        return Added(known=1)
    try:
        size = sent.stat().st_size
        _check_room(folder, [size], limits, name)
        _place_all(sent.parent, folder, {key: sent.name})
    except OSError as error:
        raise unwritable(folder / key, error) from error
    return Added(new=1)


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> Added:
    """Add the photos of a zip to `folder`, all or none.

    Raises `UploadRefused` for an archive that is damaged, encrypted or too large, or has a path outside the folder;
    `StorageError`.
    """
    try:
        folder.parent.mkdir(exist_ok=True)
        with (
            BoundedReader(io.FileIO(archive)) as file,
            zipfile.ZipFile(file) as opened,
            tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder.parent) as inside,
        ):
            files = [entry for entry in opened.infolist() if not entry.filename.endswith(("/", "\\"))]
            wanted = [(key, entry) for entry in files if (key := safe_key(entry.filename)) is not None]
            new = {key: entry for key, entry in wanted if not _is_there(folder, key)}
            _check(new)
            _check_room(folder, [0] * len(new), limits)
            _unpack_all(opened, new, Path(inside), limits, limits.total - usage(folder)[0])
            _place_all(Path(inside), folder, {key: key for key in new})
            return Added(len(new), len(wanted) - len(new), len(files) - len(wanted))
    except DAMAGE as error:
        raise UploadRefused(f"The archive is damaged or not a zip ({error}). Nothing was added.") from error
    except OSError as error:
        raise unwritable(folder, error) from error


def safe_key(name: str) -> str | None:
    """The photo key for an untrusted file name; None for files to skip: hidden ones and other types.

    Raises `UploadRefused` for a name that escapes its folder or is not portable.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    if not parts or any(part in ("", "..") or ":" in part for part in parts):
        raise UploadRefused(f"{name[:80]!r} leaves its folder or contains a colon. Rename it. Nothing was added.")
    if any(map(why_folder, parts[:-1])) or parts[-1].startswith(".") or photo_suffix(parts[-1]) not in SUFFIXES:
        return None
    if any(unicodedata.category(letter) in _UNSTORABLE for letter in name):
        raise UploadRefused(f"{name[:80]!r} contains a control character. Rename it. Nothing was added.")
    if len(parts) > _DEEPEST or any(len(part.encode("utf-8")) > _LONGEST_NAME for part in parts):
        raise UploadRefused(f"{name[:80]!r} … is too long a name. Shorten it. Nothing was added.")
    return "/".join(parts)


def usage(folder: Path) -> tuple[int, int]:
    """Total size in bytes and number of the files below a folder."""
    size = files = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                size += os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118
                files += 1
    return size, files


def pack(stage: Stage) -> Iterator[bytes]:
    """Stream a zip of the photos of a stage, if a cull made it, and the files beside all stages.

    Raises `StorageError` where a file can't be read; the zip streamed so far is then incomplete.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # photos and weights don't compress
        for path, name in _to_pack(stage):
            try:
                with open_own(path) as file, archive.open(_entry(path, name), "w", force_zip64=True) as entry:
                    while chunk := file.read(_CHUNK):
                        entry.write(chunk)
                        yield sink.drain()
            except OSError as error:
                raise unreadable(path, error) from error
    yield sink.drain()


def megabytes(size: int) -> str:
    """`128 MB`, or `2 GB` for whole gigabytes."""
    return f"{size >> 20} MB" if size % (1 << 30) else f"{size >> 30} GB"


class _Sink:
    """A write-only file whose content is drained as it is written."""

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
        if beside.is_symlink():
            continue
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


class BoundedReader(io.BufferedReader):
    """A file that rejects large reads: Python reads a zip's central directory in one piece, whatever its size."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises `UploadRefused` for a large read."""
        if size is not None and size > _LARGEST_READ:
            raise UploadRefused("The archive holds too many files. Send fewer at once.")
        return super().read(size)


def _check(entries: Mapping[str, zipfile.ZipInfo]) -> None:
    """Raise `UploadRefused` for entries that are links, encrypted, oddly compressed or in conflict."""
    for key, entry in entries.items():
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UploadRefused(f"{key!r} in the archive is a link. Nothing was added.")
        if entry.flag_bits & 1:
            raise UploadRefused("The archive is encrypted. Send it without a password.")
        if entry.compress_type not in METHODS:
            raise UploadRefused("The archive uses an unusual compression. Create it again as a plain zip (deflate).")
        if any(str(above) in entries for above in PurePosixPath(key).parents):
            raise _in_the_way(key)


def _check_room(folder: Path, sizes: list[int], limits: Limits, name: str = "") -> None:
    used, files = usage(folder)
    if max(sizes, default=0) > limits.photo:
        raise _too_large(name, limits)
    if used + sum(sizes) > limits.total or files + len(sizes) > limits.files:
        raise _full(limits)


def _unpack_all(
    opened: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], inside: Path, limits: Limits, room: int
) -> None:
    """Extract into `inside`. Bytes are counted, because the sizes declared in an archive can be wrong."""
    for key, entry in entries.items():
        path, written = inside / key, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entry) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > limits.photo:
                    raise _too_large(key, limits)
                if written > room:
                    raise _full(limits)
                target.write(chunk)
        room -= written


def _is_there(folder: Path, key: str) -> bool:
    """Whether the file exists. Raises `UploadRefused` if a folder has its name, or a file the name of its folder."""
    path = folder / key
    above = [folder / each for each in PurePosixPath(key).parents]
    if path.is_dir() or any(each.exists() and not each.is_dir() for each in above):
        raise _in_the_way(key)
    return path.exists()


def _place_all(source: Path, folder: Path, names: Mapping[str, str]) -> None:
    """Rename files into `folder`, all or none. `names`: key → path below `source`."""
    placed: list[Path] = []
    try:
        for key, name in names.items():
            path = folder / key
            _make_between(folder.parent.parent, path)
            (source / name).rename(path)
            placed.append(path)
    except BaseException:
        _remove(placed)
        raise


def _make_between(root: Path, path: Path) -> None:
    """Create the parent folders of `path` below `root`, which must exist."""
    for name in reversed(path.relative_to(root).parents[:-1]):
        (root / name).mkdir(exist_ok=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _in_the_way(key: str) -> UploadRefused:
    return UploadRefused(f"{key[:80]!r} can't be both a file and a folder. Rename one of them. Nothing was added.")


def _too_large(name: str, limits: Limits) -> UploadRefused:
    return UploadRefused(f"{name[:80]} is larger than {megabytes(limits.photo)}. Leave it out.")


def _full(limits: Limits) -> UploadRefused:
    return UploadRefused(
        f"There is not enough room: the limit is {limits.files} files, {megabytes(limits.total)} in all. Send fewer."
    )
