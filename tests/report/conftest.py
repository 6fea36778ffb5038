"""What both kinds of the page's tests read: a browser, and pages of stores with little in them, each written once."""

from functools import cache

import pytest

import synthetic_results
from modbench.report import write_report
from report.browser import browser


@pytest.fixture(
    scope="module"
)  # and no wider: an open browser has the thread's event loop, which others need
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def little(tmp_path_factory):
    """The path of the page of a store with little in it, by what it has."""
    runs = {
        "empty": [],
        "one model": synthetic_results.specs(models=("monolithic",)),
        "one run": synthetic_results.specs(models=("modular",), rules=(2,), task_seeds=[0], seeds=[0]),
    }

    def written(case):
        folder = tmp_path_factory.mktemp("little")
        tables = synthetic_results.tables(
            folder / "store",
            runs.get(case, synthetic_results.specs(rules=(2,))),
            failed=lambda s: case == "failed",
            missing=lambda s: case == "missing",
        )
        return write_report(tables, folder / "report.html")

    return cache(written)
