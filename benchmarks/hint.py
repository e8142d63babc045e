"""What the head gains from knowing how each frame compares with the best of its burst.

    python -m benchmarks.hint --photos ../shared/photos --model ../shared/models/vit-tiny-patch16-224
        [--seeds 10] [--out DIR] [--results benchmarks/RESULTS.md]

The same head on the same answers, drawn at random, without and with the hint of `learning.scores`, judged on whole
source photos or senders held out. Two simulated shoots (benchmarks/shoots.py) ask for frames that are better than the
rest of their burst. Garments ask for classes, which have nothing to do with bursts: each garment becomes a burst of
three, by adding to its embedding what parts three frames of a shoot from the mean of their bursts.
"""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; small matrices gain nothing from more

import numpy as np

from benchmarks.labels import Photos, Tasks, clothing, embedded, split
from benchmarks.results import RESULTS, table, write_part
from benchmarks.shoots import make_shoot, whims
from imlcull_al.encoding.builtin import severity
from imlcull_al.encoding.encoder import Encoder
from imlcull_al.encoding.load import BESIDE, load_encoder
from imlcull_al.learning import bursts, head
from imlcull_al.terminal import progress_bar
from imlcull_al.training.evaluation import mean_interval, quality

PART = "benchmarks.hint"
BUDGETS = (20, 40, 80, 160)
TASKS = ("T-Shirt", "Shoes", "five classes", "five classes, flipped")


class Judged(NamedTuple):
    """Of photos held out: average precision, and in how many bursts with both the first is a keeper; NaN for none."""

    precision: float
    best: float


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="with clothing_cc0, fullsize_cc0, camera_exif_free")
    parser.add_argument("--model", required=True, help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-labels"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    model = options.model + BESIDE
    shoots = [shoot(options.photos, model, options.out, is_long) for is_long in (False, True)]
    stages = [*shoots, in_bursts(clothing(options.photos, model, options.out), shoots[0])]
    rows = [row for stage in stages for row in compared(stage, load_encoder(model), options.seeds)]
    heads = ["task", "", *(f"{budget} answers" for budget in BUDGETS), "no answer"]
    title = f"### Average precision × 1000, mean of {options.seeds} seeds: without the hint, and gain by it ± 95 %"
    write_part(options.results, PART, f"{title}\n\n{table(heads, rows)}")


def shoot(photos: Path, model: str, out: Path, is_long: bool) -> Photos:
    """A simulated shoot, grouped by source photo."""
    name = "long shoot" if is_long else "shoot"
    sources = [path for each in ("fullsize_cc0", "camera_exif_free") for path in sorted((photos / each).glob("*.jpg"))]
    with progress_bar() as progress:
        made = make_shoot(out / name, sources, progress, bursts=9 if is_long else 5, is_long=is_long)
    frames = {frame.key: frame for frame in made}
    seen = embedded({key: out / name / key for key in frames}, model, out)
    ordered = [frames[key] for key in seen.keys]
    source, group = np.array([frame.source for frame in ordered]), bursts.groups(seen.taken, seen.rows)
    return Photos(name, seen.rows, source, group, lambda seed: {name: (whims(ordered, seed),) * 2})


def in_bursts(garments: Photos, frames: Photos) -> Photos:
    """Every garment as a burst of three; its tasks say nothing of the difference."""
    mean = np.zeros((frames.burst.max() + 1, frames.rows.shape[1]), np.float32)
    np.add.at(mean, frames.burst, frames.rows)
    apart = frames.rows - (mean / np.bincount(frames.burst)[:, None])[frames.burst]
    drawn = np.random.default_rng(3).integers(0, len(apart), 3 * len(garments.rows))
    assert garments.group is not None

    def tasks(seed: int) -> Tasks:
        named = garments.tasks(seed)
        return {name: (np.repeat(named[name][0], 3), np.repeat(named[name][1], 3)) for name in TASKS}

    rows, group = np.repeat(garments.rows, 3, axis=0) + apart[drawn], np.repeat(garments.group, 3)
    return Photos("garments in bursts", rows, group, np.repeat(np.arange(len(garments.rows)), 3), tasks)


def compared(stage: Photos, encoder: Encoder, seeds: int) -> list[list[str]]:
    """Lines of the table for each task of a stage."""
    seen = severity(encoder, stage.rows)
    assert seen is not None
    hint = -bursts.behind_best(seen, stage.burst)
    plain, hinted = head.features(stage.rows.copy()), head.features(stage.rows.copy(), hint)
    lines = []
    for task in stage.tasks(0):
        played = [played_once(stage, task, seed, plain, hinted, hint) for seed in range(seeds)]
        precision = np.array([[[each.precision for each in pair] for pair in pairs] for pairs, _ in played]) * 1000
        best = np.array([[[each.best for each in pair] for pair in pairs] for pairs, _ in played]) * 100
        alone = np.array([(each.precision * 1000, each.best * 100) for _, each in played])
        lines.append(line(task, "AP", precision, alone[:, 0]))
        if np.isfinite(best).all():
            lines.append(line("", "best of burst (%)", best, alone[:, 1]))
    return lines


def played_once(
    stage: Photos, task: str, seed: int, plain: head.Features, hinted: head.Features, hint: np.ndarray
) -> tuple[list[tuple[Judged, Judged]], Judged]:
    """For each budget the head without and with the hint; and the hint alone."""
    pool, held = split(stage, seed)
    given, truth = stage.tasks(seed)[task]
    order = np.random.default_rng([5, seed]).permutation(pool)

    def judged(logits: np.ndarray) -> Judged:
        found = quality(head.sigmoid(logits[held]), truth[held])
        return Judged(found.average_precision, best_of_burst(logits, truth, stage.burst, held))

    def fitted(known: head.Features, asked: np.ndarray) -> np.ndarray:
        target = given[asked]
        if target.all() or not target.any():
            return np.zeros(len(given))
        return known.logits(head.fit(known, asked, target))

    asked = [order[:budget] for budget in BUDGETS]
    pairs = [(judged(fitted(plain, each)), judged(fitted(hinted, each))) for each in asked]
    return pairs, judged(hint.astype(np.float64))


def best_of_burst(logits: np.ndarray, truth: np.ndarray, burst: np.ndarray, held: np.ndarray) -> float:
    """The share of bursts with keepers and others whose highest logit is a keeper's."""
    firsts = []
    for number in np.unique(burst[held]):
        rows = held[burst[held] == number]
        if truth[rows].any() and not truth[rows].all():
            firsts.append(bool(truth[rows[logits[rows].argmax()]]))
    return float(np.mean(firsts)) if firsts else float("nan")


def line(task: str, what: str, values: np.ndarray, alone: np.ndarray) -> list[str]:
    """`values` (seeds, budgets, 2): one line of the table."""
    cells = []
    for without, with_it in np.moveaxis(values, 0, -1):
        gain, half = mean_interval(with_it - without)
        cells.append(f"{without.mean():.0f}, {gain:+.0f} ± {half:.0f}")
    return [task, what, *cells, f"{alone.mean():.0f}"]


if __name__ == "__main__":
    main()
