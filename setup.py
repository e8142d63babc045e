"""Builds in a temporary folder, because setuptools would package stale files from an earlier build in `build/`.

What requirements.txt pins exactly, so that everybody runs what was tested, the package takes in any later version of
the same major number, so that it can share an environment with others. The libraries of raw, HEIC and JPEG XL are the
package's extra `raw`.
"""

import re
import tempfile
from pathlib import Path

from setuptools import setup

RAW = ("rawpy", "pi-heif", "pylibjxl")


def requirements(name: str) -> list[str]:
    """The lines of a requirements file, without comments and exact pins."""
    lines = [line.partition("#")[0].strip() for line in Path(name).read_text(encoding="utf-8").splitlines()]
    return [re.sub(r"==(\d+\.\d+)\.\d+", r"~=\1", line) for line in lines if line]


lines = requirements("requirements.txt")
raw = [line for line in lines if line.startswith(RAW)]
cluster = requirements("requirements-cluster.txt")
with tempfile.TemporaryDirectory() as folder:
    setup(
        options={"build": {"build_base": folder}, "egg_info": {"egg_base": folder}},
        install_requires=[line for line in lines if line not in raw],
        extras_require={"raw": raw, "cluster": cluster, "all": raw + cluster},
    )
