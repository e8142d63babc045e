"""The Train screen: options, start and stop, the epochs as they come, and the report of the last training."""

from dataclasses import asdict, fields
from html import escape
from typing import Any

import gradio as gr

from ..epochs import Epoch, Options
from ..errors import TrainingError
from ..jobs import DONE, Job, Jobs
from ..progress import Progress, Stop
from ..session import Session
from .look import every_second, sentence
from .serving import report_urls
from .telling import attempt

JOB = "training"
_STEPS = {"learning_rate": 0.00001, "validation_split": 0.05}


def build(session: Session, jobs: Jobs, timer: gr.Timer) -> None:
    """Put the screen into the page."""
    with gr.Column(elem_classes="screen"):
        with gr.Row():
            numbers = [_number(name, default) for name, default in asdict(Options()).items()]
        with gr.Row():
            start = gr.Button("Start training", variant="primary", scale=0, min_width=180)
            stop = gr.Button("Stop", interactive=False, scale=0, min_width=100)
        message = gr.HTML()
        course = gr.HTML()
        report = gr.HTML()
    seen = gr.State(-1)

    def on_start(*values: float | None) -> str:
        _, error = attempt(lambda: start_training(session, jobs, options(values)))
        return sentence(error, "failed")

    def on_tick(seen: int) -> tuple[Any, ...]:
        job = jobs.state()
        revision = job.revision if job else 0
        if revision == seen:
            return (gr.skip(),) * 4
        report = gr.skip() if job and job.running else report_html(session)
        stoppable = job is not None and job.running and job.name == JOB
        return revision, training_html(session, job), report, gr.Button(interactive=stoppable)

    start.click(on_start, numbers, message, api_visibility="private")
    stop.click(jobs.cancel, None, None, api_visibility="private")
    every_second(timer, on_tick, seen, [seen, course, report, stop])


def options(values: tuple[float | None, ...]) -> Options:
    """The fields of the screen as options. Raises `TrainingError` for an empty one."""
    named = dict(zip((field.name for field in fields(Options)), values, strict=True))
    if empty := [name for name, value in named.items() if value is None]:
        raise TrainingError(f"{_title(empty[0])} is empty; enter a number.")
    chosen = Options(**named)  # type: ignore[arg-type]  # none is None
    chosen.check()
    return chosen


def start_training(session: Session, jobs: Jobs, chosen: Options) -> None:
    """Train in the background; each epoch becomes a note of the job."""

    def work(progress: Progress, stop: Stop) -> Any:
        return session.train(
            chosen, progress=progress, on_epoch=lambda epoch, best: jobs.note((epoch, best)), stop=stop
        )

    jobs.start(JOB, work)


def training_html(session: Session, job: Job | None) -> str:
    """The course of the training, running or ended; nothing while the latest job is another."""
    if job is None or job.name != JOB:
        return ""
    words = sentence(job.error, "failed")
    if job.status == DONE:
        words = sentence(job.result.summary, "") + sentence(session.notice)
    return words + (epochs_html(job.notes) if job.notes else "")


def epochs_html(notes: tuple[tuple[Epoch, bool], ...]) -> str:
    """A table of the epochs, the latest first."""
    rows = "".join(
        f"<tr><td>{epoch.epoch}</td><td>{epoch.train_loss:.4f}</td><td>{epoch.val_loss:.4f}</td>"
        f'<td>{epoch.val_accuracy:.1%}</td><td class="keep">{"saved" if best else ""}</td></tr>'
        for epoch, best in reversed(notes)
    )
    heads = "".join(
        f"<th>{name}</th>" for name in ("Epoch", "Train loss", "Validation loss", "Validation accuracy", "")
    )
    return f'<table class="numbers"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def report_html(session: Session) -> str:
    """The pictures of the last training, if there was one."""
    pictures = "".join(
        f'<a href="{escape(url)}" target="_blank"><img src="{escape(url)}" alt="{escape(name)}" loading="lazy"></a>'
        for name, url in report_urls(session).items()
    )
    return f'<h3>Report of the last training</h3><div class="report">{pictures}</div>' if pictures else ""


def _number(name: str, default: float) -> gr.Number:
    whole = isinstance(default, int)
    return gr.Number(
        default, label=_title(name), precision=0 if whole else None, step=_STEPS.get(name, 1), min_width=130
    )


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
