"""What is optimised and what is reported, element by element."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from modbench.core.names import Kind


def loss_per_position(
    kind: Kind, prediction: Float[Array, "..."], target: Float[Array, "..."], rule_ndim: int
) -> Float[Array, "..."]:
    """L1 (regression) or binary cross-entropy with logits (classification), nats.

    Args:
        kind: of the task.
        prediction: the shape of `target`; logits in classification.
        target: real numbers, or labels 0.0 and 1.0.
        rule_ndim: axes to keep, those of the rules: 1 (B,) or 2 (B, N). Coordinates beyond are averaged.
    """
    if kind == "regression":
        loss = jnp.abs(prediction - target)
    else:
        loss = optax.sigmoid_binary_cross_entropy(prediction, target)
    return loss.mean(axis=tuple(range(rule_ndim, loss.ndim)))


def error_per_position(
    kind: Kind, prediction: Float[Array, "..."], target: Float[Array, "..."], rule_ndim: int
) -> Float[Array, "..."]:
    """L1 (regression), or 100 where the label is wrong and 0 elsewhere (classification)."""
    if kind == "regression":
        return loss_per_position(kind, prediction, target, rule_ndim)
    return jnp.where((prediction >= 0) == (target > 0.5), 0.0, 100.0)
