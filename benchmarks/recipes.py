"""What a training brings beyond the head on frozen embeddings, and which scores cross-validation chooses.

    python -m benchmarks.recipes --photos ../shared/photos --model ../shared/models/vit-tiny-patch16-224
        [--seeds 5] [--recipes gentle specified] [--out DIR] [--results benchmarks/RESULTS.md]

Tasks, splits and answers are those of benchmarks/labels.py: whole senders or source photos are held out; answers are
random, or asked in the app's order. `train.train` runs as in the app, without its report; the scores of head, model and
their mean, and of what was chosen, are judged on the photos held out. The model's are its own, without the app's
correction by newer answers. Every cell (task, order, seed, labels, recipe) is
appended to `recipes.csv` in `--out` and not run again.
"""

import argparse
import csv
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; two of these side by side are faster than one with two

import numpy as np

from benchmarks.labels import Photos, clothing, prepared, shoot
from benchmarks.results import RESULTS, table, write_part
from benchmarks.strategies import STRATEGIES
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.encoder import Encoder
from imlcull_al.encoding.load import load_encoder
from imlcull_al.learning import head, model
from imlcull_al.learning.choice import AVERAGE, HEAD, MODEL
from imlcull_al.learning.orders import two_classes
from imlcull_al.learning.scores import mean_of
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK
from imlcull_al.terminal import say
from imlcull_al.training import report, train
from imlcull_al.training.evaluation import Quality, mean_interval, quality
from imlcull_al.training.options import GENTLE, Options

RECIPES = {"gentle": GENTLE, "specified": Options()}
CHOSEN = "chosen"
KINDS = (HEAD, MODEL, AVERAGE, CHOSEN)
COLUMNS = ("task", "order", "seed", "labels", "recipe", "scores", "chosen", "seconds", *Quality._fields)
PART = "benchmarks.recipes"


def main() -> None:
    """Run missing cells, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="with clothing_cc0, fullsize_cc0, camera_exif_free")
    parser.add_argument("--model", required=True, help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--tasks", nargs="+", default=["T-Shirt", "five classes", "Dress", "shoot"])
    parser.add_argument("--orders", nargs="+", default=["random"], choices=("random", "ours"))
    parser.add_argument("--labels", nargs="+", type=int, default=[50, 100, 200], metavar="N")
    parser.add_argument("--recipes", nargs="+", default=["gentle"], choices=RECIPES)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)), metavar="SEED")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-labels"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "recipes.csv"
    stages = {"clothing_cc0": clothing, "shoot": shoot}
    for name, make in stages.items():
        wanted = [task for task in options.tasks if (task == "shoot") == (name == "shoot")]
        if wanted:
            play_missing(make(options.photos, options.model, options.out), wanted, options, file)
    write_part(options.results, PART, report_of(stored(file)))


def play_missing(photos: Photos, tasks: Sequence[str], options: argparse.Namespace, file: Path) -> None:
    """Append every cell that `file` lacks."""
    done = {tuple(row[name] for name in COLUMNS[:5]) for row in stored(file)}
    encoder = load_encoder(options.model)
    folder = options.photos / "clothing_cc0" if photos.name == "clothing_cc0" else options.out / "shoot"
    cells = itertools.product(tasks, options.orders, map(str, options.seeds), map(str, options.labels), options.recipes)
    for cell in [cell for cell in cells if cell not in done]:
        rows = play(photos, folder, encoder, cell)
        with file.open("a", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            if not out.tell():
                writer.writerow(COLUMNS)
            writer.writerows(rows)
        precision = COLUMNS.index("average_precision")
        say(f"{' '.join(cell)}: AP {' '.join(f'{row[5]} {row[precision]:.3f}' for row in rows) or 'none'}")


def play(photos: Photos, folder: Path, encoder: Encoder, cell: tuple[str, ...]) -> list[tuple]:
    """Rows of one cell; none if the answers hold too few of a class to train on."""
    task, order, seed, labels, recipe = cell[0], cell[1], int(cell[2]), int(cell[3]), cell[4]
    pool, rows, held = prepared(photos, seed)
    answers, truth = photos.tasks(seed)[task]
    asked, _ = STRATEGIES[order](pool, answers[rows], labels)
    if min(answers[rows[asked]].sum(), (~answers[rows[asked]]).sum()) < 2:
        return []
    keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    with tempfile.TemporaryDirectory() as place:
        stage = Stage(Path(place), 1)
        for row in (*rows[asked], *held):
            stage.path(keys[row]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / keys[row], stage.path(keys[row]))
        given = {keys[row]: "keep" if answers[row] else "cull" for row in rows[asked]}
        bursts = {keys[row]: int(photos.burst[row]) for row in rows[asked]}
        since = time.monotonic()
        with patch.object(report, "write_report", lambda *parts, **named: []):
            train.train(stage, encoder, given, RECIPES[recipe], burst_of=bursts)
        seconds = time.monotonic() - since
        trained = model.load(stage.model)
        seen = embeddings.ensure(stage.paths([keys[row] for row in held]), trained.encoder, Path(place) / "cache")
        by_model = trained.probability(seen.rows)
    row_of = {keys[row]: row for row in held}
    judged = np.array([row_of[key] for key in seen.keys])
    by_head = head.fit(pool.known, asked, answers[rows[asked]]).probability(photos.rows[judged])
    by = {HEAD: two_classes(by_head), MODEL: by_model}
    by[AVERAGE] = mean_of(by[HEAD], by[MODEL], CULL_TASK)
    by[CHOSEN] = by[trained.scores]
    return [(*cell, kind, trained.scores, seconds, *quality(by[kind][:, 0], truth[judged])) for kind in KINDS]


def stored(file: Path) -> list[dict[str, str]]:
    """The rows of `recipes.csv`."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def report_of(rows: Sequence[dict[str, str]]) -> str:
    """AP and accuracy × 1000 of the head, and the paired differences of the others, by recipe, order and labels."""
    groups: dict[tuple[str, ...], dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        cell = row["recipe"], row["order"], row["task"], row["labels"]
        groups.setdefault(cell, {kind: [] for kind in KINDS})[row["scores"]].append(row)
    lines = []
    for (recipe, order, task, labels), of in groups.items():
        base = {row["seed"]: row for row in of[HEAD]}
        cells = [recipe, order, task, labels, str(len(base))]
        for metric in ("average_precision", "accuracy"):
            cells.append(f"{1000 * np.mean([float(row[metric]) for row in of[HEAD]]):.0f}")
            for kind in KINDS[1:]:
                less = np.array([1000 * (float(row[metric]) - float(base[row["seed"]][metric])) for row in of[kind]])
                mean, half = mean_interval(less) if len(less) > 1 else (less.mean(), np.nan)
                cells.append(f"{mean:+.0f} ± {half:.0f}")
        cells.append(f"{np.median([float(row['seconds']) for row in of[HEAD]]):.0f}")
        lines.append(cells)
    columns = ["recipe", "order", "task", "answers", "seeds"]
    columns += [f"{metric} {kind}" for metric in ("AP", "right") for kind in KINDS]
    title = "### A training and the head, × 1000 on photos held out: the head, and the others less the head ± 95 %"
    return f"{title}\n\n{table([*columns, 'seconds'], lines)}"


if __name__ == "__main__":
    main()
