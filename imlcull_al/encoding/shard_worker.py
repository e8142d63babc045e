"""One of several workers that fill a cache: batches of photos become rows of a shard.

What it is asked and what it answers are rows of bytes and numbers, so that anything may carry them between machines.
`embeddings` and `photos` are imported late, after it is known how many cores are this worker's: they start as many
threads and processes. Knows nothing of who gives the work.
"""

import os
import pickle
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EncoderError, ImlcullError, UnreadablePhoto
from ..project.originals import State, stat_of
from . import shards
from .cache import Content, ContentIds
from .encoder import Encoder

_SHARD_PHOTOS = 4096
"""Photos in a shard, at most: so that none is too large for the memory of whoever merges it."""


def prefixes(ids: Collection[str]) -> np.ndarray:
    """(N,) uint64, sorted: enough of each content id to find it again. Two of the same would only cost time."""
    return np.sort(np.fromiter((int(content_id[:16], 16) for content_id in ids), np.uint64, len(ids)))


class ShardWorker:
    """What runs in a process of its own, and there alone: it tells all of that how many cores there are."""

    def __init__(
        self, load: bytes, fingerprint: str, run: Path, batch_size: int, cores: int, known: np.ndarray
    ) -> None:
        """`load`: a pickled function that makes the encoder; `run`: the folder for shards; `known`: see `prefixes`.

        Nothing is done, and nothing fails, before the first batch.
        """
        os.cpu_count = lambda: cores  # type: ignore[assignment,return-value]  # the others are other workers'
        self._load, self._fingerprint, self._run = load, fingerprint, run
        self._batch_size, self._cores, self._known = batch_size, cores, known
        self._encoder: Encoder | None = None
        self._shard, self._room = run, 0

    def __call__(self, rows: Mapping[str, Sequence[bytes]]) -> dict[str, list[Any]]:
        """From rows with `photos`, a batch of paths as `shards.packed` has them, to rows that say what became of it.

        `photos`: how many; `unseen`: how many of them are not there for this machine; `error`: the pickled
        `ImlcullError` for which the batch was not done, else empty.
        """
        outcome: dict[str, list[Any]] = {"photos": [], "unseen": [], "error": []}
        for packed in rows["photos"]:
            paths, error = shards.unpacked(packed), b""
            try:
                self._take(paths)
            except ImlcullError as refused:
                error = pickle.dumps(refused)
            outcome["photos"].append(len(paths))
            outcome["unseen"].append(sum(not any(stat_of(path)) for path in paths))
            outcome["error"].append(error)
        return outcome

    def _take(self, paths: Sequence[Path]) -> None:
        from . import embeddings

        encoder = self._encoder = self._encoder or self._open()
        if self._room < len(paths):
            self._shard, self._room = shards.begin(self._run), _SHARD_PHOTOS
        self._room -= len(paths)
        shards.note(self._shard, paths)
        new = self._without_known(paths)
        embeddings.fill({str(path): path for path in new}, encoder, self._shard, batch_size=self._batch_size)

    def _open(self) -> Encoder:
        import torch

        torch.set_num_threads(self._cores)
        encoder: Encoder = pickle.loads(self._load)()
        if encoder.fingerprint != self._fingerprint:
            raise EncoderError(
                f"The encoder on {socket.gethostname()} is {encoder.name} with the fingerprint "
                f"{encoder.fingerprint[:16]}, not {self._fingerprint[:16]} as where the work was started. "
                "Give every machine the same model."
            )
        return encoder

    def _without_known(self, paths: Sequence[Path]) -> list[Path]:
        """The photos whose content the cache doesn't know from another file; of the others, note what they hold."""
        from ..parallel import in_order

        if not len(self._known):
            return list(paths)
        files, new = ContentIds(self._shard), []
        for path, stat, content in in_order(self._look, paths, 2 * self._batch_size):
            if content is None:
                new.append(path)
            else:
                files.put(path, stat, content)
        files.save()
        return new

    def _look(self, path: Path) -> tuple[Path, State, Content | None]:
        from ..photos import read as photos

        stat = stat_of(path)
        try:
            content_id = photos.identify(path)
        except UnreadablePhoto:
            return path, stat, None  # `fill` says why
        prefix = prefixes([content_id])
        place = np.searchsorted(self._known, prefix)[0]
        if place == len(self._known) or self._known[place] != prefix[0]:
            return path, stat, None
        return path, stat, Content(content_id, *photos.moment(path))
