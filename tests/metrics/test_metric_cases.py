import json
from pathlib import Path

import numpy as np
import pytest

from modbench.metrics import joint, routing_metrics

FILE = Path(__file__).parents[1] / "data" / "original" / "metric_cases.json"
CASES = json.loads(FILE.read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_recorded_cases(case):
    values = routing_metrics(joint(case["activation_given_rule"]))
    assert values == pytest.approx(case["expected"], abs=2e-9)  # they have nine decimals


def test_the_names_are_those_of_the_stored_quantities():
    from modbench.core.quantities import METRICS

    values = routing_metrics(joint(np.eye(2)))
    assert list(values) == [name for name in METRICS if name != "adaptation"]
    assert all(type(value) is float for value in values.values())
