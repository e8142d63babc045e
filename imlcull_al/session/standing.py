"""An immutable snapshot of a stage: photos, answers, scores, queues and counts.

Each reply to a page is built from one `Standing`, so its numbers are consistent. Changes produce a new value.
Independent of visitors and of the disk.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from ..culling.plan import Decision, decide
from ..encoding.embeddings import Embeddings
from ..errors import CullRefused, NotEnoughLabels, StageError
from ..learning.promise import (
    CONFIDENCE,
    MAX_KEEPERS_LOST,
    ClassMeasures,
    Point,
    Promise,
    class_measures,
    curve_of,
    promise_of,
)
from ..learning.queues import Ranking
from ..learning.scores import without_scores
from ..learning.ways import Way, cheapest, largest
from ..progress import amount
from ..project.labels import BLIND, KEEP, LABELS, Answers
from ..project.listing import Listing
from ..project.names import known_key
from ..project.originals import State
from ..project.stages import Stage
from ..project.task import CULL_TASK, Task


@dataclass(frozen=True)
class Photo:
    """A photo to show. `p_keep` is None without a score, `label` without an answer.

    `queue`: the queue it is asked in, None if it is only shown. A blind check has no score until it is answered.
    `probability`: for a task other than keep or cull, of each class, None without scores; `p_keep` is None then.
    """

    key: str
    path: Path
    p_keep: float | None
    label: str | None
    queue: str | None = None
    probability: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Prediction:
    """What is said of a photo in a task other than keep or cull, and why: `label`, score, `unreadable: …` or none.

    `probability`: of each class, NaN for a tag that nothing is known of; None without scores. `label`: the answer, or
    else what is likeliest; empty if nothing is known.
    """

    key: str
    probability: tuple[float, ...] | None
    label: str
    reason: str


@dataclass(frozen=True)
class Counts:
    """Progress of the labeling, as numbers of photos.

    `keep`, `cull`: 0 in any other task. `unreadable`: unlabeled photos that can't be decoded, known once embeddings
    exist. `missing`: labels of photos that are not in the stage; they stay in the file but are ignored. `by_class`:
    photos with each class or tag of the task; `answered`: all with an answer.
    """

    photos: int
    keep: int
    cull: int
    unreadable: int
    missing: int
    by_class: tuple[int, ...] = field(default=(), compare=False)
    answered: int = field(default=0, compare=False)

    @property
    def labeled(self) -> int:
        """Photos with an answer."""
        return self.answered or self.keep + self.cull


def counted(
    task: Task, listing: Listing, keys: frozenset[str], answers: Answers, unreadable: Mapping[str, str]
) -> Counts:
    """The counts of these photos and answers. `keys`: the photos of `listing`."""
    labels = answers.labels
    here = Counter(label for key, label in labels.items() if key in keys)
    by_class = [0] * len(task.classes)
    for label, count in here.items():
        for name in (name for name, has in task.tags_of(label).items() if has):
            by_class[task.classes.index(name)] += count
    keep, culled = (here[label] if task == CULL_TASK else 0 for label in LABELS)
    unlabeled = sum(key not in labels for key in unreadable)
    total = here.total()
    return Counts(len(listing.keys), keep, culled, unlabeled, len(labels) - total, tuple(by_class), total)


@dataclass(frozen=True, eq=False)
class Standing:
    """A snapshot of one stage.

    `answers`: all answers. `ranking`: queues and scores, fitted to `answers`, or to earlier ones while another thread
    fits. `keys`: the photos of `listing`, as a set. `revision`: changes with every answer, score and photo.
    `prepared`: whether all photos have embeddings. While they are made, scores and queues hold for the part that is
    there, `analyzed` photos. Texts for people, empty if there is nothing to say: `source` describes the model, `notice`
    is a caveat on its scores, `news` reports on the label files and on photos that came or went. `versions`: the states
    of photos that were replaced.
    """

    stage: Stage
    task: Task
    listing: Listing
    keys: frozenset[str]
    answers: Answers
    ranking: Ranking
    revision: str
    prepared: bool
    source: str
    notice: str
    news: str
    versions: Mapping[str, State]

    @property
    def seen(self) -> Embeddings | None:
        """The embeddings of all photos, or of the part that has them; None before the first."""
        return self.ranking.ranker.seen if self.ranking.ranker else None

    @property
    def analyzed(self) -> int:
        """How many photos of the stage have an embedding, or are known to be unreadable."""
        return len(self.seen.keys) + len(self.seen.unreadable) if self.seen else 0

    @property
    def coverage(self) -> str:
        """How many photos have scores, as a sentence; empty without scores, and once all have them."""
        if self.seen is None or self.ranking.probability is None or self._is_whole:
            return ""
        return f"Scores cover {len(self.seen.keys):,} of {amount(len(self.listing.keys), 'photo')} so far."

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Key → reason, for photos known to be unreadable."""
        return self.seen.unreadable if self.seen else {}

    @cached_property
    def counts(self) -> Counts:
        """Numbers of photos, in total and by answer."""
        return counted(self.task, self.listing, self.keys, self.answers, self.unreadable)

    def photo(self, key: str) -> Photo:
        """One photo. Raises `StageError` for an unknown key."""
        return self.photos([self.check(key)])[0]

    def photos(self, keys: Sequence[str]) -> list[Photo]:
        """Photos by key, in the given order."""
        labels, scores, path = self.answers.labels, self.ranking.scores, self.stage.path
        if self.task == CULL_TASK:
            found = ((key, scores(key)) for key in keys)
            return [Photo(key, path(key), score[0] if score else None, labels.get(key)) for key, score in found]
        return [Photo(key, path(key), None, labels.get(key), None, scores(key)) for key in keys]

    def survey(self) -> list[Photo]:
        """Every photo of the stage, in key order."""
        return self.photos(self.listing.keys)

    def asked(self, asked_in: Mapping[str, str]) -> list[Photo]:
        """Photos for `asked_in`: key → queue. The score of a blind check is hidden until it is answered."""
        photos = [replace(photo, queue=asked_in[photo.key]) for photo in self.photos(list(asked_in))]
        return [
            replace(each, p_keep=None, probability=None) if each.queue in BLIND and each.label is None else each
            for each in photos
        ]

    def next(self) -> Photo | None:
        """The next photo to ask about, skipped ones last; None when all are labeled."""
        asked_in = dict(islice(self.ranking.queue("uncertain"), 1))
        return next(iter(self.asked(asked_in)), None)

    def order(self, n: int | None = None) -> list[Photo]:
        """The `n` unlabeled photos (default: all) with the least certain scores, least certain first."""
        most = len(self.listing.keys)
        return self.photos(list(islice(self.ranking.most_uncertain(), most if n is None else max(0, min(n, most)))))

    def asked_again(self) -> list[str]:
        """Photos whose answer on a sheet is to be asked again. The ranking may be older than undo and asking."""
        labels, again = self.answers.labels, self.answers.again
        return [key for key in self.ranking.asked_again() if key in labels and key not in again]

    def changed_since_ranking(self) -> set[str]:
        """Photos answered or skipped since the ranking was fitted."""
        before, answers = self.ranking.answers, self.answers
        if before is answers:
            return set()
        changed = {key for key, label in answers.labels.items() if before.labels.get(key) != label}
        return changed | {*answers.skipped} - {*before.skipped} | answers.confirmed - before.confirmed

    def moments(self) -> dict[str, tuple[int, float]]:
        """Photo with an embedding → (burst number, chronological; capture time in seconds, NaN if unknown)."""
        ranker = self.ranking.ranker
        if ranker is None:
            return {}
        bursts, taken = ranker.bursts.tolist(), ranker.seen.taken.tolist()
        return dict(zip(ranker.seen.keys, zip(bursts, taken, strict=True), strict=True))

    def damaged(self) -> tuple[str, ...]:
        """Photos with an embedding whose file lacks its end: shown and scored as far as they go."""
        ranker = self.ranking.ranker
        return (
            tuple(key for key, is_it in zip(ranker.seen.keys, ranker.seen.damaged, strict=True) if is_it)
            if ranker
            else ()
        )

    def copies(self) -> dict[str, int]:
        """Photo that is there more than once → number that all its copies share."""
        ranker = self.ranking.ranker
        if ranker is None:
            return {}
        return {
            key: number for key, number in zip(ranker.seen.keys, ranker.copies.tolist(), strict=True) if number >= 0
        }

    def brackets(self) -> list[int]:
        """Numbers of the bursts that are exposure brackets, whose frames belong together."""
        return list(self.ranking.ranker.brackets) if self.ranking.ranker else []

    def scores(self, threshold: float = 0.5) -> list[Decision]:
        """p_keep, decision and reason for every photo, in key order.

        Raises `StageError` unless all photos have embeddings, and for another task than keep or cull, which has
        `predictions`; `NotEnoughLabels` without scores.
        """
        self.only_culls()
        seen, labels, p_keep = self.seen, self.answers.labels, self.ranking.p_keep
        if seen is None or not self._is_whole:
            raise self._unprepared()
        if p_keep is None:
            if not all(key in labels for key in seen.keys):
                raise self._without_scores(seen.keys)
            p_keep = np.array([float(labels[key] == KEEP) for key in seen.keys])
        by_key = dict(zip(seen.keys, p_keep.tolist(), strict=True))
        return decide(by_key, labels, seen.unreadable, threshold)

    def predictions(self) -> list[Prediction]:
        """What is said of every photo, in key order: by the answer, or else by the scores. Raises like `scores`."""
        if self.seen is None or not self._is_whole:
            raise self._unprepared()
        if self.ranking.probability is None and not all(key in self.answers.labels for key in self.seen.keys):
            raise self._without_scores(self.seen.keys)
        return [self._predicted(key) for key in self.listing.keys]

    def _predicted(self, key: str) -> Prediction:
        scores, answer = self.ranking.scores(key), self.answers.labels.get(key)
        if answer is not None:
            return Prediction(key, scores, answer, "label")
        if scores is None:
            return Prediction(key, None, "", f"unreadable: {self.unreadable.get(key, 'it was not analyzed')}")
        return Prediction(key, scores, self.task.likeliest(scores), "score")

    def only_culls(self) -> None:
        """Raise `StageError` for another task than keep or cull."""
        if self.task != CULL_TASK:
            raise StageError(f"The task {self.task.name} decides nothing about keeping. Use the task cull for that.")

    def promise(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Promise | None:
        """Bound on the keepers that a cull at this threshold loses; None without scores. Cached per ranking.

        Raises `StageError` for numbers out of range.
        """
        _check_shares(threshold, max_keepers_lost, confidence)
        promises, asked = self.ranking.promises, (threshold, max_keepers_lost, confidence)
        if asked not in promises:
            promises[asked] = promise_of(self.ranking, *asked)
        found: Promise | None = promises[asked]
        return found

    def cheapest_way(
        self,
        threshold: float = 0.5,
        max_keepers_lost: float = MAX_KEEPERS_LOST,
        confidence: float = CONFIDENCE,
    ) -> Way | None:
        """What to cull unseen, to look at and to check to meet the promise in the least time; None without scores.

        Cached per ranking. Raises `StageError` for numbers out of range.
        """
        _check_shares(threshold, max_keepers_lost, confidence)
        ways, asked = self.ranking.promises, ("way", threshold, max_keepers_lost, confidence)
        if asked not in ways:
            ways[asked] = cheapest(self.ranking, threshold, max_keepers_lost, confidence)
        found: Way | None = ways[asked]
        return found

    def class_measures(self, confidence: float = CONFIDENCE) -> ClassMeasures | None:
        """Accuracy, and precision and recall by class, on the blind checks; None without scores. Cached per ranking.

        Raises `StageError` for a confidence out of range.
        """
        if not 0 < confidence < 1:
            raise StageError(f"The confidence is {confidence:g}. Choose one between 0 and 1, such as 0.95.")
        measures = self.ranking.promises
        if (confidence,) not in measures:
            measures[confidence,] = class_measures(self.ranking, confidence)
        found: ClassMeasures | None = measures[confidence,]
        return found

    def learning_curve(self) -> list[Point]:
        """Accuracy and agreement of the scores after every few answers, measured on the blind checks."""
        return curve_of(self.ranking)

    def threshold_for(self, max_keepers_lost: float, confidence: float = CONFIDENCE) -> float:
        """The largest threshold at which the checks bound the lost keepers to this share; see `ways.largest`.

        Raises `CullRefused` if they support none, with the cheapest way there, and `NotEnoughLabels` without scores.
        """
        self.only_culls()
        if not (0 < max_keepers_lost < 1 and 0 < confidence < 1):
            raise CullRefused(
                f"The share of lost keepers is {max_keepers_lost:g}, the confidence {confidence:g}. "
                "Choose both between 0 and 1, such as 0.05 and 0.95."
            )
        if not self._is_whole:
            raise self._unprepared()
        found = largest(self.ranking, max_keepers_lost, confidence)
        way = self.cheapest_way(0.5, max_keepers_lost, confidence)
        if found is None or way is None:
            raise without_scores(self.stage, self.answers.labels, self.task)
        if way.again or not found:
            leads = "The Check tab leads through it; or choose" if way.next_step else "Or choose"
            raise CullRefused(
                f"Not yet known that at most {max_keepers_lost:.1%} of your keepers would be lost ({confidence:.0%} "
                f"confidence). {way.advice(max_keepers_lost, confidence)} {leads} a threshold yourself."
            )
        return found

    def check(self, key: str) -> str:
        """The key in its one spelling. Raises `StageError` for an unknown one."""
        return key if key in self.keys else known_key(key, self.listing.keys, self.stage.folder)

    @property
    def _is_whole(self) -> bool:
        return self.ranking.ranker is not None and not self.ranking.ranker.unseen

    def _unprepared(self) -> StageError:
        return StageError(f"The photos of {self.stage.name} are not analyzed yet. Call `prepare` first.")

    def _without_scores(self, keys: Sequence[str]) -> NotEnoughLabels:
        labels = self.answers.labels
        return without_scores(self.stage, {key: labels[key] for key in keys if key in labels}, self.task)


def _check_shares(threshold: float, max_keepers_lost: float, confidence: float) -> None:
    if not (0 <= threshold <= 1 and 0 < max_keepers_lost < 1 and 0 < confidence < 1):
        raise StageError(
            f"The threshold is {threshold:g}, the share of lost keepers {max_keepers_lost:g}, the confidence "
            f"{confidence:g}. Choose each between 0 and 1, such as 0.5, 0.05 and 0.95."
        )
