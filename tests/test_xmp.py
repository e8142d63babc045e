"""XMP packets: what is read from them, and that a change touches nothing else, byte for byte."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imlcull_al.errors import UnreadableXmp
from imlcull_al.exchange.splice import EMPTY, changed
from imlcull_al.exchange.values import Values, values_of
from imlcull_al.exchange.xmp import MAX_BYTES, parse

SIDECARS = Path(__file__).parent / "sidecars"
NOW = "2026-11-28T10:00:00+01:00"
ALL = {
    "xmp:Rating": "-1", "xmp:Label": "Purple", "photoshop:LabelColor": "purple", "xmpDM:pick": "-1",
    "digiKam:PickLabel": "1", "digiKam:ColorLabel": "6", "darktable:colorlabels": "4",
}  # fmt: skip
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
XMP = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
DARKTABLE = 'xmlns:darktable="http://darktable.sf.net/"'
OURS = f'{XMP} {DARKTABLE} xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"'


def packet(inside="", attributes="", names=OURS):
    """A packet with one Description on one line."""
    description = f'<rdf:Description rdf:about="" {names}{attributes}>{inside}</rdf:Description>'
    return f"<rdf:RDF {RDF}>{description}</rdf:RDF>".encode()


def said(inside="", attributes="", names=OURS):
    return values_of(parse(packet(inside, attributes, names)))


def sidecar(name):
    return (SIDECARS / name).read_bytes()


READ = {
    "IMG_0001.xmp": Values(
        3, 1, "Red", frozenset({"red"}), frozenset({"bird", "heron", "animal", "animal|bird|heron"})
    ),
    "IMG_0002.CR2.xmp": Values(-1, -1, "", frozenset({"red", "blue"})),
    "IMG_0003.JPG.xmp": Values(
        4, 1, "", frozenset({"green"}), frozenset({"place", "harbour", "place|harbour", "Müller & Söhne"})
    ),
    "IMG_0004.xmp": Values(-1, -1, "Grün", frozenset({"green"})),
    "IMG_0005.xmp": Values(),
}


@pytest.mark.parametrize("name", READ)
def test_every_program_is_read(name):
    assert values_of(parse(sidecar(name))) == READ[name]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (' xmp:Rating="5"', Values(5)),
        (' xmp:Rating="2.5"', Values(2.5)),
        (' xmp:Rating="+4"', Values(4)),
        (' xmp:Rating="-1" digiKam:PickLabel="3"', Values(-1, -1)),
        (' xmp:Rating="999"', Values()),
        (' xmp:Rating="nan"', Values()),
        (' xmp:Rating="five"', Values()),
        (' digiKam:PickLabel="1" xmp:Rating="4"', Values(4, -1)),
        (' digiKam:PickLabel="2"', Values(pick=0)),
        (' photoshop:LabelColor="blue" xmp:Label="Red"', Values(label="Red", colors=frozenset({"blue"}))),
        (' xmp:Label="To print" digiKam:ColorLabel="2"', Values(label="To print", colors=frozenset({"orange"}))),
        (' xmp:Label="blau"', Values(label="blau", colors=frozenset({"blue"}))),
        (' xmp:Label="Approved"', Values(label="Approved", colors=frozenset({"green"}))),
    ],
)
def test_values_are_read_in_order(attributes, expected):
    assert said(attributes=attributes) == expected


@pytest.mark.parametrize(("percent", "stars"), [(0, 0), (1, 1), (25, 2), (50, 3), (75, 4), (99, 5), (100, 5)])
def test_a_rating_in_per_cent_counts_where_there_is_no_other(percent, stars):
    name = 'xmlns:m="http://ns.microsoft.com/photo/1.0"'
    assert said(attributes=f' m:Rating="{percent}"', names=name) == Values(stars)
    assert said(attributes=f' m:Rating="{percent}" xmp:Rating="2"', names=f"{name} {XMP}").rating == 2


def test_photo_mechanic_and_lightroom_flags_are_read():
    names = 'xmlns:p="http://ns.camerabits.com/photomechanic/1.0/" xmlns:d="http://ns.adobe.com/xmp/1.0/DynamicMedia/"'
    assert said("<p:Tagged>True</p:Tagged><p:Prefs>1:2:4:000012</p:Prefs>", names=names) == Values(4, 1)
    assert said("<p:Tagged>False</p:Tagged><p:ColorClass>8</p:ColorClass>", names=names) == Values(pick=-1)
    assert said("<d:good>True</d:good>", names=names) == Values(pick=1)
    assert said("<d:pick>-1</d:pick><d:good>True</d:good>", names=names) == Values(pick=-1)


def test_what_one_source_does_not_say_another_may():
    mine, other = (
        Values(0, None, "", frozenset(), frozenset({"a"})),
        Values(3, 1, "Red", frozenset({"red"}), frozenset({"b"})),
    )
    assert mine.filled_from(other) == Values(3, 1, "Red", frozenset({"red"}), frozenset({"a", "b"}))
    assert other.filled_from(mine) == Values(3, 1, "Red", frozenset({"red"}), frozenset({"a", "b"}))
    assert Values(0).filled_from(Values()) == Values(0)


def test_a_value_is_set_where_it_stands_and_only_there():
    data = sidecar("IMG_0001.xmp")
    new = changed(data, {"xmp:Rating": "5", "xmpDM:pick": "0"}, now=NOW)
    expected = data.replace(b'xmp:Rating="3"', b'xmp:Rating="5"').replace(b'xmpDM:pick="1"', b'xmpDM:pick="0"')
    assert new == expected.replace(b"2026-02-03T10:11:12+01:00", NOW.encode())


def test_elements_single_quotes_and_line_ends_stay():
    data = sidecar("IMG_0004.xmp")
    new = changed(data, {"xmp:Rating": "4", "xmp:Label": "Red"}, now=NOW)
    expected = data.replace(b"<xap:Rating>-1<", b"<xap:Rating>4<").replace(
        "<xap:Label>Grün<".encode(), b"<xap:Label>Red<"
    )
    assert new == expected


def test_what_is_already_said_changes_nothing():
    data = sidecar("IMG_0001.xmp")
    assert changed(data, {"xmp:Rating": "3", "xmp:Label": "Red"}, now=NOW) is data
    assert changed(packet(attributes=' xmp:Rating="3.0"'), {"xmp:Rating": "3"}) == packet(
        attributes=' xmp:Rating="3.0"'
    )


def test_a_list_keeps_its_one_item_and_its_comments():
    data = sidecar("IMG_0002.CR2.xmp")
    assert changed(data, {"darktable:colorlabels": "2"}) == data.replace(
        b"<rdf:li>0</rdf:li>\n     <rdf:li>3</rdf:li>", b"<rdf:li>2</rdf:li>"
    )
    seq = "<darktable:colorlabels><rdf:Seq><!-- a --><rdf:li>0</rdf:li><!-- b --></rdf:Seq></darktable:colorlabels>"
    assert changed(packet(seq), {"darktable:colorlabels": "1"}) == packet(seq.replace(">0<", ">1<"))


def test_a_prefix_of_another_namespace_is_not_used():
    data = sidecar("IMG_0005.xmp")
    added = b' xmlns:xmp1="http://ns.adobe.com/xap/1.0/" xmp1:Rating="-1"'
    before = b'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    assert changed(data, {"xmp:Rating": "-1"}, now=NOW) == data.replace(before, before + added)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<xmp:Rating/>", "<xmp:Rating>4</xmp:Rating>"),
        ("<xmp:Rating />", "<xmp:Rating >4</xmp:Rating>"),
        ("<xmp:Rating></xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
        ("<xmp:Rating>\n 3\n</xmp:Rating >", "<xmp:Rating>\n 4\n</xmp:Rating >"),
        ("<xmp:Rating><![CDATA[3]]></xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
        ("<xmp:Rating>3<!-- <x> --></xmp:Rating>", "<xmp:Rating>4<!-- <x> --></xmp:Rating>"),
        ("<xmp:Rating>&#x33;</xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
        ("<xmp:Rating rdf:parseType='Literal'>3</xmp:Rating>", "<xmp:Rating rdf:parseType='Literal'>4</xmp:Rating>"),
    ],
)
def test_elements_of_every_form_are_set(inside, expected):
    assert changed(packet(inside), {"xmp:Rating": "4"}) == packet(expected)


LIST_OF_ONE = "<darktable:colorlabels><rdf:Seq><rdf:li>1</rdf:li></rdf:Seq></darktable:colorlabels>"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<darktable:colorlabels/>", LIST_OF_ONE),
        ("<darktable:colorlabels><rdf:Seq/></darktable:colorlabels>", LIST_OF_ONE),
        ("<darktable:colorlabels><rdf:Seq> </rdf:Seq></darktable:colorlabels>",
         "<darktable:colorlabels><rdf:Seq><rdf:li>1</rdf:li> </rdf:Seq></darktable:colorlabels>"),
        ("", LIST_OF_ONE),
    ],
)  # fmt: skip
def test_lists_of_every_form_are_set(inside, expected):
    assert changed(packet(inside), {"darktable:colorlabels": "1"}) == packet(expected)


def test_all_places_are_set_or_none():
    twice = packet("<xmp:Rating>2</xmp:Rating><xmp:Label>A</xmp:Label>", ' xmp:Rating="3"')
    assert changed(twice, {"xmp:Rating": "4"}) == packet(
        "<xmp:Rating>4</xmp:Rating><xmp:Label>A</xmp:Label>", ' xmp:Rating="4"'
    )
    odd = packet('<xmp:Rating rdf:parseType="Resource"><rdf:value>3</rdf:value></xmp:Rating>', ' xmp:Rating="3"')
    assert values_of(parse(odd)).rating == 3
    with pytest.raises(UnreadableXmp, match="xmp:Rating has an unusual form"):
        changed(odd, {"xmp:Rating": "4"})


def test_both_prefixes_of_the_namespace_are_the_same_property():
    names = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xap="http://ns.adobe.com/xap/1.0/"'
    data = packet("<xap:Label>Red</xap:Label>", ' xmp:Rating="3"', names)
    assert changed(data, {"xmp:Rating": "1", "xmp:Label": "Blue"}) == packet(
        "<xap:Label>Blue</xap:Label>", ' xmp:Rating="1"', names
    )


def test_what_only_stands_somewhere_is_not_added():
    assert changed(packet(), {}, {"xmp:Label": "Red"}) == packet()
    assert changed(packet(attributes=' xmp:Label="A"'), {}, {"xmp:Label": "Red"}) == packet(
        attributes=' xmp:Label="Red"'
    )


def test_values_inside_other_properties_are_not_ours():
    nested = packet(
        '<xmp:History><rdf:Description xmp:Rating="1"><xmp:Label>x</xmp:Label></rdf:Description></xmp:History>'
    )
    assert values_of(parse(nested)) == Values()
    assert changed(nested, {"xmp:Rating": "2"}) == nested.replace(b'1.0/">', b'1.0/" xmp:Rating="2">')


def test_a_packet_without_a_description_gets_one():
    for rdf in (f"<rdf:RDF {RDF}></rdf:RDF>", f"<rdf:RDF {RDF}/>"):
        new = changed(rdf.encode(), {"xmp:Rating": "2"})
        assert new == (f'<rdf:RDF {RDF}><rdf:Description rdf:about="" {XMP} xmp:Rating="2"/></rdf:RDF>'.encode())


def test_rdf_without_a_prefix_is_understood():
    data = b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><Description/></RDF>'
    new = changed(data, {"xmp:Rating": "2", "darktable:colorlabels": "0"})
    assert values_of(parse(new)) == Values(2, colors=frozenset({"red"}))


def test_a_new_sidecar_is_pinned():
    assert changed(EMPTY, {"xmp:Rating": "-1", "xmp:Label": "Red"}, now=NOW) == (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        b'  <rdf:Description rdf:about=""\n'
        b'   xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        b'   xmp:MetadataDate="2026-11-28T10:00:00+01:00"\n'
        b'   xmp:Rating="-1"\n'
        b'   xmp:Label="Red"/>\n'
        b" </rdf:RDF>\n"
        b"</x:xmpmeta>\n"
        b'<?xpacket end="w"?>\n'
    )


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
REFUSED = {
    "a document type": (sidecar("IMG_0006.xmp"), "document type"),
    "a bomb": (BOMB, "document type"),
    "an outside entity": (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "document type"),
    "an entity of its own": (packet("<xmp:Label>&nbsp;</xmp:Label>"), "undefined entity"),
    "UTF-16 with a mark": (packet().decode().encode("utf-16"), "not UTF-8"),
    "UTF-16": (packet().decode().encode("utf-16-be"), "not UTF-8"),
    "UTF-32": (packet().decode().encode("utf-32"), "not UTF-8"),
    "Latin-1": (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + packet(), "ISO-8859-1"),
    "half a file": (sidecar("IMG_0001.xmp")[:700], "not well-formed"),
    "two roots": (packet() * 2, "not well-formed"),
    "zeros at the end": (packet() + b"\0" * 100, "not well-formed"),
    "nothing": (b"", "not well-formed"),
    "an attribute twice": (packet(attributes=' xmp:Rating="1" xmp:Rating="2"'), "duplicate attribute"),
    "an unknown prefix": (packet("<nobody:Rating>1</nobody:Rating>"), "prefix nobody"),
    "other XML": (b"<x/>", "not XMP"),
    "depth": (b"<a>" * 1000 + b"</a>" * 1000, "nest deeper"),
    "size": (b" " * (MAX_BYTES + 1), "larger than 16 MB"),
    "many keywords": (
        packet(f"<dc:subject><rdf:Bag>{'<rdf:li/>' * 60_000}</rdf:Bag></dc:subject>",
               names='xmlns:dc="http://purl.org/dc/elements/1.1/"'), "50,000 keywords",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_plain_xmp_is_refused(what):
    data, reason = REFUSED[what]
    with pytest.raises(UnreadableXmp, match=reason):
        parse(data)
    with pytest.raises(UnreadableXmp, match=reason):
        changed(data, ALL, now=NOW)


def test_thousands_of_namespaces_take_no_squared_time():
    declared = "".join(f' xmlns:a{number}="b"' for number in range(20_000))
    data = packet("<a:b xmlns:a='c'/>" * 20_000, declared)
    assert values_of(parse(data)) == Values()


ATTRIBUTES = st.lists(
    st.sampled_from(['xmp:Rating="3"', "xmp:Label='Red'", 'digiKam:PickLabel="3"', 'photoshop:LabelColor = "blue"',
                     "xmp:CreatorTool='&lt;a &gt; \"b\"'", 'photoshop:City="é&#10;"']),
    unique_by=lambda text: text.split("=")[0],
)  # fmt: skip
INSIDE = st.lists(
    st.sampled_from(["<xmp:Label>Grün</xmp:Label>", "<!-- xmp:Rating='1' -->", "\r\n  ", "<?other pi?>",
                     LIST_OF_ONE.replace("<rdf:li>", "<rdf:li>0</rdf:li> <rdf:li>"),
                     "<darktable:history><rdf:Seq/></darktable:history>", "<xmp:Rating><![CDATA[2]]></xmp:Rating>",
                     "<digiKam:ColorLabel> 3 </digiKam:ColorLabel>"]),
    unique=True,
)  # fmt: skip


@given(ATTRIBUTES, INSIDE, st.sampled_from(["", "\ufeff"]), st.sampled_from([" ", "\r\n\t"]))
def test_a_change_there_and_back_leaves_all_other_text(attributes, inside, mark, space):
    data = mark.encode() + packet("".join(inside), "".join(space + each for each in attributes))
    new = changed(data, ALL, now=NOW)
    assert values_of(parse(new)) == Values(-1, -1, "Purple", frozenset({"purple"}))
    assert new.startswith(mark.encode())
    for piece in (b"<!-- xmp:Rating='1' -->", b"<?other pi?>", b"<darktable:history><rdf:Seq/></darktable:history>",
                  b"&lt;a &gt; \"b\"", "é&#10;".encode()):  # fmt: skip
        assert new.count(piece) == data.count(piece)
    assert changed(new, ALL, now=NOW) is new


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(noise):
    for data in (noise, packet()[:150] + noise, packet() + noise):
        try:
            values_of(parse(data))
        except UnreadableXmp as error:
            assert str(error)


def exiftool(folder, *arguments):
    """What exiftool says of every file of a folder: name → {group:tag: value}."""
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is missing: apt install libimage-exiftool-perl")
    done = subprocess.run(
        ["exiftool", "-json", "-G1", "-n", "-struct", *arguments, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {Path(each["SourceFile"]).name: each for each in json.loads(done.stdout)}


@pytest.mark.slow
def test_exiftool_reads_what_was_set_and_all_that_was_there(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    for name in READ:
        (old / name).write_bytes(sidecar(name))
        (new / name).write_bytes(changed(sidecar(name), ALL, now=NOW))
    before, after = exiftool(old), exiftool(new)
    names = "Rating|Label|MetadataDate|LabelColor|Pick|PickLabel|ColorLabel|Colorlabels"
    ours = re.compile(rf"XMP-\w+:({names})|SourceFile|(File|System):.*")
    for name in READ:
        others = [
            {tag: text for tag, text in each[name].items() if not ours.fullmatch(tag)} for each in (before, after)
        ]
        assert others[0] == others[1]
        told = {tag.partition(":")[2].lower(): text for tag, text in after[name].items()}
        assert (told["rating"], told["label"], told["labelcolor"], told["pick"]) == (-1, "Purple", "purple", -1)
        assert (told["picklabel"], told["colorlabel"], told["colorlabels"]) in ((1, 6, [4]), (1, 6, ["4"]))
