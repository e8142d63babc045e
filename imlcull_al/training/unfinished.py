"""A note on the disk while a training runs, so that one that was killed is noticed later.

`stage_N_cull_unfinished.json` (UTF-8): {"version": 1, "options": {"epochs": 256, …}}, what the training was asked to
do. It is there from the first step to the end, however that comes; a note without a training is what a kill leaves.
Knows nothing of what the options mean.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..project.files import read_own, replace_text

_VERSION = 1


@contextmanager
def noted(path: Path, options: Mapping[str, Any]) -> Iterator[None]:
    """Keep the note at `path` while the block runs. Raises `StorageError` where the disk refuses."""
    replace_text(path, json.dumps({"version": _VERSION, "options": dict(options)}) + "\n")
    try:
        yield
    finally:
        with suppress(OSError):  # left behind, it only offers a training again
            path.unlink()


def read(path: Path) -> dict[str, Any] | None:
    """The options of the training that left its note at `path`, {} where they can't be read; None for no note."""
    try:
        note = json.loads(read_own(path))
        return dict(note["options"]) if note["version"] == _VERSION else {}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
