"""Loss and error under every shift: scale 1 and 2, times every test length (PAPER section 5)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from modbench.evaluation.batches import SCALES, shifts_per_batch
from modbench.training.objective import error_per_position, loss_per_position
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import RunData, Trainer


class Performance(NamedTuple):
    """Means over a batch, averaged on the host in double precision.

    The first axis counts passes: every drawn batch under every shift. The second axis has the lengths that one pass
    measures, see `shifts_per_batch`.
    """

    loss: Float[Array, "p l"]
    error: Float[Array, "p l"]


def performance(
    trainer: Trainer,
    kept: Performance,
    params: PyTree,
    data: RunData,
    first: Int[Array, ""],
    end: Int[Array, ""],
) -> Performance:
    """Measures the passes `first` to `end - 1`; every shift sees the same fresh examples.

    Examples are drawn at the greatest length. Where positions look at the past alone, a shorter length is a
    prefix and needs no pass of its own; otherwise the positions beyond a length are masked out.

    Args:
        trainer: of the run.
        kept: what is measured already; a place for every pass.
        params: of the model.
        data: of the run.
        first: number of the first pass, from 0.
        end: number after the last pass.
    """
    spec, task, model = trainer.spec, trainer.task, trainer.model(params)
    lengths, shifts = spec.evaluation.lengths, shifts_per_batch(spec)
    longest, ends = max(lengths), jnp.asarray(lengths)
    scales = jnp.repeat(jnp.asarray(SCALES), shifts // len(SCALES))
    keys = jax.random.split(stream(data.seeds, Purpose.PERFORMANCE), spec.evaluation.performance_batches)

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

    def under_every_shift(batch: Int[Array, ""], kept: Performance) -> Performance:
        inputs, rule = task.draw(
            keys[batch], spec.evaluation.performance_batch_size, longest, trainer.rule_probabilities
        )
        before = batch * shifts

        def one(shift: Int[Array, ""], kept: Performance) -> Performance:
            length = None if task.causal else ends[shift % len(lengths)]
            measured = positions(scales[shift], length, inputs, rule)
            upto = ends if length is None else length[None]
            loss, error = (jax.vmap(prefix, in_axes=(None, 0))(value, upto) for value in measured)
            place = before + shift
            return Performance(kept.loss.at[place].set(loss), kept.error.at[place].set(error))

        start, stop = jnp.maximum(first - before, 0), jnp.minimum(end - before, shifts)
        return jax.lax.fori_loop(start, stop, one, kept)

    return jax.lax.fori_loop(first // shifts, -(-end // shifts), under_every_shift, kept)
