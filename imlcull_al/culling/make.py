"""Carries out a plan: creates the next stage and its manifest in one atomic step.

`stage_N+1_cull_manifest.csv`: image_name,source,content_id,reason,p_keep,threshold,model,decision; one row per file of
the old stage. Those with the decision `keep` are the files of the new stage, companions included; the others, `cull`
and `left out`, have no content id. `source` is relative to the project, or absolute after an import. Version 0.1 listed
kept files only, without decisions.

Files are copied or linked into a hidden sibling folder and verified (see `copies`). Then the manifest is written and
the sibling is renamed to the new stage, which doesn't exist before. Nothing in an existing stage is ever deleted.
The new stage's files have the names that they have on disk, and the manifest has their keys.
Independent of embeddings and scores.
"""

import errno
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, suppress
from io import FileIO
from pathlib import Path
from threading import Event

from ..errors import Cancelled, CullRefused, StorageError
from ..parallel import in_order
from ..progress import Progress, Stop, logged, never, silent
from ..project import tables
from ..project.files import (
    TEMPORARY_PREFIX,
    is_link,
    is_locked,
    locked,
    put_in_place,
    remove_tree,
    set_aside,
    sync_folder,
    unwritable,
)
from ..project.labels import CULL, KEEP
from ..project.originals import State, stat_of
from ..project.stages import Stage
from . import copies
from .copies import LINKS
from .plan import IMPORTED, LEFT_OUT, Plan, without

MANIFEST_COLUMNS = ("image_name", "source", "content_id", "reason", "p_keep", "threshold", "model", "decision")
_UNREADABLE = (errno.EACCES, errno.EPERM, errno.EIO)
"""Errors of one file. Others, such as that it is gone, may mean the disk, and stop a cull."""


@logged("making the next stage")
def make_stage(plan: Plan, link: str = "copy", *, progress: Progress = silent, stop: Stop = never) -> Stage:
    """Create the next stage and its manifest, and return the stage. File times are preserved.

    Raises `CullRefused` if the stage exists, nothing would be kept, or the disk lacks space or support for the link
    kind; `StorageError` if a file can't be copied or its copy differs; `Cancelled`. On any error there is no new stage.
    """
    new = plan.new
    with locked(new.lock, f"making {new.name}"):
        check(plan, link)
        partial = _partial(new)
        try:
            if partial.exists():  # left by a killed cull; it holds nothing but copies that no stage uses
                _clear(partial)
            partial.mkdir()
            linked: dict[str, State] = {}
            content_ids = _fill(partial, plan, link, linked, progress, stop)
            _appear(partial, new, _manifest_rows(plan, content_ids))
        except OSError as error:
            raise unwritable(Path(error.filename2 or error.filename or partial), error) from error
        finally:
            with suppress(OSError):
                remove_tree(partial)
    if linked:
        plan.note_links(new, linked)
    return new


def _fill(
    partial: Path, plan: Plan, link: str, linked: dict[str, State], progress: Progress, stop: Stop
) -> dict[str, str]:
    """Fill the hidden sibling and flush it to disk. Returns key → content id, and puts hard links into `linked`."""
    given_up = Event()

    def stopped() -> bool:
        return given_up.is_set() or stop()

    content_ids = {}
    with copies.on_the_disk(partial):
        for folder in sorted({plan.stage.name_of(key).rpartition("/")[0] for key in plan.files}):
            (partial / folder).mkdir(parents=True, exist_ok=True)
        with closing(_placed(partial, plan, link, linked, stopped)) as placed:
            try:
                for done, key in enumerate(plan.files):
                    if stop():
                        raise Cancelled
                    progress("copying", done, len(plan.files))
                    content_ids[key] = next(placed)
            except Cancelled as error:
                raise Cancelled(f"The cull was stopped; {plan.new.folder} was not made.") from error
            finally:
                given_up.set()  # stops threads in the middle of a large file
        progress("copying", len(plan.files), len(plan.files))
    return content_ids


def _placed(partial: Path, plan: Plan, link: str, linked: dict[str, State], stop: Stop) -> Generator[str, None, None]:
    """Place and verify each file, and yield its content id. Files to link are read only if their id is unknown."""
    names = [plan.stage.name_of(key) for key in plan.files]
    if link == "copy":

        def copy(source: FileIO, path: Path, target: Path) -> str:
            return copies.copy(source, path, target, stop)

        yield from in_order(lambda name: _place(plan.stage, name, partial / name, copy), names, copies.AHEAD)
        return
    make = copies.hardlink if link == "hardlink" else copies.reflink

    def put(source: FileIO, path: Path, target: Path) -> str:
        content_id = plan.known(path) or copies.content_id(source, path)
        make(source, path, target)
        return content_id

    for name in names:  # in one thread: linking is cheaper than a handoff to a pool
        yield _place(plan.stage, name, partial / name, put)
        if link == "hardlink":
            linked[name] = stat_of(partial / name)


def _place(stage: Stage, name: str, target: Path, make: Callable[[FileIO, Path, Path], str]) -> str:
    """Open a file of the stage once, call `make` on it, and translate its errors into messages."""
    source = stage.folder / name
    try:
        with copies.opened(stage, name) as file:
            return make(file, source, target)
    except FileExistsError as error:
        raise CullRefused(
            f"The disk of {target.parent} does not distinguish the name of {source} from the name of another photo "
            "(they may differ only in case); no stage was made. Rename one of the two, or use another disk."
        ) from error
    except copies.NoLinks as error:
        raise CullRefused(f"The disk of {source.parent} does not support {error}s here. Use --link copy.") from error
    except copies.Differs as error:
        raise StorageError(f"{error}; no stage was made. Check the disk and try again.") from error


def interrupted(stage: Stage) -> bool:
    """Whether a cull of `stage` was killed: a partial next stage exists and no process is working on it."""
    new = stage.next
    return _partial(new).is_dir() and not new.folder.exists() and not is_locked(new.lock)


def _clear(partial: Path) -> None:
    """Remove what a killed cull left, or rename it where Windows refuses: read-only hard links."""
    try:
        remove_tree(partial)
    except PermissionError:
        set_aside(partial, "left")


def _partial(new: Stage) -> Path:
    return new.project / f"{TEMPORARY_PREFIX}{new.name}.partial"


def check(plan: Plan, link: str = "copy") -> None:
    """Run the checks that `make_stage` runs before it copies anything. Raises `CullRefused`."""
    new = plan.new
    if link not in LINKS:
        raise CullRefused(f"Unknown link kind {link}. Choose one of {', '.join(LINKS)}.")
    if os.path.lexists(new.folder):
        raise CullRefused(
            f"{new.folder} already exists; nothing was changed. Rename or move it away with the files named "
            f"{new.name}_cull_* beside it, or cull {new.name} instead."
        )
    if left := [path.name for path in (new.labels, new.journal, new.model) if os.path.lexists(path)]:
        raise CullRefused(
            f"{', '.join(left)} of an earlier {new.name} would be mistaken for files of the new one; nothing was "
            f"changed. Move them out of {new.project} first."
        )
    if not plan.files:
        raise CullRefused(f"No photo of {plan.stage.name} would be kept. Label more keepers or lower the threshold.")
    if link == "copy":
        needed = sum(_size(plan.stage.path(key)) for key in plan.files)
        free = shutil.disk_usage(new.project).free
        if needed > free:
            raise CullRefused(
                f"The kept photos need {needed / 1e9:.1f} GB, but {new.project} has only {free / 1e9:.1f} GB free. "
                "Make room, or use hard links instead of copies."
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the copy reports the error


def _appear(partial: Path, new: Stage, rows: Iterable[Mapping[str, object]]) -> None:
    """Write the manifest, then rename the sibling to the new stage. Never overwrites a stage created in the meantime;
    then our manifest is removed.
    """
    # Left by a stage that was moved away, or by a cull that was killed just before the rename.
    if new.manifest.is_file() or is_link(new.manifest):
        set_aside(new.manifest, "old")
    try:
        tables.write(new.manifest, MANIFEST_COLUMNS, rows)
        if os.path.lexists(new.folder):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new.folder))
        put_in_place(partial, new.folder)
    except BaseException:  # includes Ctrl-C, which may come just after the rename
        if partial.exists():
            new.manifest.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # the stage is complete; only a power cut within seconds could revert the rename
        sync_folder(new.project)


def _manifest_rows(plan: Plan, content_ids: Mapping[str, str]) -> list[dict[str, object]]:
    source = plan.stage.folder.as_posix() if plan.target else plan.stage.name
    threshold = "" if plan.target else plan.threshold
    p_keep = {each.key: each.p_keep for each in plan.decisions}
    culled = {each.key: each.reason for each in plan.culled}
    fates = ((KEEP, plan.files), (CULL, culled), (CULL, plan.stays), (LEFT_OUT, plan.left_out))
    rows: list[dict[str, object]] = [
        {
            "image_name": tables.as_name(key),
            "source": f"{source}/{key}",
            "content_id": content_ids[key] if decision == KEEP else "",
            "reason": reason,
            "p_keep": "" if p_keep.get(key) is None else f"{p_keep[key]:.4f}",
            "threshold": threshold,
            "model": plan.model,
            "decision": decision,
        }
        for decision, files in fates
        for key, reason in files.items()
    ]
    return sorted(rows, key=lambda row: str(row["source"]))


def openable(plan: Plan) -> Plan:
    """The plan without files that can't be read, which stop no cull but are told. They may be so later.

    Reads the photos that are kept unseen, and asks whether companions may be read; all others were read already.
    """
    unseen = {each.key for each in plan.kept if each.p_keep is None and each.reason != IMPORTED}
    seen = {each.key for each in plan.kept if each.p_keep is not None}
    unopened = {}
    for key in plan.files.keys() - seen:
        if key in unseen or not os.access(plan.stage.path(key), os.R_OK):
            try:
                with copies.opened(plan.stage, plan.stage.name_of(key)) as file:
                    copies.content_id(file, plan.stage.path(key))
            except StorageError as error:
                cause = error.__cause__
                if isinstance(cause, OSError) and cause.errno in _UNREADABLE:
                    unopened[key] = f"it can't be read: {cause.strerror}"
    return without(plan, dict(sorted(unopened.items())))
