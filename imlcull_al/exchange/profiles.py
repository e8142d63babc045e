"""What each program is told about a photo: one table. docs/ratings.md shows the same one.

A photo is one of four: the best kept frame of its burst, kept, unsure, or culled. A profile adds some properties to a
sidecar; properties of the table that stand there already are renewed by every profile, so that no program reads the
opposite. Stars are only written when asked for, but a photo that is not culled is no longer rejected.
Independent of files.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..culling.plan import Decision
from ..errors import RatingsRefused
from ..project.labels import CULL, KEEP
from .values import Values, percent_of

BEST, KEPT, UNSURE, CULLED = MARKS = ("best of burst", "kept", "unsure", "culled")
MARGIN = 0.1
"""A score nearer to the threshold than this is unsure."""
STARS = {BEST: 5, KEPT: 3, UNSURE: 1}
REJECTED = "-1"
COLORS = {BEST: "purple", KEPT: "green", UNSURE: "yellow", CULLED: "red"}
TABLE: Mapping[str, Mapping[str, str]] = {
    "xmp:Label": {BEST: "Purple", KEPT: "Green", UNSURE: "Yellow", CULLED: "Red"},
    "photoshop:LabelColor": COLORS,
    "darktable:colorlabels": {BEST: "4", KEPT: "2", UNSURE: "1", CULLED: "0"},
    "digiKam:ColorLabel": {BEST: "6", KEPT: "4", UNSURE: "3", CULLED: "1"},
    "xmpDM:pick": {BEST: "1", KEPT: "1", UNSURE: "0", CULLED: "-1"},
    "digiKam:PickLabel": {BEST: "3", KEPT: "3", UNSURE: "2", CULLED: "1"},
}
"""Property → its value for each mark."""
_FLAGS = ("xmpDM:pick", "digiKam:PickLabel")


@dataclass(frozen=True)
class Profile:
    """How a program is told. `adds`: properties of `TABLE`; `rejects`: whether it knows xmp:Rating −1.

    `by_file`, `by_stem`: whether it expects IMG_1.CR2.xmp, IMG_1.xmp or either; `only_raws`: it reads no sidecar of
    other files. `reads_other`: where there is a sidecar by the stem only, it reads that one. `truth`: what to know
    before anything is written.
    """

    name: str
    adds: tuple[str, ...]
    truth: str
    rejects: bool = False
    by_file: bool = False
    by_stem: bool = False
    only_raws: bool = False
    reads_other: bool = False


PROFILES = {
    each.name: each
    for each in (
        Profile(
            "lightroom",
            ("xmp:Label", "photoshop:LabelColor", "xmpDM:pick"),
            "Lightroom Classic keeps flags in its catalog, and reads sidecars of proprietary raw files only: metadata "
            "of JPEG, TIFF and DNG is inside the file, which is never written here. For these, paste the list of kept "
            "file names into its Text filter. First save metadata to files in Lightroom, then export, then read "
            "metadata from files: reading replaces what the catalog knows.",
            rejects=True,
            by_stem=True,
            only_raws=True,
        ),
        Profile(
            "darktable",
            ("darktable:colorlabels",),
            "darktable reads sidecars when it imports photos, and changed ones at its start if its preferences say so "
            "(storage: look for updated XMP files on startup).",
            rejects=True,
            by_file=True,
            reads_other=True,
        ),
        Profile(
            "digikam",
            ("xmp:Label", "digiKam:ColorLabel", "digiKam:PickLabel"),
            "digiKam reads sidecars if its settings say so (metadata, sidecars), and again with Item, Reread metadata "
            "from file.",
            by_file=True,
        ),
        Profile(
            "capture-one",
            ("xmp:Label",),
            "Capture One has no reject; culled photos are red. It reads sidecars if its preferences say so (image, "
            "metadata: auto sync sidecar XMP), and again with Load Metadata.",
            by_stem=True,
        ),
        Profile(
            "all",
            tuple(TABLE),
            "Sidecars of both names are written. Lightroom Classic reads those of proprietary raw files only, and "
            "keeps flags in its catalog.",
            rejects=True,
            by_file=True,
            by_stem=True,
            reads_other=True,
        ),
    )
}


def profile_of(name: str) -> Profile:
    """The profile of this name. Raises `RatingsRefused`."""
    if name not in PROFILES:
        raise RatingsRefused(f"Nothing is known of {name!r}. Choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]


@dataclass(frozen=True)
class Wish:
    """What to write: for which program, and whether stars and colors are set."""

    profile: Profile
    stars: bool = False
    colors: bool = True

    def properties(self, mark: str, now: Values) -> tuple[dict[str, str], dict[str, str]]:
        """Properties to set, and those to set only where they stand. `now`: what the sidecar says."""
        table = {name: row[mark] for name, row in TABLE.items() if self.colors or name in _FLAGS}
        values = {name: table[name] for name in self.profile.adds if name in table}
        if mark == CULLED:
            values |= {"xmp:Rating": REJECTED} if self.profile.rejects else {}
        elif self.stars:
            values["xmp:Rating"] = str(STARS[mark])
            table["MicrosoftPhoto:Rating"] = str(percent_of(STARS[mark]))
        elif now.rating is not None and now.rating < 0:
            table["xmp:Rating"] = "0"
        return values, table


def marks_of(
    decisions: Iterable[Decision], bursts: Mapping[str, int], threshold: float, margin: float = MARGIN
) -> dict[str, str]:
    """Photo → mark. An answer beats a score; what nobody answered is unsure near the threshold and where unreadable.

    `bursts`: photo → number of its burst, of the photos that have one.
    """
    decisions = list(decisions)
    marks = {each.key: _mark(each, threshold, margin) for each in decisions}
    sizes, best = Counter(bursts.values()), dict[int, Decision]()
    for each in decisions:
        burst = bursts.get(each.key, -1)
        if sizes[burst] > 1 and marks[each.key] == KEPT:
            best[burst] = max(best.get(burst, each), each, key=_likeliest)
    return marks | {each.key: BEST for each in best.values()}


def _mark(decision: Decision, threshold: float, margin: float) -> str:
    if decision.reason != "label" and (decision.p_keep is None or abs(decision.p_keep - threshold) < margin):
        return UNSURE
    return {KEEP: KEPT, CULL: CULLED}[decision.decision]


def _likeliest(decision: Decision) -> tuple[bool, float]:
    return decision.reason == "label", -1 if decision.p_keep is None else decision.p_keep
