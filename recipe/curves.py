"""The training curves: from the log of a run to one picture, losses by step in both stages."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recipe.endtoend import PARTS

_SMOOTH = 40  # steps that a point of the curve is the mean of


def plot(log: Path, blockwise_steps: int, file: Path) -> None:
    """`log`: rows of step, seconds, parts of the loss, as a training writes them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with log.open(newline="") as lines:
        rows = {int(row[0]): [float(value) for value in row[1:]] for row in csv.reader(lines)}  # the last of a step
    first = np.array([rows[step][1:] for step in sorted(rows) if step <= blockwise_steps])
    second = np.array([rows[step][1:] for step in sorted(rows) if step > blockwise_steps])
    blocks = ["patches", *(f"block {number}" for number in range(1, first.shape[1]))]
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.8), constrained_layout=True)
    _draw(panels[0], first, 0, blocks)
    _draw(panels[1], second, blockwise_steps, PARTS)
    panels[0].set(title="block by block", ylabel="squared error, share of what the teacher's blocks change")
    panels[1].set(title="as a whole", ylabel="parts of the loss")
    figure.savefig(file, dpi=90)
    plt.close(figure)


def _draw(panel: object, values: np.ndarray, start: int, names: Sequence[str]) -> None:
    width = min(_SMOOTH, len(values))
    for name, line in zip(names, values.T, strict=True):
        smooth = np.convolve(line, np.ones(width) / width, mode="valid")
        panel.plot(start + width + np.arange(len(smooth)), smooth, label=name, linewidth=1.2)  # type: ignore[attr-defined]
    panel.set(xlabel="step", yscale="log")  # type: ignore[attr-defined]
    panel.legend(fontsize=7, ncols=2)  # type: ignore[attr-defined]
