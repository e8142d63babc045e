"""Sorts the files of a stage into photos, their companions and the rest, by name; times come from the caller.

Upper and lower case count as one. A photo that people see is rendered (`DECODABLE_SUFFIXES`) or a raw alone.

    photo                   companions                                    rule
    DSC_1.JPG               DSC_1.NEF, DSC_1.xmp, DSC_1.WAV, DSC_1.THM    the same stem
    DSC_1.JPG               DSC_1.JPG.xmp, DSC_1.NEF.dop, DSC_1.JPG.txt   the name of the photo or of its raw, extended
    DSC_1.JPG               DSC_1_01.JPG.xmp, DSC_1_02.NEF.xmp            darktable's duplicates
    DSC_1.JPG               DSC_1.JPG_original                            ExifTool's backup
    DSC_1.NEF.jpg           DSC_1.NEF                                     a rendering that extends the name of its raw
    JPG/DSC_1.JPG           RAW/DSC_1.NEF                                 folders of a format are looked through
    Wedding/DSC_1.JPG       Wedding RAW/DSC_1.NEF, Wedding/NEF/DSC_1.NEF  so is the format at the end of a name
    JPG Wedding/DSC_1.JPG   RAW Wedding/DSC_1.NEF                         at its beginning, only beside another format
    DSC_1.JPG               NKSC_PARAM/DSC_1.JPG.nksc, pp3/DSC_1.NEF.pp3  so are those of edits
    DSC_1.JPG               CaptureOne/Settings131/DSC_1.JPG.cos          and all that is below CaptureOne
    IMG_1.HEIC              IMG_1.MOV, IMG_1_HEVC.MOV, IMG_O1.AAE         live photos; IMG_E1.HEIC is another photo
    IMG_1.JPG               SND_1.WAV                                     Canon's voice memos
    PXL_1.RAW-01.COVER.jpg  PXL_1.RAW-02.ORIGINAL.dng                     Pixel's tags don't count
    PXL_1.MP.jpg            PXL_1.MP, PXL_1.mp4, PXL_1.dng
    IMG_1(2).jpg            IMG_1.jpg(2).json                             Google Takeout numbers the whole name
    IMG_1(2).jpg            IMG_1.jpg.supplemental-metad(2).json          and cuts it at 46 characters

What extends a stem by a dot is something else: `2016.01.01-17.39.42.NEF` has no part in `2016.01.01-17.39.jpg`. Where
two photos have a claim on one file, it is a companion of both. Two rendered files of one stem are two photos. So are
two raws, and a raw that is known to be taken at another moment than the rendered picture of its stem.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

DECODABLE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2",
    ".j2k", ".heic", ".heif", ".hif", ".jxl",
))  # fmt: skip
"""Rendered pictures, each a photo."""
RAW_SUFFIXES = frozenset((
    ".3fr", ".ari", ".arq", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".eip", ".erf",
    ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mfw", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".ori",
    ".pef", ".ptx", ".pxn", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw", ".x3f",
))  # fmt: skip
"""Alone they are photos, beside a rendered picture its companions."""
MOVIE_SUFFIXES = frozenset((
    ".3g2", ".3gp", ".avi", ".braw", ".crm", ".insv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".r3d", ".webm", ".wmv",
))  # fmt: skip
SIDECAR_SUFFIXES = frozenset((
    ".aae", ".acr", ".arp", ".cof", ".comask", ".cop", ".cos", ".cot", ".dop", ".dr4", ".exf", ".gpx", ".json", ".lrv",
    ".nksc", ".nkd", ".on1", ".pp3", ".spd", ".thm", ".vrd", ".xmp",
))  # fmt: skip
"""Written by cameras and programs beside a photo. Other files that are named like a photo are its companions, too."""

_MEDIA = DECODABLE_SUFFIXES | RAW_SUFFIXES | MOVIE_SUFFIXES
_INNER = _MEDIA | SIDECAR_SUFFIXES
_CAPTURE_ONE = "captureone"
_EDITS = {"nksc_param", "silkypix_ds", "sidecar", "sidecars", *(suffix[1:] for suffix in SIDECAR_SUFFIXES)}
_FORMATS = "raw|nef|nrw|cr2|cr3|crw|arw|raf|orf|rw2|pef|dng|srw|3fr|iiq|x3f|gpr|rwl|jpe?g|heic|heif|hif|tiff?|png|mov"
_FORMAT_WORD = rf"(?:{_FORMATS})s?(?:[ _-]+files?)?"
_LAST_FORMATS = re.compile(rf"(?:(?:^|[ _-]+){_FORMAT_WORD})+[ _-]*$")
_FIRST_FORMAT = re.compile(rf"^{_FORMAT_WORD}(?=[ _-])")
_ANY_FORMAT = "\0"
"""Stands for the format that a folder's name begins with: `Raw Talent` is beside `JPG Talent`, but not `Talent`."""
_PIXEL = re.compile(r"(pxl_\d{8}_\d{6,})(?:\.[a-z_]+(?:-\d\d)?)*(?:~\d+)?|(.+?)(?:\.raw-\d\d(?:\.mp)?\.\w+|\.mp)")
_DUPLICATE = re.compile(r"(.+)_\d\d+")
_APPLE = re.compile(r"img_[eo]?(\d+)")
_NUMBERED = re.compile(r"(.+?)(\(\d+\))?", re.DOTALL)
_METADATA, _LONGEST = "supplemental-metadata", 46
"""What Google Takeout appends to the name of a photo, and where it cuts the whole."""


Pair = tuple[str, str]
"""A rendered picture and a raw of its name."""
Apart = Callable[[Sequence[Pair]], Collection[Pair]]
"""Pairs → those of them that were taken at different moments."""


class Sorted(NamedTuple):
    """`companions`: photo → its companions, sorted. `rest`: files that belong to no photo."""

    photos: list[str]
    companions: dict[str, tuple[str, ...]]
    rest: list[str]


def none_known(pairs: Sequence[Pair]) -> Collection[Pair]:
    """The `Apart` of those who know no times."""
    return ()


def pair(files: Iterable[str], apart: Apart = none_known) -> Sorted:
    """Sort keys into photos, companions and the rest. `apart`: pairs of one name that are two photos."""
    photos: list[str] = []
    raws: list[str] = []
    others: list[str] = []
    for key in files:
        suffix = photo_suffix(key)
        (photos if suffix in DECODABLE_SUFFIXES else raws if suffix in RAW_SUFFIXES else others).append(key)
    if not (raws or others):
        return Sorted(photos, {}, [])
    owners = _Owners(photos)
    companions: dict[str, list[str]] = {}
    alone, rest = [], []
    claims = {key: owners.of_raw(key) for key in raws}
    separate = set(apart([(owner, key) for key, found in claims.items() for owner in found]))
    for key, owned in claims.items():
        found = [owner for owner in owned if (owner, key) not in separate] if separate else owned
        for owner in found:
            companions.setdefault(owner, []).append(key)
        if not found:
            alone.append(key)
    owners.add(alone)
    for key in others:
        found = owners.of_other(key)
        for owner in found:
            companions.setdefault(owner, []).append(key)
        if not found:
            rest.append(key)
    return Sorted(photos + alone, {owner: tuple(sorted(keys)) for owner, keys in companions.items()}, rest)


def raw_pairs(companions: Mapping[str, tuple[str, ...]]) -> list[Pair]:
    """The rendered pictures among the photos, each with its raws."""
    return [
        (photo, key)
        for photo, keys in companions.items()
        if photo_suffix(photo) in DECODABLE_SUFFIXES
        for key in keys
        if photo_suffix(key) in RAW_SUFFIXES
    ]


def shared(companions: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Companion → its photos, of those that belong to more than one."""
    owners: dict[str, list[str]] = {}
    for photo, keys in companions.items():
        for key in keys:
            owners.setdefault(key, []).append(photo)
    return {key: photos for key, photos in sorted(owners.items()) if len(photos) > 1}


def photo_suffix(key: str) -> str:
    """The suffix that identifies a photo: lower case, with its dot."""
    return _suffix(key.rstrip()).lower()  # the name of a photo may end in a space


class _Owners:
    """Photos by the names that their companions may have."""

    def __init__(self, photos: Iterable[str]) -> None:
        self._full: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        self._near = {"": ""}
        self._cut: dict[str, list[str]] | None = None
        self.add(photos)

    def add(self, photos: Iterable[str]) -> None:
        full, stems = self._full, self._stems
        for key in photos:
            near, name = self._placed(*_split(key))
            dot = name.rfind(".")
            full.setdefault(near + name, []).append(key)
            stem = name[:dot] if dot > 0 else name
            stems.setdefault(near + stem, []).append(key)
            if "." in stem and (press := _press(stem)) != stem:
                stems.setdefault(near + press, []).append(key)

    def of_raw(self, key: str) -> list[str]:
        """The rendered pictures of a raw."""
        near, name = self._placed(*_split(key))
        stem = name[: name.rfind(".")]
        found = self._stems.get(near + stem) or self._stems.get(near + name)
        if not found and "." in stem:
            found = self._stems.get(near + _press(stem))
        return found or []

    def of_other(self, key: str) -> list[str]:
        """The photos that a file belongs to; of these in several folders, those in its own."""
        folder, name = _split(key)
        for home in _homes(folder):
            for owners in self._claims(*self._placed(home, name)):
                return owners if len(owners) == 1 else [one for one in owners if _split(one)[0] == home] or owners
        return []

    def _claims(self, near: str, name: str) -> Iterator[list[str]]:
        """Photos that may own a file, the surest first."""
        suffix = _suffix(name)
        if not suffix:
            return
        stem = name[: -len(suffix)]
        whole, number = _numbered(stem) if suffix == ".json" else (stem, "")
        fulls, stems = ([], [stem]) if number else _bases(stem, suffix)
        if suffix == ".json":
            takeout = _takeout(whole, number)
            fulls += takeout
            stems += [name[: -len(_suffix(name))] for name in takeout]
        for index, names in ((self._full, fulls), (self._stems, stems)):
            for each in names:
                if found := index.get(near + each):
                    yield found
        if suffix == ".json" and len(whole) == _LONGEST and (found := self._cut_names().get(near + whole + number)):
            yield found

    def _cut_names(self) -> dict[str, list[str]]:
        """Photos by the names that Google Takeout cuts, with their number."""
        if self._cut is None:
            self._cut = {}
            for photos in self._full.values():
                for key in photos:
                    near, name = self._placed(*_split(key))
                    stem, number = _numbered(name[: -len(_suffix(name))])
                    whole = stem + _suffix(name)
                    if len(whole) >= _LONGEST:
                        self._cut.setdefault(near + whole[:_LONGEST] + number, []).append(key)
        return self._cut

    def _placed(self, folder: str, name: str) -> tuple[str, str]:
        """A file's folder without those of formats, and its name."""
        near = self._near.get(folder)
        if near is None:
            parts = (_FIRST_FORMAT.sub(_ANY_FORMAT, _LAST_FORMATS.sub("", part)) for part in folder.split("/"))
            near = self._near[folder] = "".join(f"{part}/" for part in parts if part)
        return near, name


def _split(key: str) -> tuple[str, str]:
    """Folder, with its final `/`, and name of a file, without case."""
    low = key.rstrip().casefold()
    slash = low.rfind("/") + 1
    return low[:slash], low[slash:]


def _homes(folder: str) -> Iterator[str]:
    """Folders of the photos that a file in `folder` may belong to: itself, and what is above folders of edits."""
    yield folder
    if _CAPTURE_ONE in folder and _CAPTURE_ONE in (parts := folder.split("/")):
        yield "".join(f"{part}/" for part in parts[: parts.index(_CAPTURE_ONE)])
    while folder:
        above, _, name = folder[:-1].rpartition("/")
        if name not in _EDITS:
            return
        folder = f"{above}/" if above else ""
        yield folder


def _bases(stem: str, suffix: str) -> tuple[list[str], list[str]]:
    """What a file's name, `stem` and `suffix`, may extend: whole names, and stems, of photos."""
    fulls, stems = [], []
    if suffix == ".mp" or suffix.startswith(".mp~"):  # the movie of a motion photo
        stems.append(stem + suffix)
    if suffix.endswith("_original"):
        suffix = suffix.removesuffix("_original")
        fulls.append(stem + suffix)
    base = stem
    while inner := _suffix(base):
        if inner in _INNER:
            fulls.append(base)
        base = base[: -len(inner)]
    if suffix[1:].isalnum() and not suffix[1:].isdigit():
        stems.append(stem)
        if "." in stem:
            stems.append(_press(stem))
    if (inner := _suffix(stem)) in _INNER:
        stems.append(stem[: -len(inner)])
        if duplicate := suffix == ".xmp" and _DUPLICATE.fullmatch(stem[: -len(inner)]):
            fulls.append(duplicate[1] + inner)
            stems.append(duplicate[1])
    if suffix in (".aae", ".mov"):
        stems += [stem.removesuffix("_hevc"), _APPLE.sub(r"img_\1", stem), _APPLE.sub(r"img_e\1", stem)]
    if suffix == ".wav" and stem.startswith("snd_"):
        stems.append(f"img_{stem[4:]}")
    return fulls, stems


def _press(stem: str) -> str:
    """A stem without the tags of a Pixel, which all files of one press share."""
    found = _PIXEL.fullmatch(stem)
    return found[1] or found[2] if found else stem


def _takeout(whole: str, number: str) -> list[str]:
    """Names of the photo that Google Takeout's JSON may mean: `a.jpg.supplemental-m` and `(1)` for `a(1).jpg`."""
    names = [whole]
    cut, dot, tail = whole.rpartition(".")
    if dot and _METADATA.startswith(tail):
        names.append(cut)
    return [f"{name[: -len(suffix)]}{number}{suffix}" for name in names if (suffix := _suffix(name)) in _MEDIA]


def _numbered(name: str) -> tuple[str, str]:
    """A name and the number that it ends with: `a(1)` → `a`, `(1)`."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], found[2] or "") if found else (name, "")


def _suffix(name: str) -> str:
    """Like `PurePosixPath.suffix`: from the last dot of the name, empty if the name begins or ends with that dot."""
    dot = name.rfind(".")
    return name[dot:] if name.rfind("/") + 1 < dot < len(name) - 1 else ""
