"""Runs long work in a background thread, one job at a time. Any number of pages may poll its state.

    jobs.start("embedding", lambda progress, stop: session.prepare(progress=progress, stop=stop), yields=True)
    jobs.state()    # Job(name="embedding", status="running", what="embedding", done=120, total=360, ...)

A job outlives the page that started it. Work started with `yields` is preempted by any other job and resumes after it.
Independent of pages, photos and sessions.
"""

import logging
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..errors import Cancelled, ImlcullError, StageError, shown
from ..progress import REPORTS, Progress, Stop, seconds_left
from ..turns import Turns, working_for

log = logging.getLogger(__name__)
RUNNING, DONE, FAILED, CANCELLED, WAITING = "running", "done", "failed", "cancelled", "waiting"
Work = Callable[[Progress, Stop], Any]
SLICE = 60.0
"""Seconds after which preemptible work gives up its turn to waiting jobs."""
_SECONDS_BETWEEN_LOOKS = 0.2
_NICENESS = 5


@dataclass(frozen=True)
class Job:
    """Snapshot of a job: its current step, its progress, and how it ended.

    `number` counts jobs from 1; `revision` increases with every change, across all jobs. `seconds`: elapsed, or total
    once ended; `seconds_left`: estimate for the current step, None if unknown. `notes`: values recorded by the work.
    `result`: return value of the work. `error`: message of a failed or canceled job. `stopping`: stop was requested;
    the job ends at its next step.
    """

    number: int
    revision: int
    name: str
    status: str = RUNNING
    what: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    notes: tuple[Any, ...] = ()
    result: Any = None
    error: str = ""
    stopping: bool = False
    yields: bool = False
    """Whether any other job may interrupt it."""

    @property
    def running(self) -> bool:
        """Whether the job is still running."""
        return self.status == RUNNING


@dataclass
class _Task:
    """Internal state of the running work, beside the `Job` that pages see."""

    name: str
    work: Work
    yields: bool
    started: float
    stop: threading.Event
    reports: deque[tuple[float, int]]
    worked: float = 0.0  # seconds spent in earlier turns
    gives_way: bool = False  # yielded to other visitors until its next turn
    thread: threading.Thread | None = None


class Jobs:
    """Runs at most one job at a time and remembers the latest of each name. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        turns: Turns | None = None,
        visitor: str = "",
        longest: float = math.inf,
    ) -> None:
        """`turns`: limits how many jobs run at once among all visitors that share it; the others queue. `longest`:
        seconds of work after which a job is asked to stop.
        """
        self._longest = longest
        self._visitor = visitor
        self._clock = clock
        self._turns = turns
        self._lock = threading.RLock()
        self._task: _Task | None = None
        self._job: Job | None = None
        self._latest: dict[str, Job] = {}
        self._tasks: dict[str, _Task] = {}
        self._filling: tuple[str, Work] | None = None
        self._closed = False
        self._is_closing = threading.Event()

    def state(self) -> Job | None:
        """The running job, or the last one that ended; None before the first."""
        with self._lock:
            if self._job and self._task and self._job.running:
                return replace(self._job, seconds=self._clock() - self._task.started)
            return self._job

    def latest(self, name: str) -> Job | None:
        """The last job of this name, even if others followed."""
        with self._lock:
            now = self.state()
            return now if now and now.name == name else self._latest.get(name)

    def start(self, name: str, work: Work, *, yields: bool = False, again: bool = True) -> None:
        """Run `work(progress, stop)` in the background. Raises `StageError` while another job runs.

        `yields`: preemptible low-priority work. A later `start` interrupts it instead of being refused, and it restarts
        after every other job until it is canceled; without `again`, it is left to whoever started it to do so.
        """
        with self._lock:
            self._make_room()
            if yields and again:
                self._filling = name, work
            self._begin(name, work, yields)

    def follow_with(self, name: str, work: Work) -> None:
        """Run this preemptible work, as `start` does with `yields`, whenever the present job and later ones end."""
        with self._lock:
            self._filling = name, work

    def cancel(self) -> None:
        """Ask the running job to stop; it ends at its next step."""
        with self._lock:
            if not (self._task and self._job and self._job.running):
                return
            self._task.stop.set()
            if self._filling and self._filling[0] == self._task.name:
                self._filling = None
            self._change(self._task, stopping=True)

    def close(self) -> None:
        """Cancel the running job and refuse new ones: the server is shutting down."""
        self._is_closing.set()
        with self._lock:
            self._closed = True
            self.cancel()

    def wait_until_closed(self, seconds: float) -> bool:
        """Wait up to `seconds` for `close`. Whether it was called."""
        return self._is_closing.wait(seconds)

    def note(self, value: object) -> None:
        """Record a value in the job's notes. Called by the work itself; without effect once it was interrupted."""
        with self._lock:
            if self._task is None or self._job is None or self._task.thread is not threading.current_thread():
                return
            self._change(self._task, notes=(*self._job.notes, value))

    def wait(self, timeout: float | None = None, name: str | None = None) -> Job | None:
        """Join the present job, or the last one of this name, for at most `timeout` seconds, and return its state."""
        with self._lock:  # a thread that is just being made has not started yet
            task = self._tasks.get(name) if name else self._task
        if task is None or task.thread is None:
            return None
        task.thread.join(timeout)
        return self.latest(task.name)

    def _make_room(self) -> None:
        """Preempt work that yields. Raises `StageError` if any other job is running."""
        if self._closed:
            raise StageError("The server is stopping. Start it again first.")
        if not (self._task and self._job and self._job.running):
            return
        if not self._task.yields:
            raise StageError(f"The {self._job.name} is still running. Wait until it is done, or stop it first.")
        self._task.stop.set()
        self._change(self._task, status=WAITING, seconds_left=None)

    def _begin(self, name: str, work: Work, yields: bool) -> None:
        before = self._task.thread if self._task else None
        number, revision = (self._job.number, self._job.revision) if self._job else (0, 0)
        self._job = self._latest[name] = Job(number + 1, revision + 1, name, yields=yields)
        task = self._task = _Task(name, work, yields, self._clock(), threading.Event(), deque(maxlen=REPORTS))
        self._tasks[name] = task
        task.thread = threading.Thread(target=self._run, args=(task, before), name=name, daemon=True)
        task.thread.start()

    def _run(self, task: _Task, before: threading.Thread | None) -> None:
        if before:
            before.join()  # two at once would compete for the CPU and the cache
        _give_way()
        working_for.set(f"jobs of {self._visitor}")
        ending = self._in_turn(task)
        task.work = _ended  # it may hold much in memory
        with self._lock:
            if task is not self._task:
                return  # preempted: a newer job owns the state
            self._change(task, **ending, seconds=self._clock() - task.started, seconds_left=None, stopping=False)
            if self._filling and not task.yields and not self._closed:
                self._begin(*self._filling, yields=True)

    def _in_turn(self, task: _Task) -> dict[str, Any]:
        """Do the work in one turn; work that yields may take several."""
        if self._turns is None:
            return self._outcome(task, lambda: False)
        while True:
            has_come = threading.Event()
            turn = self._turns.join(self._visitor, has_come.set)
            try:
                while not has_come.wait(_SECONDS_BETWEEN_LOOKS):
                    self._progress(task, "waiting for others", 0, 1)
                    if task.stop.is_set():
                        return {"status": CANCELLED, "error": "Stopped before it began."}
                since, task.gives_way = self._clock(), False
                ending = self._outcome(task, partial(self._gives_way, task, self._turns, since))
                task.worked += self._clock() - since
            finally:
                self._turns.leave(turn)
            if ending["status"] != CANCELLED or task.stop.is_set() or not task.gives_way:
                return ending

    def _gives_way(self, task: _Task, turns: Turns, since: float) -> bool:
        """Whether preemptible work has used up its slice while others wait."""
        task.gives_way = task.yields and self._clock() - since > SLICE and turns.others_wait(self._visitor)
        return task.gives_way

    def _outcome(self, task: _Task, gives_way: Callable[[], bool]) -> dict[str, Any]:
        """Do the work and return the fields that describe how it ended."""

        def progress(what: str, done: int, total: int) -> None:
            self._progress(task, what, done, total)

        until = self._clock() + self._longest - task.worked

        def stop() -> bool:
            return task.stop.is_set() or self._clock() > until or gives_way()

        try:
            return {"status": DONE, "result": task.work(progress, stop)}
        except Cancelled as error:
            return {"status": CANCELLED, "error": str(error)}
        except ImlcullError as error:
            return {"status": FAILED, "error": str(error)}
        except Exception as error:  # a bug must end the job too, or no other could start
            log.exception("The %s failed", task.name)
            return {"status": FAILED, "error": defect(error)}

    def _progress(self, task: _Task, what: str, done: int, total: int) -> None:
        with self._lock:
            if task is not self._task or self._job is None:
                return
            if what != self._job.what or done < self._job.done:
                task.reports.clear()
            task.reports.append((self._clock(), done))
            self._change(task, what=what, done=done, total=total, seconds_left=seconds_left(task.reports, total))

    def _change(self, task: _Task, **changes: Any) -> None:
        if task is self._task and self._job is not None:
            self._job = self._latest[task.name] = replace(self._job, revision=self._job.revision + 1, **changes)


def _ended(progress: Progress, stop: Stop) -> None:
    """The work of a task that has ended."""


def _give_way() -> None:
    """Lower the scheduling priority of this thread and its children, so that requests go first. Only Linux has a
    priority per thread.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def defect(error: Exception) -> str:
    """Message for an unexpected error. The path of an `OSError` goes to the log only."""
    what = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"This is a defect, please report it: {type(error).__name__}: {shown(str(what))}"
