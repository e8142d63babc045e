"""Processes that run code as `python -c` does, forked from one that has imported what a training needs.

They share nothing else; but importing torch, transformers and scikit-learn anew takes each of them seconds.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_IMPORTED = ("imlcull_al.encoding.backbone", "imlcull_al.training.figures", "sklearn.linear_model", "accelerate")
_SERVER.set_forkserver_preload([__name__, *_IMPORTED])


def start(code: str, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> BaseProcess:
    """Run `code` with `words` as its arguments; its output goes to the files `out` and `err` of this folder."""
    process = _SERVER.Process(target=_run, args=(code, words, environment, folder), daemon=True)
    process.start()
    return process


def _run(code: str, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.update(environment)
    sys.argv[1:] = words
    exec(code, {"__name__": "__main__"})
