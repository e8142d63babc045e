"""Reads and writes the labels file of a task, in one of its dialects.

    image_name,label          one of the classes: keep | cull, or those of the task; further columns survive
    image_path,label,tag      the number of the class: 0 (keep) | 1 (cull) | …; tags survive
    image_name,red,striped    tags: 1 for one that the photo has, 0 for one that it hasn't, empty for unknown; further
                              columns survive

Each row names a photo of the stage, in any Unicode normalization and, where that is unambiguous, by other names than
its key; see `names`.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import LabelsError, TableError
from . import tables
from .names import Names
from .tables import Layout, Table
from .task import Task, clean, in_words

KEY_COLUMNS = ("image_name", "image_path")
_TAG_VALUES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Dialect(NamedTuple):
    """Column names and label values of the labels file of a task, and how it is written."""

    task: Task
    columns: tuple[str, ...]
    key_column: str = KEY_COLUMNS[0]
    layout: Layout = Layout()

    def label(self, row: Mapping[str, str]) -> str:
        """The label in a row. Raises `LabelsError` that says what is wrong with it."""
        if not self.task.exclusive:
            return self._tags(row)
        text = row.get("label", "")
        found = [name for name in self.task.classes if self._spelled(name) == clean(text).casefold()]
        if not found:
            allowed = [self._spelled(name) if self._is_numbered else name for name in self.task.classes]
            what = f"neither {allowed[0]} nor {allowed[1]}" if len(allowed) == 2 else f"not one of {in_words(allowed)}"
            raise LabelsError(f"the label {text!r} of {{key}} is {what}")
        return found[0]

    def fields(self, label: str) -> dict[str, str]:
        """The inverse of `label`: the columns of a row that hold it."""
        if not self.task.exclusive:
            tags = self.task.tags_of(label)
            return {name: str(int(tags[name])) if name in tags else "" for name in self.task.classes}
        return {"label": str(self.task.classes.index(label)) if self._is_numbered else label}

    @property
    def _is_numbered(self) -> bool:
        return self.key_column == KEY_COLUMNS[1]

    def _spelled(self, name: str) -> str:
        return str(self.task.classes.index(name)) if self._is_numbered else name.casefold()

    def _tags(self, row: Mapping[str, str]) -> str:
        tags = {}
        for name in self.task.classes:
            text = row.get(name, "").strip().casefold()
            if text and text not in _TAG_VALUES:
                raise LabelsError(f"{name} of {{key}} is {text!r}, neither 1 nor 0")
            if text:
                tags[name] = _TAG_VALUES[text]
        if not tags:
            raise LabelsError("none of the tags of {key} is known")
        return self.task.label_of(tags)


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


def own_dialect(task: Task) -> Dialect:
    """The dialect of a new file."""
    return Dialect(task, (KEY_COLUMNS[0], *(("label",) if task.exclusive else task.classes)))


def read(
    path: Path,
    task: Task,
    folder: Path,
    keys: Callable[[], Collection[str]],
    dialect_of: Callable[[list[str]], Dialect | None] = lambda columns: None,
) -> LabelTable | None:
    """Read the labels file of a task at `path`, of the stage whose photos are in `folder`.

    `dialect_of`: another dialect for some columns. `keys`: lists the photos of the stage; called only for names that
    are no path of a file in `folder`.
    Returns None for a file without a header, which only a full disk leaves behind. Raises `LabelsError` for an unknown
    label, a row without a photo, or a photo with two labels; `TableError` for unknown columns or an unreadable table.
    """
    columns, rows, layout = _usual(tables.read_table(path), task, path)
    if not columns:
        return None
    dialect = (dialect_of(columns) or _dialect(columns, task, path))._replace(layout=layout)
    names = Names(folder, keys)
    found = LabelTable({}, dialect, {}, {}, names.unsettled)
    lines: dict[str, int] = {}
    for row in rows:
        name = tables.as_key(row.values.get(dialect.key_column, ""))
        key = names.key_of(name)
        if not key:
            raise LabelsError(f"{path}, line {row.line}: no photo is named. Correct or delete that line.")
        try:
            label = dialect.label(row.values)
        except LabelsError as error:
            said = str(error).replace("{key}", key)
            raise LabelsError(f"{path}, line {row.line}: {said}. Correct that line, then try again.") from error
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


def _usual(table: Table, task: Task, path: Path) -> Table:
    """The table with its known columns spelled as usual: a spreadsheet may have capitals. Raises `TableError`."""
    usual = {name.casefold(): name for name in (*KEY_COLUMNS, "label", *(() if task.exclusive else task.classes))}
    columns = [usual.get(name.casefold(), name) for name in table.columns]
    if columns == table.columns:
        return table
    renamed = dict(zip(table.columns, columns, strict=True))
    rows = [row._replace(values={renamed[name]: text for name, text in row.values.items()}) for row in table.rows]
    return table._replace(columns=tables.all_different(columns, path), rows=rows)


def _dialect(columns: list[str], task: Task, path: Path) -> Dialect:
    key_column = next((name for name in KEY_COLUMNS if name in columns), "")
    if key_column and task.exclusive and "label" in columns:
        return Dialect(task, tuple(columns), key_column)
    if key_column and not task.exclusive and set(columns) & set(task.classes):
        return Dialect(task, tuple(dict.fromkeys([*columns, *task.classes])), key_column)
    if not task.exclusive:
        needed = f"image_name and {in_words(task.classes)} (1, 0 or empty)"
    else:
        words, numbers = (
            " or ".join(task.classes[:12]),
            ", ".join(f"{n} is {each}" for n, each in enumerate(task.classes)),
        )
        needed = f"image_name,label ({words}) or image_path,label,tag ({numbers})"
    raise TableError(
        f"{path} has the columns {', '.join(columns)}. It needs the columns {needed}. Rename the columns or move the "
        "file away."
    )
