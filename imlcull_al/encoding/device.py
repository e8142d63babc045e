"""The device that models run on, one for the whole process: chosen by the user, or the best of this machine.

The choice is kept in the environment variable `IMLCULL_DEVICE`, so that processes started by this one follow it.
"""

import os
from typing import TYPE_CHECKING

from ..errors import EncoderError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
VARIABLE = "IMLCULL_DEVICE"


def choose(name: str) -> None:
    """Use this device from now on; `auto` for the best of the machine. Raises `EncoderError` if it isn't there."""
    os.environ[VARIABLE] = name
    if name not in ("auto", "cpu"):
        device()


def device() -> "torch.device":
    """The chosen device; by default CUDA, then Apple's MPS, then the CPU. Raises `EncoderError` if it isn't there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = os.environ.get(VARIABLE) or "auto"
    if name == "auto":
        name = next(each for each, is_there in there.items() if is_there)
    if name not in there:
        raise EncoderError(f"There is no device {name!r}. Choose one of {', '.join(DEVICES)} (--device, {VARIABLE}).")
    if not there[name]:
        usable = ", ".join(each for each, is_there in there.items() if is_there)
        raise EncoderError(f"PyTorch finds no {name} device here. Choose another (--device): auto, {usable}.")
    return torch.device(name)
