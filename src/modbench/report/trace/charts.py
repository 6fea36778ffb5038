"""A measure along the layers as a small chart: dots, intervals, and the band that shuffled labels read."""

from collections.abc import Sequence
from typing import NamedTuple

from modbench.report.trace.words import digits, interval, probability
from modbench.trace import Card, Measured
from modbench.trace.names import Name

WIDTH, HEIGHT = 320, 132
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 20
MOST_NAMES = 12
"""Layers that are named below a chart."""


class Dot(NamedTuple):
    """A layer's value.

    Attributes:
        layer: its position among the layers of the page.
        x: in the drawing.
        y: in the drawing.
        ends: y of the interval's lower and upper end; None where there is no interval.
        other: y of the trace that is compared with; None where there is none.
        words: everything that is known of it.
    """

    layer: int
    x: float
    y: float
    ends: tuple[float, float] | None
    other: float | None
    words: str


class Chart(NamedTuple):
    """A chart, in the units of its drawing.

    Attributes:
        title: the measure's.
        meaning: one sentence.
        references: what uniform and collapsed routing read, in words.
        dots: a dot for each layer.
        line: the dots' line, as points of SVG.
        band: the polygons of shuffled values, as points of SVG.
        uniform: y of uniform routing's value, the mean over layers; None where it has none.
        heights: y and text of the marks along the left.
        names: x and text of the marks below.
    """

    title: str
    meaning: str
    references: str
    dots: list[Dot]
    line: str
    band: str
    uniform: float | None
    heights: list[tuple[float, str]]
    names: list[tuple[float, str]]


def chart(card: Card, rows: Sequence[Measured], layers: Sequence[Name], others: dict[Name, float]) -> Chart:
    """Lays out a measure.

    Args:
        card: of the measure.
        rows: of the layers that have it, one at least.
        layers: all layers of the page.
        others: values of another trace, by layer.
    """
    uniform = [row.uniform for row in rows if row.uniform is not None]
    mean = sum(uniform) / len(uniform) if uniform else None
    values = [
        value for row in rows for value in (row.value, row.low, row.high, row.shuffled_low, row.shuffled_high)
    ]
    low, high = _range([value for value in [*values, *others.values(), mean] if value is not None])

    def x(layer: Name) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (layers.index(layer) + 0.5) / len(layers), 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    dots = [
        Dot(
            layers.index(row.layer),
            x(row.layer),
            y(row.value),
            None if row.low is None or row.high is None else (y(row.low), y(row.high)),
            y(others[row.layer]) if row.layer in others else None,
            in_words(row),
        )
        for row in rows
    ]
    step = -(-len(layers) // MOST_NAMES)
    return Chart(
        card.title,
        card.meaning,
        _references(rows, mean),
        dots,
        " ".join(f"{dot.x},{dot.y}" for dot in dots),
        _band(rows, x, y, half=min(6.0, (WIDTH - LEFT - RIGHT) / len(layers) / 2)),
        None if mean is None else y(mean),
        [(y(value), digits(value)) for value in (low, (low + high) / 2, high)],
        [(x(layer), str(layer)) for layer in layers[::step]],
    )


def in_words(row: Measured) -> str:
    """Everything that is known of a layer's measure."""
    said = [f"layer {row.layer}: {digits(row.value)}"]
    if ends := interval(row.low, row.high):
        said.append(f"estimate {digits(row.estimate)}, 95 % interval {ends}")
    if row.shuffled is not None:
        said.append(f"shuffled {digits(row.shuffled)} ({interval(row.shuffled_low, row.shuffled_high)})")
    if row.p_layers is not None:
        said.append(f"p over layers {probability(row.p_layers)}")
    return "; ".join(said)


def _references(rows: Sequence[Measured], uniform: float | None) -> str:
    collapsed = [row.collapsed for row in rows if row.collapsed is not None]
    said = [] if uniform is None else [f"Uniform routing reads {digits(uniform)}"]
    if collapsed:
        said.append(f"collapsed routing {digits(sum(collapsed) / len(collapsed))}")
    return ", ".join(said)


def _range(known: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis, which begins at 0 unless all values lie far from it."""
    low, high = min(known), max(known)
    if low == high:
        return (0.0, high or 1.0) if low >= 0 else (low, 0.0)
    if 0 <= low < high / 2:
        return 0.0, high
    return low - (high - low) / 10, high


def _band(rows: Sequence[Measured], x, y, half: float) -> str:
    """One polygon around the shuffled values, wider than the first and last layer so that one layer has one, too."""
    tested = [row for row in rows if row.shuffled_low is not None and row.shuffled_high is not None]
    if not tested:
        return ""
    edge = [(x(row.layer), y(row.shuffled_high), y(row.shuffled_low)) for row in tested]
    edge = [(edge[0][0] - half, *edge[0][1:]), *edge, (edge[-1][0] + half, *edge[-1][1:])]
    above = [f"{at:.1f},{top}" for at, top, _ in edge]
    below = [f"{at:.1f},{bottom}" for at, _, bottom in reversed(edge)]
    return " ".join(above + below)
