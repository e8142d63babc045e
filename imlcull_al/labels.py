"""A person's answers: the CSV that the world reads and may edit, and the journal that can't be lost.

`stage_N_cull_labels.csv` (UTF-8, LF), in the order of the first answers, one of two dialects:

    image_name,label          keep | cull; further columns survive
    image_path,label,tag      0 (keep) | 1 (cull); tags survive

`stage_N_cull_journal.jsonl`, append-only, one object a line:

    {"v": 1, "at": "2026-11-21T10:00:00+00:00", "do": "answer", "key": "a.jpg", "label": "keep", "before": null}

`do` is `answer`; `skip` (label and before null); `undo` (takes back the last answer or skip not yet taken back; label
is what the photo went back to); `edit` (the CSV was changed by somebody else; label null is a removed row). The state
is the journal folded from its first line. A line is flushed to the disk before the answer is acknowledged; the CSV is
written after it.
Knows nothing of photos, scores or order.
"""

import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from . import tables
from .errors import LabelsError, StorageError
from .files import replace_text, sync_folder, unreadable, unwritable
from .project import Stage

log = logging.getLogger(__name__)
KEEP, CULL = "keep", "cull"
LABELS = (KEEP, CULL)
JOURNAL_VERSION = 1


class Answer(NamedTuple):
    """An answer or a skip that can be taken back. `label` is None for a skip."""

    key: str
    label: str | None
    before: str | None


class Dialect(NamedTuple):
    """How a CSV names its columns and its two labels."""

    columns: tuple[str, ...]
    key_column: str
    keep: str
    cull: str

    def label(self, text: str) -> str | None:
        """`keep`, `cull`, or None for anything else."""
        return {self.keep: KEEP, self.cull: CULL}.get(text.strip().lower())

    def text(self, label: str) -> str:
        """The inverse of `label`."""
        return self.keep if label == KEEP else self.cull


OWN_DIALECT = Dialect(("image_name", "label"), "image_name", KEEP, CULL)
TAG_DIALECT = Dialect(("image_path", "label", "tag"), "image_path", "0", "1")


@dataclass
class State:
    """The journal, folded. `labels`: key → label, in the order of first answers; `skipped`: in order of skipping."""

    labels: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    undoable: list[Answer] = field(default_factory=list)

    def apply(self, event: Mapping[str, Any]) -> None:
        """Fold one journal line in."""
        do, key, label = event["do"], event["key"], event["label"]
        if do == "answer":
            self.undoable.append(Answer(key, label, self.labels.get(key)))
            self.skipped.pop(key, None)
            self.labels[key] = label
        elif do == "skip":
            self.undoable.append(Answer(key, None, self.labels.get(key)))
            self.skipped.pop(key, None)
            self.skipped[key] = None
        elif do == "undo":
            if self.undoable:
                self.undoable.pop()
            self.skipped.pop(key, None)
            self._set(key, label)
        elif do == "edit":
            self._set(key, label)

    def _set(self, key: str, label: str | None) -> None:
        if label is None:
            self.labels.pop(key, None)
        else:
            self.labels[key] = label


class Labels:
    """The answers of one stage. Threads may share it; what other processes write is taken over before each answer."""

    def __init__(self, stage: Stage) -> None:
        """Read journal and CSV. Raises `LabelsError` for a CSV with an unknown label or a row given both ways."""
        self._stage = stage
        self._lock = threading.RLock()
        self._state = State()
        self._read_bytes = 0
        self._dialect = OWN_DIALECT
        self._extras: dict[str, dict[str, str]] = {}
        self._csv_stat: tuple[int, int, int] | None = None
        self._csv_is_behind = False
        self.refresh()

    def refresh(self) -> None:
        """Take over what others wrote into the journal or the CSV since the last look."""
        with self._lock:
            self._read_journal()
            self._read_csv()

    def as_dict(self) -> dict[str, str]:
        """Key → `keep` or `cull`, in the order of the first answers."""
        with self._lock:
            return dict(self._state.labels)

    def skipped(self) -> list[str]:
        """Keys put off, in the order in which they were."""
        with self._lock:
            return list(self._state.skipped)

    def answer(self, key: str, label: str) -> None:
        """Record an answer; when this returns it is on the disk. Raises `LabelsError`, `StorageError`."""
        if label not in LABELS:
            raise LabelsError(f"The label {label!r} of {key} is neither keep nor cull. Answer one of the two.")
        with self._lock:
            self.refresh()
            self._record("answer", key, label, self._state.labels.get(key))

    def skip(self, key: str) -> None:
        """Put a photo off; an earlier answer of it stays."""
        with self._lock:
            self.refresh()
            self._record("skip", key, None, None)

    def undo(self) -> Answer | None:
        """Take back the last answer or skip not yet taken back, or return None where there is none."""
        with self._lock:
            self.refresh()
            if not self._state.undoable:
                return None
            last = self._state.undoable[-1]
            self._record("undo", last.key, last.before, last.label)
            return last

    def _record(self, do: str, key: str, label: str | None, before: str | None) -> None:
        self._append([_event(do, key, label, before)])
        self._write_csv()

    def _append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write events to the disk, then fold them, and whatever another process put before them."""
        path = self._stage.journal
        data = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode()
        created = not path.exists()
        try:
            with path.open("ab") as file:
                if self._ends_torn():
                    data = b"\n" + data
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if created:
                sync_folder(path.parent)
        except OSError as error:
            raise unwritable(path, error) from error
        self._read_journal()

    def _ends_torn(self) -> bool:
        """Whether a killed writer left half a line at the end."""
        path = self._stage.journal
        if not path.exists() or path.stat().st_size == 0:
            return False
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def _read_journal(self) -> None:
        path = self._stage.journal
        try:
            size = path.stat().st_size
            if size == self._read_bytes:
                return
            with path.open("rb") as file:
                file.seek(self._read_bytes)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable(path, error) from error
        complete = data[: data.rfind(b"\n") + 1]
        for line in complete.split(b"\n"):
            if event := self._parse_event(line):
                self._state.apply(event)
        self._read_bytes += len(complete)

    def _parse_event(self, line: bytes) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            event = json.loads(line)
            if event["v"] > JOURNAL_VERSION:
                raise LabelsError(
                    f"{self._stage.journal} was written by a newer imlcull (version {event['v']}). Update this one."
                )
            allowed = LABELS if event["do"] == "answer" else (*LABELS, None)
            if event["label"] in allowed and isinstance(event["key"], str):
                return event
        except (ValueError, KeyError, TypeError):
            pass  # said below, like a line of valid JSON that is no event
        log.warning("%s holds a line that is no event; it is passed over: %.80r", self._stage.journal, line)
        return None

    def _read_csv(self) -> None:
        """Make differences between the CSV and the journal's state events of their own: somebody edited it."""
        path = self._stage.labels
        stat = _stat(path)
        if stat == self._csv_stat:
            if self._csv_is_behind:
                self._write_csv()
            return
        rows = self._parse_csv() if stat else {}
        if stat and rows != self._state.labels and not self._is_behind(rows):
            self._take_over(rows)
        self._csv_stat = stat
        if rows != self._state.labels:
            self._write_csv()

    def _take_over(self, rows: Mapping[str, str]) -> None:
        state = self._state.labels
        changes: dict[str, str | None] = {key: label for key, label in rows.items() if state.get(key) != label}
        changes |= {key: None for key in state if key not in rows}
        if self._stage.journal.exists():
            log.warning("%s was edited: %d changes taken over.", self._stage.labels, len(changes))
        self._append(_event("edit", key, label, state.get(key)) for key, label in changes.items())

    def _is_behind(self, rows: Mapping[str, str]) -> bool:
        """Whether the CSV is an earlier state of the journal, and older: a crash came between journal and CSV."""
        journal, table = _stat(self._stage.journal), _stat(self._stage.labels)
        if journal is None or table is None or table[1] > journal[1]:
            return False
        earlier = State()
        for line in self._stage.journal.read_bytes().split(b"\n"):
            if earlier.labels == rows:
                return True
            if event := self._parse_event(line):
                earlier.apply(event)
        return False

    def _parse_csv(self) -> dict[str, str]:
        path = self._stage.labels
        columns, rows = tables.read(path)
        dialect = _dialect(columns, path)
        labels: dict[str, str] = {}
        lines: dict[str, int] = {}
        extras: dict[str, dict[str, str]] = {}
        for row in rows:
            key = self._key(row.values.get(dialect.key_column, ""))
            text = row.values.get("label", "")
            label = dialect.label(text)
            if not key or label is None:
                raise LabelsError(
                    f"{path}, line {row.line}: the label {text!r} of {key or 'an unnamed photo'} "
                    f"is neither {dialect.keep} nor {dialect.cull}. Correct that line, then try again."
                )
            if labels.get(key, label) != label:
                raise LabelsError(
                    f"{path} gives {key} two labels, on lines {lines[key]} and {row.line}. Delete one of the lines."
                )
            labels[key] = label
            lines.setdefault(key, row.line)
            extras[key] = row.values
        self._dialect, self._extras = dialect, extras
        return labels

    def _key(self, text: str) -> str:
        """A photo key from what a table names: a key, a path with the stage's name before it, or an absolute one."""
        folder = self._stage.folder
        if Path(text).is_absolute():
            try:
                return Path(text).relative_to(folder).as_posix()
            except ValueError:
                return text
        if not os.path.exists(folder / text):  # noqa: PTH110 - unlike Path.exists, any text is answered
            parts = PurePosixPath(text.replace("\\", "/")).parts
            if len(parts) > 1 and parts[0] == folder.name:
                return PurePosixPath(*parts[1:]).as_posix()
        return text

    def _write_csv(self) -> None:
        """Write the labels; the journal has them already, so a refusal costs nothing and is tried again."""
        rows = (
            {**self._extras.get(key, {}), self._dialect.key_column: key, "label": self._dialect.text(label)}
            for key, label in self._state.labels.items()
        )
        try:
            replace_text(self._stage.labels, tables.render(self._dialect.columns, rows))
            self._csv_is_behind = False
        except StorageError as error:
            self._csv_is_behind = True
            log.warning("The answers are safe in %s, but: %s", self._stage.journal, error)
        self._csv_stat = _stat(self._stage.labels)


def _event(do: str, key: str, label: str | None, before: str | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"v": JOURNAL_VERSION, "at": now, "do": do, "key": key, "label": label, "before": before}


def _dialect(columns: list[str], path: Path) -> Dialect:
    for dialect in (OWN_DIALECT, TAG_DIALECT):
        if dialect.key_column in columns and "label" in columns:
            return dialect._replace(columns=tuple(columns))
    if not columns:
        return OWN_DIALECT
    raise LabelsError(
        f"{path} has the columns {', '.join(columns)}; needed are image_name,label (keep or cull) or "
        "image_path,label,tag (0 is keep, 1 is cull). Rename the columns, or move the file away."
    )


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
