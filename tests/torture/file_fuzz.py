"""Damaged files of every format of this project: tests/test_fuzz.py with twenty times as many examples.

python -m tests.torture.file_fuzz
"""

import os
import re
import subprocess
import sys

from tests.torture.killing import ROOT, row

KINDS = 6  # labels, journal, manifest, truth, note, model
EXAMPLES = 2000


def main() -> None:
    """Run the tests, print a table row, exit with their exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_fuzz.py", "--show-capture=no"]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "torture"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE)
    fault = "labels, journal, manifest, truth, note and model files with bytes overwritten, cut, doubled, zeroed"
    promised = "read, or refused with a sentence; what an edit or damage replaced is kept beside"
    ran = failed or not done.returncode
    seen = f"{len(failed)} of {KINDS} kinds broke a promise" if ran else "the tests did not run"
    print(row(fault, KINDS * EXAMPLES, promised, seen))
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
