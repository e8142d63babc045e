"""Measurement tools: functions in fresh processes, alternating turns, wall-clock seconds, resident memory.

    python -m benchmarks.speed.harness MODULE FUNCTION ARGUMENTS    started by `fresh`; arguments are a JSON object

Independent of what is measured.
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
    """Call a module-level function in a new process and return its result. Arguments and result are plain JSON
    values.
    """
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
    """The child process of `fresh`."""
    options = json.loads(call)
    result = getattr(importlib.import_module(module), function)(**options["with"])
    Path(options["into"]).write_text(json.dumps(result), encoding="utf-8")


def alternate(turns: int, **works: Callable[[], Any]) -> dict[str, list[Any]]:
    """Results by name. The works take turns, so that other load affects all of them alike; every other turn is
    reversed.
    """
    found: dict[str, list[Any]] = {name: [] for name in works}
    for turn in range(turns):
        for name in list(works)[:: -1 if turn % 2 else 1]:
            found[name].append(works[name]())
    return found


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds."""
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def command(*words: str) -> float:
    """Wall-clock seconds of a command of this Python. Raises `RuntimeError` if it fails."""
    since = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **OFFLINE}, check=False
    )
    took = time.perf_counter() - since
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-3000:]}")
    return took


def resident(process: int | str = "self") -> dict[str, float]:
    """Memory of a process in GiB: `peak`, `now`, and `anonymous`, the part of `now` that is not memory-mapped. Linux
    only.
    """
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    names = {"peak": "VmHWM", "now": "VmRSS", "anonymous": "RssAnon"}
    return {name: int(fields[field].split()[0]) / (1 << 20) for name, field in names.items()}


def children() -> list[int]:
    """Ids of the running child processes. Linux only."""
    tasks = Path("/proc/self/task").iterdir()
    return sorted({int(word) for task in tasks for word in (task / "children").read_text().split()})


@contextmanager
def watched(pause: float = 0.05) -> Iterator[dict[str, float]]:
    """Fills `peak`, the peak resident GiB of this process; `anonymous`, the peak of its memory that is not
    memory-mapped (sampled every `pause` seconds); and `children`, the sum of the peaks of its child processes.
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
