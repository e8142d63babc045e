"""Sidecars that lie elsewhere than beside the photos, and which photo each belongs to, by name. Writes nothing.

    sidecars = sidecars_below(Path("from_the_other_machine"))
    assign(sidecars.names, listing)     # {"day1/IMG_1.JPG": ["export/day1/IMG_1.CR2.xmp"]}, and the rest with reasons

Both ways of naming count, as beside the photos; see `beside`. Their paths may begin elsewhere than in the folder of the
photos, all of them at the same place; see `PathSuffixes`.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
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
"""Bytes of all sidecars that pages sent and that are not read yet: they are kept in memory."""
MOST_DROPS = 4
"""Drops whose parts come at the same time."""


class Sidecars(NamedTuple):
    """`names`: paths with `/`, below the folder that they come from. `read`: name → bytes; raises `UnreadableXmp`.

    `refused`: folder in which sidecars could not be looked for → why.
    """

    names: tuple[str, ...]
    read: Callable[[str], bytes]
    refused: Mapping[str, str] = MappingProxyType({})


class Drops:
    """Sidecars that pages send in parts, held in memory until they are taken or the rest stays away. Thread-safe."""

    def __init__(self, seconds: float = 300.0) -> None:
        """`seconds`: without a further part, after which a drop is forgotten."""
        self._seconds = seconds
        self._drops: dict[str, _Drop] = {}
        self._lock = threading.Lock()

    def add(self, drop: str, part: int, sidecars: Mapping[str, bytes]) -> None:
        """Keep a part, the first being 0, of the sidecars, by name, of a drop that a page calls so.

        Raises `RatingsRefused` for another kind of file, a part without those before it, and too much of all drops; the
        whole drop is then forgotten.
        """
        with self._lock:
            held = self._drops.pop(drop, None) if part else _Drop()
            if held is None or held.parts != part:
                raise RatingsRefused("A part of the sidecars is missing. Drop them again.")
            held.add(sidecars)
            _check([held, *self._drops.values()])
            held.expire(self._seconds, lambda: self._forget(drop, held))
            self._drops[drop] = held

    def take(self, drop: object) -> Sidecars:
        """What came, once. Raises `RatingsRefused` if there is none."""
        with self._lock:
            held = self._drops.pop(drop, None) if isinstance(drop, str) else None
        if held is None:
            raise RatingsRefused("These sidecars are not held any more. Drop them again.")
        held.timer.cancel()
        return Sidecars(tuple(held.files), held.files.__getitem__)

    def _forget(self, drop: str, held: "_Drop") -> None:
        with self._lock:
            if self._drops.get(drop) is held:
                del self._drops[drop]


class _Drop:
    """The parts of one drop that came so far."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.parts = 0
        self.timer = threading.Timer(0, lambda: None)

    def add(self, sidecars: Mapping[str, bytes]) -> None:
        for name, data in sidecars.items():
            if not name.casefold().endswith(SUFFIX):
                raise RatingsRefused(f"{name} is no sidecar. Send {SUFFIX} files.")
            # JSON may hold half a character, which no name of a photo does.
            self.files[name.encode("utf-8", "replace").decode()] = data
        self.parts += 1

    def expire(self, seconds: float, forget: Callable[[], None]) -> None:
        """Call `forget` after so many seconds, instead of when it was to be called until now."""
        self.timer.cancel()
        self.timer = threading.Timer(seconds, forget)
        self.timer.daemon = True
        self.timer.start()


def _check(drops: Sequence[_Drop]) -> None:
    """Raise `RatingsRefused` for more than is kept in memory."""
    if len(drops) > MOST_DROPS:
        raise RatingsRefused("Other sidecars are being sent. Wait until these are read, then drop yours again.")
    if sum(len(data) for drop in drops for data in drop.files.values()) > MOST_BYTES:
        raise RatingsRefused(
            f"The sidecars are larger than {MOST_BYTES >> 20} MiB in all. Send some of the folders, or name their "
            "folder to the command: import ratings --from"
        )
    check_number(sum(len(drop.files) for drop in drops))


def sidecars_below(folder: Path) -> Sidecars:
    """The sidecars in a folder and below it; links to folders are not followed. Raises `RatingsRefused`."""
    names, refused = files_below(folder, SUFFIX, "sidecars")
    return Sidecars(tuple(names), lambda name: bytes_inside(folder, name), refused)


def files_below(folder: Path, suffix: str, what: str) -> tuple[list[str], dict[str, str]]:
    """The files with a suffix in a folder and below it, as `Sidecars.names`, and folder below → why it can't be opened.
    Raises `RatingsRefused` without any files.
    """
    if not folder.is_dir():
        raise RatingsRefused(f"There is no folder {folder}. Name the one that holds the {what}.")
    names, refused = [], dict[str, str]()

    def refuse(error: OSError) -> None:
        below = Path(error.filename).relative_to(folder).as_posix()
        refused[below] = f"the folder can't be opened: {error.strerror}"

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        below = Path(place).relative_to(folder)
        names += [(below / name).as_posix() for name in sorted(files) if name.casefold().endswith(suffix)]
    if not names:
        but = "".join(f" {name}: {reason}." for name, reason in refused.items())
        raise RatingsRefused(f"There are no {what} in {folder}.{but} Name a folder with {suffix} files.")
    check_number(len(names), what)
    return names, refused


def check_number(count: int, what: str = "sidecars") -> None:
    """Raise `RatingsRefused` for more files than one import takes."""
    if count > MOST:
        raise RatingsRefused(f"There are {count:,} {what}, and one import takes {MOST:,}. Import some of the folders.")


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
