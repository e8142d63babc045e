"""A sample project, for trying the tool without photos of one's own.

Several hundred crops of two real photographs imitate a shoot: bursts of near-identical frames, some of them spoiled by
typical mistakes. `sample_truth.csv` next to `stage_1` holds the photographer's decisions: image_name (photo key), keep
(1 | 0), defect (none | defocus | motion | dark | bright | tilt), burst (number, from 1).

The photographs are free; `photographs/LICENCE.txt` names their authors.

Independent of encoders, labels and culling.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from ..errors import StageError, StorageError
from ..progress import Progress, logged, silent
from ..project import tables
from ..project.files import temporary_sibling, unwritable
from ..project.stages import Stage

SAMPLE_TRUTH = "sample_truth.csv"
_PHOTOGRAPHS = Path(__file__).with_name("photographs")
COLUMNS = ("image_name", "keep", "defect", "burst")
SOUND = "none"  # value of the defect column for a good frame
DEFECTS = ("defocus", "motion", "dark", "bright", "tilt")
SHUTTER = {"dark": 2000, "bright": 60, "motion": 15}  # 1/s, for EXIF; 1/250 s otherwise
GAMMA = 2.2  # blur and exposure act on linear light, before the camera's tone curve


class View(NamedTuple):
    """A subject in a photograph. Beyond it are sky and blurred leaves, on which nobody could judge sharpness."""

    photograph: str
    focus: tuple[int, int]  # x, y in pixels; well inside every crop
    defects: tuple[str, ...]  # defects that are visible on this subject


PHOTOGRAPH_SIZE = (640, 427)  # width, height
VIEWS = (
    View("china.jpg", (205, 200), DEFECTS),  # the pagoda
    View("china.jpg", (490, 290), DEFECTS),  # the lake behind the trees
    View("flower.jpg", (305, 220), DEFECTS[:-1]),  # round: a tilt is not visible
)


class Frame(NamedTuple):
    """One press of the shutter."""

    view: View
    box: tuple[float, float, float, float]  # left, top, right, bottom in the photograph
    mirrored: bool
    light: tuple[float, float, float]  # exposure offset in stops for R, G, B, by time of day
    defect: str
    burst: int
    time: datetime


@logged("making a sample")
def make_sample(project: Path, *, photos: int = 360, seed: int = 0, progress: Progress = silent) -> None:
    """Make a sample of `photos` photos in `project`. The same seed gives identical bytes.

    A no-op if the sample is complete. Raises `StageError` if the folder is or holds another stage, `StorageError` if it
    can't be written.
    """
    if is_sample(project):
        return
    if photos < 1:
        raise StageError(f"A sample can't have {photos} photos. Ask for at least 1.")
    if project.absolute().match("stage_[0-9]*") or any(project.glob("stage_[0-9]*")):
        raise StageError(
            f"{project} is or contains a stage that is not a complete sample; nothing was changed. Name a new folder "
            "for the sample, or first move away what an interrupted run may have left."
        )
    stage_1 = Stage(project, 1).folder
    half_made = temporary_sibling(stage_1)
    try:
        half_made.mkdir(parents=True)
        rows = list(_shoot(half_made, photos, np.random.default_rng(seed), progress))
        half_made.rename(stage_1)
    except OSError as error:
        raise unwritable(stage_1, error) from error
    finally:
        shutil.rmtree(half_made, ignore_errors=True)
    tables.write(project / SAMPLE_TRUTH, COLUMNS, rows)  # last: its presence marks the sample as complete


def truth(project: Path) -> dict[str, bool]:
    """Photo key → whether the scripted photographer keeps it. Raises `StorageError` if the table is missing or
    invalid.
    """
    path = project / SAMPLE_TRUTH
    _, rows = tables.read(path)
    try:
        return {row.values["image_name"]: row.values["keep"] == "1" for row in rows}
    except KeyError as error:
        raise StorageError(f"{path} lacks a value for {error}. Make a new sample in another folder.") from error


def is_sample(project: Path) -> bool:
    """Whether `project` is a complete sample: a truth table and every photo it names."""
    try:
        keys = truth(project)
    except StorageError:
        return False
    return bool(keys) and all(Stage(project, 1).path(key).is_file() for key in keys)


def _shoot(folder: Path, photos: int, rng: Generator, progress: Progress) -> Iterator[dict[str, object]]:
    """Write the photos into `folder`, yielding a row of the truth table for each."""
    photographs = {view.photograph: photograph(view.photograph) for view in VIEWS}
    digits = max(4, len(str(photos)))  # sorting by name is sorting by time
    for number, frame in enumerate(plan(photos, rng), start=1):
        name = f"IMG_{number:0{digits}}.jpg"
        image = spoil(_crop(photographs[frame.view.photograph], frame), frame.defect, rng)
        image.save(folder / name, quality=90, exif=_exif(frame))
        progress("making the sample", number, photos)
        yield dict(zip(COLUMNS, (name, int(frame.defect == SOUND), frame.defect, frame.burst), strict=True))


def photograph(name: str) -> Image.Image:
    """One of the two photographs, RGB, of `PHOTOGRAPH_SIZE`."""
    with Image.open(_PHOTOGRAPHS / name) as image:
        return image.convert("RGB")


def plan(photos: int, rng: Generator) -> list[Frame]:
    """All frames in order of time: bursts of 1 … 8, minutes apart."""
    frames: list[Frame] = []
    time, burst = datetime(2025, 5, 17, 9), 1
    while len(frames) < photos:
        size = min(int(rng.integers(1, 9)), photos - len(frames))
        frames += _burst(burst, size, time, rng)
        time, burst = frames[-1].time + timedelta(seconds=int(rng.integers(120, 600))), burst + 1
    return frames


def _burst(burst: int, size: int, time: datetime, rng: Generator) -> Iterator[Frame]:
    """Frames of one view, at most seconds and a few pixels apart."""
    view = VIEWS[rng.integers(len(VIEWS))]
    portrait, mirrored = (bool(coin) for coin in rng.integers(2, size=2))
    length = rng.uniform(320, 415 if portrait else 540)  # enlarged at most 1.25 ×, so that it looks sharp
    sides = np.array([0.75 * length, length] if portrait else [length, 0.75 * length])
    place = rng.uniform(0.3, 0.7, size=2)  # position of the focus, as a share of the sides
    # Only darken: the sky of china.jpg is almost white already and must not look overexposed.
    brightness, warmth = rng.uniform(-0.45, -0.1), rng.uniform(-0.12, 0.12)
    light = (brightness + warmth, brightness, brightness - warmth)
    for defect in _defects(view, size, rng):
        width, height = zoomed = sides * rng.uniform(0.99, 1.01)
        corner = view.focus - (place + rng.normal(0, 0.008, size=2)) * zoomed
        left, top = np.clip(corner, 0, PHOTOGRAPH_SIZE - zoomed)
        yield Frame(view, (left, top, left + width, top + height), mirrored, light, defect, burst, time)
        time += timedelta(milliseconds=int(rng.integers(100, 1500)))


def _defects(view: View, size: int, rng: Generator) -> list[str]:
    """A defect for each frame: good and spoiled frames mixed, except that about one burst in six has no good frame."""
    kept = int(rng.binomial(size, 0.48))
    if size > 1:
        kept = min(max(kept, 1), size - 1)
    if rng.random() < 0.17:
        kept = 0
    defects = [SOUND] * kept + rng.choice(view.defects, size - kept).tolist()
    return [defects[position] for position in rng.permutation(size)]


def _crop(photograph: Image.Image, frame: Frame) -> Image.Image:
    left, top, right, bottom = frame.box
    size = (400, 300) if right - left > bottom - top else (300, 400)
    image = photograph.resize(size, Image.Resampling.LANCZOS, box=frame.box)
    return exposure(ImageOps.mirror(image) if frame.mirrored else image, frame.light)


def _exif(frame: Frame) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "imlcull"
    exif[ExifTags.Base.Model] = "sample"
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    shot[ExifTags.Base.DateTimeOriginal] = f"{frame.time:%Y:%m:%d %H:%M:%S}"
    shot[ExifTags.Base.SubsecTimeOriginal] = f"{frame.time.microsecond // 1000:03}"
    shot[ExifTags.Base.ExposureTime] = IFDRational(1, SHUTTER.get(frame.defect, 250))
    shot[ExifTags.Base.ISOSpeedRatings] = 200
    return exif


def spoil(image: Image.Image, defect: str, rng: Generator) -> Image.Image:
    """`image` with this defect, at a random strength between clearly visible and still plausible at 400 × 300
    pixels.
    """
    match defect:
        case "defocus":
            return defocus(image, rng.uniform(3, 6.5))
        case "motion":
            return motion(image, rng.uniform(9, 24), rng.uniform(0, 180))
        case "dark":
            return exposure(image, rng.uniform(-3.8, -2.3))
        case "bright":
            return exposure(image, rng.uniform(1.8, 3))
        case "tilt":
            return tilt(image, rng.choice([-1, 1]) * rng.uniform(8, 20))
    return image


def defocus(image: Image.Image, radius: float) -> Image.Image:
    """Blur an RGB image with a disc of `radius` pixels."""
    y, x = _offsets(radius)
    return _spread(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def motion(image: Image.Image, length: float, angle: float) -> Image.Image:
    """Blur an RGB image along a line: `length` pixels, `angle` degrees counterclockwise."""
    y, x = _offsets(length / 2)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    along = np.clip(x * cos - y * sin, -length / 2, length / 2)
    return _spread(image, np.clip(1 - np.hypot(x - along * cos, y + along * sin), 0, 1))


def exposure(image: Image.Image, stops: float | Sequence[float]) -> Image.Image:
    """An RGB image with 2 ** `stops` times the light, clipped at white; three values apply to R, G and B."""
    gains = 2.0 ** np.broadcast_to(stops, 3)[:, None]
    curves = 255 * np.clip(gains * np.linspace(0, 1, 256) ** GAMMA, 0, 1) ** (1 / GAMMA)
    return image.point(curves.round().astype(int).ravel().tolist())


def tilt(image: Image.Image, degrees: float) -> Image.Image:
    """The image rotated counterclockwise, and enlarged so that no corner is empty; same size."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    scale = 0.995 / (cos + abs(sin) * max(image.size) / min(image.size))  # not 1: rounding would leave black corners
    matrix = scale * np.array([[cos, -sin], [sin, cos]])
    centre = np.array(image.size) / 2
    output_to_input = np.column_stack([matrix, centre - matrix @ centre]).ravel().tolist()
    return image.transform(image.size, Image.Transform.AFFINE, output_to_input, Image.Resampling.BICUBIC)


def _offsets(reach: float) -> np.ndarray:
    """(2, K, K): y and x offsets of the cells of a kernel from its center, with K odd and large enough for `reach`."""
    margin = math.ceil(reach) + 1
    return np.mgrid[-margin : margin + 1, -margin : margin + 1]


def _spread(image: Image.Image, kernel: np.ndarray) -> Image.Image:
    """Convolve an RGB image with `kernel` (K, K), normalized here, in linear light; borders are mirrored."""
    from scipy.signal import fftconvolve  # slow to import

    margin = len(kernel) // 2
    light = (np.asarray(image, np.float32) / 255) ** GAMMA
    light = np.pad(light, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    light = fftconvolve(light, (kernel / kernel.sum())[:, :, None], mode="valid", axes=(0, 1))
    return Image.fromarray((255 * np.clip(light, 0, 1) ** (1 / GAMMA)).round().astype(np.uint8))
