"""What to do next, as a sentence with a link to the step: it stands above the tabs, always."""

from html import escape
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from ..learning.promise import MAX_KEEPERS_LOST
from ..learning.ways import Way, time_for
from ..progress import amount
from ..project.labels import AGAIN, SHEET
from ..project.task import CULL_TASK
from ..session.desk import PAUSE, Desk
from ..session.session import Standing
from .promise import FEW, first_steps
from .threshold import given

FIRST = 20
"""Answers after which scores are worth a look."""
NEAR = 0.15
"""A close call: its score is at most so far below the threshold, or nearer above it."""
MANY = 0.05
"""Share of close calls among all photos from which they are reviewed before anything is checked."""


class Facts(NamedTuple):
    """What the next step depends on, as numbers of photos.

    `missing`: what must be labeled before there are scores, as a sentence; empty once there are, or once they only wait
    for the analysis. `near`: close calls without an answer; `checked`: spot checks. `way`: see `Standing.cheapest_way`;
    None before all are analyzed. `culled`: by answers and scores, known once the promise is reached. `unreadable`:
    without an answer.
    """

    photos: int
    answered: int
    missing: str = ""
    is_cull: bool = True
    near: int = 0
    checked: int = 0
    way: Way | None = None
    culled: int = 0
    unreadable: int = 0

    @property
    def left(self) -> int:
        """Photos that can be answered and have no answer."""
        return self.photos - self.answered - self.unreadable


class Step(NamedTuple):
    """A sentence, and the tab in which it is done, with its chip in Review; empty if there is nothing to do."""

    words: str
    tab: str


CULLED = Step("Culled: go on with the keepers", "Cull")


def next_step(facts: Facts) -> Step:
    """The next step."""
    if facts.left <= 0:
        return _ready(facts) if facts.is_cull else Step("Every photo has an answer", "Review")
    if not facts.is_cull:
        if facts.missing:
            return Step(facts.missing.rstrip("."), "Label")
        return Step(f"Scores are useful now: review {_of(facts.left, facts.photos)}", "Review")
    if facts.answered < FIRST:
        more = "more " if facts.answered else ""
        return Step(f"Answer about {FIRST - facts.answered} {more}photos", "Label")
    if facts.missing:
        return Step("Answer more photos, until you have kept one and culled one", "Label")
    if facts.near > MANY * facts.photos and facts.checked < FEW:
        return Step(f"Scores are useful now: review {_of(facts.near, facts.photos)}", "Review/close")
    if facts.way is None:
        return Step("Answer more photos while the rest is analyzed", "Label")
    return _checked(facts, facts.way)


def _checked(facts: Facts, way: Way) -> Step:
    if way.next_step == AGAIN:
        return Step(f"Check: answer {amount(way.again, 'photo')} of your sheets again", "Check")
    if way.next_step == SHEET:
        return Step(f"Check: {amount(way.checks, 'photo')} on sheets ({time_for(way.checks)})", "Check")
    if way.next_step:
        return Step(f"Look at {amount(way.looks, 'photo')} ({time_for(way.looks)})", "Check")
    if not way.is_reached:
        return Step("Look again at what you culled on sheets", "Review")
    return _ready(facts)


def _ready(facts: Facts) -> Step:
    return Step(f"Ready: cull {facts.culled:,}, keep {facts.photos - facts.culled:,}", "Cull")


def _of(some: int, photos: int) -> str:
    return f"{some:,} of {amount(photos, 'photo')}"


def facts_of(now: Standing, threshold: float, target: float) -> Facts:
    """The facts of a standing. `threshold`: of the page; `target`: share of keepers that may be lost."""
    counts, is_cull = now.counts, now.task == CULL_TASK
    learned = {label for key, label in now.answers.training.items() if key in now.keys}
    missing = first_steps(now) if len(learned) < 2 or not is_cull else ""
    facts = Facts(counts.photos, counts.labeled, missing, is_cull, culled=counts.cull, unreadable=counts.unreadable)
    way, labels, p_keep = now.cheapest_way(threshold, target), now.answers.labels, now.ranking.p_keep
    if not is_cull or p_keep is None:
        return facts

    def open_among(are_meant: np.ndarray) -> int:
        return sum(now.ranking.keys[row] not in labels for row in np.flatnonzero(are_meant).tolist())

    near = open_among((p_keep >= threshold - NEAR) & (p_keep < threshold + NEAR))
    facts = facts._replace(near=near, checked=len(now.answers.audited), way=way)
    if not (way and way.is_reached):
        return facts
    return facts._replace(culled=counts.cull + open_among(p_keep < threshold))


def step_of(now: Standing, threshold: float = 0.5, target: float = MAX_KEEPERS_LOST) -> Step:
    """The next step of a standing. Cached per ranking."""
    asked = ("step", threshold, target)
    if asked not in now.ranking.promises:
        now.ranking.promises[asked] = next_step(facts_of(now, threshold, target))
    found: Step = now.ranking.promises[asked]
    return found


def look(desk: Desk, percent: float | None = None, target: float = MAX_KEEPERS_LOST) -> Any:
    """HTML of the next step; while somebody presses keys, it stays as it is: it may wait, a key may not.

    `percent`: the threshold of the page, None while it has none.
    """
    if desk.session.seconds_since_press() < PAUSE:
        return gr.skip()
    threshold = 0.5 if percent is None else given(percent)
    is_culled = desk.session.stage.next.manifest.exists()
    step = CULLED if is_culled else step_of(desk.session.standing(wait=False), threshold, target)
    return f'<p class="next"><a href="#{step.tab.lower()}">{escape(step.words)}</a></p>'
