"""The slots of one layer, checked: what is seen in the wild beside plain expert numbers is left out and counted.

A token has k slots; each holds the number of the expert that serves the token there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FINDINGS = {
    "missing": "slots hold a negative number, which marks an empty slot; they are left out",
    "beyond": "slots hold a number of {num_experts} or more, so no routed expert (a shared, zero-compute or "
    "physical one?); they are left out",
    "repeated": "slots repeat an expert that the same token has already; they are left out",
    "unweighted": "slots have weight 0; they are left out, since their expert adds nothing",
    "dropped": "tokens have no slot left (a full expert dropped them, or padding was not masked)",
}
"""What is counted of a layer, and the words that say so after its number."""


class Slots(NamedTuple):
    """The slots of a block of n tokens in one layer, after the checks.

    Attributes:
        experts: (n, k) numbers of experts, any integer type; where `used` is False the number means nothing.
        used: (n, k), or None where all slots are used.
        shares: (n, k) weights that sum to 1 over the used slots of each token; None where no weights were given.
        found: how often each of `FINDINGS` was seen.
        all_zero: every slot is expert 0.
        partition: the slots, read in order, name every expert once in each run of E slots.
    """

    experts: NDArray
    used: NDArray[np.bool_] | None
    shares: NDArray[np.float64] | None
    found: dict[str, int]
    all_zero: bool
    partition: bool


def checked_slots(experts: NDArray, weights: NDArray | None, num_experts: int) -> Slots:
    """Checks the slots of one layer.

    Args:
        experts: (n, k) integers; negative ones mark empty slots. A masked entry is an empty slot, too.
        weights: (n, k), finite and not negative, or None. They need not sum to anything.
        num_experts: E; the routed experts are 0 .. E-1.

    Returns:
        The slots, with what was found.
    """
    used, found = None, {}

    def leave_out(kind: str, wrong: NDArray[np.bool_]) -> None:
        nonlocal used
        count = int(np.count_nonzero(wrong if used is None else wrong & used))
        if count:
            found[kind] = count
            used = ~wrong if used is None else used & ~wrong

    if np.ma.isMaskedArray(experts):
        empty = np.ma.getmaskarray(experts)
        experts = np.ma.getdata(experts)
        leave_out("missing", empty)
    # The extremes first: two fast passes spare the masks that clean blocks do not need.
    if experts.size and experts.min() < 0:
        leave_out("missing", experts < 0)
    if experts.size and experts.max() >= num_experts:
        leave_out("beyond", experts >= num_experts)
    if weights is not None and experts.size and not weights.all():
        leave_out("unweighted", weights == 0)
    all_zero = bool(experts.size) and not (experts.any() if used is None else experts[used].any())
    partition = used is None and _is_partition(experts, num_experts)
    if (repeats := _repeats(experts)) is not None:
        leave_out("repeated", repeats if used is None else _repeats_among(experts, used))
    if used is not None:
        dropped = int(len(used) - np.count_nonzero(used.any(axis=1)))
        if dropped:
            found["dropped"] = dropped
    return Slots(experts, used, _shares(weights, used), found, all_zero, partition)


def _repeats(experts: NDArray) -> NDArray[np.bool_] | None:
    """Marks slots whose expert stands in an earlier slot of the same token; None if there are none."""
    columns = np.ascontiguousarray(experts.T)  # comparisons run along tokens, which is many times faster
    again = np.zeros(columns.shape, bool)
    for slot in range(1, len(columns)):
        for earlier in range(slot):
            again[slot] |= columns[slot] == columns[earlier]
    return again.T if again.any() else None


def _repeats_among(experts: NDArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same, where only used slots count: an empty slot repeats nothing."""
    marked = experts.astype(np.int64)
    empty = ~used
    marked[empty] = (
        -1 - np.nonzero(empty)[1]
    )  # a number of its own for each slot, so that none repeats another
    again = _repeats(marked)
    return np.zeros(experts.shape, bool) if again is None else again


def _shares(weights: NDArray | None, used: NDArray[np.bool_] | None) -> NDArray[np.float64] | None:
    if weights is None:
        return None
    shares = weights.astype(np.float64)
    if used is not None:
        shares[~used] = 0.0
    sums = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, sums, out=shares, where=sums > 0)


def _is_partition(experts: NDArray, num_experts: int, runs: int = 4) -> bool:
    """Whether the first runs of E slots each name every expert once: a strided view that was read as a flat one.

    No router does that to so many runs of tokens; with few experts a regular one might.
    """
    flat = experts[: -(-runs * num_experts // max(experts.shape[1], 1))].reshape(-1)
    if num_experts < 8 or experts.shape[1] == num_experts or flat.size < runs * num_experts:
        return False
    blocks = np.sort(flat[: runs * num_experts].reshape(runs, num_experts), axis=1)
    return bool((blocks == np.arange(num_experts)).all())
