"""Rows 6 and 7: fine-tuning on 400 labels, against a plain PyTorch loop that decodes every photo in every epoch."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.speed.harness import alternate, fresh, seconds
from benchmarks.speed.material import Material
from benchmarks.speed.report import Aim, Row
from imlcull_al.encoding.load import load_encoder
from imlcull_al.project.stages import open_stage
from imlcull_al.training import train
from imlcull_al.training.options import Options

FEW_BLOCKS = 2
GPU_BATCH = 64
BASE_FLOP = 35.2e9
"""FLOP of a ViT-B/16 forward pass at 224 × 224 (17.6 G multiply-adds); a training step takes three times as many."""


def measure(material: Material) -> list[Row]:
    """On the CPU."""
    count, epochs = material.some(400, 16), material.some(10, 2)
    photos = material.large(count)
    call = {"model": str(material.model), "photos": photos, "epochs": epochs}
    works = {
        "ours": lambda: fresh(tune, **call, work=str(material.work)),
        "plain": lambda: fresh(plain_loop, **call, workers=0),
        "workers": lambda: fresh(plain_loop, **call, workers=os.cpu_count()),
    }
    has_blocks = "train_blocks" in {field.name for field in fields(Options)}
    if has_blocks:
        works["few"] = lambda: fresh(tune, **call, work=str(material.work), blocks=FEW_BLOCKS)
    found = alternate(material.turns(1), **works)
    plain, workers = "a plain PyTorch loop, float32", "the same loop, a worker a core"
    note = (
        f"the loop decodes every photo every epoch; one of its epochs was measured and taken {epochs} times, its start "
        "once. Imports are in neither side"
    )
    what = f"fine-tune on {count} labels, {epochs} epochs, 24-megapixel JPEGs, ViT-Tiny"
    few = f"the same, last {FEW_BLOCKS} blocks only"
    rows = [
        Row("6", what, found["ours"], plain, found["plain"], Aim("faster", 3), note=note),
        Row("6", "the same", found["ours"], workers, found["workers"], Aim("faster", 3)),
    ]
    if not has_blocks:
        return [*rows, Row("6", few, note="the option train_blocks is not there.")]
    return [
        *rows,
        Row("6", few, found["few"], plain, found["plain"], Aim("faster", 8)),
        Row("6", few, found["few"], workers, found["workers"], Aim("faster", 8)),
    ]


def tune(model: str, photos: list[str], epochs: int, work: str, blocks: int | None = None) -> float:
    """Runs in a process of its own: seconds of a whole training, decoding and startup included."""
    import torch  # noqa: F401 - imports are in neither side
    import transformers  # noqa: F401

    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        (folder / "stage_1").symlink_to(Path(photos[0]).parent, target_is_directory=True)
        keys = [Path(path).name for path in photos]
        labels = {key: "keep" if keeps(number) else "cull" for number, key in enumerate(keys)}
        more: dict[str, Any] = {} if blocks is None else {"train_blocks": blocks}
        options = Options(epochs=epochs, patience=epochs, **more)
        bursts = {key: number for number, key in enumerate(keys)}
        since = time.perf_counter()
        done = train.train(open_stage(folder), load_encoder(model), labels, options, burst_of=bursts)
        took = time.perf_counter() - since
    assert len(done.epochs) == epochs, done.summary
    return took


def keeps(number: int) -> bool:
    """The label of a photo, by the photograph it was made from."""
    return number % 10 < 5


def plain_loop(model: str, photos: list[str], epochs: int, workers: int) -> float:
    """Runs in a process of its own: seconds of `epochs` epochs, extrapolated from startup and one epoch. A quarter
    validates.
    """
    import torch
    from torch.utils.data import DataLoader, Dataset
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    since = time.perf_counter()
    processor = AutoImageProcessor.from_pretrained(model)
    classifier = AutoModelForImageClassification.from_pretrained(model, num_labels=2, ignore_mismatched_sizes=True)

    class Photos(Dataset):
        def __init__(self, numbers: Sequence[int]) -> None:
            self.numbers = numbers

        def __len__(self) -> int:
            return len(self.numbers)

        def __getitem__(self, place: int) -> tuple[Any, int]:
            number = self.numbers[place]
            with Image.open(photos[number]) as image:
                pixels = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
            return pixels, 0 if keeps(number) else 1

    mixed = np.random.default_rng(0).permutation(len(photos)).tolist()
    cut = len(mixed) // 4
    sides = [
        DataLoader(Photos(side), batch_size=64, shuffle=True, num_workers=workers)
        for side in (mixed[cut:], mixed[:cut])
    ]
    optimiser = torch.optim.Adam(classifier.parameters(), lr=1e-4)
    started = time.perf_counter() - since

    def epoch() -> None:
        classifier.train()
        for pixels, target in sides[0]:
            loss = torch.nn.functional.cross_entropy(classifier(pixels).logits, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        classifier.eval()
        with torch.inference_mode():
            for pixels, _ in sides[1]:
                classifier(pixels)

    return started + epochs * seconds(epoch)


def measure_gpu(material: Material) -> list[Row]:
    """On a GPU. Written without access to one: untested."""
    import torch

    what = f"fine-tune a ViT-B/16 on a GPU, batches of {GPU_BATCH}, share of the bfloat16 peak"
    if not torch.cuda.is_available():
        return [Row("7", what, note="no GPU.")]
    call = {"model": str(material.base()), "photos": material.large(400), "work": str(material.work)}
    found = [fresh(on_gpu, **call) for _ in range(material.turns(3))]
    ours, peak = ([one[side] for one in found] for side in ("ours", "peak"))
    note = "this row was never tried before it ran here: look at it before you believe it"
    return [Row("7", what, ours, "matmul of 8192 × 8192", peak, unit="TFLOP/s", note=note)]


def on_gpu(model: str, photos: list[str], work: str) -> dict[str, float]:
    """Runs in a process of its own: TFLOP/s of the epochs after the first, and of a large matrix product."""
    import torch

    a = torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda")
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    peak = 20 * 2 * 8192**3 / (time.perf_counter() - since)
    del a
    short, long = (tune(model, photos, epochs, work) for epochs in (1, 5))
    passes = 3 * 0.75 + 0.25  # per epoch: forward and backward (twice the cost) in training, forward in validation
    achieved = 4 * len(photos) * passes * BASE_FLOP / (long - short)
    return {"ours": achieved / 1e12, "peak": peak / 1e12}
