"""Simulated shoots from full-size photographs: bursts of near-identical frames with typical defects.

Several bursts of 3 to 8 frames are cropped from each source photo. Three bursts in five have one or two keepers. The
other frames are out of focus, motion-blurred, badly exposed, partly covered, or cropped off the subject; some are
technically sound and rejected for no visible reason. EXIF holds the capture time, with sub-seconds.

A long shoot has bursts of 1 to 20 frames, half of them without a keeper, and about a fifth of its frames are kept; some
of these are a little soft or dark themselves, as are whole bursts.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import ExifTags, Image, ImageDraw, ImageFilter, ImageOps

from imlcull_al.progress import Progress
from imlcull_al.simulate import sample

SIDE = 640
"""Longer side of a frame in pixels. No crop is enlarged by much, and encoders use less."""
DEFECTS = ("defocus", "motion", "exposure", "occlusion", "crop")
SOUND = ("keep", "whim")
WHIM = 0.15
"""Share of sound frames among the rejects."""


class Frame(NamedTuple):
    """One frame: its file, the numbers of its source photo and burst, and its defect."""

    key: str
    source: int
    burst: int
    kind: str


def make_shoot(
    folder: Path, sources: list[Path], progress: Progress, bursts: int = 5, seed: int = 7, is_long: bool = False
) -> list[Frame]:
    """Make the frames of a shoot in `folder`, so many bursts from each of the `sources`; existing files are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    frames: list[Frame] = []
    time = datetime(2025, 5, 17, 9)
    for number, source in enumerate(sources):
        chance = np.random.default_rng([seed, number])
        with Image.open(source) as opened:
            opened.draft("RGB", (1600, 1600))
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        photo.thumbnail((1400, 1400))
        for _ in range(bursts):
            burst = frames[-1].burst + 1 if frames else 0
            for shot, (image, kind) in enumerate(_burst(photo, chance, _long if is_long else _short)):
                frames.append(Frame(f"{number:03}_{burst:04}_{shot}.jpg", number, burst, kind))
                if not (folder / frames[-1].key).exists():
                    image.save(folder / frames[-1].key, quality=88, exif=_taken(time))
                time += timedelta(milliseconds=250)
            time += timedelta(seconds=90)
        progress("making the shoot", number + 1, len(sources))
    return frames


def whims(frames: list[Frame], seed: int) -> np.ndarray:
    """(N,) bool, which frames are kept: as many per burst as it has keepers, drawn among its sound frames anew for
    every seed. No eye could tell which.
    """
    burst, kind = np.array([frame.burst for frame in frames]), np.array([frame.kind for frame in frames])
    chance = np.random.default_rng([98, seed])
    kept = np.zeros(len(frames), bool)
    for each in np.unique(burst):
        sound = np.flatnonzero((burst == each) & np.isin(kind, SOUND))
        kept[chance.permutation(sound)[: int((kind[burst == each] == "keep").sum())]] = True
    return kept


def _short(chance: Generator) -> tuple[int, int, float]:
    """Keepers and other frames of a burst, and the share of its sound frames that are slightly spoiled."""
    keepers = int(chance.integers(1, 3)) if chance.random() < 0.6 else 0
    return keepers, int(chance.integers(3, 9)) - keepers, 0.0


def _long(chance: Generator) -> tuple[int, int, float]:
    """The same for a long shoot."""
    frames = min(int(chance.geometric(1 / 7)), 20)
    keepers = max(round(frames * chance.uniform(0.2, 0.6)), 1) if chance.random() < 0.5 else 0
    return keepers, frames - keepers, float(chance.choice([0.1, 0.8], p=[0.8, 0.2]))


def _burst(
    photo: Image.Image, chance: Generator, plan: Callable[[Generator], tuple[int, int, float]]
) -> Iterator[tuple[Image.Image, str]]:
    side = chance.uniform(0.5, 0.85)
    corner = chance.uniform(0, 1 - side, 2)
    keepers, rest, slightly = plan(chance)
    others = ["whim" if chance.random() < WHIM else str(chance.choice(DEFECTS)) for _ in range(rest)]
    for kind in chance.permutation(["keep"] * keepers + others).tolist():
        zoomed = side * chance.uniform(0.97, 1.03)
        left, top = np.clip(corner + chance.normal(0, 0.012, 2), 0, max(0, 1 - zoomed))
        image = _crop(photo, left, top, min(zoomed, 1))
        if kind not in SOUND:
            image = _spoiled(image, kind, chance)
        elif slightly and chance.random() < slightly:
            image = sample.defocus(sample.exposure(image, chance.uniform(-0.8, 0.4)), chance.uniform(0.5, 1.5))
        yield image, kind


def _crop(image: Image.Image, left: float, top: float, side: float) -> Image.Image:
    """A region of the image, in shares of its sides, resized to a longer side of `SIDE`."""
    width, height = image.size
    scale = SIDE / max(image.size)
    box = (left * width, top * height, (left + side) * width, (top + side) * height)
    return image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS, box=box)


def _spoiled(image: Image.Image, kind: str, chance: Generator) -> Image.Image:
    match kind:
        case "defocus":
            return sample.defocus(image, chance.uniform(5, 16))
        case "motion":
            return sample.motion(image, chance.uniform(12, 40), chance.uniform(0, 180))
        case "exposure":
            return sample.exposure(image, chance.choice([chance.uniform(-3.5, -1.5), chance.uniform(1, 2.5)]))
        case "occlusion":  # a finger or a head
            x, y = chance.uniform(0, image.width), chance.uniform(0, image.height)
            radius = chance.uniform(0.25, 0.45) * min(image.size)
            tone = tuple(chance.integers(20, 200, 3).tolist())
            ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
            return image.filter(ImageFilter.GaussianBlur(0.6))
        case _:
            return _crop(image, chance.uniform(0, 0.5), chance.uniform(0, 0.5), 0.45)


def _taken(time: datetime) -> Image.Exif:
    exif = Image.Exif()
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    shot[ExifTags.Base.DateTimeOriginal] = f"{time:%Y:%m:%d %H:%M:%S}"
    shot[ExifTags.Base.SubsecTimeOriginal] = f"{time.microsecond // 1000:03}"
    return exif
