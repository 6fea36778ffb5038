"""Who is who: run ids and cohorts, over every field that a specification has."""

import json

import pytest

from modbench.core.identity import (
    ADDED_LATER,
    VERSIONS,
    canonical,
    digest,
    run_id,
    static_fields,
    static_key,
)
from modbench.core.spec import EvaluationSpec, ModelSpec, RunSpec, TrainSpec
from modbench.core.task_spec import MhaTask, MlpTask, RnnTask

SPECS = {
    "mlp": RunSpec.of({"architecture": "mlp", "num_rules": 4}),
    "mha": RunSpec.of({"architecture": "mha", "num_rules": 4}),
    "rnn": RunSpec.of({"architecture": "rnn", "num_rules": 4}),
}

# Run ids are the keys of every stored result. A change here orphans all of them: it must be deliberate, made by
# raising a version in `modbench.core.identity.VERSIONS`, and said in the changelog.
PINNED = {
    "mlp": "cb183eaaab519f1f",
    "mha": "fdea74a35ddfacad",
    "rnn": "22f7cf62762bb67d",
    "mlp, other seeds": "2c4d807fdbfaf3f8",
    "mha, version 2, gt-modular, 64 wide": "cb739f467736a25d",
    "rnn, classification, monolithic, order 2": "69999f37a4a5aecf",
    "mlp, top-2 of 6 modules": "116c9982359cb8d4",
}
PINNED_SPECS = {
    **SPECS,
    "mlp, other seeds": RunSpec.of(
        {"architecture": "mlp", "num_rules": 4, "task_seed": 3}, train={"learning_rate": 3e-4}, seed=5
    ),
    "mha, version 2, gt-modular, 64 wide": RunSpec.of(
        {"architecture": "mha", "num_rules": 8, "search_version": 2},
        {"name": "gt-modular", "encoder_width": 64},
    ),
    "rnn, classification, monolithic, order 2": RunSpec.of(
        {"architecture": "rnn", "kind": "classification", "num_rules": 2, "order": 2}, {"name": "monolithic"}
    ),
    "mlp, top-2 of 6 modules": RunSpec.of(
        {"architecture": "mlp", "num_rules": 4, "rule_probabilities": [0.125, 0.25, 0.5, 0.125]},
        {"scores": "joint", "gates": "top-k", "gate_options": {"k": 2}, "num_modules": 6},
    ),
}

# One other value for every field of a task of 4 rules and what belongs to it; True where a compiled program takes
# the field as data, so that runs that differ in it share a cohort.
CHANGES = {
    ("task", "kind"): ("classification", False),
    ("task", "num_rules"): (5, False),
    ("task", "task_seed"): (1, True),
    ("task", "rule_probabilities"): ([0.125, 0.25, 0.5, 0.125], False),
    ("task", "variant"): ("fixed-ops", False),
    ("task", "search_version"): (2, False),
    ("task", "length"): (7, False),
    ("task", "order"): (2, False),
    ("task", "state_width"): (16, False),
    ("model", "scores"): ("joint", False),
    ("model", "gates"): ("top-k", False),
    ("model", "num_modules"): (5, False),
    ("model", "encoder_width"): (33, False),
    ("model", "model_width"): (129, False),
    ("model", "score_options"): ({"hidden": 3}, False),
    ("model", "gate_options"): ({"temperature": 2.0}, False),
    ("train", "steps"): (7, False),
    ("train", "batch_size"): (7, False),
    ("train", "learning_rate"): (7e-4, True),
    ("train", "clip_norm"): (0.5, False),
    ("train", "halve_learning_rate_at"): ([7], False),
    ("train", "precision"): ("tf32", False),
    ("evaluation", "curve_every"): (7, False),
    ("evaluation", "curve_batches"): (7, False),
    ("evaluation", "performance_batches"): (7, False),
    ("evaluation", "performance_batch_size"): (7, False),
    ("evaluation", "lengths"): ([7, 10], False),
    ("evaluation", "activation_samples"): (777, False),
    ("evaluation", "adaptation_distributions"): (7, False),
    ("evaluation", "adaptation_samples"): (7, False),
    ("run", "seed"): (1, True),
}
CHANGED = {name: RunSpec.of({"architecture": name, "num_rules": 4}, {"name": "modular-op"}) for name in SPECS}
TASK_CLASSES = {"mlp": MlpTask, "mha": MhaTask, "rnn": RnnTask}


def fields(architecture):
    """Every (part, field) that a run of an architecture can vary."""
    parts = {
        "task": TASK_CLASSES[architecture],
        "model": ModelSpec,
        "train": TrainSpec,
        "evaluation": EvaluationSpec,
    }
    names = {(part, name) for part, cls in parts.items() for name in cls.model_fields}
    names |= {("run", name) for name in RunSpec.model_fields if name not in parts}
    names -= {("task", "architecture")}
    return names - {("evaluation", "lengths")} if architecture == "mlp" else names


def changed(spec, part, field, value):
    table = spec.model_dump()
    (table if part == "run" else table[part])[field] = value
    if (part, field) == ("task", "length"):
        table["evaluation"]["lengths"] = [*table["evaluation"]["lengths"], value]
    return RunSpec.parse(table)


@pytest.mark.parametrize("architecture", SPECS)
def test_every_field_is_looked_at_here(architecture):
    assert fields(architecture) <= set(CHANGES)
    assert set(CHANGES) <= fields("mlp") | fields("mha") | fields("rnn")


@pytest.mark.parametrize("architecture", SPECS)
def test_every_field_changes_the_run_and_only_data_stays_in_the_cohort(architecture):
    spec = CHANGED[architecture]
    others = {}
    for part, field in sorted(fields(architecture)):
        value, shares_cohort = CHANGES[part, field]
        other = changed(spec, part, field, value)
        assert other != spec, (part, field)
        others[part, field] = run_id(other)
        assert (static_key(other) == static_key(spec)) == shares_cohort, (part, field)
    assert len({run_id(spec), *others.values()}) == len(others) + 1


def test_architectures_with_the_same_fields_differ():
    assert len({run_id(spec) for spec in SPECS.values()}) == 3
    assert len({static_key(spec) for spec in SPECS.values()}) == 3


@pytest.mark.parametrize("name", PINNED_SPECS)
def test_run_ids_never_change_by_accident(name):
    assert run_id(PINNED_SPECS[name]) == PINNED[name]


def test_spelling_out_a_default_names_the_same_run():
    short = RunSpec.of({"architecture": "mha", "num_rules": 4}, {"name": "modular"})
    spelled = RunSpec.of(
        {"architecture": "mha", "num_rules": 4, "kind": "regression", "length": 10},
        {"scores": "joint", "gates": "softmax", "num_modules": 4, "model_width": 128, "gate_options": {}},
        {"steps": 500_000, "learning_rate": 0.0001, "halve_learning_rate_at": []},
        {"lengths": [30, 20, 10, 5, 3]},
        seed=0,
    )
    assert spelled == short
    assert run_id(spelled) == run_id(short)


def test_an_integer_where_a_real_number_is_meant_names_the_same_run():
    task = {"architecture": "mlp", "num_rules": 2}
    ids = {run_id(RunSpec.of(task, train={"clip_norm": norm, "learning_rate": 1})) for norm in (2, 2.0)}
    assert len(ids) == 1


def test_a_new_field_with_a_neutral_default_orphans_nothing():
    class Grown(RunSpec):
        ballast: int = 0

    spec = SPECS["mlp"]
    same = Grown.model_validate(spec.model_dump())
    other = Grown.model_validate(spec.model_dump() | {"ballast": 1})
    assert run_id(same) == run_id(spec)
    assert run_id(other) != run_id(spec)


def test_a_field_added_later_orphans_no_plan():
    """Ids of stored cohorts are made from the static key, so it must stay what it was before the field."""
    for spec in SPECS.values():
        static = json.loads(static_key(spec))
        for (part, field), neutral in ADDED_LATER.items():
            assert field not in static[part]
            assert getattr(getattr(spec, part), field) == neutral
    lower = RunSpec.of({"architecture": "mlp", "num_rules": 4}, train={"precision": "bfloat16"})
    assert json.loads(static_key(lower))["train"]["precision"] == "bfloat16"
    assert digest(json.loads(static_key(SPECS["mlp"]))) == "bf158ac8642aab13"


@pytest.mark.parametrize("part", ["task", "model", "train", "evaluation"])
def test_a_raised_version_retires_the_results_of_that_architecture_alone(monkeypatch, part):
    from modbench.core import identity

    before = {name: run_id(spec) for name, spec in SPECS.items()}
    monkeypatch.setitem(identity.VERSIONS[part], "mha", 99)
    after = {name: run_id(spec) for name, spec in SPECS.items()}
    assert [name for name in SPECS if before[name] != after[name]] == ["mha"]


def slow_table(spec, keep):
    """The formula of ids in full: nested tables of the fields to keep, with the versions."""
    architecture = spec.task.architecture
    table = {"versions": {part: versions[architecture] for part, versions in VERSIONS.items()}}
    dumped = spec.model_dump(mode="json")
    for part in ("task", "model", "train", "evaluation"):
        values = getattr(spec, part)
        table[part] = {
            f: dumped[part][f] for f in type(values).model_fields if keep(part, f, getattr(values, f))
        }
    table["task"]["architecture"] = architecture
    if keep("run", "seed", spec.seed):
        table["seed"] = spec.seed
    return table


CLASSES = {"model": ModelSpec, "train": TrainSpec, "evaluation": EvaluationSpec, "run": RunSpec}


@pytest.mark.parametrize("name", PINNED_SPECS)
def test_ids_and_keys_follow_the_formula_however_they_are_made(name):
    spec = PINNED_SPECS[name]

    def differs(part, field, value):
        about = CLASSES.get(part, type(spec.task)).model_fields[field]
        return about.is_required() or value != about.default

    def static(part, field, value):
        dynamic = (part, field) in (("task", "task_seed"), ("train", "learning_rate"), ("run", "seed"))
        return not dynamic and (field, value) != ("precision", "float32")

    assert run_id(spec) == digest(slow_table(spec, differs))
    assert static_fields(spec) == json.loads(canonical(slow_table(spec, static)))
    assert static_key(spec) == canonical(static_fields(spec))


def test_a_copy_that_is_changed_has_an_id_of_its_own():
    spec = SPECS["mlp"]
    other = spec.model_copy(update={"task": spec.task.model_copy(update={"task_seed": 3})})
    assert run_id(spec) == PINNED["mlp"]
    assert run_id(other) == run_id(RunSpec.of({"architecture": "mlp", "num_rules": 4, "task_seed": 3}))
    assert static_key(other) == static_key(spec)


def test_run_id_form():
    assert len(run_id(SPECS["mlp"])) == 16
    int(run_id(SPECS["mlp"]), 16)


def test_canonical_text_is_one_per_value():
    assert canonical({"b": [1, 2], "a": None}) == '{"a":null,"b":[1,2]}'
    assert canonical({"a": None, "b": (1, 2)}) == canonical({"b": [1, 2], "a": None})
    assert json.loads(static_key(SPECS["rnn"]))["task"]["order"] == 1
