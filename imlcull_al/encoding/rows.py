"""Rows of bytes, each with an id of 16 bytes and a check: arithmetic only.

Every row has a check, 64 bits: start + sum of weight[i] * word[i] modulo 2**64, or 1 where that is 0. Words are the
bytes of the row as little-endian 32-bit numbers, column after column; weight[i] is the i-th little-endian 64-bit number
of SHAKE-128("imlcull check"), its lowest bit set; start is the 8-byte BLAKE2b, little-endian, of the text that the row
belongs to. A row with one wrong word never matches, and one with several by a chance of about 2**-32 (multilinear
hashing, Lemire and Kaser 2014). A row counts where its check matches.
"""

import hashlib
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """Ids (N, 16) uint8 and values (N, ...); `wrong`: how many more were found whose check doesn't match."""

    ids: np.ndarray
    values: np.ndarray
    wrong: int = 0

    def without(self, ids: np.ndarray) -> "Rows":
        """Those whose id is none of `ids` (m, 16), every id once."""
        first = first_of_each(self.ids)
        new = first[places(self.ids[first], ids) < 0]
        return self if len(new) == len(self.ids) else Rows(self.ids[new], self.values[new])


class Found(NamedTuple):
    """Of ids that were sought (n, 16), `there` (n,) bool; their values (n, ...), where they were wanted and are there;
    `wrong`: how many were found whose check doesn't match.
    """

    there: np.ndarray
    values: np.ndarray | None
    wrong: int


@lru_cache(maxsize=8)
def _weights(count: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_128(b"imlcull check").digest(8 * count), "<u8") | np.uint64(1)


def row_checks(belongs_to: str, *columns: np.ndarray) -> np.ndarray:
    """(N,) uint64, never 0, of the rows of columns with N rows each."""
    start = hashlib.blake2b(belongs_to.encode(), digest_size=8).digest()
    checks = np.full(len(columns[0]), np.frombuffer(start, "<u8")[0])
    widths = [column.dtype.itemsize * math.prod(column.shape[1:]) // 4 for column in columns]
    weights = np.split(_weights(sum(widths)), np.cumsum(widths)[:-1])
    for column, width, weight in zip(columns, widths, weights, strict=True):
        words = np.ascontiguousarray(column).view("<u4").reshape(len(column), width)
        checks += np.einsum("ij,j->i", words, weight)
    return np.maximum(checks, np.uint64(1))


def places(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(n,) where each of `wanted` (n, 16) uint8 is among `ids` (m, 16), −1 for nowhere."""
    if not len(ids) or not len(wanted):
        return np.full(len(wanted), -1, np.intp)
    sought, known = (np.ascontiguousarray(each).view("<u8") for each in (wanted, ids))
    keys = _mixed(known)
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], _mixed(sought))
    at = order[np.minimum(at, len(order) - 1)]
    return np.where((known[at] == sought).all(axis=1), at, -1)


def _mixed(halves: np.ndarray) -> np.ndarray:
    """(n, 2) uint64 → (n,), as good as unique: of two ids with the same number only one is found, and one computed."""
    mixed: np.ndarray = halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) + halves[:, 1]
    return mixed


def first_of_each(ids: np.ndarray) -> np.ndarray:
    """Places of the ids (n, 16), ascending, every id once."""
    return np.sort(np.unique(_mixed(np.ascontiguousarray(ids).view("<u8")), return_index=True)[1])
