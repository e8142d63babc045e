"""One project at work: the session of a stage, and the long work beside it.

    desk = Desk(open_session("project", prepare=False))
    desk.embed()
    desk.train(Options())
    desk.dry_run(0.5)
    desk.cull()

A button of the page and a call from a script start the same job here. Knows nothing of pages.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ..culling import cull
from ..culling.cull import Plan
from ..errors import CullRefused, ImlcullError, StageError, TrainingError
from ..photos.previews import SCREEN
from ..progress import Progress, Stop
from ..project.stages import Stage
from ..training.epochs import Epoch, Options
from ..training.train import Training
from .jobs import DONE, Job, Jobs, Work
from .session import Session

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 1.0
EMBEDDING, TRAINING, DRY_RUN, CULL, TAKE_BACK = "embedding", "training", "dry run", "cull", "taking back"


class Lap(NamedTuple):
    """An epoch of a running training, whether it was the best so far, and how long it took."""

    epoch: Epoch
    best: bool
    seconds: float


class Made(NamedTuple):
    """What a cull made: the stage, and how many photos and companion files it holds."""

    stage: Stage
    photos: int
    companions: int


class Desk:
    """A session and its jobs; `session` is another one after `go_on` and `go_back`. Threads may share it.

    What starts a job raises `StageError` while another one runs that somebody asked for.
    """

    def __init__(self, session: Session, jobs: Jobs | None = None) -> None:
        """No job runs yet."""
        self.session = session
        self.jobs = jobs or Jobs()
        self._turned = 0  # number of the last job of the stage before
        self._stages = {session.stage.name: session} if session else {}
        self._lock = threading.RLock()
        self._old_preview_at = ""  # the session's revision when a preview was last seen to be an old one

    def watch(self, seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
        """Follow what other programs change on the disk, in a thread of its own, until the jobs are closed."""

        def look() -> None:
            while not self.jobs.wait_until_closed(seconds):
                self.follow_disk()

        threading.Thread(target=look, name="watch", daemon=True).start()

    def follow_disk(self) -> None:
        """Look once. Photos or a model that changed are embedded anew; a preview that is no longer true is made anew,
        once nothing has changed for a look.
        """
        job = self.jobs.state()
        is_busy = job is not None and job.running and job.name != EMBEDDING
        try:
            if self.session.follow_disk(is_busy=is_busy):
                self.embed()
            if not is_busy:
                self._renew_preview()
        except ImlcullError:
            pass  # the screens ask for the same files, and say it
        except Exception:  # a defect must not end the watch
            log.exception("Looking for changes on the disk failed")

    def _renew_preview(self) -> None:
        plan = self.preview()
        if plan is None or not self.session.prepared or self.session.is_current(plan):
            return
        revision = self.session.revision
        if revision == self._old_preview_at:
            self.dry_run(plan.threshold)
        self._old_preview_at = revision

    def at(self, stage: object = None) -> Session:
        """The session of the stage with this name, one that was worked on here; the present one for None.

        A page may still show the stage before: what it sends is for that one. Raises `StageError` for any other.
        """
        if stage is None:
            return self.session
        found = self._stages.get(stage) if isinstance(stage, str) else None
        if found is None:
            raise StageError(f"The page shows a stage that is not open here, but {self.session.stage.name}. Reload it.")
        return found

    def embed(self) -> None:
        """Compute missing embeddings, then previews, while nobody asks for anything else."""
        session = self.session

        def work(progress: Progress, stop: Stop) -> None:
            session.prepare(progress=progress, stop=stop)
            session.make_previews(SCREEN, progress=progress, stop=stop)

        self.jobs.start(EMBEDDING, work, yields=True)

    def train(self, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        """Train in the background; each epoch becomes a note of the job, a `Lap`. Raises `TrainingError`."""
        options.check()
        session = self.session

        def work(progress: Progress, stop: Stop) -> Training:
            since = clock()

            def on_epoch(epoch: Epoch, best: bool) -> None:
                nonlocal since
                now = clock()
                self.jobs.note(Lap(epoch, best, now - since))
                since = now

            return session.train(options, progress=progress, on_epoch=on_epoch, stop=stop)

        self._start(TRAINING, work)

    def train_again(self) -> None:
        """Begin the training that was killed anew, as it was asked for. Raises `TrainingError` when there is none."""
        lost = self.session.interrupted_training()
        if lost is None:
            raise TrainingError("No training was interrupted. Start a new one.")
        self.train(lost.options)

    def stop_training(self) -> None:
        """Stop the training, and nothing else."""
        job = self.jobs.state()
        if job and job.name == TRAINING:
            self.jobs.cancel()

    def dry_run(self, threshold: float) -> None:
        """Plan a cull in the background; embeddings that are missing come first."""
        session = self.session

        def work(progress: Progress, stop: Stop) -> Plan:
            if not session.prepared:
                session.prepare(progress=progress, stop=stop)
            return session.plan_cull(threshold)

        self._start(DRY_RUN, work)

    def cull(self, link: str = "copy", plan: Plan | None = None) -> None:
        """Carry out `plan`, by default the last preview, whose job then comes to a `Made`.

        Raises `CullRefused` where there is none, or where what it promised is no longer what would be done.
        """
        promised, session = plan or self.preview(), self.session
        if promised is None:
            raise CullRefused("Preview the cull first.")
        _still_true(session, promised)

        def work(progress: Progress, stop: Stop) -> Made:
            plan = _still_true(session, promised)
            return Made(cull.apply(plan, link, progress=progress, stop=stop), len(plan.kept), plan.companions)

        self._start(CULL, work)

    def shown(self, token: str | None) -> Plan:
        """The preview that a page shows, by its `preview_token`. Raises `CullRefused` where it is not the last one."""
        plan = self.preview()
        if plan is None:
            raise CullRefused("Preview the cull first.")
        if preview_token(plan) != token:
            raise CullRefused(
                f"Another preview was made meanwhile: it keeps {len(plan.kept)} photos. Look at it, then press again."
            )
        return plan

    def take_back(self) -> None:
        """Move the next stage aside in the background: every file is compared with the manifest first."""
        session = self.session
        self._start(TAKE_BACK, lambda progress, stop: session.undo_cull(progress=progress))

    def latest(self, name: str) -> Job | None:
        """The last job of this name on this stage."""
        job = self.jobs.latest(name)
        return job if job and job.number > self._turned else None

    def latest_cull(self) -> Job | None:
        """The newest job of dry run, cull and taking back; what fills the time between them is no news here."""
        found = [job for name in (DRY_RUN, CULL, TAKE_BACK) if (job := self.latest(name))]
        return max(found, key=lambda job: job.number, default=None)

    def preview(self) -> Plan | None:
        """The plan of the last dry run, if it ended well and no cull came after it, whatever changed since."""
        job = self.latest_cull()
        if job is None or job.name != DRY_RUN or job.status != DONE:
            return None
        plan: Plan = job.result
        return plan

    def planned(self) -> Plan | None:
        """The preview, as long as the answers, scores and photos are those that it was made from."""
        plan, training, job = self.preview(), self.latest(TRAINING), self.latest_cull()
        if plan is None or (training and job and training.number > job.number) or not self.session.is_current(plan):
            return None
        return plan

    def go_on(self) -> None:
        """Turn to the stage that a cull made. Raises `StageError` where there is none."""
        new = self.session.stage.next
        if not new.manifest.exists():
            raise StageError(f"There is no {new.name} yet. Cull {self.session.stage.name} first.")
        self._turn(new)

    def go_back(self) -> None:
        """Turn to the stage before. Raises `StageError` where there is none."""
        old = self.session.stage.previous
        if not old.folder.exists():
            raise StageError(f"There is no stage before {self.session.stage.name}.")
        self._turn(old)

    def _start(self, name: str, work: Work) -> None:
        with self._lock:  # the stage doesn't change between a look at it and the start
            self.jobs.start(name, work)

    def _turn(self, stage: Stage) -> None:
        """Work on another stage from now on, and embed what it lacks."""
        with self._lock:
            job = self.jobs.state()
            if job and job.running and job.name != EMBEDDING:
                raise StageError(f"The {job.name} is still running. Wait until it is done, or stop it first.")
            session = self._stages.get(stage.name) or self.session.at(stage)
            self.session, self._turned = session, job.number if job else 0
            self._stages[stage.name] = session
            self.embed()


def preview_token(plan: Plan) -> str:
    """What names a preview: another one for other answers, scores, photos, or another threshold."""
    return f"{plan.revision} {plan.threshold}"


def _still_true(session: Session, promised: Plan) -> Plan:
    """The plan as it would be made now, which places the same files. Raises `CullRefused` for another."""
    if session.is_current(promised):
        return promised
    now = session.plan_cull(promised.threshold)
    if now.files.keys() == promised.files.keys():
        return now
    raise CullRefused(
        f"Answers, scores or photos changed since the preview: {len(now.kept)} photos would be kept now, not "
        f"{len(promised.kept)}. Look at the new preview, then press again."
    )
