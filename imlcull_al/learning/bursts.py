"""Groups frames into bursts by capture time and embedding. Pure arithmetic.

Independent of photos, files and EXIF. Rows of the caller's arrays are in key order, so frames with equal times are
ordered by name.
"""

import numpy as np

PAUSE = 3.0
"""Maximum seconds between two frames of a burst. Many cameras record whole seconds; a long exposure records its
start.
"""
LONGEST = 60.0
"""Maximum seconds from the first to the last frame of a burst. A time-lapse of one place is many moments."""
ALIKE = 0.3
"""Minimum similarity of two frames of a burst, from 0 (the mean similarity of all photos of the stage) to 1
(identical).

With vit-tiny it finds 99.6 % of the joins in the sample project and all of them in simulated bursts of ten photographs
with half of the frames spoiled. Of the pairs of different scenes there, 34 % (crops of two photographs) and 8 % are as
similar.
"""
NEIGHBOURS = 3
"""Number of following frames that each frame is compared with."""
DEAD = 24
"""Number of frames of one camera at the very same time that shows a dead clock. Cameras that note whole seconds are
slower.
"""
SURELY_ALIKE = 0.75
"""Upper limit of the cosine threshold, so that a stage of a single scene isn't split into single frames."""
SAME = 1 - 1e-5
"""Minimum cosine of photos without a time that count as copies of one file."""
SEEN = 0.05
"""Difference of severity, 0 … 1, that a person sees; smaller deviations are noise."""
FAR = 3.0
"""Deviations behind the best beyond which a frame is no worse."""
STEP = 0.12
"""Tolerance of the spacing of an exposure bracket, in stops: cameras record thirds as 0.3, 0.33 and 0.7."""


def groups(times: np.ndarray, embeddings: np.ndarray, cameras: np.ndarray | None = None) -> np.ndarray:
    """(N,) capture times in seconds, NaN if unknown, and (N, D) embeddings → (N,) burst numbers 0, 1, … in order of
    their first rows.

    Consecutive frames at most `PAUSE` apart that look alike form a burst, up to `LONGEST`. `cameras` (N,): only frames
    of the same camera are consecutive. Where its clock is dead, rows count as one frame every `PAUSE`: neighbors that
    look alike are joined, up to `LONGEST`. A photo without a time or a usable embedding (NaN or zeros) is its own
    burst, except that copies of one file without a time are grouped.
    """
    times = np.asarray(times, np.float64)
    frames = _Frames(embeddings)
    first = np.arange(len(times))  # burst of each row, named by one of its rows
    timed, untimed = np.flatnonzero(np.isfinite(times)), np.flatnonzero(~np.isfinite(times))
    camera = np.zeros(len(timed)) if cameras is None else np.unique(np.asarray(cameras)[timed], return_inverse=True)[1]
    counted, camera = _without_dead_clocks(times[timed], camera)
    by_time = np.lexsort((timed, counted, camera))
    order, counted, camera = timed[by_time], counted[by_time], camera[by_time]
    joined = _joined(counted, camera, frames, order)
    first[order] = _run_starts(order, _cut_long(counted, joined))
    _join_copies(first, frames, untimed)
    return _numbered(first)


def copies(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) embeddings → (N,) numbers of the photos that are there more than once, in order of their first rows, −1
    for all others. A copy may have another time or name.
    """
    first = np.arange(len(embeddings))
    _join_copies(first, _Frames(embeddings), first.copy())
    number = _numbered(first)
    return np.where(np.bincount(number)[number] > 1, number, -1) if len(number) else number


def in_time(times: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Renumber the groups (N,) by the capture time of their first frames, groups without a time last.

    `times` (N,) as in `groups`. The sort is stable.
    """
    times = np.asarray(times, np.float64)
    first = np.full(int(group.max(initial=-1)) + 1, np.inf)
    np.minimum.at(first, group, np.where(np.isfinite(times), times, np.inf))
    number = np.empty(len(first), np.intp)
    number[np.argsort(first, kind="stable")] = np.arange(len(first))
    return number[group]


def behind_best(severity: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(N,) float32: how much worse a row is than the best of its group (N,), 0 for the best to `FAR`.

    `severity` (N, K): K measures of what is wrong, 0 … 1. Each counts in standard deviations among the rows of groups
    that have more than one, and so does their sum; differences too small to see stay small. A row with NaN counts as a
    best one.
    """
    known = np.isfinite(severity).all(axis=1)
    best = np.full((int(group.max(initial=-1)) + 1, severity.shape[1]), np.inf)
    np.minimum.at(best, group[known], severity[known])
    behind = np.zeros(severity.shape)
    behind[known] = severity[known] - best[group[known]]
    among = known & (np.bincount(group, known, len(best))[group] > 1)
    if not among.any():
        return np.zeros(len(group), np.float32)
    total = (behind / np.maximum(behind[among].std(axis=0), SEEN)).sum(axis=1)
    return np.minimum(total / max(float(total[among].std()), 1.0), FAR).astype(np.float32)


def brackets(times: np.ndarray, group: np.ndarray, compensations: np.ndarray) -> list[int]:
    """Numbers of the groups that are exposure brackets, see `is_bracket`; all arguments (N,)."""
    order = np.lexsort((np.asarray(times, np.float64), group))
    order = order[np.isfinite(np.asarray(compensations, np.float64)[order])]
    numbers, starts = np.unique(group[order], return_index=True)
    runs = np.split(np.asarray(compensations)[order], starts[1:])
    return [int(number) for number, run in zip(numbers, runs, strict=False) if len(run) > 2 and is_bracket(run)]


def is_bracket(compensations: np.ndarray) -> bool:
    """Whether frames form an exposure bracket. `compensations` (n,) in stops, in order of time, NaN if unknown.

    True if three or more distinct, evenly spaced values occur once, or repeat in the same order (0, −2, +2, 0, −2, +2).
    Frames of a bracket are not alternatives: culling one of them ruins the others.
    """
    stops = np.asarray(compensations, np.float64)
    if len(stops) < 3 or not np.isfinite(stops).all():
        return False
    again = np.flatnonzero(np.abs(stops[1:] - stops[0]) < STEP)
    length = int(again[0]) + 1 if len(again) else len(stops)
    if length < 3 or len(stops) % length:
        return False
    rounds = stops.reshape(-1, length)
    steps = np.diff(np.sort(rounds[0]))
    even = steps.min() > STEP and np.ptp(steps) < STEP
    return bool(even and (np.abs(rounds - rounds[0]) < STEP).all())


class _Frames:
    """Embeddings (N, D) and the scale that normalizes each row. Not copied: for a large stage a copy would fill the
    memory.
    """

    def __init__(self, embeddings: np.ndarray) -> None:
        self.rows = np.asarray(embeddings, np.float32)
        squares: np.ndarray = np.vecdot(self.rows, self.rows)
        if not np.isfinite(squares).all():
            self.rows = np.where(np.isfinite(squares)[:, None], self.rows, 0)
            squares = np.where(np.isfinite(squares), squares, 0)
        lengths = np.sqrt(squares)
        self.scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)

    def alike(self) -> float:
        """Minimum cosine of two frames that look alike.

        The cosine of unrelated photos depends on encoder and stage (vit-tiny: 0.2 for ten photographs and their crops,
        0.4 for crops of two). Its mean is the squared norm of the mean unit row.
        """
        common = float(np.square(self.scale @ self.rows / max(len(self.rows), 1)).sum())
        return min(common + ALIKE * (1 - common), SURELY_ALIKE)

    def cosines(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(n,) cosines of the rows `left` (n,) and `right` (n,)."""
        cosines = np.empty(len(left), np.float32)
        for start in range(0, len(left), 256):  # blocks that fit into the CPU cache
            one, other = left[start : start + 256], right[start : start + 256]
            cosines[start : start + 256] = np.vecdot(self.rows[one], self.rows[other])
        return cosines * self.scale[left] * self.scale[right]

    def shadows(self) -> np.ndarray:
        """(N,) projection of each row onto a fixed random direction; equal rows get equal values, so sorting puts
        copies side by side.
        """
        direction = np.random.default_rng(0).normal(size=self.rows.shape[1:]).astype(np.float32)
        return (self.rows @ direction) * self.scale


def _without_dead_clocks(times: np.ndarray, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and cameras (n,), in which the frames of a dead clock have counted times and a camera of their own."""
    _, same, counts = np.unique(np.stack([camera, times]), axis=1, return_inverse=True, return_counts=True)
    times, camera = times.copy(), camera.copy()
    for number, moment in enumerate(np.flatnonzero(counts >= DEAD)):
        frames = np.flatnonzero(same == moment)
        times[frames] = PAUSE * np.arange(len(frames))
        camera[frames] = -1 - number
    return times, camera


def _joined(times: np.ndarray, camera: np.ndarray, frames: _Frames, order: np.ndarray) -> np.ndarray:
    """(n − 1,) whether each frame of `order` (n,) belongs to one moment with its successor.

    All frames between two linked frames are joined too, because a spoiled frame resembles none of its neighbors.
    """
    joined = np.zeros(max(len(order) - 1, 0), bool)
    alike = frames.alike()
    for step in range(1, min(NEIGHBOURS + 1, len(order))):
        between = [joined[place : place + len(order) - step] for place in range(step)]
        near = (times[step:] - times[:-step] <= PAUSE) & (camera[step:] == camera[:-step])
        open_pairs = np.flatnonzero(near & ~np.all(between, axis=0))
        linked = open_pairs[frames.cosines(order[open_pairs], order[open_pairs + step]) >= alike]
        for place in range(step):
            joined[linked + place] = True
    return joined


def _cut_long(times: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """Split runs of `joined` (n − 1,) that exceed `LONGEST`; `times` (n,) ascend within each run."""
    joined = joined.copy()
    ends = np.flatnonzero(np.append(~joined, True)) + 1
    starts = np.append(0, ends[:-1])
    long = np.flatnonzero(times[ends - 1] - times[starts] > LONGEST) if len(times) else starts[:0]
    for start, end in zip(starts[long], ends[long], strict=True):
        while times[end - 1] - times[start] > LONGEST:
            start += int(np.searchsorted(times[start:end], times[start] + LONGEST, side="right"))
            joined[start - 1] = False
    return joined


def _join_copies(first: np.ndarray, frames: _Frames, rows: np.ndarray) -> None:
    """Set `first` (N,) of the copies among `rows` (n,) to one row each."""
    order = rows[np.argsort(frames.shadows()[rows], kind="stable")]
    first[order] = _run_starts(order, frames.cosines(order[:-1], order[1:]) >= SAME)


def _run_starts(order: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """The first element of the run of each element of `order` (n,); `joined` (n − 1,) links successors."""
    begins = np.append(True, ~joined)[: len(order)]
    return order[begins][np.cumsum(begins) - 1]


def _numbered(first: np.ndarray) -> np.ndarray:
    """The same partition, numbered by the first row of each group."""
    _, where, group = np.unique(first, return_index=True, return_inverse=True)
    number = np.empty(len(where), np.intp)
    number[np.argsort(where)] = np.arange(len(where))
    return number[group]
