"""Products whose operands have fewer bits than float32, with the same numbers on every device.

The operands of a product are rounded to the mantissa of the precision, to nearest even; its terms are added up in
float32. That is what the matrix units of accelerators do with TF32 and bfloat16, and they are used there; a CPU
without such units multiplies the rounded operands in float32. Both precisions have float32's exponents.

All products with weights go through here, and those of their gradients. What is summed up otherwise is float32 in every
precision: attention's sums, the scores of a joint router, gates, losses, the tasks' targets, Adam.

The precision is JAX's own context for it, which is part of the key of everything that JAX traces and compiles: no
program is taken for that of another precision.
"""

from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from modbench.core.names import Precision

_CONTEXTS: dict[Precision, str] = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
"""JAX's name of each. Without the context a device multiplies float32 as it likes, an NVIDIA GPU in TF32."""
_EXPONENT_BITS = 8
_MANTISSA_BITS = {"tensorfloat32": 10, "bfloat16": 7}


def products_in(precision: Precision) -> AbstractContextManager[None]:
    """The context in which programs are traced whose `matmul` has that precision, gradients included."""
    return jax.default_matmul_precision(_CONTEXTS[precision])


def matmul(a: Float[Array, "... i k"], b: Float[Array, "... k o"]) -> Float[Array, "... i o"]:
    """The product a @ b in the precision of the context; float32 outside of one.

    It has no gradient of its own: whoever calls it writes the gradient as products again, so that its operands
    are rounded as well.
    """
    chosen = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    if chosen not in _MANTISSA_BITS:
        return jnp.matmul(a, b, precision="float32")
    # Rounded before they are converted: XLA is free to skip a conversion there and back.
    a, b = (jax.lax.reduce_precision(x, _EXPONENT_BITS, _MANTISSA_BITS[chosen]) for x in (a, b))
    if chosen == "bfloat16" and jax.default_backend() != "cpu":
        # Exact after rounding, and twice as fast as TF32 in matrix units; CPUs are slower with them.
        a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jnp.matmul(a, b, precision=chosen, preferred_element_type=jnp.float32)
