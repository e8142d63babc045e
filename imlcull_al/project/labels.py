"""A person's answers: the CSV that the world reads and may edit, in step with the journal that can't be lost.

`stage_N_cull_labels.csv` (UTF-8, LF), in the order of the first answers, one of two dialects:

    image_name,label          keep | cull; further columns survive
    image_path,label,tag      0 (keep) | 1 (cull); tags survive

An answer goes into the journal first and into the CSV after it. What somebody else changed in the CSV is taken over
into the journal before the next answer; a copy of the labels before that stays as `*.before-edit-<time>` where any of
them was removed or changed. A CSV that became unreadable is set aside as `*.unreadable-<time>` and written again.
Knows nothing of photos, scores or order.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import LabelsError, StorageError
from . import dialects, tables
from .dialects import OWN_DIALECT
from .files import free_name, locked, replace_text, replacing, set_aside, unwritable
from .journal import CULL, KEEP, LABELS, Answer, Journal, audit_event, event
from .stages import Stage

log = logging.getLogger(__name__)
__all__ = ["CULL", "KEEP", "LABELS", "Answer", "Labels"]


class _EditedMeanwhile(Exception):
    """Somebody wrote the CSV between the last look and now."""


AUDIT = "audit"
"""The queue whose answers measure."""
_SAVING = 3.0  # seconds in which an editor that saves in place has written the file that it emptied
_NEVER_SEEN = (-1, -1, -1)  # the stat of no file; None is that of a missing one


@dataclass(frozen=True)
class Answers:
    """All answers at one moment.

    `labels`: key → `keep` or `cull`, in the order of the first answers. `audited`: keys whose first answer came from
    the blind audit: they measure, and never train. `skipped`: in order of skipping. `confirmed`: answered again as
    before among the disagreements. `seed`: draws the order of the audit. `number`: larger in every later snapshot of
    the same `Labels`.
    """

    labels: dict[str, str]
    audited: frozenset[str]
    skipped: tuple[str, ...]
    confirmed: frozenset[str]
    seed: str
    number: int = 0

    @cached_property
    def training(self) -> dict[str, str]:
        """The labels that may train and query: all but the audited."""
        return {key: label for key, label in self.labels.items() if key not in self.audited}


class Labels:
    """The answers of one stage. Threads may share it; what other processes write is taken over before each answer."""

    def __init__(self, stage: Stage) -> None:
        """Read journal and CSV. Raises `LabelsError` for a CSV with an unknown label or a row given both ways."""
        self._stage = stage
        self._lock = threading.RLock()
        self._journal = Journal(stage.journal)
        self._dialect = OWN_DIALECT
        self._extras: dict[str, dict[str, str]] = {}
        self._lines: dict[tuple[str, str], str] = {}
        self._in_csv: dict[str, str] | None = None  # as it was when it was last read or written here
        self._csv_stat: tuple[int, int, int] | None = _NEVER_SEEN
        self._csv_is_behind = False
        self.news = ""
        """What a person should know of the files, in a sentence: the last such event, empty for none."""
        self._seed = secrets.token_hex(16)  # of the audit, unless the journal has one
        self._snapshot: Answers | None = None
        self._snapshots, self._snapshot_at = 0, self._journal.position
        self.refresh()

    def refresh(self) -> bool:
        """Take over what others wrote into the journal or the CSV since the last look; true if there was anything."""
        with self._writing():
            before = self._journal.position
            self._refresh()
            return before != self._journal.position

    def look(self) -> Answers:
        """Take over what others wrote, then as `now`."""
        with self._writing():
            self._refresh()
            return self.now()

    def as_dict(self) -> dict[str, str]:
        """Key → `keep` or `cull`, in the order of the first answers."""
        with self._lock:
            return dict(self._labels)

    def now(self) -> Answers:
        """All answers at this moment; the same object until one changes."""
        with self._lock:
            if self._snapshot is None or self._snapshot_at != self._journal.position:
                state = self._journal.state
                audited = frozenset(key for key in state.labels if state.first_shown.get(key) == AUDIT)
                skipped, confirmed, seed = tuple(state.skipped), frozenset(state.confirmed), state.seed or self._seed
                self._snapshots, self._snapshot_at = self._snapshots + 1, self._journal.position
                self._snapshot = Answers(dict(state.labels), audited, skipped, confirmed, seed, self._snapshots)
            return self._snapshot

    def answer(self, key: str, label: str, queue: str | None = None) -> None:
        """Record an answer; when this returns it is on the disk. Raises `LabelsError`, `StorageError`."""
        self.answer_all([key], label, queue)

    def answer_all(self, keys: Sequence[str], label: str, queue: str | None = None) -> None:
        """Record the same answer for many photos, shown in this queue, with one write. Raises as `answer` does."""
        if label not in LABELS:
            raise LabelsError(f"The label {label!r} is neither keep nor cull. Answer one of the two.")
        with self._writing():
            self._refresh()
            drawn = [] if self._journal.state.seed else [audit_event(self._seed)]
            answers = [event("answer", key, label, self._labels.get(key), queue) for key in keys]
            self._append([*drawn, *answers])
            self._write_csv()

    def skip(self, key: str, queue: str | None = None) -> None:
        """Put a photo off, unless it has an answer. `queue`: it was shown in. Raises `LabelsError`, `StorageError`."""
        with self._writing():
            self._refresh()
            if key not in self._labels:
                self._append([event("skip", key, None, None, queue)])

    def undo(self, key: str | None = None) -> Answer | None:
        """Take back the last answer or skip not yet taken back, of this photo if one is named; None for none."""
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
        """Take back the last answer or skip, and those before it as long as they are to other photos of `keys`.

        That takes an `answer_all` back with one write, and no answer that somebody else gave meanwhile.
        """
        with self._writing():
            self._refresh()
            last = _latest(self._journal.state.undoable, keys)
            if last:
                self._append([event("undo", each.key, each.before, each.label) for each in last])
                self._write_csv()
            return last

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, thread or process: between the last look and the CSV nobody else comes."""
        with self._lock, locked(self._stage.lock, f"writing the labels of {self._stage.name}"):
            yield

    def _refresh(self) -> None:
        before = self._journal.position
        if self._journal.refresh():
            self._snapshot = None  # another file may be at the same position
            self._csv_stat = _NEVER_SEEN  # the CSV may know answers that this journal doesn't
            self._in_csv = None
        self._read_csv(is_alone=self._in_csv is not None and before == self._journal.position)

    @property
    def _labels(self) -> dict[str, str]:
        return self._journal.state.labels

    def _append(self, events: Sequence[dict[str, Any]]) -> None:
        """Put events into the journal, with what the CSV is like before it follows."""
        table = self._csv_stat[:2] if self._csv_stat else None
        self._journal.append([{**each, "table": table} for each in events])

    def _read_csv(self, *, is_alone: bool) -> None:
        """Make differences between the CSV and the journal's state events of their own: somebody edited it.

        `is_alone`: nobody else has answered since this process last saw the CSV, so that no crash explains them.
        """
        stat = _stat(self._stage.labels)
        if stat == self._csv_stat:
            if self._csv_is_behind:
                self._write_csv()
            return
        if is_alone and stat and not stat[0] and time.time() - stat[1] / 1e9 < _SAVING:
            self._csv_is_behind = True  # an editor has emptied it, and is about to write
            return
        try:
            found = dialects.read(self._stage.labels, self._stage.folder) if stat else None
        except StorageError as error:
            if not self._labels:
                raise  # nothing is known that could take its place
            self._set_aside(error)
            found, stat = None, None
        was_left_behind = found is not None and not is_alone and self._is_behind(found.labels)
        self._csv_stat = stat
        if found:
            if found.labels != self._labels and not was_left_behind:
                self._take_over(found.labels)
            self._dialect, self._extras, self._lines = found.dialect, found.extras, {}
        self._in_csv = found.labels if found else {}
        if self._in_csv != self._labels:
            self._write_csv()

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
            f"{path.name} became unreadable: it is set aside as {aside.name}, and written again from the journal. "
            f"What was wrong: {error}"
        )

    def _take_over(self, rows: Mapping[str, str]) -> None:
        """Append what was edited to the journal."""
        labels, path = self._labels, self._stage.labels
        before = labels if self._in_csv is None else self._in_csv  # what whoever edited it found there
        changes: dict[str, str | None] = {key: label for key, label in rows.items() if before.get(key) != label}
        changes |= dict.fromkeys(key for key in before if key not in rows)
        changes = {key: label for key, label in changes.items() if labels.get(key) != label}
        if not changes:
            return
        told = f"{path.name} was edited: {len(changes)} {'change' if len(changes) == 1 else 'changes'} taken over."
        if any(key in labels for key in changes):
            kept = free_name(path, "before-edit")
            replace_text(kept, self._as_csv())
            self._tell(f"{told} As it was before: {kept.name}.")
        elif self._stage.journal.exists():
            self._tell(told)
        self._append([event("edit", key, label, labels.get(key)) for key, label in changes.items()])

    def _is_behind(self, rows: Mapping[str, str]) -> bool:
        """Whether nobody wrote the CSV since the journal's last line: a crash came between journal and CSV."""
        table, noted = _stat(self._stage.labels), self._journal.state.table
        if noted is None or len(noted):
            return bool(table and noted and table[:2] == tuple(noted))
        journal = _stat(self._stage.journal)  # its last line notes nothing of the CSV: the times must do
        return bool(journal and table and table[1] <= journal[1] and self._journal.was(rows))

    def _write_csv(self) -> None:
        """Write the labels; the journal has them already, so a refusal costs nothing and is tried again."""
        path = self._stage.labels
        try:
            with replacing(path) as temporary:
                temporary.write_text(self._as_csv(), encoding="utf-8", newline="")
                if _stat(path) != self._csv_stat:
                    raise _EditedMeanwhile
                written = _stat(temporary)  # and not that of what somebody may put in its place
            self._csv_stat, self._in_csv, self._csv_is_behind = written, dict(self._labels), False
        except _EditedMeanwhile:
            self._csv_is_behind = True  # seen at the next look, which takes the edit over first
        except StorageError as error:
            self._csv_is_behind = True
            self._tell(f"The answers are safe in {self._stage.journal.name}, but: {error}")

    def _as_csv(self) -> str:
        head = tables.render(self._dialect.columns, [])
        return head + "".join(self._lines.get(item) or self._line(*item) for item in self._labels.items())

    def _line(self, key: str, label: str) -> str:
        """One row, remembered: with thousands of answers most of them are as they were."""
        dialect, as_found = self._dialect, self._extras.get(key, {})
        name = tables.as_name(as_found.get(dialect.key_column, key))
        line = tables.line(dialect.columns, {**as_found, dialect.key_column: name, "label": dialect.text(label)})
        self._lines[key, label] = line
        return line


def _latest(answers: Sequence[Answer], keys: Sequence[str]) -> list[Answer]:
    """The last answers as long as each is to another photo of `keys`, but at least one; the last first."""
    left = set(keys)
    latest: list[Answer] = []
    for each in reversed(answers):
        if each.key not in left:
            break
        left.remove(each.key)
        latest.append(each)
    return latest or list(answers[-1:])


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
