"""Golden photos: tiny ones of every kind, with the pixels that must come out."""

import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import STORED, WARM, encoded, save_upright, turn_in_place
from PIL import Image, ImageCms, PngImagePlugin

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.photos import decode
from imlcull_al.photos import read as photos
from imlcull_al.photos.read import Views
from imlcull_al.project import originals
from imlcull_al.project.originals import read, stat_of
from tests.torture.photo_fuzz import png

RED, BLUE = (255, 0, 0), (0, 0, 255)


def half_red_half_blue():
    """32 × 16: red on the left, blue on the right."""
    image = Image.new("RGB", (32, 16), RED)
    image.paste(BLUE, (16, 0, 32, 16))
    return image


@pytest.mark.parametrize(("orientation", "transpose"), STORED.items())
def test_every_exif_orientation_comes_out_upright(orientation, transpose):
    stored = half_red_half_blue()
    if transpose is not None:
        stored = stored.transpose(Image.Transpose(transpose))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = photos.decode(encoded(stored, "PNG", exif=exif))
    assert upright.size == (32, 16)
    assert (upright.getpixel((2, 8)), upright.getpixel((29, 8))) == (RED, BLUE)


def grey16():
    return Image.fromarray(np.full((4, 4), 0x8040, np.uint16))


def translucent():
    return Image.new("RGBA", (4, 4), (255, 0, 0, 128))


def palette_with_a_hole():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("data", "pixel"),
    [
        (encoded(grey16()), (128, 128, 128)),
        (encoded(grey16(), "TIFF"), (128, 128, 128)),
        (encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"), (127, 127, 127)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (encoded(translucent()), (255, 127, 127)),
        (encoded(Image.new("LA", (4, 4), (0, 0))), (255, 255, 255)),
        (encoded(palette_with_a_hole()), (255, 0, 0)),
        (encoded(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        (encoded(Image.new("L", (4, 4), 7), "BMP"), (7, 7, 7)),
        (encoded(Image.new("RGB", (4, 4), RED), "GIF"), (255, 0, 0)),
        (encoded(Image.new("RGB", (4, 4), RED), "WEBP", lossless=True), (255, 0, 0)),
    ],
)
def test_every_kind_of_pixel_becomes_8_bit_rgb(data, pixel):
    image = photos.decode(data)
    assert image.mode == "RGB"
    assert image.getpixel((1, 1)) == pixel


def test_a_profile_that_is_not_srgb_is_converted():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = Image.new("RGB", (4, 4), (10, 120, 230))
    assert photos.decode(encoded(plain, icc_profile=srgb)).getpixel((0, 0)) == (10, 120, 230)
    # unusable for RGB pixels, or no profile at all: the pixels stay as they are
    assert photos.decode(encoded(plain, icc_profile=lab)).getpixel((0, 0)) == (10, 120, 230)
    assert photos.decode(encoded(plain, icc_profile=b"nonsense")).getpixel((0, 0)) == (10, 120, 230)


def test_a_jpeg_is_decoded_small_but_never_below_the_side_asked_for():
    data = encoded(Image.new("RGB", (1600, 1200)), "JPEG")
    assert photos.decode(data).size == (1600, 1200)
    assert photos.decode(data, min_side=300).size == (400, 300)
    assert photos.decode(data, min_side=301).size == (800, 600)
    assert photos.decode(data, min_side=5000).size == (1600, 1200)


@pytest.mark.parametrize("mode", ["P", "1", "I;16", "RGBA", "CMYK", "F"])
def test_what_waits_for_the_encoder_is_small_whatever_the_kind_of_pixel(mode):
    image = Image.new("L", (1600, 1200), 255).convert(mode)
    assert photos.decode(encoded(image, "TIFF"), min_side=300).size == (400, 300)
    assert photos.decode(encoded(image, "TIFF"), min_side=301).size == (534, 400)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "min_side", "small"),
    [
        ((700, 100), 100, (700, 100)),
        ((3200, 100), 100, (3200, 100)),  # as much as a photo may keep
        ((6400, 100), 100, (3200, 100)),  # the middle
        ((4000, 150), 100, (2666, 100)),  # as narrow as was asked for
        ((150, 4000), 100, (100, 2666)),
        ((199, 20_000), 100, (100, 3200)),
        ((300_000, 1), 100, (300_000, 1)),
        ((300_000, 2), 100, (64, 2)),  # what is narrower is never enlarged
        ((2, 300_000), 20, (2, 64)),
    ],
)
def test_what_comes_out_is_bounded_by_what_was_asked_for(size, min_side, small):
    for kind in ("PNG", "JPEG") if max(size) < 60_000 else ("PNG",):
        data = encoded(Image.new("RGB", size, RED), kind)
        for image in (photos.decode(data, min_side), decode.decode_with_tiles(data, min_side)[0]):
            assert image.size == small
            assert image.width * image.height <= decode.most_pixels(min_side)


def test_of_a_strip_with_too_many_pixels_the_middle_is_kept():
    strip = Image.new("RGB", (20_000, 100), BLUE)
    strip.paste(RED, (8_400, 0, 11_600, 100))
    image = photos.decode(encoded(strip), 100)
    assert (image.size, image.getcolors()) == ((3200, 100), [(320_000, RED)])


def test_a_preview_shows_all_of_a_strip_and_nothing_of_its_notes():
    strip = Image.new("RGB", (20_000, 10), BLUE)
    strip.paste(RED, (0, 0, 10_000, 10))
    preview = Image.open(io.BytesIO(decode.preview(encoded(strip, "JPEG", comment=b"for my eyes"), 400)))
    assert preview.size == (400, 1)
    assert preview.getpixel((100, 0))[0] > 200 > 60 > preview.getpixel((300, 0))[0]
    assert "comment" not in preview.info


def bomb(width, height):
    """A PNG of a few bytes that claims many pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no image", "not an image in a known format"),
        (encoded(half_red_half_blue(), "JPEG")[:300], "can't be decoded"),
        (bomb(60_000, 60_000), "megapixels"),
        (bomb(20_000, 20_000), "20000 × 20000 pixels"),
        (bomb(1, 250_000_000), "1 × 250000000 pixels; the limits are 250 MP and 300,000 pixels per side"),
        (bomb(300_001, 1), "300001 × 1 pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is a PostScript document"),
    ],
)
def test_what_is_no_photo_says_why(data, reason):
    with pytest.raises(UnreadablePhoto, match=reason):
        photos.decode(data)


def test_files_that_cant_be_read_say_why(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadablePhoto, match="the file is empty"):
        read(tmp_path / "empty.jpg")
    with pytest.raises(UnreadablePhoto, match="can't be opened: No such file"):
        read(tmp_path / "missing.jpg")
    with pytest.raises(UnreadablePhoto, match="can't be opened"):
        read(tmp_path)


def test_broken_exif_leaves_the_pixels_alone():
    data = encoded(half_red_half_blue(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert photos.decode(data).size == (32, 16)


def test_the_content_id_is_pinned():
    assert photos.content_id(b"imlcull") == "9f9a36bfedad1d06d4df2442809dff64"


def test_the_exposure_is_what_the_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    details = exif.get_ifd(0x8769)
    details.update({0x829A: 1 / 250, 0x829D: 2.8, 0x8827: 400, 0x920A: 35.0, 0x9003: "2025:05:17 09:00:00"})
    half_red_half_blue().save(tmp_path / "a.jpg", exif=exif)
    assert photos.exposure(tmp_path / "a.jpg") == {
        "camera": "A camera",
        "shutter": "1/250 s",
        "aperture": "f/2.8",
        "ISO": "400",
        "focal length": "35 mm",
        "taken": "2025:05:17 09:00:00",
    }
    half_red_half_blue().save(tmp_path / "b.jpg")
    assert photos.exposure(tmp_path / "b.jpg") == {}
    assert photos.exposure(tmp_path / "missing.jpg") == {}


@pytest.mark.parametrize(
    ("notes", "moment"),
    [
        ({0x9003: "2025:05:17 09:00:01", 0x9291: "25", 0x9204: -0.7}, (1747472401.25, -0.7)),
        ({0x9003: "2025:05:17 09:00:01"}, (1747472401.0, math.nan)),
        ({0x9003: "2025:05:17 09:00:01", 0x9291: "x"}, (1747472401.0, math.nan)),
        ({0x9003: "2025:05:17 09:00:01", 0x9291: "٣"}, (1747472401.0, math.nan)),
        ({0x9003: "0000:00:00 00:00:00", 0x9204: 0.0}, (math.nan, 0.0)),
        ({0x9003: "yesterday"}, (math.nan, math.nan)),
        ({}, (math.nan, math.nan)),
    ],
)
def test_the_moment_is_time_with_its_fraction_and_compensation(tmp_path, notes, moment):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(notes)
    (tmp_path / "a.jpg").write_bytes(encoded(half_red_half_blue(), "JPEG", exif=exif))
    found = photos.moment(tmp_path / "a.jpg")
    assert found[:2] == pytest.approx(moment, nan_ok=True)
    assert found[2:] == (0, False)


def test_notes_are_not_looked_for_in_more_pixels_than_are_decoded(monkeypatch):
    """Pillow decodes a PNG when it is asked for notes, because they may follow the pixels."""
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(pytest.fail.Exception, match="decoded"):
        decode.exposure(png(30, 40, b""))
    claimed = png(1, decode.MAX_SIDE + 1, b"")
    assert decode.exposure(claimed) == {}
    assert repr(decode.moment(claimed)) == repr(decode.UNKNOWN)


def test_bytes_without_notes_have_no_moment(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    taken, compensation, camera, damaged = photos.moment(tmp_path / "a.jpg")
    assert math.isnan(taken) and math.isnan(compensation)
    assert (camera, damaged) == (0, False)


def test_a_file_that_is_written_meanwhile_is_unreadable_for_now(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(half_red_half_blue(), "JPEG"))
    before = stat_of(path)
    assert photos.decode_file(path, before)[0].size == (32, 16)
    path.write_bytes(encoded(half_red_half_blue(), "JPEG") + b"more")
    with pytest.raises(UnreadablePhoto, match="was being written while it was read") as raised:
        photos.decode_file(path, before)
    assert not raised.value.lasting
    assert photos.decode_file(path, stat_of(path))[0].size == (32, 16)


def test_a_file_that_is_only_linked_meanwhile_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(half_red_half_blue(), "JPEG"))
    before, content_id, ctime = stat_of(path), photos.identify(path), path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == ctime:
        (tmp_path / "b.jpg").unlink(missing_ok=True)
        os.link(path, tmp_path / "b.jpg")
    assert stat_of(path) != before
    assert photos.look(path, before, Views(30), content_id).image.size == (32, 16)


def test_a_file_that_is_turned_in_place_meanwhile_is_unreadable_for_now(tmp_path):
    path = save_upright(tmp_path / "a.jpg", WARM)
    before, content_id = stat_of(path), photos.identify(path)
    turn_in_place(path)
    assert stat_of(path)[:3] == before[:3]
    with pytest.raises(UnreadablePhoto, match="was being written while it was read") as raised:
        photos.look(path, before, Views(30), content_id)
    assert not raised.value.lasting
    assert photos.look(path, stat_of(path), Views(30), photos.identify(path)).image.size == (30, 40)


def test_on_windows_a_state_has_no_time_of_creation(tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "_HAS_CTIME", False)
    status = tmp_path.stat()
    assert stat_of(tmp_path) == (status.st_size, status.st_mtime_ns, status.st_ino, 0)


def test_a_path_may_be_relative_and_of_any_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"gr\xf6\xdfe.jpg")
    Path(name).write_bytes(encoded(half_red_half_blue(), "JPEG"))
    assert photos.load(name).size == (32, 16)
    assert photos.identify(name) == photos.content_id(Path(name).read_bytes())


def with_notes(image, notes=None, details=None, interoperability=None, **options):
    exif = Image.Exif()
    exif.update(notes or {})
    exif.get_ifd(0x8769).update({**(details or {}), **({0xA005: interoperability} if interoperability else {})})
    return encoded(image, "JPEG", exif=exif.tobytes(), **options)


@pytest.mark.parametrize(("index", "pixel"), [("R03", (84, 193, 46)), ("R98", (128, 192, 64)), (None, (128, 192, 64))])
def test_adobe_rgb_is_told_by_its_interoperability_index(index, pixel):
    plain = Image.new("RGB", (64, 64), (128, 192, 64))
    data = with_notes(plain, details={0xA001: 65535}, interoperability={1: index} if index else None, quality=95)
    for min_side in (None, 8):
        assert photos.decode(data, min_side).getpixel((3, 3)) == pytest.approx(pixel, abs=4)


def test_a_profile_counts_more_than_the_index():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = with_notes(
        Image.new("RGB", (64, 64), (128, 192, 64)), interoperability={1: "R03"}, icc_profile=srgb, quality=95
    )
    assert photos.decode(data).getpixel((3, 3)) == pytest.approx((128, 192, 64), abs=4)


def test_a_gray_profile_is_applied_beside_alpha():
    curve = struct.pack(">4sxxxxIHxx", b"curv", 1, 256)  # gamma 1: half the light is a light gray
    white = struct.pack(">4sxxxx3i", b"XYZ ", 63190, 65536, 54061)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, len(curve))
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        176 + len(curve),
        0x02400000,
        b"mntr",
        b"GRAY",
        b"XYZ ",
        b"acsp",
        63190,
        65536,
        54061,
    )
    profile = head + table + white + curve
    opaque = photos.decode(encoded(Image.new("L", (4, 4), 128), icc_profile=profile)).getpixel((0, 0))
    assert opaque == pytest.approx((188, 188, 188), abs=2)
    assert photos.decode(encoded(Image.new("LA", (4, 4), (128, 255)), icc_profile=profile)).getpixel((0, 0)) == opaque


def tiff(rows, photometric, bits, form=1, order="<", width=None, samples=1, subfile=None):
    """A TIFF with one strip of `rows`."""
    tags = {
        256: (4, [width or rows.shape[1]]), 257: (4, [rows.shape[0]]), 258: (3, [bits] * samples), 259: (3, [1]),
        262: (3, [photometric]), 273: (4, [8]), 277: (3, [samples]), 278: (4, [rows.shape[0]]),
        279: (4, [rows.nbytes]), 339: (3, [form] * samples), **({254: (4, [subfile])} if subfile else {}),
    }  # fmt: skip
    body, extra = rows.tobytes(), b""
    at = 8 + len(body)
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{'HI'[kind == 4]}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack(f"{order}I", at + 2 + 12 * len(tags) + 4 + len(extra)), extra + packed
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + extra


GRAYS = np.arange(0, 256, 4, np.uint16).reshape(4, 16)


def twelve(values):
    """12-bit samples, two in three bytes."""
    first, second = values[:, 0::2], values[:, 1::2]
    packed = np.stack([first >> 4, ((first & 15) << 4) | (second >> 8), second & 255], -1)
    return packed.astype(np.uint8).reshape(len(values), -1)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(
    ("bits", "form", "stored"),
    [
        (8, 1, lambda grays, order: grays.astype(np.uint8)),
        (12, 1, lambda grays, order: twelve(grays.astype(np.uint32) * 4095 // 255)),
        (16, 1, lambda grays, order: (grays * 257).astype(f"{order}u2")),
        (32, 3, lambda grays, order: (grays / 255).astype(f"{order}f4")),
        (32, 3, lambda grays, order: grays.astype(f"{order}f4")),
        (32, 3, lambda grays, order: (grays * 257.0).astype(f"{order}f4")),
    ],
)
def test_grays_of_any_depth_keep_their_light(order, white_is_zero, bits, form, stored):
    values = 255 - GRAYS if white_is_zero else GRAYS
    data = tiff(stored(values, order), 0 if white_is_zero else 1, bits, form, order, width=16)
    assert np.asarray(photos.decode(data))[..., 1] == pytest.approx(GRAYS, abs=1)


@pytest.mark.parametrize("order", "<>")
def test_float_rgb_keeps_its_colors(order):
    colors = np.stack([GRAYS, GRAYS[::-1], 255 - GRAYS], -1)
    rows = (colors / 255).astype(f"{order}f4").reshape(4, -1)
    data = tiff(rows, 2, 32, 3, order, width=16, samples=3)
    assert np.asarray(photos.decode(data)) == pytest.approx(colors, abs=1)


def test_a_tiff_that_cant_be_read_says_what_it_holds():
    with pytest.raises(UnreadablePhoto, match="a TIFF with 64, 64, 64 bits of photometric 2, which Pillow can't read"):
        photos.decode(tiff(np.zeros((4, 48)), 2, 64, 3, width=16, samples=3))


def test_a_first_page_that_is_a_reduced_image_is_not_the_picture():
    small = tiff(GRAYS.astype(np.uint8), 1, 8, subfile=1)
    large = tiff(np.full((40, 60), 200, np.uint8), 1, 8)
    moved = bytearray(small + large)
    (at,) = struct.unpack("<I", large[4:8])
    first = struct.unpack("<I", small[4:8])[0]
    (count,) = struct.unpack_from("<H", small, first)
    struct.pack_into("<I", moved, first + 2 + 12 * count, len(small) + at)  # the next directory
    strip = next(
        place for place in range(len(small) + at + 2, len(moved), 12) if moved[place : place + 2] == b"\x11\x01"
    )
    struct.pack_into("<I", moved, strip + 8, len(small) + 8)
    image = photos.decode(bytes(moved))
    assert (image.size, image.getpixel((30, 20))) == ((60, 40), (200, 200, 200))
    assert photos.decode(small).size == (16, 4)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [2, 42, 0.5])
def test_a_jpeg_that_lacks_its_end_is_shown_and_damaged(progressive, lost):
    whole = encoded(Image.linear_gradient("L").convert("RGB"), "JPEG", progressive=progressive)
    cut = whole[: -lost if lost > 1 else int(lost * len(whole))]
    assert photos.decode(cut).size == (256, 256)
    assert photos.decode(cut).getpixel((128, 10)) == pytest.approx((10, 10, 10), abs=6)
    assert decode.decode_with_tiles(cut, 64)[0].size == (64, 64)
    assert (decode.moment(cut).damaged, decode.moment(whole).damaged) == (True, False)
    assert decode.exposure(cut) == {"damaged": "its end is missing"}
    assert not decode.moment(whole + b"a trailer, as phones append").damaged
    assert decode.moment(whole[:-2] + bytes(500)).damaged


def test_a_jpeg_without_any_pixels_is_unreadable():
    whole = encoded(half_red_half_blue(), "JPEG")
    with pytest.raises(UnreadablePhoto):
        photos.decode(whole[: whole.index(b"\xff\xda") + 14])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x14ftypqt  " + bytes(99), "it is a QuickTime movie"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "it is an MP4 video"),
        (b"8BPS\0\1" + bytes(99), "it is a Photoshop document"),
        (b"%PDF-1.7", "it is a PDF document"),
        (b"PK\3\4" + bytes(99), "it is a zip archive"),
        (b"  <!DOCTYPE html><p>", "it is a web page"),
        (b"RIFF\0\0\0\0AVI LIST", "it is an AVI video"),
        (bytes(5000), "it is nothing but zeros"),
        (b"II*\0" + bytes(400), "begins like a TIFF or a raw, but holds no picture"),
    ],
)
def test_what_is_no_photo_is_called_by_its_name(data, name):
    with pytest.raises(UnreadablePhoto, match=name):
        photos.decode(data)


@pytest.mark.parametrize(
    ("notes", "details", "taken"),
    [
        ({}, {0x9003: "2024:10:10 19:06:10", 0x9004: "2020:01:01 00:00:00"}, 1728587170),
        ({}, {0x9003: "0000:00:00 00:00:00", 0x9004: "2024:10:10 19:06:10", 0x9292: "5"}, 1728587170.5),
        ({0x132: "2024:10:10 19:06:10"}, {0x9290: "75", 0x9291: "11"}, 1728587170.75),
        ({0x132: "2024:10:10 19:06:10"}, {0x9003: " "}, 1728587170),
        ({}, {0x9003: "2024-10-10T19:06:10"}, 1728587170),
        ({}, {0x9003: "2024/10/10 19:06:10"}, 1728587170),
        ({}, {0x9003: "2024-10-10 19:06:10.25"}, 1728587170.25),
        ({}, {0x9003: "2024-10-10T19:06:10+02:00"}, 1728587170),
        ({}, {0x9003: "2024:02:31 00:00:00"}, math.nan),
    ],
)
def test_a_time_is_the_best_that_is_noted(notes, details, taken):
    found = decode.moment(with_notes(half_red_half_blue(), notes, details)).taken
    assert found == pytest.approx(taken, nan_ok=True)


def test_a_time_is_shown_as_exif_writes_it():
    data = with_notes(half_red_half_blue(), details={0x9003: "2024-10-10T19:06:10.25+02:00"})
    assert decode.exposure(data) == {"taken": "2024:10:10 19:06:10"}


def camera_of(notes=None, details=None):
    details = {0x9003: "2024:10:10 19:06:10", **(details or {})}
    return decode.moment(with_notes(half_red_half_blue(), notes, details)).camera


def test_a_camera_is_told_by_model_serial_number_and_zone():
    one = camera_of({0x10F: "Nikon", 0x110: "Z 6"})
    assert one == camera_of({0x10F: "Nikon", 0x110: "Z 6\0"})
    others = [
        camera_of({0x10F: "Nikon", 0x110: "Z 7"}),
        camera_of({0x10F: "Nikon", 0x110: "Z 6"}, {0xA431: "123"}),
        camera_of({0x10F: "Nikon", 0x110: "Z 6"}, {0xA431: "124"}),
        camera_of({0x10F: "Nikon", 0x110: "Z 6"}, {0x9011: "+02:00"}),
    ]
    assert len({0, one, *others}) == 6
    assert camera_of() == 0
