"""Which photo is embedded next, and when the part that is embedded is worth handing out. Pure arithmetic.

Photos are numbered in key order, which is the order of time for the names that cameras give: frames of one moment lie
side by side. Independent of photos, files and encoders.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import numpy as np

GROWTH = 1.5
"""Ratio of the sizes of two parts that are handed out one after the other, so that all parts together cost as much as
a few times the last one.
"""
SECONDS = 2.0
"""Least seconds between two parts."""
SHARE = 0.1
"""Most of the time of one processor that handing out parts may take."""


def spread(count: int) -> np.ndarray:
    """(count,) the numbers below `count`, ordered so that every prefix is spread evenly: 0, the middle, the quarters,
    the eighths, …

    They count up with their bits reversed (van der Corput 1935), without those that are too large.
    """
    bits = max(count - 1, 0).bit_length()
    counted = np.arange(1 << bits)
    turned = np.zeros_like(counted)
    for bit in range(bits):
        turned |= ((counted >> bit) & 1) << (bits - 1 - bit)
    return turned[turned < count]


def urgent_first(order: Iterable[int], urgent: Callable[[], Iterable[int]], every: int) -> Iterator[int]:
    """The numbers of `order`, each once. Those that `urgent()` names, which is asked again every few numbers, go before
    all others.
    """
    order = list(order)
    left, others = set(order), iter(order)
    while left:
        for number in islice((number for number in chain(urgent(), others) if number in left), every):
            left.remove(number)
            yield number


def is_worth_it(count: int, before: int, *, is_urgent: bool, since: float, cost: float) -> bool:
    """Whether to hand out a part of `count` photos, the last one having had `before`.

    `is_urgent`: it has photos that somebody waits for. `since`: seconds since the last part was handed out, which took
    `cost` seconds of a processor.
    """
    has_grown = count >= GROWTH * before or is_urgent
    return count > before and has_grown and since >= max(SECONDS, cost / SHARE)
