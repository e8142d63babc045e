"""One embedding per photo: found in the cache by content, or computed and cached.

Files are read once, for hash and pixels, by threads that stay a bounded distance ahead of the encoder.
Knows nothing of stages, labels or scores.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from . import photos
from .cache import Content, ContentIds, EmbeddingCache, stat_of
from .encoder import Encoder
from .errors import Cancelled, UnreadablePhoto
from .parallel import in_order
from .progress import Progress, Stop, never, silent

DEFAULT_BATCH_SIZE = 16
_FLUSH_ROWS = 256
_SAVE_SECONDS = 30.0  # a kill costs the work of no more than this


@dataclass(frozen=True)
class Embeddings:
    """What the encoder sees of a set of photos.

    `keys`: the readable photos, sorted; `rows`: their embeddings (N, D) float32; `unreadable`: key → reason.
    `taken`: (N,) float64, when each was taken, in seconds by the camera's clock; `compensation`: (N,) float64, exposure
    compensation in EV; NaN for unknown.
    `found`: photos whose row was in the cache; `computed`: rows that the encoder made in this run.
    """

    keys: tuple[str, ...]
    rows: np.ndarray
    unreadable: dict[str, str]
    found: int
    computed: int
    taken: np.ndarray
    compensation: np.ndarray


class _Read(NamedTuple):
    """One file as a reading thread leaves it; exactly one of image and reason where the content is new."""

    key: str
    stat: tuple[int, int, int]
    content: Content | None
    image: Image.Image | None
    reason: str | None


def ensure(
    paths: Mapping[str, Path],
    encoder: Encoder,
    cache_dir: Path,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    progress: Progress = silent,
    stop: Stop = never,
) -> Embeddings:
    """The embeddings of `paths` (key → file). A second call over unchanged files reads and computes nothing.

    Raises `Cancelled` when `stop` says so; what was computed by then is in the cache.
    """
    work = _Work(encoder, cache_dir, batch_size)
    new = {}
    for key, path in paths.items():
        content = work.files.get(path)
        if content is None or not work.knows(content.content_id):
            new[key] = path
        else:
            work.content[key] = content
    try:
        for done, read in enumerate(_read_ahead(new, encoder.side, work.knows, ahead=2 * batch_size)):
            if stop():
                raise Cancelled("Embedding was stopped; what was done is kept. Run it again to go on.")
            work.take(read, paths[read.key])
            progress("embedding", len(paths) - len(new) + done, len(paths))
        work.encode()
    finally:
        work.save()
    if new:
        progress("embedding", len(paths), len(paths))
    return work.result(sorted(paths))


class _Work:
    """The state of one `ensure`: what is known by content, and the batch that is filling."""

    def __init__(self, encoder: Encoder, cache_dir: Path, batch_size: int) -> None:
        self.encoder = encoder
        self.batch_size = batch_size
        self.cache = EmbeddingCache(cache_dir, encoder.fingerprint, encoder.dim, encoder.name, photos.DECODER)
        self.files = ContentIds(cache_dir)
        ids, self.cached_rows, self.reasons = self.cache.read()
        self.position = {content_id: row for row, content_id in enumerate(ids)}
        self.computed: dict[str, np.ndarray] = {}
        self.content: dict[str, Content] = {}
        self.unreadable: dict[str, str] = {}
        self.batch: dict[str, Image.Image] = {}
        self.unsaved: list[str] = []
        self.unsaved_reasons: dict[str, str] = {}
        self.saved_at = time.monotonic()

    def knows(self, content_id: str) -> bool:
        """Whether this content has a row or a reason already."""
        return content_id in self.position or content_id in self.reasons or content_id in self.computed

    def take(self, read: _Read, path: Path) -> None:
        """Take over one file as it was read."""
        if read.content is None:
            self.unreadable[read.key] = read.reason or ""
            return
        self.files.put(path, read.stat, read.content)
        self.content[read.key] = read.content
        content_id = read.content.content_id
        if read.reason is not None:
            self._fail(content_id, read.reason)
        elif read.image is not None and not self.knows(content_id):
            self.batch[content_id] = read.image
            if len(self.batch) >= self.batch_size:
                self.encode()
        if time.monotonic() - self.saved_at >= _SAVE_SECONDS:
            self.save()

    def encode(self) -> None:
        """Turn the waiting images into rows; a row that is not finite is a failure of its photo."""
        if not self.batch:
            return
        rows = np.asarray(self.encoder.encode(list(self.batch.values())), np.float32)
        for content_id, row in zip(self.batch, rows, strict=True):
            if np.isfinite(row).all():
                self.computed[content_id] = row
                self.unsaved.append(content_id)
            else:
                self._fail(content_id, f"the encoder {self.encoder.name} gave no finite numbers for it")
        self.batch.clear()
        if len(self.unsaved) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Put what is new into the cache file."""
        rows = [self.computed[content_id] for content_id in self.unsaved]
        stacked = np.stack(rows) if rows else np.empty((0, self.encoder.dim), np.float32)
        self.cache.append(self.unsaved, stacked, self.unsaved_reasons)
        self.unsaved, self.unsaved_reasons = [], {}

    def save(self) -> None:
        """The same, and which file has which content, without which every photo is read again."""
        self.flush()
        self.files.save()
        self.saved_at = time.monotonic()

    def result(self, keys: list[str]) -> Embeddings:
        """Rows in the order of `keys`."""
        readable: dict[str, Content] = {}
        for key in keys:
            content = self.content.get(key)
            if content and content.content_id in self.reasons:
                self.unreadable[key] = self.reasons[content.content_id]
            elif content:
                readable[key] = content
        rows = np.empty((len(readable), self.encoder.dim), np.float32)
        for row, content in enumerate(readable.values()):
            cached = self.position.get(content.content_id)
            rows[row] = self.computed[content.content_id] if cached is None else self.cached_rows[cached]
        found = sum(content.content_id in self.position for content in readable.values())
        taken = np.array([content.taken for content in readable.values()], np.float64)
        compensation = np.array([content.compensation for content in readable.values()], np.float64)
        return Embeddings(tuple(readable), rows, self.unreadable, found, len(self.computed), taken, compensation)

    def _fail(self, content_id: str, reason: str) -> None:
        self.reasons[content_id] = self.unsaved_reasons[content_id] = reason


def _read_ahead(paths: Mapping[str, Path], side: int, known: Callable[[str], bool], ahead: int) -> Iterator[_Read]:
    def read(item: tuple[str, Path]) -> _Read:
        key, path = item
        stat = stat_of(path)
        content = None
        try:
            data = photos.read(path)
            content_id = photos.content_id(data)
            if known(content_id):
                return _Read(key, stat, Content(content_id, *photos.moment(data)), None, None)
            content = Content(content_id, *photos.UNKNOWN)  # where it can't be decoded, nobody needs its moment
            image, moment = photos.decode_with_moment(data, side)
            return _Read(key, stat, Content(content_id, *moment), image, None)
        except UnreadablePhoto as error:
            return _Read(key, stat, content if error.lasting else None, None, str(error))

    return in_order(read, paths.items(), ahead)
