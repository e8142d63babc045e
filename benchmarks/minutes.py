"""A person's minutes from opening a stage to a cull that is known to lose few keepers, by the clock of a replay.

    python -m benchmarks.minutes --photos ../shared/photos --model ../shared/models/vit-tiny-patch16-224
        [--seeds 5] [--out DIR] [--results benchmarks/RESULTS.md]

A photographer with known answers answers 100 photos one by one, then sheets of checks, and looks at what the cheapest
way says (`imlcull_al.simulate.minutes`): garments of `clothing_cc0`, and two shoots simulated from full-size photos.
The encoder is the model beside the built-in one, as in the app.
Beside it: looking at everything, singly and on sheets, and 100 answers without any check.
"""

import argparse
import csv
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; small matrices gain nothing from more

import numpy as np

from benchmarks.results import RESULTS, table, write_part
from benchmarks.shoots import Frame, make_shoot, whims
from imlcull_al.encoding.load import BESIDE
from imlcull_al.learning.promise import MAX_KEEPERS_LOST
from imlcull_al.project.journal import Journal, audit_event
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL, CULL_TASK, KEEP
from imlcull_al.session.session import Session
from imlcull_al.simulate.minutes import Minutes, Pace, play
from imlcull_al.terminal import progress_bar, say
from imlcull_al.training.evaluation import mean_interval

PART = "benchmarks.minutes"
GARMENTS = {
    "T-shirts": ("T-Shirt",),
    "shoes": ("Shoes",),
    "five classes": ("Dress", "Skirt", "Shoes", "Hat", "Outwear"),
}
Truth = dict[str, str]


def main() -> None:
    """Play every stage and seed, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="with clothing_cc0, fullsize_cc0, camera_exif_free")
    parser.add_argument("--model", required=True, help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("cache/bench-labels"), help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    rows, drawn = [], {}
    for name, (folder, truth_of) in stages(options.photos, options.out).items():
        played: list[Minutes] = []
        for seed in range(options.seeds):
            truth = truth_of(seed)
            played.append(minutes(folder, truth, options.model + BESIDE, options.out / "sessions", seed))
            say(f"{name}, seed {seed}: {played[-1]}")
        rows.append(row(name, truth, played))
        drawn[f"{name}, {len(truth):,} photos"] = (len(truth), played)
    heads = (
        "stage", "photos", "keepers", "all, singly", "all, on sheets", "ours, certified", "ours, in truth", "lost (%)",
        "checks", "looks", "lost after 100 answers (%)",
    )  # fmt: skip
    heading = f"### Minutes to a cull that loses at most {MAX_KEEPERS_LOST:.0%}, mean ± 95 % of {options.seeds} seeds"
    write_part(options.results, PART, f"{heading}\n\n{table(list(heads), rows)}")
    plot(drawn, options.results.with_name("minutes.png"))


def stages(photos: Path, out: Path) -> dict[str, tuple[Path, Callable[[int], Truth]]]:
    """Name → folder of photos, and the answers by seed."""
    folder = photos / "clothing_cc0"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        label = {line["file"]: line["label"] for line in csv.DictReader(file) if (folder / line["file"]).exists()}

    def garment(names: tuple[str, ...]) -> Callable[[int], Truth]:
        return lambda seed: {key: KEEP if each in names else CULL for key, each in label.items()}

    sources = [path for name in ("fullsize_cc0", "camera_exif_free") for path in sorted((photos / name).glob("*.jpg"))]
    with progress_bar() as progress:
        shoots = {
            "shoot": make_shoot(out / "shoot", sources, progress),
            "long shoot": make_shoot(out / "long shoot", sources, progress, bursts=9, is_long=True),
        }

    def shoot(frames: list[Frame]) -> Callable[[int], Truth]:
        return lambda seed: {
            frame.key: KEEP if keep else CULL for frame, keep in zip(frames, whims(frames, seed), strict=True)
        }

    garments = {name: (folder, garment(names)) for name, names in GARMENTS.items()}
    return garments | {name: (out / name, shoot(frames)) for name, frames in shoots.items()}


def minutes(folder: Path, truth: Truth, model: str, cache: Path, seed: int) -> Minutes:
    """One replay, in a project that is gone afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        stage = Stage(Path(temporary), 1, elsewhere=folder.resolve())
        Journal(stage.journal, CULL_TASK).append([audit_event(np.random.default_rng([seed, 1]).bytes(16).hex())])
        session = Session(stage, model, cache.resolve())
        session.prepare()
        known = {key: truth.get(key, CULL) for key in session.listing.keys}
        return play(session, known)


def row(name: str, truth: Truth, played: list[Minutes]) -> list[str]:
    """One line of the table."""
    pace, keepers = Pace(), sum(label == KEEP for label in truth.values())
    everything = [f"{seconds * len(truth) / 60:.1f}" for seconds in (pace.single, pace.sheet)]
    return [
        name, f"{len(truth):,}", str(keepers), *everything,
        said([each.certified for each in played]), said([each.in_truth for each in played]),
        said([100 * each.lost for each in played]), said([each.checks for each in played], 0),
        said([each.looks for each in played], 0), said([100 * each.unchecked for each in played]),
    ]  # fmt: skip


def plot(stages: dict[str, tuple[int, list[Minutes]]], file: Path) -> None:
    """Bars of minutes for each stage, with 95 % intervals of ours. `stages`: name → photos and replays."""
    from matplotlib.figure import Figure

    pace, places = Pace(), np.arange(len(stages))
    figure = Figure(figsize=(9, 0.9 * len(stages) + 1.6), layout="constrained")
    axes = figure.subplots()
    photos = np.array([count for count, _ in stages.values()])
    certified = [mean_interval(np.array([each.certified for each in played])) for _, played in stages.values()]
    bars = (
        ("looking at all, one by one", "#c9c9c9", pace.single * photos / 60, None),
        ("looking at all, on contact sheets", "#8f8f8f", pace.sheet * photos / 60, None),
        ("as the app asks, certified", "#1b7f79", *zip(*certified, strict=True)),
    )
    for number, (label, color, minutes, half) in enumerate(bars):
        axes.barh(places + 0.27 * (number - 1), minutes, 0.25, xerr=half, label=label, color=color, ecolor="black")
    axes.set_yticks(places, list(stages))
    axes.invert_yaxis()
    axes.set_xlabel("minutes of a person until at most 5 % of the keepers are lost (bars: 95 % of the seeds' mean)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=110)


def said(values: list[float], digits: int = 1) -> str:
    """Mean and half of its 95 % interval."""
    mean, half = mean_interval(np.array(values, float))
    return f"{mean:.{digits}f} ± {half:.{digits}f}" if np.isfinite(half) else f"{mean:.{digits}f}"


if __name__ == "__main__":
    main()
