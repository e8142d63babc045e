"""Was the cache really hit? The toy encoder counts, and so do the reads."""

import io
import shutil
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import COLD, WARM, MeanColour, fill_stage, save_photo
from PIL import Image

from imlcull_al.encoding import embeddings
from imlcull_al.encoding.embeddings import ensure, fill
from imlcull_al.errors import Cancelled, EncoderError
from imlcull_al.parallel import in_order
from imlcull_al.photos import read as photos
from imlcull_al.photos.read import Views
from imlcull_al.photos.tiles import COUNT, SIDE


def paths_of(folder):
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def stage(tmp_path):
    return fill_stage(tmp_path / "stage_1")


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read."""
    names, identify = [], photos.identify

    def counted(path):
        names.append(Path(path).name)
        return identify(path)

    monkeypatch.setattr(photos, "identify", counted)
    return names


def test_rows_are_those_of_the_encoder_in_key_order(stage, cache_dir, encoder):
    seen = ensure(paths_of(stage), encoder, cache_dir, batch_size=5)
    assert seen.keys == tuple(sorted(paths_of(stage)))
    assert seen.rows.shape == (12, 3)
    assert np.allclose(seen.rows[0], COLD, atol=3)
    assert np.allclose(seen.rows[-1], WARM, atol=3)
    assert (seen.found, seen.computed) == (0, 12)
    assert (encoder.calls, encoder.images) == (3, 12)


def test_the_second_run_reads_and_computes_nothing(stage, cache_dir, encoder, reads):
    first = ensure(paths_of(stage), encoder, cache_dir)
    assert len(reads) == 12
    reads.clear()
    fresh = MeanColour()
    second = ensure(paths_of(stage), fresh, cache_dir)
    assert (second.found, second.computed, fresh.calls, reads) == (12, 0, 0, [])
    assert np.array_equal(first.rows, second.rows)


def test_a_renamed_or_copied_photo_computes_nothing(stage, cache_dir, encoder):
    ensure(paths_of(stage), encoder, cache_dir)
    (stage / "warm_00.jpg").rename(stage / "renamed.jpg")
    (stage / "copy.jpg").write_bytes((stage / "warm_01.jpg").read_bytes())
    fresh = MeanColour()
    seen = ensure(paths_of(stage), fresh, cache_dir)
    assert (seen.found, seen.computed, fresh.calls) == (13, 0, 0)


def test_the_same_content_twice_is_computed_once(stage, cache_dir, encoder):
    (stage / "copy.jpg").write_bytes((stage / "warm_01.jpg").read_bytes())
    seen = ensure(paths_of(stage), encoder, cache_dir)
    assert (len(seen.keys), seen.computed, encoder.images) == (13, 12, 12)
    rows = dict(zip(seen.keys, seen.rows.tolist(), strict=True))
    assert rows["copy.jpg"] == rows["warm_01.jpg"]


def test_a_changed_photo_is_computed_again(stage, cache_dir, encoder):
    ensure(paths_of(stage), encoder, cache_dir)
    save_photo(stage / "warm_00.jpg", (0, 255, 0))
    seen = ensure(paths_of(stage), encoder, cache_dir)
    assert seen.computed == 1
    assert np.allclose(dict(zip(seen.keys, seen.rows, strict=True))["warm_00.jpg"], (5, 250, 5), atol=6)


def test_another_encoder_never_sees_these_rows(stage, cache_dir, encoder):
    ensure(paths_of(stage), encoder, cache_dir)
    other = MeanColour()
    other.fingerprint = "d1" * 32
    assert ensure(paths_of(stage), other, cache_dir).computed == 12


def test_without_the_cache_only_time_is_lost(stage, cache_dir, encoder):
    first = ensure(paths_of(stage), encoder, cache_dir)
    shutil.rmtree(cache_dir)
    assert np.array_equal(ensure(paths_of(stage), encoder, cache_dir).rows, first.rows)
    assert encoder.images == 24


def test_an_unreadable_photo_is_a_row_with_its_reason_and_not_tried_again(stage, cache_dir, encoder, reads):
    (stage / "broken.jpg").write_bytes(b"broken")
    for _ in range(2):
        seen = ensure(paths_of(stage), encoder, cache_dir)
        assert "broken.jpg" not in seen.keys
        assert "not an image in a known format" in seen.unreadable["broken.jpg"]
    assert reads.count("broken.jpg") == 1


def test_a_row_that_is_no_number_is_a_failure_of_its_photo(stage, cache_dir, encoder):
    encoder.encode = lambda images, tiles: np.full((len(images), 3), np.nan, np.float32)
    seen = ensure(paths_of(stage), encoder, cache_dir)
    assert seen.keys == ()
    assert "no finite numbers" in seen.unreadable["warm_00.jpg"]


class Choosy(MeanColour):
    """Raises `error` for cold photos, or for whatever comes when `error` is for all."""

    def __init__(self, error, for_all=False):
        super().__init__()
        self.error, self.for_all = error, for_all

    def encode(self, images, tiles=None):
        rows = super().encode(images, tiles)
        if self.for_all or (rows[:, 0] + 60 < rows[:, 2]).any():
            raise self.error
        return rows


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "there is not enough memory"),
        (ValueError("a strange\npicture."), "a strange picture"),
        (RuntimeError(), "RuntimeError"),
        (RecursionError("too deep"), "too deep"),
    ],
)
def test_a_photo_that_cant_be_encoded_is_unreadable_and_the_others_have_their_rows(
    stage, cache_dir, encoder, error, reason
):
    (stage / "cold_copy.jpg").write_bytes((stage / "cold_01.jpg").read_bytes())
    warm = [f"warm_{number:02}.jpg" for number in range(6)]
    seen = ensure(paths_of(stage), Choosy(error), cache_dir, batch_size=4)
    assert list(seen.keys) == warm
    assert np.allclose(seen.rows, WARM, atol=3)
    cold = [*(f"cold_{number:02}.jpg" for number in range(6)), "cold_copy.jpg"]
    assert seen.unreadable == dict.fromkeys(cold, f"the encoder mean colour failed on it: {reason}")
    again = ensure(paths_of(stage), encoder, cache_dir)  # nothing of it is remembered with the bytes
    assert (len(again.keys), again.found, again.computed, again.unreadable) == (13, 7, 6, {})


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("no device")])
def test_an_encoder_that_fails_on_every_photo_is_named_and_no_photo_is(stage, cache_dir, encoder, error):
    reason = "there is not enough memory" if isinstance(error, MemoryError) else "no device"
    with pytest.raises(EncoderError, match=f"The encoder mean colour can't encode any photo: {reason}. Free memory"):
        ensure(paths_of(stage), Choosy(error, for_all=True), cache_dir)
    assert ensure(paths_of(stage), encoder, cache_dir).unreadable == {}


@pytest.mark.parametrize("rows", [np.zeros((4, 3)), np.zeros((1, 2)), np.zeros(3), "rows"])
def test_an_encoder_that_gives_rows_of_another_shape_is_named(stage, cache_dir, encoder, rows):
    encoder.encode = lambda images, tiles=None: rows
    with pytest.raises(EncoderError, match="The encoder mean colour can't encode any photo"):
        ensure(paths_of(stage), encoder, cache_dir, batch_size=5)


def test_what_its_encoder_says_is_passed_on(stage, cache_dir, encoder):
    with pytest.raises(EncoderError, match=r"^weights are missing$"):
        ensure(paths_of(stage), Choosy(EncoderError("weights are missing"), for_all=True), cache_dir)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_whatever_the_reading_of_a_photo_runs_into_is_its_reason(stage, cache_dir, encoder, monkeypatch, error):
    identify = photos.identify

    def failing(path):
        if "cold_03" in str(path):
            raise error
        return identify(path)

    monkeypatch.setattr(photos, "identify", failing)
    seen = ensure(paths_of(stage), encoder, cache_dir)
    reason = "there is not enough memory" if isinstance(error, MemoryError) else "can't start new thread"
    assert (len(seen.keys), seen.unreadable) == (11, {"cold_03.jpg": f"it can't be read: {reason}"})
    monkeypatch.undo()
    assert ensure(paths_of(stage), encoder, cache_dir).unreadable == {}


def test_stopped_in_the_middle_keeps_what_was_done(stage, cache_dir, encoder):
    asked = iter([False] * 8 + [True] * 99)
    with pytest.raises(Cancelled, match="what was done is kept"):
        ensure(paths_of(stage), encoder, cache_dir, batch_size=4, stop=lambda: next(asked))
    assert encoder.images == 8
    fresh = MeanColour()
    assert ensure(paths_of(stage), fresh, cache_dir).found == 8
    assert fresh.images == 4


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, 8), (60.0, 0)])
def test_long_work_is_saved_in_between(stage, cache_dir, encoder, reads, monkeypatch, seconds, kept):
    """As a kill in the middle leaves it: what is on the disk before the work is over."""
    monkeypatch.setattr(embeddings, "_SAVE_SECONDS", seconds)
    copy = cache_dir.with_name("as_it_was")

    def copy_at_nine(what, done, total):
        if done == 8 and not copy.exists():
            shutil.copytree(cache_dir, copy) if cache_dir.exists() else copy.mkdir()

    ensure(paths_of(stage), encoder, cache_dir, batch_size=4, progress=copy_at_nine)
    reads.clear()
    seen = ensure(paths_of(stage), MeanColour(), copy)
    assert (seen.found, seen.computed, len(reads)) == (kept, 12 - kept, 12 - kept)


def test_progress_ends_with_all_of_them(stage, cache_dir, encoder):
    told = []
    ensure(paths_of(stage), encoder, cache_dir, progress=lambda *what: told.append(what))
    assert told[0] == ("embedding", 0, 12)
    assert told[-1] == ("embedding", 12, 12)


def test_threads_stay_a_bounded_distance_ahead():
    started, lock = [], threading.Lock()

    def work(item):
        with lock:
            started.append(item)
        return item

    results = in_order(work, range(100), ahead=5)
    assert next(results) == 0
    assert max(started) < 6
    assert list(results) == list(range(1, 100))


def test_fill_is_ensure_without_the_rows(stage, cache_dir, encoder):
    (stage / "broken.jpg").write_bytes(b"broken")
    (stage / "copy.jpg").write_bytes((stage / "warm_01.jpg").read_bytes())
    filled = fill(paths_of(stage), encoder, cache_dir, batch_size=5)
    assert (filled.found, filled.computed, list(filled.unreadable)) == (1, 12, ["broken.jpg"])
    fresh = MeanColour()
    seen = ensure(paths_of(stage), fresh, cache_dir)
    assert (seen.found, seen.computed, fresh.calls, len(seen.keys)) == (13, 0, 0, 13)
    again = fill(paths_of(stage), fresh, cache_dir)
    assert (again.found, again.computed, again.unreadable) == (13, 0, filled.unreadable)


def test_batches_are_filled_across_photos_that_give_no_image(stage, cache_dir, encoder):
    for number in range(7):
        (stage / f"dark_{number}.jpg").write_bytes(b"broken %d" % number)
    seen = ensure(paths_of(stage), encoder, cache_dir, batch_size=4)
    assert (seen.computed, encoder.images, encoder.calls) == (12, 12, 3)


def test_a_renamed_photo_whose_row_is_damaged_is_computed_again(stage, cache_dir, encoder, caplog):
    first = ensure(paths_of(stage), encoder, cache_dir)
    (place,) = cache_dir.glob("embeddings-*/*.h5")
    data = bytearray(place.read_bytes())
    at = data.index(first.rows[0].tobytes())
    data[at] ^= 1
    place.write_bytes(data)
    (stage / first.keys[0]).rename(stage / "cold_99.jpg")
    fresh = MeanColour()
    seen = ensure(paths_of(stage), fresh, cache_dir)
    assert (seen.found, seen.computed, fresh.images) == (0, 12, 12)
    assert np.array_equal(seen.rows[seen.keys.index("cold_99.jpg")], first.rows[0])


def test_a_stage_of_one_photo(tmp_path, cache_dir, encoder):
    save_photo(tmp_path / "stage_1" / "a.jpg", WARM)
    for found in (0, 1):
        seen = ensure(paths_of(tmp_path / "stage_1"), encoder, cache_dir)
        assert (seen.keys, seen.rows.shape, seen.found) == (("a.jpg",), (1, 3), found)
    assert len(ensure({}, encoder, cache_dir).keys) == 0


class WithTiles(MeanColour):
    """Mean R, G and B, and the mean brightness of the photo's first tile."""

    fingerprint, dim, views = "c1" * 32, 4, Views(8, tiles=True)

    def encode(self, images, tiles=None):
        assert [strip.size for strip in tiles] == [(SIDE * COUNT, SIDE)] * len(images)
        return np.column_stack(
            [super().encode(images), [brightness(strip.crop((0, 0, SIDE, SIDE))) for strip in tiles]]
        )


def brightness(image):
    return np.asarray(image.convert("L"), np.float32).mean()


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded, and by which function."""
    names = []

    def counted(function, real, path, *rest):
        names.append((Path(path).name, function))
        return real(path, *rest)

    for function in ("decode_file", "decode_with_tiles", "moment"):
        monkeypatch.setattr(photos, function, partial(counted, function, getattr(photos, function)))
    return names


def test_with_its_tiles_a_photo_is_read_and_decoded_once(stage, cache_dir, reads, decoded):
    names = sorted(paths_of(stage))
    encoder = WithTiles()
    seen = ensure(paths_of(stage), encoder, cache_dir, batch_size=5)
    assert sorted(reads) == names
    assert sorted(decoded) == [(name, "decode_with_tiles") for name in names]
    assert (seen.rows.shape, seen.computed, encoder.images) == ((12, 4), 12, 12)
    fresh = WithTiles()
    again = ensure(paths_of(stage), fresh, cache_dir)
    assert (again.found, again.computed, fresh.calls) == (12, 0, 0)
    assert (len(reads), len(decoded)) == (12, 12)
    assert np.array_equal(again.rows, seen.rows)


def test_every_photo_is_encoded_with_tiles_of_its_own(stage, cache_dir):
    for number in range(5):
        (stage / f"dark_{number}.jpg").write_bytes(b"broken %d" % number)
    (stage / "warm_copy.jpg").write_bytes((stage / "warm_01.jpg").read_bytes())
    seen = ensure(paths_of(stage), WithTiles(), cache_dir, batch_size=4)
    assert len(seen.keys) == 13
    for key, row in zip(seen.keys, seen.rows, strict=True):
        assert row[3] == pytest.approx(brightness(photos.load(stage / key)), abs=4), key
    assert abs(seen.rows[0, 3] - seen.rows[-1, 3]) > 20  # so that another's would be noticed


def test_an_encoder_that_looks_at_no_tiles_asks_for_none(stage, cache_dir, encoder, decoded):
    ensure(paths_of(stage), encoder, cache_dir)  # which refuses tiles
    assert sorted(decoded) == [(name, "decode_file") for name in sorted(paths_of(stage))]


class TestParts:
    @pytest.fixture
    def parts(self, monkeypatch):
        """Every growth by half is handed out, however fast it comes; one batch is encoded at a time."""
        monkeypatch.setattr("imlcull_al.encoding.spread.SECONDS", 0.0)
        monkeypatch.setattr("imlcull_al.encoding.spread.SHARE", np.inf)
        monkeypatch.setattr(embeddings, "threads", lambda: 0)
        return []

    def test_a_part_covers_the_stage_and_the_whole_is_returned(self, stage, cache_dir, encoder, parts):
        seen = ensure(paths_of(stage), encoder, cache_dir, batch_size=2, on_part=parts.append)
        assert [len(part.keys) for part in parts] == [2, 4, 6, 10]
        assert parts[1].keys == ("cold_00.jpg", "cold_02.jpg", "cold_04.jpg", "warm_02.jpg")
        for part in parts:
            rows = [seen.keys.index(key) for key in part.keys]
            assert np.array_equal(part.rows, seen.rows[rows])
            assert (part.found, part.computed, part.unreadable) == (0, len(part.keys), {})
            assert len(part.taken) == len(part.compensation) == len(part.keys)
        assert (len(seen.keys), seen.computed) == (12, 12)

    def test_a_part_is_a_copy(self, stage, cache_dir, encoder, parts):
        def spoil(part):
            part.rows[:] = -1

        seen = ensure(paths_of(stage), encoder, cache_dir, batch_size=2, on_part=spoil)
        assert (seen.rows > 0).all()

    def test_what_is_in_the_cache_is_there_before_anything_is_read(self, stage, cache_dir, encoder, parts, reads):
        (stage / "broken.jpg").write_bytes(b"broken")
        ensure(paths_of(stage), encoder, cache_dir)
        reads.clear()
        save_photo(stage / "new.jpg", WARM, seed=99)
        found = []
        ensure(paths_of(stage), encoder, cache_dir, on_part=lambda part: found.append((part, list(reads))))
        [(part, read)] = found
        assert (len(part.keys), part.found, part.computed, list(part.unreadable)) == (12, 12, 0, ["broken.jpg"])
        assert "new.jpg" not in part.keys
        assert read == []

    def test_a_stage_that_is_in_the_cache_has_no_parts(self, stage, cache_dir, encoder, parts):
        (stage / "broken.jpg").write_bytes(b"broken")
        ensure(paths_of(stage), encoder, cache_dir)
        ensure(paths_of(stage), encoder, cache_dir, on_part=parts.append)
        assert parts == []

    def test_photos_that_somebody_waits_for_come_first(self, stage, cache_dir, encoder, parts):
        wanted = ["warm_05.jpg", "gone.jpg", "warm_03.jpg"]
        ensure(paths_of(stage), encoder, cache_dir, batch_size=2, urgent=lambda: wanted, on_part=parts.append)
        assert parts[0].keys == ("warm_03.jpg", "warm_05.jpg")

    def test_a_photo_asked_for_later_overtakes_and_is_handed_out_at_once(
        self, stage, cache_dir, encoder, parts, monkeypatch
    ):
        wanted = []

        def part(seen):
            parts.append(seen)
            wanted.append("cold_05.jpg")
            monkeypatch.setattr("imlcull_al.encoding.spread.GROWTH", np.inf)

        ensure(paths_of(stage), encoder, cache_dir, batch_size=1, urgent=lambda: wanted, on_part=part)
        assert ["cold_05.jpg" in part.keys for part in parts] == [False, True]
        assert len(parts[1].keys) < 6

    def test_copies_of_one_photo_join_the_part_with_it(self, stage, cache_dir, encoder, parts):
        (stage / "cold_06.jpg").write_bytes((stage / "cold_00.jpg").read_bytes())
        ensure(paths_of(stage), encoder, cache_dir, batch_size=4, on_part=parts.append)
        assert {"cold_00.jpg", "cold_06.jpg"} <= set(parts[1].keys)
        rows = dict(zip(parts[1].keys, parts[1].rows.tolist(), strict=True))
        assert rows["cold_00.jpg"] == rows["cold_06.jpg"]


def test_cameras_and_damage_are_noted_and_kept_in_the_cache(tmp_path):
    exif = Image.Exif()
    exif.update({0x110: "Z 6"})
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 9, 9)).save(file, "JPEG", exif=exif)
    (tmp_path / "cut.jpg").write_bytes(file.getvalue()[:-2])
    Image.new("RGB", (64, 64)).save(tmp_path / "whole.jpg")
    paths = {name: tmp_path / name for name in ("cut.jpg", "whole.jpg")}
    for _ in range(2):  # computed, then from the cache
        seen = ensure(paths, MeanColour(), tmp_path / "cache")
        assert seen.damaged.tolist() == [True, False]
        assert seen.camera.tolist() == [photos.moment(paths["cut.jpg"]).camera, 0]
        assert seen.camera[0] != 0
        assert seen.at(["whole.jpg", "gone.jpg", "cut.jpg"]).damaged.tolist() == [False, False, True]
        assert seen.among({"cut.jpg"}).damaged.tolist() == [True]
