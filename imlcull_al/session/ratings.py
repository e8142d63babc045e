"""Ratings of other programs in, decisions out: what the page and the command line do with a session.

found = look(session, rules_for(session.task, {}))
print(found.summary)
take(session, found)
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..culling.plan import Decision, some
from ..errors import NotEnoughLabels, RatingsRefused
from ..exchange import sidecars, step
from ..exchange.beside import files_of
from ..exchange.elsewhere import Sidecars
from ..exchange.profiles import BEST, COLORS, KEPT, MARGIN, MARKS, STARS, Wish, marks_of
from ..exchange.ratings import SOURCE, counted, judge, read_ratings
from ..exchange.rules import Rule
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project import tables
from ..project.journal import Answer
from ..project.task import Task
from .session import Session

KEEPERS = (BEST, KEPT)
"""Marks of the photos that are kept for sure."""


@dataclass(frozen=True)
class Found:
    """What an import would do. `labels`: photo → answer that it would give.

    `own`: photos that a person answered otherwise; they are among `labels` only if that is to be overwritten. `same`:
    number of photos that have their answer already. `both`: photos that match the rules of two classes. `refused`: key
    → why its ratings can't be read. `photos`: number of photos in the stage. `answers`: those before the import.
    """

    task: Task
    rules: Mapping[str, Rule]
    labels: dict[str, str]
    own: tuple[str, ...]
    same: int
    both: tuple[str, ...]
    refused: dict[str, str]
    photos: int
    answers: Mapping[str, str]

    @property
    def unrated(self) -> int:
        """Photos that match no rule."""
        is_new = self.labels.keys() - set(self.own)
        return self.photos - len(is_new) - len(self.own) - self.same - len(self.both)

    @property
    def summary(self) -> str:
        """The preview as one line: `412 keep, 38 cull, 2,550 unrated`."""
        counts = counted(self.task, self.labels)
        parts = [f"{counts[name]:,} {name}" for name in self.rules]
        parts += [f"{self.unrated:,} unrated"]
        parts += [f"{self.same:,} answered so already"] if self.same else []
        return ", ".join(parts)

    @property
    def examples(self) -> list[str]:
        """The first photos that would get each class or tag, a line each: `keep: 'a.jpg', 'b.jpg' and 9 more`."""
        by_class: dict[str, list[str]] = {name: [] for name in self.rules}
        for key, label in self.labels.items():
            for name, has in self.task.tags_of(label).items():
                if has:
                    by_class[name].append(key)
        return [f"{name}: {some(keys)}" for name, keys in by_class.items() if keys]


def look(
    session: Session,
    rules: Mapping[str, Rule],
    *,
    overwrite: bool = False,
    elsewhere: Sidecars | None = None,
    progress: Progress = silent,
    stop: Stop = never,
) -> Found:
    """Read the ratings of a stage and judge them by `rules`: class → rule. `overwrite`: also a person's own answers.

    `elsewhere`: sidecars to read instead of those beside the photos. Raises `Cancelled`.
    """
    session.check_folder()
    session.follow_photos()  # sidecars come and go without a photo that does
    ratings = read_ratings(
        session.stage, session.listing, photos.xmp, elsewhere=elsewhere, progress=progress, stop=stop
    )
    verdict = judge(session.task, rules, ratings.values)
    answers, sources = session.labels(), session.sources()
    new = {key: label for key, label in verdict.labels.items() if answers.get(key) != label}
    own = tuple(key for key in new if key in answers and sources.get(key) != SOURCE)
    labels = new if overwrite else {key: label for key, label in new.items() if key not in set(own)}
    return Found(
        session.task,
        rules,
        labels,
        own,
        len(verdict.labels) - len(new),
        verdict.both,
        ratings.refused,
        len(session.listing.keys),
        answers,
    )


def take(session: Session, found: Found) -> int:
    """Give the answers of a preview, in one write; how many. Photos answered since then keep that answer."""
    session.sources()  # answers of other programs
    now, before = session.labels(), found.answers
    labels = {key: label for key, label in found.labels.items() if now.get(key) == before.get(key)}
    if labels:
        session.answer_each(labels, source=SOURCE)
    return len(labels)


def take_back(session: Session) -> list[Answer]:
    """Undo all answers that came from ratings and that nobody changed since."""
    return session.take_back(SOURCE)


@dataclass(frozen=True)
class Export:
    """What is decided of a stage, and the sidecars that would say so. `marks`: photo → best of burst, kept, unsure or
    culled; without scores only of answered photos. `answers`: those that it goes by.
    """

    decisions: tuple[Decision, ...]
    marks: dict[str, str]
    writing: sidecars.Writing
    companions: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]

    @property
    def summary(self) -> str:
        """How many photos are what: `80 best of burst, 332 kept, 100 unsure, 2,488 culled`."""
        counts = Counter(self.marks.values())
        return ", ".join(f"{counts[mark]:,} {mark}" for mark in MARKS)

    def names(self, marks: Collection[str]) -> str:
        """File names of the photos with these marks, with their raws, as Lightroom's Text filter takes them."""
        keys = [key for key, mark in self.marks.items() if mark in marks]
        files = [name for key in keys for name in files_of(key, self.companions.get(key, ()))]
        return ", ".join(dict.fromkeys(name.rpartition("/")[2] for name in files)) + "\n"

    def table(self) -> str:
        """image_name,mark,stars,color,p_keep,reason as CSV, a row for each photo."""
        columns = ("image_name", "mark", "stars", "color", "p_keep", "reason")
        rows = [
            {
                "image_name": tables.as_name(each.key),
                "mark": self.marks[each.key],
                "stars": STARS.get(self.marks[each.key], ""),
                "color": COLORS[self.marks[each.key]],
                "p_keep": "" if each.p_keep is None else f"{each.p_keep:.4f}",
                "reason": each.reason,
            }
            for each in self.decisions
        ]
        return tables.render(columns, rows)


def plan_export(
    session: Session,
    wish: Wish,
    threshold: float = 0.5,
    margin: float = MARGIN,
    *,
    progress: Progress = silent,
    stop: Stop = never,
) -> Export:
    """See what an export would write. An answer beats a score; scores decide as a cull at `threshold` would.

    Writes nothing. Raises `StageError` for a task other than keep or cull, `RatingsRefused`, `Cancelled`.
    """
    session.check_folder()
    session.standing(wait=False).only_culls()
    if not 0 <= threshold <= 1 or not 0 <= margin <= 1:
        raise RatingsRefused("A threshold and the margin of unsure scores are numbers from 0 to 1. Choose such ones.")
    session.follow_photos()
    if not session.prepared:
        session.prepare(progress=progress, stop=stop)
    answers, decisions = session.labels(), _decisions(session, threshold)
    bursts = {key: burst for key, (burst, _) in session.moments().items()}
    marks, now = marks_of(decisions, bursts, threshold, margin), datetime.now().astimezone()
    listing = session.listing
    writing = sidecars.plan(
        session.stage, listing, marks, wish, now.isoformat(timespec="seconds"), progress=progress, stop=stop
    )
    return Export(tuple(decisions), marks, writing, listing.companions, answers)


def write(session: Session, export: Export, *, progress: Progress = silent) -> step.Written:
    """Write the sidecars of a preview. Raises `RatingsRefused` if answers changed since, `StorageError`."""
    session.sources()  # answers of other programs
    if session.labels() != export.answers:
        raise RatingsRefused("Answers changed since the preview; no sidecar was written. Preview the export again.")
    return step.write(export.writing, progress=progress)


def undo(session: Session) -> step.Written:
    """Take the last export of the stage back. Raises `RatingsRefused` if there is none."""
    return step.undo(session.stage)


def _decisions(session: Session, threshold: float) -> list[Decision]:
    """Decisions on all photos, or only on the answered ones while there are no scores."""
    try:
        return session.scores(threshold)
    except NotEnoughLabels:
        labels = session.labels()
        return [Decision(key, labels[key], "label", None) for key in session.listing.keys if key in labels]
