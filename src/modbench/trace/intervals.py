"""Intervals of specialisation over groups: what another sample of documents with the same labels would give.

Measures of information are smooth, so leaving out one group at a time tells their bias and their variance (jackknife).
Alignments choose the best owner of each expert, which looks better on the groups where it was chosen than on others; so
owners are chosen on some groups and judged on others (cross-fitting). `docs/traces.md` has the coverage, as simulated.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from modbench.trace.specialisation import Array

CONFIDENCE = 0.95
FOLDS = 20


LeftOut = Callable[[Array, Array, int, Array], Array]
"""A measure where label r's row is replaced: of rows (R, E), p (R,), r and new rows (n, E), its n values."""


class Estimate(NamedTuple):
    """A measure freed from the bias of a short trace, with its interval.

    Attributes:
        value: the estimate.
        low: the lower end at `CONFIDENCE`.
        high: the upper end.
    """

    value: float
    low: float
    high: float


def jackknife(
    left_out: LeftOut, load: Array, label: NDArray[np.int64], p: Array, times: Array | None = None
) -> Estimate:
    """Estimates a smooth measure by leaving out one group at a time.

    Args:
        left_out: the measure, see `LeftOut`.
        load: (U, E) slots of each group, each of a single label.
        label: (U,) its label; every label must have two groups at least.
        p: (R,) the labels' probabilities, taken as given.
        times: (U,) how many equal groups each stands for; one when left out.

    Returns:
        The estimate; its interval is Student's, with the degrees of freedom of the label with the fewest groups.
    """
    times = np.ones(len(load)) if times is None else times
    total = np.zeros((len(p), load.shape[1]))
    np.add.at(total, label, load * times[:, None])
    rows = shares(total)
    all_in = float(left_out(rows, p, 0, rows[:1])[0])
    bias = variance = 0.0
    for r in range(len(p)):
        own = np.flatnonzero((label == r) & (times > 0))
        # Slots that were scaled to tokens may leave less than one token to an expert.
        rest = np.maximum(total[r] - load[own], 0.0)
        values, n = left_out(rows, p, r, shares(rest)), times[own].sum()
        mean = float(values @ times[own] / n)
        bias += (n - 1) * (mean - all_in)
        variance += (n - 1) / n * float((values - mean) ** 2 @ times[own])
    half = _half_width(variance, float(np.bincount(label, times).min()))
    return Estimate(all_in - bias, all_in - bias - half, all_in - bias + half)


def independent_tokens(load: Array, tokens: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """The groups of a trace whose tokens are taken as independent, each as one draw of an expert.

    Args:
        load: (R, E) slots.
        tokens: (R,) tokens.

    Returns:
        The groups' load, label and number, as `jackknife` takes them: tokens of one label and expert are equal.
    """
    R, E = load.shape
    return np.tile(np.eye(E), (R, 1)), np.repeat(np.arange(R), E), (shares(load) * tokens[:, None]).ravel()


def cross_fitted(
    owners: Callable[[Array], NDArray[np.int64]], load: Array, label: NDArray[np.int64]
) -> Estimate:
    """Estimates an alignment with owners that are chosen on other groups than those that judge them.

    Owners that are judged where they were chosen look too good; owners chosen on fewer groups are a little too bad. The
    truth lies between, and the interval reaches from below the first to above the second. Where choosing is easy, the
    two agree.

    Args:
        owners: of (R, E) rows: the label that owns each expert, -1 for none.
        load: (U, E) slots of each group, each of a single label.
        label: (U,) its label, 0 .. R-1; every label must have two groups at least.

    Returns:
        The estimate of 1 - the share of the routing that goes to experts of the own label, labels weighted equally.
    """
    groups = np.bincount(label)
    fold = np.empty(len(label), np.int64)
    for r, count in enumerate(groups):
        fold[label == r] = np.arange(count) % min(FOLDS, groups.min())
    total = np.zeros((len(groups), load.shape[1]))
    np.add.at(total, label, load)
    hits = np.zeros(len(label))
    for one in range(int(fold.max()) + 1):
        judged = np.flatnonzero(fold == one)
        rest = total.copy()
        np.subtract.at(rest, label[judged], load[judged])
        hits[judged] = _hits(owners(shares(rest)), load[judged], label[judged])
    optimistic, _ = _missed(_hits(owners(shares(total)), load, label), load, label)
    value, variance = _missed(hits, load, label)
    half = _half_width(variance, float(groups.min()))
    return Estimate(value, min(optimistic, value) - half, value + half)


def _hits(owner: NDArray[np.int64], load: Array, label: NDArray[np.int64]) -> Array:
    """The slots of each group that go to experts of its label."""
    return (load * (owner[None, :] == label[:, None])).sum(axis=1)


def _missed(hits: Array, load: Array, label: NDArray[np.int64]) -> tuple[float, float]:
    """1 - the mean over labels of their share of hits, and its variance: of a ratio, over groups within labels."""
    size = load.sum(axis=1)
    groups = np.bincount(label)
    share = np.bincount(label, hits) / np.bincount(label, size)
    residual = (hits - share[label] * size) / (np.bincount(label, size) / groups)[label]
    variance = np.bincount(label, residual**2) / (groups * (groups - 1))
    return float(1 - share.mean()), float(variance.sum() / len(groups) ** 2)


def shares(counts: Array) -> Array:
    """Rows that sum to 1; uniform where nothing was counted."""
    sums = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, sums, out=np.full(counts.shape, 1 / counts.shape[-1]), where=sums > 0)


def _half_width(variance: float, fewest: float) -> float:
    return float(student.ppf((1 + CONFIDENCE) / 2, fewest - 1) * np.sqrt(variance))
