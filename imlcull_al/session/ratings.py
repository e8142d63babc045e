"""Ratings of other programs in, decisions out: what the page and the command line do with a session.

found = look(session, rules_for(session.task, {}))
print(found.summary)
take(session, found)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..exchange.ratings import SOURCE, counted, judge, read_ratings
from ..exchange.rules import Rule
from ..photos import read as photos
from ..progress import Progress, Stop, never, silent
from ..project.journal import Answer
from ..project.task import Task
from .session import Session


@dataclass(frozen=True)
class Found:
    """What an import would do. `labels`: photo → answer that it would give.

    `own`: photos that a person answered otherwise; they are among `labels` only if that is to be overwritten. `same`:
    number of photos that have their answer already. `both`: photos that match the rules of two classes. `refused`: key
    → why its ratings can't be read. `photos`: number of photos in the stage.
    """

    task: Task
    rules: Mapping[str, Rule]
    labels: dict[str, str]
    own: tuple[str, ...]
    same: int
    both: tuple[str, ...]
    refused: dict[str, str]
    photos: int

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
    *,
    overwrite: bool = False,
    progress: Progress = silent,
    stop: Stop = never,
) -> Found:
    """Read the ratings of a stage and judge them by `rules`: class → rule. `overwrite`: also a person's own answers.

    Raises `Cancelled`.
    """
    session.check_folder()
    ratings = read_ratings(session.stage, session.listing, photos.xmp, progress=progress, stop=stop)
    verdict = judge(session.task, rules, ratings.values)
    answers, sources = session.labels(), session.sources()
    new = {key: label for key, label in verdict.labels.items() if answers.get(key) != label}
    own = tuple(key for key in new if key in answers and sources.get(key) != SOURCE)
    labels = new if overwrite else {key: label for key, label in new.items() if key not in set(own)}
    same = len(verdict.labels) - len(new)
    return Found(session.task, rules, labels, own, same, verdict.both, ratings.refused, len(session.listing.keys))


def take(session: Session, found: Found) -> None:
    """Give the answers of a preview, in one write."""
    if found.labels:
        session.answer_each(found.labels, source=SOURCE)


def take_back(session: Session) -> list[Answer]:
    """Undo all answers that came from ratings and that nobody changed since."""
    return session.take_back(SOURCE)
