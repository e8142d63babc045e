"""Sidecars that lie elsewhere than beside the photos, and which photo each belongs to, by name. Writes nothing.

    sidecars = sidecars_below(Path("from_the_other_machine"))
    assign(sidecars.names, listing)     # {"day1/IMG_1.JPG": ["export/day1/IMG_1.CR2.xmp"]}, and the rest with reasons

Both ways of naming count, as beside the photos; see `beside`. The folders may differ: of the path of a sidecar and the
path that it would have beside its photo, one must end with the other whole.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import RatingsRefused, UnreadableXmp
from ..project.listing import Listing
from ..project.names import Ends
from ..project.originals import open_inside
from ..project.stages import as_key
from .beside import SUFFIX, by_file, by_stem
from .xmp import MAX_BYTES

MOST = 200_000
"""Sidecars in one import."""


class Sidecars(NamedTuple):
    """`names`: paths with `/`, below the folder that they come from. `read`: name → bytes; raises `UnreadableXmp`."""

    names: tuple[str, ...]
    read: Callable[[str], bytes]


def sidecars_below(folder: Path) -> Sidecars:
    """The sidecars in a folder and below it; links to folders are not followed. Raises `RatingsRefused`."""
    names = files_below(folder, SUFFIX, "sidecars")
    return Sidecars(tuple(names), lambda name: bytes_inside(folder, name))


def files_below(folder: Path, suffix: str, what: str) -> list[str]:
    """The files with a suffix in a folder and below it, as `Sidecars.names`. Raises `RatingsRefused` without any."""
    if not folder.is_dir():
        raise RatingsRefused(f"There is no folder {folder}. Name the one that holds the {what}.")
    names = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        below = Path(place).relative_to(folder)
        names += [(below / name).as_posix() for name in sorted(files) if name.casefold().endswith(suffix)]
    if not names:
        raise RatingsRefused(f"There are no {what} in {folder}. Name a folder with {suffix} files.")
    check_number(len(names))
    return names


def check_number(count: int) -> None:
    """Raise `RatingsRefused` for more sidecars than one import takes."""
    if count > MOST:
        raise RatingsRefused(
            f"There are {count:,} sidecars, and one import takes {MOST:,}. Import some of the folders."
        )


def bytes_inside(folder: Path, name: str) -> bytes:
    """The bytes of a sidecar, `name` being its native path. Raises `UnreadableXmp`, also for a link out of `folder`."""
    try:
        with open_inside(folder, name) as file:
            return file.read(MAX_BYTES + 1) or b""  # None: it would block
    except OSError as error:
        raise UnreadableXmp(f"it can't be opened: {error.strerror}") from error


def assign(names: Iterable[str], listing: Listing) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Photo → its sidecars, in the order in which they count; and sidecar → why it is nobody's."""
    owners: dict[str, list[tuple[str, int]]] = {}
    for key in listing.keys:
        companions = listing.companions.get(key, ())
        for rank, beside in enumerate(by_file(key, companions) + by_stem(key, companions)):
            owners.setdefault(beside.casefold(), []).append((key, rank))
    ends, rest = Ends(owners), dict[str, str]()
    meaning: dict[str, list[str]] = {}
    for name in names:
        meant = ends.meant(as_key(name).casefold())
        if len(meant) == 1:
            meaning.setdefault(meant[0], []).append(name)
        else:
            rest[name] = "it could be of several photos" if meant else "there is no photo of its name"
    found: dict[str, list[tuple[int, str]]] = {}
    for beside, sidecars in meaning.items():
        if len(sidecars) > 1:
            rest |= dict.fromkeys(sidecars, f"{len(sidecars)} sidecars are of the same photo")
            continue
        for key, rank in owners[beside]:
            found.setdefault(key, []).append((rank, sidecars[0]))
    return {key: [name for _, name in sorted(ranked)] for key, ranked in found.items()}, rest
