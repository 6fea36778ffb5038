"""Targets against the original implementation's: its inputs, our rules of the same task seed."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from compiling import quick_jit
from modbench.core.spec import RunSpec
from modbench.tasks.families import make_task
from original_steps import STEPS, recorded, task_and_model


@functools.cache
def targets(task_spec):
    """Of inputs and rules, as one program a task: the recorded models share tasks."""
    task = make_task(task_spec)
    batch = quick_jit(task.batch)
    return lambda inputs, rule: batch(task.coefficients(), jnp.asarray(inputs), jnp.asarray(rule)).target


@pytest.mark.parametrize("name", STEPS)
def test_targets_are_the_original_s(name):
    spec, step = RunSpec.of(*task_and_model(name)), recorded(name)
    inputs, rule = step["inputs"][..., :-4], step["rule_code"].argmax(axis=-1)
    target = targets(spec.task)(inputs, rule)
    expected = step["target"].reshape(target.shape)
    if spec.task.kind == "classification":
        np.testing.assert_array_equal(target, expected)
    else:
        np.testing.assert_allclose(target, expected, rtol=1e-5, atol=1e-5)
