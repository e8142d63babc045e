"""Measures label efficiency: how many labels a query strategy would have needed, by replaying known labels in a
session.

A table gives the photographer's decisions. Some photos, in whole groups, are held out. A strategy asks the others one
by one, and every few labels the scores of the held-out photos are measured. Each strategy is replayed for several
seeds, next to random sampling as the baseline. Labels go to a temporary folder.

`curve.csv`: one row per strategy, seed and number of labels; columns as in `Measured`. `curve.png` is its plot. All
scores come from the light head; nothing is fine-tuned. By the clock, each seed is also played to a certified cull of
all photos; see `minutes`.
"""

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..encoding.load import Model
from ..errors import ReplayRefused, StageError
from ..installation import DEFAULT_CACHE_DIR
from ..learning import orders
from ..learning.scores import choose_source
from ..progress import Progress, amount, logged, silent
from ..project import tables
from ..project.files import replacing
from ..project.journal import Journal, audit_event
from ..project.settings import open_task
from ..project.stages import Stage, absolute, open_stage
from ..project.task import CULL_TASK, KEEP, in_words
from ..session.session import Session
from ..training import figures
from ..training.evaluation import Quality, Reached, labels_to_reach, mean_interval, quality_by_class
from . import minutes
from .truth import Truth, hold_out, in_one_group, read_truth

BASELINE = "random"
STRATEGIES = ("default", BASELINE, "uncertainty")
FEWEST = 10
"""Minimum number of photos with a known label."""
_TRAINING = "files"  # a queue whose labels train the head; spot checks don't
_MEMORY = Path("/dev/shm")  # Linux tmpfs: fsync costs nothing there

Choice = Iterator[tuple[str, str | None]]
"""Photo keys, each with the queue to answer it in; None for the queue in which the session showed it."""


@dataclass(frozen=True)
class Rules:
    """Settings of a replay. `held_out`: share of the photos, 0 … 1. `group_column`: defaults to the column `burst` if
    there is one, otherwise to the bursts that the session detects.
    """

    keep_column: str = "keep"
    strategy: str = STRATEGIES[0]
    budget: int = 320
    step: int = 20
    seeds: int = 10
    group_column: str | None = None
    held_out: float = 0.3
    pace: minutes.Pace | None = None
    """Of the person who is timed; None for no clock."""


class Measured(NamedTuple):
    """Quality of the scores of the held-out photos after `labels` labels, spot checks included."""

    strategy: str
    seed: int
    labels: int
    average_precision: float
    auroc: float
    accuracy: float
    balanced_accuracy: float


@dataclass(frozen=True)
class Outcome:
    """Results of a replay, for display. `about`: describes the photos. `plot` lies next to `table`. `by_clock`: what a
    person's minutes come to, empty without a clock.
    """

    about: str
    rows: Sequence[Measured]
    table: Path
    plot: Path
    by_clock: str = ""

    @property
    def strategies(self) -> list[str]:
        """The strategies that were played, the baseline last."""
        names = dict.fromkeys(row.strategy for row in self.rows)
        return sorted(names, key=lambda name: name == BASELINE)

    @property
    def labels(self) -> np.ndarray:
        """(n,) number of labels at each measurement."""
        return np.unique([row.labels for row in self.rows])

    def curves(self, strategy: str, column: str = "average_precision") -> np.ndarray:
        """(seeds, n) values of `column`."""
        values = [getattr(row, column) for row in self.rows if row.strategy == strategy]
        return np.array(values).reshape(-1, len(self.labels))

    @cached_property
    def reached(self) -> Reached:
        """Labels at which the strategy reaches the baseline's final average precision."""
        return labels_to_reach(self.labels, self.curves(self.strategies[0]), self.curves(BASELINE)[:, -1])

    @property
    def headline(self) -> str:
        """The result in one line."""
        strategy, level, last = self.strategies[0], self.curves(BASELINE)[:, -1].mean(), self.labels[-1]
        if strategy == BASELINE:
            return f"Photos drawn at random: average precision {level:.1%} after {amount(last, 'label')}"
        if self.reached.labels > last:
            return f"{strategy} does not match random within {amount(last, 'label')}"
        return f"{strategy} needs {self._said(self.reached.labels)} labels to match random after {last}"

    @property
    def summary(self) -> str:
        """The photos, the final quality, and the headline with its interval."""
        lines = [
            self.about,
            f"After {self.labels[-1]} labels, on held-out photos (mean over the seeds ± half of its 95 % interval):",
        ]
        for name in self.strategies:
            cells = []
            for column in Quality._fields:
                mean, half = mean_interval(100 * self.curves(name, column)[:, -1])
                cells.append(f"{column.replace('_', ' ')} {mean:.1f} %" + ("" if np.isnan(half) else f" ± {half:.1f}"))
            lines.append(f"  {name:11s} {', '.join(cells)}")
        if self.strategies[0] == BASELINE:
            return "\n".join([*lines, f"{self.headline}."])
        low, high = (self._said(end) for end in self.reached[1:])
        interval = "one seed has no interval" if np.isnan(self.reached.low) else f"95 % interval {low} to {high}"
        return "\n".join([*lines, self._over_all, f"{self.headline} ({interval})."])

    @property
    def _over_all(self) -> str:
        """Mean difference from the baseline over the whole curve, paired by seed."""
        strategy = self.strategies[0]
        ahead, half = mean_interval(100 * (self.curves(strategy) - self.curves(BASELINE)).mean(axis=1))
        interval = "" if np.isnan(half) else f" ± {half:.1f}"
        return (
            f"Over all measurements, average precision of {strategy} minus random: {ahead:+.1f}{interval} percentage "
            "points (paired by seed)."
        )

    def _said(self, count: float) -> str:
        if count <= self.labels[0]:
            return f"at most {self.labels[0]}"
        return f"more than {self.labels[-1]}" if np.isinf(count) else f"{count:.0f}"


@logged("replay")
def replay(
    project: str | Path,
    truth: str | Path,
    out: str | Path,
    rules: Rules | None = None,
    *,
    stage: int | None = None,
    model: Model = None,
    cache_dir: str | Path | None = None,
    task: str = CULL_TASK.name,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Play all seeds; rewrite `out` and the plot next to it after each seed. `say` receives notes for the user.

    `task`: one of the project's, of which `truth` is a labels file. The project's labels, model and photos are only
    read. Raises `ReplayRefused`, `StageError`, `StorageError`.
    """
    rules, out = rules or Rules(), absolute(out)
    opened, folder = open_stage(project, stage), absolute(cache_dir) if cache_dir else DEFAULT_CACHE_DIR
    asked = open_task(opened.project, task)
    where = replace(opened, task=task)
    _check(rules, out, where)
    known = read_truth(absolute(truth), where, rules.keep_column, rules.group_column, asked)
    source = choose_source(where, model, asked)
    if source.notice:
        say(f"Note: {source.notice}")
    in_memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="imlcull-replay-", dir=in_memory) as temporary:

        def session(name: str, seed: int) -> Session:
            rehearsal = Stage(Path(temporary, f"{name}_{seed}"), 1, task=task, elsewhere=where.folder)
            rehearsal.project.mkdir()
            Journal(rehearsal.journal, asked).append([audit_event(np.random.default_rng([seed, 1]).bytes(16).hex())])
            return Session(rehearsal, source.base, folder, asked)

        first = session("cast", 0)
        first.prepare(progress=progress)
        cast = _Cast(first, known, rules, say)
        rows: list[Measured] = []
        names = list(dict.fromkeys((rules.strategy, BASELINE)))
        for seed, name in product(range(rules.seeds), names):
            done = (seed * len(names) + names.index(name)) * cast.budget
            for given, measured in _play(session(name, seed), cast, name, seed):
                progress("replaying", done + given, rules.seeds * len(names) * cast.budget)
                rows += [measured] if measured else []
            if name == names[-1]:
                outcome = _write(rows, out, cast.about, cast.caption(seed + 1))
        if rules.pace is None:
            return outcome
        played = []
        for seed in range(rules.seeds):
            progress("timing a person", seed, rules.seeds)
            timed = session("timed", seed)
            timed.prepare()
            played.append(minutes.play(timed, cast.labels, pace=rules.pace))
        progress("timing a person", rules.seeds, rules.seeds)
    return replace(outcome, by_clock=minutes.summary(played, len(cast.photos), rules.pace))


class _Cast:
    """The photos with a known label, and which of them are held out for each seed."""

    def __init__(self, session: Session, known: Truth, rules: Rules, say: Callable[[str], None]) -> None:
        moments = session.moments()
        self.photos = tuple(moments)
        self.keys = [key for key in moments if key in known.labels]
        self.labels, self.task = known.labels, session.task
        self.rules, self._known, self._session = rules, known, session
        self._check_answers()
        if known.group is None:
            groups = [str(moments[key][0]) for key in self.keys]
        else:
            groups = [known.group.get(key, f"\0{key}") for key in self.keys]
        sides, stay = self._sides(groups, say)
        names = np.array(self.keys, object)
        self.held: list[list[str]] = []
        for seed in range(rules.seeds):
            held = hold_out(groups, sides, rules.held_out, seed, stay)
            if held is None:
                raise ReplayRefused(
                    f"No {rules.held_out:.0%} of the photos can be held out in whole groups ({known.grouped_by}) so "
                    f"that {self._kinds} are on both sides. Choose another --held-out or --group-column."
                )
            self.held.append(names[held].tolist())
        room = len(self.keys) - max(map(len, self.held))
        self.budget = min(rules.budget, room)
        self.budgets = frozenset([*range(rules.step, self.budget + 1, rules.step), self.budget])
        self._say(room, say)

    def pool(self, seed: int) -> list[str]:
        """The photos that may be asked, in key order."""
        held = set(self.held[seed])
        return [key for key in self.keys if key not in held]

    @property
    def about(self) -> str:
        """Counts of photos, the split, and the source of the scores."""
        if self.task == CULL_TASK:
            keepers = self._keepers
            counts = f"{keepers} keepers ({keepers / len(self.keys):.0%}), {len(self.keys) - keepers} culls"
        else:
            totals = np.nansum(self.task.targets([self.labels[key] for key in self.keys]), axis=0)
            counts = ", ".join(f"{int(total)} {name}" for name, total in zip(self.task.classes, totals, strict=True))
        return (
            f"{len(self.keys)} photos with a known answer: {counts}. Held out: about {self.rules.held_out:.0%}, by "
            f"{self._known.grouped_by}. Scores: {self._session.source}."
        )

    def caption(self, seeds: int) -> figures.Caption:
        """Caption of the plot."""
        share = figures.percent(self.rules.held_out)
        what = f"{self._keepers} of them kept" if self.task == CULL_TASK else self.task.name
        return figures.Caption(
            f"{self._session.stage.folder}: {len(self.keys)} photos, {what}",
            f"Mean and 95 % interval (Student's t) of {seeds} draws of the {share} held out, in whole "
            f"groups ({self._known.grouped_by}). Spot checks count as labels but do not train. "
            f"Scores: {self._session.source}.",
        )

    @property
    def _keepers(self) -> int:
        return sum(self.labels[key] == KEEP for key in self.keys)

    @property
    def _kinds(self) -> str:
        """The photos that have to be on both sides, in words."""
        return "keepers and culls" if self.task == CULL_TASK else "photos of every class or tag"

    def _sides(self, groups: Sequence[str], say: Callable[[str], None]) -> tuple[np.ndarray, set[str]]:
        """(N, S) bool: photos of each class, or with and without each tag; and the groups that can't be held out.

        Only kinds that occur, and in more than one group: the others are asked but not measured, which `say` is told.
        """
        targets, classes = self.task.targets([self.labels[key] for key in self.keys]), self.task.classes
        sides = targets == 1 if self.task.exclusive else np.hstack([targets == 1, targets == 0])
        if self.task == CULL_TASK:
            return sides, set()
        lone = in_one_group(groups, sides)
        stay = {groups[row] for row in np.flatnonzero(sides[:, lone].any(axis=1)).tolist()}
        use = sides.any(axis=0) & ~lone
        if not self.task.exclusive:
            use &= np.roll(use, len(classes))
        if use.sum() < 2:
            return sides[:, sides.any(axis=0)], set()  # `hold_out` finds no draw
        if names := tuple(dict.fromkeys(classes[kind % len(classes)] for kind in np.flatnonzero(lone))):
            said = in_words(names)
            say(f"Note: too few groups ({self._known.grouped_by}) tell {said} apart: asked, but not measured.")
        return sides[:, use], stay

    def _check_answers(self) -> None:
        folder, path, labels = self._session.stage.folder, self._known.path, [self.labels[key] for key in self.keys]
        if len(labels) < FEWEST:
            named = next(iter(self._known.labels), None)
            hint = f" It names {named!r}; the stage holds {self.photos[0]!r}." if named and not labels else ""
            raise ReplayRefused(
                f"{path} has a known answer for {amount(len(labels), 'photo')} of {folder} that can be read; a replay "
                f"needs {FEWEST} or more.{hint} Names are paths within the stage."
            )
        targets = self.task.targets(labels)
        if not ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any():
            raise ReplayRefused(
                f"All {len(labels)} answers in {path} are {self.task.words(labels[0])}. A replay needs both."
            )

    def _say(self, room: int, say: Callable[[str], None]) -> None:
        session, unreadable = self._session, self._session.unreadable()
        stage = session.listing.keys
        counts = {
            "photos without a known answer are left out": len(set(stage) - set(self.labels)),
            "known answers name a photo that is not in the stage": len(set(self.labels) - set(stage)),
            "photos with a known answer can't be read": len(set(unreadable) & set(self.labels)),
        }
        for what, count in counts.items():
            if count:
                say(f"Note: {count} {what}.")
        if self.rules.pace and len(self.keys) < len(self.photos):
            raise ReplayRefused(
                f"{amount(len(self.photos) - len(self.keys), 'photo')} without a known answer: a person can only be "
                "timed where all have one. Complete the table, or leave --clock out."
            )
        if room < self.rules.budget:
            say(f"Note: the budget is {room}, not {self.rules.budget}: the other photos are held out.")


def _play(session: Session, cast: _Cast, strategy: str, seed: int) -> Iterator[tuple[int, Measured | None]]:
    """Yield the number of labels after each one, with a measurement if one is due."""
    if session.prepare().keys != cast.photos:
        raise StageError(f"Photos in {session.stage.folder} changed while they were replayed. Run it again.")
    session.remember_contents()
    pool, held = cast.pool(seed), cast.held[seed]
    session.withhold(set(cast.photos).difference(pool))
    targets, task = cast.task.targets([cast.labels[key] for key in held]), cast.task
    asked: Choice
    if strategy == BASELINE:
        asked = ((pool[place], _TRAINING) for place in np.random.default_rng([seed, 2]).permutation(len(pool)))
    else:
        asked = _default(session) if strategy == STRATEGIES[0] else _uncertainty(session, frozenset(pool))
    for given in range(1, cast.budget + 1):
        key, queue = next(asked)
        session.answer(key, cast.labels[key], queue)
        measured = None
        if given in cast.budgets:
            found = quality_by_class(_scores(session, held), targets, task.exclusive)
            measured = Measured(strategy, seed, given, *found)
        yield given, measured


def _default(session: Session) -> Choice:
    """What the app asks, spot checks included."""
    while (photo := session.next()) is not None:
        yield photo.key, None


def _uncertainty(session: Session, pool: Collection[str]) -> Choice:
    """The app's start, then always the photo that the scores are least sure of."""
    task = session.task
    while True:
        if orders.still_starting(task.targets(list(session.labels().values())), task.exclusive):
            yield session.order(1)[0].key, _TRAINING
            continue
        left = [key for key in session.listing.keys if key not in session.labels() and key in pool]
        order = orders.most_uncertain_first(_scores(session, left), np.arange(len(left)), task.exclusive)
        yield left[order[0]], _TRAINING


def _scores(session: Session, keys: Sequence[str]) -> np.ndarray:
    """(n, K) scores; while there are none, every photo gets the latest label."""
    ranking, task = session.standing().ranking, session.task
    latest = task.targets(list(session.labels().values()))[-1]
    found = [ranking.scores(key) for key in keys]
    scores = np.array([latest if each is None else each for each in found], np.float64)
    return np.where(np.isnan(scores), 0.5, scores)


def _check(rules: Rules, out: Path, stage: Stage) -> None:
    """Refuse invalid settings and unwritable outputs before any computation."""
    if rules.strategy not in STRATEGIES:
        raise ReplayRefused(f"There is no strategy {rules.strategy!r}. Choose one of {', '.join(STRATEGIES)}.")
    if not 0 < rules.held_out < 1 or min(rules.budget, rules.step, rules.seeds) < 1:
        raise ReplayRefused(
            f"Held out {rules.held_out:g}, budget {rules.budget}, step {rules.step}, {rules.seeds} seeds can't be "
            "played. Choose a share between 0 and 1, and counts of 1 or more."
        )
    if rules.pace and stage.task != CULL_TASK.name:
        raise ReplayRefused(f"The task {stage.task} culls nothing, so there is no cull to time. Leave --clock out.")
    if rules.pace and not (rules.pace.single > 0 and rules.pace.sheet > 0):
        raise ReplayRefused("A photo takes a person more than 0 seconds. Choose other --seconds and --sheet-seconds.")
    if out.suffix.lower() != ".csv" or not out.parent.is_dir():
        raise ReplayRefused(f"The curve can't be written to {out}. Name a .csv file in a folder that exists.")
    if out.resolve().is_relative_to(stage.folder.resolve()):
        raise ReplayRefused(f"{out} is among the photos, where nothing is written. Name a file elsewhere.")
    strangers = (
        tables.read(out.resolve())[0] != list(Measured._fields) if out.exists() else out.with_suffix(".png").exists()
    )
    if strangers:
        raise ReplayRefused(f"{out} or the .png beside it is not a replay curve. Name another file, or move it away.")


def _write(rows: Sequence[Measured], out: Path, about: str, caption: figures.Caption) -> Outcome:
    """Replace the table and the plot."""
    outcome = Outcome(about, rows, out, out.with_suffix(".png"))
    tables.write(out, Measured._fields, ({**row._asdict(), **_rounded(row)} for row in rows))
    curves = {name: outcome.curves(name) for name in outcome.strategies}
    with replacing(outcome.plot) as temporary:
        temporary.write_bytes(figures.draw_learning(outcome.labels, curves, outcome.headline, caption))
    return outcome


def _rounded(row: Measured) -> dict[str, float]:
    return {name: round(getattr(row, name), 6) for name in Quality._fields}
