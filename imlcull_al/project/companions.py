"""Sorts files into photos and their companions (RAW files and sidecars), by name only."""

DECODABLE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2",
    ".j2k",
))  # fmt: skip
# Photos that aren't decoded yet: alone they are kept as unreadable, beside a JPEG they are its companions.
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".heic", ".heif", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))  # fmt: skip


def _pair(files: list[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Separate photos from companions: `IMG_1.CR2`, `IMG_1.xmp` and `IMG_1.JPG.txt` belong to `IMG_1.JPG`.

    A sidecar belongs to the photo whose full name it extends, otherwise to every photo with the same stem, ignoring
    case. A RAW file without such a photo is a photo itself.
    """
    photos: list[str] = []
    others: list[str] = []
    for key in files:
        (photos if photo_suffix(key) in DECODABLE_SUFFIXES else others).append(key)
    if not others:
        return photos, {}
    owners = _owners(photos)
    lone_raws = [key for key in others if photo_suffix(key) in RAW_SUFFIXES and not _owned_by(key, owners)]
    photos += lone_raws
    owners = _owners(photos)
    companions: dict[str, list[str]] = {}
    for key in set(others) - set(lone_raws):
        for owner in _owned_by(key, owners):
            companions.setdefault(owner, []).append(key)
    return photos, {owner: tuple(sorted(keys)) for owner, keys in companions.items()}


def _owners(photos: list[str]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for key in photos:
        name = key.rstrip().casefold()
        for each in {name, name[: len(name) - len(_suffix(name))]}:
            owners.setdefault(each, []).append(key)
    return owners


def _owned_by(key: str, owners: dict[str, list[str]]) -> list[str]:
    name = key.casefold()
    while suffix := _suffix(name):
        name = name[: -len(suffix)]
        if name in owners:
            return owners[name]
    return []


def photo_suffix(key: str) -> str:
    """The suffix that identifies a photo: lower case, with its dot."""
    return _suffix(key.rstrip()).lower()  # the name of a photo may end in a space


def _suffix(name: str) -> str:
    """Like `PurePosixPath.suffix`: from the last dot of the name, empty if the name begins or ends with that dot."""
    dot = name.rfind(".")
    return name[dot:] if name.rfind("/") + 1 < dot < len(name) - 1 else ""
