"""A project of their own for each visitor of a public page, which nobody else can see and which expires.

    <folder>/<hash of a token>/photos/stage_1/      what the visitor sent
                              /photos/…             what came of it
                              /cache/               embeddings and previews
                              /.imlcull-….tmp       a file on its way

The token is the only key to a workspace: it is given to the visitor once, and not stored. Whatever a workspace holds
is deleted `SECONDS` after its last use, and after an hour when there is no place for another.
"""

import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import archives
from .archives import Added, Limits, usage
from .cull import Plan
from .desk import Desk
from .errors import CullRefused, NoWorkspace, StageError, UploadRefused
from .files import TEMPORARY_PREFIX, temporary_sibling, unwritable
from .jobs import Jobs
from .project import Stage, absolute, open_stage
from .session import Session, open_session

SECONDS = 24 * 60 * 60.0
MOST = 100
"""Workspaces at a time."""
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
_CROWDED = 60 * 60.0  # seconds after which a workspace makes room for another when all places are taken
_GONE = "There are no photos of yours here, or not any more. Send some first."


class Workspace:
    """One visitor's project; what is done in it goes through its desk. Threads may share it."""

    def __init__(self, folder: Path, model: str | None, limits: Limits, turns: threading.Semaphore) -> None:
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
    def incoming(self) -> Iterator[Path]:
        """A free name for a file on its way. What is still there at the end is deleted. Raises `UploadRefused`."""
        with self._opening:
            if self._uploads >= _UPLOADS:
                raise UploadRefused("Other photos of yours are on their way. Wait until they are here.")
            self._uploads += 1
        sent = temporary_sibling(self.folder / "incoming")
        try:
            yield sent
        finally:
            with suppress(OSError):
                sent.unlink(missing_ok=True)
            with self._opening:
                self._uploads -= 1

    def check_room(self) -> None:
        """Raise `UploadRefused` where the disk is nearly full."""
        _check_disk(self.folder, FREE)

    def add(self, sent: Path, name: str) -> Added:
        """Take in a photo or an archive of photos. Raises `UploadRefused`, `StorageError`, `NoWorkspace`."""
        with self._adding:
            if self._closed:
                raise NoWorkspace(_GONE)
            self.check_room()
            return archives.add(sent, name, self.stage.folder, self.limits)

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
                    session, Jobs(turns=self._turns, longest=LONGEST), _STAGES * self.limits.total
                )
                self._desk.embed()
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

    def close(self) -> None:
        """Stop, and wait until that is done; everything is on the disk."""
        self.stop()
        with self._adding, self._opening:
            self.stop()  # what was opened just now, too
            if self._desk:
                self._desk.jobs.wait(_SECONDS_TO_STOP)


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
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._open: dict[str, Workspace] = {}
        self._removed: dict[str, Workspace] = {}  # a job of theirs may still be at its last step
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def create(self) -> str:
        """Make an empty workspace and return its token. Raises `UploadRefused` while there is no room for another."""
        self.sweep()
        if len(self._folders()) >= MOST:
            self.sweep(_CROWDED)
        with self._lock:
            if len(self._folders()) >= MOST:
                raise UploadRefused("Too many people are here at the moment. Come back later.")
            _check_disk(self.folder, FREE + self.limits.total)
            token = secrets.token_urlsafe(24)
            try:
                (self.folder / _name(token)).mkdir(mode=0o700)
            except OSError as error:
                raise unwritable(self.folder, error) from error
            return token

    def find(self, token: str) -> Workspace:
        """The workspace of a token, which lives on from now. Raises `NoWorkspace`."""
        name = _name(token)
        with self._lock:
            folder = self.folder / name
            if name in self._removed or not folder.is_dir():
                raise NoWorkspace(_GONE)
            found = self._open.pop(name, None) or Workspace(folder, self._model, self.limits, self._turns)
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
        _delete(workspace)

    def sweep(self, seconds: float = SECONDS) -> None:
        """Delete what nobody used for so long, and what is left of what was deleted; what is busy stays."""
        expired = []
        for folder in self._folders():
            with self._lock, suppress(OSError):  # it is gone
                workspace = self._open.get(folder.name)
                if workspace and workspace.is_busy:
                    self._touch(folder)
                elif folder.name not in self._removed and folder.stat().st_mtime + seconds < self._clock():
                    expired.append(workspace or Workspace(folder, self._model, self.limits, self._turns))
                    self._forget(expired[-1])
        for workspace in expired:
            _delete(workspace)
        for name, workspace in list(self._removed.items()):
            if not workspace.is_busy:
                shutil.rmtree(workspace.folder, ignore_errors=True)
                self._removed.pop(name, None)
        for aside in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(aside, ignore_errors=True)

    def close(self) -> None:
        """Stop all jobs: the server ends."""
        with self._lock:
            opened = list(self._open.values())
        for workspace in opened:
            workspace.stop()
        for workspace in opened:
            workspace.close()

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


def _delete(workspace: Workspace) -> None:
    workspace.close()
    aside = temporary_sibling(workspace.folder)
    with suppress(OSError):
        workspace.folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _check_disk(folder: Path, wanted: int) -> None:
    try:
        is_full = shutil.disk_usage(folder).free < wanted
    except OSError as error:
        raise unwritable(folder, error) from error
    if is_full:
        raise UploadRefused("This server has no room left at the moment. Come back later.")


def _name(token: str) -> str:
    """The folder of a token; a list of folders gives no token away."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:40]
