"""Interrupts an embedding on a Ray cluster, then kills one of its workers: nothing is lost, done twice or different.

    python -m tests.torture.cluster_kills [--times 3]

Each time, the command is interrupted once the cache has a first row. It has to say so, end all of its processes and
leave no files. A second run computes what is missing while one of its workers is killed. In the end the cache holds the
rows of a local run, and a third run finds nothing to do.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from imlcull_al.encoding.cluster import fill
from imlcull_al.encoding.embeddings import ensure
from imlcull_al.encoding.load import load_encoder
from imlcull_al.simulate.sample import make_sample
from imlcull_al.terminal import progress_bar
from tests.torture.killing import ROOT, row

BUILTIN = partial(load_encoder, "builtin")
PHOTOS = 60
STOPPED = "Stopped. Finished work is kept; run the same command again to continue."
PATIENCE = 60.0
"""Seconds in which processes have to end."""
ROUNDING = 0.01
"""Processors with AMX round bfloat16 differently in batches of another size; rows of other photos differ far more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Interrupt, kill, and print a table row; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    times, computed, broken = parser.parse_args(arguments).times, 0, []
    with progress_bar() as progress:
        for number in range(times):
            with tempfile.TemporaryDirectory(prefix="imlcull-cluster-") as folder:
                again, failures = torture(Path(folder))
            computed, broken = computed + again, broken + failures
            progress("killing", number + 1, times)
    promised = "what was done is kept and done once; the rows of a local run; no process and no file left behind"
    seen = f"{computed} of {times * PHOTOS} rows were left for the second run; {len(broken)} promises broken"
    print(row("Ctrl-C to an embedding on a Ray cluster, then kill -9 of a worker", times, promised, seen))
    for failure in broken:
        print(failure, file=sys.stderr)
    return int(bool(broken))


def torture(folder: Path) -> tuple[int, list[str]]:
    """How many photos the second run computed, and what went wrong."""
    make_sample(folder / "project", photos=PHOTOS)
    stage, cache_dir = folder / "project" / "stage_1", folder / "cache"
    (stage / "broken.jpg").write_bytes(b"broken")
    paths = {path.name: path for path in sorted(stage.iterdir())}
    broken = interrupted(stage.parent, cache_dir)
    computed, failures = killed(list(paths.values()), cache_dir)
    here, there = (ensure(paths, BUILTIN(), folder / "local"), ensure(paths, BUILTIN(), cache_dir))
    wrong = {
        "all was done before Ctrl-C, or nothing": not 0 < computed < PHOTOS,
        "photos are missing": (there.keys, there.unreadable, there.computed) != (here.keys, here.unreadable, 0),
        "the rows differ from a local run's": np.abs(there.rows - here.rows).max() > ROUNDING,
        "the cache holds temporary files": any(cache_dir.glob(".imlcull-*.tmp")),
        "a third run found work": fill(list(paths.values()), BUILTIN(), BUILTIN, cache_dir) != 0,
    }
    return computed, broken + failures + [what for what, is_so in wrong.items() if is_so]


def interrupted(project: Path, cache_dir: Path) -> list[str]:
    """Interrupt the command at the first cached row; returns what went wrong."""
    words = ["embed", "--project", project, "--cache-dir", cache_dir, "--model", "builtin", "--batch-size", 1]
    embed = [sys.executable, "-m", "imlcull_al", *map(str, words), "--engine", "ray"]
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whatever shell this was started by
    before = descendants()
    with subprocess.Popen(
        embed, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=hears
    ) as run:
        while run.poll() is None and not any(cache_dir.glob("content_ids/*.h5")):
            time.sleep(0.01)
        started = [process for process in descendants() if process not in before and process != run.pid]
        folders = {folder for process in started for folder in re.findall(r"/tmp/ray-\w+", command(process))}
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=PATIENCE)[0]
    wrong = {
        f"it ended with {run.returncode} and said: {said}": (run.returncode, said.splitlines()[-1]) != (130, STOPPED),
        "no folder of Ray was seen": not folders,
        "processes were left behind": left_behind(started),
        "folders were left behind": any(Path(folder).exists() for folder in folders),
        "the cache held temporary files": any(cache_dir.glob(".imlcull-*.tmp")),
    }
    return [what for what, is_so in wrong.items() if is_so]


def killed(paths: Sequence[Path], cache_dir: Path) -> tuple[int, list[str]]:
    """Embed what is missing and kill one of the workers; returns how many photos were computed, and what went wrong."""
    victims: list[int] = []
    told: list[tuple[int, int]] = []

    def kill_one(what: str, done: int, total: int) -> None:
        told.append((done, total))
        if 0 < done < total and not victims:
            victims.append(descendants("ray::MapWorker")[0])
            os.kill(victims[0], signal.SIGKILL)

    before = descendants()
    computed = fill(paths, BUILTIN(), BUILTIN, cache_dir, batch_size=2, cores=1, progress=kill_one)
    total = told[0][1]
    wrong = {
        "no worker was killed": not victims,
        "progress did not go from none to all": (told[0], told[-1]) != ((0, total), (total, total)),
        "more was computed than was missing": computed > total,
        "workers were left behind": left_behind(process for process in descendants() if process not in before),
    }
    return computed, [what for what, is_so in wrong.items() if is_so]


def descendants(name: str = "") -> list[int]:
    """Processes that this one started, directly or not, whose command line begins with `name`."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [os.getpid()]
    for parent in found:
        found += [process for process, its in parents.items() if its == parent]
    return [process for process in found[1:] if command(process).startswith(name)]


def command(process: int) -> str:
    """Its command line; empty of a zombie."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def left_behind(processes: Iterable[int]) -> list[str]:
    """The command lines of those that don't end within `PATIENCE`."""
    left, deadline = list(processes), time.monotonic() + PATIENCE
    while (lines := [line for process in left if (line := command(process))]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return lines


if __name__ == "__main__":
    sys.exit(main())
