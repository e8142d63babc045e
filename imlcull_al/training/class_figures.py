"""Draws the figures of a task with several classes or tags: the confusion matrix, and how well each is told."""

from collections.abc import Sequence

import numpy as np
from PIL import ImageColor

from .evaluation import Rates
from .figures import (
    CULL_COLOUR,
    INK,
    KEEP_COLOUR,
    PALE,
    Caption,
    count,
    drawable,
    finish,
    page,
    percent,
    png,
    shortened,
)

MOST = 30
"""Classes or tags in a figure: those of the most answers. All are in the table beside it."""
_LENGTH = 24  # of a name, in characters


def draw_matrix(counts: Sequence[Sequence[int]], names: Sequence[str], caption: Caption) -> bytes:
    """The K × K confusion matrix as shares of each row: rows are answers, columns are model decisions."""
    whole = np.array(counts)
    total, agreed = int(whole.sum()), int(np.trace(whole))
    shown = _most_answered(whole.sum(axis=1).tolist())
    table, side = whole[np.ix_(shown, shown)], min(8.0, max(3.6, 0.34 * len(shown)))
    if len(shown) < len(names):
        caption = _cut(caption, "classes", len(names), "confusion_matrix.csv")
    headline = f"The model agrees with you on {agreed} of {count(total, 'validation photo')}"
    figure = page(max(8.0, side + 4), side + 1.2, headline if total else "No validation photos to compare", caption)
    axes = figure.subplots()
    width, height = figure.get_size_inches()
    bottom = figure.subplotpars.bottom
    axes.set_position(
        (2.6 / width, bottom + 1.4 / height, (width - 3.1) / width, 1 - 1.2 / height - bottom - 1.4 / height)
    )
    shares = table / np.maximum(whole.sum(axis=1)[shown, None], 1)
    axes.imshow(_shaded(shares), aspect="auto")
    for (row, column), number in np.ndenumerate(table):
        if number:
            colour = "white" if shares[row, column] > 0.6 else INK
            size = 11 if len(shown) <= 12 else 7.5
            axes.text(column, row, f"{number}", size=size, color=colour, ha="center", va="center")
    finish(axes, "the model's decision", "your answer")
    axes.grid(visible=False)
    named = [shortened(drawable(names[place]), _LENGTH) for place in shown]
    axes.set_xticks(range(len(shown)), named, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(len(shown)), named, parse_math=False)
    return png(figure)


def draw_rates(found: Sequence[Rates], noun: str, caption: Caption) -> bytes:
    """Recall and precision of each class or tag (`noun` in the plural), with 95 % intervals."""
    shown = [found[place] for place in _most_answered([each.answers for each in found])]
    if len(shown) < len(found):
        caption = _cut(caption, noun, len(found), f"{noun}.csv")
    told = [(each.recall.share, each.name) for each in shown if each.answers]
    headline = f"No validation photos of any of the {noun}"
    if told:
        worst, name = min(told)
        headline = f"Found least often: {shortened(drawable(name), _LENGTH)}, {percent(worst)} of your photos"
    figure = page(8, 0.36 * len(shown) + 1.0, headline, caption)
    axes = figure.subplots()
    figure.subplots_adjust(left=2.6 / 8)
    lines = (("recall", "of your photos, found by the model", KEEP_COLOUR, -0.14, "o"),
             ("precision", "of the model's, labeled so by you", CULL_COLOUR, 0.14, "D"))  # fmt: skip
    for field, words, colour, shift, dot in lines:
        values = [(place + shift, getattr(each, field)) for place, each in enumerate(shown)]
        known = [(y, 100 * np.array(share)) for y, share in values if share.share == share.share]
        for y, (_, low, high) in known:
            axes.plot((low, high), (y, y), color=colour, linewidth=1.5)
        at = [share[0] for _, share in known]
        axes.plot(at, [y for y, _ in known], dot, color=colour, markersize=6, label=f"{field}: {words}", clip_on=False)
    finish(axes, "share, with 95 % interval (Wilson) (%)", "")
    axes.get_legend().set_bbox_to_anchor((1, 1), axes.transAxes)
    named = [f"{shortened(drawable(each.name), _LENGTH)}  ({each.answers})" for each in shown]
    axes.set_yticks(range(len(shown)), named, parse_math=False)
    axes.set(xlim=(0, 100), ylim=(len(shown) - 0.5, -0.5))
    return png(figure)


def _shaded(shares: np.ndarray) -> np.ndarray:
    """Shares (K, K) → colors (K, K, 3): agreement in one hue, mistakes in another."""
    pale, right, wrong = (np.array(ImageColor.getrgb(colour)) / 255 for colour in (PALE, KEEP_COLOUR, CULL_COLOUR))
    full = np.where(np.eye(len(shares), dtype=bool)[..., None], right, wrong)
    colours: np.ndarray = pale + shares[..., None] * (full - pale)
    return colours


def _most_answered(answers: Sequence[int]) -> list[int]:
    """At most `MOST` places, in their order."""
    return sorted(sorted(range(len(answers)), key=lambda place: -answers[place])[:MOST])


def _cut(caption: Caption, noun: str, there_are: int, table: str) -> Caption:
    words = f"The {MOST} {noun} with most answers, of {there_are}; all are in {table}. "
    return caption._replace(footnote=words + caption.footnote)
