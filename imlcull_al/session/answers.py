"""Answers of other programs in, and ours out: what all their formats have in common.

    session, task = planned("project", "garment", ["shirt", "dress"])
    found = from_folders(session, task, read_folders(Path("garments")))
    print(found.summary)
    take(session, found)

A person's answer stays unless it is to be overwritten. Nothing is written before `take`, which writes all at once, and
makes the project of a folder of photos that has none; one `Session.take_back` of the same source undoes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..culling.plan import some
from ..encoding.moments import Moments
from ..errors import AnswersRefused
from ..exchange import folders as class_folders
from ..exchange import tags_txt, timelapse
from ..exchange.ratings import counted
from ..installation import DEFAULT_CACHE_DIR
from ..progress import Progress, Stop, never, silent
from ..project.listing import Listing, list_photos
from ..project.names import Names
from ..project.opening import make_project, planned_stage
from ..project.settings import open_task, planned_task, start_from, tasks_of
from ..project.stages import Stage, absolute
from ..project.task import CULL_TASK, Task
from .session import Session, open_session


@dataclass(frozen=True)
class Proposal:
    """What an import would do. `task`: with the classes that it would add. `source`: who gives the answers.

    `labels`: photo → answer that it would give. `own`: photos that were answered otherwise, not by this source; they
    are among `labels` only if that is to be overwritten. `same`: number of photos that have their answer already.
    `answers`: those before the import. `ignored`: name in the files → why nothing follows from it. `told`: how the
    files were read, for people.
    """

    source: str
    task: Task
    labels: dict[str, str]
    own: tuple[str, ...]
    same: int
    photos: int
    answers: Mapping[str, str]
    ignored: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The preview as one line: `412 shirt, 38 dress, 2,550 not told`."""
        counts = counted(self.task, self.labels)
        parts = [f"{counts[name]:,} {name}" for name in self.task.classes if counts[name]]
        rest = self.photos - len(self.labels.keys() | set(self.own)) - self.same
        if not self.task.exclusive and (bare := sum("=1" not in label for label in self.labels.values())):
            parts += [f"{bare:,} with none"]
        parts += [f"{rest:,} without an answer in these files"]
        parts += [f"{self.same:,} answered so already"] if self.same else []
        return ", ".join(parts)

    @property
    def examples(self) -> list[str]:
        """The first photos that would get each class or tag, a line each."""
        by_class: dict[str, list[str]] = {name: [] for name in self.task.classes}
        for key, label in self.labels.items():
            for name, has in self.task.tags_of(label).items():
                if has:
                    by_class[name].append(key)
        return [f"{name}: {some(keys)}" for name, keys in by_class.items() if keys]


def planned(
    project: str | Path,
    task: str,
    names: Sequence[str],
    *,
    tags: bool = False,
    stage: int | None = None,
    **named: Any,
) -> tuple[Session, Task]:
    """A session on a task, and the task with these names among its classes or tags; both are only kept by `take`.

    `project`: also a folder of photos, as `planned_stage` takes it.

    `tags`: whether a new task has tags. A name that differs from a known one in case alone is that one. `named`: as
    `open_session` takes them. Raises `AnswersRefused` for a name that the task cull doesn't have, `StageError`.
    """
    opened = planned_stage(project, stage)
    root = opened.project
    known = tasks_of(root).get(task)
    there = {name.casefold() for name in known.classes} if known else set()
    more = list({name.casefold(): name for name in reversed(names) if name.casefold() not in there}.values())[::-1]
    if known == CULL_TASK and more:
        raise AnswersRefused(f"{CULL_TASK.has_no(more[0])} Name another task with --task for other classes.")
    wanted = known
    if more or known is None:
        are_tags = tags or (known is not None and not known.exclusive)
        wanted = planned_task(root, task, **{"tags" if are_tags else "classes": more})
    assert wanted is not None
    session = open_session(opened, task=known or wanted, prepare=False, **named)
    return session, wanted


def propose(
    session: Session,
    source: str,
    labels: Mapping[str, str],
    task: Task | None = None,
    *,
    overwrite: bool = False,
    ignored: Mapping[str, str] | None = None,
    told: Sequence[str] = (),
) -> Proposal:
    """Compare the answers of a source, photo → label, with those that are there. `overwrite`: also a person's own."""
    answers, sources = session.labels(), session.sources()
    new = {key: label for key, label in labels.items() if answers.get(key) != label}
    own = tuple(key for key in new if key in answers and sources.get(key) != source)
    kept = set() if overwrite else set(own)
    return Proposal(
        source,
        task or session.task,
        {key: label for key, label in new.items() if key not in kept},
        own,
        len(labels) - len(new),
        len(session.listing.keys),
        answers,
        ignored or {},
        tuple(told),
    )


def listing_of(stage: Stage, cache_dir: Path | None = None) -> Listing:
    """The photos of a stage as a session on it lists them. Raises `StageError` for an empty stage."""
    return list_photos(stage, Moments(cache_dir or DEFAULT_CACHE_DIR, stage.paths).apart)


def take(session: Session, found: Proposal, start: Path | None = None) -> int:
    """Keep the task and give the answers of a preview, in one write; how many. Photos answered since then keep that
    answer. `start`: as `open_session` takes it.
    """
    session.sources()  # answers of other programs
    now, before = session.labels(), found.answers
    labels = {key: label for key, label in found.labels.items() if now.get(key) == before.get(key)}
    if labels:
        make_project(session.stage)
        if start is not None:
            start_from(session.stage.project, absolute(start))
        if found.task != CULL_TASK:
            kind = "classes" if found.task.exclusive else "tags"
            open_task(session.stage.project, found.task.name, **{kind: found.task.classes})
        session.answer_each(labels, source=found.source)
    return len(labels)


def from_folders(
    session: Session,
    task: Task,
    folders: class_folders.Folders,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
    stop: Stop = never,
) -> Proposal:
    """What class folders say of a stage. `task`: with their names among its classes. Raises `Cancelled`."""
    session.check_folder()
    spelled = {name.casefold(): name for name in task.classes}
    found = class_folders.match(folders, session.stage, session.listing, session.contents, progress=progress, stop=stop)
    classes = {
        key: tuple(dict.fromkeys(spelled[name.casefold()] for name in names)) for key, names in found.classes.items()
    }
    labels, both = class_folders.judge(task, classes, session.labels())
    ignored = {**found.ignored, **dict.fromkeys(both, "it lies in folders of more than one class")}
    told = f"Photos in the class folders: {found.summary}"
    return propose(session, class_folders.SOURCE, labels, task, overwrite=overwrite, ignored=ignored, told=[told])


def from_tags(
    session: Session,
    task: Task,
    tags: Mapping[str, Sequence[str]],
    ignored: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> Proposal:
    """What text files say of a stage, `tags`: photo → its tags; it has none of the others of `task`."""
    spelled = {name.casefold(): name for name in task.classes}
    has = {key: {spelled[tag.casefold()] for tag in named} for key, named in tags.items()}
    labels = {key: task.label_of({tag: tag in own for tag in task.classes}) for key, own in has.items()}
    told = f"Photos with a text file: {len(tags):,}"
    return propose(session, tags_txt.SOURCE, labels, task, overwrite=overwrite, ignored=ignored, told=[told])


def from_timelapse(session: Session, task: Task, path: Path, *, overwrite: bool = False) -> Proposal:
    """What a table of Timelapse says of a stage. Raises `AnswersRefused` with the line, `StorageError`."""
    if not task.exclusive:
        raise AnswersRefused(f"A row of Timelapse has one species, and {task.name} has tags. Name a task with classes.")
    rows, empty = timelapse.read_species(path)
    keys = set(session.listing.keys)
    names = Names(session.stage.folder, lambda: keys)

    def key_of(photo: str) -> str | None:
        key = names.key_of(photo)
        return key if key in keys else None

    labels, ignored = timelapse.judge(rows, task, key_of, path)
    told = f"Rows with a species: {len(rows):,}, without one: {empty:,}"
    return propose(session, timelapse.SOURCE, labels, task, overwrite=overwrite, ignored=ignored, told=[told])


def only_tags(task: Task, what: str) -> None:
    """Raise `AnswersRefused` for a task that has no tags. `what`: what to use for its classes instead."""
    if task.exclusive:
        raise AnswersRefused(
            f"A photo has one class of {task.name}, and text files hold tags. Name a task with tags, or use {what}."
        )


def decided(session: Session, above: float | None = None) -> dict[str, dict[str, bool]]:
    """Photo → class or tag → whether it has it, of the photos with an answer.

    `above`: a score above it decides what isn't answered: other photos, and tags that an answer leaves unknown. Raises
    `NotEnoughLabels` without scores.
    """
    task = session.task
    keys, answers = set(session.listing.keys), session.labels()
    known = {key: task.tags_of(label) for key, label in answers.items() if key in keys}
    if above is None:
        return known
    for key, scores in _scores(session).items():
        if task.exclusive:
            likeliest = max(scores, key=scores.__getitem__)
            if key not in known and scores[likeliest] > above:
                known[key] = {name: name == likeliest for name in scores}
        else:
            tags = {name: score > above for name, score in scores.items()}
            known[key] = {**tags, **known.get(key, {})}
    return dict(sorted(known.items()))


def _scores(session: Session) -> dict[str, dict[str, float]]:
    """Photo → class → probability, as far as there are scores."""
    if session.task == CULL_TASK:
        pairs = ((each.key, each.p_keep) for each in session.scores())
        return {key: {"keep": p_keep, "cull": 1 - p_keep} for key, p_keep in pairs if p_keep is not None}
    found = {}
    for each in session.predictions():
        by_class = dict(zip(session.task.classes, each.probability or (), strict=False))
        found[each.key] = {name: score for name, score in by_class.items() if score == score}
    return {key: scores for key, scores in found.items() if scores}
