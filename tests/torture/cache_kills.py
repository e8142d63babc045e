"""What a kill -9, a flipped bit or a lost piece costs the caches: `python -m tests.torture.cache_kills --kills 200`.

Children append rows that can be told from their ids, and report every append that returned; they are killed at a random
moment, the file is opened again by the public classes, and every promise is counted. Prints one row of a Markdown table
for each fault; exits 1 where a promise was broken. Needs a system that can fork.
"""

import argparse
import contextlib
import logging
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from imlcull_al import cache
from imlcull_al.cache import Content, ContentIds, EmbeddingCache
from imlcull_al.progress import Progress, silent

FINGERPRINT, DECODER = "7e" * 32, "torture"
_MIX = 0x9E3779B97F4A7C15
_MOST_ROWS = 20_000  # a fresh folder after so many, so that looking at them stays quick
_REASONS = 1 << 40  # numbers from here on are unreadable photos


@dataclass
class Seen:
    """What came back, counted; `kept` and `gone` are rows that were promised."""

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
            f"{self.kept} rows right, {self.gone} lost, {self.wrong} wrong; "
            f"{self.aside} files set aside, {self.tracebacks} tracebacks"
        )


def id_of(number: int) -> str:
    """The content id of a known row."""
    return f"{number:016x}{number * _MIX % 2**64:016x}"


def rows_of(numbers: np.ndarray, dim: int) -> np.ndarray:
    """The rows (N, D) that belong to numbers; no two are the same."""
    places = np.arange(1, dim + 1, dtype=np.uint32) * np.uint32(2_654_435_761)
    return ((numbers.astype(np.uint32)[:, None] * np.uint32(40_503) + 1) * places >> 8).astype(np.float32) / 4096


def reason_of(number: int) -> str:
    """The reason that belongs to a number."""
    return f"photo {number} is broken in the {number * 7}th byte: größer"


def open_cache(folder: Path, dim: int) -> EmbeddingCache:
    """The cache under torture."""
    return EmbeddingCache(folder, FINGERPRINT, dim, "torture", DECODER)


# --- what is killed ---------------------------------------------------------------------------------------------------


def append_for_ever(folder: Path, dim: int, start: int, seed: int, acknowledged: Connection) -> None:
    """The child: append small batches as fast as it goes, and say the numbers of each that returned."""
    chance = random.Random(seed)
    most = chance.choice([1, 8, 64, 256])
    store = open_cache(folder, dim)
    store.read()
    acknowledged.send(())
    number = start
    while True:
        count = chance.randint(1, most)
        numbers = list(range(number, number + count))
        broken = [_REASONS + number] if chance.random() < 0.2 else []
        rows = rows_of(np.array(numbers), dim)
        store.append([id_of(each) for each in numbers], rows, {id_of(each): reason_of(each) for each in broken})
        acknowledged.send((*numbers, *broken))
        number += count


def save_for_ever(folder: Path, dim: int, start: int, seed: int, acknowledged: Connection) -> None:
    """The child: put some content ids and save them, again and again."""
    chance = random.Random(seed)
    files = ContentIds(folder)
    acknowledged.send(())
    number = start
    while True:
        numbers = range(number, number + chance.randint(1, 50))
        for each in numbers:
            files.put(Path(f"/{each}"), (each, each, each), Content(id_of(each), each / 8, each % 999 / 4))
        files.save()
        acknowledged.send(tuple(numbers))
        number = numbers[-1] + 1


def _child(work: Callable, complaints: Path, *arguments: object) -> None:
    descriptor = os.open(complaints, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)
    logging.basicConfig(stream=sys.stderr)
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        work(*arguments)


@contextlib.contextmanager
def _children(work: Callable, folder: Path, dim: int, starts: list[int], chance: random.Random) -> Iterator[list]:
    """Running children, and the end of the pipe by which each acknowledges."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["h5py", "imlcull_al.cache"])
    started = []
    for start in starts:
        ours, theirs = context.Pipe(duplex=False)
        arguments = (work, _complaints(folder), folder, dim, start, chance.randrange(2**32), theirs)
        process = context.Process(target=_child, args=arguments, daemon=True)
        process.start()
        theirs.close()
        ours.recv()
        started.append((process, ours))
    try:
        yield started
    finally:
        for process, ours in started:
            process.kill()
            process.join()
            ours.close()


def _complaints(folder: Path) -> Path:
    return folder.with_name(folder.name + ".complaints")


def _kill_after(process: multiprocessing.Process, ours: Connection, seconds: float) -> list[int]:
    """Numbers that a child acknowledged before it was killed."""
    numbers: list[int] = []
    deadline = time.monotonic() + seconds
    with contextlib.suppress(EOFError):
        while (left := deadline - time.monotonic()) > 0:
            if ours.poll(left):
                numbers += ours.recv()
        process.kill()
        process.join()
        while True:
            numbers += ours.recv()
    return numbers


# --- what is seen afterwards ------------------------------------------------------------------------------------------


def look_at_rows(folder: Path, dim: int, promised: set[int]) -> Seen:
    """Open the cache and hold it against what was promised."""
    seen = Seen(times=1)
    try:
        ids, rows, reasons = open_cache(folder, dim).read()
    except Exception:  # noqa: BLE001 - this is what is counted
        seen.tracebacks += 1
        ids, rows, reasons = [], np.empty((0, dim), np.float32), {}
    numbers = np.array([int(each[:16], 16) for each in ids], np.uint64)
    right = np.array([id_of(int(number)) == each for number, each in zip(numbers, ids, strict=True)], bool)
    right &= (rows == rows_of(numbers, dim)).all(axis=1)
    good_reasons = [int(each[:16], 16) for each, reason in reasons.items() if reason == reason_of(int(each[:16], 16))]
    there = {int(number) for number in numbers[right]} | set(good_reasons)
    seen.wrong = int((~right).sum()) + len(reasons) - len(good_reasons)
    seen.kept, seen.gone = len(promised & there), len(promised - there)
    return _with_traces(seen, folder)


def look_at_content_ids(folder: Path, dim: int, promised: set[int]) -> Seen:
    """Open the content ids and hold them against what was promised."""
    seen = Seen(times=1)
    try:
        known = ContentIds(folder)._known
    except Exception:  # noqa: BLE001 - this is what is counted
        seen.tracebacks += 1
        known = {}
    right = set()
    for name, (stat, content) in known.items():
        number = stat[0]
        expected = (
            cache._path_id(Path(f"/{number}")),
            (number,) * 3,
            Content(id_of(number), number / 8, number % 999 / 4),
        )
        if (name, stat, content) == expected:
            right.add(number)
        else:
            seen.wrong += 1
    seen.kept, seen.gone = len(promised & right), len(promised - right)
    return _with_traces(seen, folder)


def _with_traces(seen: Seen, folder: Path) -> Seen:
    asides = list(folder.glob("*.damaged-*"))
    seen.aside = len(asides)
    for path in asides:
        path.unlink()
    with contextlib.suppress(FileNotFoundError):
        seen.tracebacks += "Traceback" in _complaints(folder).read_text()
    return seen


# --- the faults -------------------------------------------------------------------------------------------------------


def kills(
    times: int,
    *,
    dim: int,
    seed: int,
    work: Callable = append_for_ever,
    look: Callable = look_at_rows,
    writers: int = 1,
    longest: Sequence[float] = (0.02, 0.1, 0.4),
    progress: Progress = silent,
) -> Seen:
    """Kill children in the middle of `work`, `times` times; what was acknowledged must be there."""
    chance, total = random.Random(seed), Seen()
    with tempfile.TemporaryDirectory(prefix="imlcull-torture-") as scratch:
        folder, promised, start, seen = Path(scratch) / "0", set(), 0, Seen()
        for number in range(times):
            progress(f"kill {work.__name__.split('_')[0]} D={dim}", number, times)
            if chance.random() < 0.15 or len(promised) > _MOST_ROWS or seen.gone or seen.wrong:
                shutil.rmtree(folder, ignore_errors=True)
                folder, promised = Path(scratch) / str(number), set()
            starts = [start + each * 1_000_000 for each in range(writers)]
            start += writers * 1_000_000
            folder.mkdir(exist_ok=True)
            with _children(work, folder, dim, starts, chance) as children:
                chance.shuffle(children)
                for process, ours in children:
                    promised.update(_kill_after(process, ours, chance.random() * chance.choice(longest)))
            seen = look(folder, dim, promised)
            total.add(seen)
    return total


def flip_a_bit(data: bytearray, chance: random.Random) -> None:
    """One bit, anywhere."""
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_bits(data: bytearray, chance: random.Random) -> None:
    """A hundred bits, anywhere."""
    for _ in range(100):
        flip_a_bit(data, chance)


def flip_a_bit_of_the_head(data: bytearray, chance: random.Random) -> None:
    """One bit of what HDF5 wrote about the file."""
    data[chance.randrange(min(4096, len(data)))] ^= 1 << chance.randrange(8)


def zero_a_piece(data: bytearray, chance: random.Random) -> None:
    """Up to 64 KiB, as a block that never reached the disk."""
    start = chance.randrange(len(data))
    size = min(chance.choice([16, 512, 4096, 65536]), len(data) - start)
    data[start : start + size] = bytes(size)


def shift_a_piece(data: bytearray, chance: random.Random) -> None:
    """A block that landed in the place of another."""
    size = min(4096, len(data) // 2)
    source, target = chance.randrange(len(data) - size), chance.randrange(len(data) - size)
    data[target : target + size] = data[source : source + size]


def lose_the_end(data: bytearray, chance: random.Random) -> None:
    """Cut at a random place."""
    del data[chance.randrange(len(data)) :]


DAMAGES = (flip_a_bit, flip_bits, flip_a_bit_of_the_head, zero_a_piece, shift_a_piece, lose_the_end)


def damages(
    damage: Callable[[bytearray, random.Random], None],
    times: int,
    *,
    dim: int,
    seed: int,
    look: Callable = look_at_rows,
    progress: Progress = silent,
) -> Seen:
    """Damage a good file, `times` times, and go on with it; no row may come back wrong, then or after an append."""
    chance, total = random.Random(seed), Seen()
    numbers, more = range(300), range(300, 500)
    with tempfile.TemporaryDirectory(prefix="imlcull-torture-") as scratch:
        folder = Path(scratch) / "cache"
        _fill(folder, dim, numbers, look)
        (path,) = folder.glob("*.h5")
        good = path.read_bytes()
        for number in range(times):
            progress(f"{damage.__name__} D={dim}", number, times)
            data = bytearray(good)
            damage(data, chance)
            path.write_bytes(data)
            seen = look(folder, dim, {*numbers, *(_REASONS + each for each in numbers if look is look_at_rows)})
            try:
                _fill(folder, dim, more, look)
            except Exception:  # noqa: BLE001 - this is what is counted
                seen.tracebacks += 1
            after = look(folder, dim, set(more))
            seen.wrong += after.wrong + after.gone  # what was appended after the damage must be there
            seen.aside += after.aside
            seen.tracebacks += after.tracebacks
            total.add(seen)
    return total


def _fill(folder: Path, dim: int, numbers: range, look: Callable) -> None:
    if look is look_at_rows:
        reasons = {id_of(_REASONS + each): reason_of(_REASONS + each) for each in numbers}
        rows = rows_of(np.array(numbers), dim)
        store = open_cache(folder, dim)
        store.read()
        store.append([id_of(each) for each in numbers], rows, reasons)
    else:
        files = ContentIds(folder)
        for each in numbers:
            files.put(Path(f"/{each}"), (each, each, each), Content(id_of(each), each / 8, each % 999 / 4))
        files.save()


def main(arguments: list[str] | None = None) -> int:
    """Play every fault; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="how often each fault is played (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places (default 0)")
    options = parser.parse_args(arguments)
    from imlcull_al.terminal import progress_bar

    logging.getLogger("imlcull_al").addHandler(logging.NullHandler())  # its sentences are counted, not shown
    logging.getLogger("imlcull_al").propagate = False
    print("| fault | times | promised | seen |\n|---|---|---|---|")
    broken = False
    for fault, promise, play in _faults(options.kills, options.seed):
        with progress_bar() as progress:
            seen = play(progress)
        lost = (seen.gone + seen.aside) if "none lost" in promise else 0
        broken |= bool(lost or seen.wrong or seen.tracebacks)
        print(f"| {fault} | {seen.times} | {promise} | {seen} |", flush=True)
    return int(broken)


def _faults(times: int, seed: int) -> Iterator[tuple[str, str, Callable[[Progress], Seen]]]:
    kept, right = "none lost, none wrong", "none wrong"
    for dim in (192, 768):
        yield f"kill -9 while appending, D={dim}", kept, lambda to, d=dim: kills(times, dim=d, seed=seed, progress=to)
        yield (
            f"kill -9 of two that append in turn, D={dim}",
            kept,
            lambda to, d=dim: kills(times, dim=d, seed=seed, writers=2, progress=to),
        )
    for damage in DAMAGES:
        yield (
            f"{damage.__name__.replace('_', ' ')}, D=192",
            right,
            lambda to, d=damage: damages(d, times, dim=192, seed=seed, progress=to),
        )
    ids = look_at_content_ids
    yield (
        "kill -9 while saving content ids",
        kept,
        lambda to: kills(times, dim=0, seed=seed, work=save_for_ever, look=ids, progress=to),
    )
    for damage in DAMAGES:
        yield (
            f"{damage.__name__.replace('_', ' ')}, content ids",
            right,
            lambda to, d=damage: damages(d, times, dim=0, seed=seed, look=ids, progress=to),
        )


if __name__ == "__main__":
    sys.exit(main())
