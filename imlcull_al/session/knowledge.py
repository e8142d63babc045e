"""The mutable state behind `Standing`: replaced as a whole on each change, fitted by one thread at a time.

Two locks, acquired in this order: `_fitting`, then `_lock` for the fields. No fit runs under `_lock`, so recording an
answer never waits for another visitor's scores.
"""

import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ..learning.queues import Ranker, Ranking
from ..learning.scores import Source
from ..project.labels import Answers, Labels
from ..project.listing import Listing
from ..project.originals import State
from ..project.stages import Stage
from .standing import Standing
from .watch import News


class Frame(NamedTuple):
    """State independent of the answers. Until photos are embedded, `ranker` is None and `source` may be; meanwhile it
    knows the part that is there.
    """

    listing: Listing
    keys: frozenset[str]
    source: Source | None
    ranker: Ranker | None
    withheld: frozenset[str]

    @property
    def is_whole(self) -> bool:
        """Whether all readable photos have an embedding."""
        return self.ranker is not None and not self.ranker.unseen


class _Ranked(NamedTuple):
    """A ranking with the frame and revision it was made from."""

    frame: Frame
    revision: str
    ranking: Ranking


class Knowledge:
    """The listing, score source, embeddings and answers of a stage. Thread-safe."""

    def __init__(self, stage: Stage, labels: Labels, listed: Callable[[], Listing]) -> None:
        """Start with the answers only; `learn` adds the rest. `listed`: lists the photos."""
        self.stage, self.labels, self._listed = stage, labels, listed
        self.source: Source | None = None
        self.is_stale = True
        """Whether the model file is newer than the scores."""
        self.may_be_stale = False
        """Whether stale scores count until new ones of all photos are there."""
        self.versions: dict[str, State] = {}
        """State of each photo that was replaced since the session began: browsers must not show the old picture."""
        self.waits = ""
        """What new photos wait for, as a sentence; empty while they are analyzed or there are none."""
        self.last: frozenset[str] = frozenset()
        """Photos that are asked last; see `detections`."""
        self._news = News()
        self._frame: Frame | None = None
        self._answers = labels.now()
        self._revision = secrets.token_hex(8)
        self._ranked: _Ranked | None = None
        self._fitting = threading.Lock()
        self._lock = threading.RLock()

    @property
    def frame(self) -> Frame:
        """State independent of the answers. Lists the photos lazily; raises `StageError` for an empty stage."""
        with self._lock:
            if self._frame is None:
                listing = self._listed()
                self._frame = Frame(listing, frozenset(listing.keys), None, None, frozenset())
            return self._frame

    @property
    def photos(self) -> int:
        """How many photos are known, without a listing those with an answer."""
        return len(self._frame.keys if self._frame else self._answers.labels)

    @property
    def revision(self) -> str:
        """Changes with every answer, score and photo, and differs between processes."""
        return self._revision

    @property
    def is_prepared(self) -> bool:
        """Whether all photos have embeddings, so that all of them can be scored."""
        return self._frame is not None and self._are_scored(self._frame)

    def _are_scored(self, frame: Frame) -> bool:
        return frame.is_whole and (self.may_be_stale or not self.is_stale)

    def look(self) -> Answers:
        """Read answers from other programs. Returns all answers."""
        return self._take(self.labels.look())

    def answered(self) -> Answers:
        """Read answers recorded by this program. Returns all answers."""
        return self._take(self.labels.now())

    def outdate(self, *, may_count: bool = False) -> None:
        """Note that the model file is newer than the scores. `may_count`: the scores count until there are new ones."""
        if not self.is_stale:
            self.is_stale, self.may_be_stale = True, may_count

    def learn(self, listing: Listing, source: Source, ranker: Ranker) -> None:
        """Replace photos, source and embeddings atomically. `ranker`: for all photos or the part that is embedded."""
        with self._lock:
            withheld = self._frame.withheld if self._frame else frozenset()
            self._frame = Frame(listing, frozenset(listing.keys), source, ranker, withheld)
            self.source, self._ranked = source, None
            self.is_stale = self.may_be_stale = False
            self.changed()

    def list_again(self, listing: Listing, replaced: Mapping[str, State]) -> None:
        """Replace the photos. New ones have no embedding yet; the others keep theirs, also `replaced` ones for now."""
        before, keys = self._frame, frozenset(listing.keys)
        if before and before.listing == listing and not replaced:
            return
        source, ranker, withheld = before[2:] if before else (None, None, frozenset[str]())
        after = Frame(listing, keys, source, ranker and ranker.among(listing.keys), withheld)
        with self._lock:
            if self._frame is before:
                self._frame, self._ranked = after, None
                self.versions = {**self.versions, **replaced}
                if before:
                    self._news.tell(before.keys, keys, frozenset(replaced))
                self.changed()
                return
        self.list_again(listing, replaced)  # embeddings came meanwhile

    @property
    def news(self) -> str:
        """The latest events in the label files and among the photos worth telling a person; empty if there are none."""
        photos = self._news.text
        return " ".join(filter(None, (photos, photos and self.waits, self.labels.notices)))

    def withhold(self, keys: Collection[str]) -> None:
        """Score these photos but never ask about them."""
        with self._lock:
            self._frame, self._ranked = self.frame._replace(withheld=frozenset(keys)), None
            self.changed()

    def ask_last(self, keys: Collection[str]) -> None:
        """Ask about these photos after all others."""
        with self._lock:
            self.last = frozenset(keys)
            self.changed()

    def changed(self) -> None:
        """Start a new revision."""
        self._revision = secrets.token_hex(8)

    def standing(self, *, wait: bool = True) -> Standing:
        """The current snapshot. While another thread fits, `wait` for it, or pair the last scores with new answers."""
        self.look()
        frame, revision, ranking = self._rank(wait)
        source = frame.source or self.source
        answers = self._answers
        if wait or answers.task != ranking.task:  # answers with a new class go with scores that know it
            answers = ranking.answers
        return Standing(
            stage=self.stage,
            task=ranking.task,
            listing=frame.listing,
            keys=frame.keys,
            answers=answers,
            ranking=ranking,
            revision=revision,
            prepared=self._are_scored(frame),
            source=source.description if source else "",
            notice=source.notice if source else "",
            news=self.news,
            versions=self.versions,
        )

    def _take(self, answers: Answers) -> Answers:
        with self._lock:
            if answers.number > self._answers.number:
                self._answers = answers
                self.changed()
            return self._answers

    def _rank(self, wait: bool) -> _Ranked:
        if last := self._ranked_at(self._revision):
            return last
        last = self._ranked
        if not self._fitting.acquire(blocking=wait or last is None):
            assert last is not None
            return last
        try:
            with self._lock:
                frame, answers, revision = self.frame, self._answers, self._revision
            done = self._ranked_at(revision)
            if done is None and last is None and not wait:
                done = self._ranked  # another thread fitted meanwhile; the next caller fits later answers
            if done:
                return done
            ranker, keys, withheld, last_ones = frame.ranker, frame.listing.keys, frame.withheld, self.last
            if ranker:
                ranker = ranker.asking(answers.task)
                ranking = ranker.rank(answers, withheld, last_ones)
            else:
                ranking = Ranking(keys, answers, None, withheld, answers.task, last_ones)
            after = frame if ranker is frame.ranker else frame._replace(ranker=ranker)
            ranked = _Ranked(after, revision, ranking)
            with self._lock:
                if frame is self._frame:
                    self._frame, self._ranked = after, ranked
            return ranked
        finally:
            self._fitting.release()

    def _ranked_at(self, revision: str) -> _Ranked | None:
        with self._lock:
            return self._ranked if self._ranked and self._ranked.revision == revision else None
