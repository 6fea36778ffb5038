"""Specialisation: what the expert tells about the label, from A[r, m] = p(expert m | label r).

Each measure takes the labels' probabilities p(r), too: equal ones, or those with which labels occur. Leading axes are
mapped over. A label that does not occur has p(r) = 0, and its row does not count.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr

Array = NDArray[np.float64]


def information(A: Array, p: Array) -> Array:
    """I(label; expert) in nats: H(expert) - sum over labels of p(r) H(expert | r).

    Args:
        A: (..., R, E), each row a distribution.
        p: (..., R), a distribution.

    Returns:
        (...), 0 to min(H(p), log E).
    """
    return np.maximum(entr(_mixed(A, p)).sum(-1) - (p * entr(A).sum(-1)).sum(-1), 0.0)


def information_share(A: Array, p: Array) -> Array:
    """I / H(label): the share of the label's information that the expert carries, 0 to 1."""
    return information(A, p) / entr(p).sum(-1)


def normalised_information(A: Array, p: Array) -> Array:
    """NMI: I / ((H(label) + H(expert)) / 2), 0 to 1. The normaliser is the arithmetic mean."""
    return 2 * information(A, p) / (entr(p).sum(-1) + entr(_mixed(A, p)).sum(-1))


def jensen_shannon(A: Array, p: Array | None = None) -> Array:
    """The mean Jensen-Shannon divergence of two labels' rows, over all pairs of labels, in bits.

    Args:
        A: (..., R, E), each row a distribution, R >= 2.
        p: not used; every pair counts equally.

    Returns:
        (...), 0 (all labels use the experts alike) to 1 (no two labels share an expert).
    """
    R = A.shape[-2]
    total = sum(divergence(A[..., r, None, :], A[..., r + 1 :, :]).sum(-1) for r in range(R - 1))
    return np.asarray(total) / (R * (R - 1) / 2)


def divergence(a: Array, b: Array) -> Array:
    """The Jensen-Shannon divergence of two distributions over the last axis, in bits: 0 to 1."""
    nats = entr((a + b) / 2).sum(-1) - (entr(a).sum(-1) + entr(b).sum(-1)) / 2
    return np.maximum(nats, 0.0) / np.log(2)


def label_peak(A: Array, p: Array) -> Array:
    """The share of a label's slots that its most used expert gets, averaged over labels: 1/E to 1."""
    return A.max(-1).mean(-1)


def one_each(A: Array) -> NDArray[np.int64]:
    """The label that each expert serves in the best one-to-one matching: (E,), -1 for experts without a label."""
    label, expert = linear_sum_assignment(A, maximize=True)
    owner = np.full(A.shape[1], -1)
    owner[expert] = label
    return owner


def alignment(A: Array, p: Array | None = None) -> Array:
    """Alignment (Eq. 18) as `modbench.metrics.alignment` has it: every label has one expert of its own.

    Args:
        A: (..., R, E), each row a distribution.
        p: not used; labels are weighted equally.

    Returns:
        (...), 1 - min(R, E)/R to 1 - 1/max(R, E).
    """
    return 1 - _mapped(A, lambda one: owned(one, one_each(one)))


def group_alignment(A: Array, p: Array | None = None) -> Array:
    """Group alignment: distance from the nearest assignment of every expert to one label.

    With labels weighted equally, J[r, m] = A[r, m] / R, and f running over the maps of experts to labels that leave no
    label without an expert::

        1 - max_f sum_m J[f(m), m]

    So a label may own several experts, as it must where there are more experts than labels. For M = R it is alignment
    (Eq. 18); for M < R, where no such map exists, it is alignment's partial matching.

    Args:
        A: (..., R, E), each row a distribution.
        p: not used; it stands here because all measures take it.

    Returns:
        (...), 0 (every label has experts of its own, however many) to 1 - 1/R (uniform and collapsed routing).
    """
    return 1 - _mapped(A, lambda one: owned(one, owners(one)))


def owners(A: Array) -> NDArray[np.int64]:
    """The label that owns each expert under the best map f of `group_alignment`.

    Every expert goes to the label that uses it most, but for the cheapest changes that leave no label without one: an
    assignment problem.

    Args:
        A: (R, E), each row a distribution.

    Returns:
        (E,) labels; -1 for an expert without one, which happens for M < R alone.
    """
    if A.shape[1] < A.shape[0]:
        return one_each(A)
    label, expert = linear_sum_assignment(A.max(axis=0) - A)
    owner = A.argmax(axis=0)
    owner[expert] = label
    return owner


def owned(A: Array, owner: NDArray[np.int64]) -> float:
    """The share of the routing, labels weighted equally, that goes to experts which the own label owns."""
    experts = np.flatnonzero(owner >= 0)
    return float(A[owner[experts], experts].sum() / len(A))


def _mixed(A: Array, p: Array) -> Array:
    return (p[..., None, :] @ A)[..., 0, :]


def _mapped(A: Array, function: Callable[[Array], float]) -> Array:
    flat = A.reshape(-1, *A.shape[-2:])
    return np.array([function(one) for one in flat]).reshape(A.shape[:-2])


def information_replaced(A: Array, p: Array, r: int, new: Array) -> Array:
    """`information_share` where label r's row is replaced by each of n rows: (n,)."""
    nats, _ = _information_replaced(A, p, r, new)
    return nats / entr(p).sum()


def normalised_replaced(A: Array, p: Array, r: int, new: Array) -> Array:
    """`normalised_information` where label r's row is replaced by each of n rows: (n,)."""
    nats, of_expert = _information_replaced(A, p, r, new)
    return 2 * nats / (entr(p).sum() + of_expert)


def jensen_shannon_replaced(A: Array, p: Array, r: int, new: Array) -> Array:
    """`jensen_shannon` where label r's row is replaced by each of n rows: (n,)."""
    others = np.delete(A, r, axis=0)
    pairs = len(A) * (len(A) - 1) / 2
    changed = np.sum([divergence(new, other) for other in others], axis=0)
    rest = jensen_shannon(others) * (pairs - len(others)) if len(others) > 1 else 0.0
    return (changed + rest) / pairs


def _information_replaced(A: Array, p: Array, r: int, new: Array) -> tuple[Array, Array]:
    of_expert = entr(p @ A + p[r] * (new - A[r])).sum(-1)
    given = p @ entr(A).sum(-1) + p[r] * (entr(new).sum(-1) - entr(A[r]).sum())
    return of_expert - given, of_expert
