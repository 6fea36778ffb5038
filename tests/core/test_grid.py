"""From a sweep file's tables to runs."""

import copy
import tomllib

import pytest
import tomli_w

from modbench.core.errors import RequestError
from modbench.core.grid import load_sweep, parse_sweep, preset_names
from modbench.core.identity import run_id
from modbench.core.protocol import EVALUATION_PRESETS
from modbench.core.spec import RunSpec

GRID = """
name = "mine"
description = "a test"

[[grid]]
task.architecture = "mlp"
task.num_rules = [2, 8]
model.name = ["monolithic", "modular", "gt-modular"]
train.steps = 2000
seed = [0, 1]

[[grid]]
task.architecture = "rnn"
task.num_rules = 2
task.rule_probabilities = [0.25, 0.75]
evaluation.lengths = [[3, 10], [10, 30]]
train.halve_learning_rate_at = [[], [10], [10, 20]]
"""


@pytest.fixture
def table():
    return tomllib.loads(GRID)


def one_grid(**fields):
    return {"grid": [{"task": {"architecture": "mlp", "num_rules": 4}, **fields}]}


def refusal(table, overrides=()):
    with pytest.raises(RequestError) as refused:
        parse_sweep(table, overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_list_is_an_axis(table):
    sweep = parse_sweep(table)
    assert (sweep.name, sweep.description) == ("mine", "a test")
    assert len(sweep.runs) == 2 * 3 * 2 + 2 * 3
    specs = list(sweep.runs.values())
    assert sweep.runs == {run_id(spec): spec for spec in specs}
    assert [(s.task.num_rules, s.model.name, s.seed) for s in specs[:12]] == [
        (rules, name, seed)
        for rules in (2, 8)
        for name in ("monolithic", "modular", "gt-modular")
        for seed in (0, 1)
    ]
    assert [(s.evaluation.lengths, s.train.halve_learning_rate_at) for s in specs[12:]] == [
        (lengths, halve) for lengths in ((3, 10), (10, 30)) for halve in ((), (10,), (10, 20))
    ]
    assert specs[0] == RunSpec.of(
        {"architecture": "mlp", "num_rules": 2}, {"name": "monolithic"}, {"steps": 2000}, seed=0
    )


def test_a_list_by_nature_is_one_value(table):
    specs = list(parse_sweep(table).runs.values())[12:]
    assert {spec.task.rule_probabilities for spec in specs} == {(0.25, 0.75)}


def test_runs_named_twice_run_once():
    assert len(parse_sweep(one_grid(seed=[0, 1, 1])).runs) == 2
    twice = one_grid(seed=[0, 1])
    twice["grid"] *= 2
    assert len(parse_sweep(twice).runs) == 2


def test_overrides_replace_a_field_in_every_grid(table):
    sweep = parse_sweep(table, ["train.steps=50", "task.kind = classification", "seed=[7, 8, 9]"])
    assert {spec.train.steps for spec in sweep.runs.values()} == {50}
    assert {spec.task.kind for spec in sweep.runs.values()} == {"classification"}
    assert len(sweep.runs) == 2 * 3 * 3 + 2 * 3 * 3
    assert {spec.seed for spec in sweep.runs.values()} == {7, 8, 9}


@pytest.mark.parametrize(("text", "rate"), [("1e-3", 1e-3), ("0.5", 0.5), (" 2 ", 2.0), ("1_000.0", 1000.0)])
def test_an_override_is_read_as_toml(text, rate):
    (spec,) = parse_sweep(one_grid(), [f"train.learning_rate={text}"]).runs.values()
    assert spec.train.learning_rate == rate


@pytest.mark.parametrize("text", ["modular-op", '"modular-op"', "'modular-op'", '["modular-op"]'])
def test_an_override_that_is_no_toml_is_a_text(text):
    (spec,) = parse_sweep(one_grid(), [f"model.name={text}"]).runs.values()
    assert spec.model.name == "modular-op"


def test_scores_and_gates_replace_a_name():
    sweep = parse_sweep(
        one_grid(model={"name": ["modular", "gt-modular"]}), ["model.scores=input", "model.gates=top-k"]
    )
    assert [spec.model.name for spec in sweep.runs.values()] == ["input+top-k"]


def test_a_name_replaces_scores_and_gates():
    sweep = parse_sweep(one_grid(model={"scores": "input", "gates": "top-k"}), ["model.name=modular"])
    assert [spec.model.name for spec in sweep.runs.values()] == ["modular"]


def test_an_option_can_be_overridden():
    table = one_grid(model={"gates": "top-k", "gate_options": {"k": 1}})
    (spec,) = parse_sweep(table, ["model.gate_options.k=2"]).runs.values()
    assert spec.model.gate_options == {"k": 2}


@pytest.mark.parametrize(
    "overrides",
    [[], ["seed=3"], ["model.gate_options.k=2"], ["model={gates='top-k'}", "model.gate_options.k=2"]],
    ids=str,
)
def test_the_given_tables_are_left_as_they_are(overrides):
    table = one_grid(model={"gates": "top-k", "gate_options": {"k": 1}}, seed=[0, 1])
    before = copy.deepcopy(table)
    parse_sweep(table, overrides)
    assert table == before


@pytest.mark.parametrize("name", preset_names())
def test_the_resolved_source_is_the_same_sweep(name):
    sweep = load_sweep(name, ["seed=[4]", "task.task_seed=[1]"])
    again = parse_sweep(tomllib.loads(tomli_w.dumps(sweep.source)))
    assert again == sweep


def test_presets_ship_with_modbench():
    assert {"paper", "quick", "smoke"} <= set(preset_names())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "a sweep must have at least one [[grid]] table"),
        ({"grid": []}, "a sweep must have at least one [[grid]] table"),
        ({"grid": {"seed": 1}}, "a sweep must have at least one [[grid]] table"),
        ({"grid": [1]}, "a sweep must have at least one [[grid]] table"),
        ({"grdi": []}, "unknown sweep field 'grdi'. Did you mean 'grid'?"),
        (one_grid() | {"name": 3}, "sweep name must be a text, got 3"),
        (one_grid() | {"description": ["x"]}, "sweep description must be a text, got ['x']"),
        (one_grid() | {"name": ""}, "sweep name must be letters"),
        (one_grid() | {"name": "../up"}, "sweep name must be letters"),
        (one_grid() | {"name": "..."}, "sweep name must be letters"),
        (one_grid(seed=[]), "axis 'seed' must have at least one value, got an empty list"),
        (one_grid(seed=[0, "1"]), "seed: must be a valid integer, got '1'"),
        (one_grid(trian={"steps": 3}), "unknown field 'trian'. Did you mean 'train'?"),
        (one_grid(trian={}), "unknown field 'trian'. Did you mean 'train'?"),
        (one_grid(train={"steps": {}}), "train.steps: must be a valid integer"),
        (one_grid(seed=list(range(1001)), train={"steps": list(range(1, 1001))}), "at most 1,000,000 runs"),
    ],
    ids=str,
)
def test_a_wrong_sweep_is_one_line(table, message):
    assert message in refusal(table)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps", "an override must look like train.steps=2000, got 'train.steps'"),
        ("=3", "an override must look like"),
        ("train.step=3", "unknown train field 'step'. Did you mean 'steps'?"),
        ("task=3", "task must be a table of fields, got 3"),
        ("task.num_rules.x=3", "lies inside 'num_rules', which is not a table"),
        ("name=other", "unknown field 'name'."),
    ],
)
def test_a_wrong_override_is_one_line(override, message):
    assert message in refusal(one_grid(), [override])


def test_files(tmp_path):
    path = tmp_path / "of mine.toml"
    path.write_text("[[grid]]\ntask.architecture = 'mlp'\ntask.num_rules = 2\nseed = [1, 2]")
    with pytest.raises(RequestError, match="sweep name must be"):
        load_sweep(str(path))
    path = path.rename(tmp_path / "mine.toml")
    sweep = load_sweep(str(path), ["seed=[3, 4, 5]"])
    assert (sweep.name, len(sweep.runs)) == ("mine", 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smok", "unknown preset 'smok'. Did you mean 'smoke'?"),
        ("smoke.tml", "A sweep file's name ends in .toml."),
        ("nowhere/none.toml", "no sweep file 'nowhere/none.toml'. Presets: "),
        ("", "unknown preset ''."),
        ("a\0b.toml", "sweep file"),
        ("\udcff.toml", "sweep file"),
    ],
)
def test_a_sweep_that_is_not_there_is_one_line(name, message):
    with pytest.raises(RequestError) as refused:
        load_sweep(name)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "seed = 1" + "0" * 5000,
        "[[grid]]\ntask.architecture = 'mlp'\ntask.num_rules = 0x" + "f" * 6000,
        "[[grid]]\ntask.architecture = 'mlp'\ntask.num_rules = 2\ntrain.steps = 0x" + "f" * 6000,
        "grid = " + "[" * 5000,
        "[[grid]]\nseed = 2020-01-01",
    ],
    ids=["half a line", "long number", "long bad number", "long good number", "deep", "date"],
)
def test_a_file_that_is_no_sweep_is_one_line(tmp_path, text):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(RequestError) as refused:
        load_sweep(str(path))
    assert "\n" not in str(refused.value)


SHORT = {
    "task": {"architecture": "mlp", "num_rules": [2, 8]},
    "evaluation": {"preset": "short", "curve_every": 7},
}


def test_a_preset_of_evaluation_is_recorded_as_the_fields_that_it_stands_for():
    sweep = parse_sweep({"grid": [SHORT]}, {"evaluation.performance_batches": 3})
    recorded = {**EVALUATION_PRESETS["short"], "curve_every": 7, "performance_batches": 3}
    assert sweep.source["grid"][0]["evaluation"] == recorded
    again = parse_sweep(sweep.source)
    assert list(again.runs) == list(sweep.runs)
    assert {spec.evaluation.adaptation_samples for spec in sweep.runs.values()} == {1000}
    by_override = parse_sweep({"grid": [{"task": SHORT["task"]}]}, ["evaluation.preset=short"])
    assert {spec.evaluation.performance_batches for spec in by_override.runs.values()} == {10}


@pytest.mark.parametrize("preset", ["shrot", ["short"], 3])
def test_an_unknown_preset_of_evaluation_is_refused(preset):
    with pytest.raises(RequestError, match=r"evaluation\.preset.*Possible: short"):
        parse_sweep({"grid": [SHORT]}, {"evaluation.preset": preset})
