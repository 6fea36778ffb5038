"""Two traces side by side: two checkpoints, or two models."""

from collections.abc import Mapping
from typing import NamedTuple

from modbench.report.trace.tables import Table
from modbench.report.trace.words import digits, interval, percent
from modbench.trace import CARDS, Agreement, Measured, Measures
from modbench.trace.names import Name

SHOWN = ("load_entropy", "effective_experts", "information_share", "group_alignment")


class Compared(NamedTuple):
    """The trace that a page's trace is compared with.

    Attributes:
        measures: of the other trace.
        name: what people call it.
        agreement: by layer, how far both send the same tokens to the same experts; empty where they hold other tokens.
    """

    measures: Measures
    name: str
    agreement: Mapping[Name, Agreement] = {}


def comparison(measures: Measures, compared: Compared) -> Table:
    """Layers that both traces have: this one's number, the other's, and the difference.

    Estimates stand with their intervals where both traces have them, values as counted elsewhere.
    """
    mine, theirs = _by_name(measures), _by_name(compared.measures)
    layers = list(dict.fromkeys(layer for layer, _ in mine if any(key[0] == layer for key in theirs)))
    shown = [
        name for name in SHOWN if any((layer, name) in mine and (layer, name) in theirs for layer in layers)
    ]
    titles = [CARDS[name].title for name in shown]
    heads = [f"{title}{rest}" for title in titles for rest in ("", ", other", ", difference")]
    if compared.agreement:
        heads += ["Saturation", "by chance", "Churn"]
    rows = []
    for layer in layers:
        line = []
        for name in shown:
            line += _side_by_side(mine.get((layer, name)), theirs.get((layer, name)))
        if compared.agreement:
            one = compared.agreement.get(layer)
            line += (
                [""] * 3
                if one is None
                else [percent(one.saturation), percent(one.by_chance), percent(one.churn)]
            )
        rows.append((str(layer), line))
    return Table(heads, rows)


def compared_in_words(measures: Measures, compared: Compared) -> list[str]:
    """In which layers the share of information differs by more than the intervals of both allow."""
    mine, theirs = _by_name(measures), _by_name(compared.measures)
    name = "information_share"
    both = [(row, theirs[key]) for key, row in mine.items() if key[1] == name and key in theirs]
    both = [(one, other) for one, other in both if one.low is not None and other.low is not None]
    if not both:
        return ["No layer has an interval in both traces, so nothing is said about which specialises more."]
    up = [str(a.layer) for a, b in both if (a.low or 0) > (b.high or 0)]
    down = [str(a.layer) for a, b in both if (a.high or 0) < (b.low or 0)]
    said = [
        f"Experts of this trace carry {how} information about the label than those of {compared.name} in layer"
        f"{'s' if len(which) > 1 else ''} {', '.join(which)}: the two intervals do not touch."
        for how, which in (("more", up), ("less", down))
        if which
    ]
    if rest := len(both) - len(up) - len(down):
        said.append(f"In {rest} of {len(both)} layers the intervals of both overlap; they decide nothing.")
    return said


def _side_by_side(one: Measured | None, other: Measured | None) -> list[str]:
    if one is None or other is None:
        return ["" if row is None else digits(row.value) for row in (one, other)] + [""]
    if one.estimate is not None and other.estimate is not None:
        cells = [f"{digits(row.estimate)} ({interval(row.low, row.high)})" for row in (one, other)]
        return [*cells, _signed(one.estimate - other.estimate)]
    return [digits(one.value), digits(other.value), _signed(one.value - other.value)]


def _signed(difference: float) -> str:
    return ("+" if difference > 0 else "") + digits(difference)


def _by_name(measures: Measures) -> dict[tuple[Name, str], Measured]:
    return {(row.layer, row.measure): row for row in measures.rows}
