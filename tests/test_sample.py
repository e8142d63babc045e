from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from scipy.ndimage import laplace

from imlcull_al.errors import StageError, StorageError
from imlcull_al.project import tables
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import open_stage
from imlcull_al.simulate import sample

PHOTOS = 24


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "new" / "project"
    sample.make_sample(folder, photos=PHOTOS)
    return folder


@pytest.fixture(scope="module")
def sharp():
    """A pagoda in daylight, 400 × 300."""
    return sample.photograph("china.jpg").crop((0, 60, 400, 360))


def rows(project: Path) -> list[dict[str, str]]:
    return [row.values for row in tables.read(project / sample.SAMPLE_TRUTH)[1]]


def content(project: Path) -> dict[str, bytes]:
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in project.rglob("*.*")}


def time_taken(path: Path) -> datetime:
    with Image.open(path) as image:
        exif = image.getexif()
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Model]) == ("imlcull", "sample")
    assert shot[ExifTags.Base.ExposureTime] > 0
    second = datetime.strptime(shot[ExifTags.Base.DateTimeOriginal], "%Y:%m:%d %H:%M:%S")
    return second + timedelta(milliseconds=int(shot[ExifTags.Base.SubsecTimeOriginal]))


def brightness(image: Image.Image) -> float:
    return float(np.asarray(image).mean())


def sharpness(image: Image.Image) -> float:
    return float(laplace(np.asarray(image.convert("L"), float)).var())


# --- the project on disk


@pytest.mark.slow
def test_photos_have_their_number_names_and_sizes(project):
    assert sorted(entry.name for entry in project.iterdir()) == [sample.SAMPLE_TRUTH, "stage_1"]
    listing = list_photos(open_stage(project))
    assert listing.keys == tuple(f"IMG_{number:04}.jpg" for number in range(1, PHOTOS + 1))
    for path in (project / "stage_1").iterdir():
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert image.size in {(400, 300), (300, 400)}


def test_truth_agrees_with_the_files_and_with_itself(project):
    text = (project / sample.SAMPLE_TRUTH).read_text(encoding="utf-8")
    assert text.startswith("image_name,keep,defect,burst\nIMG_0001.jpg,")
    keeps = sample.truth(project)
    assert tuple(keeps) == list_photos(open_stage(project)).keys
    assert set(keeps.values()) == {True, False}
    for row in rows(project):
        assert keeps[row["image_name"]] == (row["keep"] == "1") == (row["defect"] == "none")


def test_frames_of_a_burst_are_seconds_apart_and_bursts_are_minutes_apart(project):
    shots = [(row["burst"], time_taken(project / "stage_1" / row["image_name"])) for row in rows(project)]
    gaps = [(before[0] == after[0], after[1] - before[1]) for before, after in pairwise(shots)]
    within = [gap for same_burst, gap in gaps if same_burst]
    between = [gap for same_burst, gap in gaps if not same_burst]
    assert timedelta(0) < min(within) <= max(within) < timedelta(seconds=2)
    assert min(between) >= timedelta(minutes=2)


@pytest.mark.slow
def test_the_seed_decides_the_bytes(tmp_path, project):
    sample.make_sample(tmp_path / "same", photos=PHOTOS, seed=0)
    sample.make_sample(tmp_path / "other", photos=PHOTOS, seed=1)
    first, same, other = (content(folder) for folder in (project, tmp_path / "same", tmp_path / "other"))
    assert len(first) == PHOTOS + 1
    assert first == same
    assert len({*first.values(), *other.values()}) == 2 * (PHOTOS + 1)  # no two files are alike


def test_frames_of_a_burst_look_alike(project):
    def pixels(row):
        with Image.open(project / "stage_1" / row["image_name"]) as image:
            return np.asarray(image.convert("L").resize((40, 40)), float)

    sound = [row for row in rows(project) if row["keep"] == "1"]
    pairs = [(before, after) for before, after in pairwise(sound) if before["burst"] == after["burst"]]
    assert pairs
    for before, after in pairs:
        assert 0 < np.abs(pixels(before) - pixels(after)).mean() < 12


def test_progress_counts_every_photo(tmp_path):
    seen = []
    sample.make_sample(tmp_path, photos=3, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# --- what is there already


def test_a_complete_sample_is_left_as_it_is(project):
    before = content(project)
    assert sample.is_sample(project)
    sample.make_sample(project, photos=2, seed=9, progress=lambda *count: pytest.fail("nothing is to be done"))
    assert content(project) == before


@pytest.mark.parametrize("name", ["stage_1/mine.jpg", "stage_1_cull_labels.csv", "stage_2/mine.jpg"])
def test_other_work_is_refused_and_left_as_it_is(tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    with pytest.raises(StageError, match="nothing was changed"):
        sample.make_sample(tmp_path, photos=2)
    assert content(tmp_path) == {name: b"mine"}
    assert not sample.is_sample(tmp_path)


def test_a_stage_is_no_project(tmp_path):
    folder = tmp_path / "stage_1"
    folder.mkdir()
    with pytest.raises(StageError, match="is or contains a stage"):
        sample.make_sample(folder, photos=2)
    assert list(folder.iterdir()) == []


def test_an_interrupted_run_leaves_nothing(tmp_path):
    def stop(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample.make_sample(tmp_path, photos=2, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_before_its_last_step_is_no_sample(tmp_path):
    sample.make_sample(tmp_path, photos=2)
    (tmp_path / sample.SAMPLE_TRUTH).unlink()
    assert not sample.is_sample(tmp_path)
    with pytest.raises(StageError, match="interrupted run"):
        sample.make_sample(tmp_path, photos=2)


def test_a_sample_that_lost_a_photo_is_not_complete(tmp_path):
    sample.make_sample(tmp_path, photos=2)
    (tmp_path / "stage_1" / "IMG_0002.jpg").unlink()
    assert not sample.is_sample(tmp_path)


@pytest.mark.parametrize("text", ["", "name,keep\na,1\n", "image_name,keep\na.jpg\n", '"'])
def test_a_damaged_truth_table_makes_no_sample(tmp_path, text):
    (tmp_path / "stage_1").mkdir()
    (tmp_path / sample.SAMPLE_TRUTH).write_text(text, encoding="utf-8")
    assert not sample.is_sample(tmp_path)


def test_truth_needs_a_sample(tmp_path):
    with pytest.raises(StorageError, match=sample.SAMPLE_TRUTH):
        sample.truth(tmp_path)


def test_no_photos_are_no_sample(tmp_path):
    with pytest.raises(StageError, match="Ask for at least 1"):
        sample.make_sample(tmp_path, photos=0)


# --- the plan, without a pixel


@pytest.mark.parametrize("seed", range(5))
def test_a_shoot_has_the_promised_mixture(seed):
    frames = sample.plan(1000, np.random.default_rng(seed))
    assert len(frames) == 1000
    bursts: dict[int, list[str]] = {}
    for frame in frames:
        bursts.setdefault(frame.burst, []).append(frame.defect)
        left, top, right, bottom = frame.box
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 427
        assert max(right - left, bottom - top) > 400 / 1.3
    kept = sum(frame.defect == "none" for frame in frames)
    assert 350 <= kept <= 470
    assert {frame.defect for frame in frames} == {"none", *sample.DEFECTS}
    assert {len(defects) for defects in bursts.values()} == set(range(1, 9))
    assert any("none" not in defects for defects in bursts.values() if len(defects) > 3)
    assert not any(set(defects) == {"none"} for defects in bursts.values() if len(defects) > 1)


# --- the defects


@pytest.mark.parametrize("defect", ["defocus", "motion"])
def test_blur_takes_sharpness_and_leaves_brightness(sharp, defect):
    for seed in range(3):
        blurred = sample.spoil(sharp, defect, np.random.default_rng(seed))
        assert blurred.size == sharp.size
        assert sharpness(blurred) < sharpness(sharp) / 4
        assert brightness(blurred) == pytest.approx(brightness(sharp), rel=0.1)


@pytest.mark.parametrize(("defect", "low", "high"), [("dark", 0.2, 0.6), ("bright", 1.3, 3)])
def test_exposure_defects_show(sharp, defect, low, high):
    for seed in range(3):
        spoiled = sample.spoil(sharp, defect, np.random.default_rng(seed))
        assert low < brightness(spoiled) / brightness(sharp) < high


def test_tilt_turns_the_pagoda(sharp):
    tilted = sample.spoil(sharp, "tilt", np.random.default_rng(0))
    assert tilted.size == sharp.size
    assert np.abs(np.asarray(tilted, float) - np.asarray(sharp)).mean() > 20


def test_a_sound_frame_is_untouched(sharp):
    assert sample.spoil(sharp, "none", np.random.default_rng(0)) is sharp


def point_of_light(image_function, *strength) -> np.ndarray:
    """(21, 21) share of the light that falls on each pixel when all of it came through the middle one."""
    image = Image.new("RGB", (21, 21))
    image.putpixel((10, 10), (255, 255, 255))
    light = (np.asarray(image_function(image, *strength), float)[:, :, 0] / 255) ** sample.GAMMA
    return light / light.sum()


def test_defocus_spreads_a_point_over_a_disc():
    light = point_of_light(sample.defocus, 5)
    assert light[10, 5:16] == pytest.approx(1 / (np.pi * 25), rel=0.6)
    assert light[5:16, 10] == pytest.approx(light[10, 5:16])
    assert light[10, :4].max() == light[:4, 10].max() == 0


@pytest.mark.parametrize(("angle", "rows_and_columns"), [(0, (0, 1)), (45, (-1, 1)), (90, (1, 0))])
def test_motion_draws_a_point_out_to_a_line(angle, rows_and_columns):
    down, right = rows_and_columns
    light = point_of_light(sample.motion, 8, angle)
    reach = range(-2, 3)
    assert min(light[10 + step * down, 10 + step * right] for step in reach) > 0.05
    assert light[10 + 3 * right, 10 - 3 * down] < 0.01  # across the line


def test_exposure_counts_in_stops_and_clips():
    grey = Image.new("RGB", (1, 1), (100, 100, 100))
    double = round(255 * (2 * (100 / 255) ** 2.2) ** (1 / 2.2))
    assert sample.exposure(grey, 0).getpixel((0, 0)) == (100, 100, 100)
    assert sample.exposure(grey, 1).getpixel((0, 0)) == (double, double, double) == (137, 137, 137)
    assert sample.exposure(grey, 9).getpixel((0, 0)) == (255, 255, 255)
    assert sample.exposure(grey, (1, 0, -9)).getpixel((0, 0)) == (137, 100, 6)


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (90, 90)])
@pytest.mark.parametrize("degrees", [-20, -5, 5, 13, 20])
def test_tilt_leaves_no_empty_corner(size, degrees):
    white = Image.new("RGB", size, "white")
    tilted = sample.tilt(white, degrees)
    assert tilted.size == size
    assert tilted.getextrema() == ((255, 255), (255, 255), (255, 255))


def test_tilt_turns_counter_clockwise():
    image = Image.new("L", (101, 101))
    image.paste(255, (50, 48, 101, 53))  # a hand at three o'clock
    tilted = np.asarray(sample.tilt(image, 20))
    assert tilted[:50, 70:].mean() > 10 * tilted[51:, 70:].mean()
