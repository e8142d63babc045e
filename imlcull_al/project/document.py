"""`project.toml` as a document: read, and changed under a lock. `settings` and `stages` say what is in it.

A file of another version is refused. What is not changed stays as it is, byte for byte.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ..errors import StorageError
from .files import TEMPORARY_PREFIX, locked, read_own, replace_text, unreadable

VERSION = 1


def path_of(project: Path) -> Path:
    """The file of a project's settings."""
    return project / "project.toml"


def read(project: Path) -> tomlkit.TOMLDocument:
    """The settings; empty if there are none. Raises `StorageError` for a file that can't be read."""
    path = path_of(project)
    try:
        document = tomlkit.parse(read_own(path).decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return tomlkit.document()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no project can stand beside a folder whose name is as long as can be
            return tomlkit.document()
        raise unreadable(path, error) from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is not valid TOML: {error}. Correct it, or move it away.") from error
    if document.get("version") != VERSION:
        raise StorageError(
            f"{path} has the version {document.get('version')}; this imlcull reads {VERSION}. Update imlcull, or move "
            "the file away."
        )
    return document


@contextmanager
def writing(project: Path) -> Iterator[tomlkit.TOMLDocument]:
    """The settings, to change and write back."""
    with locked(project / f"{TEMPORARY_PREFIX}settings.lock", "writing the settings"):
        document = read(project)
        document.setdefault("version", VERSION)
        yield document
        replace_text(path_of(project), tomlkit.dumps(document))
