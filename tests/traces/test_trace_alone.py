"""Traces are counted and measured with NumPy and SciPy alone, on data of real models where it is there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from modbench.metrics import inverse_mutual_information
from modbench.trace import RoutingCounts, measure

REAL = Path(__file__).parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason="the routing data of real models is not beside the checkout"
)


def test_traces_import_numpy_and_scipy_alone():
    code = (
        "import sys, modbench.trace\n"
        "heavy = {'jax', 'pandas', 'pyarrow', 'torch', 'matplotlib', 'pydantic', 'altair'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "own = {name for name in sys.modules if name.startswith('modbench.')}\n"
        "assert all(name.startswith(('modbench.trace', 'modbench.metrics')) for name in own), own\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_real
def test_information_of_olmoe_is_what_is_known():
    with np.load(REAL / "olmoe-1b-7b-counts.npz") as file:
        counts = RoutingCounts(64, labels=file["labels"].tolist(), layers=file["layers"].tolist())
        counts.add_counts(file["counts"], file["tokens"])
    values = [measure(counts, 0).value(layer, "information_share").value for layer in (0, 7, 15)]
    assert values == pytest.approx([0.072, 0.173, 0.216], abs=6e-4)
    joints = [counts.joint(layer, weigh="equal") for layer in counts.layers]
    assert [1 - inverse_mutual_information(J) for J in joints] == pytest.approx(values)


@needs_real
def test_deepseek_specialises_by_domain_more_than_documents_do():
    with np.load(REAL / "deepseek-v2-lite-trace.npz") as file:
        counts = RoutingCounts(64, labels=file["labels"].tolist(), layers=file["layers"].tolist())
        counts.update(file["indices"], file["label"], file["weights"], group=file["sequence"])
    assert counts.sums["load"].sum(axis=(1, 2)).tolist() == [33_279 * 6] * 4
    measures = measure(counts, 200)
    assert measures.notes == []
    for layer in counts.layers:
        row = measures.value(layer, "information_share")
        assert row.p == 1 / 201
        assert row.shuffled_high < row.low < row.estimate < row.high
        # Shuffled tokens would hide that documents of one domain differ, too.
        assert row.shuffled > 0.004
