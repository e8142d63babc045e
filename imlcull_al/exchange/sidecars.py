"""Which sidecars an export of ratings would change or create, and to which bytes. Writes nothing; see `step`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import Cancelled, UnreadableXmp
from ..progress import Progress, Stop, amount, never, silent
from ..project.files import is_link
from ..project.listing import Listing
from ..project.originals import content_id, open_inside
from ..project.stages import Stage, as_key
from .beside import SUFFIX, by_file, by_stem, files_of, raws_of, sidecars_of
from .profiles import Wish
from .splice import EMPTY, changed
from .values import values_of
from .xmp import MAX_BYTES, parse


class Change(NamedTuple):
    """One sidecar. `name`: below the stage, as on the disk; `before`, `after`: content ids, empty for no file."""

    name: str
    mark: str
    before: str
    after: str


@dataclass(frozen=True)
class Writing:
    """What an export would do. `changes`: sidecars to write; `same`: number of sidecars that say so already.

    `refused`: key → why a sidecar stays as it is. `out_of_reach`: photos of which the program reads no sidecar.
    """

    stage: Stage
    wish: Wish
    now: str
    changes: tuple[Change, ...]
    same: int
    refused: dict[str, str]
    out_of_reach: tuple[str, ...]

    def bytes_of(self, change: Change, old: bytes | None) -> bytes:
        """The bytes that a sidecar gets, from those that it has. Raises `UnreadableXmp`."""
        return new_bytes(old, self.wish, change.mark, self.now)

    @property
    def created(self) -> int:
        """Number of sidecars that are not there yet."""
        return sum(not each.before for each in self.changes)

    @property
    def summary(self) -> str:
        """The preview as one line: `12 sidecars to change, 400 to create`."""
        same = f", {self.same:,} say so already" if self.same else ""
        return f"{amount(len(self.changes) - self.created, 'sidecar')} to change, {self.created:,} to create{same}"


def plan(
    stage: Stage,
    listing: Listing,
    marks: Mapping[str, str],
    wish: Wish,
    now: str,
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> Writing:
    """Read the sidecars of marked photos and see what would change. Writes nothing. Raises `Cancelled`.

    `now`: the time that is noted in them, ISO.
    """
    owners: dict[str, list[str]] = {}
    for key in marks:
        for name in _targets(stage, wish, key, listing.companions.get(key, ())):
            owners.setdefault(name, []).append(key)
    changes, refused, same = [], {}, 0
    for done, (name, keys) in enumerate(sorted(owners.items())):
        if stop():
            raise Cancelled("The preview was stopped. Nothing was changed.")
        progress("reading sidecars", done, len(owners))
        mark = marks[keys[0]]
        if any(marks[key] != mark for key in keys):
            refused[as_key(name)] = f"it belongs to {' and '.join(keys[:3])}, which are decided differently"
            continue
        try:
            old = read(stage, name)
            new = new_bytes(old, wish, mark, now)
        except UnreadableXmp as error:
            refused[as_key(name)] = str(error)
            continue
        same += new == old
        if new not in (old, EMPTY):
            changes.append(Change(name, mark, id_of(old), content_id(new)))
    far = [key for key in marks if wish.profile.only_raws and not raws_of(key, listing.companions.get(key, ()))]
    return Writing(stage, wish, now, tuple(changes), same, refused, tuple(far))


def _targets(stage: Stage, wish: Wish, key: str, companions: Sequence[str]) -> list[str]:
    """The sidecars of a photo that are there, and those that the program expects, by their names on the disk."""
    there = sidecars_of(key, companions)
    known, profile = {each.casefold() for each in there}, wish.profile
    new = []
    for file in raws_of(key, companions) if profile.only_raws else files_of(key, companions):
        own, other = by_file(file, ())[0], by_stem(file, ())[0]
        is_read = profile.reads_other and other.casefold() in known
        wanted = [*([own] if profile.by_file and not is_read else []), *([other] if profile.by_stem else [])]
        native = stage.name_of(file)
        end = len(file) - len(other) + len(SUFFIX)  # characters of the file's suffix
        for each in wanted:
            if each.casefold() not in known:
                known.add(each.casefold())
                new.append((native if each == own else native[: len(native) - end]) + SUFFIX)
    return [*map(stage.name_of, there), *new]


def new_bytes(old: bytes | None, wish: Wish, mark: str, now: str) -> bytes:
    """The bytes that a sidecar should have. Raises `UnreadableXmp`."""
    data = EMPTY if old is None else old
    values, standing = wish.properties(mark, values_of(parse(data)))
    return changed(data, values, standing, now)


def read(stage: Stage, name: str) -> bytes | None:
    """The bytes of a sidecar, None if there is none. Raises `UnreadableXmp` for one that must not be written."""
    path = stage.folder / name
    try:
        if is_link(path):
            raise UnreadableXmp("it is a symbolic link")
        with open_inside(stage.folder, name) as file:
            if not os.fstat(file.fileno()).st_mode & 0o222:
                raise UnreadableXmp("it is write-protected")
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableXmp(f"it can't be opened: {error.strerror}") from error


def id_of(data: bytes | None) -> str:
    """The content id of a sidecar; empty where there is none."""
    return "" if data is None else content_id(data)
