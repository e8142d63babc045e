"""A replay by the clock: minutes from opening a stage to a cull that loses few keepers, in truth and certified.

A photographer with known answers first answers single photos, then contact sheets of blind checks, and at last looks at
what the cheapest way says. Answers count as if they were certain. Nothing is fine-tuned, and waiting isn't counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..learning.ways import SECONDS
from ..project.labels import AGAIN, LOOK, SHEET
from ..project.task import KEEP
from ..session.session import Session
from ..training.evaluation import mean_interval

WHO = "replay"
_LOOK_EVERY = 10
"""Single answers between two looks at the truth."""


@dataclass(frozen=True)
class Pace:
    """Seconds that a person takes: for a photo alone, and for one on a sheet. How many are answered alone."""

    single: float = 1.5
    sheet: float = SECONDS
    answers: int = 100


@dataclass(frozen=True)
class Minutes:
    """What one replay took.

    `in_truth`: minutes until the cull first loses at most the share of the keepers that may be lost; infinite if never.
    `certified`: minutes until that is certified and everything is looked at that has to be; infinite if never. `lost`:
    share of all keepers that the cull then loses. `unchecked`: the share that it would lose at the threshold right
    after the single answers. `singles`, `checks`, `looks`: photos seen alone, on sheets of checks, and looked at.
    """

    in_truth: float
    certified: float
    lost: float
    unchecked: float
    singles: int
    checks: int
    looks: int


def play(
    session: Session,
    truth: Mapping[str, str],
    max_keepers_lost: float = 0.05,
    pace: Pace = Pace(),
    threshold: float = 0.5,
) -> Minutes:
    """Answer a prepared stage from its first photo on. `truth`: key → label, of all photos."""
    seconds, in_truth, singles, checks, looks = 0.0, float("inf"), 0, 0, 0

    def note(below: float) -> float:
        nonlocal in_truth
        share = lost(session, truth, below)
        if share <= max_keepers_lost:
            in_truth = min(in_truth, seconds / 60)
        return share

    for count in _answered(session, truth, pace.answers):
        singles, seconds = count, seconds + pace.single
        if count % _LOOK_EVERY == 0:
            note(threshold)
    unchecked = note(threshold)
    below = threshold
    while (way := session.cheapest_way(threshold, max_keepers_lost)) and not way.is_reached:
        below = way.threshold
        is_check = way.next_step == SHEET
        photos = session.sheet(WHO, threshold) if is_check else session.looks(WHO, below, threshold)
        if not photos:
            break
        session.answer_sheet({photo.key: truth[photo.key] for photo in photos}, SHEET if is_check else LOOK)
        checks, looks = (checks + len(photos), looks) if is_check else (checks, looks + len(photos))
        seconds += pace.sheet * len(photos)
        while photo := session.asked_again(WHO):
            session.answer_sheet({photo.key: truth[photo.key]}, AGAIN)
            singles, seconds = singles + 1, seconds + pace.single
        note(below)
    share = note(way.threshold if way else below)
    certified = seconds / 60 if way and way.is_reached else float("inf")
    return Minutes(in_truth, certified, share, unchecked, singles, checks, looks)


def summary(played: Sequence[Minutes], photos: int, pace: Pace, max_keepers_lost: float = 0.05) -> str:
    """Lines for people: minutes for a stage of so many photos, beside those of looking at all of them."""
    alone, on_sheets = (f"{seconds * photos / 60:.1f}" for seconds in (pace.single, pace.sheet))
    return (
        f"Minutes of a person until a cull loses at most {max_keepers_lost:.0%} of the keepers, at {pace.single:g} s a "
        f"photo and {pace.sheet:g} s on a sheet (mean over the seeds ± half of its 95 % interval):\n"
        f"  looking at all   {alone} one by one, {on_sheets} on sheets\n"
        f"  as the app asks  {_said([each.in_truth for each in played])} in truth, "
        f"{_said([each.certified for each in played])} until that is certified\n"
        f"  without checks   {_said([100 * each.unchecked for each in played])} % are lost after {pace.answers} answers"
    )


def _said(values: Sequence[float]) -> str:
    if never := list(values).count(float("inf")):
        return f"never in {never} of {len(values)} seeds"
    mean, half = mean_interval(np.array(values, float))
    return f"{mean:.1f} ± {half:.1f}" if np.isfinite(half) else f"{mean:.1f}"


def lost(session: Session, truth: Mapping[str, str], threshold: float) -> float:
    """The share of all keepers that a cull at this threshold would lose, by the truth; 1 without scores."""
    keepers = {key for key, label in truth.items() if label == KEEP}
    culled = [photo for photo in session.survey() if photo.label is None and photo.key in keepers]
    gone = [photo for photo in culled if photo.p_keep is None or photo.p_keep < threshold]
    return len(gone) / len(keepers)


def _answered(session: Session, truth: Mapping[str, str], most: int) -> Iterator[int]:
    """Answer what the app asks; the number of answers after each."""
    for count in range(1, most + 1):
        photo = session.next()
        if photo is None:
            return
        session.answer(photo.key, truth[photo.key])
        yield count
