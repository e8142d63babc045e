"""Rows 1, 2 and 11: embedding 24 MP JPEGs, against Hugging Face's pipeline, a hardware floor, and without the built-in
encoder.

The floor is the best that these CPU cores could do: decoding at the smallest scale that covers the encoder's input, and
one forward pass over pixels in memory. The two are added, because both want all cores.
"""

import io
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.speed.harness import alternate, fresh, seconds
from benchmarks.speed.material import Material, forward_of
from benchmarks.speed.report import Aim, Row, figure
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.load import BESIDE, load_encoder

PIPELINE = "transformers' image-feature-extraction pipeline, float32"
BATCHES = (1, 16)
FLOOR_BATCHES = (8, 16, 32)
PASSES = 3
"""Passes of the model alone; the fastest counts."""
WARM_UP = 4
FEW = 20
"""Photos for the slow side."""


def measure_tiny(material: Material) -> list[Row]:
    """ViT-Tiny."""
    count = material.some(200, 8)
    return compare("1", "ViT-Tiny", material, material.model, count, Aim("faster", 12), Aim("share", 0.85))


def measure_base(material: Material) -> list[Row]:
    """ViT-B/16."""
    count = material.some(80, 8)
    return compare("2", "ViT-B/16", material, material.base(), count, Aim("faster", 2), Aim("share", 0))


def measure_tiles(material: Material) -> list[Row]:
    """An encoder with and without the built-in one: the cost of full-resolution tiles."""
    return [
        beside("ViT-B/16", material, material.base(), material.some(60, 8)),
        beside("ViT-Tiny", material, material.model, material.some(120, 8)),
    ]


def beside(name: str, material: Material, model: Path, count: int) -> Row:
    """Milliseconds per photo with and without the built-in encoder."""
    paths = material.large(WARM_UP + count)
    work = partial(fresh, embed, warm=paths[:WARM_UP], photos=paths[WARM_UP:], work=str(material.work))
    found = alternate(
        material.turns(3), both=partial(work, model=f"{model}{BESIDE}"), plain=partial(work, model=str(model))
    )
    both, plain = ([one["milliseconds"] for one in found[side]] for side in ("both", "plain"))
    note = f"{count} photos; tiles in full resolution come from the same reading of the file"
    return Row(
        "11", f"embed 24-megapixel JPEGs, {name} + built-in", both, f"{name} alone", plain, Aim("times", 1.5),
        "ms a photo", note,
    )  # fmt: skip


def compare(number: str, name: str, material: Material, model: Path, count: int, faster: Aim, share: Aim) -> list[Row]:
    """Milliseconds per photo against pipeline and floor, and the agreement of the embeddings."""
    paths, few = material.large(WARM_UP + count), material.some(FEW, 4)
    warm, photos = paths[:WARM_UP], paths[WARM_UP:]
    works = {
        "ours": partial(fresh, embed, model=str(model), warm=warm, photos=photos, work=str(material.work)),
        "floor": partial(fresh, floor, model=str(model), photos=photos),
    }
    for size in BATCHES:
        works[f"theirs {size}"] = partial(
            fresh, pipeline, model=str(model), warm=warm[0], photos=photos[:few], batch_size=size
        )
    found = alternate(material.turns(3), **works)
    spent = {side: [one["milliseconds"] for one in runs] for side, runs in found.items()}
    best = min(BATCHES, key=lambda size: median(spent[f"theirs {size}"]))
    cosines = cosine(found["ours"][0]["rows"][:few], found[f"theirs {best}"][0]["rows"])
    decoding, passing = (median([one[part] for one in found["floor"]]) for part in ("decode", "model"))
    against_pipeline = (
        f"{count} photos, the pipeline {few} of them, with batches of {best}, the faster of "
        f"{' and '.join(map(str, BATCHES))}; model loaded and warm on both sides"
    )
    against_floor = (
        f"decoding {figure(decoding)} ms a photo by a thread a core with Pillow's draft, the model alone, a "
        f"batch a core, {figure(passing)} ms with the best of batches of {', '.join(map(str, FLOOR_BATCHES))}; the "
        "floor is their sum"
    )
    agree = f"the smallest of {few}; smaller decoding and precision are both in it"
    work, unit, ours = f"embed 24-megapixel JPEGs, {name}", "ms a photo", spent["ours"]
    return [
        Row(number, work, ours, PIPELINE, spent[f"theirs {best}"], faster, unit, against_pipeline),
        Row(number, f"the same, {name}", ours, "the floor", spent["floor"], share, unit, against_floor),
        Row(number, f"cosine to the pipeline's, {name}", [min(cosines)], "", (), Aim("above", 0.999), "", agree),
    ]


def embed(model: str, warm: list[str], photos: list[str], work: str) -> dict[str, Any]:
    """Runs in a process of its own: embed into an empty cache, with the model loaded."""
    encoder = load_encoder(model)
    with tempfile.TemporaryDirectory(dir=work) as cache:
        embeddings.ensure({path: Path(path) for path in warm}, encoder, Path(cache) / "warm")
        since = time.perf_counter()
        seen = embeddings.ensure({path: Path(path) for path in photos}, encoder, Path(cache) / "cold")
        took = time.perf_counter() - since
    assert seen.computed == len(photos)
    return {"milliseconds": 1000 * took / len(photos), "rows": np.asarray(seen.rows[:20]).tolist()}


def pipeline(model: str, warm: str, photos: list[str], batch_size: int) -> dict[str, Any]:
    """Runs in a process of its own: the documented usage, with tensors instead of lists because they are cheaper."""
    import transformers

    extract = transformers.pipeline("image-feature-extraction", model=model)
    extract(warm)
    since = time.perf_counter()
    found = extract(photos, batch_size=batch_size, return_tensors=True)
    took = time.perf_counter() - since
    return {"milliseconds": 1000 * took / len(photos), "rows": [each[0, 0].tolist() for each in found]}


def floor(model: str, photos: list[str]) -> dict[str, float]:
    """Runs in a process of its own: milliseconds per photo for decoding alone, for the model alone, and their sum."""
    import torch

    encoder = load_encoder(model)
    side = encoder.architecture.preprocessing.side

    def decode(path: str) -> None:
        with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
            scale = min(image.size) / side
            image.draft("RGB", (int(image.width / scale), int(image.height / scale)))
            image.load()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, photos[:4]))
        decoding = seconds(lambda: list(pool.map(decode, photos))) / len(photos)
    forward, cores = forward_of(encoder), os.cpu_count() or 1
    passes = []
    for batch in FLOOR_BATCHES:
        batches = [torch.rand(batch, 3, side, side) * 2 - 1] * cores
        with ThreadPoolExecutor(cores) as pool:
            passes += [seconds(lambda: list(pool.map(forward, batches))) / batch / cores for _ in range(PASSES)]  # noqa: B023
    spent = {"decode": 1000 * decoding, "model": 1000 * min(passes)}
    return {**spent, "milliseconds": sum(spent.values())}


def cosine(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> list[float]:
    """Cosine of each photo's two embeddings."""
    a, b = np.array(ours, np.float64), np.array(theirs, np.float64)
    return ((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).tolist()
