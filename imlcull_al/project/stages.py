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
      project.toml                      the tasks, see `settings`

A photo key is the POSIX path of a photo relative to its stage folder, in Unicode's NFC, and the photo's only name in
code. Names on disk are UTF-8, whatever encoding Python was started with, and may be in another normalization, as files
from a Mac are: only `Stage.name_of` leads from a key to the file.
Handles names and folders; opens no file.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StageError
from .companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, photo_suffix
from .files import TEMPORARY_PREFIX
from .task import CULL_TASK

_STAGE_NAME = re.compile(r"stage_([1-9][0-9]*)")


@dataclass(frozen=True)
class Stage:
    """One stage of a project and the paths of its files. `task`: the name of the task whose files these are."""

    project: Path
    number: int
    task: str = field(default=CULL_TASK.name, kw_only=True)
    names: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Key → relative path with `/`, of files not named in NFC, as `list_photos` of this stage last found them."""

    @property
    def name(self) -> str:
        """`stage_N`."""
        return f"stage_{self.number}"

    @property
    def folder(self) -> Path:
        """Folder of the photos."""
        return self.project / self.name

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
        return Stage(self.project, self.number + 1, task=self.task)

    @property
    def previous(self) -> "Stage":
        """The stage that this one was culled from; `stage_0`, which never exists, for the first."""
        return Stage(self.project, self.number - 1, task=self.task)

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


@dataclass(frozen=True)
class Rehearsal(Stage):
    """A stage whose photos are in another folder, so that nothing is written next to them."""

    photos: Path

    @property
    def folder(self) -> Path:
        """Folder of the photos; only read."""
        return self.photos


def open_stage(project: str | Path, number: int | None = None) -> Stage:
    """Open the stage with this number, by default the latest: the largest N with a folder named exactly `stage_N`.

    Raises `StageError` if there is none.
    """
    root = absolute(project)
    numbers = _stage_numbers(root)
    if not numbers:
        what = "move the photos there" if _holds_photos(root) else "put your photos into it"
        raise StageError(f"There is no stage folder in {root}. Create {root / 'stage_1'} and {what}.")
    if number is None:
        return Stage(root, numbers[-1])
    if number not in numbers:
        there = ", ".join(f"stage_{n}" for n in numbers)
        raise StageError(f"There is no stage_{number} in {root}. Choose one that exists: {there}.")
    return Stage(root, number)


def absolute(folder: str | Path) -> Path:
    """Absolute path of a folder that the user named. Expands `~`; leaves an unknown `~name` as is."""
    return Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111 - Path's raises for an unknown name


def lies_in_a_stage(folder: Path, stage: Stage) -> bool:
    """Whether a folder, with links resolved, is inside `stage` or another stage of its project."""
    real, project = Path(os.path.realpath(folder)), Path(os.path.realpath(stage.project))
    if real.is_relative_to(os.path.realpath(stage.folder)):
        return True
    below = real.relative_to(project).parts if real.is_relative_to(project) else ()
    return any(_STAGE_NAME.fullmatch(part) for part in below[:1])


def as_key(path: str) -> str:
    """The photo key of a relative path with `/`."""
    return path if path.isascii() else unicodedata.normalize("NFC", as_text(path))


def as_text(path: str) -> str:
    """A path as UTF-8 text, its normalization as on the disk."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _stage_numbers(root: Path) -> list[int]:
    try:
        entries = list(root.iterdir())
    except FileNotFoundError as error:
        raise StageError(f"There is no folder {root}. Create it, with your photos in {root / 'stage_1'}.") from error
    except OSError as error:
        raise StageError(f"Could not open {root}: {error.strerror}. Name a project folder you may read.") from error
    if _STAGE_NAME.fullmatch(root.name):
        raise StageError(f"{root} is a stage, not a project. Name the folder that holds it: {root.parent}")
    matches = ((_STAGE_NAME.fullmatch(entry.name), entry) for entry in entries)
    return sorted(int(match[1]) for match, entry in matches if match and entry.is_dir())


def _holds_photos(folder: Path) -> bool:
    return any(photo_suffix(entry.name) in DECODABLE_SUFFIXES | RAW_SUFFIXES for entry in folder.iterdir())
