"""Measures the latency from a key press to the next painted photo on the Label screen: 24 MP JPEGs, headless Chromium.

    python -m benchmarks.label_latency [FOLDER] [--job embedding|training|none] [--keys 40] [--model builtin]

Makes a stage of distinct 6000 × 4000 JPEGs, or copies the JPEGs of FOLDER. Makes the previews ahead of time, as the app
does (`--cold` leaves that to the key presses), starts the app with real work in the background, and presses K and C
alternately. Measures inside the page, from the key event:

- to the second animation frame after the photo was drawn, one frame after it is visible;
- to the end of the frame that shows it;
- to the next paint by the browser's own clock (Event Timing, in steps of 8 ms).

Then presses Z, and measures from the key event to the second animation frame after the photo's own pixels are
on screen:

- hits: the photo rested on screen, or came next while zoomed, so that its full size was made ahead;
- misses: the first Z of a page, which makes nothing ahead before it.

Prints n, median, p95 and max, the background work, and whether the journal holds every press in order.
"""

import argparse
import json
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imlcull_al import ui
from imlcull_al.encoding import embeddings
from imlcull_al.encoding.load import load_encoder
from imlcull_al.parallel import in_order
from imlcull_al.photos.previews import SCREEN
from imlcull_al.progress import Progress, Stop
from imlcull_al.session.desk import Desk
from imlcull_al.session.jobs import Jobs
from imlcull_al.session.session import Session, open_session
from imlcull_al.training.options import Options

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH, HEIGHT = 6000, 4000
LABELED = 8
MEASURE = """() => {
  window.spent = []; window.handed = []; window.events = [];
  let at = 0;
  document.addEventListener('keydown', (event) => { at = event.timeStamp; }, true);
  document.querySelector('#label-screen').addEventListener('drawn', (drawn) => {
    if (!at) return; // drawn again, for a page of another size
    const from = at;
    at = 0;
    requestAnimationFrame(() => {
      const after = new MessageChannel(); // comes once the frame's own work is done
      after.port1.onmessage = () => { window.handed.push(performance.now() - from); };
      after.port2.postMessage(0);
      requestAnimationFrame(() => { window.spent.push(performance.now() - from); });
    });
  });
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    if (entry.name === 'keydown') window.events.push(entry.duration);
  })).observe({ type: 'event', durationThreshold: 16 });
}"""

ZOOM = """() => {
  window.sharp = [];
  let at = 0;
  document.addEventListener('keydown', (event) => { at = event.timeStamp; }, true);
  const canvas = document.querySelector('#label-screen .pixels'), stage = canvas.parentElement;
  let shown = '';
  new MutationObserver(() => {
    const now = canvas.dataset.pixels === 'all' ? stage.dataset.shown : '';
    if (now && now !== shown) {
      const from = at;
      requestAnimationFrame(() => requestAnimationFrame(() => { window.sharp.push(performance.now() - from); }));
    }
    shown = now;
  }).observe(stage, { subtree: true, attributes: true, attributeFilter: ['data-pixels', 'data-place', 'data-shown'] });
}"""
SHOWN = "#label-screen .stage[data-shown]"
ALL = "#label-screen .pixels[data-pixels=all]"
MADE_AHEAD = 3000
"""Milliseconds in which the full sizes that are made ahead are there."""


def main() -> None:
    """Measure and print."""
    options = _parser().parse_args()
    if CHROMIUM is None:
        raise SystemExit("There is no Chromium on this machine.")
    with tempfile.TemporaryDirectory() as folder:
        session = make_session(Path(folder), options)
        jobs = Jobs()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        page = ui.serve(Desk(session, jobs), "127.0.0.1", port)
        try:
            if options.job != "none":
                jobs.start(options.job, work(session, options, Path(folder)))
            measured = press(page.local_url, session, jobs, options)
        finally:
            jobs.cancel()
            page.close(verbose=False)
            jobs.wait(60)
    print(json.dumps(measured, indent=1))


def make_session(folder: Path, options: argparse.Namespace) -> Session:
    """An embedded stage with some labels, and previews unless `--cold`."""
    stage = folder / "project" / "stage_1"
    stage.mkdir(parents=True)
    since = time.perf_counter()
    if options.folder:
        for path in sorted(options.folder.glob("*.jp*g")):
            shutil.copy(path, stage)
    else:
        make_photos(stage, options.photos)
    session = open_session(folder / "project", model=options.model, cache_dir=folder / "cache")
    if not options.cold:
        session.make_previews(SCREEN)
    for number, photo in enumerate(session.order(LABELED)):
        session.answer(photo.key, "keep" if number % 2 else "cull")
    print(f"{len(session.listing.keys)} photos made, embedded and answered in {time.perf_counter() - since:.0f} s")
    return session


def make_photos(stage: Path, count: int) -> None:
    """Blurred colors under grain: every photo is unique, and as expensive to decode as a camera JPEG."""
    chance = np.random.default_rng(0)
    grain = Image.fromarray(chance.integers(90, 166, (HEIGHT // 2, WIDTH // 2, 3), dtype=np.uint8))
    grain = grain.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    seeds = [chance.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(count)]

    def make(number: int) -> None:
        colours = Image.fromarray(seeds[number]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        Image.blend(colours, grain, 0.25).save(stage / f"IMG_{number:04}.jpg", quality=88)

    for _ in in_order(make, range(count), ahead=3):
        pass


def work(session: Session, options: argparse.Namespace, folder: Path) -> Callable[[Progress, Stop], None]:
    """The background job: embedding all photos into fresh caches, or training, over and over."""

    def embed(progress: Progress, stop: Stop) -> None:
        paths = {key: session.stage.path(key) for key in session.listing.keys}
        for turn in range(1000):
            encoder = load_encoder(options.model)
            embeddings.ensure(paths, encoder, folder / f"again_{turn}", progress=progress, stop=stop)

    def train(progress: Progress, stop: Stop) -> None:
        for _ in range(1000):
            session.train(Options(epochs=256, patience=256), progress=progress, stop=stop)
            if stop():
                return

    return embed if options.job == "embedding" else train


def press(address: str, session: Session, jobs: Jobs, options: argparse.Namespace) -> dict[str, Any]:
    """Press the keys and read the measurements from the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(address)
        tab.locator("#label-screen .stage[data-shown]").wait_for(timeout=60_000)
        tab.evaluate(MEASURE)
        tab.wait_for_timeout(2000)
        asked = []
        for number in range(min(options.keys, len(session.listing.keys) - LABELED - 1)):
            asked.append([tab.locator("#label-screen .name").inner_text(), "cull" if number % 2 else "keep"])
            tab.keyboard.press("kc"[number % 2])
            tab.wait_for_timeout(options.pause + 13 * (number % 5))  # vary the phase within a frame
        tab.wait_for_timeout(2000)
        spent, handed, events = tab.evaluate("() => [window.spent, window.handed, window.events]")
        background = jobs.state()
        hits, following, misses = zoom(tab, address, options.zooms)
        browser.close()
    journal = [json.loads(line) for line in session.stage.journal.read_text().splitlines()]
    lines = [line for line in journal if line["do"] == "answer"][LABELED : LABELED + len(asked)]
    return {
        "key to second frame after the draw, ms": summary(spent),
        "key to the end of the frame that shows it, ms": summary(handed),
        "key to next paint by Event Timing, those of 16 ms and more": summary(events),
        "Z to the pixels of the photo, made ahead, ms": summary(hits),
        "key to the pixels of the next photo while zoomed, ms": summary(following),
        "Z to the pixels of the photo, not made ahead, ms": summary(misses),
        "background": f"{background.name}: {background.what} {background.done} of {background.total}"
        if background
        else "nothing",
        "background was running": bool(background and background.running),
        "previews": "made while pressing" if options.cold else "made ahead",
        "journal holds every press in order": [[line["key"], line["label"]] for line in lines] == asked,
    }


def zoom(tab: Any, address: str, count: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of `count` zooms each: made ahead, following while zoomed, and not made ahead."""
    misses: list[float] = []
    for _ in range(count):
        tab.goto("about:blank")
        tab.goto(address)
        tab.locator(SHOWN).wait_for(timeout=60_000)
        tab.wait_for_timeout(1500)
        tab.evaluate(ZOOM)
        tab.keyboard.press("z")
        tab.locator(ALL).wait_for(timeout=60_000)
        tab.wait_for_timeout(100)
        misses += tab.evaluate("() => window.sharp")
        tab.keyboard.press("k")  # the next page shows another photo
    following = []
    for _ in range(count):
        tab.wait_for_timeout(MADE_AHEAD)
        tab.evaluate("() => { window.sharp = []; }")
        tab.keyboard.press("k")
        tab.wait_for_timeout(MADE_AHEAD)
        following += tab.evaluate("() => window.sharp")
    tab.keyboard.press("z")
    hits = []
    for _ in range(count):
        tab.keyboard.press("c")
        tab.wait_for_timeout(MADE_AHEAD)
        tab.evaluate("() => { window.sharp = []; }")
        tab.keyboard.press("z")
        tab.locator(ALL).wait_for(timeout=60_000)
        tab.wait_for_timeout(100)
        hits += tab.evaluate("() => window.sharp")
        tab.keyboard.press("z")
    return hits, following, misses


def summary(milliseconds: list[float]) -> dict[str, float]:
    """n, median, p95, max."""
    if not milliseconds:
        return {"n": 0}
    median, high = np.percentile(milliseconds, [50, 95])
    return {
        "n": len(milliseconds),
        "median": round(float(median), 1),
        "p95": round(float(high), 1),
        "max": round(max(milliseconds), 1),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="JPEGs to use instead of made ones")
    parser.add_argument("--job", choices=("embedding", "training", "none"), default="embedding")
    parser.add_argument("--keys", type=int, default=40)
    parser.add_argument("--pause", type=int, default=300, help="milliseconds between keys, at least")
    parser.add_argument("--zooms", type=int, default=8, help="of each kind; 0 for none")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--cold", action="store_true", help="make no previews ahead")
    return parser


if __name__ == "__main__":
    main()
