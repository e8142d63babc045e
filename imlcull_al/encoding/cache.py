"""What is known of photos by their bytes, as `segments`. All of it can be computed again: trouble costs only time.

`embeddings-<first 16 digits of the fingerprint>/`, one encoder:
    attributes   format = "imlcull embeddings", version = 4, fingerprint, dim; encoder, its name, which may differ
    content_id   (N, 16) uint8
    embedding    (N, D) float32
`unreadable-<16 digits>/`, photos that have no embedding; the digits are of the fingerprint and the decoder:
    attributes   format = "imlcull unreadable", version = 4, fingerprint, decoder
    content_id   (N, 16) uint8
    reason       (N,) S240: UTF-8, cut at a character where it is longer
`content_ids/`, which file had which content, and what its camera noted:
    attributes   format = "imlcull content ids", version = 7
    path_id      (N, 16) uint8, BLAKE2b of the absolute path
    stat         (N, 4) int64: size in bytes, mtime in ns, inode, ctime in ns
    content_id   (N, 16) uint8
    taken        (N,) float64, seconds by the camera's clock; NaN for unknown
    compensation (N,) float32, exposure compensation in EV; NaN for unknown
    camera       (N,) uint32, a number for the camera; 0 for unknown
    damaged      (N,) uint8, 1 where the end of the file is missing

A folder that can't be written is said once and done without. Knows nothing of photos or encoders but their ids.
"""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import StorageError
from ..project.files import set_aside
from ..project.originals import State, content_id, stat_of, state_of
from .ids import as_bytes, as_hex, places
from .segments import Segments

log = logging.getLogger(__name__)
REASON_BYTES = 240
_ID = np.dtype(("u1", (16,)))


class EmbeddingCache:
    """The rows of one encoder, keyed by content id (32 hexadecimal digits)."""

    def __init__(self, folder: Path, fingerprint: str, dim: int, encoder: str, decoder: str) -> None:
        """`decoder`: who reads photos now; reasons found by another one are forgotten."""
        about = {"format": "imlcull embeddings", "version": 4, "fingerprint": fingerprint, "dim": dim}
        row, reason = np.dtype(("<f4", (dim,))), np.dtype(f"S{REASON_BYTES}")
        place = folder / f"embeddings-{fingerprint[:16]}"
        self._rows = Segments(place, about, {"content_id": _ID, "embedding": row}, encoder=encoder)
        about = {"format": "imlcull unreadable", "version": 4, "fingerprint": fingerprint, "decoder": decoder}
        place = folder / f"unreadable-{content_id(f'{fingerprint} {decoder}'.encode())[:16]}"
        self._reasons = Segments(place, about, {"content_id": _ID, "reason": reason})
        self._is_refused = False
        _set_older_aside(folder / f"embeddings-{fingerprint[:16]}.h5")

    def find(self, ids: np.ndarray, *, with_rows: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
        """Whether each of the ids (N, 16) uint8 has a whole row (N,) bool, and if `with_rows` the rows (N, D).

        Where there is no row, `rows` holds anything.
        """
        rows = np.empty((len(ids), *self._rows.columns["embedding"].shape), "<f4") if with_rows else None
        return self._rows.find(ids, "embedding", rows), rows

    def ids(self) -> np.ndarray:
        """(N, 16) uint8: content ids that have a row; rows are not checked here, and one may occur twice."""
        return self._rows.ids()

    def reasons(self) -> dict[str, str]:
        """Content id → reason of the unreadable ones."""
        ids, reasons = self._reasons.read()
        return dict(zip(as_hex(ids), [reason.decode(errors="replace") for reason in reasons.tolist()], strict=True))

    def append(self, ids: Sequence[str], rows: np.ndarray, unreadable: Mapping[str, str]) -> None:
        """Add rows (B, D) and reasons; no kill loses them after this. A disk that refuses is logged once; work goes on.

        Rows that are no numbers are left out, so that they are computed again in the next run.
        """
        finite = np.isfinite(rows @ np.ones(rows.shape[1], "<f4"))
        if not finite.all():
            rows = rows[finite]
        try:
            self._rows.append(as_bytes(ids)[finite], rows)
            self._reasons.append(as_bytes(list(unreadable)), np.array(list(map(_cut, unreadable.values())), "S240"))
        except StorageError as error:
            if not self._is_refused:
                log.warning("Embeddings are not kept. %s The work goes on.", error)
            self._is_refused = True


class Content(NamedTuple):
    """What a file held when it was last read: its id, and when, how and by which camera it was taken.

    Times and compensations are NaN, cameras 0 where unknown. `damaged`: the end of the file is missing.
    """

    content_id: str
    taken: float
    compensation: float
    camera: int = 0
    damaged: bool = False


class Contents(NamedTuple):
    """What N files hold: `ids` (N, 16) uint8, the others (N,) as in `Content`."""

    ids: np.ndarray
    taken: np.ndarray
    compensation: np.ndarray
    camera: np.ndarray
    damaged: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> "Contents":
        """Zeros and NaN."""
        taken, compensation = np.full((2, count), np.nan)
        ids, camera, damaged = np.zeros((count, 16), np.uint8), np.zeros(count, np.uint32), np.zeros(count, bool)
        return cls(ids, taken, compensation, camera, damaged)

    def put(self, row: int, content: Content) -> None:
        """Set one row."""
        self.ids[row] = np.frombuffer(bytes.fromhex(content.content_id), np.uint8)
        for column, value in zip(self[1:], content[1:], strict=True):
            column[row] = value

    def contents(self) -> list[Content]:
        """One by one."""
        return list(map(Content, as_hex(self.ids), *(column.tolist() for column in self[1:])))


class ContentIds:
    """Which file had which content when it was last read; trusted while its `State` is the same."""

    def __init__(self, folder: Path) -> None:
        """Read what `folder` holds."""
        columns = {
            "path_id": _ID, "stat": np.dtype(("<i8", (4,))), "content_id": _ID,
            "taken": np.dtype("<f8"), "compensation": np.dtype("<f4"), "camera": np.dtype("<u4"),
            "damaged": np.dtype("u1"),
        }  # fmt: skip
        self._segments = Segments(folder / "content_ids", {"format": "imlcull content ids", "version": 7}, columns)
        self._new: dict[bytes, tuple[State, Content]] = {}
        self._known = self._segments.read()
        _set_older_aside(folder / "content_ids.h5")

    def get(self, path: str | Path) -> Content | None:
        """What an unchanged file holds, else None. One `stat`, no read."""
        put = self._new.get(_path_id(path))
        if put:
            return put[1] if put[0] == stat_of(path) else None
        known, contents = self.look_up([path])
        return contents.contents()[0] if known[0] else None

    def look_up(self, paths: Sequence[str | Path], states: np.ndarray | None = None) -> tuple[np.ndarray, Contents]:
        """Which of N files are as they were when the file of content ids was read, (N,) bool, and what these hold.

        `states`: their `states_of`, by default of now. No file is read.
        """
        wanted = path_ids_of(paths)
        path_ids, stats, *columns = self._known
        at = places(wanted, path_ids)
        contents = Contents.unknown(len(paths))
        now = states_of(paths) if states is None else states
        known = at >= 0
        known[known] = (stats[at[known]] == now[known]).all(axis=1)
        at = at[known]
        for column, values in zip(contents, columns, strict=True):
            column[known] = values[at]
        return known, contents

    def inode_of(self, path: str | Path, content_id: str) -> int | None:
        """Inode of the file at `path` when it held this content; None if it never did as far as is known."""
        path_ids, stats, ids = self._known[:3]
        rows = np.flatnonzero(
            (path_ids == _as_row(_path_id(path))).all(axis=1) & (ids == as_bytes([content_id])).all(axis=1)
        )
        return int(stats[rows[0], 2]) if len(rows) else None

    def is_elsewhere(self, content_id: str, paths: Sequence[str | Path]) -> bool:
        """Whether a file at another path than these is known to have held this content."""
        path_ids, _, ids = self._known[:3]
        rows = np.flatnonzero((ids == as_bytes([content_id])).all(axis=1))
        return not {path_id.tobytes() for path_id in path_ids[rows]} <= set(map(_path_id, paths))

    def put(self, path: str | Path, stat: State, content: Content) -> None:
        """Remember what `path`, whose `stat_of` was taken before reading, holds."""
        self._new[_path_id(path)] = (stat, content)

    def save(self) -> None:
        """Add all that was put to the cache. A disk that refuses is logged."""
        if not self._new:
            return
        columns = self._put_columns()
        try:
            self._segments.append(*columns)
        except StorageError as error:
            log.warning("Content ids are not kept. %s The work goes on.", error)
            return
        self._known = [np.concatenate(both) for both in zip(columns, self._known, strict=True)]
        self._new = {}

    def _put_columns(self) -> list[np.ndarray]:
        """As they lie in a segment."""
        stats, contents = zip(*self._new.values(), strict=True)
        return [
            np.frombuffer(b"".join(self._new), np.uint8).reshape(-1, 16),
            np.array(stats, np.int64),
            as_bytes([content.content_id for content in contents]),
            np.array([content.taken for content in contents], np.float64),
            np.array([content.compensation for content in contents], np.float32),
            np.array([content.camera for content in contents], np.uint32),
            np.array([content.damaged for content in contents], np.uint8),
        ]


def _set_older_aside(path: Path) -> None:
    """Rename the one file that earlier versions had in place of segments, so that this is said once."""
    with suppress(OSError):
        aside = set_aside(path, "old").name
        log.warning("%s was written by an older imlcull. Its photos are read again; delete %s.", path, aside)


def _cut(reason: str) -> bytes:
    """UTF-8, cut at a character."""
    data = reason.encode(errors="backslashreplace")[:REASON_BYTES]
    return data.decode(errors="ignore").encode()


def _as_row(path_id: bytes) -> np.ndarray:
    return np.frombuffer(path_id, np.uint8)


def _path_id(path: str | Path) -> bytes:
    text = path if isinstance(path, str) else str(path)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def path_ids_of(paths: Sequence[str | Path]) -> np.ndarray:
    """BLAKE2b of each absolute path, (N, 16) uint8."""
    return np.frombuffer(b"".join(map(_path_id, paths)), np.uint8).reshape(-1, 16)


def states_of(paths: Sequence[str | Path]) -> np.ndarray:
    """`stat_of` each, (N, 4) int64: of a hundred thousand files in little more than the disk's own time."""
    flat: list[int] = []
    for path in paths:
        try:
            flat += state_of(os.stat(path))  # noqa: PTH116 - without making paths of texts
        except (OSError, ValueError):
            flat += 0, 0, 0, 0
    return np.array(flat, np.int64).reshape(-1, 4)
