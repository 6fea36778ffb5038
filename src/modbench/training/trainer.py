"""Training one run, as pure functions: `init`, `advance`, `measure`. Mapped over runs by `cohort`.

A trainer is made from what is static in a run; what differs between the runs of a cohort is `RunData`.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from modbench.core.spec import RunSpec
from modbench.models.base import Model
from modbench.models.bodies import make_model
from modbench.models.routing import Router
from modbench.tasks.families import make_task
from modbench.training.gates import GateMass, gates_per_rule, over_batches
from modbench.training.objective import error_per_position, loss_per_position
from modbench.training.streams import Purpose, StreamSeeds, init_random, stream, stream_seeds

LOSS_MEMORY = 0.99


class RunData(NamedTuple):
    """What differs between the runs of a cohort: plain data for one compiled program."""

    coefficients: PyTree[Float[Array, "..."]]
    seeds: StreamSeeds
    learning_rate: Float[Array, ""]


class Best(NamedTuple):
    """The parameters with the best selection score so far."""

    params: PyTree
    score: Float[Array, ""]
    step: Int[Array, ""]


class TrainState(NamedTuple):
    """Everything that training carries on.

    Attributes:
        params: the model's arrays.
        moments: Adam's state.
        best: see `Best`; offered by `measure`.
        loss: training loss, averaged over about the last hundred steps.
        diverged_at: the update whose loss or gradient was not finite, after which the run is frozen; -1 while sound.
    """

    params: PyTree
    moments: PyTree
    best: Best
    loss: Float[Array, ""]
    diverged_at: Int[Array, ""]


class Point(NamedTuple):
    """One evaluation during training: two independent samples, one for the curve, one to select by.

    `gates` are summed over both samples; None without modules.
    """

    loss: Float[Array, ""]
    error: Float[Array, ""]
    selection_loss: Float[Array, ""]
    selection_error: Float[Array, ""]
    gates: GateMass | None


class Trainer:
    """Task, model and protocol of a cohort as pure functions of (state, data, step)."""

    def __init__(self, spec: RunSpec) -> None:
        """Takes the static part of `spec`; its seeds and learning rate are not read."""
        self.spec = spec
        self.task = make_task(spec.task)
        self.adam = optax.scale_by_adam()
        self._skeleton = eqx.filter(make_model(init_random(spec), spec), _is_parameter, inverse=True)
        p = spec.task.rule_probabilities
        self.rule_probabilities = None if p is None else jnp.asarray(p, jnp.float32)

    def data(self, run: RunSpec) -> RunData:
        """The data of one run of the cohort, on the host."""
        return RunData(
            make_task(run.task).coefficients(),
            stream_seeds(run),
            np.float32(run.train.learning_rate),  # pyright: ignore[reportArgumentType]
        )

    @property
    def router(self) -> Router | None:
        """The cohort's router, without its parameters; None without modules."""
        return getattr(self._skeleton, "router", None)

    @property
    def watches_gates(self) -> bool:
        """Whether the gates of single positions are watched: those of a gate function from outside modbench."""
        return self.router is not None and type(self.router.gates) in self.router.own_classes

    def model(self, params: PyTree) -> Model:
        """The model with these parameters."""
        return eqx.combine(params, self._skeleton)

    def params(self, run: RunSpec) -> PyTree:
        """The first parameters of one run of the cohort, on the host."""
        return eqx.filter(make_model(init_random(run), run), _is_parameter)

    def init(self, params: PyTree) -> TrainState:
        """The state before the first update."""
        best = Best(params, jnp.float32(jnp.inf), jnp.int32(-1))
        return TrainState(params, self.adam.init(params), best, jnp.float32(0), jnp.int32(-1))

    def loss(
        self, params: PyTree, data: RunData, batch_key: Key[Array, ""], routing_key: Key[Array, ""]
    ) -> Float[Array, ""]:
        """Mean loss of a fresh batch."""
        inputs, rule = self.task.draw(
            batch_key, self.spec.train.batch_size, self.spec.length, self.rule_probabilities
        )
        batch = self.task.batch(data.coefficients, inputs, rule)
        output = self.model(params)(batch.inputs, batch.rule, key=routing_key)
        kind = self.spec.task.kind
        return loss_per_position(kind, output.prediction, batch.target, batch.rule.ndim).mean()

    def update(self, state: TrainState, data: RunData, step: Int[Array, ""]) -> TrainState:
        """One update; a run whose loss or gradient is not finite keeps the state before it, for good."""
        batch_key = stream(data.seeds, Purpose.BATCHES, step)
        routing_key = stream(data.seeds, Purpose.ROUTING, step)
        loss, gradient = jax.value_and_grad(self.loss)(state.params, data, batch_key, routing_key)
        norm = optax.tree.norm(gradient)
        sound = (state.diverged_at < 0) & jnp.isfinite(loss) & jnp.isfinite(norm)
        if self.spec.train.clip_norm > 0:
            shrink = jnp.minimum(1.0, self.spec.train.clip_norm / (norm + 1e-6))
            gradient = jax.tree.map(lambda g: g * shrink, gradient)
        direction, moments = self.adam.update(gradient, state.moments)
        rate = data.learning_rate * self._schedule(step)
        params = jax.tree.map(lambda p, d: p - rate * d, state.params, direction)
        params, moments = jax.tree.map(
            lambda new, old: jnp.where(sound, new, old), (params, moments), (state.params, state.moments)
        )
        smooth = jnp.where(step == 0, loss, LOSS_MEMORY * state.loss + (1 - LOSS_MEMORY) * loss)
        return TrainState(
            params,
            moments,
            state.best,
            jnp.where(state.diverged_at < 0, smooth, state.loss),
            jnp.where(sound | (state.diverged_at >= 0), state.diverged_at, step),
        )

    def advance(
        self, state: TrainState, data: RunData, start: Int[Array, ""], count: Int[Array, ""]
    ) -> TrainState:
        """The updates start, ..., start + count - 1. How training is cut into calls changes no bit of it."""
        return jax.lax.fori_loop(start, start + count, lambda step, s: self.update(s, data, step), state)

    def measure(self, state: TrainState, data: RunData, step: Int[Array, ""]) -> tuple[TrainState, Point]:
        """A point of the learning curve after `step` updates; offers the parameters as the best so far."""
        loss, error, gates = self._sample(state.params, data, step)
        point = Point(loss[0], error[0], loss[1], error[1], gates)
        score = point.selection_loss if self.spec.task.kind == "regression" else point.selection_error
        better = score < state.best.score
        best = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), Best(state.params, score, step), state.best
        )
        return state._replace(best=best), point

    def _sample(
        self, params: PyTree, data: RunData, step: Int[Array, ""]
    ) -> tuple[Float[Array, " 2"], Float[Array, " 2"], GateMass | None]:
        """Mean losses and errors on two independent samples of fresh, unshifted batches: curve and selection.

        The gates come with the predictions, so that measuring them costs next to nothing.
        """
        model, task, kind = self.model(params), self.task, self.spec.task.kind

        def one(key: Key[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""], GateMass | None]:
            size, length = self.spec.train.batch_size, self.spec.length
            batch = task.batch(data.coefficients, *task.draw(key, size, length, self.rule_probabilities))
            prediction, gates = model(batch.inputs, batch.rule)
            loss = loss_per_position(kind, prediction, batch.target, batch.rule.ndim)
            error = error_per_position(kind, prediction, batch.target, batch.rule.ndim)
            if gates is None:
                return loss.mean(), error.mean(), None
            mass = gates_per_rule(gates, batch.rule, self.spec.task.num_rules, self.watches_gates)
            return loss.mean(), error.mean(), mass

        count = self.spec.evaluation.curve_batches
        purposes = (Purpose.CURVE, Purpose.SELECTION)
        keys = [jax.random.split(stream(data.seeds, purpose, step), count) for purpose in purposes]
        losses, errors, masses = jax.lax.map(one, jnp.concatenate(keys))
        gates = None if masses is None else over_batches(masses)
        return losses.reshape(2, count).mean(axis=1), errors.reshape(2, count).mean(axis=1), gates

    def _schedule(self, step: Int[Array, ""]) -> Float[Array, ""] | float:
        """Factor on the learning rate: halved at every milestone passed."""
        milestones = self.spec.train.halve_learning_rate_at
        if not milestones:
            return 1.0
        return 0.5 ** jnp.sum(step >= jnp.asarray(milestones)).astype(jnp.float32)


def _is_parameter(leaf: object) -> bool:
    """Arrays are trained; plain numbers, the options of a router say, are settings."""
    return isinstance(leaf, np.ndarray | jax.Array)
