"""Overloads a public page from one address: a newcomer still gets a workspace, and other visitors are still served.

    python -m tests.torture.doors [--uploads 99] [--views 80] [--side 3000] [--seed 0]

First, one address sends files of one byte, photos that each open a workspace, and uploads that stop halfway; then a
newcomer sends one photo. Second, one visitor requests many full-size views at once, while another requests one view and
the Label screen. Prints two rows of a Markdown table; exit code 1 if anyone was kept out. Waiting times are reported,
never judged, because they depend on the machine.

The page is a separate process on 127.0.0.1, run as a Space, so that each sender has an address in X-Forwarded-For.
"""

import argparse
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.torture.killing import ROOT, row

UNFINISHED = 40
PATIENCE = 180.0
CROWD, NEWCOMER, SENDER, OTHER = (f"203.0.113.{number}" for number in range(1, 5))
VISITOR = "00000000-0000-0000-0000-000000000001"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, print a row for each; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=99)
    parser.add_argument("--views", type=int, default=80)
    parser.add_argument("--side", type=int, default=3000, help="pixels per side of a photo viewed at full size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    chance, broken = np.random.default_rng(options.seed), []
    with tempfile.TemporaryDirectory(prefix="imlcull-doors-") as folder, serving(Path(folder)) as port:
        for line, failures in (
            crowd(port, options.uploads, photo(chance, 40)),
            flood(port, options.views, photo(chance, options.side)),
        ):
            print(line, flush=True)
            broken += failures
    for failure in broken:
        print(failure, file=sys.stderr)
    return int(bool(broken))


def crowd(port: int, uploads: int, data: bytes) -> tuple[str, list[str]]:
    """One address takes as many places as it can; then a newcomer arrives."""
    with ExitStack() as stack:
        said = Counter(bool(send(port, b"x", CROWD)[1]) for _ in range(uploads))
        opened = sum(bool(send(port, data, CROWD)[1]) for _ in range(uploads))
        for _ in range(UNFINISHED):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            line.sendall(head(port, CROWD, len(data) + 1).encode() + data)
        reply, cookie = send(port, data, NEWCOMER)
    broken = [f"a file of one byte took a place, {said[True]} times"] if said[True] else []
    broken += [] if cookie else [f"the newcomer was kept out: {reply}"]
    fault = f"{uploads} files of one byte, {uploads} photos and {UNFINISHED} unfinished uploads from one address"
    seen = (
        f"{said[True]} places for files of one byte, {opened} for photos, {int(bool(cookie))} for the newcomer; "
        f"{len(broken)} broke a promise"
    )
    return row(fault, 2 * uploads + UNFINISHED, "no place without a photo; a newcomer gets one", seen), broken


def flood(port: int, views: int, data: bytes) -> tuple[str, list[str]]:
    """One visitor requests all views at once; another requests one view and the Label screen."""
    cookies = {sender: send(port, data, sender)[1] for sender in (SENDER, OTHER)}
    paths = {sender: f"/photos/{shown(port, cookie)['id']}/6000" for sender, cookie in cookies.items()}
    came: Counter[int] = Counter()
    asking = [
        threading.Thread(target=lambda: came.update([ask(port, paths[SENDER], cookie=cookies[SENDER])[0].status]))
        for _ in range(views)
    ]
    for thread in asking:
        thread.start()
    while not came:  # the first was served or refused, so all have arrived
        time.sleep(0.01)
    since = time.monotonic()
    shown(port, cookies[OTHER])
    answered, status = time.monotonic() - since, ask(port, paths[OTHER], cookie=cookies[OTHER])[0].status
    viewed, left = time.monotonic() - since, views - came.total()
    for thread in asking:
        thread.join()
    broken = [] if status == http.client.OK else [f"the other visitor's view came to {status}"]
    broken += [] if left else ["the other visitor was served after the flood"]
    broken += [] if set(came) <= {200, 429} else [f"the flood came to {dict(came)}"]
    seen = (
        f"the other's answer came in {1000 * answered:,.0f} ms, the view in {1000 * viewed:,.0f} ms, while {left} of "
        f"the flood waited; {came[200]} served, {came[429]} turned away; {len(broken)} broke a promise"
    )
    return row(f"{views} full-size views of one visitor at once", views, "others are served in between", seen), broken


def photo(chance: np.random.Generator, side: int) -> bytes:
    """A JPEG of noise."""
    made = io.BytesIO()
    Image.fromarray(chance.integers(0, 255, (side, side, 3), np.uint8)).save(made, "JPEG", quality=85)
    return made.getvalue()


def head(port: int, sender: str, length: int) -> str:
    return (
        f"POST /upload?name=a.jpg HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Forwarded-For: {sender}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )


def send(port: int, data: bytes, sender: str) -> tuple[str, str]:
    """The page's reply to an upload, and the cookie it sets."""
    headers = {"Content-Type": "application/octet-stream", "X-Forwarded-For": sender}
    reply, said = ask(port, "/upload?name=a.jpg", "POST", data, **headers)
    return said.decode(), (reply.getheader("Set-Cookie") or "").partition(";")[0]


def shown(port: int, cookie: str) -> dict[str, Any]:
    """The first photo that the Label screen shows to the visitor with this cookie."""
    asked = json.dumps({"do": "look", "visitor": VISITOR, "queue": "files", "presses": []}).encode()
    _, said = ask(port, "/act/label", "POST", asked, cookie, **{"Content-Type": "application/json"})
    found: dict[str, Any] = json.loads(said)["upcoming"][0]
    return found


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, cookie: str = "", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """The response to one request, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path, body, {**headers, "Cookie": cookie})
    reply = connection.getresponse()
    said = reply.read()
    connection.close()
    return reply, said


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Run a public page with workspaces in `folder`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port), "--model", "builtin"]
    environment = {**os.environ, "SPACE_ID": "torture/doors", "IMLCULL_DATA": str(folder / "data")}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while not is_up(port):
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"The page did not come:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield port
    finally:
        server.kill()
        server.wait()


def is_up(port: int) -> bool:
    try:
        return ask(port, "/workspace")[0].status == http.client.OK
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
