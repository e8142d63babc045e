"""Which photo an answer belongs to, decided by bytes rather than by name. Arithmetic only.

    settle({"a.jpg": "id1"}, {"a.jpg": "keep"}, {"b.jpg": "id1"})    # a.jpg was renamed to b.jpg

Every answer is bound to a content id. `settle` compares these with the bytes that the names of today hold:

1. An answer whose name still holds its bytes stays.
2. Bytes found under other names bring their answer along, if these names have no answer of their own.
3. A name with new bytes, while the old ones are nowhere, was edited in place and keeps its answer.
4. A name that holds another photo loses its answer, which waits for its bytes.
5. The answer of a missing photo stays as it is.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

_NAMED = 4
"""Most photos named in one sentence."""


@dataclass
class Settled:
    """What changes, all at once.

    `moved`: pairs of old and new key, more than one for copies of one photo. `away`: keys whose answer waits for its
    bytes. `back`: content id → key of a waiting answer whose bytes are here again. `contents`: key → content id, of
    answers bound for the first time or bound anew. `edited`: keys of photos edited in place. `unclear`: keys whose
    bytes were answered in opposite ways under names that are gone.
    """

    moved: list[tuple[str, str]] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    back: dict[str, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    edited: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.moved or self.away or self.back or self.contents)


def are_astray(bound: Mapping[str, str], present: Mapping[str, str]) -> bool:
    """Whether an answer's bytes are not under its name, so that they may be under another.

    `bound`: key of each answer → its content id, empty if unbound. `present`: key → content id.
    """
    return any(content and present.get(key) not in (content, "") for key, content in bound.items())


def settle(
    bound: Mapping[str, str],
    labels: Mapping[str, object],
    present: Mapping[str, str],
    waiting: Collection[str] = (),
    was_edited: Callable[[str], bool] = lambda key: True,
) -> Settled:
    """Match answers to the photos of today.

    `bound`, `labels`: key of each answer → its content id (empty if unbound), and what was said. `present`: key →
    content id, of all photos, empty for one that can't be read now: its answer stays. `waiting`: content ids of answers
    without a photo. `was_edited`: whether a file with new bytes looks edited rather than replaced by another photo;
    asked only where names and bytes leave it open.
    """
    settled, holders = Settled(), _holders(present)
    known = set(bound.values())
    homeless: dict[str, list[str]] = defaultdict(list)
    taken = set()
    for key, content in bound.items():
        here = present.get(key)
        if here == "":
            taken.add(key)
        elif here is not None and content in ("", here):
            taken.add(key)
            if not content:
                settled.contents[key] = here
        elif content:
            homeless[content].append(key)
    for content, keys in homeless.items():
        free = [place for place in holders.get(content, ()) if place not in taken]
        if free and len({repr(labels.get(key)) for key in keys}) > 1:
            settled.unclear += free
            free = []
        places = dict.fromkeys(free[: len(keys)])
        settled.moved += zip(keys, places, strict=False)
        settled.moved += [(keys[0], place) for place in free if place not in places]
        taken.update(free)
        for key in keys[len(free) :]:
            if key not in present:
                continue
            if content not in holders and present[key] not in known and was_edited(key):
                settled.contents[key] = present[key]
                settled.edited.append(key)
            else:
                settled.away.append(key)
    edited = set(settled.edited)
    for content in waiting:
        if free := [place for place in holders.get(content, ()) if place not in taken | edited]:
            settled.back[content] = free[0]
            taken.add(free[0])
    return settled


def opposites(bound: Mapping[str, str], labels: Mapping[str, object]) -> list[list[str]]:
    """Keys of copies of one photo whose answers differ, copy by copy."""
    copies = Counter(bound.values())
    groups: dict[str, list[str]] = defaultdict(list)
    for key, content in bound.items():
        if content and copies[content] > 1 and key in labels:
            groups[content].append(key)
    return [keys for keys in groups.values() if len({repr(labels[key]) for key in keys}) > 1]


def in_words(settled: Settled, copies: Sequence[Sequence[str]] = ()) -> str:
    """What a person should know, as sentences; empty if nothing. `copies`: see `opposites`."""
    said = []
    if moved := [f"{old} is {new}" for old, new in settled.moved]:
        said.append(f"Photos were renamed, and their answers went with them: {_listed(moved)}.")
    if settled.edited:
        said.append(f"Edited since the answer, which stays: {_listed(settled.edited)}.")
    if settled.away:
        said.append(
            f"The photos that had these names are gone, and their answers wait for them: {_listed(settled.away)}."
        )
    if settled.back:
        said.append(f"Photos that are back, with their answers: {_listed(sorted(settled.back.values()))}.")
    if settled.unclear:
        said.append(f"Answered in opposite ways under names that are gone: {_listed(settled.unclear)}. Answer again.")
    said += [f"Copies of one photo with different answers: {_listed(keys)}." for keys in copies[:_NAMED]]
    return " ".join(said)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _holders(present: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Content id → the keys that hold it, sorted."""
    holders: dict[str, list[str]] = defaultdict(list)
    for key in sorted(present):
        if present[key]:
            holders[present[key]].append(key)
    return dict(holders)
