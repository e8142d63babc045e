"""The append-only journal of all answers to one task, one line each: the file that must never be lost.

`stage_N_cull_journal.jsonl`, UTF-8, append-only:

    {"v": 2, "at": "2026-11-21T10:00:00.000000+00:00", "do": "answer", "task": "cull", "key": "a.jpg", "label": "keep",
     "before": null, "queue": "uncertain", "source": "page", "content": "9f0c…", "table": [1024, 1763719200000000000]}

`do` is one of
    answer    a label was given
    skip      the photo was skipped; `label` and `before` are null
    undo      reverts the photo's latest answer or skip not yet reverted; `label` is the restored label
    edit      the labels CSV was changed externally; a null `label` means a removed row
    audit     seeds the random order of the checks, once, before the first answer; `key` is empty, `seed` has 32
              hexadecimal digits; the first such line wins
    photos    the photos of the stage changed; `key` is empty, `label` null. All at once: `moved`, pairs of old and new
              key, whose answers follow their bytes; `away`, keys whose answer waits for its bytes; `back`, content id →
              key of an answer that waited; `contents`, key → content id, of answers bound to bytes
`queue` is the queue in which the photo was shown, null if unknown. `source` is page, api, file or import:NAME, null if
unknown. `content` is the content id of the photo when it was answered, null if unknown. `table` is the size and the
mtime in ns of the labels CSV just before the event, null if there was none; it distinguishes an external edit of the
CSV from a crash before the CSV was updated.

The state is the fold of all lines, from the first on. A line is synced to disk before `append` returns; a failed write
is truncated away. Damaged lines, such as a torn last line of a killed writer, are skipped with a warning; a line that a
newer program may have written is refused. A line equal to the one before it is ignored. Lines of older versions are
read through `MIGRATIONS`, and stay as they are.
Independent of the CSV, photos and queries.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unicodedata import normalize

from ..errors import LabelsError
from .files import open_own, read_own, stat_own, sync, sync_folder, unreadable, unwritable, write_all
from .identity import Settled
from .task import CULL_TASK, Task

log = logging.getLogger(__name__)
Value = TypeVar("Value")
VERSION = 2
SHEET, AGAIN = "sheet", "again"
"""The queues of checks on contact sheets, and of their answers that are asked again."""
_ACTIONS = ("answer", "skip", "undo", "edit", "audit", "photos")


class Given(NamedTuple):
    """How an answer came about: who gave it, None if unknown; the photo's answer on a sheet of checks, and the one when
    that was asked again, None without.
    """

    source: str | None = None
    on_sheet: str | None = None
    asked_again: str | None = None


class Answer(NamedTuple):
    """An answer or skip that can be undone. `label` is None for a skip; `earlier`: how `before` came about.

    `at`: its time, the same for all answers that were given in one step.
    """

    key: str
    label: str | None
    before: str | None
    earlier: Given = Given()
    at: str = ""


class Waiting(NamedTuple):
    """An answer whose photo is nowhere: its label, the queue in which the photo was first shown, how it came about."""

    label: str
    first_shown: str | None
    given: Given


@dataclass
class State:
    """A folded journal.

    `labels`: key → label, in order of first answers. `skipped`: keys in order of skipping. `undoable`: answers and
    skips, oldest first. `confirmed`: keys answered as before in the queue of disagreements, which then leave it.
    `first_shown`: key → queue of the first answer or skip, None if unknown; kept on undo, so that a check can never
    become a training answer. `contents`: key → content id, of the answers bound to bytes. `answered`: key → time of the
    latest answer. `given`: key → how its answer came about. `waiting`: content id → answer that waits for its bytes.
    `first_names`: key → key at the first answer, of renamed photos. `seed`: of the audit. `table`: of the last line,
    empty if it has none.
    """

    labels: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    undoable: list[Answer] = field(default_factory=list)
    confirmed: set[str] = field(default_factory=set)
    first_shown: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    first_names: dict[str, str] = field(default_factory=dict)
    seed: str = ""
    table: Sequence[int] | None = ()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Fold in one event."""
        do, key, label = event["do"], event["key"], event["label"]
        self.table = event.get("table", ())
        if do == "audit":
            self.seed = self.seed or str(event.get("seed", ""))
            return
        if do == "photos":
            self._settle(event)
            return
        if do in ("answer", "skip"):
            self.undoable.append(Answer(key, label, self.labels.get(key), self.given.get(key, Given()), event["at"]))
        given = self._take_back(key) if do == "undo" else self._given(event)
        self._confirm(event)
        self.skipped.pop(key, None)
        if do == "skip":
            self.skipped[key] = None
            self.first_shown.setdefault(key, event.get("queue"))
            self._bind(event)
        elif label is None:
            self.labels.pop(key, None)
            self.given.pop(key, None)
        else:
            self.labels[key], self.given[key] = label, given
            self.first_shown.setdefault(key, event.get("queue"))
            self._bind(event)

    def last_of(self, key: str) -> Answer | None:
        """The photo's latest answer or skip that is not undone."""
        return next((each for each in reversed(self.undoable) if each.key == key), None)

    def _given(self, event: Mapping[str, Any]) -> Given:
        """How the answer of this event came about. What the photo was answered on a sheet stays known."""
        before, queue = self.given.get(event["key"], Given()), event.get("queue")
        return Given(
            event.get("source"),
            event["label"] if queue == SHEET else before.on_sheet,
            event["label"] if queue == AGAIN else before.asked_again,
        )

    def _take_back(self, key: str) -> Given:
        """Drop the photo's latest undoable entry, not necessarily the last: another process may have answered since.

        Returns how the answer before it came about.
        """
        for place in range(len(self.undoable) - 1, -1, -1):
            if self.undoable[place].key == key:
                return self.undoable.pop(place).earlier
        return Given()

    def _bind(self, event: Mapping[str, Any]) -> None:
        """Bind an answer to the bytes that the person saw. Which ones an edited CSV means is found out later."""
        key, do = event["key"], event["do"]
        if do == "undo":
            return
        self.answered[key] = event["at"]
        self.contents.pop(key, None)
        if event["content"]:
            self.contents[key] = event["content"]

    def _settle(self, event: Mapping[str, Any]) -> None:
        """Answers follow their photos to other names, all at once: names may have been swapped."""
        names: dict[str, list[str]] = {key: [] for key in event["away"]}
        for old, new in event["moved"]:
            names.setdefault(old, []).append(new)
        said: dict[str, set[str]] = {}  # content id → labels of the copies that go away
        for key in event["away"]:
            if key in self.labels and key in self.contents:
                said.setdefault(self.contents[key], set()).add(self.labels[key])
                waiting = Waiting(self.labels[key], self.first_shown.get(key), self.given.get(key, Given()))
                self.waiting[self.contents[key]] = waiting
        for content in [content for content, labels in said.items() if len(labels) > 1]:
            del self.waiting[content]  # answered in opposite ways: which one holds is asked again
        self.labels, self.skipped = _renamed(self.labels, names), _renamed(self.skipped, names)
        self.first_shown, self.answered = _renamed(self.first_shown, names), _renamed(self.answered, names)
        self.confirmed = set(_renamed(dict.fromkeys(self.confirmed), names))
        self.given = _renamed(self.given, names)
        self.undoable = [
            each._replace(key=new) for each in self.undoable for new in names.get(each.key, [each.key])[:1]
        ]
        firsts = {new: self.first_names.get(old, old) for old, new in event["moved"]}
        self.first_names = _renamed(self.first_names, names) | firsts
        self.contents = _renamed(self.contents, names) | event["contents"]
        for content, key in event["back"].items():
            if content in self.waiting:
                self.labels[key], self.first_shown[key], self.given[key] = self.waiting.pop(content)
                self.contents[key], self.answered[key] = content, event["at"]

    def _confirm(self, event: Mapping[str, Any]) -> None:
        self.confirmed.discard(event["key"])
        is_same = event["label"] is not None and event["label"] == self.labels.get(event["key"])
        if event["do"] == "answer" and event.get("queue") == "disagreements" and is_same:
            self.confirmed.add(event["key"])


def event(
    do: str,
    key: str,
    label: str | None,
    before: str | None,
    queue: str | None = None,
    source: str | None = None,
    content: str | None = None,
) -> dict[str, Any]:
    """A journal line with the current time; `append` adds the task."""
    # Microseconds, so that two steps, each synced to the disk, never have the same time.
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return {
        "v": VERSION, "at": now, "do": do, "task": "", "key": key, "label": label, "before": before, "queue": queue,
        "source": source, "content": content,
    }  # fmt: skip


def audit_event(seed: str) -> dict[str, Any]:
    """The line that seeds the order of the checks."""
    return {**event("audit", "", None, None), "seed": seed}


def photos_event(settled: Settled) -> dict[str, Any]:
    """The line by which answers follow their photos."""
    changes = {"moved": settled.moved, "away": settled.away, "back": settled.back, "contents": settled.contents}
    return {**event("photos", "", None, None), **changes}


def _from_1(event: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had one task; it noted neither sources nor content ids."""
    source = "file" if event["do"] == "edit" else None
    return {"at": "", **event, "v": 2, "task": CULL_TASK.name, "source": source, "content": None}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""Version → what makes a line of it one of the next version."""


class Journal:
    """The journal of a task at `path` and its folded state. `refresh` picks up lines appended by other processes."""

    def __init__(self, path: Path, task: Task = CULL_TASK) -> None:
        """Read the file, if any. Raises `StorageError`; `LabelsError` for a journal of a newer version."""
        self.path = path
        self._task = task
        self._labels = {None: True}  # label → whether it is one of the task
        self.state = State()
        self._read_bytes = 0
        self._inode = 0
        self._last_line = b""
        self.refresh()

    @property
    def position(self) -> tuple[int, int]:
        """A value that changes with every folded event."""
        return self._inode, self._read_bytes

    def ask(self, task: Task) -> None:
        """Read further lines as answers to `task`, which got more classes."""
        self._task, self._labels = task, {None: True}

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
        for event in list(self._events(whole, self._last_line)):  # none counts if one is refused
            self.state.apply(event)
        self._last_line = whole[whole[:-1].rfind(b"\n") + 1 : -1] or self._last_line
        self._read_bytes += len(whole)
        return is_another

    def append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write and sync events, then fold them in, after any that another process appended before them."""
        data = "".join(
            json.dumps({**event, "task": self._task.name}, ensure_ascii=False) + "\n" for event in events
        ).encode()
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
        """One line as an event of `VERSION`; None for a damaged one. Raises `LabelsError` for an unknown one."""
        event = version = None
        with suppress(ValueError, RecursionError):
            found = json.loads(line)
            if isinstance(found, dict) and isinstance(found.get("v"), int):
                event, version = self._sound(found), found["v"]
        if version is not None and version > VERSION:
            raise LabelsError(f"{self.path} was written by a newer imlcull ({version}). Update this one first.")
        if event is None and version == VERSION:  # whole, so not damaged by a crash, and of no older program
            raise LabelsError(
                f"{self.path} holds a line that this imlcull doesn't know: {line[:200].decode(errors='replace')}. "
                "A newer imlcull may have written it. Update this one first. If the label is a class that was removed "
                "from project.toml, add it again. Otherwise correct the line."
            )
        if event is None:
            log.warning("%s holds a line that is not an event; it is skipped: %.80r", self.path, line)
        return event

    def _sound(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """An event as one of `VERSION`; None if it lacks what its kind needs."""
        try:
            for version in range(event["v"], VERSION):
                event = MIGRATIONS[version](event)
            if event["task"] != self._task.name or not self._is_whole(event):
                return None
            return event if event["key"].isascii() else {**event, "key": normalize("NFC", event["key"])}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _is_whole(self, event: Mapping[str, Any]) -> bool:
        """Whether an event of `VERSION` has what its kind needs. Raises like a lookup in one that has not."""
        do, label = event["do"], event["label"]
        if do == "photos":
            names = [*chain.from_iterable(event["moved"]), *event["away"], *event["back"].values(), *event["contents"]]
            ids = [*event["back"], *event["contents"].values()]
            return all(len(pair) == 2 for pair in event["moved"]) and all(map(str.encode, [*names, *ids]))
        is_text = isinstance(event["at"], str) and isinstance(event["content"], str | None)
        is_label = self._is_label(label) and (label is not None or do != "answer")
        # a lone surrogate is valid JSON, but can't be encoded in the CSV
        return do in _ACTIONS and is_label and is_text and bool(event["key"].encode() or do == "audit")

    def _is_label(self, label: Any) -> bool:
        if label not in self._labels:
            try:
                self._labels[label] = label != "" and bool(self._task.parse(label))
            except LabelsError:
                self._labels[label] = False
        return self._labels[label]


def _renamed(column: Mapping[str, Value], names: Mapping[str, Sequence[str]]) -> dict[str, Value]:
    """The column under new names, several for one or none, in the same order."""
    return {new: value for key, value in column.items() for new in names.get(key, (key,))}
