"""One person's work on one stage: next, answer, undo, skip, and what follows from the answers.

The page, the command line and scripts all use this object. Answers are on the disk when `answer` returns.

    session = open_session("project")
    while photo := session.next():
        session.answer(photo.key, "keep" if looks_good(photo.path) else "cull")
    session.train()
    session.cull()
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from ..culling import make, undo
from ..culling.plan import Decision, KnownContent, Plan, decide, make_plan
from ..encoding import embeddings
from ..encoding.cache import ContentIds, as_hex
from ..encoding.embeddings import DEFAULT_BATCH_SIZE, Embeddings, Filled
from ..encoding.encoder import Encoder
from ..encoding.load import load_encoder
from ..errors import Cancelled, CullRefused, ModelFileError, StageError
from ..installation import DEFAULT_CACHE_DIR
from ..learning import orders, scores
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, Point, Promise, curve_of, promise_of, threshold_of
from ..learning.queues import Ranker, Ranking, check_queue
from ..learning.scores import Scorer, Source, choose_source
from ..photos import read as photos
from ..photos.previews import Previews
from ..progress import Progress, Stop, never, silent
from ..project.files import is_locked, sweep
from ..project.labels import AUDIT, KEEP, LABELS, Answer, Labels
from ..project.listing import Listing, list_photos
from ..project.originals import State, stat_of
from ..project.stages import Stage, absolute, lies_in_a_stage, open_stage
from ..training import processes, train
from ..training.options import Epoch, Options
from ..training.train import Interrupted
from .leases import Leases
from .watch import Photos as PhotosOnDisk
from .watch import model_state, next_state

_PRESSES = 1000
"""Of how many presses a visitor, and of how many visitors, it is remembered that they were taken."""


@dataclass(frozen=True)
class Photo:
    """A photo as it is shown. `p_keep` is None while there is no score, `label` while there is no answer.

    `queue`: what it is asked for, None where it is only shown. Of the audit nothing is told before its answer: p_keep
    is None.
    """

    key: str
    path: Path
    p_keep: float | None
    label: str | None
    queue: str | None = None


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


@dataclass(frozen=True)
class Similar:
    """An answered photo that looks like another one. `similarity`: cosine of the embeddings, −1 … 1."""

    key: str
    label: str
    similarity: float


class Session:
    """The answers, scores and order of one stage. Threads may share it.

    Three locks, never taken in another order than this: that of presses, that of the fit of the scores, and that of
    everything else, under which nothing is fitted. So nobody's answer waits for the scores of somebody else's.
    """

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
        self._listing: Listing | None = None
        self._known: frozenset[str] = frozenset()
        self._model = model
        self._cache_dir = cache_dir
        self._lock = threading.RLock()
        self._fitting = threading.Lock()
        self._pressing = threading.RLock()
        self._labels = Labels(stage)
        self._source: Source | None = None
        self._seen: Embeddings | None = None
        self._ranker: Ranker | None = None
        self._ranking: Ranking | None = None
        self._ranked = ""
        self._shown: dict[str, str] = {}
        self._withheld: frozenset[str] = frozenset()
        with suppress(ModelFileError):  # said by `prepare`; it must not stop the training that replaces the file
            self._source = choose_source(stage, model)
        self._model_is_new = self._source is None
        self._model_state = model_state(stage)
        self._next_state = next_state(stage)
        self._photos_on_disk: PhotosOnDisk | None = None
        self._revision = secrets.token_hex(8)
        self._leases = Leases()
        self._presses: dict[str, deque[int]] = {}

    def at(self, stage: Stage) -> "Session":
        """A session on another stage, with the same model and cache."""
        return Session(stage, self._model, self._cache_dir)

    @property
    def listing(self) -> Listing:
        """The photos of the stage as they were when it was last looked at. Raises `StageError` for an empty stage."""
        with self._lock:
            if self._listing is None:
                listing = list_photos(self.stage)
                self._known = frozenset(listing.keys)
                self._listing = listing  # last: who finds it there looks at the keys without the lock
            return self._listing

    @property
    def _keys(self) -> frozenset[str]:
        if self._listing is None:
            return frozenset(self.listing.keys)
        return self._known

    @property
    def notice(self) -> str:
        """What has to be said wherever a score is shown; empty for nothing."""
        return self._source.notice if self._source else ""

    @property
    def news(self) -> str:
        """What happened to the labels' files that a person should know, with its time; empty for nothing."""
        return self._labels.news

    @property
    def source(self) -> str:
        """Where scores come from, in a few words; empty while the model file can't be used."""
        return self._source.description if self._source else ""

    @property
    def prepared(self) -> bool:
        """Whether the embeddings are there, so that answers re-order the queue."""
        return self._seen is not None and not self._model_is_new

    @property
    def revision(self) -> str:
        """Another text after every change of answers or scores, and in every process: what was seen then holds now."""
        return self._revision

    def prepare(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Embeddings:
        """Find or compute the embeddings of all photos, those that came since the last look too.

        Answers may be given meanwhile, in another thread. Raises `Cancelled`; what was done is in the cache.
        """
        listing = list_photos(self.stage)
        paths = self.stage.paths(listing.keys)
        self._photos_on_disk = PhotosOnDisk(listing, paths)
        source = self._source
        if source is None or self._model_is_new:
            self._model_state = model_state(self.stage)  # before it is read: what comes later is news
            source = choose_source(self.stage, self._model)
        seen = embeddings.ensure(
            paths, source.encoder, self._cache_dir, batch_size=batch_size, progress=progress, stop=stop
        )
        ranker = Ranker(Scorer(source, seen), seen)
        are_same = self.prepared and source is self._source and listing == self._listing and seen.is_same(self._seen)
        with self._lock:  # scores, photos and embeddings change together
            if are_same:
                return seen  # what was worked out from these still holds
            self._known, self._listing = frozenset(listing.keys), listing
            self._source, self._seen, self._model_is_new = source, seen, False
            self._ranker, self._ranking = ranker, None
            self._changed()
        return seen

    def follow_disk(self, *, is_busy: bool = False) -> bool:
        """Look at what other programs changed on the disk; true where `prepare` is needed to follow.

        Cheap enough for every second. `is_busy`: a job of this session runs, whose own changes are no news. A model is
        left alone while it is being trained.
        """
        self._refresh()
        if next_state(self.stage) != self._next_state:
            self._next_state = next_state(self.stage)
            self._changed()
        if is_busy:
            return False
        is_other_model = model_state(self.stage) != self._model_state and not is_locked(self.stage.training_lock)
        if is_other_model:
            self._model_state, self._model_is_new = model_state(self.stage), True
        are_other_photos = self._photos_on_disk is not None and self._photos_on_disk.have_changed()
        return is_other_model or are_other_photos

    def fill_cache(
        self, *, batch_size: int = DEFAULT_BATCH_SIZE, progress: Progress = silent, stop: Stop = never
    ) -> Filled:
        """Have the cache hold the embeddings of all photos, in little memory; scores come with `prepare`."""
        source = choose_source(self.stage, self._model) if self._model_is_new or not self._source else self._source
        return embeddings.fill(
            self.stage.paths(self.listing.keys),
            source.encoder,
            self._cache_dir,
            batch_size=batch_size,
            progress=progress,
            stop=stop,
        )

    def fill_on_cluster(
        self,
        address: str | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        progress: Progress = silent,
        stop: Stop = never,
    ) -> Filled:
        """The same by the workers of a Ray cluster, see `cluster.fill`; what they leave is done here."""
        from ..encoding import cluster

        load = partial(_encoder_of, self.stage, self._model)
        paths = list(self.stage.paths(self.listing.keys).values())
        computed = cluster.fill(
            paths, load(), load, self._cache_dir, address, batch_size=batch_size, progress=progress, stop=stop
        )
        filled = self.fill_cache(batch_size=batch_size, progress=progress, stop=stop)
        return filled._replace(found=filled.found - computed, computed=filled.computed + computed)

    def make_previews(self, side: int, *, progress: Progress = silent, stop: Stop = never) -> None:
        """Make the previews of all photos ahead, those first that are asked about first. Raises `Cancelled`."""
        keys = dict.fromkeys([*(key for key, _ in self._now().queue("uncertain")), *self.listing.keys])
        self.previews.make([self.stage.path(key) for key in keys], side, progress=progress, stop=stop)

    def next(self) -> Photo | None:
        """The photo to ask about now, skipped ones last; None when all are labeled. One in eight is the audit's."""
        now = self._now()
        asked_for = dict(islice(now.queue("uncertain"), 1))
        return next(iter(self._asked(now, asked_for)), None)

    def offer(
        self,
        visitor: str,
        queue: str = "uncertain",
        count: int = 1,
        first: Sequence[str] = (),
        last: Sequence[str] = (),
    ) -> list[Photo]:
        """The first `count` photos of a queue that no other visitor is being shown; they are this visitor's now.

        Those of `first` (loaded ahead) come before all others, those of `last` (looked past) behind. An answer ends
        that, and so do two minutes without a new offer. While scores are being fitted for somebody else, the last ones
        order the queue. Raises `StageError` for an unknown queue.
        """
        check_queue(queue)
        now = self._now(wait=False)
        next(now.queue(queue), None)  # put in order now, and not while others wait for the lock
        with self._lock:
            gone = self._changed_since(now)
            held = dict.fromkeys(key for key in first if key not in gone and now.holds(queue, key))
            passed = dict.fromkeys(key for key in last if key not in {*held, *gone} and now.holds(queue, key))
            out = {*held, *self._leases.held_by_others(visitor, time.monotonic())}
            asked_for = {key: self._asked_before(key, queue) for key in (*held, *passed)}

            def others() -> Iterator[str]:  # lazily: of a million photos a page wants the first few
                for key, what in now.queue(queue, out):
                    if key not in held and key not in passed and key not in gone:
                        asked_for[key] = what
                        yield key

            keys = self._leases.take(visitor, chain(held, others(), passed), max(count, 0), time.monotonic())
            return self._asked(now, {key: asked_for[key] for key in keys})

    def _asked_before(self, key: str, queue: str) -> str:
        """What a photo that is being shown in a queue is asked for: what it was when it came."""
        before = self._shown.get(key)
        return AUDIT if queue == "uncertain" and before == AUDIT else queue

    def _changed_since(self, now: Ranking) -> set[str]:
        """Photos that were answered or skipped since these scores were fitted."""
        if self._ranked == self._revision and now is self._ranking:
            return set()
        then, answers = now.answers, self._labels.now()
        changed = {key for key, label in answers.labels.items() if then.labels.get(key) != label}
        return changed | {*answers.skipped} - {*then.skipped} | answers.confirmed - then.confirmed

    def withhold(self, keys: Collection[str]) -> None:
        """Never ask about these photos; they get scores all the same, so that these can be measured on them."""
        with self._lock:
            self._withheld, self._ranking = frozenset(keys), None
            self._changed()

    def visitors(self) -> int:
        """How many people or tabs are being shown photos now."""
        with self._lock:
            return self._leases.visitors(time.monotonic())

    def once(self, visitor: str, number: int, work: Callable[[], Any]) -> Any:
        """`work()`, or None when it was done for this visitor's press before: one that is sent twice counts once."""
        with self._pressing:
            done = self._presses.setdefault(visitor, deque(maxlen=_PRESSES))
            if number in done:
                return None
            result = work()
            done.append(number)
            while len(self._presses) > _PRESSES:
                del self._presses[next(iter(self._presses))]
            return result

    def unlike(self) -> Photo | None:
        """The unlabeled photo least like those labeled; None while unprepared, and where there are none of either."""
        with self._lock:
            ranker, labels = self._ranker, self._labels.as_dict()
            if ranker is None:
                return None
            row = ranker.scorer.row
            labeled = np.array([row[key] for key in labels if key in row], np.intp)
            is_other = np.ones(len(row), bool)
            is_other[labeled] = False
            if not (len(labeled) and is_other.any()):
                return None
            key = ranker.scorer.keys[orders.least_like(ranker.scorer.features.rows, labeled, np.flatnonzero(is_other))]
        return self.photo(key)  # outside: it may wait for a fit, which wants the lock

    def exposure(self, key: str) -> dict[str, str]:
        """What the camera noted about a photo, for people; empty for nothing, and for a link out of the stage."""
        self._check(key)
        path = self.stage.path(key)
        return photos.exposure(path) if path.resolve().is_relative_to(self.stage.folder.resolve()) else {}

    def similar(self, key: str, count: int = 3) -> list[Similar]:
        """Up to `count` kept and `count` culled photos most like this one, the closest first; none while unprepared."""
        self._check(key)
        ranker, labels = self._ranker, self._labels.as_dict()
        if ranker is None or key not in ranker.scorer.row:
            return []
        row, keys, units = ranker.scorer.row, ranker.scorer.keys, ranker.scorer.features.rows
        rows = sorted(row[other] for other in labels if other in row and other != key)
        cosines = units[rows] @ units[row[key]]
        closest = sorted(zip(-cosines, rows, strict=True))
        found = [Similar(keys[row], labels[keys[row]], float(-minus)) for minus, row in closest]
        return [each for label in LABELS for each in [one for one in found if one.label == label][:count]]

    def photo(self, key: str) -> Photo:
        """One photo with its score and its answer. Raises `StageError` for a key that the stage doesn't hold."""
        self._check(key)
        (photo,) = self._photos(self._now(wait=False), [key])
        return replace(photo, label=self._labels.as_dict().get(key))

    def answer(self, key: str, label: str, queue: str | None = None) -> None:
        """Record `keep` or `cull`; the latest answer counts. Raises `StageError`, `LabelsError`, `StorageError`.

        `queue`: the one it was shown in; by default that in which `next` or `offer` showed it. A photo whose first
        answer was one of the audit measures, and never trains.
        """
        self.answer_all([key], label, self._shown.get(key) if queue is None else queue)

    def answer_all(self, keys: Sequence[str], label: str, queue: str | None = None) -> None:
        """The same answer for many photos at once, all of them or none. Raises as `answer` does."""
        if queue is not None:
            check_queue(queue)
        for key in keys:
            self._check(key)
        self._labels.answer_all(keys, label, queue)
        with self._lock:
            for key in keys:
                self._leases.free(key)
                self._shown.pop(key, None)
            self._changed()

    def skip(self, key: str) -> None:
        """Put a photo behind all others."""
        self._check(key)
        self._labels.skip(key, self._shown.get(key))
        self._changed()

    def undo(self, key: str | None = None) -> Answer | None:
        """Take back the last answer or skip, of this photo if one is named, and return it; None when none is left."""
        if key is None:
            return next(iter(self.undo_all([])), None)
        self._check(key)
        taken_back = self._labels.undo(key)
        self._changed()
        return taken_back

    def undo_all(self, keys: Sequence[str]) -> list[Answer]:
        """Take back the last answer or skip, and those before it as long as they are to other photos of `keys`."""
        taken_back = self._labels.undo_all(keys)
        self._changed()
        return taken_back

    def order(self, n: int | None = None) -> list[Photo]:
        """The `n` photos without an answer (all by default) of which the scores are least sure, those first.

        `next` asks about what teaches most: uncertain photos that stand for others, and now and then one of the audit.
        """
        now = self._now()
        most = len(self.listing.keys)
        return self._photos(now, list(islice(now.most_uncertain(), most if n is None else max(0, min(n, most)))))

    def survey(self) -> list[Photo]:
        """Every photo of the stage, in key order."""
        return self._photos(self._now(), self.listing.keys)

    def moments(self) -> dict[str, tuple[int, float]]:
        """Photo → number of its burst, in the order of time, and when it was taken (seconds; NaN for unknown).

        Readable photos only; none while unprepared.
        """
        with self._lock:
            seen = self._seen
            if seen is None or self._ranker is None:
                return {}
            return dict(
                zip(seen.keys, zip(self._ranker.bursts.tolist(), seen.taken.tolist(), strict=True), strict=True)
            )

    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets: their frames belong together, and are no choice."""
        ranker = self._ranker
        return list(ranker.brackets) if ranker else []

    def unreadable(self) -> dict[str, str]:
        """Key → reason of the photos that can't be shown, as far as is known."""
        seen = self._seen
        return dict(seen.unreadable) if seen else {}

    def labels(self) -> dict[str, str]:
        """Key → `keep` or `cull`, in the order of the first answers."""
        return self._labels.as_dict()

    def counts(self) -> Counts:
        """How many photos there are, and how many have which answer."""
        self._refresh()
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
        now = self._now()
        assert now.ranker is not None  # prepared
        seen = now.ranker.seen
        labels, p_keep = now.answers.labels, now.p_keep
        if p_keep is None:
            if not all(key in labels for key in seen.keys):
                usable = {key: labels[key] for key in seen.keys if key in labels}
                raise scores.without_scores(self.stage, usable)
            p_keep = np.array([float(labels[key] == KEEP) for key in seen.keys])
        by_key = dict(zip(seen.keys, p_keep.tolist(), strict=True))
        return decide(by_key, labels, seen.unreadable, threshold)

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
        self._refresh()
        labels = {key: label for key, label in self._labels.now().training.items() if key in self._keys}
        base = self._model
        if base is None and self._source:
            trained = self._source.model
            base = trained.base_model if trained else self._source.encoder.reference
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
            self._model_is_new = True
        if processes.is_helper():
            return done
        with suppress(Cancelled):  # the training has ended well; its scores come with the next `prepare`
            self.prepare(progress=progress, stop=stop)
        return done

    def promise(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Promise | None:
        """How many keepers a cull at this threshold loses at most, from the audit; None while there are no scores."""
        if not (0 <= threshold <= 1 and 0 < max_keepers_lost < 1 and 0 < confidence < 1):
            raise StageError(
                f"A threshold of {threshold:g}, at most {max_keepers_lost:g} of the keepers lost, {confidence:g} "
                "confidence: choose numbers between 0 and 1, such as 0.5, 0.05 and 0.95."
            )
        now = self._now()
        asked = (threshold, max_keepers_lost, confidence)
        if asked not in now.promises:
            now.promises[asked] = promise_of(now, *asked)
        return now.promises[asked]

    def learning_curve(self) -> list[Point]:
        """How good the scores became, answer by answer, as the audit measures it."""
        now = self._now()
        return curve_of(now)

    def threshold_for(self, max_keepers_lost: float, confidence: float = CONFIDENCE) -> float:
        """The largest threshold at which at most this share of the keepers is lost.

        Raises `CullRefused` with the number of keepers that are missing where the audit supports none, and
        `NotEnoughLabels`.
        """
        if not (0 < max_keepers_lost < 1 and 0 < confidence < 1):
            raise CullRefused(
                f"At most {max_keepers_lost:g} of the keepers lost, with {confidence:g} confidence: choose two shares "
                "between 0 and 1, such as 0.05 and 0.95."
            )
        if not self.prepared:
            self.prepare()
        now = self._now()
        found = threshold_of(now, max_keepers_lost, confidence)
        if found is None:
            raise scores.without_scores(self.stage, now.answers.labels)
        if found.value is None:
            raise CullRefused(
                f"{found.keepers} keepers were found in the audit; to promise that at most {max_keepers_lost:.1%} are "
                f"lost ({confidence:.0%} confidence), about {found.missing} more must be found there, none of them "
                "with a low score. Answer photos of the audit queue first, or cull with a threshold of your own."
            )
        return found.value

    def plan_cull(self, threshold: float = 0.5) -> Plan:
        """What `cull` would do."""
        if list_photos(self.stage).keys != self.listing.keys or not self.prepared:
            self.prepare()  # photos came or went since they were looked at
        self._refresh()
        revision = self.revision  # before the scores: what changes meanwhile makes the plan an old one
        decisions = self.scores(threshold)
        plan = make_plan(self.stage, decisions, self.listing, threshold, self.source, self._known_content)
        return replace(plan, revision=revision)

    def is_current(self, plan: Plan) -> bool:
        """Whether a plan is still what `plan_cull` would make: of these answers, scores and photos."""
        self._refresh()
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

    def _photos(self, now: Ranking, keys: Sequence[str]) -> list[Photo]:
        """As they stood then."""
        labels = now.answers.labels
        return [Photo(key, self.stage.path(key), now.score(key), labels.get(key)) for key in keys]

    def _asked(self, now: Ranking, asked_for: Mapping[str, str]) -> list[Photo]:
        """Photos as they are asked about, each for what it is."""
        self._shown.update(asked_for)
        photos = [replace(photo, queue=asked_for[photo.key]) for photo in self._photos(now, list(asked_for))]
        return [
            replace(photo, p_keep=None) if photo.queue == AUDIT and photo.label is None else photo for photo in photos
        ]

    def _check(self, key: str) -> None:
        if not self.stage.folder.is_dir():
            raise StageError(f"The folder {self.stage.folder} is gone. Connect its disk again, or put it back.")
        if key not in self._keys:
            raise StageError(f"There is no photo {key!r} in {self.stage.folder}. Name one that `order` lists.")

    def _refresh(self) -> None:
        """Take over what another program, or an editor, has answered."""
        if self._labels.refresh():
            self._changed()

    def _changed(self) -> None:
        self._revision = secrets.token_hex(8)

    def _now(self, *, wait: bool = True) -> Ranking:
        """Scores and queues by the latest answers. One thread at a time works them out; while another does, `wait` for
        it, or take the last ones.
        """
        self._refresh()
        if last := self._ranking_by(self._revision):
            return last
        last = self._ranking
        if not self._fitting.acquire(blocking=wait or last is None):
            assert last is not None
            return last
        try:
            with self._lock:
                revision, ranker, keys, withheld = self._revision, self._ranker, self.listing.keys, self._withheld
            done = self._ranking_by(revision)
            if done is None and last is None and not wait:
                done = self._ranking  # somebody fitted the first ones meanwhile; whoever comes next fits newer ones
            if done:
                return done
            answers = self._labels.now()
            ranking = ranker.rank(answers, withheld) if ranker else Ranking(keys, answers, None, withheld)
            with self._lock:
                if ranker is self._ranker and withheld is self._withheld:
                    self._ranking, self._ranked = ranking, revision
            return ranking
        finally:
            self._fitting.release()

    def _ranking_by(self, revision: str) -> Ranking | None:
        with self._lock:
            return self._ranking if self._ranked == revision else None


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
