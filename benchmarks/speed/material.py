"""Test data: 24 MP JPEGs, weights, and projects of many photos with a warm cache.

Everything is made once in a folder and reused; a name with `.ready` next to it is complete. The only module here that
knows how the cache is filled and how an encoder runs its model.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imlcull_al import open_session
from imlcull_al.culling.plan import Decision, Plan, make_plan
from imlcull_al.encoding.cache import Content, ContentIds, EmbeddingCache
from imlcull_al.encoding.encoder import VisionEncoder
from imlcull_al.encoding.ids import as_hex
from imlcull_al.encoding.load import load_encoder
from imlcull_al.photos import read as photos
from imlcull_al.photos.read import Views
from imlcull_al.project.listing import Listing
from imlcull_al.project.originals import stat_of
from imlcull_al.project.stages import open_stage

WIDTH, HEIGHT = 6000, 4000
ORIGINALS = 10
BASE_CONFIG = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
CLUSTERS = 50
CHUNK = 20_000
BURST, SECOND, MINUTE = 5, 1.0, 60.0


@dataclass(frozen=True)
class Project:
    """A project folder and its cache."""

    folder: Path
    cache: Path

    @property
    def stage(self) -> Path:
        """The folder of photos."""
        return self.folder / "stage_1"


@dataclass(frozen=True)
class Material:
    """`photos`: contains `fullsize_cc0`; `model`: folder of a small vision transformer; `work`: where data are made."""

    photos: Path
    model: Path
    work: Path
    quick: bool

    def turns(self, usual: int) -> int:
        """Number of repetitions."""
        return 1 if self.quick else usual

    def some(self, usual: int, quick: int) -> int:
        """A number of photos or epochs: `usual`, or `quick` with `--quick`."""
        return quick if self.quick else usual

    def large(self, count: int) -> list[str]:
        """`count` distinct 24 MP JPEGs of 4 to 10 MB: four crops of photographs at native resolution, saved as cameras
        do (quality 95, 4:2:2). A few bytes after the end of the image make every file unique.
        """
        folder, originals = self.work / "large", self.work / "originals"
        if not _ready(originals):
            originals.mkdir(parents=True, exist_ok=True)
            chance = np.random.default_rng(5)
            sources = sorted((self.photos / "fullsize_cc0").glob("*.jpg"))
            for number in range(ORIGINALS):
                four = [sources[place] for place in chance.integers(len(sources), size=4)]
                _together(four, chance).save(originals / f"{number}.jpg", quality=95, subsampling=1)
            _make_ready(originals)
        sources = sorted(originals.glob("*.jpg"))
        folder.mkdir(exist_ok=True)
        paths = [folder / f"IMG_{number:05}.jpg" for number in range(count)]
        for number, path in enumerate(paths):
            if not path.exists():
                source = sources[number % len(sources)].read_bytes()
                path.write_bytes(source + b"%08d" % number)
        return [str(path) for path in paths]

    def base(self) -> Path:
        """Folder of a ViT-B/16 with seeded random weights and the preprocessing of `model`."""
        folder = self.work / "vit-base"
        if not _ready(folder):
            import torch
            from transformers import ViTConfig, ViTModel

            torch.manual_seed(0)
            ViTModel(ViTConfig(**BASE_CONFIG), add_pooling_layer=False).save_pretrained(folder)
            shutil.copy(self.model / "preprocessor_config.json", folder)
            _make_ready(folder)
        return folder

    def project(self, count: int, *, empty: bool = False, answers: int = 0) -> Project:
        """A project of `count` photos, small JPEGs or `empty` files, half of `answers` labeled keep and half cull. Its
        cache is complete, with rows of the ViT-B/16.
        """
        name = f"{'empty' if empty else 'small'}_{count}_{answers}"
        made = Project(self.work / name, self.work / f"{name}_cache")
        if not _ready(made.folder):
            made.stage.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (made.stage / name_of(number)).write_bytes(b"" if empty else small_jpeg(number))
            ids = content_ids(count, empty=empty)
            remember(made, ids)
            fill(made, ids, load_encoder(str(self.base())))
            if answers:
                answer(made, self.base(), count, answers)
            _make_ready(made.folder)
        return made


def name_of(number: int) -> str:
    """The key of a photo; keys sort by number."""
    return f"IMG_{number:07}.jpg"


def small_jpeg(number: int) -> bytes:
    """A unique JPEG of 96 × 64 pixels."""
    return _SMALL[number % len(_SMALL)] + b"%08d" % number


def _small_jpegs() -> Iterator[bytes]:
    for seed in range(64):
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(file, "JPEG")
        yield file.getvalue()


_SMALL = list(_small_jpegs())


def _together(paths: Sequence[Path], chance: np.random.Generator) -> Image.Image:
    """A collage of four random crops, one per quarter."""
    large, width, height = Image.new("RGB", (WIDTH, HEIGHT)), WIDTH // 2, HEIGHT // 2
    for quarter, path in enumerate(paths):
        with Image.open(path) as image:
            left, top = chance.integers(image.width - width), chance.integers(image.height - height)
            part = image.convert("RGB").crop((left, top, left + width, top + height))
        large.paste(part, (quarter % 2 * width, quarter // 2 * height))
    return large


def rows(count: int, dim: int) -> Iterator[np.ndarray]:
    """Yield blocks (≤ `CHUNK`, dim) float32, `count` rows in total, identical in every process. Photos show one of
    `CLUSTERS` subjects, the same within a burst.
    """
    centres = np.random.default_rng(1).standard_normal((CLUSTERS, dim), dtype=np.float32)
    subject = subjects(count)
    for start in range(0, count, CHUNK):
        some = subject[start : start + CHUNK]
        noise = np.random.default_rng([2, start]).standard_normal((len(some), dim), dtype=np.float32)
        yield centres[some] + noise


def subjects(count: int) -> np.ndarray:
    """(count,) subject of each photo, 0 … `CLUSTERS` − 1."""
    drawn = np.random.default_rng(3).integers(CLUSTERS, size=count // BURST + 1)
    return np.repeat(drawn, BURST)[:count]


def content_ids(count: int, *, empty: bool = False) -> list[str]:
    """Content ids of the photos of `Material.project`; empty files get distinct ids too."""
    return [photos.content_id(b"%08d" % number if empty else small_jpeg(number)) for number in range(count)]


def remember(made: Project, ids: Sequence[str]) -> None:
    """Put the content id of every file into the cache, with times of bursts of five, a second apart."""
    files = ContentIds(made.cache)
    for number, content_id in enumerate(ids):
        path = made.stage / name_of(number)
        taken = number // BURST * MINUTE + number % BURST * SECOND
        files.put(path, stat_of(path), Content(content_id, taken, 0.0))
    files.save()


def fill(made: Project, ids: Sequence[str], encoder: VisionEncoder) -> None:
    """Put a row for every photo into the cache."""
    cache = EmbeddingCache(made.cache, encoder.fingerprint, encoder.dim, encoder.name, photos.DECODER)
    start = 0
    for some in rows(len(ids), encoder.dim):
        cache.append(ids[start : start + len(some)], some, {})
        start += len(some)


def plan_of(made: Project, decisions: Sequence[Decision], listing: Listing) -> Plan:
    """The plan of a cull with these decisions, made as a session does, from cached content ids."""
    stage = open_stage(made.folder, 1)
    paths = list(stage.paths(listing.keys).values())
    _, contents = ContentIds(made.cache).look_up(paths)
    names = dict(zip(paths, as_hex(contents.ids), strict=True))
    return make_plan(stage, decisions, listing, 0.5, "none", lambda path: names.get(str(path)))


def answer(made: Project, model: Path, count: int, answers: int) -> None:
    """Label by subject, which the embeddings separate."""
    session = open_session(made.folder, model=str(model), cache_dir=made.cache, prepare=False)
    subject = subjects(count)
    chosen = np.random.default_rng(4).choice(count, answers, replace=False)
    for label, wanted in (("keep", 0), ("cull", 1)):
        keys = [name_of(number) for number in chosen.tolist() if subject[number] % 2 == wanted]
        session.answer_all(keys, label)


def forward_of(encoder: VisionEncoder) -> Any:
    """The encoder's model alone, as the encoder runs it: (B, 3, H, W) preprocessed float32 tensor → (B, D)."""
    return encoder._shared()


class Toy:
    """An almost free encoder: 16 × 16 mean colors, 768 dimensions."""

    name, notice, dim, views = "toy", "", 768, Views(16)
    fingerprint = hashlib.sha256(b"toy 768").hexdigest()

    def encode(self, images: list[Image.Image], tiles: list[Image.Image] | None = None) -> np.ndarray:
        """B images → (B, 768)."""
        return np.stack([np.asarray(image.resize((16, 16)), np.float32).ravel() for image in images])


def _ready(path: Path) -> bool:
    return path.with_name(f"{path.name}.ready").exists()


def _make_ready(path: Path) -> None:
    path.with_name(f"{path.name}.ready").touch()
