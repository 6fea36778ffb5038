"""A run with its trained parameters, to be looked at again: called on any batch, measured by any new metric."""

import operator
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from modbench.core.spec import RunSpec
from modbench.evaluation.evaluate import checkpoint_result, measure_checkpoint
from modbench.evaluation.result import CheckpointResult
from modbench.models.base import Output
from modbench.models.precision import products_in
from modbench.tasks.base import Batch
from modbench.training.settings import benchmark_settings
from modbench.training.snapshot import filled
from modbench.training.trainer import Trainer


class TrainedRun:
    """A trained model with its task.

    Args:
        spec: the run.
        arrays: its parameters by their place in the model, as `modbench.store.params.load_params` reads them and
            `RunResult.params` has them.

    Attributes:
        spec: the run.
        model: the model itself, an Equinox module; calling the run calls it compiled, in the run's precision.

    Raises:
        ValueError: the arrays are not those of this run's model.

    Example::

        run = TrainedRun(stored.spec, stored.arrays)
        batch = run.draw(1000)
        gates = run(batch.inputs, batch.rule).gates  # (1000, M) for the MLP
    """

    @benchmark_settings()
    def __init__(self, spec: RunSpec, arrays: Mapping[str, np.ndarray]):
        self.spec = spec
        self._trainer = Trainer(spec)
        self._params = filled(self._trainer.params(spec), arrays)
        self._data = jax.tree.map(jnp.asarray, self._trainer.data(spec))
        self.model = self._trainer.model(self._params)
        self._call = jax.jit(lambda params, *batch: self._trainer.model(params)(*batch))

    @benchmark_settings()
    def __call__(self, inputs: Float[Array, "..."], rule: Int[Array, "..."]) -> Output:
        """What the model says of a batch, see `modbench.models.base.Model`."""
        with products_in(self.spec.train.precision):
            return self._call(self._params, inputs, rule)

    @benchmark_settings()
    def draw(self, size: int, seed: int = 0, scale: float = 1.0, length: int | None = None) -> Batch:
        """Draws fresh examples of the run's task, under the run's distribution of rules.

        Args:
            size: examples.
            seed: of the draw; equal seeds give equal examples. None of them is one of training's.
            scale: factor on the inputs, 2 under the scale shift.
            length: positions; None is the length in training. Ignored by the MLP.
        """
        task = self._trainer.task
        # As Python's own numbers: a NumPy scalar of few bits would overflow in the product of sizes.
        count, positions = operator.index(size), operator.index(length or self.spec.length)
        key = jax.random.key(seed, impl="threefry2x32")
        inputs, rule = task.draw(key, count, positions, self._trainer.rule_probabilities)
        return task.batch(self._data.coefficients, inputs, rule, scale)

    @benchmark_settings()
    def measure(self, step: int | None = None) -> CheckpointResult:
        """Measures every reported quantity again, on the very samples of the run's own evaluation.

        The numbers agree with the stored ones to rounding; they equal them where the run trained at width 1.

        Args:
            step: updates behind the parameters, for the result; None is all of them.
        """
        with products_in(self.spec.train.precision):
            measured = jax.jit(lambda p, d: measure_checkpoint(self._trainer, p, d))(self._params, self._data)
        done = self.spec.train.steps if step is None else step
        return checkpoint_result(self.spec, done, jax.device_get(measured))
