"""The whole workflow on the sample project, through the session that the page uses.

`prepare` makes and embeds the sample. `headless` plays a scripted photographer who knows `sample_truth.csv`: label,
train and cull, printing each step. Independent of the page.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ..culling.plan import Decision
from ..errors import CullRefused
from ..progress import Progress, silent
from ..project.labels import CULL, KEEP
from ..project.stages import absolute
from ..session.session import Session, open_session
from ..training.options import Epoch, Options
from . import sample

TRAINING = Options(epochs=12, patience=4, batch_size=32)
"""Short, so that the demo takes about a minute. The command line's defaults train for longer."""


def prepare(folder: Path, model: str | None, cache_dir: Path | None, *, progress: Progress = silent) -> Session:
    """Make the sample project in `folder`, unless it exists, and embed it. Raises `StageError`, `StorageError`."""
    folder = absolute(folder)
    sample.make_sample(folder, progress=progress)
    return open_session(folder, 1, model, cache_dir, progress=progress)


def headless(session: Session, answers: int, say: Callable[[str], None], *, progress: Progress = silent) -> None:
    """Label, train, cull and embed the next stage. `say` receives a line per step."""
    truth = sample.truth(session.stage.project)
    if session.stage.next.folder.exists():
        raise CullRefused(f"{session.stage.next.folder} exists: this sample was played already. Name a new folder.")
    keepers = sum(truth.values())
    say(f"{session.stage.folder}: {len(truth)} photos, {keepers} of them worth keeping. Scores: {session.source}")
    if session.notice:
        say(f"Note: {session.notice}")
    _answer(session, truth, answers, say)
    _train(session, truth, say, progress)
    _cull(session, truth, say, progress)


def _answer(session: Session, truth: dict[str, bool], answers: int, say: Callable[[str], None]) -> None:
    seconds: list[float] = []
    while len(seconds) < answers and (photo := session.next()):
        started = time.perf_counter()
        session.answer(photo.key, KEEP if truth.get(photo.key) else CULL)
        session.next()  # forces the reordered queue
        seconds.append(time.perf_counter() - started)
        if len(seconds) % 20 == 0 and {KEEP, CULL} == set(session.labels().values()):
            say(f"{len(seconds):4d} answers: {_right(session.scores(), truth)}")
    middle = statistics.median(seconds) if seconds else 0.0
    say(f"     {middle * 1000:.0f} ms an answer: on the disk, the head refitted, the queue in its new order")


def _train(session: Session, truth: dict[str, bool], say: Callable[[str], None], progress: Progress) -> None:
    def tell(epoch: Epoch, best: bool) -> None:
        say(epoch.summary + (", saved" if best else ""))

    training = session.train(TRAINING, progress=progress, on_epoch=tell)
    say(f"Training ended: {training.ended}. Scores now come from the trained model, epoch {training.best.epoch}:")
    say(f"              {_right(session.scores(), truth)}")


def _cull(session: Session, truth: dict[str, bool], say: Callable[[str], None], progress: Progress) -> None:
    plan = session.plan_cull()
    lost = sum(truth.get(each.key, False) for each in plan.culled)
    say(f"Cull: {len(plan.kept)} kept, {len(plan.culled)} culled; {lost} of {sum(truth.values())} keepers lost")
    new = session.cull(progress=progress)
    say(f"Made {new.folder} and {new.manifest.name}; the report of the training is in {session.stage.report}")
    embedded = session.at(new).prepare(progress=progress)
    say(f"{new.name}: {embedded.found} embeddings found in the cache, {embedded.computed} computed")


def _right(decisions: list[Decision], truth: dict[str, bool]) -> str:
    guessed = [each for each in decisions if each.reason == "score"]
    right = sum((each.decision == KEEP) == truth.get(each.key, False) for each in guessed)
    return f"{right / max(len(guessed), 1):.1%} of the {len(guessed)} unlabeled photos right"
