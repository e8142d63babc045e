"""Compute embeddings on the workers of a Ray cluster.

Each worker runs `embeddings.fill` on small batches of photos and adds segments to the one cache (see `segments`).
Photos and cache must be visible to every machine under the same path.
The only module that imports ray, and only when work begins. Independent of stages, labels and scores.
"""

import logging
import os
import pickle
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Cancelled, ClusterError, EncoderError, in_words
from ..installation import pip_install_cluster
from ..progress import Progress, Stop, logged, never, silent
from ..project.files import temporary_sibling, unwritable
from .cluster_worker import ClusterWorker, packed
from .embeddings import open_cache
from .encoder import Encoder
from .ids import as_hex, last_of_each

if TYPE_CHECKING:
    from types import ModuleType

log = logging.getLogger(__name__)
MOST_CORES = 2
"""Cores per worker, at most: each core adds a preprocessing thread, each worker another copy of the weights."""
_WHAT = "embedding on the cluster"
_BATCHES = 8  # encoder batches per task, at most: the work lost when a worker is killed
_ROUNDS = 4  # tasks per worker, given enough photos, to balance the load between fast and slow workers
_DEATHS = 3  # consecutive workers that die during startup before the run is aborted
_OBJECT_STORE = 256 << 20  # bytes; it carries paths and counts, not photos
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@logged("embedding on a cluster")
def fill(
    paths: Sequence[str | Path],
    encoder: Encoder,
    load: Callable[[], Encoder],
    cache_dir: Path,
    address: str | None = None,
    *,
    batch_size: int = 8,
    cores: int | None = None,
    progress: Progress = silent,
    stop: Stop = never,
) -> int:
    """Compute the embeddings of `paths` that the cache lacks. Returns how many were computed.

    `load` recreates `encoder` in a worker; it is pickled. `address`: a Ray cluster (`host:port` or `auto`); by default
    the cluster this process is connected to, else a local one. `batch_size`: photos per encoder batch. `cores`: per
    worker.

    Raises `ClusterError`; `EncoderError` if a worker loads a different encoder; `StorageError` if a worker can't see
    the cache; `Cancelled`. However the run ends, finished batches are in the cache.
    """
    files, cache = open_cache(cache_dir, encoder)
    is_known, contents = files.look_up(paths)
    is_there, _ = cache.find(contents.ids, with_rows=False)
    is_there |= np.fromiter(map(cache.reasons().__contains__, as_hex(contents.ids)), bool, len(paths))
    new = [path for path, is_done in zip(paths, is_known & is_there, strict=True) if not is_done]
    if not new:
        return 0
    pickled, before = _pickled(load, encoder), len(last_of_each(cache.ids()))
    progress(_WHAT, 0, len(new))
    with _run_in(cache_dir) as run, _connected(address) as ray:
        layout = _layout([node["Resources"] for node in ray.nodes() if node["Alive"]], cores)
        worker = (pickled, encoder.fingerprint, run, batch_size, layout[0])
        batches = [packed(batch) for batch in _batches(new, batch_size, layout[2])]
        with closing(_outcomes(ray, batches, worker, layout)) as outcomes, _heard() as pressed:
            _follow(outcomes, len(new), progress, stop, pressed)
    return len(last_of_each(cache.ids())) - before


def _pickled(load: Callable[[], Encoder], encoder: Encoder) -> bytes:
    try:
        return pickle.dumps(load)
    except Exception as error:  # an object of the user's may raise anything
        raise EncoderError(
            f"{encoder.name} can't be sent to the workers of a cluster: {in_words(error)}. Define it in a module that "
            "they can import, without what pickle refuses; or leave out the cluster."
        ) from error


@contextmanager
def _run_in(cache_dir: Path) -> Iterator[Path]:
    """A file in the cache folder that is there while the run lasts. Raises `StorageError`."""
    run = temporary_sibling(cache_dir / "run")
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        run.touch()
    except OSError as error:
        raise unwritable(cache_dir, error) from error
    try:
        yield run
    finally:
        with suppress(OSError):
            run.unlink()


def _layout(nodes: Sequence[Mapping[str, float]], cores: int | None) -> tuple[int, int, int]:
    """Cores per worker, GPUs per worker, and the number of workers, given each node's `CPU` and `GPU` counts.

    If the cluster has GPUs, every worker gets one GPU and its share of the cores.
    """
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus:
        shares = [int(node["CPU"] // node["GPU"]) for node in nodes if node.get("GPU") and node.get("CPU")]
        return max(1, min([cores or MOST_CORES, *shares])), 1, gpus
    counts = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    if not counts:
        raise ClusterError("The cluster has no machine with a free processor. Add one, then try again.")
    each = min(cores or MOST_CORES, *counts)
    return each, 0, sum(count // each for count in counts)


def _batches(paths: Sequence[str | Path], batch_size: int, workers: int) -> list[Sequence[str | Path]]:
    """Split the photos into tasks: whole encoder batches, in the order of a local run."""
    size = batch_size * max(1, min(_BATCHES, len(paths) // (_ROUNDS * workers * batch_size)))
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def _ray() -> "ModuleType":
    """Import Ray with logging and telemetry off."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ClusterError(
            f"The engine ray is not installed ({error}). Run: {pip_install_cluster()} - or leave out --engine."
        ) from error
    return ray


@contextmanager
def _connected(address: str | None) -> "Iterator[ModuleType]":
    """Ray, connected to a cluster. A local one requires a random token and removes its temporary files."""
    if address is not None:
        _check_reachable(address)
    elif "ray" not in sys.modules:  # Ray reads these at import
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    here = Path(os.sep, "tmp") if os.name == "posix" else None  # Unix socket paths must be short
    with (
        tempfile.TemporaryDirectory(prefix="ray-", dir=here, ignore_cleanup_errors=True) as folder,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),  # Ray prints notices of lost machines
    ):
        local = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE, "_temp_dir": folder}
        try:
            with _muffled():
                ray.init(
                    address or "local",
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    **({} if address else local),  # type: ignore[arg-type]
                )
        # Ray raises all kinds of exceptions for bad connections, versions and tokens.
        except Exception as error:
            raise _no_cluster(address or "this machine", error) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Fail fast: Ray would retry for minutes. Raises `ClusterError`."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from error


def _no_cluster(where: str, error: Exception) -> ClusterError:
    return ClusterError(
        f"Found no Ray cluster at {where}: {_first_line(error)}. "
        "Check the address, and run this on a machine of the cluster."
    )


@contextmanager
def _muffled() -> Iterator[None]:
    """Silence file descriptor 2, to which Ray's native code writes. Anything important also arrives as an exception."""
    terminal = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _outcomes(
    ray: "ModuleType", batches: Sequence[bytes], worker: tuple[Any, ...], layout: tuple[int, int, int]
) -> Generator[Mapping[str, Any], None, None]:
    """Yield the outcome of each batch as `ClusterWorker` finishes it. Raises `ClusterError`."""
    cores, gpus, workers = layout
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = _DEATHS
    rows = ray.data.from_items([{"photos": batch} for batch in batches], override_num_blocks=len(batches))
    try:
        yield from rows.map_batches(
            ClusterWorker,
            batch_size=1,  # a row is a batch of photos; if its worker dies, another one retries it
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(batches))),
            fn_constructor_args=worker,
            num_cpus=cores,
            num_gpus=gpus,
        ).iter_rows()
    except (ray.exceptions.RayError, ray.data.exceptions.ExecutionTimeoutError) as error:
        raise ClusterError(
            f"The work on the cluster broke off: {_first_line(error)}. What was done is kept. Check that every machine "
            "has imlcull and its requirements, then run it again."
        ) from error


@contextmanager
def _heard() -> Iterator[threading.Event]:
    """An event set at Ctrl-C, in addition to the `KeyboardInterrupt`, which Ray's code may swallow."""
    pressed = threading.Event()

    def note(number: int, frame: Any) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_usual or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _follow(
    outcomes: Iterable[Mapping[str, Any]], total: int, progress: Progress, stop: Stop, pressed: threading.Event
) -> None:
    """Report progress as outcomes arrive. Raises the first worker error, `Cancelled` or `KeyboardInterrupt`."""
    done = unseen = 0
    for outcome in outcomes:
        if pressed.is_set():
            raise KeyboardInterrupt
        if outcome["error"]:
            raise pickle.loads(outcome["error"])
        done, unseen = done + int(outcome["photos"]), unseen + int(outcome["unseen"])
        progress(_WHAT, done, total)
        if stop() and done < total:
            raise Cancelled("Embedding was stopped; what was done is kept. Run it again to go on.")
    if pressed.is_set():
        raise KeyboardInterrupt
    if unseen:
        log.warning("Photos that workers did not see: %d. Put them on a path that all machines share.", unseen)


def _first_line(error: BaseException) -> str:
    """The root cause of a Ray error in one line, without remote tracebacks."""
    cause = getattr(error, "cause", None) or error.__cause__ or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1].strip().rstrip('.')}" if lines else type(cause).__name__
