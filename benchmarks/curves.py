"""Tables and a plot of learning curves: means over seeds, paired differences to random, labels to reach a level."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.results import table
from imlcull_al.training.evaluation import Quality, labels_to_reach, mean_interval

BUDGETS = tuple(range(20, 321, 20))
BASELINE, OURS = "random", "ours"
TARGET = 300
GROUPS = {
    "six class tasks": ("T-Shirt", "Pants", "Longsleeve", "Shoes", "Dress", "five classes"),
    "two tasks, 15 % of answers flipped": ("T-Shirt, flipped", "five classes, flipped"),
    "curators' rejects": ("rejects",),
    "simulated shoot": ("shoot",),
}
TASKS = [task for group in GROUPS.values() for task in group]
CLEAN = next(iter(GROUPS.values()))
SAMPLE, SAMPLE_BUDGETS = "sample", (20, 40, 60, 80)
INTERVAL = "± 95 % interval over seeds"


class Curves:
    """Measurements by strategy, task, seed and budget. `seeds`: strategy → the seeds that are complete on all tasks."""

    def __init__(self, rows: Sequence[dict[str, str]], seeds: dict[str, int]) -> None:
        """`rows`: rows of `curves.csv`. `seeds`: strategy → number of seeds to use."""
        self._cells = {
            (row["strategy"], row["task"], int(row["seed"]), int(row["labels"])): [
                float(row[m]) for m in Quality._fields
            ]
            for row in rows
        }
        ends = [(task, BUDGETS[-1]) for task in TASKS] + [(SAMPLE, SAMPLE_BUDGETS[-1])]
        self.seeds = {
            name: [seed for seed in range(count) if all((name, task, seed, end) in self._cells for task, end in ends)]
            for name, count in seeds.items()
        }

    def of(
        self,
        name: str,
        tasks: Sequence[str],
        metric: str = "average_precision",
        budgets: Sequence[int] = BUDGETS,
        like: str | None = None,
    ) -> np.ndarray:
        """(seeds, budgets) mean over `tasks`, for the seeds of the strategy `like`, by default its own."""
        place, seeds = Quality._fields.index(metric), self.seeds[like or name]
        return np.array(
            [[np.mean([self._cells[name, task, s, n][place] for task in tasks]) for n in budgets] for s in seeds]
        )


def report(curves: Curves) -> str:
    """All tables, as Markdown."""
    parts = [_needed(curves), _against(curves), _cells(curves)]
    right = _differences(curves, "right, of 1000", [SAMPLE], "accuracy", SAMPLE_BUDGETS)
    parts.append(f"### The tool's own samples, built-in encoder: unlabeled photos decided right {INTERVAL}\n\n{right}")
    for name, metric in (("AP", "average_precision"), ("AUROC", "auroc"), ("Accuracy", "accuracy")):
        parts.append(f"### {name} × 1000 by labels: random, and the others less random {INTERVAL}\n")
        parts += [_differences(curves, title, tasks, metric) for title, tasks in GROUPS.items()]
    return "\n".join(parts)


def _needed(curves: Curves) -> str:
    """Labels to reach random's AP at `TARGET` labels, per task and for the mean of the class tasks."""
    level, rows = BUDGETS.index(TARGET), []
    for name, seeds in curves.seeds.items():
        reached = [
            labels_to_reach(np.array(BUDGETS), curves.of(name, tasks), curves.of(BASELINE, tasks, like=name)[:, level])
            for tasks in (*([task] for task in CLEAN), CLEAN)
        ]
        low, high = map(_labels, reached[-1][1:])
        rows.append([name, str(len(seeds)), *(_labels(one.labels) for one in reached), f"{low} – {high}"])
    head = ["strategy", "seeds", *CLEAN, "mean of the six", "95 % interval"]
    return f"### Labels to reach the AP that random has at {TARGET}\n\n" + table(head, rows)


def _labels(count: float) -> str:
    if np.isinf(count):
        return f"> {BUDGETS[-1]}"
    return f"≤ {BUDGETS[0]}" if count <= BUDGETS[0] else f"{count:.0f}"


def _against(curves: Curves) -> str:
    """Paired difference of ours minus each other strategy, by kind of task."""
    rows = []
    for name in curves.seeds:
        if name != OURS:
            less = [(curves.of(OURS, of, like=name) - curves.of(name, of)).mean(axis=1) for of in GROUPS.values()]
            rows.append([name, str(len(curves.seeds[name])), *(_signed(1000 * one) for one in less)])
    title = f"### AP × 1000, mean over {BUDGETS[0]} … {BUDGETS[-1]} labels: {OURS} less the others {INTERVAL}"
    return f"{title}\n\n" + table([f"{OURS} less", "seeds", *GROUPS], rows)


def _signed(values: np.ndarray) -> str:
    mean, half = mean_interval(values)
    return f"{mean:+.0f} ± {half:.0f}"


def _cells(curves: Curves) -> str:
    """Number of cells (task × budget) whose interval lies entirely above or below random's AP."""
    rows = []
    for name, seeds in curves.seeds.items():
        if name == BASELINE:
            continue
        above, below = 0, []
        for task in TASKS:
            mean, half = mean_interval(curves.of(name, [task]) - curves.of(BASELINE, [task], like=name))
            above += int((mean - half > 0).sum())
            below += [f"{task} at {BUDGETS[n]} ({1000 * mean[n]:+.0f})" for n in np.flatnonzero(mean + half < 0)]
        worst = ", ".join(below[:4]) + (", …" if len(below) > 4 else "")
        rows.append([name, str(len(seeds)), str(above), str(len(below)), worst])
    cells = len(BUDGETS) * len(TASKS)
    title = f"### Of {cells} cells (task × budget), those whose 95 % interval of AP lies wholly above or below random's"
    return f"{title}\n\n" + table(["strategy", "seeds", "above", "below", "which"], rows)


def _differences(
    curves: Curves, title: str, tasks: Sequence[str], metric: str, budgets: Sequence[int] = BUDGETS
) -> str:
    rows = []
    for name in curves.seeds:
        values = curves.of(name, tasks, metric, budgets)
        if name == BASELINE:
            rows.append([name, *(f"{1000 * one:.0f}" for one in (*values.mean(axis=0), values.mean()))])
            continue
        ahead = 1000 * (values - curves.of(BASELINE, tasks, metric, budgets, like=name))
        rows.append([name, *map(_signed, (*ahead.T, ahead.mean(axis=1)))])
    return table([title, *map(str, budgets), "mean"], rows)


def plot(curves: Curves, file: Path) -> None:
    """AP by labels, one panel per kind of task: random's mean plus the mean paired difference. The band around ours is
    the 95 % interval of ours minus random.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(10, 7), sharex=True, constrained_layout=True)
    for panel, (title, tasks) in zip(panels.flat, GROUPS.items(), strict=True):
        base = curves.of(BASELINE, tasks).mean(axis=0)
        ahead = {name: curves.of(name, tasks) - curves.of(BASELINE, tasks, like=name) for name in curves.seeds}
        means = {name: base + less.mean(axis=0) for name, less in ahead.items()}
        for place, (name, mean) in enumerate(means.items()):
            plain, main = name == BASELINE, name == OURS
            colour = "black" if plain else f"C{place - 1}"
            width = 2.2 if main or plain else 1.1
            panel.plot(BUDGETS, mean, color=colour, linewidth=width, linestyle="--" if plain else "-", label=name)
            if main:
                _, half = mean_interval(ahead[name])
                panel.fill_between(BUDGETS, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        panel.set_ylim(np.min([*means.values()]) - 0.03, np.max([*means.values()]) + 0.03)
        panel.set(title=title, ylabel="average precision (0 … 1)")
    for panel in panels[-1]:
        panel.set_xlabel("labels (photos answered)")
    panels.flat[0].legend(fontsize=7)
    figure.suptitle("What the answers teach, on held-out groups; band: 95 % of ours less random")
    drawn = BytesIO()
    figure.savefig(drawn, dpi=90)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(255, Image.Quantize.MAXCOVERAGE).save(file, optimize=True)  # small
