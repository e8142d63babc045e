"""The HDF5 files under `cache/`: everything in them can be computed again, so any trouble costs only time.

`embeddings-<first 16 digits of the fingerprint>.h5`, one encoder:
    attributes   format = "imlcull embeddings", version = 2, fingerprint, encoder, dim
    content_id   (N, 16) uint8       unreadable_id     (M, 16) uint8
    embedding    (N, D) float32      unreadable_reason (M,) S240: UTF-8, cut at a character where it is longer
    check        (N,) uint64         unreadable_check  (M,) uint64
The datasets are contiguous and made once, with more places than rows: N is 1024 or a double of it, M 512 or a double.
An append writes into free places, ids and values first, then checks, and nothing else: what HDF5 needs to find them
never changes, so a killed writer harms its own rows only. A row counts where its check matches. A check of 0 is a free
place: never written, or not to the end. A full file is copied to one of twice the size, which takes its name. Version 1
had datasets that grew, and a kill could make all of them unreadable; its rows are taken over.

`content_ids.h5`, which file had which content, and what its camera noted:
    attributes   format = "imlcull content ids", version = 3
    path_id      (N, 16) uint8, BLAKE2b of the absolute path
    stat         (N, 3) int64: size in bytes, mtime in ns, inode
    content_id   (N, 16) uint8
    taken        (N,) float64, seconds by the camera's clock; NaN for unknown
    compensation (N,) float32, exposure compensation in EV; NaN for unknown
    check        (N,) uint64, of the five above in this order; version 2 had none

A check is start + sum of weight[i] * word[i] modulo 2**64, or 1 where that is 0. Words are the bytes of the row as
little-endian 32-bit numbers, the id's first; weight[i] is the i-th little-endian 64-bit number of
SHAKE-128("imlcull check"), its lowest bit set; start is the 8-byte BLAKE2b, little-endian, of what the row belongs to:
the encoder's fingerprint, the decoder that found a photo unreadable, or nothing. A row with one wrong word never
matches, and one with several by a chance of about 2**-32 (multilinear hashing, Lemire and Kaser 2014).

Writers take turns by a lock file, `.imlcull-<name>.lock`; readers need none: they read checks first.
A file that can't be read is set aside as `*.damaged-<time>` and begun anew; a folder that can't be written is said
once and done without. The only module that imports h5py; knows nothing of photos or encoders but their ids.
"""

import hashlib
import io
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from .errors import StorageError
from .files import locked, replacing

if TYPE_CHECKING:
    import h5py

log = logging.getLogger(__name__)
EMBEDDINGS_FORMAT = "imlcull embeddings"
CONTENT_IDS_FORMAT = "imlcull content ids"
VERSION = 2
CONTENT_IDS_VERSION = 3
LOCK_PATIENCE = 10.0  # seconds to wait for a foreign program that holds a file
_FIRST_PLACES = (1024, 512)  # for rows and for reasons
_PAGE = 4096  # datasets begin at multiples
_CHECKED = {"libver": ("v108", "v108")}  # from 1.8 on, HDF5 checks its own notes
REASON_BYTES = 240
_BLOCK_ROWS = 1024  # rows that are checked while the next ones are read
_MISSING = (FileNotFoundError, NotADirectoryError)
_OUT_OF_REACH = (BlockingIOError, PermissionError)  # they say nothing of what the file holds
_DAMAGE = (  # what h5py raises on a broken file
    OSError, LookupError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError, MemoryError,
)  # fmt: skip
Result = TypeVar("Result")
_Rows = tuple[np.ndarray, np.ndarray]  # ids (N, 16) uint8 and values (N, ...)


class _Newer(ValueError):
    """A file of a version that is not known here."""


class _Stored(NamedTuple):
    """A table up to its last place in use. `right`: (N,) bool, the rows that count."""

    ids: np.ndarray
    values: np.ndarray
    checks: np.ndarray
    right: np.ndarray


class _Table:
    """Ids and values in three datasets with the same number of places. Knows bytes, not what they mean."""

    def __init__(self, ids: str, values: str, checks: str, value: np.dtype, belongs_to: str) -> None:
        """`value`: the dtype of one value, shape included."""
        self.columns = {ids: np.dtype(("u1", 16)), values: value, checks: np.dtype("<u8")}
        self._belongs_to = belongs_to

    def make(self, file: "h5py.File", capacity: int) -> None:
        """Create the datasets with all their bytes."""
        from h5py import h5d, h5p

        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_layout(h5d.CONTIGUOUS)
        plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5d.FILL_TIME_NEVER)
        for name, dtype in self.columns.items():
            file.create_dataset(name, (capacity, *dtype.shape), dtype.base, dcpl=plan)

    def datasets(self, file: "h5py.File") -> "list[h5py.Dataset]":
        """Ids, values, checks. Raises `ValueError` where they are not as this module makes them."""
        found = [file[name] for name in self.columns]
        for dataset, (name, dtype) in zip(found, self.columns.items(), strict=True):
            is_whole = dataset.shape == (len(found[-1]), *dtype.shape) and dataset.id.get_offset() is not None
            if not is_whole or dataset.dtype != dtype.base:
                raise ValueError(f"its {name} is {dataset.dtype} {dataset.shape}")
        return found

    def capacity(self, file: "h5py.File") -> int:
        """How many places there are."""
        return len(self.datasets(file)[-1])

    def offsets(self, file: "h5py.File") -> list[int]:
        """Where the bytes of the three datasets begin in the file."""
        return [dataset.id.get_offset() for dataset in self.datasets(file)]

    def read(self, file: "h5py.File", stream: BinaryIO) -> _Stored:
        """Everything, past HDF5: it may answer with what it read earlier for another thread.

        Rows are checked by a second thread while the next ones are read.
        """
        at_ids, at_values, at_checks = self.offsets(file)
        checks = np.empty(self.capacity(file), "<u8")
        _read_at(stream, at_checks, checks)  # before the rows: a writer that is at work writes it after them
        used = np.flatnonzero(checks)
        count = int(used[-1]) + 1 if len(used) else 0
        checks, right = checks[:count], np.empty(count, bool)
        ids, values = (np.empty((count, *dtype.shape), dtype.base) for dtype in list(self.columns.values())[:2])
        _read_at(stream, at_ids, ids)

        def verify(block: slice) -> None:
            right[block] = _checks(self._belongs_to, ids[block], values[block]) == checks[block]

        with ThreadPoolExecutor(1) as thread:
            verified = []
            for start in range(0, count, _BLOCK_ROWS):
                block = slice(start, min(start + _BLOCK_ROWS, count))
                _read_at(stream, at_values + start * values[:1].nbytes, values[block])
                verified.append(thread.submit(verify, block))
            for each in verified:
                each.result()
        return _Stored(ids, values, checks, right)

    def write(self, stream: BinaryIO, offsets: Sequence[int], places: np.ndarray, rows: _Rows) -> None:
        """Put ids and values, then their checks, into `places` (N,), ascending."""
        if not len(places):
            return
        neighbours = np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) != 1) + 1)
        for column, offset in zip((*rows, _checks(self._belongs_to, *rows)), offsets, strict=True):
            for run in neighbours:
                data = np.ascontiguousarray(column[run[0] : run[-1] + 1])
                _write_at(stream, offset + int(places[run[0]]) * (data.nbytes // len(run)), data.tobytes())


class EmbeddingCache:
    """The rows of one encoder, keyed by content id (32 hexadecimal digits)."""

    def __init__(self, folder: Path, fingerprint: str, dim: int, encoder: str, decoder: str) -> None:
        """`decoder`: who reads photos now; reasons found by another one are forgotten."""
        self.path = folder / f"embeddings-{fingerprint[:16]}.h5"
        self.dim = dim
        self.decoder = decoder
        self._attributes: dict[str, Any] = {
            "format": EMBEDDINGS_FORMAT, "version": VERSION, "fingerprint": fingerprint, "encoder": encoder, "dim": dim,
        }  # fmt: skip
        self._rows = _Table("content_id", "embedding", "check", np.dtype(("<f4", (dim,))), fingerprint)
        reason = np.dtype(f"S{REASON_BYTES}")
        self._reasons = _Table("unreadable_id", "unreadable_reason", "unreadable_check", reason, decoder)
        self._tables = (self._rows, self._reasons)
        self._damaged: dict[int, int] = {}  # place of a damaged row → its check; it is used again
        self._is_refused = False

    def read(self) -> tuple[list[str], np.ndarray, dict[str, str]]:
        """Content ids, their rows (N, D) float32, and content id → reason of the unreadable ones."""
        self._damaged = {}
        (ids, rows), (unreadable, reasons) = _reading(self.path, self._load) or self._nothing()
        if self._damaged:
            log.warning("Damaged rows in %s: %d. They are computed again.", self.path, len(self._damaged))
        texts = [reason.decode(errors="replace") for reason in reasons.tolist()]
        return _as_hex(ids), rows, dict(zip(_as_hex(unreadable), texts, strict=True))

    def append(self, ids: Sequence[str], rows: np.ndarray, unreadable: Mapping[str, str]) -> None:
        """Add rows (B, D) and reasons; no kill loses them after this. A disk that refuses is logged once; work goes on.

        Rows that are no numbers are left out, so that they are computed again in the next run.
        """
        finite = np.isfinite(rows).all(axis=1)
        reasons = np.array([_cut(reason) for reason in unreadable.values()], f"S{REASON_BYTES}")
        new = [(_as_bytes(ids)[finite], rows[finite].astype("<f4")), (_as_bytes(list(unreadable)), reasons)]
        if not any(len(names) for names, _ in new):
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _turn(self.path):
                self._put(new)
        except (*_DAMAGE, StorageError) as error:
            if not self._is_refused:
                log.warning("Embeddings are not kept: %s can't be written (%s). The work goes on.", self.path, error)
            self._is_refused = True

    def _put(self, new: list[_Rows]) -> None:
        """Write into free places, or into a larger file where there are too few."""
        found = _reading_alone(self.path, self._free)
        if found is None or any(len(free) < len(ids) for (free, _), (ids, _) in zip(found, new, strict=True)):
            self._enlarge(new)
            return
        with self.path.open("r+b", buffering=0) as stream:
            for table, (free, offsets), rows in zip(self._tables, found, new, strict=True):
                table.write(stream, offsets, free[: len(rows[0])], rows)

    def _enlarge(self, new: list[_Rows]) -> None:
        """Make the file, or a larger one in its place, with `new` and all that counts in the old one."""
        old = _reading_alone(self.path, self._load) or self._nothing()
        tables = [_joined(*each) for each in zip(old, new, strict=True)]
        capacities = [_capacity(least, len(ids)) for least, (ids, _) in zip(_FIRST_PLACES, tables, strict=True)]
        notes, offsets = self._without_rows(capacities)
        with replacing(self.path) as temporary, temporary.open("wb", buffering=0) as stream:
            for offset, data in notes.pieces:
                _write_at(stream, offset, data)
            stream.truncate(notes.size)
            for table, starts, rows in zip(self._tables, offsets, tables, strict=True):
                table.write(stream, starts, np.arange(len(rows[0])), rows)
        self._damaged = {}

    def _without_rows(self, capacities: Sequence[int]) -> tuple["_Notes", list[list[int]]]:
        """A new file but for its rows, and where the datasets of each table begin."""
        import h5py

        notes = _Notes()
        with h5py.File(notes, "w", alignment_threshold=_PAGE, alignment_interval=_PAGE, **_CHECKED) as file:
            _set_attributes(file, self._attributes)
            for table, capacity in zip(self._tables, capacities, strict=True):
                table.make(file, capacity)
            offsets = [table.offsets(file) for table in self._tables]
        return notes, offsets

    def _free(self, file: "h5py.File", stream: BinaryIO) -> list[tuple[np.ndarray, list[int]]]:
        """Per table the free places, ascending, and where its datasets begin; no place in a file of version 1."""
        if self._version(file) < VERSION:
            return [(np.empty(0, np.int64), []) for _ in self._tables]
        offsets = [table.offsets(file) for table in self._tables]
        checks = np.empty(self._rows.capacity(file), "<u8")
        _read_at(stream, offsets[0][2], checks)
        damaged = [place for place, check in self._damaged.items() if place < len(checks) and checks[place] == check]
        checks[damaged] = 0
        stored = self._reasons.read(file, stream)  # few; a place may hold the reason of another decoder
        taken = np.zeros(self._reasons.capacity(file), bool)
        taken[: len(stored.right)] = stored.right
        return list(zip((np.flatnonzero(checks == 0), np.flatnonzero(~taken)), offsets, strict=True))

    def _load(self, file: "h5py.File", stream: BinaryIO) -> list[_Rows]:
        """Per table the ids and values that count; notes what is damaged."""
        if self._version(file) < VERSION:
            return self._load_1(file)
        stored = [table.read(file, stream) for table in self._tables]
        damaged = np.flatnonzero(~stored[0].right & (stored[0].checks != 0)).tolist()
        self._damaged = {place: int(stored[0].checks[place]) for place in damaged}
        return [
            (each.ids, each.values) if each.right.all() else (each.ids[each.right], each.values[each.right])
            for each in stored
        ]

    def _load_1(self, file: "h5py.File") -> list[_Rows]:
        """What a file of version 1 holds; a writer killed between row and id left them of different length."""
        count = min(len(file["content_id"]), len(file["embedding"]))
        ids, rows = file["content_id"][:count], file["embedding"][:count].reshape(count, self.dim)
        finite = np.isfinite(rows).all(axis=1)
        reasons = self._nothing()[1]
        if file.attrs["decoder"] == self.decoder:
            texts = [_cut(text) for text in file["unreadable_reason"].asstr(errors="replace")[:]]
            both = min(len(texts), len(file["unreadable_id"]))
            reasons = file["unreadable_id"][:both], np.array(texts[:both], f"S{REASON_BYTES}")
        return [(ids[finite], rows[finite]), reasons]

    def _nothing(self) -> list[_Rows]:
        ids = np.empty((0, 16), np.uint8)
        return [(ids, np.empty((0, self.dim), np.float32)), (ids, np.empty(0, f"S{REASON_BYTES}"))]

    def _version(self, file: "h5py.File") -> int:
        """1 or 2. Raises `ValueError` for any other file."""
        version = _version(file, EMBEDDINGS_FORMAT, VERSION)
        for name in ("fingerprint", "dim"):
            if (value := _attribute(file, name)) != self._attributes[name]:
                raise ValueError(f"its {name} is {value}, not {self._attributes[name]}")
        return version


class Content(NamedTuple):
    """What a file held when it was last read: its id, and when and how it was taken, NaN for unknown."""

    content_id: str
    taken: float
    compensation: float


_Known = dict[bytes, tuple[tuple[int, int, int], Content]]


class ContentIds:
    """Which file had which content when it was last read; trusted while size, mtime and inode are the same."""

    def __init__(self, folder: Path) -> None:
        """Read `content_ids.h5` in `folder`, where there is one."""
        self.path = folder / "content_ids.h5"
        self._known: _Known = {}
        self._new: _Known = {}
        self._seen = (0, 0, 0)
        self._refresh(_reading)

    def get(self, path: Path) -> Content | None:
        """What an unchanged file holds, else None. One `stat`, no read."""
        known = self._known.get(_path_id(path))
        return known[1] if known and known[0] == stat_of(path) else None

    def put(self, path: Path, stat: tuple[int, int, int], content: Content) -> None:
        """Remember what `path`, whose `stat_of` was taken before reading, holds."""
        self._known[_path_id(path)] = self._new[_path_id(path)] = (stat, content)

    def save(self) -> None:
        """Replace the file, if anything was put, by all that is known here and in it. A disk that refuses is logged."""
        if not self._new:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _turn(self.path):
                if stat_of(self.path) != self._seen:  # another process saved
                    self._refresh(_reading_alone)
                image = self._image()
                with replacing(self.path) as temporary:
                    temporary.write_bytes(image)
                self._seen = stat_of(self.path)
            self._new = {}
        except (*_DAMAGE, StorageError) as error:
            log.warning("Content ids are not kept: %s can't be written (%s). The work goes on.", self.path, error)

    def _refresh(self, reading: "Callable[[Path, Callable[[h5py.File, BinaryIO], _Known]], _Known | None]") -> None:
        """Take over what the file holds; what was put here since the last save is newer."""
        self._seen = stat_of(self.path)
        self._known |= reading(self.path, self._load) or {}
        self._known |= self._new

    def _image(self) -> bytes:
        """The bytes of the file."""
        import h5py

        contents = [content for _, content in self._known.values()]
        columns: dict[str, np.ndarray] = {
            "path_id": np.frombuffer(b"".join(self._known), np.uint8).reshape(-1, 16),
            "stat": np.array([stat for stat, _ in self._known.values()], np.int64),
            "content_id": _as_bytes([content.content_id for content in contents]),
            "taken": np.array([content.taken for content in contents], np.float64),
            "compensation": np.array([content.compensation for content in contents], np.float32),
        }
        memory = io.BytesIO()
        with h5py.File(memory, "w", **_CHECKED) as file:
            _set_attributes(file, {"format": CONTENT_IDS_FORMAT, "version": CONTENT_IDS_VERSION})
            for name, column in columns.items():
                file[name] = column
            file["check"] = _checks("", *columns.values())
        return memory.getvalue()

    def _load(self, file: "h5py.File", _: BinaryIO) -> _Known:
        version = _version(file, CONTENT_IDS_FORMAT, CONTENT_IDS_VERSION)
        if version == 1:  # before moments were noted: the files are read once more
            return {}
        columns = [file[name][:] for name in ("path_id", "stat", "content_id", "taken", "compensation")]
        if version > 2 or "check" in file:
            right = _checks("", *columns) == file["check"][:]
            if not right.all():
                log.warning("Damaged entries in %s: %d. Their files are read again.", self.path, (~right).sum())
                columns = [column[right] for column in columns]
        paths, stats, ids, taken, compensation = columns
        names = [row.tobytes() for row in paths]
        states = [(size, mtime, inode) for size, mtime, inode in stats.tolist()]
        contents = map(Content, _as_hex(ids), taken.tolist(), compensation.tolist())
        return dict(zip(names, zip(states, contents, strict=True), strict=True))


class _Notes:
    """A file in memory that keeps what is written to it and nothing between: HDF5's notes about rows yet to come.

    On the disk itself, a write that is refused would leave HDF5 with a file that it can neither write nor close.
    """

    def __init__(self) -> None:
        """Empty."""
        self.pieces: list[tuple[int, bytes]] = []
        self.size = 0
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files do."""
        self._position = offset + (self.size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        """As files do."""
        return self._position

    def write(self, data: bytes) -> int:
        """As files do."""
        self.pieces.append((self._position, bytes(data)))
        self.truncate(max(self.size, self.seek(self._position + len(data))))
        return len(data)

    def truncate(self, size: int) -> None:
        """As files do."""
        self.size = size

    def flush(self) -> None:
        """There is nothing to do."""

    def read(self, size: int = -1) -> bytes:
        """HDF5 has what it wrote."""
        raise io.UnsupportedOperation(f"read {size} bytes")


def stat_of(path: Path) -> tuple[int, int, int]:
    """Size in bytes, mtime in ns and inode of a file; zeros where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino & 0x7FFF_FFFF_FFFF_FFFF


@lru_cache(maxsize=8)
def _weights(count: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_128(b"imlcull check").digest(8 * count), "<u8") | np.uint64(1)


def _checks(belongs_to: str, *columns: np.ndarray) -> np.ndarray:
    """(N,) uint64, never 0, of the rows of columns with N rows each."""
    start = hashlib.blake2b(belongs_to.encode(), digest_size=8).digest()
    checks = np.full(len(columns[0]), np.frombuffer(start, "<u8")[0])
    widths = [column.dtype.itemsize * math.prod(column.shape[1:]) // 4 for column in columns]
    weights = np.split(_weights(sum(widths)), np.cumsum(widths)[:-1])
    for column, width, weight in zip(columns, widths, weights, strict=True):
        words = np.ascontiguousarray(column).view("<u4").reshape(len(column), width)
        checks += np.einsum("ij,j->i", words, weight)
    return np.maximum(checks, np.uint64(1))


def _turn(path: Path) -> AbstractContextManager[None]:
    """Hold the right to write `path`."""
    return locked(path.with_name(f".imlcull-{path.stem}.lock"), f"writing {path}")


@contextmanager
def _opened(path: Path) -> "Iterator[tuple[h5py.File, BinaryIO]]":
    """Open for reading, waiting up to `LOCK_PATIENCE` seconds while a foreign program writes."""
    import h5py

    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        with path.open("rb", buffering=0) as stream:
            try:
                with h5py.File(path, "r") as file:
                    if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                        yield file, stream
                        return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _reading(path: Path, load: "Callable[[h5py.File, BinaryIO], Result]") -> Result | None:
    """`load` the file, or None where there is none, and after setting a damaged one aside."""
    try:
        try:
            with _opened(path) as opened:
                return load(*opened)
        except _MISSING:
            return None
        except _OUT_OF_REACH:
            raise
        except _DAMAGE:
            with _turn(path):  # it may have been set aside by now, and the next one be good
                return _reading_alone(path, load)
    except (OSError, StorageError) as error:
        log.warning("The cache file %s can't be read now (%s). The work goes on without it.", path, error)
    return None


def _reading_alone(path: Path, load: "Callable[[h5py.File, BinaryIO], Result]") -> Result | None:
    """The same while it is this process's turn. Raises `OSError` where it can't be reached or set aside."""
    try:
        with _opened(path) as opened:
            return load(*opened)
    except _MISSING:
        return None
    except _OUT_OF_REACH:
        raise
    except _DAMAGE as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        what = "was written by a newer imlcull" if isinstance(error, _Newer) else "is damaged"
        try:
            path.replace(aside)
        except OSError as refused:
            raise StorageError(f"it {what} ({error}) and can't be renamed; delete it") from refused
        log.warning("The cache file %s %s (%s). It is set aside as %s and rebuilt.", path, what, error, aside.name)
    return None


def _version(file: "h5py.File", form: str, newest: int) -> int:
    """Raises `ValueError` where the file has another format, or is newer."""
    if _attribute(file, "format") != form:
        raise ValueError(f"its format is {_attribute(file, 'format')}")
    version = int(file.attrs["version"])
    if version > newest:
        raise _Newer(f"version {version}, known here is {newest}")
    if version < 1:
        raise ValueError(f"its version is {version}")
    return version


def _attribute(file: "h5py.File", name: str) -> Any:
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else value


def _set_attributes(file: "h5py.File", attributes: Mapping[str, Any]) -> None:
    """Strings of fixed length: those of HDF5's heap have no check of their own."""
    import h5py

    for name, value in attributes.items():
        text = h5py.string_dtype(length=max(len(value.encode()), 1)) if isinstance(value, str) else None
        file.attrs.create(name, value, dtype=text)


def _write_at(stream: BinaryIO, offset: int, data: bytes) -> None:
    """All of `data`; the stream is not buffered, so nothing is left to fail when it is closed."""
    stream.seek(offset)
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def _read_at(stream: BinaryIO, offset: int, array: np.ndarray) -> None:
    """Fill a contiguous array. Raises `ValueError` where the file ends before."""
    stream.seek(offset)
    left = array.view(np.uint8).reshape(-1)
    while len(left):
        count = stream.readinto(left)  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it ends too early")
        left = left[count:]


def _joined(old: _Rows, new: _Rows) -> _Rows:
    """Both, every id once: two processes may have computed the same photo."""
    ids, values = np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]])
    first = np.sort(np.unique(np.array(_as_hex(ids), "S32"), return_index=True)[1])
    return (ids, values) if len(first) == len(ids) else (ids[first], values[first])


def _capacity(least: int, count: int) -> int:
    """`least`, doubled until `count` fit."""
    return least << max(0, math.ceil(count / least) - 1).bit_length()


def _cut(reason: str) -> bytes:
    """UTF-8, cut at a character."""
    data = reason.encode(errors="backslashreplace")[:REASON_BYTES]
    return data.decode(errors="ignore").encode()


def _as_bytes(ids: Sequence[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 16)


def _as_hex(rows: np.ndarray) -> list[str]:
    digits = rows.tobytes().hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def _path_id(path: Path) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=16).digest()
