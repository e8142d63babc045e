"""Builds in a temporary folder, because setuptools would package stale files from an earlier build in `build/`."""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory() as folder:
    setup(options={"build": {"build_base": folder}, "egg_info": {"egg_base": folder}})
