"""Compiling for tests: what is called once or twice is not worth optimising.

XLA's full compilation of the programs of a tiny run takes some hundred times as long as the run. Every test module
is therefore compiled quickly, unless it is marked `released_programs`: those that are about the bits, the speed or the
memory of programs as users have them.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import pytest

from modbench.training.compile_options import known_options

QUICK = known_options({"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False})
quick_jit = functools.partial(jax.jit, compiler_options=QUICK)
"""`jax.jit` that compiles in a quarter of the time; for tests of what is computed, not of which bits."""


@contextmanager
def quick_programs() -> Iterator[None]:
    """What is lowered and compiled by hand, as a cohort's programs are, is compiled quickly; in new processes too."""
    jax.devices()  # which reads XLA_FLAGS for good: what is said there from now on is for new processes
    compiled = jax.stages.Lowered.compile

    def quickly(self: jax.stages.Lowered, compiler_options: dict[str, Any] | None = None) -> Any:
        return compiled(self, {**(compiler_options or {}), **QUICK})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.stages.Lowered, "compile", quickly)
        if "xla_cpu_use_fusion_emitters" in QUICK:  # XLA ends a process whose XLA_FLAGS it does not know
            patch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_cpu_use_fusion_emitters=false")
        yield
