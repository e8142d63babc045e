"""Draws precision-recall and ROC curves, with the areas below them and what a random order would give."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..project.task import in_words
from .evaluation import Share
from .figures import (
    CULL_COLOUR,
    FAINT,
    INK,
    KEEP_COLOUR,
    Caption,
    drawable,
    finish,
    page,
    percent,
    png,
    shortened,
)
from .roc import Curve
from .wording import Terms

_COLOURS = (KEEP_COLOUR, CULL_COLOUR, INK, "#7a5195", "#3f7cac", "#b8901a")
_STYLES = [{"color": colour, "linestyle": line} for line in ("-", "--") for colour in _COLOURS]
MOST = len(_STYLES)
"""Curves in a figure: those of the most photos. All are in the table beside it."""
_LENGTH, _NAMED = 24, 4  # of a name, in characters; names in a footnote


class _Line(NamedTuple):
    """A curve as drawn: `x`, `y` (m + 1,) shares from its start on; `chance`: y of a random order at x = 0 and 1."""

    curve: Curve
    area: Share
    x: np.ndarray
    y: np.ndarray
    chance: tuple[float, float]


def draw_precision_recall(curves: Sequence[Curve], terms: Terms, caption: Caption) -> bytes:
    """Precision by recall: of the first of two classes, or of every class or tag."""
    lines = [
        _Line(
            curve,
            curve.average_precision,
            np.append(0, curve.recall),
            np.append(curve.precision[:1], curve.precision),
            (curve.prevalence, curve.prevalence),
        )
        for curve in curves
        if curve.is_defined
    ]
    remark = "Average precision is the area below the steps, with its 95 % interval (Wilson). "
    caption = _noted(caption, remark, curves, terms, "precision_recall.csv")
    names = ("average precision", f"recall: {terms.recall} (%)", f"precision: {terms.precision} (%)")
    return _draw(lines, len(curves), names, terms, caption, drawstyle="steps-pre")


def draw_roc(curves: Sequence[Curve], terms: Terms, caption: Caption) -> bytes:
    """True positive rate by false positive rate, of the same."""
    lines = [
        _Line(curve, curve.auc, np.append(0, curve.fallout), np.append(0, curve.recall), (0, 1))
        for curve in curves
        if curve.is_defined
    ]
    remark = f"The area below the curve (AUC) is how often {terms.pair}, with its 95 % interval (Newcombe). "
    caption = _noted(caption, remark, curves, terms, "roc.csv")
    names = ("AUC", f"false positive rate: {terms.fallout} (%)", f"true positive rate: {terms.recall} (%)")
    return _draw(lines, len(curves), names, terms, caption)


def _draw(
    lines: Sequence[_Line], count: int, names: tuple[str, str, str], terms: Terms, caption: Caption, **style: Any
) -> bytes:
    """`names`: of the area and of both axes. `count`: number of curves that there could be."""
    what, x, y = names
    shown, is_alone = _most_photos(lines), count == 1
    figure = page(8 if is_alone else 10.4, 5.4, _headline(lines, count, what, terms), caption)
    axes, drawn = figure.subplots(), []
    have_own_chance = len({line.chance for line in shown}) > 1
    for line, look in zip(shown, _STYLES, strict=False):
        drawn += axes.plot(100 * line.x, 100 * line.y, label="the model", clip_on=False, **look, **style)
        chance = {"color": look["color"] if have_own_chance else FAINT, "linestyle": ":", "zorder": 1}
        level = percent(sum(line.chance) / 2)
        axes.plot((0, 100), [100 * each for each in line.chance], label=f"a random order, {level}", **chance)
    if is_alone and shown and (at := shown[0].curve.at(0.5)) is not None:
        dot = {"color": KEEP_COLOUR, "markersize": 9, "clip_on": False, "label": f"{terms.probability} 50 %"}
        axes.plot(100 * shown[0].x[at + 1], 100 * shown[0].y[at + 1], "o", **dot)
    finish(axes, *(shortened(drawable(words), 75) for words in (x, y)))
    axes.set(xlim=(0, 100), ylim=(0, 104))
    if not is_alone:
        figure.subplots_adjust(right=1 - 3.4 / 10.4)
        _name_beside(axes, drawn, shown)
    return png(figure)


def _headline(lines: Sequence[_Line], count: int, what: str, terms: Terms) -> str:
    name = f"{what[0].upper()}{what[1:]}"
    if not lines:
        return f"No {what}: it takes validation photos of both kinds"
    if count == 1:
        return f"{name}: {_with_interval(lines[0].area)}"
    mean = percent(sum(line.area.share for line in lines) / len(lines))
    worst = min(lines, key=lambda line: line.area.share)
    lowest = f"{shortened(drawable(worst.curve.name), 16)}, {percent(worst.area.share)}"
    return f"{name}: {mean} on average over {len(lines)} {terms.noun}; lowest: {lowest}"


def _with_interval(area: Share) -> str:
    return f"{percent(area.share)} ({percent(area.low)} to {percent(area.high)})"


def _most_photos(lines: Sequence[_Line]) -> list[_Line]:
    """At most `MOST` lines, in their order."""
    first = sorted(range(len(lines)), key=lambda place: -lines[place].curve.positives)[:MOST]
    return [lines[place] for place in sorted(first)]


def _name_beside(axes: Any, drawn: Sequence[Any], shown: Sequence[_Line]) -> None:
    """A legend right of the axes: area, interval and number of photos of each curve."""
    words = [
        f"{_with_interval(line.area)}\n{shortened(drawable(line.curve.name), _LENGTH)} ({line.curve.positives})"
        for line in shown
    ]
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.02), "frameon": False}
    legend = axes.legend(drawn, words, **place, fontsize=8.5, labelcolor=INK, handlelength=2.6)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _noted(caption: Caption, remark: str, curves: Sequence[Curve], terms: Terms, table: str) -> Caption:
    """The caption with a `remark` on the area, and which curves are not in the figure."""
    told = [curve for curve in curves if curve.is_defined]
    without = [shortened(drawable(curve.name), _LENGTH) for curve in curves if not curve.is_defined]
    words = f"{remark}It takes photos as independent, which frames of a burst are not. " if told else ""
    if len(curves) > 1:
        words += "Dotted: a random order; beside the names, their photos. " if told else ""
        if len(told) > MOST:
            words += f"The {MOST} {terms.noun} with most photos, of {len(told)}; all are in {table}. "
        if without:
            more = [f"{len(without) - _NAMED} more"] if len(without) > _NAMED else []
            named = in_words([*without[:_NAMED], *more])
            words += f"Left out, with all or none of the validation photos: {named}. "
    return caption._replace(footnote=words + caption.footnote)
