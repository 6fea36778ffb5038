"""Digits of a mean: those to which its interval leaves a meaning."""

import math

import pytest

from modbench.figures.digits import told


@pytest.mark.parametrize(
    ("quantity", "numbers", "text"),
    [
        ("error_id", (0.2712, 0.221, 0.318), "0.27 0.22 0.32"),
        ("error_id", (4.69, 4.38, 5.0), "4.7 4.4 5.0"),
        ("error_id", (45.91, 45.7, 46.0), "45.91 45.70 46.00"),
        ("error_id", (1.41, 0.0, 4.94), "1.4 0.0 4.9"),
        ("error_id", (412.3, 380.0, 450.0), "412 380 450"),
        ("error_id", (0.123456, math.nan, math.nan), "0.123 nan nan"),
        ("error_id", (0.0, 0.0, 0.0), "0.00 0.00 0.00"),
        ("alignment", (0.0412, 0.0408, 0.0416), "0.04 0.04 0.04"),
    ],
)
def test_digits_follow_from_the_interval(quantity, numbers, text):
    assert " ".join(told(quantity, *numbers)) == text
