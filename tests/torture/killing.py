"""Runs child processes that report what they do, and kills them at random moments.

A child writes JSON lines to stdout. Everything written before SIGKILL is read, up to the last complete line.
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds until a child that prints nothing counts as a bug


def tell(**words: Any) -> None:
    """Report to the parent and flush, because buffered lines would be lost with the child."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def killed(module: str, arguments: Sequence[str], chance: random.Random, longest: float) -> list[dict[str, Any]]:
    """Run `python -m module arguments` and kill it up to `longest` seconds after its first line. Returns everything it
    reported.
    """
    (said,) = killed_together(module, [arguments], chance, longest)
    return said


def killed_together(
    module: str, each: Sequence[Sequence[str]], chance: random.Random, longest: float
) -> list[list[dict[str, Any]]]:
    """Run several children at once, each killed at its own random moment."""
    children = [
        subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE)
        for arguments in each
    ]
    said: list[list[bytes]] = [[] for _ in children]
    begun = [threading.Event() for _ in children]
    readers = [
        threading.Thread(target=_read, args=(child, lines, event), daemon=True)
        for child, lines, event in zip(children, said, begun, strict=True)
    ]
    for reader in readers:
        reader.start()
    waits = sorted((chance.random() * longest, number) for number in range(len(children)))
    for event in begun:
        if not event.wait(PATIENCE):
            raise AssertionError(f"{module} said nothing for {PATIENCE:g} seconds")
    started = time.monotonic()
    for wait, number in waits:
        time.sleep(max(0.0, started + wait - time.monotonic()))
        children[number].send_signal(signal.SIGKILL)
    for child, reader in zip(children, readers, strict=True):
        code = child.wait()
        reader.join()
        if code != -signal.SIGKILL:
            raise AssertionError(f"{module} ended by itself with {code}; its own words are above")
    return [[json.loads(line) for line in lines if line.endswith(b"\n")] for lines in said]


def _read(child: subprocess.Popen[bytes], lines: list[bytes], begun: threading.Event) -> None:
    for line in child.stdout or []:
        lines.append(line)
        begun.set()
    begun.set()


def row(fault: str, times: int, promised: str, seen: str) -> str:
    """A row of the table in README.md."""
    return f"| {fault} | {times:,} | {promised} | {seen} |"
