"""Theme, CSS and the HTML and event wiring that several screens share."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from ..progress import how_far
from ..session.desk import DRY_RUN, EMBEDDING, UNDOING, Desk
from ..session.jobs import Job
from .scripts import starting
from .serving import Find
from .telling import attempt

_TEAL = gr.themes.Color(
    "#eef7f6", "#d3ebe9", "#a9d7d3", "#77bdb7", "#479f98", "#2b8c85", "#1b7f79", "#176a65", "#135450", "#0f403d",
    "#092927",
)  # fmt: skip
# Local font names only, so that nothing is fetched from another host.
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
    button_primary_background_fill_hover_dark="*primary_700",
)

CSS = """
:root { --class-0: #2f7fc1; --class-1: #c2741b; --class-2: #23906b; --class-3: #b65fa8; --class-4: #7a6ad8;
        --class-5: #a0812a; --class-6: #d0525a; --class-7: #7d8790; }
:root { --keep: #1b7f79; --cull: #b5562f; --keep-ink: #1b7f79; --cull-ink: #a54a25; --surround: #7a7a7a; }
.dark { --keep-ink: #62c3bb; --cull-ink: #e7976f; --surround: #262626; }
.gradio-container > main { padding: .5rem 1.5rem !important; }
.gradio-container main > .wrap > .column, .gradio-container main .column.gap { gap: .75rem; }
.form { background: transparent !important; border: 0 !important; gap: 1rem !important; }
.form .block { padding: 0 !important; }
footer { display: none !important; }
button[role=tab].selected { color: var(--keep-ink) !important; }
.heading { display: flex; gap: 1rem; align-items: baseline; padding: .25rem 0; }
.heading h1 { font-size: 1.05rem; font-weight: 650; margin: 0; white-space: nowrap; min-width: 6rem; overflow: hidden;
               text-overflow: ellipsis; }
.top > .block { flex: 0 1 auto !important; min-width: 0 !important; width: auto !important; }
.top { align-items: center; min-height: 35px; } .top > .appearance-place { margin-left: auto !important; order: 1; }
.appearance { font: inherit; font-size: .8rem; padding: .1rem .3rem; border-radius: 4px; appearance: auto;
              cursor: pointer; border: 1px solid var(--border-color-primary); color: var(--body-text-color-subdued);
              background: var(--body-background-fill); }
.appearance:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 1px; }
.next { font-size: .95rem; margin: 0; }
.next a { display: inline-block; max-width: 100%; box-sizing: border-box; padding: 0 .8rem; border-radius: 1rem;
          border: 1px solid var(--keep-ink); color: var(--keep-ink); font-weight: 600; line-height: 1.6;
          overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-decoration: none; }
.next a:hover { background: var(--background-fill-secondary); }
.next a:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 2px; }
.subdued { color: var(--body-text-color-subdued); font-size: .9rem; }
.numbers { font-variant-numeric: tabular-nums; }
.failed { color: var(--cull-ink); }
.keep { color: var(--keep-ink); } .cull { color: var(--cull-ink); }
.bar { display: inline-block; width: 9rem; height: .3rem; border-radius: 1rem; vertical-align: middle;
       background: var(--border-color-primary); overflow: hidden; margin-right: .6rem; }
.bar i { display: block; height: 100%; background: var(--keep); }
.screen { max-width: 64rem; }
.html-container { padding: 0 !important; }
.unseen { display: none !important; }
.screen h2 { font-size: 1rem; font-weight: 600; margin: 1.2rem 0 .5rem; }
.screen table { border-collapse: collapse; font-size: .9rem; }
.screen :is(table, tr, th, td) { border: 0 !important; }
.screen :is(th, td) { padding: .25rem 1.6rem .25rem 0 !important; text-align: right;
                      border-bottom: 1px solid var(--border-color-primary) !important; }
.screen :is(th, td):first-child { text-align: left; }
.screen th { font-weight: 500; color: var(--body-text-color-subdued); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem; }
.sheet figure { margin: 0; font-size: .75rem; }
.sheet img { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--surround); display: block; }
.call { padding: 0; border: 0; background: none; font: inherit; font-size: .75rem; color: inherit; cursor: pointer;
        text-align: left; border-radius: 3px; align-self: start; }
.call img { border-bottom: 3px solid var(--cull); } .call.keep img { border-color: var(--keep); }
.call:focus-visible, .warning a:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 2px; }
.warning { border-left: 3px solid var(--cull); padding-left: .7rem; }
.warning a, .screen p > a { color: var(--keep-ink); text-decoration: underline; }
.mosaic { display: grid; grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)); gap: 2px; }
.mosaic img { width: 100%; aspect-ratio: 1; object-fit: cover; background: var(--surround); display: block; }
.call-closer { border: 0; padding: 0; margin: auto; width: 94vw; height: 94vh; max-width: none; max-height: none;
               background: var(--body-background-fill); color: var(--body-text-color); outline: none; }
.call-closer[open] { display: grid; grid-template-rows: minmax(0, 1fr) auto; }
.call-closer::backdrop { background: rgb(0 0 0 / .7); }
.call-closer img { width: 100%; height: 100%; object-fit: contain; background: var(--surround); min-height: 0; }
.call-closer div { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; padding: .6rem 1rem; }
.call-closer .about { margin-right: auto; overflow-wrap: anywhere; }
.call-closer button { padding: .45rem 1rem; border-radius: 4px; border: 1px solid var(--border-color-primary);
                      font: inherit; color: inherit; background: var(--background-fill-secondary); cursor: pointer; }
.call-closer :is([data-answer=keep], [data-answer=cull]) { color: white; border: 0; font-weight: 600; }
.call-closer [data-answer=keep] { background: var(--keep); }
.call-closer [data-answer=cull] { background: var(--cull); }
.call-closer button:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 2px; }
.report { columns: 2 24rem; column-gap: 1.5rem; }
.report figure { margin: 0 0 1.6rem; break-inside: avoid; }
.report img { width: 100%; background: white; display: block; border-radius: 3px; }
.report figcaption { font-size: .9rem; padding-top: .5rem; line-height: 1.45; }
.report a:focus-visible, .screen summary:focus-visible { outline: 2px solid var(--keep-ink); outline-offset: 3px; }
.screen button.lg { font-size: .95rem; font-weight: 600; padding: .55rem 1.1rem; white-space: nowrap; }
.screen .form { align-items: flex-end; }
.screen .block:has(> .html-container > .prose:empty) { display: none; }
.screen p { margin: .3rem 0; line-height: 1.5; overflow-wrap: anywhere; }
.screen .promise { font-size: 1.25rem; font-weight: 600; max-width: 40rem; margin: .6rem 0 !important; }
.screen code { font-size: .85rem; padding: .1rem .35rem; border-radius: 3px;
               background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary);
               overflow-wrap: anywhere; }
.screen details { margin: .6rem 0; } .screen summary { cursor: pointer; font-size: .9rem; width: fit-content; }
.scroll { overflow-x: auto; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem 2rem;
          margin: .8rem 0; }
.chart { width: 100%; max-width: 31rem; height: auto; display: block; font-family: inherit; }
.chart text { fill: var(--body-text-color-subdued); font-size: 12px; font-variant-numeric: tabular-nums; }
.chart .title { fill: var(--body-text-color); font-size: 13px; font-weight: 600; }
.chart .grid { stroke: var(--border-color-primary); stroke-width: 1; }
.chart .best { stroke: var(--body-text-color-subdued); stroke-width: 1; stroke-dasharray: 3 4; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .line.firm { stroke: var(--keep-ink); } .chart .line.soft { stroke: var(--body-text-color-subdued); }
.chart circle.firm, .chart tspan.firm { fill: var(--keep-ink); }
.chart circle.soft, .chart tspan.soft { fill: var(--body-text-color-subdued); }
.chart .legend { font-weight: 600; }
@media (max-width: 40rem) {
  .gradio-container > main { padding: .5rem .9rem !important; }
  .heading { flex-wrap: wrap; gap: .1rem 1rem; } .heading .bar { width: 4rem; margin-right: .4rem; }
  .next { font-size: .82rem; padding-right: 5rem; } .next a { padding: 0 .6rem; white-space: normal; line-height: 1.2; }
  .top { position: relative; gap: .1rem; } .top > .block:first-child { min-width: 100% !important; }
  .top > .appearance-place { position: absolute; right: 0; top: 1.7rem; }
  .top > button { position: absolute; right: 0; top: .1rem; }
  .heading > span { min-width: 0; max-width: 100%; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .screen :is(th, td) { padding-right: .8rem !important; }
  .chart text, .chart .title { font-size: 15px; }
  .tab-container button { padding: 0 .5rem !important; font-size: .85rem !important; }
}
"""


def on_press(
    button: gr.Button,
    find: Find,
    function: Callable[..., Any],
    inputs: Any,
    message: gr.HTML | None,
    then: gr.State | None = None,
) -> None:
    """Call `function(desk, *inputs)` when the button is pressed; its error goes to `message`.

    `then`: the state from `Clock.until_answers_change`, set to the answers at the time of the error.
    """

    def press(request: gr.Request, *values: Any) -> Any:
        _, error = attempt(lambda: function(find(request), *values))
        words = sentence(error, "failed") if message is not None else None
        return words if then is None else (words, attempt(lambda: answers(find(request)))[0])

    button.click(press, inputs, message if then is None else [message, then], api_visibility="private")


def answers(desk: Desk) -> tuple[str, int, int]:
    """Stage name, keep count, cull count: what a refusal depends on. New scores leave them unchanged."""
    now = desk.session.counts()
    return desk.session.stage.name, now.keep, now.cull


_ON_PAGE = {EMBEDDING: "analyzing photos", DRY_RUN: "preview", UNDOING: "undoing the cull"}
"""Display names of jobs and their steps, where the internal name is jargon."""

Ended = tuple[int, tuple[str, int, int] | None, bool]
"""A failed job: its number, the answers when its failure was first seen, and whether they are still the same."""


def ended(desk: Desk, job: Job | None, known: Ended | None) -> Ended | None:
    """Update `known` for the latest job; None if the job has no error."""
    if job is None or not job.error:
        return None
    now, _ = attempt(lambda: answers(desk))
    if known is None or known[0] != job.number:
        return job.number, now, True
    return job.number, known[1], known[2] and known[1] == now


APPEARANCE = "appearance.js"


def appearance() -> gr.HTML:
    """The menu that makes the page light or dark."""
    options = "".join(f'<option value="{name.lower()}">{name}</option>' for name in ("System", "Light", "Dark"))
    menu = f'<select class="appearance" aria-label="Appearance" title="Light or dark">{options}</select>'
    return gr.HTML(menu, js_on_load=starting(APPEARANCE), elem_classes="appearance-place", apply_default_css=False)


def heading(project: str, status: str) -> str:
    """HTML of the line above the tabs: project name and status."""
    return f'<div class="heading"><h1>{escape(project)}</h1><span role="status">{status}</span></div>'


def status(job: Job | None) -> str:
    """Status line of the latest job: its progress, or that it ended. The job's own screen shows the outcome."""
    if job is None:
        return ""
    if not job.running:
        return f'<span class="subdued">{escape(_on_page(job.name).capitalize())}: {job.status}</span>'
    if job.stopping:
        return f'<span class="subdued">{escape(_on_page(job.name).capitalize())}: stopping</span>'
    share = job.done / job.total if job.total else 0
    bar = f'<span class="bar"><i style="width:{share:.0%}"></i></span>'
    return f'<span class="subdued numbers">{bar}{escape(progress_line(job))}</span>'


def progress_line(job: Job) -> str:
    """`Analyzing photos · 120 of 360 · about 0:40 left`."""
    if not job.what:
        return f"{_on_page(job.name).capitalize()}: starting"
    return how_far(_on_page(job.what), job.done, job.total, job.seconds_left)


def _on_page(name: str) -> str:
    return _ON_PAGE.get(name, name)


def table(name: str, heads: Sequence[str], rows: str) -> str:
    """A table of numbers that scrolls sideways on a narrow screen, also by keyboard. `rows`: its `<tr>` elements."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}"><table class="numbers">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def sentence(text: str, kind: str = "subdued") -> str:
    """A paragraph; empty for an empty text."""
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""
