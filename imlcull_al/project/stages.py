"""Stages, the file names of a project, and photo keys.

    project/
      stage_1/                          the photos; only ever read
      stage_1_cull_labels.csv           image_name,label
      stage_1_cull_journal.jsonl        every answer ever given
      stage_1_cull_model.pth            the fine-tuned model
      stage_1_cull_model_previous.pth   the one before it
      stage_1_cull_epoch_log.csv        epoch,train_loss,val_loss,val_accuracy
      stage_1_cull_report/              plots and tables of the last training
      stage_1_cull_unfinished.json      exists while a training runs
      stage_1_cull_sidecars_1.zip       the sidecars before the first export of ratings
      stage_2/                          the kept photos
      stage_2_cull_manifest.csv         what was copied, from where and why
      stage_1_<task>_…                  the same for any other task
      stage_1_detections.csv            which photos a detector found empty, see `detections`
      project.toml                      the tasks, see `settings`, and where stage_1 lies, if elsewhere

The photos of the first stage may lie in any folder, which stays as it is; nothing else of a project does.

A photo key is the POSIX path of a photo relative to its stage folder, in Unicode's NFC, and the photo's only name in
code. Names on disk are UTF-8, whatever encoding Python was started with, and may be in another normalization, as files
from a Mac are: only `Stage.name_of` leads from a key to the file.
Handles names and folders; opens no file but the settings.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from ..errors import StageError
from ..installation import quoted
from .document import read
from .files import TEMPORARY_PREFIX
from .task import CULL_TASK

PROJECT_SUFFIX = ".imlcull"
FIRST_STAGE = "stage_1"
"""The line of the settings that says where the first stage lies."""
IMPORTED_FROM = "imported_from"
"""The line of the settings that says which folder an import copied the first stage from."""
_STAGE_NAME = re.compile(r"stage_([1-9][0-9]*)")


@dataclass(frozen=True)
class Stage:
    """One stage of a project and the paths of its files.

    `task`: the name of the task whose files these are. `elsewhere`: folder of the photos of stage 1, if it isn't in the
    project; only read.
    """

    project: Path
    number: int
    task: str = field(default=CULL_TASK.name, kw_only=True)
    elsewhere: Path | None = field(default=None, kw_only=True)
    names: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Key → relative path with `/`, of files not named in NFC, as `list_photos` of this stage last found them."""

    @property
    def name(self) -> str:
        """`stage_N`."""
        return f"stage_{self.number}"

    @property
    def title(self) -> str:
        """What people call the project: the name of the folder of its photos, if that isn't in it."""
        return (self.elsewhere or self.project).name.removesuffix(PROJECT_SUFFIX) or str(self.project)

    @property
    def folder(self) -> Path:
        """Folder of the photos."""
        return self.elsewhere if self.elsewhere and self.number == 1 else self.project / self.name

    @property
    def labels(self) -> Path:
        """The CSV of labels, which other programs may edit."""
        return self._beside("labels.csv")

    @property
    def journal(self) -> Path:
        """Every answer ever given."""
        return self._beside("journal.jsonl")

    @property
    def model(self) -> Path:
        """The fine-tuned classifier."""
        return self._beside("model.pth")

    @property
    def previous_model(self) -> Path:
        """The model that the last training replaced."""
        return self._beside("model_previous.pth")

    @property
    def epoch_log(self) -> Path:
        """Losses and accuracy per epoch."""
        return self._beside("epoch_log.csv")

    @property
    def report(self) -> Path:
        """Folder of plots and tables of the last training."""
        return self._beside("report")

    @property
    def unfinished(self) -> Path:
        """Exists while a training runs."""
        return self._beside("unfinished.json")

    @property
    def manifest(self) -> Path:
        """The CSV that records where this stage's photos came from."""
        return self._beside("manifest.csv")

    def sidecars(self, number: int) -> Path:
        """What the sidecars of this stage were before an export of ratings, the first one being 1."""
        return self._beside(f"sidecars_{number}.zip")

    @property
    def detections(self) -> Path:
        """What a detector found in the photos; one file for all tasks."""
        return self.project / f"{self.name}_detections.csv"

    @property
    def lock(self) -> Path:
        """Lock file, held while this stage's files are written."""
        return self.project / f"{TEMPORARY_PREFIX}{self.name}.lock"

    @property
    def training_lock(self) -> Path:
        """Lock file, held while this stage's model is trained."""
        return self.project / f"{TEMPORARY_PREFIX}{self.name}-training.lock"

    @property
    def next(self) -> "Stage":
        """The stage that a cull of this one creates."""
        return replace(self, number=self.number + 1)

    @property
    def previous(self) -> "Stage":
        """The stage that this one was culled from; `stage_0`, which never exists, for the first."""
        return replace(self, number=self.number - 1)

    def path(self, key: str) -> Path:
        """Path of a photo."""
        return self.folder / self.name_of(key)

    def paths(self, keys: Iterable[str]) -> dict[str, str]:
        """Photo key → path as a string, fast enough for 100,000 keys."""
        folder, name_of = os.path.join(self.folder, ""), self.name_of  # noqa: PTH118
        return {key: folder + (name_of(key) if os.sep == "/" else name_of(key).replace("/", os.sep)) for key in keys}

    def name_of(self, key: str) -> str:
        """Path of a photo or companion below the folder, in Python's file system encoding."""
        return key if key.isascii() else self.names.get(key) or os.fsdecode(key.encode("utf-8", "surrogateescape"))

    def _beside(self, name: str) -> Path:
        return self.project / f"{self.name}_{self.task}_{name}"


def open_stage(project: str | Path, number: int | None = None) -> Stage:
    """Open the stage with this number, by default the latest: the largest N with a folder named exactly `stage_N`.

    `project`: also a folder of photos with its project beside it. Raises `StageError` if there is no stage.
    """
    root = absolute(project)
    place = beside(root)
    first = first_stage(place)
    if first is not None and is_same(first, root):
        root = place
    numbers, elsewhere = stage_numbers(root), first_stage(root)
    if first is None and not numbers and elsewhere is None and os.path.isdir(place) and stage_numbers(place):  # noqa: PTH112
        if not was_made_of(place, root):
            raise of_others(place, root)
        root, numbers = place, stage_numbers(place)
    if not numbers and elsewhere is None:
        raise _no_stage(root)
    if elsewhere is not None:
        if 1 in numbers:
            raise StageError(
                f"The settings of {root} say that stage 1 is {elsewhere}, but there is {root / 'stage_1'}, too. Move "
                "that folder away, or remove the line stage_1 from project.toml."
            )
        numbers = [1, *numbers]
    if number is None:
        number = numbers[-1]
    if number not in numbers:
        there = ", ".join(f"stage_{n}" for n in numbers)
        raise StageError(f"There is no stage_{number} in {root}. Choose one that exists: {there}.")
    return Stage(root, number, elsewhere=elsewhere)


def beside(folder: Path) -> Path:
    """The project of a folder of photos, unless another is named: `Wedding.imlcull` beside `Wedding`."""
    return folder.with_name(f"{folder.name}{PROJECT_SUFFIX}") if folder.name else folder / PROJECT_SUFFIX


def first_stage(project: Path) -> Path | None:
    """Where the settings of a project say that its first stage lies; None if they don't. Raises `StorageError`."""
    return _place(project, FIRST_STAGE)


def _place(project: Path, line: str) -> Path | None:
    place = read(project).get(line)
    if not isinstance(place, str) or not place:
        return None
    return Path(os.path.normpath(os.path.join(os.path.realpath(project), os.path.expanduser(place))))  # noqa: PTH111, PTH118


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same folder."""
    return os.path.realpath(one) == os.path.realpath(other)


def was_made_of(project: Path, folder: Path) -> bool:
    """Whether an import copied the first stage of a project from `folder`."""
    source = _place(project, IMPORTED_FROM)
    return source is not None and is_same(source, folder)


def of_others(project: Path, folder: Path) -> StageError:
    """The error for a project that is named as that of `folder`, and has stages of unknown origin."""
    return StageError(
        f"{project} has stages of its own, and its settings don't say that they were copied from {folder}. If they "
        f"were, open that project by its name: imlcull {quoted(str(project))}. If not, name another project for this "
        "folder with --project."
    )


def gone(stage: Stage) -> StageError:
    """The error for a stage whose folder is missing."""
    moved = ""
    if stage.elsewhere and stage.number == 1:
        place = quoted(str(stage.project))
        moved = f" If it was moved, name its new place: imlcull NEW_FOLDER --project {place} --moved"
    return StageError(f"The folder {stage.folder} is gone. Connect its disk again, or put it back.{moved}")


def absolute(folder: str | Path) -> Path:
    """Absolute path of a folder that the user named. Expands `~`; leaves an unknown `~name` as is."""
    return Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111 - Path's raises for an unknown name


def lies_in_a_stage(folder: Path, stage: Stage) -> bool:
    """Whether a folder, with links resolved, is inside `stage` or another stage of its project."""
    real, project = Path(os.path.realpath(folder)), Path(os.path.realpath(stage.project))
    if any(real.is_relative_to(os.path.realpath(each)) for each in (stage.folder, stage.elsewhere) if each):
        return True
    below = real.relative_to(project).parts if real.is_relative_to(project) else ()
    return any(_STAGE_NAME.fullmatch(part) for part in below[:1])


def as_key(path: str) -> str:
    """The photo key of a relative path with `/`."""
    return path if path.isascii() else unicodedata.normalize("NFC", as_text(path))


def as_text(path: str) -> str:
    """A path as UTF-8 text, its normalization as on the disk."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def stage_numbers(root: Path) -> list[int]:
    """Numbers of the stage folders in a project. Raises `StageError` for a folder that can't be read, or is a stage."""
    try:
        entries = list(root.iterdir())
    except FileNotFoundError as error:
        raise _nowhere(root) from error
    except OSError as error:
        raise StageError(f"Could not open {root}: {error.strerror}. Name a project folder you may read.") from error
    if _STAGE_NAME.fullmatch(root.name):
        raise StageError(f"{root} is a stage, not a project. Name the folder that holds it: {root.parent}")
    matches = ((_STAGE_NAME.fullmatch(entry.name), entry) for entry in entries)
    return sorted(int(match[1]) for match, entry in matches if match and entry.is_dir())


def _no_stage(root: Path) -> StageError:
    return StageError(
        f"There is no stage folder in {root}. To begin a project in it, put your photos into {root / 'stage_1'}. To "
        f"work on photos where they are: imlcull {quoted(str(root))}"
    )


def _nowhere(folder: Path) -> StageError:
    """The error for a folder that isn't there, with those that have nearly its name."""
    missing = next((each for each in reversed(folder.parents) if not each.exists()), folder)
    try:
        there = [each.name for each in missing.parent.iterdir() if each.is_dir()]
    except OSError:
        there = []
    near = [str(missing.parent / name) for name in get_close_matches(missing.name, there)]
    advice = f"Did you mean {' or '.join(near)}?" if near else "Check its name, and that its disk is connected."
    return StageError(f"There is no folder {folder}. {advice}")
