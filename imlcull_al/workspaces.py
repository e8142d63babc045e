"""A project of their own for each visitor of a public page, which nobody else can see and which expires.

    <folder>/<hash of a token>/project/stage_1/     what the visitor sent
                              /project/…            what came of it
                              /cache/               embeddings and previews
                              /incoming-…           a file on its way

The token is the only key to a workspace: it is given to the visitor once, and not stored. Whatever a workspace holds
is deleted `SECONDS` after its last use.
"""

import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import archives
from .archives import Added, Limits
from .desk import Desk
from .errors import NoWorkspace, UploadRefused
from .files import temporary_sibling, unwritable
from .jobs import Jobs
from .project import absolute
from .session import open_session

SECONDS = 24 * 60 * 60.0
MOST = 100
"""Workspaces at a time."""
AT_ONCE = 2
"""Jobs of all visitors that run at once; a free Space has two processors."""
FREE = 4 << 30
"""Bytes of the disk that are left alone."""
_SECONDS_TO_STOP = 5
_MOST_OPEN = 12  # desks in memory; the others are on the disk


class Workspace:
    """One visitor's project; what is done in it goes through its desk."""

    def __init__(self, folder: Path, model: str | None, limits: Limits, turns: threading.Semaphore) -> None:
        """The folder must be there."""
        self.folder = folder
        self.limits = limits
        self._model = model
        self._turns = turns
        self._lock = threading.RLock()
        self._desk: Desk | None = None

    @property
    def photos(self) -> Path:
        """Where photos that are sent go."""
        return self.folder / "project" / "stage_1"

    def incoming(self) -> Path:
        """A free name for a file on its way."""
        return temporary_sibling(self.folder / "incoming")

    def add(self, sent: Path, name: str) -> Added:
        """Take in a photo or an archive of photos. Raises `UploadRefused`, `StorageError`."""
        with self._lock:
            return archives.add(sent, name, self.photos, self.limits)

    @property
    def desk(self) -> Desk:
        """The desk, opened when it is first asked for. Raises `NoWorkspace` before the first photo was sent."""
        with self._lock:
            if self._desk is None:
                if not self.photos.exists() or not any(self.photos.iterdir()):
                    raise NoWorkspace("Send photos first.")
                session = open_session(self.photos.parent, None, self._model, self.folder / "cache", prepare=False)
                self._desk = Desk(session, Jobs(turns=self._turns))
                self._desk.embed()
            return self._desk

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        job = self._desk.jobs.state() if self._desk else None
        return job is not None and job.running

    def close(self) -> None:
        """Stop what runs; everything is on the disk."""
        if self._desk:
            self._desk.jobs.close()
            self._desk.jobs.wait(_SECONDS_TO_STOP)


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
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def create(self) -> str:
        """Make an empty workspace and return its token. Raises `UploadRefused` while there is no room for another."""
        self.sweep()
        with self._lock:
            if len(self._folders()) >= MOST or shutil.disk_usage(self.folder).free < FREE + self.limits.total:
                raise UploadRefused("Too many people are here at the moment. Come back later.")
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
            if not folder.is_dir():
                raise NoWorkspace("There are no photos of yours here, or not any more. Send some first.")
            found = self._open.pop(name, None) or Workspace(folder, self._model, self.limits, self._turns)
            self._open[name] = found  # the last one used is the last in the list
            self._touch(folder)
            self._put_away()
            return found

    def remove(self, token: str) -> None:
        """Delete a workspace now. Raises `NoWorkspace`."""
        self._remove(self.find(token).folder)

    def expires(self, token: str) -> float:
        """Seconds until a workspace is deleted, when nobody comes back."""
        return self.find(token).folder.stat().st_mtime + SECONDS - self._clock()

    def sweep(self) -> None:
        """Delete what expired; a workspace in which a job runs stays."""
        for folder in self._folders():
            with self._lock:
                known = self._open.get(folder.name)
                if known and known.is_busy:
                    self._touch(folder)
                elif folder.exists() and folder.stat().st_mtime + SECONDS < self._clock():
                    self._remove(folder)

    def close(self) -> None:
        """Stop all jobs: the server ends."""
        with self._lock:
            for workspace in self._open.values():
                workspace.close()

    def _folders(self) -> list[Path]:
        return [each for each in self.folder.iterdir() if each.is_dir() and len(each.name) == len(_name(""))]

    def _touch(self, folder: Path) -> None:
        now = self._clock()
        os.utime(folder, (now, now))

    def _put_away(self) -> None:
        """Forget what was used least recently and is idle: it is opened again when its visitor comes back."""
        for name in list(self._open)[:-_MOST_OPEN]:
            if not self._open[name].is_busy:
                self._open.pop(name).close()

    def _remove(self, folder: Path) -> None:
        with self._lock:
            workspace = self._open.pop(folder.name, None)
            if workspace:
                workspace.close()
            aside = temporary_sibling(folder)
            with suppress(OSError):  # from here on its token leads nowhere
                folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _name(token: str) -> str:
    """The folder of a token; a list of folders gives no token away."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()[:40]
