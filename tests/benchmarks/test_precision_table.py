"""The same runs in every precision: what the script trains, and the table that it prints."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "precision.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("precision_script", FILE)
    assert spec is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_table_pairs_seeds(script):
    found = {"float32": np.array([1.0, 3.0]), "tf32": np.array([1.02, 3.02])}
    reference, lower = script.table({"mlp": found}).splitlines()[2:]
    # 12.71 is the 97.5 % quantile of Student's t with one degree of freedom.
    assert reference == "| MLP | float32 | 2.0000 ± 12.7062 |  |  |"
    assert lower == "| MLP | tf32 | 2.0200 ± 12.7062 | +1.00 % ± 0.00 % | 1.00 % |"


def test_runs_are_the_same_but_for_the_precision(script):
    losses = {name: script.train("mlp", name, 2, 2, 2, 1e-3) for name in ("float32", "bfloat16")}
    assert (losses["float32"] != losses["bfloat16"]).all()
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=2e-2)


@pytest.mark.parametrize("arguments", [["lstm"], ["--seeds", "1"], ["--steps", "0"]])
def test_a_mistake_is_a_line(script, arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(arguments)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err
