"""The append-only journal of all answers, one line each: the file that must never be lost.

`stage_N_cull_journal.jsonl`, UTF-8, append-only:

    {"v": 1, "at": "2026-11-21T10:00:00.000+00:00", "do": "answer", "key": "a.jpg", "label": "keep", "before": null,
     "queue": "uncertain", "table": [1024, 1763719200000000000]}

`do` is one of
    answer    a label was given
    skip      the photo was skipped; `label` and `before` are null
    undo      reverts the photo's latest answer or skip not yet reverted; `label` is the restored label
    edit      the labels CSV was changed externally; a null `label` means a removed row
    audit     seeds the random order of the checks, once, before the first answer; `key` is empty, `seed` has 32
              hexadecimal digits; the first such line wins
`queue` is the queue in which the photo was shown, null if unknown. `table` is the size and the mtime in ns of the
labels CSV just before the event, null if there was none; it distinguishes an external edit of the CSV from a crash
before the CSV was updated.

The state is the fold of all lines, from the first on. A line is synced to disk before `append` returns; a failed write
is truncated away. Invalid lines, such as a torn last line of a killed writer, are skipped with a warning. A line equal
to the one before it is ignored.
Independent of the CSV, photos and queries.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

from ..errors import LabelsError
from .files import open_own, read_own, stat_own, sync, sync_folder, unreadable, unwritable, write_all

log = logging.getLogger(__name__)
KEEP, CULL = "keep", "cull"
LABELS = (KEEP, CULL)
VERSION = 1
_ACTIONS = ("answer", "skip", "undo", "edit", "audit")


class Answer(NamedTuple):
    """An answer or skip that can be undone. `label` is None for a skip."""

    key: str
    label: str | None
    before: str | None


@dataclass
class State:
    """A folded journal.

    `labels`: key → label, in order of first answers. `skipped`: keys in order of skipping. `undoable`: answers and
    skips, oldest first. `confirmed`: keys answered as before in the queue of disagreements, which then leave it.
    `first_shown`: key → queue of the first answer or skip, None if unknown; kept on undo, so that a check can never
    become a training answer. `seed`: of the audit. `table`: of the last line, empty if it has none.
    """

    labels: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    undoable: list[Answer] = field(default_factory=list)
    confirmed: set[str] = field(default_factory=set)
    first_shown: dict[str, str | None] = field(default_factory=dict)
    seed: str = ""
    table: Sequence[int] | None = ()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Fold in one event."""
        do, key, label = event["do"], event["key"], event["label"]
        self.table = event.get("table", ())
        if do == "audit":
            self.seed = self.seed or str(event.get("seed", ""))
            return
        if do in ("answer", "skip"):
            self.undoable.append(Answer(key, label, self.labels.get(key)))
        elif do == "undo":
            self._take_back(key)
        self._confirm(event)
        self.skipped.pop(key, None)
        if do == "skip":
            self.skipped[key] = None
            self.first_shown.setdefault(key, event.get("queue"))
        elif label is None:
            self.labels.pop(key, None)
        else:
            self.labels[key] = label
            self.first_shown.setdefault(key, event.get("queue"))

    def last_of(self, key: str) -> Answer | None:
        """The photo's latest answer or skip that is not undone."""
        return next((each for each in reversed(self.undoable) if each.key == key), None)

    def _take_back(self, key: str) -> None:
        """Drop the photo's latest undoable entry, not necessarily the last: another process may have answered since."""
        for place in range(len(self.undoable) - 1, -1, -1):
            if self.undoable[place].key == key:
                del self.undoable[place]
                return

    def _confirm(self, event: Mapping[str, Any]) -> None:
        self.confirmed.discard(event["key"])
        is_same = event["label"] is not None and event["label"] == self.labels.get(event["key"])
        if event["do"] == "answer" and event.get("queue") == "disagreements" and is_same:
            self.confirmed.add(event["key"])


def event(do: str, key: str, label: str | None, before: str | None, queue: str | None = None) -> dict[str, Any]:
    """A journal line with the current time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"v": VERSION, "at": now, "do": do, "key": key, "label": label, "before": before, "queue": queue}


def audit_event(seed: str) -> dict[str, Any]:
    """The line that seeds the order of the checks."""
    return {**event("audit", "", None, None), "seed": seed}


class Journal:
    """The journal at `path` and its folded state. `refresh` picks up lines appended by other processes."""

    def __init__(self, path: Path) -> None:
        """Read the file, if any. Raises `StorageError`; `LabelsError` for a journal of a newer version."""
        self.path = path
        self.state = State()
        self._read_bytes = 0
        self._inode = 0
        self._last_line = b""
        self.refresh()

    @property
    def position(self) -> tuple[int, int]:
        """A value that changes with every folded event."""
        return self._inode, self._read_bytes

    def refresh(self) -> bool:
        """Fold in complete lines appended since the last call. Returns true if the file was replaced."""
        is_another = False
        try:
            inode, size = self._inode_and_size()
            if size < self._read_bytes or inode != self._inode:  # the file was replaced
                is_another = self._inode != 0
                self.state, self._read_bytes, self._inode, self._last_line = State(), 0, inode, b""
            if size == self._read_bytes:
                return is_another
            with open_own(self.path) as file:
                file.seek(self._read_bytes)
                data = file.read()
        except OSError as error:
            raise unreadable(self.path, error) from error
        whole = data[: data.rfind(b"\n") + 1]
        for event in self._events(whole, self._last_line):
            self.state.apply(event)
        self._last_line = whole[whole[:-1].rfind(b"\n") + 1 : -1] or self._last_line
        self._read_bytes += len(whole)
        return is_another

    def append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write and sync events, then fold them in, after any that another process appended before them."""
        data = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode()
        created = not os.path.lexists(self.path)
        try:
            with open_own(self.path, "a+b", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    write_all(file, b"\n" + data if self._is_torn(end) else data)
                    sync(file.fileno())
                except BaseException:
                    with suppress(OSError):  # a rejected answer must not reappear at the next start
                        file.truncate(end)
                    raise
            if created:
                sync_folder(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.refresh()

    def was(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels were exactly these at any point of the journal."""
        earlier = State()
        for event in self._events(read_own(self.path), b""):
            if earlier.labels == labels:
                return True
            earlier.apply(event)
        return earlier.labels == labels

    def _inode_and_size(self) -> tuple[int, int]:
        """Inode and size; (0, 0) if there is no journal."""
        try:
            status = stat_own(self.path)
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size

    def _is_torn(self, size: int) -> bool:
        """Whether a killed writer left an incomplete line at the end of `size` bytes."""
        if size <= self._read_bytes:
            return False
        with open_own(self.path) as file:
            file.seek(size - 1)
            return file.read(1) != b"\n"

    def _events(self, data: bytes, before: bytes) -> Iterable[dict[str, Any]]:
        for line in data.split(b"\n"):
            if line.strip() and line != before and (event := self._parse(line)):
                yield event
            before = line or before

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        try:
            event = json.loads(line)
            if event["v"] > VERSION:
                raise LabelsError(f"{self.path} was written by a newer imlcull ({event['v']}). Update this one first.")
            allowed = LABELS if event["do"] == "answer" else (*LABELS, None)
            # a lone surrogate is valid JSON, but can't be encoded in the CSV
            if (
                event["do"] in _ACTIONS
                and event["label"] in allowed
                and (event["key"].encode() or event["do"] == "audit")
            ):
                return event if event["key"].isascii() else {**event, "key": normalize("NFC", event["key"])}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # logged below, like valid JSON that is not an event
        log.warning("%s holds a line that is not an event; it is skipped: %.80r", self.path, line)
        return None
