"""Builds in a temporary folder: in `build/` setuptools would find what an earlier build left, and ship that too."""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory() as folder:
    setup(options={"build": {"build_base": folder}, "egg_info": {"egg_base": folder}})
