"""From scores and labels to the next stage: decide (pure), plan, apply.

`stage_N+1_cull_manifest.csv`: image_name,source,content_id,reason,p_keep,threshold,model; a row for every file of the
new stage, companions too. `source` is relative to the project.

The new stage is made in one step: copies go into a hidden sibling, each is verified (see `copies`), the manifest is
written, and then the sibling gets its name. Until then there is no new stage; nothing is ever deleted in an old one.
Knows nothing of embeddings or of how p_keep came about.
"""

import errno
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from threading import Event

from ..errors import Cancelled, CullRefused, StorageError
from ..parallel import in_order
from ..progress import Progress, Stop, never, silent
from ..project import tables
from ..project.files import (
    TEMPORARY_PREFIX,
    is_link,
    is_locked,
    locked,
    set_aside,
    sync_folder,
    unreadable,
    unwritable,
)
from ..project.labels import CULL, KEEP
from ..project.originals import is_content_of, open_inside
from ..project.stages import Listing, Stage, as_key, as_path
from . import copies
from .copies import LINKS

MANIFEST_COLUMNS = ("image_name", "source", "content_id", "reason", "p_keep", "threshold", "model")
_AHEAD = 8  # files under way at once, at most: enough for a disk across a network, not too many for one that turns
KnownContent = Callable[[Path], str | None]
"""The content id of a file, where it is known without reading it."""


def _nothing_known(path: Path) -> None:
    return None


@dataclass(frozen=True)
class Decision:
    """What happens to one photo, and why. `p_keep` is None where there is no score."""

    key: str
    decision: str
    reason: str
    p_keep: float | None


@dataclass(frozen=True)
class Plan:
    """What a cull would do. `files`: key of every file to copy → reason, in key order.

    `known`: asked only for files that are linked; copies are read anyway. `revision`: the session's when it was made,
    another one as soon as an answer, a score or a photo is another.
    """

    stage: Stage
    threshold: float
    model: str
    decisions: tuple[Decision, ...]
    files: dict[str, str]
    left_out: dict[str, str]
    known: KnownContent = field(default=_nothing_known, repr=False, compare=False)
    revision: str = field(default="", compare=False)

    @property
    def companions(self) -> int:
        """How many files go with the photos that go on."""
        return len(self.files) - len(self.kept)

    @property
    def kept(self) -> list[Decision]:
        """The photos that go on."""
        return [each for each in self.decisions if each.decision == KEEP]

    @property
    def culled(self) -> list[Decision]:
        """The photos that stay behind."""
        return [each for each in self.decisions if each.decision == CULL]


def decide(
    p_keep: Mapping[str, float],
    labels: Mapping[str, str],
    unreadable: Mapping[str, str],
    threshold: float = 0.5,
) -> list[Decision]:
    """One decision per photo, in key order: a person's label beats everything, an unreadable photo is kept, else
    p_keep at or above `threshold` is keep.
    """
    decisions = []
    for key in sorted({*p_keep, *unreadable}):
        score = p_keep.get(key)
        if key in labels:
            decisions.append(Decision(key, labels[key], "label", score))
        elif score is None:
            decisions.append(Decision(key, KEEP, f"unreadable: {unreadable[key]}", None))
        else:
            decisions.append(Decision(key, KEEP if score >= threshold else CULL, "score", score))
    return decisions


def make_plan(
    stage: Stage,
    decisions: Iterable[Decision],
    listing: Listing,
    threshold: float,
    model: str,
    known: KnownContent = _nothing_known,
) -> Plan:
    """The files that the next stage gets: kept photos and the companions of each. Raises `CullRefused`."""
    if not 0 <= threshold <= 1:
        raise CullRefused(f"The threshold is {threshold}; choose one between 0 and 1.")
    decisions = tuple(decisions)
    files: dict[str, str] = {}
    for each in decisions:
        if each.decision == KEEP:
            files[each.key] = each.reason
            for companion in listing.companions.get(each.key, ()):
                files.setdefault(companion, f"companion of {each.key}")
    return Plan(stage, threshold, model, decisions, dict(sorted(files.items())), listing.left_out, known)


def apply(plan: Plan, link: str = "copy", *, progress: Progress = silent, stop: Stop = never) -> Stage:
    """Make the next stage and its manifest; return it. File times are kept.

    Raises `CullRefused` when the stage exists, nothing would be kept, or the disk lacks room or links; `StorageError`
    when a file can't be copied or its copy differs; `Cancelled`. In all these cases there is no new stage.
    """
    new = plan.stage.next
    with locked(new.lock, f"making {new.name}"):
        check(plan, link)
        partial = _partial(new)
        try:
            if partial.exists():  # of a cull that was killed; it only ever holds copies that no stage uses
                shutil.rmtree(partial)
            partial.mkdir()
            content_ids = _fill(partial, plan, link, progress, stop)
            _appear(partial, new, _manifest_rows(plan, content_ids))
        except OSError as error:
            raise unwritable(Path(error.filename2 or error.filename or partial), error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return new


def _fill(partial: Path, plan: Plan, link: str, progress: Progress, stop: Stop) -> dict[str, str]:
    """Put all files into the hidden sibling and onto the disk; key → content id."""
    given_up = Event()

    def stopped() -> bool:
        return given_up.is_set() or stop()

    content_ids = {}
    with copies.on_the_disk(partial):
        for folder in sorted({as_path(key.rpartition("/")[0]) for key in plan.files}):
            (partial / folder).mkdir(parents=True, exist_ok=True)
        with closing(_placed(partial, plan, link, stopped)) as placed:
            try:
                for done, key in enumerate(plan.files):
                    if stop():
                        raise Cancelled
                    progress("copying", done, len(plan.files))
                    content_ids[key] = next(placed)
            except Cancelled as error:
                raise Cancelled(f"The cull was stopped; {plan.stage.next.folder} was not made.") from error
            finally:
                given_up.set()  # threads within a long file hear of it
        progress("copying", len(plan.files), len(plan.files))
    return content_ids


def _placed(partial: Path, plan: Plan, link: str, stop: Stop) -> Generator[str, None, None]:
    """Put one file after another in place, verified, and give its content id; only copies and unknown ids are read."""
    names = [as_path(key) for key in plan.files]
    if link == "copy":

        def copy(source: FileIO, path: Path, target: Path) -> str:
            return copies.copy(source, path, target, stop)

        yield from in_order(lambda name: _place(plan.stage, name, partial / name, copy), names, _AHEAD)
        return
    make = copies.hardlink if link == "hardlink" else copies.reflink

    def linked(source: FileIO, path: Path, target: Path) -> str:
        content_id = plan.known(path) or copies.content_id(source, path)
        make(source, path, target)
        return content_id

    for name in names:  # by one thread: a link is made in less time than is handed to another
        yield _place(plan.stage, name, partial / name, linked)


def _place(stage: Stage, name: str, target: Path, make: Callable[[FileIO, Path, Path], str]) -> str:
    """`make` of a file of the stage, opened once, with a sentence for what it may raise."""
    source = stage.folder / name
    try:
        with _opened(stage, name) as file:
            return make(file, source, target)
    except FileExistsError as error:
        raise CullRefused(
            f"The disk of {target.parent} takes the name of {source} and that of another photo for one (upper and "
            "lower case, say); no stage was made. Rename one of the two, or keep the project on another disk."
        ) from error
    except copies.NoLinks as error:
        raise CullRefused(f"The file system of {source.parent} makes no {error}s here. Use --link copy.") from error
    except copies.Differs as error:
        raise StorageError(f"{error}; no stage was made. Check the disk and try again.") from error


def interrupted(stage: Stage) -> bool:
    """Whether a cull of `stage` was killed: there is a half-made stage, and nobody is at it."""
    new = stage.next
    return _partial(new).is_dir() and not new.folder.exists() and not is_locked(new.lock)


def seems_unchanged(stage: Stage) -> bool:
    """Whether a cull made `stage` and nothing was written beside it since; without reading its photos."""
    return stage.folder.is_dir() and not is_link(stage.folder) and stage.manifest.exists() and not _written_since(stage)


def undo(stage: Stage, *, progress: Progress = silent) -> Path:
    """Take the cull that made `stage` back: move it and its manifest aside, and return where the folder went.

    Raises `CullRefused`, and changes nothing, when the stage was not made by a cull or is no longer as it was made.
    """
    with locked(stage.lock, f"making or changing {stage.name}"):
        if not stage.manifest.exists():
            raise CullRefused(
                f"There is nothing to take back: {stage.manifest.name} is missing, so no cull made {stage.folder}."
            )
        if changed := changes_since_cull(stage, progress=progress):
            raise CullRefused(
                f"{stage.folder} is no longer as the cull made it ({changed[0]}{_and_more(changed)}); "
                "nothing was changed. Move it away yourself if you don't need it."
            )
        try:
            aside = set_aside(stage.folder, "undone")
            set_aside(stage.manifest, "undone")
            sync_folder(stage.project)
        except OSError as error:
            raise unwritable(stage.folder, error) from error
    return aside


def changes_since_cull(stage: Stage, *, progress: Progress = silent) -> list[str]:
    """What differs between a stage and the manifest of the cull that made it, in a few words each; [] for nothing."""
    if not stage.manifest.exists():
        return [f"{stage.manifest.name} is missing"]
    if is_link(stage.folder):
        return [f"{stage.name} is a symbolic link"]
    _, rows = tables.read(stage.manifest)
    made = {tables.as_key(row.values.get("image_name", "")): row.values.get("content_id", "") for row in rows}
    found = set(_files_below(stage.folder))
    changes = [f"{key} is missing" for key in sorted(made.keys() - found)]
    changes += [f"{key} is new" for key in sorted(found - made.keys())]
    changes += _written_since(stage)
    if changes:
        return changes  # no need to read every file then
    keys = sorted(made)
    are_same = in_order(lambda key: _holds(stage, key, made[key]), keys, _AHEAD)
    for done, (key, is_same) in enumerate(zip(keys, are_same, strict=True)):
        progress("comparing with the manifest", done, len(keys))
        changes += [] if is_same else [f"{key} was changed"]
    return changes


def _opened(stage: Stage, name: str) -> FileIO:
    """A file of the stage, which is not left by any link. Raises `StorageError`."""
    try:
        return open_inside(stage.folder, name)
    except OSError as error:
        raise unreadable(stage.folder / name, error) from error


def _holds(stage: Stage, key: str, content_id: str) -> bool:
    """Whether a file of the stage holds what this content id names. Raises `StorageError`."""
    with _opened(stage, as_path(key)) as file:
        try:
            return is_content_of(file, content_id)
        except OSError as error:
            raise unreadable(stage.path(key), error) from error


def _files_below(folder: Path) -> Iterator[str]:
    """Keys of all that is no folder, links to folders left aside."""
    for at, _, names in os.walk(folder):
        inside = os.path.relpath(at, folder)
        yield from (as_key(name if inside == "." else Path(inside, name).as_posix()) for name in names)


def _written_since(stage: Stage) -> list[str]:
    files = stage.journal, stage.labels, stage.model
    written = [f"{path.name} was written" for path in files if os.path.lexists(path)]
    return written + ([f"{stage.next.name} was made from it"] if stage.next.folder.exists() else [])


def _partial(new: Stage) -> Path:
    return new.project / f"{TEMPORARY_PREFIX}{new.name}.partial"


def _and_more(changes: list[str]) -> str:
    return f", and {len(changes) - 1} more" if len(changes) > 1 else ""


def check(plan: Plan, link: str = "copy") -> None:
    """Raise `CullRefused` where `apply` would do so before it copies anything."""
    new = plan.stage.next
    if link not in LINKS:
        raise CullRefused(f"There is no link kind {link}; choose one of {', '.join(LINKS)}.")
    if os.path.lexists(new.folder):
        raise CullRefused(
            f"{new.folder} exists already; nothing was changed. Rename or move it away with the files named "
            f"{new.name}_cull_* beside it, or cull {new.name} instead."
        )
    if left := [path.name for path in (new.labels, new.journal, new.model) if os.path.lexists(path)]:
        raise CullRefused(
            f"{', '.join(left)} of an earlier {new.name} would be taken for the new one's; nothing was changed. "
            f"Move them out of {new.project} first."
        )
    if not plan.files:
        raise CullRefused(f"No photo of {plan.stage.name} would be kept. Label more keepers or lower the threshold.")
    if link == "copy":
        needed = sum(_size(plan.stage.path(key)) for key in plan.files)
        free = shutil.disk_usage(new.project).free
        if needed > free:
            raise CullRefused(
                f"The kept photos need {needed / 1e9:.1f} GB and {new.project} has {free / 1e9:.1f} GB left. "
                "Make room, or use hard links instead of copies."
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # said when it is copied


def _appear(partial: Path, new: Stage, rows: Iterable[Mapping[str, object]]) -> None:
    """The moment in which the stage is there. A stage that came meanwhile stays; the manifest of ours goes."""
    # Of a stage that was moved away, or of a cull that was killed just before its stage appeared.
    if new.manifest.is_file() or is_link(new.manifest):
        set_aside(new.manifest, "old")
    try:
        tables.write(new.manifest, MANIFEST_COLUMNS, rows)
        if os.path.lexists(new.folder):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new.folder))
        partial.rename(new.folder)
    except BaseException:  # Ctrl-C too, but just after the rename
        if partial.exists():
            new.manifest.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # the stage is there and whole; only a power cut within seconds could still undo the name
        sync_folder(new.project)


def _manifest_rows(plan: Plan, content_ids: Mapping[str, str]) -> list[dict[str, object]]:
    p_keep = {each.key: each.p_keep for each in plan.decisions}
    return [
        {
            "image_name": tables.as_name(key),
            "source": f"{plan.stage.name}/{key}",
            "content_id": content_ids[key],
            "reason": reason,
            "p_keep": "" if p_keep.get(key) is None else f"{p_keep[key]:.4f}",
            "threshold": plan.threshold,
            "model": plan.model,
        }
        for key, reason in plan.files.items()
    ]
