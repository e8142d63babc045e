"""A marker file that exists while a training runs, so that a killed one is noticed later.

`stage_N_cull_unfinished.json` (UTF-8): {"version": 1, "options": {"epochs": 256, …}}, the options of the training. It
is written before the first step and removed at the end, whether the training succeeds or fails. A marker without a
running training means that the training was killed. Independent of what the options mean.
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
    """Keep the marker at `path` while the block runs. Raises `StorageError` if it can't be written."""
    replace_text(path, json.dumps({"version": _VERSION, "options": dict(options)}) + "\n")
    try:
        yield
    finally:
        with suppress(OSError):  # a stale marker does no harm: it only offers to train again
            path.unlink()


def read(path: Path) -> dict[str, Any] | None:
    """Options of the training that left the marker at `path`; {} if they can't be read, None if there is no marker."""
    try:
        note = json.loads(read_own(path))
        return dict(note["options"]) if note["version"] == _VERSION else {}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
