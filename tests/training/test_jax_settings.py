"""No setting of JAX that a user has made for the process changes a number, and all are as before afterwards."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from modbench.core.jax_settings import SETTINGS, as_variables
from modbench.evaluation.group import run_group
from modbench.evaluation.trained import TrainedRun
from modbench.sweep.environment import users_settings, worker_variables
from modbench.training.settings import _read, benchmark_settings
from tiny_runs import tiny

OTHER = {
    "jax_default_prng_impl": "rbg",
    "jax_random_seed_offset": 3,
    "jax_legacy_prng_key": "error",
    "jax_explicit_x64_dtypes": "allow",
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_optimization_level": "O0",
    "jax_memory_fitting_level": "O0",
}
USERS = {name: OTHER.get(name, not value) for name, value in SETTINGS.items()}
SPEC = tiny("mlp", steps=6)


@pytest.fixture
def users():
    """A process whose user prefers another value of every setting."""
    before = {name: _read(name) for name in USERS}
    for name, value in USERS.items():
        jax.config.update(name, value)
    yield {name: _read(name) for name in USERS}
    for name, value in before.items():
        jax.config.update(name, value)


def numbers():
    (result,) = run_group([SPEC], 1, keeper=Keeper())
    trained = TrainedRun(SPEC, result.params["last"])
    batch = trained.draw(8)
    return jax.tree.map(
        np.asarray,
        (
            [(point.loss, point.error) for point in result.curve],
            {name: checkpoint.quantities for name, checkpoint in result.checkpoints.items()},
            result.params,
            tuple(batch),
            tuple(trained(batch.inputs, batch.rule)),
        ),
    )


class Keeper:
    params = True

    def resume(self, layout):
        return None

    def due(self):
        return False

    def save(self, snapshot):
        raise AssertionError("nothing is due")


@pytest.fixture(scope="module")
def plain():
    return numbers()


def assert_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_what_is_set_for_the_process_changes_no_number(plain, users):
    assert_equal(numbers(), plain)
    assert {name: _read(name) for name in USERS} == users


def test_what_is_set_around_the_call_changes_no_number(plain):
    with jax.enable_x64(True), jax.threefry_partitionable(False), jax.numpy_rank_promotion("raise"):
        assert_equal(numbers(), plain)
        assert jax.config.jax_enable_x64
    assert not jax.config.jax_enable_x64


def test_settings_are_put_back_after_an_error(users):
    def failing():
        with benchmark_settings():
            assert not jax.config.jax_debug_nans
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert {name: _read(name) for name in USERS} == users


def read_in_a_new_process(variables):
    code = (
        "import json, jax\n"
        "from modbench.core.jax_settings import SETTINGS\n"
        "from modbench.training.settings import _read\n"
        "print(json.dumps({name: getattr(_read(name), 'value', _read(name)) for name in SETTINGS}))"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environ = clean | {"PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu"} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_the_settings_are_jaxs_own_defaults_and_workers_have_them():
    plain = read_in_a_new_process({})
    theirs = {name.upper(): str(int(v) if isinstance(v, bool) else v) for name, v in USERS.items()}
    assert read_in_a_new_process(theirs | worker_variables(theirs)) == plain
    with benchmark_settings():
        found = {name: getattr(_read(name), "value", _read(name)) for name in SETTINGS}
    assert found == plain


def test_workers_get_every_setting():
    assert as_variables().items() <= worker_variables({"JAX_THREEFRY_PARTITIONABLE": "0"}).items()


def test_what_cannot_be_pinned_is_recorded():
    ours = worker_variables({})["XLA_FLAGS"]
    assert users_settings({"XLA_FLAGS": ours}) is users_settings({}) is None
    theirs = {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "NVIDIA_TF32_OVERRIDE": "1"}
    recorded = "XLA_FLAGS=--xla_cpu_enable_fast_math=true; NVIDIA_TF32_OVERRIDE=1"
    assert users_settings(theirs) == users_settings(theirs | worker_variables(theirs)) == recorded
