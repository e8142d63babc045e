"""Photos with one defect of known kind and strength each, and as many without. Neither the photos nor the strengths
were used to train the built-in encoder.

Several crops of each full-size photo at native resolution, and garment photos by held-out senders.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageOps

from imlcull_al.progress import Progress
from recipe import degradations, sources
from recipe.degradations import HELD_OUT, KINDS, Damage

CROPS = 12
"""Crops per full-size photo."""
SIDE = 1280
"""Longer side of a crop in pixels, if the photo is large enough."""
GARMENTS = 280


class Spoiled(NamedTuple):
    """One photo: its file, its group (source photo or sender), its defect and the defect's band of strength, 0 for
    faint, 1 for plain; both None for a sound photo.
    """

    key: str
    group: int
    defect: str | None
    band: int | None


def make_defects(folder: Path, photos: Path, progress: Progress, seed: int = 11) -> list[Spoiled]:
    """Make the photos in `folder`; existing files are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    wanted = list(_wanted(photos))
    for number, (path, group) in enumerate(wanted):
        chance = np.random.default_rng([seed, number])
        image = _crop(path, chance)
        defect = str(chance.choice(KINDS)) if chance.random() < 0.5 else None
        band = int(chance.integers(len(HELD_OUT))) if defect else None
        strengths = {defect: float(chance.uniform(*HELD_OUT[band]))} if defect and band is not None else {}
        made.append(Spoiled(f"{number:04}.jpg", group, defect, band))
        if not (folder / made[-1].key).exists():
            spoiled, _ = degradations.done(image, Damage(strengths), chance)
            spoiled.save(folder / made[-1].key, quality=92)
        progress("making defects", number + 1, len(wanted))
    return made


def _wanted(photos: Path) -> Iterator[tuple[Path, int]]:
    """Files and group numbers; each full-size photo is a group, and so is each sender."""
    for number, path in enumerate(sources.held_out_photos(photos)):
        yield from [(path, -1 - number)] * CROPS
    garments = sources.held_out_garments(photos)
    yield from [garments[place] for place in np.random.default_rng(3).permutation(len(garments))[:GARMENTS]]


def _crop(path: Path, chance: Generator) -> Image.Image:
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    share = min(1.0, SIDE / max(image.size)) * chance.uniform(0.75, 1)
    width, height = (round(share * side) for side in image.size)
    left, top = (int(chance.integers(0, room + 1)) for room in (image.width - width, image.height - height))
    crop = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(crop) if chance.random() < 0.5 else crop
