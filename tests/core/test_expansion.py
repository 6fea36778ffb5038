"""Grids are counted before they are expanded, and what is shared between runs changes none of them."""

import itertools
import time

import pytest

from modbench.api.requests import sweep_of
from modbench.core.errors import RequestError
from modbench.core.expansion import MOST_RUNS, MOST_SETTINGS, expand, nested
from modbench.core.grid import parse_sweep
from modbench.core.identity import run_id
from modbench.core.spec import RunSpec

PLAIN = {"task.architecture": "mlp", "task.num_rules": 2}


def grid_of(**axes):
    return PLAIN | {field.replace("__", "."): value for field, value in axes.items()}


TOO_MANY = {
    "one axis": [grid_of(seed=list(range(MOST_RUNS + 1)))],
    "several axes": [grid_of(seed=list(range(10**4)), task__task_seed=list(range(10**4)), train__steps=[1, 2])],
    "10^12 runs": [grid_of(**{f"evaluation__{name}": list(range(1, 1001)) for name in (
        "curve_every", "curve_batches", "performance_batches", "adaptation_samples")})],
    "10^400 runs": [grid_of(**{f"x{place}": list(range(10)) for place in range(400)})],
    "equal grids": [grid_of(seed=list(range(MOST_RUNS // 2)))] * 3,
    "very many equal grids": [grid_of(seed=list(range(MOST_RUNS)))] * 100_000,
    "grids without axes": [grid_of()] * (MOST_SETTINGS + 1),
    "settings": [grid_of(train__steps=list(range(1, MOST_SETTINGS + 2)))],
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MANY)
def test_too_many_runs_are_refused_at_once(name):
    started = time.process_time()
    with pytest.raises(RequestError, match=r"must have at most (1,000,000 runs|10,000 settings)") as refused:
        expand(TOO_MANY[name])
    assert time.process_time() - started < 2
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("axis", [range(10**12), range(10**30), list(range(MOST_RUNS + 1))])
def test_an_axis_from_python_is_counted_before_it_is_a_list(axis):
    with pytest.raises(RequestError, match="an axis must have at most 1,000,000 values"):
        sweep_of({**nested(PLAIN), "seed": axis})
    with pytest.raises(RequestError, match="an axis must have at most 1,000,000 values"):
        sweep_of(nested(PLAIN), {"seed": axis})


def test_as_many_as_there_may_be_are_not_refused():
    settings = [grid_of(train__steps=list(range(1, 101)), seed=[0, 1])]
    assert len(expand(settings)) == 200


def test_shared_parts_change_no_run():
    """Every run is the one that its own choices describe, parsed alone."""
    axes = {
        "task.architecture": ["mlp"],
        "task.num_rules": [2, 3],
        "task.task_seed": [0, 7],
        "model.gate_options": [{}, {"temperature": 2}, {"temperature": 1}],
        "train.learning_rate": [1, 1e-3],
        "train.halve_learning_rate_at": [[], [5, 3]],
        "seed": [4, 0],
    }
    found = expand([axes])
    alone = {}
    for choices in itertools.product(*axes.values()):
        spec = RunSpec.parse(nested(dict(zip(axes, choices, strict=True))))
        alone.setdefault(run_id(spec), spec)
    assert list(found) == list(alone)
    for identity, spec in found.items():
        assert spec == alone[identity]
        assert spec.model_dump_json() == alone[identity].model_dump_json()
        assert run_id(RunSpec.parse(spec.model_dump())) == identity


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("seed", [0, -1], "seed: must be greater than or equal to 0, got -1"),
        ("seed", [0, True], "seed: must be a valid integer, got True"),
        ("task.task_seed", [0, 2**32], "task.task_seed: must be less than 4294967296"),
        ("task.task_seed", [0, 1.0], "task.task_seed: must be a valid integer, got 1.0"),
        ("train.learning_rate", [1e-3, 0], "train.learning_rate: must be greater than 0, got 0"),
        ("train.learning_rate", [1e-3, 1e39], "train.learning_rate: must be from"),
        ("train.learning_rate", [1e-3, "x"], "train.learning_rate: must be a valid number, got 'x'"),
    ],
)
def test_later_values_of_an_axis_of_data_are_checked_too(field, values, message):
    with pytest.raises(RequestError) as refused:
        parse_sweep({"grid": [nested({**PLAIN, field: values})]})
    assert message in str(refused.value)
