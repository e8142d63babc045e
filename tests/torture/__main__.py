"""Runs all fault injections one after another, and writes the table in README.md.

    python -m tests.torture [--quick]

`--quick` repeats every fault only a few times and leaves the table alone. Exit code 1 if a promise was broken.
"""

import argparse
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from imlcull_al.project.files import replace_text
from tests.torture.killing import ROOT

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by python -m tests.torture: begin -->", "<!-- end -->"
FAULTS = (  # program, its options, those of --quick
    ("label_kills", "--kills 500", "--kills 10"),
    ("label_kills", "--kills 200 --writers 2", "--kills 10 --writers 2"),
    ("cache_kills", "--kills 100", "--kills 10"),
    ("cluster_kills", "--times 5", "--times 1"),
    ("cull_kills", "--kills 100", "--kills 5"),
    ("swaps", "--culls 300", "--culls 30"),
    ("many_files", "--files 100000", "--files 3000"),
    ("file_fuzz", "", None),
    ("photo_fuzz", "--times 5000", "--times 200"),
    ("doors", "", "--uploads 12 --views 70"),
    ("load", "--labelers 20 --seconds 60 --train", "--labelers 5 --seconds 5 --photos 360"),
    ("load", "--answers 10000", None),
    ("flood", "--times 1000", "--times 150"),
)
LIMIT = 1800.0
"""Timeout per fault in seconds; a timeout counts as broken."""


def main() -> int:
    """Run everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    rows, broken, since = [], 0, time.monotonic()
    for program, options, quick in FAULTS:
        chosen = quick if is_quick else options
        if chosen is None:
            continue
        command = f"python -m tests.torture.{program} {chosen}".strip()
        print(f"{(time.monotonic() - since) / 60:5.1f} min  {command}", file=sys.stderr, flush=True)
        found, is_whole = run(command)
        broken += not is_whole
        rows += [f"{line} `{command}` |" for line in found]
        print("\n".join(found), flush=True)
    if not is_quick:
        write(rows, (time.monotonic() - since) / 60)
    return int(bool(broken))


def run(command: str) -> tuple[list[str], bool]:
    """The table rows that a program printed, and whether all promises held."""
    arguments = [sys.executable, *command.split()[1:]]
    try:
        done = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return [f"| `{command}` | 0 | an end within {LIMIT / 60:.0f} minutes | none |"], False
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return lines or [f"| `{command}` | 0 | a line of this table | exit code {done.returncode} |"], done.returncode == 0


def write(rows: list[str], minutes: float) -> None:
    """Replace the table."""
    text = README.read_text(encoding="utf-8")
    head = f"{datetime.now(UTC):%Y-%m-%d}, {minutes:.0f} minutes.\n\n| fault | how often | promised | seen | again |"
    table = "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])
    replace_text(README, f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{table}\n\n{END}{text.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main())
