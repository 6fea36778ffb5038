"""How to read the metrics: their formulas, their ranges, and what they are for routing that one can see through."""

from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from modbench.core.quantities import METRICS
from modbench.metrics import fixed_routing_metrics, uniform_routing


class Reading(NamedTuple):
    """How to read a routing metric, for as many modules as equally likely rules.

    Attributes:
        formula: for A[r, m] = p(module m | rule r), p(m) its use under equally likely rules.
        ends: the range of its values.
        perfect: what it is where each rule has a module of its own.
        uniform: for Random, which uses all modules equally whatever the rule.
        collapsed: where one module does everything.
    """

    formula: str
    ends: str
    perfect: str
    uniform: str
    collapsed: str

    def html(self) -> Markup:
        """The formula, and under it what the values mean."""
        values = (
            f"From {self.ends}. Perfect: {self.perfect}. Random: {self.uniform}. Collapsed: {self.collapsed}."
        )
        return Markup(f"{self.formula}<br>{values}")


READINGS: dict[str, Reading] = {
    "collapse_avg": Reading(
        "<i>M</i>/(<i>M</i> &minus; 1) · Σ<sub>m</sub> max(0, 1/<i>M</i> &minus; <i>p</i>(m))",
        "0 to 1",
        "0",
        "0, as it uses all modules",
        "1",
    ),
    "collapse_worst": Reading(
        "1 &minus; <i>M</i> · min<sub>m</sub> <i>p</i>(m)",
        "0 to 1",
        "0",
        "0, as it uses all modules",
        "1, and so it is with a single unused module",
    ),
    "alignment": Reading(
        "min<sub>P</sub> ‖<i>P</i> &minus; <i>A</i>‖<sub>1</sub> / 2<i>R</i>, <i>P</i> a one-to-one assignment of "
        "modules to rules",
        "0 to 1 &minus; 1/<i>M</i>",
        "0",
        "1 &minus; 1/<i>R</i>, as bad as can be: 0.5 with 2 rules, 0.97 with 32",
        "1 &minus; 1/<i>R</i> too",
    ),
    "adaptation": Reading(
        "mean of ½ ‖sort(<i>p</i>) &minus; sort(<i>q</i>)‖<sub>1</sub> over a hundred drawn distributions of rules; "
        "<i>p</i> is one of them, <i>q</i> the use of each module under it, and both are sorted since any module may "
        "serve any rule",
        "0 to 1",
        "0, measured up to 0.02 above as samples are finite",
        "not 1 but 0.26, 0.30, 0.34, 0.35, 0.36 with 2, 4, 8, 16, 32 rules",
        "0.24, 0.51, 0.67, 0.79, 0.87 with as many",
    ),
    "inverse_mutual_information": Reading(
        "1 &minus; <i>I</i>(rule; module) / log <i>R</i>; <i>I</i>, the mutual information, is how much the module in "
        "use tells of the rule",
        "0 to 1",
        "0, as the module tells the rule",
        "1, as it tells nothing",
        "1, as it is the same for every rule",
    ),
}
FORMULAS: dict[str, Markup] = {name: reading.html() for name, reading in READINGS.items()}
"""Of each routing metric, as the page shows it."""


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
