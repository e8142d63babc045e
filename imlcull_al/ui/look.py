"""Colours, type and spacing, and the few pieces of HTML that more than one screen shows."""

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from ..jobs import Job

_TEAL = gr.themes.Color(
    "#eef7f6", "#d3ebe9", "#a9d7d3", "#77bdb7", "#479f98", "#2b8c85", "#1b7f79", "#176a65", "#135450", "#0f403d",
    "#092927",
)  # fmt: skip
# No family of another host: names only, so that nothing is fetched.
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Consolas", "Liberation Mono", "monospace")

THEME = gr.themes.Base(
    primary_hue=_TEAL, neutral_hue=gr.themes.colors.neutral, radius_size="sm", font=_FONT, font_mono=_MONO
).set(
    block_border_width="0px",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_shadow="none",
    block_label_background_fill="transparent",
    body_text_color_subdued="*neutral_500",
    border_color_primary="*neutral_300",
    button_secondary_background_fill="*neutral_100",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_500",
)

CSS = """
:root { --keep: #1b7f79; --cull: #b5562f; --keep-ink: #1b7f79; --cull-ink: #a54a25; --surround: #7a7a7a; }
.dark { --keep-ink: #62c3bb; --cull-ink: #e7976f; --surround: #262626; }
.gradio-container > main { padding: .5rem 1.5rem !important; }
.gradio-container main > .wrap > .column, .gradio-container main .column.gap { gap: .75rem; }
.form { background: transparent !important; border: 0 !important; gap: 1rem !important; }
.form .block { padding: 0 !important; }
footer { display: none !important; }
.heading { display: flex; gap: 1rem; align-items: baseline; padding: .25rem 0; }
.heading h1 { font-size: 1.05rem; font-weight: 650; margin: 0; white-space: nowrap; }
.subdued { color: var(--body-text-color-subdued); font-size: .9rem; }
.numbers { font-variant-numeric: tabular-nums; }
.failed { color: var(--cull-ink); }
.keep { color: var(--keep-ink); } .cull { color: var(--cull-ink); }
.bar { display: inline-block; width: 9rem; height: .3rem; border-radius: 1rem; vertical-align: middle;
       background: var(--border-color-primary); overflow: hidden; margin-right: .6rem; }
.bar i { display: block; height: 100%; background: var(--keep); }
.screen { max-width: 64rem; }
.html-container { padding: 0 !important; }
.screen h3 { font-size: 1rem; font-weight: 600; margin: 1.2rem 0 .5rem; }
.screen table { border-collapse: collapse; font-size: .9rem; }
.screen :is(table, tr, th, td) { border: 0 !important; }
.screen :is(th, td) { padding: .25rem 1.6rem .25rem 0 !important; text-align: right;
                      border-bottom: 1px solid var(--border-color-primary) !important; }
.screen :is(th, td):first-child { text-align: left; }
.screen th { font-weight: 500; color: var(--body-text-color-subdued); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem; }
.sheet figure { margin: 0; font-size: .75rem; }
.sheet img { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--surround); display: block; }
.report { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; align-items: start; }
.report img { width: 100%; background: white; display: block; }
"""


def every_second(timer: gr.Timer, function: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Call a function that only looks: past the queue, and without a sign of work on the page."""
    timer.tick(function, inputs, outputs, queue=False, show_progress="hidden", api_visibility="private")


def heading(project: str, status: str) -> str:
    """The line above the tabs."""
    return f'<div class="heading"><h1>{escape(project)}</h1><span role="status">{status}</span></div>'


def status(job: Job | None) -> str:
    """One line about the latest job: how far it is, or that it ended; the screen of the job says how."""
    if job is None:
        return ""
    if not job.running:
        return f'<span class="subdued">{escape(job.name.capitalize())} {job.status}</span>'
    share = job.done / job.total if job.total else 0
    bar = f'<span class="bar"><i style="width:{share:.0%}"></i></span>'
    return f'<span class="subdued numbers">{bar}{escape(progress_line(job))}</span>'


def progress_line(job: Job) -> str:
    """`Embedding · 120 of 360 · about 0:40 left`."""
    if not job.what:
        return f"{job.name.capitalize()} starts"
    left = "" if not job.seconds_left else f" · about {minutes(job.seconds_left)} left"
    return f"{job.what.capitalize()} · {job.done} of {job.total}{left}"


def minutes(seconds: float) -> str:
    """`0:40`, `12:05` or `1:02:05`."""
    whole, second = divmod(round(seconds), 60)
    hour, minute = divmod(whole, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def sentence(text: str, kind: str = "subdued") -> str:
    """A paragraph, or nothing for no text."""
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""
