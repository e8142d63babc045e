"""Decoders in processes of their own: one that hangs, crashes or eats the memory ends a process, and not the app.

At most as many run as there are processors; a thread that wants one waits for its turn. Jobs and answers take turns, so
an answer waits for one photo, and not for all that a job has asked for. Each is started when it is first needed, asked
again and again, and ends with the app. What a photo did to it becomes the photo's reason; the process is replaced, and
these bytes are not decoded again as long as the app runs. Where no process can be started, photos are decoded in the
app.

What is sent and received is `worker`'s; nothing in a reply is believed, and no more of it is read than what was asked
for can take. Knows nothing of stages.
"""

import atexit
import hashlib
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

from PIL import Image

from ..errors import UnreadablePhoto
from ..project.originals import Original, read
from ..turns import Turns, working_for
from . import decode, tiles, worker
from .decode import Moment
from .tiles import Place

log = logging.getLogger(__name__)
Parsed = TypeVar("Parsed")
_Head = Mapping[str, Any]
_Parse = Callable[[_Head, _Head, bytes], Parsed]
"""From a request, and head and payload of its reply. Raises `ValueError` and what else nonsense runs into."""
_CRASHES = {
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
    if hasattr(signal, name)
}
_SIGPROF = getattr(signal, "SIGPROF", 1 << 10)
_WINDOWS_CRASH = 0xC0000000  # and above: access violation, stack overflow, …
_LONGEST_REASON = 300
_JPEG_TABLES = 4096  # bytes, at most
_JPEG_PIXEL = 4  # bytes, at most: noise takes two
_PATIENCE = 5  # seconds for a process that was ended to be gone


class Decoded(NamedTuple):
    """What is made of a photo's bytes; `tiles` only where they were asked for."""

    image: Image.Image
    moment: Moment
    tiles: Image.Image | None = None


class Lattice(NamedTuple):
    """Tiles all over a photo, as `tiles.cut` lays them out, their places, and the size of the upright photo, pixels."""

    strip: Image.Image
    places: list[Place]
    size: tuple[int, int]


class Decoders:
    """A pool of worker processes. Threads may share it."""

    def __init__(
        self, module: str = worker.__name__, most: int = os.cpu_count() or 1, seconds: float = worker.WAIT
    ) -> None:
        """`module`: what the processes run; `most`: how many there are at once; `seconds`: how long each may think."""
        self._module = module
        self._seconds = seconds
        self._closing = threading.Event()
        self._watch: threading.Thread | None = None
        self._turns = Turns(most, waiting=math.inf)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._can_start: bool | None = None  # not known before the first
        self._condemned: dict[bytes, _Ended] = {}  # what names a photo's bytes → what they did

    def decode(self, photo: bytes | Original, min_side: int | None) -> Decoded:
        """`pixels.decode` and `pixels.moment` of the same bytes. Raises `UnreadablePhoto`."""

        def here(data: bytes) -> Decoded:
            return Decoded(decode.decode(data, min_side), decode.moment(data))

        return self._ask({"do": "decode", "min_side": min_side}, photo, _image, here)

    def decode_with_tiles(self, photo: bytes | Original, min_side: int) -> Decoded:
        """The same, and the tiles of `pixels.decode_with_tiles`. Raises `UnreadablePhoto`."""

        def here(data: bytes) -> Decoded:
            image, strip = decode.decode_with_tiles(data, min_side)
            return Decoded(image, decode.moment(data), strip)

        request = {"do": "decode", "min_side": min_side, "tiles": True}
        return self._ask(request, photo, _image_with_tiles, here)

    def lattice(self, photo: bytes | Original, most: int) -> Lattice:
        """What `pixels.decode_lattice` gives. Raises `UnreadablePhoto`."""
        request = {"do": "lattice", "most": most}
        return self._ask(request, photo, _lattice, lambda data: Lattice(*decode.decode_lattice(data, most)))

    def preview(self, photo: bytes | Original, max_side: int) -> bytes:
        """`pixels.preview`. Raises `UnreadablePhoto`."""
        request = {"do": "preview", "max_side": max_side}
        return self._ask(request, photo, _jpeg, lambda data: decode.preview(data, max_side))

    def exposure(self, photo: bytes | Original) -> dict[str, str]:
        """`pixels.exposure`. Raises `UnreadablePhoto` where that hangs or crashes, or the file is out of reach."""
        return self._ask({"do": "exposure"}, photo, _exposure, decode.exposure)

    def moment(self, photo: bytes | Original) -> Moment:
        """`pixels.moment`. Raises as `exposure`."""
        return self._ask({"do": "moment"}, photo, _taken, decode.moment)

    def processes(self) -> list[int]:
        """The ids of the processes that are there now."""
        with self._lock:
            return sorted(each.process_id for each in self._all)

    def close(self) -> None:
        """End all processes, for good. Photos that are being decoded become unreadable for this time."""
        self._closing.set()
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for each in workers:
            each.end()

    def _ask(
        self, request: dict[str, Any], photo: bytes | Original, parse: "_Parse[Parsed]", here: Callable[[bytes], Parsed]
    ) -> Parsed:
        """The reply as `parse` understands it; what `here` gives where no process can be started.

        Of a file the process is sent the path, and reads it itself: a large photo takes long through a pipe.
        """
        data = photo
        if isinstance(photo, Original):
            data, request = os.fsencode(photo.path), {**request, "state": photo.state}
        assert isinstance(data, bytes)
        with self._turns.held(working_for.get()), _enough_memory():
            if self._closing.is_set():
                raise UnreadablePhoto("the app is ending", lasting=False)
            if self._condemned and (known := self._condemned.get(_digest(photo))):
                raise UnreadablePhoto(str(known), lasting=known.lasting)
            chosen = self._take()
            if chosen is None:
                return here(read(photo.path, photo.state) if isinstance(photo, Original) else photo)
            try:
                return chosen.ask(request, data, parse)
            except _Ended as error:
                if error.by_photo:
                    self._condemned[_digest(photo)] = error
                raise
            finally:
                self._give_back(chosen)

    def _take(self) -> "_Worker | None":
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

    def _start(self) -> "_Worker":
        started = _Worker(self._module, self._seconds)
        with self._lock:
            self._all.add(started)
            if self._watch is None:
                self._watch = threading.Thread(target=self._end_late_ones, name="decoders", daemon=True)
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
            if self._can_start:  # it is for the moment only, and not the moment for decoding photos in the app
                raise UnreadablePhoto(f"no process could be started to decode it ({error})", lasting=False)
            is_news = self._can_start is None
            self._can_start = False
        if is_news:
            log.warning(
                "Photos are decoded in the app itself, where a bad one can end it: `%s -m %s` can't be started (%s).",
                sys.executable, self._module, error,
            )  # fmt: skip

    def _give_back(self, used: "_Worker") -> None:
        with self._lock:
            if used.is_sound and used in self._all:
                self._idle.append(used)
                return
        self._drop(used)

    def _drop(self, one: "_Worker") -> None:
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
    """A process ended, or had to be, while it decoded this photo; `by_photo`: most likely because of it."""

    def __init__(self, reason: str, *, lasting: bool = False, by_photo: bool = True) -> None:
        super().__init__(reason, lasting=lasting)
        self.by_photo = by_photo


def _digest(photo: bytes | Original) -> bytes:
    """What names the bytes, as well as is known without reading them."""
    if not isinstance(photo, Original):
        return hashlib.blake2b(photo, digest_size=16).digest()
    return photo.content_id.encode() or repr(photo).encode(errors="surrogatepass")


class _NotStarted(Exception):
    """A process could not be started; the text says why."""


class _Worker:
    """One process and the pipes to it. One thread at a time."""

    def __init__(self, module: str, seconds: float) -> None:
        """Start it. Raises `_NotStarted`."""
        if getattr(sys, "frozen", False) or not sys.executable:
            raise _NotStarted("this program is its own interpreter")
        self.is_sound = True
        self._seconds = seconds
        self._lock = threading.Lock()
        self._thought: float | None = None  # seconds, while it is asked
        self._is_stopped = False
        try:
            # In a session of its own: Ctrl-C in a terminal is for the app alone.
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
        """Raises `_NotStarted`."""
        try:
            ready, _ = self._exchange()
        except UnreadablePhoto as error:
            raise _NotStarted(f"code {self._process.returncode}") from error
        if ready.get("decoder") != decode.DECODER:
            raise _NotStarted(f"it is not {decode.DECODER}")

    @property
    def process_id(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: _Head, data: bytes, parse: "_Parse[Parsed]") -> Parsed:
        """The reply to one request. Raises `UnreadablePhoto`; then `is_sound` says whether it can be asked again."""
        self.is_sound = False
        head, payload = self._exchange(request, data)
        try:
            failure = _failure(head)
            parsed = None if failure else parse(request, head, payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _nonsense() from error
        self.is_sound = not self._is_stopped
        if failure:
            raise failure
        return cast(Parsed, parsed)

    def _exchange(self, request: _Head | None = None, data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a request, if any, and read one reply, all within the time. Raises `UnreadablePhoto`."""
        with self._lock:
            self._thought = 0.0
        try:
            if request is not None:
                worker.write_frame(self._requests, request, data)
            return worker.read_frame(self._replies, _longest_reply(request or {}))
        except (EOFError, OSError) as error:
            raise self._ending() from error
        except ValueError as error:
            raise _nonsense() from error
        finally:
            with self._lock:
                self._thought = None

    def has_thought_for(self, seconds: float) -> None:
        """Count these, and end it when they are too many; for another thread than the one that waits.

        They are counted, and not read off a clock, which goes on while the app is stopped or the machine asleep.
        """
        with self._lock:
            if self._thought is not None:
                self._thought += seconds
                if self._thought > self._seconds:
                    self._is_stopped = True
                    self._process.kill()

    def _ending(self) -> _Ended:
        """Why there was no reply."""
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
            return _Ended("its decoder was ended from outside, perhaps for want of memory", by_photo=False)
        return _Ended("its decoder ended without an answer")

    def end(self) -> None:
        """End the process, whatever it is doing."""
        with suppress(OSError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        for pipe in (self._requests, self._replies):
            with suppress(OSError, ValueError):  # what was not sent yet has nowhere to go
                pipe.close()


def _longest_reply(request: _Head) -> int:
    """Bytes of the payload, at most."""
    match request.get("do"):
        case "decode":
            strip = tiles.COUNT * tiles.SIDE**2 if request.get("tiles") else 0
            return 3 * decode.most_pixels(request["min_side"]) + strip
        case "lattice":
            return int(request["most"] * tiles.SIDE) ** 2
        case "preview":
            return _JPEG_TABLES + _JPEG_PIXEL * int(request["max_side"]) ** 2
    return 0


def _failure(head: _Head) -> UnreadablePhoto | None:
    reason, is_lasting = head.get("error"), head.get("lasting")
    if reason is None:
        return None
    if not isinstance(reason, str) or not isinstance(is_lasting, bool):
        raise ValueError("an error has a text, and is lasting or not")
    return UnreadablePhoto(reason[:_LONGEST_REASON], lasting=is_lasting)


def _nonsense() -> _Ended:
    return _Ended("its decoder gave an answer that makes no sense")


def _image(request: _Head, head: _Head, payload: bytes) -> Decoded:
    width, height = _size(head, decode.most_pixels(request["min_side"]))
    if len(payload) != 3 * width * height:
        raise ValueError("these are not the pixels of this size")
    return Decoded(Image.frombytes("RGB", (width, height), payload), _moment(head))


def _image_with_tiles(request: _Head, head: _Head, payload: bytes) -> Decoded:
    width, height = _size(head)
    if head["tiles"] != tiles.COUNT:
        raise ValueError("there are as many tiles as were asked for")
    end = 3 * width * height
    return _image(request, head, payload[:end])._replace(tiles=_strip(tiles.COUNT, payload[end:]))


def _lattice(request: _Head, head: _Head, payload: bytes) -> Lattice:
    width, height = _size(head)
    places = [Place(*place) for place in head["places"]]
    for left, top, detail in places:
        if type(left) is not int or type(top) is not int or not 0 <= detail <= 255:
            raise ValueError("a place is a corner and a detail")
        if not (0 <= left <= width - tiles.SIDE and 0 <= top <= height - tiles.SIDE):
            raise ValueError("a tile lies in the photo")
    lefts, tops = ({place[way] for place in places} for way in (0, 1))
    if [place[:2] for place in places] != [(left, top) for top in sorted(tops) for left in sorted(lefts)]:
        raise ValueError("the places are a lattice, row by row")
    if max(len(lefts), len(tops)) > request["most"]:
        raise ValueError("there are no more places than were asked for")
    return Lattice(_strip(len(places), payload), places, (width, height))


def _strip(count: int, payload: bytes) -> Image.Image:
    if not count or len(payload) != count * tiles.SIDE**2:
        raise ValueError("these are not the pixels of so many tiles")
    return Image.frombytes("L", (count * tiles.SIDE, tiles.SIDE), payload)


def _size(head: _Head, most: int = decode.MAX_PIXELS) -> tuple[int, int]:
    width, height = head["size"]
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError("a size is two whole numbers above 0")
    if width * height > most or max(width, height) > decode.MAX_SIDE:
        raise ValueError("nothing of this size is decoded, or was asked for")
    return width, height


def _jpeg(request: _Head, head: _Head, payload: bytes) -> bytes:
    if head or not payload.startswith(b"\xff\xd8\xff"):
        raise ValueError("this is no JPEG")
    return payload


def _exposure(request: _Head, head: _Head, payload: bytes) -> dict[str, str]:
    facts = head["exposure"]
    if not all(isinstance(fact, str) and name in decode.FACTS for name, fact in facts.items()):
        raise ValueError("the exposure is texts by name")
    return dict(facts)


def _taken(request: _Head, head: _Head, payload: bytes) -> Moment:
    return _moment(head)


def _moment(head: _Head) -> Moment:
    taken, compensation = (math.nan if number is None else number for number in head["moment"])
    if type(taken) is not float or type(compensation) is not float or math.isinf(taken) or math.isinf(compensation):
        raise ValueError("a moment is two numbers")
    return Moment(taken, compensation)


_shared: Decoders | None = None
_sharing = threading.Lock()


def shared() -> Decoders:
    """The processes of this app."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = Decoders()
            atexit.register(_shared.close)
        return _shared
