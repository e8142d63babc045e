"""Swaps photos for links while a cull copies them: no byte from outside reaches the next stage.

    python -m tests.torture.swaps [--culls 300] [--photos 120] [--seed 0]

During each cull, at a random moment, a photo or a folder of photos is replaced by a link to one outside the stage.
Afterwards there is a `stage_2` that contains only the photos' own bytes, or none.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from imlcull_al.culling import make
from imlcull_al.culling.plan import Decision, make_plan
from imlcull_al.errors import ImlcullError
from imlcull_al.project.listing import Listing
from imlcull_al.project.stages import Stage
from imlcull_al.terminal import progress_bar
from tests.torture.killing import row

SECRET = b"a secret outside"
LINKS = ("copy", "hardlink")
LONGEST = 0.05  # seconds until the swap, about the duration of a cull


class Found(NamedTuple):
    """How many culls made a stage, how many were refused, and what went wrong."""

    made: int
    refused: int
    broken: list[str]


def main() -> None:
    """Swap, cull, check, and print a table row; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--culls", type=int, default=300)
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
        found = torture(Path(folder), options.culls, options.photos, options.seed, progress)
    seen = f"{found.made} made, {found.refused} refused; {len(found.broken)} broke the promise"
    promised = "a stage_2 of the photos' own bytes or none"
    print(row("photos and folders swapped for links out of the stage while a cull runs", options.culls, promised, seen))
    for line in found.broken:
        print(line, file=sys.stderr)
    sys.exit(bool(found.broken))


def torture(folder: Path, culls: int, count: int, seed: int, progress: Any) -> Found:
    """Results of `culls` culls of `count` photos."""
    stage, outside = Stage(folder / "project", 1), folder / "outside"
    keys = [f"day_{number % 3}/{number:03}.jpg" for number in range(count)]
    for key in keys:
        for path, data in ((stage.path(key), key.encode()), (outside / key, SECRET)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    decisions = [Decision(key, "keep", "label", None) for key in keys]
    plan = make_plan(stage, decisions, Listing(tuple(keys), {}, {}), 0.5, "")
    made, broken, chance = 0, [], random.Random(seed)
    for number in range(culls):
        name = chance.choice([*keys, "day_0", "day_1"])
        try:
            with swapping(stage.folder / name, outside / name, chance.uniform(0, LONGEST)):
                make.make_stage(plan, LINKS[number % len(LINKS)])
            made += 1
        except ImlcullError:
            pass
        broken += [f"cull {number}: {each}" for each in strangers(stage.next, keys)]
        shutil.rmtree(stage.next.folder, ignore_errors=True)
        progress("culling", number + 1, culls)
    return Found(made, culls - made, broken)


def strangers(made: Stage, keys: list[str]) -> list[str]:
    """Foreign content of a stage; empty if there is no stage."""
    if not made.folder.exists():
        return []
    return [
        f"{key} holds {path.read_bytes()!r}"
        for key in keys
        if (path := made.path(key)).is_symlink() or path.read_bytes() != key.encode()
    ]


@contextmanager
def swapping(path: Path, target: Path, seconds: float) -> Iterator[None]:
    """Replace `path` by a link to `target` after `seconds`; restored at the end of the block."""
    aside = path.with_name(f".{path.name}")

    def swap() -> None:
        path.rename(aside)
        path.symlink_to(target)

    timer = threading.Timer(seconds, swap)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if aside.exists():
            path.unlink(missing_ok=True)
            aside.rename(path)


if __name__ == "__main__":
    main()
