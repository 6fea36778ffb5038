"""From the routing trace of a real mixture of experts to the joint distribution that the metrics take.

N: samples or tokens, R: rules, M: modules, k: modules that a top-k router chooses for each sample.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modbench.metrics.distribution import Array, check_non_negative, check_sums
from modbench.metrics.reading import DistributionError, as_array, check_size, numeric, whole_number

EMPTY = -1
"""Marks a slot of a top-k trace into which no module was chosen."""


class TopKTrace(NamedTuple):
    """What `joint_from_topk` makes of a trace.

    Attributes:
        J: R x M joint distribution over the samples that a module was chosen for; sums to 1.
        empty_slots: how many of the N x k slots are -1, and were left out.
        unserved: how many samples have no module at all, since all of their slots are -1; they are left out too.
    """

    J: Array
    empty_slots: int
    unserved: int


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
            the module that each sample was sent to. The indices of a top-k router are no gates: see
            `joint_from_topk`. One-hot gates may be integers from three modules on; with fewer, indices look
            the same, so they must be real numbers or booleans.
        num_rules: R; one more than the largest label when left out.
        num_modules: M; needed with hard assignments, where a module that nothing was sent to leaves no
            trace and would be missed by the very metrics that look for it.

    Returns:
        J: R x M float64, sums to 1. A rule that does not occur has a row of zeros.

    Raises:
        DistributionError: the trace is not what is said above.
    """
    labels, R = _labels("rules", rules, num_rules, "num_rules")
    M = None if num_modules is None else whole_number("num_modules", num_modules, least=1)
    if as_array("gates", gates).ndim == 1:
        if M is None:
            raise DistributionError(
                "num_modules must be given with hard assignments: "
                "a module that nothing was sent to leaves no trace"
            )
        chosen, _ = _labels("gates", gates, M, "num_modules")
        _check_length("gates", len(chosen), len(labels))
        check_size(num_rules=R, num_modules=M)
        counts = np.bincount(labels * M + chosen, minlength=R * M).reshape(R, M)
    else:
        weights = numeric("gates", gates, ("samples", "modules"))
        _check_no_indices(weights)
        if M is not None and weights.shape[1] != M:
            raise DistributionError(
                f"num_modules must equal the {weights.shape[1]} columns of gates, got {M}"
            )
        M = weights.shape[1]
        _check_length("gates", len(weights), len(labels))
        check_size(num_rules=R, num_modules=M)
        check_non_negative("gates", weights)
        check_sums("gates", weights.sum(axis=1, dtype=np.float64))
        # Column by column: no float64 copy of a long float32 trace.
        counts = np.stack([np.bincount(labels, weights[:, m], R) for m in range(M)], axis=1)
    return counts / counts.sum()


def joint_from_topk(
    rules: ArrayLike,
    chosen: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    num_modules: int,
    num_rules: int | None = None,
) -> TopKTrace:
    """Makes the joint distribution of rule and module from the indices, and weights, of a top-k router.

    A sample's gates are its weights, divided by their sum over the modules chosen for it. Slots that hold -1 are
    left out, whatever their weight: engines mark by it that no module was chosen, because the sample is padding,
    was answered from a cache, or was over a module's capacity.

    Args:
        rules: N integers in 0..R-1, the rule (class) of each sample.
        chosen: N x k integers, the modules that each sample was sent to, in 0..M-1 and different from each
            other; -1 where there is none.
        weights: N x k, non-negative, of the modules in `chosen`; equal shares when left out.
        num_modules: M; a module that nothing was sent to leaves no trace.
        num_rules: R; one more than the largest label when left out.

    Returns:
        The joint distribution, and how many slots and samples were left out.

    Raises:
        DistributionError: the trace is not what is said above, all weights of a sample are 0, or no sample has a
            module.
    """
    labels, R = _labels("rules", rules, num_rules, "num_rules")
    M = whole_number("num_modules", num_modules, least=1)
    check_size(num_rules=R, num_modules=M)
    modules = numeric("chosen", chosen, ("samples", "k"), kinds="iu")
    _check_length("chosen", len(modules), len(labels))
    _check_modules(modules, M)
    filled = modules != EMPTY
    shares = _weights(weights, filled)
    sums = shares.sum(axis=1)
    served = filled.any(axis=1)
    if not served.any():
        raise DistributionError("chosen must name a module for at least one sample, got -1 throughout")
    idle = np.flatnonzero(served & (sums == 0))
    if len(idle):
        raise DistributionError(f"weights of a sample must not all be 0, got that in row {idle[0]}")
    counts = np.zeros(R * M)
    for slot in range(modules.shape[1]):
        used = filled[:, slot]
        cells = labels[used] * M + modules[used, slot].astype(np.int64)
        counts += np.bincount(cells, shares[used, slot] / sums[used], R * M)
    J = counts.reshape(R, M) / counts.sum()
    return TopKTrace(J, int(filled.size - filled.sum()), int(len(served) - served.sum()))


def _labels(
    name: str, values: ArrayLike, count: int | None, count_name: str
) -> tuple[NDArray[np.int64], int]:
    """The labels, and how many there can be: `count`, or one more than the largest."""
    labels = numeric(name, values, ("samples",), kinds="iu")
    least, largest = int(labels.min()), int(labels.max())
    if least < 0:
        raise DistributionError(f"{name} must be integers from 0, got {least}; leave such samples out")
    number = largest + 1 if count is None else whole_number(count_name, count, least=1)
    if largest >= number:
        raise DistributionError(f"{name} must be below {count_name} = {number}, got {largest}")
    return labels.astype(np.int64), number


def _check_modules(modules: NDArray, num_modules: int) -> None:
    least, largest = int(modules.min()), int(modules.max())
    if least < EMPTY:
        raise DistributionError(f"chosen must be modules from 0, or -1 for none, got {least}")
    if largest >= num_modules:
        raise DistributionError(f"chosen must be below num_modules = {num_modules}, got {largest}")
    ordered = np.sort(modules, axis=1)
    twice = np.argwhere((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != EMPTY))
    if len(twice):
        row, place = twice[0]
        raise DistributionError(
            f"chosen must name different modules in each row, got module {ordered[row, place]} twice in row {row}"
        )


def _weights(weights: ArrayLike | None, filled: NDArray[np.bool_]) -> Array:
    """Each slot's weight, 0 where the slot is empty."""
    if weights is None:
        return filled.astype(np.float64)
    array = numeric("weights", weights, ("samples", "k"))
    if array.shape != filled.shape:
        raise DistributionError(f"weights must have the shape of chosen, {filled.shape}, got {array.shape}")
    array = np.where(filled, array, 0).astype(np.float64)
    check_non_negative("weights", array)
    return array


def _check_no_indices(gates: NDArray) -> None:
    """Refuses a top-k router's indices, which are whole numbers as one-hot gates are.

    Indices in a row differ, so from three columns on some are above 1. Integers in fewer columns can be either.
    """
    integers, head = gates.dtype.kind in "iu", gates[:100]
    if not integers and not np.array_equal(head, np.floor(head, dtype=np.float64)):
        return
    either = integers and gates.shape[1] < 3
    beyond = gates if integers else head
    if not either and beyond.min() >= 0 and beyond.max() <= 1:
        return
    cast = "; one-hot gates of fewer than 3 modules must be real numbers" if either else ""
    raise DistributionError(
        f"gates must be shares of the modules, got what looks like indices of modules: "
        f"joint_from_topk reads the indices of a top-k router{cast}"
    )


def _check_length(name: str, given: int, rules: int) -> None:
    if given != rules:
        raise DistributionError(f"{name} must have an entry for each of the {rules} rules, got {given}")
