"""What specialisation reads where there is none: labels shuffled over groups, never over the tokens of a group.

Tokens of a document resemble each other, so a document is one observation of its label, however long it is. To shuffle
tokens calls differences between documents specialisation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from modbench.trace.groups import Units

Array = NDArray[np.float64]

BATCH = 64
"""Shuffles whose counts are made by one product."""


def shuffled_counts(units: Units, labels: int, shuffles: int, random: np.random.Generator) -> Iterator[Array]:
    """Counts of a trace whose labels are shuffled over groups.

    Where every group has one label, labels change places among groups. Parts of a group with several labels exchange
    theirs inside the group alone.

    Args:
        units: the counts per group.
        labels: R.
        shuffles: how many.
        random: what decides.

    Yields:
        (S, L, R, E) in batches of S.
    """
    flat = units.load.reshape(len(units.load), -1).astype(np.float64)
    several = np.bincount(units.group)[units.group] > 1
    stratum = np.where(several, units.group, -1)
    ordered = np.argsort(stratum, kind="stable")
    for start in range(0, shuffles, BATCH):
        count = min(BATCH, shuffles - start)
        chosen = np.zeros((count, labels, len(flat)))
        for one in chosen:
            label = np.empty_like(units.label)
            label[ordered] = units.label[np.lexsort((random.random(len(flat)), stratum))]
            one[label, np.arange(len(flat))] = 1.0
        yield (
            (chosen.reshape(-1, len(flat)) @ flat)
            .reshape(count, labels, *units.load.shape[1:])
            .swapaxes(1, 2)
        )


def drawn_counts(
    load: NDArray[np.int64], tokens: NDArray[np.int64], shuffles: int, random: np.random.Generator
) -> Iterator[Array]:
    """Counts of tokens that were independent of each other and of their labels, for traces without groups.

    Every token counts as one draw of an expert: the k slots of a token are no k observations.

    Args:
        load: (L, R, E) slots.
        tokens: (L, R) tokens.
        shuffles: how many.
        random: what decides.

    Yields:
        (S, L, R, E) in batches of S.
    """
    p = load.sum(axis=1) / load.sum(axis=(1, 2))[:, None]
    for start in range(0, shuffles, BATCH):
        size = (min(BATCH, shuffles - start), *tokens.shape)
        yield random.multinomial(tokens, p[:, None, :], size=size).astype(np.float64)


def p_value(value: float, shuffled: Array, more: bool) -> float:
    """The share of shuffles at least as extreme as the value, the value itself counted among them.

    Args:
        value: what was measured.
        shuffled: (S,) the same under shuffled labels.
        more: whether more of it means more specialisation.

    Returns:
        1 / (S + 1) to 1.
    """
    slack = 1e-12  # equal routing sums up in another order
    extreme = shuffled >= value - slack if more else shuffled <= value + slack
    return (1 + int(np.count_nonzero(extreme))) / (1 + len(shuffled))


def holm(p: Sequence[float]) -> Array:
    """Holm's correction: p-values that hold for all layers at once.

    Args:
        p: p-values of the layers.

    Returns:
        The corrected ones, in the same order, at most 1.
    """
    given = np.asarray(p, np.float64)
    order = np.argsort(given)
    steps = np.maximum.accumulate(given[order] * (len(given) - np.arange(len(given))))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
