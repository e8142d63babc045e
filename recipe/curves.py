"""Plots the training curves from the logs of a run."""

import csv
from pathlib import Path

import numpy as np

from recipe.losses import PARTS

_SMOOTH = 40  # steps of the moving average


def plot(work: Path, file: Path) -> None:
    """Plot `blocks.csv` and `whole.csv` in `work`: rows of step, seconds, parts of the loss."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    blocks, whole = _read(work / "blocks.csv"), _read(work / "whole.csv")
    names = ["patches", *(f"block {number}" for number in range(1, blocks.shape[1]))]
    figure, panels = plt.subplots(1, 3, figsize=(13, 3.8), constrained_layout=True)
    for panel, title, unit, values, labels in (
        (panels[0], "block by block", "squared error, share of the change", blocks, names),
        (panels[1], "as a whole: what is in it", "share of the teacher's variance missed", whole[:, :2], PARTS[:2]),
        (panels[2], "as a whole: what spoils it", "squared error; log loss of the order", whole[:, 2:], PARTS[2:]),
    ):
        width = min(_SMOOTH, len(values))
        for label, line in zip(labels, values.T, strict=True):
            smooth = np.convolve(line, np.ones(width) / width, mode="valid")
            panel.plot(width + np.arange(len(smooth)), smooth, label=label, linewidth=1.3)
        panel.set(title=title, xlabel="step", ylabel=unit, yscale="log")
        panel.legend(fontsize=8)
    figure.savefig(file, dpi=90)
    plt.close(figure)


def _read(log: Path) -> np.ndarray:
    """(steps, parts); for a step logged twice, as after a resumed run, the last row counts."""
    with log.open(newline="") as lines:
        rows = {int(row[0]): [float(value) for value in row[2:]] for row in csv.reader(lines)}
    return np.array([rows[step] for step in sorted(rows)])
