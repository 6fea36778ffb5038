"""Every Python block of docs/metrics.md runs as written and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE.read_text("utf-8"), re.M | re.S
)


def run_page():
    """Runs the blocks from top to bottom in one namespace."""
    names = {}
    for code, expected in BLOCKS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        yield code, expected, printed.getvalue()


def test_the_blocks_run_and_print_what_the_page_says():
    assert len(BLOCKS) >= 10
    for code, expected, printed in run_page():
        assert printed == expected, f"in the block:\n{code}"


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
