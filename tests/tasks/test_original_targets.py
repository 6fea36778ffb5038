"""Targets against the original implementation's: its inputs, our rules of the same task seed."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from compiling import quick_jit
from modbench.core.spec import RunSpec
from modbench.tasks.families import make_task

FILES = [
    f"{task}_{kind}_{model}"
    for task in ("mlp", "mha_v1", "mha_v2", "rnn")
    for kind in ("regression", "classification")
    for model in ("monolithic", "modular", "modular-op", "gt-modular")
]
TASK_SEED = 1
"""Of the recorded steps; other seeds give targets that are wrong by more than 1."""


@pytest.mark.parametrize("name", FILES)
def test_targets_are_the_original_s(reference, name):
    pattern = r"(mlp|mha|rnn)(?:_v(\d))?_(regression|classification)_[\w-]+"
    architecture, version, kind = re.fullmatch(pattern, name).groups()
    fields = {"architecture": architecture, "kind": kind, "num_rules": 4, "task_seed": TASK_SEED}
    if version:
        fields["search_version"] = int(version)
    task = make_task(RunSpec.of(fields).task)
    recorded = np.load(reference / "one_step" / f"{name}.npz")
    inputs, rule = recorded["inputs"][..., :-4], recorded["rule_code"].argmax(axis=-1)
    target = quick_jit(task.batch)(task.coefficients(), jnp.asarray(inputs), jnp.asarray(rule)).target
    expected = recorded["target"].reshape(target.shape)
    if kind == "classification":
        np.testing.assert_array_equal(target, expected)
    else:
        np.testing.assert_allclose(target, expected, rtol=1e-5, atol=1e-5)
