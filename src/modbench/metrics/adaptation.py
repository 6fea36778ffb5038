"""Adaptation: whether the use of modules follows the rule distribution when that changes."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from modbench.metrics.distribution import Array, distributions, within_unit
from modbench.metrics.reading import DistributionError, check_size, whole_number


def adaptation(rule_distributions: ArrayLike, module_distributions: ArrayLike) -> float:
    """Adaptation (Eq. 20): mean over rule distributions p of (1/2) ||sort(p) - sort(q)||_1.

    q is the modules' distribution measured under p. Sorting makes it blind to which module serves which rule.
    The factor 1/2 is that of the released implementation, not of the paper's text. For M != R, where the paper
    is silent, the shorter of p and q is padded with zeros.

    Args:
        rule_distributions: S x R, each row a distribution p over rules.
        module_distributions: S x M, row s the mean gates when rules follow row s of `rule_distributions`.

    Returns:
        0 (module use is the rule distribution, up to order) to 1.

    Raises:
        DistributionError: rows are no distributions, or the two have different numbers of rows.
    """
    p = distributions("rule_distributions", rule_distributions, ("distributions", "rules"))
    q = distributions("module_distributions", module_distributions, ("distributions", "modules"))
    if len(p) != len(q):
        raise DistributionError(
            f"module_distributions must have a row for each of the {len(p)} rows of "
            f"rule_distributions, got {len(q)}"
        )
    width = max(p.shape[1], q.shape[1])
    gap = np.abs(_sorted(p, width) - _sorted(q, width))
    return within_unit(gap.sum(axis=1).mean() / 2)


def dirichlet_rule_distributions(num_rules: int, count: int = 100) -> Array:
    """The paper's rule distributions: `RandomState(s).dirichlet(ones(R))` for s = 0 .. count-1.

    Args:
        num_rules: R, at least 1.
        count: S, at least 1; 100 in the paper.

    Returns:
        S x R, each row a distribution over rules, the same on every call.

    Raises:
        DistributionError: a number is not a whole number of at least 1, or the matrix would fill the memory.
    """
    R, S = whole_number("num_rules", num_rules, least=1), whole_number("count", count, least=1)
    check_size(count=S, num_rules=R)
    return _drawn(R, S).copy()


@lru_cache(maxsize=32)
def _drawn(num_rules: int, count: int) -> Array:
    """Setting up a generator for each takes longer than all else that a metric does."""
    concentration = np.ones(num_rules)
    return np.stack([np.random.RandomState(seed).dirichlet(concentration) for seed in range(count)])


def _sorted(rows: Array, width: int) -> Array:
    return np.sort(np.pad(rows, ((0, 0), (0, width - rows.shape[1]))), axis=1)
