"""Abusive clients: huge bodies, unfinished headers, endless calls, password guessing.

    python -m tests.torture.flood [--times 300]

The server is a separate process on a small sample project. Each attack is bounded and confined to 127.0.0.1. It is
judged by the server's responses and by whether others are still served, never by time. Prints rows of a Markdown table;
exit code 1 if a promise was broken. Linux only: the server's memory is read from /proc.
"""

import argparse
import base64
import http.client
import itertools
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from imlcull_al.ui.connections import MOST_OF_ONE
from imlcull_al.ui.guesses import FREE, pause
from tests.torture.killing import row
from tests.torture.load import prepare, serving, usage

PIECE = bytes(1 << 20)
PIECES = 100
"""Megabytes per body."""
ROUTES = ("run/label", "call/label", "queue/join", "cancel")
GROWTH = 200
"""Megabytes that the server may grow during one attack."""
Attack = Callable[[int, int], tuple[str, list[str]]]
"""(port, times) → a summary, and the promises that were broken."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack and print the results; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=300, help="of each attack; of the bodies one for each hundred")
    times, broken = parser.parse_args(arguments).times, 0
    bodies = len(ROUTES) * max(times // 100, 1)
    with tempfile.TemporaryDirectory(prefix="imlcull-flood-") as folder:
        project = prepare(Path(folder), 40, "builtin")
        with serving(project, "builtin") as (server, port):
            for attack, fault, count, promised in (
                (long_bodies, f"bodies of {PIECES} MB in pieces", bodies, "413 before they end"),
                (half_headers, "headers that never end", times, "closed; others are served meanwhile"),
                (calls, "calls whose results nobody reads", times, "taken or 429; others are served"),
            ):
                broken += attacked(server.pid, attack, port, fault, count, promised)
        with serving(project, "builtin", "anna:a-long-sentence") as (server, port):
            fault, promised = "wrong passwords from one address", "429 but for a few"
            broken += attacked(server.pid, passwords, port, fault, times, promised)
    return int(bool(broken))


def attacked(pid: int, attack: Attack, port: int, fault: str, times: int, promised: str) -> int:
    """Print the row of one attack; returns how many promises it broke."""
    before = usage(pid).memory / 1e6
    seen, broken = attack(port, times)
    after = usage(pid).memory / 1e6
    broken += [f"grew by more than {GROWTH} MB"] if after - before > GROWTH else []
    told = "; ".join([seen, f"server {before:,.0f} → {after:,.0f} MB", *broken])
    print(row(fault, times, f"{promised}; less than {GROWTH} MB", told), flush=True)
    return len(broken)


def long_bodies(port: int, times: int) -> tuple[str, list[str]]:
    """Chunked bodies without a length, to the routes in turn."""
    seen: Counter[int] = Counter()
    for route in itertools.islice(itertools.cycle(ROUTES), times):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked"
            line.sendall(f"POST /gradio_api/{route} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n\r\n".encode())
            with suppress(OSError):  # the server closes the connection
                for _ in range(PIECES):
                    line.sendall(b"100000\r\n" + PIECE + b"\r\n")
            seen[status_of(line)] += 1
    return told(seen), [] if set(seen) == {413} else ["not all were refused"]


def half_headers(port: int, times: int) -> tuple[str, list[str]]:
    """Open all connections at once, then wait for each."""
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(times)]
        for line in lines:
            with suppress(OSError):  # already closed by the server
                line.sendall(b"GET / HTTP/1.1\r\nHost:")
        meanwhile = ask(port, "GET", "/gradio_api/app_id")
        closed = sum(status_of(line) == 0 for line in lines)
    broken = ["some stayed open"] * (closed != times) + ["others were not served"] * (meanwhile != 200)
    return f"{closed:,} closed, at most {MOST_OF_ONE} open at a time", broken


def calls(port: int, times: int) -> tuple[str, list[str]]:
    """Sequential calls, each in its own session."""
    asked = json.dumps({"data": [20, "files"]})
    seen = Counter(ask(port, "POST", "/gradio_api/call/next_batch", asked) for _ in range(times))
    meanwhile = ask(port, "POST", "/gradio_api/run/status", json.dumps({"data": []}))
    broken = ["another answer"] * bool(set(seen) - {200, 429}) + ["others were not served"] * (meanwhile != 200)
    return told(seen), broken


def passwords(port: int, times: int) -> tuple[str, list[str]]:
    """As fast as the server responds. However long that takes, only attempts after a pause may be checked."""
    since = time.monotonic()
    pairs = (base64.b64encode(f"anna:{number}".encode()).decode() for number in range(times))
    seen = Counter(ask(port, "GET", "/", Authorization=f"Basic {pair}") for pair in pairs)
    ends = itertools.accumulate(pause(FREE + number, FREE) for number in range(times))
    looked_at = FREE + sum(end < time.monotonic() - since for end in ends)
    broken = ["another answer"] * bool(set(seen) - {401, 429}) + ["too many were looked at"] * (seen[401] > looked_at)
    return told(seen), broken


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> int:
    """Status of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def status_of(line: socket.socket) -> int:
    """Status of the response on a connection; 0 if it was closed without one, −1 if it stays open."""
    try:
        first = line.recv(100)
    except TimeoutError:
        return -1
    except OSError:
        return 0
    return int(first.split()[1]) if first else 0


def told(seen: Counter[int]) -> str:
    """`5 × 401, 295 × 429`."""
    return ", ".join(f"{count:,} × {status}" for status, count in sorted(seen.items()))


if __name__ == "__main__":
    sys.exit(main())
