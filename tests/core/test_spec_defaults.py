"""The protocol that a specification takes where it says nothing, against PAPER sections 3 to 5."""

import json

import pytest

from modbench.core.errors import RequestError
from modbench.core.identity import run_id
from modbench.core.protocol import EVALUATION_PRESETS
from modbench.core.spec import EvaluationSpec, ModelSpec, RunSpec, TrainSpec
from modbench.core.task_spec import TASKS

CASES = [
    # architecture, kind, steps, clip, performance batch, lengths, activation samples
    ("mlp", "regression", 100_000, 0.0, 1000, (1,), 1_000_000),
    ("mlp", "classification", 100_000, 0.0, 1000, (1,), 1_000_000),
    ("mha", "regression", 500_000, 0.0, 256, (3, 5, 10, 20, 30), 10_000_000),
    ("mha", "classification", 500_000, 0.0, 1000, (3, 5, 10, 20, 30), 10_000_000),
    ("rnn", "regression", 500_000, 1.0, 256, (3, 5, 10, 20, 30), 1_000_000),
    ("rnn", "classification", 500_000, 1.0, 256, (3, 5, 10, 20, 30), 1_000_000),
]


@pytest.mark.parametrize(("architecture", "kind", "steps", "clip", "size", "lengths", "samples"), CASES)
def test_the_papers_protocol(architecture, kind, steps, clip, size, lengths, samples):
    spec = RunSpec.of({"architecture": architecture, "kind": kind, "num_rules": 8})
    assert spec.train == TrainSpec(
        steps=steps,
        batch_size=256,
        learning_rate=1e-4,
        clip_norm=clip,
        halve_learning_rate_at=(),
    )
    assert spec.evaluation == EvaluationSpec(
        curve_every=5000,
        curve_batches=10,
        performance_batches=100,
        performance_batch_size=size,
        lengths=lengths,
        activation_samples=samples,
        adaptation_distributions=100,
        adaptation_samples=10_000,
    )
    assert (spec.task.task_seed, spec.seed, spec.task.rule_probabilities) == (0, 0, None)


def test_the_papers_tasks():
    tasks = {name: RunSpec.of({"architecture": name, "num_rules": 2}).task.model_dump() for name in TASKS}
    shared = {"kind": "regression", "num_rules": 2, "task_seed": 0, "rule_probabilities": None}
    assert tasks == {
        "mlp": shared | {"architecture": "mlp", "variant": "linear"},
        "mha": shared | {"architecture": "mha", "variant": "linear", "search_version": 1, "length": 10},
        "rnn": shared | {"architecture": "rnn", "order": 1, "state_width": 32, "length": 10},
    }


@pytest.mark.parametrize("width", [32, 64, 128, 256, 512])
def test_model_width_is_four_encoder_widths(width):
    spec = RunSpec.of({"architecture": "mlp", "num_rules": 2}, {"encoder_width": width})
    assert spec.model.model_width == 4 * width


@pytest.mark.parametrize("architecture", TASKS)
@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("monolithic", "none"),
        ("modular", "joint"),
        ("modular-op", "rule"),
        ("gt-modular", "oracle"),
        ("modular-separate", "separate"),
    ],
)
def test_named_models(architecture, name, scores):
    spec = RunSpec.of({"architecture": architecture, "num_rules": 4}, {"name": name})
    modules = None if name == "monolithic" else 4
    assert spec.model == ModelSpec(
        scores=scores, gates="softmax", num_modules=modules, encoder_width=32, model_width=128
    )
    assert (spec.model.name, spec.model.modular) == (name, name != "monolithic")


def test_test_lengths_follow_the_training_length():
    def lengths(length, **evaluation):
        spec = RunSpec.of(
            {"architecture": "rnn", "num_rules": 2, "length": length}, {}, evaluation=evaluation
        )
        assert spec.length == length
        return spec.evaluation.lengths

    assert lengths(20) == (10, 20, 30, 40, 50)
    assert lengths(4) == (4, 8, 12)
    # "In distribution" is read off at the training length, so it is always among them.
    assert lengths(10, lengths=[30, 3]) == (3, 10, 30)


def test_length_of_an_mlp_example_is_one():
    assert RunSpec.of({"architecture": "mlp", "num_rules": 2}).length == 1


@pytest.mark.parametrize("architecture", TASKS)
@pytest.mark.parametrize("model", [{"name": "monolithic"}, {"scores": "joint", "gates": "top-k"}])
def test_parsing_a_dump_changes_nothing(architecture, model):
    spec = RunSpec.of(
        {"architecture": architecture, "num_rules": 3, "rule_probabilities": [0.5, 0.25, 0.25]},
        model | ({} if model.get("name") else {"num_modules": 5, "gate_options": {"k": 2}}),
        {"halve_learning_rate_at": [10, 20], "steps": 30},
        seed=7,
    )
    for table in (spec.model_dump(), json.loads(spec.model_dump_json()), spec.model_dump(mode="json")):
        again = RunSpec.parse(table)
        assert again == spec
        assert run_id(again) == run_id(spec)
        assert again.model_dump() == spec.model_dump()


def test_parsing_does_not_modify_what_it_is_given():
    task = {"architecture": "rnn", "num_rules": 2, "rule_probabilities": [0.5, 0.5]}
    model, train, evaluation = {"name": "modular"}, {"halve_learning_rate_at": [3]}, {"lengths": [30, 10]}
    before = json.dumps([task, model, train, evaluation])
    RunSpec.of(task, model, train, evaluation)
    assert json.dumps([task, model, train, evaluation]) == before


def test_specifications_cannot_be_changed():
    spec = RunSpec.of({"architecture": "mlp", "num_rules": 2})
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        spec.task.num_rules = 3


def test_a_request_error_is_a_value_error():
    with pytest.raises(ValueError, match=r"task\.num_rules"):
        RunSpec.of({"architecture": "mlp", "num_rules": 0})
    assert issubclass(RequestError, ValueError)


def test_the_short_evaluation_fills_in_what_is_not_named():
    of = ({"architecture": "mha", "num_rules": 4}, {"name": "modular"})
    short = RunSpec.of(*of, evaluation={"preset": "short", "performance_batches": 7}).evaluation
    assert short.performance_batches == 7
    assert (short.activation_samples, short.adaptation_distributions, short.adaptation_samples) == (
        50_000,
        20,
        1000,
    )
    paper = RunSpec.of(*of).evaluation
    assert (short.lengths, short.performance_batch_size, short.curve_every) == (
        paper.lengths, paper.performance_batch_size, paper.curve_every,
    )  # fmt: skip
    assert "preset" not in short.model_dump()


def test_a_preset_is_the_same_run_as_its_fields_written_out():
    of = ({"architecture": "mlp", "num_rules": 2}, {"name": "modular"}, {"steps": 10})
    fields = EVALUATION_PRESETS["short"]
    assert run_id(RunSpec.of(*of, {"preset": "short"})) == run_id(RunSpec.of(*of, fields))
