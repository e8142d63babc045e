"""Labels of a stage: a CSV that other programs may edit, kept in sync with the journal, which is the durable record.

`stage_N_cull_labels.csv` (UTF-8, LF) lists photos in the order of their first answers, in one of the `dialects` of its
task; `image_name,label` with keep or cull is the usual one.
It is read with any delimiter and encoding that `tables` accepts, and keeps its delimiter when it is rewritten, so that
the spreadsheet it came from still shows its columns. Names that are not photo keys are read as `names` says. A row
that means no photo survives as it is, and `strays` tells it.
An answer is written to the journal first, then to the CSV. External edits of the CSV are imported into the journal
before the next answer. An edit that removes or changes labels leaves a backup of the previous labels in
`*.before-edit-<time>`. A CSV that became unreadable is renamed to `*.unreadable-<time>` and rewritten from the journal.
Classes that another program adds to the task are known before the first answer with one of them is read.
Independent of photos, scores and queues.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import StageError, StorageError
from . import dialects, identity, tables
from .files import free_name, locked, replace_text, replacing, set_aside, unwritable
from .journal import AGAIN, SHEET, Answer, Journal, audit_event, event, photos_event
from .listing import keys_of
from .settings import path_of, tasks_of
from .stages import Stage
from .task import CULL, CULL_TASK, KEEP, LABELS, Task, clean, in_words

log = logging.getLogger(__name__)
__all__ = ["AGAIN", "CULL", "KEEP", "LABELS", "SHEET", "Answer", "Labels"]


class _EditedMeanwhile(Exception):
    """Another program wrote the CSV since it was last read."""


AUDIT = "audit"
"""The queue of the checks: its answers only measure."""
LOOK = "look"
"""The queue of what is looked at before a cull, instead of being culled unseen: its answers don't train either, so that
the scores stay those of the plan."""
BLIND = (AUDIT, SHEET, AGAIN)
"""The queues whose photos are shown without their scores."""
_SAVING = 3.0  # seconds; grace period for editors that truncate before writing
_TOLD = 10  # names in a notice, at most
_NEVER_SEEN = (-1, -1, -1)  # sentinel: matches no file; None means that the file is missing


def check_sheet(queue: str) -> None:
    """Raise `StageError` unless `queue` is one of those that are answered as sheets."""
    if queue not in (SHEET, LOOK, AGAIN):
        raise StageError(f"There are no sheets of {queue!r}. Choose sheet, look or again.")


@dataclass(frozen=True)
class Answers:
    """Immutable snapshot of all answers.

    `labels`: key → label, in the order of the first answers. `audited`: keys whose first answer was a blind check; they
    only measure and never train. `sheets`: key → its answer on a sheet of checks; `again`: key → the one when that was
    asked again. `looked`: keys first looked at before a cull; they don't train either.
    `skipped`: in the order they were skipped. `confirmed`: keys that got the same answer again as a disagreement.
    `seed`: seeds the random order of the checks. `number`: increases with every snapshot of the same `Labels`.
    `first_names`: key → key at the first answer, of renamed photos. `task`: whose labels these are.
    """

    labels: dict[str, str]
    audited: frozenset[str]
    skipped: tuple[str, ...]
    confirmed: frozenset[str]
    seed: str
    number: int = 0
    first_names: dict[str, str] = field(default_factory=dict)
    task: Task = CULL_TASK
    sheets: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    looked: frozenset[str] = frozenset()

    @cached_property
    def training(self) -> dict[str, str]:
        """Labels that may train and query: all except the checks and the looks."""
        only_seen = self.audited | self.looked
        return {key: label for key, label in self.labels.items() if key not in only_seen}


class Labels:
    """Labels of one stage. Thread-safe; writes by other processes are merged before each answer."""

    def __init__(self, stage: Stage, task: Task = CULL_TASK) -> None:
        """Read journal and CSV. Raises `LabelsError` if the CSV has an unknown label or labels a photo both ways."""
        self.task = task
        self._stage = stage
        self._lock = threading.RLock()
        self._journal = Journal(stage.journal, task)
        self._dialect = dialects.own_dialect(task)
        self._extras: dict[str, dict[str, str]] = {}
        self._lines: dict[tuple[str, str], str] = {}
        self._in_csv: dict[str, str] | None = None  # labels in the CSV when this process last read or wrote it
        self._csv_stat: tuple[int, int, int] | None = _NEVER_SEEN
        self._settings_stat: tuple[int, int, int] | None = _NEVER_SEEN
        self._csv_is_behind = False
        self.news = ""
        """Latest notice to the user about the files, as sentences; empty if there is none."""
        self._told = ""  # by the latest `settle`
        self.strays: dict[str, str] = {}
        """Names in the CSV that mean no photo of the stage → why."""
        self._seed = secrets.token_hex(16)  # for the checks, unless the journal has a seed
        self._snapshot: Answers | None = None
        self._snapshots, self._snapshot_at = 0, self._journal.position
        self.refresh()

    def refresh(self) -> bool:
        """Merge external changes to the journal and the CSV. Returns whether there were any."""
        with self._writing():
            before = self._journal.position
            self._refresh()
            return before != self._journal.position

    def look(self) -> Answers:
        """Merge external changes, then return `now()`."""
        with self._writing():
            self._refresh()
            return self.now()

    def settle_names(self) -> None:
        """Read the CSV again if it names photos that could not be told: now they may be there."""
        if not self.strays:
            return
        with self._writing():
            self._csv_stat = _NEVER_SEEN
            self._refresh()

    def as_dict(self) -> dict[str, str]:
        """Key → label, in the order of the first answers."""
        with self._lock:
            return dict(self._labels)

    def now(self) -> Answers:
        """The current snapshot; the same object until an answer changes."""
        with self._lock:
            if self._snapshot is None or self._snapshot_at != self._journal.position:
                state = self._journal.state
                first: dict[str | None, set[str]] = {}
                for key in state.labels:
                    first.setdefault(state.first_shown.get(key), set()).add(key)
                skipped, confirmed, seed = tuple(state.skipped), frozenset(state.confirmed), state.seed or self._seed
                self._snapshots, self._snapshot_at = self._snapshots + 1, self._journal.position
                self._snapshot = Answers(
                    dict(state.labels),
                    frozenset().union(*(first.get(queue, ()) for queue in (AUDIT, SHEET))),
                    skipped,
                    confirmed,
                    seed,
                    self._snapshots,
                    dict(state.first_names),
                    self.task,
                    {key: each.on_sheet for key, each in state.given.items() if each.on_sheet is not None},
                    {key: each.asked_again for key, each in state.given.items() if each.asked_again is not None},
                    frozenset(first.get(LOOK, ())),
                )
            return self._snapshot

    def answer(self, key: str, label: str, queue: str | None = None, source: str = "api", content: str = "") -> None:
        """Record an answer, synced to disk before this returns. Raises `LabelsError`, `StorageError`.

        `source`: who gave it, see `journal`. `content`: content id of the photo, empty if unknown.
        """
        self.answer_all([key], label, queue, source, {key: content})

    def answer_all(
        self,
        keys: Sequence[str],
        label: str,
        queue: str | None = None,
        source: str = "api",
        contents: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Record the same answer for many photos of one queue, in one write. Raises as `answer` does.

        `label`: as `Task.parse` takes it.
        """
        self.answer_each(dict.fromkeys(keys, label), queue, source, contents)

    def answer_each(
        self,
        labels: Mapping[str, str],
        queue: str | None = None,
        source: str = "api",
        contents: Mapping[str, str] = MappingProxyType({}),
        *,
        only_new: Collection[str] = (),
        asked_in: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Record answers to many photos, `labels`: key → label, in one write. Raises as `answer` does.

        `only_new`: photos that keep an answer that they got meanwhile. `asked_in`: key → queue, of those that were
        asked in another queue than `queue`.
        """
        with self._writing():
            self._refresh()
            kept = {key for key in only_new if key in self._labels}
            labels = {key: label for key, label in labels.items() if key not in kept}
            parsed = {label: self.task.parse(clean(label)) for label in set(labels.values())}
            drawn = [] if self._journal.state.seed else [audit_event(self._seed)]
            answers = [
                event(
                    "answer",
                    key,
                    parsed[label],
                    self._labels.get(key),
                    asked_in.get(key, queue),
                    source,
                    contents.get(key) or None,
                )
                for key, label in labels.items()
            ]
            self._append([*drawn, *answers])
            self._write_csv()

    def skip(self, key: str, queue: str | None = None, source: str = "api", content: str = "") -> None:
        """Skip a photo; a no-op if it is labeled. `queue`: where it was shown. Raises `LabelsError`, `StorageError`."""
        with self._writing():
            self._refresh()
            if key not in self._labels:
                self._append([event("skip", key, None, None, queue, source, content or None)])

    def undo(self, key: str | None = None) -> Answer | None:
        """Undo the latest undoable answer or skip, of photo `key` if given. Returns None if there is none."""
        if key is None:
            return next(iter(self.undo_all([])), None)
        with self._writing():
            self._refresh()
            last = self._journal.state.last_of(key)
            if last:
                self._append([event("undo", key, last.before, last.label)])
                self._write_csv()
            return last

    def undo_all(self, keys: Sequence[str]) -> list[Answer]:
        """Undo an `answer_all` or `answer_each` of photos of `keys`, in one write; without any, the latest answer.

        What others answered before, since or in between stays.
        """
        with self._writing():
            self._refresh()
            undoable = self._journal.state.undoable
            last = _of_one_step(undoable, frozenset(keys)) if keys else undoable[-1:]
            if last:
                self._append([event("undo", each.key, each.before, each.label) for each in last])
                self._write_csv()
            return last

    def take_back(self, source: str) -> list[Answer]:
        """Undo the answers that came from `source` and still stand, in one write, whatever was answered since."""
        with self._writing():
            self._refresh()
            state = self._journal.state
            standing = {key: given.source for key, given in state.given.items()}
            undone = []
            for each in reversed(state.undoable):  # the newest first, as undo takes the latest of a photo
                if standing.get(each.key) == source:
                    undone.append(each)
                    standing[each.key] = each.earlier.source if each.before is not None else None
            if undone:
                self._append([event("undo", each.key, each.before, each.label) for each in undone])
                self._write_csv()
            return undone

    def sources(self) -> dict[str, str | None]:
        """Key → who gave its answer, None if unknown."""
        with self._lock:
            return {key: given.source for key, given in self._journal.state.given.items()}

    def times(self, source: str) -> list[float]:
        """When each photo with an answer from `source`, see `journal`, got it, in seconds since 1970."""
        with self._lock:
            state = self._journal.state
            keys = [key for key, given in state.given.items() if given.source == source]
            return [_seconds(state.answered[key]) for key in keys if key in state.answered]

    def answered(self) -> dict[str, str]:
        """Key → content id, empty if unknown, of all photos that were answered or skipped, undone ones included."""
        with self._lock:
            state = self._journal.state
            return {key: state.contents.get(key, "") for key in state.first_shown}

    @property
    def are_waiting(self) -> bool:
        """Whether there are answers whose photos are nowhere."""
        return bool(self._journal.state.waiting)

    def settle(self, present: Mapping[str, str], was_edited: Callable[[str, str, float], bool]) -> None:
        """Let answers follow the bytes of their photos to other names, and bind new ones; see `identity`.

        `present`: key → content id of the photos of the stage. `was_edited(key, content id, since)`: whether a file
        looks edited since it was answered, in seconds since 1970, rather than replaced by another photo. Raises as
        `answer` does.
        """
        with self._writing():
            self._refresh()
            state, bound = self._journal.state, self.answered()

            def edited(key: str) -> bool:
                return was_edited(key, bound[key], _seconds(state.answered.get(key, "")))

            settled = identity.settle(bound, state.labels, present, state.waiting, edited)
            if settled:
                self._append([photos_event(settled)])
                before = {old: self._extras.get(old, {}) for old, _ in settled.moved}
                for key in [*before, *settled.away]:
                    self._extras.pop(key, None)
                for old, new in settled.moved:
                    self._extras[new] = {**before[old], self._dialect.key_column: new}
                self._lines = {}
                self._write_csv()
            there = {key: content for key, content in self._journal.state.contents.items() if key in present}
            told = identity.in_words(settled, identity.opposites(there, self._labels))
            if told and told != self._told:
                self._tell(told)
            self._told = told

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the thread lock and the stage's file lock: one writer at a time, from refresh to the CSV write."""
        with self._lock, locked(self._stage.lock, f"writing the labels of {self._stage.name}"):
            yield

    def _refresh(self) -> None:
        self._follow_task()
        before = self._journal.position
        if self._journal.refresh():
            self._snapshot = None  # the journal was replaced; the new one may be at the same position
            self._csv_stat = _NEVER_SEEN  # the CSV may have answers that the new journal lacks
            self._in_csv = None
        self._read_csv(is_alone=self._in_csv is not None and before == self._journal.position)

    def _follow_task(self) -> None:
        """Take over classes that were added to the task in the settings. Other changes wait for the next start."""
        stat = _stat(path_of(self._stage.project))
        if self.task == CULL_TASK or stat == self._settings_stat:
            return
        self._settings_stat = stat
        try:
            task = tasks_of(self._stage.project).get(self.task.name, self.task)
        except StorageError as error:
            self._tell(f"The task {self.task.name} stays as it was. {error}")
            return
        if task.is_more_than(self.task):
            self._tell(f"Added to {task.name}: {in_words(task.classes[len(self.task.classes) :])}.")
            self.task, self._dialect = task, dialects.own_dialect(task)
            self._journal.ask(task)
            self._snapshot, self._csv_stat = None, _NEVER_SEEN  # the CSV may have more columns
        elif task != self.task:
            self._tell(
                f"The task {task.name} was changed in project.toml by more than classes at the end. It stays "
                f"{in_words(self.task.classes)} here until the next start."
            )

    @property
    def _labels(self) -> dict[str, str]:
        return self._journal.state.labels

    def _append(self, events: Sequence[dict[str, Any]]) -> None:
        """Append events to the journal as one step of one time, each with the size and mtime of the CSV before it is
        updated.
        """
        table = self._csv_stat[:2] if self._csv_stat else None
        self._journal.append([{**each, "at": events[0]["at"], "table": table} for each in events])

    def _read_csv(self, *, is_alone: bool) -> None:
        """Import differences between the CSV and the journal as edits, unless a crash explains them.

        `is_alone`: no other process has answered since this one last saw the CSV, which rules out a crash.
        """
        stat = _stat(self._stage.labels)
        if stat == self._csv_stat:
            if self._csv_is_behind:
                self._write_csv()
            return
        if is_alone and stat and not stat[0] and time.time() - stat[1] / 1e9 < _SAVING:
            self._csv_is_behind = True  # an editor truncated it and is about to write
            return
        try:
            found = dialects.read(self._stage.labels, self.task, self._stage.folder, self._keys) if stat else None
        except StorageError as error:
            if not self._labels:
                raise  # the journal has no labels to rewrite it from
            self._set_aside(error)
            found, stat = None, None
        if found and found.unsettled and not self._keys():  # the photos are away, so no name can be told
            self._csv_stat, self.strays = stat, found.unsettled
            return
        was_left_behind = found is not None and not is_alone and self._is_behind(found.labels)
        self._csv_stat = stat
        if found:
            self._rename(found.renamed)
            self.strays = found.unsettled
            if found.labels != self._labels and not was_left_behind:
                self._take_over(found.labels)
            self._dialect, self._extras, self._lines = found.dialect, found.extras, {}
        self._in_csv = found.labels if found else {}
        if self._in_csv != self._labels:
            self._write_csv()

    @property
    def notices(self) -> str:
        """`news`, and the names in the CSV that mean no photo; empty if there is nothing to say."""
        names = [f"{name!r} ({why})" for name, why in self.strays.items()]
        more = f", and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
        told = f"{self._stage.labels.name} names photos that can't be told: {', '.join(names[:_TOLD])}{more}. "
        return f"{self.news} {told}Their rows are kept but ignored.".strip() if names else self.news

    def _keys(self) -> Sequence[str]:
        return keys_of(self._stage)

    def _rename(self, renamed: Mapping[str, str]) -> None:
        """Give labels that the journal has under another name of a photo to its key, as edits.

        Earlier versions, and a stage from which the photo was missing, left such names.
        """
        moved = {name: key for name, key in renamed.items() if name in self._labels}
        if not moved:
            return
        new = {key: self._labels[name] for name, key in moved.items() if key not in self._labels}
        gone = [event("edit", name, None, self._labels[name]) for name in moved]
        self._append([*(event("edit", key, label, None) for key, label in new.items()), *gone])

    def _tell(self, news: str) -> None:
        self.news = f"{time.strftime('%H:%M')} {news}"
        log.warning(news)

    def _set_aside(self, error: StorageError) -> None:
        path = self._stage.labels
        try:
            aside = set_aside(path, "unreadable")
        except OSError as refusal:
            raise unwritable(path, refusal) from refusal
        self._tell(
            f"{path.name} became unreadable. It was set aside as {aside.name} and rewritten from the journal. "
            f"The problem: {error}"
        )

    def _take_over(self, rows: Mapping[str, str]) -> None:
        """Append external edits to the journal; back up the previous labels if any of them changed."""
        labels, path = self._labels, self._stage.labels
        before = labels if self._in_csv is None else self._in_csv  # what the editor started from
        changes: dict[str, str | None] = {key: label for key, label in rows.items() if before.get(key) != label}
        changes |= dict.fromkeys(key for key in before if key not in rows)
        changes = {key: label for key, label in changes.items() if labels.get(key) != label}
        if not changes:
            return
        told = f"{path.name} was edited: {len(changes)} {'change' if len(changes) == 1 else 'changes'} imported."
        if any(key in labels for key in changes):
            kept = free_name(path, "before-edit")
            replace_text(kept, self._as_csv())
            self._tell(f"{told} The previous labels are in {kept.name}.")
        elif self._stage.journal.exists():
            self._tell(told)
        self._append([event("edit", key, label, labels.get(key), source="file") for key, label in changes.items()])

    def _is_behind(self, rows: Mapping[str, str]) -> bool:
        """Whether the CSV is unchanged since the last journal line: a crash came between the two writes."""
        table, noted = _stat(self._stage.labels), self._journal.state.table
        if noted is None or len(noted):
            return bool(table and noted and table[:2] == tuple(noted))
        journal = _stat(self._stage.journal)  # its last line has no stat of the CSV: compare mtimes instead
        return bool(journal and table and table[1] <= journal[1] and self._journal.was(rows))

    def _write_csv(self) -> None:
        """Write the CSV. The journal already has the labels, so a failure loses nothing and is retried."""
        path = self._stage.labels
        try:
            with replacing(path) as temporary:
                temporary.write_text(self._as_csv(), encoding="utf-8", newline="")
                if _stat(path) != self._csv_stat:
                    raise _EditedMeanwhile
                written = _stat(temporary)  # before the rename: afterwards the path may be another program's file
            self._csv_stat, self._in_csv, self._csv_is_behind = written, dict(self._labels), False
        except _EditedMeanwhile:
            self._csv_is_behind = True  # the next refresh imports the edit first
        except StorageError as error:
            self._csv_is_behind = True
            self._tell(f"The answers are safe in {self._stage.journal.name}, but: {error}")

    def _as_csv(self) -> str:
        head = tables.render(self._dialect.columns, [], self._dialect.layout)
        return head + "".join(self._lines.get(item) or self._line(*item) for item in self._labels.items())

    def _line(self, key: str, label: str) -> str:
        """One row of the CSV, cached: most of thousands of rows don't change between writes."""
        dialect, as_found = self._dialect, self._extras.get(key, {})
        name = tables.as_name(as_found.get(dialect.key_column, key))
        fields = {**as_found, dialect.key_column: name, **dialect.fields(label)}
        line = tables.line(dialect.columns, fields, dialect.layout.delimiter)
        self._lines[key, label] = line
        return line


def _of_one_step(answers: Sequence[Answer], keys: Collection[str]) -> list[Answer]:
    """The answers of the step that answered most photos of `keys`, the latest of several, newest first; without photos
    that got another answer since.
    """
    steps: dict[str, list[Answer]] = {}
    standing: dict[str, Answer] = {}
    for each in reversed(answers):
        if each.key in keys:
            steps.setdefault(each.at, []).append(each)
            standing.setdefault(each.key, each)
            if len(steps[each.at]) == len(keys):
                break
    step = max(steps.values(), key=len, default=[])
    return [each for each in step if standing[each.key] is each]


def _seconds(at: str) -> float:
    """A time of the journal in seconds since 1970; 0 if it is none."""
    try:
        return datetime.fromisoformat(at).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
