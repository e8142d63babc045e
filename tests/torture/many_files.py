"""A stage of a hundred thousand files: listed, culled and undone without loss.

    python -m tests.torture.many_files [--files 100000] [--link hardlink]

Photos, RAW files and sidecars, some with names of 255 bytes, in folders of a thousand; two of three photos are kept.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from imlcull_al.culling import make, undo
from imlcull_al.culling.copies import LINKS
from imlcull_al.culling.plan import decide, make_plan
from imlcull_al.project.labels import CULL, KEEP, Labels
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import Stage
from imlcull_al.terminal import progress_bar
from tests.torture.killing import row

SUFFIXES = ("CR2", "xmp")


def main() -> None:
    """Make, cull, undo, and print a table row; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--link", choices=LINKS, default="copy")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
        took, broken = torture(Stage(Path(folder), 1), options.files, options.link, progress)
    said = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items())
    promised = "every kept photo with its RAW file and sidecar in stage_2, as the manifest says; photos untouched"
    fault = f"a stage of {options.files:,} files, two thirds of them kept ({options.link})"
    print(row(fault, 1, promised, f"{said}; {len(broken)} promises broken"))
    for line in broken:
        print(line, file=sys.stderr)
    sys.exit(bool(broken))


def torture(stage: Stage, files: int, link: str, progress: Any) -> tuple[Counter[str], list[str]]:
    """Seconds by step, and what went wrong."""
    took: Counter[str] = Counter()
    names = [name_of(number) for number in range(files // 3)]
    for done, name in enumerate(names):
        path = stage.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        for suffix in SUFFIXES:
            path.with_suffix(f".{suffix}").write_bytes(name.encode()[::-1])
        if done % 1000 == 0:
            progress("making files", done, len(names))
    before = {path: os.lstat(path) for path in everything(stage.folder)}

    def timed(what: str, work: Any) -> Any:
        since = time.perf_counter()
        result = work()
        took[what] += time.perf_counter() - since
        return result

    listing = timed("listed in", lambda: list_photos(stage))
    labels = {key: CULL if number % 3 == 0 else KEEP for number, key in enumerate(listing.keys)}
    answers = Labels(stage)
    for label in (KEEP, CULL):
        keys = [key for key, given in labels.items() if given == label]
        timed("answered in", lambda: answers.answer_all(keys, label))  # noqa: B023 - called at once
    decisions = decide(dict.fromkeys(listing.keys, 0.5), labels, {})
    plan = make_plan(stage, decisions, listing, 0.5, "none")
    timed("culled in", lambda: make.make_stage(plan, link, progress=progress))
    kept = {key for key, label in labels.items() if label == KEEP}
    expected = kept | {Path(key).with_suffix(f".{suffix}").as_posix() for key in kept for suffix in SUFFIXES}
    found = {Path(path).relative_to(stage.next.folder).as_posix() for path in everything(stage.next.folder)}
    broken = [f"{len(expected ^ found)} files are missing or new"] if expected != found else []
    broken += timed("looked over in", lambda: undo.changes_since_cull(stage.next))[:3]
    aside = timed("taken back in", lambda: undo.undo_cull(stage.next))
    broken += [] if len(list(everything(aside))) == len(expected) else ["what was taken back is not whole"]
    if Labels(stage).as_dict() != labels:
        broken.append("answers differ")
    unlike = [path for path, status in before.items() if not alike(os.lstat(path), status)]
    return took, broken + [f"{len(unlike)} photos were touched"] * bool(unlike)


def name_of(number: int) -> str:
    """Some names have the maximum length, some contain non-Latin characters."""
    name = f"IMG_{number:06}" + ("é写😀" if number % 7 == 0 else "")
    return f"day_{number // 1000:03}/{name.ljust(245, 'x') if number % 1001 == 0 else name}.JPG"


def everything(folder: Path) -> Any:
    """Paths of all files below a folder."""
    return (os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)  # noqa: PTH118 - quicker


def alike(one: os.stat_result, other: os.stat_result) -> bool:
    """Same size, mtime and mode; hard links change none of them."""
    return (one.st_size, one.st_mtime_ns, one.st_mode) == (other.st_size, other.st_mtime_ns, other.st_mode)


if __name__ == "__main__":
    main()
