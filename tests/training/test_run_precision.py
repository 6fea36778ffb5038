"""The precision of a run: what it trains in and is measured in, and that it is a run of its own."""

import jax
import numpy as np
import pytest

from modbench.training.cohort import CohortProgram
from tiny_runs import tiny


@pytest.fixture(scope="module")
def trained():
    """State and point after some updates, by precision, and what each precision measures of float32's state."""
    found = {}
    start = None
    for precision in ("float32", "tf32", "bfloat16"):
        runs = [tiny(seed=seed, train={"precision": precision}) for seed in (0, 1)]
        program = CohortProgram(runs[0], 2)
        data = program.data(runs)
        state, _ = program.measure(program.init(runs), data, 0)
        state = jax.device_get(program.advance(state, data, 0, 5))
        start = start or state
        _, point = program.measure(jax.tree.map(jax.numpy.asarray, start), data, 5)
        found[precision] = state, jax.device_get(point)
    return found


@pytest.mark.parametrize(("precision", "most"), [("tf32", 1e-3), ("bfloat16", 2e-2)])
def test_training_is_near_that_of_float32_but_not_the_same(trained, precision, most):
    loss, reference = trained[precision][0].loss, trained["float32"][0].loss
    for run in (0, 1):
        params, others = (jax.tree.leaves(trained[p][0].params) for p in (precision, "float32"))
        assert any((a[run] != b[run]).any() for a, b in zip(params, others, strict=True))
    np.testing.assert_allclose(loss, reference, rtol=most)


@pytest.mark.parametrize(("precision", "most"), [("tf32", 1e-3), ("bfloat16", 2e-2)])
def test_what_is_measured_is_measured_in_the_precision_of_the_run(trained, precision, most):
    loss, reference = trained[precision][1].loss, trained["float32"][1].loss
    assert (loss != reference).any()
    np.testing.assert_allclose(loss, reference, rtol=most)
