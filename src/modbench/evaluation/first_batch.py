"""Asks a router of one's own for the gates of first batches, so that its mistake costs seconds and not a cohort."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from modbench.core.errors import RequestError
from modbench.core.spec import RunSpec
from modbench.evaluation.batches import SCALES
from modbench.evaluation.evaluate import measure_checkpoint
from modbench.metrics import DistributionError
from modbench.metrics.distribution import distributions
from modbench.models.precision import products_in
from modbench.models.routing import Router
from modbench.training.compile_options import CPU_OPTIONS_OF_MEASURE, known_options
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import RunData, Trainer

KINDS = ("training batch", "evaluation batch", "batch under the greatest shift")
SAME = 1e-6
"""How far two answers to the same batch may be apart: rounding, where a device adds up in no fixed order."""


def check_router(trainer: Trainer, run: RunSpec) -> None:
    """Checks the gates of the first training batch, of a batch in evaluation, and of one under the greatest shift.

    The model has the run's first parameters. Gates must be finite, not negative, sum to 1 and be the same whenever they
    are asked for. Nothing is done where both classes are modbench's own, which are tested.

    Args:
        trainer: of the cohort.
        run: any run of it.

    Raises:
        RequestError: the gates are not that, or have a wrong shape or type, in one line that names the class.
    """
    router = trainer.router
    if router is None or not router.own_classes:
        return
    params, data = trainer.params(run), trainer.data(run)
    _check_drawing(router, params, trainer.params(run))
    with products_in(trainer.spec.train.precision):
        # Shapes and types first, of the very programs: this computes nothing.
        jax.eval_shape(trainer.update, trainer.init(params), data, jnp.int32(0))
        jax.eval_shape(functools.partial(measure_checkpoint, trainer), params, data)
        for kind, (gates, again) in _answers(trainer, params, data).items():
            _check_values(router, kind, gates)
            if not np.allclose(gates, again, rtol=0, atol=SAME):
                raise RequestError(
                    f"{router.described}: gates of the same {kind} must be the same each time, got some that differ by "
                    f"{np.abs(gates - again).max():g}; what is random must be drawn in training, by the key alone"
                )


def _check_drawing(router: Router, params: PyTree, again: PyTree) -> None:
    for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True):
        if not np.array_equal(one, other, equal_nan=True):
            raise RequestError(
                f"{router.described}: first parameters must be drawn by the generator that `create` gets, "
                "got others at the second time"
            )


def _check_values(router: Router, kind: str, gates: np.ndarray) -> None:
    try:
        distributions("gates", gates.reshape(-1, gates.shape[-1]), ("examples", "modules"))
    except DistributionError as error:
        raise RequestError(f"{router.described}: {error}, in the first {kind}") from None


def _answers(trainer: Trainer, params: PyTree, data: RunData) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The gates of each kind of batch, and those of a second time.

    The second program is traced afresh: what a router draws by NumPy is a constant of a program once that is traced.
    Where both programs have one text they are the same, and it is enough to run one of them twice.
    """
    first = _lowered(trainer, params, data)
    jax.clear_caches()
    second = _lowered(trainer, params, data)
    options = known_options(CPU_OPTIONS_OF_MEASURE) if jax.default_backend() == "cpu" else None
    program = first.compile(options)
    other = program if first.as_text() == second.as_text() else second.compile(options)
    one, two = jax.device_get((program(params, data), other(params, data)))
    return {kind: (a, b) for kind, a, b in zip(KINDS, one, two, strict=True)}


def _lowered(trainer: Trainer, params: PyTree, data: RunData) -> jax.stages.Lowered:
    return jax.jit(functools.partial(_first_gates, trainer)).lower(params, data)


def _first_gates(trainer: Trainer, params: PyTree, data: RunData) -> tuple[Float[Array, "... M"], ...]:
    spec, task, model = trainer.spec, trainer.task, trainer.model(params)

    def gates(purpose: Purpose, length: int, scale: float, routing: bool = False) -> Float[Array, "... M"]:
        step = jnp.int32(0)
        key = stream(data.seeds, purpose, step)
        inputs, rule = task.draw(key, spec.train.batch_size, length, trainer.rule_probabilities)
        noise = stream(data.seeds, Purpose.ROUTING, step) if routing else None
        found = model(inputs * scale, rule, key=noise).gates
        assert found is not None
        return found

    longest = max(spec.evaluation.lengths)
    return (
        gates(Purpose.BATCHES, spec.length, 1.0, routing=True),
        gates(Purpose.CURVE, spec.length, 1.0),
        gates(Purpose.PERFORMANCE, longest, max(SCALES)),
    )
