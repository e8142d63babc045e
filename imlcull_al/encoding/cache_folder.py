"""What the cache folder holds, how large it is, and what it costs to do without. Clears it.

Only folders that have names of this program's are counted and removed; a link in such a place is neither.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import StorageError
from ..progress import amount
from ..project.archives import usage
from ..project.files import is_link, remove_tree, unwritable
from . import hdf5

PREVIEWS = "previews"
_EMBEDDINGS = re.compile(r"embeddings-[0-9a-f]{16}")
_OTHERS = {
    re.compile(r"unreadable-[0-9a-f]{16}"): ("why photos are unreadable", "they are tried again"),
    re.compile("content_ids"): ("which file has which bytes", "every photo is read once"),
    re.compile("capture_times"): ("times of raws and their photos", "these photos are read once"),
    re.compile(PREVIEWS): ("previews for the screen", "they are made again when they are looked at"),
}


@dataclass(frozen=True)
class Kept:
    """One folder of the cache. `what` it holds, its `size` in bytes, and what it `costs` to do without."""

    path: Path
    what: str
    size: int
    costs: str


def contents(folder: Path) -> list[Kept]:
    """The folders of a cache, by name. Raises `StorageError`."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_dir() and not is_link(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"Could not open {folder}: {error.strerror}. Name the cache with --cache-dir.") from error
    return [kept for path in paths if (kept := _kept(path))]


def clear(found: Sequence[Kept]) -> None:
    """Remove these folders. Raises `StorageError`; what was removed by then stays removed."""
    for each in found:
        try:
            remove_tree(each.path)
        except FileNotFoundError:  # gone meanwhile
            continue
        except OSError as error:
            raise unwritable(each.path, error) from error


def _kept(path: Path) -> Kept | None:
    if _EMBEDDINGS.fullmatch(path.name):
        encoder, rows = _encoder_of(path)
        photos = amount(rows, "photo")
        return Kept(path, f"embeddings of {photos} by {encoder}", usage(path)[0], f"{photos} are embedded again")
    for name, (what, costs) in _OTHERS.items():
        if name.fullmatch(path.name):
            return Kept(path, what, usage(path)[0], costs)
    return None


def _encoder_of(path: Path) -> tuple[str, int]:
    """Name of an encoder and number of its rows; those of a segment that can't be read don't count."""
    encoder, rows = "an encoder without a name", 0
    for file in path.glob("*.h5"):
        with suppress(*hdf5.TROUBLE):
            said, count = hdf5.about(file, "content_id")
            encoder, rows = str(said.get("encoder", encoder)), rows + count
    return encoder, rows
