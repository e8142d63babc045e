"""What opening a folder would come to, before anything is written beside it: its photos, and how long they take."""

import time
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ..encoding import embeddings
from ..encoding.load import Model
from ..errors import StageError
from ..learning.scores import AUTO, choose_source
from ..progress import amount
from ..project.left_out import told
from ..project.listing import Listing, list_photos
from ..project.opening import stage_of
from ..project.stages import Stage, lies_in_a_stage
from ..project.task import CULL_TASK

FIRST, TIMED = 4, 12
"""Photos that are analyzed before the clock runs, as the first ones take longer, and while it does."""

MOST_LOOKED_AT, LONGEST_LOOK = 200_000, 10.0
"""Files and folders that are looked at, and seconds, at most: somebody may name a whole disk."""


class Found(NamedTuple):
    """The stage that opening a folder would show, and what is in it."""

    stage: Stage
    listing: Listing

    @property
    def sentences(self) -> list[str]:
        """What is there, and where it is written beside."""
        photos = len(self.listing.keys)
        companions = len({key for keys in self.listing.companions.values() for key in keys})
        with_them = f" with {amount(companions, 'companion file')}" if companions else ""
        place = "is" if self.stage.project.is_dir() else "will be"
        more, listed = ("", "") if self.listing.is_whole else ("More than ", " The others were not looked at.")
        return [
            f"{more}{amount(photos, 'photo')}{with_them} in {self.stage.folder}.{listed} They stay as they are; the "
            f"project {place} {self.stage.project}.",
            *(f"Left out: {line}." for line in told(self.listing.left_out)),
        ]


def find(folder: str | Path) -> Found:
    """Look into a folder of photos, or a project, but not forever. Raises `StageError`, `StorageError`."""
    stage, numbers, until = stage_of(folder), count(), time.monotonic() + LONGEST_LOOK
    return Found(stage, list_photos(stage, enough=lambda: next(numbers) >= MOST_LOOKED_AT or time.monotonic() > until))


def first_pass(found: Found, model: Model, cache_dir: Path) -> str:
    """How long it takes to analyze all photos, in a sentence: a few are analyzed to know. Raises `ImlcullError`."""
    if lies_in_a_stage(cache_dir, found.stage):
        raise StageError(f"The cache folder {cache_dir} is among the photos. Choose another one with --cache-dir.")
    paths, keys = found.stage.paths(found.listing.keys), found.listing.keys
    encoder = choose_source(found.stage, model, CULL_TASK, AUTO).encoder
    step = max(1, len(keys) // (FIRST + TIMED))
    some = keys[::step][: FIRST + TIMED]
    embeddings.fill({key: paths[key] for key in some[:FIRST]}, encoder, cache_dir)
    since = time.monotonic()
    done = embeddings.fill({key: paths[key] for key in some[FIRST:]}, encoder, cache_dir)
    return in_words(len(keys), done.computed, time.monotonic() - since)


def in_words(photos: int, computed: int, seconds: float) -> str:
    """How long the first pass over so many photos takes, if `computed` of them took `seconds`.

    >>> in_words(6000, 12, 1.2)
    'Analyzing them takes about 10 minutes, once; you can label meanwhile.'
    """
    if not computed:
        return "They were analyzed before, or are so few that they take no time."
    minutes = round(photos * seconds / computed / 60)
    if not minutes:
        return "Analyzing them takes less than a minute, once."
    count, unit = (minutes, "minute") if minutes < 90 else (round(minutes / 60), "hour")
    return f"Analyzing them takes about {amount(count, unit)}, once; you can label meanwhile."
