"""Row 10: peak memory for a million photos, while embedding and in the app.

Embedding is measured at three sizes, decoding small JPEGs, with a toy encoder of 768 dimensions, and extrapolated to a
million along a fitted line. The app is measured at full size with synthetic embeddings.
"""

import socket
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.harness import fresh, watched
from benchmarks.speed.material import Material, Project, Toy, name_of
from benchmarks.speed.report import Aim, Row
from imlcull_al import open_session
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.load import load_encoder

MILLION = 1_000_000
SIZES = (20_000, 50_000, 100_000)


def measure(material: Material) -> list[Row]:
    """Embedding, embedding again, and the app."""
    count = material.some(MILLION, 20_000)
    made = material.project(count, empty=True, answers=100)
    return [*measure_embedding(material), measure_again(material, made, count), measure_app(material, made, count)]


def measure_embedding(material: Material) -> list[Row]:
    """Extrapolated from three sizes along a fitted line."""
    sizes = [size // 50 for size in SIZES] if material.quick else SIZES
    made = material.project(sizes[-1])
    found = [fresh(embed, stage=str(made.stage), count=size, work=str(material.work)) for size in sizes]
    seen = ", ".join(f"{size:,}: {one['peak']:.2f} GiB" for size, one in zip(sizes, found, strict=True))
    what, unit = f"embed {MILLION:,} photos, 768 numbers each", "GiB"
    note = (
        f"peak resident memory, mapped files included, on the line through what was measured ({seen}); toy encoder "
        f"without weights, small JPEGs; the decoders' own processes take {found[-1]['children']:.2f} GiB beside it"
    )
    peak, anonymous = (line_at(MILLION, sizes, [one[name] for one in found]) for name in ("peak", "anonymous"))
    return [
        Row("10", what, [peak], aim=Aim("below", 1.5), unit=unit, note=note),
        Row("10", "of it, what no file holds", [anonymous], unit=unit),
    ]


def measure_again(material: Material, made: Project, count: int) -> Row:
    """Embedding again with a warm cache: existing rows don't stay in memory."""
    found = fresh(again, stage=str(made.stage), count=count, cache=str(made.cache), model=str(material.base()))
    note = "peak resident memory, mapped files included; every row is in the cache, read and checked"
    return Row("10", f"embed {count:,} photos again", [found["peak"]], aim=Aim("below", 1.5), unit="GiB", note=note)


def measure_app(material: Material, made: Project, count: int) -> Row:
    """Opened, ordered and served."""
    found = fresh(app, folder=str(made.folder), cache=str(made.cache), model=str(material.base()))
    note = (
        f"peak resident memory of the process, mapped files included; {found['anonymous']:.2f} GiB at most were no "
        "mapped file. Scores fitted, first 20 listed, GET / answered"
    )
    what = f"the app on {count:,} photos, 768 numbers each"
    return Row("10", what, [found["peak"]], aim=Aim("below", 4), unit="GiB", note=note)


def line_at(place: float, sizes: Any, values: Any) -> float:
    """Least-squares line through the points, evaluated at `place`."""
    slope, start = np.polyfit(np.asarray(sizes, float), np.asarray(values, float), 1)
    return float(start + slope * place)


def embed(stage: str, count: int, work: str) -> dict[str, float]:
    """Runs in a process of its own: embed the first `count` photos of a stage into an empty cache; seconds, and GiB."""
    paths = {name_of(number): f"{stage}/{name_of(number)}" for number in range(count)}
    with tempfile.TemporaryDirectory(dir=work) as cache, watched() as most:
        since = time.perf_counter()
        seen = embeddings.fill(paths, Toy(), Path(cache))
        most["seconds"] = time.perf_counter() - since
        assert seen.computed == count
    return most


def again(stage: str, count: int, cache: str, model: str) -> dict[str, float]:
    """Runs in a process of its own: the same with a warm cache."""
    paths = {name_of(number): f"{stage}/{name_of(number)}" for number in range(count)}
    with watched() as most:
        assert embeddings.fill(paths, load_encoder(model), Path(cache)).found == count
    return most


def app(folder: str, cache: str, model: str) -> dict[str, float]:
    """Runs in a process of its own: a session with scores, and a page on it."""
    with watched() as most:
        session = open_session(folder, model=model, cache_dir=cache)
        session.answer(session.listing.keys[0], "keep")
        assert len(session.order(20)) == 20
        served(session)
    session.undo()
    return most


def served(session: Any) -> None:
    """Request the page once."""
    from imlcull_al import ui
    from imlcull_al.session.desk import Desk

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = ui.serve(Desk(session), "127.0.0.1", port)
    with urllib.request.urlopen(page.local_url, timeout=60) as reply:
        assert reply.status == 200
    page.close(verbose=False)
