"""The error tree. Every message says what failed, on which path, and what to do next.

Each front end (command line, page) catches `ImlcullError` in exactly one place and shows its text;
anything else that escapes is a defect of this project.

Strangers read the sentences of a public page: while a process serves one, no sentence tells where a file of the server
lies.
"""

import re
from collections.abc import Callable
from pathlib import Path

_workspaces: list[re.Pattern[str]] = []
_PART = r"[^\s/'\":;,()]+"
_ELSEWHERE = re.compile(rf"(?<![\w.~:/<])(?:/{_PART})+/?")


def hide(folder: Path) -> Callable[[], None]:
    """Keep absolute paths out of sentences until what is returned is called.

    What lies in a workspace, a folder in `folder`, is named by its place there; any other file by its name alone.
    """
    names = {re.escape(str(each)) for each in (folder, folder.resolve())}
    pattern = re.compile(rf"(?:{'|'.join(sorted(names, key=len, reverse=True))})(?:/{_PART})?(/|(?![\w-]))")
    _workspaces.append(pattern)
    return lambda: _workspaces.remove(pattern)


def shown(text: str) -> str:
    """`text` as those who see the pages of this process may read it."""
    if not _workspaces:
        return text
    for workspace in _workspaces:
        text = workspace.sub(lambda found: "" if found[1] else "the workspace", text)
    return _ELSEWHERE.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)


def in_words(error: Exception) -> str:
    """What a library raised, as the part of a sentence."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = " ".join(str(error).split()).rstrip(".")
    return text[:200] or type(error).__name__


class ImlcullError(Exception):
    """Base of every error that a person can do something about; `str(error)` is a sentence for them."""

    def __str__(self) -> str:
        """The sentence, as whoever reads it may see it."""
        return shown(super().__str__())


class StageError(ImlcullError):
    """A project or stage folder is missing, empty or not usable."""


class StorageError(ImlcullError):
    """A file of the project or of the cache could not be read or written."""


class TableError(StorageError):
    """A file is there and readable, but not as the CSV it should be."""


class UnreadablePhoto(ImlcullError):
    """One photo could not be turned into pixels; the text is the reason shown beside it.

    `lasting`: the same bytes will fail again, so the reason may be remembered with them.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        """Most reasons lie in the bytes."""
        super().__init__(reason)
        self.lasting = lasting


class LabelsError(ImlcullError):
    """The labels file or its journal holds something that has no safe interpretation."""


class EncoderError(ImlcullError):
    """A pretrained encoder is not there, is not a vision transformer, or does not fit its weights."""


class ModelFileError(ImlcullError):
    """`stage_N_cull_model.pth` is not a model of this project, or is damaged."""


class NotEnoughLabels(ImlcullError):
    """There are too few answers, or answers of one class only, for what was asked."""


class TrainingError(ImlcullError):
    """A training could not start or never improved; the earlier model is as it was."""


class CullRefused(ImlcullError):
    """The cull was not made; nothing was changed."""


class ReplayRefused(ImlcullError):
    """A replay can't be played with these known answers, or not in the way that was asked."""


class ClusterError(ImlcullError):
    """A Ray cluster is not there, or broke off the work; what was done before is kept."""


class ServerError(ImlcullError):
    """The page can't be served."""


class NoWorkspace(ImlcullError):
    """A visitor of a public page has no workspace, or had one that expired."""


class UploadRefused(ImlcullError):
    """What a visitor sent is no photo, no archive of photos, or too much; nothing of it was kept."""


class TooManyRequests(ImlcullError):
    """One visitor asks for more at once than may wait."""


class Cancelled(ImlcullError):
    """Work was stopped on request; what was finished before is kept."""
