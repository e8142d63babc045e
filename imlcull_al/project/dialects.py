"""Reads a labels file in one of its two dialects, which differ in column names and label values.

image_name,label          keep | cull; further columns survive
image_path,label,tag      0 (keep) | 1 (cull); tags survive
"""

import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..errors import LabelsError, TableError
from . import tables
from .task import CULL, KEEP


class Dialect(NamedTuple):
    """Column names and label values of a CSV."""

    columns: tuple[str, ...]
    key_column: str
    keep: str
    cull: str

    def label(self, text: str) -> str | None:
        """Parse a label: `keep`, `cull`, or None if invalid."""
        return {self.keep: KEEP, self.cull: CULL}.get(text.strip().lower())

    def text(self, label: str) -> str:
        """The inverse of `label`."""
        return self.keep if label == KEEP else self.cull


class LabelTable(NamedTuple):
    """Contents of a CSV. `extras`: key → all fields of its row."""

    labels: dict[str, str]
    dialect: Dialect
    extras: dict[str, dict[str, str]]


OWN_DIALECT = Dialect(("image_name", "label"), "image_name", KEEP, CULL)
TAG_DIALECT = Dialect(("image_path", "label", "tag"), "image_path", "0", "1")


def read(path: Path, folder: Path) -> LabelTable | None:
    """Read the labels file at `path` of the stage whose photos are in `folder`.

    Returns None for a file without a header, which only a full disk leaves behind. Raises `LabelsError` for an unknown
    label, a row without a photo, or a photo with two labels; `TableError` for unknown columns or an unreadable table.
    """
    columns, rows = tables.read(path)
    if not columns:
        return None
    dialect = _dialect(columns, path)
    labels: dict[str, str] = {}
    lines: dict[str, int] = {}
    extras: dict[str, dict[str, str]] = {}
    for row in rows:
        key = key_of(tables.as_key(row.values.get(dialect.key_column, "")), folder)
        text = row.values.get("label", "")
        label = dialect.label(text)
        if not key:
            raise LabelsError(f"{path}, line {row.line}: no photo is named. Correct or delete that line.")
        if label is None:
            raise LabelsError(
                f"{path}, line {row.line}: the label {text!r} of {key} is neither {dialect.keep} nor "
                f"{dialect.cull}. Correct that line, then try again."
            )
        if labels.get(key, label) != label:
            raise LabelsError(
                f"{path} gives {key} two labels, on lines {lines[key]} and {row.line}. Delete one of the lines."
            )
        labels[key] = label
        lines.setdefault(key, row.line)
        extras[key] = row.values
    return LabelTable(labels, dialect, extras)


def key_of(text: str, folder: Path) -> str:
    """Resolve a photo name in a table: a photo key, a path that begins with the stage's name, or an absolute path."""
    if Path(text).is_absolute():
        try:
            return Path(text).relative_to(folder).as_posix()
        except ValueError:
            return text
    if not os.path.exists(folder / text):  # noqa: PTH110 - unlike Path.exists, it accepts any text
        parts = PurePosixPath(text.replace("\\", "/")).parts
        if len(parts) > 1 and parts[0] == folder.name:
            return PurePosixPath(*parts[1:]).as_posix()
    return text


def _dialect(columns: list[str], path: Path) -> Dialect:
    for dialect in (OWN_DIALECT, TAG_DIALECT):
        if dialect.key_column in columns and "label" in columns:
            return dialect._replace(columns=tuple(columns))
    raise TableError(
        f"{path} has the columns {', '.join(columns)}. It needs the columns image_name,label (keep or cull) "
        "or image_path,label,tag (0 is keep, 1 is cull), separated by commas. Rename the columns or move the file away."
    )
