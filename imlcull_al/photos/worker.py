"""A decoder process: requests on standard input, replies on standard output, one at a time.

    python -m imlcull_al.photos.worker

Both use the same frame, with big-endian numbers:

    4 bytes     length of the header, at most 16384
    4 bytes     length of the payload: at most 1 GiB in a request, in a reply no more than the operation can produce
    header      a JSON object in UTF-8
    payload     bytes

    request header                               payload     reply header                          payload
                                                             {"decoder": "Pillow 12.3.0, …"}, once, when ready
    {"do": "decode", "limit": 224}               the photo   {"size": [width, height], "moment": …}  8-bit RGB by rows
    {"do": "decode_with_tiles", "limit": 224}    the photo   {"size": …, "moment": …, "tiles": 4}    both, tiles gray
    {"do": "lattice", "limit": 12}               the photo   {"size": …, "places": [[left, top, detail], …]}  grays
    {"do": "preview", "limit": 1600}             the photo   {}                                      a JPEG
    {"do": "exposure"}                           the photo   {"exposure": {"camera": …}}
    {"do": "moment"}                             the photo   {"moment": [taken, compensation, camera, damaged]}
    {"do": "capture_time"}                       the photo   {"capture_time": seconds or null}
    {"do": "xmp"}                                the photo   {}                                      its XMP packet
    any                                                      {"error": reason, "lasting": true}

`operations` defines the requests and replies. With `"state": [size, mtime, inode]`, the payload is the path of the
photo, and the file is read only if it is still in that state. The first two numbers of a moment may be null. Replies
contain no code, and the app validates them: a malicious photo may control this process.

The process ends when its standard input closes. Where the system supports it, it limits itself: `MEMORY` bytes of
address space, `SECONDS` of CPU time per photo, no file writes, no core dump. It ignores Ctrl-C. At its
start it imports only Pillow, blake3 and the standard library, which takes a tenth of a second; rawpy, pi_heif and
pylibjxl come with the first photo that needs them.
"""

import json
import os
import signal
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from ..errors import UnreadablePhoto
from ..project.originals import Original, read
from . import decode
from .operations import OPERATIONS, Header, Operation, Reply

MEMORY = 8 << 30
"""Bytes of address space. Peak at 250 megapixels: 6 GB for JPEG 2000 with transparency, 4 GB for WebP, 3 GB for PNG,
TIFF and AVIF, plus the file itself, at most 1 GB."""
SECONDS = 60
"""CPU time per photo; wall time would fail good photos on a busy machine. The slowest, that JPEG 2000, takes 34."""
WAIT = 180
"""Seconds of wall time per photo, for decoders that hang without using the CPU."""
BUFFER = 1 << 16
"""Buffer size in bytes: the capacity of most pipes."""
_LENGTHS = struct.Struct(">II")
_LONGEST_HEADER = 16384
LONGEST_PAYLOAD = 1 << 30


def write_frame(file: BinaryIO, header: Mapping[str, Any], payload: bytes = b"") -> None:
    """Send one frame."""
    text = json.dumps(header).encode()
    file.write(_LENGTHS.pack(len(text), len(payload)) + text)
    file.write(payload)
    file.flush()


def read_frame(file: BinaryIO, longest: int = LONGEST_PAYLOAD) -> tuple[dict[str, Any], bytes]:
    """Header and payload of the next frame; the payload takes at most `longest` bytes.

    Raises `EOFError` at the end of the file and `ValueError` for an invalid frame.
    """
    header_length, length = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
    if header_length > _LONGEST_HEADER or length > longest:
        raise ValueError("not a frame")
    try:
        header = json.loads(_exactly(file, header_length))
    except RecursionError as error:
        raise ValueError("the header of this frame is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("the header of this frame is not an object")
    return header, _exactly(file, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def request(operation: Operation[Any], photo: bytes | Original, limit: int | None) -> Reply:
    """Header and payload of a request."""
    header: dict[str, Any] = {"do": operation.name}
    if limit is not None:
        header["limit"] = limit
    if isinstance(photo, Original):
        return {**header, "state": photo.state}, os.fsencode(photo.path)
    return header, photo


def answer(request: Header, data: bytes) -> Reply:
    """Header and payload of the reply to a request."""
    operation = OPERATIONS[request["do"]]  # KeyError: a bug in this project; ends the process
    try:
        if "state" in request:
            data = read(os.fsdecode(data), tuple(request["state"]))
        return operation.encode(operation.work(data, request.get("limit")))
    except MemoryError:
        return _out_of_memory(), b""
    except UnreadablePhoto as error:
        if isinstance(error.__cause__, MemoryError):
            return _out_of_memory(), b""
        return {"error": str(error), "lasting": error.lasting}, b""


def _out_of_memory() -> dict[str, Any]:
    return {"error": f"it needs more than {MEMORY >> 30} GB of memory to decode", "lasting": False}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Announce the decoder, then answer requests until the input ends."""
    write_frame(replies, {"decoder": decode.DECODER})
    with suppress(EOFError):
        while True:
            request = read_frame(requests)
            _end_after(SECONDS, 2 * WAIT)
            write_frame(replies, *answer(*request))
            _end_after(0, 0)
            del request


def hold_to_limits() -> None:
    """Limit the resources of this process."""
    with suppress(OSError):  # out of memory: kill this process before the app
        Path("/proc/self/oom_score_adj").write_text("1000")
    if resource is None:
        return
    limits = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for limit, most in limits:
        with suppress(OSError, ValueError):  # already lower, or unsupported
            resource.setrlimit(limit, (most, most))


def _end_after(computing: float, waiting: float) -> None:
    """Set timers that end this process after `computing` seconds of CPU time or `waiting` of wall time; 0 disables.

    `waiting` is a fallback for when the app, which kills late workers, is gone.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, computing)
        signal.setitimer(signal.ITIMER_REAL, waiting)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Reserve standard input and output for frames; redirect what libraries print to standard error."""
    requests, replies = os.fdopen(os.dup(0), "rb", BUFFER), os.fdopen(os.dup(1), "wb", BUFFER)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests, replies


def main() -> None:
    """Serve requests on standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the app handles Ctrl-C and ends its workers
    if hasattr(signal, "setitimer"):
        for each in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(each, signal.SIG_DFL)
    requests, replies = _take_pipes()
    hold_to_limits()
    serve(requests, replies)
    os._exit(0)  # skip the cleanup of the interpreter


if __name__ == "__main__":
    main()
