"""Read and write CSV: UTF-8, a header row, commas, LF line endings, minimal quoting (RFC 4180).

Reading is lenient where that is unambiguous. Accepted are CRLF and blank lines; semicolons or tabs instead of commas,
as the header row has them outside quotes, or as a first line `sep=;` says; UTF-16, recognized by its byte-order mark
or by the zero bytes of an ASCII header; and a byte-order mark of UTF-8.

A table that is written back for the program it came from keeps its `Layout`: the delimiter, the `sep=` line and the
byte-order mark, without any of which a spreadsheet may show one column or broken umlauts, and save them. Its encoding
becomes UTF-8, its line endings LF.

File names are untrusted, and people open these files in spreadsheets; see `as_name` for formula injection.
Independent of what the columns mean.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ..errors import TableError
from .files import read_own, replace_text, unreadable

_QUOTED = re.compile('[,;"\t\r\n]')
_FIRST_DELIMITER = re.compile(r'\s*+(?:"[^"]*"|[^,;\t"\r\n])*+([,;\t])')
_SEPARATOR_LINE = re.compile(r'\s*"?sep=([,;\t])"?[ ,;\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_MARK = "\ufeff"
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PROBE = 16
"""Bytes at the beginning that tell UTF-16 without a byte-order mark; shorter than any header row."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # first characters by which a spreadsheet recognizes a formula


class Row(NamedTuple):
    """One row of a table: `line` is 1-based and counts the header, `values` is keyed by column name."""

    line: int
    values: dict[str, str]


class Layout(NamedTuple):
    """How a table is written, apart from its values. `before`: what precedes the header row, such as `sep=;`."""

    delimiter: str = ","
    before: str = ""


_COMMAS = Layout()


class Table(NamedTuple):
    """A table as read."""

    columns: list[str]
    rows: list[Row]
    layout: Layout


def render(columns: Sequence[str], rows: Iterable[Mapping[str, object]], layout: Layout = _COMMAS) -> str:
    """Format a table as text. Missing values become empty fields."""
    header = layout.before + layout.delimiter.join(map(_field, columns)) + "\n"
    return "".join(chain([header], (line(columns, row, layout.delimiter) for row in rows)))


def line(columns: Sequence[str], row: Mapping[str, object], delimiter: str = ",") -> str:
    """Format one row."""
    return delimiter.join([_field(row.get(column)) for column in columns]) + "\n"


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Replace `path` atomically with this table."""
    replace_text(path, render(columns, rows))


def as_name(key: str) -> str:
    """Escape a photo key for a table: `=1+1.jpg` becomes `./=1+1.jpg`, the same path but not a spreadsheet formula."""
    return f"./{key}" if key.startswith(_FORMULA) else key


def as_key(name: str) -> str:
    """The inverse of `as_name`, in NFC, as photo keys are."""
    name = name.removeprefix("./")
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of the table at `path`. Raises `StorageError`, also for a link, and `TableError`."""
    return read_table(path)[:2]


def read_table(path: Path) -> Table:
    """The table at `path`. Raises as `read` does."""
    try:
        text = _decoded(read_own(path))
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8 text. Save it as CSV in UTF-8, or move it away.") from error
    return parse(text, path)


def _decoded(data: bytes) -> str:
    """The text of a file, its byte-order mark included. Raises `UnicodeDecodeError`."""
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    return data.decode(encoding or _unmarked_encoding(data))


def _unmarked_encoding(data: bytes) -> str:
    """UTF-16 if every other byte of the header row is zero: ASCII in 16 bits. UTF-8 otherwise."""
    even, odd = data[:_PROBE:2], data[1:_PROBE:2]
    if len(data) >= _PROBE and all(even) and not any(odd):
        return "utf-16-le"
    return "utf-16-be" if len(data) >= _PROBE and all(odd) and not any(even) else "utf-8"


def parse(text: str, path: Path) -> Table:
    """The table in `text`. `path` is used in error messages only."""
    if "\0" in text:
        raise TableError(
            f"{path} holds zero bytes, perhaps after a crash, or is not UTF-8. Save it as CSV in UTF-8, "
            "or move it away."
        )
    layout, text = _laid_out(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
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
    return Table(columns, rows, layout)


def _laid_out(text: str) -> tuple[Layout, str]:
    """The layout of a table, and its text from the header row on, blank lines before it included."""
    mark, text = (_MARK, text.removeprefix(_MARK)) if text.startswith(_MARK) else ("", text)
    if said := _SEPARATOR_LINE.match(text):
        return Layout(said[1], f"{mark}sep={said[1]}\n"), "\n" * len(said[0].splitlines()) + text[said.end() :]
    first = _FIRST_DELIMITER.match(text)
    return Layout(first[1] if first else ",", mark), text


def _named(columns: list[str], path: Path) -> list[str]:
    """Drop unnamed trailing columns, which spreadsheets leave behind. Raises `TableError` for duplicate names."""
    while columns and not columns[-1]:
        columns.pop()
    return all_different(columns, path)


def all_different(columns: list[str], path: Path) -> list[str]:
    """`columns` themselves. Raises `TableError` for duplicate names."""
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise TableError(f"{path} has more than one column {twice[0]!r}. Rename one of them, or move the file away.")
    return columns


def _field(value: object) -> str:
    """Quote a field if CSV requires it, or if it contains a semicolon or tab, which spreadsheets may split at."""
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
