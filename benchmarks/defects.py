"""Photos with one defect of known kind and strength each, and as many without: from photos, and at strengths, that the
built-in encoder never learned from.

Crops of full-size photos at their own resolution, several of each, and photos of garments by held-out senders.
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
"""Of each full-size photo."""
SIDE = 1280
"""Longer side of a crop, pixels, where the photo has as many."""
GARMENTS = 280


class Spoiled(NamedTuple):
    """One photo: its file, the number of the photo or sender it is from, its defect and that one's band of strength:
    0 for faint, 1 for plain; both None for a sound one.
    """

    key: str
    group: int
    defect: str | None
    band: int | None


def make_defects(folder: Path, photos: Path, progress: Progress, seed: int = 11) -> list[Spoiled]:
    """The photos, in `folder`; those that are there already are not written again."""
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
    """Files and group numbers: each full-size photo is a group, and each sender."""
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
