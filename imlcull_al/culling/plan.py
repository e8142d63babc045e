"""From scores and answers to a plan: each photo's decision, and the files that the next stage gets. Writes nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CullRefused
from ..project.labels import CULL, KEEP
from ..project.listing import Listing
from ..project.stages import Stage

KnownContent = Callable[[Path], str | None]
"""The content id of a file, where it is known without reading it."""


def _nothing_known(path: Path) -> None:
    return None


@dataclass(frozen=True)
class Decision:
    """What happens to one photo, and why. `p_keep` is None where there is no score."""

    key: str
    decision: str
    reason: str
    p_keep: float | None


@dataclass(frozen=True)
class Plan:
    """What a cull would do. `files`: key of every file to copy → reason, in key order.

    `known`: asked only for files that are linked; copies are read anyway. `revision`: the session's when it was made,
    another one as soon as an answer, a score or a photo is another.
    """

    stage: Stage
    threshold: float
    model: str
    decisions: tuple[Decision, ...]
    files: dict[str, str]
    left_out: dict[str, str]
    known: KnownContent = field(default=_nothing_known, repr=False, compare=False)
    revision: str = field(default="", compare=False)

    @property
    def companions(self) -> int:
        """How many files go with the photos that go on."""
        return len(self.files) - len(self.kept)

    @property
    def kept(self) -> list[Decision]:
        """The photos that go on."""
        return [each for each in self.decisions if each.decision == KEEP]

    @property
    def culled(self) -> list[Decision]:
        """The photos that stay behind."""
        return [each for each in self.decisions if each.decision == CULL]


def decide(
    p_keep: Mapping[str, float],
    labels: Mapping[str, str],
    unreadable: Mapping[str, str],
    threshold: float = 0.5,
) -> list[Decision]:
    """One decision per photo, in key order: a person's label beats everything, an unreadable photo is kept, else
    p_keep at or above `threshold` is keep.
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
    """The files that the next stage gets: kept photos and the companions of each. Raises `CullRefused`."""
    if not 0 <= threshold <= 1:
        raise CullRefused(f"The threshold is {threshold}; choose one between 0 and 1.")
    decisions = tuple(decisions)
    files: dict[str, str] = {}
    for each in decisions:
        if each.decision == KEEP:
            files[each.key] = each.reason
            for companion in listing.companions.get(each.key, ()):
                files.setdefault(companion, f"companion of {each.key}")
    return Plan(stage, threshold, model, decisions, dict(sorted(files.items())), listing.left_out, known)
