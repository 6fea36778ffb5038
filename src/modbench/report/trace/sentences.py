"""What the numbers of a trace say in plain sentences, and what they cannot say.

A sentence is written only where the numbers support it: a layer is judged where it has slots enough, and experts are
said to specialise where labels that were shuffled over groups do not read as much.
"""

from collections.abc import Iterable
from math import ceil

import numpy as np

from modbench.report.trace.experts import LayerView
from modbench.report.trace.words import digits, named_layers, percent, probability
from modbench.trace import Measured, Measures, RoutingCounts

ALPHA = 0.05
"""A layer specialises by more than chance where its p-value, corrected over layers, is at most this."""
ENOUGH = 20
"""Slots of a fair share (all slots of a layer over its experts) from which on its balance is judged."""
FEW_EFFECTIVE = 0.5
"""A layer is called collapsed whose effective experts are fewer than this part of its experts."""
MOST_LABELS = 4
"""Labels that a sentence names."""
AGAINST = {
    "groups": "labels shuffled over documents",
    "tokens": "independent tokens, which those of a document are not",
}
"""What the test compares with, in words."""
MAIN = "information_share"
"""The measure that is tested."""


def conclusions(measures: Measures, counts: RoutingCounts, views: list[LayerView]) -> list[str]:
    """What the numbers support, a sentence or two for each point.

    Args:
        measures: of the trace.
        counts: that they were measured from.
        views: the layers, as the page shows them.
    """
    return [*_balance(measures, counts, views), *_specialisation(measures, views)]


def limits(measures: Measures, counts: RoutingCounts, views: list[LayerView]) -> list[str]:
    """What the trace cannot say, each with the reason."""
    said = []
    if short := [view.name for view in views if not _enough(view)]:
        said.append(
            f"Whether {named_layers(short, len(views))} collapsed: there are fewer than {ENOUGH} slots for each "
            "expert, so an idle expert may be chance."
        )
    tested = _rows(measures, MAIN)
    if not tested:
        said.append("Whether experts specialise: that takes two labels at least, with slots in every layer.")
    elif measures.chance == "none":
        said.append(
            "Whether specialisation is more than chance: every label needs two groups (documents) at least."
        )
    elif not measures.shuffles:
        said.append("Whether specialisation is more than chance: no labels were shuffled.")
    elif (least := len(tested) / (measures.shuffles + 1)) > ALPHA:
        needed = ceil(len(tested) / ALPHA) - 1
        said.append(
            f"Whether specialisation is more than chance: {measures.shuffles} shuffles and {len(tested)} layers leave "
            f"no corrected p-value below {probability(least)}. Shuffle {needed:,} times or more."
        )
    elif measures.chance == "tokens":
        said.append(
            "Whether specialisation holds for other documents: no documents were given, so tokens were taken as "
            "independent. Tokens of one document resemble each other, so p-values read too small."
        )
    if tested:
        said.append(
            "Which label or expert alone is more than chance: the test is of a layer as a whole. Owners are chosen and "
            "judged on the same tokens, so their shares read a little too good."
        )
    said.append(
        "Whether routing helps the model: a trace holds no errors. Balance and specialisation are no quality."
    )
    if counts.pairs is None:
        said.append("Which experts work together: co-activation was not counted.")
    return said


def first_layer(measures: Measures, views: list[LayerView]) -> int:
    """The position of the layer that the page begins with: where experts say most about the label."""
    said = {row.layer: _estimated(row) for row in _rows(measures, MAIN)}
    return max(range(len(views)), key=lambda at: said.get(views[at].name, 0.0))


def _balance(measures: Measures, counts: RoutingCounts, views: list[LayerView]) -> Iterable[str]:
    judged = [view.name for view in views if _enough(view)]
    effective = {row.layer: row.value for row in _rows(measures, "effective_experts") if row.layer in judged}
    if not effective:
        return
    E = counts.num_experts
    few = [layer for layer, value in effective.items() if value < FEW_EFFECTIVE * E]
    least, most = min(effective, key=effective.__getitem__), max(effective.values())
    rule = (
        f"A layer is called collapsed here if its load is spread as over fewer than half of its {E} experts."
    )
    if few:
        yield (
            f"{_begin(named_layers(few, len(views)))} collapsed: the load of layer {least} is spread as over "
            f"{digits(effective[least])} equally busy experts of {E}. {rule}"
        )
    else:
        spread = digits(most) if len(effective) == 1 else f"{digits(effective[least])} to {digits(most)}"
        yield f"{_none_of(judged, views)} collapsed: loads are spread as over {spread} equally busy experts. {rule}"
    dead = {
        row.layer: row.value for row in _rows(measures, "dead_share") if row.value and row.layer in judged
    }
    if dead:
        worst = max(dead, key=dead.__getitem__)
        yield (
            f"Dead experts, which no token reached, are in {named_layers(list(dead), len(views))}; layer {worst} has "
            f"most, {round(dead[worst] * E)} of {E}."
        )


def _specialisation(measures: Measures, views: list[LayerView]) -> Iterable[str]:
    tested = [row for row in _rows(measures, MAIN) if row.p_layers is not None]
    if not tested or len(tested) / (measures.shuffles + 1) > ALPHA:
        return
    more = [row for row in tested if (row.p_layers or 0) <= ALPHA]
    tests = f"{AGAINST[measures.chance]}, corrected over layers"
    if not more:
        lowest = probability(min(row.p_layers or 0 for row in tested))
        yield (
            f"In no layer do experts specialise by label more than chance explains (least p {lowest} against {tests}). "
            "What the pictures of experts and labels show may be chance."
        )
        return
    top, least = max(more, key=_estimated), min(more, key=_estimated)
    most_p = probability(max(row.p_layers or 0 for row in more))
    carried = f"{percent(_estimated(top))} of the label's information in layer {top.layer}"
    if len(more) > 1:
        carried = (
            f"{percent(_estimated(least))} of the label's information in layer {least.layer} to {carried}"
        )
    ends = ""
    if top.low is not None and top.high is not None:
        ends = f" (95 % interval {percent(max(top.low, 0))} to {percent(top.high)})"
    yield (
        f"In {named_layers([row.layer for row in more], len(views))} experts specialise by label more than chance "
        f"explains (p at most {most_p} against {tests}). The expert of a slot carries {carried}{ends}."
    )
    yield from _owners(next(view for view in views if view.name == top.layer))


def _owners(view: LayerView) -> Iterable[str]:
    """The labels whose experts are most their own, in the layer where experts say most about the label."""
    given = [label for label in view.labels if label.own > 0]
    first = sorted(given, key=lambda label: label.own / max(label.others, 1e-9), reverse=True)[:MOST_LABELS]
    if not first:
        return
    said = [
        f"{label.name} with {label.experts} expert{'s' if label.experts != 1 else ''}, which get "
        f"{percent(label.own)} of its slots and {percent(label.others)} of the other labels'"
        for label in first
    ]
    which = (
        "Labels with experts of their own" if len(given) <= MOST_LABELS else "The labels that stand out most"
    )
    yield f"{which} in layer {view.name}: {'; '.join(said)}."


def _enough(view: LayerView) -> bool:
    return view.slots >= ENOUGH * len(view.load)


def _rows(measures: Measures, name: str) -> list[Measured]:
    return [row for row in measures.rows if row.measure == name]


def _estimated(row: Measured) -> float:
    """Freed from the bias of a short trace, where that is possible; an estimate may lie a little below 0."""
    return float(np.clip(row.value if row.estimate is None else row.estimate, 0, 1))


def _none_of(judged: list, views: list[LayerView]) -> str:
    return "No layer" if len(judged) == len(views) else f"None of {named_layers(judged, len(views))}"


def _begin(text: str) -> str:
    return text[0].upper() + text[1:]
