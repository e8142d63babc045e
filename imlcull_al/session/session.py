"""One person's work on one stage: next, answer, undo, skip, and what follows from the answers.

The page, the command line and scripts all use this object. Answers are on the disk when `answer` returns.

    session = open_session("project")
    while photo := session.next():
        session.answer(photo.key, "keep" if looks_good(photo.path) else "cull")
    session.train()
    session.cull()
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..culling import make, undo
from ..culling.plan import Decision, KnownContent, Plan, make_plan
from ..encoding import embeddings
from ..encoding.cache import ContentIds, as_hex
from ..encoding.embeddings import DEFAULT_BATCH_SIZE, Embeddings, Filled
from ..encoding.encoder import Encoder
from ..encoding.load import load_encoder
from ..errors import Cancelled, ModelFileError, StageError
from ..installation import DEFAULT_CACHE_DIR
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, Point, Promise
from ..learning.queues import Ranker, check_queue
from ..learning.scores import Scorer, Source, choose_source
from ..photos import read as photos
from ..photos.previews import Previews
from ..progress import Progress, Stop, never, silent
from ..project.files import is_locked, sweep
from ..project.labels import Answer, Labels
from ..project.listing import Listing, list_photos
from ..project.originals import State, stat_of
from ..project.stages import Stage, absolute, lies_in_a_stage, open_stage
from ..training import processes, train
from ..training.options import Epoch, Options
from ..training.train import Interrupted
from .knowledge import Knowledge
from .similar import Similar, similar, unlike
from .standing import Counts, Photo, Standing
from .visitors import Visitors
from .watch import Photos as PhotosOnDisk
from .watch import model_state, next_state

__all__ = ["Counts", "Photo", "Session", "Similar", "Standing", "open_session"]


class Session:
    """The answers, scores and order of one stage. Threads may share it."""

    def __init__(self, stage: Stage, model: str | None, cache_dir: Path) -> None:
        """Read the answers; scores come with `prepare`."""
        if lies_in_a_stage(cache_dir, stage):
            raise StageError(
                f"The cache folder {cache_dir} lies among the photos of a stage, which are only read. "
                "Choose another one with --cache-dir."
            )
        self.previews = Previews(cache_dir / "previews")
        for folder in (stage.project, cache_dir, self.previews.folder):
            sweep(folder)
        self.stage = stage
        self._model = model
        self._cache_dir = cache_dir
        self._labels = Labels(stage)
        self._knowledge = Knowledge(stage, self._labels)
        self._visitors = Visitors()
        self._model_state = model_state(stage)
        self._next_state = next_state(stage)
        self._photos_on_disk: PhotosOnDisk | None = None
        with suppress(ModelFileError):  # raised by `prepare`; it must not stop the training that replaces the file
            self._knowledge.source = choose_source(stage, model)
        self._knowledge.is_stale = self._knowledge.source is None

    def at(self, stage: Stage) -> "Session":
        """A session on another stage, with the same model and cache."""
        return Session(stage, self._model, self._cache_dir)

    def standing(self, *, wait: bool = True) -> Standing:
        """Everything known at this moment, as one value. Other programs' answers are taken over first.

        Scores are fitted to the latest answers by one thread at a time: `wait` for another one that fits, or take the
        last scores.
        """
        return self._knowledge.standing(wait=wait)

    @property
    def listing(self) -> Listing:
        """The photos of the stage when it was last listed. Raises `StageError` for an empty stage."""
        return self._knowledge.frame.listing

    @property
    def notice(self) -> str:
        """A sentence to show beside every score; empty for nothing."""
        return self._knowledge.source.notice if self._knowledge.source else ""

    @property
    def news(self) -> str:
        """What happened to the labels' files that a person should know, with its time; empty for nothing."""
        return self._labels.news

    @property
    def source(self) -> str:
        """Where scores come from, in a few words; empty while the model file can't be used."""
        return self._knowledge.source.description if self._knowledge.source else ""

    @property
    def prepared(self) -> bool:
        """Whether embeddings exist, so that answers re-order the queues."""
        return self._knowledge.is_prepared

    @property
    def revision(self) -> str:
        """Changes with every answer, score and photo, and differs between processes."""
        return self._knowledge.revision

    def prepare(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Embeddings:
        """Find or compute the embeddings of all photos, including photos added since the last call.

        Answers may be given meanwhile, in another thread. Raises `Cancelled`; finished embeddings are in the cache.
        """
        listing = list_photos(self.stage)
        paths = self.stage.paths(listing.keys)
        self._photos_on_disk = PhotosOnDisk(listing, paths)
        source = self._knowledge.source
        if source is None or self._knowledge.is_stale:
            self._model_state = model_state(self.stage)  # before it is read: later changes are news
            source = choose_source(self.stage, self._model)
        seen = embeddings.ensure(
            paths, source.encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
        )
        ranker = Ranker(Scorer(source, seen), seen)  # normalizes the rows of `seen`, as those known already are
        if not self._is_known(listing, source, seen):
            self._knowledge.learn(listing, source, ranker)
        return seen

    def _is_known(self, listing: Listing, source: Source, seen: Embeddings) -> bool:
        """Whether everything derived from these still holds."""
        if not self.prepared:
            return False
        frame = self._knowledge.frame
        is_same = source is frame.source and listing == frame.listing
        return is_same and frame.ranker is not None and seen.is_same(frame.ranker.seen)

    def follow_disk(self, *, is_busy: bool = False) -> bool:
        """Look for what other programs changed on the disk; true if `prepare` is needed to follow.

        Cheap enough for every second. `is_busy`: a job of this session runs, whose own changes are no news. A model
        that is being trained is left alone.
        """
        self._knowledge.look()
        if next_state(self.stage) != self._next_state:
            self._next_state = next_state(self.stage)
            self._knowledge.changed()
        if is_busy:
            return False
        is_other_model = model_state(self.stage) != self._model_state and not is_locked(self.stage.training_lock)
        if is_other_model:
            self._model_state, self._knowledge.is_stale = model_state(self.stage), True
        are_other_photos = self._photos_on_disk is not None and self._photos_on_disk.have_changed()
        return is_other_model or are_other_photos

    def fill_cache(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Filled:
        """Have the cache hold the embeddings of all photos, in bounded memory; scores come with `prepare`."""
        source = self._knowledge.source
        if source is None or self._knowledge.is_stale:
            source = choose_source(self.stage, self._model)
        paths = self.stage.paths(self.listing.keys)
        return embeddings.fill(
            paths, source.encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
        )

    def fill_on_cluster(
        self,
        address: str | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Filled:
        """`fill_cache` with the workers of a Ray cluster, see `cluster.fill`; what they leave is done here."""
        from ..encoding import cluster

        load = partial(_encoder_of, self.stage, self._model)
        paths = list(self.stage.paths(self.listing.keys).values())
        computed = cluster.fill(
            paths, load(), load, self._cache_dir, address, batch_size=batch_size, progress=progress, stop=stop
        )
        filled = self.fill_cache(batch_size=batch_size, progress=progress, stop=stop)
        return filled._replace(found=filled.found - computed, computed=filled.computed + computed)

    def make_previews(self, side: int, *, progress: Progress = silent, stop: Stop = never) -> None:
        """Make the previews of all photos, in the order in which they will be asked about. Raises `Cancelled`."""
        now = self.standing()
        keys = dict.fromkeys([*(key for key, _ in now.queue("uncertain")), *now.listing.keys])
        self.previews.make([self.stage.path(key) for key in keys], side, progress=progress, stop=stop)

    def next(self) -> Photo | None:
        """The photo to ask about now, skipped ones last; None when all are labeled. One in eight is a blind check."""
        photo = self.standing().next()
        if photo and photo.queue:
            self._visitors.show({photo.key: photo.queue})
        return photo

    def offer(
        self,
        visitor: str,
        queue: str = "uncertain",
        count: int = 1,
        first: Sequence[str] = (),
        last: Sequence[str] = (),
        now: Standing | None = None,
    ) -> list[Photo]:
        """The first `count` photos of a queue that no other visitor is being shown; they are leased to this one.

        `first` (prefetched keys) come before all others, `last` (passed keys) behind. A lease ends with the answer, or
        two minutes after the last offer. `now`: the standing to choose from, by default the present one; while scores
        are being fitted for another visitor, the last ones order the queue. Raises `StageError` for an unknown queue.
        """
        check_queue(queue)
        return self._visitors.offer(now or self.standing(wait=False), visitor, queue, count, first, last)

    def withhold(self, keys: Collection[str]) -> None:
        """Never ask about these photos; they are scored all the same, so that scores can be measured on them."""
        self._knowledge.withhold(keys)

    def visitors(self) -> int:
        """How many people or tabs are being shown photos now."""
        return self._visitors.count()

    def once(self, visitor: str, number: int, work: Callable[[], Any]) -> Any:
        """`work()`, or None if it was done for this press of the visitor before: a press sent twice counts once."""
        return self._visitors.once(visitor, number, work)

    def unlike(self) -> Photo | None:
        """The unlabeled photo least like the labeled ones; None while unprepared, or where either kind is missing."""
        return unlike(self.standing(wait=False))

    def similar(self, key: str, count: int = 3) -> list[Similar]:
        """Up to `count` kept and `count` culled photos most like this one, closest first; none while unprepared."""
        self.check(key)
        return similar(self.standing(wait=False), key, count)

    def exposure(self, key: str) -> dict[str, str]:
        """What the camera noted about a photo, for people; empty for nothing, and for a link out of the stage."""
        self.check(key)
        path = self.stage.path(key)
        return photos.exposure(path) if path.resolve().is_relative_to(self.stage.folder.resolve()) else {}

    def photo(self, key: str) -> Photo:
        """One photo with its score and its answer. Raises `StageError` for a key that the stage doesn't hold."""
        self.check(key)
        return self.standing(wait=False).photo(key)

    def answer(self, key: str, label: str, queue: str | None = None) -> None:
        """Record `keep` or `cull`; the latest answer counts. Raises `StageError`, `LabelsError`, `StorageError`.

        `queue`: the queue it was asked in; by default that in which `next` or `offer` asked. A photo whose first answer
        was a blind check measures, and never trains.
        """
        self.answer_all([key], label, self._visitors.asked_in(key) if queue is None else queue)

    def answer_all(self, keys: Sequence[str], label: str, queue: str | None = None) -> None:
        """Record the same answer for many photos, all of them or none. Raises as `answer` does."""
        if queue is not None:
            check_queue(queue)
        for key in keys:
            self.check(key)
        self._labels.answer_all(keys, label, queue)
        self._visitors.answered(keys, self._knowledge.answered().number)

    def skip(self, key: str) -> None:
        """Put a photo behind all others."""
        self.check(key)
        self._labels.skip(key, self._visitors.asked_in(key))
        self._knowledge.answered()

    def undo(self, key: str | None = None) -> Answer | None:
        """Undo and return the last answer or skip, of this photo if one is named; None when none is left."""
        if key is None:
            return next(iter(self.undo_all([])), None)
        self.check(key)
        undone = self._labels.undo(key)
        self._knowledge.answered()
        return undone

    def undo_all(self, keys: Sequence[str]) -> list[Answer]:
        """Undo the last answer or skip, and those before it as long as they are to other photos of `keys`."""
        undone = self._labels.undo_all(keys)
        self._knowledge.answered()
        return undone

    def order(self, n: int | None = None) -> list[Photo]:
        """The `n` unlabeled photos (default: all) whose scores are least certain, those first.

        `next` asks what teaches most instead: uncertain photos that stand for others, and sometimes a blind check.
        """
        return self.standing().order(n)

    def survey(self) -> list[Photo]:
        """Every photo of the stage, in key order."""
        return self.standing().survey()

    def moments(self) -> dict[str, tuple[int, float]]:
        """Readable photo → its burst's number, chronological, and its time in seconds (NaN for unknown).

        Empty while unprepared.
        """
        return self.standing(wait=False).moments()

    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets: their frames belong together."""
        return self.standing(wait=False).brackets()

    def unreadable(self) -> dict[str, str]:
        """Key → reason of the photos that can't be shown, as far as known."""
        ranker = self._knowledge.frame.ranker
        return dict(ranker.seen.unreadable) if ranker else {}

    def labels(self) -> dict[str, str]:
        """Key → `keep` or `cull`, in the order of the first answers."""
        return self._labels.as_dict()

    def counts(self) -> Counts:
        """How many photos there are, and how many have which answer."""
        return self.standing(wait=False).counts

    def scores(self, threshold: float = 0.5) -> list[Decision]:
        """p_keep, decision and reason of every photo, in key order.

        Raises `NotEnoughLabels` while nothing is known about unlabeled photos.
        """
        return self._prepared_standing().scores(threshold)

    def promise(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Promise | None:
        """How many keepers a cull at this threshold loses at most; None while there are no scores."""
        return self.standing().promise(threshold, max_keepers_lost, confidence)

    def learning_curve(self) -> list[Point]:
        """Accuracy and agreement of the scores after every few answers, as the blind checks measure them."""
        return self.standing().learning_curve()

    def threshold_for(self, max_keepers_lost: float, confidence: float = CONFIDENCE) -> float:
        """The largest threshold that loses at most this share of the keepers; see `Standing.threshold_for`."""
        return self._prepared_standing().threshold_for(max_keepers_lost, confidence)

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
        Options by name: epochs, batch_size, learning_rate, patience, validation_split, seed, train_blocks.
        In a process launched as one of several only the main one takes the new scores over.
        """
        known = self._knowledge.look().training
        labels = {key: label for key, label in known.items() if key in self._knowledge.frame.keys}
        base = self._model
        if base is None and (source := self._knowledge.source):
            base = source.model.base_model if source.model else source.encoder.reference
        try:
            done = train.train(
                self.stage,
                load_encoder(base),
                labels,
                replace(options or Options(), **named_options),
                progress=progress,
                on_epoch=on_epoch,
                stop=stop,
                burst_of={key: burst for key, (burst, _) in self.moments().items()} or None,
            )
        finally:  # a run that is stopped, or fails later on, may have replaced the model file
            self._knowledge.is_stale = True
        if processes.is_helper():
            return done
        with suppress(Cancelled):  # the training has ended well; its scores come with the next `prepare`
            self.prepare(progress=progress, stop=stop)
        return done

    def plan_cull(self, threshold: float = 0.5) -> Plan:
        """What `cull` would do."""
        if list_photos(self.stage).keys != self.listing.keys or not self.prepared:
            self.prepare()  # photos came or went since they were listed
        now = self.standing()
        plan = make_plan(self.stage, now.scores(threshold), now.listing, threshold, now.source, self._known_content)
        return replace(plan, revision=now.revision)

    def is_current(self, plan: Plan) -> bool:
        """Whether a plan is still what `plan_cull` would make: of these answers, scores and photos."""
        self._knowledge.look()
        return plan.stage == self.stage and plan.revision == self.revision

    def cull(
        self,
        threshold: float = 0.5,
        link: str = "copy",
        *,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Stage:
        """Make the next stage from the kept photos and return it. Raises `CullRefused`; see `make_stage`."""
        return make.make_stage(self.plan_cull(threshold), link, progress=progress, stop=stop)

    def interrupted_training(self) -> Interrupted | None:
        """The training that was killed before its end."""
        return train.interrupted(self.stage)

    def interrupted_cull(self) -> bool:
        """Whether a cull was killed before its end."""
        return make.interrupted(self.stage)

    def cull_to_undo(self) -> Stage | None:
        """The next stage, if a cull made it and nothing was written beside it since; a quick look."""
        return self.stage.next if undo.seems_unchanged(self.stage.next) else None

    def undo_cull(self, *, progress: Progress = silent) -> Path:
        """Move the next stage aside and return where to. Raises `CullRefused` when it is not as the cull made it."""
        return undo.undo_cull(self.stage.next, progress=progress)

    @property
    def _known_content(self) -> KnownContent:
        """Content ids of photos that are as they were when they were embedded; found when the first is asked for."""
        paths = list(self.stage.paths(self.listing.keys).values())

        @cache
        def content_ids() -> dict[str, tuple[State, str]]:
            states = list(map(stat_of, paths))
            is_known, contents = ContentIds(self._cache_dir).look_up(paths)
            found = zip(paths, states, as_hex(contents.ids), is_known, strict=True)
            return {path: (state, content_id) for path, state, content_id, known in found if known}

        def known(path: Path) -> str | None:
            state, content_id = content_ids().get(str(path), (None, None))
            return content_id if state == stat_of(path) else None

        return known

    def _prepared_standing(self) -> Standing:
        if not self.prepared:
            self.prepare()
        return self.standing()

    def check(self, key: str) -> None:
        """Raise `StageError` for a key that the stage doesn't hold, or if its folder is gone."""
        if not self.stage.folder.is_dir():
            raise StageError(f"The folder {self.stage.folder} is gone. Connect its disk again, or put it back.")
        if key not in self._knowledge.frame.keys:
            raise StageError(f"There is no photo {key!r} in {self.stage.folder}. Name one that `order` lists.")


def _encoder_of(stage: Stage, model: str | None) -> Encoder:
    """In a process of its own too."""
    return choose_source(stage, model).encoder


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

    `model`: as `load_encoder` knows them. Embeddings that the cache lacks are computed first, unless `prepare`
    is false. Raises `ImlcullError` with a sentence.
    """
    folder = absolute(cache_dir) if cache_dir else DEFAULT_CACHE_DIR
    session = Session(open_stage(project, stage), model, folder)
    if prepare:
        session.prepare(progress=progress)
    else:
        session.listing  # noqa: B018 - an empty stage is said here
    return session
