"""How XLA compiles for a CPU. Options come and go with its versions, so the XLA that is there is asked for each."""

import functools
from collections.abc import Mapping
from typing import Any

import jax

CPU_OPTIONS: dict[str, Any] = {
    "xla_backend_optimization_level": 1,
    "xla_cpu_parallel_codegen_split_count": 4,
}
"""How XLA compiles for a CPU: in two thirds of its usual time, programs that are no slower (docs/performance.md)."""
CPU_OPTIONS_OF_MEASURE: dict[str, Any] = {
    **CPU_OPTIONS,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": False,
}
"""How it compiles what runs a few times: in a third of the time; such a program can be half again as slow."""


def known_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the installed XLA knows; it refuses to compile with any other.

    Args:
        options: names of XLA's options with their values.

    Returns:
        `options` without those that this XLA lacks. They save time to compile and decide no result's meaning, so
        training goes on without them.

    Raises:
        jax.errors.JaxRuntimeError: XLA fails for another reason, for want of memory say.
    """
    return {name: value for name, value in options.items() if _is_known(name, value)}


@functools.cache
def _is_known(name: str, value: Any) -> bool:
    """Whether XLA compiles the smallest program with the option: 10 ms, once in a process."""
    try:
        jax.jit(lambda number: number).lower(0.0).compile({name: value})
    except jax.errors.JaxRuntimeError as error:
        if not str(error).startswith("INVALID_ARGUMENT"):
            raise
        return False
    return True
