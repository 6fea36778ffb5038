"""How many digits of a mean a table tells: those to which its interval leaves a meaning."""

import math

from modbench.core.quantities import METRICS

OF_METRIC = 2
"""Decimals of a metric, which is from 0 to 1 everywhere."""


def told(quantity: str, mean: float, low: float, high: float) -> list[str]:
    """A mean and the ends of its interval as text, all to the same decimal place.

    Of an error, told is the first digit of half the interval's width, and the second where the first is 1 or 2; without
    an interval, three digits of the mean.

    Args:
        quantity: its name.
        mean: finite.
        low: lower end; not finite where there is no interval.
        high: upper end.
    """
    places = OF_METRIC if quantity in METRICS else _places(mean, (high - low) / 2)
    return [f"{value:.{places}f}" for value in (mean, low, high)]


def _places(mean: float, half: float) -> int:
    if math.isfinite(half) and half > 0:
        return max(0, math.ceil(-math.log10(half / 3)))
    return max(0, 2 - math.floor(math.log10(abs(mean)))) if mean else 2
