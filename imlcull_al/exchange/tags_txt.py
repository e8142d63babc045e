r"""Tags in text files, one for each photo, as multitag-trainer reads and writes them.

    IMG_1.jpg.txt    red\nstriped\n      one tag a line, sorted; empty for none
    IMG_1.txt        the same, named by the stem

UTF-8. Reading strips spaces and drops blank lines. A file says of every tag of its task whether the photo has it. They
are written into a whole new folder, or beside the photos through `step`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..culling.copies import on_the_disk
from ..errors import AnswersRefused, StageError, UnreadableXmp
from ..progress import Progress, amount, silent
from ..project.companions import photo_suffix
from ..project.files import making_folder
from ..project.listing import Listing
from ..project.names import PathSuffixes
from ..project.originals import content_id
from ..project.stages import Stage, absolute, as_key
from ..project.task import Task, clean
from .elsewhere import bytes_inside, files_below
from .folders import check_new
from .sidecars import Change, id_of, read

SOURCE = "import:tags-txt"
"""Who gave an answer that came from a text file, in the journal."""
NAMES = ("full", "stem")
"""How the text file of a photo is named: by its whole name, or without its suffix."""
SUFFIX = ".txt"
MOST_BYTES = 1 << 20
_UNASKED = "it says something else and stays; --replace replaces it"


@dataclass(frozen=True)
class Writing:
    """What an export beside the photos would do; see `step`. `same`: number of files that say so already.

    `refused`: name of a file → why it stays as it is.
    """

    stage: Stage
    texts: Mapping[str, bytes]
    changes: tuple[Change, ...]
    same: int
    refused: dict[str, str]

    def bytes_of(self, change: Change, old: bytes | None) -> bytes:
        """The bytes that a text file gets."""
        return self.texts[change.name]

    @property
    def summary(self) -> str:
        """The preview as one line: `12 text files to replace, 400 to create`."""
        new = sum(not each.before for each in self.changes)
        same = f", {self.same:,} say so already" if self.same else ""
        left = f", {len(self.refused):,} stay as they are" if self.refused else ""
        return f"{amount(len(self.changes) - new, 'text file')} to replace, {new:,} to create{same}{left}"


def name_of(photo: str, names: str) -> str:
    """The name of a photo's text file, from its key or its name on the disk. `names`: one of `NAMES`."""
    return (photo[: len(photo.rstrip()) - len(photo_suffix(photo))] if names == "stem" else photo) + SUFFIX


def read_tags(
    stage: Stage, listing: Listing, names: str = "full", elsewhere: Path | None = None
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Photo → its tags, of the photos with a text file; and name of a text file → why nothing follows from it.

    `elsewhere`: a folder whose files are read instead of those beside the photos, matched by their paths, of which one
    must end with the other whole. Raises `AnswersRefused` with the file and the line for one that holds no tags.
    """
    owners: dict[str, list[str]] = {}
    for key in listing.keys:
        owners.setdefault(name_of(key, names).casefold(), []).append(key)
    files, ignored = _elsewhere(elsewhere, owners) if elsewhere else _beside(listing, owners)
    root = absolute(elsewhere) if elsewhere else stage.folder
    tags: dict[str, tuple[str, ...]] = {}
    for file, key in files.items():
        try:
            data = bytes_inside(root, file if elsewhere else stage.name_of(file))
        except UnreadableXmp as error:
            raise AnswersRefused(f"{root / file}: {error}. Nothing was taken.") from error
        tags[key] = tags_in(data, str(root / file))
    if not tags:
        other = "IMG_1.txt, named by the stem (--names stem)" if names == "full" else "IMG_1.jpg.txt (--names full)"
        raise AnswersRefused(f"No text file in {root} is that of a photo. Perhaps they are as {other}.")
    return tags, ignored


def tags_in(data: bytes, name: str) -> tuple[str, ...]:
    """The tags in a text file, each once. `name` is used in messages only. Raises `AnswersRefused`."""
    if len(data) > MOST_BYTES:
        raise AnswersRefused(f"{name} is larger than {MOST_BYTES >> 20} MiB, so it holds no tags. Move it away.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AnswersRefused(
            f"{name}, line {line}: it is not UTF-8 text. Save it in UTF-8. Nothing was taken."
        ) from error
    tags: dict[str, None] = {}
    for number, written in enumerate(text.splitlines(), 1):
        if tag := clean(written):
            try:
                Task("tags", (tag,), exclusive=False).check()
            except StageError as error:
                raise AnswersRefused(f"{name}, line {number}: {error} Nothing was taken.") from error
            tags[tag] = None
    return tuple(tags)


def text_of(tags: Iterable[str]) -> bytes:
    """A text file with these tags."""
    return "".join(f"{tag}\n" for tag in sorted(tags)).encode()


def read_whitelist(path: Path, task: Task) -> tuple[list[str], list[str]]:
    """The tags of a task that a file lists, one a line, and what it lists besides. Raises `AnswersRefused`."""
    try:
        listed = tags_in(path.read_bytes(), str(path))
    except OSError as error:
        raise AnswersRefused(f"Could not read {path}: {error.strerror}. Name a file with one tag a line.") from error
    allowed = [tag for tag in listed if tag in task.classes]
    if not allowed:
        raise AnswersRefused(f"{path} lists no tag of {task.name}. List some of {', '.join(task.classes[:12])}.")
    return allowed, [tag for tag in listed if tag not in task.classes]


def texts_of(stage: Stage, tags: Mapping[str, Iterable[str]], names: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Name on the disk below the stage → bytes of its text file; and name → why there is none. `tags`: photo → tags.

    Of photos that share a file, as many disks take upper and lower case for one, all must have the same tags.
    """
    owners: dict[str, list[str]] = {}
    for key in sorted(tags):
        owners.setdefault(name_of(key, names).casefold(), []).append(key)
    texts, refused = {}, {}
    for keys in owners.values():
        file, said = name_of(stage.name_of(keys[0]), names), [text_of(tags[key]) for key in keys]
        other = next((key for key, text in zip(keys, said, strict=True) if text != said[0]), None)
        if other is None:
            texts[file] = said[0]
        else:
            refused[file] = f"it would belong to {keys[0]} and {other}, which have different tags"
    return texts, refused


def plan(stage: Stage, texts: Mapping[str, bytes], refused: Mapping[str, str], *, replace: bool = False) -> Writing:
    """What writing these text files beside the photos would change. `replace`: also files that say something else."""
    changes, left, same = [], dict(refused), 0
    for name, text in texts.items():
        try:
            old = read(stage, name)
        except UnreadableXmp as error:
            left[as_key(name)] = str(error)
            continue
        if old is not None and _says(old, text):
            same += 1
        elif old is not None and not replace:
            left[as_key(name)] = _UNASKED
        else:
            changes.append(Change(name, "", id_of(old), content_id(text)))
    return Writing(stage, texts, tuple(changes), same, left)


def write_folder(
    stage: Stage, texts: Mapping[str, bytes], out: Path, *, replace: bool = False, progress: Progress = silent
) -> None:
    """Make the folder `out` with these files, in folders as the photos are. `replace`: one in its place is renamed.

    Raises `AnswersRefused` for one that is there or lies among the photos, `StorageError`; then there is no new one.
    """
    out = absolute(out)
    check_new(stage, out, instead=replace)
    with making_folder(out, instead=replace) as partial, on_the_disk(partial):
        for done, (name, text) in enumerate(texts.items()):
            progress("writing text files", done, len(texts))
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(text)


def _says(old: bytes, text: bytes) -> bool:
    """Whether a file that is there has the same tags."""
    try:
        return set(tags_in(old, "")) == set(tags_in(text, ""))
    except AnswersRefused:
        return False


def _beside(listing: Listing, owners: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Text file beside the photos → its photo; and file → why it is nobody's."""
    files = {file for companions in listing.companions.values() for file in companions}
    found = {file: list(owners[file.casefold()]) for file in sorted(files) if file.casefold() in owners}
    return _settled(found)


def _elsewhere(folder: Path, owners: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Text file in a folder → its photo; and file → why it is nobody's."""
    names, refused = files_below(folder, SUFFIX, "text files")
    called = {name: as_key(name).casefold() for name in names}
    paths = PathSuffixes(owners).meant(called.values()).paths
    files, ignored = _settled({name: owners[paths[path]] if path in paths else [] for name, path in called.items()})
    return files, refused | ignored


def _settled(found: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], dict[str, str]]:
    files: dict[str, str] = {}
    ignored: dict[str, str] = {}
    by_photo: dict[str, str] = {}
    for file, keys in found.items():
        if len(keys) != 1:
            ignored[file] = f"it could be of {keys[0]} or {keys[1]}" if keys else "there is no photo of its name"
        elif keys[0] in by_photo:
            ignored[file] = f"{by_photo[keys[0]]} is of the same photo"
        else:
            by_photo[keys[0]] = file
            files[file] = keys[0]
    return files, ignored
