"""The two HDF5 formats, pinned by names, dtypes and values, and what happens to damaged files."""

import h5py
import numpy as np
import pytest

from imlcull_al.cache import Content, ContentIds, EmbeddingCache, stat_of

A, B = "00" * 15 + "0a", "ff" * 15 + "0b"


def make(folder, fingerprint="ab" * 32, dim=3, decoder="Pillow 1"):
    return EmbeddingCache(folder, fingerprint, dim, "an encoder", decoder)


def filled(folder):
    cache = make(folder)
    cache.append([A, B], np.array([[1, 2, 3], [4, 5, 6]], np.float32), {"0c" * 16: "it is broken"})
    return cache


def test_the_embedding_file_is_as_written_down(tmp_path):
    filled(tmp_path)
    path = tmp_path / "embeddings-abababababababab.h5"
    with h5py.File(path) as file:
        assert dict(file.attrs) == {
            "format": "imlcull embeddings",
            "version": 1,
            "fingerprint": "ab" * 32,
            "encoder": "an encoder",
            "dim": 3,
            "decoder": "Pillow 1",
        }
        assert {name: (data.dtype.str, data.shape) for name, data in file.items()} == {
            "content_id": ("|u1", (2, 16)),
            "embedding": ("<f4", (2, 3)),
            "unreadable_id": ("|u1", (1, 16)),
            "unreadable_reason": ("|O", (1,)),
        }
        assert file["embedding"].fletcher32
        assert file["embedding"][:].tolist() == [[1, 2, 3], [4, 5, 6]]
        assert file["content_id"][0].tobytes().hex() == A


def test_what_was_appended_is_read_back(tmp_path):
    filled(tmp_path).append(["0d" * 16], np.array([[7, 8, 9]], np.float32), {})
    ids, rows, reasons = make(tmp_path).read()
    assert ids == [A, B, "0d" * 16]
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert reasons == {"0c" * 16: "it is broken"}


def test_reasons_of_another_decoder_are_forgotten(tmp_path):
    filled(tmp_path)
    newer = make(tmp_path, decoder="Pillow 2")
    assert newer.read()[2] == {}
    newer.append([], np.empty((0, 3), np.float32), {"0e" * 16: "still broken"})
    assert newer.read()[2] == {"0e" * 16: "still broken"}


def test_a_row_without_its_id_is_dropped_and_overwritten(tmp_path):
    cache = filled(tmp_path)
    with h5py.File(cache.path, "a") as file:  # as a writer killed between the two leaves it
        file["embedding"].resize(3, axis=0)
    assert cache.read()[0] == [A, B]
    cache.append(["0d" * 16], np.array([[7, 8, 9]], np.float32), {})
    assert cache.read()[1].tolist()[2] == [7, 8, 9]


def test_rows_that_are_no_numbers_count_as_missing(tmp_path):
    cache = filled(tmp_path)
    with h5py.File(cache.path, "a") as file:
        file["embedding"][0, 1] = np.nan
    assert cache.read()[0] == [B]


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def damage_zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def damage_text(path):
    path.write_text("no HDF5 at all")


def damage_version(path):
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99


def damage_flip_a_bit_of_a_row(path):
    data = bytearray(path.read_bytes())
    place = data.index(np.float32(5).tobytes())
    data[place + 1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_zero, damage_text, damage_version, damage_flip_a_bit_of_a_row]
)
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path, damage, caplog):
    path = filled(tmp_path).path
    damage(path)
    damaged = path.read_bytes()
    cache = make(tmp_path)
    assert cache.read()[0] == []
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert "set aside" in caplog.text
    cache.append([A], np.array([[1, 2, 3]], np.float32), {})
    assert cache.read()[0] == [A]


def test_a_folder_that_cant_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = make(tmp_path / "file")
    for _ in range(2):
        cache.append([A], np.array([[1, 2, 3]], np.float32), {})
    assert caplog.text.count("Embeddings are not kept") == 1


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
        assert dict(file.attrs) == {"format": "imlcull content ids", "version": 2}
        assert {name: (data.dtype.str, data.shape) for name, data in file.items()} == {
            "path_id": ("|u1", (1, 16)),
            "stat": ("<i8", (1, 3)),
            "content_id": ("|u1", (1, 16)),
            "taken": ("<f8", (1,)),
            "compensation": ("<f4", (1,)),
        }
        assert file["taken"][0] == 12.5
        assert np.isnan(file["compensation"][0])
        assert file["stat"][0, 0] == 3


def test_content_ids_without_moments_are_read_again_and_not_called_damaged(tmp_path, caplog):
    with h5py.File(tmp_path / "content_ids.h5", "w") as file:
        file.attrs.update({"format": "imlcull content ids", "version": 1})
    assert ContentIds(tmp_path).get(tmp_path / "a.jpg") is None
    assert caplog.text == ""
    assert (tmp_path / "content_ids.h5").exists()


def test_damaged_content_ids_are_set_aside(tmp_path):
    (tmp_path / "content_ids.h5").write_text("garbage")
    assert ContentIds(tmp_path).get(tmp_path / "a.jpg") is None
    assert len(list(tmp_path.glob("content_ids.h5.damaged-*"))) == 1
