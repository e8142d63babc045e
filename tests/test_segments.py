"""Segments: the file on the disk, merging, damage, kills in the middle, disks that refuse, several at once."""

import logging
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from blake3 import blake3

from imlcull_al.encoding import hdf5, segments
from imlcull_al.encoding.ids import IdSet, as_bytes, as_hex, last_of_each, places
from imlcull_al.encoding.segments import MOST_SMALL, Segments
from imlcull_al.errors import StorageError
from imlcull_al.project.files import locked

ROOT = Path(__file__).parent.parent
ABOUT = {"format": "holiday", "version": 7}
COLUMNS = {"id": np.dtype(("u1", (16,))), "height": np.dtype("<f4"), "place": np.dtype(("<i8", (2,)))}


def make(folder, **about):
    return Segments(folder, ABOUT | about, COLUMNS, maker="me")


def rows(*numbers, height=0.5):
    """Id and place are the number."""
    ids = np.array(numbers, ">u8").view(np.uint8).reshape(-1, 8)
    places = np.repeat(np.array(numbers, "<i8")[:, None], 2, axis=1)
    return np.hstack([np.zeros_like(ids), ids]), np.full(len(numbers), height, "<f4"), places


def found(folder):
    """Number → height, of the rows that count; each must be one of `rows`."""
    ids, heights, places = make(folder).read()
    numbers = [int(each, 16) for each in as_hex(ids)]
    assert places.tolist() == [[number] * 2 for number in numbers]
    return dict(reversed(list(zip(numbers, heights.tolist(), strict=True))))


def files_in(folder):
    return sorted(folder.glob("*.h5"))


@pytest.fixture(autouse=True)
def no_quiet_errors(caplog):
    """Nothing is logged as an error, or with a traceback."""
    yield
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR or each.exc_info]


# --- ids --------------------------------------------------------------------------------------------------------------


def test_places_are_found_whatever_the_order():
    ids = np.random.default_rng(0).integers(0, 256, (500, 16)).astype(np.uint8)
    ids[0] = 0
    assert places(ids[::-1], ids).tolist() == list(range(499, -1, -1))
    assert places(ids[:5] ^ 1, ids).tolist() == [-1] * 5
    assert places(ids[:2], np.concatenate([ids, ids])).tolist() == [0, 1]
    assert places(ids[:2], ids[:0]).tolist() == [-1, -1]
    assert places(ids[:0], ids).tolist() == []


def test_sets_of_ids():
    ids = as_bytes(["0a" * 16, "ff" * 16, "0a" * 16, "00" * 16])
    assert as_hex(ids) == ["0a" * 16, "ff" * 16, "0a" * 16, "00" * 16]
    assert last_of_each(ids).tolist() == [1, 2, 3]
    assert ["ff" * 16 in IdSet(ids), "0b" * 16 in IdSet(ids), "0b" * 16 in IdSet(ids[:0])] == [True, False, False]


# --- one file ---------------------------------------------------------------------------------------------------------


def test_a_segment_is_as_written_down(tmp_path):
    make(tmp_path).append(*rows(1, 2))
    (path,) = files_in(tmp_path)
    with h5py.File(path) as file:
        assert dict(file.attrs) == {"format": b"holiday", "version": 7, "maker": b"me"}
        assert {name: (data.dtype.str, data.shape, data.chunks) for name, data in file.items()} == {
            "id": ("|u1", (2, 16), None),
            "height": ("<f4", (2,), None),
            "place": ("<i8", (2, 2), None),
        }
        assert file["height"][:].tobytes() == bytes.fromhex("0000003f 0000003f")
        for data in file.values():
            assert dict(data.attrs) == {"check": blake3(data[:].tobytes()).hexdigest(16).encode()}
        assert file["height"].attrs["check"] == b"bac85bf46f1056fc31f01d653366891f"
    assert path.read_bytes()[:9] == b"\x89HDF\r\n\x1a\n\x02"  # from superblock 2 on, HDF5 checks what it notes
    assert path.name.startswith("00000001-")


class Dribble:
    """A file that takes no more than three bytes at a time, as a disk may."""

    def __init__(self, file):
        self.file = file
        self.seek, self.truncate = file.seek, file.truncate

    def write(self, data):
        return self.file.write(data[:3])


def test_a_disk_that_takes_little_at_a_time(tmp_path):
    with (tmp_path / "a.h5").open("wb", buffering=0) as stream, h5py.File(hdf5._Calm(Dribble(stream)), "w") as file:
        file["x"] = np.arange(1000)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tolist() == list(range(1000))


# --- many -------------------------------------------------------------------------------------------------------------


def test_a_later_row_counts(tmp_path):
    store = make(tmp_path)
    store.append(*rows(1, 2, 3))
    store.append(*rows(2, height=0.75))
    assert found(tmp_path) == {1: 0.5, 2: 0.75, 3: 0.5}
    heights = np.empty(3, "<f4")
    wanted = rows(2, 3, 9)[0]
    assert store.find(wanted, "height", heights).tolist() == [True, True, False]
    assert heights[:2].tolist() == [0.75, 0.5]
    assert len(store.ids()) == 4


def test_nothing_is_written_for_no_rows(tmp_path):
    make(tmp_path / "none").append(*rows())
    assert not (tmp_path / "none").exists()
    assert found(tmp_path / "none") == {}
    assert make(tmp_path / "none").find(rows(1)[0], "height").tolist() == [False]


def test_many_small_ones_are_merged_and_later_rows_count(tmp_path):
    store = make(tmp_path)
    for number in range(MOST_SMALL):
        store.append(*rows(number, 99, height=number / 8))
    assert len(files_in(tmp_path)) == MOST_SMALL
    store.append(*rows(1000))
    (path,) = files_in(tmp_path)
    assert path.name.startswith(f"{MOST_SMALL + 1:08}-")
    expected = {number: number / 8 for number in range(MOST_SMALL)} | {99: (MOST_SMALL - 1) / 8, 1000: 0.5}
    assert found(tmp_path) == expected
    assert len(make(tmp_path).ids()) == len(expected)  # every id once
    assert store.find(rows(*expected)[0], "place").all()  # by one who knew those before
    store.append(*rows(1001))
    assert [path.name[:8] for path in files_in(tmp_path)] == ["00000017", "00000018"]


@pytest.mark.slow
def test_what_is_large_is_cut_and_not_merged(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "LARGE", 36 * 100)
    monkeypatch.setattr(segments, "SMALL", 36 * 50)
    make(tmp_path).append(*rows(*range(250)))
    assert [path.name[:8] for path in files_in(tmp_path)] == ["00000001"] * 3
    for number in range(MOST_SMALL + 1):
        make(tmp_path).append(*rows(1000 + number))
    assert len(files_in(tmp_path)) > 3
    assert sorted(found(tmp_path)) == [*range(250), *range(1000, 1001 + MOST_SMALL)]


def test_find_reads_only_what_holds_the_rows(tmp_path, monkeypatch):
    for start in (0, 100, 200):
        make(tmp_path).append(*rows(*range(start, start + 100)))
    store, read = make(tmp_path), []
    monkeypatch.setattr(hdf5, "read", lambda *its, real=hdf5.read: read.append((its[0].name[:8], its[3])) or real(*its))
    wanted, heights = rows(250, 30, 30, 31, 999)[0], np.zeros((5, 2), "<i8")
    assert store.find(wanted, "place", heights).tolist() == [True] * 4 + [False]
    assert heights[:4, 0].tolist() == [250, 30, 30, 31]
    assert sorted(read) == [
        ("00000001", ["id"]), ("00000001", ["place"]), ("00000002", ["id"]), ("00000003", ["id"]),
        ("00000003", ["place"]),
    ]  # fmt: skip
    read.clear()
    store.append(*rows(500))
    assert store.find(rows(500)[0], "height").all()
    assert read == [("00000004", ["id"]), ("00000004", ["height"])]  # what never changes is read once


def test_segments_that_are_merged_under_a_readers_hands(tmp_path):
    for number in range(MOST_SMALL):
        make(tmp_path).append(*rows(number))
    store = make(tmp_path)
    assert len(store.ids()) == MOST_SMALL
    make(tmp_path).append(*rows(99))
    assert store.find(rows(*range(MOST_SMALL), 99)[0], "place").all()


def test_merging_is_left_to_one(tmp_path):
    with ThreadPoolExecutor(1) as other:
        for number in range(MOST_SMALL):
            make(tmp_path).append(*rows(number))
        with locked(tmp_path / ".imlcull-merge.lock", "testing"):
            other.submit(lambda: make(tmp_path).append(*rows(99))).result()
        assert len(files_in(tmp_path)) == MOST_SMALL + 1
    assert len(found(tmp_path)) == MOST_SMALL + 1


@pytest.mark.slow
def test_several_that_append_and_merge_at_once_lose_nothing(tmp_path):
    def work(start):
        store = make(tmp_path)
        for number in range(start, start + 120, 4):
            store.append(*rows(*range(number, number + 4)))
            assert store.find(rows(number)[0], "place").all()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, (0, 1000, 2000)))
    assert sorted(found(tmp_path)) == [*range(120), *range(1000, 1120), *range(2000, 2120)]
    assert len(files_in(tmp_path)) < 3 * MOST_SMALL
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.slow
def test_a_kill_between_the_merged_one_and_the_removal_changes_no_result(tmp_path, monkeypatch):
    for number in range(MOST_SMALL):
        make(tmp_path).append(*rows(number, 50, height=number / 8))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        make(tmp_path).append(*rows(99))
    assert len(files_in(tmp_path)) == MOST_SMALL + 2
    expected = {number: number / 8 for number in range(MOST_SMALL)} | {50: (MOST_SMALL - 1) / 8, 99: 0.5}
    assert found(tmp_path) == expected
    make(tmp_path).append(*rows(100))
    assert len(files_in(tmp_path)) == 1
    assert found(tmp_path) == expected | {100: 0.5}


# --- damage -----------------------------------------------------------------------------------------------------------


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("no HDF5 at all")


def a_bit(path):
    with h5py.File(path) as file:
        at = file["place"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def all_of_a_column(path):
    with h5py.File(path, "a") as file:
        file["id"][:] = 0


def no_check(path):
    with h5py.File(path, "a") as file:
        del file["id"].attrs["check"]


def attribute(name, value):
    def change(path):
        with h5py.File(path, "a") as file:
            file.attrs[name] = value

    return change


def dataset(name, value):
    def change(path):
        with h5py.File(path, "a") as file:
            del file[name]
            if value is not None:
                file[name] = value

    return change


def a_group(path):
    dataset("id", None)(path)
    with h5py.File(path, "a") as file:
        file.create_group("id")


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


DAMAGES = {
    "cut": cut, "zeros": zeros, "empty": empty, "text": text, "a bit": a_bit, "a column": all_of_a_column,
    "no check": no_check, "another format": attribute("format", "work"), "newer": attribute("version", 99),
    "version of no type": attribute("version", h5py.Empty("i8")), "versions": attribute("version", [7, 7]),
    "shape": dataset("id", np.ones((2, 5), np.uint8)), "length": dataset("id", np.ones((1, 16), np.uint8)),
    "dtype": dataset("id", np.ones((2, 16))), "missing": dataset("place", None), "a group": a_group,
    "a pipe": a_pipe, "a link": a_link,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_segment_is_set_aside_and_costs_no_other(tmp_path, damage, caplog):
    store = make(tmp_path)
    store.append(*rows(1, 2))
    store.append(*rows(3))
    path = files_in(tmp_path)[0]
    damage(path)
    assert store.find(rows(1, 2, 3)[0], "place").tolist() == [False, False, True]
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.name.startswith(path.name)
    assert caplog.text.count(f"The cache file {path} is damaged (") == 1
    assert f"It is set aside as {aside.name}. Its rows are computed again." in caplog.text
    store.append(*rows(1))
    assert found(tmp_path) == {1: 0.5, 3: 0.5}
    if damage is a_link:
        assert aside.is_symlink()
        assert len((tmp_path / "elsewhere").read_bytes()) > 100


def test_a_row_that_is_lost_hides_no_other_one_of_the_same_photo(tmp_path):
    make(tmp_path).append(*rows(1, 2, height=0.25))
    make(tmp_path).append(*rows(1, 3))
    a_bit(files_in(tmp_path)[1])
    heights = np.empty(3, "<f4")
    store = make(tmp_path)
    assert store.find(rows(1, 2, 3)[0], "place").tolist() == [True, True, False]
    assert store.find(rows(1, 2)[0], "height", heights[:2]).all()
    assert heights[:2].tolist() == [0.25, 0.25]


def test_damage_among_those_that_are_merged(tmp_path):
    for number in range(MOST_SMALL):
        make(tmp_path).append(*rows(number))
    text(files_in(tmp_path)[3])
    for number in (98, 99):
        make(tmp_path).append(*rows(number))
    assert sorted(found(tmp_path)) == [0, 1, 2, *range(4, MOST_SMALL), 98, 99]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize(
    "trouble", [OSError(24, "Too many open files"), MemoryError("no room"), PermissionError(13, "")]
)
def test_a_reader_that_lacks_something_leaves_the_segment_as_it_is(tmp_path, monkeypatch, caplog, trouble):
    make(tmp_path).append(*rows(1))
    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "open_own", lambda path: (_ for _ in ()).throw(trouble))
        assert found(tmp_path) == {}
    assert "can't be read now" in caplog.text
    assert found(tmp_path) == {1: 0.5}


@pytest.mark.parametrize("refused", [OSError(30, "Read-only file system"), FileNotFoundError(2, "gone")])
def test_a_damaged_segment_that_cant_be_renamed_costs_its_rows(tmp_path, monkeypatch, caplog, refused):
    for number in range(2):
        make(tmp_path).append(*rows(number))
    text(files_in(tmp_path)[0])
    monkeypatch.setattr(segments, "set_aside", lambda *_: (_ for _ in ()).throw(refused))
    assert found(tmp_path) == {1: 0.5}
    assert ("It can't be renamed: delete it." in caplog.text) == (refused.errno == 30)


def test_foreign_files_are_left_alone(tmp_path):
    names = ["mine.h5", "00000001-abc.h5", "00000001-0123456789abcdef.txt", "x00000001-0123456789abcdef.h5"]
    for name in names:
        (tmp_path / name).write_text("mine")
    make(tmp_path).append(*rows(1))
    assert found(tmp_path) == {1: 0.5}
    assert [(tmp_path / name).read_text() for name in names] == ["mine"] * 4


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    make(tmp_path / "real").append(*rows(1))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(tmp_path / "link") == {}
    make(tmp_path / "link").append(*rows(2))
    assert (found(tmp_path / "link"), found(tmp_path / "real")) == ({2: 0.5}, {1: 0.5})


# --- disks that refuse ------------------------------------------------------------------------------------------------


CHILD = """
import os, resource, sys
from pathlib import Path
sys.path.insert(0, "tests")
import filelock, h5py
from test_segments import *
folder = Path(sys.argv[1])
store = make(folder)
def tried(*numbers):
    try:
        store.append(*rows(*numbers))
    except StorageError as error:
        return str(error)
    return "kept"
"""


def child(folder, code):
    """The last line that `code` prints in a process of its own, which must end well and say nothing odd."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD + code, str(folder)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [word for word in ("Traceback", "Exception ignored", "HDF5") if word in done.stderr], done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture
def open_folder():
    """A folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


BECOME_NOBODY = """
if os.getuid() == 0:
    os.setuid(65534)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a system with user ids")
@pytest.mark.parametrize(("mode", "is_seen"), [(0o555, True), (0, False)])
def test_a_folder_that_may_only_be_read_or_not_even_that(open_folder, mode, is_seen):
    folder = open_folder / "rows"
    for number in range(MOST_SMALL + 3):
        make(folder).append(*rows(number))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.chmod(mode)
    try:
        said = child(folder, BECOME_NOBODY + "print(len(found(folder)), tried(99))")
    finally:
        folder.chmod(0o755)
    count, _, refusal = said.partition(" ")
    assert int(count) == (MOST_SMALL + 3 if is_seen else 0)
    assert refusal.startswith("Could not write ")
    assert "Permission denied" in refusal
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a system with user ids")
def test_a_damaged_segment_in_a_folder_that_may_only_be_read(open_folder):
    folder = open_folder / "rows"
    for number in range(2):
        make(folder).append(*rows(number))
    text(files_in(folder)[0])
    folder.chmod(0o555)
    try:
        said = child(folder, BECOME_NOBODY + "print(found(folder), store.find(rows(0, 1)[0], 'place').tolist())")
    finally:
        folder.chmod(0o755)
    assert said == "{1: 0.5} [False, True]"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
@pytest.mark.parametrize("limit", [0, 3000])
def test_a_disk_that_refuses_in_the_middle(tmp_path, limit):
    make(tmp_path).append(*rows(1))
    code = f"""
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
print(tried(*range(100, 300)))
"""
    assert child(tmp_path, code).startswith(f"Could not write {tmp_path}")
    assert found(tmp_path) == {1: 0.5}
    assert [path.suffix for path in tmp_path.iterdir()] == [".h5"]


@pytest.mark.slow
def test_a_full_disk(small_disk):
    """Segments until nothing fits, also nothing merged, and again once there is room."""
    disk = small_disk("256k")
    code = """
kept = 0
while (said := tried(*range(kept, kept + 200))) == "kept":
    kept += 200
print(kept, said)
"""
    kept, _, said = child(disk, code).partition(" ")
    assert "No space left on device" in said
    assert int(kept) >= 1000
    assert sorted(found(disk)) == list(range(int(kept)))
    assert not list(disk.glob("*.damaged-*")) + list(disk.glob("*.tmp"))
    files_in(disk)[0].unlink()
    make(disk).append(*rows(99_999))
    assert 99_999 in found(disk)


@pytest.mark.parametrize("writes", range(1, 9))
def test_an_append_that_ends_in_the_middle_leaves_nothing(tmp_path, monkeypatch, writes):
    make(tmp_path).append(*rows(1))

    def ends(stream, data):
        nonlocal writes
        writes -= 1
        if not writes:
            raise OSError(28, "No space left on device")
        stream.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "write_all", ends)
        with pytest.raises(StorageError, match="No space left on device"):
            make(tmp_path).append(*rows(2, 3))
    assert writes <= 0
    assert found(tmp_path) == {1: 0.5}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs /dev/shm")
def test_another_file_system():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for number in range(2 * MOST_SMALL):
            make(Path(folder)).append(*rows(number))
        assert sorted(found(Path(folder))) == list(range(2 * MOST_SMALL))


def test_a_temporary_file_of_a_killed_writer_is_swept_with_the_next_merge(tmp_path):
    left = tmp_path / ".imlcull-0123456789ab.tmp"
    left.touch()
    os.utime(left, (0, 0))
    for number in range(MOST_SMALL + 1):
        make(tmp_path).append(*rows(number))
    assert not left.exists()
