"""The Improve screen: cost, options, start and stop, live epochs, and the report of the last training.

The history of a training is in the notes of its job, one `Lap` per epoch.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from html import escape
from typing import Any

import gradio as gr

from ..errors import TrainingError
from ..progress import amount, minutes
from ..project.task import CULL_TASK, Task
from ..session.desk import TRAINING, Desk, Lap
from ..session.jobs import DONE, Job
from ..session.session import Counts, Session
from ..training.options import GENTLE, Options
from ..training.unfinished import Interrupted
from .clock import Clock
from .curves import curves_svg
from .look import Ended, ended, on_press, sentence, table
from .serving import Find, report_urls
from .tasks import in_numbers

_ALL_AS_ZERO = {name for name, default in asdict(Options()).items() if default is None}
"""Options whose None ("all") is shown as 0: the page sends 0 for an empty field."""
_STEPS = {"learning_rate": 0.00001, "validation_split": 0.05}
_MEANINGS = {
    "epochs": "Passes over the photos, at most",
    "batch_size": "Photos per step",
    "learning_rate": "Step size of Adam, gentle of AdamW",
    "patience": "Epochs without improvement before stopping; gentle never stops early",
    "validation_split": "Share of the labels held out; gentle holds out all, in turns",
    "seed": "Same seed, same result",
    "train_blocks": "Train only the last blocks, faster; 0 for all",
    "gentle": "Trains several models, each without some of the photos, and saves their mean. The photos left out tell "
    "which scores are best.",
}
REPORT = {
    "curves": "Loss and accuracy by epoch. Saved is the epoch with the best validation accuracy, of a gentle "
    "training the last. "
    "Where the two losses diverge, the model is overfitting: it memorizes your labels.",
    "confusion matrix": "How often the model agreed with you on the validation photos, and which errors it made.",
    "precision recall": "Of all thresholds: how many of your keepers are kept, and how many of the kept photos are "
    "keepers. The dot is a threshold of 50 %.",
    "roc": "Of all thresholds: how many of your keepers are kept, and how many of your culls. The larger the area "
    "below the curve, the better p_keep tells them apart.",
    "reliability": "Share of photos you kept, by score. On the diagonal, scores are accurate probabilities.",
    "mistakes lost keepers": "Photos you kept but the model would cull, worst first. Check these before you trust it.",
    "mistakes kept culls": "Photos you culled but the model would keep, worst first. They only cost disk space.",
    "sharpness": "Sharpness maps of the worst mistakes, to tell missed focus from a matter of taste.",
}
"""Report figures in page order, with their captions."""
TASK_REPORT = {
    "curves": REPORT["curves"],
    "classes": "How many photos of each class the model finds, and how many that it calls so are, with 95 % intervals.",
    "tags": "How many photos with each tag the model finds, and how many that it tags so have it, with 95 % intervals.",
    "confusion matrix": "What the model says of the validation photos of each class.",
    "precision recall": "Of all thresholds on a probability: how many of your photos are found, and how many of those "
    "found are right.",
    "roc": "Of all thresholds on a probability: how many of your photos are found, and how many others are taken for "
    "them. The larger the area below a curve, the better the model tells them apart.",
    "reliability": "Share of answers that the model gets right, by how sure it is. On the diagonal, it is neither too "
    "sure nor too modest.",
    "mistakes": "Photos of which the model says something else than you, surest first.",
}
"""The same for other tasks than keep or cull."""


def build(find: Find, clock: Clock) -> None:
    """Add the screen to the page."""
    with gr.Column(elem_classes="screen"):
        price = gr.HTML()
        offer = gr.HTML()
        with gr.Row():
            start = gr.Button("Start training", variant="primary", scale=0, min_width=180)
            again = gr.Button("Start again", visible=False, scale=0, min_width=140)
            stop = gr.Button("Stop training", interactive=False, scale=0, min_width=140)
        message = gr.HTML()
        with gr.Accordion("More", open=False):
            details = gr.HTML()
            gentle = gr.Checkbox(GENTLE.gentle, label=_title("gentle"), info=_MEANINGS["gentle"])
            with gr.Row():
                numbers = [_number(name, default) for name, default in _numbers(GENTLE).items()]
        course = gr.HTML()
        report = gr.HTML()
    seen, cost_seen, then = gr.State((-1, None)), gr.State(""), clock.until_answers_change(message)

    def on_tick(desk: Desk, seen: tuple[int, Ended | None]) -> tuple[Any, ...]:
        now, job = desk.jobs.state(), desk.latest(TRAINING)
        revision = now.revision if now else 0
        failure = ended(desk, job, seen[1])
        if (revision, failure) == seen:
            return (gr.skip(),) * 7
        if job and failure and not failure[2]:
            job = replace(job, error="")
        running = job is not None and job.running
        lost = None if running else desk.session.interrupted_training()
        return (
            (revision, failure),
            training_html(desk.session, job),
            gr.skip() if running else report_html(desk.session),
            sentence(offer_again(desk.session, lost)),
            gr.Button(interactive=job is None or not running or job.yields),
            gr.Button(visible=lost is not None),
            gr.Button(interactive=running and not (job and job.stopping)),
        )

    def on_cost(desk: Desk, shown: str, epochs: float | None) -> tuple[Any, ...]:
        counts, session = desk.session.counts(), desk.session
        words = cost(counts, pace(desk.latest(TRAINING)), epochs, session.task)
        words = f"{words} {afterwards(counts.photos, session.seconds_per_photo)}"
        if words == shown:
            return (gr.skip(),) * 3
        return words, sentence(price_of(counts, pace(desk.latest(TRAINING)), epochs), "numbers"), sentence(words)

    on_press(start, find, lambda desk, *values: desk.train(options(values)), [*numbers, gentle], message, then)
    on_press(again, find, lambda desk: desk.train_again(), None, message, then)
    on_press(stop, find, lambda desk: desk.stop_training(), None, None)
    clock.every_second(on_tick, seen, [seen, course, report, offer, start, again, stop], message)
    clock.every_second(on_cost, [cost_seen, numbers[0]], [cost_seen, price, details], message)
    gentle.change(_usual, gentle, numbers, api_visibility="private")


def options(values: tuple[float | None, ...]) -> Options:
    """The screen's fields as `Options`. Raises `TrainingError` for an empty required field."""
    named = dict(zip((field.name for field in fields(Options)), values, strict=True))
    for name in _ALL_AS_ZERO:
        named[name] = named[name] or None
    if empty := [name for name, value in named.items() if value is None and name not in _ALL_AS_ZERO]:
        raise TrainingError(f"{_title(empty[0])} is empty; enter a number.")
    return Options(**named)  # type: ignore[arg-type]  # None where it may be


def pace(job: Job | None) -> float | None:
    """Median seconds per epoch of a running or finished training; None before the first. Epoch 0 doesn't count."""
    measured = [lap.seconds for lap in job.notes if lap.epoch.epoch > 0] if job else []
    return statistics.median(measured) if measured else None


def price_of(counts: Counts, seconds: float | None, epochs: float | None) -> str:
    """What a training learns from and how long it takes: `81 answers, at most 1:10.`"""
    return f"{amount(counts.labeled, 'answer')}{_most(seconds, epochs, ', at most ')}."


def _most(seconds: float | None, epochs: float | None, before: str) -> str:
    """The longest that so many epochs take; empty if unknown."""
    is_known = seconds is not None and isinstance(epochs, int | float) and 1 <= epochs < float("inf")
    return f"{before}{minutes(seconds * epochs)}" if is_known and seconds and epochs else ""


def cost(counts: Counts, seconds: float | None, epochs: float | None, task: Task = CULL_TASK) -> str:
    """Cost of a training: photos, measured seconds per epoch, and the longest that `epochs` epochs take."""
    photos = counts.labeled
    labeled = f"{amount(photos, 'labeled photo')} ({in_numbers(task, counts, ', ')})"
    if seconds is None:
        return f"{labeled}. Time per epoch: unknown until the first epoch is done."
    return f"{labeled}. An epoch took {seconds:.2g} s{_most(seconds, epochs, '; all epochs take at most ')}."


def afterwards(photos: int, seconds_per_photo: float | None) -> str:
    """What follows a training: all photos are analyzed by the new model, while the old scores hold."""
    time = f", about {minutes(photos * seconds_per_photo)}" if seconds_per_photo else ""
    what = f"all photos ({photos:,}) are analyzed again in the background{time}"
    return f"Afterwards {what}; until then the old scores hold."


def offer_again(session: Session, lost: Interrupted | None) -> str:
    """The offer to restart a killed training; empty if there is none."""
    if lost is None:
        return ""
    when = f"after epoch {lost.epochs}" if lost.epochs else "before its first epoch was done"
    kept = "its best epoch is saved" if lost.saved else "no model was changed"
    return f"Training on {session.stage.name} was interrupted {when}; {kept}. You can restart it with its options."


def training_html(session: Session, job: Job | None) -> str:
    """Status and epochs of the running or last training; empty before the first."""
    if job is None:
        return ""
    words = sentence(job.error, "" if job.yields else "failed")
    if job.running:
        words = sentence(standing(job))
    if job.status == DONE:
        words = sentence(job.result.summary, "") + sentence(session.notice)
    return words + (epochs_html(job.notes) if job.notes else "")


def standing(job: Job) -> str:
    """Status of a running training, and what stopping it would keep."""
    saved = [lap.epoch for lap in job.notes if lap.best and lap.epoch.epoch > 0]
    if job.stopping:
        return "Stopping after this step."
    if not job.notes:
        return "Reading the photos."
    if job.notes[-1].gentle:
        return "The model is saved after the last epoch; stopping before changes nothing."
    if not saved:
        return "No epoch has beaten the starting model yet; stopping now changes nothing."
    return f"Epoch {saved[-1].epoch} is the best so far, {saved[-1].val_accuracy:.1%}; stopping keeps it."


def epochs_html(laps: Sequence[Lap]) -> str:
    """The curves, then a collapsed table of the epochs, latest first; epoch 0 is the starting model."""
    saved = [lap.epoch.epoch for lap in laps if lap.best and lap.epoch.epoch > 0]
    rows = "".join(
        f"<tr><td>{epoch.epoch or 'Start'}</td><td>{epoch.train_loss:.4f}</td><td>{epoch.val_loss:.4f}</td>"
        f'<td>{epoch.val_accuracy:.1%}</td><td>{seconds:.1f}</td><td class="keep">'
        f"{'saved' if best and epoch.epoch else ''}</td></tr>"
        for epoch, best, seconds, _ in reversed(laps)
    )
    names = ("Epoch", "Train loss", "Validation loss", "Validation accuracy", "Seconds", "Model")
    return (
        curves_svg([lap.epoch for lap in laps], saved[-1] if saved else None)
        + "<details><summary>All epochs in numbers</summary>"
        + table("All epochs in numbers", names, rows)
        + "</details>"
    )


def report_html(session: Session) -> str:
    """Captioned figures of the last training's report; empty if there is none."""
    urls = report_urls(session)
    captions = REPORT if session.task == CULL_TASK else TASK_REPORT
    figures = "".join(_figure(name, urls[name], words) for name, words in captions.items() if name in urls)
    return f'<h2>Report of the last training</h2><div class="report">{figures}</div>' if figures else ""


def _figure(name: str, url: str, words: str) -> str:
    return (
        f'<figure><a href="{escape(url)}" target="_blank" rel="noopener"><img src="{escape(url)}" '
        f'alt="{escape(name.capitalize())}" loading="lazy"></a>'
        f'<figcaption class="subdued">{escape(words)}</figcaption></figure>'
    )


def _usual(is_gentle: bool) -> list[float]:
    """What the numbers begin with."""
    return [value or 0 for value in _numbers(GENTLE if is_gentle else Options()).values()]


def _numbers(options: Options) -> dict[str, float | None]:
    return {name: value for name, value in asdict(options).items() if name != "gentle"}


def _number(name: str, default: float | None) -> gr.Number:
    whole = not isinstance(default, float)
    return gr.Number(
        default or 0,
        label=_title(name),
        info=_MEANINGS[name],
        precision=0 if whole else None,
        step=_STEPS.get(name, 1),
        min_width=120,
    )


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
