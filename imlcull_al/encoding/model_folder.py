"""The files of a checkpoint's folder, checked before a library opens any of them.

Folders come from strangers: what is no regular file, names files elsewhere, is too long or too deeply nested is refused
with `EncoderError`. Links are followed: the hub's snapshots consist of them. Knows nothing of what configs mean.
"""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import EncoderError, in_words
from ..project.files import without_waiting

_DEEPEST_CONFIG = 100  # objects in each other
_LONGEST_CONFIG = 16 << 20  # bytes; the names of 21,000 classes take one million


def weight_files(folder: Path) -> list[Path]:
    """The files with weights, those first that run no code when they are read; none where there are none."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def digest_of_files(paths: Sequence[Path]) -> str:
    """The SHA-256 of what these files hold."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb", opener=without_waiting) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise EncoderError(f"Could not read {path}: {error.strerror}. Check its permissions.") from error
    return digest.hexdigest()


def check(folder: Path) -> None:
    """Refuse a folder with pipes and devices in it, or a list of weights that leads to some: the library opens what it
    finds by name, and would wait there.
    """
    for path in folder.glob("*.index.json"):
        _check_index(path)
    for entry in os.scandir(folder):
        with suppress(OSError):  # a link to nothing, or to itself
            mode = entry.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise EncoderError(f"{entry.path} is no regular file. Move it away, or download the model again.")


def _check_index(path: Path) -> None:
    """Refuse a list of weight files that names some outside of its folder."""
    listed = (read_json(path) or {}).get("weight_map")
    if not isinstance(listed, dict) or not all(
        isinstance(each, str) and Path(each).name == each for each in listed.values()
    ):
        raise EncoderError(f"{path} names weights outside of its folder. Download the model again.")


def _check_depth(content: Any, most: int = _DEEPEST_CONFIG) -> None:
    """Raise `RecursionError` before anybody does who copies or writes it again, deeper in calls than the parser."""
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    if not most:
        raise RecursionError
    for each in inner:
        _check_depth(each, most - 1)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is none."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            text = file.read(_LONGEST_CONFIG + 1)
        if len(text) > _LONGEST_CONFIG:
            raise ValueError(f"it is longer than {_LONGEST_CONFIG >> 20} MiB")
        content = json.loads(text.decode("utf-8"))
        _check_depth(content)
    except FileNotFoundError:
        return None
    except RecursionError as error:
        raise EncoderError(f"Could not read {path}: it is nested too deeply. Download the model again.") from error
    except (OSError, ValueError) as error:
        raise EncoderError(f"Could not read {path}: {in_words(error)}. Download the model again.") from error
    if not isinstance(content, dict):
        raise EncoderError(f"{path} holds no JSON object. Download the model again.")
    return content
