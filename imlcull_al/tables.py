"""CSV as this project reads and writes it: UTF-8, a header, LF line ends, minimal quoting (RFC 4180).

Reading is lenient where nothing is guessed: a byte-order mark, CRLF and blank lines are accepted.
Knows nothing of what the columns mean.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import StorageError
from .files import replace_text, unreadable


class Row(NamedTuple):
    """One line of a table: `line` counts from 1 with the header, `values` by column name."""

    line: int
    values: dict[str, str]


def render(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The text of a table; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Replace `path` by this table, whole or not at all."""
    replace_text(path, render(columns, rows))


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of the table at `path`. Raises `StorageError` where it is no table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of `text`; `path` is only named in errors."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    columns: list[str] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not columns:
                columns = [field.strip() for field in fields]
            elif len(fields) > len(columns):
                raise StorageError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields under {len(columns)} columns. "
                    "Put quotes around names that hold commas, then try again."
                )
            else:
                rows.append(Row(reader.line_num, dict(zip(columns, fields, strict=False))))
    except csv.Error as error:
        raise StorageError(f"{path}, line {reader.line_num}: not valid CSV ({error}). Correct that line.") from error
    return columns, rows
