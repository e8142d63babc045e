"""Projects that were opened here lately, for the page's first screen. Losing the list loses nothing.

<cache>/recent_projects.txt      absolute paths in UTF-8, one a line, the latest first
"""

from contextlib import suppress
from pathlib import Path

from ..errors import StorageError
from ..project.files import read_own, replace_text

MOST = 8


def recent(cache_dir: Path) -> list[Path]:
    """The projects that are still there, the latest first."""
    try:
        lines = read_own(_file(cache_dir)).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [path for line in lines if line and (path := Path(line)).is_dir()][:MOST]


def remember(project: Path, cache_dir: Path) -> None:
    """Put a project first. A path that can't be a line, or a cache that can't be written, is none."""
    known = [path for path in recent(cache_dir) if path != project]
    lines = [str(path) for path in [project, *known][:MOST]]
    if len(lines[0].splitlines()) == 1:
        with suppress(StorageError, OSError, UnicodeEncodeError):
            cache_dir.mkdir(parents=True, exist_ok=True)
            replace_text(_file(cache_dir), "".join(f"{line}\n" for line in lines))


def _file(cache_dir: Path) -> Path:
    return cache_dir / "recent_projects.txt"
