"""What routing that knows nothing scores, to set measured routing against."""

from functools import lru_cache

from modbench.metrics import uniform_baseline


@lru_cache(maxsize=256)
def random_value(quantity: str, num_rules: int, num_modules: int | None = None) -> float | None:
    """A routing metric's value for uniform routing, the paper's Random.

    Args:
        quantity: name of a quantity.
        num_rules: R, at least 2.
        num_modules: M, at least 2; R when left out.

    Returns:
        The value, or None for a quantity that is no routing metric, such as an error.
    """
    return uniform_baseline(num_rules, num_modules).get(quantity)
