"""Long work in a background thread, one job at a time, whose state any number of pages may read.

    jobs.start("embedding", lambda progress, stop: session.prepare(progress=progress, stop=stop))
    jobs.state()    # Job(name="embedding", status="running", what="embedding", done=120, total=360, ...)

A job outlives the page that started it. Knows nothing of pages, photos or sessions.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .errors import Cancelled, ImlcullError, StageError
from .progress import Progress, Stop

log = logging.getLogger(__name__)
RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
Work = Callable[[Progress, Stop], Any]


@dataclass(frozen=True)
class Job:
    """The latest job as it stands: what it does now, how far that is, and how it ended.

    `number` counts jobs from 1; `revision` grows with every change, over all jobs. `seconds`: since the start, or how
    long it took; `seconds_left`: of what it does now, None while unknown. `notes`: what the work put down on its way.
    `result`: what the work returned. `error`: the sentence of a failed or cancelled job.
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

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.status == RUNNING


class Jobs:
    """Runs at most one job at a time and remembers the latest. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """No job yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._job: Job | None = None
        self._started = 0.0
        self._step_started, self._step_from = 0.0, 0

    def state(self) -> Job | None:
        """The running job, or the last one that ended; None before the first."""
        with self._lock:
            if self._job and self._job.running:
                return replace(self._job, seconds=self._clock() - self._started)
            return self._job

    def start(self, name: str, work: Work) -> None:
        """Run `work(progress, stop)` in the background. Raises `StageError` while another job runs."""
        with self._lock:
            if self._job and self._job.running:
                raise StageError(f"The {self._job.name} is still running. Wait until it is done, or stop it first.")
            number, revision = (self._job.number, self._job.revision) if self._job else (0, 0)
            self._job = Job(number + 1, revision + 1, name)
            self._stop = threading.Event()
            self._started = self._clock()
            self._thread = threading.Thread(target=self._run, args=(work, self._stop), name=name, daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Ask the running job to stop; it ends at its next step."""
        self._stop.set()

    def note(self, value: object) -> None:
        """Put something down for the pages to read; called by the work itself."""
        with self._lock:
            self._change(notes=(*self._current().notes, value))

    def wait(self, timeout: float | None = None) -> Job | None:
        """The state once the job has ended, or after `timeout` seconds."""
        if self._thread:
            self._thread.join(timeout)
        return self.state()

    def _run(self, work: Work, stop: threading.Event) -> None:
        try:
            ending: dict[str, Any] = {"status": DONE, "result": work(self._progress, stop.is_set)}
        except Cancelled as error:
            ending = {"status": CANCELLED, "error": str(error)}
        except ImlcullError as error:
            ending = {"status": FAILED, "error": str(error)}
        except Exception as error:  # a defect must end the job too, or no other could ever start
            log.exception("The %s failed", self._current().name)
            ending = {"status": FAILED, "error": f"This is a defect, please report it: {type(error).__name__}: {error}"}
        with self._lock:
            self._change(**ending, seconds=self._clock() - self._started, seconds_left=None)

    def _progress(self, what: str, done: int, total: int) -> None:
        with self._lock:
            now = self._clock()
            if what != self._current().what or done < self._current().done:
                self._step_started, self._step_from = now, done
            left = seconds_left(now - self._step_started, done - self._step_from, total - done)
            self._change(what=what, done=done, total=total, seconds_left=left)

    def _current(self) -> Job:
        assert self._job is not None  # only the work and its thread come here
        return self._job

    def _change(self, **changes: Any) -> None:
        job = self._current()
        self._job = replace(job, revision=job.revision + 1, **changes)


def seconds_left(seconds: float, done: int, remaining: int) -> float | None:
    """How long `remaining` steps take when `done` took `seconds`; None while that says nothing."""
    if remaining <= 0:
        return 0.0
    if done <= 0 or seconds <= 0:
        return None
    return seconds / done * remaining
