"""Row 9: time until commands and the page are ready, against an empty Python script."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

from benchmarks.speed.harness import OFFLINE, ROOT, alternate, command
from benchmarks.speed.material import Material, Project
from benchmarks.speed.report import Aim, Row

LONGEST = 600.0  # timeout of the page, seconds
NOTHING = "python -c pass"


def measure(material: Material) -> list[Row]:
    """With a warm cache."""
    count = material.some(100_000, 3000)
    made = material.project(count, answers=100)
    model = material.base()
    turns = alternate(
        material.turns(5),
        nothing=partial(command, "-c", "pass"),
        help=partial(command, "-m", "imlcull_al", "--help"),
        order=partial(order, made, model),
        page=partial(page_ready, made, model),
    )
    of = f"{count:,} photos × 768"
    note = "from the start of the process to the first answer 200 of GET /; the page is there before its scores are"
    return [
        Row("9", "`--help`", turns["help"], NOTHING, turns["nothing"], Aim("over", 0.3)),
        Row("9", f"`order -n 20`, {of}, 100 labels", turns["order"], NOTHING, turns["nothing"], Aim("over", 1.5)),
        Row("9", f"the page, {of}, 100 labels", turns["page"], NOTHING, turns["nothing"], Aim("over", 5), note=note),
    ]


def order(made: Project, model: Path) -> float:
    """Seconds of the whole command."""
    words = ("order", "-n", 20, "--project", made.folder, "--model", model, "--cache-dir", made.cache)
    return command("-m", "imlcull_al", *map(str, words))


def page_ready(made: Project, model: Path) -> float:
    """Seconds until the page responds; then it is terminated."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ("label", "--port", port, "--project", made.folder, "--model", model, "--cache-dir", made.cache)
    since = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "imlcull_al", *map(str, words)], cwd=ROOT, env={**os.environ, **OFFLINE},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - since > LONGEST:
                raise RuntimeError(f"The page did not come within {LONGEST:.0f} s; exit code {process.returncode}.")
            time.sleep(0.01)
        return time.perf_counter() - since
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether GET / returns 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
