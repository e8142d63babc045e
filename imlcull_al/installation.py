"""How this copy of the program was installed and started: what a person types, and where its cache lies by default.

A checkout keeps its cache in `cache/`. An installed package must not write beside itself; it uses the system's folder
for caches: `$XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
CHECKOUT = _ROOT if (_ROOT / "requirements-cluster.txt").is_file() else None
"""The folder of the repository that this package is imported from; None where it was installed from a wheel."""


def started_as(arguments: Sequence[str] | None = None, typed: Sequence[str] | None = None) -> str:
    """The words that started this program, up to its own arguments: `imlcull`, `python -m imlcull_al`.

    `arguments`, `typed`: `sys.argv` and `sys.orig_argv`.
    """
    arguments, typed = arguments or sys.argv, typed or sys.orig_argv
    script = Path(arguments[0])
    if script.suffix != ".py":  # the launcher that pip made
        return script.name.removesuffix(".exe")
    return " ".join(map(_quoted, typed[: len(typed) - len(arguments[1:])]))


def pip_install(requirement: str) -> str:
    """The command that adds a requirement to this Python."""
    return f"{_quoted(sys.orig_argv[0])} -m pip install {requirement}"


def pip_install_cluster() -> str:
    """The command that adds Ray and Accelerate."""
    if CHECKOUT is None:
        return pip_install('"imlcull[cluster]"')
    return pip_install(f"-r {_quoted(str(CHECKOUT / 'requirements-cluster.txt'))}")


def cache_folder(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where an installed package keeps its cache: `imlcull` in the system's folder for caches."""
    if platform == "win32":
        parent = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        parent = home / "Library" / "Caches"
    else:
        named = Path(environment.get("XDG_CACHE_HOME", ""))
        parent = named if named.is_absolute() else home / ".cache"
    folder, earlier = parent / "imlcull", home / ".cache" / "imlcull"  # of version 0.1 on every system
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


DEFAULT_CACHE_DIR = CHECKOUT / "cache" if CHECKOUT else cache_folder(sys.platform, os.environ, Path.home())
