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


class _Appending(NamedTuple):
    """A file to write to, for `csv`, that keeps the lines apart."""

    lines: list[str]

    def write(self, line: str) -> None:
        self.lines.append(line)


class Row(NamedTuple):
    """One line of a table: `line` counts from 1 with the header, `values` by column name."""

    line: int
    values: dict[str, str]


def render(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The text of a table; a missing value is an empty field."""
    lines: list[str] = []
    # Before Python 3.13 the writer puts quotes around a carriage return only where it is part of the line end.
    writer = csv.DictWriter(_Appending(lines), columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Replace `path` by this table, whole or not at all."""
    replace_text(path, render(columns, rows))


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of the table at `path`. Raises `StorageError` where it is no table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is not UTF-8 text. Save it as CSV in UTF-8, or move it away.") from error
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
