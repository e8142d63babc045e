"""Where the properties of an XMP packet stand, to the byte. Changes nothing; see `splice`.

    packet = parse(data)
    [place.value for place in packet.places("xmp:Rating")]

Names are written with the usual prefix of their namespace, whatever prefix the packet uses: `xap:Rating` is
`xmp:Rating`. A property may stand in several Descriptions, as an attribute or as an element.

Packets come from anyone. Nothing is ever expanded: document types, and with them entities, are refused, as are other
encodings than UTF-8, namespaces that are not declared, and whatever is not well-formed. Size, depth and the number of
elements that are kept are bounded. Expat, of the standard library, checks the XML and says where everything is.
Format: Adobe, XMP Specification Part 1 (ISO 16684-1).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from ..errors import UnreadableXmp

MAX_BYTES = 16 << 20
"""Bytes of a packet. Masks of an editor take a few megabytes."""
_DEEPEST = 200
_MOST_ELEMENTS = 50_000
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpDM": "http://ns.adobe.com/xmp/1.0/DynamicMedia/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "darktable": "http://darktable.sf.net/",
    "photomechanic": "http://ns.camerabits.com/photomechanic/1.0/",
}
"""Usual prefix → namespace."""
_PREFIXES = {
    "http://ns.microsoft.com/photo/1.0": "MicrosoftPhoto",
    **{uri: prefix for prefix, uri in NAMESPACES.items()},
}
ARRAYS = {
    "dc:subject": "Bag",
    "lr:hierarchicalSubject": "Bag",
    "digiKam:TagsList": "Seq",
    "darktable:colorlabels": "Seq",
}
"""Properties that hold a list → the kind of it."""
PROPERTIES = frozenset(
    (
        *ARRAYS, "xmp:Rating", "xmp:Label", "xmp:MetadataDate", "xmpDM:pick", "xmpDM:good", "photoshop:LabelColor",
        "MicrosoftPhoto:Rating", "digiKam:PickLabel", "digiKam:ColorLabel", "photomechanic:ColorClass",
        "photomechanic:Tagged", "photomechanic:Prefs",
    )
)  # fmt: skip
"""What is looked for; everything else is only checked."""
ATTRIBUTE = re.compile(rb"""(\s+)([^\s=/>]+)(\s*=\s*)("[^"]*"|'[^']*')""")
"""Leading space, name, equals sign and quoted value, in a tag that is known to be well-formed."""
_TAG = re.compile(rb"""<([^\s/>]+)((?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*/?>""")
_ENCODINGS = ("utf-8", "us-ascii", "ascii")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0")
_XML = "http://www.w3.org/XML/1998/namespace"


class Attribute(NamedTuple):
    """A property as an attribute. `start`, `end`: of its value, between the quotes."""

    name: str
    value: str
    start: int
    end: int


@dataclass
class Element:
    """An element and its byte positions.

    `name`: empty in a namespace that is not ours. `level`: 0 for rdf:RDF, 1 for its Descriptions, 2 for a property.
    `tag`: its name as written. `start`, `end`: of the whole element. `inner`, `close`: of what is between its tags;
    both are `end` if it is one tag.
    """

    name: str
    level: int
    tag: bytes
    start: int
    inner: int
    close: int = 0
    end: int = 0
    texts: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text between its tags, without the space around it."""
        return "".join(self.texts).strip()

    @property
    def value(self) -> str:
        """The text of a simple property, or of one with qualifiers; empty for any other."""
        named = [child.text for child in self.children if child.name == "rdf:value"]
        return "".join(named if self.children else [self.text])

    @property
    def items(self) -> list[str]:
        """The items of a list; one for a text where a list was expected."""
        if not self.children:
            return [self.text] if self.text else []
        return [item.text for each in self.children for item in each.children if item.name == "rdf:li"]


Place = Attribute | Element


@dataclass
class Packet:
    """A parsed packet. `found`: properties in the order of the file. `scope`: prefix → namespace in the first
    Description.
    """

    data: bytes
    rdf: Element
    descriptions: list[Element]
    scope: dict[str, str]
    found: list[Place]

    def places(self, name: str) -> list[Place]:
        """Everywhere that a property stands."""
        return [place for place in self.found if place.name == name]

    def values(self, name: str) -> Iterator[str]:
        """The texts of a simple property that are not empty."""
        return (place.value.strip() for place in self.places(name) if place.value.strip())

    def items(self, name: str) -> list[str]:
        """The items of a list, of all places."""
        return [item for place in self.places(name) for item in items_of(place)]


def items_of(place: Place) -> list[str]:
    """The items that a place holds, where a list is expected."""
    return place.items if isinstance(place, Element) else [place.value.strip()] if place.value.strip() else []


def parse(data: bytes) -> Packet:
    """Find the properties of a packet. Raises `UnreadableXmp`, with the reason as a clause, whatever the bytes."""
    if len(data) > MAX_BYTES:
        raise UnreadableXmp(f"it is larger than {MAX_BYTES >> 20} MB")
    if data.startswith(_WIDE) or b"\0" in data[:4]:
        raise UnreadableXmp("it is not UTF-8 text, perhaps UTF-16")
    reader = _Reader(data)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "error")
        raise UnreadableXmp(f"it is not well-formed XML (line {error.lineno}: {what})") from error
    if reader.rdf is None:
        raise UnreadableXmp("it is XML without rdf:RDF, so not XMP")
    return Packet(data, reader.rdf, reader.descriptions, reader.scope, reader.found)


class _Reader:
    """Expat's handlers. `_open`: the open elements that matter, None for others; `_scopes`: prefix → its namespaces,
    the innermost last.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[Element | None] = []
        self._declared: list[list[str]] = []
        self._scopes: dict[str, list[str]] = {"xml": [_XML], "": [""]}
        self._elements = 0
        self.rdf: Element | None = None
        self.descriptions: list[Element] = []
        self.scope: dict[str, str] = {}
        self.found: list[Place] = []
        self.parser = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.XmlDeclHandler = self._declaration

    def _doctype(self, *_: object) -> None:
        raise UnreadableXmp("it has a document type, which XMP never needs")

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise UnreadableXmp(f"it is {encoding[:20]} text, not UTF-8")

    def _start(self, tag: str, attributes: Sequence[str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise UnreadableXmp(f"its elements nest deeper than {_DEEPEST}")
        names, texts = attributes[::2], attributes[1::2]
        self._declare(names, texts)
        name, known = self._known_as(tag), [self._known_as(each, is_attribute=True) for each in names]
        above = self._open[-1] if self._open else None
        level = above.level + 1 if above else 0
        if not self._is_kept(name, level):
            self._open.append(None)
            return
        element = self._element(name, level)
        self._open.append(element)
        if level == 0:
            self.rdf = self.rdf or element
        elif level == 1:
            self.scope = self.scope or {prefix: uris[-1] for prefix, uris in self._scopes.items() if uris}
            self.descriptions.append(element)
            self.found += self._attributes(element, known, texts)
        elif level == 2:
            self.found.append(element)
        elif above:
            above.children.append(element)

    def _is_kept(self, name: str, level: int) -> bool:
        """Whether an element is rdf:RDF, a Description of it, a property that is looked for, or inside one."""
        if level == 0:
            return name == "rdf:RDF" and not any(self._open)
        return name == "rdf:Description" if level == 1 else level > 2 or name in PROPERTIES

    def _element(self, name: str, level: int) -> Element:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise UnreadableXmp(f"it has more than {_MOST_ELEMENTS:,} keywords")
        start = self.parser.CurrentByteIndex
        tag = _TAG.match(self._data, start)
        assert tag  # expat found it well-formed
        return Element(name, level, tag[1], start, tag.end())

    def _attributes(self, element: Element, names: Sequence[str], texts: Sequence[str]) -> Iterator[Attribute]:
        written = ATTRIBUTE.finditer(self._data, element.start, element.inner)
        for name, text, found in zip(names, texts, written, strict=True):
            if name in PROPERTIES:
                yield Attribute(name, text, found.start(4) + 1, found.end(4) - 1)

    def _declare(self, names: Sequence[str], texts: Sequence[str]) -> None:
        declared = []
        for name, text in zip(names, texts, strict=True):
            if name == "xmlns" or name.startswith("xmlns:"):
                declared.append(name[6:])
                self._scopes.setdefault(name[6:], []).append(text)
        self._declared.append(declared)

    def _known_as(self, written: str, *, is_attribute: bool = False) -> str:
        """A name with the usual prefix; empty in a namespace that is not ours."""
        prefix, colon, local = written.rpartition(":")
        if prefix == "xmlns" or (is_attribute and not colon):
            return ""
        if not (namespaces := self._scopes.get(prefix)):
            raise UnreadableXmp(f"it is broken XML (the prefix {prefix[:40]} is not declared)")
        usual = _PREFIXES.get(namespaces[-1], "")
        return f"{usual}:{local}" if usual else ""

    def _text(self, text: str) -> None:
        if self._open and (element := self._open[-1]):
            element.texts.append(text)

    def _end(self, tag: str) -> None:
        for prefix in self._declared.pop():
            self._scopes[prefix].pop()
        element = self._open.pop()
        if element is None:
            return
        element.close = self.parser.CurrentByteIndex
        is_one_tag = element.close == element.inner and self._data[element.inner - 2 : element.inner] == b"/>"
        element.end = element.close if is_one_tag else self._data.index(b">", element.close) + 1
