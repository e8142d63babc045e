"""Rows in immutable files: a folder of segments, each an `hdf5` file of columns, the first of them ids (N, 16) uint8.

    <number>-<16 hexadecimal digits>.h5      a later segment has a higher number
Of rows with the same id, the last one counts.

A segment is written beside and renamed, so a killed writer leaves nothing, and neither writers nor readers wait for
each other. Once more than 16 are small, these are merged: written anew, then removed. A kill in between leaves rows
twice, which changes no result. Merging alone takes a lock. A segment that is damaged, or whose attributes or columns
are not as expected, is set aside as `*.damaged-<time>`.
"""

import errno
import logging
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StorageError
from ..parallel import threads
from ..project.files import (
    TEMPORARY_PREFIX,
    is_link,
    locked,
    replacing,
    set_aside,
    set_link_aside,
    sweep,
    unwritable,
)  # fmt: skip
from . import hdf5
from .ids import last_of_each, places

log = logging.getLogger(__name__)
LARGE = 16 << 20
"""Bytes of a segment, at most: more is cut into pieces, so that a few threads can work, in bounded memory."""
SMALL = 8 << 20
"""Bytes of a file that is merged with others, in time."""
MOST_SMALL = 16
_NAME = re.compile(r"\d{8}-[0-9a-f]{16}\.h5")
_MOST_THREADS = 4
_OUT_OF_REACH = (errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing about what the file holds."""


class Segments:
    """The segments of one folder. Trouble with one costs its rows, and a line in the log."""

    def __init__(
        self, folder: Path, attributes: Mapping[str, Any], columns: Mapping[str, np.dtype], **notes: str
    ) -> None:
        """`columns`: the dtype of one row by name, shape included, ids first; `notes`: attributes that may differ."""
        self.columns = columns
        self._folder = folder
        self._attributes = attributes
        self._notes = notes
        self._ids: dict[str, np.ndarray] = {}
        self._lost: set[str] = set()  # segments that could not be read: names don't return
        self._has_warned = False

    def append(self, *columns: np.ndarray) -> None:
        """Add N rows, (N, ...) each; no kill loses them after this. Raises `StorageError` if the disk refuses."""
        if not len(columns[0]):
            return
        try:
            set_link_aside(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self._folder, error) from error
        self._write(columns, max(map(_number, self._names()), default=0) + 1, durable=False)
        self._merge()

    def read(self) -> list[np.ndarray]:
        """All columns of all rows, the newest segment first."""
        found: dict[str, list[np.ndarray]] = {}
        while new := [name for name in self._names() if name not in found]:  # others may merge some meanwhile
            found |= self._loaded(new, list(self.columns))
        empty = [np.empty((0, *dtype.shape), dtype.base) for dtype in self.columns.values()]
        return [
            np.concatenate(column) for column in zip(empty, *(found[name] for name in sorted(found)[::-1]), strict=True)
        ]

    def ids(self) -> np.ndarray:
        """The ids (N, 16), the newest segment first; one may occur more than once."""
        return np.concatenate([np.empty((0, 16), np.uint8), *self._known().values()])

    def find(self, wanted: np.ndarray, column: str, into: np.ndarray | None = None) -> np.ndarray:
        """(n,) bool: which of the ids `wanted` (n, 16) have a row whose `column` is whole; copy these `into` (n, ...).

        Reads segments that hold one of them, each as a whole, a few at a time.
        """
        there = np.zeros(len(wanted), bool)

        def take(name: str, rows: np.ndarray, at: np.ndarray) -> None:
            target, source = _as_slice(rows), _as_slice(at)
            is_whole = isinstance(target, slice) and isinstance(source, slice) and len(at) == len(self._ids[name])
            loaded = self._load(name, [column], into[target] if into is not None and is_whole else None)
            if loaded is None:
                return
            if into is not None and not is_whole:
                into[target] = loaded[0][source]
            there[rows] = True

        while hits := self._hits(wanted, np.flatnonzero(~there)):  # once, unless a segment can't be read
            with ThreadPoolExecutor(min(threads(), _MOST_THREADS)) as pool:
                list(pool.map(take, *zip(*hits, strict=True)))
        return there

    def _hits(self, wanted: np.ndarray, left: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Segments that have any of the ids `wanted[left]`: their name, those among `left`, and their places in it."""
        known = self._known() if len(left) else {}
        starts = np.cumsum([0, *map(len, known.values())])
        at = places(wanted[left], np.concatenate([np.empty((0, 16), np.uint8), *known.values()]))
        left, at = left[at >= 0], at[at >= 0]
        order = np.argsort(at, kind="stable")
        left, at = left[order], at[order]
        cuts = np.searchsorted(at, starts)
        return [
            (name, left[first:last], at[first:last] - start)
            for name, start, first, last in zip(known, starts[:-1], cuts[:-1], cuts[1:], strict=True)
            if first < last
        ]

    def _known(self) -> dict[str, np.ndarray]:
        """The ids by segment, the newest first; each is read once."""
        names = self._names()
        new = [name for name in names if name not in self._ids]
        loaded = self._loaded(new, [next(iter(self.columns))])
        found = self._ids | {name: ids for name, (ids,) in loaded.items()}
        self._ids = {name: found[name] for name in names if name in found}
        return self._ids

    def _names(self) -> list[str]:
        """The segments, the newest first. A folder that is a link has none."""
        found: list[Path] = []
        try:
            found = [] if is_link(self._folder) else list(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            if not self._has_warned:
                log.warning("The cache in %s can't be read now (%s). The work goes on.", self._folder, error)
            self._has_warned = True
        names = {path.name for path in found if _NAME.fullmatch(path.name)}
        return sorted(names - self._lost, reverse=True)

    def _loaded(self, names: Sequence[str], columns: Sequence[str]) -> dict[str, list[np.ndarray]]:
        """The columns of those segments that can be read."""
        with ThreadPoolExecutor(min(threads(), _MOST_THREADS)) as pool:
            loaded = list(pool.map(lambda name: self._load(name, columns), names))
        return {name: found for name, found in zip(names, loaded, strict=True) if found is not None}

    def _load(self, name: str, columns: Sequence[str], into: np.ndarray | None = None) -> list[np.ndarray] | None:
        """Columns of a segment; None if it was merged meanwhile, is out of reach, or is set aside."""
        path = self._folder / name
        try:
            return hdf5.read(path, self._attributes, self.columns, columns, into)
        except FileNotFoundError:
            pass
        except hdf5.TROUBLE as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in _OUT_OF_REACH:
                log.warning("The cache file %s can't be read now (%s). The work goes on without it.", path, error)
            else:
                _set_aside(path, error)
        self._lost.add(name)
        self._ids.pop(name, None)
        return None

    def _write(self, columns: Sequence[np.ndarray], number: int, *, durable: bool) -> None:
        """Rows as one segment, or as several of the same number."""
        most = max(LARGE // sum(dtype.itemsize for dtype in self.columns.values()), 1)

        def write(start: int) -> None:
            piece = {
                name: np.ascontiguousarray(column[start : start + most], dtype.base)
                for (name, dtype), column in zip(self.columns.items(), columns, strict=True)
            }
            path = self._folder / f"{number:08}-{secrets.token_hex(8)}.h5"
            with replacing(path, durable=durable) as temporary:
                hdf5.write(temporary, {**self._attributes, **self._notes}, piece)

        with ThreadPoolExecutor(min(threads(), _MOST_THREADS)) as pool:
            list(pool.map(write, range(0, len(columns[0]), most)))

    def _merge(self) -> None:
        """Merge the small ones if there are many. If another process does, or the disk refuses, they stay."""
        if len(self._small()) <= MOST_SMALL:
            return
        lock = self._folder / f"{TEMPORARY_PREFIX}merge.lock"
        with suppress(StorageError), locked(lock, f"merging {self._folder}", patience=0):
            sweep(self._folder)
            found = self._loaded(self._small(), list(self.columns))
            names = sorted(found)
            columns = [np.concatenate(column) for column in zip(*(found[name] for name in names), strict=True)]
            last = last_of_each(columns[0])
            self._write([column[last] for column in columns], _number(names[-1]), durable=True)
            for name in names:
                with suppress(OSError):  # on Windows, a reader may hold it
                    (self._folder / name).unlink()

    def _small(self) -> list[str]:
        sizes = {}
        for name in self._names():
            with suppress(OSError):
                sizes[name] = os.lstat(self._folder / name).st_size
        return [name for name, size in sizes.items() if size < SMALL]


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _set_aside(path: Path, trouble: Exception) -> None:
    """Rename a damaged file, unless another reader has done so."""
    try:
        aside = f"It is set aside as {set_aside(path, 'damaged').name}."
    except FileNotFoundError:
        return
    except OSError:
        aside = "It can't be renamed: delete it."
    log.warning("The cache file %s is damaged (%s). %s Its rows are computed again.", path, trouble, aside)


def _as_slice(places: np.ndarray) -> slice | np.ndarray:
    """Consecutive places as a slice, which copies in one go."""
    first, last = int(places[0]), int(places[-1])
    if last - first == len(places) - 1 and np.array_equal(places, np.arange(first, last + 1)):
        return slice(first, last + 1)
    return places
