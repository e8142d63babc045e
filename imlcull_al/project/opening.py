"""Opens any folder of photos as it is: with a project beside it, whose settings say where the photos lie.

    Wedding/              the photos; only ever read
    Wedding.imlcull/      their project, with `stage_1 = "../Wedding"` in its project.toml
      stage_2/            the kept photos, as in every project

A folder that is a project itself is opened as such. Writes nothing into the folder, and links to nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StageError, StorageError
from ..installation import quoted
from .document import writing
from .files import TEMPORARY_PREFIX
from .listing import has_photos
from .stages import (
    FIRST_STAGE,
    Stage,
    absolute,
    beside,
    first_stage,
    gone,
    is_same,
    lies_in_a_stage,
    of_others,
    open_stage,
    stage_numbers,
    was_made_of,
)


def project_of(folder: str | Path, project: str | Path | None = None, *, moved: bool = False) -> Path:
    """The project of a folder of photos, made if there is none: `project`, or else the one beside the folder.

    `moved`: a project whose photos are gone is from now on that of `folder`, to which they were moved. Raises
    `StageError` if the folder has no photos, or the project is one of others or would lie among the photos;
    `StorageError`.
    """
    photos = absolute(folder)
    place, is_there = _place_of(photos, project, moved=moved)
    if not is_there:
        with making(place), writing(place) as document:
            document[FIRST_STAGE] = as_setting(photos, place)
    return place


def planned_stage(project: str | Path, number: int | None = None) -> Stage:
    """The stage with this number of a project, as `open_stage` opens it; or of a folder of photos that has no project
    yet, its first: `make_project` makes that. Writes nothing. Raises as `project_of` and `open_stage`.
    """
    photos = absolute(project)
    if number in (None, 1) and has_photos(photos):
        place, is_there = _place_of(photos)
        if not is_there:
            return Stage(place, 1, elsewhere=photos)
    return open_stage(photos, number)


def make_project(stage: Stage) -> None:
    """Make the project of a planned stage, unless it is there. Raises as `project_of`."""
    if stage.elsewhere is not None and first_stage(stage.project) is None:
        project_of(stage.elsewhere, stage.project)


def _place_of(photos: Path, project: str | Path | None = None, *, moved: bool = False) -> tuple[Path, bool]:
    """The place of a project, as `project_of` has it, and whether it is there already. Raises as that does."""
    if not os.path.exists(photos) and first_stage(beside(photos)) is not None:  # noqa: PTH110 - Path's raises
        raise gone(Stage(beside(photos), 1, elsewhere=photos))
    if stage_numbers(photos) or first_stage(photos) is not None:
        if project is not None:
            raise StageError(f"{photos} is a project itself. Open it without --project.")
        return photos, True
    place = absolute(project) if project is not None else beside(photos)
    check_place(place, photos)
    known, numbers = first_stage(place), stage_numbers(place) if os.path.isdir(place) else []  # noqa: PTH112
    if known is not None and is_same(known, photos):
        return place, True
    if known is not None and has_photos(known):
        raise StageError(f"{place} is the project of {known}. Name another one for {photos} with --project.")
    if known is not None and not moved:
        is_now = "has no photos any more" if known.exists() else "is gone"
        raise StageError(
            f"{place} is the project of {known}, which {is_now}. If {photos} holds those photos, say that they were "
            f"moved: imlcull {quoted(str(photos))} --project {quoted(str(place))} --moved. If it holds others, name "
            "another project."
        )
    if known is None and numbers:
        if was_made_of(place, photos):
            return place, True
        raise of_others(place, photos)
    if not has_photos(photos):
        raise StageError(f"There are no photos in {photos}. Name a folder with photos, or a project.")
    return place, False


@contextmanager
def making(project: Path) -> Iterator[None]:
    """Make the folder of a project if there is none, and remove it again if the block fails. Raises `StorageError`."""
    is_new = not os.path.exists(project)  # noqa: PTH110
    try:
        project.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Could not make the project {project}: {error.strerror}. Name another place for it with --project, in a "
            "folder that you may write to."
        ) from error
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                for lock in project.glob(f"{TEMPORARY_PREFIX}*.lock"):
                    lock.unlink()
                project.rmdir()
        raise


def stage_of(folder: str | Path) -> Stage:
    """The stage that opening a folder shows, its project in the default place; nothing is made. Raises `StageError`."""
    photos = absolute(folder)
    place = beside(photos)
    is_there = os.path.exists(photos)  # noqa: PTH110 - Path's raises for a long name
    is_project = is_there and (stage_numbers(photos) or first_stage(photos) is not None)
    if is_there and not is_project and not (os.path.isdir(place) and stage_numbers(place)):  # noqa: PTH112
        return Stage(place, 1, elsewhere=photos)
    return open_stage(photos)


def check_place(project: Path, photos: Path) -> None:
    """Raise `StageError` if a project would lie among the photos, or has the photos in one of its stages."""
    if lies_in_a_stage(project, Stage(project, 1, elsewhere=photos)):
        raise StageError(
            f"The project {project} would lie among the photos of {photos}, where nothing is written. Name another "
            "folder with --project."
        )
    if lies_in_a_stage(photos, Stage(project, 1)):
        raise StageError(f"{photos} is in a stage of {project}. Open that project: imlcull {quoted(str(project))}")


def as_setting(photos: Path, project: Path) -> str:
    """A folder as the settings name it: relative if it is beside the project, so that both can be moved together."""
    real = os.path.realpath(photos)
    is_beside = os.path.dirname(real) == os.path.dirname(os.path.realpath(project))  # noqa: PTH120
    name = f"../{os.path.basename(real)}" if is_beside else real  # noqa: PTH119
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StageError(f"The name of {photos} is not valid UTF-8. Rename it.") from error
    return name
