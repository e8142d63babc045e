"""Measuring: functions in fresh processes, turns that alternate, seconds, resident memory.

    python -m benchmarks.speed.harness MODULE FUNCTION ARGUMENTS    what `fresh` starts; arguments are a JSON object

Knows nothing of what is measured.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GIB = 1 << 30
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "GRADIO_ANALYTICS_ENABLED": "False"}


def fresh(function: Callable[..., Any], **arguments: Any) -> Any:
    """What a function of a module returns in a process of its own; arguments and result are plain JSON values."""
    with tempfile.NamedTemporaryFile() as result:
        call = [function.__module__, function.__qualname__, json.dumps({"into": result.name, "with": arguments})]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.speed.harness", *call], capture_output=True, text=True,
            cwd=ROOT, env={**os.environ, **OFFLINE}, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{function.__qualname__} ended with {done.returncode}: {done.stderr[-3000:]}")
        return json.loads(Path(result.name).read_text(encoding="utf-8"))


def main(module: str, function: str, call: str) -> None:
    """The other side of `fresh`."""
    options = json.loads(call)
    result = getattr(importlib.import_module(module), function)(**options["with"])
    Path(options["into"]).write_text(json.dumps(result), encoding="utf-8")


def alternate(turns: int, **works: Callable[[], Any]) -> dict[str, list[Any]]:
    """Results by name, in turns: what else the machine does meets all of them. Every other turn goes backwards."""
    found: dict[str, list[Any]] = {name: [] for name in works}
    for turn in range(turns):
        for name in list(works)[:: -1 if turn % 2 else 1]:
            found[name].append(works[name]())
    return found


def seconds(work: Callable[[], Any]) -> float:
    """By the clock on the wall."""
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def command(*words: str) -> float:
    """Seconds until a command of this Python has ended. Raises `RuntimeError` where it fails."""
    since = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **OFFLINE}, check=False
    )
    took = time.perf_counter() - since
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-3000:]}")
    return took


def resident(process: int | str = "self") -> dict[str, float]:
    """GiB of a process: `peak` so far, `now`, and `anonymous`, the part of now that is no mapped file. Linux only."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    names = {"peak": "VmHWM", "now": "VmRSS", "anonymous": "RssAnon"}
    return {name: int(fields[field].split()[0]) / (1 << 20) for name, field in names.items()}


def children() -> list[int]:
    """Ids of the processes that this one started and that still run; Linux only."""
    tasks = Path("/proc/self/task").iterdir()
    return sorted({int(word) for task in tasks for word in (task / "children").read_text().split()})


@contextmanager
def watched(pause: float = 0.05) -> Iterator[dict[str, float]]:
    """Fills `peak`, the most GiB that were resident in this process, `anonymous`, the most of it that was no mapped
    file (looked at every `pause` seconds), and `children`, the sum of the peaks of processes that it has started.
    """
    most = {"anonymous": 0.0, "children": 0.0}
    over = threading.Event()

    def look() -> None:
        while not over.wait(pause):
            most["anonymous"] = max(most["anonymous"], resident()["anonymous"])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()
        most["peak"] = resident()["peak"]
        most["children"] = sum(resident(process)["peak"] for process in children())


if __name__ == "__main__":
    main(*sys.argv[1:])
