"""What a person looks at after a training: plots, contact sheets of mistakes, and the numbers beside them.

`stage_N_cull_report/`, probabilities and accuracies 0 … 1 in tables and percentages on figures:

    curves.png                     curves.csv            epoch,train_loss,val_loss,val_accuracy
    confusion_matrix.png           confusion_matrix.csv  label,model_keep,model_cull
    reliability.png                reliability.csv       p_keep_from,p_keep_to,photos,p_keep,kept,kept_low,kept_high
    mistakes_lost_keepers.png      mistakes.csv          image_name,label,p_keep,split
    mistakes_kept_culls.png

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from . import photos, tables
from .errors import UnreadablePhoto
from .files import sync_folder, temporary_sibling, unwritable
from .labels import KEEP, LABELS

TRAIN, VALIDATION = "train", "validation"
EPOCH_COLUMNS = ("epoch", "train_loss", "val_loss", "val_accuracy")
SHEET_SIZE = 24  # photos on a contact sheet
FINE_BINS_FROM = 200  # validation photos; with fewer, ten bins hold too few each to say anything

KEEP_COLOUR, CULL_COLOUR = "#1b7f79", "#bf5b2c"  # apart in grey and for colour-blind eyes too
INK, GREY, PALE, SIGNAL = "#22303c", "#66727f", "#eef1f4", "#fff0c9"
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # come with matplotlib
DPI = 150
TILE = 300  # pixels


@dataclass(frozen=True)
class Prediction:
    """One labeled photo after training.

    `key`: photo key. `label`: keep | cull, the person's answer. `p_keep`: 0 … 1, the model's.
    `split`: train | validation. Raises `ValueError` for anything else.
    """

    key: str
    label: str
    p_keep: float
    split: str

    def __post_init__(self) -> None:
        """Refuse what is no prediction."""
        if self.label not in LABELS or self.split not in (TRAIN, VALIDATION) or not 0 <= self.p_keep <= 1:
            raise ValueError(f"not a prediction: {self}")

    @property
    def model_keeps(self) -> bool:
        """The model's decision; a tie keeps."""
        return self.p_keep >= 0.5


class Bin(NamedTuple):
    """The photos with `p_keep_from` <= p_keep < `p_keep_to` (1 is in the last bin), at least one.

    `p_keep`: their mean. `kept`: the share that the person kept, `kept_low` … `kept_high` its 95 % interval.
    """

    p_keep_from: float
    p_keep_to: float
    photos: int
    p_keep: float
    kept: float
    kept_low: float
    kept_high: float


class Caption(NamedTuple):
    """What stands on every figure: `title` and `notice` (may be empty) above, `footnote` below."""

    title: str
    notice: str
    footnote: str


def write_report(
    folder: Path,
    *,
    title: str,
    notice: str,
    epochs: Sequence[Mapping[str, object]],
    predictions: Sequence[Prediction],
    path_of: Callable[[str], Path],
) -> list[Path]:
    """Replace the report in `folder` by that of this training; the files written.

    `title` and `notice` (may be empty) stand on every figure. `epochs`: rows of `EPOCH_COLUMNS`, accuracy 0 … 1.
    `path_of`: photo key → file. Raises `StorageError` where the disk refuses; an earlier report is then as it was.
    """
    validation = [one for one in predictions if one.split == VALIDATION]
    counts = confusion(validation)
    bins = reliability(validation, 10 if len(validation) >= FINE_BINS_FROM else 5)
    lost_keepers, kept_culls = mistakes(predictions, "keep"), mistakes(predictions, "cull")
    caption = Caption(title, notice, measured_on(len(validation), len(predictions)))
    contents = {
        "curves.png": _draw_curves(epochs, caption),
        "curves.csv": _table(EPOCH_COLUMNS, ([row[name] for name in EPOCH_COLUMNS] for row in epochs)),
        "confusion_matrix.png": _draw_confusion(counts, caption),
        "confusion_matrix.csv": _table(
            ("label", "model_keep", "model_cull"), ((label, *row) for label, row in zip(LABELS, counts, strict=True))
        ),
        "reliability.png": _draw_reliability(bins, caption),
        "reliability.csv": _table(Bin._fields, bins),
        "mistakes_lost_keepers.png": _draw_mistakes(
            lost_keepers, "that you kept and the model would cull", caption, path_of
        ),
        "mistakes_kept_culls.png": _draw_mistakes(
            kept_culls, "that you culled and the model would keep", caption, path_of
        ),
        "mistakes.csv": _table(
            ("image_name", "label", "p_keep", "split"),
            ((one.key, one.label, one.p_keep, one.split) for one in lost_keepers + kept_culls),
        ),
    }
    _replace_folder(folder, contents)
    return [folder / name for name in contents]


def best_epoch(accuracies: Sequence[float], losses: Sequence[float]) -> int | None:
    """Position of the highest accuracy, of equals that with the lower loss, then the first; None without a number."""
    numbers = [place for place, accuracy in enumerate(accuracies) if math.isfinite(accuracy)]
    return max(numbers, key=lambda place: (accuracies[place], -losses[place]), default=None)


def confusion(predictions: Iterable[Prediction]) -> list[list[int]]:
    """Numbers of photos: rows = the person's answer, columns = the model's decision, keep before cull."""
    counts = [[0, 0], [0, 0]]
    for one in predictions:
        counts[LABELS.index(one.label)][0 if one.model_keeps else 1] += 1
    return counts


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); `trials` >= 1."""
    z = 1.96
    share, spread = hits / trials, z * z / trials
    reach = z * math.sqrt((share * (1 - share) + spread / 4) / trials)
    low, high = (share + spread / 2 - reach) / (1 + spread), (share + spread / 2 + reach) / (1 + spread)
    return max(0.0, low), min(1.0, high)


def reliability(predictions: Iterable[Prediction], bins: int) -> list[Bin]:
    """The filled ones of `bins` equal bins of p_keep, from 0 to 1."""
    members: list[list[Prediction]] = [[] for _ in range(bins)]
    for one in predictions:
        members[min(int(one.p_keep * bins), bins - 1)].append(one)
    return [_bin(place / bins, (place + 1) / bins, inside) for place, inside in enumerate(members) if inside]


def _bin(low: float, high: float, inside: list[Prediction]) -> Bin:
    kept, total = sum(one.label == KEEP for one in inside), len(inside)
    return Bin(low, high, total, sum(one.p_keep for one in inside) / total, kept / total, *wilson(kept, total))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error, 0 … 1: |p_keep − kept| of the bins, weighted by photos; nan without bins."""
    total = sum(part.photos for part in bins)
    return sum(part.photos * abs(part.p_keep - part.kept) for part in bins) / total if total else math.nan


def mistakes(predictions: Iterable[Prediction], label: str) -> list[Prediction]:
    """All photos with this label that the model would decide otherwise.

    Validation before training photos, then the most confident first, ties by key.
    """
    wrong = [one for one in predictions if one.label == label and one.model_keeps != (label == KEEP)]
    return sorted(wrong, key=lambda one: (one.split == TRAIN, -abs(one.p_keep - 0.5), one.key))


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

    notice = textwrap.wrap(drawable(caption.notice), int((width - 0.8) * 12.5))
    footnote = textwrap.wrap(drawable(caption.footnote), int((width - 0.8) * 14.5))
    top, bottom = 1.15 + 0.24 * len(notice), 0.85 + 0.18 * len(footnote)
    height = top + body + bottom
    figure = Figure((width, height), DPI, facecolor="white")
    figure.subplots_adjust(0.95 / width, bottom / height, 1 - 0.5 / width, 1 - top / height)

    def write(inches: float, text: str, **style: Any) -> None:
        figure.text(0.4 / width, inches / height, text, parse_math=False, linespacing=1.25, **style)

    write(height - 0.35, headline, va="top", size=14, weight="bold", color=INK)
    write(height - 0.72, shortened(drawable(caption.title), int((width - 0.8) * 12)), va="top", size=9.5, color=GREY)
    if notice:
        box = {"facecolor": SIGNAL, "edgecolor": "none", "pad": 4}
        write(height - 1.06, "\n".join(notice), va="top", size=9.5, color=INK, bbox=box)
    write(0.3, "\n".join(footnote), va="bottom", size=8.5, color=GREY)
    return figure


def _name_axes(axes: Any, x: str, y: str) -> None:
    """Name the axes, with units, and take everything else back."""
    axes.set_xlabel(x, color=INK, labelpad=8)
    axes.set_ylabel(y, color=INK, labelpad=8)
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:  # above the axes, where no curve passes
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, frameon=False, labelcolor=INK, fontsize=9)


def _draw_curves(epochs: Sequence[Mapping[str, object]], caption: Caption) -> bytes:
    from matplotlib.ticker import MaxNLocator

    numbers, train, validation, accuracies = (
        [math.nan if row[name] is None else float(str(row[name])) for row in epochs] for name in EPOCH_COLUMNS
    )
    accuracies = [100 * accuracy for accuracy in accuracies]
    best = best_epoch(accuracies, validation)
    headline = "No validation accuracy was measured"
    if best is not None:
        accuracy = percent(accuracies[best] / 100)
        headline = f"Best validation accuracy: {accuracy} in epoch {numbers[best]:.0f} of {len(epochs)}"
    figure = _page(8, 5.6, headline, caption)
    loss, accuracy = figure.subplots(2, sharex=True, gridspec_kw={"hspace": 0.15})
    marker = "o" if len(epochs) <= 40 else ""
    loss.plot(numbers, train, color="#9aa6b2", marker=marker, markersize=4, label="training photos")
    loss.plot(numbers, validation, color=INK, marker=marker, markersize=4, label="validation photos")
    accuracy.plot(numbers, accuracies, color=INK, marker=marker, markersize=4)
    if best is not None:
        for axes in (loss, accuracy):
            axes.axvline(numbers[best], color=KEEP_COLOUR, linestyle=":", zorder=1)
        accuracy.plot(numbers[best], accuracies[best], "o", color=KEEP_COLOUR, markersize=9, label="best epoch")
    _name_axes(loss, "", "mean loss per photo")
    _name_axes(accuracy, "epoch", "validation accuracy (%)")
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(min([50, *(value - 5 for value in accuracies if value == value)]), 102)
    return _png(figure)


def _draw_confusion(counts: list[list[int]], caption: Caption) -> bytes:
    from matplotlib.patches import Rectangle

    total, agreed = sum(map(sum, counts)), counts[0][0] + counts[1][1]
    headline = f"The model decides {agreed} of {_count(total, 'validation photo')} as you did"
    figure = _page(8, 4.6, headline if total else "There are no validation photos to compare", caption)
    axes = figure.subplots()
    axes.set_facecolor(PALE)
    _name_axes(axes, "the model's decision", "your answer")
    meanings = ("kept by both", "lost keepers"), ("kept culls", "culled by both")
    for row, (colour, cells) in enumerate(zip((KEEP_COLOUR, CULL_COLOUR), counts, strict=True)):
        for column, count in enumerate(cells):
            share = count / sum(cells) if count else 0.0
            ink = "white" if share > 0.6 else INK
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=(colour, share), edgecolor="white", linewidth=6))
            axes.text(column + 0.5, row + 0.4, f"{count}", size=30, color=ink, ha="center", va="center")
            part = f"{meanings[row][column]} · {percent(share)} of {sum(cells)}"
            axes.text(column + 0.5, row + 0.7, part, size=10, color=ink, ha="center", va="center")
    axes.set(xlim=(0, 2), ylim=(2, 0), aspect="auto")
    axes.set_xticks([0.5, 1.5], ["keep", "cull"], size=12)
    axes.set_yticks([0.5, 1.5], ["keep", "cull"], size=12)
    return _png(figure)


def _draw_reliability(bins: Sequence[Bin], caption: Caption) -> bytes:
    error = calibration_error(bins)
    headline = (
        f"The model's p_keep is off by {_count(round(100 * error), 'percentage point')} on average" if bins else ""
    )
    meaning = "The average is the expected calibration error: |p_keep − share kept| of the bins, weighted by photos. "
    caption = caption._replace(footnote=meaning + caption.footnote)
    figure = _page(8, 6.4, headline or "There are no validation photos to compare", caption)
    shares, amounts = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": (3.2, 1), "hspace": 0.12})
    shares.plot((0, 100), (0, 100), color="#9aa6b2", linestyle="--", label="as it should be")
    at, kept, low, high = ([100 * part[field] for part in bins] for field in (3, 4, 5, 6))
    shares.vlines(at, low, high, color=KEEP_COLOUR, linewidth=1.5)
    shares.plot(
        at, kept, "o", color=KEEP_COLOUR, markersize=8, clip_on=False, label="photos of one bin, with 95 % interval"
    )
    for part in bins:
        middle, width = 50 * (part.p_keep_from + part.p_keep_to), 100 * (part.p_keep_to - part.p_keep_from)
        amounts.bar(middle, part.photos, width - 1, color=KEEP_COLOUR, alpha=0.35)
        amounts.annotate(
            str(part.photos), (middle, part.photos), (0, 3), textcoords="offset points", ha="center", size=9, color=INK
        )
    shares.text(3, 97, "above the line: you keep more than p_keep says", size=9, color=GREY, va="top")
    _name_axes(shares, "", "really kept by you (%)")
    _name_axes(amounts, "p_keep, the model's probability that you keep the photo (%)", "photos")
    shares.set(xlim=(0, 100), ylim=(0, 100))
    amounts.set(ylim=(0, 1.3 * max((part.photos for part in bins), default=1)), yticks=[])
    return _png(figure)


def _draw_mistakes(wrong: Sequence[Prediction], what: str, caption: Caption, path_of: Callable[[str], Path]) -> bytes:
    """The contact sheet of all photos `what`, such as "that you kept and the model would cull"."""
    shown = wrong[:SHEET_SIZE]
    headline = f"{_count(len(wrong), 'photo')} {what}" if wrong else f"There is no photo {what}"
    training = sum(one.split == TRAIN for one in shown)
    order = f"{_count(len(shown) - training, 'validation photo')}, then {_count(training, 'training photo')}, which the model learned from (marked); the most confident mistakes first."
    if len(wrong) > len(shown):
        headline += f": the first {len(shown)}"
        order += " All are in mistakes.csv."
    rows, columns, side, gap = math.ceil(len(shown) / 6), 6, 1.75, 0.6  # inches
    footnote = f"{order} {caption.footnote}" if wrong else caption.footnote
    figure = _page(12, max(0.1, rows * (side + gap) - gap), headline, caption._replace(footnote=footnote))
    if rows:
        spacing = {"left": 0.4 / 12, "right": 1 - 0.4 / 12, "wspace": 0.08, "hspace": gap / side}
        cells = figure.subplots(rows, columns, squeeze=False, gridspec_kw=spacing).ravel()
        for axes in cells:
            axes.set_axis_off()
        for axes, one in zip(cells, shown, strict=False):
            _draw_tile(axes, one, path_of(one.key))
    return _png(figure)


def _draw_tile(axes: Any, one: Prediction, path: Path) -> None:
    def write(x: float, y: float, text: str, **style: Any) -> None:
        axes.text(x, y, text, transform=axes.transAxes, parse_math=False, va="top", **style)

    try:
        image = ImageOps.pad(photos.load(path, TILE), (TILE, TILE), color=PALE)
    except UnreadablePhoto as unreadable:
        image = Image.new("RGB", (TILE, TILE), "#d5dade")
        reason = "\n".join(textwrap.wrap(drawable(str(unreadable)), 26, max_lines=6))
        write(0.06, 0.8, f"can't be shown:\n{reason}", size=8, color=INK)
    axes.imshow(image)
    write(0, -0.04, shortened(drawable(one.key, MONO)), family=MONO, size=8, color=INK)
    colour = KEEP_COLOUR if one.model_keeps else CULL_COLOUR
    write(0, -0.14, f"p_keep {100 * one.p_keep:.1f} %", size=9, weight="bold", color=colour)
    if one.split == TRAIN:
        write(
            0.04, 0.96, "training photo", size=8, color="white", bbox={"facecolor": INK, "edgecolor": "none", "pad": 3}
        )


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    return tables.render(columns, (dict(zip(columns, row, strict=True)) for row in rows)).encode()


def _replace_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make `contents`, bytes by file name, the files of `folder`; other files in it stay. Raises `StorageError`."""
    new, old = temporary_sibling(folder), temporary_sibling(folder)
    try:
        new.mkdir()
        for name, data in contents.items():
            with (new / name).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(new)
        if folder.is_dir():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            with suppress(OSError):
                old.rename(folder)
            raise
        sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
