"""The joint distribution J of rule and module that the metrics take, how to make it, and what is checked.

R: rules, M: modules. J[r, m] = p(rule r, module m); A[r, m] = p(module m | rule r).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modbench.metrics.reading import DistributionError, numeric

Array = NDArray[np.float64]

TOLERANCE = 1e-3
"""How far a sum may be from 1. A matrix averaged in float32 is off by about 1e-4; a wrong one by far more."""


def joint(A: ArrayLike, rule_probabilities: ArrayLike | None = None) -> Array:
    """Makes the joint distribution J[r, m] = p(r) A[r, m] from the modules' distribution under each rule.

    Sums within `TOLERANCE` of 1 are accepted, and scaled to 1 in float64 in the result. Every metric treats
    its input so.

    Args:
        A: R x M, row r is p(module | rule r): non-negative, each row sums to 1.
        rule_probabilities: R numbers p(r) that sum to 1; zeros are allowed. Uniform when left out, as in
            the paper.

    Returns:
        J: R x M, a new float64 array that sums to 1.

    Raises:
        DistributionError: A or the probabilities are not what is said above.
    """
    rows = distributions("A", A, ("rules", "modules"))
    if rule_probabilities is None:
        return rows / len(rows)
    p = distributions("rule_probabilities", rule_probabilities, ("rules",))
    if len(p) != len(rows):
        raise DistributionError(
            f"rule_probabilities must have a number for each of the {len(rows)} rows of A, got {len(p)}"
        )
    return p[:, None] * rows


def conditional(J: ArrayLike) -> Array:
    """Recovers A[r, m] = p(module m | rule r) from the joint: the inverse of `joint`.

    `joint(conditional(J))` is J with its rules made equally likely.

    Args:
        J: R x M joint distribution.

    Returns:
        A: R x M, a new float64 array whose rows sum to 1.

    Raises:
        DistributionError: J is no joint distribution, or a rule has probability 0 and so no p(module | rule).
    """
    J = joint_distribution(J)
    p = J.sum(axis=1, keepdims=True)
    if not p.all():
        raise DistributionError(
            f"every rule must occur for p(module | rule) to exist, got p(rule {int(np.argmin(p))}) = 0"
        )
    return J / p


def joint_distribution(J: ArrayLike, rules: int = 1, modules: int = 1) -> Array:
    """Checks a joint distribution, as every metric does first.

    Args:
        J: R x M, non-negative, sums to 1 within `TOLERANCE`.
        rules: fewest rows that the caller's formula can do with.
        modules: fewest columns that the caller's formula can do with.

    Returns:
        A new float64 array, scaled so that it sums to 1 up to float64 rounding.

    Raises:
        DistributionError: J is not that.
    """
    matrix = _non_negative("J", J, ("rules", "modules")).astype(np.float64)
    if len(matrix) < rules:
        raise DistributionError(f"J must have at least {rules} rules (rows), got {len(matrix)}")
    if matrix.shape[1] < modules:
        raise DistributionError(f"J must have at least {modules} modules (columns), got {matrix.shape[1]}")
    total = matrix.sum()
    if abs(total - 1) > TOLERANCE:
        each_row_is_one = np.all(np.abs(matrix.sum(axis=1) - 1) <= TOLERANCE)
        hint = "; joint(A) makes J from rows p(module | rule)" if each_row_is_one else ""
        raise DistributionError(f"J must sum to 1 within {TOLERANCE:g}, got {total:g}{hint}")
    return matrix / total


def distributions(name: str, values: ArrayLike, axes: tuple[str, ...]) -> Array:
    """Checks an array whose last axis holds distributions.

    Args:
        name: what the user calls it, for the error's text.
        values: non-negative; sums over the last axis are 1 within `TOLERANCE`.
        axes: what its axes stand for, one name each.

    Returns:
        A new float64 array, scaled so that those sums are 1 up to float64 rounding.

    Raises:
        DistributionError: the values are not that.
    """
    array = _non_negative(name, values, axes).astype(np.float64)
    sums = array.sum(axis=-1, keepdims=True)
    check_sums(name, sums[..., 0])
    return array / sums


def check_sums(name: str, sums: NDArray) -> None:
    """Raises DistributionError when a sum, of one distribution or of each row, is not 1 within `TOLERANCE`."""
    wrong = np.argwhere(np.abs(sums - 1) > TOLERANCE)
    if len(wrong):
        first = tuple(wrong[0])
        row = f" in row {first[0]}" if first else ""
        what = f"every row of {name}" if first else name
        raise DistributionError(f"{what} must sum to 1 within {TOLERANCE:g}, got {sums[first]:g}{row}")


def _non_negative(name: str, values: ArrayLike, axes: tuple[str, ...]) -> NDArray:
    array = numeric(name, values, axes)
    check_non_negative(name, array)
    return array


def check_non_negative(name: str, array: NDArray) -> None:
    """Raises DistributionError that names the first entry which is not finite or is negative."""
    if array.min() >= 0 and array.max() < np.inf:  # NaN fails the first
        return
    for what, wrong in (("finite", ~np.isfinite(array)), ("non-negative", array < 0)):
        if wrong.any():
            where = tuple(np.argwhere(wrong)[0])
            raise DistributionError(
                f"{name} must be {what}, got {name}[{', '.join(map(str, where))}] = {array[where]:g}"
            )


def within_unit(value: float) -> float:
    """Takes off the rounding that carries a value of a metric past 0 or 1."""
    return min(max(float(value), 0.0), 1.0)
