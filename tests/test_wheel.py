"""What `pip install .` ships: the package's files and nothing else, whatever earlier builds left behind."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.txt", "requirements-cluster.txt")
BUILD = "from setuptools import build_meta; build_meta.build_wheel('out')"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this repository in which somebody built a wheel before a module was removed."""
    pytest.importorskip("setuptools", minversion="77")  # the build backend; nothing is downloaded
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        shutil.copy2(ROOT / name, folder)
    shutil.copytree(ROOT / "imlcull_al", folder / "imlcull_al", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__", "torture"))
    stale = folder / "build" / "lib" / "imlcull_al" / "removed.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("raise AssertionError\n")
    return folder


def needed_by(wheel):
    """The requirements in its metadata."""
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return re.findall(r"^Requires-Dist: (.*)$", archive.read(name).decode(), re.MULTILINE)


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_leaves_nothing_behind(checkout):
    before = sorted(checkout.iterdir())
    subprocess.run([sys.executable, "-c", BUILD], cwd=checkout, capture_output=True, check=True)
    (wheel,) = (checkout / "out").iterdir()
    shipped = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    package = checkout / "imlcull_al"
    assert sorted(shipped) == sorted(
        path.relative_to(checkout).as_posix() for path in package.rglob("*") if path.is_file()
    )
    assert "imlcull_al/builtin/model.safetensors" in shipped
    assert "imlcull_al/py.typed" in shipped
    needed = needed_by(wheel)
    extras = Counter(extra[1] if (extra := re.search(r'extra == "(\w+)"', each)) else "" for each in needed)
    assert extras == {"": 15, "raw": 3, "cluster": 2, "all": 5}
    versions = [each.partition(";")[0] for each in needed]
    assert not [each for each in versions if re.search("[=!<>~]=", each)[0] != "~="]  # an exact pin shares nothing
    assert "torch~=2.13" in [each.strip() for each in versions]
    assert sorted(checkout.iterdir()) == sorted([*before, checkout / "out"])


def test_what_a_build_may_leave_is_no_source():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/build/", "/dist/", "*.egg-info/"} <= set(ignored)
