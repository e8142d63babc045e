"""The blind audit stream: a uniformly random order of photos, checked without showing a score.

The order is drawn once, from a seed, and what the stream finds never trains, queries, stops or moves a threshold. That
is what lets its answers measure everything else. Pure arithmetic.
"""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

AUDIT_EVERY = 8
"""One in this many photos shown is a check."""


def stream(keys: Iterable[str], seed: str, first_names: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The keys sorted by a hash of seed and key: a random order that is fixed by the seed.

    Adding or removing photos does not reorder the others. `first_names`: photos keep the place that they had under this
    key. The seed must be drawn at the first answer, independently of the photos; then all orders are equally likely.
    """
    return sorted(keys, key=lambda key: digest(seed, first_names.get(key, key)))


def is_audit_turn(seed: str, shown: int) -> bool:
    """Whether the photo shown after `shown` others (0, 1, …) is a check.

    Each block of `AUDIT_EVERY` photos has one, at a pseudo-random place, so that nobody can tell it by counting.
    """
    block, place = divmod(shown, AUDIT_EVERY)
    return digest(seed, str(block))[0] % AUDIT_EVERY == place


def digest(seed: str, text: str) -> bytes:
    """32 pseudo-random bytes."""
    return hashlib.sha256(f"{seed}\0{text}".encode(errors="surrogateescape")).digest()
