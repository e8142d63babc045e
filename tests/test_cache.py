"""What the cache knows of photos: its three kinds of segments, pinned, and what it forgets, cuts and says."""

import logging
import signal

import h5py
import numpy as np
import pytest
from conftest import save_upright, turn_in_place

from imlcull_al.encoding.cache import Content, ContentIds, EmbeddingCache
from imlcull_al.encoding.ids import as_bytes, as_hex
from imlcull_al.encoding.segments import Segments
from imlcull_al.project.originals import stat_of
from tests.torture import cache_kills

A, B, C = "00" * 15 + "0a", "ff" * 15 + "0b", "0c" * 16


def make(folder, fingerprint="ab" * 32, dim=3, decoder="Pillow 1"):
    return EmbeddingCache(folder, fingerprint, dim, "an encoder", decoder)


def filled(folder):
    cache = make(folder)
    cache.append([A, B], np.array([[1, 2, 3], [4, 5, 6]], np.float32), {C: "it is broken"})
    return cache


def found(cache):
    """Row by content id."""
    ids = cache.ids()
    there, rows = cache.find(ids)
    assert there.all()
    return dict(zip(as_hex(ids), rows.tolist(), strict=True))


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def described(path):
    with h5py.File(path) as file:
        columns = {name: (data.dtype.str, data.shape) for name, data in file.items()}
        return dict(file.attrs), columns, {name: data[:] for name, data in file.items()}


@pytest.fixture(autouse=True)
def no_quiet_errors(caplog):
    """Nothing is logged as an error, or with a traceback."""
    yield
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR or each.exc_info]


# --- embeddings -------------------------------------------------------------------------------------------------------


def test_embeddings_are_kept_as_written_down(tmp_path):
    filled(tmp_path)
    about, columns, values = described(only(tmp_path, "embeddings-abababababababab/*.h5"))
    assert about == {
        "format": b"imlcull embeddings", "version": 4, "fingerprint": b"ab" * 32, "dim": 3, "encoder": b"an encoder",
    }  # fmt: skip
    assert columns == {"content_id": ("|u1", (2, 16)), "embedding": ("<f4", (2, 3))}
    assert values["content_id"][0].tobytes().hex() == A
    assert values["embedding"].tolist() == [[1, 2, 3], [4, 5, 6]]
    about, columns, values = described(only(tmp_path, "unreadable-*/*.h5"))
    assert about == {
        "format": b"imlcull unreadable", "version": 4, "fingerprint": b"ab" * 32, "decoder": b"Pillow 1",
    }  # fmt: skip
    assert columns == {"content_id": ("|u1", (1, 16)), "reason": ("|S240", (1,))}
    assert values["reason"].tolist() == [b"it is broken"]


def test_rows_and_reasons_come_back(tmp_path):
    filled(tmp_path)
    cache = make(tmp_path)
    assert found(cache) == {A: [1, 2, 3], B: [4, 5, 6]}
    assert cache.reasons() == {C: "it is broken"}
    there, rows = cache.find(as_bytes([B, C, B]))
    assert there.tolist() == [True, False, True]
    assert rows[[0, 2]].tolist() == [[4, 5, 6]] * 2
    there, nothing = cache.find(as_bytes([C, A]), with_rows=False)
    assert (there.tolist(), nothing) == ([False, True], None)


def test_encoders_do_not_mix_even_where_their_fingerprints_begin_alike(tmp_path):
    filled(tmp_path)
    other = make(tmp_path, "ab" * 8 + "cd" * 24)
    assert other.find(as_bytes([A]))[0].tolist() == [False]
    assert make(tmp_path, "cd" * 32).find(as_bytes([A]))[0].tolist() == [False]
    assert make(tmp_path, "cd" * 32).reasons() == {}


def test_reasons_of_another_decoder_are_forgotten(tmp_path, caplog):
    filled(tmp_path)
    newer = make(tmp_path, decoder="Pillow 2")
    assert newer.reasons() == {}
    newer.append([], np.empty((0, 3), np.float32), {"0e" * 16: "still broken"})
    assert newer.reasons() == {"0e" * 16: "still broken"}
    assert found(newer) == {A: [1, 2, 3], B: [4, 5, 6]}
    assert caplog.text == ""


def test_a_long_reason_is_cut_at_a_character(tmp_path):
    cache = make(tmp_path)
    cache.append([], np.empty((0, 3), np.float32), {A: "ä" * 119 + "x" + "ö" * 9, B: "odd \udcff", C: ""})
    assert cache.reasons() == {A: "ä" * 119 + "x", B: "odd \\udcff", C: ""}


def test_rows_that_are_no_numbers_are_not_kept(tmp_path):
    cache = make(tmp_path)
    cache.append([A, B], np.array([[1, np.nan, 3], [4, 5, 6]], np.float32), {})
    assert found(cache) == {B: [4, 5, 6]}


def test_where_there_is_no_cache_nothing_is_said(tmp_path, caplog):
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "folder", tmp_path / "file"):
        assert (found(make(folder)), make(folder).reasons()) == ({}, {})
        assert ContentIds(folder).get(tmp_path) is None
    assert caplog.text == ""
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_that_cant_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = make(tmp_path / "file")
    for _ in range(2):
        cache.append([A], np.ones((1, 3), np.float32), {})
    assert caplog.text.count("Embeddings are not kept. Could not write ") == 1


def test_files_of_an_older_version_are_set_aside_once(tmp_path, caplog):
    for name in ("embeddings-abababababababab.h5", "content_ids.h5"):
        (tmp_path / name).write_text(name)
    for _ in range(2):
        assert (found(filled(tmp_path))[A], known(tmp_path)) == ([1, 2, 3], {})
    assert caplog.text.count("was written by an older imlcull. Its photos are read again; delete ") == 2
    assert [only(tmp_path, f"{name}.old-*").read_text() for name in ("content_ids.h5", "embeddings-*.h5")] == [
        "content_ids.h5",
        "embeddings-abababababababab.h5",
    ]


# --- content ids ------------------------------------------------------------------------------------------------------


def put(files, path, content_id=A):
    """As if a file that is not there, whose `stat_of` is zeros, had this content."""
    files.put(path, (0, 0, 0, 0), Content(content_id, 1.0, 2.0))


def known(folder):
    """Content id by name, of those that `put` puts."""
    files = ContentIds(folder)
    contents = {name: files.get(name) for name in ("/a", "/b", "/c")}
    return {name: content.content_id for name, content in contents.items() if content}


def test_content_ids_hold_while_the_file_is_unchanged(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    files = ContentIds(tmp_path / "cache")
    assert files.get(photo) is None
    files.put(photo, stat_of(photo), Content(A, 12.5, -1.0))
    assert files.get(photo) == Content(A, 12.5, -1.0)
    files.save()
    for each in (files, again := ContentIds(tmp_path / "cache")):
        assert each.get(photo) == Content(A, 12.5, -1.0)
    photo.write_bytes(b"other")
    assert again.get(photo) is None
    photo.unlink()
    assert again.get(photo) is None


def test_a_content_id_does_not_hold_for_a_photo_that_was_turned_in_place(tmp_path):
    photo = save_upright(tmp_path / "a.jpg", (9, 9, 9))
    files = ContentIds(tmp_path / "cache")
    files.put(photo, stat_of(photo), Content(A, 12.5, -1.0))
    files.save()
    turn_in_place(photo)
    assert files.get(photo) is None
    assert files.look_up([photo])[0].tolist() == [False]


def test_content_ids_of_an_older_version_are_set_aside(tmp_path):
    columns = {
        "path_id": np.dtype(("u1", (16,))), "stat": np.dtype(("<i8", (4,))), "content_id": np.dtype(("u1", (16,))),
        "taken": np.dtype("<f8"), "compensation": np.dtype("<f4"),
    }  # fmt: skip
    older = Segments(tmp_path / "content_ids", {"format": "imlcull content ids", "version": 6}, columns)
    older.append(*(np.zeros((1, *dtype.shape), dtype.base) for dtype in columns.values()))
    files = ContentIds(tmp_path)
    put(files, "/a")
    files.save()
    assert known(tmp_path) == {"/a": A}
    assert len(list(tmp_path.glob("content_ids/*.damaged-*"))) == 1


def test_content_ids_are_kept_as_written_down(tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    files = ContentIds(tmp_path)
    files.put(photo, stat_of(photo), Content(A, 12.5, float("nan"), 7, damaged=True))
    files.save()
    about, columns, values = described(only(tmp_path, "content_ids/*.h5"))
    assert about == {"format": b"imlcull content ids", "version": 7}
    assert columns == {
        "path_id": ("|u1", (1, 16)), "stat": ("<i8", (1, 4)), "content_id": ("|u1", (1, 16)), "taken": ("<f8", (1,)),
        "compensation": ("<f4", (1,)), "camera": ("<u4", (1,)), "damaged": ("|u1", (1,)),
    }  # fmt: skip
    assert values["taken"].tolist() == [12.5]
    assert np.isnan(values["compensation"][0])
    assert (values["camera"].tolist(), values["damaged"].tolist()) == ([7], [1])
    assert tuple(values["stat"][0]) == stat_of(photo)


@pytest.mark.slow
def test_what_another_process_saved_meanwhile_stays_and_the_last_word_counts(tmp_path):
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
    put(second, "/c", B)
    put(first, "/c", C)
    second.save()
    first.save()
    assert known(tmp_path)["/c"] == C
    for number in range(40):
        put(first, f"/{number}")
        first.save()
    assert known(tmp_path) == {"/a": B, "/b": A, "/c": C}


def test_saving_again_without_anything_new_writes_nothing(tmp_path):
    files = ContentIds(tmp_path)
    put(files, "/a")
    files.save()
    files.save()
    assert len(list(tmp_path.glob("content_ids/*.h5"))) == 1


def test_content_ids_that_cant_be_written_are_kept_for_this_run(tmp_path, caplog):
    (tmp_path / "file").touch()
    files = ContentIds(tmp_path / "file")
    put(files, "/a")
    files.save()
    assert "Content ids are not kept. Could not write " in caplog.text
    assert files.get("/a") == Content(A, 1.0, 2.0)


# --- kills and damage -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with kill -9")
@pytest.mark.parametrize(("dim", "writers"), [(192, 2), (0, 2)])
def test_a_killed_writer_costs_nothing_that_was_acknowledged(dim, writers):
    seen = cache_kills.kills(4, dim=dim, seed=writers, writers=writers, longest=[0.4])
    assert (seen.times, seen.gone, seen.wrong, seen.aside, seen.tracebacks) == (4, 0, 0, 0, 0)
    assert seen.kept > 0


@pytest.mark.slow
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
    (tmp_path / "embeddings-x").mkdir()
    (tmp_path / "embeddings-x" / "x.damaged-1").touch()
    seen = cache_kills.look(tmp_path, 8, {1, 2, 3, 4, 7})
    assert (seen.kept, seen.gone, seen.wrong, seen.aside, seen.tracebacks) == (2, 3, 3, 1, 0)
    monkeypatch.setattr(EmbeddingCache, "ids", lambda cache: 1 / 0)
    assert cache_kills.look(tmp_path, 8, {1}).tracebacks == 1
