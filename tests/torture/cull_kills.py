"""Kills culls and undos: the next stage is complete and verified, or absent, and the photos are untouched.

    python -m tests.torture.cull_kills [--kills 100] [--photos 60] [--seed 0]

A child culls a stage and undoes the cull, over and over. After each kill there is either a `stage_2` that matches its
manifest file by file, or none; stages moved aside by an undo are complete too; and every photo of `stage_1` has its
original bytes, times and mode. In the end one more cull must succeed and leave no remnants of the killed ones.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from imlcull_al.culling import make, undo
from imlcull_al.culling.plan import Plan, decide, make_plan
from imlcull_al.photos import read as photos
from imlcull_al.project.files import TEMPORARY_PREFIX, sweep
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.terminal import progress_bar
from tests.torture.killing import killed, row, tell

LONGEST = 1.0  # seconds of culling before the kill, enough for a few culls of 60 photos
MODULE = "tests.torture.cull_kills"


def main() -> None:
    """Kill, check, and print a table row; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, metavar="PROJECT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        cull_for_ever(Stage(options.child, 1))
    with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
        found, broken = torture(Path(folder), options.kills, options.photos, options.seed, progress)
    promised = "a whole stage_2 as its manifest says or none; nothing left over after the next cull; photos untouched"
    seen = (
        f"{found['whole']} whole, {found['none']} none, {found['half made']} with a half-made copy that the next cull "
        f"cleared; {len(broken)} kills broke a promise"
    )
    print(row("kill -9 while culling or taking back a cull", options.kills, promised, seen))
    for line in broken:
        print(line, file=sys.stderr)
    sys.exit(bool(broken))


def torture(folder: Path, kills: int, count: int, seed: int, progress: Any) -> tuple[dict[str, int], list[str]]:
    """How often a kill left which state, and what went wrong."""
    chance, stage = random.Random(seed), Stage(folder, 1)
    for number in range(count):
        path = stage.path(f"day_{number % 3}/IMG_{number:04}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(1, 400_000)))
        path.with_suffix(".xmp").write_bytes(b"sidecar")
        os.utime(path, ns=(10**18, 10**18 + chance.randrange(10**12)))
        path.chmod(0o444 if number % 5 == 0 else 0o644)
    before = as_they_are(stage)
    found, broken = {"whole": 0, "none": 0, "half made": 0}, []
    for kill in range(1, kills + 1):
        killed(MODULE, ("--child", str(folder)), chance, LONGEST)
        progress("killing", kill, kills)
        if as_they_are(stage) != before:
            broken.append(f"after kill {kill} the photos differ")
        if stage.next.folder.exists():
            changes = undo.changes_since_cull(stage.next)
            broken += [f"after kill {kill}: {change}" for change in changes]
            found["whole"] += not changes
        else:
            found["none"] += 1
        found["half made"] += make.interrupted(stage)
        for aside in folder.glob("stage_2.undone-*"):
            if sum(path.is_file() for path in aside.rglob("*")) != len(plan_of(stage).files):
                broken.append(f"after kill {kill} {aside.name} is not whole")
            shutil.rmtree(aside)
    if stage.next.folder.exists():
        undo.undo_cull(stage.next)
    make.make_stage(plan_of(stage))
    return found, broken + [f"{name} was left behind" for name in left_behind(folder)]


def left_behind(folder: Path) -> list[str]:
    """Files that would never be removed. Temporary files are swept when the project is opened an hour later."""
    left = [path for path in folder.iterdir() if path.name.startswith(TEMPORARY_PREFIX) and path.suffix != ".lock"]
    for path in left:
        os.utime(path, (1, 1))
    sweep(folder)
    return [path.name for path in left if path.exists()]


def cull_for_ever(stage: Stage) -> None:
    """The child."""
    plan = plan_of(stage)
    tell(begun=True)
    while True:
        if stage.next.folder.exists():
            undo.undo_cull(stage.next)
        make.make_stage(plan)


def plan_of(stage: Stage) -> Plan:
    """Keeps two of three photos."""
    listing = list_photos(stage)
    p_keep = {key: 0.1 if number % 3 == 0 else 0.9 for number, key in enumerate(listing.keys)}
    return make_plan(stage, decide(p_keep, {}, {}), listing, 0.5, "none")


def as_they_are(stage: Stage) -> dict[str, tuple[str, int, int]]:
    """Content, mtime and mode of every file of a stage."""
    result = {}
    for path in sorted(stage.folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            key = path.relative_to(stage.folder).as_posix()
            result[key] = (photos.content_id(path.read_bytes()), status.st_mtime_ns, status.st_mode)
    return result


if __name__ == "__main__":
    main()
