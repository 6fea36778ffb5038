"""Balance: how evenly experts are used, whatever the labels. p(m) is the share of slots of expert m."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from modbench.metrics.collapse import collapse_avg, collapse_worst
from modbench.metrics.distribution import distributions

RARE = 1e-3
"""An expert is rare that has less than this part of its fair share 1/E."""


def balance_measures(load: ArrayLike) -> dict[str, float]:
    """How evenly the experts of a layer are used.

    Args:
        load: E numbers that sum to 1, the share of slots of each expert, E >= 2.

    Returns:
        `max_violation` max p / mean p - 1, 0 .. E-1 (MaxVio, Wang et al. 2024); `cv` standard deviation / mean, of the
        population; `dead_share` of experts without a slot, 0 .. 1; `rare_share` of experts below `RARE` of 1/E, with
        dead ones; `min_max` min p / max p, 1 at balance; `load_entropy` H(p) / log E, 1 at balance;
        `effective_experts` exp H(p), 1 .. E; `collapse_avg` and `collapse_worst` as in `modbench.metrics`.

    Raises:
        DistributionError: the load is not that.
    """
    p = distributions("load", load, ("experts",))
    E = len(p)
    entropy = float(entr(p).sum())
    return {
        "max_violation": float(p.max() * E - 1),
        "cv": float(p.std() * E),
        "dead_share": float(np.mean(p == 0)),
        "rare_share": float(np.mean(p < RARE / E)),
        "min_max": float(p.min() / p.max()),
        "load_entropy": entropy / np.log(E),
        "effective_experts": float(np.exp(entropy)),
        "collapse_avg": collapse_avg(p[None]),
        "collapse_worst": collapse_worst(p[None]),
    }
