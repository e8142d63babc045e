"""Ratings of other programs in, decisions out: what the page and the command line do with a session.

found = look(session, rules_for(session.task, {}))
print(found.summary)
take(session, found)
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..culling.plan import Decision
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
from .answers import Proposal, propose, take
from .session import Session

__all__ = ["Found", "look", "plan_export", "take", "take_back", "undo", "write"]
KEEPERS = (BEST, KEPT)
"""Marks of the photos that are kept for sure."""


@dataclass(frozen=True)
class Found(Proposal):
    """What an import would do. `rules`: class → rule. `both`: photos that match the rules of two classes.

    `refused`: key → why its ratings can't be read.
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    both: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)

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


def look(
    session: Session,
    rules: Mapping[str, Rule],
    task: Task | None = None,
    *,
    overwrite: bool = False,
    elsewhere: Sidecars | None = None,
    progress: Progress = silent,
    stop: Stop = never,
) -> Found:
    """Read the ratings of a stage and judge them by `rules`: class → rule. `overwrite`: also a person's own answers.

    `task`: that of the session, with classes that the import would add. `elsewhere`: sidecars to read instead of those
    beside the photos. Raises `Cancelled`.
    """
    session.check_folder()
    session.follow_photos()  # sidecars come and go without a photo that does
    ratings = read_ratings(
        session.stage, session.listing, photos.xmp, elsewhere=elsewhere, progress=progress, stop=stop
    )
    task = task or session.task
    verdict = judge(task, rules, ratings.values)
    proposal = propose(session, SOURCE, verdict.labels, task, overwrite=overwrite)
    return Found(**vars(proposal), rules=rules, both=verdict.both, refused=ratings.refused)


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
