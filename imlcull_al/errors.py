"""The exception hierarchy. Every message says what failed, on which path, and what to do next.

Each front end (command line, page) catches `ImlcullError` in exactly one place and shows its text. Any other escaping
exception is a bug.

While a process serves a public page, messages are stripped of the server's absolute paths.
"""

import re
from collections.abc import Callable
from pathlib import Path

_workspaces: list[re.Pattern[str]] = []
_PART = r"[^\s/'\":;,()]+"
_ELSEWHERE = re.compile(rf"(?<![\w.~:/<])(?:/{_PART})+/?")


def hide(folder: Path) -> Callable[[], None]:
    """Strip absolute paths from messages until the returned function is called.

    Workspaces are the subfolders of `folder`. Paths in a workspace become relative to it; others become bare names.
    """
    names = {re.escape(str(each)) for each in (folder, folder.resolve())}
    pattern = re.compile(rf"(?:{'|'.join(sorted(names, key=len, reverse=True))})(?:/{_PART})?(/|(?![\w-]))")
    _workspaces.append(pattern)
    return lambda: _workspaces.remove(pattern)


def shown(text: str) -> str:
    """`text` as visitors of this process's pages may see it, without hidden paths."""
    if not _workspaces:
        return text
    for workspace in _workspaces:
        text = workspace.sub(lambda found: "" if found[1] else "the workspace", text)
    return _ELSEWHERE.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)


def in_words(error: Exception) -> str:
    """A library's exception as a clause for a message, at most 200 characters."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    text = " ".join(str(error).split()).rstrip(".")
    return text[:200] or type(error).__name__


class ImlcullError(Exception):
    """Base class of all errors that the user can act on; `str(error)` is a message for them."""

    def __str__(self) -> str:
        """The message, without hidden paths."""
        return shown(super().__str__())


class StageError(ImlcullError):
    """A project or stage folder is missing, empty or unusable."""


class StorageError(ImlcullError):
    """A project or cache file could not be read or written."""


class TableError(StorageError):
    """A file is readable but not the expected CSV."""


class UnreadablePhoto(ImlcullError):
    """A photo could not be decoded; the text is the reason shown beside it.

    `lasting`: the same bytes will fail again, so the reason may be cached.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        """Failures are lasting by default: most are caused by the bytes."""
        super().__init__(reason)
        self.lasting = lasting


class UnreadableXmp(ImlcullError):
    """A packet of metadata can't be read, or not changed without risk; the text is the reason shown beside it."""


class RatingsRefused(ImlcullError):
    """Ratings can't be read or written in this way; nothing was changed."""


class DetectionsRefused(ImlcullError):
    """Results of a detector can't be used; nothing was changed."""


class AnswersRefused(ImlcullError):
    """Answers can't be taken from another program's files, or written for it, in this way; nothing was changed."""


class LabelsError(ImlcullError):
    """The labels file or its journal can't be interpreted safely."""


class EncoderError(ImlcullError):
    """An encoder is missing, is not a vision transformer, or doesn't match its weights."""


class ModelFileError(ImlcullError):
    """`stage_N_cull_model.pth` is not a model of this project, or is damaged."""


class NotEnoughLabels(ImlcullError):
    """Too few answers, or answers of one class only."""


class TrainingError(ImlcullError):
    """Training could not start or never improved; the previous model is unchanged."""


class CullRefused(ImlcullError):
    """The cull was rejected; nothing was changed."""


class ReplayRefused(ImlcullError):
    """A replay is impossible with the given answers or options."""


class ClusterError(ImlcullError):
    """A Ray cluster is unavailable or aborted the work; finished work is kept."""


class ServerError(ImlcullError):
    """The page can't be served."""


class NoWorkspace(ImlcullError):
    """A visitor of a public page has no workspace, or had one that expired."""


class UploadRefused(ImlcullError):
    """An upload is not a photo or an archive of photos, or is too large; none of it was kept."""


class TooManyRequests(ImlcullError):
    """A visitor has too many requests in the queue."""


class Cancelled(ImlcullError):
    """Work was stopped on request; finished work is kept."""
