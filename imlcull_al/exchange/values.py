"""What a packet says about a photo: rating, flag, color and keywords, whichever program wrote them.

| | asked in this order |
| --- | --- |
| rating | xmp:Rating, MicrosoftPhoto:Rating, the third number of photomechanic:Prefs |
| pick | xmp:Rating −1, xmpDM:pick, xmpDM:good, digiKam:PickLabel, photomechanic:Tagged, photomechanic:ColorClass 8 |
| color | photoshop:LabelColor, xmp:Label, darktable:colorlabels, digiKam:ColorLabel |
| keywords | all of lr:hierarchicalSubject, digiKam:TagsList, dc:subject |

A program that is asked later counts only where the ones before it say nothing. Independent of files.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .xmp import Packet

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "gray", "black", "white")
_DARKTABLE = ("red", "yellow", "green", "blue", "purple")
"""darktable's numbers, from 0."""
_BY_NAME = {
    "red": "red rot rouge rojo rosso rood vermelho röd rød czerwony select",
    "yellow": "yellow gelb jaune amarillo giallo geel amarelo gul żółty second",
    "green": "green grün vert verde groen grön grøn grønn zielony approved",
    "blue": "blue blau bleu azul blu blauw blå niebieski review",
    "purple": "purple lila violett violet pourpre púrpura viola paars roxo fioletowy magenta to-do",
    "orange": "orange",
    "gray": "gray grey",
    "black": "black",
    "white": "white",
}
"""Color → texts of xmp:Label that mean it: Lightroom writes its user's language; Bridge has five words of its own."""
_COLOR_OF = {text.replace("-", " "): color for color, texts in _BY_NAME.items() for text in texts.split()}
_PERCENT = (0, 1, 25, 50, 75, 99)
"""MicrosoftPhoto:Rating of 0 to 5 stars."""
_PICK_LABELS = {"1": -1, "2": 0, "3": 1}
_LONGEST = 1000


@dataclass(frozen=True)
class Values:
    """What is said of a photo. `rating`: −1 for rejected, 0 … 5; `pick`: −1, 0 or 1; None for nothing.

    `colors`: darktable knows several. `keywords`: also each word of a path, and the path with bars.
    """

    rating: float | None = None
    pick: int | None = None
    label: str = ""
    colors: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is said, be it a rating of 0."""
        return self != Values()

    @property
    def rates(self) -> bool:
        """Whether there is a rating, flag or color: keywords rate nothing."""
        return bool(self.rating or self.pick or self.label or self.colors)

    def filled_from(self, other: "Values") -> "Values":
        """These values, and where they say nothing, the other ones."""
        return Values(
            self.rating or (other.rating if other.rating is not None else self.rating),
            self.pick or (other.pick if other.pick is not None else self.pick),
            self.label or other.label,
            self.colors or other.colors,
            self.keywords | other.keywords,
        )


def values_of(packet: Packet) -> Values:
    """Read a packet. What is out of range says nothing."""
    rating = _rating(packet)
    return Values(rating, _pick(packet, rating), _label(packet), _colors(packet), _keywords(packet))


def color_of(text: str) -> str:
    """The color that a text of xmp:Label or photoshop:LabelColor means; empty for none."""
    return _COLOR_OF.get(text.strip().casefold(), "")


def percent_of(stars: int) -> int:
    """MicrosoftPhoto:Rating of 0 to 5 stars."""
    return _PERCENT[stars]


def _rating(packet: Packet) -> float | None:
    for text in packet.values("xmp:Rating"):
        if (number := _number(text)) is not None and -1 <= number <= 5:
            return number
    for text in packet.values("MicrosoftPhoto:Rating"):
        if (number := _number(text)) is not None and 0 <= number <= 100:
            return float(min(range(6), key=lambda stars: abs(_PERCENT[stars] - number)))
    for text in packet.values("photomechanic:Prefs"):
        _, _, stars = [*text.split(":"), "", "", ""][:3]
        if stars in ("1", "2", "3", "4", "5"):
            return float(stars)
    return None


def _pick(packet: Packet, rating: float | None) -> int | None:
    if rating is not None and rating < 0:
        return -1
    for text in packet.values("xmpDM:pick"):
        if text in ("-1", "0", "1"):
            return int(text)
    for text in packet.values("xmpDM:good"):
        if text.casefold() in ("true", "1"):
            return 1
    for text in packet.values("digiKam:PickLabel"):
        if text in _PICK_LABELS:
            return _PICK_LABELS[text]
    if any(text.casefold() in ("true", "1") for text in packet.values("photomechanic:Tagged")):
        return 1
    return -1 if "8" in packet.values("photomechanic:ColorClass") else None


def _label(packet: Packet) -> str:
    return next(packet.values("xmp:Label"), "")[:_LONGEST]


def _colors(packet: Packet) -> frozenset[str]:
    for name in ("photoshop:LabelColor", "xmp:Label"):
        for text in packet.values(name):
            if color := color_of(text):
                return frozenset((color,))
    numbers = [text for text in packet.items("darktable:colorlabels") if text in ("0", "1", "2", "3", "4")]
    if numbers:
        return frozenset(_DARKTABLE[int(text)] for text in numbers)
    for text in packet.values("digiKam:ColorLabel"):
        if text in ("1", "2", "3", "4", "5", "6", "7", "8", "9"):
            return frozenset((COLORS[int(text) - 1],))
    return frozenset()


def _keywords(packet: Packet) -> frozenset[str]:
    paths = [text.split("|") for text in packet.items("lr:hierarchicalSubject")]
    paths += [text.split("/") for text in packet.items("digiKam:TagsList")]
    found = {*packet.items("dc:subject"), *("|".join(path) for path in paths), *_all(paths)}
    return frozenset(text.strip()[:_LONGEST] for text in found if text.strip())


def _all(paths: Iterable[list[str]]) -> set[str]:
    return {word for path in paths for word in path}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
