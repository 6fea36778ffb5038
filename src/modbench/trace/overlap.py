"""Overlap: which experts serve the same tokens, and how far two checkpoints agree about them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modbench.trace.arrays import TraceError, on_host

Array = NDArray[np.float64]


def coactivation(pairs: ArrayLike) -> Array:
    """N_ij / N_i: the share of expert i's tokens that expert j serves, too; over all pairs of a token's slots.

    Args:
        pairs: (E, E) tokens that two experts served together, as `RoutingCounts.pairs` has them; N_i on the diagonal.

    Returns:
        (E, E), 0 to 1; rows of NaN for experts without a token.
    """
    N = np.asarray(pairs, np.float64)
    own = np.diagonal(N)[:, None]
    return np.divide(N, own, out=np.full(N.shape, np.nan), where=own > 0)


def jaccard(pairs: ArrayLike) -> Array:
    """N_ij / (N_i + N_j - N_ij): the tokens that both experts serve among those that either serves.

    Args:
        pairs: (E, E) as for `coactivation`.

    Returns:
        (E, E), 0 to 1; NaN for two experts without a token.
    """
    N = np.asarray(pairs, np.float64)
    own = np.diagonal(N)
    either = own[:, None] + own[None, :] - N
    return np.divide(N, either, out=np.full(N.shape, np.nan), where=either > 0)


class Agreement(NamedTuple):
    """How far two checkpoints send the same tokens to the same experts.

    Attributes:
        saturation: the share of a token's k experts that both choose, averaged over tokens, 0 to 1 (OLMoE).
        churn: the share of tokens whose experts are not all the same, 0 to 1.
        by_chance: the saturation of two routers that choose k of E at random, k / E.
    """

    saturation: float
    churn: float
    by_chance: float


def agreement(indices: Any, later: Any, num_experts: int) -> Agreement:
    """Compares what two checkpoints did with the same tokens, in one layer.

    Args:
        indices: (tokens, k) experts of one checkpoint; negative numbers mark empty slots, which agree with nothing.
        later: (tokens, k) experts of the other for the same tokens in the same order.
        num_experts: E.

    Raises:
        TraceError: the two are not of the same tokens.
    """
    first, second = (on_host(name, value) for name, value in (("indices", indices), ("later", later)))
    for name, array in (("indices", first), ("later", second)):
        if array.dtype.kind not in "iu" or array.ndim != 2 or not array.size:
            raise TraceError(
                f"{name} must be integers (tokens, k), got dtype {array.dtype} and shape {array.shape}"
            )
    if first.shape != second.shape:
        raise TraceError(
            f"both checkpoints must have the same tokens and k, got {first.shape} and {second.shape}"
        )
    shared = ((first[:, :, None] == second[:, None, :]) & (first >= 0)[:, :, None]).any(axis=2).sum(axis=1)
    k = first.shape[1]
    return Agreement(float(shared.mean() / k), float(np.mean(shared < k)), k / num_experts)
