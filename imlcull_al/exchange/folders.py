"""Class folders: a folder for each class or tag, with its photos, as programs that classify pictures learn from them.

    garments/shirt/a.jpg             a photo of the class shirt; so is garments/shirt/day1/a.jpg
    garments/train/shirt/a.jpg       and so it is in parts for training, validation and test

A photo of the folders is that photo of a stage that lies there, if the folders lie in the stage; else each one with the
same bytes; else the one of its name, unless another file has its bytes. They are only read; `write` makes a whole new
folder, or none.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..culling import copies
from ..errors import AnswersRefused, Cancelled, StorageError, UnreadablePhoto
from ..parallel import in_order
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project.companions import photo_suffix
from ..project.files import making_folder
from ..project.left_out import why_folder
from ..project.listing import Listing, list_photos
from ..project.originals import stat_of
from ..project.stages import Stage, absolute, as_key, lies_in_a_stage
from ..project.task import Task, clean

SOURCE = "import:folders"
"""Who gave an answer that came from a class folder, in the journal."""
PARTS = frozenset(("train", "training", "val", "valid", "validation", "test"))
"""Names of folders that hold class folders, where there are no others beside them."""
LINKS = ("copy", "hardlink")
_AHEAD = 8
_OUTSIDE = "it lies in no class folder"
_UNKNOWN = "there is no photo of its bytes or its name"


@dataclass(frozen=True)
class Folders:
    """Class folders as they are on the disk. `stage`: stands for the folder that holds them.

    `classes`: photo in them → name of its class. `ignored`: other files → why nothing follows from them.
    """

    stage: Stage
    classes: dict[str, str]
    ignored: dict[str, str]

    @property
    def names(self) -> list[str]:
        """The classes, sorted."""
        return sorted(set(self.classes.values()))


@dataclass(frozen=True)
class Matched:
    """What class folders say of a stage. `classes`: photo → the names of its classes, or tags.

    `by_place`, `by_bytes`, `by_name`: numbers of files that were told so. `ignored`: file → why nothing follows from
    it.
    """

    classes: dict[str, tuple[str, ...]]
    by_place: int
    by_bytes: int
    by_name: int
    ignored: dict[str, str]

    @property
    def summary(self) -> str:
        """How files were told: `12 by their place, 3 by their name`."""
        ways = ((self.by_place, "place"), (self.by_bytes, "bytes"), (self.by_name, "name"))
        return ", ".join(f"{count:,} by their {way}" for count, way in ways if count) or "none"


def read_folders(folder: Path, whole: str | None = None) -> Folders:
    """List the photos of class folders. `whole`: the one class of all photos in `folder`, whatever folders are in it.

    Raises `AnswersRefused` if there are none, `StageError`.
    """
    root = absolute(folder)
    if not root.is_dir():
        raise AnswersRefused(f"There is no folder {root}. Name the one that holds a folder for each class.")
    stage = Stage(root.parent, 1, elsewhere=root)
    keys = list_photos(stage).keys
    if whole is not None:
        return Folders(stage, dict.fromkeys(keys, clean(whole)), {})
    tops = {key.partition("/")[0] for key in keys if "/" in key}
    depth = 1 if tops and all(top.casefold() in PARTS for top in tops) and _has_folders(keys) else 0
    classes, ignored = {}, {}
    for key in keys:
        parts = key.split("/")
        if len(parts) > depth + 1:
            classes[key] = clean(parts[depth])
        else:
            ignored[key] = _OUTSIDE
    if not classes:
        raise AnswersRefused(
            f"There are no class folders in {root}: its photos lie in no folder. Name the folder that holds a folder "
            "for each class, or say with --as which class all its photos are."
        )
    return Folders(stage, classes, ignored)


def match(
    folders: Folders,
    stage: Stage,
    listing: Listing,
    contents: Callable[[Collection[str]], Mapping[str, str]],
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> Matched:
    """Which photos of a stage lie in which class folders. `contents`: keys → content ids. Raises `Cancelled`."""
    inside = _place_in(folders.stage, stage)
    if inside is not None:
        keys = set(listing.keys)
        there = {file: [inside + file] for file in folders.classes if inside + file in keys}
        return _matched(folders, there, by_place=len(there))
    same = _same_bytes(folders, stage, listing, contents, progress, stop)
    told = {key for keys in same.values() for key in keys}
    named, unclear = _same_name(folders.classes.keys() - same.keys(), listing.keys, told)
    return _matched(folders, {**same, **named}, unclear, by_bytes=len(same), by_name=len(named))


def judge(
    task: Task, classes: Mapping[str, Sequence[str]], answers: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Photo → answer, and the photos that lie in folders of several classes. A tag's folder says nothing of other tags,
    which stay as they are in `answers`.
    """
    if task.exclusive:
        both = tuple(sorted(key for key, names in classes.items() if len(names) > 1))
        return {key: names[0] for key, names in sorted(classes.items()) if len(names) == 1}, both
    known = {key: task.tags_of(answers[key]) for key in classes if key in answers}
    tags = {key: {**known.get(key, {}), **dict.fromkeys(names, True)} for key, names in sorted(classes.items())}
    return {key: task.label_of(each) for key, each in tags.items()}, ()


def write(
    stage: Stage,
    classes: Mapping[str, Iterable[str]],
    out: Path,
    link: str = "copy",
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> int:
    """Make the folder `out` with a folder for each class, and its photos. `classes`: photo → its classes, or tags.

    Photos of equal names get numbers. Returns how many files there are. Raises `AnswersRefused` if `out` is there or
    lies among the photos, `StorageError`, `Cancelled`; then there is no `out`.
    """
    out = absolute(out)
    check_out(stage, out, {name for names in classes.values() for name in names})
    targets = [(key, place) for place, key in placed(classes).items()]
    with making_folder(out) as partial, copies.on_the_disk(partial):
        for done, (key, place) in enumerate(targets):
            if stop():
                raise Cancelled(f"The export was stopped; {out} was not made.")
            progress("copying", done, len(targets))
            (partial / place).parent.mkdir(exist_ok=True)
            put(stage, key, partial / place, link, stop)
    return len(targets)


def check_out(stage: Stage, out: Path, classes: Iterable[str]) -> None:
    """Raise `AnswersRefused` for a place where no class folders of these names may be made."""
    check_new(stage, out)
    check_names(classes)


def check_names(classes: Iterable[str]) -> None:
    """Raise `AnswersRefused` for a class that can't be the name of a folder."""
    if odd := sorted(name for name in classes if set(name) & set('/\\:*?"<>|') or name[-1] == "." or why_folder(name)):
        raise AnswersRefused(f"The class {odd[0]!r} can't be the name of a folder on every system. Nothing was made.")


def check_new(stage: Stage, out: Path, *, instead: bool = False) -> None:
    """Raise `AnswersRefused` for a folder among the photos, or one that is there, unless another takes its place."""
    if lies_in_a_stage(absolute(out), stage):
        raise AnswersRefused(f"{out} lies among the photos, where nothing is written. Name another folder with --out.")
    if os.path.lexists(out) and not instead:
        raise AnswersRefused(
            f"{out} already exists; nothing was changed. Name a new folder with --out, or move it away."
        )


def placed(classes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Place in class folders → photo. Of names that are equal, but for upper and lower case, later ones are numbered:
    `shirt/a.jpg`, `shirt/a-2.jpg`.
    """
    places: dict[str, str] = {}
    taken: dict[str, int] = {}
    for name, key in sorted((name, key) for key, names in classes.items() for name in names):
        places[free(f"{name}/{key.rpartition('/')[2]}", taken)] = key
    return places


def free(place: str, taken: dict[str, int]) -> str:
    """`place`, with a number before its suffix if it is in `taken` but for upper and lower case; added to `taken`.

    `taken`: place in lower case → the last number that it was given.
    """
    suffix = photo_suffix(place)
    stem, ending = place[: len(place) - len(suffix)], place[len(place) - len(suffix) :]
    first = place.casefold()
    number = taken.get(first, 1)
    while place.casefold() in taken:
        number += 1
        place = f"{stem}-{number}{ending}"
    taken[first] = number
    taken.setdefault(place.casefold(), 1)
    return place


def _has_folders(keys: Iterable[str]) -> bool:
    """Whether all photos below a folder lie in folders of it, too."""
    return all(key.count("/") > 1 for key in keys if "/" in key)


def _place_in(folders: Stage, stage: Stage) -> str | None:
    """What leads from a path in the folders to a key of the stage, if they lie in it."""
    there, root = Path(os.path.realpath(folders.folder)), Path(os.path.realpath(stage.folder))
    if not there.is_relative_to(root):
        return None
    below = there.relative_to(root).as_posix()
    return "" if below == "." else f"{as_key(below)}/"


def _same_bytes(
    folders: Folders,
    stage: Stage,
    listing: Listing,
    contents: Callable[[Collection[str]], Mapping[str, str]],
    progress: Progress,
    stop: Stop,
) -> dict[str, list[str]]:
    """File → the photos with the same bytes. Only files of equal size are read."""
    theirs, ours = _by_size(folders.stage, folders.classes), _by_size(stage, listing.keys)
    files = [file for size in theirs.keys() & ours.keys() for file in theirs[size]]
    by_content: dict[str, list[str]] = {}
    for key, content in contents([key for size in theirs.keys() & ours.keys() for key in ours[size]]).items():
        by_content.setdefault(content, []).append(key)
    same = {}
    with closing(in_order(lambda file: _content(folders.stage.path(file)), files, _AHEAD)) as ids:
        for done, (file, content) in enumerate(zip(files, ids, strict=True)):
            if stop():
                raise Cancelled("The reading of the class folders was stopped. Nothing was changed.")
            progress("reading class folders", done, len(files))
            if content in by_content:
                same[file] = by_content[content]
    return same


def _same_name(
    files: Iterable[str], keys: Collection[str], told: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """File → the one photo of its name; of several, the one in folders of the same names. And file → why it is none.

    `told`: photos of which other files have the very bytes.
    """
    by_name: dict[str, list[str]] = {}
    for key in keys:
        by_name.setdefault(key.rpartition("/")[2], []).append(key)
    there = frozenset(keys)
    named, unclear = {}, {}
    for file in files:
        found = by_name.get(file.rpartition("/")[2], [])
        near = found if len(found) == 1 else [tail for tail in _tails(file) if tail in there]
        if len(near) == 1 and near[0] in told:
            unclear[file] = f"another file has the bytes of {near[0]}"
        elif len(near) == 1:
            named[file] = near
        elif found:
            unclear[file] = f"it could be {found[0]} or {found[1]}"
    return named, unclear


def _tails(file: str) -> Iterator[str]:
    """A path without its first folders, as long as it has one: `a/b/c.jpg`, `b/c.jpg`."""
    while "/" in file:
        yield file
        file = file.partition("/")[2]


def _by_size(stage: Stage, keys: Iterable[str]) -> dict[int, list[str]]:
    sizes: dict[int, list[str]] = {}
    for key, path in stage.paths(keys).items():
        sizes.setdefault(stat_of(path)[0], []).append(key)
    return sizes


def _content(path: Path) -> str:
    try:
        return photos.identify(path)
    except UnreadablePhoto:
        return ""


def _matched(
    folders: Folders,
    meant: Mapping[str, Sequence[str]],
    unclear: Mapping[str, str] = MappingProxyType({}),
    *,
    by_place: int = 0,
    by_bytes: int = 0,
    by_name: int = 0,
) -> Matched:
    classes: dict[str, dict[str, None]] = {}
    for file in sorted(meant):
        for key in meant[file]:
            classes.setdefault(key, {})[folders.classes[file]] = None
    unknown = {file: unclear.get(file, _UNKNOWN) for file in sorted(folders.classes) if file not in meant}
    found = {key: tuple(names) for key, names in classes.items()}
    return Matched(found, by_place, by_bytes, by_name, {**folders.ignored, **unknown})


def put(stage: Stage, key: str, target: Path, link: str, stop: Stop = never) -> None:
    """Place one photo of a stage at `target`, verified. Raises `AnswersRefused`, `StorageError`, `Cancelled`."""
    source = stage.path(key)
    try:
        with copies.opened(stage, stage.name_of(key)) as file:
            if link == "hardlink":
                copies.hardlink(file, source, target)
            else:
                copies.copy(file, source, target, stop)
    except copies.NoLinks as error:
        raise AnswersRefused(f"The disk of {source} does not support hard links there. Use --link copy.") from error
    except copies.Differs as error:
        raise StorageError(f"{error}; no class folders were made. Check the disk and try again.") from error
