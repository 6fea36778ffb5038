"""How to read the metrics: their formulas, and what they are for routing that one can see through."""

from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from modbench.core.quantities import METRICS
from modbench.metrics import fixed_routing_metrics, uniform_routing

FORMULAS: dict[str, Markup] = {
    "collapse_avg": Markup(
        "<i>M</i>/(<i>M</i> &minus; 1) · Σ<sub>m</sub> max(0, 1/<i>M</i> &minus; <i>p</i>(m))"
    ),
    "collapse_worst": Markup("1 &minus; <i>M</i> · min<sub>m</sub> <i>p</i>(m)"),
    "alignment": Markup(
        "min<sub>P</sub> ‖<i>P</i> &minus; <i>A</i>‖<sub>1</sub> / 2<i>R</i>, P a one-to-one assignment"
    ),
    "adaptation": Markup(
        "mean over rule frequencies <i>p</i> of ½ ‖sort(<i>p</i>) &minus; sort(<i>q</i>)‖<sub>1</sub>"
    ),
    "inverse_mutual_information": Markup("1 &minus; <i>I</i>(rule; module) / log <i>R</i>"),
}
"""Of each routing metric, for A[r, m] = p(module m | rule r), p(m) its use under equally likely rules."""


class Example(NamedTuple):
    """A matrix p(module | rule) that one can see through: rows, and its metrics in the order of `METRICS`."""

    title: str
    meaning: str
    rows: list[list[float]]
    values: list[float]


def examples() -> list[Example]:
    """Perfect, the matrix of the paper's Fig. 2, uniform and collapsed routing of four rules to four modules."""
    mixed = [[0.95, 0, 0, 0.05], [0, 0, 0, 1], [0.35, 0.1, 0, 0.55], [0, 1, 0, 0]]
    matrices = (
        ("Perfect", "each rule has its module", np.eye(4)),
        ("Mixed", "the paper's Fig. 2: one module hardly used", mixed),
        ("Uniform", "Random: all used, nothing told apart", uniform_routing(4)),
        ("Collapsed", "one module does everything", np.eye(4)[[0, 0, 0, 0]]),
    )  # fmt: skip
    found = []
    for title, meaning, matrix in matrices:
        values = fixed_routing_metrics(matrix)
        found.append(Example(title, meaning, np.asarray(matrix).tolist(), [values[name] for name in METRICS]))
    return found
