"""Collapse and specialisation of routing, as numbers: matrices in, floats out; NumPy and SciPy only.

Example::

    from modbench.metrics import joint, routing_metrics

    A = [[0.9, 0.1], [0.2, 0.8]]  # row r: how rule r is spread over the modules
    routing_metrics(joint(A))

`docs/metrics.md` defines each metric, with its range, known values and a worked example.
"""

from modbench.metrics.adaptation import adaptation, dirichlet_rule_distributions
from modbench.metrics.baselines import (
    SamplingFloor,
    fixed_routing_metrics,
    perfect_baseline,
    perfect_routing,
    sampling_floor,
    uniform_baseline,
    uniform_routing,
)
from modbench.metrics.collapse import collapse_avg, collapse_worst
from modbench.metrics.distribution import TOLERANCE, conditional, joint
from modbench.metrics.reading import DistributionError
from modbench.metrics.routing import routing_metrics
from modbench.metrics.specialisation import alignment, inverse_mutual_information
from modbench.metrics.trace import TopKTrace, joint_from_topk, joint_from_trace

__all__ = [
    "TOLERANCE",
    "DistributionError",
    "SamplingFloor",
    "TopKTrace",
    "adaptation",
    "alignment",
    "collapse_avg",
    "collapse_worst",
    "conditional",
    "dirichlet_rule_distributions",
    "fixed_routing_metrics",
    "inverse_mutual_information",
    "joint",
    "joint_from_topk",
    "joint_from_trace",
    "perfect_baseline",
    "perfect_routing",
    "routing_metrics",
    "sampling_floor",
    "uniform_baseline",
    "uniform_routing",
]
