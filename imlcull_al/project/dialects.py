"""Dialects of a labels file: how its columns and its two labels are named.

image_name,label          keep | cull; further columns survive
image_path,label,tag      0 (keep) | 1 (cull); tags survive
"""

from pathlib import Path
from typing import NamedTuple

from ..errors import TableError
from .journal import CULL, KEEP


class Dialect(NamedTuple):
    """How a CSV names its columns and its two labels."""

    columns: tuple[str, ...]
    key_column: str
    keep: str
    cull: str

    def label(self, text: str) -> str | None:
        """`keep`, `cull`, or None for anything else."""
        return {self.keep: KEEP, self.cull: CULL}.get(text.strip().lower())

    def text(self, label: str) -> str:
        """The inverse of `label`."""
        return self.keep if label == KEEP else self.cull


class LabelTable(NamedTuple):
    """What a CSV holds. `extras`: key → all fields of its row."""

    labels: dict[str, str]
    dialect: Dialect
    extras: dict[str, dict[str, str]]


OWN_DIALECT = Dialect(("image_name", "label"), "image_name", KEEP, CULL)
TAG_DIALECT = Dialect(("image_path", "label", "tag"), "image_path", "0", "1")


def _dialect(columns: list[str], path: Path) -> Dialect:
    for dialect in (OWN_DIALECT, TAG_DIALECT):
        if dialect.key_column in columns and "label" in columns:
            return dialect._replace(columns=tuple(columns))
    raise TableError(
        f"{path} has the columns {', '.join(columns)}; needed are, parted by commas, image_name,label (keep or cull) "
        "or image_path,label,tag (0 is keep, 1 is cull). Rename the columns, or move the file away."
    )
