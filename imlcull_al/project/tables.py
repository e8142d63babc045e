"""Read and write CSV: UTF-8, a header row, LF line endings, minimal quoting (RFC 4180).

Reading is lenient where that is unambiguous: a byte-order mark, CRLF and blank lines are accepted. File names are
untrusted, and people open these files in spreadsheets; see `as_name` for formula injection.
Independent of what the columns mean.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..errors import TableError
from .files import read_own, replace_text, unreadable

_QUOTED = re.compile('[,;"\t\r\n]')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # first characters by which a spreadsheet recognizes a formula


class Row(NamedTuple):
    """One row of a table: `line` is 1-based and counts the header, `values` is keyed by column name."""

    line: int
    values: dict[str, str]


def render(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Format a table as text. Missing values become empty fields."""
    return "".join(chain([",".join(map(_field, columns)) + "\n"], (line(columns, row) for row in rows)))


def line(columns: Sequence[str], row: Mapping[str, object]) -> str:
    """Format one row."""
    return ",".join([_field(row.get(column)) for column in columns]) + "\n"


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Replace `path` atomically with this table."""
    replace_text(path, render(columns, rows))


def as_name(key: str) -> str:
    """Escape a photo key for a table: `=1+1.jpg` becomes `./=1+1.jpg`, the same path but not a spreadsheet formula."""
    return f"./{key}" if key.startswith(_FORMULA) else key


def as_key(name: str) -> str:
    """The inverse of `as_name`."""
    return name.removeprefix("./")


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of the table at `path`. Raises `StorageError`, also for a link, and `TableError`."""
    try:
        text = read_own(path).decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8 text. Save it as CSV in UTF-8, or move it away.") from error
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of `text`. `path` is used in error messages only."""
    if "\0" in text:
        raise TableError(
            f"{path} holds zero bytes, perhaps after a crash, or is not UTF-8. Save it as CSV in UTF-8, "
            "or move it away."
        )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    columns: list[str] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not columns:
                columns = _named([field.strip() for field in fields], path)
            elif any(field.strip() for field in fields[len(columns) :]):
                raise TableError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields under {len(columns)} columns. "
                    "Put quotes around names that contain commas, then try again."
                )
            else:
                rows.append(Row(reader.line_num, dict(zip(columns, fields, strict=False))))
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: not valid CSV ({error}). Correct that line.") from error
    return columns, rows


def _named(columns: list[str], path: Path) -> list[str]:
    """Drop unnamed trailing columns, which spreadsheets leave behind. Raises `TableError` for duplicate names."""
    while columns and not columns[-1]:
        columns.pop()
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise TableError(f"{path} has more than one column {twice[0]!r}. Rename one of them, or move the file away.")
    return columns


def _field(value: object) -> str:
    """Quote a field if CSV requires it, or if it contains a semicolon or tab, which spreadsheets may split at."""
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
