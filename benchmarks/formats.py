"""Time and memory of raw and HEIC beside JPEG, each use of a photo in a decoder process of its own.

    python -m benchmarks.formats [--photo JPEG] [--heic FILE] [--times 7]

A 24 MP JPEG is made of `--photo`; the raws hold it as their embedded JPEG, whole or at 1616 × 1080 pixels, or none, and
an uncompressed mosaic of 6000 × 4000: what cameras compress costs more at half size. `--heic` is measured as it is, and
beside it a JPEG of its pixels. Prints a Markdown table: median milliseconds, and the peak memory of the process.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from imlcull_al.photos import decode, worker
from imlcull_al.photos.operations import DECODE, DECODE_WITH_TILES, MOMENT, PREVIEW
from imlcull_al.photos.pool import Pool
from imlcull_al.photos.previews import SCREEN
from imlcull_al.project.originals import Original, stat_of
from imlcull_al.ui.serving import FULL
from tests import raws

PHOTOS = Path("../shared/photos")
SIZE, SMALL = (6000, 4000), (1616, 1080)
USES: dict[str, Callable[[Pool, Original], object]] = {
    "embed (224)": lambda pool, file: pool.do(DECODE, file, 224),
    "embed with tiles": lambda pool, file: pool.do(DECODE_WITH_TILES, file, 224),
    "preview (1600)": lambda pool, file: pool.do(PREVIEW, file, SCREEN),
    "zoom to 100 %": lambda pool, file: pool.do(PREVIEW, file, FULL),
    "moment": lambda pool, file: pool.do(MOMENT, file),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=PHOTOS / "fullsize_cc0" / "fragrant-chamomile.jpg")
    parser.add_argument("--heic", type=Path, default=PHOTOS / "heic_free" / "IMG_2927.HEIC")
    parser.add_argument("--times", type=int, default=7, help="measurements, of which the median counts")
    options = parser.parse_args()
    print(decode.DECODER)
    print(f"| photo | MB | {' | '.join(f'{use}, ms' for use in USES)} | memory, MB |")
    print(f"| --- |{' ---: |' * (len(USES) + 2)}")
    for name, data in photos(options.photo, options.heic).items():
        took, memory = measured(data, options.times)
        print(
            f"| {name} | {len(data) / 1e6:.1f} | {' | '.join(f'{each:.0f}' for each in took)} | {memory} |", flush=True
        )


def photos(photo: Path, heic: Path) -> Mapping[str, bytes]:
    """What is measured."""
    large = Image.open(photo).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    jpeg = jpeg_of(large)
    made = {
        "JPEG, 24 MP": jpeg,
        "raw, JPEG of 24 MP inside": raws.raw(jpeg, mosaic=SIZE),
        "raw, JPEG of 1616 × 1080 inside": raws.raw(jpeg_of(large.resize(SMALL)), mosaic=SIZE),
        "raw, no JPEG inside: half size": raws.raw(None, mosaic=SIZE),
    }
    if heic.is_file():
        data = heic.read_bytes()
        pixels = decode.decode(data)
        size = f"{pixels.width * pixels.height / 1e6:.0f} MP"
        made |= {f"HEIC, {size}": data, f"JPEG, {size}": jpeg_of(pixels)}
    return made


def jpeg_of(image: Image.Image) -> bytes:
    """As a camera writes it: quality 92, chroma halved."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92, subsampling="4:2:0")
    return file.getvalue()


def measured(data: bytes, times: int) -> tuple[list[float], int]:
    """Median milliseconds of each use, after one that is not counted, and the peak megabytes of the process."""
    pool = Pool(1, worker.__name__)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        photo = Original(file.name, stat_of(file.name))
        took = [median(lambda use=use: use(pool, photo), times) for use in USES.values()]
    (process,) = pool.processes()
    peak = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
    pool.close()
    return took, int(peak.split()[1]) >> 10


def median(use: Callable[[], object], times: int) -> float:
    """Milliseconds."""
    use()
    measured = []
    for _ in range(times):
        started = time.perf_counter()
        use()
        measured.append(1000 * (time.perf_counter() - started))
    return statistics.median(measured)


if __name__ == "__main__":
    main()
