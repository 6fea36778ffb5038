"""What a router must hand to a body: gates of the right shape and type. Tracing a program checks it, at no cost."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from modbench.core.errors import RequestError


def is_own(cls: type) -> bool:
    """Whether a score source or gate function comes from outside modbench."""
    return not cls.__module__.startswith("modbench.")


def as_gates(gates: object, shape: tuple[int, ...], who: str) -> Float[Array, "... M"]:
    """Gates in float32, whatever type of real number a router computes in.

    The gates of a type with fewer digits, bfloat16 say, sum to 1 up to that type's rounding. They are divided by their
    sum, unless it is further from 1 than rounding can take it.

    Args:
        gates: what the router returned.
        shape: that they must have, (..., M).
        who: the router in words, for the error's text.

    Raises:
        RequestError: they are no array of real numbers of that shape.
    """
    if not isinstance(gates, jax.Array | np.ndarray):
        raise RequestError(f"{who}: gates must be an array, got {type(gates).__name__}")
    if not jnp.issubdtype(gates.dtype, jnp.floating):
        raise RequestError(f"{who}: gates must be real numbers such as float32, got dtype {gates.dtype}")
    if gates.shape != shape:
        raise RequestError(
            f"{who}: gates must have a number per example and module, shape {shape}, got {gates.shape}"
        )
    if gates.dtype == jnp.float32:
        return jnp.asarray(gates)
    rounding = float(jnp.finfo(gates.dtype).eps)
    wide = jnp.asarray(gates, jnp.float32)
    total = wide.sum(axis=-1, keepdims=True)
    return jnp.where(jnp.abs(total - 1) <= rounding, wide / total, wide)
