"""The tables of layers: a short one of what is read first, and all numbers by axis."""

from typing import NamedTuple

from modbench.report.trace.charts import Chart, chart
from modbench.report.trace.words import digits, interval, probability
from modbench.trace import CARDS, Measured, Measures
from modbench.trace.names import Name

AXES = {
    "balance": ("Balance", "How evenly the experts of a layer are used, whatever the labels."),
    "specialisation": ("Specialisation", "What experts tell about the label. It says nothing about balance."),
    "confidence": ("Confidence", "How a token's weights are spread over its experts."),
    "overlap": ("Overlap", "Whether the same experts serve the same tokens."),
}
"""Title and meaning of each axis; the axes are never added up into one score."""

GLANCE = (
    "load_entropy",
    "effective_experts",
    "dead_share",
    "collapse_worst",
    "group_alignment",
    "information_share",
)


class Table(NamedTuple):
    """A table of layers.

    Attributes:
        heads: of its columns, but for the layer's.
        rows: the layer's name, and a cell for each column.
    """

    heads: list[str]
    rows: list[tuple[str, list[str]]]


class Axis(NamedTuple):
    """An axis of the page: its title, its meaning, its charts, and its numbers."""

    title: str
    meaning: str
    charts: list[Chart]
    numbers: Table


def glance(measures: Measures) -> Table:
    """The main measures of every layer."""
    found = _by_layer(measures)
    shown = [name for name in GLANCE if any(name in rows for rows in found.values())]
    tested = any(row.p_layers is not None for row in measures.rows)
    heads = [CARDS[name].title for name in shown] + (["Shuffled", "p over layers"] if tested else [])
    table: list[tuple[str, list[str]]] = []
    for layer, rows in found.items():
        line = [_cell(rows.get(name)) for name in shown]
        if tested:
            main = rows.get("information_share")
            line += ["", ""] if main is None else [digits(main.shuffled), probability(main.p_layers)]
        table.append((str(layer), line))
    return Table(heads, table)


def axes(measures: Measures, layers: list[Name], other: Measures | None) -> list[Axis]:
    """The axes that have a measure, each with a chart per measure.

    Args:
        measures: of the trace.
        layers: of the page.
        other: of the trace that is compared with.
    """
    found = []
    for kind, (title, meaning) in AXES.items():
        cards = [card for card in CARDS.values() if card.kind == kind]
        rows = {card.name: [row for row in measures.rows if row.measure == card.name] for card in cards}
        cards = [card for card in cards if rows[card.name]]
        if cards:
            charts = [
                chart(card, rows[card.name], layers, _others(other, card.name, layers)) for card in cards
            ]
            numbers = [row for row in measures.rows if CARDS[row.measure].kind == kind]
            found.append(Axis(title, meaning, charts, _numbers(numbers)))
    return found


HEADS = [
    "Layer", "Value", "Estimate", "95 % interval", "Shuffled", "95 % of shuffles", "p", "p over layers", "Uniform",
    "Collapsed",
]  # fmt: skip


def _numbers(rows: list[Measured]) -> Table:
    """A row per measure and layer, without the columns that are empty."""
    full = [
        (
            CARDS[row.measure].title,
            [
                str(row.layer),
                digits(row.value),
                digits(row.estimate),
                interval(row.low, row.high),
                digits(row.shuffled),
                interval(row.shuffled_low, row.shuffled_high),
                probability(row.p),
                probability(row.p_layers),
                digits(row.uniform),
                digits(row.collapsed),
            ],
        )
        for row in rows
    ]
    kept = [at for at in range(len(HEADS)) if any(cells[at] != "" for _, cells in full)]
    return Table([HEADS[at] for at in kept], [(name, [cells[at] for at in kept]) for name, cells in full])


def _cell(row: Measured | None) -> str:
    if row is None:
        return ""
    if row.estimate is not None:
        return f"{digits(row.estimate)} ({interval(row.low, row.high)})"
    return digits(row.value)


def _others(other: Measures | None, name: str, layers: list[Name]) -> dict[Name, float]:
    if other is None:
        return {}
    return {row.layer: row.value for row in other.rows if row.measure == name and row.layer in layers}


def _by_layer(measures: Measures) -> dict[Name, dict[str, Measured]]:
    found: dict[Name, dict[str, Measured]] = {}
    for row in measures.rows:
        found.setdefault(row.layer, {})[row.measure] = row
    return found
