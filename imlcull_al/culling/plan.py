"""Turns scores and answers into a plan: a decision per photo and the files of the next stage. Writes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CullRefused
from ..project.companions import shared
from ..project.labels import CULL, KEEP
from ..project.left_out import SUCH
from ..project.listing import Listing
from ..project.originals import State
from ..project.stages import Stage

KnownContent = Callable[[Path], str | None]
"""Path → content id of the file if known without reading it, else None."""


LEFT_OUT = "left out"
"""The decision on a file that is neither kept nor culled: it isn't read."""
IMPORTED = "imported"
"""The reason of photos that nobody judged: their stage was made of a folder."""
Linked = Mapping[str, State]
"""Name below the stage → state of a file just after it was hard-linked, which changed its ctime."""


def _nothing_known(path: Path) -> None:
    return None


def _nothing_noted(new: Stage, linked: Linked) -> None:
    pass


@dataclass(frozen=True)
class Decision:
    """The decision on one photo and its reason. `p_keep` is None if the photo has no score."""

    key: str
    decision: str
    reason: str
    p_keep: float | None


@dataclass(frozen=True)
class Plan:
    """What a cull would do. `files`: key of every file to place → reason, in key order.

    `stays`: key of every companion whose photos are all culled → reason. `shared`: companion → its photos, of those
    with more than one. `left_out`: key → reason, of all other files of the stage. `known`: called only for files to
    link, because copying reads them anyway. `note_links`: called with the new stage and its hard links. `revision`: the
    session's revision when the plan was made; stale once an answer, a score or a photo changes. `target`: the stage
    that an import makes.
    """

    stage: Stage
    threshold: float
    model: str
    decisions: tuple[Decision, ...]
    files: dict[str, str]
    left_out: dict[str, str]
    stays: dict[str, str] = field(default_factory=dict)
    shared: dict[str, list[str]] = field(default_factory=dict)
    known: KnownContent = field(default=_nothing_known, repr=False, compare=False)
    note_links: Callable[[Stage, Linked], None] = field(default=_nothing_noted, repr=False, compare=False)
    revision: str = field(default="", compare=False)
    target: Stage | None = None

    @property
    def new(self) -> Stage:
        """The stage that the plan makes."""
        return self.target or self.stage.next

    @property
    def companions(self) -> int:
        """Number of companions among `files`."""
        return len(self.files) - len(self.kept)

    @property
    def kept(self) -> list[Decision]:
        """Photos that the next stage gets."""
        return [each for each in self.decisions if each.decision == KEEP]

    @property
    def culled(self) -> list[Decision]:
        """Photos that the next stage does not get."""
        return [each for each in self.decisions if each.decision == CULL]


def decide(
    p_keep: Mapping[str, float],
    labels: Mapping[str, str],
    unreadable: Mapping[str, str],
    threshold: float = 0.5,
) -> list[Decision]:
    """One decision per photo, in key order. A label takes precedence; otherwise unreadable photos are kept, and the
    rest are kept if `p_keep` >= `threshold`.
    """
    decisions = []
    for key in sorted({*p_keep, *unreadable}):
        score = p_keep.get(key)
        if key in labels:
            decisions.append(Decision(key, labels[key], "label", score))
        elif score is None:
            decisions.append(Decision(key, KEEP, f"unreadable: {unreadable[key]}", None))
        else:
            decisions.append(Decision(key, KEEP if score >= threshold else CULL, "score", score))
    return decisions


def make_plan(
    stage: Stage,
    decisions: Iterable[Decision],
    listing: Listing,
    threshold: float,
    model: str,
    known: KnownContent = _nothing_known,
) -> Plan:
    """Collect the files of the next stage: kept photos and their companions.

    Raises `CullRefused` for a threshold outside 0 … 1.
    """
    if not 0 <= threshold <= 1:
        raise CullRefused(f"The threshold {threshold} is out of range. Choose one between 0 and 1.")
    decisions = tuple(decisions)
    files: dict[str, str] = {}
    stays: dict[str, str] = {}
    for each in decisions:
        companions = dict.fromkeys(listing.companions.get(each.key, ()), f"companion of {each.key}")
        if each.decision == KEEP:
            files[each.key] = each.reason
            files |= {key: reason for key, reason in companions.items() if key not in files}
        else:
            stays |= companions
    stays = {key: reason for key, reason in sorted(stays.items()) if key not in files}
    return Plan(
        stage,
        threshold,
        model,
        decisions,
        dict(sorted(files.items())),
        listing.left_out,
        stays,
        shared(listing.companions),
        known,
    )


def without(plan: Plan, unopened: Mapping[str, str]) -> Plan:
    """The plan without the files in `unopened`, key → reason, which are left out instead."""
    if not unopened:
        return plan
    decisions = (replace(each, decision=LEFT_OUT) if each.key in unopened else each for each in plan.decisions)
    files = {key: reason for key, reason in plan.files.items() if key not in unopened}
    return replace(plan, decisions=tuple(decisions), files=files, left_out={**plan.left_out, **unopened})


def told(plan: Plan) -> list[str]:
    """What becomes of companions, in sentences."""
    sentences = []
    if plan.stays:
        which = "1 companion file stays" if len(plan.stays) == 1 else f"{len(plan.stays):,} companion files stay"
        sentences.append(f"{which} behind with culled photos: {some(plan.stays)}.")
    if plan.shared:
        which = "1 companion file belongs" if len(plan.shared) == 1 else f"{len(plan.shared):,} companion files belong"
        named = [f"{key!r} ({', '.join(map(repr, photos))})" for key, photos in plan.shared.items()]
        sentences.append(f"{which} to several photos and is kept if one of them is: {some(named, str)}.")
    return sentences


def some(names: Iterable[str], spelled: Callable[[str], str] = repr) -> str:
    """The first names of many, and how many more there are, for people."""
    every: Sequence[str] = list(names)
    more = f" and {len(every) - SUCH:,} more" if len(every) > SUCH else ""
    return ", ".join(map(spelled, every[:SUCH])) + more
