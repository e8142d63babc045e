"""Load test: many concurrent labelers on a real server, or ten thousand labels in one session. Measures losses and
latency.

    python -m tests.torture.load --labelers 20 --seconds 60 [--photos 2000] [--train]
    python -m tests.torture.load --answers 10000

The first form starts the server on a sample project with cached embeddings and previews. Every labeler is a client of
the page's API that loops over next_batch, think, label. The server is killed with SIGKILL meanwhile; then journal and
CSV are compared with the acknowledged labels. Prints a row of a Markdown table; exit code 1 if a label was lost,
invented or given twice. Latency is reported but never judged, because it depends on the machine.

The second form labels without a server and reports how much memory each label adds.

`--client`: `gradio` is gradio_client, which sends each call through Gradio's queue over two new connections; `direct`
posts the same calls to /gradio_api/run/ over a keep-alive connection. `--ahead FOLDER` keeps photos and embeddings for
the next run. Linux only: memory and CPU time of the server are read from /proc.
"""

import argparse
import http.client
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Call = Callable[..., Any]
"""`call("label", key="a.jpg", label="keep")`: an API function by name."""
THINKING = 1.0
"""Mean seconds that a labeler looks at a photo. Exponentially distributed, like people's pauses: equal pauses would
synchronize, and no pause at all would measure throughput instead of latency.
"""
MISTAKES = 0.1  # share of wrong labels, as people make mistakes too
ANSWERED_BEFORE = 200
"""Labels that exist when the labelers start. The training uses them, and the head is past its start."""
LABELERS_A_PROCESS = 5
IDLE = 3.0  # seconds; uvicorn closes connections after five idle seconds
PATIENCE = 180.0  # seconds for the server to start
WARM_UP = 1000
EVERY = 500
UNDO_EVERY = 50
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Load(NamedTuple):
    """Parameters of a load test."""

    labelers: int
    seconds: float
    photos: int
    batch: int
    is_training: bool
    client: str
    model: str


class Usage(NamedTuple):
    """Resources of a process: `memory` in bytes (RSS), `processor` in CPU seconds so far."""

    memory: int
    processor: float


class Note(NamedTuple):
    """An event seen by a labeler. `what`: given, sent, acknowledged, refused or cut. `seconds`: duration of the
    call.
    """

    labeler: int
    what: str
    key: str
    label: str
    seconds: float


class Outcome(NamedTuple):
    """What became of the labels: sorted keys."""

    lost: list[str]
    invented: list[str]
    twice: list[str]
    csv_differs: list[str]
    refused: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the two forms; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if not Path("/proc/self/stat").exists():
        raise SystemExit("Memory and processor time are read from /proc: run this on Linux.")
    with tempfile.TemporaryDirectory(prefix="imlcull-load-") as folder:
        project = prepare(Path(folder), options.photos or (options.answers or 2000), options.model, options.ahead)
        if options.answers:
            answer_many(project, options.answers, options.model)
            return 0
        make_previews(project, options.model)
        load = Load(
            options.labelers,
            options.seconds,
            options.photos or 2000,
            options.batch,
            options.train,
            options.client,
            options.model,
        )
        return under_load(project, load)


def prepare(folder: Path, photos: int, model: str, ahead: Path | None = None) -> Path:
    """An embedded sample project in `folder`, copied from `ahead` if an earlier run left one there."""
    from imlcull_al.session.session import open_session
    from imlcull_al.simulate.sample import make_sample

    made = ahead / f"{photos}" if ahead else folder
    project, since = made / "project", time.perf_counter()
    make_sample(project, photos=photos)
    open_session(project, model=model, cache_dir=made / "cache")
    if made != folder:
        shutil.copytree(project, folder / "project")
        shutil.copytree(made / "cache", folder / "cache")
    _say(f"{photos} photos made and embedded in {time.perf_counter() - since:.0f} s")
    return folder / "project"


def make_previews(project: Path, model: str) -> None:
    """Make previews, which would keep the server busy at first."""
    from imlcull_al.photos.previews import SCREEN
    from imlcull_al.session.session import open_session

    open_session(project, model=model, cache_dir=project.parent / "cache").make_previews(SCREEN)


def under_load(project: Path, load: Load) -> int:
    """Let the labelers work, kill the server, compare; returns the exit code."""
    from imlcull_al.project.labels import LABELS
    from imlcull_al.simulate.sample import truth

    is_keep = truth(project)
    before = _answer_some(project, is_keep)
    notes = project.parent / "notes"
    notes.mkdir()
    context = multiprocessing.get_context("spawn")
    everybody = context.Barrier(-(-load.labelers // LABELERS_A_PROCESS) + 1)
    killed = context.Event()
    with serving(project, load.model) as (server, port):
        status = direct(port)
        clients = []
        for first in range(0, load.labelers, LABELERS_A_PROCESS):
            numbers = range(first, min(first + LABELERS_A_PROCESS, load.labelers))
            truths = {key: LABELS[0] if keep else LABELS[1] for key, keep in is_keep.items()}
            clients.append(
                context.Process(target=_work, args=(numbers, port, load, truths, notes, everybody, killed), daemon=True)
            )
            clients[-1].start()
        if load.is_training:
            status("train", epochs=256, batch_size=64, learning_rate=1e-4, patience=256, validation_split=0.25, seed=0)
            _wait_for(lambda: "epoch" in (status("status")["job"] or {}).get("what", ""), "the training's first epoch")
        everybody.wait(PATIENCE)
        pids = [client.pid for client in clients if client.pid]
        busy = os.getloadavg()[0]
        at_start, theirs_at_start, since = usage(server.pid), [usage(pid) for pid in pids], time.perf_counter()
        time.sleep(load.seconds)
        job = status("status")["job"]
        at_end, theirs_at_end, took = usage(server.pid), [usage(pid) for pid in pids], time.perf_counter() - since
        killed.set()  # set first, so that no labeler reports the kill as a failure
        server.send_signal(signal.SIGKILL)
        server.wait()
    for client in clients:
        client.join(10)
        client.kill()  # gradio_client waits forever for a killed server
    seen = list(read_notes(notes))
    outcome = compare(project, before, seen)
    spent = sum(end.processor - start.processor for start, end in zip(theirs_at_start, theirs_at_end, strict=True))
    _say(_details(load, seen, (at_start, at_end), spent, took, busy, job))
    _print(row(load, seen, outcome, (at_start, at_end)))
    return int(bool(outcome.lost or outcome.invented or outcome.twice or outcome.csv_differs))


def compare(project: Path, before: Mapping[str, str], seen: Sequence[Note]) -> Outcome:
    """Compare journal and CSV of a killed server with the labelers' notes. `before`: the labels that existed at the
    start.
    """
    from imlcull_al.project import tables
    from imlcull_al.project.journal import Journal
    from imlcull_al.project.labels import Labels
    from imlcull_al.project.stages import open_stage

    stage = open_stage(project, 1)
    # A photo given twice may have received two labels; both were sent.
    acknowledged: dict[str, set[str]] = {key: {label} for key, label in before.items()}
    sent = {key: {label} for key, label in before.items()}
    for note in seen:
        if note.what == "acknowledged":
            acknowledged.setdefault(note.key, set()).add(note.label)
        if note.what == "sent":
            sent.setdefault(note.key, set()).add(note.label)
    given = {(note.key, note.labeler) for note in seen if note.what == "given"}
    answers = Counter(answer.key for answer in Journal(stage.journal).state.undoable)
    labels = Labels(stage).as_dict()  # this also brings the CSV up to date with the journal
    rows = {row.values["image_name"]: row.values["label"] for row in tables.read(stage.labels)[1]}
    return Outcome(
        lost=sorted(key for key, said in acknowledged.items() if labels.get(key) not in said),
        invented=sorted(key for key, label in labels.items() if label not in sent.get(key, ())),
        twice=sorted(
            {key for key, count in answers.items() if count > 1}
            | {key for key, count in Counter(key for key, _ in given).items() if count > 1}
        ),
        csv_differs=sorted(key for key in {*labels, *rows} if labels.get(key) != rows.get(key)),
        refused=sorted(note.label for note in seen if note.what == "refused"),
    )


def row(load: Load, seen: Sequence[Note], outcome: Outcome, memory: tuple[Usage, Usage]) -> str:
    """A row of a Markdown table."""
    spent = [note.seconds for note in seen if note.what == "acknowledged"]
    middle, high, most = summary(spent)
    training = " while a training runs" if load.is_training else ""
    cells = (
        f"{load.labelers} labelers for {load.seconds:.0f} s on {load.photos:,} photos{training} "
        f"({load.client} client), then SIGKILL",
        f"{len(spent):,} answers, {len(spent) / load.seconds:.1f} a second",
        "none lost, none invented, no photo given twice, CSV = journal",
        f"{len(outcome.lost)} lost, {len(outcome.invented)} invented, {len(outcome.twice)} given twice, "
        f"{len(outcome.csv_differs)} rows differ, {len(outcome.refused)} refused; "
        f"acknowledged in {middle:.0f} ms (median), {high:.0f} (p95), {most:.0f} (max); "
        f"server {_megabytes(memory[0].memory)} → {_megabytes(memory[1].memory)} MB",
    )
    return "| " + " | ".join(cells) + " |"


def summary(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and maximum in milliseconds; zeros if empty."""
    ranked = sorted(1000 * each for each in seconds)
    if not ranked:
        return 0.0, 0.0, 0.0
    return statistics.median(ranked), ranked[min(int(0.95 * len(ranked)), len(ranked) - 1)], ranked[-1]


def answer_many(project: Path, count: int, model: str) -> None:
    """Give `count` labels in one session, undoing and repeating one in fifty; print memory and time."""
    from imlcull_al import open_session
    from imlcull_al.project.labels import CULL, KEEP
    from imlcull_al.simulate.sample import truth

    is_keep, chance = truth(project), random.Random(0)
    session = open_session(project, model=model, cache_dir=project.parent / "cache")
    samples: list[tuple[int, int, float]] = []  # labels so far, bytes, seconds per label since the previous sample
    since, given = time.perf_counter(), 0
    while given < count and (photo := session.next()):
        label = KEEP if is_keep[photo.key] != (chance.random() < MISTAKES) else CULL
        session.answer(photo.key, label)
        given += 1
        if given % UNDO_EVERY == 0:
            session.undo()
            session.answer(photo.key, label, photo.queue)
        if given % EVERY == 0:
            now = time.perf_counter()
            samples.append((given, usage(os.getpid()).memory, (now - since) / EVERY))
            _say(f"{given:6,} answers: {_megabytes(samples[-1][1])} MB, {1000 * samples[-1][2]:.1f} ms each")
            since = time.perf_counter()
    warm = [sample for sample in samples if sample[0] >= WARM_UP] or samples
    slope = statistics.linear_regression([at for at, _, _ in warm], [used for _, used, _ in warm]).slope
    cells = (
        f"{given:,} answers in one session on {len(is_keep):,} photos, one in {UNDO_EVERY} taken back",
        f"{given:,} answers",
        "memory stays",
        f"{slope:,.0f} bytes an answer after the first {warm[0][0]:,} ({_megabytes(warm[0][1])} → "
        f"{_megabytes(warm[-1][1])} MB); {1000 * samples[0][2]:.0f} ms an answer at the start, "
        f"{1000 * samples[-1][2]:.0f} at the end",
    )
    _print("| " + " | ".join(cells) + " |")


def usage(pid: int) -> Usage:
    """Memory and CPU time of a process."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()  # the name in parentheses may contain anything
    return Usage(int(fields[21]) * _PAGE, (int(fields[11]) + int(fields[12])) / _TICKS)


def direct(port: int) -> Call:
    """The API by POST over one connection, without Gradio's client. One labeler is one session."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    session, last = uuid.uuid4().hex, time.monotonic()
    # Direct calls pass arguments by position.
    order = {"next_batch": ("count", "queue"), "label": ("key", "label", "queue"), "status": ()}
    order["train"] = (
        "epochs",
        "batch_size",
        "learning_rate",
        "patience",
        "validation_split",
        "seed",
        "train_blocks",
        "gentle",
    )
    usual = {"count": 1, "queue": None, "train_blocks": None, "gentle": False}

    def call(name: str, **arguments: Any) -> Any:
        nonlocal last
        if time.monotonic() - last > IDLE:
            connection.close()  # before the server does; the request reconnects
        given = {**usual, "queue": "uncertain" if name == "next_batch" else None, **arguments}
        body = json.dumps({"data": [given[each] for each in order[name]], "session_hash": session})
        try:
            connection.request("POST", f"/gradio_api/run/{name}", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except Exception:
            connection.close()
            raise
        last = time.monotonic()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{name}: {answer.status} {text[:300]!r}")
        return json.loads(text)["data"][0]

    return call


def through_gradio(port: int) -> Call:
    """The API as docs/http.md shows it."""
    from gradio_client import Client

    # There is nothing to verify without HTTPS, and loading the certificates for every call would keep a core busy.
    client = Client(f"http://127.0.0.1:{port}", verbose=False, ssl_verify=False)
    return lambda name, **arguments: client.predict(api_name=f"/{name}", **arguments)


def read_notes(folder: Path) -> Iterator[Note]:
    """The notes of all labelers. A torn last line is ignored."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Note(*json.loads(line))


def _work(
    numbers: Sequence[int], port: int, load: Load, truths: Mapping[str, str], notes: Path, everybody: Any, killed: Any
) -> None:
    """A process of labelers, one thread each."""
    with (notes / f"{numbers[0]}.log").open("w") as log:
        os.dup2(log.fileno(), 2)  # gradio_client prints a traceback when the server dies
    calls = [(through_gradio if load.client == "gradio" else direct)(port) for _ in numbers]
    for call in calls:
        call("status")  # connect before the clock starts
    everybody.wait(PATIENCE)
    threads = [
        threading.Thread(target=_label, args=(number, call, load, truths, notes, killed), daemon=True)
        for number, call in zip(numbers, calls, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(load.seconds + 30)
    os._exit(0)  # don't wait for gradio_client's threads


def _label(number: int, call: Call, load: Load, truths: Mapping[str, str], notes: Path, killed: Any) -> None:
    """One labeler, until the server is killed. Each label is noted before it is sent and once it is acknowledged."""
    chance = random.Random(number)
    with (notes / f"{number:04}.jsonl").open("w", buffering=1) as file:

        def note(what: str, key: str = "", label: str = "", since: float | None = None) -> None:
            spent = 0.0 if since is None else time.perf_counter() - since
            file.write(json.dumps([number, what, key, label, spent]) + "\n")

        time.sleep(chance.uniform(0, THINKING))
        while not killed.is_set():
            since = time.perf_counter()
            try:
                photos = call("next_batch", count=load.batch)
                for photo in photos:
                    note("given", photo["key"], since=since)
                for photo in photos:
                    key = photo["key"]
                    time.sleep(chance.expovariate(1 / THINKING))
                    right = truths[key]
                    wrong = next(label for label in truths.values() if label != right)
                    label = wrong if chance.random() < MISTAKES else right
                    note("sent", key, label)
                    since = time.perf_counter()
                    call("label", key=key, label=label)
                    note("acknowledged", key, label, since)
            except Exception as error:  # noqa: BLE001 - whatever a client raises; before the kill it is a failure
                note("cut" if killed.is_set() else "refused", "", f"{type(error).__name__}: {error}", since)
                time.sleep(0.1)


def _answer_some(project: Path, is_keep: Mapping[str, bool]) -> dict[str, str]:
    """Labels that exist before the server starts."""
    from imlcull_al.project.labels import CULL, KEEP, Labels
    from imlcull_al.project.stages import open_stage

    keys = random.Random(0).sample(sorted(is_keep), min(ANSWERED_BEFORE, len(is_keep) // 4))
    labels = Labels(open_stage(project, 1))
    for label, wanted in ((KEEP, True), (CULL, False)):
        labels.answer_all([key for key in keys if is_keep[key] == wanted], label)
    return labels.as_dict()


@contextmanager
def serving(project: Path, model: str, auth: str = "") -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """Run the server in a separate process; yields once it is ready, and kills it at the end.

    With `auth` (`user:password`), ready means that it asks for the password.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "imlcull_al", "label", "--project", str(project), "--port", str(port)]
    command += ["--model", model, "--cache-dir", str(project.parent / "cache")]
    log = project.parent / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "IMLCULL_AUTH": auth})
    try:

        def is_ready() -> bool:
            if server.poll() is not None:
                raise SystemExit(f"The server ended with {server.returncode}:\n{log.read_text()[-2000:]}")
            try:
                status = direct(port)("status")
            except RuntimeError as error:
                return bool(auth) and "Name and password" in str(error)
            except (OSError, http.client.HTTPException):
                return False
            return bool(status["prepared"]) and (status["job"] or {}).get("status") == "done"

        _wait_for(is_ready, "the server")
        yield server, port
    finally:
        server.kill()
        server.wait()


def _wait_for(is_there: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > end:
            raise SystemExit(f"Waited {PATIENCE:.0f} s for {what}.")
        time.sleep(0.2)


def _details(
    load: Load,
    seen: Sequence[Note],
    server: tuple[Usage, Usage],
    clients: float,
    took: float,
    busy: float,
    job: Mapping[str, Any] | None,
) -> str:
    """Details that don't fit into the row."""
    given = summary([note.seconds for note in seen if note.what == "given"])
    refused = Counter(note.label for note in seen if note.what == "refused")
    lines = [
        f"next_batch: {given[0]:.0f} ms (median), {given[1]:.0f} (p95), {given[2]:.0f} (max)",
        f"processor seconds in {took:.0f} s: server {server[1].processor - server[0].processor:.1f}, "
        f"clients {clients:.1f}; load average at the start {busy:.1f}, now {os.getloadavg()[0]:.1f}",
        f"cut off by the kill: {sum(note.what == 'cut' for note in seen)} of {load.labelers} labelers",
        f"job at the end: {job['name']}, {job['status']}, {job['what']}" if job else "no job ran",
        *(f"refused {count} ×: {what}" for what, count in refused.most_common(5)),
    ]
    return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _say(text: str) -> None:
    """Print to stderr; stdout holds only the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--photos", type=int, help="default: 2000, or as many as answers")
    parser.add_argument("--batch", type=int, default=1, help="photos of one next_batch")
    parser.add_argument("--train", action="store_true", help="a training runs meanwhile")
    parser.add_argument("--client", choices=("gradio", "direct"), default="gradio")
    parser.add_argument("--answers", type=int, help="instead: so many answers in one session, without a server")
    parser.add_argument("--model", default="builtin", help="nothing is downloaded for the default")
    parser.add_argument("--ahead", type=Path, help="folder in which photos and embeddings stay for the next run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
