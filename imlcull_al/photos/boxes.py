"""The boxes of ISO base media files: HEIF, JPEG XL, CR3. ISO/IEC 14496-12. Hostile sizes end the walk."""

from collections.abc import Iterator

_MOST = 4096


def inside(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of the boxes that `data` is made of."""
    at = 0
    for _ in range(_MOST):
        if at + 8 > len(data):
            return
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if end < at + head:
            return
        yield kind, data[at + head : end]
        at = end


def first(data: memoryview, wanted: bytes) -> memoryview:
    """Content of the first box of a type; empty without it."""
    return next((body for kind, body in inside(data) if kind == wanted), data[:0])
