"""Builds in a temporary folder, because setuptools would package stale files from an earlier build in `build/`.

The libraries of raw, HEIC and JPEG XL stand in requirements.txt with all others, and are the package's extra `raw`.
"""

import tempfile
from pathlib import Path

from setuptools import setup

RAW = ("rawpy", "pi-heif", "pylibjxl")


def requirements(name: str) -> list[str]:
    """The lines of a requirements file, without comments."""
    lines = [line.partition("#")[0].strip() for line in Path(name).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


lines = requirements("requirements.txt")
with tempfile.TemporaryDirectory() as folder:
    setup(
        options={"build": {"build_base": folder}, "egg_info": {"egg_base": folder}},
        install_requires=[line for line in lines if not line.startswith(RAW)],
        extras_require={
            "raw": [line for line in lines if line.startswith(RAW)],
            "cluster": requirements("requirements-cluster.txt"),
        },
    )
