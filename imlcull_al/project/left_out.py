"""Files and folders of a stage that are neither photo nor companion: why, and how that is told. Names only."""

import re
from collections.abc import Iterator, Mapping

from .companions import MOVIE_SUFFIXES, SIDECAR_SUFFIXES, photo_suffix

OWN_PREFIX = ".imlcull"
"""Begins the names of this program's own files, which are not told."""
EACH, SUCH, KINDS = 5, 3, 20
"""Names told one by one, at most, and examples of more; both for one reason. Reasons told."""

_FOLDERS = {
    "it is a folder of deleted files": {
        "#recycle", "$recycle.bin", ".dtrash", "@recycle", "network trash folder", "recycler",
    },
    "it is a folder of thumbnails": {"@eadir", "@__thumb", ".@__thumb", ".thumbnails"},
    "it is a folder of the system": {
        "__macosx", "system volume information", "lost+found", "#snapshot", "@recently-snapshot", "@synoresource",
        "temporary items",
    },
}  # fmt: skip
_BUNDLES = {
    ".imlcull": "it is a project of imlcull",
    **dict.fromkeys((".lrdata", ".lrcat-data"), "it is a folder of previews of Lightroom"),
    ".cocatalog": "it is a catalog of Capture One",
    **dict.fromkeys(
        (".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary"),
        "it is a library of another program; export its photos",
    ),
}
_CHECKED_DISK = re.compile(r"(?:\.trash.*|found\.\d{3})")
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "autorun.inf", "indexervolumeguid", "icon\r"}
_FILES = {
    "it is a movie without a photo of its name": MOVIE_SUFFIXES,
    "it is a sidecar without its photo": SIDECAR_SUFFIXES,
    "it is a sound without a photo of its name": (
        ".aac", ".aif", ".aiff", ".amr", ".flac", ".m4a", ".mp3", ".ogg", ".wav",
    ),
    "it is a Photoshop document, which is not read": (".psb", ".psd"),
    "it is a document of a graphics program, which is not read": (
        ".af", ".afdesign", ".afphoto", ".ai", ".cdr", ".clip", ".eps", ".indd", ".kra", ".pdf", ".procreate", ".svg",
        ".xcf",
    ),
    "it is an archive; unpack it": (".7z", ".bz2", ".dmg", ".gz", ".iso", ".rar", ".tar", ".tgz", ".xz", ".zip"),
    "it is a catalog of another program": (".cocatalogdb", ".cosessiondb", ".dtdb", ".lrcat"),
    "it is a file that is not complete": (".crdownload", ".download", ".part", ".partial", ".tmp"),
}  # fmt: skip
_REASONS = {suffix: reason for reason, suffixes in _FILES.items() for suffix in suffixes}


def why_folder(name: str) -> str:
    """Why a folder is left out with all that is in it; empty if it isn't."""
    low = name.casefold()
    for reason, names in _FOLDERS.items():
        if low in names:
            return reason
    if _CHECKED_DISK.fullmatch(low):
        return "it is a folder of the system"
    if name[0] == ".":
        return "it is a hidden folder"
    return _BUNDLES.get(photo_suffix(low), "")


def why_file(name: str) -> str:
    """Why a file that is neither photo nor companion is left out."""
    name = name.rpartition("/")[2]
    if name.casefold() in _SYSTEM_FILES:
        return "it is a file of the system"
    if name[0] == ".":
        return "it is a hidden file"
    suffix = photo_suffix(name)
    if suffix in _REASONS:
        return _REASONS[suffix]
    return f"it is no photo: {suffix} files are not read" if suffix else "it is no photo: its name has no suffix"


def told(left_out: Mapping[str, str]) -> Iterator[str]:
    """What was left out, in lines: few names of a reason one by one, many as a count with examples."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in left_out.items():
        by_reason.setdefault(reason, []).append(key)
    for reason, keys in list(by_reason.items())[:KINDS]:
        if len(keys) <= EACH:
            yield from (f"{key!r}: {reason}" for key in keys)
        else:
            more, why = len(keys) - SUCH, reason.replace("it is ", "each is ", 1)
            yield f"{', '.join(map(repr, keys[:SUCH]))} and {more:,} more: {why}"
    if others := list(by_reason.values())[KINDS:]:
        yield f"{sum(map(len, others)):,} others, for {len(others):,} more reasons"
