"""A project in use: the session of the present stage, and its background jobs.

    desk = Desk(open_session("project", prepare=False))
    desk.embed()
    desk.train(Options())
    desk.dry_run(0.5)
    desk.cull()

A button on the page and a call from a script start the same job. Independent of pages.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ..culling import make
from ..culling.plan import Plan
from ..errors import Cancelled, CullRefused, ImlcullError, NotEnoughLabels, StageError, StorageError, TrainingError
from ..photos.previews import SCREEN
from ..progress import Progress, Stop, amount
from ..project.stages import Stage
from ..training.options import GENTLE, Epoch, Options
from ..training.train import Training
from .jobs import DONE, WAITING, Job, Jobs, Work
from .outlook import Outlooks
from .session import Session

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 1.0
IDLE, PAUSE, _SECONDS_BETWEEN_PRESSES = 10.0, 2.0, 0.05
"""Seconds without a press after which a training may begin by itself, and after which it goes on."""
NEXT = 4
"""Previews made ahead whenever the queue changes. An open page asks for more of them itself, and goes first."""
EMBEDDING, TRAINING, DRY_RUN, CULLING, UNDOING = "embedding", "training", "dry run", "cull", "taking back"


class Lap(NamedTuple):
    """An epoch of a running training, whether it is the best so far, how long it took, and whether it is gentle."""

    epoch: Epoch
    best: bool
    seconds: float
    gentle: bool = False


class Made(NamedTuple):
    """Result of a cull: the new stage, and the plan that it followed."""

    stage: Stage
    plan: Plan

    @property
    def photos(self) -> int:
        """Number of photos in the new stage."""
        return len(self.plan.kept)

    @property
    def companions(self) -> int:
        """Number of companion files there."""
        return self.plan.companions


class Desk:
    """A session and its jobs. `go_on` and `go_back` replace `session`. Thread-safe.

    Methods that start a job raise `StageError` while another job runs that a user started.
    """

    def __init__(self, session: Session, jobs: Jobs | None = None, train_every: int = 0) -> None:
        """Starts no job. `train_every`: train by itself after so many new answers, while nobody presses a key; 0 for
        never.
        """
        self.session = session
        self._train_every = train_every
        self._tried_at = ("", 0, 0)  # the stage, and its answers learned from and new, when it last trained by itself
        self.jobs = jobs or Jobs()
        self._turned = 0  # number of the last job before the stage was switched
        self._stages = {session.stage.name: session} if session else {}
        self._lock = threading.RLock()
        self.outlooks = Outlooks()

    def watch(self, seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
        """Poll for changes that other programs make on disk, in a background thread, until the jobs are closed."""

        def look() -> None:
            while not self.jobs.wait_until_closed(seconds):
                self.follow_disk()

        threading.Thread(target=look, name="watch", daemon=True).start()

    def follow_disk(self) -> None:
        """Poll once. Re-embeds if photos or the model changed."""
        job = self.jobs.state()
        is_busy = job is not None and job.running and not job.yields
        try:
            if self.session.follow_disk(is_busy=is_busy):
                self.embed()
            self._train_now_and_then()
        except ImlcullError:
            pass  # the screens read the same files and show the error
        except Exception:  # a bug must not end the polling
            log.exception("Checking the disk for changes failed")

    def _train_now_and_then(self) -> None:
        """Start a gentle training at low priority if enough answers are new. Any other job ends it."""
        with self._lock:  # the stage can't be switched meanwhile
            session, job, last = self.session, self.jobs.state(), self.latest(TRAINING)
            if not self._train_every or session.seconds_since_press() <= IDLE or (job and job.running):
                return
            counts = session.learned_and_new()
            if counts is None:
                return
            learned, new = counts
            stage = session.stage.name
            tried = self._tried_at[2] if self._tried_at[:2] == (stage, learned) else 0
            if last and last.status == WAITING:  # it gave way to another job
                tried = 0
            if new < tried + self._train_every:
                return
            self.jobs.start(
                TRAINING, lambda progress, stop: self._unasked(session, progress, stop), yields=True, again=False
            )
            self._tried_at = stage, learned, new

    def _unasked(self, session: Session, progress: Progress, stop: Stop) -> Training:
        """Train gently, but wait at every press. An outcome that a person would be told as an error is none here."""

        def gives_way() -> bool:
            while session.seconds_since_press() < PAUSE and not stop():
                time.sleep(_SECONDS_BETWEEN_PRESSES)
            return stop()

        try:
            return self._training(session, GENTLE, progress, gives_way, unasked=True)
        except (NotEnoughLabels, TrainingError, StorageError) as error:
            raise Cancelled(str(error)) from error

    def at(self, stage: object = None) -> Session:
        """The session of the stage named `stage`, if it was opened here; the present session for None.

        A page may still show the previous stage, and its requests belong to that one. Raises `StageError` for any other
        stage.
        """
        if stage is None:
            return self.session
        found = self._stages.get(stage) if isinstance(stage, str) else None
        if found is None:
            raise StageError(
                f"This page shows a stage that is not open; {self.session.stage.name} is. Reload the page."
            )
        return found

    def embed(self) -> None:
        """Compute missing embeddings, then previews, at low priority: any other job interrupts this one.

        Whenever scores change what is asked next, the previews of that come first.
        """
        self.jobs.start(EMBEDDING, self._embedding(), yields=True)

    def _embedding(self) -> Work:
        session = self.session

        def work(progress: Progress, stop: Stop) -> None:
            session.prepare(
                on_part=lambda: session.make_previews(SCREEN, NEXT, stop=stop), progress=progress, stop=stop
            )
            session.remember_contents()
            session.make_previews(SCREEN, progress=progress, stop=stop)

        return work

    def train(self, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        """Train in the background; each epoch is noted in the job as a `Lap`. Raises `TrainingError` for invalid
        options.

        The embeddings of the new model follow as low-priority work; until they are complete, the scores stay the old.
        """
        options.check()
        session = self.session
        self.jobs.follow_with(EMBEDDING, self._embedding())
        self.start(TRAINING, lambda progress, stop: self._training(session, options, progress, stop, clock))

    def _training(
        self,
        session: Session,
        options: Options,
        progress: Progress,
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
        unasked: bool = False,
    ) -> Training:
        """Train, and note every epoch in the job."""
        since = clock()

        def on_epoch(epoch: Epoch, best: bool) -> None:
            nonlocal since
            now = clock()
            self.jobs.note(Lap(epoch, best, now - since, options.gentle))
            since = now

        return session.train(options, progress=progress, on_epoch=on_epoch, stop=stop, prepare=False, unasked=unasked)

    def train_again(self) -> None:
        """Restart a training that was killed, with its options. Raises `TrainingError` if there is none."""
        lost = self.session.interrupted_training()
        if lost is None:
            raise TrainingError("No training was interrupted. Start a new one.")
        self.train(lost.options)

    def stop_training(self) -> None:
        """Stop the running job if it is a training."""
        job = self.jobs.state()
        if job and job.name == TRAINING:
            self.jobs.cancel()

    def dry_run(self, threshold: float) -> None:
        """Plan a cull in the background, after computing missing embeddings."""
        session = self.session

        def work(progress: Progress, stop: Stop) -> Plan:
            if not session.prepared:
                session.prepare(progress=progress, stop=stop)
            return session.plan_cull(threshold)

        self.start(DRY_RUN, work)

    def cull(self, link: str = "copy", plan: Plan | None = None) -> None:
        """Carry out `plan`, by default the last preview. The job's result is a `Made`.

        Raises `CullRefused` if there is no plan, or if carrying it out would no longer keep the same files.
        """
        promised, session = plan or self.preview(), self.session
        if promised is None:
            raise CullRefused("Preview the cull first.")
        _still_true(session, promised)

        def work(progress: Progress, stop: Stop) -> Made:
            plan = _still_true(session, promised)
            return Made(make.make_stage(plan, link, progress=progress, stop=stop), plan)

        self.start(CULLING, work)

    def take_back(self) -> None:
        """Undo the last cull in the background: verify every file against the manifest, then move the next stage
        aside.
        """
        session = self.session
        self.start(UNDOING, lambda progress, stop: session.undo_cull(progress=progress))

    def latest(self, name: str) -> Job | None:
        """The last job of this name on this stage."""
        job = self.jobs.latest(name)
        return job if job and job.number > self._turned else None

    def latest_cull(self) -> Job | None:
        """The newest dry run, cull or undo job on this stage. Embedding jobs between them don't count."""
        found = [job for name in (DRY_RUN, CULLING, UNDOING) if (job := self.latest(name))]
        return max(found, key=lambda job: job.number, default=None)

    def preview(self) -> Plan | None:
        """The plan of the last dry run, if it succeeded and no cull or undo followed. It may be stale."""
        job = self.latest_cull()
        if job is None or job.name != DRY_RUN or job.status != DONE:
            return None
        plan: Plan = job.result
        return plan

    def planned(self) -> Plan | None:
        """The preview, unless labels, scores or photos changed since it was made."""
        plan, training, job = self.preview(), self.latest(TRAINING), self.latest_cull()
        if plan is None or not self.session.is_current(plan):
            return None
        has_trained = training and job and not training.yields and training.number > job.number
        return None if has_trained else plan

    def go_on(self) -> None:
        """Switch to the stage that a cull made. Raises `StageError` if there is none."""
        new = self.session.stage.next
        if not new.manifest.exists():
            raise StageError(f"There is no {new.name} yet. Cull {self.session.stage.name} first.")
        self._turn(new)

    def go_back(self) -> None:
        """Switch to the previous stage. Raises `StageError` if there is none."""
        old = self.session.stage.previous
        if not old.folder.exists():
            raise StageError(f"There is no stage before {self.session.stage.name}.")
        self._turn(old)

    def start(self, name: str, work: Work) -> None:
        """Start a job on the present stage."""
        with self._lock:  # the stage can't be switched meanwhile
            self.jobs.start(name, work)

    def _turn(self, stage: Stage) -> None:
        """Switch to another stage and compute its missing embeddings."""
        with self._lock:
            job = self.jobs.state()
            if job and job.running and not job.yields:
                raise StageError(f"The {job.name} is still running. Wait until it is done, or stop it first.")
            session = self._stages.get(stage.name) or self.session.at(stage)
            self.session, self._turned = session, job.number if job else 0
            self._stages[stage.name] = session
            self.embed()


def _still_true(session: Session, promised: Plan) -> Plan:
    """The plan as it would be made now. Raises `CullRefused` if it keeps other files than `promised`."""
    session.check_folder()
    if session.is_current(promised):
        return promised
    now = session.plan_cull(promised.threshold)
    if now.files.keys() == promised.files.keys():
        return now
    raise CullRefused(
        f"Answers, scores or photos changed since the preview: {amount(len(now.kept), 'photo')} would be kept now, not "
        f"{len(promised.kept):,}. Check the new preview, then press again."
    )
