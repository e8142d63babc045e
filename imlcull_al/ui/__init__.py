"""The web page: one tab per screen, the status line above them, and the server.

    first.py       choose a folder, where none was named
    visitors.py    public page: upload photos, download the result
    presses.py     answers from all screens, applied exactly once
    label.py       one large photo at a time
    review.py      all photos in a grid, split by the threshold
    check.py       the plan to a promise, and contact sheets of spot checks
    promise.py     what the checks say, as HTML
    cull.py        what a cull would come to, make the next stage, undo
    folders.py     part of Cull: the next stage in the file manager
    ratings.py     part of Cull: ratings of other programs in, decisions out
    sidecars.py    part of it: where sidecars from elsewhere are dropped
    improve.py     a training: options, cost, progress and report
    curves.py      line charts as SVG
    way.py         what to do next, above the tabs
    threshold.py   the threshold of all screens, in the parts that Gradio draws
    tasks.py       what the screens need of the task
    api.py         the same actions for scripts
    clock.py       one timer for everything that changes by itself
    look.py        theme, CSS and HTML shared by the screens
    telling.py     errors to sentences
    strict.py      strict JSON parsing of requests
    fairly.py      worker threads, scheduled fairly across visitors
    scripts.py     the screens' JavaScript: ES modules at URLs that name their version
    serving.py     routes: photos by id, and the screens' requests
    guard.py       access control: origin, password, allowed routes
    quotas.py      per-visitor limits on body size, calls and streams
    bodies.py      size and rate limits for request bodies
    streams.py     ownership and quotas of Gradio sessions
    guesses.py     exponential backoff for wrong passwords
    headers.py     security headers and the content security policy
    senders.py     client address of a request
    connections.py connection limits and timeouts
    addresses.py   URLs of the page, from this machine and from others
    assets/        HTML, CSS and JavaScript modules of the screens that call the server directly

Screens are stateless: answers live in the session, long work in `Jobs`, and each visitor's view in their browser.
Cookies map a request to its desk; locally there is one desk for everybody.
"""

import errno
import importlib.util
import os
import queue
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Route

from ..encoding.load import Model
from ..errors import ServerError
from ..installation import DEFAULT_CACHE_DIR, pip_install
from ..learning.scores import AUTO
from ..project.stages import absolute
from ..project.task import CULL_TASK
from ..session.desk import EMBEDDING, Desk
from ..session.recent import remember
from ..session.session import open_session
from ..session.workspaces import Workspaces
from ..terminal import say
from ..training.options import TRAIN_EVERY
from . import (
    api,
    check,
    cull,
    first,
    improve,
    label,
    presses,
    review,
    scripts,
    sidecars,
    strict,
    tasks,
    threshold,
    visitors,
    way,
)
from .addresses import bare, family, in_url, reached_at
from .clock import Clock
from .connections import bound
from .fairly import Whose
from .guard import AUTH_VARIABLE, LOOPBACK, Known, check_auth, guards
from .look import APPEARANCE, CSS, THEME, appearance, heading, on_press, sentence, status
from .senders import is_proxied, sender_of
from .serving import Find, routes
from .streams import AT_ONCE, CALLS_IN_ALL, SESSIONS

DEFAULT_PORT = 7860
_LAST_PORT = 65535
SCREENS = {
    "label": label.respond, "review": review.respond, "check": check.respond, "presses": presses.respond
}  # fmt: skip
"""Handlers of `/act/{screen}`: three screens, and the outbox they share."""
LOCAL_SCREENS = {**SCREENS, sidecars.SCREEN: sidecars.respond}
"""Those of a local page, beside whose photos other programs work."""
TABS = "tabs.js"
_SECONDS_TO_STOP = 10
_SECONDS_BETWEEN_SWEEPS = 300
_SECONDS_BETWEEN_CALLS = 0.02
"""How often the queue looks for a call. Gradio's default, a thousand times a second, keeps an idle processor awake."""
_MCP_PATHS = (api.MCP_PATH, f"{api.MCP_PATH}/")


def launch(
    project: str | Path,
    stage: int | None = None,
    model: Model = None,
    cache_dir: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    auth: str | None = None,
    *,
    mcp: bool = False,
    task: str = CULL_TASK.name,
    classes: Sequence[str] = (),
    tags: Sequence[str] = (),
    start: str | Path | None = None,
    scores: str = AUTO,
    train_every: int = TRAIN_EVERY,
) -> None:
    """Open a stage and serve its page until Ctrl-C, which is raised. Raises `ImlcullError`.

    `auth`: `user:password`, required on every route; defaults to the environment variable IMLCULL_AUTH.
    `mcp`: also expose the API to MCP clients. `task`, `classes`, `tags`, `start`, `scores`: as in
    `open_session`; `train_every`: as in `Desk`.
    """
    auth = _checked_auth(auth)
    _check_mcp(mcp)
    host = bare(host)
    _check_port(host, port)
    asked: dict[str, Any] = {"task": task, "classes": classes, "tags": tags, "start": start, "scores": scores}
    session = open_session(project, stage, model, cache_dir, **asked, prepare=False)
    remember(session.stage.project, _cache(cache_dir))
    desk = Desk(session, train_every=train_every)
    desk.embed()
    page = serve(desk, host, port, auth, mcp=mcp)
    say(f"{desk.session.stage.folder} is on {reached_at(host, port)}. Stop with Ctrl-C.")
    if host not in LOOPBACK and auth is None:
        say("Anyone who can reach this machine can see and label the photos. Set a password with --auth user:password.")
    try:
        threading.Event().wait()
    finally:
        desk.jobs.close()
        page.close(verbose=False)
        desk.jobs.wait(_SECONDS_TO_STOP)


def choose_project(
    model: Model = None,
    cache_dir: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    auth: str | None = None,
) -> Path:
    """Serve the first screen until a folder is chosen there; return its project. Raises `ImlcullError`.

    Whoever reaches this screen may look into any folder: on another address than this machine's it needs a password.
    """
    auth, host = _checked_auth(auth), bare(host)
    if host not in LOOPBACK and auth is None:
        raise ServerError(f"Choosing a folder on {host} needs a password (--auth user:password). Or name the folder.")
    _check_port(host, port)
    chosen: queue.SimpleQueue[Path] = queue.SimpleQueue()
    page = first.build(model, _cache(cache_dir), chosen.put)
    _serve(page, host, port, auth, scripts.routes())
    say(f"Choose a folder on {reached_at(host, port)}, or name one: imlcull FOLDER. Stop with Ctrl-C.")
    try:
        return chosen.get()
    finally:
        page.close(verbose=False)


def launch_public(
    folder: str | Path,
    model: str | None = None,
    host: str = "0.0.0.0",
    port: int = DEFAULT_PORT,
    auth: str | None = None,
) -> None:
    """Serve a page on which every visitor gets their own workspace under `folder`, until Ctrl-C.

    `auth` as in `launch`. Raises `ImlcullError`.
    """
    auth = _checked_auth(auth)
    host = bare(host)
    _check_port(host, port)
    workspaces = Workspaces(Path(folder), model)
    page = serve(workspaces, host, port, auth)
    say(f"Workspaces are in {workspaces.folder}; the page is on {reached_at(host, port)}. Stop with Ctrl-C.")
    try:
        while not threading.Event().wait(_SECONDS_BETWEEN_SWEEPS):
            workspaces.sweep()
    finally:
        page.close(verbose=False)
        workspaces.close()


def serve(place: Desk | Workspaces, host: str, port: int, auth: str | None = None, *, mcp: bool = False) -> gr.Blocks:
    """Start the server in the background and return the page; its `close` stops the server.

    `place`: the single desk of a local page, or the workspaces of a public one.
    """
    if isinstance(place, Desk):
        place.watch()
    find, page = _finder(place), build(place)
    own, known, paths = [], None, _MCP_PATHS if mcp else ()
    on_all = [label.SCRIPT, review.SCRIPT, check.SCRIPT, threshold.SCRIPT, cull.SCRIPT, APPEARANCE, TABS]
    modules, screens = [*on_all, sidecars.SCRIPT], LOCAL_SCREENS
    whose: Whose = sender_of
    if isinstance(place, Workspaces):
        own, whose, known = visitors.routes(place), visitors.whose(place), visitors.knower(place)
        paths = (*visitors.PATHS, *paths)
        modules, screens = [visitors.SCRIPT, *on_all], SCREENS
    _serve(
        page,
        host,
        port,
        auth,
        routes(find, screens, whose) + scripts.routes() + own,
        paths=paths,
        known=known,
        head=scripts.preloads(*modules),
        mcp=mcp,
    )
    return page


def _serve(
    page: gr.Blocks,
    host: str,
    port: int,
    auth: str | None,
    own: Sequence[Route],
    *,
    paths: Sequence[str] = (),
    known: Known | None = None,
    head: str = "",
    mcp: bool = False,
) -> None:
    """Start the server of a page in the background. `own`: routes that take precedence over Gradio's."""
    page.queue(max_size=CALLS_IN_ALL)
    page._queue.sleep_when_free = _SECONDS_BETWEEN_CALLS
    # By default uvicorn trusts X-Forwarded-For from local processes; see `senders`.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
    page.launch(
        server_name=in_url(host),
        server_port=port,
        prevent_thread_lock=True,
        app_kwargs={
            "routes": own,
            "middleware": [
                *guards(host, page._queue, auth, paths, visitors.UPLOADS, known),
                Middleware(strict.StrictJSON),
            ],
        },
        max_threads=AT_ONCE,
        state_session_capacity=SESSIONS,
        theme=THEME,
        css=CSS,
        head=head,
        share=False,
        quiet=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=mcp,
        inbrowser=False,
        _frontend=False,  # only skips Gradio's check that the page loads within 3 s, which fails on a busy machine
    )
    bound(page.server.config, is_proxied())


def build(place: Desk | Workspaces) -> gr.Blocks:
    """Build the page."""
    find, is_public = _finder(place), isinstance(place, Workspaces)
    name = "imlcull" if isinstance(place, Workspaces) else place.session.stage.title
    task = CULL_TASK if isinstance(place, Workspaces) else place.session.task
    with strict.Page(
        title=name if is_public else f"{name} · imlcull", analytics_enabled=False, fill_width=True
    ) as page:
        clock = Clock(find)
        with gr.Row(elem_classes="top"):
            line = gr.HTML(heading(name, ""))
            step = gr.HTML("", elem_classes="step")
            appearance()
            stop = gr.Button("Stop", size="sm", scale=0, min_width=110, visible=False)
            again = gr.Button("Analyze again", size="sm", scale=0, min_width=110, visible=False)
        with gr.Tabs():
            if isinstance(place, Workspaces):
                with gr.Tab("Photos"):
                    visitors.build(place)
            # Hidden until the visitor has photos.
            with gr.Tab("Label", visible=not is_public) as label_tab:
                label.build(task)
            with gr.Tab("Review", visible=not is_public) as review_tab:
                review.build(clock, task)
            with gr.Tab("Check", visible=not is_public) as check_tab:
                check.build(clock, task)
            if task == CULL_TASK:
                with gr.Tab("Cull", visible=not is_public) as cull_tab:
                    culling = cull.build(find, clock, has_programs=not is_public)
            # Apart from the steps: it is never needed.
            with gr.Tab("Improve", visible=not is_public, alignment="right") as improve_tab:
                improve.build(find, clock)

        aims: list[Any] = []
        if task == CULL_TASK:
            aims = [culling.threshold, threshold.follow(culling.threshold)]
            for tab in (label_tab, review_tab, check_tab, cull_tab, improve_tab):
                is_open = f"() => {int(tab is cull_tab)}"
                tab.select(None, None, culling.is_open, js=is_open, show_progress="hidden", api_visibility="private")

        def on_tick(desk: Desk) -> tuple[str, gr.Button, gr.Button]:
            job = desk.jobs.state()
            running = job is not None and job.running
            idle_unprepared = not running and not desk.session.prepared
            return (
                _line(desk),
                gr.Button(visible=running, interactive=not (job and job.stopping)),
                gr.Button(visible=idle_unprepared),
            )

        clock.every_second(on_tick, None, [line, stop, again])
        clock.every_second(way.look, aims, step)
        if is_public:
            tabs = [label_tab, review_tab, check_tab, cull_tab, improve_tab]
            seen = gr.State(value=False)

            def on_photos(desk: Desk, seen: bool) -> tuple[Any, ...]:
                return (gr.skip(),) * 6 if seen else (True, *(gr.Tab(visible=True) for _ in tabs))

            clock.every_second(on_photos, seen, [seen, *tabs])
        on_press(stop, find, lambda desk: desk.jobs.cancel(), None, None)
        on_press(again, find, lambda desk: desk.embed(), None, None)  # fails only if a job runs, which the line shows
        page.load(None, js=scripts.starting_page(TABS), api_visibility="private")
        clock.start()
        api.build(find)
    return page


def _finder(place: Desk | Workspaces) -> Find:
    """Return the function that maps a request to its desk."""
    return visitors.finder(place) if isinstance(place, Workspaces) else lambda request: place


def _line(desk: Desk) -> str:
    job, stage = desk.jobs.state(), desk.session.stage
    # Embedding has no screen of its own, so its error is shown here.
    words = sentence(job.error, "failed") if job and job.error and job.name == EMBEDDING else status(job)
    return heading(f"{stage.title} / {stage.name}{tasks.title(desk.session.task)}", words)


def _cache(cache_dir: str | Path | None) -> Path:
    return absolute(cache_dir) if cache_dir else DEFAULT_CACHE_DIR


def _checked_auth(auth: str | None) -> str | None:
    auth = auth or os.environ.get(AUTH_VARIABLE) or None
    check_auth(auth)
    return auth


def _check_mcp(wanted: bool) -> None:
    if wanted and importlib.util.find_spec("mcp") is None:
        command = pip_install('"gradio[mcp]"')
        raise ServerError(f"MCP support needs another package. Install it with: {command}")


def _check_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port), family=family(host)):
            pass
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else str(error).rstrip(".")
        raise ServerError(f"Could not listen on {host}, port {port}: {reason}. {_advice(error, port)}") from error


def _advice(error: Exception, port: int) -> str:
    """What to do about a port that can't be opened."""
    number = getattr(error, "errno", None)
    if isinstance(error, OverflowError):
        return f"Choose a port from 1 to {_LAST_PORT}."
    if isinstance(error, socket.gaierror) or number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return "Name an address of this machine (--host), or 0.0.0.0 for all of them."
    if number == errno.EACCES:
        return "Choose a port of 1024 or more (--port)."
    free = port + 1 if port < _LAST_PORT else DEFAULT_PORT
    return f"Close the program that uses it, or choose another port, such as --port {free}."
