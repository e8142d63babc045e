"""Sidecars that lie elsewhere than beside the photos, and which photo each belongs to, by name. Writes nothing.

    sidecars = sidecars_below(Path("from_the_other_machine"))
    assign(sidecars.names, listing)     # {"day1/IMG_1.JPG": ["export/day1/IMG_1.CR2.xmp"]}, and the rest with reasons

Both ways of naming count, as beside the photos; see `beside`. Their paths may begin elsewhere than in the folder of the
photos, all of them at the same place; see `PathSuffixes`.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import RatingsRefused, UnreadableXmp
from ..project.listing import Listing
from ..project.names import PathSuffixes
from ..project.originals import open_inside
from ..project.stages import as_key
from .beside import SUFFIX, by_file, by_stem
from .xmp import MAX_BYTES

MOST = 200_000
"""Sidecars in one import."""
MOST_BYTES = 256 << 20
"""Of sidecars that are kept in memory."""


class Sidecars(NamedTuple):
    """`names`: paths with `/`, below the folder that they come from. `read`: name → bytes; raises `UnreadableXmp`."""

    names: tuple[str, ...]
    read: Callable[[str], bytes]


class Received:
    """Sidecars that are sent one by one, kept in memory. Not thread-safe."""

    def __init__(self) -> None:
        """None yet."""
        self._files: dict[str, bytes] = {}
        self._bytes = 0

    def add(self, name: str, data: bytes) -> None:
        """Keep one. Raises `RatingsRefused` for another kind of file, and where all of them are too much."""
        name = name.encode("utf-8", "replace").decode()  # JSON may hold half a character, which no name of a photo does
        if not name.casefold().endswith(SUFFIX):
            raise RatingsRefused(f"{name} is no sidecar. Send {SUFFIX} files.")
        self._bytes += len(data) - len(self._files.get(name, b""))
        if self._bytes > MOST_BYTES:
            raise RatingsRefused(
                f"The sidecars are larger than {MOST_BYTES >> 20} MiB in all. Send some of the folders, or name their "
                "folder to the command: import ratings --from"
            )
        self._files[name] = data
        check_number(len(self._files))

    def sidecars(self) -> Sidecars:
        """Those that came."""
        files = dict(self._files)
        return Sidecars(tuple(files), files.__getitem__)


def sidecars_below(folder: Path) -> Sidecars:
    """The sidecars in a folder and below it; links to folders are not followed. Raises `RatingsRefused`."""
    if not folder.is_dir():
        raise RatingsRefused(f"There is no folder {folder}. Name the one that holds the sidecars.")
    names = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        below = Path(place).relative_to(folder)
        names += [(below / name).as_posix() for name in sorted(files) if name.casefold().endswith(SUFFIX)]
    if not names:
        raise RatingsRefused(f"There are no sidecars in {folder}. Name a folder with {SUFFIX} files.")
    check_number(len(names))
    return Sidecars(tuple(names), lambda name: bytes_inside(folder, name))


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


def assign(
    names: Iterable[str], listing: Listing, folder: Path | None = None
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Photo in `folder` → its sidecars, in the order in which they count; and sidecar → why it is nobody's."""
    owners: dict[str, list[tuple[str, int]]] = {}
    for key in listing.keys:
        companions = listing.companions.get(key, ())
        for rank, beside in enumerate(by_file(key, companions) + by_stem(key, companions)):
            owners.setdefault(beside.casefold(), []).append((key, rank))
    called = {name: as_key(name).casefold() for name in names}
    meant, rest = PathSuffixes(owners, folder).meant(called.values()), dict[str, str]()
    meaning: dict[str, list[str]] = {}
    for name, path in called.items():
        if path in meant.paths:
            meaning.setdefault(meant.paths[path], []).append(name)
        else:
            several = len(meant.rest[path]) > 1
            one = "it may be of a photo in another folder" if meant.rest[path] else "there is no photo of its name"
            rest[name] = "it could be of several photos" if several else one
    found: dict[str, list[tuple[int, str]]] = {}
    for beside, sidecars in meaning.items():
        if len(sidecars) > 1:
            rest |= dict.fromkeys(sidecars, f"{len(sidecars)} sidecars are of the same photo")
            continue
        for key, rank in owners[beside]:
            found.setdefault(key, []).append((rank, sidecars[0]))
    return {key: [name for _, name in sorted(ranked)] for key, ranked in found.items()}, rest
