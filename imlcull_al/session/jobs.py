"""Long work in a background thread, one job at a time, whose state any number of pages may read.

    jobs.start("embedding", lambda progress, stop: session.prepare(progress=progress, stop=stop), yields=True)
    jobs.state()    # Job(name="embedding", status="running", what="embedding", done=120, total=360, ...)

A job outlives the page that started it. Work that `yields` makes room for what a person asks for: it is stopped, and
goes on after the other job has ended. Knows nothing of pages, photos or sessions.
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
"""Seconds after which work that yields gives its turn to whoever waits for one."""
_SECONDS_BETWEEN_LOOKS = 0.2
_NICENESS = 5


@dataclass(frozen=True)
class Job:
    """A job as it stands: what it does now, how far that is, and how it ended.

    `number` counts jobs from 1; `revision` grows with every change, over all jobs. `seconds`: since the start, or how
    long it took; `seconds_left`: of what it does now, None while unknown. `notes`: what the work put down on its way.
    `result`: what the work returned. `error`: the sentence of a failed or cancelled job. `stopping`: it was asked to
    stop, and ends at its next step.
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

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.status == RUNNING


@dataclass
class _Task:
    """What is being run, beside the `Job` that pages see."""

    name: str
    work: Work
    yields: bool
    started: float
    stop: threading.Event
    reports: deque[tuple[float, int]]
    worked: float = 0.0  # seconds, in earlier turns
    gives_way: bool = False  # to other visitors, until its next turn
    thread: threading.Thread | None = None


class Jobs:
    """Runs at most one job at a time and remembers the latest of each name. Threads may share it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        turns: Turns | None = None,
        visitor: str = "",
        longest: float = math.inf,
    ) -> None:
        """No job yet. `turns`: as many jobs of all visitors that share it run at once; the others wait for theirs.
        `longest`: seconds of work after which a job is asked to stop.
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
        """The last job of this name as it stands, also when others came after it."""
        with self._lock:
            now = self.state()
            return now if now and now.name == name else self._latest.get(name)

    def start(self, name: str, work: Work, *, yields: bool = False) -> None:
        """Run `work(progress, stop)` in the background. Raises `StageError` while another job runs.

        `yields`: fill the time in which nobody asks for anything. Another start stops this work instead of being
        refused, and it begins anew after every other job, until somebody cancels it.
        """
        with self._lock:
            self._make_room()
            if yields:
                self._filling = name, work
            self._begin(name, work, yields)

    def cancel(self) -> None:
        """Ask the running job to stop; it ends at its next step."""
        with self._lock:
            if not (self._task and self._job and self._job.running):
                return
            self._task.stop.set()
            if self._task.yields:
                self._filling = None
            self._change(self._task, stopping=True)

    def close(self) -> None:
        """Stop, and start nothing any more: the server ends."""
        self._is_closing.set()
        with self._lock:
            self._closed = True
            self.cancel()

    def wait_until_closed(self, seconds: float) -> bool:
        """Whether the server ends, after at most so many seconds."""
        return self._is_closing.wait(seconds)

    def note(self, value: object) -> None:
        """Put something down for the pages to read; called by the work itself."""
        with self._lock:
            assert self._task and self._job  # only the work comes here
            self._change(self._task, notes=(*self._job.notes, value))

    def wait(self, timeout: float | None = None, name: str | None = None) -> Job | None:
        """The present job, or the last of this name, once it has ended, or as it stands after `timeout` seconds."""
        task = self._tasks.get(name) if name else self._task
        if task is None or task.thread is None:
            return None
        task.thread.join(timeout)
        return self.latest(task.name)

    def _make_room(self) -> None:
        """Stop what yields; refuse while anything else runs."""
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
        self._job = self._latest[name] = Job(number + 1, revision + 1, name)
        task = self._task = _Task(name, work, yields, self._clock(), threading.Event(), deque(maxlen=REPORTS))
        self._tasks[name] = task
        task.thread = threading.Thread(target=self._run, args=(task, before), name=name, daemon=True)
        task.thread.start()

    def _run(self, task: _Task, before: threading.Thread | None) -> None:
        if before:
            before.join()  # two at once would share the processor, and the cache
        _give_way()
        working_for.set(f"jobs of {self._visitor}")
        ending = self._in_turn(task)
        with self._lock:
            if task is not self._task:
                return  # it made room; what it has to say is not news
            self._change(task, **ending, seconds=self._clock() - task.started, seconds_left=None, stopping=False)
            if self._filling and not task.yields and not self._closed:
                self._begin(*self._filling, yields=True)

    def _in_turn(self, task: _Task) -> dict[str, Any]:
        """Do the work in a turn; work that yields, in as many turns as others leave it."""
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
        """Whether work that can go on later has to let others go first."""
        task.gives_way = task.yields and self._clock() - since > SLICE and turns.others_wait(self._visitor)
        return task.gives_way

    def _outcome(self, task: _Task, gives_way: Callable[[], bool]) -> dict[str, Any]:
        """Do the work; how it ended."""

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
        except Exception as error:  # a defect must end the job too, or no other could ever start
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


def _give_way() -> None:
    """Let people go first: this thread, and those it starts, get what they leave of the processor. Only Linux ranks a
    thread apart from its process.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def defect(error: Exception) -> str:
    """The sentence for an error that nobody thought of; which file the system refused stands in the log alone."""
    what = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"This is a defect, please report it: {type(error).__name__}: {shown(str(what))}"
