"""What a person looks at after a training: plots, contact sheets of mistakes, and the numbers beside them.

`stage_N_cull_report/`, shares and probabilities 0 … 1 (6 decimals) in tables, percentages on figures:

    curves.png                     curves.csv            epoch,train_loss,val_loss,val_accuracy
    confusion_matrix.png           confusion_matrix.csv  label,model_keep,model_cull
    reliability.png                reliability.csv       p_keep_from,p_keep_to,photos,p_keep,kept,kept_low,kept_high
    mistakes_lost_keepers.png      mistakes.csv          image_name,label,p_keep,split
    mistakes_kept_culls.png
    sharpness.png                  the first mistakes of both sheets, under their sharpness maps

Everything is made in memory first; then the folder is replaced as a whole.
Knows nothing of models, training or stages.
"""

import io
import math
import os
import shutil
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ..encoding.sharpness import laid_over
from ..errors import in_words
from ..photos import read as photos
from ..project import tables
from ..project.files import free_name, is_link, set_link_aside, sync_folder, temporary_sibling, unwritable
from ..project.labels import LABELS
from .epochs import LOG_COLUMNS, Epoch
from .evaluation import (
    TRAIN,
    VALIDATION,
    Bin,
    Prediction,
    calibration_error,
    confusion,
    mean_interval,
    mistakes,
    reliability,
)  # fmt: skip

SHEET_SIZE, SHEET_COLUMNS = 24, 6  # photos on a contact sheet
FINE_BINS_FROM = 200  # validation photos; with fewer, ten bins hold too few each to say anything

KEEP_COLOUR, CULL_COLOUR = "#1b7f79", "#b5562f"  # apart in grey and for colour-blind eyes too
INK, GREY, FAINT, PALE = "#22303c", "#66727f", "#9aa6b2", "#eef1f4"
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # come with matplotlib
DPI = 150
TILE = 300  # pixels


class Caption(NamedTuple):
    """What stands on every figure: `title` above, `footnote` below."""

    title: str
    footnote: str


def write_report(
    folder: Path,
    *,
    title: str,
    epochs: Sequence[Epoch],
    best: int,
    predictions: Sequence[Prediction],
    path_of: Callable[[str], Path],
    sharpness_of: Callable[[Path], np.ndarray],
) -> list[Path]:
    """Replace the report in `folder` by that of this training; the files written.

    `title` stands on every figure. `epochs`: the start and all epochs; `best`: the number
    of the saved one.
    `path_of`: photo key → file; `sharpness_of`: file → its map, see `sharpness`, asked for twelve photos at most.
    Raises `StorageError` where the disk refuses; an earlier report is then as it was.
    """
    validation = [one for one in predictions if one.split == VALIDATION]
    counts = confusion(validation)
    bins = reliability(validation, 10 if len(validation) >= FINE_BINS_FROM else 5)
    lost_keepers, kept_culls = mistakes(predictions, "keep"), mistakes(predictions, "cull")
    caption = Caption(title, measured_on(len(validation), len(predictions)))
    contents = {
        "curves.png": _draw_curves(epochs, best, caption),
        "curves.csv": _table(LOG_COLUMNS, ([getattr(epoch, name) for name in LOG_COLUMNS] for epoch in epochs)),
        "confusion_matrix.png": _draw_confusion(counts, caption),
        "confusion_matrix.csv": _table(
            ("label", "model_keep", "model_cull"), ((label, *row) for label, row in zip(LABELS, counts, strict=True))
        ),
        "reliability.png": _draw_reliability(bins, caption),
        "reliability.csv": _table(Bin._fields, bins),
        "mistakes_lost_keepers.png": _draw_mistakes(lost_keepers, "kept", "cull", caption, path_of),
        "mistakes_kept_culls.png": _draw_mistakes(kept_culls, "culled", "keep", caption, path_of),
        "sharpness.png": _draw_sharpness([lost_keepers, kept_culls], caption, path_of, sharpness_of),
        "mistakes.csv": _table(
            ("image_name", "label", "p_keep", "split"),
            ((tables.as_name(one.key), one.label, one.p_keep, one.split) for one in lost_keepers + kept_culls),
        ),
    }
    _replace_folder(folder, contents)
    return [folder / name for name in contents]


def draw_learning(labels: np.ndarray, curves: Mapping[str, np.ndarray], headline: str, caption: Caption) -> bytes:
    """A PNG of average precision 0 … 1 by `labels` (n,): strategy → (seeds, n), the last one the dashed baseline."""
    figure = _page(8, 4.8, headline, caption)
    axes, (*_, baseline) = figure.subplots(), curves
    for name, runs in curves.items():
        mean, half = (100 * part for part in mean_interval(runs))
        colour, line = (GREY, "--") if name == baseline else (KEEP_COLOUR, "-")
        dots = {"marker": "o" if len(labels) <= 40 else "", "markersize": 4}
        axes.plot(labels, mean, color=colour, linestyle=line, label=name, **dots)
        axes.fill_between(labels, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    level = 100 * float(curves[baseline][:, -1].mean())
    axes.axhline(level, color=FAINT, linestyle=":", zorder=1)
    _finish(axes, "labels (photos answered)", "average precision on held-out photos (%)")
    axes.set_xlim(0, 1.03 * labels[-1])
    return _png(figure)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    rounded = ([round(value, 6) if isinstance(value, float) else value for value in row] for row in rows)
    return tables.render(columns, (dict(zip(columns, row, strict=True)) for row in rounded)).encode()


def _replace_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make `contents`, bytes by file name, the files of `folder`; other files in it stay. Raises `StorageError`.

    A link in the place of the folder is set aside, and what it leads to stays as it is.
    """
    new, old = temporary_sibling(folder), free_name(folder, "old")  # the latter may hold a person's files
    try:
        new.mkdir()
        for name, data in contents.items():
            with (new / name).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(new)
        set_link_aside(folder)
        if folder.is_dir() and not is_link(folder):
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            with suppress(OSError):
                old.rename(folder)
            raise
        sync_folder(folder.parent)
        for other in [path for path in old.glob("*") if path.name not in contents]:
            other.rename(folder / other.name)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def measured_on(validation: int, labeled: int) -> str:
    """What figures from `validation` among `labeled` photos are worth."""
    if not validation:
        return "There were no validation photos: nothing here was measured on photos that the model had not seen."
    return (
        f"Measured on the {_count(validation, 'validation photo')} ({percent(validation / labeled)} of {labeled} "
        "labeled), which also chose the best epoch. They were chosen for labeling, not drawn at random: "
        "this is not an honest estimate for the other photos."
    )


def percent(share: float) -> str:
    """A share 0 … 1 in %; only none is "0 %" and only all is "100 %"."""
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def shortened(name: str, length: int = 25) -> str:
    """`name` with its middle dropped; the end, where names differ, keeps most."""
    if len(name) <= length:
        return name
    start = length // 3
    return f"{name[:start]}…{name[start + 1 - length :]}"


def drawable(text: str, family: str = SANS) -> str:
    """`text` on one line, with □ for what is no printable character or not in the font."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(family))
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(letter if letter.isprintable() and font.get_char_index(ord(letter)) else "□" for letter in line)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _page(width: float, body: float, headline: str, caption: Caption) -> Any:
    """A white `Figure` with headline and caption; between them `body` inches, where its subplots will be."""
    from matplotlib.figure import Figure  # not pyplot, whose state is shared by all threads

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


def _finish(axes: Any, x: str, y: str) -> None:
    """Name the axes, with units; make everything else quiet."""
    axes.set_xlabel(x, color=INK, labelpad=8)
    axes.set_ylabel(y, color=INK, labelpad=8)
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:  # above the axes, where no curve passes
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, frameon=False, labelcolor=INK, fontsize=9)


def _draw_curves(epochs: Sequence[Epoch], best: int, caption: Caption) -> bytes:
    from matplotlib.ticker import MaxNLocator

    numbers = [epoch.epoch for epoch in epochs]
    train, validation = [epoch.train_loss for epoch in epochs], [epoch.val_loss for epoch in epochs]
    percentages, losses = [100 * epoch.val_accuracy for epoch in epochs], [*filter(math.isfinite, train + validation)]
    saved = next((epoch for epoch in epochs if epoch.epoch == best), None)
    headline = "No epoch was done"
    if saved is not None:
        name = f"in epoch {best} of {numbers[-1]}" if best else "at the start, before any epoch"
        headline = f"Best validation accuracy: {percent(saved.val_accuracy)} {name}"
    figure = _page(8, 5.6, headline, caption)
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
    _finish(loss, "", "mean cross-entropy (nats)")
    _finish(accuracy, "epoch", "validation accuracy (%)")
    loss.set(xlim=(-0.5, max(numbers, default=1) + 0.5), ylim=(0, 1.1 * max(losses, default=1) or 1))
    accuracy.set_ylim(min([50, *(value - 5 for value in percentages if math.isfinite(value))]), 103)
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.align_ylabels()
    return _png(figure)


def _draw_confusion(counts: list[list[int]], caption: Caption) -> bytes:
    from matplotlib.patches import Rectangle

    total, agreed = sum(map(sum, counts)), counts[0][0] + counts[1][1]
    headline = f"The model decides {agreed} of {_count(total, 'validation photo')} as you did"
    figure = _page(8, 4.6, headline if total else "There are no validation photos to compare", caption)
    axes = figure.subplots()
    axes.set_facecolor(PALE)
    _finish(axes, "the model's decision", "your answer")
    meanings = ("kept by both", "lost keepers"), ("kept culls", "culled by both")
    for row, (colour, noun) in enumerate(((KEEP_COLOUR, "keeper"), (CULL_COLOUR, "cull"))):
        answers = sum(counts[row])
        for column, count in enumerate(counts[row]):
            share = count / answers if answers else 0.0
            text = {"color": "white" if share > 0.8 else INK, "ha": "center", "va": "center"}
            of_all = f"{percent(share)} of your {_count(answers, noun)}" if answers else ""
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=(colour, share), edgecolor="white", linewidth=6))
            axes.text(column + 0.5, row + 0.36, f"{count}", size=30, **text)
            axes.text(column + 0.5, row + 0.66, f"{meanings[row][column]}\n{of_all}", size=10, linespacing=1.6, **text)
    axes.set(xlim=(0, 2), ylim=(2, 0), aspect="auto")
    axes.set_xticks([0.5, 1.5], ["keep", "cull"], size=12)
    axes.set_yticks([0.5, 1.5], ["keep", "cull"], size=12)
    return _png(figure)


def _draw_reliability(bins: Sequence[Bin], caption: Caption) -> bytes:
    headline = "There are no validation photos to compare"
    if bins:
        error = _count(round(100 * calibration_error(bins)), "percentage point")
        headline = f"The model's p_keep is off by {error} on average"
        meaning = "The average is the expected calibration error: |p_keep − share kept| by bin, weighted by photos."
        caption = caption._replace(footnote=f"{meaning} {caption.footnote}")
    figure = _page(8, 6.4, headline, caption)
    shares, amounts = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": (3.2, 1), "hspace": 0.12})
    shares.plot((0, 100), (0, 100), color=FAINT, linestyle="--", label="as it should be")
    at, kept, low, high = ([100 * getattr(part, name) for part in bins] for name in Bin._fields[3:])
    shares.vlines(at, low, high, color=KEEP_COLOUR, linewidth=1.5)
    dots = {"color": KEEP_COLOUR, "markersize": 8, "clip_on": False, "zorder": 3}
    shares.plot(at, kept, "o", label="photos of one bin, with 95 % interval (Wilson)", **dots)
    for part in bins:
        left, width = 100 * part.p_keep_from + 0.5, 100 * (part.p_keep_to - part.p_keep_from) - 1
        bar = amounts.bar(left, part.photos, width, align="edge", color=KEEP_COLOUR, alpha=0.35)
        amounts.bar_label(bar, padding=2, size=9, color=INK)
    shares.text(3, 97, "above the line: you keep more than p_keep says", size=9, color=GREY, va="top")
    _finish(shares, "", "really kept by you (%)")
    _finish(amounts, "p_keep, the model's probability that you keep the photo (%)", "photos")
    shares.set(xlim=(0, 100), ylim=(0, 100))
    amounts.set(ylim=(0, 1.3 * max((part.photos for part in bins), default=1)), yticks=[])
    return _png(figure)


def _draw_mistakes(
    wrong: Sequence[Prediction], answer: str, decision: str, caption: Caption, path_of: Callable[[str], Path]
) -> bytes:
    """The contact sheet of the photos that the person `answer` ("kept") and the model would `decision` ("cull")."""
    shown, what = wrong[:SHEET_SIZE], f"that you {answer} and the model would {decision}"
    headline, remark = f"There is no photo {what}", ""
    if wrong:
        headline = f"{_count(len(wrong), 'photo')} {what}"
        training = sum(one.split == TRAIN for one in wrong)
        last = f"; then {_count(training, 'training photo')}, marked, which the model learned from" if training else ""
        remark = f"{_count(len(wrong) - training, 'validation photo')}, the most confident mistakes first{last}. "
    if len(wrong) > len(shown):
        headline += f": the first {len(shown)}"
        remark += "All are in mistakes.csv. "
    caption = caption._replace(footnote=remark + caption.footnote)
    figure, cells = _contact_sheet(math.ceil(len(shown) / SHEET_COLUMNS), headline, caption)
    for axes, one in zip(cells, shown, strict=False):
        _draw_tile(axes, one, lambda path: photos.load(path, TILE), path_of)
    return _png(figure)


def _draw_sharpness(
    sheets: Sequence[Sequence[Prediction]],
    caption: Caption,
    path_of: Callable[[str], Path],
    sharpness_of: Callable[[Path], np.ndarray],
) -> bytes:
    """The first photos of each contact sheet, one row a sheet: a map takes long to make."""
    rows = [sheet[:SHEET_COLUMNS] for sheet in sheets if sheet]
    headline = "Where the photos of the first mistakes are sharp" if rows else "There is no mistake to look at"
    words = (
        "Yellow is sharp, green between, blue blurred, grey too plain to tell: as the built-in encoder sees tiles in "
        "full resolution, whatever the photo is about. You kept those with a p_keep below 50 %, and culled the others."
    )
    figure, cells = _contact_sheet(len(rows), headline, caption._replace(footnote=words if rows else ""))

    def mapped(path: Path) -> Image.Image:
        return laid_over(photos.load(path, TILE), sharpness_of(path))

    for number, row in enumerate(rows):
        for axes, one in zip(cells[number * SHEET_COLUMNS :], row, strict=False):
            _draw_tile(axes, one, mapped, path_of)
    return _png(figure)


def _contact_sheet(rows: int, headline: str, caption: Caption) -> tuple[Any, Sequence[Any]]:
    """A page with so many rows of photos, and the axes of each photo."""
    side, gap = 1.75, 0.6  # of photos; inches
    figure = _page(12, max(0.1, rows * (side + gap) - gap), headline, caption)
    if not rows:
        return figure, []
    spacing = {"left": 0.4 / 12, "right": 1 - 0.4 / 12, "wspace": 0.08, "hspace": gap / side}
    cells = figure.subplots(rows, SHEET_COLUMNS, squeeze=False, gridspec_kw=spacing).ravel()
    for axes in cells:
        axes.set_axis_off()
    return figure, cells


def _draw_tile(
    axes: Any, one: Prediction, picture_of: Callable[[Path], Image.Image], path_of: Callable[[str], Path]
) -> None:
    def write(x: float, y: float, text: str, **style: Any) -> None:
        axes.text(x, y, text, transform=axes.transAxes, parse_math=False, va="top", **style)

    try:
        image = ImageOps.pad(picture_of(path_of(one.key)), (TILE, TILE), color=PALE)
    except Exception as error:  # noqa: BLE001 - whatever one picture runs into, the others are drawn
        image = Image.new("RGB", (TILE, TILE), "#d5dade")
        reason = "\n".join(textwrap.wrap(drawable(in_words(error)), 26, max_lines=6))
        write(0.06, 0.8, f"can't be shown:\n{reason}", size=8, color=INK)
    axes.imshow(image)
    write(0, -0.04, shortened(drawable(one.key, MONO)), family=MONO, size=8, color=INK)
    colour = KEEP_COLOUR if one.model_keeps else CULL_COLOUR
    write(0, -0.14, f"p_keep {100 * one.p_keep:.1f} %", size=9, weight="bold", color=colour)
    if one.split == TRAIN:
        box = {"facecolor": INK, "edgecolor": "none", "pad": 3}
        write(0.04, 0.96, "training photo", size=8, color="white", bbox=box)


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
