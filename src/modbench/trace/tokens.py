"""The arguments of one update, checked and laid flat: a row per token."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modbench.trace.arrays import TraceError, on_host
from modbench.trace.names import name_array


class Tokens(NamedTuple):
    """Tokens of one call, laid flat.

    Attributes:
        experts: (n, layers, k) integers.
        weights: the same, finite and not negative; None where none were given.
        labels: names (n,), or one name for all (); None where none were given.
        groups: likewise.
    """

    experts: NDArray
    weights: NDArray | None
    labels: NDArray | None
    groups: NDArray | None

    def part(self, start: int, stop: int) -> "Tokens":
        """The tokens from start to before stop."""
        return self.chosen(slice(start, stop))

    def chosen(self, which: slice | NDArray[np.bool_]) -> "Tokens":
        """Some of the tokens; what is one for all stays so."""

        def of(values: NDArray | None) -> NDArray | None:
            return values[which] if values is not None and values.ndim else values

        return Tokens(self.experts[which], of(self.weights), of(self.labels), of(self.groups))


def read_tokens(indices: Any, labels: Any, weights: Any, group: Any, mask: Any, layers: int | None) -> Tokens:
    """Checks the arguments of `RoutingCounts.update`, which says what they are.

    Args:
        indices: (..., k) of one layer, or (..., layers, k).
        labels: None, one, per sequence, or per token.
        weights: None, or as `indices`.
        group: as `labels`.
        mask: as `labels`.
        layers: how many layers `indices` are of; None for one layer, whose axis they do not have.

    Raises:
        TraceError: an argument is not that.
    """
    experts = _experts(on_host("indices", indices))
    form = (
        "(tokens, k) or (batch, time, k)"
        if layers is None
        else f"(tokens, {layers}, k) or (batch, time, {layers}, k)"
    )
    if layers is None and experts.ndim == 1:
        experts = experts[:, None]  # top-1, written without an axis for its slot
    inner = 1 if layers is None else 2
    lead = experts.shape[:-inner] if experts.ndim > inner else ()
    if (
        len(lead) not in (1, 2)
        or not experts.shape[-1]
        or (layers is not None and experts.shape[-2] != layers)
    ):
        hint = "; name the layer if they are of one" if layers is not None else ""
        raise TraceError(f"indices must have shape {form}, got {np.shape(indices)}{hint}")
    flat = (int(np.prod(lead)), 1 if layers is None else layers, experts.shape[-1])
    if weights is not None:
        weights = _weights(on_host("weights", weights), np.shape(indices)).reshape(flat)
    tokens = Tokens(
        experts.reshape(flat),
        weights,
        None if labels is None else _per_token("labels", name_array("labels", labels), lead),
        None if group is None else _per_token("group", name_array("group", group), lead),
    )
    if mask is None:
        return tokens
    kept = np.broadcast_to(_per_token("mask", _booleans(on_host("mask", mask)), lead), flat[:1])
    return tokens.chosen(kept)


def _experts(array: NDArray) -> NDArray:
    if array.dtype.kind == "b":
        raise TraceError(
            "indices must be numbers of experts (tokens, k), got booleans, which look like a map (tokens, experts): "
            "modbench.trace.from_map(map, probabilities) makes indices and weights of one"
        )
    if array.dtype.kind not in "iu":
        raise TraceError(
            f"indices must be integers, the numbers of the experts that ran, got dtype {array.dtype}"
        )
    return array


def _weights(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    if array.dtype.kind not in "fiu":
        raise TraceError(f"weights must be real numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise TraceError(f"weights must have the shape of indices, {shape}, got {array.shape}")
    array = np.ma.filled(array, 0) if np.ma.isMaskedArray(array) else array
    if array.size and not (array.min() >= 0 and array.max() < np.inf):  # NaN fails the first
        wrong = array[~(np.isfinite(array) & (array >= 0))].ravel()[0]
        raise TraceError(f"weights must be finite and not negative, got {wrong}")
    return array


def _booleans(array: NDArray) -> NDArray[np.bool_]:
    if array.dtype.kind == "b":
        return np.ma.filled(array, False) if np.ma.isMaskedArray(array) else array
    if array.dtype.kind in "iu" and np.isin(array, (0, 1)).all():
        return array.astype(bool)
    raise TraceError(f"mask must be booleans, or 0 and 1, true where a token counts, got dtype {array.dtype}")


def _per_token(name: str, values: NDArray, lead: tuple[int, ...]) -> NDArray:
    """Values of every token, (n,), or of all of them, ()."""
    if values.shape == ():
        return values
    if values.shape == lead:
        return values.reshape(-1)
    if values.shape == lead[:1]:
        return np.repeat(values, lead[1])
    possible = "one for all, or of shape " + " or ".join(
        str(shape) for shape in dict.fromkeys((lead[:1], lead))
    )
    raise TraceError(f"{name} must be {possible}, got shape {values.shape}")
