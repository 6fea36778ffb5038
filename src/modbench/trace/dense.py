"""From a dense record of routing, a number per expert and token, to slots."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modbench.trace.arrays import TraceError, on_host


def from_map(chosen: Any, weights: Any = None) -> tuple[NDArray[np.int64], NDArray | None]:
    """Makes slots of a map that marks the experts of each token, as Megatron's routers return it.

    Args:
        chosen: (..., E) booleans, or 0 and 1: true where the expert serves the token.
        weights: (..., E) the experts' weights, or None.

    Returns:
        Indices (..., k), k being the most experts of a token, with -1 in the slots of tokens that have fewer; and
        weights of that shape, 0 in empty slots, or None.

    Raises:
        TraceError: the arrays are not that.
    """
    marks = on_host("chosen", chosen)
    if marks.ndim < 2 or not marks.size or not (marks.dtype.kind == "b" or np.isin(marks, (0, 1)).all()):
        raise TraceError(
            f"chosen must be booleans (tokens, experts), or 0 and 1, got dtype {marks.dtype} and shape {marks.shape}"
        )
    marks = marks.astype(bool)
    k = max(1, int(marks.sum(axis=-1).max()))
    order = np.argsort(~marks, axis=-1, kind="stable")[..., :k]
    used = np.take_along_axis(marks, order, axis=-1)
    indices = np.where(used, order, -1)
    if weights is None:
        return indices, None
    given = on_host("weights", weights)
    if given.shape != marks.shape:
        raise TraceError(f"weights must have the shape of the map, {marks.shape}, got {given.shape}")
    return indices, np.where(used, np.take_along_axis(given, order, axis=-1), 0)
