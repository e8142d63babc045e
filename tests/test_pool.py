"""A decoder that misbehaves ends a process of its own; the photo gets a reason, and everything else goes on."""

import io
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import fill_stage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imlcull_al.encoding.embeddings import ensure
from imlcull_al.errors import UnreadablePhoto
from imlcull_al.parallel import in_order
from imlcull_al.photos import decode, worker
from imlcull_al.photos import pool as module
from imlcull_al.photos import read as photos
from imlcull_al.photos.operations import DECODE, DECODE_WITH_TILES, EXPOSURE, LATTICE, MOMENT, PREVIEW
from imlcull_al.photos.pool import Pool
from imlcull_al.session.jobs import Jobs
from tests.raws import raw
from tests.torture.photo_fuzz import damaged, hostile, looked_at, whole_images

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and /proc as Linux has them"),
]


def jpeg(colour=(200, 80, 40), size=(64, 48)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def start():
    """`start(most=…)`: a pool of faulty workers, closed afterwards."""
    started = []

    def start(most=1, seconds=60.0, module="tests.faulty_worker"):
        started.append(Pool(most, module, seconds))
        return started[-1]

    yield start
    for each in started:
        each.close()


def is_gone(process_id):
    try:
        return "Z" in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(claim, what):
    for _ in range(600):
        if claim():
            return
        time.sleep(0.1)
    pytest.fail(what)


def test_a_worker_answers_as_the_functions_do(start):
    pool, data = start(module=worker.__name__), jpeg()
    image, moment, no_tiles = pool.do(DECODE, data, None)
    assert no_tiles is None
    assert image.tobytes() == decode.decode(data).tobytes()
    assert (image.mode, image.size) == ("RGB", (64, 48))
    assert math.isnan(moment.taken) and math.isnan(moment.compensation)
    image, _, strip = pool.do(DECODE_WITH_TILES, data, 32)
    expected = decode.decode_with_tiles(data, 32)
    assert (image.tobytes(), strip.tobytes()) == tuple(each.tobytes() for each in expected)
    strip, places, size = pool.do(LATTICE, data, 16)
    expected = decode.decode_lattice(data, 16)
    assert (strip.tobytes(), places, size) == (expected[0].tobytes(), *expected[1:])
    assert pool.do(PREVIEW, data, 32) == decode.preview(data, 32)
    assert pool.do(EXPOSURE, data) == {}
    with pytest.raises(UnreadablePhoto, match="not an image in a known format") as caught:
        pool.do(DECODE, b"no photo", 224)
    assert caught.value.lasting
    assert len(pool.processes()) == 1


def test_notes_survive_the_way(start):
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    exif.get_ifd(0x8769).update({0x9003: "2025:05:17 09:00:01", 0x9291: "25", 0x9204: -0.7})
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", exif=exif)
    pool = start(module=worker.__name__)
    assert pool.do(DECODE, file.getvalue(), 224)[1] == decode.moment(file.getvalue())
    assert pool.do(MOMENT, file.getvalue()) == pytest.approx((1747472401.25, -0.7, 4007215856, False))
    assert pool.do(EXPOSURE, file.getvalue()) == decode.exposure(file.getvalue()) != {}


@pytest.mark.parametrize(
    ("photo", "reason", "lasting"),
    [
        (b"hang on:", "no answer within 1 seconds", False),
        (b"spin:", "takes more than 60 seconds", True),  # of processor time; this worker allows one
        (b"crash:", "its decoder crashed", True),
        (b"abort:", "its decoder crashed", True),
        (b"leave:", "ended without an answer", False),
        (b"rubbish:", "makes no sense", False),
        (b"wrong size", "makes no sense", False),
        (b"no reason", "makes no sense", False),
    ],
)
def test_a_photo_that_ends_its_worker_gets_a_reason_and_is_not_tried_again(start, photo, reason, lasting):
    pool = start(seconds=1 if photo == b"hang on:" else 60)
    pool.do(DECODE, jpeg(), None)
    before = pool.processes()
    for _ in range(2):
        with pytest.raises(UnreadablePhoto, match=reason) as caught:
            pool.do(DECODE, photo, None)
        assert caught.value.lasting == lasting
        assert pool.processes() == []
        pool._module = "tests.no_such_module"  # the second time, none is started for it
    pool._module = "tests.faulty_worker"
    assert [is_gone(each) for each in before] == [True]
    assert pool.do(DECODE, jpeg(), None)[0].size == (64, 48)
    assert len(pool.processes()) == 1


def refused(use, *arguments):
    with pytest.raises(UnreadablePhoto, match="makes no sense"):
        use(*arguments)
    return True


def test_tiles_and_lattices_are_believed_where_they_make_sense(start):
    pool = start()
    assert pool.do(DECODE_WITH_TILES, b"honest tiles", 224).tiles.size == (448, 112)
    assert refused(pool.do, DECODE_WITH_TILES, b"three tiles", 224)
    assert pool.do(LATTICE, b"honest lattice", 16).size == (225, 112)
    assert refused(pool.do, LATTICE, b"lattice of nothing", 16)
    assert pool.do(DECODE_WITH_TILES, jpeg(), 224).tiles.size == (448, 112)
    assert pool.do(LATTICE, jpeg(), 16).size == (150, 112)


def test_no_more_is_read_of_a_reply_than_was_asked_for(start, monkeypatch):
    pool, longest = start(), []
    read_frame = worker.read_frame
    monkeypatch.setattr(worker, "read_frame", lambda file, most: longest.append(most) or read_frame(file, most))
    side = 32  # most_pixels: 32 × 32 × 32
    monkeypatch.setattr(decode, "most_pixels", lambda min_side: 32_000)
    assert pool.do(DECODE, b"no less than was asked for", side)[0].size == (32, 1000)
    assert pool.do(PREVIEW, b"a preview", side).startswith(b"\xff\xd8\xff")
    assert refused(pool.do, DECODE, b"more than was asked for", side)
    assert refused(pool.do, DECODE, b"a strip without end", None)
    assert pool.do(LATTICE, b"places too close", 17)[2] == (1904, 112)
    assert refused(pool.do, LATTICE, b"places too close", 16)
    assert refused(pool.do, PREVIEW, b"a preview too large", side)
    assert refused(pool.do, MOMENT, b"a moment and more")
    assert refused(pool.do, EXPOSURE, b"an exposure and more")
    assert pool.do(DECODE_WITH_TILES, jpeg(), side)[0].size == (64, 48)
    assert set(longest) == {0, 96_000, (16 * 112) ** 2, (17 * 112) ** 2, 4096 + 4 * side**2, 96_000 + 4 * 112**2}


def test_a_reply_that_finds_no_memory_is_a_reason(start, monkeypatch):
    pool = start()

    def full(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Image, "frombytes", full)
        for ask in (lambda: pool.do(DECODE, jpeg(), 32), lambda: pool.do(DECODE_WITH_TILES, jpeg(), 32)):
            with pytest.raises(UnreadablePhoto, match="there is not enough memory for it") as caught:
                ask()
            assert not caught.value.lasting
    assert pool.do(DECODE, jpeg(), 32)[0].size == (64, 48)


def test_a_decoder_that_eats_the_memory_is_refused_it_and_lives(start):
    pool = start()
    pool.do(DECODE, jpeg(), None)
    before = pool.processes()
    with pytest.raises(UnreadablePhoto, match="more than 8 GB of memory") as caught:
        pool.do(DECODE, b"eat:", None)
    assert not caught.value.lasting
    assert pool.do(DECODE, jpeg(), None)[0].size == (64, 48)
    assert pool.processes() == before


def test_a_photo_writes_no_file(start, tmp_path):
    with pytest.raises(UnreadablePhoto):
        start().do(DECODE, b"write:" + bytes(tmp_path / "out"), None)
    assert (tmp_path / "out").stat().st_size == 0


def test_what_a_library_prints_is_no_reply(start):
    assert start().do(DECODE, b"print:", None)[0].size == (2, 2)


def test_a_worker_that_was_killed_while_idle_is_replaced(start):
    pool = start()
    pool.do(DECODE, jpeg(), None)
    (before,) = pool.processes()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: is_gone(before), "it is still there")
    assert pool.do(DECODE, jpeg(), None)[0].size == (64, 48)
    assert pool.processes() != [before]


def test_a_worker_that_was_killed_while_busy_costs_one_photo_its_turn(start):
    pool = start(most=1)
    pool.do(DECODE, jpeg(), None)
    with ThreadPoolExecutor() as threads:
        for _ in range(2):  # the photo is not to blame: it is tried again
            asked = threads.submit(pool.do, DECODE, b"hang:", None)
            wait_until(lambda: hangs(pool.processes()), "it is not busy")
            os.kill(pool.processes()[0], signal.SIGKILL)
            with pytest.raises(UnreadablePhoto, match="ended from outside") as caught:
                asked.result(60)
            assert not caught.value.lasting
    assert pool.do(DECODE, jpeg(), None)[0].size == (64, 48)


def hangs(processes):
    """Whether one of them sleeps as `hang:` does, and doesn't wait for a request."""
    return any("nanosleep" in Path(f"/proc/{each}/wchan").read_text() for each in processes)


def test_many_threads_get_each_their_own_photo(start):
    pool = start(most=3)
    colours = [(number, 255 - number, 7) for number in range(0, 240, 4)]

    def middle(colour):
        return pool.do(DECODE, jpeg(colour), None)[0].getpixel((30, 20))

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(middle, colours))
    assert all(max(abs(a - b) for a, b in zip(*pair, strict=True)) < 6 for pair in zip(colours, found, strict=True))
    assert 1 <= len(pool.processes()) <= 3


def test_others_go_on_beside_a_photo_that_hangs(start):
    pool = start(most=2, seconds=2)
    with ThreadPoolExecutor() as threads:
        hanging = threads.submit(pool.do, DECODE, b"hang:", None)
        others = [threads.submit(pool.do, DECODE, jpeg(), None) for _ in range(20)]
        assert {each.result(60)[0].size for each in others} == {(64, 48)}
        with pytest.raises(UnreadablePhoto, match="no answer within"):
            hanging.result(60)


def test_a_thousand_photos_leave_a_worker_as_it_was(start):
    pool, data = start(module=worker.__name__), jpeg(size=(160, 120))  # of 57,600 bytes each

    def resident():
        (process_id,) = pool.processes()
        return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for number in range(1000):
        pool.do(DECODE, data, None)
        if number == 100:
            before = resident()
    assert resident() < before + (4 << 20)


APP = f"""
import signal, threading
from imlcull_al.photos.operations import DECODE
from imlcull_al.photos.pool import Pool
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in their background ignore it
jpeg = {jpeg()}
pool = Pool(4, "tests.faulty_worker")
threads = [threading.Thread(target=pool.do, args=(DECODE, what, None), daemon=True) for what in (b"hang:", b"spin:")]
for thread in threads:
    thread.start()
ready = [threading.Thread(target=pool.do, args=(DECODE, jpeg, None)) for _ in range(8)]
for each in ready:
    each.start()
for each in ready:
    each.join()
try:
    print(*pool.processes(), flush=True)  # Ctrl-C may come as soon as this is read
    threading.Event().wait()
except KeyboardInterrupt:
    pool.do(DECODE, jpeg, None)
    print(*pool.processes(), flush=True)
"""


@pytest.fixture
def app():
    """An app with two idle workers at most, one that hangs and one that spins, in a terminal session of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", APP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as app:
        yield app
        app.kill()


def test_a_killed_app_leaves_no_worker_behind(app):
    workers = [int(each) for each in app.stdout.readline().split()]
    assert len(workers) >= 3
    wait_until(lambda: hangs(workers), "it is not busy")
    app.kill()
    app.wait()
    wait_until(lambda: all(map(is_gone, workers)), "there are workers left")


def test_ctrl_c_is_for_the_app_alone(app):
    workers = app.stdout.readline().split()
    os.killpg(app.pid, signal.SIGINT)
    out, err = app.communicate(timeout=120)
    assert err == ""
    assert set(out.split()) & set(workers)
    assert app.returncode == 0
    wait_until(lambda: all(is_gone(int(each)) for each in workers), "there are workers left")


def test_without_processes_photos_are_decoded_here_and_that_is_said_once(start, caplog, monkeypatch):
    pool = start(most=4, module="tests.no_such_module")
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: pool.do(DECODE, jpeg(), None)[0].size, range(8))) == {(64, 48)}
    assert pool.do(PREVIEW, jpeg(), 32) == decode.preview(jpeg(), 32)
    assert pool.do(DECODE_WITH_TILES, jpeg(), 32).tiles.size == (448, 112)
    assert len(pool.do(LATTICE, jpeg(), 16).places) == 1
    assert pool.do(EXPOSURE, jpeg()) == {}
    assert repr(pool.do(MOMENT, jpeg())) == repr(decode.UNKNOWN)
    assert [record.message for record in caplog.records if "in the app itself" in record.message] == [
        f"Photos are decoded in the app itself, where a bad one can end it: `{sys.executable} -m tests.no_such_module` "
        "can't be started (code 1)."
    ]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    frozen = start(module=worker.__name__)
    assert frozen.do(DECODE, jpeg(), None)[0].size == (64, 48)
    assert frozen.processes() == []


def test_a_start_that_fails_later_costs_one_photo_its_turn(start, monkeypatch):
    pool = start(module=worker.__name__)
    pool.do(DECODE, jpeg(), None)
    os.kill(pool.processes()[0], signal.SIGKILL)
    with monkeypatch.context() as patched:
        patched.setattr(pool, "_module", "tests.no_such_module")
        wait_until(lambda: is_gone(pool.processes()[0]), "it is still there")
        with pytest.raises(UnreadablePhoto, match="no process could be started") as caught:
            pool.do(DECODE, jpeg(), None)
    assert not caught.value.lasting
    assert pool.do(DECODE, jpeg(), None)[0].size == (64, 48)


def test_a_pool_that_was_closed_starts_nothing(start):
    pool = start()
    pool.do(DECODE, jpeg(), None)
    before = pool.processes()
    pool.close()
    assert [is_gone(each) for each in before] == [True]
    with pytest.raises(UnreadablePhoto, match="ending"):
        pool.do(DECODE, jpeg(), None)
    assert pool.processes() == []


def test_a_stage_with_a_photo_that_crashes_its_decoder(start, tmp_path, cache_dir, encoder, monkeypatch):
    monkeypatch.setattr(module, "_shared", start(most=2))
    stage = fill_stage(tmp_path / "stage_1", 2, 2)
    (stage / "bad.jpg").write_bytes(b"crash:")
    seen = ensure({path.name: path for path in stage.iterdir()}, encoder, cache_dir)
    assert len(seen.keys) == 4
    assert seen.unreadable == {"bad.jpg": "its decoder crashed"}
    with pytest.raises(UnreadablePhoto, match="its decoder crashed"):
        photos.preview(stage / "bad.jpg", 320)
    assert photos.exposure(stage / "bad.jpg") == {}
    # remembered with the bytes, also by another run of the app
    monkeypatch.setattr(module, "_shared", start(module="tests.no_such_module"))
    again = ensure({path.name: path for path in stage.iterdir()}, encoder, cache_dir)
    assert (again.unreadable, again.found) == (seen.unreadable, 4)


def test_a_worker_loads_pillow_and_the_standard_library_only():
    heavy = "('numpy', 'torch', 'h5py', 'gradio', 'rawpy', 'pi_heif', 'pylibjxl')"
    code = f"import imlcull_al.photos.worker, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


WHOLE = whole_images()


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_damaged_below_can_be_read_when_it_is_whole(name):
    assert photos.decode(WHOLE[name], 32).size[0] >= 32


@pytest.mark.parametrize("name", [name for name in hostile() if "WebP" not in name])  # which takes long
def test_what_claims_or_holds_far_more_than_its_bytes_is_bounded(tmp_path, name):
    path = tmp_path / "photo"
    path.write_bytes(hostile()[name]())
    assert looked_at(path).broken == ""


@given(st.sampled_from(sorted(WHOLE)), st.sampled_from(sorted(WHOLE)), st.randoms(use_true_random=False))
def test_damaged_photos_give_pixels_or_a_reason(tmp_path, name, other, chance):
    path = tmp_path / "photo"
    path.write_bytes(damaged(WHOLE[name], WHOLE[other], chance))
    assert looked_at(path).broken == ""


def test_who_waits_for_a_picture_comes_before_the_rest_of_a_job(monkeypatch):
    """The job asks for four from threads of `in_order`; then a person asks for one."""
    pool, order, begun, go_on = Pool(most=1), [], threading.Event(), threading.Event()

    def ask(request, data, parse):
        order.append(data)
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(pool, "_take", lambda: SimpleNamespace(ask=ask))
    monkeypatch.setattr(pool, "_give_back", lambda worker: None)
    monkeypatch.setattr("imlcull_al.parallel._threads", 4)

    def embed(progress, stop):
        list(in_order(lambda data: pool.do(MOMENT, data), [b"job 0", b"job 1", b"job 2", b"job 3"], ahead=4))

    jobs = Jobs()
    jobs.start("embedding", embed)
    assert begun.wait(30)
    person = threading.Thread(target=pool.do, args=(MOMENT, b"person"))
    person.start()
    until = time.monotonic() + 30
    while {visitor: len(turns) for visitor, turns in pool._turns._waiting.items()} != {"jobs of ": 3, "": 1}:
        assert time.monotonic() < until
        time.sleep(0.01)
    go_on.set()
    person.join(30)
    jobs.wait(30)
    assert order[1] == b"person"
    assert sorted(order) == [b"job 0", b"job 1", b"job 2", b"job 3", b"person"]
    pool.close()


def test_a_worker_loads_the_libraries_of_raw_and_heic_only_for_them_and_within_its_limits(start):
    pool = start(module=worker.__name__)
    assert pool.do(DECODE, jpeg(), None).image.size == (64, 48)
    (process,) = pool.processes()
    assert not libraries_of(process) & {"libraw", "libheif"}
    assert pool.do(DECODE_WITH_TILES, raw(None), 224).image.size == (32, 24)
    assert pool.do(DECODE, raw(), 224).image.size == (300, 225)
    assert pool.do(EXPOSURE, raw())["shown"] == "embedded JPEG, 1200 × 900"
    assert libraries_of(process) & {"libraw", "libheif"} == {"libraw"}
    heic = (ROOT / "tests" / "heic" / "exif6_no_irot.heic").read_bytes()
    assert pool.do(DECODE, heic, None).image.size == (480, 640)
    assert pool.processes() == [process]


def libraries_of(process):
    """Names of the shared libraries that a process has mapped, without what follows a dash, a dot or an underscore."""
    maps = Path(f"/proc/{process}/maps").read_text().splitlines()
    return {re.split(r"[-._]", Path(line.split()[-1]).name)[0] for line in maps}
