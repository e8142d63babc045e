"""A worker whose decoder does what the photo says: `python -m tests.faulty_worker`. For test_pool.py."""

import ctypes
import math
import os
import signal
import time
from pathlib import Path

from PIL import Image

from imlcull_al.photos import decode, worker

real_decode, answer, take_pipes = decode.decode, worker.answer, worker._take_pipes
pipes = []
STRIP = bytes(4 * 112 * 112)
ONE = {"size": [1, 1], "moment": [None, None, 0, False]}
TWO_TILES = {"size": [225, 112], "places": [[0, 0, 0.5], [113, 0, 255]]}
CLOSE = [[112 * number, 0, 1] for number in range(17)]
LIES = {
    b"honest tiles": ({**ONE, "tiles": 4}, b"123" + STRIP),
    b"tiles not counted": (ONE, b"123" + STRIP),
    b"three tiles": ({**ONE, "tiles": 3}, b"123" + STRIP[: 3 * 112 * 112]),
    b"four tiles claimed of three": ({**ONE, "tiles": 4}, b"123" + STRIP[: 3 * 112 * 112]),
    b"tiles too short": ({**ONE, "tiles": 4}, b"123" + STRIP[1:]),
    b"tiles too long": ({**ONE, "tiles": 4}, b"1234" + STRIP),
    b"tiles of a photo too large": ({**ONE, "size": [1 << 20, 1 << 20], "tiles": 4}, b"123" + STRIP),
    b"tiles of no moment": ({**ONE, "moment": "now", "tiles": 4}, b"123" + STRIP),
    b"honest lattice": (TWO_TILES, STRIP[: 2 * 112 * 112]),
    b"lattice without places": ({"size": [225, 112]}, STRIP),
    b"lattice of nothing": ({**TWO_TILES, "places": []}, b""),
    b"lattice too short": (TWO_TILES, STRIP[: 2 * 112 * 112 - 1]),
    b"lattice too long": (TWO_TILES, STRIP),
    b"lattice of a photo too large": ({**TWO_TILES, "size": [1 << 20, 1 << 20]}, STRIP[: 2 * 112 * 112]),
    **{
        b"lattice of " + repr(places).encode(): ({**TWO_TILES, "places": places}, bytes(len(places) * 112 * 112))
        for places in (
            "ab",
            {"0": 1},
            [0, 0],
            [[0, 0]],
            [[0, 0, 1, 1]],
            [["0", 0, 1]],
            [[0, None, 1]],
            [[0.5, 0, 1]],
            [[True, 0, 1]],
            [[0, 0, "1"]],
            [[0, 0, math.nan]],
            [[0, 0, math.inf]],
            [[0, 0, -1]],
            [[0, 0, 256]],
            [[-1, 0, 1]],
            [[114, 0, 1]],
            [[0, 1, 1]],
            [[1 << 70, 0, 1]],
            [[113, 0, 1], [0, 0, 1]],
            [[0, 0, 1], [0, 0, 1]],
        )
    },
    b"wrong size": ({"size": [1000, 1000], "moment": [None, None, 0, False]}, b"123"),
    b"more pixels": ({"size": [1, 1], "moment": [None, None, 0, False]}, b"123456"),
    b"too large": ({"size": [1 << 20, 1 << 20], "moment": [None, None, 0, False]}, b"123"),
    b"a strip without end": ({"size": [1, 250_000_000], "moment": [None, None, 0, False]}, b"123"),
    b"more than was asked for": ({"size": [32, 1001], "moment": [None, None, 0, False]}, bytes(3 * 32 * 1001)),
    b"no less than was asked for": ({"size": [32, 1000], "moment": [None, None, 0, False]}, bytes(3 * 32 * 1000)),
    b"places too close": ({"size": [1904, 112], "places": CLOSE}, bytes(17 * 112 * 112)),
    b"a preview too large": ({}, b"\xff\xd8\xff" + bytes(4096 + 4 * 32 * 32 - 2)),
    b"a preview": ({}, b"\xff\xd8\xff" + bytes(4096 + 4 * 32 * 32 - 3)),
    b"a moment and more": ({"moment": [None, None, 0, False]}, b"1"),
    b"an exposure and more": ({"exposure": {}}, b"1"),
    b"no size": ({"size": "10", "moment": [None, None, 0, False]}, b"123"),
    b"negative": ({"size": [-1, -1], "moment": [None, None, 0, False]}, b"123"),
    b"no moment": ({"size": [1, 1], "moment": [None, "today", 0, False]}, b"123"),
    b"no moment of three": ({"size": [1, 1], "moment": [None, None, 0]}, b"123"),
    b"no moment of a camera": ({"size": [1, 1], "moment": [None, None, 1 << 32, False]}, b"123"),
    b"no moment of a name": ({"size": [1, 1], "moment": [None, None, "Z 6", False]}, b"123"),
    b"no moment of damage": ({"size": [1, 1], "moment": [None, None, 0, 1]}, b"123"),
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
    return real_decode(data, min_side)


def lying(request, data):
    return LIES[data] if data in LIES else answer(request, data)


def taken():
    pipes.extend(take_pipes())
    return pipes


if __name__ == "__main__":
    worker.SECONDS, worker.WAIT = 1, 4
    decode.decode, worker.answer, worker._take_pipes = faulty, lying, taken
    worker.main()
