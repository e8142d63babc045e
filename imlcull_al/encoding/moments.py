"""Raws that were taken at another moment than the rendered picture of their name: two photos, as their times tell.

`capture_times/` in the cache, as `segments`, holds when the files of such pairs were taken:
    attributes   format = "imlcull capture times", version = 1
    path_id      (N, 16) uint8, as in `cache`
    stat         (N, 4) int64, as in `cache`
    taken        (N,) float64, seconds by the camera's clock; NaN where the file doesn't say

A pair of which one time is unknown is one photo. A listing asks for what is known; only `read` reads files, once while
their `State` is the same.
"""

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from ..errors import Cancelled, StorageError, UnreadablePhoto
from ..parallel import in_order
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project.companions import Pair
from .cache import path_ids_of, states_of
from .ids import places
from .segments import Segments

log = logging.getLogger(__name__)
APART = 5.0
"""Seconds between two files of one name from which they are two photos. One press writes both with the same time."""
_AHEAD = 8
_A_WRITE = 2_000  # files


class Moments:
    """What is known of the capture times of raws and rendered pictures of one name. Thread-safe."""

    def __init__(self, cache_dir: Path, paths: Callable[[Iterable[str]], Mapping[str, str]]) -> None:
        """`paths`: keys → files, as `Stage.paths`. Reads nothing yet."""
        columns = {"path_id": np.dtype(("u1", (16,))), "stat": np.dtype(("<i8", (4,))), "taken": np.dtype("<f8")}
        about = {"format": "imlcull capture times", "version": 1}
        self._segments, self._paths = Segments(cache_dir / "capture_times", about, columns), paths
        self._known: list[np.ndarray] | None = None
        self._judged: set[Pair] = set()
        self._apart: set[Pair] = set()
        self._lock = threading.RLock()

    def apart(self, pairs: Sequence[Pair]) -> Collection[Pair]:
        """Those of `pairs` that are known to be taken at different moments; see `companions.Apart`. Reads no photo."""
        with self._lock:
            self._judge([pair for pair in pairs if pair not in self._judged or pair in self._apart])
            return self._apart.intersection(pairs)

    def read(self, pairs: Sequence[Pair], *, progress: Progress = silent, stop: Stop = never) -> bool:
        """Read the times of `pairs` that are unknown. Whether any pair is two photos. Raises `Cancelled`."""
        files = list(self._paths(dict.fromkeys(chain.from_iterable(pairs))).values())
        states = states_of(files)
        unknown = np.flatnonzero(~self._look_up(files, states)[0]).tolist()
        for start in range(0, len(unknown), _A_WRITE):
            rows = unknown[start : start + _A_WRITE]
            times: dict[int, float] = {}
            with closing(in_order(_pressed, [files[row] for row in rows], _AHEAD)) as found:
                for row, time in zip(rows, found, strict=True):
                    if stop():
                        raise Cancelled("The comparison of capture times was stopped; what was read is kept.")
                    progress("comparing capture times", start + len(times), len(unknown))
                    if time is not None:
                        times[row] = time
            self._keep([files[row] for row in times], states[list(times)], list(times.values()))
        with self._lock:
            self._judge(pairs)
            return not self._apart.isdisjoint(pairs)

    def _judge(self, pairs: Sequence[Pair]) -> None:
        """Note which of `pairs` are two photos by the times that are known now."""
        if not pairs:
            return
        ones, others = (self._times([pair[side] for pair in pairs]) for side in (0, 1))
        are_apart = np.abs(ones - others) > APART  # false where one is NaN
        self._judged.update(pairs)
        self._apart.difference_update(pairs)
        self._apart.update(pair for pair, is_apart in zip(pairs, are_apart.tolist(), strict=True) if is_apart)

    def _times(self, keys: Sequence[str]) -> np.ndarray:
        """(N,) capture times; NaN for unknown."""
        of = self._paths(keys)
        return self._look_up([of[key] for key in keys])[1]

    def _look_up(self, files: Sequence[str], states: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Whether the times of N files are known (N,) bool, and these (N,); NaN where they aren't."""
        with self._lock:
            if self._known is None:
                self._known = self._segments.read()
            ids, stats, taken = self._known
        times = np.full(len(files), np.nan)
        if not len(ids):
            return np.zeros(len(files), bool), times
        at = places(path_ids_of(files), ids)
        known = at >= 0
        now = states_of([files[row] for row in np.flatnonzero(known).tolist()]) if states is None else states[known]
        known[known] = (stats[at[known]] == now).all(axis=1)
        times[known] = taken[at[known]]
        return known, times

    def _keep(self, files: Sequence[str], states: np.ndarray, times: Sequence[float]) -> None:
        """Remember times, on the disk, too, unless that refuses."""
        columns = [path_ids_of(files), states, np.array(times, np.float64)]
        try:
            self._segments.append(*columns)
        except StorageError as error:
            log.warning("Capture times are not kept. %s The work goes on.", error)
        with self._lock:
            assert self._known is not None
            self._known = [np.concatenate(both) for both in zip(columns, self._known, strict=True)]


def _pressed(file: str) -> float | None:
    """When a file was taken, NaN if it doesn't say; None if it can't be read now."""
    try:
        return photos.pressed(file)
    except UnreadablePhoto as error:
        return math.nan if error.lasting else None
