"""The directories of a TIFF-like file, read without decoding: TIFF, and the raw formats that are laid out like one.

Only numbers and short texts are read; offsets and counts are checked against the bytes, which may be hostile.
Independent of what tags mean. TIFF 6.0, and `IIRO`, `IIRS`, `MMOR` (Olympus), `IIU\\0` (Panasonic) in its place.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

HEADS = {
    b"II*\0": "<", b"MM\0*": ">", b"IIRO": "<", b"IIRS": "<", b"MMOR": ">", b"IIU\0": "<", b"MM\0U": ">",
}  # fmt: skip
"""First four bytes → byte order."""
_SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 13: "I"}  # bytes, text, and unsigned numbers of two and four bytes
_ENTRY = 12  # bytes
_MOST_ENTRIES, _MOST_VALUES, _MOST_DIRECTORIES = 1000, 256, 32
SUB_DIRECTORIES = 330
_PLACES = ((273, 279), (324, 325))  # offsets and sizes of strips, and of tiles


class Directory(NamedTuple):
    """One directory and its place in the file: `numbers` by tag, in order; `texts` by tag; `entries`: tag → place."""

    offset: int
    numbers: dict[int, tuple[int, ...]]
    texts: dict[int, str]
    entries: dict[int, int]

    def number(self, tag: int, otherwise: int = 0) -> int:
        """The first number of a tag."""
        return next(iter(self.numbers.get(tag, ())), otherwise)


def directories(data: bytes) -> list[Directory]:
    """The chain of directories, each followed by the subdirectories it names; empty if `data` is not TIFF-like."""
    order = HEADS.get(data[:4])
    if order is None or len(data) < 8:
        return []
    return list(_walked(data, order, struct.unpack(f"{order}I", data[4:8])[0]))


def plain(data: bytes) -> bytes:
    """A TIFF-like file under the head of a TIFF, for libraries that know no other."""
    head = b"II*\0" if HEADS[data[:4]] == "<" else b"MM\0*"
    return data if data.startswith(head) else head + data[4:]


def starting_at(data: bytes, directory: Directory) -> bytes:
    """The file with this directory as its first."""
    return data[:4] + struct.pack(f"{HEADS[data[:4]]}I", directory.offset) + data[8:]


def patched(data: bytes, directory: Directory, values: Mapping[int, int]) -> bytes:
    """The file with single numbers in the place of what the tags of `values` hold; tags it lacks are left out."""
    order, copy = HEADS[data[:4]], bytearray(data)
    for tag, value in values.items():
        if at := directory.entries.get(tag):
            struct.pack_into(f"{order}HHII", copy, at, tag, 4, 1, value)
    return bytes(copy)


def is_cut(data: bytes, directory: Directory) -> bool:
    """Whether strips or tiles of a directory reach beyond the end of the file."""
    places = ((directory.numbers.get(tag, ()), directory.numbers.get(length, ())) for tag, length in _PLACES)
    return any(start + size > len(data) for starts, sizes in places for start, size in zip(starts, sizes, strict=False))


def _walked(data: bytes, order: str, first: int) -> Iterator[Directory]:
    ahead = [first]
    seen: set[int] = set()
    while ahead and len(seen) < _MOST_DIRECTORIES:
        offset = ahead.pop(0)
        if offset in seen or not 8 <= offset <= len(data) - 2:
            continue
        seen.add(offset)
        directory, following = _directory(data, order, offset)
        yield directory
        ahead = [*directory.numbers.get(SUB_DIRECTORIES, ()), *ahead, following]


def _directory(data: bytes, order: str, offset: int) -> tuple[Directory, int]:
    count = min(struct.unpack_from(f"{order}H", data, offset)[0], _MOST_ENTRIES)
    directory = Directory(offset, {}, {}, {})
    for at in range(offset + 2, min(offset + 2 + count * _ENTRY, len(data) - _ENTRY + 1), _ENTRY):
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, at)
        directory.entries[tag] = at
        if kind not in _SIZES or not 0 < length <= _MOST_VALUES:
            continue
        form = f"{order}{length}{_SIZES[kind]}"
        size = struct.calcsize(form)
        where = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, at + 8)[0]
        if where + size > len(data):
            continue
        values = struct.unpack_from(form, data, where)
        if kind == 2:
            directory.texts[tag] = values[0].split(b"\0")[0].decode("latin-1").strip()
        else:
            directory.numbers[tag] = values
    end = offset + 2 + count * _ENTRY
    return directory, struct.unpack_from(f"{order}I", data, end)[0] if end + 4 <= len(data) else 0
