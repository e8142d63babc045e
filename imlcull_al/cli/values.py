"""What an option's value must be; the parser says what is wrong with another."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import TrainingError
from ..training.options import Options

LAST_PORT = 65535
Number = TypeVar("Number", int, float)


def count_or_zero(text: str) -> int:
    """A whole number, 0 or more, of a command line. `app.py` has it too."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def port(text: str) -> int:
    """A port of a command line. `app.py` has it too."""
    number = _number(text, int)
    if not 1 <= number <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a port from 1 to {LAST_PORT}")
    return number


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    number = _number(text, int)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose 1 or more")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    share = _number(text, float)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a number from 0 to 1")
    return share


def inner_share(text: str) -> float:
    """A number above 0 and below 1."""
    share = _number(text, float)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose a number between 0 and 1, such as 0.05")
    return share


def seconds(text: str) -> float:
    """A time in seconds, less than an hour."""
    seconds = _number(text, float)
    if not 0 < seconds < 3600:
        raise argparse.ArgumentTypeError(f"{text} is out of range; choose more than 0 seconds, and less than an hour")
    return seconds


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def training_option(name: str, text: str) -> float:
    """An option of a training, refused as the training itself would."""
    value = _number(text, float if name in ("learning_rate", "validation_split") else int)
    given: dict[str, Any] = {name: value}
    try:
        replace(Options(), **given).check()
    except TrainingError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def _number(text: str, kind: Callable[[str], Number]) -> Number:
    try:
        return kind(text)
    except ValueError as error:
        what = "whole number" if kind is int else "number"
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a {what}") from error
