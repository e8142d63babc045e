"""Reads a labels file in one of its two dialects, which differ in column names and label values.

image_name,label          keep | cull; further columns survive
image_path,label,tag      0 (keep) | 1 (cull); tags survive

Each row names a photo of the stage, in any Unicode normalization and, where that is unambiguous, by other names than
its key; see `names`.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from ..errors import LabelsError, TableError
from . import tables
from .journal import CULL, KEEP
from .names import Names
from .tables import Layout


class Dialect(NamedTuple):
    """Column names and label values of a CSV, and how it is written."""

    columns: tuple[str, ...]
    key_column: str
    keep: str
    cull: str
    layout: Layout = Layout()

    def label(self, text: str) -> str | None:
        """Parse a label: `keep`, `cull`, or None if invalid."""
        return {self.keep: KEEP, self.cull: CULL}.get(text.strip().lower())

    def text(self, label: str) -> str:
        """The inverse of `label`."""
        return self.keep if label == KEEP else self.cull


class LabelTable(NamedTuple):
    """Contents of a CSV. `extras`: key → all fields of its row.

    `renamed`: name in the table → key, where they differ. `unsettled`: name that means no photo → why; it is a key of
    `labels`, as it is.
    """

    labels: dict[str, str]
    dialect: Dialect
    extras: dict[str, dict[str, str]]
    renamed: dict[str, str]
    unsettled: dict[str, str]


OWN_DIALECT = Dialect(("image_name", "label"), "image_name", KEEP, CULL)
TAG_DIALECT = Dialect(("image_path", "label", "tag"), "image_path", "0", "1")


def read(path: Path, folder: Path, keys: Callable[[], Collection[str]]) -> LabelTable | None:
    """Read the labels file at `path` of the stage whose photos are in `folder`.

    `keys`: lists the photos of the stage; called only for names that are no path of a file in `folder`.
    Returns None for a file without a header, which only a full disk leaves behind. Raises `LabelsError` for an unknown
    label, a row without a photo, or a photo with two labels; `TableError` for unknown columns or an unreadable table.
    """
    columns, rows, layout = tables.read_table(path)
    if not columns:
        return None
    dialect = _dialect(columns, path)._replace(layout=layout)
    names = Names(folder, keys)
    found = LabelTable({}, dialect, {}, {}, names.unsettled)
    lines: dict[str, int] = {}
    for row in rows:
        name = tables.as_key(row.values.get(dialect.key_column, ""))
        key = names.key_of(name)
        text = row.values.get("label", "")
        label = dialect.label(text)
        if not key:
            raise LabelsError(f"{path}, line {row.line}: no photo is named. Correct or delete that line.")
        if label is None:
            raise LabelsError(
                f"{path}, line {row.line}: the label {text!r} of {key} is neither {dialect.keep} nor "
                f"{dialect.cull}. Correct that line, then try again."
            )
        if found.labels.get(key, label) != label:
            raise LabelsError(
                f"{path} gives {key} two labels, on lines {lines[key]} and {row.line}. Delete one of the lines."
            )
        found.labels[key] = label
        lines.setdefault(key, row.line)
        found.extras[key] = row.values
        if key != name:
            found.renamed[name] = key
    return found


def _dialect(columns: list[str], path: Path) -> Dialect:
    for dialect in (OWN_DIALECT, TAG_DIALECT):
        if dialect.key_column in columns and "label" in columns:
            return dialect._replace(columns=tuple(columns))
    raise TableError(
        f"{path} has the columns {', '.join(columns)}. It needs the columns image_name,label (keep or cull) "
        "or image_path,label,tag (0 is keep, 1 is cull). Rename the columns or move the file away."
    )
