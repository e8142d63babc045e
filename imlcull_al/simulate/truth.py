"""Known labels: reads a table of photos and draws whole groups of them to hold out.

    image_name,keep,burst
    a.jpg,keep,1

Labels are keep or cull, true or false, yes or no, 1 or 0; for another task, the table is a labels file of it, see
`dialects`. The table may have other columns, in any order; the caller names the columns of labels and groups.
Independent of sessions and strategies.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import LabelsError, ReplayRefused
from ..project import tables
from ..project.dialects import own_dialect
from ..project.task import CULL, CULL_TASK, KEEP, Task

GROUP_COLUMN = "burst"
_ANSWERS = {
    **dict.fromkeys(("keep", "true", "1", "yes"), True),
    **dict.fromkeys(("cull", "false", "0", "no"), False),
}
_DRAWS = 100
_EVEN = 0.6


class Truth(NamedTuple):
    """Photo key → label, and photo key → group; `group` is None if the table has no group column."""

    path: Path
    labels: dict[str, str]
    group: dict[str, str] | None
    grouped_by: str


def read_truth(path: Path, keep_column: str, group_column: str | None, task: Task = CULL_TASK) -> Truth:
    """Read the table. Raises `ReplayRefused` for a missing column or an invalid label, `StorageError`."""
    columns, rows = tables.read(path.resolve())
    dialect = own_dialect(task)
    needed = (keep_column,) if task == CULL_TASK else dialect.columns[1:]
    for column in ("image_name", *needed, *([group_column] if group_column else [])):
        if column not in columns:
            raise ReplayRefused(
                f"{path} has no column {column!r}, only {', '.join(columns) or 'an empty first line'}. It needs "
                "image_name and answers; name columns other than keep and burst by --keep-column and --group-column."
            )
    group_by = group_column or (GROUP_COLUMN if GROUP_COLUMN in columns else None)
    labels: dict[str, str] = {}
    group: dict[str, str] = {}
    for row in rows:
        key = tables.as_key(row.values.get("image_name", ""))
        if not key:
            raise ReplayRefused(f"{path}, line {row.line}: no photo is named. Correct or delete that line.")
        try:
            label = _kept(row.values, keep_column) if task == CULL_TASK else dialect.label(row.values)
        except LabelsError as error:
            raise ReplayRefused(f"{path}, line {row.line}: {str(error).replace('{key}', key)}.") from error
        if labels.setdefault(key, label) != label:
            what = "the opposite" if task.is_binary else "another"
            raise ReplayRefused(
                f"{path}, line {row.line}: {key} has {what} answer on an earlier line. Delete one of the lines."
            )
        if group_by and row.values.get(group_by, "").strip():
            group[key] = row.values[group_by].strip()
    return Truth(path, labels, group if group_by else None, group_by or "the bursts found in the photos")


def _kept(row: Mapping[str, str], column: str) -> str:
    text = row.get(column, "")
    is_keep = _ANSWERS.get(text.strip().lower())
    if is_keep is None:
        raise LabelsError(
            f"{text!r} in the column {column} is not a valid answer for {{key}}. "
            "Write keep or cull, true or false, yes or no, 1 or 0"
        )
    return KEEP if is_keep else CULL


def hold_out(groups: Sequence[str], sides: np.ndarray, share: float, seed: int) -> np.ndarray | None:
    """(N,) bool: whole groups drawn at random until `share` of all photos is held out. None if no draw leaves some
    photos of each kind on both sides. `sides` (N, S) bool: the kinds that each photo is of, such as keep and cull.

    Takes the first of several draws with roughly proportional classes, or else the most even one. Groups that would
    exceed the share are skipped.
    """
    names, group = np.unique(np.asarray(groups, object).astype(str), return_inverse=True)
    size = np.bincount(group)
    best, evenness = None, 0.0
    for turn in range(_DRAWS):
        chosen, count = np.zeros(len(names), bool), 0
        for one in np.random.default_rng([seed, 0, turn]).permutation(len(names)):
            if count >= share * len(group):
                break
            if count + size[one] <= (share + 0.05) * len(group) + 1:
                chosen[one] = True
                count += size[one]
        held = chosen[group]
        even = _evenness(held, sides)
        if even > evenness:
            best, evenness = held, even
        if even >= _EVEN:
            break
    return best


def _evenness(held: np.ndarray, sides: np.ndarray) -> float:
    """The smallest count of a kind on either side, relative to a proportional split."""
    parts = [(side & kind).sum() * len(held) / max(side.sum() * kind.sum(), 1)
             for side in (held, ~held) for kind in sides.T]  # fmt: skip
    return float(min(parts))
