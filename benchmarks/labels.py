"""How many labels it takes: ours against other query strategies, on the same embeddings, seeds and splits.

    python -m benchmarks.labels --photos ../shared/photos --model ../shared/models/vit-tiny-patch16-224
        [--seeds 10] [--rival-seeds 5] [--out DIR] [--results benchmarks/RESULTS.md]

Each strategy asks a photographer with known answers about 320 photos. The head is then fitted on the first 20, 40, …
labels and judged on whole held-out groups (senders, source photos). `clothing_cc0` provides clean class preferences,
the same with 15 % of the labels flipped, and the curators' rejects. A shoot simulated from the full-size photos
(benchmarks/shoots.py) provides defects and whims. The tool's own samples, one per seed, use its built-in encoder and
are judged on the photos not yet asked, after 20 … 80 labels.

Every cell (task, strategy, seed) is appended to `curves.csv` in `--out` and not run again; delete the file to start
over. The tables replace the last ones in `--results`, and the plot is `labels.png` next to it.
"""

import argparse
import csv
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; small matrices gain nothing from more

import numpy as np

from benchmarks.curves import BUDGETS, SAMPLE, SAMPLE_BUDGETS, Curves, plot, report
from benchmarks.results import RESULTS, write_part
from benchmarks.shoots import make_shoot, whims
from benchmarks.strategies import RIVALS, STRATEGIES, Pool, make_pool
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.load import BUILTIN, load_encoder
from imlcull_al.learning import bursts, head, orders
from imlcull_al.simulate import sample
from imlcull_al.terminal import progress_bar, say
from imlcull_al.training.evaluation import Quality, quality

CLASSES = ("T-Shirt", "Pants", "Longsleeve", "Shoes", "Dress")
FIVE = ("Dress", "Skirt", "Shoes", "Hat", "Outwear")
FLIPPED = 0.15
HELD_OUT = 0.3
COLUMNS = ("task", "strategy", "seed", "labels", *Quality._fields)
PART = "benchmarks.labels"
Tasks = dict[str, tuple[np.ndarray, np.ndarray]]
"""Task → (given labels, true labels), each (N,) bool. They differ where labels are flipped."""


@dataclass(frozen=True, eq=False)  # hashed by identity, as a key of `functools.cache`
class Photos:
    """Embeddings (N, D), group and burst numbers (N,), and the tasks by seed. Nothing is held out if `group` is
    None.
    """

    name: str
    rows: np.ndarray
    group: np.ndarray | None
    burst: np.ndarray
    tasks: Callable[[int], Tasks]
    budgets: Sequence[int] = BUDGETS


def main() -> None:
    """Run missing cells, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="with clothing_cc0, fullsize_cc0, camera_exif_free")
    parser.add_argument("--model", required=True, help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--rival-seeds", type=int, default=5, help="scikit-activeml's (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-labels"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    stages = [clothing(options.photos, options.model, options.out), shoot(options.photos, options.model, options.out)]
    seeds = {name: options.rival_seeds if name in RIVALS else options.seeds for name in STRATEGIES}
    play_missing(stages, seeds, options.out / "curves.csv")
    curves = Curves(stored(options.out / "curves.csv"), seeds)
    write_part(options.results, PART, f"{report(curves)}\n{timing()}")
    plot(curves, options.results.with_name("labels.png"))


def clothing(photos: Path, model: str, out: Path) -> Photos:
    """`clothing_cc0`, grouped by sender; no bursts."""
    folder = photos / "clothing_cc0"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    seen = embedded({key: folder / key for key in table if (folder / key).exists()}, model, out)
    rows = [table[key] for key in seen.keys]
    sender, label = np.array([int(row["sender_id"]) for row in rows]), np.array([row["label"] for row in rows])
    clean = {name: label == name for name in CLASSES} | {"five classes": np.isin(label, FIVE)}
    clean["rejects"] = np.array([row["curated_out"] == "1" for row in rows])

    def tasks(seed: int) -> Tasks:
        slips = np.random.default_rng([99, seed]).random(len(label)) < FLIPPED
        flipped = {f"{name}, flipped": (clean[name] ^ slips, clean[name]) for name in ("T-Shirt", "five classes")}
        return {name: (y, y) for name, y in clean.items()} | flipped

    return Photos("clothing_cc0", seen.rows, sender, np.arange(len(rows)), tasks)


def shoot(photos: Path, model: str, out: Path) -> Photos:
    """The simulated shoot, grouped by source photo; bursts as detected by the app."""
    sources = [path for name in ("fullsize_cc0", "camera_exif_free") for path in sorted((photos / name).glob("*.jpg"))]
    with progress_bar() as progress:
        frames = {frame.key: frame for frame in make_shoot(out / "shoot", sources, progress)}
    seen = embedded({key: out / "shoot" / key for key in frames}, model, out)
    ordered = [frames[key] for key in seen.keys]
    source, burst = np.array([frame.source for frame in ordered]), bursts.groups(seen.taken, seen.rows)
    return Photos("shoot", seen.rows, source, burst, lambda seed: {"shoot": (whims(ordered, seed),) * 2})


def own_sample(seed: int, out: Path) -> Photos:
    """The tool's own sample of this seed, embedded by the built-in encoder."""
    project = out / f"sample_{seed}"
    sample.make_sample(project, seed=seed)
    kept = sample.truth(project)
    seen = embedded({key: project / "stage_1" / key for key in kept}, BUILTIN, out)
    truth = np.array([kept[key] for key in seen.keys])
    burst = bursts.groups(seen.taken, seen.rows)
    return Photos(SAMPLE, seen.rows, None, burst, lambda _: {SAMPLE: (truth, truth)}, SAMPLE_BUDGETS)


def embedded(paths: dict[str, Path], model: str, out: Path) -> embeddings.Embeddings:
    """Embeddings, cached in `out`."""
    with progress_bar() as progress:
        return embeddings.ensure(paths, load_encoder(model), out, progress=progress)


def play_missing(stages: list[Photos], seeds: dict[str, int], file: Path) -> None:
    """Append every cell that `file` lacks. `seeds`: strategy → number of seeds."""
    done = {(row["task"], row["strategy"], int(row["seed"]), int(row["labels"])) for row in stored(file)}
    started = time.monotonic()
    with file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        if not out.tell():
            writer.writerow(COLUMNS)
        for seed in range(max(seeds.values())):
            names = [name for name, count in seeds.items() if seed < count]
            for stage in (*stages, own_sample(seed, file.parent)):
                for task, name in itertools.product(stage.tasks(seed), names):
                    if (task, name, seed, stage.budgets[-1]) not in done:
                        writer.writerows([(task, name, seed, *row) for row in play(stage, seed, task, name)])
                        out.flush()
            say(f"seed {seed} played after {(time.monotonic() - started) / 60:.1f} min")


def play(stage: Photos, seed: int, task: str, name: str) -> Iterator[tuple[float, ...]]:
    """Yield (labels, *quality) at every budget, on the held-out photos or, if there are none, on the photos not yet
    asked.
    """
    pool, rows, held = prepared(stage, seed)
    answers, truth = stage.tasks(seed)[task]
    asked, trains = STRATEGIES[name](pool, answers[rows], stage.budgets[-1])
    for budget in stage.budgets:
        learned = asked[:budget][trains[:budget]]
        others = held if len(held) else np.delete(rows, asked[:budget])
        yield budget, *judged(pool, learned, answers[rows[learned]], stage.rows[others], truth[others])


def judged(pool: Pool, learned: np.ndarray, target: np.ndarray, rows: np.ndarray, truth: np.ndarray) -> Quality:
    """Quality of the head on the embeddings `rows`. With one class only, every photo gets that class."""
    if target.all() or not target.any():
        return quality(np.full(len(rows), float(target[0])), truth)
    return quality(head.fit(pool.known, learned, target).probability(rows), truth)


@cache
def prepared(stage: Photos, seed: int) -> tuple[Pool, np.ndarray, np.ndarray]:
    """The pool, and the rows of pool and held-out photos."""
    rows, held = split(stage, seed)
    return make_pool(stage.rows[rows], stage.burst[rows], seed), rows, held


def split(stage: Photos, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool and of the held-out photos: whole groups, drawn until 30 % are held out.

    Redrawn if a class of some task would have fewer than 5 held-out photos, or less than 0.6 of its share.
    """
    if stage.group is None:
        return np.arange(len(stage.rows)), np.arange(0)
    truths = [truth for _, truth in stage.tasks(seed).values()]
    for turn in range(1000):
        held = np.zeros(len(stage.group), bool)
        for group in np.random.default_rng([seed, turn]).permutation(np.unique(stage.group)):
            here = stage.group == group
            if held.sum() + here.sum() <= (HELD_OUT + 0.05) * len(held):
                held |= here
            if held.mean() >= HELD_OUT:
                break
        if all(y[held].sum() >= max(5, 0.6 * y.mean() * held.sum()) for y in truths):
            return np.flatnonzero(~held), np.flatnonzero(held)
    raise SystemExit(f"No split of {stage.name} leaves enough of every class. Use more photos.")


def stored(file: Path) -> list[dict[str, str]]:
    """The rows of `curves.csv`."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def timing(photos: int = 100_000, width: int = 768, labels: int = 300, turns: int = 9) -> str:
    """Seconds from a label to the new order on random embeddings, as a Markdown table."""
    chance = np.random.default_rng(0)
    rows = chance.standard_normal((photos, width), dtype=np.float32)
    rows[:, :10] *= 5
    known = head.features(rows)
    del rows
    burst, labeled = np.arange(photos) // 5, chance.choice(photos, labels, replace=False)
    target, free = known.rows[labeled, 0] > 0.1, np.setdiff1d(np.arange(photos), labeled)
    steps = []
    for _ in range(turns):
        clock = [time.perf_counter()]
        fitted = head.fit(known, labeled, target)
        clock.append(time.perf_counter())
        p = head.sigmoid(known.logits(fitted))
        clock.append(time.perf_counter())
        orders.next_first(orders.two_classes(p), orders.two_classes(target), free, burst)
        clock.append(time.perf_counter())
        steps.append([*np.diff(clock), clock[-1] - clock[0]])
    cells = " | ".join(f"{one:.3f}" for one in np.median(steps, axis=0))
    title = f"### Time: {photos:,} photos × {width} numbers, {labels} answers, one thread, median of {turns}"
    return f"{title}\n\n| seconds | fit | scores | order | all |\n|---|---|---|---|---|\n| | {cells} |\n"


if __name__ == "__main__":
    main()
