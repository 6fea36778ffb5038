"""Compiling for tests: what is called once or twice is not worth optimising."""

import functools

import jax

quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": "0"})
"""`jax.jit` that compiles in two thirds of the time; for tests of what is computed, not of which bits."""
