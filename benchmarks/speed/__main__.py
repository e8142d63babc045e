"""Measures every operation that users wait for, against the limits of the hardware and against the usual alternatives.

    python -m benchmarks.speed [--only NAME ...] [--quick]
        [--photos ../shared/photos] [--model ../shared/models/vit-tiny-patch16-224] [--work FOLDER]

After every entry the figures are written to `benchmarks/speed.json`, and the table of all entries to
`benchmarks/RESULTS.md`. Entries that are not run keep their figures, unless the machine or a package version has
changed. Test data, some 20 GB, are made in `--work` and reused if it is kept; the default is a temporary folder.
`--quick` uses few photos and single turns, prints the table and writes nothing.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import RESULTS, write_part
from benchmarks.speed import culling, embed, finetune, growth, memory, refit, report, starting, unchanged
from benchmarks.speed.material import Material
from benchmarks.speed.report import Point, Row, Store
from imlcull_al.terminal import say

PART = "benchmarks.speed"


class Entry(NamedTuple):
    """Rows that are measured together: a title, and the function that measures them."""

    title: str
    measure: Callable[[Material], Sequence[Row | Point]]


ENTRIES = {
    "embed-tiny": Entry("1 embed 24-megapixel JPEGs, ViT-Tiny", embed.measure_tiny),
    "embed-base": Entry("2 embed 24-megapixel JPEGs, ViT-B/16", embed.measure_base),
    "unchanged": Entry("3 embed again, nothing changed", unchanged.measure),
    "cache": Entry("4 add to the cache and read it", unchanged.measure_cache),
    "refit": Entry("5 refit and order again after an answer", refit.measure),
    "finetune": Entry("6 fine-tune on the processors", finetune.measure),
    "finetune-gpu": Entry("7 fine-tune on a GPU", finetune.measure_gpu),
    "cull": Entry("8 cull", culling.measure),
    "start": Entry("9 start", starting.measure),
    "memory": Entry("10 memory", memory.measure),
    "embed-tiles": Entry("11 embed with the built-in encoder beside", embed.measure_tiles),
    "growth": Entry("Seconds against the number of photos", growth.measure),
}


def main() -> None:
    """Measure the requested entries, and write all known figures."""
    options = _parser().parse_args()
    results: Path = options.results
    with _folder(options.work) as work:
        material = Material(options.photos.absolute(), options.model.absolute(), work, options.quick)
        kept = work / "quick.json" if options.quick else results.with_name("speed.json")
        store = Store(kept, report.machine())
        for name in options.only or ENTRIES:
            since = time.perf_counter()
            store.put(name, ENTRIES[name].measure(material))
            say(f"{name}: {(time.perf_counter() - since) / 60:.1f} min")
            if not options.quick:
                write_part(results, PART, report.text(store, titles()))
        if options.quick:
            print(report.text(store, titles()))
        elif points := store.points("growth"):
            growth.plot(points, results.with_name("speed.png"))


def titles() -> dict[str, str]:
    """Entry → title."""
    return {name: entry.title for name, entry in ENTRIES.items()}


@contextlib.contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work.absolute()


def _parser() -> argparse.ArgumentParser:
    shared = Path("../shared")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ENTRIES, metavar="NAME", help=", ".join(ENTRIES))
    parser.add_argument("--quick", action="store_true", help="to try it, in some two minutes")
    parser.add_argument("--photos", type=Path, default=shared / "photos", help="with fullsize_cc0")
    parser.add_argument("--model", type=Path, default=shared / "models" / "vit-tiny-patch16-224", help="a local folder")
    parser.add_argument("--work", type=Path, help="where the material is made, and kept (default: a temporary folder)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    return parser


if __name__ == "__main__":
    main()
