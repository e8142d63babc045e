"""Which files are photos, and which belong to one: RAW files and sidecars beside it. Arithmetic on names only."""

DECODABLE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2",
    ".j2k",
))  # fmt: skip
# Photos too, but not decoded yet: alone they are kept as unreadable, beside a JPEG they are its companion.
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".heic", ".heif", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))  # fmt: skip


def _pair(files: list[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Tell photos from companions: `IMG_1.CR2`, `IMG_1.xmp` and `IMG_1.JPG.txt` belong to `IMG_1.JPG`.

    A sidecar goes to the photo whose full name it extends, else to every photo with its stem; upper and lower
    case are one. A RAW file with no such photo is a photo itself.
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
    """By which a photo is told: in lower case, with its dot."""
    return _suffix(key.rstrip()).lower()  # a name may end in a space, and is a photo all the same


def _suffix(name: str) -> str:
    """From the last dot of the file's name on, unless the name begins or ends with it; as `PurePosixPath`'s."""
    dot = name.rfind(".")
    return name[dot:] if name.rfind("/") + 1 < dot < len(name) - 1 else ""
