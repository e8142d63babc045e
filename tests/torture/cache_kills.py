"""Kills or damages the cache under full write load: acknowledged rows survive, and no wrong row is ever returned.

    python -m tests.torture.cache_kills [--kills 100] [--seed 0]

A child appends rows that are computable from their number, as fast as it can, and reports every append that returned.
After each kill the caches are reopened: no acknowledged row is lost, none is wrong, and no file is set aside. Then a
good file is damaged, read, appended to and read again: no wrong row may be returned. Prints a table row per fault; exit
code 1 if a promise was broken.
"""

import argparse
import hashlib
import logging
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imlcull_al.encoding.cache import Content, ContentIds, EmbeddingCache
from imlcull_al.encoding.ids import as_hex
from imlcull_al.progress import Progress, silent
from imlcull_al.terminal import progress_bar
from tests.torture.killing import killed_together, row, tell

MODULE = "tests.torture.cache_kills"
MOST_PROMISED = 20_000  # start a fresh folder beyond this, so that checks stay fast
LONGEST = (0.02, 0.1, 0.4)  # seconds of work before the kill, chosen at random


@dataclass
class Seen:
    """Counts of results; `kept` and `gone` had been acknowledged."""

    times: int = 0
    kept: int = 0
    gone: int = 0
    wrong: int = 0
    aside: int = 0
    tracebacks: int = 0

    def add(self, other: "Seen") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def __str__(self) -> str:
        return (
            f"{self.kept:,} rows right, {self.gone} lost, {self.wrong} wrong; "
            f"{self.aside} files set aside, {self.tracebacks} tracebacks"
        )


# --- the caches under test: all stored values derive from a number ----------------------------------------------------


def id_of(number: int) -> str:
    """The content id of a number."""
    return f"{number:016x}{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


@dataclass(frozen=True)
class Embeddings:
    """Embedding rows; every seventh number is an unreadable photo."""

    dim: int

    def open(self, folder: Path) -> EmbeddingCache:
        return EmbeddingCache(folder, "7e" * 32, self.dim, "torture", "torture")

    def add(self, store: EmbeddingCache, numbers: Iterable[int]) -> None:
        readable = [number for number in numbers if number % 7]
        reasons = {id_of(number): self.reason(number) for number in numbers if number % 7 == 0}
        store.append([id_of(number) for number in readable], self.rows(readable), reasons)

    def found(self, folder: Path) -> tuple[set[int], int]:
        """The numbers stored entirely correctly, and the number of wrong rows."""
        store = self.open(folder)
        ids = store.ids()
        wanted = np.concatenate([ids, ids[::3]])  # as when a stage contains duplicates
        is_there, rows = store.find(wanted)
        names = as_hex(wanted[is_there])
        numbers = [int(each[:16], 16) for each in names]
        right = (rows[is_there] == self.rows(numbers)).all(axis=1)
        right &= np.array([id_of(number) == each for number, each in zip(numbers, names, strict=True)], bool)
        there = {number for number, is_so in zip(numbers, right, strict=True) if is_so}
        wrong = int(np.count_nonzero(~right))
        for each, reason in store.reasons().items():
            number = int(each[:16], 16)
            is_so = (each, reason) == (id_of(number), self.reason(number))
            there, wrong = (there | {number}, wrong) if is_so else (there, wrong + 1)
        return there, wrong

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """(N, D), all rows distinct."""
        places = np.arange(1, self.dim + 1, dtype=np.uint32) * np.uint32(2_654_435_761)
        seeds = np.array(numbers, np.uint64).astype(np.uint32)[:, None] * np.uint32(40_503) + np.uint32(1)
        return (seeds * places >> np.uint32(8)).astype(np.float32) / 4096

    def reason(self, number: int) -> str:
        return f"photo {number} is broken in the {number * 7}th byte: größer"

    def __str__(self) -> str:
        return f"embeddings, D={self.dim}"


@dataclass(frozen=True)
class Files:
    """Content ids of files whose name, size, mtime, inode and ctime are the number."""

    def open(self, folder: Path) -> ContentIds:
        return ContentIds(folder)

    def add(self, store: ContentIds, numbers: Iterable[int]) -> None:
        for number in numbers:
            store.put(Path(f"/{number}"), (number, number, number, number), self.content(number))
        store.save()

    def found(self, folder: Path) -> tuple[set[int], int]:
        """The numbers stored entirely correctly, and the number of wrong entries."""
        path_ids, stats, ids, *notes = self.open(folder)._known
        entries = zip(path_ids, stats.tolist(), as_hex(ids), *(column.tolist() for column in notes), strict=True)
        right = [
            stat[0]
            for name, stat, *content in entries
            if (stat, Content(*content)) == ([stat[0]] * 4, self.content(stat[0]))
            and name.tobytes() == hashlib.blake2b(f"/{stat[0]}".encode(), digest_size=16).digest()
        ]
        return set(right), len(path_ids) - len(right)

    def content(self, number: int) -> Content:
        return Content(id_of(number), number / 8, number % 999 / 4, number % 7, number % 3 == 0)

    def __str__(self) -> str:
        return "content ids"


def cache_of(dim: int) -> Any:
    """The cache under test; 0 for content ids."""
    return Embeddings(dim) if dim else Files()


def look(folder: Path, dim: int, promised: set[int]) -> Seen:
    """Open the cache and compare it with the acknowledged numbers."""
    seen, there = Seen(times=1), set()
    try:
        there, seen.wrong = cache_of(dim).found(folder)
    except Exception:  # noqa: BLE001 - this is what is counted
        seen.tracebacks = 1
    seen.kept, seen.gone = len(promised & there), len(promised - there)
    for path in folder.glob("*/*.damaged-*"):
        seen.aside += 1
        path.unlink()
    return seen


# --- kills ------------------------------------------------------------------------------------------------------------


def add_for_ever(folder: Path, dim: int, start: int, seed: int) -> None:
    """The child: append small batches, reporting the start and end of each."""
    sys.unraisablehook = lambda error: (sys.__unraisablehook__(error), os._exit(1))  # by default it only prints
    chance, cache = random.Random(seed), cache_of(dim)
    most = chance.choice([1, 8, 64, 256])
    store = cache.open(folder)
    tell(added=(start, start))
    while True:
        stop = start + chance.randint(1, most)
        cache.add(store, range(start, stop))
        tell(added=(start, stop))
        start = stop


def kills(
    times: int,
    *,
    dim: int,
    seed: int,
    writers: int = 1,
    longest: Sequence[float] = LONGEST,
    progress: Progress = silent,
) -> Seen:
    """Kill appending children `times` times; acknowledged numbers must survive."""
    chance, total = random.Random(seed), Seen()
    with tempfile.TemporaryDirectory() as scratch:
        folder, promised, seen = Path(scratch) / "cache", set(), Seen()
        for number in range(times):
            progress("killing", number, times)
            if chance.random() < 0.15 or len(promised) > MOST_PROMISED or seen.gone or seen.wrong:
                shutil.rmtree(folder, ignore_errors=True)
                promised = set()
            starts = [(number * writers + writer) * 1_000_000 for writer in range(writers)]
            arguments = [
                ("--child", str(folder), str(dim), str(start), str(chance.getrandbits(32))) for start in starts
            ]
            for lines in killed_together(MODULE, arguments, chance, chance.choice(longest)):
                promised.update(*(range(*line["added"]) for line in lines))
            seen = look(folder, dim, promised)
            total.add(seen)
    return total


# --- damage -----------------------------------------------------------------------------------------------------------


def flip_a_bit(data: bytearray, chance: random.Random) -> None:
    """Flip a random bit."""
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_bits(data: bytearray, chance: random.Random) -> None:
    """Flip a hundred random bits."""
    for _ in range(100):
        flip_a_bit(data, chance)


def flip_a_bit_of_the_head(data: bytearray, chance: random.Random) -> None:
    """Flip a bit of the HDF5 metadata at the start of the file."""
    data[chance.randrange(min(4096, len(data)))] ^= 1 << chance.randrange(8)


def zero_a_piece(data: bytearray, chance: random.Random) -> None:
    """Zero up to 64 KiB, like a block that never reached the disk."""
    start = chance.randrange(len(data))
    size = min(chance.choice([16, 512, 4096, 65536]), len(data) - start)
    data[start : start + size] = bytes(size)


def shift_a_piece(data: bytearray, chance: random.Random) -> None:
    """Overwrite a block with another, like a misplaced write."""
    size = min(4096, len(data) // 2)
    source, target = chance.randrange(len(data) - size), chance.randrange(len(data) - size)
    data[target : target + size] = data[source : source + size]


def lose_the_end(data: bytearray, chance: random.Random) -> None:
    """Truncate at a random position."""
    del data[chance.randrange(len(data)) :]


DAMAGES = (flip_a_bit, flip_bits, flip_a_bit_of_the_head, zero_a_piece, shift_a_piece, lose_the_end)


def damages(
    damage: Callable[[bytearray, random.Random], None], times: int, *, dim: int, seed: int, progress: Progress = silent
) -> Seen:
    """Damage a file of a good cache `times` times and keep using it: nothing wrong may be returned, before or after an
    append.
    """
    chance, cache, total = random.Random(seed), cache_of(dim), Seen()
    numbers, more = range(300), range(300, 500)
    with tempfile.TemporaryDirectory() as scratch:
        whole, folder = Path(scratch) / "whole", Path(scratch) / "damaged"
        cache.add(cache.open(whole), numbers)
        for number in range(times):
            progress("damaging", number, times)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(whole, folder)
            path = chance.choice(sorted(folder.glob("*/*.h5")))
            data = bytearray(path.read_bytes())
            damage(data, chance)
            path.write_bytes(data)
            seen = look(folder, dim, set(numbers))
            try:
                cache.add(cache.open(folder), more)
            except Exception:  # noqa: BLE001 - this is what is counted
                seen.tracebacks += 1
            after = look(folder, dim, set(more))
            seen.wrong += after.wrong + after.gone  # rows appended after the damage must be found
            seen.aside += after.aside
            seen.tracebacks += after.tracebacks
            total.add(seen)
    return total


def main(arguments: list[str] | None = None) -> int:
    """Run every fault; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how often each fault is played (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places (default 0)")
    parser.add_argument("--child", nargs=4, metavar=("FOLDER", "DIM", "START", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        add_for_ever(Path(options.child[0]), *map(int, options.child[1:]))
    logging.getLogger("imlcull_al").addHandler(logging.NullHandler())  # its messages are not shown
    logging.getLogger("imlcull_al").propagate = False
    broken = False
    for fault, is_kept, play in _faults(options.kills, options.seed):
        with progress_bar() as progress:
            seen = play(progress=progress)
        broken |= bool(seen.wrong or seen.tracebacks or (is_kept and (seen.gone or seen.aside)))
        print(row(fault, seen.times, "none lost, none wrong" if is_kept else "none wrong", str(seen)), flush=True)
    return int(broken)


def _faults(times: int, seed: int) -> Iterator[tuple[str, bool, Callable[..., Seen]]]:
    """Name of each fault, whether nothing may be lost, and a function that runs it."""
    for dim, writers in ((192, 1), (192, 2), (768, 1), (768, 2), (0, 1), (0, 2)):
        who = "one process adds" if writers == 1 else f"{writers} processes add"
        yield f"kill -9 while {who} {cache_of(dim)}", True, partial(kills, times, dim=dim, seed=seed, writers=writers)
    for dim in (192, 0):
        for damage in DAMAGES:
            fault = f"{damage.__name__.replace('_', ' ')} of {cache_of(dim)}"
            yield fault, False, partial(damages, damage, times, dim=dim, seed=seed)


if __name__ == "__main__":
    sys.exit(main())
