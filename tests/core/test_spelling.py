"""One run, one spelling: whatever says the same run has the same specification, id and cohort."""

import json
import math

import numpy as np
import pytest

from modbench.core import names
from modbench.core.grid import parse_sweep
from modbench.core.identity import digest, ids_of_stored, run_id, static_key
from modbench.core.names import RouterOption
from modbench.core.spec import RunSpec

MLP = {"architecture": "mlp", "num_rules": 4}
SOFTMAX = {"scores": "joint", "gates": "softmax"}
TOP_K = {"scores": "joint", "gates": "top-k"}
THIRD = float(np.float32(1 / 3))


def run(task=(), model=(), train=(), evaluation=(), architecture="mlp"):
    task = {"architecture": architecture, "num_rules": 4, **dict(task)}
    return {"task": task, "model": dict(model), "train": dict(train), "evaluation": dict(evaluation)}


# What is left out or written plainly, and other spellings of the same run.
EQUAL = {
    "temperature": (
        run(model=SOFTMAX),
        *(run(model={**SOFTMAX, "gate_options": {"temperature": value}}) for value in (1, 1.0)),
    ),
    "another temperature": tuple(
        run(model={**SOFTMAX, "gate_options": {"temperature": value}}) for value in (2.0, 2)
    ),
    "k": (run(model=TOP_K), run(model={**TOP_K, "gate_options": {"k": 1}})),
    "hidden, input": (
        run(model={"scores": "input"}),
        run(model={"scores": "input", "score_options": {"hidden": 32}}),
    ),
    "hidden, rule, mha": (  # D / (2 M) = 128 / 8
        run(model={"scores": "rule"}, architecture="mha"),
        run(model={"scores": "rule", "score_options": {"hidden": 16}}, architecture="mha"),
    ),
    "hidden, rule, rnn": (  # 17 h^2 + 513 h <= 5 D^2 + D (4 E + 1) = 98,432: h = 62.5
        run(model={"scores": "rule"}, architecture="rnn"),
        run(model={"scores": "rule", "score_options": {"hidden": 62}}, architecture="rnn"),
    ),
    "rule probabilities": (run(), run({"rule_probabilities": [0.25] * 4})),
    "rule probabilities, rounded": (
        run({"num_rules": 3}),
        run({"num_rules": 3, "rule_probabilities": [1 / 3] * 3}),
        run({"num_rules": 3, "rule_probabilities": [1 / 3, 1 / 3, 1 - 2 / 3]}),
        run({"num_rules": 3, "rule_probabilities": [THIRD, THIRD, 1 / 3]}),
    ),
    "zero probability": (
        run({"rule_probabilities": [0.5, 0.5, 0.0, 0.0]}),
        run({"rule_probabilities": [0.5, 0.5, 0, -0.0]}),
    ),
    "clip norm": (run(), *(run(train={"clip_norm": value}) for value in (0, 0.0, -0.0))),
    "another clip norm": tuple(run(train={"clip_norm": value}) for value in (2.0, 2)),
    "learning rate": tuple(run(train={"learning_rate": value}) for value in (1.0, 1)),
    "milestones": tuple(
        run(train={"halve_learning_rate_at": value}) for value in ([3, 7, 7], (7, 3, 7), [7, 7, 3])
    ),
    "no milestones": (run(), run(train={"halve_learning_rate_at": []})),
    "lengths": tuple(
        run(evaluation={"lengths": value}, architecture="rnn") for value in ([3, 10], (10, 3), [3])
    ),
    "model name": (
        run(model={"name": "modular-op"}),
        run(model={"scores": "rule", "gates": "softmax", "num_modules": 4, "model_width": 128}),
    ),
    "monolithic": (run(model={"name": "monolithic"}), run(model={"scores": "none", "num_modules": None})),
}
DIFFERENT = {
    "uniform but for more than rounding": (
        run({"num_rules": 3}),
        run({"num_rules": 3, "rule_probabilities": [0.333333, 0.333333, 0.333334]}),
    ),
    "hidden, rule, mlp, which has no hidden layer without it": (
        run(model={"scores": "rule"}),
        run(model={"scores": "rule", "score_options": {"hidden": 4}}),
    ),
    "a milestone twice": tuple(run(train={"halve_learning_rate_at": value}) for value in ([3], [3, 3])),
    "k": tuple(run(model={**TOP_K, "gate_options": {"k": value}}) for value in (1, 2)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_spellings_of_one_run_are_one_specification(name):
    plain, *others = (RunSpec.parse(table) for table in EQUAL[name])
    for other in others:
        assert other == plain
        assert run_id(other) == run_id(plain)
        assert static_key(other) == static_key(plain)
        assert other.model_dump_json() == plain.model_dump_json()


@pytest.mark.parametrize("name", EQUAL)
def test_a_spelling_once_neutral_stays(name):
    spec = RunSpec.parse(EQUAL[name][-1])
    assert RunSpec.parse(json.loads(spec.model_dump_json())).model_dump_json() == spec.model_dump_json()


@pytest.mark.parametrize("name", DIFFERENT)
def test_other_runs_stay_other_runs(name):
    assert len({run_id(RunSpec.parse(table)) for table in DIFFERENT[name]}) == 2


def test_a_sweep_over_equal_spellings_has_each_run_once():
    grid = {
        "task": MLP,
        "model": {**SOFTMAX, "gate_options": [{}, {"temperature": 1}, {"temperature": 1.0}]},
        "train": {"clip_norm": [0, 0.0, -0.0]},
        "seed": [0, 1],
    }
    assert len(parse_sweep({"grid": [grid]}).runs) == 2


def test_what_is_given_is_left_alone():
    options = {"temperature": 1}
    RunSpec.of(MLP, {**SOFTMAX, "gate_options": options})
    assert options == {"temperature": 1}


@pytest.fixture
def own_router(monkeypatch):
    monkeypatch.setitem(names.GATES, "own", "a router of one's own")
    declared = {
        "sharp": RouterOption(float, 2.0),
        "open": RouterOption(float),
        "flag": RouterOption(bool, True),
    }
    monkeypatch.setitem(names.OWN_GATE_OPTIONS, "own", declared)


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ({"sharp": 2}, {}),
        ({"sharp": 2.0, "flag": True}, {}),
        ({"open": 1}, {"open": 1.0}),
        ({"flag": 1}, {"flag": 1}),
        ({"flag": False}, {"flag": False}),
        ({"undeclared": 1}, {"undeclared": 1}),
        ({"undeclared": -0.0}, {"undeclared": 0.0}),
    ],
)
def test_options_of_a_router_of_ones_own_are_spelled_as_its_class_declares(own_router, given, spelled):
    found = RunSpec.of(MLP, {"scores": "joint", "gates": "own", "gate_options": given}).model.gate_options
    assert found == spelled
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in spelled.items()
    }
    assert all(math.copysign(1, value) == 1 for value in found.values() if type(value) is float)


def test_a_stored_run_is_known_by_its_id_of_today_and_by_that_of_its_spelling():
    neutral = RunSpec.of(MLP, SOFTMAX)
    payload = neutral.model_dump(mode="json")
    assert ids_of_stored(payload) == {run_id(neutral)}
    payload["model"]["gate_options"] = {"temperature": 1}
    # The formula of the days when a spelling was part of the identity.
    versions = dict.fromkeys(("task", "model", "train", "evaluation"), 1)
    model = {"gate_options": {"temperature": 1}, "model_width": 128, "num_modules": 4}
    train = {"clip_norm": 0.0, "steps": 100_000}
    evaluation = {"activation_samples": 1_000_000, "lengths": [1], "performance_batch_size": 1000}
    task = {"architecture": "mlp", "num_rules": 4}
    then = digest(
        {"task": task, "model": model, "train": train, "evaluation": evaluation, "versions": versions}
    )
    assert ids_of_stored(payload) == {run_id(neutral), then}
    assert then != run_id(neutral)
