"""Loss and error under every shift: scale 1 and 2, times every test length (PAPER section 5)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from modbench.training.objective import error_per_position, loss_per_position
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import RunData, Trainer

SCALES = (1.0, 2.0)


class Performance(NamedTuple):
    """Batch means, (batches, scales, lengths); averaged on the host in double precision."""

    loss: Float[Array, "b s l"]
    error: Float[Array, "b s l"]


def performance(trainer: Trainer, params: PyTree, data: RunData) -> Performance:
    """Measures every shift on the same fresh examples.

    Examples are drawn at the greatest length. Where positions look at the past alone, a shorter length is a
    prefix and needs no pass of its own; otherwise the positions beyond a length are masked out.
    """
    spec, task, model = trainer.spec, trainer.task, trainer.model(params)
    lengths = spec.evaluation.lengths
    longest = max(lengths)

    def positions(scale: Array, length: Array | None, inputs: Array, rule: Array) -> tuple[Array, Array]:
        """Loss and error at every position, averaged over the batch: (N,), or (1,) without sequences."""
        batch = task.batch(data.coefficients, inputs, rule, scale, length)
        prediction = model(batch.inputs, batch.rule, length=length).prediction
        args = (spec.task.kind, prediction, batch.target, batch.rule.ndim)
        return tuple(
            jnp.atleast_1d(value.mean(axis=0))
            for value in (loss_per_position(*args), error_per_position(*args))
        )  # pyright: ignore[reportReturnType]

    def prefix(value: Float[Array, " N"], length: Array) -> Float[Array, ""]:
        return jnp.where(jnp.arange(longest) < length, value, 0).sum() / length

    def one(key: Key[Array, ""]) -> Performance:
        inputs, rule = task.draw(
            key, spec.evaluation.performance_batch_size, longest, trainer.rule_probabilities
        )
        ends = jnp.asarray(lengths)
        if task.causal:
            loss, error = jax.lax.map(lambda scale: positions(scale, None, inputs, rule), jnp.asarray(SCALES))
            each = jax.vmap(jax.vmap(prefix, in_axes=(None, 0)), in_axes=(0, None))
            return Performance(each(loss, ends), each(error, ends))

        def shifted(shift: tuple[Array, Array]) -> tuple[Array, Array]:
            loss, error = positions(*shift, inputs, rule)
            return prefix(loss, shift[1]), prefix(error, shift[1])

        scales = jnp.repeat(jnp.asarray(SCALES), len(lengths))
        loss, error = jax.lax.map(shifted, (scales, jnp.tile(ends, len(SCALES))))
        shape = (len(SCALES), len(lengths))
        return Performance(loss.reshape(shape), error.reshape(shape))

    key = stream(data.seeds, Purpose.PERFORMANCE)
    return jax.lax.map(one, jax.random.split(key, spec.evaluation.performance_batches))
