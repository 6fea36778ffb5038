"""JAX's settings that numbers depend on, at the values that the benchmark is defined with: JAX's own defaults.

A user's preference, from the environment or `jax.config`, has no effect on a run. Needs no JAX, so that it can be read
before JAX is imported. Not here: the precision of products, which is a run's own (`train.precision`), and what
chooses a device, which results record.
"""

SETTINGS: dict[str, bool | int | str] = {
    # Random numbers.
    "jax_threefry_partitionable": True,
    "jax_default_prng_impl": "threefry2x32",
    "jax_random_seed_offset": 0,
    "jax_enable_custom_prng": False,
    "jax_legacy_prng_key": "allow",
    "jax_high_dynamic_range_gumbel": False,
    # Types and shapes.
    "jax_enable_x64": False,
    "jax_explicit_x64_dtypes": "warn",
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_allow_f16_reductions": True,
    # Gradients.
    "jax_softmax_custom_jvp": False,
    "jax_use_direct_linearize": True,
    # How programs are compiled, or whether they are.
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_optimization_level": "UNKNOWN",
    "jax_memory_fitting_level": "O2",
    "jax_compiler_enable_remat_pass": True,
    # A run that diverges is a result, no error.
    "jax_debug_nans": False,
    "jax_debug_infs": False,
}


def as_variables() -> dict[str, str]:
    """The settings as environment variables, which work if they are set before JAX is imported."""
    return {
        name.upper(): str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in SETTINGS.items()
    }
