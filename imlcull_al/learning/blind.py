"""The blind audit stream: a uniformly random order of photos, checked without showing a score.

The order is drawn once, from a seed, and what the stream finds never trains, queries, stops or moves a threshold. That
is what lets its answers measure everything else. Pure arithmetic.
"""

import hashlib
from collections.abc import Iterable

AUDIT_EVERY = 8
"""One photo of so many that are shown comes from the audit stream."""


def stream(keys: Iterable[str], seed: str) -> list[str]:
    """The keys in audit order: that of a hash of seed and key. It looks random, is always the same for a seed, and
    the order of the rest stays when photos are added or taken away.

    The seed must be drawn at the first answer, and not from the photos: then any order was as likely as any other.
    """
    return sorted(keys, key=lambda key: _digest(seed, key))


def is_audit_turn(seed: str, shown: int) -> bool:
    """Whether the photo shown after `shown` others (0, 1, …) comes from the audit stream: one in each block of
    `AUDIT_EVERY`, at a place that nobody can tell by counting.
    """
    block, place = divmod(shown, AUDIT_EVERY)
    return _digest(seed, str(block))[0] % AUDIT_EVERY == place


def _digest(seed: str, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode(errors="surrogateescape")).digest()
