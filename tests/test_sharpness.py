"""The colours of a sharpness map; what it says of photos is the encoder's."""

import io

import numpy as np
import pytest
from PIL import Image

from imlcull_al.encoding.builtin import TiledEncoder
from imlcull_al.encoding.sharpness import COLOURS, as_png, coloured, laid_over, sharpness_map
from imlcull_al.errors import UnreadablePhoto

BLUE, GREEN, YELLOW = ((59, 79, 196), (31, 158, 154), (255, 225, 37))
VALUES = np.array([[0, 0.5, 1], [np.nan, 0.25, 0]], np.float32)


def test_the_colours_are_those_that_the_page_explains():
    assert COLOURS == ("#3b4fc4", "#1f9e9a", "#ffe125")


def test_values_are_colours_and_nothing_to_tell_is_transparent():
    pixels = np.asarray(coloured(VALUES))
    assert pixels.tolist() == [
        [[*BLUE, 128], [*GREEN, 128], [*YELLOW, 128]],
        [[0, 0, 0, 0], [45, 118, 175, 128], [*BLUE, 128]],
    ]


def test_sharper_is_lighter():
    """So that the order of the colours can be seen without their hues."""
    light = np.asarray(coloured(np.linspace(0, 1, 20)[None]).convert("RGB").convert("L"), int)
    assert (np.diff(light) > 0).all()


def test_a_png_of_one_pixel_a_cell():
    with Image.open(io.BytesIO(as_png(VALUES))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (3, 2))
        assert np.array_equal(np.asarray(image), np.asarray(coloured(VALUES)))


def test_laid_over_a_photo_the_map_has_the_only_colours():
    photo = Image.new("RGB", (30, 20), (255, 0, 0))
    over = np.asarray(laid_over(photo, VALUES), int)
    grey = 76
    assert (over[10:, :10] == grey).all()
    assert np.abs(over[0, 29] - (np.array(YELLOW) + grey) / 2).max() <= 1
    assert np.abs(over[0, 9] - (np.array(BLUE) + grey) / 2).max() <= 1  # the cells are as they are, not smoothed


def test_cells_cover_the_upright_photo_and_tell_nothing_of_what_is_plain(tmp_path):
    pixels = np.full((600, 400), 128, np.uint8)
    pixels[300:] = np.random.default_rng(0).integers(0, 255, (300, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    values = sharpness_map(tmp_path / "a.jpg")
    rows, columns = values.shape
    assert columns > rows
    assert np.isnan(values[:, -1]).all()  # the plain upper half is on the right
    assert np.isfinite(values[:, 0]).all()
    assert ((values[:, 0] >= 0) & (values[:, 0] <= 1)).all()


def test_what_is_no_photo_has_no_map(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(UnreadablePhoto):
        sharpness_map(tmp_path / "a.jpg")


def test_a_map_that_finds_no_memory_is_a_reason(tmp_path, monkeypatch):
    def full(self, strip):
        raise MemoryError

    Image.new("RGB", (150, 112)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(TiledEncoder, "sharpness", full)
    with pytest.raises(UnreadablePhoto, match="there is not enough memory for its sharpness") as caught:
        sharpness_map(tmp_path / "a.jpg")
    assert not caught.value.lasting
