"""A worker whose decoder does what the photo says: `python -m tests.faulty_worker`. For test_decoders.py."""

import ctypes
import os
import signal
import time
from pathlib import Path

from PIL import Image

from imlcull_al import pixels, worker

worker.SECONDS = 1
worker.WAIT = 4
decode, answer, take_pipes = pixels.decode, worker.answer, worker._take_pipes
pipes = []
LIES = {
    b"wrong size": ({"size": [1000, 1000], "moment": [None, None]}, b"123"),
    b"more pixels": ({"size": [1, 1], "moment": [None, None]}, b"123456"),
    b"too large": ({"size": [1 << 20, 1 << 20], "moment": [None, None]}, b"123"),
    b"no size": ({"size": "10", "moment": [None, None]}, b"123"),
    b"negative": ({"size": [-1, -1], "moment": [None, None]}, b"123"),
    b"no moment": ({"size": [1, 1], "moment": [None, "today"]}, b"123"),
    b"no head": ({}, b"123"),
    b"no reason": ({"error": ["no", "text"], "lasting": True}, b""),
}


def faulty(data: bytes, min_side: int | None = None) -> Image.Image:
    match data.partition(b":"):
        case b"hang", _, _:
            time.sleep(1000)
        case b"hang on", _, _:  # it took over, and nothing but the app stops it
            signal.setitimer(signal.ITIMER_REAL, 0)
            time.sleep(1000)
        case b"spin", _, _:
            while True:
                pass
        case b"crash", _, _:
            ctypes.string_at(0)
        case b"abort", _, _:
            os.abort()
        case b"leave", _, _:
            os._exit(3)
        case b"eat", _, _:
            bytearray(worker.MEMORY)
        case b"print", _, _:
            os.write(1, b"a library says something\n")
            return Image.new("RGB", (2, 2))
        case b"rubbish", _, _:
            pipes[1].write(b"a decoder that took over says something\n")
            pipes[1].flush()
        case b"write", _, path:
            Path(path.decode()).write_bytes(b"a file of a photo")
    return decode(data, min_side)


def lying(request, data):
    return LIES[data] if data in LIES else answer(request, data)


def taken():
    pipes.extend(take_pipes())
    return pipes


if __name__ == "__main__":
    pixels.decode, worker.answer, worker._take_pipes = faulty, lying, taken
    worker.main()
