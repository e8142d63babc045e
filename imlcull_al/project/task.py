"""What is asked of every photo: a name, and classes of which a photo has one, or tags of which it has any number.

    CULL_TASK                                                 # keep or cull, the default
    Task("garment", ("shirt", "dress", "shoe"))               # one of several classes
    Task("notes", ("red", "striped"), exclusive=False)        # tags

A label is text: the name of a class, or for tags `red=1;striped=0`, where a tag that is not named is unknown. Classes
are only ever added, at the end, so their numbers never change.
Independent of files, photos and scores.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from ..errors import LabelsError, StageError

KEEP, CULL = "keep", "cull"
LABELS = (KEEP, CULL)
_TASK_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LONGEST = 60
_MOST_CLASSES = 1000
_RESERVED = ("image_name", "image_path", "label", "tag", "decision", "reason")


@dataclass(frozen=True)
class Task:
    """`classes`: K names, numbered from 0. `exclusive`: whether a photo has exactly one of them, rather than any
    number.
    """

    name: str
    classes: tuple[str, ...]
    exclusive: bool = True

    @property
    def is_binary(self) -> bool:
        """Whether each photo is one of two things: two classes, or one tag."""
        return len(self.classes) == (2 if self.exclusive else 1)

    def check(self) -> None:
        """Raise `StageError` for an impossible name or classes."""
        if not _TASK_NAME.fullmatch(self.name):
            raise StageError(
                f"A task can't be named {self.name!r}. Use small letters, digits and hyphens, such as garment."
            )
        for name in self.classes:
            if name.casefold() in _RESERVED:
                raise StageError(f"A class can't be named {name!r}: tables have such a column. Choose another name.")
            if name != clean(name) or not name.isprintable() or not 0 < len(name) <= _LONGEST or set(name) & set(";=,"):
                raise StageError(
                    f"A class can't be named {name!r}. Use 1 to {_LONGEST} characters without commas, semicolons, "
                    "equals signs and line breaks."
                )
        if len({name.casefold() for name in self.classes}) < len(self.classes):
            raise StageError(
                f"The classes {', '.join(self.classes)} are not all different. Give each a name of its own."
            )
        least = 2 if self.exclusive else 1
        if not least <= len(self.classes) <= _MOST_CLASSES:
            what = "classes" if self.exclusive else "tags"
            raise StageError(f"The task {self.name} has {len(self.classes)} {what}. Name {least} to {_MOST_CLASSES}.")

    def with_more(self, names: Iterable[str]) -> "Task":
        """The task with the new ones among `names` added at the end."""
        return replace(self, classes=tuple(dict.fromkeys([*self.classes, *names])))

    def is_more_than(self, other: "Task") -> bool:
        """Whether this is `other` with more classes."""
        known = len(other.classes)
        return other == replace(self, classes=self.classes[:known]) and len(self.classes) > known

    def parse(self, text: str) -> str:
        """A label as a person, a script or the page writes it, in its one spelling. Raises `LabelsError`.

        For tags, `red;striped` names the ones a photo has; it has none of the others.
        """
        if self.exclusive:
            if text in self.classes:
                return text
            if self == CULL_TASK:
                raise LabelsError(f"The label {text!r} is neither keep nor cull. Use one of the two.")
            raise LabelsError(f"The label {text!r} is not one of {in_words(self.classes)}. Use one of these.")
        named = [part.strip() for part in text.split(";") if part.strip()]
        if any("=" in part for part in named):
            return self.label_of(self._signed(text, named))
        if unknown := [name for name in named if name not in self.classes]:
            raise LabelsError(f"{unknown[0]!r} is no tag of {self.name}. Use {in_words(self.classes)}, or add it.")
        return self.label_of({name: name in named for name in self.classes})

    def knows(self, label: str) -> bool:
        """Whether this is a label of the task."""
        try:
            return bool(self.parse(label))
        except LabelsError:
            return False

    def label_of(self, tags: Mapping[str, bool]) -> str:
        """The label for tags that are known to be there or not."""
        return ";".join(f"{name}={int(tags[name])}" for name in self.classes if name in tags)

    def tags_of(self, label: str) -> dict[str, bool]:
        """The inverse of `label_of`; for an exclusive task, every class and whether it is this one."""
        if self.exclusive:
            return {name: name == label for name in self.classes}
        return {name: value == "1" for name, _, value in (part.partition("=") for part in label.split(";")) if name}

    def targets(self, labels: Sequence[str]) -> np.ndarray:
        """N labels → (N, K) float64: 1 for a class that the photo has, 0 for one that it hasn't, NaN for unknown."""
        targets = np.full((len(labels), len(self.classes)), np.nan)
        place = {name: number for number, name in enumerate(self.classes)}
        if self.exclusive:
            targets[:] = 0
            targets[np.arange(len(labels)), [place[label] for label in labels]] = 1
            return targets
        for row, label in enumerate(labels):
            for name, has in self.tags_of(label).items():
                targets[row, place[name]] = has
        return targets

    def likeliest(self, probability: Sequence[float]) -> str:
        """The label that these probabilities (K,) speak for; NaN leaves a tag unknown, ties go to yes or the first."""
        if self.exclusive:
            return self.classes[int(np.argmax(probability))]
        return self.label_of({name: p >= 0.5 for name, p in zip(self.classes, probability, strict=True) if p == p})

    def has_no(self, name: str) -> str:
        """That no class has this name, and the nearest one that there is, as sentences."""
        near = get_close_matches(name.casefold(), [each.casefold() for each in self.classes], 1)
        meant = next((each for each in self.classes if near and each.casefold() == near[0]), "")
        what, did = "class" if self.exclusive else "tag", f" Did you mean {meant!r}?" if meant else ""
        return f"{name!r} is no {what} of {self.name}, which has {in_words(self.classes)}.{did}"

    def words(self, label: str) -> str:
        """A label for people: `keep`, `red, striped`, `none`."""
        if self.exclusive:
            return label
        return ", ".join(name for name, has in self.tags_of(label).items() if has) or "none"

    def _signed(self, text: str, named: Sequence[str]) -> dict[str, bool]:
        pairs = [part.partition("=") for part in named]
        tags = {name: value == "1" for name, _, value in pairs}
        if len(tags) < len(pairs) or any(
            name not in self.classes or value not in ("0", "1") for name, _, value in pairs
        ):
            raise LabelsError(f"{text!r} does not say which tags of {self.name} a photo has: {in_words(self.classes)}.")
        return tags


def clean(name: str) -> str:
    """A name as it is stored: NFC, without space around it."""
    return unicodedata.normalize("NFC", name).strip()


def in_words(classes: Sequence[str]) -> str:
    """`keep and cull`, `a, b and c`; cut where there are many."""
    if len(classes) > 12:
        return f"{', '.join(classes[:12])} and {len(classes) - 12} more"
    return " and ".join([", ".join(classes[:-1]), classes[-1]] if len(classes) > 1 else classes)


CULL_TASK = Task("cull", LABELS)
"""The default: what to keep."""
