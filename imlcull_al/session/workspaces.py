"""Private, expiring projects for the visitors of a public page.

    <folder>/<hash of a token>/photos/stage_1/      the uploaded photos
                              /photos/…             everything derived from them
                              /cache/               embeddings and previews
                              /sender               a hash of the uploader's address
             /.imlcull-….tmp/                       an upload in progress (see `incoming`), or a folder being deleted

The token is the only key to a workspace. The visitor receives it once, with the first photo that can be decoded, and it
is not stored. A workspace is deleted `SECONDS` after its last use. If all places are taken, an idle one is evicted (see
`places`). The token of a deleted workspace is never valid again.
"""

import hashlib
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..culling.plan import Plan
from ..errors import CullRefused, NoWorkspace, StageError, UploadRefused, hide
from ..project import archives
from ..project.archives import Added, Limits, usage
from ..project.files import TEMPORARY_PREFIX, temporary_sibling, unwritable
from ..project.stages import Stage, absolute, open_stage
from ..turns import Turns
from .desk import Desk
from .incoming import Incoming, Upload, check_readable
from .jobs import Jobs
from .places import Held, gives_way
from .session import Session, open_session

SECONDS = 24 * 60 * 60.0
MOST = 100
"""Maximum number of workspaces."""
EACH = 10
"""Maximum per address; a whole school may share one."""
AT_ONCE = 2
"""Jobs of all visitors that run at once; a free Space has two CPU cores."""
LONGEST = 30 * 60.0
"""Maximum seconds per job, so that nobody keeps the others waiting forever."""
FREE = 4 << 30
"""Bytes of the disk to leave free."""
_STAGES = 3
"""A project may use this multiple of the photo quota, because a cull copies photos."""
_UPLOADS = 2  # concurrent, per visitor
_SECONDS_TO_STOP = 5
_MOST_OPEN = 12  # desks kept in memory; the others can be reopened from disk
_IDLE = 10 * 60.0  # seconds after which a desk may be closed
_GONE = "You have no photos here, or they were deleted. Send some first."
DELETED = "Your photos were deleted. Reload the page to start anew."


class Workspace:
    """One visitor's project. Everything done in it goes through its desk. Thread-safe."""

    def __init__(self, folder: Path, model: str | None, limits: Limits, turns: Turns) -> None:
        """`folder` must exist."""
        self.folder = folder
        self.limits = limits
        self._model = model
        self._turns = turns
        # Two locks, so that access to the desk doesn't wait for a large archive to be unpacked.
        self._opening, self._adding = threading.RLock(), threading.Lock()
        self._desk: Desk | None = None
        self._uploads = 0
        self._closed = False

    @property
    def project(self) -> Path:
        """The visitor's project folder."""
        return self.folder / "photos"

    @property
    def stage(self) -> Stage:
        """The stage that the visitor is working on; uploads go there."""
        return self._desk.session.stage if self._desk else self.latest

    @property
    def latest(self) -> Stage:
        """The last stage made by a cull, or the first stage."""
        try:
            return open_stage(self.project)
        except StageError:
            return Stage(self.project, 1)

    @contextmanager
    def incoming(self) -> Iterator[None]:
        """Held during an upload. Raises `UploadRefused` if the visitor has too many uploads at once."""
        with self._opening:
            if self._uploads >= _UPLOADS:
                raise UploadRefused("Your other photos are still being uploaded. Wait until they are done.")
            self._uploads += 1
        try:
            yield
        finally:
            with self._opening:
                self._uploads -= 1

    def check_room(self) -> None:
        """Raise `UploadRefused` if the disk is nearly full."""
        _check_disk(self.folder, FREE)

    def check_open(self) -> None:
        """Raise `NoWorkspace` if the workspace was deleted."""
        if self._closed:
            raise NoWorkspace(DELETED)

    def add(self, sent: Path, name: str) -> Added:
        """Add a photo or an archive of photos. Raises `UploadRefused`, `StorageError`, `NoWorkspace`."""
        with self._adding:
            self.check_open()
            self.check_room()
            added = archives.add(sent, name, self.stage.folder, self.limits)
            self.check_open()
            return added

    @property
    def desk(self) -> Desk:
        """The desk, opened lazily. Raises `NoWorkspace` before the first upload."""
        with self._opening:
            if self._closed:
                raise NoWorkspace(_GONE)
            if self._desk is None:
                if not usage(self.stage.folder)[1]:
                    raise NoWorkspace("Send photos first.")
                session = open_session(self.project, None, self._model, self.folder / "cache", prepare=False)
                self._desk = _VisitorsDesk(
                    session,
                    Jobs(turns=self._turns, visitor=self.folder.name, longest=LONGEST),
                    _STAGES * self.limits.total,
                )
                self._desk.embed()
                self._desk.watch()
            return self._desk

    @property
    def is_busy(self) -> bool:
        """Whether a job or an upload is running."""
        job = self._desk.jobs.state() if self._desk else None
        return self._uploads > 0 or (job is not None and job.running)

    def stop(self) -> None:
        """Cancel the running job and refuse new ones."""
        self._closed = True
        if self._desk:
            self._desk.jobs.close()

    def close(self, seconds: float | None) -> bool:
        """Stop, and wait up to `seconds` (None: no limit). Whether the job has ended; if so, everything is on disk."""
        self.stop()
        with self._adding, self._opening:
            self.stop()  # a desk may have been opened meanwhile
            job = self._desk.jobs.wait(seconds) if self._desk else None
            return job is None or not job.running


class _VisitorsDesk(Desk):
    """A desk with a storage quota."""

    def __init__(self, session: Session, jobs: Jobs, room: int) -> None:
        """`room`: bytes that the project may take."""
        super().__init__(session, jobs)
        self._room = room

    def cull(self, link: str = "copy", plan: Plan | None = None) -> None:
        """As `Desk.cull`. Raises `CullRefused` if another stage would exceed the quota."""
        stage = self.session.stage
        if usage(stage.project)[0] + usage(stage.folder)[0] > self._room:
            raise CullRefused(
                "There is no room for another stage. Download your photos, delete them here, and start over."
            )
        super().cull(link, plan)


class Workspaces:
    """All workspaces in one folder. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        model: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Existing workspaces in `folder` are picked up. Raises `StorageError` if the folder is not writable."""
        self.folder = absolute(folder)
        self.limits = limits
        self._model = model
        self._clock = clock
        self._lock = threading.RLock()
        self._turns = Turns(AT_ONCE)
        self._incoming = Incoming(self.folder, limits.total)
        self._open: dict[str, Workspace] = {}
        self._removed: set[str] = set()  # names; a job or request that was under way may bring such a folder back
        self._show_again = weakref.finalize(self, hide(self.folder))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    @contextmanager
    def receive(self, token: str = "", sender: str = "") -> Iterator["Arrival"]:
        """Accept an upload. Without a token it comes from a newcomer, who gets a token with the first decodable photo.

        `sender`: the visitor's address. Raises `UploadRefused`, `StorageError`; `NoWorkspace` for the token of a
        deleted workspace.
        """
        with ExitStack() as stack:
            workspace = None
            if token:
                workspace = self._known(token)
                stack.enter_context(workspace.incoming())
            else:
                self._gives_way(sender)
            yield Arrival(self, stack.enter_context(self._incoming.receive(sender)), workspace, token, sender)

    def create(self, sender: str = "", made: Path | None = None) -> str:
        """Turn the folder `made`, by default an empty one, into a workspace and return its token.

        If all places are taken, an idle workspace is evicted. Raises `UploadRefused` if none is idle.
        """
        self.sweep()
        with self._lock:
            _check_disk(self.folder, FREE + self.limits.total)
            idle = self._gives_way(sender)
            removed = self._opened(self.folder / idle) if idle else None
            if removed:
                self._forget(removed)
            token = secrets.token_urlsafe(24)
            folder = self.folder / _name(token)
            try:
                made.rename(folder) if made else folder.mkdir(mode=0o700)
                (folder / "sender").write_text(_hashed(sender))
                self._touch(folder)
            except OSError as error:
                raise unwritable(folder, error) from error
        if removed:
            self._delete(removed)
        return token

    def has(self, token: str) -> bool:
        """Whether `token` is valid."""
        name = _name(token)
        return name not in self._removed and (self.folder / name).is_dir()

    def find(self, token: str) -> Workspace:
        """The workspace of `token`; renews its expiry. Raises `NoWorkspace`."""
        name = _name(token)
        with self._lock:
            if not self.has(token):
                raise NoWorkspace(_GONE)
            folder = self.folder / name
            found = self._opened(folder)
            self._open.pop(name, None)
            self._open[name] = found  # most recently used last
            self._touch(folder)
            surplus = [each for each in list(self._open)[:-_MOST_OPEN] if self._is_idle(self._open[each])]
            idle = [self._open.pop(each) for each in surplus]
        for workspace in idle:  # reopened when its visitor returns
            workspace.close(_SECONDS_TO_STOP)
        return found

    def name_of(self, token: str) -> str | None:
        """Folder name of the workspace of `token`, or None. Does not renew its expiry."""
        name = _name(token)
        return name if name not in self._removed and (self.folder / name).is_dir() else None

    def remove(self, token: str) -> None:
        """Delete the workspace of `token` now. Raises `NoWorkspace`."""
        with self._lock:
            workspace = self.find(token)
            self._forget(workspace)
        self._delete(workspace)

    def sweep(self) -> None:
        """Delete workspaces unused for `SECONDS`, and leftovers of earlier deletions and uploads. Busy workspaces are
        kept alive.
        """
        expired, brought_back = [], []
        for folder in self._folders():
            with self._lock, suppress(OSError):  # deleted meanwhile
                workspace = self._open.get(folder.name)
                if workspace and workspace.is_busy:
                    self._touch(folder)
                elif folder.name in self._removed:
                    brought_back.append(folder)
                elif folder.stat().st_mtime + SECONDS < self._clock():
                    expired.append(self._opened(folder))
                    self._forget(expired[-1])
        for workspace in expired:
            self._delete(workspace)
        for folder in brought_back:
            _set_aside(folder)
        for aside in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            if not self._incoming.is_live(aside):
                shutil.rmtree(aside, ignore_errors=True)

    def close(self) -> None:
        """Stop all jobs: the server is shutting down."""
        with self._lock:
            opened = list(self._open.values())
        for workspace in opened:
            workspace.stop()
        for workspace in opened:
            workspace.close(_SECONDS_TO_STOP)
        self._show_again()

    def settle(self, upload: Upload, name: str, sender: str) -> tuple[Added, str]:
        """Unpack a newcomer's upload and create a workspace for it. Returns what was added, and the token.

        The workspace is assembled in a temporary folder and appears by an atomic rename. Raises `UploadRefused`,
        `StorageError`.
        """
        made = upload.folder / "workspace"
        try:
            made.mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(made, error) from error
        stage = Stage(made / "photos", 1)
        added = archives.add(upload.path, name, stage.folder, self.limits)
        if not added.new:
            return added, ""
        check_readable(stage.folder)
        return added, self.create(sender, made)

    def _known(self, token: str) -> Workspace:
        try:
            return self.find(token)
        except NoWorkspace as error:
            raise NoWorkspace(DELETED) from error

    def _opened(self, folder: Path) -> Workspace:
        return self._open.get(folder.name) or Workspace(folder, self._model, self.limits, self._turns)

    def _gives_way(self, sender: str) -> str | None:
        """The workspace to evict for a newcomer, or None. Raises `UploadRefused` if none may be evicted."""
        return gives_way(self._held(), _hashed(sender), self._clock(), MOST, EACH)

    def _held(self) -> list[Held]:
        """All workspaces, except those being deleted, as input for `places`."""
        held = []
        for folder in self._folders():
            if folder.name in self._removed:
                continue
            with suppress(OSError):  # deleted meanwhile
                workspace = self._open.get(folder.name)
                journals = (folder / "photos").glob("stage_*_cull_journal.jsonl")
                sender = folder / "sender"
                held.append(Held(
                    folder.name,
                    sender.read_text() if sender.exists() else "",
                    folder.stat().st_mtime,
                    is_answered=any(journal.stat().st_size for journal in journals),
                    is_busy=workspace is not None and workspace.is_busy,
                ))  # fmt: skip
        return held

    def _folders(self) -> list[Path]:
        return [each for each in self.folder.iterdir() if each.is_dir() and len(each.name) == len(_name(""))]

    def _is_idle(self, workspace: Workspace) -> bool:
        """Whether a workspace is unused for a while and runs nothing."""
        try:
            unused = self._clock() - workspace.folder.stat().st_mtime
        except OSError:  # deleted meanwhile
            return True
        return unused > _IDLE and not workspace.is_busy

    def _touch(self, folder: Path) -> None:
        now = self._clock()
        os.utime(folder, (now, now))

    def _forget(self, workspace: Workspace) -> None:
        """Invalidate the workspace's token."""
        self._open.pop(workspace.folder.name, None)
        self._removed.add(workspace.folder.name)

    def _delete(self, workspace: Workspace) -> None:
        """Delete a forgotten workspace. If its job doesn't stop in time, it may still write; a thread deletes that
        later.
        """
        is_done = workspace.close(_SECONDS_TO_STOP)
        _set_aside(workspace.folder)
        if not is_done:
            threading.Thread(target=self._delete_later, args=(workspace,), name="deleting", daemon=True).start()

    def _delete_later(self, workspace: Workspace) -> None:
        workspace.close(None)
        _set_aside(workspace.folder)


class Arrival:
    """An upload from a visitor: `append` the pieces, then `add`."""

    def __init__(
        self, workspaces: Workspaces, upload: Upload, workspace: Workspace | None, token: str, sender: str
    ) -> None:
        """`workspace`: the destination; None for a newcomer."""
        self.token = token
        self._workspaces = workspaces
        self._upload = upload
        self._workspace = workspace
        self._sender = sender

    def append(self, piece: bytes) -> None:
        """Append received bytes. Raises `UploadRefused`, `StorageError`, and `NoWorkspace` if the workspace was
        deleted.
        """
        if self._workspace:
            self._workspace.check_open()
        _check_disk(self._workspaces.folder, FREE)
        self._upload.append(piece)

    def add(self, name: str) -> Added:
        """Add the file under the visitor's file name; afterwards a newcomer has a `token`. Raises as `append` does."""
        try:
            if self._workspace:
                return self._workspace.add(self._upload.path, name)
            added, self.token = self._workspaces.settle(self._upload, name, self._sender)
            return added
        finally:
            self._upload.discard()


def _set_aside(folder: Path) -> None:
    """Delete a folder. It is renamed first, which frees its name at once."""
    aside = temporary_sibling(folder)
    with suppress(OSError):
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _check_disk(folder: Path, wanted: int) -> None:
    try:
        is_full = shutil.disk_usage(folder).free < wanted
    except OSError as error:
        raise unwritable(folder, error) from error
    if is_full:
        raise UploadRefused("This server has no room left at the moment. Come back later.")


def _hashed(sender: str) -> str:
    """The stored form of an address: enough to tell two senders apart."""
    return _name(sender)[:16] if sender else ""


def _name(token: str) -> str:
    """Folder name of a token: a hash, so that listing the folders reveals no token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:40]
