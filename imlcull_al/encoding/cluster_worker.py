"""A worker process that embeds batches of photos into a cache that others fill, too.

Its inputs and outputs are rows of bytes and numbers, which any transport can carry. `embeddings` is imported late, once
the number of cores is set, because thread and process pools are sized by it. Independent of the scheduler.
"""

import os
import pickle
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EncoderError, ImlcullError, StorageError
from ..parallel import limit_to
from ..project.originals import stat_of
from .encoder import Encoder

if TYPE_CHECKING:
    from .embeddings import Cache


def packed(paths: Sequence[str | Path]) -> bytes:
    """Paths, whatever bytes they are, as one text of bytes."""
    return b"\0".join(map(os.fsencode, paths))


def unpacked(data: bytes) -> list[Path]:
    """The inverse."""
    return [Path(os.fsdecode(path)) for path in data.split(b"\0")]


class ClusterWorker:
    """A callable for one dedicated process, which it limits to its cores."""

    def __init__(self, load: bytes, fingerprint: str, run: Path, batch_size: int, cores: int) -> None:
        """`load`: a pickled function that creates the encoder; `run`: a file in the cache folder, there while the run
        lasts, which proves that this machine sees the same folder.

        Loading is deferred to the first batch, and so are its errors.
        """
        limit_to(cores)  # the others belong to other workers
        self._load, self._fingerprint, self._run = load, fingerprint, run
        self._batch_size, self._cores = batch_size, cores
        self._opened: tuple[Encoder, Cache] | None = None

    def __call__(self, rows: Mapping[str, Sequence[bytes]]) -> dict[str, list[Any]]:
        """Process rows whose `photos` is a batch of paths, encoded by `packed`; return one outcome per row.

        `photos`: the size of the batch; `unseen`: how many of them this machine can't find; `error`: the pickled
        `ImlcullError` that stopped the batch, else empty.
        """
        outcome: dict[str, list[Any]] = {"photos": [], "unseen": [], "error": []}
        for batch in rows["photos"]:
            paths, error = unpacked(batch), b""
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

        encoder, cache = self._opened = self._opened or self._open()
        embeddings.fill({str(path): path for path in paths}, encoder, cache, batch_size=self._batch_size)

    def _open(self) -> "tuple[Encoder, Cache]":
        import torch

        from . import embeddings

        if not self._run.exists():
            raise StorageError(
                f"{socket.gethostname()} does not see the cache in {self._run.parent}. Choose a cache folder that all "
                "machines share (--cache-dir)."
            )
        torch.set_num_threads(self._cores)
        encoder: Encoder = pickle.loads(self._load)()
        if encoder.fingerprint != self._fingerprint:
            raise EncoderError(
                f"The encoder on {socket.gethostname()} is {encoder.name} with the fingerprint "
                f"{encoder.fingerprint[:16]}, but this run was started with {self._fingerprint[:16]}. "
                "Give every machine the same model."
            )
        return encoder, embeddings.open_cache(self._run.parent, encoder)
