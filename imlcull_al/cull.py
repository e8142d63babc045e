"""From scores and labels to the next stage: decide (pure), plan, apply.

`stage_N+1_cull_manifest.csv`: image_name,source,content_id,reason,p_keep,threshold,model; a row for every file of the
new stage, companions too. `source` is relative to the project.

The new stage is made in one step: copies go into a hidden sibling, each is read back and compared, the manifest is
written, and then the sibling gets its name. Until then there is no new stage; nothing is ever deleted in an old one.
Knows nothing of embeddings or of how p_keep came about.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import photos, tables
from .errors import Cancelled, CullRefused, StorageError
from .files import TEMPORARY_PREFIX, is_locked, locked, set_aside, sync_folder, unreadable, unwritable
from .labels import CULL, KEEP
from .progress import Progress, Stop, never, silent
from .project import Listing, Stage, as_key, as_path

MANIFEST_COLUMNS = ("image_name", "source", "content_id", "reason", "p_keep", "threshold", "model")
LINKS = ("copy", "hardlink", "reflink")
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
_FICLONE = 0x40049409  # Linux's ioctl that lets two files share their blocks until one is changed


@dataclass(frozen=True)
class Decision:
    """What happens to one photo, and why. `p_keep` is None where there is no score."""

    key: str
    decision: str
    reason: str
    p_keep: float | None


@dataclass(frozen=True)
class Plan:
    """What a cull would do. `files`: key of every file to copy → reason, in key order."""

    stage: Stage
    threshold: float
    model: str
    decisions: tuple[Decision, ...]
    files: dict[str, str]
    left_out: dict[str, str]

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


def make_plan(stage: Stage, decisions: Iterable[Decision], listing: Listing, threshold: float, model: str) -> Plan:
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
    return Plan(stage, threshold, model, decisions, dict(sorted(files.items())), listing.left_out)


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
    content_ids = {}
    for done, key in enumerate(plan.files):
        if stop():
            raise Cancelled(f"The cull was stopped; {plan.stage.next.folder} was not made.")
        progress("copying", done, len(plan.files))
        content_ids[key] = _place(plan.stage.path(key), partial / as_path(key), link)
    progress("copying", len(plan.files), len(plan.files))
    if hasattr(os, "sync"):
        os.sync()  # one call for all files and folders: a power cut after the rename must find them whole
    return content_ids


def interrupted(stage: Stage) -> bool:
    """Whether a cull of `stage` was killed: there is a half-made stage, and nobody is at it."""
    new = stage.next
    return _partial(new).exists() and not new.folder.exists() and not is_locked(new.lock)


def seems_unchanged(stage: Stage) -> bool:
    """Whether a cull made `stage` and nothing was written beside it since; without reading its photos."""
    return stage.folder.is_dir() and stage.manifest.exists() and not _written_since(stage)


def undo(stage: Stage) -> Path:
    """Take the cull that made `stage` back: move it and its manifest aside, and return where the folder went.

    Raises `CullRefused`, and changes nothing, when the stage was not made by a cull or is no longer as it was made.
    """
    with locked(stage.lock, f"making or changing {stage.name}"):
        if changed := changes_since_cull(stage):
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


def changes_since_cull(stage: Stage) -> list[str]:
    """What differs between a stage and the manifest of the cull that made it, in a few words each; [] for nothing."""
    if not stage.manifest.exists():
        return [f"{stage.manifest.name} is missing"]
    _, rows = tables.read(stage.manifest)
    made = {tables.as_key(row.values.get("image_name", "")): row.values.get("content_id", "") for row in rows}
    found = {as_key(path.relative_to(stage.folder).as_posix()) for path in stage.folder.rglob("*") if not path.is_dir()}
    changes = [f"{key} is missing" for key in sorted(made.keys() - found)]
    changes += [f"{key} is new" for key in sorted(found - made.keys())]
    changes += _written_since(stage)
    if changes:
        return changes  # no need to read every file then
    return [f"{key} was changed" for key in sorted(made) if _content_id(stage.path(key)) != made[key]]


def _written_since(stage: Stage) -> list[str]:
    written = [f"{path.name} was written" for path in (stage.journal, stage.labels, stage.model) if path.exists()]
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
    if left := [path.name for path in (new.labels, new.journal, new.model) if path.exists()]:
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


def _place(source: Path, target: Path, link: str) -> str:
    """Put one file in place and read it back; its content id."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise CullRefused(
            f"The disk of {target.parent} takes the name of {source} and that of another photo for one (upper and "
            "lower case, say); no stage was made. Rename one of the two, or keep the project on another disk."
        )
    try:
        wanted = _content_id(source)
    except OSError as error:
        raise unreadable(source, error) from error
    if link == "hardlink":
        _linked(os.link, source.resolve(), target, link)  # of a link's target: a copied link may lead nowhere
    elif link == "reflink":
        _linked(_reflink, source, target, link)
        shutil.copystat(source, target)
    else:
        shutil.copy2(source, target)
    found = _content_id(target)
    if wanted != found:
        raise StorageError(f"The copy of {source} differs from it; no stage was made. Check the disk and try again.")
    return found


def _content_id(path: Path) -> str:
    with path.open("rb") as file:
        return photos.content_id_of(file)


def _linked(make: Callable[[Path, Path], None], source: Path, target: Path, link: str) -> None:
    try:
        make(source, target)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise CullRefused(f"The file system of {source.parent} makes no {link}s here. Use --link copy.") from error
        raise


def _reflink(source: Path, target: Path) -> None:
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, "no reflinks on this system") from error
    with source.open("rb") as old, target.open("xb") as fresh:
        fcntl.ioctl(fresh.fileno(), _FICLONE, old.fileno())


def _appear(partial: Path, new: Stage, rows: Iterable[Mapping[str, object]]) -> None:
    """The moment in which the stage is there. A stage that came meanwhile stays; the manifest of ours goes."""
    if new.manifest.is_file():  # of a stage that was moved away, or of a cull killed just before its stage appeared
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
