"""A worker process that embeds batches of photos into a shard.

Its inputs and outputs are rows of bytes and numbers, which any transport can carry. `embeddings` and `photos` are
imported late, once the number of cores is set, because they size their thread and process pools by it.
Independent of the scheduler.
"""

import pickle
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EncoderError, ImlcullError, UnreadablePhoto
from ..parallel import limit_to
from ..project.originals import State, stat_of
from . import shards
from .cache import Content, ContentIds
from .encoder import Encoder

_SHARD_PHOTOS = 4096
"""Photos per shard, at most: bounds the memory needed to merge it."""


def prefixes(ids: Collection[str]) -> np.ndarray:
    """(N,) uint64, sorted: the first 8 bytes of each content id. On a collision, a photo is left to the local pass."""
    return np.sort(np.fromiter((int(content_id[:16], 16) for content_id in ids), np.uint64, len(ids)))


class ShardWorker:
    """A callable for one dedicated process, which it limits to its cores."""

    def __init__(
        self, load: bytes, fingerprint: str, run: Path, batch_size: int, cores: int, known: np.ndarray
    ) -> None:
        """`load`: a pickled function that creates the encoder; `run`: the folder for shards; `known`: see `prefixes`.

        Loading is deferred to the first batch, and so are its errors.
        """
        limit_to(cores)  # the others belong to other workers
        self._load, self._fingerprint, self._run = load, fingerprint, run
        self._batch_size, self._cores, self._known = batch_size, cores, known
        self._encoder: Encoder | None = None
        self._shard, self._room = run, 0

    def __call__(self, rows: Mapping[str, Sequence[bytes]]) -> dict[str, list[Any]]:
        """Process rows whose `photos` is a batch of paths, encoded by `shards.packed`; return one outcome per row.

        `photos`: the size of the batch; `unseen`: how many of them this machine can't find; `error`: the pickled
        `ImlcullError` that stopped the batch, else empty.
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
                f"{encoder.fingerprint[:16]}, but this run was started with {self._fingerprint[:16]}. "
                "Give every machine the same model."
            )
        return encoder

    def _without_known(self, paths: Sequence[Path]) -> list[Path]:
        """The photos whose content is not in the cache yet. The content ids of the others are recorded in the shard."""
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
            return path, stat, None  # `fill` records the reason
        prefix = prefixes([content_id])
        place = np.searchsorted(self._known, prefix)[0]
        if place == len(self._known) or self._known[place] != prefix[0]:
            return path, stat, None
        return path, stat, Content(content_id, *photos.moment(path))
