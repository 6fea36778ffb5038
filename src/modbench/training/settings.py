"""JAX as the benchmark is defined with it, whatever the user has set for the rest of the process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

from modbench.core.jax_settings import SETTINGS


@contextmanager
def benchmark_settings() -> Iterator[None]:
    """The context, and decorator, of all that draws, traces, compiles or computes a run's numbers.

    Settings for which JAX has a context of its own are set in this thread alone. The others exist once in a process
    and are put back at the end. Settings that this version of JAX lacks are passed over.
    """
    with ExitStack() as stack:
        for name, value in SETTINGS.items():
            context = getattr(jax, name.removeprefix("jax_"), None)
            if context is not None:
                stack.enter_context(context(value))
                continue
            try:
                before = _read(name)
            except AttributeError:
                continue
            jax.config.update(name, value)
            stack.callback(jax.config.update, name, before)
        yield


def _read(name: str) -> object:
    """The value of a setting. Raises `AttributeError` where this version of JAX has none of that name."""
    # JAX offers some settings as attributes and the others by `read`, each by one of the two ways alone.
    return getattr(jax.config, name) if hasattr(jax.config, name) else jax.config.read(name)
