"""Ids of 16 bytes as arrays, (N, 16) uint8: arithmetic only."""

from collections.abc import Sequence

import numpy as np


def as_bytes(ids: Sequence[str]) -> np.ndarray:
    """N ids of 32 hexadecimal digits → (N, 16) uint8."""
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 16)


def as_hex(ids: np.ndarray) -> list[str]:
    """The inverse of `as_bytes`."""
    digits = ids.tobytes().hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]


def places(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(n,) where each of `wanted` (n, 16) first occurs in `ids` (m, 16); −1 for nowhere."""
    if not len(ids) or not len(wanted):
        return np.full(len(wanted), -1, np.intp)
    sought, known = _halves(wanted), _halves(ids)
    keys = _mixed(known)
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], _mixed(sought))
    at = order[np.minimum(at, len(order) - 1)]
    return np.where((known[at] == sought).all(axis=1), at, -1)


def last_of_each(ids: np.ndarray) -> np.ndarray:
    """Ascending places in `ids` (n, 16) where each distinct id last occurs."""
    keys = _mixed(_halves(ids))
    return np.sort(len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1])


class IdSet:
    """A set of ids in 8 bytes each. One in 2**64 others is taken for one of them."""

    def __init__(self, ids: np.ndarray) -> None:
        """`ids`: (N, 16) uint8."""
        self._halves = np.sort(_halves(ids)[:, 0])

    def __contains__(self, content_id: object) -> bool:  # noqa: D105
        half = _halves(as_bytes([str(content_id)]))[0, 0]
        at = np.searchsorted(self._halves, half)
        return bool(at < len(self._halves) and self._halves[at] == half)


def _halves(ids: np.ndarray) -> np.ndarray:
    """(N, 16) uint8 → (N, 2) uint64."""
    return np.ascontiguousarray(ids).view("<u8")


def _mixed(halves: np.ndarray) -> np.ndarray:
    """(n, 2) uint64 → (n,). Two ids that collide cost a computation, not a wrong row: only one of them is found."""
    mixed: np.ndarray = halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) + halves[:, 1]
    return mixed
