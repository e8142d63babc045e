"""The marker of a running training: one that is left while none runs means that it was killed.

`stage_N_TASK_unfinished.json` (UTF-8): {"version": 1, "options": {"epochs": 256, …}}.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..project import tables
from ..project.files import is_locked, read_own, replace_text
from ..project.stages import Stage
from .options import Options

_NOTE_VERSION = 1


@dataclass(frozen=True)
class Interrupted:
    """A training that was killed: its options, how many epochs it completed, and whether one of them was saved."""

    options: Options
    epochs: int
    saved: bool


def interrupted(stage: Stage) -> Interrupted | None:
    """The killed training of this stage. None if there is none, or while a training runs here or in another process."""
    found = read_unfinished(stage.unfinished)
    if found is None or is_locked(stage.training_lock):
        return None
    try:
        options = Options(**found)
        options.check()
    except (TypeError, TrainingError):  # edited by hand, or written by another version
        options = Options()
    begun = _written(stage.unfinished)
    epochs = len(tables.read(stage.epoch_log)[1]) if _written(stage.epoch_log) > begun else 0
    return Interrupted(options, epochs, _written(stage.model) > begun)


def _written(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return -1


@contextmanager
def note_unfinished(path: Path, options: Mapping[str, Any]) -> Iterator[None]:
    """Keep the marker at `path` while the block runs. Raises `StorageError` if it can't be written."""
    replace_text(path, json.dumps({"version": _NOTE_VERSION, "options": dict(options)}) + "\n")
    try:
        yield
    finally:
        with suppress(OSError):  # a stale marker does no harm: it only offers to train again
            path.unlink()


def read_unfinished(path: Path) -> dict[str, Any] | None:
    """Options of the training that left the marker at `path`; {} if they can't be read, None if there is no marker."""
    try:
        note = json.loads(read_own(path))
        return dict(note["options"]) if note["version"] == _NOTE_VERSION else {}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
