"""Shared fixtures: tiny photos, a toy encoder, a tiny real checkpoint. Everything works offline."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # one thread per test worker; set before importing numpy and torch
os.environ["HF_HUB_OFFLINE"] = "1"  # set before importing huggingface_hub: no test waits for the network

import hashlib
import http.client
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from imlcull_al.photos.read import Views

sys.dont_write_bytecode = False  # compiling anew takes each test worker five seconds, and each process half a second
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("quick", deadline=None, suppress_health_check=CHECKS)
settings.register_profile("torture", deadline=None, suppress_health_check=CHECKS, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

TINY_CONFIG = {
    "model_type": "vit", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "image_size": 32, "patch_size": 8,
}  # fmt: skip
TINY_PROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_resize": True, "do_normalize": True,
}  # fmt: skip
OUT_OF_REACH = "nobody/has-this-model"
"""Not cached, and tests can't reach the hub: the built-in encoder replaces it, with a notice."""
WARM, COLD = (200, 80, 40), (40, 80, 200)


class MeanColour:
    """Toy encoder: the embedding is the mean of R, G and B. Counts calls and images."""

    name, reference, notice, fingerprint, dim = "mean colour", "", "", "c0" * 32, 3
    views = Views(8)

    def __init__(self) -> None:
        self.calls = 0
        self.images = 0

    def encode(self, images: Sequence[Image.Image], tiles: Sequence[Image.Image] | None = None) -> np.ndarray:
        assert tiles is None
        self.calls += 1
        self.images += len(images)
        return np.stack([np.asarray(image, np.float32).mean(axis=(0, 1)) for image in images])


STORED = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""EXIF orientation → the `Image.Transpose` that turns an upright photo into the stored one; None for none."""


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as the bytes of a file of this format."""
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def save_photo(path: Path, colour: tuple[int, int, int], seed: int = 0) -> Path:
    """A 40 × 30 JPEG of one color with seeded noise, so that different seeds give different bytes."""
    noise = np.random.default_rng(seed).integers(-20, 20, (30, 40, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def turn_in_place(path: Path) -> None:
    """Set the EXIF orientation of a JPEG that Pillow wrote with orientation 1 to 6, as programs do that turn photos.

    Size, mtime and inode stay.
    """
    before, data = path.stat(), path.read_bytes()
    upright, turned = (b"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes([number]) for number in (1, 6))
    assert data.count(upright) == 1
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock ticks every few milliseconds
        with path.open("r+b") as file:
            file.write(data.replace(upright, turned))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def save_upright(path: Path, colour: tuple[int, int, int], seed: int = 0) -> Path:
    """`save_photo` for `turn_in_place`."""
    exif = Image.Exif()
    exif[0x112] = 1
    Image.open(save_photo(path, colour, seed)).save(path, exif=exif)
    return path


def fill_stage(folder: Path, warm: int = 6, cold: int = 6) -> Path:
    """A stage of photos `warm_00.jpg` … and `cold_00.jpg` …"""
    for name, colour, count in (("warm", WARM, warm), ("cold", COLD, cold)):
        for number in range(count):
            save_photo(folder / f"{name}_{number:02}.jpg", colour, seed=number)
    return folder


def fill_bright_and_dark(folder: Path, count: int) -> Path:
    """A stage of photos `00.jpg` …, even numbers bright and odd numbers dark, and `broken.jpg`, which is not an
    image.
    """
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        level = 200 if number % 2 == 0 else 30
        pixels = chance.integers(level, level + 40, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.jpg")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


def fill_shoot(folder: Path) -> Path:
    """A stage of three bursts of three photos, `00.jpg` … `22.jpg`, the latest first, and `99.jpg` without a time."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(1)
    for burst in range(3):
        scene = chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        for frame in range(3):
            exif = Image.Exif()
            exif.get_ifd(0x8769).update({0x9003: f"2025:05:17 09:{30 - burst * 10:02}:{frame:02}"})
            image = Image.fromarray(scene).resize((160, 120), Image.Resampling.BICUBIC)
            image = image.point([round(tone * (1 - 0.1 * frame)) for tone in range(256)] * 3)
            image.save(folder / f"{burst}{frame}.jpg", exif=exif, quality=80 + frame)
    Image.new("RGB", (60, 40), "white").save(folder / "99.jpg")
    return folder


def label_of(key: str) -> str:
    """The user's taste in the tests: warm photos are kept."""
    return "keep" if "warm" in key else "cull"


def fingerprint_of(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Hash, mtime and mode of every file below a folder. No command may change them in a stage."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def ask(
    address: str, path: str, method: str = "GET", body: str | bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Send a request, return status and body. Unlike urllib, sends `path` verbatim."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    reply = connection.getresponse()
    return reply.status, reply.read(100_000)


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.remove": 1, "os.rename": 2, "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "os.setxattr": 1,
    "os.mkdir": 1, "os.rmdir": 1,
}  # fmt: skip
"""Audit events that modify files, and how many of their arguments are paths. Creating a link modifies no photo."""
TESTS = str(Path(__file__).parent) + os.sep
PACKAGE = str(Path(__file__).parents[1] / "imlcull_al") + os.sep
MAKERS = {"sample.py", "workspaces.py", "archives.py"}
"""Modules that may write into a stage of their own: the sample, and a visitor's workspace."""
EXPORT = str(Path(PACKAGE, "exchange", "step.py"))
"""The module that may write sidecars into any stage, and nothing else."""
_touched: list[str] = []


def _notice_changes(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that records every modification inside a stage folder by the package itself."""
    if event == "open":
        if not isinstance(arguments[2], int) or not arguments[2] & WRITING:
            return
        names = arguments[:1]
    elif event in CHANGES:
        names = arguments[: CHANGES[event]]
    else:
        return
    paths = [Path(os.fsdecode(name)) for name in names if isinstance(name, (str, bytes, os.PathLike))]
    paths = [path for path in paths if not any(part.startswith(".imlcull-") for part in path.parts)]  # temporary
    if any(re.fullmatch(r"stage_\d+", parent.name) for path in paths for parent in path.parents):
        frame = sys._getframe(1)
        if all(path.suffix.casefold() in (".xmp", ".txt") for path in paths) and _is_below(frame, EXPORT):
            return
        while frame and not frame.f_code.co_filename.startswith((PACKAGE, TESTS)):
            frame = frame.f_back
        if frame and frame.f_code.co_filename.startswith(PACKAGE) and Path(frame.f_code.co_filename).name not in MAKERS:
            _touched.append(f"{event} {paths} in {frame.f_code.co_filename}, line {frame.f_lineno}")


def _is_below(frame: FrameType | None, file: str) -> bool:
    """Whether a call came, at some remove, from a function of this file."""
    while frame and frame.f_code.co_filename != file:
        frame = frame.f_back
    return frame is not None


sys.addaudithook(_notice_changes)


@pytest.fixture(autouse=True)
def jobs_give_way_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't lower the priority of jobs: tests running in parallel would starve them."""
    monkeypatch.setattr("imlcull_al.session.jobs._NICENESS", 0)


@pytest.fixture(autouse=True)
def no_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of an open file does nothing: it only matters where a machine loses power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)


@pytest.fixture(autouse=True)
def stages_are_only_read() -> Iterator[None]:
    """Fail any test in which the package modified anything inside a stage."""
    _touched.clear()
    yield
    assert _touched == []


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings without their report, whose plots take most of the time of a short one."""
    monkeypatch.setattr("imlcull_al.training.report.write_report", lambda *arguments, **named: [])


@pytest.fixture
def encoder() -> MeanColour:
    return MeanColour()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with 6 warm and 6 cold photos in stage_1."""
    fill_stage(tmp_path / "project" / "stage_1")
    return tmp_path / "project"


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the built-in encoder's embeddings of thirty photos of `fill_stage`."""
    from imlcull_al.session.session import open_session

    root = tmp_path_factory.mktemp("embedded")
    fill_stage(root / "project" / "stage_1", warm=15, cold=15)
    open_session(root / "project", model="builtin", cache_dir=root / "cache")
    return root / "cache"


@pytest.fixture
def warm_cache(embedded: Path, cache_dir: Path) -> Path:
    """`cache_dir` as a copy of `embedded`."""
    return Path(shutil.copytree(embedded, cache_dir))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`small_disk("512k")`: a folder on a file system of that size. Skips if mounting is not possible."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk_{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"nothing can be mounted here: {error}")
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Hugging Face checkpoint: a two-layer ViT at 32 pixels with seeded weights."""
    return save_checkpoint(tmp_path_factory.mktemp("tiny_vit"), TINY_CONFIG, TINY_PROCESSOR)


def save_checkpoint(folder: Path, config: dict, processor: dict | None, seed: int = 0) -> Path:
    """Write a checkpoint for `config` with seeded weights, as `save_pretrained` does."""
    import torch
    import transformers

    torch.manual_seed(seed)
    fields = {name: value for name, value in config.items() if name != "model_type"}
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(config["model_type"], **fields))
    model.save_pretrained(folder)
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture
def run(cache_dir: Path, tiny_model: Path, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns exit code, stdout and stderr."""
    from imlcull_al.cli.commands import main

    def run(command: str, *arguments: object) -> tuple[int, str, str]:
        extra = [] if command == "demo" else ["--model", str(tiny_model)]
        capsys.readouterr()
        code = main([command, *map(str, arguments), *extra, "--cache-dir", str(cache_dir)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def until(tab: Any, condition: Callable[[], bool]) -> None:
    """Wait for a condition on the server while a tab goes on."""
    for _ in range(300):
        if condition():
            return
        tab.wait_for_timeout(50)
    raise AssertionError("it never came")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def pages() -> Iterator[Any]:
    from pages import Pages  # imports Gradio, which takes seconds

    pages = Pages()
    yield pages
    pages.close()


@pytest.fixture
def serve(pages: Any) -> Iterator[Callable[..., str]]:
    """`serve(place)` shows a desk or workspaces on a page until the test ends, and returns its address."""
    with ExitStack() as stack:
        yield lambda place, *options, **named: stack.enter_context(pages.serving(place, *options, **named))


@pytest.fixture(scope="module")
def keep_serving(pages: Any) -> Iterator[Callable[..., str]]:
    """Like `serve`, until the last test of the module ends."""
    with ExitStack() as stack:
        yield lambda place, *options, **named: stack.enter_context(pages.serving(place, *options, **named))


@pytest.fixture(scope="session")
def windows() -> Iterator[Any]:
    """Chromium; skips if it is not installed."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    from pages import Windows
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        windows = Windows(playwright.chromium.launch(executable_path=CHROMIUM, args=options))
        yield windows
        windows.wake()
        windows.browser.close()


@pytest.fixture
def browser(windows: Any) -> Iterator[Any]:
    """Chromium, for tests that open their own tabs."""
    windows.wake()
    yield windows.browser
    windows.sleep()


@pytest.fixture
def visit(browser: Any, windows: Any, serve: Callable, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """`visit(address)` opens a tab. The test fails on requests to other hosts, script errors and CSP violations."""
    addresses, strangers, defects, opened = [], [], [], []
    failed = request.session.testsfailed

    def visit(address: str, **options: Any) -> Any:
        addresses.append(address.partition("?")[0])
        opened.append(windows.take(addresses[-1], **options))
        tab = opened[-1].tab
        tab.on("request", lambda request: strangers.append(request.url))
        tab.on("pageerror", lambda error: defects.append(str(error)))
        tab.on("console", lambda said: defects.append(said.text) if "Content Security" in said.text else None)
        tab.goto(address)
        return tab

    yield visit
    for window in opened:
        windows.give_back(window, is_usable=request.session.testsfailed == failed)
    assert [url for url in strangers if not url.startswith((*addresses, "data:", "blob:"))] == []
    assert defects == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that drive Chromium."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
