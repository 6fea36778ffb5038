"""One card per reported quantity. What is stored under a name is what is reported under it.

Curves, tables, figures and the report all take a quantity's title, unit, range and direction from here.
"""

from typing import NamedTuple


class Quantity(NamedTuple):
    """A reported quantity.

    Attributes:
        name: column name, everywhere.
        title: heading for people.
        unit: unit, empty for a pure number. For `error_*`: `"L1"` in regression, `"%"` in classification.
        low: smallest possible value.
        high: no value is larger, or None where there is no bound.
        routed: whether it exists only for models that have a router.
        meaning: what it is, for people.
        top: the largest possible value as a formula, where that depends on M and is below `high`.
    """

    name: str
    title: str
    unit: str
    low: float
    high: float | None
    routed: bool
    meaning: str
    top: str = ""


_CARDS = (
    Quantity(
        "loss_id",
        "Loss, in distribution",
        "",
        0.0,
        None,
        False,
        "The optimised loss on fresh data: L1 (regression) or cross-entropy (classification).",
    ),
    Quantity(
        "loss_ood",
        "Loss, out of distribution",
        "",
        0.0,
        None,
        False,
        "The loss under the reported shift: doubled inputs, and for sequences the longest length too.",
    ),
    Quantity(
        "error_id",
        "Error, in distribution",
        "L1 or %",
        0.0,
        None,
        False,
        "L1 in regression, percentage of wrong labels in classification, on fresh data.",
    ),
    Quantity(
        "error_ood",
        "Error, out of distribution",
        "L1 or %",
        0.0,
        None,
        False,
        "The error under the reported shift: doubled inputs, and for sequences the longest length too.",
    ),
    Quantity(
        "collapse_avg",
        "Collapse-Avg",
        "",
        0.0,
        1.0,
        True,
        "The work that under-used modules lack, of the most that can be lacking: 0 all work equally, 1 one does all.",
    ),
    Quantity(
        "collapse_worst",
        "Collapse-Worst",
        "",
        0.0,
        1.0,
        True,
        "How far the least used module is below an equal share of the work: 0 all work equally, 1 it is never used.",
    ),
    Quantity(
        "alignment",
        "Alignment",
        "",
        0.0,
        1.0,
        True,
        "The share of routing that goes elsewhere when each rule is given a module of its own, as well as can be: "
        "0 each rule has its own module.",
        top="1 - 1/M",
    ),
    Quantity(
        "adaptation",
        "Adaptation",
        "",
        0.0,
        1.0,
        True,
        "How far the shares of modules are from those of rules when some rules become more frequent: 0 they follow.",
    ),
    Quantity(
        "inverse_mutual_information",
        "Inverse mutual information",
        "",
        0.0,
        1.0,
        True,
        "How much of the rule stays unknown to someone who sees which module is used: 0 nothing, 1 all of it.",
    ),
)
QUANTITIES: dict[str, Quantity] = {card.name: card for card in _CARDS}
"""Every quantity of a run, in reporting order. All: lower is better."""

PERFORMANCE = ("loss_id", "loss_ood", "error_id", "error_ood")
METRICS = tuple(card.name for card in _CARDS if card.routed)
"""The five routing metrics."""

_ESTIMATED = Quantity(
    "adaptation_from_matrix",
    "Adaptation, from the matrix",
    "",
    0.0,
    1.0,
    True,
    "Adaptation, estimated: what it would be if routing depended on the rule alone, module use under p being p A.",
)
CURVE_METRICS: dict[str, Quantity] = {
    card.name: card for card in (_ESTIMATED if name == "adaptation" else QUANTITIES[name] for name in METRICS)
}
"""The routing metrics at every point of the learning curve, in reporting order. Measured there is the activation matrix
alone, so Adaptation is estimated from it, and has a name of its own."""


def error_unit(kind: str) -> str:
    """The unit of `error_*` for a kind: `"L1"` (regression) or `"%"` (classification)."""
    return "L1" if kind == "regression" else "%"
