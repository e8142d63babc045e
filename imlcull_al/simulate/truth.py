"""Known labels: reads a table of photos and draws whole groups of them to hold out.

    image_name,keep,burst
    a.jpg,keep,1

Labels are keep or cull, true or false, yes or no, 1 or 0. Any other table is a labels file of the task, see `dialects`.
The table may have other columns, in any order; the caller names the columns of labels and groups. Names are those of
a labels file, too.
Independent of sessions and strategies.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import LabelsError, ReplayRefused, TableError
from ..project import dialects
from ..project.dialects import KEY_COLUMNS, Dialect
from ..project.listing import keys_of
from ..project.stages import Stage
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


def read_truth(path: Path, stage: Stage, keep_column: str, group_column: str | None, task: Task = CULL_TASK) -> Truth:
    """Read the table. Raises `ReplayRefused` for a missing column or an invalid label, `StorageError`."""

    def dialect_of(columns: list[str]) -> Dialect | None:
        if group_column and group_column not in columns:
            raise _without(path, group_column, columns)
        key_column = next((name for name in KEY_COLUMNS if name in columns), "")
        if task != CULL_TASK or (key_column == KEY_COLUMNS[1] and keep_column == "label"):
            return None  # of the labels file, where 1 is cull
        if key_column and keep_column in columns:
            return _Kept(task, (key_column, keep_column), key_column)
        if not key_column or "label" not in columns:
            raise _without(path, keep_column if key_column else KEY_COLUMNS[0], columns)
        return None

    path = path.resolve()
    try:
        found = dialects.read(path, task, stage.folder, lambda: keys_of(stage), dialect_of)
    except (LabelsError, TableError) as error:
        raise ReplayRefused(str(error)) from error
    if found is None:
        raise _without(path, KEY_COLUMNS[0], [])
    columns = next(iter(found.extras.values()), {})
    group_by = group_column or (GROUP_COLUMN if GROUP_COLUMN in columns else None)
    group = {key: text for key, row in found.extras.items() if group_by and (text := row.get(group_by, "").strip())}
    return Truth(path, found.labels, group if group_by else None, group_by or "the bursts found in the photos")


class _Kept(Dialect):
    """The answers in the second of `columns`."""

    def label(self, row: Mapping[str, str]) -> str:
        text = row.get(self.columns[1], "")
        is_keep = _ANSWERS.get(text.strip().lower())
        if is_keep is None:
            raise LabelsError(
                f"{text!r} in the column {self.columns[1]} is not a valid answer for {{key}}. "
                "Write keep or cull, true or false, yes or no, 1 or 0"
            )
        return KEEP if is_keep else CULL


def _without(path: Path, column: str, columns: Sequence[str]) -> ReplayRefused:
    return ReplayRefused(
        f"{path} has no column {column!r}, only {', '.join(columns) or 'an empty first line'}. It needs "
        "image_name and answers; name columns other than keep and burst by --keep-column and --group-column."
    )


def in_one_group(groups: Sequence[str], sides: np.ndarray) -> np.ndarray:
    """(S,) bool: the kinds that are found in one group alone. `sides`: as for `hold_out`."""
    names = np.asarray(groups, object)
    return np.array([len(set(names[kind])) == 1 for kind in sides.T], bool)


def hold_out(
    groups: Sequence[str], sides: np.ndarray, share: float, seed: int, stay: Collection[str] = ()
) -> np.ndarray | None:
    """(N,) bool: whole groups drawn at random until `share` of all photos is held out. None if no draw leaves some
    photos of each kind on both sides. `sides` (N, S) bool: the kinds that each photo is of, such as keep and cull.
    `stay`: groups that are never held out.

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
            if names[one] not in stay and count + size[one] <= (share + 0.05) * len(group) + 1:
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
