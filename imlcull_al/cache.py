"""What is known of photos by their bytes, in two HDF5 files. All of it can be computed again: trouble costs only time.

`embeddings-<first 16 digits of the fingerprint>.h5`, one encoder; two tables of an `hdf5.TableFile`:
    attributes   format = "imlcull embeddings", version = 2, fingerprint, dim; encoder, its name, which may differ
    content_id   (N, 16) uint8       unreadable_id     (M, 16) uint8
    embedding    (N, D) float32      unreadable_reason (M,) S240: UTF-8, cut at a character where it is longer
    check        (N,) uint64         unreadable_check  (M,) uint64
N is 1024 or a double of it, M 512 or a double. Rows belong to the fingerprint, reasons to the decoder that found the
photo unreadable, so those of another decoder don't count.

`content_ids.h5`, which file had which content, and what its camera noted; an `hdf5.ColumnFile`:
    attributes   format = "imlcull content ids", version = 3
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

from .errors import StorageError
from .hdf5 import ColumnFile, Rows, Table, TableFile

log = logging.getLogger(__name__)
EMBEDDINGS_FORMAT, EMBEDDINGS_VERSION = "imlcull embeddings", 2
CONTENT_IDS_FORMAT, CONTENT_IDS_VERSION = "imlcull content ids", 3
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
        texts = [reason.decode(errors="replace") for reason in reasons.values.tolist()]
        return _as_hex(rows.ids), rows.values, dict(zip(_as_hex(reasons.ids), texts, strict=True))

    def append(self, ids: Sequence[str], rows: np.ndarray, unreadable: Mapping[str, str]) -> None:
        """Add rows (B, D) and reasons; no kill loses them after this. A disk that refuses is logged once; work goes on.

        Rows that are no numbers are left out, so that they are computed again in the next run.
        """
        finite = np.isfinite(rows).all(axis=1)
        reasons = np.array([_cut(reason) for reason in unreadable.values()], f"S{REASON_BYTES}")
        if not finite.any() and not unreadable:
            return
        try:
            self._file.append([
                Rows(_as_bytes(ids)[finite], rows[finite].astype("<f4")), Rows(_as_bytes(list(unreadable)), reasons)
            ])  # fmt: skip
        except StorageError as error:
            if not self._is_refused:
                log.warning("Embeddings are not kept: %s can't be written (%s). The work goes on.", self.path, error)
            self._is_refused = True


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
        attributes = {"format": CONTENT_IDS_FORMAT, "version": CONTENT_IDS_VERSION}
        self._file = ColumnFile(self.path, attributes, ("path_id", "stat", "content_id", "taken", "compensation"))
        self._known: dict[bytes, tuple[tuple[int, int, int], Content]] = {}
        self._new = self._known.copy()
        self._seen = stat_of(self.path)
        self._take_over(self._file.read())

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
            with self._file.turn():
                if stat_of(self.path) != self._seen:  # another process saved
                    self._take_over(self._file.read_alone())
                self._file.write(self._columns())
                self._seen = stat_of(self.path)
            self._new = {}
        except StorageError as error:
            log.warning("Content ids are not kept: %s can't be written (%s). The work goes on.", self.path, error)

    def _take_over(self, found: tuple[list[np.ndarray], int] | None) -> None:
        """Add what the file holds; what was put here since the last save is newer."""
        if not found:
            return
        (paths, stats, ids, taken, compensation), wrong = found
        if wrong:
            log.warning("Damaged entries in %s: %d. Their files are read again.", self.path, wrong)
        states = [(size, mtime, inode) for size, mtime, inode in stats.tolist()]
        contents = map(Content, _as_hex(ids), taken.tolist(), compensation.tolist())
        self._known |= zip((row.tobytes() for row in paths), zip(states, contents, strict=True), strict=True)
        self._known |= self._new

    def _columns(self) -> list[np.ndarray]:
        contents = [content for _, content in self._known.values()]
        return [
            np.frombuffer(b"".join(self._known), np.uint8).reshape(-1, 16),
            np.array([stat for stat, _ in self._known.values()], np.int64),
            _as_bytes([content.content_id for content in contents]),
            np.array([content.taken for content in contents], np.float64),
            np.array([content.compensation for content in contents], np.float32),
        ]


def stat_of(path: Path) -> tuple[int, int, int]:
    """Size in bytes, mtime in ns and inode of a file; zeros where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino & 0x7FFF_FFFF_FFFF_FFFF


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
