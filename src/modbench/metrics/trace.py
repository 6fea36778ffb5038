"""From the routing trace of a real mixture of experts to the joint distribution that the metrics take."""

import numpy as np
from numpy.typing import ArrayLike

from modbench.metrics.distribution import (
    Array,
    DistributionError,
    as_array,
    check_non_negative,
    check_sums,
    numeric,
    whole_number,
)


def joint_from_trace(
    rules: ArrayLike, gates: ArrayLike, *, num_rules: int | None = None, num_modules: int | None = None
) -> Array:
    """Makes the joint distribution of rule and module from what a router did on N samples or tokens.

    J[r, m] is the mean over all N of 1[rule is r] times the gate of m. With soft gates the column sums of J
    are each module's importance (gate mass), with hard assignments its load (counts), as shares of 1. Rules
    are weighted by how often they occur in the trace; `joint(conditional(J))` weighs them equally. Whatever
    may have caused the routing can stand in for the rule: a token's class, language, domain or task.

    Args:
        rules: N integers in 0..R-1, the rule (class) of each sample.
        gates: N x M gates, non-negative, each row sums to 1 within `TOLERANCE`; or N integers in 0..M-1,
            the module that each sample was sent to.
        num_rules: R; one more than the largest label when left out.
        num_modules: M; needed with hard assignments, where a module that nothing was sent to leaves no
            trace and would be missed by the very metrics that look for it.

    Returns:
        J: R x M float64, sums to 1. A rule that does not occur has a row of zeros.

    Raises:
        DistributionError: the trace is not what is said above.
    """
    labels = _labels("rules", rules, num_rules, "num_rules")
    R = int(labels.max()) + 1 if num_rules is None else num_rules
    if as_array("gates", gates).ndim == 1:
        if num_modules is None:
            raise DistributionError(
                "num_modules must be given with hard assignments: "
                "a module that nothing was sent to leaves no trace"
            )
        chosen = _labels("gates", gates, num_modules, "num_modules")
        _check_length(len(chosen), len(labels))
        counts = np.bincount(labels * num_modules + chosen, minlength=R * num_modules).reshape(R, num_modules)
    else:
        weights = numeric("gates", gates, ("samples", "modules"))
        M = weights.shape[1]
        if num_modules is not None and num_modules != M:
            raise DistributionError(f"num_modules must equal the {M} columns of gates, got {num_modules}")
        _check_length(len(weights), len(labels))
        check_non_negative("gates", weights)
        check_sums("gates", weights.sum(axis=1, dtype=np.float64))
        # Column by column: no float64 copy of a long float32 trace.
        counts = np.stack([np.bincount(labels, weights[:, m], R) for m in range(M)], axis=1)
    return counts / counts.sum()


def _labels(name: str, values: ArrayLike, count: int | None, count_name: str) -> np.ndarray:
    labels = numeric(name, values, ("samples",), kinds="iu")
    if labels.min() < 0:
        raise DistributionError(f"{name} must be integers from 0, got {labels.min()}; leave such samples out")
    if count is not None and labels.max() >= whole_number(count_name, count, least=1):
        raise DistributionError(f"{name} must be below {count_name} = {count}, got {labels.max()}")
    return labels.astype(np.int64)


def _check_length(gates: int, rules: int) -> None:
    if gates != rules:
        raise DistributionError(f"gates must have an entry for each of the {rules} rules, got {gates}")
