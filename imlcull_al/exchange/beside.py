"""Which sidecars belong to a photo, by name only, and how each program names a new one.

    IMG_1.JPG with IMG_1.CR2      its files: IMG_1.JPG, IMG_1.CR2
    IMG_1.CR2.xmp, IMG_1.JPG.xmp  named by a file; darktable and digiKam write these
    IMG_1.xmp                     named by the stem; Adobe's programs, Capture One and Photo Mechanic write these

Upper and lower case count as one. Sidecars of an editor's copies, such as IMG_1_01.CR2.xmp, are left to the editor.
"""

from collections.abc import Iterable, Sequence

from ..project.companions import DECODABLE_SUFFIXES, RAW_SUFFIXES, photo_suffix

SUFFIX = ".xmp"
_OPEN_RAWS = frozenset((".dng", ".heic", ".heif", ".hif"))
"""Among the raw suffixes: files that hold their metadata inside."""


def files_of(key: str, companions: Iterable[str]) -> list[str]:
    """The photo and those of its companions that are pictures themselves."""
    return [key, *(each for each in companions if photo_suffix(each) in RAW_SUFFIXES | DECODABLE_SUFFIXES)]


def sidecars_of(key: str, companions: Sequence[str]) -> list[str]:
    """Its sidecars that are there: those named by a file before those named by a stem."""
    ranks: dict[str, int] = {}
    for rank, name in enumerate(by_file(key, companions) + by_stem(key, companions)):
        ranks.setdefault(name.casefold(), rank)
    return sorted((each for each in companions if each.casefold() in ranks), key=lambda each: ranks[each.casefold()])


def by_file(key: str, companions: Iterable[str]) -> list[str]:
    """Names of sidecars by the full names of its files."""
    return [each + SUFFIX for each in files_of(key, companions)]


def by_stem(key: str, companions: Iterable[str]) -> list[str]:
    """Names of sidecars by the stems of its files."""
    return list(dict.fromkeys(_stem(each) + SUFFIX for each in files_of(key, companions)))


def raws_of(key: str, companions: Iterable[str]) -> list[str]:
    """Its proprietary raw files, which hold no metadata that a program would change."""
    return [each for each in files_of(key, companions) if photo_suffix(each) in RAW_SUFFIXES - _OPEN_RAWS]


def _stem(key: str) -> str:
    name = key.rstrip()
    return name[: len(name) - len(photo_suffix(key))]
