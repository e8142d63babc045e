"""A pool of decoder processes: a photo that hangs, crashes or exhausts memory takes down a worker, not the app.

The pool holds at most one process per CPU; threads wait for their turn. Turns alternate between visitors and jobs, so
a page waits for one photo, not for a whole job. Processes start lazily, serve many requests and end with the app. A
photo that ended its process is unreadable from then on, with that reason; its bytes are not decoded again until the app
restarts. If no process can be started, photos are decoded in the app.

`worker` defines the frames, `operations` the requests and replies. Replies are validated, and never read beyond the
largest payload that the request can produce. Independent of stages.
"""

import atexit
import hashlib
import logging
import math
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import UnreadablePhoto
from ..parallel import threads
from ..project.originals import Original, read
from ..turns import Turns, working_for
from . import decode, worker
from .operations import Header, Operation, Reply, Result

log = logging.getLogger(__name__)
_CRASHES = {
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
    if hasattr(signal, name)
}
_SIGPROF = getattr(signal, "SIGPROF", 1 << 10)
_WINDOWS_CRASH = 0xC0000000  # and above: access violation, stack overflow, …
_LONGEST_REASON = 300
_PATIENCE = 5  # seconds to wait for a killed process to exit


class Pool:
    """A pool of worker processes. Thread-safe."""

    def __init__(self, most: int, module: str = worker.__name__, seconds: float = worker.WAIT) -> None:
        """`module`: what the processes run. `most`: maximum number of processes. `seconds`: time limit per request."""
        self._module = module
        self._seconds = seconds
        self._closing = threading.Event()
        self._watch: threading.Thread | None = None
        self._turns = Turns(most, waiting=math.inf)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._can_start: bool | None = None  # None until the first start
        self._condemned: dict[bytes, _Ended] = {}  # digest of a photo → how its process ended

    def do(self, operation: Operation[Result], photo: bytes | Original, limit: int | None = None) -> Result:
        """Run an operation on a photo. Raises `UnreadablePhoto`.

        For a file, the worker receives the path and reads it itself: a pipe is slow for large photos. If no process
        can be started, the operation runs in this one.
        """
        with self._turns.held(working_for.get()), _enough_memory():
            if self._closing.is_set():
                raise UnreadablePhoto("the app is ending", lasting=False)
            if self._condemned and (known := self._condemned.get(_digest(photo))):
                raise UnreadablePhoto(str(known), lasting=known.lasting)
            chosen = self._take()
            if chosen is None:
                return operation.work(read(photo.path, photo.state) if isinstance(photo, Original) else photo, limit)
            try:
                return chosen.ask(operation, photo, limit)
            except _Ended as error:
                if error.by_photo:
                    self._condemned[_digest(photo)] = error
                raise
            finally:
                self._give_back(chosen)

    def processes(self) -> list[int]:
        """Ids of the running processes, sorted."""
        with self._lock:
            return sorted(each.process_id for each in self._all)

    def close(self) -> None:
        """End all processes permanently. Requests in flight raise `UnreadablePhoto`, not lasting."""
        self._closing.set()
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for each in workers:
            each.end()

    def _take(self) -> "_Process | None":
        while True:
            with self._lock:
                if not self._idle:
                    break
                chosen = self._idle.pop()
            if chosen.is_alive():
                return chosen
            self._drop(chosen)
        if self._can_start is False:
            return None
        try:
            return self._start()
        except _NotStarted as error:
            self._do_without(error)
            return None

    def _start(self) -> "_Process":
        started = _Process(self._module, self._seconds)
        with self._lock:
            self._all.add(started)
            if self._watch is None:
                self._watch = threading.Thread(target=self._end_late_ones, name="decoder pool", daemon=True)
                self._watch.start()
        try:
            started.wait_until_ready()
        except BaseException:
            self._drop(started)
            raise
        self._can_start = True
        return started

    def _end_late_ones(self) -> None:
        tick = min(1.0, self._seconds / 4)
        while not self._closing.wait(tick):
            with self._lock:
                workers = list(self._all)
            for each in workers:
                each.has_thought_for(tick)

    def _do_without(self, error: "_NotStarted") -> None:
        with self._lock:
            if self._can_start:  # a transient failure, perhaps low memory: decoding in the app would be unsafe
                raise UnreadablePhoto(f"no process could be started to decode it ({error})", lasting=False)
            is_news = self._can_start is None
            self._can_start = False
        if is_news:
            log.warning(
                "Photos are decoded in the app itself, where a bad one can end it: `%s -m %s` can't be started (%s).",
                sys.executable, self._module, error,
            )  # fmt: skip

    def _give_back(self, used: "_Process") -> None:
        with self._lock:
            if used.is_sound and used in self._all:
                self._idle.append(used)
                return
        self._drop(used)

    def _drop(self, one: "_Process") -> None:
        with self._lock:
            self._all.discard(one)
        one.end()


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise UnreadablePhoto("there is not enough memory for it", lasting=False) from error


class _Ended(UnreadablePhoto):
    """A process ended or was killed while it decoded this photo. `by_photo`: the photo is the likely cause."""

    def __init__(self, reason: str, *, lasting: bool = False, by_photo: bool = True) -> None:
        super().__init__(reason, lasting=lasting)
        self.by_photo = by_photo


def _digest(photo: bytes | Original) -> bytes:
    """Identifies the bytes: their hash, or for a file its content id if known, otherwise its path and state."""
    if not isinstance(photo, Original):
        return hashlib.blake2b(photo, digest_size=16).digest()
    return photo.content_id.encode() or repr(photo).encode(errors="surrogatepass")


class _NotStarted(Exception):
    """A process could not be started; the message says why."""


class _Process:
    """A worker process and its pipes. For one thread at a time, apart from `has_thought_for`."""

    def __init__(self, module: str, seconds: float) -> None:
        """Start the process. Raises `_NotStarted`."""
        if getattr(sys, "frozen", False) or not sys.executable:
            raise _NotStarted("this program is its own interpreter")
        self.is_sound = True
        self._seconds = seconds
        self._lock = threading.Lock()
        self._thought: float | None = None  # seconds spent on the current request; None while idle
        self._is_stopped = False
        try:
            # A new session, so that Ctrl-C in a terminal reaches only the app.
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=worker.BUFFER,
                cwd=Path(__file__).parents[2],  # where -m finds this package
                start_new_session=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise _NotStarted(error) from error
        self._requests = cast(BinaryIO, self._process.stdin)
        self._replies = cast(BinaryIO, self._process.stdout)

    def wait_until_ready(self) -> None:
        """Wait for the greeting of the worker. Raises `_NotStarted`."""
        try:
            ready, _ = self._exchange()
        except UnreadablePhoto as error:
            raise _NotStarted(f"code {self._process.returncode}") from error
        if ready.get("decoder") != decode.DECODER:
            raise _NotStarted(f"its decoder is not {decode.DECODER}")

    @property
    def process_id(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, operation: Operation[Result], photo: bytes | Original, limit: int | None) -> Result:
        """Send one request and validate the reply. Raises `UnreadablePhoto`; `is_sound`: the process is reusable."""
        self.is_sound = False
        header, payload = self._exchange(*worker.request(operation, photo, limit), operation.longest(limit))
        try:
            failure = _failure(header)
            result = None if failure else operation.check(header, payload, limit)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _nonsense() from error
        self.is_sound = not self._is_stopped
        if failure:
            raise failure
        return cast(Result, result)

    def _exchange(self, request: Header | None = None, data: bytes = b"", longest: int = 0) -> Reply:
        """Send a request, if any, and read one reply within the time limit; its payload takes at most `longest` bytes.

        Raises `UnreadablePhoto`.
        """
        with self._lock:
            self._thought = 0.0
        try:
            if request is not None:
                worker.write_frame(self._requests, request, data)
            return worker.read_frame(self._replies, longest)
        except (EOFError, OSError) as error:
            raise self._ending() from error
        except ValueError as error:
            raise _nonsense() from error
        finally:
            with self._lock:
                self._thought = None

    def has_thought_for(self, seconds: float) -> None:
        """Add to the time spent on the current request; kill the process at the limit. Called by the watch thread.

        Counts ticks instead of reading a clock, which would advance while the app is stopped or the machine sleeps.
        """
        with self._lock:
            if self._thought is not None:
                self._thought += seconds
                if self._thought > self._seconds:
                    self._is_stopped = True
                    self._process.kill()

    def _ending(self) -> _Ended:
        """The reason for the missing reply, from the exit code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        code = self._process.returncode or 0
        if self._is_stopped:
            return _Ended(f"its decoder gave no answer within {self._seconds:g} seconds")
        if code == -_SIGPROF:
            return _Ended(f"decoding it takes more than {worker.SECONDS} seconds", lasting=True)
        if -code in _CRASHES or code >= _WINDOWS_CRASH:
            return _Ended("its decoder crashed", lasting=True)
        if code < 0:
            return _Ended("its decoder was ended from outside, perhaps to free memory", by_photo=False)
        return _Ended("its decoder ended without an answer")

    def end(self) -> None:
        """Kill the process and close its pipes."""
        with suppress(OSError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        for pipe in (self._requests, self._replies):
            with suppress(OSError, ValueError):  # closing flushes into a broken pipe
                pipe.close()


def _failure(header: Header) -> UnreadablePhoto | None:
    reason, is_lasting = header.get("error"), header.get("lasting")
    if reason is None:
        return None
    if not isinstance(reason, str) or not isinstance(is_lasting, bool):
        raise ValueError("an error needs a text, and a bool for lasting")
    return UnreadablePhoto(reason[:_LONGEST_REASON], lasting=is_lasting)


def _nonsense() -> _Ended:
    return _Ended("its decoder returned a reply that makes no sense")


_shared: Pool | None = None
_sharing = threading.Lock()


def shared() -> Pool:
    """The pool of this app, created on first use."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = Pool(threads())
            atexit.register(_shared.close)
        return _shared
