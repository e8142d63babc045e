"""What is known of photos by their bytes, in two HDF5 files. All of it can be computed again: trouble costs only time.

`embeddings-<first 16 digits of the fingerprint>.h5`, one encoder; two tables of an `hdf5.TableFile`:
    attributes   format = "imlcull embeddings", version = 3, fingerprint, dim; encoder, its name, which may differ
    content_id   (N, 16) uint8       unreadable_id     (M, 16) uint8
    embedding    (N, D) float32      unreadable_reason (M,) S240: UTF-8, cut at a character where it is longer
    check        (N,) uint64         unreadable_check  (M,) uint64
N is 1024 or a double of it, M 512 or a double. Rows belong to the fingerprint, reasons to the decoder that found the
photo unreadable, so those of another decoder don't count.

`content_ids.h5`, which file had which content, and what its camera noted; an `hdf5.ColumnFile`:
    attributes   format = "imlcull content ids", version = 4
    path_id      (N, 16) uint8, BLAKE2b of the absolute path
    stat         (N, 3) int64: size in bytes, mtime in ns, inode
    content_id   (N, 16) uint8
    taken        (N,) float64, seconds by the camera's clock; NaN for unknown
    compensation (N,) float32, exposure compensation in EV; NaN for unknown
    check        (N,) uint64

A folder that can't be written is said once and done without. Knows nothing of photos or encoders but their ids.
"""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import StorageError
from ..project.originals import INODE, State, stat_of
from .hdf5 import ColumnFile, Table, TableFile
from .rows import Rows, places

log = logging.getLogger(__name__)
EMBEDDINGS_FORMAT, EMBEDDINGS_VERSION = "imlcull embeddings", 3
CONTENT_IDS_FORMAT, CONTENT_IDS_VERSION = "imlcull content ids", 4
REASON_BYTES = 240


class EmbeddingCache:
    """The rows of one encoder, keyed by content id (32 hexadecimal digits)."""

    def __init__(self, folder: Path, fingerprint: str, dim: int, encoder: str, decoder: str) -> None:
        """`decoder`: who reads photos now; reasons found by another one are forgotten."""
        self.path = folder / f"embeddings-{fingerprint[:16]}.h5"
        row, reason = np.dtype(("<f4", (dim,))), np.dtype(f"S{REASON_BYTES}")
        self._file = TableFile(
            self.path,
            {"format": EMBEDDINGS_FORMAT, "version": EMBEDDINGS_VERSION, "fingerprint": fingerprint, "dim": dim},
            {"encoder": encoder},
            Table("content_id", "embedding", "check", row, fingerprint, least=1024),
            Table("unreadable_id", "unreadable_reason", "unreadable_check", reason, decoder, least=512),
        )
        self._is_refused = False

    def read(self) -> tuple[list[str], np.ndarray, dict[str, str]]:
        """Content ids, their rows (N, D) float32, and content id → reason of the unreadable ones."""
        rows, reasons = self._file.read()
        if rows.wrong:
            log.warning("Damaged rows in %s: %d. They are computed again.", self.path, rows.wrong)
        return as_hex(rows.ids), rows.values, _texts(reasons)

    def find(self, ids: np.ndarray, *, with_rows: bool = True) -> tuple[np.ndarray, np.ndarray | None, dict[str, str]]:
        """Whether each of the ids (N, 16) uint8 has a row (N,) bool, the rows (N, D) if `with_rows`, and all reasons.

        Where there is no row, `rows` holds anything. Takes no more memory than the rows.
        """
        found, (reasons,) = self._file.find(ids, with_rows=with_rows)
        if found.wrong:
            log.warning("Damaged rows in %s: %d. They are computed again.", self.path, found.wrong)
        return found.there, found.values, _texts(reasons)

    def ids(self) -> np.ndarray:
        """(N, 16) uint8: content ids that have a row, or had one: rows are not checked here."""
        return self._file.ids()

    def append(self, ids: Sequence[str], rows: np.ndarray, unreadable: Mapping[str, str]) -> None:
        """Add rows (B, D) and reasons; no kill loses them after this. A disk that refuses is logged once; work goes on.

        Rows that are no numbers are left out, so that they are computed again in the next run.
        """
        rows = rows.astype("<f4", copy=False)
        finite = np.isfinite(rows @ np.ones(rows.shape[1], "<f4"))
        new = Rows(as_bytes(ids), rows) if finite.all() else Rows(as_bytes(ids)[finite], rows[finite])
        reasons = np.array([_cut(reason) for reason in unreadable.values()], f"S{REASON_BYTES}")
        if not finite.any() and not unreadable:
            return
        try:
            self._file.append([new, Rows(as_bytes(list(unreadable)), reasons)])
        except StorageError as error:
            if not self._is_refused:
                log.warning("Embeddings are not kept: %s can't be written (%s). The work goes on.", self.path, error)
            self._is_refused = True


class Content(NamedTuple):
    """What a file held when it was last read: its id, and when and how it was taken, NaN for unknown."""

    content_id: str
    taken: float
    compensation: float


class Contents(NamedTuple):
    """What N files hold: `ids` (N, 16) uint8, `taken` and `compensation` (N,) float64, NaN for unknown."""

    ids: np.ndarray
    taken: np.ndarray
    compensation: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> "Contents":
        """Zeros and NaN."""
        return cls(np.zeros((count, 16), np.uint8), np.full(count, np.nan), np.full(count, np.nan))

    def put(self, row: int, content: Content) -> None:
        """Set one row."""
        self.ids[row] = np.frombuffer(bytes.fromhex(content.content_id), np.uint8)
        self.taken[row], self.compensation[row] = content.taken, content.compensation


class ContentIds:
    """Which file had which content when it was last read; trusted while size, mtime and inode are the same."""

    def __init__(self, folder: Path) -> None:
        """Read `content_ids.h5` in `folder`, where there is one."""
        self.path = folder / "content_ids.h5"
        attributes = {"format": CONTENT_IDS_FORMAT, "version": CONTENT_IDS_VERSION}
        self._file = ColumnFile(self.path, attributes, ("path_id", "stat", "content_id", "taken", "compensation"))
        self._new: dict[bytes, tuple[State, Content]] = {}
        self._seen = stat_of(self.path)
        self._known = self._found(self._file.read())

    def get(self, path: str | Path) -> Content | None:
        """What an unchanged file holds, else None. One `stat`, no read."""
        put = self._new.get(_path_id(path))
        if put:
            return put[1] if put[0] == stat_of(path) else None
        known, contents = self.look_up([path])
        if not known[0]:
            return None
        return Content(as_hex(contents.ids)[0], float(contents.taken[0]), float(contents.compensation[0]))

    def look_up(self, paths: Sequence[str | Path]) -> tuple[np.ndarray, Contents]:
        """Which of N files are as they were when the file of content ids was read, (N,) bool, and what these hold.

        One `stat` each, no read.
        """
        wanted = np.frombuffer(b"".join(map(_path_id, paths)), np.uint8).reshape(-1, 16)
        path_ids, stats, ids, taken, compensation = self._known
        at = places(wanted, path_ids)
        contents = Contents.unknown(len(paths))
        now = _states(paths)
        known = at >= 0
        known[known] = (stats[at[known]] == now[known]).all(axis=1)
        at = at[known]
        contents.ids[known], contents.taken[known], contents.compensation[known] = ids[at], taken[at], compensation[at]
        return known, contents

    def put(self, path: str | Path, stat: State, content: Content) -> None:
        """Remember what `path`, whose `stat_of` was taken before reading, holds."""
        self._new[_path_id(path)] = (stat, content)

    def save(self) -> None:
        """Replace the file, if anything was put, by all that is known here and in it. A disk that refuses is logged."""
        if not self._new:
            return
        try:
            with self._file.turn():
                if stat_of(self.path) != self._seen:  # another process saved
                    self._known = _merged(self._known, self._found(self._file.read_alone()))
                self._known = _merged(self._known, self._put_columns())
                self._file.write(self._known)
                self._seen = stat_of(self.path)
            self._new = {}
        except StorageError as error:
            log.warning("Content ids are not kept: %s can't be written (%s). The work goes on.", self.path, error)

    def _found(self, found: tuple[list[np.ndarray], int] | None) -> list[np.ndarray]:
        """The columns of the file, all empty where there is none."""
        columns, wrong = found or (_columns([], [], []), 0)
        if wrong:
            log.warning("Damaged entries in %s: %d. Their files are read again.", self.path, wrong)
        return columns

    def _put_columns(self) -> list[np.ndarray]:
        return _columns(
            list(self._new), [stat for stat, _ in self._new.values()], [content for _, content in self._new.values()]
        )


def _columns(path_ids: list[bytes], stats: list[State], contents: list[Content]) -> list[np.ndarray]:
    """As they lie in the file."""
    return [
        np.frombuffer(b"".join(path_ids), np.uint8).reshape(-1, 16),
        np.array(stats, np.int64).reshape(-1, 3),
        as_bytes([content.content_id for content in contents]),
        np.array([content.taken for content in contents], np.float64),
        np.array([content.compensation for content in contents], np.float32),
    ]


def _merged(old: list[np.ndarray], new: list[np.ndarray]) -> list[np.ndarray]:
    """Both; what is in both is as in `new`."""
    stays = places(old[0], new[0]) < 0
    return [np.concatenate([before[stays], after]) for before, after in zip(old, new, strict=True)]


def _texts(reasons: Rows) -> dict[str, str]:
    """Content id → reason."""
    texts = [reason.decode(errors="replace") for reason in reasons.values.tolist()]
    return dict(zip(as_hex(reasons.ids), texts, strict=True))


def _cut(reason: str) -> bytes:
    """UTF-8, cut at a character."""
    data = reason.encode(errors="backslashreplace")[:REASON_BYTES]
    return data.decode(errors="ignore").encode()


def as_bytes(ids: Sequence[str]) -> np.ndarray:
    """N ids of 32 hexadecimal digits → (N, 16) uint8."""
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 16)


def as_hex(ids: np.ndarray) -> list[str]:
    """The inverse of `as_bytes`."""
    digits = ids.tobytes().hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def _path_id(path: str | Path) -> bytes:
    text = path if isinstance(path, str) else str(path)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _states(paths: Sequence[str | Path]) -> np.ndarray:
    """`stat_of` each, (N, 3) int64: of a hundred thousand files in little more than the disk's own time."""
    flat: list[int] = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - without making paths of texts
            flat += status.st_size, status.st_mtime_ns, status.st_ino & INODE
        except (OSError, ValueError):
            flat += 0, 0, 0
    return np.array(flat, np.int64).reshape(-1, 3)
