"""Collapse: how unequally the modules share the work. p(m) = sum_r J[r, m]; 0 is best."""

import numpy as np
from numpy.typing import ArrayLike

from modbench.metrics.distribution import joint_distribution, within_unit


def collapse_avg(J: ArrayLike) -> float:
    """Collapse-Avg (Eq. 16): M/(M-1) * sum_m max(0, 1/M - p(m)).

    Args:
        J: R x M joint distribution of rule and module, M >= 2. R may be 1: collapse needs no rules.

    Returns:
        0 (all modules used equally) to 1 (one module does everything).

    Raises:
        DistributionError: J is no joint distribution, or M = 1, where the formula divides by zero.
    """
    J = joint_distribution(J, modules=2)
    M = J.shape[1]
    return within_unit(M / (M - 1) * np.maximum(0.0, 1 / M - J.sum(axis=0)).sum())


def collapse_worst(J: ArrayLike) -> float:
    """Collapse-Worst (Eq. 17): 1 - M min_m p(m).

    Args:
        J: R x M joint distribution of rule and module, M >= 2. R may be 1: collapse needs no rules.

    Returns:
        0 (all modules used equally) to 1 (a module is never used).

    Raises:
        DistributionError: J is no joint distribution, or M = 1, where there is nothing to collapse.
    """
    J = joint_distribution(J, modules=2)
    return within_unit(1 - J.shape[1] * J.sum(axis=0).min())
