"""The page: a tab for each screen, the line above them, and the server.

    label.py    one large photo at a time
    review.py   all photos in a grid, and where the threshold parts them
    train.py    options, cost, progress and report
    curves.py   the course of a training as a drawing
    cull.py     dry run, then the next stage, and back
    look.py     colours, type, words that screens share
    telling.py  an error becomes a sentence
    serving.py  photos by id, the screens' requests, and who may ask
    assets/     HTML, style and script of the screens that talk to the server themselves

Screens hold no state of their own: answers are in the session, long work is in `Jobs`, and what one visitor looks at
is in their browser.
"""

import os
import socket
import threading
from pathlib import Path

import gradio as gr

from ..errors import ServerError
from ..jobs import Jobs
from ..progress import Progress, Stop
from ..session import Session, open_session
from ..terminal import say
from . import cull, label, review, train
from .look import CSS, THEME, every_second, heading, sentence, status
from .serving import AUTH_VARIABLE, LARGE, LOOPBACK, check_auth, guards, routes
from .telling import attempt

EMBEDDING = "embedding"
DEFAULT_PORT = 7860
_LAST_PORT = 65535
SCREENS = {"label": label.respond, "review": review.respond}
"""The screens that talk to the server themselves, through `/act/{screen}`."""
_SECONDS_TO_STOP = 10


def launch(
    project: str | Path,
    stage: int | None = None,
    model: str | None = None,
    cache_dir: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    auth: str | None = None,
) -> None:
    """Open a stage and serve its page until Ctrl-C, which is raised. Raises `ImlcullError`.

    `auth`: `user:password`, asked for on every route; the environment variable IMLCULL_AUTH where it is not given.
    """
    auth = auth or os.environ.get(AUTH_VARIABLE) or None
    check_auth(auth)
    _check_port(host, port)
    session, jobs = open_session(project, stage, model, cache_dir, prepare=False), Jobs()
    embed(session, jobs)
    page = serve(session, jobs, host, port, auth)
    say(f"{session.stage.folder} is on {page.local_url}. Stop with Ctrl-C.")
    if host not in LOOPBACK and auth is None:
        say("Whoever reaches this machine sees the photos and can answer; --auth user:password asks for a password.")
    try:
        threading.Event().wait()
    finally:
        jobs.close()
        page.close(verbose=False)
        jobs.wait(_SECONDS_TO_STOP)


def embed(session: Session, jobs: Jobs) -> None:
    """Compute missing embeddings, then previews, while nobody asks for anything else.

    Raises `StageError` while another job runs.
    """

    def work(progress: Progress, stop: Stop) -> None:
        session.prepare(progress=progress, stop=stop)
        session.make_previews(LARGE, progress=progress, stop=stop)

    jobs.start(EMBEDDING, work, yields=True)


def serve(session: Session, jobs: Jobs, host: str, port: int, auth: str | None = None) -> gr.Blocks:
    """Start the server in the background and return the page, whose `close` ends it."""
    page = build(session, jobs)
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        # Routes given here come before Gradio's own.
        app_kwargs={"routes": routes(session, SCREENS), "middleware": guards(host, auth)},
        theme=THEME,
        css=CSS,
        share=False,
        quiet=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        inbrowser=False,
    )
    return page


def build(session: Session, jobs: Jobs) -> gr.Blocks:
    """The page of one session."""
    with gr.Blocks(title=f"{session.stage.name} · imlcull", analytics_enabled=False, fill_width=True) as page:
        timer = gr.Timer(1)
        with gr.Row(elem_classes="top"):
            line = gr.HTML(_line(session, jobs))
            stop = gr.Button("Stop", size="sm", scale=0, min_width=110, visible=False)
            again = gr.Button("Embed again", size="sm", scale=0, min_width=110, visible=False)
        with gr.Tabs():
            with gr.Tab("Label"):
                label.build()
            with gr.Tab("Review"):
                review.build(session, timer)
            with gr.Tab("Train"):
                train.build(session, jobs, timer)
            with gr.Tab("Cull"):
                cull.build(session, jobs, timer)

        def on_tick() -> tuple[str, gr.Button, gr.Button]:
            job = jobs.state()
            running = job is not None and job.running
            idle_unprepared = not running and not session.prepared
            return (
                _line(session, jobs),
                gr.Button(visible=running, interactive=not (job and job.stopping)),
                gr.Button(visible=idle_unprepared),
            )

        def on_again() -> None:
            attempt(lambda: embed(session, jobs))  # another visitor was faster: the line shows that job

        every_second(timer, on_tick, None, [line, stop, again])
        stop.click(jobs.cancel, None, None, api_visibility="private")
        again.click(on_again, None, None, api_visibility="private")
    return page


def _line(session: Session, jobs: Jobs) -> str:
    job = jobs.state()
    # Embedding has no screen of its own, so its error is said here.
    words = sentence(job.error, "failed") if job and job.error and job.name == EMBEDDING else status(job)
    return heading(f"{session.stage.project.name} / {session.stage.name}", words)


def _check_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        free = port + 1 if port < _LAST_PORT else DEFAULT_PORT
        reason = os.strerror(number) if number > 0 else str(error)
        raise ServerError(
            f"Could not listen on {host}, port {port}: {reason}. "
            f"Close the program that uses it, or choose another port, such as --port {free}."
        ) from error
