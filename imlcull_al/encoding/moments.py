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
            apart = self._apart
            unjudged = [pair for pair in pairs if pair not in self._judged or pair in apart]
        if not unjudged:
            return ()
        files = self._files(unjudged)
        self._judge(unjudged, files, self._look_up(list(files.values()), states_of(list(files.values())))[1])
        with self._lock:
            return self._apart.intersection(pairs)

    def read(self, pairs: Sequence[Pair], *, progress: Progress = silent, stop: Stop = never) -> bool:
        """Read the times of `pairs` that are unknown. Whether any pair is two photos. Raises `Cancelled`.

        A raw is not read whose rendered picture doesn't say when it was taken.
        """
        of = self._files(pairs)
        files = list(of.values())
        states = states_of(files)
        are_known, times = self._look_up(files, states)
        rows = {key: row for row, key in enumerate(of)}
        rendered = dict.fromkeys(rows[one] for one, _ in pairs)
        self._read([row for row in rendered if not are_known[row]], files, states, times, progress, stop)
        raws = dict.fromkeys(rows[raw] for one, raw in pairs if not math.isnan(times[rows[one]]))
        self._read([row for row in raws if not are_known[row]], files, states, times, progress, stop)
        self._judge(pairs, of, times)
        with self._lock:
            return not self._apart.isdisjoint(pairs)

    def _read(
        self,
        rows: Sequence[int],
        files: Sequence[str],
        states: np.ndarray,
        times: np.ndarray,
        progress: Progress,
        stop: Stop,
    ) -> None:
        """Read the times of these `rows` of `files` into `times` (N,), and keep them. Raises `Cancelled`."""
        for start in range(0, len(rows), _A_WRITE):
            block = rows[start : start + _A_WRITE]
            read: list[int] = []
            try:
                with closing(in_order(_capture_time, [files[row] for row in block], _AHEAD)) as found:
                    for done, (row, time) in enumerate(zip(block, found, strict=True), start):
                        if stop():
                            raise Cancelled("The comparison of capture times was stopped; what was read is kept.")
                        progress("comparing capture times", done, len(rows))
                        if time is not None:
                            times[row] = time
                            read.append(row)
            finally:
                self._keep([files[row] for row in read], states[read], times[read])

    def _files(self, pairs: Sequence[Pair]) -> Mapping[str, str]:
        """The file of each key in `pairs`, once."""
        return self._paths(dict.fromkeys(chain.from_iterable(pairs)))

    def _judge(self, pairs: Sequence[Pair], files: Mapping[str, str], times: np.ndarray) -> None:
        """Note which of `pairs` are two photos. `times`: (N,) of `files`, NaN where unknown."""
        of = dict(zip(files, times.tolist(), strict=True))
        apart = {(one, other) for one, other in pairs if abs(of[one] - of[other]) > APART}  # false where one is NaN
        with self._lock:
            self._judged.update(pairs)
            self._apart.difference_update(pairs)
            self._apart.update(apart)

    def _look_up(self, files: Sequence[str], states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether the times of N files in these `states` (N, 4) are known (N,) bool, and these (N,); else NaN."""
        with self._lock:
            if self._known is None:
                self._known = self._segments.read()
            ids, stats, taken = self._known
        known, times = np.zeros(len(files), bool), np.full(len(files), np.nan)
        if len(ids):
            at = places(path_ids_of(files), ids)
            known = at >= 0
            known[known] = (stats[at[known]] == states[known]).all(axis=1)
            times[known] = taken[at[known]]
        return known, times

    def _keep(self, files: Sequence[str], states: np.ndarray, times: np.ndarray) -> None:
        """Remember times, on the disk, too, unless that refuses."""
        if not files:
            return
        columns = [path_ids_of(files), states, times]
        try:
            self._segments.append(*columns)
        except StorageError as error:
            log.warning("Capture times are not kept. %s The work goes on.", error)
        with self._lock:
            assert self._known is not None
            self._known = [np.concatenate(both) for both in zip(columns, self._known, strict=True)]


def _capture_time(file: str) -> float | None:
    """When a file was taken, NaN if it doesn't say; None if it can't be read now."""
    try:
        return photos.capture_time(file)
    except UnreadablePhoto as error:
        return math.nan if error.lasting else None
