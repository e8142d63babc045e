"""How this copy of the program was installed and started: its command line and its default cache folder.

A checkout keeps its cache in `cache/`. An installed package must not write to its own folder and uses the system's
cache folder: `$XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
CHECKOUT = _ROOT if (_ROOT / "requirements-cluster.txt").is_file() else None
"""The repository that this package is imported from; None if installed from a wheel."""


def started_as(arguments: Sequence[str] | None = None, typed: Sequence[str] | None = None) -> str:
    """The command that started this program, without its arguments: `imlcull`, `python -m imlcull_al`.

    `arguments`, `typed`: `sys.argv` and `sys.orig_argv` by default.
    """
    arguments, typed = arguments or sys.argv, typed or sys.orig_argv
    script = Path(arguments[0])
    if script.suffix != ".py":  # pip's launcher
        return script.name.removesuffix(".exe")
    return " ".join(map(quoted, typed[: len(typed) - len(arguments[1:])]))


def pip_install(requirement: str) -> str:
    """The command that installs a requirement for this Python."""
    return f"{quoted(sys.orig_argv[0])} -m pip install {requirement}"


def pip_install_cluster() -> str:
    """The command that installs Ray and Accelerate."""
    if CHECKOUT is None:
        return pip_install('"imlcull[cluster]"')
    return pip_install(f"-r {quoted(str(CHECKOUT / 'requirements-cluster.txt'))}")


def cache_folder(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """The cache folder of an installed package: `imlcull` in the system's cache folder."""
    if platform == "win32":
        parent = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        parent = home / "Library" / "Caches"
    else:
        named = Path(environment.get("XDG_CACHE_HOME", ""))
        parent = named if named.is_absolute() else home / ".cache"
    folder, earlier = parent / "imlcull", home / ".cache" / "imlcull"  # version 0.1 used it on every system
    return earlier if earlier.is_dir() and not folder.is_dir() else folder


def quoted(word: str) -> str:
    """A word of a command line, in quotes if it needs them."""
    return f'"{word}"' if " " in word else word


DEFAULT_CACHE_DIR = CHECKOUT / "cache" if CHECKOUT else cache_folder(sys.platform, os.environ, Path.home())
