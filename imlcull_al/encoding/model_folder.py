"""The files of a checkpoint folder, validated before any library opens them.

Folders are untrusted. Files that are not regular, point outside the folder, or are too long or nested too deeply raise
`EncoderError`. Symbolic links are followed, because the hub's snapshots consist of them. Configs are not interpreted.
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

_DEEPEST_CONFIG = 100  # levels of nesting
_LONGEST_CONFIG = 16 << 20  # bytes; the names of 21,000 classes take about 1 MB


def weight_files(folder: Path) -> list[Path]:
    """The weight files: safetensors if present, else pickles, which can run code when loaded. May be empty."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def digest_of_files(paths: Sequence[Path]) -> str:
    """SHA-256 over the SHA-256 of each file, in order."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb", opener=without_waiting) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise EncoderError(f"Could not read {path}: {error.strerror}. Check its permissions.") from error
    return digest.hexdigest()


def check(folder: Path) -> None:
    """Raise `EncoderError` for pipes and devices, and for weight indexes that point outside the folder: the library
    opens files by name and would block on them.
    """
    for path in folder.glob("*.index.json"):
        _check_index(path)
    for entry in os.scandir(folder):
        with suppress(OSError):  # a link to nothing, or to itself
            mode = entry.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise EncoderError(f"{entry.path} is not a regular file. Move it away, or download the model again.")


def _check_index(path: Path) -> None:
    """Raise `EncoderError` if a weight index names files outside its folder."""
    listed = (read_json(path) or {}).get("weight_map")
    if not isinstance(listed, dict) or not all(
        isinstance(each, str) and Path(each).name == each for each in listed.values()
    ):
        raise EncoderError(f"{path} names weights outside its folder. Download the model again.")


def _check_depth(content: Any, most: int = _DEEPEST_CONFIG) -> None:
    """Raise `RecursionError` early: copying or serializing a config recurses deeper than parsing it."""
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    if not most:
        raise RecursionError
    for each in inner:
        _check_depth(each, most - 1)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is no file. Raises `EncoderError`."""
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
