"""Opens a folder in the file manager of this machine, for whoever sits at it."""

import os
import shutil
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..errors import StageError

_BY_SYSTEM = {"darwin": "open", "win32": "explorer"}


def file_manager() -> str | None:
    """Path of the program that opens folders here; None without one, or without a screen."""
    has_screen = sys.platform in _BY_SYSTEM or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which(_BY_SYSTEM.get(sys.platform, "xdg-open")) if has_screen else None


def open_folder(folder: Path, request: Any) -> None:
    """Open `folder`. Raises `StageError` unless the request comes from this machine, and if nothing can open it."""
    program = file_manager()
    if program is None or not _is_from_here(request):
        raise StageError(f"The folder is {folder}, on the machine that runs imlcull. Open it there.")
    command, none = [program, str(folder.absolute())], subprocess.DEVNULL
    try:
        subprocess.Popen(command, stdin=none, stdout=none, stderr=none, start_new_session=True)
    except OSError as error:
        raise StageError(f"{program} could not open {folder}: {error.strerror}. Open it yourself.") from error


def _is_from_here(request: Any) -> bool:
    try:
        return ip_address(request.client.host).is_loopback
    except (AttributeError, ValueError):
        return False
