"""Stores that earlier versions wrote are read; what they did not measure is null, what they did not say is as it was.

`tests/data/older_store` is a cohort of a sweep that was trained before runs had a precision and before routing was
measured along training.
"""

from pathlib import Path

import pytest

from modbench.core.quantities import CURVE_METRICS
from modbench.report import write_report
from modbench.store.table import load

FOLDER = Path(__file__).resolve().parents[1] / "data" / "older_store"


@pytest.fixture(scope="module")
def tables():
    return load(FOLDER)


def test_its_runs_are_neither_damaged_nor_retired(tables):
    assert len(tables.runs) == 8
    assert tables.missing.empty
    assert not tables.damaged
    assert not tables.retired


def test_its_runs_were_trained_in_float32(tables):
    assert set(tables.runs["precision"]) == {"float32"}
    assert not any("precision" in spec for spec in tables.runs["spec"])


def test_routing_along_training_is_not_recorded_and_the_page_says_so(tables, tmp_path):
    assert tables.curves[list(CURVE_METRICS)].isna().all(axis=None)
    assert tables.curves["error"].notna().all()
    assert tables.snapshots.empty
    page = write_report(tables, tmp_path / "report.html").read_text("utf-8")
    assert "not recorded" in page
