"""Rows 3 and 4: embedding again without changes, against a stat of every file; the cache, against numpy."""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.speed.harness import alternate, command, fresh, seconds
from benchmarks.speed.material import Material, Project, content_ids, fill
from benchmarks.speed.report import Aim, Row
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.cache import EmbeddingCache
from imlcull_al.encoding.load import load_encoder
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import open_stage

DIM = 768


def measure(material: Material) -> list[Row]:
    """Embed again, nothing changed."""
    count = material.some(100_000, 3000)
    made = material.project(count, answers=100)
    known_to(made, count, material.model)
    rows = []
    for model, name in ((material.model, "192 numbers each"), (material.base(), f"{DIM} numbers each")):
        found = fresh(again, folder=str(made.folder), cache=str(made.cache), model=str(model), turns=material.turns(5))
        work, against = f"embed again, nothing changed, {count:,} photos, {name}", "os.scandir and a stat of each file"
        note = "list_photos and fill in a process that is warm, encoder opened"
        rows.append(Row("3", work, found["ours"], against, found["theirs"], Aim("times", 2), note=note))
        words = ("-m", "imlcull_al", "embed", "--project", made.folder, "--model", model, "--cache-dir", made.cache)
        whole = [command(*map(str, words)) for _ in range(material.turns(3))]
        rows.append(Row("3", f"the whole command, {name}", whole))
    return rows


def measure_cache(material: Material) -> list[Row]:
    """The cache alone."""
    count = material.some(100_000, 10_000)
    found = fresh(cached, count=count, work=str(material.work), turns=material.turns(5))
    what = f"{count:,} × {DIM} float32"
    note = "one append to a new file, which is not forced to the disk. Files are in the page cache when they are read"
    aim = Aim("times", 1.5)
    return [
        Row("4", f"add {what} to the cache", found["append"], "numpy.save", found["save"], aim, note=note),
        Row("4", "the same", found["append"], "numpy.save and fsync", found["save, fsync"], aim),
        Row("4", f"read {what} from the cache", found["read"], "numpy.load", found["load"], aim),
    ]


def known_to(made: Project, count: int, model: Path) -> None:
    """Add rows of a second encoder."""
    marker = made.cache / f"{model.name}.ready"
    if not marker.exists():
        fill(made, content_ids(count), load_encoder(str(model)))
        marker.touch()


def again(folder: str, cache: str, model: str, turns: int) -> dict[str, list[float]]:
    """Runs in a process of its own, after one warm-up round."""
    stage, encoder = open_stage(folder), load_encoder(model)

    def ours() -> None:
        paths = stage.paths(list_photos(stage).keys)
        seen = embeddings.fill(paths, encoder, Path(cache))
        assert seen.computed == 0 and seen.found == len(paths)

    def theirs() -> None:
        with os.scandir(stage.folder) as entries:
            for entry in entries:
                entry.stat()

    ours()
    theirs()
    return alternate(turns, ours=lambda: seconds(ours), theirs=lambda: seconds(theirs))


def cached(count: int, work: str, turns: int) -> dict[str, list[float]]:
    """Runs in a process of its own; each turn removes what the last one wrote."""
    rows = np.random.default_rng(0).standard_normal((count, DIM), dtype=np.float32)
    ids = [f"{number:032x}" for number in range(count)]

    def flushed(step: Callable[[], object]) -> float:
        os.sync()  # exclude earlier writes from the measurement
        return seconds(step)

    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        array, cache = folder / "rows.npy", folder / "cache"

        def opened() -> EmbeddingCache:
            cache.mkdir(exist_ok=True)
            return EmbeddingCache(cache, "0" * 64, DIM, "none", "none")

        def append() -> float:
            shutil.rmtree(cache, ignore_errors=True)
            return flushed(partial(opened().append, ids, rows, {}))

        def save(*, durably: bool) -> float:
            array.unlink(missing_ok=True)

            def write() -> None:
                with array.open("wb") as file:
                    np.save(file, rows)
                    if durably:
                        file.flush()
                        os.fsync(file.fileno())

            return flushed(write)

        def check() -> None:
            again = opened()
            there, _ = again.find(again.ids())
            assert np.count_nonzero(there) == count

        append()
        save(durably=False)
        return alternate(
            turns,
            append=append,
            read=lambda: flushed(check),
            save=lambda: save(durably=False),
            **{"save, fsync": lambda: save(durably=True)},
            load=lambda: flushed(lambda: np.load(array)),
        )
