"""The two HDF5 formats, pinned by names, dtypes, values and bytes, and what kills, damage and full disks cost."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from imlcull_al.encoding import hdf5
from imlcull_al.encoding.cache import Content, ContentIds, EmbeddingCache, as_bytes, stat_of
from imlcull_al.encoding.rows import places
from tests.torture import cache_kills

A, B, C = "00" * 15 + "0a", "ff" * 15 + "0b", "0c" * 16
ROOT = Path(__file__).parent.parent


def make(folder, fingerprint="ab" * 32, dim=3, decoder="Pillow 1"):
    return EmbeddingCache(folder, fingerprint, dim, "an encoder", decoder)


def filled(folder):
    cache = make(folder)
    cache.append([A, B], np.array([[1, 2, 3], [4, 5, 6]], np.float32), {C: "it is broken"})
    return cache


def add(cache, *ids):
    cache.append(ids, np.full((len(ids), 3), 7, np.float32), {})


def numbered(start, stop):
    return [f"{number:032x}" for number in range(start, stop)]


def put(files, name, content_id=A):
    """As if a file that is not there, whose `stat_of` is zeros, had this content."""
    files.put(Path(name), (0, 0, 0), Content(content_id, 1.0, 2.0))


def save(folder, *names):
    files = ContentIds(folder)
    for name in names:
        put(files, name)
    files.save()
    return files


def known(folder):
    """Content id by name, of those that `put` puts."""
    files = ContentIds(folder)
    found = {name: files.get(Path(name)) for name in ("/a", "/b", "/c")}
    return {name: content.content_id for name, content in found.items() if content}


def rewrite(path, change):
    """Change bytes in place, as a disk does: the file keeps its inode."""
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def check_of(row: bytes, belongs_to: str) -> int:
    """The check as the module's docstring has it, in plain integers."""
    weights = hashlib.shake_128(b"imlcull check").digest(2 * len(row))
    total = int.from_bytes(hashlib.blake2b(belongs_to.encode(), digest_size=8).digest(), "little")
    for at in range(0, len(row), 4):
        weight = int.from_bytes(weights[2 * at : 2 * at + 8], "little") | 1
        total += weight * int.from_bytes(row[at : at + 4], "little")
    return total % 2**64 or 1


# --- the format of embeddings -----------------------------------------------------------------------------------------


def test_the_embedding_file_is_as_written_down(tmp_path):
    filled(tmp_path)
    path = tmp_path / "embeddings-abababababababab.h5"
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "format": b"imlcull embeddings",
            "version": 3,
            "fingerprint": b"ab" * 32,
            "encoder": b"an encoder",
            "dim": 3,
        }
        assert {name: (data.dtype.str, data.shape) for name, data in file.items()} == {
            "content_id": ("|u1", (1024, 16)),
            "embedding": ("<f4", (1024, 3)),
            "check": ("<u8", (1024,)),
            "unreadable_id": ("|u1", (512, 16)),
            "unreadable_reason": ("|S240", (512,)),
            "unreadable_check": ("<u8", (512,)),
        }
        assert all(data.chunks is None for data in file.values())
        assert file["embedding"][:2].tolist() == [[1, 2, 3], [4, 5, 6]]
        assert file["content_id"][0].tobytes().hex() == A
        assert file["unreadable_reason"][0] == b"it is broken"
        row = bytes.fromhex(B) + np.array([4, 5, 6], "<f4").tobytes()
        assert file["check"][:3].tolist() == [file["check"][0], check_of(row, "ab" * 32), 0]
        reason = bytes.fromhex(C) + b"it is broken".ljust(240, b"\0")
        assert file["unreadable_check"][:2].tolist() == [check_of(reason, "Pillow 1"), 0]
        places = {name: data.id.get_offset() for name, data in file.items()}
    assert all(place % 4096 == 0 for place in places.values())
    assert path.read_bytes()[:9] == b"\x89HDF\r\n\x1a\n\x02"  # from superblock 2 on, HDF5 checks what it notes
    assert path.read_bytes()[places["embedding"] :][:16] == bytes.fromhex("0000803f 00000040 00004040 00008040")


def test_the_check_of_a_known_row():
    checks = hdf5.row_checks("", np.array([[1, 2]], np.uint32), np.array([0.5]))
    assert checks.tolist() == [check_of(bytes.fromhex("0100000002000000000000000000e03f"), "")]
    assert checks.tolist() == [8031098549940233121]


def test_an_append_changes_no_byte_that_hdf5_needs(tmp_path):
    path = filled(tmp_path).path
    before = path.read_bytes()
    add(make(tmp_path), "0d" * 16)
    after = path.read_bytes()
    with h5py.File(path) as file:
        of_rows = [
            range(data.id.get_offset(), data.id.get_offset() + data.id.get_storage_size()) for data in file.values()
        ]
    changed = [at for at in range(len(before)) if before[at] != after[at]]
    assert len(before) == len(after)
    assert changed
    assert all(any(at in rows for rows in of_rows) for at in changed)


def test_reasons_of_another_decoder_are_forgotten(tmp_path, caplog):
    filled(tmp_path)
    newer = make(tmp_path, decoder="Pillow 2")
    assert newer.read()[2] == {}
    newer.append([], np.empty((0, 3), np.float32), {"0e" * 16: "still broken"})
    assert newer.read()[2] == {"0e" * 16: "still broken"}
    with h5py.File(newer.path) as file:
        assert np.count_nonzero(file["unreadable_check"]) == 1  # it took the place of the forgotten one
    assert caplog.text == ""


def test_a_long_reason_is_cut_at_a_character(tmp_path):
    cache = make(tmp_path)
    reasons = {A: "ä" * 119 + "x" + "ö" * 9, B: "odd \udcff", C: ""}
    cache.append([], np.empty((0, 3), np.float32), reasons)
    assert cache.read()[2] == {A: "ä" * 119 + "x", B: "odd \\udcff", C: ""}


def test_a_full_file_is_copied_to_a_larger_one(tmp_path):
    cache = filled(tmp_path)
    add(cache, *numbered(100, 1122))
    inode = stat_of(cache.path)[2]
    cache.append([], np.empty((0, 3), np.float32), dict.fromkeys(numbered(0, 511), "broken"))
    assert stat_of(cache.path)[2] == inode
    add(cache, *numbered(1122, 1200))
    with h5py.File(cache.path) as file:
        assert (len(file["embedding"]), len(file["unreadable_id"])) == (2048, 512)
    ids, rows, reasons = make(tmp_path).read()
    assert ids == [A, B, *numbered(100, 1200)]
    assert rows[:2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (rows[2:] == 7).all()
    assert len(reasons) == 512
    assert reasons[C] == "it is broken"
    cache.append([], np.empty((0, 3), np.float32), dict.fromkeys(numbered(511, 5000), "broken"))
    assert len(make(tmp_path).read()[2]) == 5001
    assert make(tmp_path).read()[0] == ids


def test_a_larger_file_holds_every_photo_once(tmp_path):
    cache = filled(tmp_path)
    for _ in range(3):
        add(cache, *numbered(100, 500))
    assert make(tmp_path).read()[0] == [A, B, *numbered(100, 500)]
    assert make(tmp_path).read()[1][0].tolist() == [1, 2, 3]


# --- rows that don't count --------------------------------------------------------------------------------------------


def test_a_row_without_its_check_is_a_free_place(tmp_path, caplog):
    cache = filled(tmp_path)
    with h5py.File(cache.path, "a") as file:  # as a writer killed between the two leaves it
        file["embedding"][2] = 9
        file["content_id"][2] = 9
    assert cache.read()[0] == [A, B]
    assert caplog.text == ""
    add(cache, "0d" * 16)
    assert cache.read()[1].tolist()[2] == [7, 7, 7]
    with h5py.File(cache.path) as file:
        assert np.flatnonzero(file["check"]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["embedding", "content_id", "check"])
def test_a_damaged_row_is_missing_said_and_gone_with_the_next_append(tmp_path, name, caplog):
    cache = filled(tmp_path)
    with h5py.File(cache.path) as file:
        offset = file[name].id.get_offset()

    def flip(data):
        data[offset + 1] ^= 1

    rewrite(cache.path, flip)
    assert cache.read()[0] == [B]
    assert caplog.text.count(f"Damaged rows in {cache.path}: 1. They are computed again.") == 1
    assert list(tmp_path.glob("*.damaged-*")) == []
    add(cache, A)
    inode = stat_of(cache.path)[2]
    add(cache, "0d" * 16)
    assert stat_of(cache.path)[2] == inode  # it is copied once
    caplog.clear()
    assert make(tmp_path).read()[0] == [B, A, "0d" * 16]
    assert make(tmp_path).read()[1].tolist() == [[4, 5, 6], [7, 7, 7], [7, 7, 7]]
    assert make(tmp_path).read()[2] == {C: "it is broken"}
    assert caplog.text == ""


def test_damage_that_two_processes_saw_costs_no_row_of_either(tmp_path):
    cache, other = filled(tmp_path), make(tmp_path)
    with h5py.File(cache.path, "a") as file:
        file["embedding"][0, 0] = 9
    assert cache.read()[0] == other.read()[0] == [B]
    add(other, "0d" * 16)
    add(cache, "0e" * 16)
    assert sorted(make(tmp_path).read()[0]) == sorted(["0d" * 16, "0e" * 16, B])


def test_rows_that_are_no_numbers_are_not_kept(tmp_path):
    cache = make(tmp_path)
    cache.append([A, B], np.array([[1, np.nan, 3], [4, 5, 6]], np.float32), {})
    assert cache.read()[0] == [B]
    assert cache.read()[1].tolist() == [[4, 5, 6]]


# --- files that are no cache ------------------------------------------------------------------------------------------


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def damage_last_byte(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def damage_empty(path):
    path.write_bytes(b"")


def damage_text(path):
    path.write_text("no HDF5 at all")


def damage_fingerprint(path):
    with h5py.File(path, "a") as file:
        file.attrs["fingerprint"] = "ab" * 31 + "ac"


def damage_dim(path):
    with h5py.File(path, "a") as file:
        file.attrs["dim"] = [3, 3]


def damage_format(path):
    with h5py.File(path, "a") as file:
        file.attrs["format"] = "holiday"


def damage_version(path):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = h5py.Empty("i8")


def damage_older_version(path):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 1


def damage_shape(path):
    with h5py.File(path, "a") as file:
        del file["embedding"]
        file["embedding"] = np.ones((1024, 5), np.float32)


def damage_length(path):
    with h5py.File(path, "a") as file:
        del file["check"]
        file["check"] = np.ones(7, np.uint64)


def damage_dtype(path):
    with h5py.File(path, "a") as file:
        del file["unreadable_check"]
        file["unreadable_check"] = np.ones(512)


def damage_group(path):
    with h5py.File(path, "a") as file:
        del file["content_id"]
        file.create_group("content_id")


def damage_chunks(path):
    with h5py.File(path, "a") as file:
        del file["embedding"]
        file.create_dataset("embedding", (1024, 3), "f4", chunks=(8, 3))


DAMAGES = [each for name, each in sorted(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("first", ["read", "append"])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path, damage, first, caplog):
    path = filled(tmp_path).path
    damage(path)
    damaged = path.read_bytes()
    cache = make(tmp_path)
    if first == "read":
        assert cache.read()[0] == []
    add(cache, A)
    (aside,) = tmp_path.glob(f"{path.name}.damaged-*")
    assert aside.read_bytes() == damaged
    assert caplog.text.count("is damaged") + caplog.text.count("was written by an older imlcull") == 1
    assert caplog.text.count("set aside") == 1
    assert cache.read()[0] == [A]


def test_a_file_of_a_newer_version_is_set_aside_in_its_own_words(tmp_path, caplog):
    path = filled(tmp_path).path
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    assert make(tmp_path).read()[0] == []
    assert "was written by a newer imlcull (version 99, known here is 3). It is set aside" in caplog.text
    assert "is damaged" not in caplog.text


def test_two_that_are_damaged_within_a_second_are_both_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("imlcull_al.project.files.time.strftime", lambda form: "20300102-030405")
    for text in ("first", "second"):
        make(tmp_path).path.write_text(text)
        assert make(tmp_path).read()[0] == []
    assert sorted(path.read_text() for path in tmp_path.glob("*.damaged-*")) == ["first", "second"]


# --- several at once --------------------------------------------------------------------------------------------------


def test_two_that_append_in_turn_lose_nothing(tmp_path):
    def work(start):
        cache = make(tmp_path)
        for number in range(start, start + 800, 20):
            add(cache, *numbered(number, number + 20))

    with ThreadPoolExecutor(2) as threads:  # more rows than the first file has places, from before there is one
        list(threads.map(work, (0, 10_000)))
    ids, rows, _ = make(tmp_path).read()
    assert sorted(ids) == numbered(0, 800) + numbered(10_000, 10_800)
    assert (rows == 7).all()


def test_a_reader_beside_a_writer_sees_whole_rows_and_all_that_returned(tmp_path, caplog):
    told, done = [0], threading.Event()

    def write():
        tortured = cache_kills.Embeddings(768)
        cache = tortured.open(tmp_path)
        for number in range(0, 1800, 10):
            tortured.add(cache, range(number, number + 10))
            told[0] = number + 10
        done.set()

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        while not done.is_set() and not writing.done():
            seen = cache_kills.look(tmp_path, 768, set(range(told[0])))
            assert (seen.gone, seen.wrong, seen.aside, seen.tracebacks) == (0, 0, 0, 0)
        writing.result()
    assert caplog.text == ""


def test_a_file_that_is_replaced_while_it_is_opened(tmp_path, monkeypatch, caplog):
    cache, smaller = filled(tmp_path), filled(tmp_path / "smaller")
    add(cache, *numbered(100, 1200))
    opened = h5py.File

    def replaced_first(path, mode):
        if smaller.path.exists():
            smaller.path.replace(cache.path)
        return opened(path, mode)

    monkeypatch.setattr(h5py, "File", replaced_first)
    assert cache.read()[0] == [A, B]
    assert caplog.text == ""


def test_hdf5_does_not_answer_with_what_it_read_for_another_thread(tmp_path):
    cache = filled(tmp_path)
    with h5py.File(cache.path) as file:
        held = file["check"]
        assert np.count_nonzero(held[:10]) == 2  # HDF5 keeps these bytes for all in this process who open the file
        add(cache, "0d" * 16)
        add(cache, "0e" * 16)
        assert make(tmp_path).read()[0] == [A, B, "0d" * 16, "0e" * 16]


def test_a_file_that_a_foreign_program_holds_is_done_without(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(hdf5, "FOREIGN_PATIENCE", 0.1)
    cache = filled(tmp_path)
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print('held', flush=True); input()"
    command = [sys.executable, "-c", code, str(cache.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert cache.read()[0] == []
        add(cache, "0d" * 16)
        holder.stdin.close()
    assert "can't be read now" in caplog.text
    assert "Embeddings are not kept" in caplog.text
    assert list(tmp_path.glob("*.damaged-*")) == []
    assert cache.read()[0] == [A, B]


def test_when_another_is_writing_for_too_long_the_next_append_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(hdf5, "locked", partial(hdf5.locked, patience=0.1))
    cache = filled(tmp_path)
    with cache._file.turn():
        add(cache, "0d" * 16)
    assert "Another imlcull is writing" in caplog.text
    add(cache, "0e" * 16)
    assert cache.read()[0] == [A, B, "0e" * 16]


def test_a_damaged_file_is_left_to_the_one_who_is_writing_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(hdf5, "locked", partial(hdf5.locked, patience=0.1))
    cache = filled(tmp_path)
    damage_text(cache.path)
    with cache._file.turn():
        assert make(tmp_path).read()[0] == []
        assert not list(tmp_path.glob("*.damaged-*"))
    assert "Another imlcull is writing" in caplog.text


# --- kills and damage -------------------------------------------------------------------------------------------------


def ends_after(writes, write):
    """`write`, but the process ends after so many."""

    def ending(stream, offset, data):
        nonlocal writes
        writes -= 1
        if writes < 0:
            write(stream, offset, data[: len(data) // 2])
            raise KeyboardInterrupt
        write(stream, offset, data)

    return ending


@pytest.mark.parametrize("writes", range(6))
def test_an_append_that_ends_in_the_middle_harms_no_other_row(tmp_path, monkeypatch, caplog, writes):
    cache = filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "_write_at", ends_after(writes, hdf5._write_at))
        with pytest.raises(KeyboardInterrupt):
            cache.append(["0d" * 16, "0e" * 16], np.full((2, 3), 7, np.float32), {"0f" * 16: "broken"})
    ids, rows, reasons = make(tmp_path).read()
    assert ids[:2] == [A, B]
    assert ids[2:] == ["0d" * 16, "0e" * 16][: max(0, writes - 1)]  # the third write is that of the checks
    assert rows[:2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (rows[2:] == 7).all()
    assert reasons == {C: "it is broken"}
    assert caplog.text == ""


@pytest.mark.parametrize("writes", range(6))
def test_a_copy_to_a_larger_file_that_ends_in_the_middle_changes_nothing(tmp_path, monkeypatch, writes):
    cache = filled(tmp_path)
    before = cache.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "_write_at", ends_after(writes, hdf5._write_at))
        with pytest.raises(KeyboardInterrupt):
            add(cache, *numbered(100, 1200))
    assert cache.path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


class Dribble:
    """A file that takes and gives no more than three bytes at a time, as a disk may."""

    def __init__(self, path):
        self.file = path.open("r+b", buffering=0)

    def seek(self, offset):
        self.file.seek(offset)

    def write(self, data):
        return self.file.write(data[:3])

    def readinto(self, data):
        return self.file.readinto(data[:3])


def test_a_disk_that_takes_little_at_a_time(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(4))
    hdf5._write_at(Dribble(path), 2, b"0123456789")
    assert path.read_bytes() == b"\0\x000123456789"
    array = np.zeros(5, "<u2")
    hdf5._read_at(Dribble(path), 2, array)
    assert array.tobytes() == b"0123456789"
    with pytest.raises(ValueError, match="ends too early"):
        hdf5._read_at(Dribble(path), 4, array)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with kill -9")
@pytest.mark.parametrize(("dim", "writers"), [(192, 1), (192, 2), (0, 2)])
def test_a_killed_writer_costs_nothing_that_was_acknowledged(dim, writers):
    seen = cache_kills.kills(6, dim=dim, seed=writers, writers=writers, longest=[0.4])
    assert (seen.times, seen.gone, seen.wrong, seen.aside, seen.tracebacks) == (6, 0, 0, 0, 0)
    assert seen.kept > 0


@pytest.mark.parametrize("dim", [8, 0])
@pytest.mark.parametrize("damage", cache_kills.DAMAGES)
def test_no_damage_brings_a_wrong_row(damage, dim):
    seen = cache_kills.damages(damage, 5, dim=dim, seed=5)
    assert (seen.times, seen.wrong, seen.tracebacks) == (5, 0, 0)


def test_the_torture_notices_what_it_is_for(tmp_path, monkeypatch):
    tortured = cache_kills.Embeddings(8)
    numbers = [1, 2, 3]
    rows = tortured.rows(numbers)
    rows[1, 3] += 1
    ids = [cache_kills.id_of(number) for number in numbers]
    tortured.open(tmp_path).append(ids, rows, {A: "none of mine", cache_kills.id_of(7): "not its own"})
    (tmp_path / "x.damaged-1").touch()
    seen = cache_kills.look(tmp_path, 8, {1, 2, 3, 4, 7})
    assert (seen.kept, seen.gone, seen.wrong, seen.aside, seen.tracebacks) == (2, 3, 3, 1, 0)
    monkeypatch.setattr(EmbeddingCache, "read", lambda cache: 1 / 0)
    assert cache_kills.look(tmp_path, 8, {1}).tracebacks == 1


# --- disks that refuse ------------------------------------------------------------------------------------------------


def test_where_there_is_no_cache_nothing_is_said(tmp_path, caplog):
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "folder", tmp_path / "file"):
        assert make(folder).read()[0] == []
        assert ContentIds(folder).get(tmp_path) is None
    assert caplog.text == ""
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_that_cant_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = make(tmp_path / "file")
    for _ in range(2):
        add(cache, A)
    assert caplog.text.count("Embeddings are not kept") == 1


CHILD = """
import logging, os, resource, sys
from pathlib import Path
import filelock, h5py, numpy as np
from imlcull_al.encoding.cache import Content, ContentIds, EmbeddingCache
logging.basicConfig(format="%(message)s")
folder = Path(sys.argv[1])
cache = EmbeddingCache(folder, "ab" * 32, 3, "an encoder", "Pillow 1")
def add(start, stop):
    cache.append([f"{number:032x}" for number in range(start, stop)], np.full((stop - start, 3), 7, np.float32), {})
def put(number):
    files = ContentIds(folder)
    files.put(Path(f"/{number}"), (number, 2, 3), Content("0d" * 16, 1.0, 2.0))
    files.save()
"""


def child(folder, code):
    """Run `code` in a process of its own; what it said. It must end well and say nothing odd."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD + code, str(folder)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert not [word for word in ("Traceback", "Exception ignored", "HDF5") if word in done.stderr], done.stderr
    return done.stderr


@pytest.fixture
def open_folder():
    """A folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a system with user ids")
def test_a_folder_that_may_only_be_read(open_folder):
    child(open_folder, "add(0, 9); put(1); print('done')")
    before = {path: path.read_bytes() for path in open_folder.iterdir()}
    open_folder.chmod(0o555)
    code = """
if os.getuid() == 0:
    os.setuid(65534)
assert len(cache.read()[0]) == 9
add(9, 12); add(12, 15); put(2)
assert len(cache.read()[0]) == 9
print("done")
"""
    try:
        said = child(open_folder, code)
    finally:
        open_folder.chmod(0o755)
    assert said.count("Embeddings are not kept") == 1
    assert said.count("Content ids are not kept") == 1
    assert {path: path.read_bytes() for path in open_folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs a system with user ids")
def test_a_folder_that_may_not_even_be_entered(open_folder):
    child(open_folder, "add(0, 9); put(1); print('done')")
    open_folder.chmod(0)
    code = """
if os.getuid() == 0:
    os.setuid(65534)
assert cache.read()[0] == []
add(9, 12); put(2)
print("done")
"""
    try:
        said = child(open_folder, code)
    finally:
        open_folder.chmod(0o755)
    assert "can't be read now" in said
    assert "Embeddings are not kept" in said
    assert make(open_folder).read()[0] == numbered(0, 9)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
@pytest.mark.parametrize("limit", [0, 100, 5000, 60_000, 100_000, 196_000, 300_000])
def test_a_disk_that_refuses_in_the_middle(tmp_path, limit):
    filled(tmp_path)
    save(tmp_path, "/a")
    code = f"""
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
for start in range(100, 5000, 100):
    add(start, start + 100)
for number in range(30):
    put(number)
print("done")
"""
    said = child(tmp_path, code)
    assert said.count("Embeddings are not kept") == 1
    assert ("Content ids are not kept" in said) == (limit < 5000)
    ids, rows, reasons = make(tmp_path).read()
    assert ids[:2] == [A, B]
    assert rows[:2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (rows[2:] == 7).all()
    assert reasons == {C: "it is broken"}
    assert ContentIds(tmp_path).get(Path("/a")) == Content(A, 1.0, 2.0)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp" or "damaged" in path.name]


@pytest.mark.parametrize("room", [None, 0, 4096, 20_000])
def test_a_full_disk(small_disk, room):
    """`room`: bytes left for the first append; None fills the disk by appending."""
    disk = small_disk("512k")
    if room is not None:
        free = os.statvfs(disk).f_bavail * 4096
        (disk / "photos").write_bytes(bytes(free - room))
    code = """
for start in range(0, 20000, 50):
    add(start, start + 50)
    put(start)
print("done")
"""
    said = child(disk, code)
    assert said.count("Embeddings are not kept") == 1
    assert "No space left on device" in said
    ids, rows, _ = make(disk).read()
    kept = len(ids)
    assert ids == numbered(0, kept) if room is None else set(ids) <= set(numbered(0, 20_000))
    assert (kept >= 1000) == (room is None)
    assert (rows == 7).all()
    assert not list(disk.glob("*.damaged-*")) + list(disk.glob("*.tmp"))
    (disk / "photos").unlink(missing_ok=True)
    if room is not None:
        add(make(disk), A)
        assert A in make(disk).read()[0]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs /dev/shm")
def test_a_cache_on_another_file_system():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        add(filled(Path(folder)), *numbered(100, 1200))
        assert make(Path(folder)).read()[0] == [A, B, *numbered(100, 1200)]


# --- content ids ------------------------------------------------------------------------------------------------------


def test_content_ids_hold_while_the_file_is_unchanged(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    files = ContentIds(tmp_path / "cache")
    assert files.get(photo) is None
    files.put(photo, stat_of(photo), Content(A, 12.5, -1.0))
    files.save()
    again = ContentIds(tmp_path / "cache")
    assert again.get(photo) == Content(A, 12.5, -1.0)
    photo.write_bytes(b"other")
    assert again.get(photo) is None
    photo.unlink()
    assert again.get(photo) is None


def test_the_content_id_file_is_as_written_down(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    files = ContentIds(tmp_path)
    files.put(photo, stat_of(photo), Content(A, 12.5, float("nan")))
    files.save()
    with h5py.File(tmp_path / "content_ids.h5") as file:
        assert dict(file.attrs) == {"format": b"imlcull content ids", "version": 4}
        assert {name: (data.dtype.str, data.shape) for name, data in file.items()} == {
            "path_id": ("|u1", (1, 16)),
            "stat": ("<i8", (1, 3)),
            "content_id": ("|u1", (1, 16)),
            "taken": ("<f8", (1,)),
            "compensation": ("<f4", (1,)),
            "check": ("<u8", (1,)),
        }
        assert file["taken"][0] == 12.5
        assert np.isnan(file["compensation"][0])
        assert file["stat"][0, 0] == 3
        names = ("path_id", "stat", "content_id", "taken", "compensation")
        assert file["check"][0] == check_of(b"".join(file[name][0].tobytes() for name in names), "")


def test_what_another_process_saved_meanwhile_is_taken_over(tmp_path):
    first, second = ContentIds(tmp_path), ContentIds(tmp_path)
    put(first, "/a")
    put(second, "/b")
    first.save()
    second.save()
    assert known(tmp_path) == {"/a": A, "/b": A}
    put(second, "/a", B)
    second.save()
    put(first, "/c")
    first.save()
    assert known(tmp_path) == {"/a": B, "/b": A, "/c": A}
    assert first.get(Path("/b")) == Content(A, 1.0, 2.0)
    put(second, "/c", B)
    put(first, "/c", C)
    second.save()
    first.save()
    assert known(tmp_path)["/c"] == C


@pytest.mark.parametrize("name", ["path_id", "stat", "content_id", "taken", "compensation", "check"])
def test_a_damaged_entry_is_read_again(tmp_path, name, caplog):
    files = save(tmp_path, "/a", "/b", "/c")
    with h5py.File(files.path) as file:
        offset = file[name].id.get_offset() + file[name].dtype.itemsize * file[name][0].size

    def flip(data):
        data[offset] ^= 64

    rewrite(files.path, flip)
    assert known(tmp_path) == {"/a": A, "/c": A}
    assert f"Damaged entries in {files.path}: 1. Their files are read again." in caplog.text
    assert files.path.exists()


def damage_content_format(path):
    with h5py.File(path, "a") as file:
        file.attrs["format"] = "imlcull embeddings"


def damage_content_version(path):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2


def damage_content_column(path):
    with h5py.File(path, "a") as file:
        del file["taken"]


@pytest.mark.parametrize(
    "damage", [damage_text, damage_truncate, damage_content_format, damage_content_version, damage_content_column]
)
def test_damaged_content_ids_are_set_aside_and_begun_anew(tmp_path, damage, caplog):
    path = save(tmp_path, "/a").path
    damage(path)
    damaged = path.read_bytes()
    assert known(tmp_path) == {}
    (aside,) = tmp_path.glob("content_ids.h5.damaged-*")
    assert aside.read_bytes() == damaged
    assert caplog.text.count("is damaged") + caplog.text.count("was written by an older imlcull") == 1
    assert caplog.text.count("set aside") == 1
    save(tmp_path, "/b")
    assert known(tmp_path) == {"/b": A}


def test_newer_content_ids_are_set_aside_in_their_own_words(tmp_path, caplog):
    with h5py.File(tmp_path / "content_ids.h5", "w") as file:
        file.attrs.update({"format": "imlcull content ids", "version": 5})
    save(tmp_path, "/a")
    assert "was written by a newer imlcull (version 5, known here is 4). It is set aside" in caplog.text
    assert "is damaged" not in caplog.text
    assert known(tmp_path) == {"/a": A}


def test_saving_again_without_anything_new_writes_nothing(tmp_path):
    files = save(tmp_path, "/a")
    before = stat_of(files.path)
    files.save()
    assert stat_of(files.path) == before


@pytest.fixture(autouse=True)
def no_quiet_errors(caplog):
    """Nothing is logged as an error, or with a traceback."""
    yield
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR or each.exc_info]


def test_places_are_found_whatever_the_order():
    ids = np.random.default_rng(0).integers(0, 256, (500, 16)).astype(np.uint8)
    ids[0] = 0
    assert places(ids[::-1], ids).tolist() == list(range(499, -1, -1))
    assert places(ids[:5] ^ 1, ids).tolist() == [-1] * 5
    assert places(ids[:2], ids[:0]).tolist() == [-1, -1]
    assert places(ids[:0], ids).tolist() == []


def test_find_gives_rows_in_the_order_asked_for_and_reads_only_their_blocks(tmp_path, monkeypatch):
    ids, values = numbered(0, 3000), np.arange(9000, dtype=np.float32).reshape(3000, 3)
    make(tmp_path).append(ids, values, {C: "it is broken"})
    monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 100 * 12)
    read, read_at = [], hdf5._read_at
    monkeypatch.setattr(
        hdf5, "_read_at", lambda stream, at, array: read.append(array.nbytes) or read_at(stream, at, array)
    )
    wanted = [2999, 5, 5, 1234]
    there, rows, reasons = make(tmp_path).find(as_bytes([*(ids[place] for place in wanted), B]))
    assert there.tolist() == [True] * 4 + [False]
    assert np.array_equal(rows[:4], values[wanted])
    assert reasons == {C: "it is broken"}
    columns = 3000 * (16 + 8), 512 * 8 + 240 + 16  # ids and checks of both tables, and one reason
    assert sum(read) <= sum(columns) + 4096 * 8 + 3 * 100 * 12
    assert make(tmp_path).find(as_bytes(ids), with_rows=False)[0].all()


def test_the_same_photo_twice_and_a_gap_between(tmp_path, caplog):
    ids, values = numbered(0, 10), np.arange(30, dtype=np.float32).reshape(10, 3)
    make(tmp_path).append(ids, values, {})
    wanted = [3, 3, 5]
    there, rows, _ = make(tmp_path).find(as_bytes([ids[place] for place in wanted]))
    assert there.all()
    assert np.array_equal(rows, values[wanted])
    assert "Damaged" not in caplog.text


@pytest.mark.parametrize("check", [0, 12345])
def test_a_wrong_row_hides_no_right_one_of_the_same_photo(tmp_path, check):
    path = filled(tmp_path).path
    with h5py.File(path, "a") as file:
        file["check"][1] = check
    cache = make(tmp_path)
    assert cache.find(as_bytes([A, B]))[0].tolist() == [True, False]
    add(cache, B)
    for _ in range(2):
        there, rows, _ = make(tmp_path).find(as_bytes([A, B]))
        assert there.all()
        assert rows[1].tolist() == [7, 7, 7]
        add(make(tmp_path), *numbered(100, 1200))  # the second time from a larger file
