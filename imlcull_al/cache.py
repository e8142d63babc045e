"""The HDF5 files under `cache/`: everything in them can be computed again, so any trouble costs only time.

`embeddings-<first 16 digits of the fingerprint>.h5`, one encoder:
    attributes   format = "imlcull embeddings", version = 1, fingerprint, encoder, dim
    embedding    (N, D) float32, checksummed by chunk (Fletcher-32)
    content_id   (N, 16) uint8, written after its row: the shorter of the two counts
    unreadable_id (M, 16) uint8, unreadable_reason (M,) UTF-8; attribute decoder: who found them so

`content_ids.h5`, which file had which content, and what its camera noted:
    attributes   format = "imlcull content ids", version = 2
    path_id      (N, 16) uint8, BLAKE2b of the absolute path
    stat         (N, 3) int64: size in bytes, mtime in ns, inode
    content_id   (N, 16) uint8
    taken        (N,) float64, seconds by the camera's clock; NaN for unknown
    compensation (N,) float32, exposure compensation in EV; NaN for unknown

A file that can't be read is set aside as `*.damaged-<time>` and begun anew; a folder that can't be written is said
once and done without. The only module that imports h5py; knows nothing of photos or encoders but their ids.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from .errors import StorageError
from .files import replacing

if TYPE_CHECKING:
    import h5py

log = logging.getLogger(__name__)
EMBEDDINGS_FORMAT = "imlcull embeddings"
CONTENT_IDS_FORMAT = "imlcull content ids"
VERSION = 1
CONTENT_IDS_VERSION = 2
LOCK_PATIENCE = 10.0  # seconds to wait for another process that is writing
_CHUNK_ROWS = 256
_DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError)  # what h5py raises on a broken file
Result = TypeVar("Result")


class EmbeddingCache:
    """The rows of one encoder, keyed by content id (32 hexadecimal digits)."""

    def __init__(self, folder: Path, fingerprint: str, dim: int, encoder: str, decoder: str) -> None:
        """`decoder`: who reads photos now; reasons found by another one are forgotten."""
        self.path = folder / f"embeddings-{fingerprint[:16]}.h5"
        self.dim = dim
        self.decoder = decoder
        self._attributes = {
            "format": EMBEDDINGS_FORMAT, "version": VERSION, "fingerprint": fingerprint, "encoder": encoder, "dim": dim,
        }  # fmt: skip
        self._writable = True

    def read(self) -> tuple[list[str], np.ndarray, dict[str, str]]:
        """Content ids, their rows (N, D) float32, and content id → reason of the unreadable ones."""
        empty: tuple[list[str], np.ndarray, dict[str, str]] = ([], np.empty((0, self.dim), np.float32), {})
        if not self.path.exists():
            return empty
        result = _reading(self.path, self._load)
        return empty if result is None else result

    def append(self, ids: Sequence[str], rows: np.ndarray, unreadable: Mapping[str, str]) -> None:
        """Add rows (B, D) and reasons, and flush them. A disk that refuses is logged once; work goes on."""
        if not self._writable or not (ids or unreadable):
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _opened(self.path, "a") as file:
                self._prepare(file)
                _extend(file["embedding"], rows)
                file.flush()
                _extend(file["content_id"], _as_bytes(ids))
                _extend(file["unreadable_id"], _as_bytes(list(unreadable)))
                _extend(file["unreadable_reason"], np.array(list(unreadable.values()), dtype=object))
        except (*_DAMAGE, StorageError) as error:
            self._writable = False
            log.warning("Embeddings are not kept: %s can't be written (%s). The work goes on.", self.path, error)

    def _load(self, file: "h5py.File") -> tuple[list[str], np.ndarray, dict[str, str]]:
        self._check(file)
        count = min(len(file["content_id"]), len(file["embedding"]))
        ids = _as_hex(file["content_id"][:count])
        rows = file["embedding"][:count].reshape(count, self.dim)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            log.warning("%s holds %d rows that are no numbers; they are computed again.", self.path, (~finite).sum())
            ids, rows = [name for name, good in zip(ids, finite, strict=True) if good], rows[finite]
        reasons: dict[str, str] = {}
        if file.attrs["decoder"] == self.decoder:
            pairs = zip(_as_hex(file["unreadable_id"][:]), file["unreadable_reason"].asstr()[:], strict=False)
            reasons = dict(pairs)
        return ids, rows, reasons

    def _prepare(self, file: "h5py.File") -> None:
        import h5py

        if "format" not in file.attrs:
            rows = (None, self.dim)
            file.create_dataset(
                "embedding",
                (0, self.dim),
                "f4",
                maxshape=rows,
                chunks=(_CHUNK_ROWS, self.dim),
                fletcher32=True,
            )
            _create_ids(file, "content_id")
            _create_ids(file, "unreadable_id")
            file.create_dataset("unreadable_reason", (0,), h5py.string_dtype(), maxshape=(None,), chunks=(64,))
            file.attrs.update({**self._attributes, "decoder": self.decoder})
        self._check(file)
        count = min(len(file["content_id"]), len(file["embedding"]))  # a killed writer may leave rows without ids
        file["embedding"].resize(count, axis=0)
        file["content_id"].resize(count, axis=0)
        if file.attrs["decoder"] != self.decoder:
            file["unreadable_id"].resize(0, axis=0)
            file["unreadable_reason"].resize(0, axis=0)
            file.attrs["decoder"] = self.decoder

    def _check(self, file: "h5py.File") -> None:
        for name in ("format", "version", "fingerprint", "dim"):
            if file.attrs[name] != self._attributes[name]:
                raise ValueError(f"its {name} is {file.attrs[name]}, not {self._attributes[name]}")


class Content(NamedTuple):
    """What a file held when it was last read: its id, and when and how it was taken, NaN for unknown."""

    content_id: str
    taken: float
    compensation: float


class ContentIds:
    """Which file had which content when it was last read; trusted while size, mtime and inode are the same."""

    def __init__(self, folder: Path) -> None:
        """Read `content_ids.h5` in `folder`, where there is one."""
        self.path = folder / "content_ids.h5"
        self._known: dict[bytes, tuple[tuple[int, int, int], Content]] = {}
        self._changed = False
        if self.path.exists():
            self._known = _reading(self.path, self._load) or {}

    def get(self, path: Path) -> Content | None:
        """What an unchanged file holds, else None. One `stat`, no read."""
        known = self._known.get(_path_id(path))
        return known[1] if known and known[0] == stat_of(path) else None

    def put(self, path: Path, stat: tuple[int, int, int], content: Content) -> None:
        """Remember what `path`, whose `stat_of` was taken before reading, holds."""
        self._known[_path_id(path)] = (stat, content)
        self._changed = True

    def save(self) -> None:
        """Replace the file, if anything was put. A disk that refuses is logged; work goes on."""
        if not self._changed:
            return
        contents = [content for _, content in self._known.values()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary, _opened(temporary, "w") as file:
                file.attrs.update({"format": CONTENT_IDS_FORMAT, "version": CONTENT_IDS_VERSION})
                file["path_id"] = np.frombuffer(b"".join(self._known), np.uint8).reshape(-1, 16)
                file["stat"] = np.array([stat for stat, _ in self._known.values()], np.int64)
                file["content_id"] = _as_bytes([content.content_id for content in contents])
                file["taken"] = np.array([content.taken for content in contents], np.float64)
                file["compensation"] = np.array([content.compensation for content in contents], np.float32)
            self._changed = False
        except (*_DAMAGE, StorageError) as error:
            log.warning("Content ids are not kept: %s can't be written (%s). The work goes on.", self.path, error)

    def _load(self, file: "h5py.File") -> dict[bytes, tuple[tuple[int, int, int], Content]]:
        if file.attrs["format"] != CONTENT_IDS_FORMAT or file.attrs["version"] not in (1, CONTENT_IDS_VERSION):
            raise ValueError(f"its format is {file.attrs['format']} {file.attrs['version']}")
        if file.attrs["version"] == 1:  # before moments were noted: the files are read once more
            return {}
        paths = [row.tobytes() for row in file["path_id"][:]]
        stats = [(size, mtime, inode) for size, mtime, inode in file["stat"][:].tolist()]
        columns = (_as_hex(file["content_id"][:]), file["taken"][:].tolist(), file["compensation"][:].tolist())
        contents = [Content(*each) for each in zip(*columns, strict=True)]
        return dict(zip(paths, zip(stats, contents, strict=True), strict=True))


def stat_of(path: Path) -> tuple[int, int, int]:
    """Size in bytes, mtime in ns and inode of a file; zeros where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino & 0x7FFF_FFFF_FFFF_FFFF


@contextmanager
def _opened(path: Path, mode: str) -> "Iterator[h5py.File]":
    """Open, waiting up to `LOCK_PATIENCE` seconds while another process writes."""
    import h5py

    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            file = h5py.File(path, mode)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    with file:
        yield file


def _reading(path: Path, load: "Callable[[h5py.File], Result]") -> Result | None:
    """`load` the file, or None after setting a damaged one aside."""
    try:
        with _opened(path, "r") as file:
            return load(file)
    except (BlockingIOError, PermissionError, FileNotFoundError) as error:
        log.warning("The cache file %s can't be read now (%s). The work goes on without it.", path, error)
    except _DAMAGE as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        try:
            path.replace(aside)
            log.warning(
                "The cache file %s is damaged (%s). It is set aside as %s and rebuilt.",
                path,
                error,
                aside.name,
            )
        except OSError:
            log.warning("The cache file %s is damaged (%s). Delete it; the work goes on without it.", path, error)
    return None


def _create_ids(file: "h5py.File", name: str) -> None:
    file.create_dataset(name, (0, 16), "u1", maxshape=(None, 16), chunks=(4096, 16))


def _extend(dataset: Any, rows: np.ndarray) -> None:
    if len(rows):
        start = len(dataset)
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows


def _as_bytes(ids: Sequence[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 16)


def _as_hex(rows: np.ndarray) -> list[str]:
    return [row.tobytes().hex() for row in rows]


def _path_id(path: Path) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
