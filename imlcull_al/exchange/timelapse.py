"""Timelapse's tables of photos: which are to be labeled, and which species they show; as camera_trap_al has them, too.

    File,RelativePath,Selected              written: a row for each photo, True for those that are asked next
    …,File,RelativePath,…,Species,…         read: each row with a species is an answer, the others are not answered yet

RelativePath is the folder below that of the photos, with `/` or the separator of Windows, empty for none.
"""

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import AnswersRefused
from ..installation import quoted
from ..project import tables
from ..project.task import Task, clean

SOURCE = "import:timelapse"
"""Who gave an answer that came from a table of Timelapse, in the journal."""
FILE, FOLDER, SELECTED, SPECIES = "File", "RelativePath", "Selected", "Species"


class Row(NamedTuple):
    """One photo with a species. `photo`: its path as the table has it, with `/` before its file name."""

    line: int
    photo: str
    species: str


def selector(keys: Iterable[str], selected: Collection[str], separator: str = os.sep) -> str:
    """The table that tells Timelapse which of the photos `keys` to show. `separator`: between folders."""
    chosen = frozenset(selected)
    rows = []
    for key in keys:
        folder, _, name = key.rpartition("/")
        there = tables.as_name(folder.replace("/", separator))
        rows.append({FILE: tables.as_name(name), FOLDER: there, SELECTED: key in chosen})
    return tables.render((FILE, FOLDER, SELECTED), rows)


def read_species(path: Path) -> tuple[list[Row], int]:
    """The rows of a table that have a species, and the number of those that have none yet.

    Raises `AnswersRefused` for a table without the columns, or a species without its photo, `StorageError`.
    """
    columns, found = tables.read(path)
    if missing := [name for name in (FILE, FOLDER, SPECIES) if name not in columns]:
        raise AnswersRefused(
            f"{path} has no column {missing[0]!r}. Export it from Timelapse with {FILE}, {FOLDER} and {SPECIES}."
        )
    rows, empty = [], 0
    for line, values in found:
        folder, name, species = (values.get(column, "") for column in (FOLDER, FILE, SPECIES))
        if not clean(species):
            empty += 1
        elif not name.strip():
            raise AnswersRefused(f"{path}, line {line}: there is a species, but no file. Nothing was taken.")
        else:
            photo = "/".join([*([tables.as_key(folder).strip("/\\")] if folder else []), tables.as_key(name)])
            rows.append(Row(line, photo, clean(species)))
    return rows, empty


def judge(
    rows: Iterable[Row], task: Task, key_of: Callable[[str], str | None], path: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Photo → class, and photo of the table → why nothing follows from it. `key_of`: path → key, None for no photo.

    Raises `AnswersRefused` with the line for a species that is no class, and for a photo with two.
    """
    labels: dict[str, str] = {}
    lines: dict[str, int] = {}
    ignored = {}
    for line, photo, species in rows:
        if species not in task.classes:
            raise AnswersRefused(
                f"{path}, line {line}: {task.has_no(species)} Nothing was taken. Correct it, or add it as a class: "
                f"--classes {quoted(species)}"
            )
        key = key_of(photo)
        if key is None:
            ignored[photo] = "there is no such photo"
        elif labels.setdefault(key, species) != species:
            raise AnswersRefused(
                f"{path}, line {line}: {photo!r} is {species} here and {labels[key]} in line {lines[key]}. Nothing was "
                "taken. Leave one of the two."
            )
        else:
            lines.setdefault(key, line)
    return labels, ignored
