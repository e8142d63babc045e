"""Measures how fast the Review screen follows the threshold and scrolls, with 10,000 photos in headless Chromium.

    python -m benchmarks.review_redraw [--photos 10000] [--moves 100]

Makes a stage of tiny photos in bursts of six, labels some, opens the page, and measures inside it: the time from
the slider's input event to the second animation frame after it, when the redrawn page is on screen, by score and in
rows by moment, and the frame times of a scroll. Prints n, median, p95 and max, and the server's cost of the table.
"""

import argparse
import io
import json
import shutil
import socket
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from imlcull_al import ui
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import Session, open_session
from imlcull_al.ui import review

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DIFFERENT = 1600
"""Photos with unique pixels, a minute apart. The others are copies, which the cache embeds once: bursts of six."""

MOVE = """async (moves) => {
  const slider = document.querySelector('#review-screen .threshold'), spent = [];
  const frame = () => new Promise(requestAnimationFrame);
  for (let move = 0; move < moves; move += 1) {
    await new Promise((done) => setTimeout(done, 40 + 13 * (move % 5)));
    slider.value = 5 + (move * 37) % 91;
    const start = performance.now();
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await frame(); await frame();
    spent.push(performance.now() - start);
  }
  return spent;
}"""
SCROLL = """async ({ frames, step }) => {
  const cells = document.querySelector('#review-screen .cells'), spent = [];
  let most = 0;
  cells.scrollTop = 0;
  let last = await new Promise(requestAnimationFrame);
  for (let number = 0; number < frames; number += 1) {
    cells.scrollTop += step;
    const now = await new Promise(requestAnimationFrame);
    spent.push(now - last);
    last = now;
    most = Math.max(most, cells.querySelectorAll('.cell').length);
  }
  return [spent, most];
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--moves", type=int, default=100)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("There is no Chromium on this machine.")
    with tempfile.TemporaryDirectory() as folder:
        session = a_session(Path(folder), arguments.photos)
        table_cost(session)
        measure(session, arguments.moves)


def a_session(folder: Path, photos: int) -> Session:
    """A prepared session of `photos` tiny photos, 60 of them labeled by brightness."""
    stage = folder / "project" / "stage_1"
    stage.mkdir(parents=True)
    chance = np.random.default_rng(0)
    jpegs, bright = [], []
    for number in range(DIFFERENT):
        pixels = chance.integers(0, 255, (4, 6, 3), dtype=np.uint8)
        jpeg, exif = io.BytesIO(), Image.Exif()
        taken = f"{datetime(2025, 5, 17) + timedelta(minutes=number):%Y:%m:%d %H:%M:%S}"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        Image.fromarray(pixels).resize((96, 64)).save(jpeg, "JPEG", exif=exif)
        jpegs.append(jpeg.getvalue())
        bright.append(pixels.mean() > 127)
    for number in range(photos):
        (stage / f"IMG_{number:05}.jpg").write_bytes(jpegs[number % DIFFERENT])
    session = open_session(stage.parent, model="builtin", cache_dir=folder / "cache")
    for label, wanted in (("keep", True), ("cull", False)):
        session.answer_all([key for key, is_bright in zip(session.listing.keys[:60], bright, strict=False)
                            if is_bright == wanted], label)  # fmt: skip
    return session


def table_cost(session: Session) -> None:
    """Time and size of the table: complete, and after a label."""
    review.respond(session, {"do": "look"})
    for name, known in (("whole table", {}), ("scores and answers only", {"listing": review._digest(session)})):
        started = time.perf_counter()
        text = json.dumps(review.respond(session, {"do": "look", **known}), separators=(",", ":"))
        print(f"{name}: {len(text) / 1000:.0f} kB in {1000 * (time.perf_counter() - started):.0f} ms")


def measure(session: Session, moves: int) -> None:
    """Open the page; print threshold and scroll times."""
    from playwright.sync_api import sync_playwright

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    desk = Desk(session)
    page = ui.serve(desk, "127.0.0.1", port)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(page.local_url)
        tab.get_by_role("tab", name="Review").click()
        tab.locator("#review-screen .cell").first.wait_for()
        tab.wait_for_timeout(1500)
        tab.evaluate(MOVE, 10)
        tell("threshold to redraw, by score", tab.evaluate(MOVE, moves))
        for name in ("kept", "emptied", "crowded"):
            tab.locator(f"#review-screen [data-filter={name}]").click()
            tell(f"threshold to redraw, {name} only", tab.evaluate(MOVE, moves))
        tab.locator("#review-screen [data-filter=all]").click()
        tab.get_by_label("Sort").select_option("burst")
        tell("threshold to redraw, in rows by moment", tab.evaluate(MOVE, moves))
        spent, most = tab.evaluate(SCROLL, {"frames": 240, "step": 60})
        tell("scroll by hand in rows by moment", spent)
        tab.get_by_label("Sort").select_option("score")
        for name, step in (("scroll by hand, 60 px a frame", 60), ("scroll in flight, 2000 px a frame", 2000)):
            spent, most = tab.evaluate(SCROLL, {"frames": 240, "step": step})
            tell(name, spent)
            print(f"    at most {most} cells in the page; {sum(each > 25 for each in spent)} frames over 25 ms")
        browser.close()
    page.close(verbose=False)
    desk.jobs.close()
    desk.jobs.wait(10)


def tell(name: str, milliseconds: list[Any]) -> None:
    """Print one line of statistics."""
    median, p95 = np.percentile(milliseconds, [50, 95])
    print(f"{name}: n {len(milliseconds)}, median {median:.1f} ms, p95 {p95:.1f} ms, max {max(milliseconds):.1f} ms")


if __name__ == "__main__":
    main()
