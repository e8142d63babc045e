"""Draws the figures of a report as PNG: learning curves, confusion matrix, reliability diagram, contact sheets.

Every figure has a headline with its main result, axes with units, and a footnote on how far to trust it.
"""

import io
import math
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ..encoding.sharpness import laid_over
from ..errors import in_words
from ..photos import read as photos
from .evaluation import (
    TRAIN,
    Bin,
    Decision,
    calibration_error,
    mean_interval,
)  # fmt: skip
from .options import Epoch
from .wording import Chance, Pair, answer_in_words

SHEET_SIZE, SHEET_COLUMNS = 24, 6  # photos on a contact sheet

KEEP_COLOUR, CULL_COLOUR = "#1b7f79", "#b5562f"  # distinguishable in grayscale and with color blindness
INK, GREY, FAINT, PALE = "#22303c", "#66727f", "#9aa6b2", "#eef1f4"
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # bundled with matplotlib
DPI = 150
TILE = 300  # pixels


class Caption(NamedTuple):
    """Text of every figure: `title` below the headline, `footnote` at the bottom."""

    title: str
    footnote: str


def draw_learning(labels: np.ndarray, curves: Mapping[str, np.ndarray], headline: str, caption: Caption) -> bytes:
    """Average precision by number of labels, as a PNG: mean over seeds with 95 % interval, one curve per strategy.

    `labels`: (n,). `curves`: strategy → average precision 0 … 1, (seeds, n); the last one is the dashed baseline.
    """
    figure = page(8, 4.8, headline, caption)
    axes, (*_, baseline) = figure.subplots(), curves
    for name, runs in curves.items():
        mean, half = (100 * part for part in mean_interval(runs))
        colour, line = (GREY, "--") if name == baseline else (KEEP_COLOUR, "-")
        dots = {"marker": "o" if len(labels) <= 40 else "", "markersize": 4}
        axes.plot(labels, mean, color=colour, linestyle=line, label=name, **dots)
        axes.fill_between(labels, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    level = 100 * float(curves[baseline][:, -1].mean())
    axes.axhline(level, color=FAINT, linestyle=":", zorder=1)
    finish(axes, "labels (photos answered)", "average precision on held-out photos (%)")
    axes.set_xlim(0, 1.03 * labels[-1])
    return png(figure)


def percent(share: float) -> str:
    """Format a share 0 … 1 in percent. Only exactly 0 gives "0 %" and only exactly 1 gives "100 %"."""
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def shortened(name: str, length: int = 25) -> str:
    """Elide the middle of a long name. Most of the end stays, because that is where names differ."""
    if len(name) <= length:
        return name
    start = length // 3
    return f"{name[:start]}…{name[start + 1 - length :]}"


def drawable(text: str, family: str = SANS) -> str:
    """`text` on one line, with □ for each character that is unprintable or missing from the font."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(family))
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(letter if letter.isprintable() and font.get_char_index(ord(letter)) else "□" for letter in line)


def count(number: int, noun: str) -> str:
    """`1 photo`, `2 photos`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def page(width: float, body: float, headline: str, caption: Caption) -> Any:
    """A white `Figure` with headline and caption, and `body` inches for the subplots between them."""
    from matplotlib.figure import Figure  # pyplot's global state is not thread-safe

    footnote = textwrap.wrap(drawable(caption.footnote), int((width - 0.8) * 14.5))
    top, bottom = 1.2, 0.85 + 0.17 * len(footnote)
    height = top + body + bottom
    figure = Figure((width, height), DPI, facecolor="white")
    figure.subplots_adjust(0.95 / width, bottom / height, 1 - 0.5 / width, 1 - top / height)

    def write(inches: float, text: str, **style: Any) -> None:
        figure.text(0.4 / width, inches / height, text, parse_math=False, linespacing=1.25, **style)

    write(height - 0.35, headline, va="top", size=14, weight="bold", color=INK)
    write(height - 0.72, shortened(drawable(caption.title), int((width - 0.8) * 12)), va="top", size=9.5, color=GREY)
    write(0.3, "\n".join(footnote), va="bottom", size=8.5, color=GREY)
    return figure


def finish(axes: Any, x: str, y: str) -> None:
    """Label the axes, units included, and mute all other elements."""
    axes.set_xlabel(x, color=INK, labelpad=8, parse_math=False)
    axes.set_ylabel(y, color=INK, labelpad=8, parse_math=False)
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:  # above the axes, where no curve passes
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, frameon=False, labelcolor=INK, fontsize=9)


def draw_curves(epochs: Sequence[Epoch], best: int, caption: Caption) -> bytes:
    """Training loss, validation loss and validation accuracy by epoch, with the saved epoch marked."""
    from matplotlib.ticker import MaxNLocator

    numbers = [epoch.epoch for epoch in epochs]
    train, validation = [epoch.train_loss for epoch in epochs], [epoch.val_loss for epoch in epochs]
    percentages, losses = [100 * epoch.val_accuracy for epoch in epochs], [*filter(math.isfinite, train + validation)]
    saved = next((epoch for epoch in epochs if epoch.epoch == best), None)
    headline = "No epoch was completed"
    if saved is not None:
        name = f"in epoch {best} of {numbers[-1]}" if best else "at the start, before any epoch"
        best_of_all = (
            "Best validation" if saved.val_accuracy == max(epoch.val_accuracy for epoch in epochs) else "Validation"
        )
        headline = f"{best_of_all} accuracy: {percent(saved.val_accuracy)} {name}"
    figure = page(8, 5.6, headline, caption)
    loss, accuracy = figure.subplots(2, sharex=True, gridspec_kw={"hspace": 0.18})
    dots = {"marker": "o" if len(epochs) <= 40 else "", "markersize": 4}
    loss.plot(numbers, train, color=FAINT, label="training photos", **dots)
    loss.plot(numbers, validation, color=INK, label="validation photos", **dots)
    accuracy.plot(numbers, percentages, color=INK, **dots)
    if saved is not None:
        loss.axvline(best, color=KEEP_COLOUR, linestyle=":", zorder=1)
        accuracy.axvline(best, color=KEEP_COLOUR, linestyle=":", zorder=1)
        dot = {"color": KEEP_COLOUR, "markersize": 9, "clip_on": False}
        accuracy.plot(best, 100 * saved.val_accuracy, "o", label="saved", **dot)
    finish(loss, "", "mean cross-entropy (nats)")
    finish(accuracy, "epoch", "validation accuracy (%)")
    loss.set(xlim=(-0.5, max(numbers, default=1) + 0.5), ylim=(0, 1.1 * max(losses, default=1) or 1))
    accuracy.set_ylim(min([50, *(value - 5 for value in percentages if math.isfinite(value))]), 103)
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.align_ylabels()
    return png(figure)


def draw_confusion(counts: list[list[int]], pair: Pair, caption: Caption) -> bytes:
    """The 2 × 2 confusion matrix: rows are answers, columns are model decisions."""
    from matplotlib.patches import Rectangle

    total, agreed = sum(map(sum, counts)), counts[0][0] + counts[1][1]
    headline = f"The model agrees with you on {agreed} of {count(total, 'validation photo')}"
    figure = page(8, 4.6, headline if total else "No validation photos to compare", caption)
    axes = figure.subplots()
    axes.set_facecolor(PALE)
    finish(axes, "the model's decision", "your answer")
    for row, (colour, (one, many)) in enumerate(zip((KEEP_COLOUR, CULL_COLOUR), pair.nouns, strict=True)):
        answers = sum(counts[row])
        for column, number in enumerate(counts[row]):
            share = number / answers if answers else 0.0
            text = {"color": "white" if share > 0.8 else INK, "ha": "center", "va": "center"}
            of_all = f"{percent(share)} of your {answers} {one if answers == 1 else many}" if answers else ""
            meaning = "\n".join(shortened(drawable(words), 36) for words in (pair.meanings[row][column], of_all))
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=(colour, share), edgecolor="white", linewidth=6))
            axes.text(column + 0.5, row + 0.36, f"{number}", size=30, **text)
            axes.text(column + 0.5, row + 0.66, meaning, size=10, linespacing=1.6, parse_math=False, **text)
    axes.set(xlim=(0, 2), ylim=(2, 0), aspect="auto")
    names = [shortened(drawable(name), 20) for name in pair.answers]
    axes.set_xticks([0.5, 1.5], names, size=12, parse_math=False)
    axes.set_yticks([0.5, 1.5], names, size=12, parse_math=False)
    return png(figure)


def draw_reliability(bins: Sequence[Bin], chance: Chance, caption: Caption) -> bytes:
    """The reliability diagram: how often came true what has the mean probability of each bin."""
    headline = "No validation photos to compare"
    if bins:
        error = count(round(100 * calibration_error(bins)), "percentage point")
        headline = f"The model's {chance.name} is off by {error} on average"
        term = f"|{chance.name} − {chance.event}|"
        meaning = f"The average is the expected calibration error: {term} by bin, weighted by {chance.noun}."
        caption = caption._replace(footnote=f"{meaning} {caption.footnote}")
    figure = page(8, 6.4, headline, caption)
    shares, amounts = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": (3.2, 1), "hspace": 0.12})
    shares.plot((0, 100), (0, 100), color=FAINT, linestyle="--", label="perfectly calibrated")
    at, share, low, high = ([100 * getattr(part, name) for part in bins] for name in Bin._fields[3:])
    shares.vlines(at, low, high, color=KEEP_COLOUR, linewidth=1.5)
    dots = {"color": KEEP_COLOUR, "markersize": 8, "clip_on": False, "zorder": 3}
    shares.plot(at, share, "o", label=f"one bin of {chance.noun}, with 95 % interval (Wilson)", **dots)
    for part in bins:
        left, width = 100 * part.start + 0.5, 100 * (part.end - part.start) - 1
        bar = amounts.bar(left, part.total, width, align="edge", color=KEEP_COLOUR, alpha=0.35)
        amounts.bar_label(bar, padding=2, size=9, color=INK)
    shares.text(3, 97, f"above the line: {chance.above}", size=9, color=GREY, va="top")
    finish(shares, "", shortened(drawable(chance.y), 50))
    finish(amounts, shortened(drawable(chance.x), 70), chance.noun)
    shares.set(xlim=(0, 100), ylim=(0, 100))
    amounts.set(ylim=(0, 1.3 * max((part.total for part in bins), default=1)), yticks=[])
    return png(figure)


def draw_mistakes(
    wrong: Sequence[Decision], answer: str, decision: str, caption: Caption, path_of: Callable[[str], Path]
) -> bytes:
    """Contact sheet of the photos that the user `answer` ("kept") but the model would `decision` ("cull")."""
    return _draw_sheet(wrong, "photo", f"that you {answer} but the model would {decision}", _p_keep, caption, path_of)


def draw_differences(wrong: Sequence[Decision], noun: str, caption: Caption, path_of: Callable[[str], Path]) -> bytes:
    """Contact sheet of the photos, or decisions on tags (`noun`), where the model differs from the user."""
    return _draw_sheet(wrong, noun, "where the model differs from you", _both_answers, caption, path_of)


def _draw_sheet(
    wrong: Sequence[Decision],
    noun: str,
    what: str,
    words_of: Callable[[Decision], tuple[str, str]],
    caption: Caption,
    path_of: Callable[[str], Path],
) -> bytes:
    shown, remark = wrong[:SHEET_SIZE], ""
    headline = f"No {noun}s {what}"
    if wrong:
        headline = f"{count(len(wrong), noun)} {what}"
        training = sum(one.split == TRAIN for one in wrong)
        last = f"; then {count(training, f'training {noun}')} (marked) that the model learned from" if training else ""
        remark = f"{count(len(wrong) - training, f'validation {noun}')}, the most confident mistakes first{last}. "
    if len(wrong) > len(shown):
        headline += f": the first {len(shown)}"
        remark += "All are in mistakes.csv. "
    caption = caption._replace(footnote=remark + caption.footnote)
    figure, cells = _contact_sheet(math.ceil(len(shown) / SHEET_COLUMNS), headline, caption)
    for axes, one in zip(cells, shown, strict=False):
        _draw_tile(axes, one, words_of, lambda path: photos.load(path, TILE), path_of)
    return png(figure)


def draw_sharpness(
    sheets: Sequence[Sequence[Decision]],
    caption: Caption,
    path_of: Callable[[str], Path],
    sharpness_of: Callable[[Path], np.ndarray],
) -> bytes:
    """Sharpness maps of the first photos of each contact sheet, one row per sheet. Only the first: maps are slow."""
    rows = [sheet[:SHEET_COLUMNS] for sheet in sheets if sheet]
    headline = "Sharpness of the photos of the first mistakes" if rows else "No mistakes to show"
    words = (
        "Yellow is sharp, green medium, blue blurred, gray too plain to tell, estimated by the built-in encoder from "
        "tiles in full resolution, whatever the subject. You kept those with a p_keep below 50 % and culled the others."
    )
    figure, cells = _contact_sheet(len(rows), headline, caption._replace(footnote=words if rows else ""))

    def mapped(path: Path) -> Image.Image:
        return laid_over(photos.load(path, TILE), sharpness_of(path))

    for number, row in enumerate(rows):
        for axes, one in zip(cells[number * SHEET_COLUMNS :], row, strict=False):
            _draw_tile(axes, one, _p_keep, mapped, path_of)
    return png(figure)


def _contact_sheet(rows: int, headline: str, caption: Caption) -> tuple[Any, Sequence[Any]]:
    """A page with a grid of `rows` × `SHEET_COLUMNS` photos, and the axes of each cell."""
    side, gap = 1.75, 0.6  # of photos, in inches
    figure = page(12, max(0.1, rows * (side + gap) - gap), headline, caption)
    if not rows:
        return figure, []
    spacing = {"left": 0.4 / 12, "right": 1 - 0.4 / 12, "wspace": 0.08, "hspace": gap / side}
    cells = figure.subplots(rows, SHEET_COLUMNS, squeeze=False, gridspec_kw=spacing).ravel()
    for axes in cells:
        axes.set_axis_off()
    return figure, cells


def _p_keep(one: Decision) -> tuple[str, str]:
    """The words below a photo, and their color."""
    return f"p_keep {100 * one.probability:.1f} %", KEEP_COLOUR if one.probability >= 0.5 else CULL_COLOUR


def _both_answers(one: Decision) -> tuple[str, str]:
    answer, decision = (shortened(drawable(answer_in_words(one.tag, each)), 12) for each in (one.answer, one.decision))
    return f"you: {answer}\nmodel: {decision} {percent(one.certainty)}", INK


def _draw_tile(
    axes: Any,
    one: Decision,
    words_of: Callable[[Decision], tuple[str, str]],
    picture_of: Callable[[Path], Image.Image],
    path_of: Callable[[str], Path],
) -> None:
    def write(x: float, y: float, text: str, **style: Any) -> None:
        axes.text(x, y, text, transform=axes.transAxes, parse_math=False, va="top", **style)

    try:
        image = ImageOps.pad(picture_of(path_of(one.key)), (TILE, TILE), color=PALE)
    except Exception as error:  # noqa: BLE001 - one bad picture must not stop the others
        image = Image.new("RGB", (TILE, TILE), "#d5dade")
        reason = "\n".join(textwrap.wrap(drawable(in_words(error)), 26, max_lines=6))
        write(0.06, 0.8, f"can't be shown:\n{reason}", size=8, color=INK)
    axes.imshow(image)
    write(0, -0.04, shortened(drawable(one.key, MONO)), family=MONO, size=8, color=INK)
    words, colour = words_of(one)
    write(0, -0.14, words, size=8 if "\n" in words else 9, weight="bold", color=colour)
    if one.split == TRAIN:
        box = {"facecolor": INK, "edgecolor": "none", "pad": 3}
        write(0.04, 0.96, "training photo", size=8, color="white", bbox=box)


def png(figure: Any) -> bytes:
    """The figure as a file."""
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
