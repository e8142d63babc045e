"""What several workers make for one cache, on its way there.

Each worker writes to a shard, a cache folder of its own:
    <cache>/shards/<first 16 digits of the fingerprint>-<run>/<shard>/    the two files of `cache`, and
    photos    the absolute paths of the photos it was given, as the system's bytes, each ended by a zero byte
Shards are merged into the cache and removed when a run ends, and before one begins: what a killed run had done is not
done again. One run at a time uses a cache. Knows nothing of who the workers are, nor of photos or encoders but their
ids.
"""

import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StorageError
from ..project.files import TEMPORARY_PREFIX, is_link, locked, open_own, read_own, set_link_aside, unwritable
from ..project.originals import stat_of
from .cache import Content, ContentIds, EmbeddingCache, as_hex

_PATIENCE = 1.0  # seconds to wait for another run

CacheIn = Callable[[Path], EmbeddingCache]
"""From a folder to the embedding cache in it, of the encoder that a run is for."""


@contextmanager
def run(cache_dir: Path, fingerprint: str, cache_in: CacheIn) -> Iterator[tuple[Path, set[str]]]:
    """A folder for the shards of a new run, and what `merge` says of earlier ones; at the end its own are merged.

    Raises `StorageError`, also where another run uses the cache.
    """
    folder = cache_dir / "shards" / f"{fingerprint[:16]}-{secrets.token_hex(4)}"
    _make(cache_dir)
    try:
        set_link_aside(cache_dir / "shards")
    except OSError as error:
        raise unwritable(cache_dir / "shards", error) from error
    with locked(cache_dir / f"{TEMPORARY_PREFIX}shards.lock", "filling this cache by several workers", _PATIENCE):
        known = merge(cache_dir, fingerprint, cache_in)
        _make(folder)
        try:
            yield folder, known
        finally:
            if any(folder.iterdir()):
                merge(cache_dir, fingerprint, cache_in)
            else:
                _remove_empty(cache_dir)


def begin(run: Path) -> Path:
    """A new shard of a run, for one worker. Raises `StorageError` where this machine doesn't see the run's folder."""
    shard = run / secrets.token_hex(8)
    try:
        shard.mkdir()
    except OSError as error:
        raise StorageError(
            f"{socket.gethostname()} can't write to {run}: {error.strerror}. Choose a cache folder that all machines "
            "share (--cache-dir)."
        ) from error
    return shard


def note(shard: Path, paths: Sequence[str | Path]) -> None:
    """Write down that a shard is given these photos. Raises `StorageError`."""
    try:
        with open_own(shard / "photos", "ab") as file:
            file.write(packed(paths))
    except OSError as error:
        raise unwritable(shard, error) from error


def packed(paths: Sequence[str | Path]) -> bytes:
    """Paths, whatever bytes they are, as one text of bytes."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def unpacked(data: bytes) -> list[Path]:
    """The inverse; what is not ended by a zero byte was being written by a worker that was killed."""
    return [Path(os.fsdecode(path)) for path in data.split(b"\0")[:-1]]


def merge(cache_dir: Path, fingerprint: str, cache_in: CacheIn) -> set[str]:
    """Put all shards of this encoder into the cache; return the content ids that have a row or a reason in it.

    A shard is removed when the cache file was seen to hold all of it.
    """
    cache, files = cache_in(cache_dir), ContentIds(cache_dir)
    known = _ids_in(cache)
    merged: dict[Path, set[str]] = {}
    for shard in sorted((cache_dir / "shards").glob(f"{fingerprint[:16]}-*/*/")):
        if is_link(shard) or is_link(shard.parent):
            continue
        part = cache_in(shard)
        if part.path.exists() and not os.access(part.path, os.R_OK):
            continue  # another user's
        ids, rows, reasons = part.read()
        new = {content_id: row for row, content_id in enumerate(ids) if content_id not in known}
        failed = {content_id: reason for content_id, reason in reasons.items() if content_id not in known}
        cache.append(list(new), rows[list(new.values())], failed)
        merged[shard] = {*ids, *reasons}
        known |= merged[shard]
        _merge_files(shard, files)
    if merged:
        files.save()
        known = _ids_in(cache)  # as the disk has it
    for shard, its in merged.items():
        if its <= known:
            shutil.rmtree(shard, ignore_errors=True)
    _remove_empty(cache_dir)
    return known


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def _remove_empty(cache_dir: Path) -> None:
    for folder in (*(cache_dir / "shards").glob("*/"), cache_dir / "shards"):
        with suppress(OSError):  # it is not empty, or not there
            folder.rmdir()


def _ids_in(cache: EmbeddingCache) -> set[str]:
    """Those whose rows are whole, and those that have a reason."""
    ids = cache.ids()
    there, _, reasons = cache.find(ids, with_rows=False)
    return {*as_hex(ids[there]), *reasons}


def _merge_files(shard: Path, files: ContentIds) -> None:
    """Take over which photo of a shard has which content."""
    try:
        paths = unpacked(read_own(shard / "photos"))
    except OSError:
        return  # it was killed before it was given any
    states = list(map(stat_of, paths))
    known, contents = ContentIds(shard).look_up(paths)
    columns = zip(as_hex(contents.ids), contents.taken.tolist(), contents.compensation.tolist(), strict=True)
    for path, state, content, is_known in zip(paths, states, columns, known, strict=True):
        if is_known:
            files.put(path, state, Content(*content))
