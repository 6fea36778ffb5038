import jax
import pytest


@pytest.fixture(autouse=True)
def strict():
    """No shape and no type is adjusted silently."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield
