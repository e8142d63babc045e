"""Makes the first stage of a project from any folder of photos, verified like a cull. The folder is only read."""

from dataclasses import replace
from pathlib import Path

from ..errors import CullRefused
from ..progress import Progress, Stop, never, silent
from ..project.document import writing
from ..project.labels import KEEP
from ..project.listing import list_photos
from ..project.opening import as_setting, check_place, making
from ..project.stages import IMPORTED_FROM, Stage, absolute, beside, first_stage
from . import make
from .plan import IMPORTED, Decision, Plan, make_plan


def import_folder(
    folder: str | Path,
    project: str | Path | None = None,
    link: str = "copy",
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> tuple[Plan, Stage]:
    """Make `stage_1` of `project`, by default the one beside the folder, of its photos and their companions.

    The settings of the project say from which folder. Returns what was done, and the stage. Raises `CullRefused`,
    `StageError`, `StorageError`, `Cancelled`; then no project was made, unless only its settings can't be written.
    """
    photos = absolute(folder)
    place = absolute(project) if project is not None else beside(photos)
    check_place(place, photos)
    if (known := first_stage(place)) is not None:
        raise CullRefused(
            f"{place} is the project of the photos in {known}, where they are; nothing was copied. Name another "
            "project for the copies with --project."
        )
    source = Stage(place, 1, elsewhere=photos)
    listing = list_photos(source)
    decisions = [Decision(key, KEEP, IMPORTED, None) for key in listing.keys]
    plan = make.openable(replace(make_plan(source, decisions, listing, 0.0, ""), target=Stage(place, 1)))
    origin = as_setting(photos, place)
    with making(place):
        new = make.make_stage(plan, link, progress=progress, stop=stop)
    with writing(place) as document:
        document[IMPORTED_FROM] = origin
    return plan, new
