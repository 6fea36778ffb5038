"""Options of XLA that come and go with its versions never keep anybody from training."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from modbench.sweep.environment import installed
from modbench.training import compile_options
from modbench.training.cohort import CohortProgram
from modbench.training.compile_options import CPU_OPTIONS, CPU_OPTIONS_OF_MEASURE, known_options
from tiny_runs import tiny

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
LACKING = {"xla_that_no_version_has": True}


def twice(number):
    return 2 * number


@pytest.fixture
def asked(monkeypatch):
    """The options that XLA is asked for, of which nothing is remembered from before."""
    compile_options._is_known.cache_clear()
    seen, compiled = [], jax.stages.Lowered.compile

    def recorded(self, compiler_options=None):
        seen.append(compiler_options)
        return compiled(self, compiler_options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", recorded)
    yield seen
    compile_options._is_known.cache_clear()


@pytest.mark.released_programs
def test_an_option_that_xla_lacks_is_left_out_and_asked_for_once(asked):
    level = {"xla_backend_optimization_level": 1}
    for _ in range(2):
        assert known_options(LACKING | level) == level
    assert asked == [LACKING, level]


def test_a_program_is_compiled_without_the_options_that_xla_lacks():
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_that_no_version_has"):
        jax.jit(twice).lower(1.0).compile(LACKING)
    program, one_run = CohortProgram(tiny("mlp"), 1), jnp.ones(1)
    assert program.call("twice", twice, (0,), one_run, cpu_options=LACKING).tolist() == [2]


def test_another_failure_is_not_taken_for_a_lack(monkeypatch):
    def refused(self, compiler_options=None):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.")

    monkeypatch.setattr(jax.stages.Lowered, "compile", refused)
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        known_options({"xla_of_a_machine_without_memory": 1})


def test_the_tested_jax_knows_all_our_options():
    """A misspelt option would be left out in silence."""
    pinned = re.search(r"^jaxlib==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if installed("jaxlib") != pinned[1]:
        pytest.skip(f"jaxlib {installed('jaxlib')} is not the {pinned[1]} of constraints.txt")
    for options in (CPU_OPTIONS, CPU_OPTIONS_OF_MEASURE):
        assert known_options(options) == options
