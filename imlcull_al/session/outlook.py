"""What a cull would come to now: its plan, how large both sides are, and what to look at before.

`Outlooks` makes it in the background, and hands out only what is still true.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice, pairwise
from typing import NamedTuple

from ..culling.plan import Plan
from ..errors import CullRefused, StageError, StorageError
from ..project.labels import KEEP
from ..project.stages import Stage
from .session import Session

_SECONDS = 0.3
"""How long a caller waits for an outlook that is under way."""
_MOST = 8
"""Outlooks kept, one for each threshold: of a large stage, each takes many megabytes."""
PAUSE = 60.0
"""Seconds between two answers from which on nobody was at work."""


class Outlook(NamedTuple):
    """A plan and its consequences. `kept_bytes`, `culled_bytes`: with companions. `emptied`: of each moment of several
    photos that keeps none, and not by a person's answers alone, the photo with the highest score. `damaged`: kept
    photos whose file lacks its end.
    """

    plan: Plan
    kept_bytes: int
    culled_bytes: int
    emptied: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def token(self) -> str:
        """Identifies it: changes with the labels, scores, photos or threshold."""
        return f"{self.plan.revision} {self.plan.threshold}"


def outlook(session: Session, threshold: float) -> Outlook:
    """The outlook of a cull at this threshold. Raises as `Session.plan_cull`, and while photos are not analyzed."""
    plan = session.plan_cull(threshold, prepare=False)
    now, kept = session.standing(wait=False), {each.key for each in plan.kept}
    culled = [each.key for each in plan.culled]
    return Outlook(
        plan,
        _size(plan.stage, plan.files),
        _size(plan.stage, [*culled, *plan.stays]),
        _emptied(plan, {key: moment for key, (moment, _) in now.moments().items()}, {*now.brackets()}),
        tuple(key for key in now.damaged() if key in kept),
    )


def spent(times: Iterable[float]) -> float:
    """Seconds of work, from the times of answers: all gaps between them that are shorter than `PAUSE`.

    >>> spent([100.0, 102.0, 500.0, 510.0, 101.0])
    12.0
    """
    return sum(gap for one, other in pairwise(sorted(times)) if (gap := other - one) < PAUSE)


def _emptied(plan: Plan, moments: dict[str, int], brackets: set[int]) -> tuple[str, ...]:
    frames = defaultdict(list)
    for each in plan.decisions:
        if moments.get(each.key, -1) not in {-1, *brackets}:
            frames[moments[each.key]].append(each)
    several = (each for each in frames.values() if len(each) > 1 and any(frame.reason == "score" for frame in each))
    lost = (each for each in several if all(frame.decision != KEEP for frame in each))
    return tuple(max(each, key=lambda frame: frame.p_keep or 0.0).key for each in lost)


def _size(stage: Stage, keys: Iterable[str]) -> int:
    """Bytes of these files; one that just vanished has none."""
    total = 0
    for key in keys:
        with suppress(OSError):
            total += stage.path(key).stat().st_size
    return total


class Outlooks:
    """The outlooks that pages show, made in the background, one at a time. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is made before it is asked for."""
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, float], Future[Outlook]] = {}

    def at(self, session: Session, threshold: float) -> Outlook | None:
        """The outlook as of now; None while it, or another one, is being made. Raises as `outlook`."""
        asked = (session.stage.name, session.revision, threshold)
        with self._lock:
            made = self._made.get(asked)
            if made is None and all(each.done() for each in self._made.values()):
                made = self._begin(asked, session, threshold)
        if made is None:
            return None
        try:
            found = made.result(_SECONDS)
        except TimeoutError:
            return None
        except (StageError, StorageError):  # the disk may not refuse it again, and photos are analyzed meanwhile
            with self._lock:
                self._made.pop(asked, None)
            raise
        return found if session.is_current(found.plan) else None

    def shown(self, token: str | None, threshold: float) -> Plan:
        """The plan of the outlook with this token. Raises `CullRefused` if there is none any more, or if it is for
        another threshold.
        """
        with self._lock:
            done = [made.result() for made in self._made.values() if made.done() and not made.exception()]
        for each in done:
            if each.token == token and each.plan.threshold == threshold:
                return each.plan
        raise CullRefused(
            "Answers, scores, photos or the threshold have changed. Look at what would be kept now, then press again."
        )

    def _begin(self, asked: tuple[str, str, float], session: Session, threshold: float) -> "Future[Outlook]":
        """Make an outlook in a thread. What was asked before another answer is of no more use, and forgotten."""
        useful = [each for each in self._made.items() if each[0][:2] == asked[:2]]
        made: Future[Outlook] = Future()
        self._made = {**dict(islice(useful, max(0, len(useful) + 1 - _MOST), None)), asked: made}
        threading.Thread(target=_make, args=(made, session, threshold), daemon=True).start()
        return made


def _make(made: Future[Outlook], session: Session, threshold: float) -> None:
    try:
        made.set_result(outlook(session, threshold))
    except Exception as error:  # noqa: BLE001 - raised for whoever asked
        made.set_exception(error)
