"""Writes the report of a training: plots, contact sheets of mistakes, and tables of the numbers behind them.

`stage_N_cull_report/`. Tables hold shares and probabilities 0 … 1 (6 decimals), figures show percentages:

    curves.png                     curves.csv            epoch,train_loss,val_loss,val_accuracy
    confusion_matrix.png           confusion_matrix.csv  label,model_keep,model_cull
    reliability.png                reliability.csv       p_keep_from,p_keep_to,photos,p_keep,kept,kept_low,kept_high
    mistakes_lost_keepers.png      mistakes.csv          image_name,label,p_keep,split
    mistakes_kept_culls.png
    sharpness.png                  the first mistakes of both sheets, overlaid with their sharpness maps

All files are rendered in memory first; then the folder is replaced as a whole.
Independent of models, training and stages.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..project import tables
from ..project.files import free_name, is_link, set_link_aside, sync_folder, temporary_sibling, unwritable
from ..project.labels import LABELS
from .evaluation import (
    VALIDATION,
    Bin,
    Prediction,
    confusion,
    mistakes,
    reliability,
)  # fmt: skip
from .figures import (
    Caption,
    _count,
    draw_confusion,
    draw_curves,
    draw_mistakes,
    draw_reliability,
    draw_sharpness,
    percent,
)
from .options import LOG_COLUMNS, Epoch

FINE_BINS_FROM = 200  # validation photos; with fewer, ten bins would hold too few photos each


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
    """Replace the report in `folder`. Returns the paths of the files written.

    `title`: shown on every figure. `epochs`: the start (epoch 0) and all epochs; `best`: number of the saved epoch.
    `path_of`: photo key → file. `sharpness_of`: file → its map, see `sharpness`; called for at most twelve photos.
    Raises `StorageError` if the disk refuses to write; an earlier report is then left unchanged.
    """
    validation = [one for one in predictions if one.split == VALIDATION]
    counts = confusion(validation)
    bins = reliability(validation, 10 if len(validation) >= FINE_BINS_FROM else 5)
    lost_keepers, kept_culls = mistakes(predictions, "keep"), mistakes(predictions, "cull")
    caption = Caption(title, measured_on(len(validation), len(predictions)))
    contents = {
        "curves.png": draw_curves(epochs, best, caption),
        "curves.csv": _table(LOG_COLUMNS, ([getattr(epoch, name) for name in LOG_COLUMNS] for epoch in epochs)),
        "confusion_matrix.png": draw_confusion(counts, caption),
        "confusion_matrix.csv": _table(
            ("label", "model_keep", "model_cull"), ((label, *row) for label, row in zip(LABELS, counts, strict=True))
        ),
        "reliability.png": draw_reliability(bins, caption),
        "reliability.csv": _table(Bin._fields, bins),
        "mistakes_lost_keepers.png": draw_mistakes(lost_keepers, "kept", "cull", caption, path_of),
        "mistakes_kept_culls.png": draw_mistakes(kept_culls, "culled", "keep", caption, path_of),
        "sharpness.png": draw_sharpness([lost_keepers, kept_culls], caption, path_of, sharpness_of),
        "mistakes.csv": _table(
            ("image_name", "label", "p_keep", "split"),
            ((tables.as_name(one.key), one.label, one.p_keep, one.split) for one in lost_keepers + kept_culls),
        ),
    }
    _replace_folder(folder, contents)
    return [folder / name for name in contents]


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    rounded = ([round(value, 6) if isinstance(value, float) else value for value in row] for row in rows)
    return tables.render(columns, (dict(zip(columns, row, strict=True)) for row in rounded)).encode()


def _replace_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace `folder` by one with `contents` (file name → bytes), and keep its other files. Raises `StorageError`.

    If the folder is a link, the link is set aside and its target is left untouched.
    """
    new, old = temporary_sibling(folder), free_name(folder, "old")  # `old` may hold the user's own files
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
    """Footnote of the figures: what they were measured on and how far that can be trusted. Arguments count photos."""
    if not validation:
        return "There were no validation photos: nothing here was measured on photos that are new to the model."
    return (
        f"Measured on the {_count(validation, 'validation photo')} ({percent(validation / labeled)} of {labeled} "
        "labeled), which also chose the best epoch. They were picked for labeling, not drawn at random, so "
        "this is not an honest estimate for the other photos."
    )
