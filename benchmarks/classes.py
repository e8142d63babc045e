"""How many labels several classes take: our query order against random, on garments of three to ten kinds.

    python -m benchmarks.classes --photos ../shared/photos --model ../shared/models/vit-tiny-patch16-224
        [--seeds 10] [--out DIR] [--results benchmarks/RESULTS.md]

A person with known answers is asked about 320 photos of the K most frequent kinds in `clothing_cc0`, of which whole
senders are held out. The softmax head is fitted to the first 20, 40, … labels and judged by its accuracy there, and by
its mean recall of the classes.
"""

import argparse
import csv
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; small matrices gain nothing from more

import numpy as np

from benchmarks.labels import HELD_OUT, embedded
from benchmarks.results import RESULTS, table, write_part
from imlcull_al.learning import head, orders
from imlcull_al.terminal import say
from imlcull_al.training.evaluation import mean_interval

KINDS = (3, 5, 10)
BUDGETS = (20, 40, 80, 160, 320)
PART = "benchmarks.classes"


def main() -> None:
    """Play every seed, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="with clothing_cc0")
    parser.add_argument("--model", required=True, help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-labels"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    folder = options.photos / "clothing_cc0"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        known = {row["file"]: row for row in csv.DictReader(file)}
    seen = embedded({key: folder / key for key in known if (folder / key).exists()}, options.model, options.out)
    sender = np.array([int(known[key]["sender_id"]) for key in seen.keys])
    label = np.array([known[key]["label"] for key in seen.keys])
    usual = [name for name, _ in Counter(label.tolist()).most_common() if name != "Not sure"]
    rows = []
    for kinds in KINDS:
        of_these = np.flatnonzero(np.isin(label, usual[:kinds]))
        number = np.array([usual.index(name) for name in label[of_these]])
        for strategy in ("random", "ours"):
            curves = [
                played(seen.rows[of_these], number, sender[of_these], kinds, seed, strategy)
                for seed in range(options.seeds)
            ]
            mean, half = mean_interval(np.array(curves))
            cells = [
                f"{100 * a:.1f} ± {100 * h:.1f} / {100 * r:.1f}"
                for a, h, r in zip(mean[:, 0], half[:, 0], mean[:, 1], strict=True)
            ]
            rows.append([str(kinds), strategy, *cells])
            say(" ".join(rows[-1]))
    heading = f"### Several classes: accuracy ± 95 % / mean recall (%) on senders held out, {options.seeds} seeds"
    labels = [f"{budget} labels" for budget in BUDGETS]
    write_part(options.results, PART, f"{heading}\n\n{table(['classes', 'order', *labels], rows)}")


def played(
    rows: np.ndarray, number: np.ndarray, sender: np.ndarray, kinds: int, seed: int, strategy: str
) -> list[tuple[float, float]]:
    """(accuracy, mean recall) at every budget."""
    held = split(number, sender, seed)
    pool = np.flatnonzero(~held)
    known = head.features(rows[pool].copy())
    chance = np.random.default_rng([seed, 5])
    given = number[pool]
    asked = chance.permutation(len(pool)).tolist() if strategy == "random" else ours(known, given, kinds, seed)
    measured = []
    for budget in BUDGETS:
        learned = np.array(asked[:budget], np.intp)
        fitted = head.fit_classes(known, learned, given[learned], kinds)
        right = fitted.logits(rows[held]).argmax(axis=1) == number[held]
        recall = [right[number[held] == kind].mean() for kind in range(kinds)]
        measured.append((float(right.mean()), float(np.mean(recall))))
    return measured


def ours(known: head.Features, number: np.ndarray, kinds: int, seed: int) -> list[int]:
    """The app's order: a covering start, the rarer class, then the least margin."""
    covering = orders.covering_first(known, np.random.default_rng([seed, 4]).random(len(number)))
    asked: list[int] = []
    free = np.ones(len(number), bool)
    while len(asked) < min(BUDGETS[-1], len(number)):
        targets = np.eye(kinds)[number[asked]]
        if orders.still_starting(targets):
            order = covering[free[covering]]
        else:
            fitted = head.fit_classes(known, np.array(asked), number[asked], kinds, c=head.REGULARISATION)
            probability = head.softmax(known.logits(fitted))
            order = orders.next_first(probability, targets, np.flatnonzero(free), np.arange(len(number)))
        asked.append(int(order[0]))
        free[order[0]] = False
    return asked


def split(number: np.ndarray, sender: np.ndarray, seed: int) -> np.ndarray:
    """(N,) bool: whole senders, drawn until 30 % are held out; redrawn if a class would have fewer than 5 there."""
    for turn in range(1000):
        held = np.zeros(len(sender), bool)
        for each in np.random.default_rng([seed, turn]).permutation(np.unique(sender)):
            if held.mean() >= HELD_OUT:
                break
            if (held | (sender == each)).mean() <= HELD_OUT + 0.05:
                held |= sender == each
        if np.bincount(number[held], minlength=number.max() + 1).min() >= 5:
            return held
    raise SystemExit("No split leaves enough of every class. Use more photos.")


if __name__ == "__main__":
    main()
