"""A project of their own for each visitor of a public page, which nobody else can see and which expires.

    <folder>/<hash of a token>/photos/stage_1/      what the visitor sent
                              /photos/…             what came of it
                              /cache/               embeddings and previews
                              /sender               a hash of the address that it was sent from
             /.imlcull-….tmp/                       a file on its way (see `incoming`), or what is being deleted

The token is the only key to a workspace: it is given to the visitor once, with the first photo that can be decoded, and
not stored. Whatever a workspace holds is deleted `SECONDS` after its last use; where all places are taken, one that is
idle gives way (see `places`). A token whose workspace was deleted never leads anywhere again.
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
"""Workspaces at a time."""
EACH = 10
"""Of them, sent from one address; behind one there may be a school."""
AT_ONCE = 2
"""Jobs of all visitors that run at once; a free Space has two processors."""
LONGEST = 30 * 60.0
"""Seconds of one job, so that nobody keeps the others waiting for ever."""
FREE = 4 << 30
"""Bytes of the disk that are left alone."""
_STAGES = 3
"""A project may take so many times the room for photos: a cull copies them."""
_UPLOADS = 2  # at once by one visitor
_SECONDS_TO_STOP = 5
_MOST_OPEN = 12  # desks in memory; the others are on the disk
_IDLE = 10 * 60.0  # seconds after which a desk may be put away
_GONE = "There are no photos of yours here, or not any more. Send some first."
DELETED = "Your photos were deleted. Reload the page to start anew."


class Workspace:
    """One visitor's project; what is done in it goes through its desk. Threads may share it."""

    def __init__(self, folder: Path, model: str | None, limits: Limits, turns: Turns) -> None:
        """The folder must be there."""
        self.folder = folder
        self.limits = limits
        self._model = model
        self._turns = turns
        # Two locks: a look at the desk must not wait until a large archive is unpacked.
        self._opening, self._adding = threading.RLock(), threading.Lock()
        self._desk: Desk | None = None
        self._uploads = 0
        self._closed = False

    @property
    def project(self) -> Path:
        """What the visitor has, all of it."""
        return self.folder / "photos"

    @property
    def stage(self) -> Stage:
        """The stage at which the visitor is: photos that are sent go there."""
        return self._desk.session.stage if self._desk else self.latest

    @property
    def latest(self) -> Stage:
        """The stage that the last cull made, or the first."""
        try:
            return open_stage(self.project)
        except StageError:
            return Stage(self.project, 1)

    @contextmanager
    def incoming(self) -> Iterator[None]:
        """Photos are on their way as long as this is held. Raises `UploadRefused` for too many uploads at once."""
        with self._opening:
            if self._uploads >= _UPLOADS:
                raise UploadRefused("Other photos of yours are on their way. Wait until they are here.")
            self._uploads += 1
        try:
            yield
        finally:
            with self._opening:
                self._uploads -= 1

    def check_room(self) -> None:
        """Raise `UploadRefused` where the disk is nearly full."""
        _check_disk(self.folder, FREE)

    def check_open(self) -> None:
        """Raise `NoWorkspace` once it was deleted."""
        if self._closed:
            raise NoWorkspace(DELETED)

    def add(self, sent: Path, name: str) -> Added:
        """Take in a photo or an archive of photos. Raises `UploadRefused`, `StorageError`, `NoWorkspace`."""
        with self._adding:
            self.check_open()
            self.check_room()
            added = archives.add(sent, name, self.stage.folder, self.limits)
            self.check_open()
            return added

    @property
    def desk(self) -> Desk:
        """The desk, opened when it is first asked for. Raises `NoWorkspace` before the first photo was sent."""
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
        """Whether a job runs, or photos are on their way."""
        job = self._desk.jobs.state() if self._desk else None
        return self._uploads > 0 or (job is not None and job.running)

    def stop(self) -> None:
        """Ask what runs to stop, and start nothing any more."""
        self._closed = True
        if self._desk:
            self._desk.jobs.close()

    def close(self, seconds: float | None = _SECONDS_TO_STOP) -> bool:
        """Stop, and wait so long until that is done; whether it is. Then everything is on the disk."""
        self.stop()
        with self._adding, self._opening:
            self.stop()  # what was opened just now, too
            job = self._desk.jobs.wait(seconds) if self._desk else None
            return job is None or not job.running


class _VisitorsDesk(Desk):
    """A desk in bounded room."""

    def __init__(self, session: Session, jobs: Jobs, room: int) -> None:
        """`room`: bytes that the project may take."""
        super().__init__(session, jobs)
        self._room = room

    def cull(self, link: str = "copy", plan: Plan | None = None) -> None:
        """As `Desk.cull`. Raises `CullRefused` where a further stage would take too much room."""
        stage = self.session.stage
        if usage(stage.project)[0] + usage(stage.folder)[0] > self._room:
            raise CullRefused("There is no room for another stage. Download what you have, delete it, and start anew.")
        super().cull(link, plan)


class Workspaces:
    """The workspaces below one folder. Threads may share it."""

    def __init__(
        self,
        folder: Path,
        model: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Those that were left there are found again. Raises `StorageError` for a folder that can't be written."""
        self.folder = absolute(folder)
        self.limits = limits
        self._model = model
        self._clock = clock
        self._lock = threading.RLock()
        self._turns = Turns(AT_ONCE)
        self._incoming = Incoming(self.folder, limits.total)
        self._open: dict[str, Workspace] = {}
        self._removed: dict[str, Workspace] = {}  # a job of theirs may still be at its last step
        self._show_again = weakref.finalize(self, hide(self.folder))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    @contextmanager
    def receive(self, token: str = "", sender: str = "") -> Iterator["Arrival"]:
        """Let a visitor send a file; without a token, a newcomer, who gets one for a photo that can be decoded.

        `sender`: the address it comes from. Raises `UploadRefused`, `StorageError`, and `NoWorkspace` for the token of
        a workspace that was deleted.
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
        """Give the folder `made` a place, by default an empty one, and return its token.

        Where all are taken, an idle workspace is deleted for it. Raises `UploadRefused` while there is none.
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
        """Whether a token leads to a workspace."""
        name = _name(token)
        return name not in self._removed and (self.folder / name).is_dir()

    def find(self, token: str) -> Workspace:
        """The workspace of a token, which lives on from now. Raises `NoWorkspace`."""
        name = _name(token)
        with self._lock:
            if not self.has(token):
                raise NoWorkspace(_GONE)
            folder = self.folder / name
            found = self._opened(folder)
            self._open.pop(name, None)
            self._open[name] = found  # the last one used is the last in the list
            self._touch(folder)
            surplus = [each for each in list(self._open)[:-_MOST_OPEN] if self._is_idle(self._open[each])]
            idle = [self._open.pop(each) for each in surplus]
        for workspace in idle:  # opened again when its visitor comes back
            workspace.close()
        return found

    def name_of(self, token: str) -> str | None:
        """The name of its folder, or None where there is none. This is no visit: nothing lives on for it."""
        name = _name(token)
        return name if name not in self._removed and (self.folder / name).is_dir() else None

    def remove(self, token: str) -> None:
        """Delete a workspace now. Raises `NoWorkspace`."""
        with self._lock:
            workspace = self.find(token)
            self._forget(workspace)
        self._delete(workspace)

    def sweep(self) -> None:
        """Delete what nobody used for `SECONDS`, and what is left of what was deleted; what is busy stays."""
        expired = []
        for folder in self._folders():
            with self._lock, suppress(OSError):  # it is gone
                workspace = self._open.get(folder.name)
                if workspace and workspace.is_busy:
                    self._touch(folder)
                elif folder.name not in self._removed and folder.stat().st_mtime + SECONDS < self._clock():
                    expired.append(self._opened(folder))
                    self._forget(expired[-1])
        for workspace in expired:
            self._delete(workspace)
        for aside in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            if not self._incoming.is_live(aside):
                shutil.rmtree(aside, ignore_errors=True)

    def close(self) -> None:
        """Stop all jobs: the server ends."""
        with self._lock:
            opened = list(self._open.values())
        for workspace in opened:
            workspace.stop()
        for workspace in opened:
            workspace.close()
        self._show_again()

    def settle(self, upload: Upload, name: str, sender: str) -> tuple[Added, str]:
        """Take in what a newcomer sent; what it was, and the token of the workspace that was made for it.

        The workspace is made aside, and appears with all that it holds. Raises `UploadRefused`, `StorageError`.
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
        """Who has to go for a newcomer. Raises `UploadRefused` while nobody may be made to."""
        return gives_way(self._held(), _hashed(sender), self._clock(), MOST, EACH)

    def _held(self) -> list[Held]:
        """All workspaces but those that are being deleted, as `places` sees them."""
        held = []
        for folder in self._folders():
            if folder.name in self._removed:
                continue
            with suppress(OSError):  # it is gone
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
        """Whether nobody has looked at it for a while, and nothing runs in it."""
        try:
            unused = self._clock() - workspace.folder.stat().st_mtime
        except OSError:  # it is gone
            return True
        return unused > _IDLE and not workspace.is_busy

    def _touch(self, folder: Path) -> None:
        now = self._clock()
        os.utime(folder, (now, now))

    def _forget(self, workspace: Workspace) -> None:
        """From here on its token leads nowhere."""
        self._open.pop(workspace.folder.name, None)
        self._removed[workspace.folder.name] = workspace

    def _delete(self, workspace: Workspace) -> None:
        """Delete what is forgotten. A job that doesn't stop in time may write once more: that goes when it ends."""
        is_done = workspace.close()
        _set_aside(workspace.folder)
        if is_done:
            self._removed.pop(workspace.folder.name, None)
        else:
            threading.Thread(target=self._delete_later, args=(workspace,), name="deleting", daemon=True).start()

    def _delete_later(self, workspace: Workspace) -> None:
        workspace.close(None)
        _set_aside(workspace.folder)
        self._removed.pop(workspace.folder.name, None)


class Arrival:
    """A file that a visitor sends: piece by piece, then `add`."""

    def __init__(
        self, workspaces: Workspaces, upload: Upload, workspace: Workspace | None, token: str, sender: str
    ) -> None:
        """`workspace`: where it goes; None for a newcomer's."""
        self.token = token
        self._workspaces = workspaces
        self._upload = upload
        self._workspace = workspace
        self._sender = sender

    def append(self, piece: bytes) -> None:
        """Raises `UploadRefused`, `StorageError`, and `NoWorkspace` once the workspace was deleted."""
        if self._workspace:
            self._workspace.check_open()
        _check_disk(self._workspaces.folder, FREE)
        self._upload.append(piece)

    def add(self, name: str) -> Added:
        """Take it in, by the name that the visitor gave it; a newcomer has a `token` then. Raises as `append`."""
        try:
            if self._workspace:
                return self._workspace.add(self._upload.path, name)
            added, self.token = self._workspaces.settle(self._upload, name, self._sender)
            return added
        finally:
            self._upload.discard()


def _set_aside(folder: Path) -> None:
    """Delete a folder; what is in it goes after its name is free."""
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
    """What is stored of an address: enough to tell two apart."""
    return _name(sender)[:16] if sender else ""


def _name(token: str) -> str:
    """The folder of a token; a list of folders gives no token away."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:40]
