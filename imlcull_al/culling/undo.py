"""Undoes a cull by moving its stage aside, if that stage still matches its manifest. Deletes nothing."""

import os
from pathlib import Path

from ..errors import CullRefused
from ..parallel import in_order
from ..progress import Progress, logged, silent
from ..project import tables
from ..project.files import (
    is_link,
    locked,
    set_aside,
    sync_folder,
    unreadable,
    unwritable,
)
from ..project.labels import KEEP
from ..project.originals import is_content_of
from ..project.stages import Stage, as_key, as_text
from . import copies


def seems_unchanged(stage: Stage) -> bool:
    """Whether a cull made `stage` and nothing has been written next to it since. Reads no photos."""
    return stage.folder.is_dir() and not is_link(stage.folder) and stage.manifest.exists() and not _written_since(stage)


@logged("undoing a cull")
def undo_cull(stage: Stage, *, progress: Progress = silent) -> Path:
    """Undo the cull that made `stage`: move the folder and its manifest aside. Returns the folder's new path.

    Raises `CullRefused`, and changes nothing, if the stage was not made by a cull or has changed since.
    """
    with locked(stage.lock, f"making or changing {stage.name}"):
        if not stage.manifest.exists():
            raise CullRefused(
                f"There is no cull to undo: {stage.manifest.name} is missing, so no cull made {stage.folder}."
            )
        if changed := changes_since_cull(stage, progress=progress):
            raise CullRefused(
                f"{stage.folder} has changed since the cull ({changed[0]}{_and_more(changed)}), so the cull was "
                "not undone. If you don't need the folder, move it away yourself."
            )
        try:
            aside = set_aside(stage.folder, "undone")
            set_aside(stage.manifest, "undone")
            sync_folder(stage.project)
        except OSError as error:
            raise unwritable(stage.folder, error) from error
    return aside


def changes_since_cull(stage: Stage, *, progress: Progress = silent) -> list[str]:
    """Differences between a stage and its manifest, a few words each; empty if there are none."""
    if not stage.manifest.exists():
        return [f"{stage.manifest.name} is missing"]
    if is_link(stage.folder):
        return [f"{stage.name} is a symbolic link"]
    _, rows = tables.read(stage.manifest)
    kept = [row.values for row in rows if row.values.get("decision", KEEP) == KEEP]
    made = {tables.as_key(row.get("image_name", "")): row.get("content_id", "") for row in kept}
    names = _files_below(stage.folder)
    found = set(names)
    changes = [f"{key} is missing" for key in sorted(made.keys() - found)]
    changes += [f"{key} is new" for key in sorted(found - made.keys())]
    changes += _written_since(stage)
    if changes:
        return changes  # skips reading every file
    keys = sorted(made)
    are_same = in_order(lambda key: _holds(stage, names[key], made[key]), keys, copies.AHEAD)
    for done, (key, is_same) in enumerate(zip(keys, are_same, strict=True)):
        progress("comparing with the manifest", done, len(keys))
        changes += [] if is_same else [f"{key} was changed"]
    return changes


def _holds(stage: Stage, name: str, content_id: str) -> bool:
    """Whether a file of the stage has this content id. Raises `StorageError`."""
    with copies.opened(stage, name) as file:
        try:
            return is_content_of(file, content_id)
        except OSError as error:
            raise unreadable(stage.folder / name, error) from error


def _files_below(folder: Path) -> dict[str, str]:
    """Key → native relative path of all files below `folder`, without links to folders.

    A file whose key another one has is under its own name.
    """
    found: dict[str, str] = {}
    for at, _, files in os.walk(folder):
        inside = os.path.relpath(at, folder)
        for file in files:
            name = file if inside == "." else Path(inside, file).as_posix()
            key = as_key(name)
            found[as_text(name) if key in found else key] = name
    return found


def _written_since(stage: Stage) -> list[str]:
    files = stage.journal, stage.labels, stage.model
    written = [f"{path.name} was written" for path in files if os.path.lexists(path)]
    return written + ([f"{stage.next.name} was made from it"] if stage.next.folder.exists() else [])


def _and_more(changes: list[str]) -> str:
    return f", and {len(changes) - 1} more" if len(changes) > 1 else ""
