"""Which frames are of one moment: times and embeddings to groups.

Arithmetic only: knows nothing of photos, files or EXIF. Rows of the caller's arrays lie in key order, so frames of the
same time come in the order of their names.
"""

import numpy as np

PAUSE = 3.0
"""Seconds between two frames of one moment, at most: many cameras note whole seconds, and a long exposure its start."""
LONGEST = 60.0
"""Seconds from the first to the last frame of a burst, at most: a time-lapse of one place is many moments."""
ALIKE = 0.3
"""How far two frames of a burst are on the way from any two photos of the stage (0) to equal ones (1), at least.

With vit-tiny it finds 99.6 % of the joins in the sample project and all in simulated bursts of ten photographs, half of
their frames spoiled; of pairs of different scenes there, 34 % (crops of two photographs) and 8 % are as alike.
"""
NEIGHBOURS = 3
"""A frame is compared with so many that follow it."""
SURELY_ALIKE = 0.75
"""The cosine that is alike whatever the others are, so that a stage of one scene isn't torn into single frames."""
SAME = 1 - 1e-5
"""The cosine of photos without a time that are copies of one file."""
STEP = 0.12
"""How far the steps of an exposure bracket may be apart, in stops: thirds are noted as 0.3, 0.33 and 0.7."""


def groups(times: np.ndarray, embeddings: np.ndarray, cameras: np.ndarray | None = None) -> np.ndarray:
    """(N,) seconds with their fractions, NaN where there is none, and (N, D) embeddings → (N,) numbers of the bursts,
    0, 1, … in the order of their first rows.

    Of frames that follow each other in time, those at most `PAUSE` apart that look alike are one burst, up to
    `LONGEST`. `cameras` (N,): only frames of the same one follow each other. A photo without a time, or without an
    embedding (NaN or zeros), is a burst of its own; only copies of one file without a time are together.
    """
    times = np.asarray(times, np.float64)
    frames = _Frames(embeddings)
    first = np.arange(len(times))  # the burst of each row, named by one of its rows
    timed, untimed = np.flatnonzero(np.isfinite(times)), np.flatnonzero(~np.isfinite(times))
    camera = np.zeros(len(timed)) if cameras is None else np.unique(np.asarray(cameras)[timed], return_inverse=True)[1]
    order = timed[np.lexsort((timed, times[timed], camera))]
    joined = _joined(times[order], np.sort(camera), frames, order)
    first[order] = _run_starts(order, _cut_long(times[order], joined))
    order = untimed[np.argsort(frames.shadows()[untimed], kind="stable")]
    first[order] = _run_starts(order, frames.cosines(order[:-1], order[1:]) >= SAME)
    return _numbered(first)


def in_time(times: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The same groups (N,), numbered in the order in which their first frames were taken; untimed ones come last.

    `times` (N,) as in `groups`. Groups of one time stay in their order.
    """
    times = np.asarray(times, np.float64)
    first = np.full(int(group.max(initial=-1)) + 1, np.inf)
    np.minimum.at(first, group, np.where(np.isfinite(times), times, np.inf))
    number = np.empty(len(first), np.intp)
    number[np.argsort(first, kind="stable")] = np.arange(len(first))
    return number[group]


def brackets(times: np.ndarray, group: np.ndarray, compensations: np.ndarray) -> list[int]:
    """The numbers of the groups (N,) that are exposure brackets, see `is_bracket`; all arguments (N,)."""
    order = np.lexsort((np.asarray(times, np.float64), group))
    order = order[np.isfinite(np.asarray(compensations, np.float64)[order])]
    numbers, starts = np.unique(group[order], return_index=True)
    runs = np.split(np.asarray(compensations)[order], starts[1:])
    return [int(number) for number, run in zip(numbers, runs, strict=False) if len(run) > 2 and is_bracket(run)]


def is_bracket(compensations: np.ndarray) -> bool:
    """Whether frames belong together by their exposure: compensations (n,) in stops, in order of time, NaN for none.

    True where three or more different, evenly spaced ones are gone through once or again and again in the same order
    (0, −2, +2, 0, −2, +2). Such frames are no choice: culling one of them spoils the others.
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
    """Embeddings (N, D) and what makes their lengths 1; without a copy, for a large stage fills the memory."""

    def __init__(self, embeddings: np.ndarray) -> None:
        self.rows = np.asarray(embeddings, np.float32)
        squares: np.ndarray = np.vecdot(self.rows, self.rows)
        if not np.isfinite(squares).all():
            self.rows = np.where(np.isfinite(squares)[:, None], self.rows, 0)
            squares = np.where(np.isfinite(squares), squares, 0)
        lengths = np.sqrt(squares)
        self.scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)

    def alike(self) -> float:
        """The cosine from which two frames count as alike.

        What any two photos have in common differs by encoder and by stage (vit-tiny: 0.2 for ten photographs and
        their crops, 0.4 for crops of two). It is the squared length of the mean unit row.
        """
        common = float(np.square(self.scale @ self.rows / max(len(self.rows), 1)).sum())
        return min(common + ALIKE * (1 - common), SURELY_ALIKE)

    def cosines(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(n,) cosines of the rows `left` (n,) and `right` (n,)."""
        cosines = np.empty(len(left), np.float32)
        for start in range(0, len(left), 256):  # what fits into the processor's cache
            one, other = left[start : start + 256], right[start : start + 256]
            cosines[start : start + 256] = np.vecdot(self.rows[one], self.rows[other])
        return cosines * self.scale[left] * self.scale[right]

    def shadows(self) -> np.ndarray:
        """(N,) a number for each row, the same for equal rows: in its order copies are neighbours."""
        direction = np.random.default_rng(0).normal(size=self.rows.shape[1:]).astype(np.float32)
        return (self.rows @ direction) * self.scale


def _joined(times: np.ndarray, camera: np.ndarray, frames: _Frames, order: np.ndarray) -> np.ndarray:
    """(n − 1,) whether each of `order` (n,), with its `times` and `camera`, is of one moment with the next.

    What lies between two frames that are is too: a spoiled frame looks like none of its neighbours.
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
    """`joined` (n − 1,) of ascending `times` (n,) within each run, with a cut wherever a run would be too long."""
    joined = joined.copy()
    ends = np.flatnonzero(np.append(~joined, True)) + 1
    starts = np.append(0, ends[:-1])
    long = np.flatnonzero(times[ends - 1] - times[starts] > LONGEST) if len(times) else starts[:0]
    for start, end in zip(starts[long], ends[long], strict=True):
        while times[end - 1] - times[start] > LONGEST:
            start += int(np.searchsorted(times[start:end], times[start] + LONGEST, side="right"))
            joined[start - 1] = False
    return joined


def _run_starts(order: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """For each of `order` (n,) the one that its run starts with; `joined` (n − 1,) says who follows in the same run."""
    begins = np.append(True, ~joined)[: len(order)]
    return order[begins][np.cumsum(begins) - 1]


def _numbered(first: np.ndarray) -> np.ndarray:
    """The same partition, its groups numbered in the order of their first rows."""
    _, where, group = np.unique(first, return_index=True, return_inverse=True)
    number = np.empty(len(where), np.intp)
    number[np.argsort(where)] = np.arange(len(where))
    return number[group]
