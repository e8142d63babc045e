"""One person's work on one stage: next, answer, undo, skip, and what follows from the answers.

The page, the command line and scripts all use this object. Answers are on the disk when `answer` returns.

    session = open_session("project")
    while photo := session.next():
        session.answer(photo.key, "keep" if looks_good(photo.path) else "cull")
    session.train()
    session.cull()
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import cull, embeddings, query, scores, train
from .cull import Decision, Plan
from .embeddings import DEFAULT_BATCH_SIZE, Embeddings
from .encoder import load_encoder
from .epochs import Epoch, Options
from .errors import ModelFileError, StageError
from .labels import KEEP, LABELS, Answer, Labels
from .progress import Progress, Stop, never, silent
from .project import Listing, Stage, absolute, list_photos, open_stage
from .scores import Source, choose_source

_CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_CACHE_DIR = (
    _CHECKOUT / "cache" if (_CHECKOUT / "requirements.txt").exists() else Path("~/.cache/imlcull").expanduser()
)
"""`cache/` of the checkout; of an installed package, which must not write beside itself, one in the home folder."""


@dataclass(frozen=True)
class Photo:
    """A photo as it is shown. `p_keep` is None while there is no score, `label` while there is no answer."""

    key: str
    path: Path
    p_keep: float | None
    label: str | None


@dataclass(frozen=True)
class Counts:
    """How far the labeling is.

    `unreadable`: photos that can't be shown, known once the embeddings are there. `missing`: labels that name a photo
    the stage doesn't hold; they are kept in the file and not used.
    """

    photos: int
    keep: int
    cull: int
    unreadable: int
    missing: int


class Session:
    """The answers, scores and order of one stage. Threads may share it."""

    def __init__(self, stage: Stage, model: str | None, cache_dir: Path) -> None:
        """Read the listing and the answers; scores come with `prepare`."""
        self.stage = stage
        self.listing: Listing = list_photos(stage)
        self._keys = frozenset(self.listing.keys)
        self._model = model
        self._cache_dir = cache_dir
        self._lock = threading.RLock()
        self._labels = Labels(stage)
        self._source: Source | None = None
        self._seen: Embeddings | None = None
        with suppress(ModelFileError):  # said by `prepare`; it must not stop the training that replaces the file
            self._source = choose_source(stage, model)
        self._model_is_new = self._source is None
        self._p_keep: dict[str, float] = {}
        self._order: list[str] | None = None

    def at(self, stage: Stage) -> "Session":
        """A session on another stage, with the same model and cache."""
        return Session(stage, self._model, self._cache_dir)

    @property
    def notice(self) -> str:
        """What has to be said wherever a score is shown; empty for nothing."""
        return self._source.encoder.notice if self._source else ""

    @property
    def source(self) -> str:
        """Where scores come from, in a few words; empty while the model file can't be used."""
        return self._source.description if self._source else ""

    @property
    def prepared(self) -> bool:
        """Whether the embeddings are there, so that answers re-order the queue."""
        return self._seen is not None and not self._model_is_new

    def prepare(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Embeddings:
        """Find or compute the embeddings of all photos, those that came since the last look too.

        Answers may be given meanwhile, in another thread. Raises `Cancelled`; what was done is in the cache.
        """
        listing = list_photos(self.stage)
        source = self._source
        if source is None or self._model_is_new:
            source = choose_source(self.stage, self._model)
        paths = {key: self.stage.path(key) for key in listing.keys}
        seen = embeddings.ensure(
            paths, source.encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
        )
        with self._lock:  # scores, photos and embeddings change together
            self.listing, self._keys = listing, frozenset(listing.keys)
            self._source, self._seen, self._model_is_new = source, seen, False
            self._changed()
        return seen

    def next(self) -> Photo | None:
        """The unlabeled photo to ask about now, skipped ones last; None when all are labeled."""
        with self._lock:
            queue = self._queue()
            return self.photo(queue[0]) if queue else None

    def photo(self, key: str) -> Photo:
        """One photo with its score and its answer. Raises `StageError` for a key that the stage doesn't hold."""
        with self._lock:
            self._check(key)
            self._queue()
            return Photo(key, self.stage.path(key), self._p_keep.get(key), self._labels.as_dict().get(key))

    def answer(self, key: str, label: str) -> None:
        """Record `keep` or `cull`; the latest answer counts. Raises `StageError`, `LabelsError`, `StorageError`."""
        with self._lock:
            self._check(key)
            self._labels.answer(key, label)
            self._changed()

    def skip(self, key: str) -> None:
        """Put a photo behind all others."""
        with self._lock:
            self._check(key)
            self._labels.skip(key)
            self._changed()

    def undo(self) -> Answer | None:
        """Take back the last answer or skip and return it, or None when there is none left."""
        with self._lock:
            taken_back = self._labels.undo()
            self._changed()
            return taken_back

    def order(self, n: int | None = None) -> list[Photo]:
        """The next `n` photos to label (all by default), most uncertain first."""
        with self._lock:
            return [self.photo(key) for key in self._queue()[:n]]

    def labels(self) -> dict[str, str]:
        """Key → `keep` or `cull`, in the order of the first answers."""
        return self._labels.as_dict()

    def counts(self) -> Counts:
        """How many photos there are, and how many have which answer."""
        self._labels.refresh()
        labels = self._labels.as_dict()
        here = [label for key, label in labels.items() if key in self._keys]
        keep, culled = (here.count(label) for label in LABELS)
        seen = self._seen
        unreadable = sum(key not in labels for key in seen.unreadable) if seen else 0
        return Counts(len(self.listing.keys), keep, culled, unreadable, len(labels) - len(here))

    def scores(self, threshold: float = 0.5) -> list[Decision]:
        """p_keep, decision and reason of every photo, in key order.

        Raises `NotEnoughLabels` while nothing is known about unlabeled photos.
        """
        if not self.prepared:
            self.prepare()
        with self._lock:
            seen, source, labels = self._seen, self._source, self._labels.as_dict()
        assert seen is not None and source is not None  # prepared
        p_keep = scores.p_keep(source, seen, labels)
        if p_keep is None:
            if not all(key in labels for key in seen.keys):
                usable = {key: labels[key] for key in seen.keys if key in labels}
                raise scores.without_scores(self.stage, usable)
            p_keep = np.array([float(labels[key] == KEEP) for key in seen.keys])
        by_key = dict(zip(seen.keys, p_keep.tolist(), strict=True))
        return cull.decide(by_key, labels, seen.unreadable, threshold)

    def train(
        self,
        options: Options | None = None,
        *,
        progress: Progress = silent,
        on_epoch: Callable[[Epoch, bool], None] | None = None,
        stop: Stop = never,
        **named_options: Any,
    ) -> train.Training:
        """Fine-tune on the answers so far; scores and order come from the new model afterwards.

        Starts from the model that the session was opened with, else from what the stage's trained model started from.
        Options by name: epochs, batch_size, learning_rate, patience, validation_split, seed.
        """
        labels = {key: label for key, label in self._labels.as_dict().items() if key in self._keys}
        base = self._model
        if base is None and self._source:
            trained = self._source.model
            base = trained.base_model if trained else self._source.encoder.reference
        try:
            done = train.train(
                self.stage,
                load_encoder(base),
                labels,
                self._cache_dir,
                replace(options or Options(), **named_options),
                progress=progress,
                on_epoch=on_epoch,
                stop=stop,
            )
        finally:  # a run that is stopped, or fails later on, may have replaced the model file
            self._model_is_new = True
        if not stop():
            self.prepare(progress=progress, stop=stop)
        return done

    def plan_cull(self, threshold: float = 0.5) -> Plan:
        """What `cull` would do."""
        decisions = self.scores(threshold)
        return cull.make_plan(self.stage, decisions, self.listing, threshold, self.source)

    def cull(
        self,
        threshold: float = 0.5,
        link: str = "copy",
        *,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Stage:
        """Make the next stage from the kept photos and return it. Raises `CullRefused`; see `cull.apply`."""
        return cull.apply(self.plan_cull(threshold), link, progress=progress, stop=stop)

    def _check(self, key: str) -> None:
        if key not in self._keys:
            raise StageError(f"There is no photo {key!r} in {self.stage.folder}. Name one that `order` lists.")

    def _changed(self) -> None:
        self._order = None

    def _queue(self) -> list[str]:
        """Keys of the unlabeled photos in query order, the skipped ones behind."""
        if self._labels.refresh() or self._order is None:  # another program, or an editor, may have answered
            labels = self._labels.as_dict()
            ranked = dict.fromkeys(self._ranked(labels))
            skipped = [key for key in self._labels.skipped() if ranked.pop(key, key) is None]
            self._order = [*ranked, *skipped]
        return self._order

    def _ranked(self, labels: dict[str, str]) -> list[str]:
        seen, source = self._seen, self._source
        keys = seen.keys if seen else self.listing.keys
        unlabeled = np.array([row for row, key in enumerate(keys) if key not in labels], np.intp)
        p_keep = scores.p_keep(source, seen, labels) if seen and source else None
        if p_keep is None:
            self._p_keep = {}
            return [keys[row] for row in query.shuffled(keys, unlabeled)]
        self._p_keep = dict(zip(keys, p_keep.tolist(), strict=True))
        return [keys[row] for row in query.most_uncertain_first(p_keep, unlabeled)]


def open_session(
    project: str | Path,
    stage: int | None = None,
    model: str | None = None,
    cache_dir: str | Path | None = None,
    *,
    prepare: bool = True,
    progress: Progress = silent,
) -> Session:
    """Open a stage (the latest by default) for labeling, scoring, training and culling.

    `model`: a Hugging Face id or a local folder. Embeddings that the cache lacks are computed first, unless `prepare`
    is false. Raises `ImlcullError` with a sentence.
    """
    folder = absolute(cache_dir) if cache_dir else DEFAULT_CACHE_DIR
    session = Session(open_stage(project, stage), model, folder)
    if prepare:
        session.prepare(progress=progress)
    return session
