"""Raw photos: the embedded JPEG, else half size, upright; never a thumbnail."""

import builtins
import io
import math

import pytest
import raws
from PIL import Image

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.photos import decode, formats, opening, tiff

SIDES = {1: ("left", "right"), 3: ("right", "left"), 6: ("top", "bottom"), 8: ("bottom", "top")}
PLACES = {"left": (0.25, 0.5), "right": (0.75, 0.5), "top": (0.5, 0.25), "bottom": (0.5, 0.75)}


def sides(image):
    """Where the red and the blue half lie."""
    colour = {side: image.getpixel((int(x * image.width), int(y * image.height))) for side, (x, y) in PLACES.items()}
    red = [side for side, (r, _, b) in colour.items() if r > 150 > 100 > b]
    blue = [side for side, (r, _, b) in colour.items() if b > 150 > 100 > r]
    return next((one, other) for one, other in SIDES.values() if one in red and other in blue)


@pytest.fixture
def without_rawpy(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name in ("rawpy", "pi_heif"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.mark.parametrize("dng", [True, False])
def test_the_embedded_jpeg_is_shown_and_never_the_thumbnail(dng):
    data = raws.raw(dng=dng)
    assert Image.open(io.BytesIO(data)).size == (160, 120)  # what Pillow alone takes for the picture
    assert decode.decode(data).size == (1200, 900)
    assert decode.decode(data, 224).size == (300, 225)
    small, strip = decode.decode_with_tiles(data, 224)
    assert (small.size, strip.size) == ((300, 225), (448, 112))
    assert decode.decode_lattice(data, 4)[2] == (1200, 900)
    assert sides(small) == ("left", "right")


@pytest.mark.parametrize("preview", [None, (640, 480), (999, 749)])
def test_a_small_embedded_jpeg_gives_way_to_half_size(preview):
    data = raws.raw(preview)
    assert decode.decode(data).size == (32, 24)
    assert sides(decode.decode(data)) == ("left", "right")
    assert decode.exposure(data)["shown"] == "raw at half size, 32 × 24"


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("preview", [None, (1200, 900)])
def test_a_raw_is_upright_by_its_own_orientation(orientation, preview):
    image = decode.decode(raws.raw(preview, orientation))
    assert sides(image) == SIDES[orientation]
    assert (image.width > image.height) == (orientation in (1, 3))


def test_an_embedded_jpeg_that_stands_already_is_not_turned_again():
    image = decode.decode(raws.raw((900, 1200), orientation=6))
    assert (image.size, sides(image)) == ((900, 1200), ("left", "right"))


def test_zoomed_the_larger_of_both_is_shown_and_named():
    data = raws.raw((1200, 900), mosaic=(2600, 1800))
    assert decode.exposure(data)["shown"] == "raw at half size, 1300 × 900"
    assert decode.decode(data).size == (1300, 900)
    assert decode.decode(data, 224).size == (300, 225)  # of the JPEG
    assert decode.exposure(raws.raw(orientation=6))["shown"] == "embedded JPEG, 900 × 1200"


def test_notes_are_those_of_the_raw():
    notes = {
        33434: ("rational", [1, 250]), 33437: ("rational", [28, 10]), 34855: ("short", [400]),
        37380: ("signed", [-1, 3]), 36867: ("text", b"2024:10:10 19:05:10\0"), 37521: ("text", b"25\0"),
        37386: ("rational", [35, 1]),
    }  # fmt: skip
    data = raws.raw(notes=notes)
    assert decode.exposure(data) == {
        "camera": "NIKON Z 6",
        "shutter": "1/250 s",
        "aperture": "f/2.8",
        "ISO": "400",
        "focal length": "35 mm",
        "taken": "2024:10:10 19:05:10",
        "shown": "embedded JPEG, 1200 × 900",
    }
    moment = decode.moment(data)
    assert moment[:2] == pytest.approx((1728587110.25, -1 / 3))
    assert moment.camera == decode.moment(raws.raw()).camera != 0


@pytest.mark.parametrize("head", [b"IIRO", b"IIRS", b"IIU\0"])
def test_raws_with_another_head_than_a_tiff_are_read(head):
    data = raws.raw(head=head, dng=False)
    assert decode.decode(data).size == (1200, 900)
    assert decode.moment(data).taken == 1728587110.25


def test_a_cut_raw_is_shown_by_its_jpeg_and_damaged_or_unreadable_with_its_maker():
    cut = raws.raw(mosaic=(640, 480))[:-200_000]
    assert decode.decode(cut, 224).size == (300, 225)
    assert decode.moment(cut).damaged
    assert decode.exposure(cut)["damaged"] == "its end is missing"
    with pytest.raises(UnreadablePhoto, match=r"a raw of NIKON CORPORATION without an embedded JPEG of 1,000 pixels"):
        decode.decode(raws.raw(None, mosaic=(640, 480))[:-200_000])


def test_a_raw_that_libraw_does_not_know_is_shown_by_its_jpeg():
    data = raws.raw(maker=b"Nobody", dng=False).replace(b"NIKON Z 6", b"Camera 99").replace(b"MM\0*", b"II*\0")
    assert decode.decode(data, 224).size == (300, 225)
    assert not decode.moment(data).damaged


def test_without_the_libraries_a_raw_says_how_to_get_them(without_rawpy):
    with pytest.raises(UnreadablePhoto, match=r"a raw of NIKON CORPORATION; to read it: pip install 'imlcull\[raw\]'"):
        decode.decode(raws.raw())
    assert decode.exposure(raws.raw())["camera"] == "NIKON Z 6"


def test_the_decoder_is_named_with_every_library(monkeypatch):
    assert opening.decoder() == decode.DECODER
    monkeypatch.setattr(opening.metadata, "version", lambda name: {"rawpy": "0.28.0"}[name])
    monkeypatch.setattr(opening.metadata, "PackageNotFoundError", KeyError)
    assert opening.decoder() == f"Pillow {Image.__version__}, rawpy 0.28.0, no pi-heif, no pylibjxl"


def test_a_hostile_directory_is_left():
    loop = bytearray(raws.raw())
    loop[4:8] = (4).to_bytes(4, "little")  # the first directory lies in the head
    assert tiff.directories(bytes(loop)) == []
    for size in range(0, 400, 7):
        tiff.directories(raws.raw()[-size:])
    writer = raws.Writer()
    writer.data += b"\xff\xff" * 40  # 65,535 entries, all of them cut
    assert len(tiff.directories(writer.finished(8))) == 1
    children = raws.Writer()
    assert len(tiff.directories(children.finished(children.directory({330: ("long", [8] * 200)})))) == 2


def test_a_maker_is_told_by_content():
    assert formats.raw_maker(raws.raw(maker=b"Pentax")) == "Pentax"
    assert formats.raw_maker(b"FUJIFILMCCD-RAW 0201") == "FUJIFILM"
    assert formats.raw_maker(b"\0\0\0\x18ftypcrx \0\0\0\1") == "Canon"
    assert formats.raw_maker(b"FOVb\0\0") == "SIGMA"
    assert formats.raw_maker(raws.jpeg_of(raws.half_red_half_blue((8, 8)))) is None
    assert math.isnan(decode.moment(b"FOVb\0\0").taken)


def test_the_notes_of_a_cr3_stand_in_two_boxes():
    """ISO base media boxes, each with a TIFF directory."""
    first, second = raws.Writer(), raws.Writer()
    names = first.finished(first.directory({271: ("text", b"Canon\0"), 272: ("text", b"EOS R6\0")}))
    details = second.finished(second.directory({36867: ("text", b"2024:10:10 19:05:10\0"), 34855: ("short", [100])}))
    boxes = b"".join(
        (8 + len(body)).to_bytes(4, "big") + name + body for name, body in ((b"CMT1", names), (b"CMT2", details))
    )
    data = b"\0\0\0\x10ftypcrx \0\0\0\1" + boxes
    moment = decode.moment(data)
    assert (moment.taken, moment.camera) == (1728587110, decode.moment(data).camera)
    assert decode.exposure(data) == {"camera": "EOS R6", "ISO": "100", "taken": "2024:10:10 19:05:10"}
    with pytest.raises(UnreadablePhoto, match="a raw of Canon without an embedded JPEG"):
        decode.decode(data)
