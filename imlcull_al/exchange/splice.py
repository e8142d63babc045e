"""Sets properties of an XMP packet, and leaves every other byte as it is.

    changed(data, {"xmp:Rating": "-1"}, {"xmp:Label": "Red"}, now="2026-02-03T10:11:12+01:00")

A property is set where it stands, as attribute or element, in all places or, if one of them has an unusual form, in
none. What stood nowhere goes into the first Description, with the prefix that its namespace has there, or one that is
free. Byte-order mark, packet wrapper, padding, quotes, line ends, comments and everything unknown stay.
`xmp:MetadataDate` is renewed where it stands, because readers compare dates, and only together with another change.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import NamedTuple
from xml.sax.saxutils import escape

from ..errors import UnreadableXmp
from .xmp import ARRAYS, ATTRIBUTE, NAMESPACES, Attribute, Element, Packet, Place, items_of, parse

DATE = "xmp:MetadataDate"
_SPACE = b" \t\r\n"
_PIECES = re.compile(rb"<!\[CDATA\[.*?\]\]>|(<!--.*?-->|<\?.*?\?>)|[^<]+", re.DOTALL)
_INDENT = re.compile(rb"(\r?\n)([ \t]*)\Z")
_UNUSUAL = "its {} has an unusual form, which can't be changed safely"
EMPTY = b"""\
<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
   xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmp:MetadataDate=""/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
"""A packet that says nothing: what a new sidecar is made from."""


class Edit(NamedTuple):
    """Bytes that replace those from `start` to `end`."""

    start: int
    end: int
    new: bytes


def changed(data: bytes, values: Mapping[str, str], standing: Mapping[str, str] | None = None, now: str = "") -> bytes:
    """The packet with these properties; `data` itself if it has them already.

    `values`: property → value; for a list, its only item. `standing`: the same, but only set where it stands already.
    `now`: ISO time for `xmp:MetadataDate`, empty to leave that alone. Raises `UnreadableXmp`; then nothing is to be
    changed.
    """
    packet, wanted = parse(data), {**(standing or {}), **values}
    edits = [edit for name, value in wanted.items() for edit in _set(packet, name, value)]
    missing = {name: value for name, value in values.items() if not packet.places(name)}
    if not (edits or missing):
        return data
    if missing and not packet.descriptions:
        return changed(_with_description(packet), values, standing, now)
    if now:
        edits += _set(packet, DATE, now)
    new = _spliced(data, [*edits, *_added(packet, missing)])
    _check(new, wanted, {name: len(packet.places(name)) or name in values for name in wanted})
    return new


def _check(new: bytes, wanted: Mapping[str, str], times: Mapping[str, int]) -> None:
    """Read the new packet as others will. Raises `UnreadableXmp` if it doesn't say what it should, as often."""
    packet = parse(new)
    for name, value in wanted.items():
        places = packet.places(name)
        if len(places) != times[name] or not all(_is_same(name, place, value) for place in places):
            raise UnreadableXmp(_UNUSUAL.format(name))


def _spliced(data: bytes, edits: Iterable[Edit]) -> bytes:
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [data[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*pieces, data[at:]])


def _set(packet: Packet, name: str, value: str) -> list[Edit]:
    return [edit for place in packet.places(name) for edit in _set_at(packet, place, value)]


def _set_at(packet: Packet, place: Place, value: str) -> list[Edit]:
    if _is_same(place.name, place, value):
        return []
    if isinstance(place, Attribute):
        return [Edit(place.start, place.end, _quoted(value))]
    if place.name in ARRAYS:
        return _set_list(packet, place, value)
    if place.children:
        raise UnreadableXmp(_UNUSUAL.format(place.name))
    return [_set_text(packet.data, place, escape(value).encode())]


def _is_same(name: str, place: Place, value: str) -> bool:
    if name in ARRAYS:
        return items_of(place) == [value]
    if name.endswith(":Rating"):
        try:
            return float(place.value) == float(value)
        except ValueError:
            return False
    return place.value.strip() == value


def _set_text(data: bytes, element: Element, text: bytes) -> Edit:
    """Replace the text of an element. Space around it and comments in it stay."""
    if element.close == element.end:
        return _filled(element, text)
    inner = data[element.inner : element.close]
    if b"<" in inner:
        return Edit(element.inner, element.close, text + b"".join(found[1] or b"" for found in _PIECES.finditer(inner)))
    if not inner.strip(_SPACE):
        return Edit(element.inner, element.close, text)
    before = len(inner) - len(inner.lstrip(_SPACE))
    return Edit(element.inner + before, element.inner + len(inner.rstrip(_SPACE)), text)


def _filled(element: Element, inner: bytes) -> Edit:
    """An element of one tag, `<a/>`, as two tags with something between them."""
    return Edit(element.end - 2, element.end, b">" + inner + b"</" + element.tag + b">")


def _set_list(packet: Packet, element: Element, value: str) -> list[Edit]:
    """Make a list hold one item: the first one is changed, the others are cut out."""
    text, data = escape(value).encode(), packet.data
    if not element.children:
        whole = _list_of(packet, element.name, text)
        return [_set_text(data, element, whole)]
    container = element.children[0]
    is_usual = container.name in ("rdf:Bag", "rdf:Seq", "rdf:Alt") and len(element.children) == 1
    if not is_usual or any(item.name != "rdf:li" or item.children for item in container.children):
        raise UnreadableXmp(_UNUSUAL.format(element.name))
    if not container.children:
        item = _item(container.tag, text)
        is_one_tag = container.close == container.end
        return [_filled(container, item) if is_one_tag else Edit(container.inner, container.inner, item)]
    first, *others = container.children
    return [_set_text(data, first, text), *(Edit(_with_space(data, item.start), item.end, b"") for item in others)]


def _list_of(packet: Packet, name: str, text: bytes) -> bytes:
    kind = _beside(packet.rdf.tag, ARRAYS[name].encode())
    return b"<%b>%b</%b>" % (kind, _item(kind, text), kind)


def _item(container: bytes, text: bytes) -> bytes:
    item = _beside(container, b"li")
    return b"<%b>%b</%b>" % (item, text, item)


def _beside(tag: bytes, local: bytes) -> bytes:
    """Another name with the prefix of `tag`."""
    prefix, colon, _ = tag.rpartition(b":")
    return prefix + colon + local


def _with_space(data: bytes, start: int) -> int:
    """Where the space before `start` begins."""
    while data[start - 1 : start] in (b" ", b"\t", b"\r", b"\n"):
        start -= 1
    return start


def _added(packet: Packet, missing: Mapping[str, str]) -> list[Edit]:
    """Put properties that stand nowhere into the first Description."""
    if not missing:
        return []
    first, data = packet.descriptions[0], packet.data
    *_, last = [None, *ATTRIBUTE.finditer(data, first.start, first.inner)]
    space, quote = (last[1], last[4][:1]) if last else (b" ", b'"')
    prefixes, attributes, elements = dict(packet.scope), b"", []
    for name, value in missing.items():
        prefix, is_new = _prefix(prefixes, name)
        written = prefix.encode() + b":" + name.partition(":")[2].encode()
        if is_new:
            uri = NAMESPACES[name.partition(":")[0]]
            prefixes[prefix] = uri
            attributes += space + b"xmlns:%b=%b%b%b" % (prefix.encode(), quote, uri.encode(), quote)
        if name in ARRAYS:
            inner = _list_of(packet, name, escape(value).encode())
            elements.append(b"<%b>%b</%b>" % (written, inner, written))
        else:
            attributes += space + b"%b=%b%b%b" % (written, quote, _quoted(value), quote)
    at = last.end() if last else first.start + 1 + len(first.tag)
    return [*([Edit(at, at, attributes)] if attributes else []), *_appended(data, first, elements)]


def _prefix(scope: Mapping[str, str], name: str) -> tuple[str, bool]:
    """The prefix of a property's namespace, and whether it must be declared."""
    usual = name.partition(":")[0]
    for prefix, uri in scope.items():
        if prefix and uri == NAMESPACES[usual]:
            return prefix, False
    return next(free for number in count() if (free := f"{usual}{number or ''}") not in scope), True


def _appended(data: bytes, parent: Element, elements: list[bytes]) -> list[Edit]:
    """Put elements behind the last child of another, indented as that one's line is."""
    if not elements:
        return []
    indent = _INDENT.search(data, 0, parent.start)
    line, deeper = (indent[0], indent[0] + b" ") if indent else (b"", b"")
    inner = b"".join(deeper + each for each in elements)
    if parent.close == parent.end:
        return [_filled(parent, inner + line)]
    at = _with_space(data, parent.close)
    return [Edit(at, at, inner if at > parent.inner or data[at : parent.close] else inner + line)]


def _with_description(packet: Packet) -> bytes:
    """The packet with an empty Description, where it has none."""
    name = _beside(packet.rdf.tag, b"Description")
    about = b" " + _beside(packet.rdf.tag, b"about") + b'=""' if b":" in name else b""
    edits = _appended(packet.data, packet.rdf, [b"<%b%b/>" % (name, about)])
    return _spliced(packet.data, edits)


def _quoted(value: str) -> bytes:
    """A value as it may stand between quotes of either kind."""
    return escape(value, {'"': "&quot;", "'": "&apos;", "\n": "&#10;", "\t": "&#9;"}).encode()
