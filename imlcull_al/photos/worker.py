"""One process that decodes photos for the app: requests on standard input, replies on standard output, one at a time.

    python -m imlcull_al.photos.worker

Both are frames of the same form, numbers big-endian:

    4 bytes     length of the header, at most 16384
    4 bytes     length of the payload; of a request at most 1 GiB, of a reply no more than what was asked for can take
    header      a JSON object in UTF-8
    payload     bytes

    header of the request                        payload     header of the reply                   payload
                                                             {"decoder": "Pillow 12.3.0"}, once, when it is ready
    {"do": "decode", "limit": 224}               the photo   {"size": [width, height], "moment": …}  8-bit RGB by rows
    {"do": "decode_with_tiles", "limit": 224}    the photo   {"size": …, "moment": …, "tiles": 4}    both, tiles grey
    {"do": "lattice", "limit": 12}               the photo   {"size": …, "places": [[left, top, detail], …]}  greys
    {"do": "preview", "limit": 1600}             the photo   {}                                      a JPEG
    {"do": "exposure"}                           the photo   {"exposure": {"camera": …}}
    {"do": "moment"}                             the photo   {"moment": [taken, compensation]}
    any                                                      {"error": reason, "lasting": true}

The table is `operations`. With `"state": [size, mtime, inode]` the payload is the path of the file that holds the
photo, which is read if it is still in that state. The numbers of a moment may be null. Replies hold no code, and the
app checks them: a photo may have taken this process over.

The process ends when its standard input does. It holds itself to limits, as far as the system has them: `MEMORY` of
address space, `SECONDS` of computing for one photo, no files written, no core dump. Ctrl-C is not for it. Imports
Pillow, blake3 and the standard library only, so that it starts in a tenth of a second.
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
"""Bytes of address space. The hungriest photos of 250 megapixels: 6 GB for JPEG 2000 with transparency, 4 GB for WebP,
3 GB for PNG, TIFF and AVIF, each with its file, of at most 1 GB, on top."""
SECONDS = 60
"""Of processor time, so that a busy machine condemns no photo. The slowest, that JPEG 2000, takes 34."""
WAIT = 180
"""Seconds of the clock, for what hangs without computing."""
BUFFER = 1 << 16
"""Bytes that are sent and received in one piece; what most pipes hold."""
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
    """Header and payload, of at most `longest` bytes, of the next frame. Raises `EOFError` at the end of the file,
    `ValueError` for what is none.
    """
    header_length, length = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
    if header_length > _LONGEST_HEADER or length > longest:
        raise ValueError("this is no frame")
    try:
        header = json.loads(_exactly(file, header_length))
    except RecursionError as error:
        raise ValueError("the header of this frame is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("the header of this frame is no object")
    return header, _exactly(file, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def request(operation: Operation[Any], photo: bytes | Original, limit: int | None) -> Reply:
    """Header and payload that ask for an operation."""
    header: dict[str, Any] = {"do": operation.name}
    if limit is not None:
        header["limit"] = limit
    if isinstance(photo, Original):
        return {**header, "state": photo.state}, os.fsencode(photo.path)
    return header, photo


def answer(request: Header, data: bytes) -> Reply:
    """Header and payload of the reply to a request."""
    operation = OPERATIONS[request["do"]]  # an unknown one is a defect of this project: the process ends
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
    """Answer every request until there are no more."""
    write_frame(replies, {"decoder": decode.DECODER})
    with suppress(EOFError):
        while True:
            request = read_frame(requests)
            _end_after(SECONDS, 2 * WAIT)
            write_frame(replies, *answer(*request))
            _end_after(0, 0)
            del request


def hold_to_limits() -> None:
    """Bound what this process can take from now on."""
    with suppress(OSError):  # where memory runs out, the system ends this process, and not the app
        Path("/proc/self/oom_score_adj").write_text("1000")
    if resource is None:
        return
    limits = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for limit, most in limits:
        with suppress(OSError, ValueError):  # the system has it lower already, or doesn't have it
            resource.setrlimit(limit, (most, most))


def _end_after(computing: float, waiting: float) -> None:
    """Have the system end this process after so many seconds, whatever it is doing then; 0 for never.

    `waiting` is for when those are gone who would have ended it earlier.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, computing)
        signal.setitimer(signal.ITIMER_REAL, waiting)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone: what a library prints goes where errors go."""
    requests, replies = os.fdopen(os.dup(0), "rb", BUFFER), os.fdopen(os.dup(1), "wb", BUFFER)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests, replies


def main() -> None:
    """Serve on the pipes that this process was started with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which ends this process when it likes
    if hasattr(signal, "setitimer"):
        for each in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(each, signal.SIG_DFL)
    requests, replies = _take_pipes()
    hold_to_limits()
    serve(requests, replies)
    os._exit(0)  # nothing to tidy up


if __name__ == "__main__":
    main()
