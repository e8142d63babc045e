"""One embedding per photo, looked up in the cache by content or computed and cached.

    ensure(paths, encoder, cache_dir).rows      # (N, D), in memory
    fill(paths, encoder, cache_dir)             # fills the cache only; rows are dropped once written

New files are hashed in this process; decoder processes read the capture time and the pixels. Reading is prefetched a
bounded distance ahead of the encoder, and batches are encoded by one thread per processor. An unchanged photo costs one
`stat`; everything else is array arithmetic. `spread` decides which photo is next, and when the part that is there is
handed out.
Independent of stages, labels and scores.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import Cancelled, UnreadablePhoto, in_words
from ..parallel import in_order, threads
from ..photos import read as photos
from ..progress import Progress, Stop, logged, never, silent
from ..project.originals import State, stat_of
from .cache import Content, ContentIds, EmbeddingCache
from .encoder import Encoder, encode_each
from .ids import IdSet, as_hex
from .spread import is_worth_it, spread, urgent_first

DEFAULT_BATCH_SIZE = 8
_FLUSH_ROWS = 256
_SAVE_SECONDS = 30.0  # the most work that a kill can lose
_UNSAID = np.empty(0)
Urgent = Callable[[], Iterable[str]]
"""Names the photos that are to be embedded before all others. Called again and again, by the thread that embeds."""


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of a set of photos, or of the part of it that is embedded.

    `keys`: readable photos, sorted; `rows`: their embeddings (N, D) float32; `unreadable`: key → reason.
    `taken`: (N,) float64, capture time in seconds by the camera's clock; `compensation`: (N,) float64, exposure
    compensation in EV; both are NaN where unknown. `camera`: (N,) uint32, a number for each camera, 0 where unknown.
    `damaged`: (N,) bool, whether the end of the file is missing.
    `found`: photos whose row was in the cache or was computed for a duplicate; `computed`: rows computed in this run.
    `found`, `computed` and `unreadable` add up to all photos, or to all of the part.
    """

    keys: tuple[str, ...]
    rows: np.ndarray
    unreadable: dict[str, str]
    found: int
    computed: int
    taken: np.ndarray
    compensation: np.ndarray
    camera: np.ndarray = field(default_factory=lambda: _UNSAID)
    damaged: np.ndarray = field(default_factory=lambda: _UNSAID)

    def __post_init__(self) -> None:
        """Unknown cameras and whole files, where nothing else is said."""
        for name, kind in (("camera", np.uint32), ("damaged", bool)):
            if getattr(self, name) is _UNSAID:
                object.__setattr__(self, name, np.zeros(len(self.keys), kind))

    def among(self, keys: Container[str]) -> "Embeddings":
        """The embeddings of the photos that are in `keys`, a copy if any is not."""
        unreadable = {key: reason for key, reason in self.unreadable.items() if key in keys}
        kept = [row for row, key in enumerate(self.keys) if key in keys]
        if len(kept) == len(self.keys):
            return replace(self, unreadable=unreadable)
        left = tuple(self.keys[row] for row in kept)
        columns = {name: values[kept] for name, values in self._columns()}
        return replace(self, keys=left, unreadable=unreadable, found=len(left), computed=0, **columns)

    def at(self, keys: Sequence[str]) -> "Embeddings":
        """The embeddings of the photos `keys`, in this order; NaN and 0 for those that have none here."""
        row = {key: number for number, key in enumerate(self.keys)}
        rows = [row.get(key, len(self.keys)) for key in keys]
        columns = {name: np.append(values, _nothing_like(values), axis=0)[rows] for name, values in self._columns()}
        return replace(self, keys=tuple(keys), unreadable={}, found=len(keys), computed=0, **columns)

    def is_same(self, other: "Embeddings | None") -> bool:
        """Whether photos and values are equal. `found` and `computed` are not compared."""
        if other is None or self.keys != other.keys or self.unreadable != other.unreadable:
            return False
        both = zip(self._columns(), other._columns(), strict=True)
        return all(np.array_equal(one, two, equal_nan=True) for (_, one), (_, two) in both)

    def _columns(self) -> list[tuple[str, np.ndarray]]:
        """Name and values of the arrays with one row a photo."""
        return [(name, getattr(self, name)) for name in ("rows", "taken", "compensation", "camera", "damaged")]


def _nothing_like(values: np.ndarray) -> np.ndarray:
    """One row of NaN, or of zeros where there is none."""
    nothing = np.nan if np.issubdtype(values.dtype, np.floating) else 0
    return np.full((1, *values.shape[1:]), nothing, values.dtype)


class Cache(NamedTuple):
    """The cache of one encoder, opened."""

    files: ContentIds
    rows: EmbeddingCache


class Filled(NamedTuple):
    """The outcome of `fill`: photos `found`, rows `computed`, and `unreadable` (key → reason), as in `Embeddings`."""

    found: int
    computed: int
    unreadable: dict[str, str]


class _Read(NamedTuple):
    """One file as read by a thread. `image` is None for known or undecodable content; `content` is None where the file
    could not be read.
    """

    row: int
    state: State
    content: Content | None
    image: Image.Image | None
    tiles: Image.Image | None
    reason: str | None


def open_cache(cache_dir: Path, encoder: Encoder) -> Cache:
    """What the folder holds for this encoder and the decoder of today."""
    rows = EmbeddingCache(cache_dir, encoder.fingerprint, encoder.dim, encoder.name, photos.DECODER)
    return Cache(ContentIds(cache_dir), rows)


@logged("embedding a stage")
def ensure(
    paths: Mapping[str, str | Path],
    encoder: Encoder,
    cache: Path | Cache,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    urgent: Urgent = tuple,
    on_part: Callable[[Embeddings], None] | None = None,
    progress: Progress = silent,
    stop: Stop = never,
) -> Embeddings:
    """Return the embeddings of `paths` (key → file). A second call over unchanged files reads and computes nothing.

    `cache`: its folder, or the opened cache of this encoder.
    `on_part`: given the part that is embedded, first what is in the cache, then now and then, as it grows; never the
    whole, which is returned. Each part is a copy. Raises `Cancelled` when `stop` returns true; rows computed by then
    are in the cache.
    """
    opened = open_cache(cache, encoder) if isinstance(cache, Path) else cache
    work = _Work(paths, encoder, opened, with_rows=True, urgent=urgent, on_part=on_part)
    work.run(batch_size, progress, stop)
    return work.embeddings()


@logged("filling the cache")
def fill(
    paths: Mapping[str, str | Path],
    encoder: Encoder,
    cache: Path | Cache,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Progress = silent,
    stop: Stop = never,
) -> Filled:
    """Fill the cache with what `ensure` would return, in memory independent of D. Raises as `ensure`.

    `cache`: its folder, or the opened cache of this encoder, for one who calls again and again.
    """
    work = _Work(paths, encoder, open_cache(cache, encoder) if isinstance(cache, Path) else cache, with_rows=False)
    work.run(batch_size, progress, stop)
    return work.filled()


class _Work:
    """The state of one `ensure` or `fill`. A row is an index into the sorted keys."""

    def __init__(
        self,
        paths: Mapping[str, str | Path],
        encoder: Encoder,
        cache: Cache,
        *,
        with_rows: bool,
        urgent: Urgent = tuple,
        on_part: Callable[[Embeddings], None] | None = None,
    ) -> None:
        self.encoder = encoder
        self.urgent, self.on_part = urgent, on_part
        self.files, self.cache = cache
        self.keys = sorted(paths)
        self.paths = [os.fspath(paths[key]) for key in self.keys]
        self.is_known, self.contents = self.files.look_up(self.paths)
        self.is_there, self.rows = self.cache.find(self.contents.ids, with_rows=with_rows)
        self.reasons = self.cache.reasons()
        self.failed: dict[int, str] = {}
        self.made: dict[str, int] = {}  # content id → row computed in this run
        self.same: list[int] = []  # rows of duplicates, whose content has an embedding already
        self.unsaved: list[tuple[str, np.ndarray]] = []
        self.unsaved_reasons: dict[str, str] = {}
        self.saved_at = time.monotonic()
        self.done = 0
        self.urgent_rows: set[int] = set()  # named by `urgent`, and not in a part yet
        self.in_part, self.part_at, self.part_took = 0, time.monotonic(), 0.0

    def run(self, batch_size: int, progress: Progress, stop: Stop) -> None:
        """Compute all missing rows and save them."""
        batch_size = min(batch_size, len(self.keys) or 1)
        self._take_reasons()
        missing = self._missing()
        if not len(missing):
            return
        if self.is_there.any():
            self._hand_out()
        in_cache = IdSet(self.cache.ids())
        try:
            self._compute(missing, in_cache, batch_size, progress, stop)
            self._copy_same()
            damaged = self._missing()  # duplicates whose cached row turned out to be damaged
            self._compute(damaged, frozenset(), batch_size, progress, stop)
            self._copy_same()
        finally:
            self.save()
        progress("embedding", len(self.keys), len(self.keys))

    def embeddings(self) -> Embeddings:
        """The result of `ensure`, rows in key order."""
        assert self.rows is not None
        notes = self.contents[1:]
        if not self.failed:
            keys, rows = tuple(self.keys), self.rows
        else:
            there = self.is_there
            keys, rows = tuple(self.keys[row] for row in np.flatnonzero(there)), _compacted(self.rows, there)
            notes = tuple(column[there] for column in notes)
        found, computed, unreadable = self.filled()
        return Embeddings(keys, rows, unreadable, found, computed, *notes)

    def filled(self) -> Filled:
        """The result of `fill`."""
        unreadable = self._unreadable()
        return Filled(len(self.keys) - len(unreadable) - len(self.made), len(self.made), unreadable)

    def _unreadable(self) -> dict[str, str]:
        return {self.keys[row]: self.failed[row] for row in sorted(self.failed)}

    def save(self) -> None:
        """Write new rows, reasons and content ids to the cache."""
        self._flush()
        self.files.save()
        self.saved_at = time.monotonic()

    def _missing(self) -> np.ndarray:
        missing = ~self.is_there
        missing[list(self.failed)] = False
        return np.flatnonzero(missing)

    def _take_reasons(self) -> None:
        """Mark photos whose content is cached as unreadable."""
        unknown = np.flatnonzero(self.is_known & ~self.is_there)
        for row, content_id in zip(unknown.tolist(), as_hex(self.contents.ids[unknown]), strict=True):
            if content_id in self.reasons:
                self.failed[row] = self.reasons[content_id]

    def _compute(
        self, missing: np.ndarray, in_cache: Container[str], batch_size: int, progress: Progress, stop: Stop
    ) -> None:
        """Read the rows `missing` and encode new content. Ids in `in_cache` are not decoded again."""
        self.done = len(self.keys) - len(missing)
        was_stopped = False

        def images() -> Iterator[_Read]:
            nonlocal was_stopped
            files = urgent_first(self._spread(missing), self._urgent, batch_size)
            with closing(in_order(lambda row: self._read(row, in_cache), files, ahead=2 * batch_size)) as reads:
                for read in reads:
                    if was_stopped := stop():
                        return  # batches in flight are still kept
                    progress("embedding", self.done, len(self.keys))
                    if self._is_image(read):
                        yield read
                    else:
                        self.done += 1

        for batch, rows in in_order(self._encoded, _batches(images(), batch_size), ahead=threads() + 1):
            self._take(batch, rows)
            self.done += len(batch)
            progress("embedding", self.done, len(self.keys))
            self._hand_out_if_worth_it()
        if was_stopped:
            raise Cancelled("Embedding was stopped; what was done is kept. Run it again to go on.")

    def _spread(self, missing: np.ndarray) -> list[int]:
        """The rows `missing`, in the order that covers the stage."""
        order = spread(len(self.keys))
        is_missing = np.zeros(len(self.keys), bool)
        is_missing[missing] = True
        rows: list[int] = order[is_missing[order]].tolist()
        return rows

    def _urgent(self) -> list[int]:
        """The rows named by `urgent` that are not there yet."""
        rows = []
        for key in self.urgent():
            row = bisect_left(self.keys, key)
            if row < len(self.keys) and self.keys[row] == key and not self.is_there[row]:
                rows.append(row)
        self.urgent_rows.update(rows)
        return rows

    def _hand_out_if_worth_it(self) -> None:
        if self.on_part is None:
            return
        count, since = int(np.count_nonzero(self.is_there)), time.monotonic() - self.part_at
        is_urgent = any(self.is_there[row] for row in self.urgent_rows)
        if is_worth_it(count, self.in_part, is_urgent=is_urgent, since=since, cost=self.part_took):
            self._copy_same()
            self._hand_out()

    def _hand_out(self) -> None:
        """Give `on_part` a copy of what is there."""
        if self.on_part is None or self.rows is None or not len(self._missing()):
            return
        since, there = time.thread_time(), self.is_there
        rows, notes = self.rows[there], [column[there] for column in self.contents[1:]]
        keys = tuple(self.keys[row] for row in np.flatnonzero(there))
        computed, unreadable = sum(bool(there[row]) for row in self.made.values()), self._unreadable()
        found = len(keys) - computed
        self.on_part(Embeddings(keys, rows, unreadable, found, computed, *notes))
        self.urgent_rows = {row for row in self.urgent_rows if not there[row]}
        self.in_part, self.part_at, self.part_took = len(keys), time.monotonic(), time.thread_time() - since

    def _read(self, row: int, in_cache: Container[str]) -> _Read:
        """Hash and decode one file. Runs in a worker thread."""
        path = self.paths[row]
        state = stat_of(path)
        content = None
        try:
            content_id = photos.identify(path)
            if content_id in in_cache or content_id in self.made or content_id in self.reasons:
                return _Read(row, state, Content(content_id, *photos.moment(path)), None, None, None)
            content = Content(content_id, *photos.UNKNOWN)  # an undecodable photo needs no moment
            image, moment, tiles = photos.look(path, state, self.encoder.views, content_id)
            return _Read(row, state, Content(content_id, *moment), image, tiles, None)
        except UnreadablePhoto as error:
            return _Read(row, state, content if error.lasting else None, None, None, str(error))
        except Exception as error:  # noqa: BLE001 - one photo must not abort the whole run
            return _Read(row, state, None, None, None, f"it can't be read: {in_words(error)}")

    def _is_image(self, read: _Read) -> bool:
        """Record the outcome of a read. Returns whether there is an image to encode."""
        if read.content is None:
            self.failed[read.row] = read.reason or ""
            return False
        content_id = read.content.content_id
        self.files.put(self.paths[read.row], read.state, read.content)
        self.contents.put(read.row, read.content)
        if read.reason is not None:
            self._fail(read.row, content_id, read.reason)
        elif content_id in self.reasons:
            self.failed[read.row] = self.reasons[content_id]
        elif read.image is None or content_id in self.made:
            self.same.append(read.row)
        else:
            self.made[content_id] = read.row
            return True
        return False

    def _encoded(self, batch: list[_Read]) -> tuple[list[_Read], list[np.ndarray | str]]:
        """Encode a batch and release its images. Runs in a worker thread."""
        images = [read.image for read in batch if read.image is not None]
        tiles = [read.tiles for read in batch if read.tiles is not None]
        rows = encode_each(self.encoder, images, tiles if self.encoder.views.tiles else None)
        return [read._replace(image=None, tiles=None) for read in batch], rows

    def _take(self, batch: list[_Read], rows: list[np.ndarray | str]) -> None:
        """Keep new rows. A row that is not finite, or a reason in place of a row, marks its photo as unreadable."""
        for read, row in zip(batch, rows, strict=True):
            assert read.content is not None
            content_id = read.content.content_id
            if isinstance(row, str):
                del self.made[content_id]
                self.failed[read.row] = self.reasons[content_id] = row  # not cached: it may be transient
                continue
            if not np.isfinite(row).all():
                del self.made[content_id]
                self._fail(read.row, content_id, f"the encoder {self.encoder.name} gave no finite numbers for it")
                continue
            self.is_there[read.row] = True
            if self.rows is not None:
                self.rows[read.row] = row
            self.unsaved.append((content_id, row))
        if time.monotonic() - self.saved_at >= _SAVE_SECONDS:
            self.save()
        elif len(self.unsaved) >= _FLUSH_ROWS:
            self._flush()

    def _copy_same(self) -> None:
        """Fill in the rows of duplicates, from this run or from the cache, except those that are being encoded."""
        elsewhere, underway = [], []
        for row, content_id in zip(self.same, as_hex(self.contents.ids[self.same]), strict=True):
            source = self.made.get(content_id)
            if source is None and content_id in self.reasons:
                self.failed[row] = self.reasons[content_id]
            elif source is None:
                elsewhere.append(row)
            elif not self.is_there[source]:
                underway.append(row)
            else:
                self.is_there[row] = True
                if self.rows is not None:
                    self.rows[row] = self.rows[source]
        self.same = underway
        if elsewhere:
            there, rows = self.cache.find(self.contents.ids[elsewhere], with_rows=self.rows is not None)
            self.is_there[elsewhere] = there
            if self.rows is not None and rows is not None:
                self.rows[elsewhere] = rows

    def _fail(self, row: int, content_id: str, reason: str) -> None:
        self.failed[row] = self.reasons[content_id] = self.unsaved_reasons[content_id] = reason

    def _flush(self) -> None:
        """Append new rows and reasons to the cache file."""
        ids = [content_id for content_id, _ in self.unsaved]
        rows = np.stack([row for _, row in self.unsaved]) if ids else np.empty((0, self.encoder.dim), np.float32)
        self.cache.append(ids, rows, self.unsaved_reasons)
        self.unsaved, self.unsaved_reasons = [], {}


def _batches(reads: Iterator[_Read], size: int) -> Iterator[list[_Read]]:
    while batch := list(islice(reads, size)):
        yield batch


def _compacted(rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The rows (n, D) selected by `keep` (N,) bool, moved to the front in place: a copy could exhaust memory."""
    places = np.flatnonzero(keep)
    for start in range(0, len(places), 4096):
        block = places[start : start + 4096]
        rows[start : start + len(block)] = rows[block]
    return rows[: len(places)]
