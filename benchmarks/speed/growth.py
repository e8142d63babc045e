"""Seconds against the number of photos, for every operation that scales with it; the plot is `speed.png`.

Up to 100,000 photos are small JPEGs. The million are empty files with synthetic embeddings, so none of them is decoded
or copied. Every figure comes from a fresh process.
"""

import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.speed import culling, memory, starting
from benchmarks.speed.harness import fresh, seconds
from benchmarks.speed.material import Material, Project
from benchmarks.speed.report import Point
from imlcull_al import open_session
from imlcull_al.encoding.cache import EmbeddingCache
from imlcull_al.encoding.load import load_encoder
from imlcull_al.photos import read as photos

SIZES = (1000, 10_000, 100_000)
EMPTY = 1_000_000
FEW = 3  # turns for short measurements
LONG = 10_000  # photos from which one turn has to suffice
COLOURS = {
    "embed": "#1b7837", "order": "#2166ac", "cull": "#b2182b", "review": "#762a83", "cache read": "#8c510a",
    "page": "#35978f",
}  # fmt: skip


def measure(material: Material) -> list[Point]:
    """All sizes, in ascending order."""
    sizes = [size // 10 for size in SIZES[:2]] if material.quick else SIZES
    empty = EMPTY // 500 if material.quick else EMPTY
    found = []
    for size in sizes:
        turns = material.turns(FEW) if size < LONG else 1
        made = material.project(size, answers=100)
        found += everywhere(made, material, size, turns)
        embed = {"stage": str(made.stage), "count": size, "work": str(material.work)}
        found.append(Point("embed", size, [fresh(memory.embed, **embed)["seconds"] for _ in range(turns)]))
        call = {"folder": str(made.folder), "cache": str(made.cache), "model": str(material.base())}
        found.append(Point("review", size, [fresh(survey, **call) for _ in range(turns)]))
        copies = {"folder": str(made.folder), "cache": str(made.cache), "link": "copy"}
        found.append(Point("cull", size, [fresh(culling.next_stage, **copies) for _ in range(turns)]))
    made = material.project(empty, empty=True, answers=100)
    return [*found, *everywhere(made, material, empty, 1)]


def everywhere(made: Project, material: Material, size: int, turns: int) -> list[Point]:
    """The works that are measured at every size."""
    model = material.base()
    cache = {"cache": str(made.cache), "model": str(model), "count": size}
    return [
        Point("order", size, [starting.order(made, model) for _ in range(turns)]),
        Point("cache read", size, [fresh(read_cache, **cache) for _ in range(turns)]),
        Point("page", size, [starting.page_ready(made, model) for _ in range(turns)]),
    ]


def read_cache(cache: str, model: str, count: int) -> float:
    """Runs in a process of its own: read all rows."""
    encoder = load_encoder(model)
    opened = EmbeddingCache(Path(cache), encoder.fingerprint, encoder.dim, encoder.name, photos.DECODER)
    since = time.perf_counter()
    there, _ = opened.find(opened.ids())
    took = time.perf_counter() - since
    assert np.count_nonzero(there) == count
    return took


def survey(folder: str, cache: str, model: str) -> float:
    """Runs in a process of its own: score every photo, as Review needs it, in an open session."""
    session = open_session(folder, 1, model=model, cache_dir=cache)
    session.order(1)
    return seconds(session.survey)


def plot(points: Sequence[Point], path: Path) -> None:
    """Seconds against photos on logarithmic axes, with a line of slope 1 for comparison."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    ends = []
    for work, colour in COLOURS.items():
        curve = sorted((point.photos, median(point.seconds)) for point in points if point.work == work)
        if curve:
            axes.plot(*zip(*curve, strict=True), marker="o", markersize=3.5, linewidth=1.6, color=colour)
            ends.append((curve[-1], work, colour))
    sizes = sorted({point.photos for point in points})
    low = min(median(point.seconds) for point in points)
    axes.plot([sizes[0], sizes[-1]], [low, low * sizes[-1] / sizes[0]], color="#999999", linewidth=0.7, zorder=0)
    middle = (sizes[0] * sizes[-1]) ** 0.5
    place = (middle, low * middle / sizes[0])
    axes.annotate("slope 1", place, (6, -8), textcoords="offset points", fontsize=8, color="#777777")
    axes.set(xscale="log", yscale="log", xlabel="photos in the stage", ylabel="seconds")
    axes.set_title("How long it takes, by the number of photos", loc="left", fontsize=11)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.grid(True, which="major", linewidth=0.3, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    for place, y in zip(ends, spaced([end[0][1] for end in ends]), strict=True):
        (x, _), work, colour = place
        axes.annotate(work, (x, y), (7, 0), textcoords="offset points", va="center", fontsize=9, color=colour)
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    with Image.open(file) as image:  # a palette of 64 colors halves the file
        image.convert("RGB").quantize(64).save(path, optimize=True)


def spaced(values: Sequence[float], factor: float = 1.35) -> list[float]:
    """The values, raised where needed to keep each `factor` apart from the next smaller one, so that labels don't
    overlap.
    """
    moved, last = dict[int, float](), 0.0
    for place in sorted(range(len(values)), key=lambda each: values[each]):
        last = moved[place] = max(values[place], last * factor)
    return [moved[place] for place in range(len(values))]
