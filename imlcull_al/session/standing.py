"""What is known about a stage at one moment, as one immutable value: photos, answers, scores, queues, counts.

A reply to a page is made from one `Standing`, so that all its numbers belong together. It is never changed; the session
makes another one. Independent of who is shown what, and of the disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from ..culling.plan import Decision, decide
from ..encoding.embeddings import Embeddings
from ..errors import CullRefused, NotEnoughLabels, StageError
from ..learning.promise import CONFIDENCE, MAX_KEEPERS_LOST, Point, Promise, curve_of, promise_of, threshold_of
from ..learning.queues import Ranking
from ..learning.scores import without_scores
from ..project.labels import AUDIT, KEEP, LABELS, Answers
from ..project.listing import Listing
from ..project.stages import Stage


@dataclass(frozen=True)
class Photo:
    """A photo as it is shown. `p_keep` is None while there is no score, `label` while there is no answer.

    `queue`: the queue it is asked in, None where it is only shown. A blind check has no `p_keep` until it is answered.
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


@dataclass(frozen=True, eq=False)
class Standing:
    """One moment of a stage.

    `answers`: all of them. `ranking`: queues and scores, fitted to `answers`, or to earlier ones while another thread
    fits. `keys`: the photos of `listing`, for lookups. `revision`: changes with every answer, score and photo.
    `prepared`: whether embeddings exist, so that answers re-order the queues. `source`: what gives the scores.
    `notice`: what to show beside them. `news`: what happened to the labels' files. Sentences, empty for nothing.
    """

    stage: Stage
    listing: Listing
    keys: frozenset[str]
    answers: Answers
    ranking: Ranking
    revision: str
    prepared: bool
    source: str
    notice: str
    news: str

    @property
    def seen(self) -> Embeddings | None:
        """The embeddings of all photos; None while unprepared."""
        return self.ranking.ranker.seen if self.ranking.ranker else None

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Key → reason of the photos that can't be shown, as far as known."""
        return self.seen.unreadable if self.seen else {}

    @cached_property
    def counts(self) -> Counts:
        """How many photos there are, and how many have which answer."""
        labels = self.answers.labels
        here = [label for key, label in labels.items() if key in self.keys]
        keep, culled = (here.count(label) for label in LABELS)
        unreadable = sum(key not in labels for key in self.unreadable)
        return Counts(len(self.listing.keys), keep, culled, unreadable, len(labels) - len(here))

    def photo(self, key: str) -> Photo:
        """One photo. Raises `StageError` for a key that the stage doesn't hold."""
        self.check(key)
        return Photo(key, self.stage.path(key), self.ranking.score(key), self.answers.labels.get(key))

    def photos(self, keys: Sequence[str]) -> list[Photo]:
        """Photos in this order."""
        labels, score, path = self.answers.labels, self.ranking.score, self.stage.path
        return [Photo(key, path(key), score(key), labels.get(key)) for key in keys]

    def survey(self) -> list[Photo]:
        """Every photo of the stage, in key order."""
        return self.photos(self.listing.keys)

    def asked(self, asked_in: Mapping[str, str]) -> list[Photo]:
        """Photos as they are asked about: key → queue. A blind check hides its score until it is answered."""
        photos = [replace(photo, queue=asked_in[photo.key]) for photo in self.photos(list(asked_in))]
        return [replace(each, p_keep=None) if each.queue == AUDIT and each.label is None else each for each in photos]

    def next(self) -> Photo | None:
        """The photo to ask about now, skipped ones last; None when all are labeled."""
        asked_in = dict(islice(self.ranking.queue("uncertain"), 1))
        return next(iter(self.asked(asked_in)), None)

    def order(self, n: int | None = None) -> list[Photo]:
        """The `n` unlabeled photos (default: all) whose scores are least certain, those first."""
        most = len(self.listing.keys)
        return self.photos(list(islice(self.ranking.most_uncertain(), most if n is None else max(0, min(n, most)))))

    def changed_since_ranking(self) -> set[str]:
        """Photos answered or skipped since the ranking was fitted."""
        before, answers = self.ranking.answers, self.answers
        if before is answers:
            return set()
        changed = {key for key, label in answers.labels.items() if before.labels.get(key) != label}
        return changed | {*answers.skipped} - {*before.skipped} | answers.confirmed - before.confirmed

    def moments(self) -> dict[str, tuple[int, float]]:
        """Readable photo → its burst's number, chronological, and its time in seconds (NaN for unknown).

        Empty while unprepared.
        """
        ranker = self.ranking.ranker
        if ranker is None:
            return {}
        bursts, taken = ranker.bursts.tolist(), ranker.seen.taken.tolist()
        return dict(zip(ranker.seen.keys, zip(bursts, taken, strict=True), strict=True))

    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets: their frames belong together."""
        return list(self.ranking.ranker.brackets) if self.ranking.ranker else []

    def scores(self, threshold: float = 0.5) -> list[Decision]:
        """p_keep, decision and reason of every photo, in key order. Raises `NotEnoughLabels` while there are none."""
        seen, labels, p_keep = self.seen, self.answers.labels, self.ranking.p_keep
        if seen is None:
            raise self._without_scores(())
        if p_keep is None:
            if not all(key in labels for key in seen.keys):
                raise self._without_scores(seen.keys)
            p_keep = np.array([float(labels[key] == KEEP) for key in seen.keys])
        by_key = dict(zip(seen.keys, p_keep.tolist(), strict=True))
        return decide(by_key, labels, seen.unreadable, threshold)

    def promise(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Promise | None:
        """How many keepers a cull at this threshold loses at most; None while there are no scores.

        Raises `StageError` for numbers out of range.
        """
        if not (0 <= threshold <= 1 and 0 < max_keepers_lost < 1 and 0 < confidence < 1):
            raise StageError(
                f"A threshold of {threshold:g}, at most {max_keepers_lost:g} of the keepers lost, {confidence:g} "
                "confidence: choose numbers between 0 and 1, such as 0.5, 0.05 and 0.95."
            )
        promises, asked = self.ranking.promises, (threshold, max_keepers_lost, confidence)
        if asked not in promises:
            promises[asked] = promise_of(self.ranking, *asked)
        found: Promise | None = promises[asked]
        return found

    def learning_curve(self) -> list[Point]:
        """Accuracy and agreement of the scores after every few answers, as the blind checks measure them."""
        return curve_of(self.ranking)

    def threshold_for(self, max_keepers_lost: float, confidence: float = CONFIDENCE) -> float:
        """The largest threshold that loses at most this share of the keepers.

        Raises `CullRefused` with the number of keepers still missing where the checks support none, and
        `NotEnoughLabels`.
        """
        if not (0 < max_keepers_lost < 1 and 0 < confidence < 1):
            raise CullRefused(
                f"At most {max_keepers_lost:g} of the keepers lost, with {confidence:g} confidence: choose two shares "
                "between 0 and 1, such as 0.05 and 0.95."
            )
        found = threshold_of(self.ranking, max_keepers_lost, confidence)
        if found is None:
            raise without_scores(self.stage, self.answers.labels)
        if found.value is None:
            raise CullRefused(
                f"{found.keepers} keepers were found in the audit; to promise that at most {max_keepers_lost:.1%} are "
                f"lost ({confidence:.0%} confidence), about {found.missing} more must be found there, none of them "
                "with a low score. Answer photos of the audit queue first, or cull with a threshold of your own."
            )
        return found.value

    def check(self, key: str) -> None:
        """Raise `StageError` for a key that the stage doesn't hold."""
        if key not in self.keys:
            raise StageError(f"There is no photo {key!r} in {self.stage.folder}. Name one that `order` lists.")

    def queue(self, name: str, out: frozenset[str] | set[str] = frozenset()) -> Iterator[tuple[str, str]]:
        """As `Ranking.queue`."""
        return self.ranking.queue(name, out)

    def _without_scores(self, keys: Sequence[str]) -> NotEnoughLabels:
        labels = self.answers.labels
        return without_scores(self.stage, {key: labels[key] for key in keys if key in labels})
