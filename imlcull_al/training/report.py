"""Writes the report of a training: plots, contact sheets of mistakes, and tables of the numbers behind them.

`stage_N_TASK_report/`. Tables hold shares and probabilities 0 … 1 (6 decimals), figures show percentages. Keep or cull:

    curves.png                     curves.csv            epoch,train_loss,val_loss,val_accuracy
                                   epochs.csv            epoch,class,tp,fp,fn,tn; the start is epoch 0
    confusion_matrix.png           confusion_matrix.csv  label,model_keep,model_cull
    precision_recall.png           precision_recall.csv  threshold,recall,precision
    roc.png                        roc.csv               threshold,false_positive_rate,true_positive_rate
    reliability.png                reliability.csv       p_keep_from,p_keep_to,photos,p_keep,kept,kept_low,kept_high
    mistakes_lost_keepers.png      mistakes.csv          image_name,label,p_keep,split
    mistakes_kept_culls.png
    sharpness.png                  the first mistakes of both sheets, overlaid with their sharpness maps

Any other task has the first two, and the two of thresholds; of three classes or more, or of several tags, these begin
with a column `class` or `tag`. It also has

    confusion_matrix.png           confusion_matrix.csv  label,model_CLASS…; of classes, or of a single tag
    classes.png                    classes.csv           class,photos,model,right,recall,recall_low,recall_high,
                                                         precision,precision_low,precision_high; of three or more
    tags.png                       tags.csv              tag,both,missed,added,neither,recall,…; the figure of two or
                                                         more
    reliability.png                reliability.csv       probability_from,probability_to,photos,probability,share,
                                                         share_low,share_high; decisions instead of photos for tags
    mistakes.png                   mistakes.csv          image_name,label,model,probability,split, for tags with tag,
                                                         yes and no: image_name,tag,label,model,probability,split

The probability is that of the first of two classes, that of a tag, or else that of the likeliest class. The true and
false positives and negatives, and the photos with at least a threshold, are those of the first of two classes, or else
of each class or tag: a class against all others, a tag among the photos where it is known. Thresholds are corners of a
curve: those where the true positives rise, and the ones before. A class or tag of all or none of the
validation photos has none. All but the curves, epochs and mistakes is of the validation photos.
All files are rendered in memory first; then the folder is replaced as a whole.
Independent of models, training and stages.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..project import tables
from ..project.files import (
    free_name,
    is_link,
    put_in_place,
    set_link_aside,
    sync,
    sync_folder,
    temporary_sibling,
    unwritable,
)
from ..project.task import CULL_TASK, Task
from .class_figures import draw_matrix, draw_rates
from .evaluation import (
    NO,
    VALIDATION,
    YES,
    Decision,
    Prediction,
    Rates,
    confusion,
    decisions,
    mistakes,
    outcomes,
    rates,
    reliability,
)  # fmt: skip
from .figures import (
    Caption,
    count,
    draw_confusion,
    draw_curves,
    draw_differences,
    draw_mistakes,
    draw_reliability,
    draw_sharpness,
    percent,
)
from .options import LOG_COLUMNS, Counts, Epoch
from .roc import Curve, curves_of
from .roc_figures import draw_precision_recall, draw_roc
from .wording import chance_of, pair_of, terms_of

FINE_BINS_FROM = 200  # validation photos; with fewer, ten bins would hold too few photos each
_RATES = ("recall", "recall_low", "recall_high", "precision", "precision_low", "precision_high")
_SOME = {"confusion_matrix.png", "confusion_matrix.csv", "classes.png", "classes.csv", "tags.png", "tags.csv"}
"""Files that only the reports of some tasks have."""


def write_report(
    folder: Path,
    *,
    title: str,
    epochs: Sequence[Epoch],
    best: int,
    predictions: Sequence[Prediction],
    path_of: Callable[[str], Path],
    sharpness_of: Callable[[Path], np.ndarray],
    task: Task = CULL_TASK,
    left_out: bool = False,
) -> list[Path]:
    """Replace the report in `folder`. Returns the paths of the files written.

    `title`: shown on every figure. `epochs`: the start (epoch 0) and all epochs; `best`: number of the saved epoch.
    `left_out`: no validation photo chose the epoch of the model that judged it. `path_of`: photo key → file.
    `sharpness_of`: file → its map, see `sharpness`; called for at most twelve photos. Raises `StorageError` if the disk
    refuses to write; an earlier report is then left unchanged.
    """
    found = decisions(predictions, task)
    validation = [one for one in found if one.split == VALIDATION]
    photos = sum(one.split == VALIDATION for one in predictions)
    caption = Caption(title, measured_on(photos, len(predictions), left_out=left_out))
    contents = {
        "curves.png": draw_curves(epochs, best, caption),
        "curves.csv": _table(LOG_COLUMNS, ([getattr(epoch, name) for name in LOG_COLUMNS] for epoch in epochs)),
        "epochs.csv": _table(("epoch", "class", *Counts._fields), _counted(epochs, task)),
    }
    contents |= _at_thresholds(curves_of(predictions, task), task, caption)
    if task.exclusive or task.is_binary:
        contents |= _confusion(validation, task, caption)
    if not task.exclusive:
        contents |= _tags(validation, task, caption)
    bins = reliability(outcomes(validation, task), 10 if photos >= FINE_BINS_FROM else 5)
    contents["reliability.png"] = draw_reliability(bins, chance_of(task), caption)
    if task == CULL_TASK:
        contents["reliability.csv"] = _table(
            ("p_keep_from", "p_keep_to", "photos", "p_keep", "kept", "kept_low", "kept_high"), bins
        )
        contents |= _cull_mistakes(mistakes(found), caption, path_of, sharpness_of)
    else:
        edges, shares = ("probability_from", "probability_to"), ("probability", "share", "share_low", "share_high")
        contents["reliability.csv"] = _table((*edges, chance_of(task).noun, *shares), bins)
        contents |= _mistakes(mistakes(found), task, caption, path_of)
    _replace_folder(folder, contents)
    return [folder / name for name in contents]


def _confusion(validation: Sequence[Decision], task: Task, caption: Caption) -> dict[str, bytes]:
    """The confusion matrix of an exclusive task or a single tag, and the rates of three classes or more."""
    counts = confusion(validation, task.classes if task.exclusive else (YES, NO))
    names = pair_of(task).answers if task.is_binary else task.classes
    rows = ((tables.as_name(name), *row) for name, row in zip(names, counts, strict=True))
    table = {"confusion_matrix.csv": _table(("label", *(f"model_{name}" for name in names)), rows)}
    if task.is_binary:
        return {"confusion_matrix.png": draw_confusion(counts, pair_of(task), caption), **table}
    found = rates(counts, names)
    return {
        "confusion_matrix.png": draw_matrix(counts, names, caption),
        **table,
        "classes.png": draw_rates(found, "classes", caption),
        "classes.csv": _table(
            ("class", "photos", "model", "right", *_RATES),
            ((tables.as_name(each.name), each.answers, each.decided, each.right, *_shares(each)) for each in found),
        ),
    }


def _tags(validation: Sequence[Decision], task: Task, caption: Caption) -> dict[str, bytes]:
    """How well each tag is told, in the photos of which it is known."""
    by_tag: dict[str, list[Decision]] = {tag: [] for tag in task.classes}
    for one in validation:
        by_tag[one.tag].append(one)
    counts = [confusion(by_tag[tag], (YES, NO)) for tag in task.classes]
    found = [rates(each, (tag,))[0] for tag, each in zip(task.classes, counts, strict=True)]
    rows = ((tables.as_name(tag.name), *yes, *no, *_shares(tag)) for tag, (yes, no) in zip(found, counts, strict=True))
    table = {"tags.csv": _table(("tag", "both", "missed", "added", "neither", *_RATES), rows)}
    return table if task.is_binary else {"tags.png": draw_rates(found, "tags", caption), **table}


def _counted(epochs: Sequence[Epoch], task: Task) -> Iterable[tuple[object, ...]]:
    """One row for each epoch and class; of two classes, only of the first."""
    for epoch in epochs:
        for name, counts in zip(task.classes, epoch.counts, strict=False):
            yield (epoch.epoch, tables.as_name(name), *counts)


def _at_thresholds(curves: Sequence[Curve], task: Task, caption: Caption) -> dict[str, bytes]:
    """The precision-recall and ROC curves."""
    of = [] if task.is_binary else ["class" if task.exclusive else "tag"]

    def table(columns: tuple[str, str], shares: Callable[[Curve], tuple[np.ndarray, np.ndarray]]) -> bytes:
        rows = (
            (*[tables.as_name(curve.name)] * len(of), *row)
            for curve in curves
            if curve.is_defined
            for row in np.column_stack([curve.thresholds, *shares(curve)])[curve.corners()].tolist()
        )
        return _table((*of, "threshold", *columns), rows)

    return {
        "precision_recall.png": draw_precision_recall(curves, terms_of(task), caption),
        "precision_recall.csv": table(("recall", "precision"), lambda curve: (curve.recall, curve.precision)),
        "roc.png": draw_roc(curves, terms_of(task), caption),
        "roc.csv": table(("false_positive_rate", "true_positive_rate"), lambda curve: (curve.fallout, curve.recall)),
    }


def _shares(rates: Rates) -> list[float | None]:
    """Recall and precision with their intervals; nothing for a share of nothing."""
    return [None if math.isnan(share) else share for share in rates.recall + rates.precision]


def _cull_mistakes(
    wrong: Sequence[Decision],
    caption: Caption,
    path_of: Callable[[str], Path],
    sharpness_of: Callable[[Path], np.ndarray],
) -> dict[str, bytes]:
    lost_keepers, kept_culls = ([one for one in wrong if one.answer == answer] for answer in CULL_TASK.classes)
    return {
        "mistakes_lost_keepers.png": draw_mistakes(lost_keepers, "kept", "cull", caption, path_of),
        "mistakes_kept_culls.png": draw_mistakes(kept_culls, "culled", "keep", caption, path_of),
        "sharpness.png": draw_sharpness([lost_keepers, kept_culls], caption, path_of, sharpness_of),
        "mistakes.csv": _table(
            ("image_name", "label", "p_keep", "split"),
            ((tables.as_name(one.key), one.answer, one.probability, one.split) for one in lost_keepers + kept_culls),
        ),
    }


def _mistakes(
    wrong: Sequence[Decision], task: Task, caption: Caption, path_of: Callable[[str], Path]
) -> dict[str, bytes]:
    tag = [] if task.exclusive else ["tag"]
    rows = (
        (tables.as_name(one.key), *[tables.as_name(one.tag)] * len(tag),
         tables.as_name(one.answer), tables.as_name(one.decision), one.probability, one.split)
        for one in wrong
    )  # fmt: skip
    return {
        "mistakes.png": draw_differences(wrong, "photo" if task.exclusive else "decision", caption, path_of),
        "mistakes.csv": _table(("image_name", *tag, "label", "model", "probability", "split"), rows),
    }


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
                sync(file.fileno())
        sync_folder(new)
        set_link_aside(folder)
        if folder.is_dir() and not is_link(folder):
            put_in_place(folder, old)
        try:
            put_in_place(new, folder)
        except OSError:
            with suppress(OSError):
                put_in_place(old, folder)
            raise
        sync_folder(folder.parent)
        for other in [path for path in old.glob("*") if path.name not in {*contents, *_SOME}]:
            put_in_place(other, folder / other.name)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def measured_on(validation: int, labeled: int, *, left_out: bool = False) -> str:
    """Footnote of the figures: what they were measured on and how far that can be trusted. Arguments count photos."""
    if not validation:
        return "There were no validation photos: nothing here was measured on photos that are new to the model."
    picked = "picked for labeling, not drawn at random, so this is not an honest estimate for the other photos."
    if left_out:
        photos = count(validation, "labeled photo")
        return f"Measured on {photos}, each left out of the training of the model that judged it. They were {picked}"
    return (
        f"Measured on the {count(validation, 'validation photo')} ({percent(validation / labeled)} of {labeled} "
        f"labeled), which also chose the best epoch. They were {picked}"
    )
