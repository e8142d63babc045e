"""The public API for one stage: ask, answer, undo, skip, score, train and cull.

The page, the command line and scripts all use this object. An answer is on disk when `answer` returns.

    session = open_session("project")
    while photo := session.next():
        session.answer(photo.key, "keep" if looks_good(photo.path) else "cull")
    session.train()
    session.cull()
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..culling import make, undo
from ..culling.plan import Decision, Plan, make_plan
from ..encoding import embeddings
from ..encoding.builtin import parts_of
from ..encoding.embeddings import DEFAULT_BATCH_SIZE, Embeddings, Filled
from ..encoding.encoder import Encoder
from ..encoding.load import Model, load_encoder
from ..encoding.moments import Moments
from ..encoding.own import OwnEncoder
from ..errors import Cancelled, ModelFileError, StageError
from ..exchange.elsewhere import Drops
from ..installation import DEFAULT_CACHE_DIR
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, ClassMeasures, Point, Promise
from ..learning.queues import Ranker, check_queue
from ..learning.scores import AUTO, Scorer, Source, choose_encoder, choose_source
from ..learning.sheets import SHEET_SIZE
from ..learning.ways import Way
from ..photos import read as photos
from ..photos.previews import Previews
from ..progress import Progress, Stop, never, silent
from ..project.companions import raw_pairs
from ..project.detections import empty_photos
from ..project.files import is_locked, sweep
from ..project.journal import Journal
from ..project.labels import AGAIN, CULL, KEEP, LOOK, SHEET, Answer, Labels, check_sheet
from ..project.listing import Listing, has_photos, list_photos
from ..project.names import known_key
from ..project.originals import State, stat_of
from ..project.settings import open_task, start_from
from ..project.stages import Stage, absolute, lies_in_a_stage, open_stage
from ..project.tables import as_key
from ..project.task import CULL_TASK, Task
from ..training import processes, train
from ..training.options import Epoch, Options, options_of
from ..training.unfinished import Interrupted, interrupted
from .belonging import Belonging
from .contents import KnownContents
from .knowledge import Knowledge
from .similar import Similar, similar, unlike
from .standing import Counts, Photo, Prediction, Standing, counted
from .starting import starting
from .visitors import Visitors
from .watch import Photos as PhotosOnDisk
from .watch import check_photos, model_state, next_state

log = logging.getLogger(__name__)
_PAUSE, _LONGEST_WAIT, _SECONDS_BETWEEN_LOOKS = 5.0, 60.0, 0.2
"""Seconds without a press that end a burst, and how long new scores wait for that at most."""
_WAITS = "They will be analyzed after the job that is running."
__all__ = ["Counts", "Photo", "Session", "Similar", "Standing", "open_session"]


class Session:
    """The answers, scores and queues of one stage. Thread-safe."""

    def __init__(self, stage: Stage, model: Model, cache_dir: Path, task: Task = CULL_TASK, scores: str = AUTO) -> None:
        """Read the answers. `prepare` adds scores. `stage`: whose task is `task`. `scores`: see `choose_source`."""
        if lies_in_a_stage(cache_dir, stage):
            raise StageError(
                f"The cache folder {cache_dir} is inside the photo folder of a stage, where imlcull never writes. "
                "Choose another folder with --cache-dir."
            )
        check_photos(stage, len(Journal(stage.journal, task).state.labels))
        self.previews = Previews(cache_dir / "previews")
        for folder in (stage.project, cache_dir, self.previews.folder):
            sweep(folder)
        self.stage = stage
        self._model: Model = model if isinstance(model, str | None) else load_encoder(model)
        self._scores = scores
        self._cache_dir = cache_dir
        self._labels = Labels(stage, task)
        self._moments = Moments(cache_dir, stage.paths)
        self._knowledge = Knowledge(stage, self._labels, self._listed)
        self._visitors = Visitors()
        self.drops = Drops()
        """Sidecars on their way to `ratings.look`."""
        self._model_state = model_state(stage)
        self._next_state = next_state(stage)
        self._detections_state: State | None = None
        self._follow_detections()
        self._photos_on_disk: PhotosOnDisk | None = None
        self._belonging = Belonging(stage, self._labels, cache_dir)
        self.seconds_per_photo: float | None = None
        """How long analyzing one took when this session last did; None if all were in the cache."""
        self._started: Source | None = None  # the source of scores whose prior was looked for
        self._watching = threading.Lock()  # held by whoever lists the photos
        self._was_there = True  # the folder of the stage, at the last look
        self._is_settling = False  # photos changed between the last two looks
        self._must_prepare = False
        with suppress(ModelFileError):  # raised by `prepare`; it must not stop the training that replaces the file
            self._knowledge.source = choose_source(stage, self._model, task, scores)
        self._knowledge.is_stale = self._knowledge.source is None

    @property
    def task(self) -> Task:
        """What is asked of every photo. Other programs may add classes; see `Standing.task` for those of its scores."""
        return self._labels.task

    def at(self, stage: Stage) -> "Session":
        """A session on another stage, with the same model and cache."""
        return Session(stage, self._model, self._cache_dir, self.task, self._scores)

    def standing(self, *, wait: bool = True) -> Standing:
        """A snapshot of everything known, including answers from other programs.

        One thread at a time fits scores to the latest answers. `wait`: block while another thread fits; otherwise
        return the last scores.
        """
        return self._knowledge.standing(wait=wait)

    @property
    def listing(self) -> Listing:
        """The photos of the stage as of the last listing. Raises `StageError` for an empty stage."""
        return self._knowledge.frame.listing

    @property
    def notice(self) -> str:
        """A caveat to show with every score; empty if there is none."""
        return self._knowledge.source.notice if self._knowledge.source else ""

    @property
    def news(self) -> str:
        """The latest events in the label files and among the photos worth telling a person, with their times."""
        return self._knowledge.news

    @property
    def versions(self) -> Mapping[str, State]:
        """State of each photo that was replaced since the session began."""
        return self._knowledge.versions

    @property
    def source(self) -> str:
        """Short description of the model behind the scores; empty while the model file is unusable."""
        return self._knowledge.source.description if self._knowledge.source else ""

    @property
    def can_train(self) -> bool:
        """Whether the model given to this session, if any, can be fine-tuned."""
        return not isinstance(self._model, OwnEncoder)

    @property
    def prepared(self) -> bool:
        """Whether all photos have embeddings, so that all of them can be scored."""
        return self._knowledge.is_prepared

    @property
    def revision(self) -> str:
        """Changes with every answer, score and photo, and differs between processes."""
        return self._knowledge.revision

    def prepare(
        self,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        on_part: Callable[[], None] = lambda: None,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Embeddings:
        """Find or compute the embeddings of all photos, including photos added since the last call.

        Answers may be given meanwhile, in another thread; scores and queues hold for the part that is embedded, and
        grow with it. `on_part`: called after each growth. Raises `Cancelled`; finished embeddings are in the cache.
        """
        self._check_it_is_there()
        with self._watching:
            self._must_prepare, self._knowledge.waits = False, ""
        listing = self._list_by_times(progress, stop)
        paths = self.stage.paths(listing.keys)
        self._belonging.settle(paths, progress, stop)
        self._knowledge.answered()
        source = self._knowledge.source
        if source is None or self._knowledge.is_stale:
            self._model_state = model_state(self.stage)  # taken before the read, so that later changes are noticed
            source = choose_source(self.stage, self._model, self.task, self._scores)
        if source is not self._started:
            source = self._started = starting(source, self.stage, self.task, self._cache_dir, progress, stop)

        frozen = None
        if source.frozen:
            frozen = embeddings.ensure(
                paths, source.frozen, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
            )

        def grow(part: Embeddings) -> None:
            self._check_it_is_there()  # photos that are gone with their folder are not unreadable
            known = self._knowledge.frame
            if known.ranker is None or known.source is source:  # else older scores of all photos beat new ones of a few
                self._knowledge.learn(*self._as_known(source, part, frozen))
                on_part()

        since = time.monotonic()
        seen = embeddings.ensure(
            paths,
            source.encoder,
            self._cache_dir,
            batch_size=batch_size,
            urgent=self._awaited,
            on_part=grow,
            progress=progress,
            stop=stop,
        )
        self._check_it_is_there()
        if seen.computed >= DEFAULT_BATCH_SIZE:
            self.seconds_per_photo = (time.monotonic() - since) / seen.computed
        if self._knowledge.frame.ranker and self._knowledge.frame.source is not source:
            self._await_a_pause(stop)
        known = self._as_known(source, seen, frozen)
        if not self._is_known(known[2]):
            self._knowledge.learn(*known)
        self._belonging.settle_rest(paths, progress, stop)
        return seen

    def _await_a_pause(self, stop: Stop) -> None:
        """Wait until nobody is in the middle of a burst, whose frames are to be asked by the same scores; not for long.

        Raises `Cancelled`.
        """
        until = time.monotonic() + _LONGEST_WAIT
        while self._is_amid_a_burst() and time.monotonic() < until:
            if stop():
                raise Cancelled("Stopped before the new scores counted; their embeddings are in the cache.")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _is_amid_a_burst(self) -> bool:
        """Whether a frame of the burst that was just answered is on screen."""
        seconds, answered = self._visitors.last_press()
        if seconds >= _PAUSE:
            return False
        moments = self.moments()
        bursts = {moments[key][0] for key in answered if key in moments}
        shown = (moments[key][0] for key in self._visitors.awaited() if key in moments)
        return any(burst in bursts for burst in shown)

    def seconds_since_press(self) -> float:
        """Seconds since a photo was last answered or skipped here; infinity for never."""
        return self._visitors.last_press()[0]

    def learned_and_new(self) -> tuple[int, int] | None:
        """How many training answers the last training learned from, and how many came since.

        None where no training should begin by itself: before all photos are analyzed, without a model that can be
        trained, and where it would replace a model that was trained from another encoder.
        """
        source = self._knowledge.source
        if source is None or self._knowledge.is_stale or source.encoder.notice:
            return None
        if not (self.can_train and self.prepared):
            return None
        learned = len(source.model.labels) if source.model else source.unused
        if not learned and self.stage.model.exists():
            return None
        known = self._knowledge.look().training
        return learned, sum(key in self._knowledge.frame.keys for key in known) - learned

    def remember_contents(self) -> None:
        """Look up the content ids of all photos, so that an answer need not read its file."""
        self._belonging.remember(self.stage.paths(self.listing.keys))

    def _as_known(
        self, source: Source, seen: Embeddings, frozen: Embeddings | None = None
    ) -> tuple[Listing, Source, Ranker]:
        """What to learn from new embeddings, those of `source` and of its frozen encoder. Normalizes rows in place.

        Photos may have come and gone since embedding began: new ones are unseen.
        """
        listing, keys = self._knowledge.frame[:2]
        seen = seen.among(keys)
        answers = self._labels.now()
        ranker = Ranker(Scorer(source, seen, answers.task, frozen), seen, listing.keys)
        if ranker.unseen:
            next(ranker.rank(answers).queue("uncertain"), None)  # orders are kept: no request waits for them
        return listing, source, ranker

    def _awaited(self) -> list[str]:
        """Photos to embed first: answered ones, so that their answers count, and those on screen.

        Not the blind checks: they measure as long as no photo is treated differently because it is one (`promise`).
        """
        return [*self._labels.now().training, *self._visitors.awaited()]

    def _is_known(self, ranker: Ranker) -> bool:
        """Whether nothing changed since the last `prepare`."""
        before = self._knowledge.frame.ranker
        return self.prepared and before is not None and ranker.is_same(before)

    def follow_disk(self, *, is_busy: bool = False) -> bool:
        """Check for changes on disk by other programs. Returns True if `prepare` must run to pick them up.

        Cheap enough to poll every second. New photos are in the queues when this returns, and removed ones are not;
        while photos keep coming, `prepare` waits until they pause. `is_busy`: a job of this session is running, so a
        new model is its own, and photos wait for its end. Ignores a model file while a training holds its lock.
        """
        have_changed = self.follow_photos()
        self._knowledge.look()
        self._follow_detections()
        if next_state(self.stage) != self._next_state:
            self._next_state = next_state(self.stage)
            self._knowledge.changed()
        self._knowledge.waits = _WAITS if is_busy and self._must_prepare else ""
        if is_busy:
            return False
        is_other_model = model_state(self.stage) != self._model_state and not is_locked(self.stage.training_lock)
        if is_other_model:
            self._model_state = model_state(self.stage)
            self._knowledge.outdate()
        must = self._must_prepare and not (have_changed and self._is_settling)
        self._is_settling = have_changed
        return is_other_model or must

    def _follow_detections(self) -> None:
        """Ask last what a detector found empty, as another program may have imported meanwhile."""
        if (state := stat_of(self.stage.detections)) != self._detections_state:
            self._detections_state = state
            if (empty := empty_photos(self.stage)) != self._knowledge.last:
                self._knowledge.ask_last(empty)

    def follow_photos(self) -> bool:
        """List the photos again if any was added, removed or replaced. Whether that is so, or the folder came or went.

        Raises `StageError` for a stage without photos.
        """
        with self._watching:
            is_there = has_photos(self.stage.folder)
            if is_there != self._was_there:  # `prepare` says that it is gone, or goes on
                self._was_there = is_there
                self._knowledge.changed()
            elif not (is_there and self._photos_on_disk and self._photos_on_disk.have_changed()):
                return False
            self._must_prepare = True
            if is_there:
                self._list_again()
            return True

    def _listed(self) -> Listing:
        """List the photos. Raws that are known to be of another moment than the photo of their name are photos."""
        return list_photos(self.stage, self._moments.apart)

    def _list_by_times(self, progress: Progress = silent, stop: Stop = never) -> Listing:
        """List the photos again, once the times of raws and of the photos of their names are known."""
        with self._watching:
            listing = self._list_again()
        if self._are_apart(listing, progress, stop):
            with self._watching:
                listing = self._list_again()
        return listing

    def _are_apart(self, listing: Listing, progress: Progress = silent, stop: Stop = never) -> bool:
        """Whether raws in this listing are of another moment than their photos; reads times that are unknown."""
        return self._moments.read(raw_pairs(listing.companions), progress=progress, stop=stop)

    def _list_again(self) -> Listing:
        listing, before = self._listed(), self._photos_on_disk
        self._labels.settle_names()
        self._photos_on_disk = PhotosOnDisk(listing, self.stage.paths(listing.keys))
        self._knowledge.list_again(listing, self._photos_on_disk.replaced_since(before) if before else {})
        return listing

    def _check_it_is_there(self) -> None:
        """Raise `StageError` if the photos of the stage are gone; `follow_photos` then waits until they are back."""
        if not has_photos(self.stage.folder):
            self._was_there = self._must_prepare = False
        self.check_folder()

    def fill_cache(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Filled:
        """Fill the cache with the embeddings of all photos, in bounded memory. `prepare` adds scores."""
        source = self._knowledge.source
        if source is None or self._knowledge.is_stale:
            encoder = choose_encoder(self.stage, self._model, self.task, self._scores)
        else:
            encoder = source.encoder
        paths = self.stage.paths(self._list_by_times(progress, stop).keys)
        return embeddings.fill(paths, encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop)

    def fill_on_cluster(
        self,
        address: str | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Filled:
        """`fill_cache` on a Ray cluster, see `cluster.fill`. This process computes what the workers missed."""
        from ..encoding import cluster

        named = self._model if isinstance(self._model, str | None) else load_encoder(self._model).reference
        load = partial(_encoder_of, self.stage, named or self._model, self.task, self._scores)
        paths = list(self.stage.paths(self.listing.keys).values())
        computed = cluster.fill(
            paths, load(), load, self._cache_dir, address, batch_size=batch_size, progress=progress, stop=stop
        )
        filled = self.fill_cache(batch_size=batch_size, progress=progress, stop=stop)
        return filled._replace(found=filled.found - computed, computed=filled.computed + computed)

    def make_previews(
        self, side: int, most: int | None = None, *, progress: Progress = silent, stop: Stop = never
    ) -> None:
        """Make the previews of all photos, or of the first `most`, in queue order. Raises `Cancelled`."""
        now = self.standing(wait=False)
        keys = islice(chain((key for key, _ in now.ranking.queue("uncertain")), now.listing.keys), most)
        self.previews.make(map(self.stage.path, dict.fromkeys(keys)), side, progress=progress, stop=stop)

    def next(self) -> Photo | None:
        """The next photo to ask about, skipped ones last; None when all are labeled. One in eight is a blind check."""
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
        """Lease to a visitor the first `count` photos of a queue that no other visitor is being shown.

        `first` (prefetched keys) come before all others, `last` (passed keys) after them. A lease ends with the answer,
        or two minutes after the last offer. `now`: the standing to choose from, by default the current one, which has
        the last scores while another thread fits. Raises `StageError` for an unknown queue.
        """
        check_queue(queue, self.task)
        return self._visitors.offer(now or self.standing(wait=False), visitor, queue, count, first, last)

    def withhold(self, keys: Collection[str]) -> None:
        """Score these photos but never ask about them: a held-out set for measurements."""
        self._knowledge.withhold(keys)

    def leave(self, visitor: str) -> None:
        """Release the photos of a visitor whose page closed, except those on sheets."""
        self._visitors.leave(visitor)

    def visitors(self, but: str = "") -> int:
        """Number of people or tabs that are being shown photos, without the visitor named `but`."""
        return self._visitors.count(but)

    def once(self, visitor: str, number: int, work: Callable[[], Any]) -> Any:
        """Run `work` once per press of a visitor; return None for a duplicate press."""
        return self._visitors.once(visitor, number, work)

    def unlike(self) -> Photo | None:
        """The unlabeled photo least similar to the labeled ones; None while unprepared or if there is none."""
        return unlike(self.standing(wait=False))

    def similar(self, key: str, count: int = 3) -> list[Similar]:
        """Up to `count` kept and `count` culled photos most like this one, closest first; empty while unprepared."""
        key = self.check(key)
        return similar(self.standing(wait=False), key, count)

    def exposure(self, key: str) -> dict[str, str]:
        """Camera settings, what is shown of a raw, and damage, as text; empty for links out of the stage."""
        key = self.check(key)
        path = self.stage.path(key)
        return photos.exposure(path) if path.resolve().is_relative_to(self.stage.folder.resolve()) else {}

    def photo(self, key: str) -> Photo:
        """One photo with its score and answer. Raises `StageError` for an unknown key."""
        return self.standing(wait=False).photo(self.check(key))

    def answer(self, key: str, label: str, queue: str | None = None, source: str = "api") -> None:
        """Record `keep` or `cull`, or a label of the task; the latest answer counts.

        `queue`: the queue it was asked in; by default the queue `next` or `offer` took it from. A photo whose first
        answer was a blind check only measures and never trains. `source`: who gave it, see `journal`. Raises
        `StageError`, `LabelsError`, `StorageError`.
        """
        key = self.check(key)
        self.answer_all([key], label, self._visitors.asked_in(key) if queue is None else queue, source)

    def answer_all(self, keys: Sequence[str], label: str, queue: str | None = None, source: str = "api") -> None:
        """Record the same answer for many photos, all or none. Raises like `answer`."""
        self.answer_each(dict.fromkeys(keys, label), queue, source)

    def answer_each(self, labels: Mapping[str, str], queue: str | None = None, source: str = "api") -> None:
        """Record answers to many photos, `labels`: key → label, all or none. Raises like `answer`."""
        if queue is not None:
            check_queue(queue, self.task)
        self.check_folder()
        labels = {self._key(name): label for name, label in labels.items()}
        keys = list(labels)
        self._labels.answer_each(labels, queue, source, self._belonging.content_ids(keys))
        self._visitors.answered(keys, self._knowledge.answered().number)

    def sheet(
        self, visitor: str, threshold: float = 0.5, count: int = SHEET_SIZE, first: Sequence[str] = ()
    ) -> list[Photo]:
        """Lease blind checks to answer as a contact sheet, in key order: mostly photos to be culled at `threshold`.

        Their order says nothing of their scores. `first`: those already on the visitor's sheets, which stay. Answer
        them with `answer_sheet`.
        """
        now = self.standing(wait=False)
        photos = self._visitors.lease(now, visitor, now.ranking.sheet(threshold), SHEET, count, first)
        return sorted(photos, key=lambda photo: photo.key)

    def looks(
        self,
        visitor: str,
        threshold: float,
        until: float = 0.5,
        count: int = SHEET_SIZE,
        first: Sequence[str] = (),
    ) -> list[Photo]:
        """Lease photos to look at before a cull, those that score from `threshold` to below `until`, likeliest keepers
        first. `first`: as for `sheet`. Answer them with `answer_sheet`.
        """
        now = self.standing(wait=False)
        return self._visitors.lease(now, visitor, now.ranking.looks(threshold, until), LOOK, count, first)

    def asked_again(self, visitor: str) -> Photo | None:
        """A photo whose answer on a sheet is to be asked again, in full size; None if there is none."""
        now = self.standing(wait=False)
        return next(iter(self._visitors.lease(now, visitor, now.asked_again(), AGAIN, 1)), None)

    def release(self, visitor: str, queue: str) -> None:
        """End a visitor's leases of sheets, looks, or photos asked again: `queue` is `sheet`, `look` or `again`."""
        self._visitors.lease(self.standing(wait=False), visitor, (), queue, 0)

    def answer_sheet(self, labels: Mapping[str, str], queue: str = SHEET, source: str = "api") -> None:
        """Record the answers of a whole sheet in one step: key → label. `queue`: `sheet`, `look` or `again`.

        Answers of sheets measure and never train; those of looks do neither. A photo of a sheet that got an answer
        meanwhile keeps it: a mark that is missing on a sheet says less than an answer. Raises like `answer`.
        """
        check_sheet(queue)
        self.check_folder()
        labels = {self._key(name): label for name, label in labels.items()}
        contents = self._belonging.content_ids(list(labels))
        self._labels.answer_each(labels, queue, source, contents, only_new=labels if queue != AGAIN else ())
        self._visitors.answered(labels, self._knowledge.answered().number)

    def answer_burst(self, keep: str, cull: Sequence[str], asked_in: Mapping[str, str], source: str = "api") -> None:
        """Keep one frame of a burst and cull others, in one step. Others that got an answer meanwhile keep it.

        `asked_in`: key → queue, of the frame that was asked: a blind check stays one. The others count as picked by a
        person even where they are out as blind checks, as on the Review screen. Raises like `answer`.
        """
        self.standing(wait=False).only_culls()
        for queue in asked_in.values():
            check_queue(queue, self.task)
        self.check_folder()
        keep = self._key(keep)
        others = [key for key in map(self._key, cull) if key != keep]
        labels = {keep: KEEP, **dict.fromkeys(others, CULL)}
        contents = self._belonging.content_ids(list(labels))
        self._labels.answer_each(labels, None, source, contents, only_new=others, asked_in=asked_in)
        self._visitors.answered(labels, self._knowledge.answered().number)

    def blind(self) -> set[str]:
        """The photos that are out as blind checks."""
        return self._visitors.blind()

    def skip(self, key: str, source: str = "api") -> None:
        """Move a photo to the end of every queue."""
        key = self.check(key)
        self._labels.skip(key, self._visitors.asked_in(key), source, self._belonging.content_ids([key]).get(key, ""))
        self._visitors.skipped(key, self._knowledge.answered().number)

    def undo(self, key: str | None = None) -> Answer | None:
        """Undo and return the last answer or skip, of photo `key` if given; None if there is none."""
        if key is None:
            return next(iter(self.undo_all([])), None)
        key = self.check(key)
        undone = self._labels.undo(key)
        self._knowledge.answered()
        return undone

    def undo_all(self, keys: Sequence[str]) -> list[Answer]:
        """Undo what was answered in one step to photos of `keys`, as by `answer_all`; without any, the last answer or
        skip. What others answered to them since stays.
        """
        self.check_folder()
        undone = self._labels.undo_all(list(map(as_key, keys)))
        self._knowledge.answered()
        return undone

    def take_back(self, source: str) -> list[Answer]:
        """Undo the answers that came from `source`, see `journal`, and that nobody changed since."""
        self.check_folder()
        undone = self._labels.take_back(source)
        self._knowledge.answered()
        return undone

    def answer_times(self, source: str = "page") -> list[float]:
        """When photos got their answers from `source`, see `journal`, in seconds since 1970."""
        self._knowledge.look()
        return self._labels.times(source)

    def sources(self) -> dict[str, str | None]:
        """Key → who gave its answer, see `journal`; None if unknown."""
        self._knowledge.look()
        return self._labels.sources()

    def contents(self, keys: Collection[str], *, progress: Progress = silent, stop: Stop = never) -> dict[str, str]:
        """Key → content id, of the photos that can be read. Those that were embedded and are unchanged aren't read."""
        return self._belonging.read(self.stage.paths(keys), progress, stop)

    def order(self, n: int | None = None) -> list[Photo]:
        """The `n` unlabeled photos (default: all) with the least certain scores, least certain first.

        `next` instead picks the most informative photo (uncertain and representative), and sometimes a blind check.
        """
        return self.standing().order(n)

    def survey(self) -> list[Photo]:
        """Every photo of the stage, in key order."""
        return self.standing().survey()

    def moments(self) -> dict[str, tuple[int, float]]:
        """Photo with an embedding → (burst number, chronological; capture time in seconds, NaN if unknown)."""
        return self.standing(wait=False).moments()

    def damaged(self) -> tuple[str, ...]:
        """Photos with an embedding whose file lacks its end: shown and scored as far as they go."""
        return self.standing(wait=False).damaged()

    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets, whose frames belong together."""
        return self.standing(wait=False).brackets()

    def unreadable(self) -> dict[str, str]:
        """Key → reason, for photos known to be unreadable."""
        ranker = self._knowledge.frame.ranker
        return dict(ranker.seen.unreadable) if ranker else {}

    def labels(self) -> dict[str, str]:
        """Key → label, ordered by first answer."""
        return self._labels.as_dict()

    def strays(self) -> dict[str, str]:
        """Label → why it is ignored, for labels of photos that are not in the stage; they stay in the file."""
        frame, known = self._knowledge.frame, self._labels.strays
        return {key: known.get(key, "there is no such photo") for key in self.labels() if key not in frame.keys}

    def counts(self) -> Counts:
        """Numbers of photos, in total and by answer."""
        answers, frame = self._knowledge.look(), self._knowledge.frame
        return counted(answers.task, frame.listing, frame.keys, answers, self.unreadable())

    def scores(self, threshold: float = 0.5) -> list[Decision]:
        """p_keep, decision and reason for every photo, in key order.

        Raises `NotEnoughLabels` if unlabeled photos have no scores.
        """
        return self._prepared_standing().scores(threshold)

    def predictions(self) -> list[Prediction]:
        """What is said of every photo in a task other than keep or cull, in key order; see `Standing.predictions`."""
        return self._prepared_standing().predictions()

    def promise(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Promise | None:
        """Bound on the keepers that a cull at this threshold loses; None without scores."""
        return self.standing().promise(threshold, max_keepers_lost, confidence)

    def measures(self, confidence: float = CONFIDENCE) -> ClassMeasures | None:
        """Accuracy, and precision and recall of every class or tag, on the blind checks; None without scores."""
        return self.standing().class_measures(confidence)

    def cheapest_way(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Way | None:
        """What to cull unseen, to look at and to check for the promise in the least time; see `Standing`."""
        return self.standing().cheapest_way(threshold, max_keepers_lost, confidence)

    def learning_curve(self) -> list[Point]:
        """Accuracy and agreement of the scores after every few answers, measured on the blind checks."""
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
        prepare: bool = True,
        unasked: bool = False,
        **named_options: Any,
    ) -> train.Training:
        """Fine-tune on the answers so far, then score with the new model; without `prepare`, the next `prepare` does
        that, and scores stay those of before until then. If `unasked`, a cull may go by these, too.

        Starts from the model given to the session, otherwise from the base model of the stage's trained model.
        Options by name: epochs, batch_size, learning_rate, patience, validation_split, seed, train_blocks, and gentle,
        which changes the defaults of the others.
        In multi-process training, only the main process loads the new scores.
        """
        self.check_folder()
        answers = self._knowledge.look()
        labels = {key: label for key, label in answers.training.items() if key in self._knowledge.frame.keys}
        base = self._model
        if base is None and self._knowledge.source:
            base = self._knowledge.source.base
        encoder = load_encoder(base)
        parts_of(encoder)  # raises before anything is touched
        before = model_state(self.stage)
        try:
            done = train.train(
                self.stage,
                encoder,
                labels,
                replace(options, **named_options) if options else options_of(**named_options),
                task=answers.task,
                progress=progress,
                on_epoch=on_epoch,
                stop=stop,
                burst_of=self._bursts() or None,
            )
        finally:  # a run that stops or fails may already have replaced the model file
            if model_state(self.stage) != before:
                self._knowledge.outdate(may_count=unasked)
        if processes.is_helper() or not prepare:
            return done
        with suppress(Cancelled):  # training is done; the next `prepare` computes its scores
            self.prepare(progress=progress, stop=stop)
        return done

    def _bursts(self) -> dict[str, int]:
        """Photo → burst number; empty until all photos have embeddings."""
        return {key: burst for key, (burst, _) in self.moments().items()} if self._knowledge.frame.is_whole else {}

    def plan_cull(self, threshold: float = 0.5, *, prepare: bool = True) -> Plan:
        """The plan that `cull` would carry out. Photos that are not analyzed yet are first, if `prepare`. Raises
        `StageError` if they aren't, and for a task other than keep or cull.
        """
        self.check_folder()
        self.standing(wait=False).only_culls()
        if not self._is_as_analyzed():
            if not prepare:
                raise StageError("What a cull would keep is known once all photos are analyzed.")
            self.prepare()
        now = self.standing()
        known = KnownContents(self.stage, now.listing, self._cache_dir)
        plan = make_plan(self.stage, now.scores(threshold), now.listing, threshold, now.source, known.of)
        plan = make.openable(plan)
        return replace(plan, revision=now.revision, note_links=known.note_links)

    def _is_as_analyzed(self) -> bool:
        """Whether all photos are analyzed, and none was added, removed or replaced since. If any was, the next
        `follow_disk` says so.
        """
        if not self.prepared:
            return False
        listing = self._listed()
        if not (self._are_apart(listing) or self._differs(listing)):
            return True
        self._must_prepare = True
        return False

    def _differs(self, listing: Listing) -> bool:
        """Whether a photo was added, removed or replaced since the last listing. One `stat` each."""
        before = self._photos_on_disk
        if before is None or listing != self.listing:
            return True
        return bool(PhotosOnDisk(listing, self.stage.paths(listing.keys)).replaced_since(before))

    def is_current(self, plan: Plan) -> bool:
        """Whether `plan_cull` would make the same plan now: same answers, scores and photos."""
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
        """The training that was killed before it finished, if any."""
        return interrupted(self.stage)

    def interrupted_cull(self) -> bool:
        """Whether a cull was killed before it finished."""
        return make.interrupted(self.stage)

    def cull_to_undo(self) -> Stage | None:
        """The next stage, if a cull made it and it looks unchanged. A quick check, without reading photos."""
        return self.stage.next if undo.seems_unchanged(self.stage.next) else None

    def undo_cull(self, *, progress: Progress = silent) -> Path:
        """Move the next stage aside and return its new path. Raises `CullRefused` if it changed since the cull."""
        return undo.undo_cull(self.stage.next, progress=progress)

    def _prepared_standing(self) -> Standing:
        if not self.prepared:
            self.prepare()
        return self.standing()

    def check(self, key: str) -> str:
        """The key in its one spelling. Raises `StageError` for an unknown one, or if all photos are gone."""
        self.check_folder()
        return self._key(key)

    def _key(self, name: str) -> str:
        frame = self._knowledge.frame
        return name if name in frame.keys else known_key(name, frame.listing.keys, self.stage.folder)

    def check_folder(self) -> None:
        """Raise `StageError` if the photos of the stage are gone, all of them."""
        check_photos(self.stage, self._knowledge.photos)


def _encoder_of(stage: Stage, model: Model, task: Task, scores: str) -> Encoder:
    """A module-level function, so that cluster workers can unpickle it."""
    return choose_encoder(stage, model, task, scores)


def open_session(
    project: str | Path | Stage,
    stage: int | None = None,
    model: Model = None,
    cache_dir: str | Path | None = None,
    *,
    task: str | Task = CULL_TASK.name,
    classes: Sequence[str] = (),
    tags: Sequence[str] = (),
    start: str | Path | None = None,
    scores: str = AUTO,
    prepare: bool = True,
    progress: Progress = silent,
) -> Session:
    """Open a stage (the latest by default) for labeling, scoring, training and culling.

    `project`: its folder, or a `Stage`, which is taken as it is.
    `model`: a name, see `load_encoder`, or an encoder of one's own, see `own`. `task`: what is asked of every photo, by
    default keep or cull; see `settings.open_task` for `classes` and `tags`. A `Task` is taken as it is, and not kept in
    the settings. `start`: another project, whose answers are the first guess from now on. `scores`: `head` for a
    logistic regression on the frozen transformer, `model` for the trained one, `average` for their mean, `auto` for
    what the last training found best. Missing embeddings are computed first, unless `prepare` is false. Raises
    `ImlcullError`.
    """
    folder = absolute(cache_dir) if cache_dir else DEFAULT_CACHE_DIR
    opened = project if isinstance(project, Stage) else open_stage(project, stage)
    asked = task if isinstance(task, Task) else open_task(opened.project, task, classes, tags)
    if start is not None:
        start_from(opened.project, absolute(start))
    session = Session(replace(opened, task=asked.name), model, folder, asked, scores)
    if prepare:
        session.prepare(progress=progress)
    else:
        session.listing  # noqa: B018 - raises for an empty stage
    return session
