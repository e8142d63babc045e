"""Damaged photos: each yields pixels or a reason within bounded time and memory, and the app survives.

    python -m tests.torture.photo_fuzz --times 2000 [--seed 0] [--photos FOLDER] [--keep FOLDER]

Images of every format, with metadata and profiles and in several modes, are damaged: bits flipped, ends cut, pieces
spliced, lengths and EXIF blocks overwritten. Each goes through everything that the app does with a photo, and so do
small files that claim, or decompress to, many times their size (see `hostile`). `--photos` adds the files of a folder,
damaged and undamaged. `--keep` saves the files that ended a decoder. Every file depends only on the seed and its
number. Prints one row of a Markdown table; exit code 1 if a promise was broken.
"""

import argparse
import io
import random
import re
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pylibjxl
from PIL import Image, ImageCms

from imlcull_al.errors import UnreadablePhoto
from imlcull_al.parallel import in_order
from imlcull_al.photos import decode, worker
from imlcull_al.photos import read as photos
from imlcull_al.terminal import progress_bar
from tests.raws import raw

HEIC = Path(__file__).parents[1] / "heic"
SIDE, SCREEN, LATTICE = 224, 1600, 16
MEMORY = 500  # peak megabytes of this process, whatever the photos contain
LARGEST = 4 << 20  # bytes of a file of `--photos`; larger ones would dominate the run time
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
WEBP = (
    b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\xfe\xff\xa5\x0e\x07\x10\x11\xfd\x0fDD\xff\x03"  # 16383 × 15000, lossless, black
)
EXIF_STARTS = (b"Exif\0\0", b"II*\0", b"MM\0*", b"eXIf", b"EXIF")
ENDINGS = ("crashed", "no answer", "takes more than", "makes no sense", "without an answer", "ended from outside")


class Seen(NamedTuple):
    """Results of one file: what each operation said (`ok` or a reason), and the seconds of the slowest."""

    name: str
    said: tuple[str, ...]
    slowest: float
    broken: str


def main() -> None:
    """Damage, decode, and print a table row; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    whole = whole_images()
    found = files_of(options.photos) if options.photos else {}
    with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
        results = torture(whole, found, options.times, options.seed, Path(folder), progress)
        reasons = Counter(re.sub(r"[\d×, ]*\d|b'.*", " …", said)[:70] for one in results for said in one.said)
        ended = [one for one in results if any(ending in said for said in one.said for ending in ENDINGS)]
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for one in ended:
                (options.keep / one.name).write_bytes((Path(folder) / one.name).read_bytes())
    broken = [f"{one.name}: {one.broken}" for one in results if one.broken]
    broken += [f"{one.name} took {one.slowest:.0f} s" for one in results if one.slowest > 2 * worker.WAIT]
    if (memory := megabytes()) > MEMORY:
        broken.append(f"the app took {memory} MB")
    for reason, count in reasons.most_common(30):
        print(f"{count:6} × {reason}", file=sys.stderr)
    for line in (*(f"{one.name} ended its decoder: {set(one.said)}" for one in ended), *broken):
        print(line, file=sys.stderr)
    print(row(results, len(found) + len(hostile()), len(ended), broken))
    sys.exit(bool(broken))


def row(results: list[Seen], as_they_are: int, ended: int, broken: list[str]) -> str:
    readable = sum(set(one.said) == {"ok"} for one in results)
    slowest = max((one.slowest for one in results), default=0.0)
    fault = (
        "photos with flipped, cut, spliced and overwritten bytes, and "
        f"{as_they_are:,} malformed or hostile ones as they are: thin, long, huge, full of frames"
    )
    promised = (
        f"pixels, no more than asked for, or a reason, each within {worker.WAIT} s; a decoder that crashes or hangs "
        f"ends alone; the app takes at most {MEMORY} MB"
    )
    seen = (
        f"{readable:,} came out, {len(results) - readable:,} with a reason; {ended} ended their decoder; "
        f"slowest {slowest:.1f} s; {megabytes()} MB; {len(broken)} broke a promise"
    )
    return f"| {fault} | {len(results):,} | {promised} | {seen} |"


def torture(
    whole: Mapping[str, bytes], found: Mapping[str, bytes], times: int, seed: int, folder: Path, progress: Any
) -> list[Seen]:
    """Results for the hostile files and `found`, unchanged, and for `times` damaged ones; all are written to
    `folder`.
    """
    groups = [sorted(each.values()) for each in (whole, found) if each]
    as_they_are = [*(make() for make in hostile().values()), *found.values()]

    def one(number: int) -> Seen:
        if number < len(as_they_are):
            name, data = f"{number:06}-as-it-is", as_they_are[number]
        else:
            chance = random.Random(f"{seed} {number - len(as_they_are)}")
            sources = [chance.choice(chance.choice(groups)) for _ in range(2)]
            name, data = f"{number:06}", damaged(*sources, chance)
        (folder / name).write_bytes(data)
        return looked_at(folder / name)

    results, count = [], times + len(as_they_are)
    for done, seen in enumerate(in_order(one, range(count), ahead=16)):
        progress("damaging photos", done + 1, count)
        results.append(seen)
    return results


def looked_at(path: Path) -> Seen:
    """Everything that the app does with a photo."""
    uses: tuple[Callable[[], Any], ...] = (
        lambda: _bounded(photos.load(path, SIDE)),
        lambda: _bounded(photos.decode_with_tiles(path, photos.stat_of(path), SIDE).image),
        lambda: photos.lattice(path, LATTICE),
        lambda: Image.open(io.BytesIO(photos.preview(path, SCREEN))).verify(),
        lambda: photos.exposure(path),
        lambda: photos.moment(path),
    )
    said, slowest, broken = [], 0.0, ""
    for use in uses:
        started = time.monotonic()
        try:
            use()
            said.append("ok")
        except UnreadablePhoto as error:
            said.append(str(error))
        except Exception as error:  # noqa: BLE001 - that is what must not happen
            broken = broken or f"{type(error).__name__}: {error}"
        slowest = max(slowest, time.monotonic() - started)
    return Seen(path.name, tuple(said), slowest, broken)


def _bounded(image: Image.Image) -> None:
    if image.width * image.height > decode.most_pixels(SIDE):
        raise ValueError(f"{image.size} is more than was asked for")


def megabytes() -> int:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """`data` with one to three kinds of damage."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(DAMAGES)(data, other, chance)
    return data


def _flipped(data: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 4, 40)) if data else 0):
        changed[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _spliced(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _shifted(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A piece dropped or duplicated."""
    a, b = (chance.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[b:]


def _overwritten(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Fields of 1, 2 or 4 bytes set to extreme values, most of them in the first kilobyte, where the lengths are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        size, at = chance.choice((1, 2, 4)), _place(data, chance)
        value = chance.choice(EXTREMES) & ((1 << 8 * size) - 1)
        changed[at : at + size] = value.to_bytes(size, chance.choice(("big", "little")))
    return bytes(changed)


def _noted_wrongly(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Overwrite bytes of an EXIF block or of TIFF directories."""
    starts = [at for at in (data.find(start) for start in EXIF_STARTS) if at >= 0]
    if not starts:
        return _overwritten(data, other, chance)
    start, changed = chance.choice(starts), bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = start + chance.randrange(8, 400)
        if at < len(changed):
            changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(changed)


def _place(data: bytes, chance: random.Random) -> int:
    return chance.randrange(max(1, min(len(data), chance.choice((64, 1024, len(data))))))


DAMAGES = (_flipped, _cut, _spliced, _shifted, _overwritten, _noted_wrongly)


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder that are small enough."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size <= LARGEST]
    return {str(path): path.read_bytes() for path in paths}


def hostile() -> dict[str, Callable[[], bytes]]:
    """Factories of files of at most two megabytes that claim, or decompress to, many times that."""
    claims = [(1, 250_000_000), (250_000_000, 1), (1, 2**31 - 1), (300_001, 800), (60_000, 60_000)]
    strips = [(300_000, 1), (1, 300_000), (300_000, 100), (100, 300_000)]
    return {
        **{f"claims {width} × {height}": partial(png, width, height, b"") for width, height in claims},
        **{f"is {width} × {height}": partial(_plain, width, height) for width, height in strips},
        "a JPEG that claims 65535 × 65535": partial(_jpeg_of, 65_535, 65_535),
        "a JPEG that claims 65535 × 1": partial(_jpeg_of, 65_535, 1),
        "a WebP of 16383 × 15000": lambda: WEBP,
        "a profile of 200 MB": lambda: _plain(40, 30, (b"iCCP", b"a\0\0" + _zeros(200))),
        "a text of 200 MB": lambda: _plain(40, 30, (b"zTXt", b"a\0\0" + _zeros(200))),
        "a GIF of 3000 frames": partial(_frames, "GIF", 3000),
        "a PNG of 3000 frames": partial(_frames, "PNG", 3000),
        "a TIFF of 300 frames": partial(_frames, "TIFF", 300),
        "an MPO of 300 frames": partial(_frames, "MPO", 300),
        "a TIFF that goes round": _tiff_that_goes_round,
        "notes that go round": _notes_that_go_round,
        "a JPEG 2000 of 16384 components": partial(_of_components, 16_384),
    }


def png(width: int, height: int, data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """An RGB PNG of this size with `data` as its compressed pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _plain(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A black PNG."""
    row = 1 + 3 * width
    return png(width, height, zlib.compress(bytes(row * height), 1), *chunks)


def _zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def _frames(kind: str, count: int) -> bytes:
    first, *others = (Image.new("L", (40, 30), number % 256) for number in range(count))
    return _saved(first, kind, save_all=True, append_images=others)


def _jpeg_of(width: int, height: int) -> bytes:
    data = _saved(Image.new("RGB", (40, 30)), "JPEG")
    return data.replace(struct.pack(">HH", 30, 40), struct.pack(">HH", height, width), 1)


def _tiff_that_goes_round() -> bytes:
    """The first directory links to itself."""
    data = _saved(Image.new("RGB", (40, 30)), "TIFF")
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    after = start + 2 + 12 * count
    return data[:after] + struct.pack("<I", start) + data[after + 4 :]


def _notes_that_go_round() -> bytes:
    """The EXIF directory contains itself and links to itself."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8)
    data = _saved(Image.new("RGB", (40, 30)), "JPEG")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def _of_components(count: int) -> bytes:
    """A JPEG 2000 codestream whose size marker declares `count` components."""
    data = _saved(Image.new("RGB", (40, 30)), "JPEG2000", no_jp2=True)
    at = data.index(b"\xff\x51")
    (length,) = struct.unpack_from(">H", data, at + 2)
    size = data[at + 4 : at + 38] + struct.pack(">H", count) + b"\x07\x01\x01" * count
    return data[:at] + b"\xff\x51" + struct.pack(">H", 2 + len(size)) + size + data[at + 2 + length :]


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def whole_images() -> dict[str, bytes]:
    """Undamaged images of every supported format, in many modes; raw and HEIC among them."""
    colours = Image.merge("RGB", [Image.radial_gradient("L").rotate(angle).resize((90, 70)) for angle in (0, 90, 180)])
    seen_through = colours.copy()
    seen_through.putalpha(Image.linear_gradient("L").resize(colours.size))
    deep = colours.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x0110: "A camera"})
    exif.get_ifd(0x8769).update({0x829A: 1 / 250, 0x9003: "2025:05:17 09:00:00", 0x9291: "25", 0x9204: -0.7})
    notes = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    two = {"save_all": True, "append_images": [colours.rotate(90)]}
    made: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", colours, notes),
        ("JPEG", colours, {**notes, "progressive": True, "subsampling": 2}),
        ("JPEG", colours.convert("L"), {"restart_marker_blocks": 2}),
        ("JPEG", colours.convert("CMYK"), notes),
        ("MPO", colours, {**two, **notes}),
        ("PNG", colours, notes),
        ("PNG", seen_through, notes),
        ("PNG", colours.quantize(32), {"transparency": 3}),
        ("PNG", seen_through.convert("LA"), {}),
        ("PNG", deep, {}),
        ("PNG", colours.convert("1"), {}),
        ("PNG", colours, two),
        ("WEBP", colours, notes),
        ("WEBP", seen_through, {**notes, "lossless": True}),
        ("WEBP", colours, {**two, **notes}),
        *(
            ("TIFF", colours, {**notes, "compression": kind})
            for kind in ("raw", "tiff_lzw", "tiff_deflate", "packbits")
        ),
        ("TIFF", colours, {**notes, "compression": "jpeg"}),
        ("TIFF", colours.convert("1"), {"compression": "group4"}),
        ("TIFF", colours.convert("CMYK"), notes),
        ("TIFF", colours.convert("F"), {}),
        ("TIFF", deep, {"compression": "tiff_lzw"}),
        ("TIFF", seen_through, {"big_tiff": True}),
        ("BMP", colours, {}),
        ("BMP", colours.quantize(16), {}),
        ("BMP", colours.convert("1"), {}),
        ("GIF", colours.quantize(64), {"interlace": 1}),
        ("GIF", colours.quantize(64), {**two, "transparency": 2}),
        ("AVIF", colours, {**notes, "speed": 10}),
        ("AVIF", seen_through, {**notes, "speed": 10}),
        ("AVIF", colours, {**two, "speed": 10}),
        ("JPEG2000", colours, {}),
        ("JPEG2000", seen_through, {"tile_size": (32, 32), "irreversible": True}),
        ("JPEG2000", colours.convert("L"), {"no_jp2": True, "quality_layers": [20, 5]}),
        ("JPEG2000", deep, {}),
    ]
    images = {}
    for number, (kind, image, options) in enumerate(made):
        images[f"{number:02} {kind} {image.mode}"] = _saved(image, kind, **options)
    kinds = {
        "mosaic": {"preview": None},
        "JPEG": {"preview": (1000, 20)},
        "no DNG": {"preview": (1000, 20), "dng": False},
    }
    images |= {f"RAW {name}": raw(**options) for name, options in kinds.items()}
    images["JXL"] = pylibjxl.encode(np.asarray(colours), exif=exif.tobytes())
    return images | {f"HEIC {path.stem}": path.read_bytes() for path in HEIC.glob("*.heic")}


if __name__ == "__main__":
    main()
