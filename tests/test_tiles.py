"""Where a photo is looked at in full resolution."""

import io
from itertools import combinations, pairwise

import numpy as np
import pytest
from conftest import STORED, encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imlcull_al.encoding import sharpness
from imlcull_al.errors import UnreadablePhoto
from imlcull_al.photos import decode, tiles
from imlcull_al.photos import read as photos
from imlcull_al.photos.tiles import COUNT, SIDE, Place

SMALL = [(1, 1), (1, 5000), (5000, 1), (3, 2), (112, 112), (112, 113), (111, 300), (167, 112), (200, 50), (224, 224)]


def with_details(size: tuple[int, int], *patches: tuple[int, int, int]) -> Image.Image:
    """Plain grey with tiles of noise: each a corner in pixels and how strong it is."""
    grey = np.full(size[::-1], 128, np.uint8)
    for number, (left, top, strength) in enumerate(patches):
        chance = np.random.default_rng(number)
        grey[top : top + SIDE, left : left + SIDE] += chance.integers(0, strength + 1, (SIDE, SIDE), dtype=np.uint8)
    return Image.fromarray(grey)


def shared(one: Place, left: int, top: int) -> int:
    """Pixels that the tile at this place and the one at this corner have in common."""
    return max(0, SIDE - abs(one.left - left)) * max(0, SIDE - abs(one.top - top))


def grid(size: tuple[int, int], cell: int) -> list[Place]:
    return [
        Place(left, top, 0) for left in range(0, size[0] - SIDE + 1, cell) for top in range(0, size[1] - SIDE + 1, cell)
    ]


@pytest.mark.parametrize(("size", "cell"), [((640, 427), 56), ((671, 447), 56), ((2501, 1803), 112)])
def test_the_first_tile_shows_most_of_the_only_detail(size, cell):
    """No other on its grid has more of it, wherever the detail lies, near the lower and right edge too."""
    chance = np.random.default_rng(0)
    corners = [(size[0] - SIDE, size[1] - SIDE), (0, 0)]
    corners += [tuple(chance.integers(0, np.array(size) - SIDE + 1).tolist()) for _ in range(8)]
    for left, top in corners:
        best = tiles.chosen(with_details(size, (left, top, 90)))[0]
        assert shared(best, left, top) == max(shared(place, left, top) for place in grid(size, cell)), (left, top)
        assert best.detail > 0


def test_the_sharpest_the_next_and_two_towards_the_middle():
    """The strongest lie in the corners; what is nearer to the middle may be weaker."""
    grey = with_details((1120, 1120), (0, 0, 100), (1008, 1008, 90), (504, 336, 60), (504, 672, 50), (1008, 0, 80))
    found = tiles.chosen(grey)
    assert [place[:2] for place in found] == [(0, 0), (1008, 1008), (504, 336), (504, 672)]
    assert found[0].detail > found[1].detail > found[2].detail > found[3].detail > 0


def test_a_step_is_counted_until_it_is_an_edge_like_any_other():
    """Noise of a tenth of the contrast is told from none, and no edge, however high, is all that counts."""
    pale = tiles.chosen(with_details((224, 224), (112, 0, 4)))[0]
    assert pale[:2] == (112, 0)
    halves = np.full((112, 224), 253, np.uint8)
    halves[:, :28] = 0  # one edge as high as can be
    halves[:, 112:] += np.random.default_rng(0).integers(0, 3, (112, 112), dtype=np.uint8)
    assert tiles.chosen(Image.fromarray(halves))[0][:2] == (112, 0)


@pytest.mark.parametrize("size", [(600, 448), (1000, 667), (2400, 1800)])
@pytest.mark.parametrize("seed", range(3))
def test_tiles_do_not_touch_where_there_is_room(size, seed):
    noise = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    found = tiles.chosen(Image.fromarray(noise))
    assert len(found) == COUNT
    assert not any(shared(one, other.left, other.top) for one, other in combinations(found, 2))


def test_a_plain_photo_has_tiles_too():
    found = tiles.chosen(Image.new("L", (600, 448), 90))
    assert [place.detail for place in found] == [0] * COUNT
    assert not any(shared(one, other.left, other.top) for one, other in combinations(found, 2))


@pytest.mark.parametrize("size", SMALL)
def test_photos_of_any_shape_give_as_many_tiles_that_lie_in_them(size):
    noise = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    grey = tiles.large_enough(Image.fromarray(noise))
    assert min(grey.size) >= SIDE
    assert grey.width * grey.height < 2_000_000  # of a strip, the middle
    for places in (tiles.chosen(grey), tiles.lattice(grey, 16)):
        assert all(0 <= place.left <= grey.width - SIDE and 0 <= place.top <= grey.height - SIDE for place in places)
        assert all(0 <= place.detail <= 255 for place in places)
        assert tiles.cut(grey, places).size == (SIDE * len(places), SIDE)
    assert len(tiles.chosen(grey)) == COUNT


def test_what_is_large_enough_stays_as_it_is():
    for size in ((112, 112), (112, 3584), (6000, 4000)):
        grey = Image.new("L", size)
        assert tiles.large_enough(grey) is grey
    assert tiles.large_enough(Image.new("L", (56, 80))).size == (112, 160)


@pytest.mark.parametrize(
    ("size", "middle"),
    [((32, 1), (32, 1)), ((33, 1), (32, 1)), ((1, 5000), (1, 32)), ((7, 300), (7, 224)), ((40, 30), (40, 30))],
)
def test_a_strip_without_its_ends_is_thirty_two_times_as_long_as_wide(size, middle):
    image = Image.new("L", size)
    assert tiles.without_ends(image).size == middle
    assert (tiles.without_ends(image) is image) == (size == middle)


def test_of_a_strip_the_middle_is_looked_at():
    strip = Image.new("L", (5000, 1))
    strip.paste(255, (2444, 0, 2556, 1))
    grey = tiles.large_enough(strip)
    assert grey.getextrema()[1] == 255
    assert np.asarray(grey).mean() > 250


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(SIDE, 2000), st.integers(SIDE, 2000), st.integers(1, 16))
def test_a_lattice_covers_the_photo_evenly_and_is_bounded(width, height, most):
    places = tiles.lattice(Image.new("L", (width, height)), most)
    lefts, tops = (sorted({place[way] for place in places}) for way in (0, 1))
    assert [place[:2] for place in places] == [(left, top) for top in tops for left in lefts]
    for side, starts in ((width, lefts), (height, tops)):
        assert 1 <= len(starts) <= min(most, side // SIDE)
        assert starts[0] >= 0 and starts[-1] + SIDE <= side
        assert abs(starts[0] - (side - SIDE - starts[-1])) <= 1  # as much is left at either end
        assert all(later - earlier >= SIDE for earlier, later in pairwise(starts))
        if len(starts) > 2:
            apart = [later - earlier for earlier, later in pairwise(starts)]
            assert max(apart) - min(apart) <= 2  # halves are rounded to even
    longer = max((width, lefts), (height, tops))
    assert len(longer[1]) == min(most, longer[0] // SIDE)


def test_what_was_cut_is_parted_again():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 500), dtype=np.uint8))
    places = [Place(0, 0, 1.0), Place(388, 288, 2.0), Place(17, 31, 3.0)]
    strip = tiles.cut(noise, places)
    assert (strip.mode, strip.size) == ("L", (3 * SIDE, SIDE))
    parts = tiles.parted(strip)
    assert len(parts) == 3
    for part, (left, top, _) in zip(parts, places, strict=True):
        assert part.tobytes() == noise.crop((left, top, left + SIDE, top + SIDE)).tobytes()


# --- of the bytes of a photo ------------------------------------------------------------------------------------------


def golden() -> Image.Image:
    """480 × 360, coloured, with four details of which each is clearly stronger than the next."""
    grey = with_details((480, 360), (56, 56, 100), (336, 224, 70), (224, 112, 50), (112, 224, 35))
    red = Image.linear_gradient("L").resize((480, 360)).point(lambda value: value // 4)
    return Image.merge("RGB", (Image.blend(grey, red, 0.2), grey, grey))


def full_size_tiles(data: bytes) -> Image.Image:
    grey = decode.decode(data).convert("L")
    return tiles.cut(grey, tiles.chosen(grey))


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).max())


JPEGS = {
    "JPEG": (golden(), {"quality": 92}),
    "progressive JPEG": (golden(), {"quality": 92, "progressive": True}),
    "grey JPEG": (golden().convert("L"), {"quality": 92}),
    "CMYK JPEG": (golden().convert("CMYK"), {"quality": 92}),
    "RGB JPEG": (golden(), {"quality": 92, "keep_rgb": True}),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_the_tiles_of_a_jpeg_are_those_of_its_full_size_beside_the_image_as_usual(kind):
    image, options = JPEGS[kind]
    data = encoded(image, "JPEG", **options)
    small, strip = decode.decode_with_tiles(data, 100)
    usual = decode.decode(data, 100)
    assert (small.mode, small.size) == (usual.mode, usual.size) == ("RGB", (240, 180))
    assert small.tobytes() == usual.tobytes()
    assert (strip.mode, strip.size) == ("L", (SIDE * COUNT, SIDE))
    assert difference(strip, full_size_tiles(data)) <= 3  # brightness by way of colours is rounded on the way


OTHERS = {
    "PNG with alpha": (Image.merge("RGBA", (*golden().split(), Image.linear_gradient("L").resize((480, 360)))), "PNG"),
    "16-bit PNG": (Image.fromarray(np.asarray(golden().convert("L"), np.uint16) * 257), "PNG"),
    "palette PNG": (golden().quantize(64), "PNG"),
    "GIF": (golden().quantize(64), "GIF"),
    "CMYK TIFF": (golden().convert("CMYK"), "TIFF"),
    "1-bit PNG": (golden().convert("1"), "PNG"),
    "WebP": (golden(), "WEBP"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_the_tiles_of_every_other_kind_are_those_of_its_full_size(kind):
    data = encoded(*OTHERS[kind])
    small, strip = decode.decode_with_tiles(data, 100)
    usual = decode.decode(data, 100)
    assert (small.mode, small.size) == (usual.mode, usual.size)
    assert difference(small, usual) <= 12  # averaged before the transparency is filled, or after
    assert strip.tobytes() == full_size_tiles(data).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(("orientation", "transpose"), STORED.items())
def test_tiles_are_upright(kind, orientation, transpose):
    upright = golden()
    stored = upright if transpose is None else upright.transpose(Image.Transpose(transpose))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(stored, kind, exif=exif, **options)
    small, strip = decode.decode_with_tiles(data, 100)
    assert small.size == ((240, 180) if kind == "JPEG" else (160, 120))
    expected = full_size_tiles(encoded(upright))
    if kind == "PNG":
        assert strip.tobytes() == expected.tobytes()
    else:
        assert np.abs(np.asarray(strip, float) - np.asarray(expected, float)).mean() < 4
    lattice, places, size = decode.decode_lattice(data, 16)
    assert size == (480, 360)
    assert len(places) == 4 * 3
    grey = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L")
    assert difference(lattice, tiles.cut(grey, places)) <= 3


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photos_of_any_shape_have_tiles(size, kind):
    data = encoded(Image.new("RGB", size, (200, 80, 40)), kind)
    small, strip = decode.decode_with_tiles(data, 448)
    assert small.size == size
    assert strip.size == (SIDE * COUNT, SIDE)
    strip, places, size = decode.decode_lattice(data, 16)
    assert strip.size == (SIDE * len(places), SIDE)
    assert min(size) >= SIDE


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_truncated_photos_have_a_reason_and_nothing_else(kind):
    whole = encoded(golden(), kind)
    for share in (0.0, 0.02, 0.1, 0.5, 0.9):
        data = whole[: int(share * len(whole))]
        for look in (
            lambda data=data: decode.decode_with_tiles(data, 100),
            lambda data=data: decode.decode_lattice(data, 4),
        ):
            with pytest.raises(UnreadablePhoto):
                look()


def test_a_file_with_its_tiles(tmp_path):
    data = encoded(golden(), "JPEG", quality=92)
    (tmp_path / "a.jpg").write_bytes(data)
    found = photos.decode_with_tiles(tmp_path / "a.jpg", photos.stat_of(tmp_path / "a.jpg"), 100)
    small, strip = decode.decode_with_tiles(data, 100)
    assert (found.image.tobytes(), found.tiles.tobytes()) == (small.tobytes(), strip.tobytes())
    assert photos.decode_file(tmp_path / "a.jpg", photos.stat_of(tmp_path / "a.jpg"), 100).tiles is None
    lattice = photos.lattice(tmp_path / "a.jpg", 3)
    assert (lattice.size, len(lattice.places)) == ((480, 360), 3 * 2)
    assert lattice.strip.tobytes() == decode.decode_lattice(data, 3)[0].tobytes()


def test_a_sharpness_map_covers_the_photo_and_says_nothing_of_what_is_plain(tmp_path):
    with_details((1120, 448), *[(left, 112, 90) for left in range(0, 1120, 112)]).save(tmp_path / "a.png")
    found = sharpness.sharpness_map(tmp_path / "a.png")
    assert found.shape == (4, 10)
    assert found.dtype == np.float32
    assert np.isfinite(found[1]).all()
    assert (found[1] >= 0).all() and (found[1] <= 1).all()
    assert np.isnan(found[[0, 2, 3]]).all()


@pytest.mark.slow
def test_a_large_photo_has_a_sharpness_map_too(tmp_path):
    """As many places as a reply may hold."""
    noise = np.random.default_rng(0).integers(0, 256, (4000, 4000), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png", compress_level=1)
    assert len(photos.lattice(tmp_path / "a.png", sharpness.MOST).places) == sharpness.MOST**2
