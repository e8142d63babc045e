"""Replies of a worker, as bytes: framed, and believed only where the operation could have given them."""

import io

import pytest

from imlcull_al.photos import worker
from imlcull_al.photos.operations import DECODE, DECODE_WITH_TILES, LATTICE
from tests import faulty_worker


def checked(operation, lie, limit):
    """What the app makes of this reply of a worker."""
    pipe = io.BytesIO()
    worker.write_frame(pipe, *faulty_worker.LIES[lie])
    pipe.seek(0)
    return operation.check(*worker.read_frame(pipe), limit)


def lies_of(kind):
    return [lie for lie in faulty_worker.LIES if kind in lie and b"honest" not in lie]


PIXELS = (
    b"wrong size", b"more pixels", b"too large", b"no size", b"negative", b"no head", *lies_of(b"no moment"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "limit", "lie"),
    [
        *[(DECODE, None, lie) for lie in PIXELS],
        *[(DECODE_WITH_TILES, 224, lie) for lie in lies_of(b"tiles")],
        *[(LATTICE, 16, lie) for lie in lies_of(b"lattice")],
    ],
)
def test_a_reply_that_no_decoder_gives_makes_no_sense(operation, limit, lie):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        checked(operation, lie, limit)


def test_a_reply_that_makes_sense_is_believed():
    image, _, strip = checked(DECODE_WITH_TILES, b"honest tiles", 224)
    assert (image.size, strip.size, strip.mode) == ((1, 1), (448, 112), "L")
    strip, places, size = checked(LATTICE, b"honest lattice", 16)
    assert (strip.size, strip.mode, places, size) == ((224, 112), "L", [(0, 0, 0.5), (113, 0, 255)], (225, 112))


def test_every_lie_is_tried():
    assert (len(PIXELS), len(lies_of(b"tiles")), len(lies_of(b"lattice"))) == (12, 7, 25)


def test_frames_are_pinned():
    file = io.BytesIO()
    worker.write_frame(file, {"do": "moment"}, b"\xff\xd8")
    assert file.getvalue() == b'\x00\x00\x00\x10\x00\x00\x00\x02{"do": "moment"}\xff\xd8'
    file.seek(0)
    assert worker.read_frame(file) == ({"do": "moment"}, b"\xff\xd8")
    with pytest.raises(EOFError):
        worker.read_frame(file)


@pytest.mark.parametrize(
    "data",
    [b"\x00\x01\x00\x00\x00\x00\x00\x00", b"\x00\x00\x00\x02\x50\x00\x00\x00{}", b"\x00\x00\x00\x02\x00\x00\x00\x00[]",
     b"\x00\x00\x00\x01\x00\x00\x00\x00{", b"\x00\x00\x27\x10\x00\x00\x00\x00" + b"[" * 10_000, b"rubbish\n" * 100],
)  # fmt: skip
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(ValueError, match=r"frame|line 1"):
        worker.read_frame(io.BytesIO(data))
