"""What the built-in encoder sees compared with other encoders: AUC and best of burst by number of labels.

    python -m benchmarks.seen --photos ../shared/photos --teacher ../shared/models/vit-tiny-patch16-224
        [--seeds 10] [--out DIR] [--results benchmarks/RESULTS.md]

Five encoders are compared on photos that the built-in one was never trained on:

- crops of full-size photos and garments, half of them with one defect of a held-out strength (benchmarks/defects.py);
- bursts simulated from full-size photos, by other code than the training's (benchmarks/shoots.py);
- garments by held-out senders, kept by class, or by whether the curators kept them.

The tool's head is fitted on 20 to 320 labels of randomly drawn photos, the same for all encoders, and judged on whole
held-out groups (photo, sender). Embeddings are cached in `--out`. The table replaces the last one in `--results` and in
the model card.
"""

import argparse
import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; small matrices gain nothing from more

import numpy as np
from PIL import Image, ImageFilter, ImageStat
from sklearn.metrics import roc_auc_score

from benchmarks.defects import Spoiled, make_defects
from benchmarks.results import RESULTS, table, write_part
from benchmarks.shoots import make_shoot
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.builtin import QUALITIES, SideBySide
from imlcull_al.encoding.load import builtin_encoder, load_encoder, tiled_encoder
from imlcull_al.learning import head
from imlcull_al.photos import tiles
from imlcull_al.photos.read import Views
from imlcull_al.progress import Progress
from imlcull_al.terminal import progress_bar
from imlcull_al.training.evaluation import mean_interval
from recipe import sources
from recipe.degradations import KINDS

BUDGETS = (20, 40, 80, 160, 320)
CLASSES = ("T-Shirt", "Pants", "Longsleeve", "Shoes")
HELD_OUT = 0.3
PART = "benchmarks.seen"
CARD = Path("imlcull_al/builtin/README.md")
BURSTS = 8
"""Bursts per full-size photo."""


@dataclass(frozen=True)
class Task:
    """Photos by key, their groups (N,) and which are kept (N,) bool, both in key order. `judge(p_keep, rows)`: quality
    0 … 1 of the scores of the held-out photos `rows`.
    """

    name: str
    paths: dict[str, Path]
    group: np.ndarray
    keep: np.ndarray
    judge: Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class HandMade:
    """Classic hand-crafted features: the variance of the Laplacian of the whole view and of each tile, and a brightness
    histogram.
    """

    name: str = "hand-made"
    reference: str = ""
    notice: str = ""
    fingerprint: str = "48616e64" * 8
    dim: int = 1 + tiles.COUNT + 16
    views: ClassVar[Views] = Views(448, tiles=True)

    def encode(self, images: Sequence[Image.Image], strips: Sequence[Image.Image] | None = None) -> np.ndarray:
        """B images and tile strips → (B, 21) float32."""
        assert strips is not None
        return np.stack([self._of(image, strip) for image, strip in zip(images, strips, strict=True)])

    def _of(self, image: Image.Image, strip: Image.Image) -> np.ndarray:
        grey = image.convert("L")
        variances = [_laplacian_variance(one) for one in (grey, *tiles.parted(strip))]
        histogram = np.array(grey.histogram()).reshape(16, 16).sum(1) / (grey.width * grey.height)
        return np.concatenate([np.log(variances), histogram]).astype(np.float32)


def _laplacian_variance(grey: Image.Image) -> float:
    laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    return ImageStat.Stat(grey.filter(laplacian)).var[0] + 1


def main() -> None:
    """Compute missing embeddings, run all tasks, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="the folder with LICENCES.md")
    parser.add_argument("--teacher", required=True, help="the vision transformer to compare with")
    parser.add_argument("--builtin", type=Path, help="another folder of weights than the ones in the package")
    parser.add_argument("--seeds", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-seen"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--card", type=Path, default=CARD, help="default: %(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as progress:
        made = make_defects(options.out / "defects", options.photos, progress)
        tasks = [*defects(made, options.out / "defects"), shoot(options, progress), *garments(options)]
        teacher = load_encoder(options.teacher)
        ours = tiled_encoder(options.builtin) if options.builtin else builtin_encoder()
        encoders: dict[str, Any] = {
            "random, same shape": _random(options.out),
            "hand-made": HandMade(),
            "ViT-Tiny": teacher,
            "built-in": ours,
            "ViT-Tiny + built-in": SideBySide(teacher.trained, ours, "", "both"),
        }
        curves = {}
        for name, encoder in encoders.items():
            curves[name] = {
                task.name: play(task, rows_of(task, encoder, options.out, progress), options.seeds) for task in tasks
            }
        own = Task(
            "all defects",
            {one.key: options.out / "defects" / one.key for one in made},
            *[np.empty(0)] * 2,
            lambda *_: 0.0,
        )
        kinds = by_kind(made, rows_of(own, ours, options.out, progress)[:, -len(QUALITIES) * (1 + tiles.COUNT + 1) :])
    text = f"{report(curves, chance_of(tasks), options.seeds)}\n{kinds}"
    print(text)
    write_part(options.results, PART, text)
    write_part(options.card, PART, text)


def defects(made: Sequence[Spoiled], folder: Path) -> list[Task]:
    """Sound photos against plain defects, and against faint defects."""
    tasks = []
    for band, name in ((1, "plain defects"), (0, "faint defects")):
        chosen = [one for one in made if one.band in (None, band)]
        paths = {one.key: folder / one.key for one in chosen}
        tasks.append(_by_auc(name, paths, [one.group for one in chosen], [one.defect is None for one in chosen]))
    return tasks


def shoot(options: argparse.Namespace, progress: Progress) -> Task:
    """Bursts: how often the top-scoring frame is a keeper, over bursts that have one."""
    folder = options.out / "shoot"
    frames = make_shoot(folder, sources.held_out_photos(options.photos), progress, bursts=BURSTS)
    burst = np.array([frame.burst for frame in frames])
    keep = np.array([frame.kind == "keep" for frame in frames])

    def best_of_burst(p_keep: np.ndarray, rows: np.ndarray) -> float:
        numbers = [each for each in np.unique(burst[rows]) if keep[burst == each].any()]
        return float(np.mean([keep[rows][_first(p_keep, burst[rows] == each)] for each in numbers]))

    paths = {frame.key: folder / frame.key for frame in frames}
    return Task("best of burst", paths, np.array([frame.source for frame in frames]), keep, best_of_burst)


def garments(options: argparse.Namespace) -> list[Task]:
    """One class against the others, and the curators' rejects."""
    with (options.photos / sources.CLOTHING / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    photos = sorted(sources.held_out_garments(options.photos), key=lambda one: one[0].name)
    paths, group = {path.name: path for path, _ in photos}, [sender for _, sender in photos]
    tasks = [_by_auc(name, paths, group, [table[key]["label"] == name for key in paths]) for name in CLASSES]
    return [*tasks, _by_auc("curators' rejects", paths, group, [table[key]["curated_out"] == "0" for key in paths])]


def rows_of(task: Task, encoder: Any, out: Path, progress: Progress) -> np.ndarray:
    """(N, D) embeddings, cached in `out`."""
    seen = embeddings.ensure(task.paths, encoder, out, progress=progress)
    assert seen.keys == tuple(task.paths), f"some photos of {task.name} can't be read, or are not in order"
    if isinstance(encoder, HandMade):  # its features have different units, so standardize them
        return (seen.rows - seen.rows.mean(0)) / (seen.rows.std(0) + 1e-6)
    return seen.rows


def play(task: Task, rows: np.ndarray, seeds: int) -> np.ndarray:
    """(seeds, budgets) quality of the head on held-out groups."""
    results = []
    for seed in range(seeds):
        pool, held = _split(task, seed)
        known = head.features(rows[pool])
        results.append([])
        for budget in BUDGETS:
            asked = np.arange(min(budget, len(pool)))
            target = task.keep[pool[asked]]
            if target.all() or not target.any():
                results[-1].append(task.judge(np.zeros(len(held)), held))
                continue
            results[-1].append(task.judge(head.fit(known, asked, target).probability(rows[held]), held))
    return np.array(results)


def report(curves: dict[str, dict[str, np.ndarray]], chance: float, seeds: int) -> str:
    """The tables as Markdown. `curves`: encoder → task → (seeds, budgets)."""
    titles = {
        "plain defects": "Plain defects: AUC",
        "faint defects": "Faint defects: AUC",
        "best of burst": f"Best of burst: the first frame is a keeper ({chance:.0%} by chance)",
        "classes": f"Class preferences ({', '.join(CLASSES)}): mean AUC",
        "curators' rejects": "Curators' rejects: AUC",
    }
    parts = [f"Means over {seeds} seeds, ± 95 % intervals; columns: photos answered.\n"]
    for task, title in titles.items():
        lines = []
        for name, by_task in curves.items():
            values = np.mean([by_task[each] for each in CLASSES], axis=0) if task == "classes" else by_task[task]
            mean, half = mean_interval(values)
            lines.append([name, *(f"{one:.3f} ± {wide:.3f}" for one, wide in zip(mean, half, strict=True))])
        parts.append(f"**{title}**\n\n{table(['encoder', *map(str, BUDGETS)], lines)}")
    return "\n".join(parts)


def by_kind(made: Sequence[Spoiled], quality: np.ndarray) -> str:
    """A Markdown table: how well each of the encoder's quality outputs detects its own defect, without any labels.
    `quality`: the last columns (N, 54) of the built-in embeddings of `made`.
    """
    sound = np.array([one.defect is None for one in made])
    full = np.array([one.group < 0 for one in made])
    lines = []
    for place, kind in enumerate(KINDS):
        cells = []
        for where in (0, len(QUALITIES)):  # the whole view, then the mean over the tiles
            for band in (1, 0):
                spoiled = np.array([one.defect == kind and one.band == band for one in made])
                for part in (full, ~full):
                    rows = np.flatnonzero((sound | spoiled) & part)
                    cells.append(f"{roc_auc_score(spoiled[rows], quality[rows, where + place]):.2f}")
        lines.append([kind, *(" / ".join(cells[at : at + 2]) for at in range(0, len(cells), 2))])
    head = ["defect", "whole view, plain", "whole view, faint", "tiles, plain", "tiles, faint"]
    title = "**Each defect by the encoder's own number for it, no photo answered: AUC, full-size photos / garments**"
    return f"{title}\n\n{table(head, lines)}"


def chance_of(tasks: Sequence[Task]) -> float:
    """How often a random frame of a burst with a keeper is a keeper."""
    shoot = next(task for task in tasks if task.name == "best of burst")
    rows = np.arange(len(shoot.keep))
    return float(np.mean([shoot.judge(np.random.default_rng(seed).random(len(rows)), rows) for seed in range(200)]))


def _by_auc(name: str, paths: dict[str, Path], group: Sequence[int], keep: Sequence[bool]) -> Task:
    truth = np.array(keep)
    return Task(name, paths, np.array(group), truth, lambda p_keep, rows: float(roc_auc_score(truth[rows], p_keep)))


def _first(p_keep: np.ndarray, chosen: np.ndarray) -> int:
    places = np.flatnonzero(chosen)
    return int(places[np.argmax(p_keep[places])])


def _split(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool in random order, and rows of whole held-out groups."""
    for turn in range(1000):
        chance = np.random.default_rng([seed, turn])
        held = np.zeros(len(task.group), bool)
        for group in chance.permutation(np.unique(task.group)):
            if held.mean() >= HELD_OUT:
                break
            held |= task.group == group
        rare = min(task.keep.sum(), (~task.keep).sum())
        if (
            held.mean() < HELD_OUT + 0.1
            and min(task.keep[held].sum(), (~task.keep[held]).sum()) >= 0.6 * HELD_OUT * rare
        ):
            return chance.permutation(np.flatnonzero(~held)), np.flatnonzero(held)
    raise SystemExit(f"No split of {task.name} leaves enough of both kinds. Use more photos.")


def _random(out: Path) -> Any:
    """The built-in architecture with random weights."""
    import torch
    from transformers import ViTModel

    from recipe.__main__ import Recipe, config, export

    torch.manual_seed(0)
    folder = out / "random"
    export(ViTModel(config(Recipe().layers)), folder)
    return tiled_encoder(folder)


if __name__ == "__main__":
    main()
