"""The table of known values in docs/metrics.md is so. Its blocks are run by tests/test_docs_code.py."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_table_of_known_values():
    import numpy as np

    from modbench.metrics import fixed_routing_metrics, uniform_routing

    rows = dict(
        re.findall(
            r"^\| \*\*(\w+)\*\*.*?\| ([.\d ]+) for \$R\$ = 2 4 8 16 32 \|$", PAGE.read_text("utf-8"), re.M
        )
    )
    for name, matrix in (
        ("uniform", uniform_routing),
        ("collapsed", lambda R: np.eye(R)[np.zeros(R, dtype=int)]),
    ):
        values = [fixed_routing_metrics(matrix(R))["adaptation"] for R in (2, 4, 8, 16, 32)]
        assert [float(text) for text in rows[name].split()] == pytest.approx(values, abs=5.1e-4)
