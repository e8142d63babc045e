"""Row 8: making the next stage of 10,000 photos, every copy verified, against `cp`."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.speed.harness import alternate, fresh, seconds
from benchmarks.speed.material import Material, Project, name_of, plan_of, remember
from benchmarks.speed.report import Aim, Row
from imlcull_al.culling import make
from imlcull_al.culling.copies import LINKS
from imlcull_al.culling.plan import decide
from imlcull_al.photos import read as photos
from imlcull_al.project.listing import list_photos
from imlcull_al.project.stages import open_stage

BYTES = 300_000


def measure(material: Material) -> list[Row]:
    """All photos are kept."""
    count = material.some(10_000, 300)
    made = photos_to_cull(material, count)
    works = {
        f"cull {link}": partial(fresh, next_stage, folder=str(made.folder), cache=str(made.cache), link=link)
        for link in LINKS
    }
    if not makes_reflinks(made.stage):
        del works["cull reflink"]
    works |= {
        "cp": partial(copied, made.stage, ["cp", "-a"]),
        "cp, sync": partial(copied, made.stage, ["cp", "-a"], True),
    }
    if "cull reflink" in works:
        works["cp reflink"] = partial(copied, made.stage, ["cp", "-a", "--reflink=always"])
    found = alternate(material.turns(3), **works)
    what = f"cull {count:,} photos of {BYTES // 1000} kB"
    note = "from the decisions to the stage; every copy is compared with its source and on the disk at the end"
    rows = [
        Row("8", f"{what}, copies", found["cull copy"], "cp -a", found["cp"], Aim("times", 1.5), note=note),
        Row("8", "the same", found["cull copy"], "cp -a && sync", found["cp, sync"], Aim("times", 1.5)),
        Row("8", f"{what}, hard links", found["cull hardlink"], "cp -a", found["cp"], Aim("faster", 20)),
    ]
    reflinks = f"{what}, reflinks"
    if "cull reflink" in found:
        return [*rows, Row("8", reflinks, found["cull reflink"], "cp -a --reflink=always", found["cp reflink"])]
    return [*rows, Row("8", reflinks, note="the file system makes none.")]


def photos_to_cull(material: Material, count: int) -> Project:
    """A project of noise files of `BYTES` bytes each; they are never decoded."""
    made = Project(material.work / f"cull_{count}", material.work / f"cull_{count}_cache")
    made.stage.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).bytes(BYTES - 8)
    ids = []
    for number in range(count):
        data = noise + b"%08d" % number
        ids.append(photos.content_id(data))
        path = made.stage / name_of(number)
        if not path.exists():
            path.write_bytes(data)
    remember(made, ids)
    return made


def makes_reflinks(folder: Path) -> bool:
    """Whether the file system of `folder` supports reflinks."""
    source, target = folder / name_of(0), folder.parent / "reflink"
    words = ["cp", "--reflink=always", str(source), str(target)]
    made = subprocess.run(words, capture_output=True, check=False).returncode == 0
    target.unlink(missing_ok=True)
    return made


def next_stage(folder: str, cache: str, link: str) -> float:
    """Runs in a process of its own: seconds from the decisions to the new stage, which is then removed."""
    made, stage = Project(Path(folder), Path(cache)), open_stage(folder, 1)
    listing = list_photos(stage)
    decisions = decide(dict.fromkeys(listing.keys, 0.9), {}, {})
    os.sync()
    took = seconds(lambda: make.make_stage(plan_of(made, decisions, listing), link))
    shutil.rmtree(stage.next.folder)
    stage.next.manifest.unlink()
    return took


def copied(stage: Path, words: list[str], and_sync: bool = False) -> float:
    """Seconds that `cp` takes for the same folder on the same disk."""
    target = stage.parent / "copied"
    os.sync()

    def copy() -> None:
        subprocess.run([*words, str(stage), str(target)], check=True)
        if and_sync:
            os.sync()

    took = seconds(copy)
    shutil.rmtree(target)
    return took
