"""Small line charts, such as the loss by epoch: numbers in, SVG out.

Colors come from the page's CSS, so charts follow the light or dark theme. Each has a text alternative for screen
readers.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..training.options import Epoch

WIDTH, HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 34, 42


class Line(NamedTuple):
    """One curve: its name, the CSS class of its color, and one value per x."""

    name: str
    style: str
    values: Sequence[float]


def curves_svg(epochs: Sequence[Epoch], best: int | None = None) -> str:
    """Training and validation loss, and validation accuracy, by epoch; `best`: the epoch to mark.

    Epoch 0 is the starting model. Empty for no epochs; non-finite values are skipped.
    """
    if not epochs:
        return ""
    numbers = [epoch.epoch for epoch in epochs]
    losses = (
        Line("Training", "soft", [epoch.train_loss for epoch in epochs]),
        Line("Validation", "firm", [epoch.val_loss for epoch in epochs]),
    )
    accuracy = (Line("Validation", "firm", [100 * epoch.val_accuracy for epoch in epochs]),)
    return (
        '<div class="curves">'
        + chart("Loss", "Cross-entropy (nats)", numbers, losses, best)
        + chart("Accuracy", "Correct (%)", numbers, accuracy, best, limits=(0, 100))
        + "</div>"
    )


def chart(
    title: str,
    y_name: str,
    numbers: Sequence[int],
    lines: Sequence[Line],
    best: int | None = None,
    limits: tuple[float, float] | None = None,
    x_name: str = "Epoch",
) -> str:
    """One chart: `lines` over x values `numbers`; y axis from zero, or `limits`; a dashed vertical rule at `best`."""
    finite = [value for line in lines for value in line.values if math.isfinite(value)]
    y_ticks = ticks(*(limits or (0.0, max(finite, default=0.0) or 1.0)), whole=False)
    x_ticks = ticks(numbers[0], max(numbers[-1], numbers[0] + 1), whole=True)
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def x(number: float) -> float:
        return _scaled(number, (x_ticks[0], max(x_ticks[-1], numbers[-1])), (_LEFT, right))

    def y(value: float) -> float:
        return _scaled(value, (y_ticks[0], y_ticks[-1]), (bottom, _TOP))

    parts = [f'<text class="title" x="0" y="14">{escape(title)}</text>', _legend(lines, right)]
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text class="axis" x="{(_LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{x_name}</text>')
    upright = f"translate(11 {(_TOP + bottom) / 2}) rotate(-90)"
    parts.append(f'<text class="axis" transform="{upright}" text-anchor="middle">{escape(y_name)}</text>')
    if best is not None:
        parts.append(f'<path class="best" d="M{x(best):.1f} {_TOP}V{bottom}"/>')
    parts += [_drawn(line, numbers, x, y) for line in lines]
    words = escape(spoken(title, numbers, lines, x_name))
    opening = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
    return opening + "".join(parts) + "</svg>"


def spoken(title: str, numbers: Sequence[int], lines: Sequence[Line], x_name: str = "Epoch") -> str:
    """Text alternative of a chart: first and last value of each line."""
    words = [f"{line.name} from {line.values[0]:.3g} to {line.values[-1]:.3g}" for line in lines]
    return f"{title}, {x_name.lower()} {numbers[0]} to {numbers[-1]}: {'; '.join(words)}"


def ticks(low: float, high: float, *, whole: bool, count: int = 5) -> list[float]:
    """About `count` round numbers covering `low` to `high`; `whole`: integers only."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * count >= span * (1 - 1e-9))
    if whole:
        step = max(1, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]


def _scaled(value: float, source: tuple[float, float], target: tuple[float, float]) -> float:
    share = (value - source[0]) / (source[1] - source[0])
    return target[0] + share * (target[1] - target[0])


def _legend(lines: Sequence[Line], right: float) -> str:
    """Line names in their colors, right-aligned above the chart; empty for a single line."""
    if len(lines) < 2:
        return ""
    names = " ".join(f'<tspan class="{line.style}" dx="10">{escape(line.name)}</tspan>' for line in lines)
    return f'<text class="legend" x="{right}" y="14" text-anchor="end">{names}</text>'


def _drawn(line: Line, numbers, x, y) -> str:  # type: ignore[no-untyped-def]  # two functions of a number
    """The curve, with gaps at non-finite values, and a dot at its last point."""
    path, pen_is_down, last = "", False, None
    for number, value in zip(numbers, line.values, strict=True):
        if math.isfinite(value):
            last = f"{x(number):.1f}", f"{y(value):.1f}"
            path += f"{'L' if pen_is_down else 'M'}{last[0]} {last[1]}"
        pen_is_down = math.isfinite(value)
    if last is None:
        return ""
    return (
        f'<path class="line {line.style}" d="{path}"/>'
        f'<circle class="{line.style}" cx="{last[0]}" cy="{last[1]}" r="3.5"/>'
    )
