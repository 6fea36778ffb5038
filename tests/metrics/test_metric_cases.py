import json
from pathlib import Path

import numpy as np
import pytest

from modbench.metrics import joint, routing_metrics

COPY = Path(__file__).with_name("metric_cases.json")
CASES = json.loads(COPY.read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_reference_cases(case):
    values = routing_metrics(joint(case["activation_given_rule"]))
    assert values == pytest.approx(case["expected"], abs=2e-9)  # the reference has nine decimals


def test_the_copy_of_the_reference_is_true(reference):
    assert json.loads(COPY.read_text()) == json.loads((reference / "metric_cases.json").read_text())


def test_the_names_are_those_of_the_stored_quantities():
    from modbench.core.quantities import METRICS

    values = routing_metrics(joint(np.eye(2)))
    assert list(values) == [name for name in METRICS if name != "adaptation"]
    assert all(type(value) is float for value in values.values())
