"""The routing of real mixtures of experts: counted in a stream, measured, tested against chance.

NumPy and SciPy only. Example::

    from modbench.trace import RoutingCounts, measure

    counts = RoutingCounts(num_experts=64, labels=["code", "prose"], layers=[0, 8, 15])
    for batch in batches:
        counts.update(batch.indices, batch.labels, group=batch.documents)  # indices (tokens, layers, k)
    measures = measure(counts)
    measures.value(8, "information_share")

`docs/traces.md` says how to read each number, and what not to conclude.
"""

from modbench.trace.arrays import TraceError
from modbench.trace.balance import balance_measures
from modbench.trace.cards import CARDS, Card
from modbench.trace.counts import RoutingCounts
from modbench.trace.dense import from_map
from modbench.trace.findings import findings
from modbench.trace.measure import Measured, Measures, measure
from modbench.trace.overlap import Agreement, agreement, coactivation, jaccard
from modbench.trace.saving import load_counts, save_counts
from modbench.trace.specialisation import group_alignment, owners

__all__ = [
    "CARDS",
    "Agreement",
    "Card",
    "Measured",
    "Measures",
    "RoutingCounts",
    "TraceError",
    "agreement",
    "balance_measures",
    "coactivation",
    "findings",
    "from_map",
    "group_alignment",
    "jaccard",
    "load_counts",
    "measure",
    "owners",
    "save_counts",
]
