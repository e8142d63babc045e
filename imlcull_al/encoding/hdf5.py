"""Rows and their checks (see `rows`) in files that a kill can't harm. The only module that imports h5py; knows bytes,
not what they mean.

`TableFile` holds tables of rows that are appended. A table is three datasets: ids (N, 16) uint8, values (N, ...), and
checks (N,) uint64 over id and value. They are contiguous, begin at multiples of 4096, and are made once, with more
places than rows. A place whose check is 0 holds no row: it was never written, or not to the end. An append writes ids
and values behind the last place in use, then their checks, and nothing else: what HDF5 needs to find them never
changes, nor does any row, so a killed writer harms its own rows only. A file that is full, or was seen to hold wrong
rows, is copied without those to one of the size it needs, which takes its name.

`ColumnFile` holds a few columns (N, ...) and `check` (N,) uint64 over all of them; it is replaced as a whole.

Writers take turns by a lock file, `.imlcull-<name>.lock`; readers need none: they read checks first. A file that can't
be read, or that says other things of itself than it should, is set aside as `*.damaged-<time>` and begun anew.
"""

import io
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from ..errors import StorageError
from ..parallel import threads
from ..project.files import TEMPORARY_PREFIX, locked, open_own, replacing, set_aside, write_all
from .rows import Found, Rows, first_of_each, places, row_checks

Result = TypeVar("Result")
if TYPE_CHECKING:
    import h5py

    Load = Callable[[h5py.File, BinaryIO], Result]

log = logging.getLogger(__name__)
_seeking = threading.Lock()
FOREIGN_PATIENCE = 10.0
"""Seconds to wait for a foreign program that holds a file."""
_PAGE = 4096
_CHECKED = {"libver": ("v108", "v108")}  # from 1.8 on, HDF5 checks its own notes
_BLOCK_BYTES = 1 << 21  # that are read and checked at once: they stay in the processor's cache
_COPY_BYTES = 1 << 24
_MOST_THREADS = 4
_MISSING = (FileNotFoundError, NotADirectoryError)
_OUT_OF_REACH = (BlockingIOError, PermissionError)  # they say nothing of what the file holds
_TROUBLE = (  # what h5py raises on a broken file, or on a disk that refuses
    OSError, LookupError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError, MemoryError,
)  # fmt: skip


class _Survey(NamedTuple):
    """The rows of a table that count: ids (n, 16), checks (n,), places (n,), ascending, and where the values begin."""

    ids: np.ndarray
    checks: np.ndarray
    at: np.ndarray
    offset: int

    @classmethod
    def nothing(cls) -> "_Survey":
        return cls(np.empty((0, 16), np.uint8), np.empty(0, "<u8"), np.empty(0, np.intp), 0)


class _Unusable(Exception):
    """A file that is to be set aside; the text says what it is, after "the file"."""


class _File:
    """A file that says of itself what `attributes` say; among them are a `format` and a `version`."""

    def __init__(self, path: Path, attributes: Mapping[str, Any]) -> None:
        self.path = path
        self._attributes = dict(attributes)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the right to write, in a folder that is there. Raises `StorageError` for all that is refused inside."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_name(f"{TEMPORARY_PREFIX}{self.path.stem}.lock"), f"writing {self.path}"):
                yield
        except _TROUBLE as error:
            raise StorageError(str(error)) from error

    def _read(self, load: "Load[Result]") -> Result | None:
        """`load` the file, or None where there is none, it is out of reach, or it was set aside."""
        try:
            try:
                return self._loaded(load)
            except _Unusable:
                with self.turn():  # another may have set it aside by now, and the next one be good
                    return self._read_alone(load)
        except (OSError, StorageError) as error:
            log.warning("The cache file %s can't be read now (%s). The work goes on without it.", self.path, error)
        return None

    def _read_alone(self, load: "Load[Result]") -> Result | None:
        """The same in this process's turn. Raises `OSError` or `StorageError` where it can't be reached or renamed."""
        try:
            return self._loaded(load)
        except _Unusable as unusable:
            try:
                aside = set_aside(self.path, "damaged")
            except OSError as refused:
                raise StorageError(f"it {unusable} and can't be renamed; delete it") from refused
            log.warning("The cache file %s %s. It is set aside as %s and rebuilt.", self.path, unusable, aside.name)
        return None

    def _loaded(self, load: "Load[Result]") -> Result | None:
        """None where there is no file. Raises `_Unusable`, and `OSError` where it is out of reach."""
        try:
            with self._opened() as (file, stream):
                self._verify(file)
                return load(file, stream)
        except _MISSING:
            return None
        except _OUT_OF_REACH:
            raise
        except _TROUBLE as error:
            raise _Unusable(f"is damaged ({error})") from error

    @contextmanager
    def _opened(self) -> "Iterator[tuple[h5py.File, BinaryIO]]":
        """HDF5's view and the bytes of one and the same file, after a foreign program that is writing it."""
        import h5py

        deadline = time.monotonic() + FOREIGN_PATIENCE
        while True:
            with open_own(self.path, buffering=0) as stream:
                try:
                    with h5py.File(self.path, "r") as file:
                        if os.path.samestat(os.fstat(stream.fileno()), self.path.lstat()):
                            yield file, stream
                            return
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def _verify(self, file: "h5py.File") -> None:
        for name, expected in self._attributes.items():
            value = file.attrs[name]
            value = value.decode() if isinstance(value, bytes) else value
            if name == "version" and value != expected:
                age = "a newer" if value > expected else "an older"
                raise _Unusable(f"was written by {age} imlcull (version {value}, known here is {expected})")
            if value != expected:
                raise ValueError(f"its {name} is {value}, not {expected}")

    def _describe(self, file: "h5py.File", more: Mapping[str, Any]) -> None:
        """Strings of fixed length: those of HDF5's heap have no check of their own."""
        import h5py

        for name, value in {**self._attributes, **more}.items():
            text = h5py.string_dtype(length=max(len(value.encode()), 1)) if isinstance(value, str) else None
            file.attrs.create(name, value, dtype=text)


@dataclass(frozen=True)
class Table:
    """The names of three datasets, the dtype of one value, shape included, and the text that the rows belong to."""

    ids: str
    values: str
    checks: str
    value: np.dtype
    belongs_to: str
    least: int
    """Places of a new file; a larger one has a double of it."""

    @property
    def columns(self) -> dict[str, np.dtype]:
        """The dtype of one row by the name of its dataset."""
        return {self.ids: np.dtype(("u1", 16)), self.values: self.value, self.checks: np.dtype("<u8")}

    def empty(self, count: int) -> Rows:
        """Room for so many rows."""
        return Rows(np.empty((count, 16), np.uint8), np.empty((count, *self.value.shape), self.value.base))

    def make(self, file: "h5py.File", capacity: int) -> None:
        """Create the datasets with room for all their bytes."""
        from h5py import h5d, h5p

        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_layout(h5d.CONTIGUOUS)
        plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5d.FILL_TIME_NEVER)
        for name, dtype in self.columns.items():
            file.create_dataset(name, (capacity, *dtype.shape), dtype.base, dcpl=plan)

    def offsets(self, file: "h5py.File") -> list[int]:
        """Where ids, values and checks begin. Raises `ValueError` where they are not as `make` makes them."""
        capacity = len(file[self.checks])
        for name, dtype in self.columns.items():
            dataset = file[name]
            is_whole = dataset.shape == (capacity, *dtype.shape) and dataset.id.get_offset() is not None
            if not is_whole or dataset.dtype != dtype.base:
                raise ValueError(f"its {name} is {dataset.dtype} {dataset.shape}")
        return [file[name].id.get_offset() for name in self.columns]

    def used(self, file: "h5py.File", stream: BinaryIO) -> np.ndarray:
        """The checks up to the last place in use, past HDF5: it may answer with what it read for another thread."""
        checks = np.empty(len(file[self.checks]), "<u8")
        _read_at(stream, self.offsets(file)[2], checks)
        return checks[: np.flatnonzero(checks)[-1] + 1] if checks.any() else checks[:0]

    def ids_in(self, file: "h5py.File", stream: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, 16) and checks (n,) of the places up to the last in use."""
        checks = self.used(file, stream)  # before the rows: a writer that is at work writes them after
        ids = np.empty((len(checks), 16), np.uint8)
        _read_at(stream, self.offsets(file)[0], ids)
        return ids, checks

    def read(self, file: "h5py.File", stream: BinaryIO) -> Rows:
        """The rows that count."""
        ids, checks = self.ids_in(file, stream)
        values = self.empty(len(checks)).values
        right = self.verified(stream, self.offsets(file)[1], ids, checks, np.arange(len(checks)), into=values)
        if right.all():
            return Rows(ids, values)
        return Rows(ids[right], values[right], int(np.count_nonzero(checks[~right])))

    def find(self, file: "h5py.File", stream: BinaryIO, wanted: np.ndarray, *, with_rows: bool) -> "Found":
        """See `TableFile.find`."""
        ids, checks = self.ids_in(file, stream)
        offset, free = self.offsets(file)[1], np.flatnonzero(checks)
        values = self.empty(len(wanted)).values if with_rows else None
        there, wrong = np.zeros(len(wanted), bool), 0
        left = np.arange(len(wanted))
        while len(left):  # once, unless a row is wrong: another one may have its id
            at = places(wanted[left], ids[free])
            left, at = left[at >= 0], free[at[at >= 0]]
            order = np.argsort(at, kind="stable")
            left, at = left[order], at[order]
            right = self.verified(stream, offset, ids, checks, at, left, values)
            there[left[right]] = True
            bad, left = np.unique(at[~right]), left[~right]
            wrong, free = wrong + len(bad), np.setdiff1d(free, bad, assume_unique=True)
        return Found(there, values, wrong)

    def verified(
        self,
        stream: BinaryIO,
        at_values: int,
        ids: np.ndarray,
        checks: np.ndarray,
        at: np.ndarray,
        rows: np.ndarray | None = None,
        into: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n,) bool: whether the rows at the places `at` (n,), ascending, match their checks. Their values go into the
        rows `rows` (n,) of `into`; by default, into the first n.

        Several threads read and check a block each, one that stays in the processor's cache, and only blocks that hold
        one of the places.
        """
        count = max(_BLOCK_BYTES // self.value.itemsize, 1)
        right = np.empty(len(at), bool)
        numbers, starts = np.unique(at // count, return_index=True)
        memory = threading.local()

        def verify(start: int, stop: int) -> None:
            first, last = int(at[start]), int(at[stop - 1]) + 1
            if not hasattr(memory, "block"):
                memory.block = self.empty(count).values
            block = memory.block[: last - first]
            _read_at(stream, at_values + first * self.value.itemsize, block)
            if not np.array_equal(at[start:stop], np.arange(first, last)):  # there are gaps, or one twice
                block = block[at[start:stop] - first]
            right[start:stop] = row_checks(self.belongs_to, ids[at[start:stop]], block) == checks[at[start:stop]]
            if into is not None:
                into[rows[start:stop] if rows is not None else slice(start, stop)] = block

        with ThreadPoolExecutor(min(threads(), _MOST_THREADS)) as pool:
            for _ in pool.map(verify, starts.tolist(), [*starts[1:].tolist(), len(at)][: len(numbers)]):
                pass
        return right

    def survey(self, file: "h5py.File", stream: BinaryIO) -> "_Survey":
        """Where the rows are that count, every id once: two processes may have computed the same photo."""
        ids, checks = self.ids_in(file, stream)
        offset, at = self.offsets(file)[1], np.flatnonzero(checks)
        at = at[self.verified(stream, offset, ids, checks, at)]
        at = at[first_of_each(ids[at])]
        return _Survey(ids[at], checks[at], at, offset)

    def write_from(self, source: BinaryIO, old: "_Survey", stream: BinaryIO, offsets: Sequence[int]) -> None:
        """Copy those rows of another file into the first places, block by block."""
        count = max(_COPY_BYTES // self.value.itemsize, 1)
        for start in range(0, len(old.at), count):
            at = old.at[start : start + count]
            block = self.empty(int(at[-1]) + 1 - int(at[0])).values
            _read_at(source, old.offset + int(at[0]) * self.value.itemsize, block)
            some = slice(start, start + count)
            self.write(stream, offsets, start, Rows(old.ids[some], block[at - at[0]]), old.checks[some])

    def write(
        self, stream: BinaryIO, offsets: Sequence[int], first: int, rows: Rows, checks: np.ndarray | None = None
    ) -> None:
        """Put ids and values, then their checks, into the places from `first` on. `checks`: of rows that have some
        already, which must not get new ones: they may have been read wrongly since.
        """
        at_ids, at_values, at_checks = (
            offset + first * dtype.itemsize for offset, dtype in zip(offsets, self.columns.values(), strict=True)
        )
        _write_at(stream, at_ids, _as_memory(rows.ids))
        with ThreadPoolExecutor(min(threads(), _MOST_THREADS)) as pool:  # while the values are written
            made = pool.submit(lambda: self._checks_of(rows) if checks is None else checks)
            _write_at(stream, at_values, _as_memory(rows.values))
            _write_at(stream, at_checks, _as_memory(made.result()))

    def _checks_of(self, rows: Rows) -> np.ndarray:
        """(N,), block by block: they stay in the processor's cache."""
        count = max(_BLOCK_BYTES // self.value.itemsize, 1)
        blocks = (slice(start, start + count) for start in range(0, len(rows.ids), count))
        checks = [row_checks(self.belongs_to, rows.ids[block], rows.values[block]) for block in blocks]
        return np.concatenate(checks) if checks else np.empty(0, "<u8")


class TableFile(_File):
    """Tables that are appended to in place."""

    def __init__(self, path: Path, attributes: Mapping[str, Any], notes: Mapping[str, Any], *tables: Table) -> None:
        """`notes`: attributes that are written for people and may differ."""
        super().__init__(path, attributes)
        self._notes = notes
        self._tables = tables
        self._has_wrong_rows = False

    def read(self) -> list[Rows]:
        """What counts, by table; nothing where there is no file, or none that can be read."""
        found = self._read(self._load) or self._nothing()
        self._has_wrong_rows = any(rows.wrong for rows in found)
        return found

    def ids(self) -> np.ndarray:
        """The ids (N, 16) of the first table, whether their rows are whole or not."""
        found = self._read(self._tables[0].ids_in)
        return found[0][found[1] != 0] if found else np.empty((0, 16), np.uint8)

    def find(self, wanted: np.ndarray, *, with_rows: bool) -> "tuple[Found, list[Rows]]":
        """Which of the ids (n, 16) the first table has, with their values if `with_rows`, and all other tables.

        Only what is wanted is read and checked, block by block, so that no more memory is needed than for the values.
        """

        def load(file: "h5py.File", stream: BinaryIO) -> tuple[Found, list[Rows]]:
            found = self._tables[0].find(file, stream, wanted, with_rows=with_rows)
            return found, [table.read(file, stream) for table in self._tables[1:]]

        nothing = Found(
            np.zeros(len(wanted), bool), self._tables[0].empty(len(wanted)).values if with_rows else None, 0
        )
        found, others = self._read(load) or (nothing, self._nothing()[1:])
        self._has_wrong_rows = bool(found.wrong) or any(rows.wrong for rows in others)
        return found, others

    def append(self, new: Sequence[Rows]) -> None:
        """Add rows to each table; no kill loses them after this. Raises `StorageError` where the disk refuses."""
        with self.turn():
            free = None if self._has_wrong_rows else self._read_alone(self._places)
            if free is None or any(len(rows.ids) > room for (_, _, room), rows in zip(free, new, strict=True)):
                self._copy(new)
                return
            with open_own(self.path, "r+b", buffering=0) as stream:
                for table, (offsets, first, _), rows in zip(self._tables, free, new, strict=True):
                    table.write(stream, offsets, first, rows)

    def _copy(self, new: Sequence[Rows]) -> None:
        """Make the file, or another in its place, with all that counts in the old one and `new`."""
        old = self._read_alone(self._survey) or [_Survey.nothing() for _ in self._tables]
        new = [rows.without(each.ids) for rows, each in zip(new, old, strict=True)]
        capacities = [
            _capacity(table.least, len(each.ids) + len(rows.ids))
            for table, each, rows in zip(self._tables, old, new, strict=True)
        ]
        notes, offsets = self._without_rows(capacities)
        durable = any(len(each.ids) for each in old)  # a power cut must not take what was there already
        with replacing(self.path, durable=durable) as temporary, temporary.open("wb", buffering=0) as stream:
            for offset, data in notes.pieces:
                _write_at(stream, offset, data)
            stream.truncate(notes.size)
            for table, starts, each, rows in zip(self._tables, offsets, old, new, strict=True):
                if len(each.ids):
                    with open_own(self.path, buffering=0) as source:
                        table.write_from(source, each, stream, starts)
                table.write(stream, starts, len(each.ids), rows)
        self._has_wrong_rows = False

    def _without_rows(self, capacities: Sequence[int]) -> tuple["_Notes", list[list[int]]]:
        """A new file but for its rows, and where the datasets of each table begin."""
        import h5py

        notes = _Notes()
        with h5py.File(notes, "w", alignment_threshold=_PAGE, alignment_interval=_PAGE, **_CHECKED) as file:
            self._describe(file, self._notes)
            for table, capacity in zip(self._tables, capacities, strict=True):
                table.make(file, capacity)
            offsets = [table.offsets(file) for table in self._tables]
        return notes, offsets

    def _places(self, file: "h5py.File", stream: BinaryIO) -> list[tuple[list[int], int, int]]:
        """Per table, where its datasets begin, the first place behind those in use, and how many there are from it."""
        used = [len(table.used(file, stream)) for table in self._tables]
        return [
            (table.offsets(file), first, len(file[table.checks]) - first)
            for table, first in zip(self._tables, used, strict=True)
        ]

    def _load(self, file: "h5py.File", stream: BinaryIO) -> list[Rows]:
        return [table.read(file, stream) for table in self._tables]

    def _survey(self, file: "h5py.File", stream: BinaryIO) -> "list[_Survey]":
        return [table.survey(file, stream) for table in self._tables]

    def _nothing(self) -> list[Rows]:
        return [table.empty(0) for table in self._tables]


class ColumnFile(_File):
    """Columns of the same length that are replaced together."""

    def __init__(self, path: Path, attributes: Mapping[str, Any], names: Sequence[str]) -> None:
        """`names`: of the columns, in the order of the check."""
        super().__init__(path, attributes)
        self._names = names

    def read(self) -> tuple[list[np.ndarray], int] | None:
        """The columns of all rows that count, and how many rows don't; None where there is nothing to be read."""
        return self._read(self._load)

    def read_alone(self) -> tuple[list[np.ndarray], int] | None:
        """The same in this process's turn. Raises `OSError` or `StorageError` where the file can't be reached."""
        return self._read_alone(self._load)

    def write(self, columns: Sequence[np.ndarray]) -> None:
        """Replace the file, in this process's turn."""
        import h5py

        memory = io.BytesIO()
        with h5py.File(memory, "w", **_CHECKED) as file:
            self._describe(file, {})
            for name, column in zip(self._names, columns, strict=True):
                file[name] = column
            file["check"] = row_checks("", *columns)
        with replacing(self.path) as temporary:
            temporary.write_bytes(memory.getvalue())

    def _load(self, file: "h5py.File", _: BinaryIO) -> tuple[list[np.ndarray], int]:
        columns = [file[name][:] for name in self._names]
        right = row_checks("", *columns) == file["check"][:]
        return [column[right] for column in columns], int(np.count_nonzero(~right))


class _Notes:
    """A file in memory that keeps what is written to it and nothing between: HDF5's notes about rows yet to come.

    On the disk itself, a write that is refused would leave HDF5 with a file that it can neither write nor close.
    """

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.size = 0
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self.size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes) -> int:
        self.pieces.append((self._position, bytes(data)))
        self.truncate(max(self.size, self.seek(self._position + len(data))))
        return len(data)

    def truncate(self, size: int) -> None:
        self.size = size

    def flush(self) -> None:
        pass

    def read(self, size: int = -1) -> bytes:
        raise io.UnsupportedOperation(f"read {size} bytes")  # HDF5 has what it wrote


def _as_memory(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_at(stream: BinaryIO, offset: int, data: bytes | memoryview) -> None:
    """All of `data`; the stream is not buffered, so nothing is left to fail when it is closed."""
    stream.seek(offset)
    write_all(stream, data)


def _read_at(stream: BinaryIO, offset: int, array: np.ndarray) -> None:
    """Fill a contiguous array; several threads may. Raises `ValueError` where the file ends before."""
    left = array.view(np.uint8).reshape(-1)
    while len(left):
        count = _read_some(stream, offset, left)
        if not count:
            raise ValueError("it ends too early")
        offset, left = offset + count, left[count:]


def _read_some(stream: BinaryIO, offset: int, array: np.ndarray) -> int:
    if hasattr(os, "preadv") and isinstance(stream, io.FileIO):
        return os.preadv(stream.fileno(), [array.data], offset)
    with _seeking:
        stream.seek(offset)
        return int(stream.readinto(array))  # type: ignore[attr-defined]


def _capacity(least: int, count: int) -> int:
    """`least`, doubled until `count` fit."""
    return least << max(0, math.ceil(count / least) - 1).bit_length()
