"""Rows of figures: ratios, aims, Markdown, and the file that keeps them between runs.

`benchmarks/speed.json`: {"machine": text, "entries": {name: {"date", "rows": [a `Row`, …], "points": [a `Point`, …]}}}.
Entries that are not run keep their figures, unless the machine or a package version has changed. Independent of how
anything is measured.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.results import table
from imlcull_al.project.files import replace_text

PACKAGES = ("torch", "transformers", "pillow", "numpy", "h5py", "gradio", "scikit-learn", "scikit-activeml")
COLUMNS = ("", "work", "imlcull", "against", "theirs", "outcome", "aim", "reached", "measured")


class Aim(NamedTuple):
    """The target of a row. `kind`:

        faster  theirs / ours at least `value`          times  ours / theirs at most `value`
        share   theirs / ours at least `value` (0 … 1)  over   ours − theirs at most `value`
        below   ours below `value`                      above  ours at least `value`

    With a value of 0 there is no target: the outcome is shown, not judged.
    """

    kind: str
    value: float


@dataclass(frozen=True)
class Row:
    """One row of the table. `ours` and `theirs` are the figures of all turns, in `unit`. Without `ours` it was not
    measured, and `note` says why. Without `theirs` the aim concerns ours alone; without an aim the row is informative
    only.
    """

    number: str
    work: str
    ours: Sequence[float] = ()
    against: str = ""
    theirs: Sequence[float] = ()
    aim: Aim | None = None
    unit: str = "s"
    note: str = ""


@dataclass(frozen=True)
class Point:
    """Seconds that a kind of work took for a number of photos."""

    work: str
    photos: int
    seconds: Sequence[float]


def outcome(row: Row) -> tuple[str, bool | None]:
    """The outcome in a few words, and whether the aim was reached; None if that can't be judged."""
    kind, value = row.aim or ("known", 0)
    if not row.ours or not (row.theirs or kind in ("below", "above")):
        return "", None
    ours, theirs = median(row.ours), median(row.theirs or [0])
    if kind == "faster":
        text = f"{figure(theirs / ours)} × faster" if theirs >= ours else f"{figure(ours / theirs)} × slower"
        return text, theirs >= value * ours
    if kind == "share":
        return f"{theirs / ours:.0%}", theirs >= value * ours if value else None
    if kind == "over":
        return f"{figure(ours - theirs)} {row.unit} over", ours - theirs <= value
    if kind == "below":
        return f"{figure(ours)} {row.unit}".strip(), ours < value
    if kind == "above":
        return f"{ours:.5f}", ours >= value
    return f"{figure(ours / theirs)} ×", ours <= value * theirs if kind == "times" else None


def aimed(row: Row) -> str:
    """The aim in a few words."""
    if row.aim is None or not row.aim.value:
        return ""
    kind, value = row.aim
    return {
        "faster": f"≥ {value:g} ×", "times": f"≤ {value:g} ×", "share": f"≥ {value:.0%}",
        "over": f"≤ {value:g} {row.unit} over", "below": f"< {value:g} {row.unit}", "above": f"≥ {value:g}",
    }[kind]  # fmt: skip


def figure(number: float) -> str:
    """Three significant digits, without an exponent."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    text = f"{number:.3g}"
    return f"{number:.6f}".rstrip("0") if "e" in text else text


def spread(figures: Sequence[float], unit: str) -> str:
    """Median, with minimum and maximum if there are several figures."""
    if not figures:
        return ""
    if not unit:  # a cosine near 1, where only the last digits matter
        return f"{median(figures):.5f}"
    middle = f"{figure(median(figures))} {unit}"
    return middle if len(figures) == 1 else f"{middle} ({figure(min(figures))}–{figure(max(figures))})"


def machine() -> str:
    """Processor, cores, memory, system and versions in one paragraph, without host or folder names."""
    model = "unknown processor"
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        found = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = next(iter(found), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30) if hasattr(os, "sysconf") else 0
    installed = {name.lower() for each in distributions() if (name := each.metadata["Name"])}
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES if name in installed)
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()} {platform.release()}; {gpu()}. "
        f"Python {platform.python_version()}, {versions}."
    )


def gpu() -> str:
    """Name of the GPU, or "no GPU"."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


class Store:
    """The figures of `speed.json`. `put` writes at once, so an interrupted run can be resumed."""

    def __init__(self, path: Path, machine: str) -> None:
        """Read the file. Figures of another machine or of other versions are dropped."""
        self.path, self.machine = path, machine
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.entries: dict[str, dict[str, Any]] = known["entries"] if known.get("machine") == machine else {}

    def put(self, name: str, found: Sequence[Row | Point]) -> None:
        """Store what an entry measured."""
        rows, points = ([asdict(each) for each in found if isinstance(each, kind)] for kind in (Row, Point))
        self.entries[name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "rows": rows, "points": points}
        text = json.dumps({"machine": self.machine, "entries": self.entries}, indent=1, ensure_ascii=False)
        replace_text(self.path, text + "\n")

    def rows(self, name: str) -> list[Row]:
        """The rows of an entry; empty if it was not measured here."""
        found = self.entries.get(name, {}).get("rows", [])
        return [Row(**{**row, "aim": Aim(*row["aim"]) if row["aim"] else None}) for row in found]

    def points(self, name: str) -> list[Point]:
        """The points of an entry."""
        return [Point(**point) for point in self.entries.get(name, {}).get("points", [])]


def text(store: Store, titles: Mapping[str, str]) -> str:
    """The whole section of RESULTS.md. `titles`: entry → title, in table order."""
    lines, notes, missing = [], [], []
    for name, title in titles.items():
        rows = store.rows(name)
        if not rows and not store.points(name):
            missing.append(f"- {title} (`--only {name}`): not run on this machine with these versions.")
        for row in rows:
            if row.ours:
                lines.append(line(row, store.entries[name]["date"]))
            else:
                missing.append(f"- {row.number} {row.work}: {row.note}")
            if row.note and row.ours:
                notes.append(f"- {row.number}: {row.note}")
    parts = [
        store.machine,
        "Medians; least and most of all turns in brackets. Both sides ran in turns, on the same files and weights.",
        table(COLUMNS, lines),
        "\n".join(dict.fromkeys(notes)),
        growth_table([point for name in titles for point in store.points(name)]),
        "### Not measured\n\n" + ("\n".join(missing) or "- Nothing of the above is missing."),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def line(row: Row, date: str) -> list[str]:
    """The cells of a row."""
    came, reached = outcome(row)
    verdict = {True: "yes", False: "no", None: ""}[reached]
    ours, theirs = spread(row.ours, row.unit), spread(row.theirs, row.unit)
    return [row.number, row.work, ours, row.against, theirs, came, aimed(row), verdict, date]


def growth_table(points: Sequence[Point]) -> str:
    """Median seconds by work and number of photos."""
    if not points:
        return ""
    sizes = sorted({point.photos for point in points})
    cells = {(point.work, point.photos): figure(median(point.seconds)) for point in points}
    works = dict.fromkeys(point.work for point in points)
    rows = [[work, *(cells.get((work, size), "") for size in sizes)] for work in works]
    title = "### Seconds against the number of photos\n\n![The same as a plot](speed.png)\n\n"
    return title + table(["seconds", *(f"{size:,}" for size in sizes)], rows)
