"""A wrong specification is one clear line: the field, what must hold, what was given."""

import pytest

from modbench.core.errors import RequestError, unknown
from modbench.core.spec import RunSpec

MLP = {"architecture": "mlp", "num_rules": 4}
MHA = {"architecture": "mha", "num_rules": 4}
RNN = {"architecture": "rnn", "num_rules": 4}

BAD = [
    (
        {"task": MLP, "evaluation": {"activation_samples": 79}},
        "evaluation.activation_samples: must be at least 20 per rule, 80, so that every rule is seen, got 79",
    ),
    ({"task": {}}, "task.architecture must be given. Possible: mlp, mha, rnn."),
    ({"task": {"architecture": "mlpp"}}, "unknown architecture 'mlpp'. Did you mean 'mlp'?"),
    ({"task": {"architecture": ["mlp"]}}, "unknown architecture ['mlp']."),
    ({"task": {"architecture": "mlp"}}, "task.num_rules must be given"),
    ({"task": MLP | {"num_rule": 2}}, "unknown task field of mlp 'num_rule'. Did you mean 'num_rules'?"),
    ({"task": MLP | {"search_version": 1}}, "unknown task field of mlp 'search_version'."),
    ({"task": MLP | {"order": 1}}, "unknown task field of mlp 'order'."),
    ({"task": MLP | {"num_rules": 1}}, "task.num_rules: must be greater than or equal to 2, got 1"),
    ({"task": MLP | {"num_rules": 2000}}, "task.num_rules: must be less than or equal to 1024, got 2000"),
    ({"task": MLP | {"num_rules": "4"}}, "task.num_rules: must be a valid integer, got '4'"),
    ({"task": MLP | {"num_rules": 4.0}}, "task.num_rules: must be a valid integer, got 4.0"),
    ({"task": MLP | {"num_rules": True}}, "task.num_rules: must be a valid integer, got True"),
    ({"task": MLP | {"kind": "regresion"}}, "task.kind: must be 'regression' or 'classification', got 'reg"),
    ({"task": MLP | {"task_seed": -1}}, "task.task_seed: must be greater than or equal to 0, got -1"),
    ({"task": MLP | {"task_seed": 2**32}}, "task.task_seed: must be less than 4294967296, got 4294967296"),
    ({"task": MLP | {"variant": "fixed"}}, "task.variant: must be 'linear' or 'fixed-ops', got 'fixed'"),
    (
        {"task": MLP | {"variant": "fixed-ops", "num_rules": 6}},
        "task.num_rules: must be at most 5 with variant 'fixed-ops', got 6",
    ),
    ({"task": MHA | {"search_version": 3}}, "task.search_version: must be 1 or 2, got 3"),
    ({"task": MHA | {"length": 1}}, "task.length: must be greater than or equal to 2, got 1"),
    ({"task": RNN | {"length": 0}}, "task.length: must be greater than or equal to 1, got 0"),
    ({"task": RNN | {"order": 0}}, "task.order: must be greater than or equal to 1, got 0"),
    (
        {"task": MLP | {"rule_probabilities": [0.5, 0.5]}},
        "task.rule_probabilities: must have num_rules = 4 entries, got 2",
    ),
    (
        {"task": MLP | {"rule_probabilities": [0.5, 0.5, 0.5, 0.5]}},
        "task.rule_probabilities: must sum to 1, got a sum of 2",
    ),
    (
        {"task": MLP | {"rule_probabilities": [1.5, -0.5, 0, 0]}},
        "task.rule_probabilities.1: must be greater than or equal to 0, got -0.5",
    ),
    ({"task": MLP | {"rule_probabilities": [float("nan"), 1, 0, 0]}}, "task.rule_probabilities.0: must be"),
    ({"task": MLP, "model": {"name": "modulr"}}, "unknown model 'modulr'. Did you mean 'modular'?"),
    ({"task": MLP, "model": {"scores": "jont"}}, "unknown scores 'jont'. Did you mean 'joint'?"),
    ({"task": MLP, "model": {"gates": "softmx"}}, "unknown gates 'softmx'. Did you mean 'softmax'?"),
    ({"task": MLP, "model": {"width": 3}}, "unknown model field 'width'."),
    ({"task": MLP, "model": {"name": "modular", "scores": "rule"}}, "model: give either name or scores"),
    ({"task": MLP, "model": {"num_modules": 1}}, "model.num_modules: must be at least 2 for a modular model"),
    (
        {"task": MLP, "model": {"name": "gt-modular", "num_modules": 3}},
        "gt-modular needs as many modules as rules, got 3 modules and 4 rules",
    ),
    ({"task": MLP, "model": {"name": "monolithic", "num_modules": 4}}, "a monolithic model has no modules"),
    ({"task": MLP, "model": {"scores": "none", "gates": "top-k"}}, "a monolithic model has no router"),
    ({"task": MLP, "model": {"model_width": 3}}, "model.model_width: must be at least 1 per module, got 3"),
    ({"task": MHA, "model": {"model_width": 7}}, "model.model_width: must be at least 2 per module, got 7"),
    (
        {"task": MHA, "model": {"name": "monolithic", "model_width": 7}},
        "model.model_width: must be at least 2 per rule, got 7 for 4 rules",
    ),
    ({"task": MLP, "model": {"encoder_width": 0}}, "model.encoder_width: must be greater than or equal to 1"),
    (
        {"task": MLP, "train": {"learning_rate": -0.1}},
        "train.learning_rate: must be greater than 0, got -0.1",
    ),
    ({"task": MLP, "train": {"learning_rate": 0}}, "train.learning_rate: must be greater than 0, got 0"),
    ({"task": MLP, "train": {"learning_rate": float("inf")}}, "train.learning_rate: must be a finite number"),
    ({"task": MLP, "train": {"learning_rate": "1e-4"}}, "train.learning_rate: must be a valid number"),
    ({"task": MLP, "train": {"steps": 0}}, "train.steps: must be greater than or equal to 1, got 0"),
    (
        {"task": MLP, "train": {"clip_norm": -1}},
        "train.clip_norm: must be greater than or equal to 0, got -1",
    ),
    ({"task": MLP, "train": {"batch_size": None}}, "train.batch_size: must be a valid integer, got None"),
    (
        {"task": MLP, "train": {"halve_learning_rate_at": [0]}},
        "train.halve_learning_rate_at.0: must be great",
    ),
    ({"task": MLP, "train": {"step": 3}}, "unknown train field 'step'. Did you mean 'steps'?"),
    ({"task": MLP, "evaluation": {"lengths": [1, 3]}}, "evaluation.lengths: mlp has no sequences"),
    ({"task": MHA, "evaluation": {"lengths": [1]}}, "evaluation.lengths: must be at least 2 for mha"),
    ({"task": RNN, "evaluation": {"lengths": [3, 3]}}, "evaluation.lengths: must differ from each other"),
    ({"task": RNN, "evaluation": {"lengths": "3"}}, "evaluation.lengths: must be a valid tuple, got '3'"),
    ({"task": MLP, "seed": -1}, "seed: must be greater than or equal to 0, got -1"),
    ({"task": MLP, "seed": "1"}, "seed: must be a valid integer, got '1'"),
    ({"task": MLP, "sed": 1}, "unknown field 'sed'. Did you mean 'seed'?"),
    ({"task": 3}, "task must be a table of fields, got 3"),
    ({"task": MLP, "model": "modular"}, "model must be a table of fields, got 'modular'"),
    ("mlp", "a run must be a table of fields, got str"),
    ({"task": MLP, "model": {"name": ["modular"]}}, "unknown model ['modular']."),
    ({"task": MLP, "model": {"name": {"a": 1}}}, "unknown model {'a': 1}."),
    ({"task": RNN, "model": {"model_width": 1}}, "model.model_width: must"),
    ({"task": MLP, "model": {"gate_options": {"temperature": float("nan")}}}, "model.gate_options"),
    ({"task": MLP, "model": {"gate_options": {"tempratur": 1}}}, "Did you mean 'temperature'?"),
    ({"task": MLP, "model": {"gate_options": {"temperature": 0}}}, "model.gate_options.temperature: must be"),
    ({"task": MLP, "model": {"gates": "top-k", "gate_options": {"k": 1.5}}}, "model.gate_options.k: must be"),
    (
        {"task": MLP, "model": {"gates": "top-k", "gate_options": {"k": 5}}},
        "at most the number of modules, 4",
    ),
    ({"task": MLP, "model": {"score_options": {"hidden": 3}}}, "model.score_options"),
    (
        {"task": MLP, "model": {"scores": "rule", "score_options": {"hidden": 0}}},
        "model.score_options.hidden",
    ),
    ({"task": MLP, "model": {"gates": "top-k", "gate_options": {"k": [1]}}}, "model.gate_options.k: must be"),
    ({"task": MLP, "train": {"steps": 2**31}}, "train.steps: must be"),
    (
        {"task": MLP, "train": {"learning_rate": 5e-324}},
        "train.learning_rate: must be from 1.1754944e-38 to 3.4",
    ),
    ({"task": MLP, "train": {"learning_rate": 1e-38}}, "as float32 can hold it, got 1e-38"),
    ({"task": MLP, "train": {"learning_rate": 1e39}}, "as float32 can hold it, got 1e+39"),
    ({"task": MLP, "train": {"learning_rate": 10**400}}, "train.learning_rate: must be a"),
    ({"task": MLP, "train": {"clip_norm": 1e-300}}, "train.clip_norm: must be from"),
    ({"task": MLP, "train": {"clip_norm": 3.5e38}}, "train.clip_norm: must be from"),
    ({"task": MLP | {"rule_probabilities": [1, 1e-50, 0, 0]}}, "task.rule_probabilities.1: must be from"),
    (
        {"task": MLP, "model": {"gate_options": {"temperature": 1e-300}}},
        "model.gate_options.temperature: must be from",
    ),
    (
        {"task": MLP, "model": {"gate_options": {"temperature": 1e39}}},
        "model.gate_options.temperature: must be from",
    ),
    (
        {"task": MLP, "model": {"scores": "rule", "score_options": {"hidden": 2**40}}},
        "model.score_options.hidden: must be at most 2147483647 in size as an integer, got 1099511627776",
    ),
    ({"task": MLP, "model": {"encoder_width": 2**40}}, "model.encoder_width: must be less than or equal to"),
]


@pytest.mark.parametrize(("table", "message"), BAD, ids=[message for _, message in BAD])
def test_a_wrong_specification_is_one_line(table, message):
    with pytest.raises(RequestError) as refused:
        RunSpec.parse(table)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_are_suggested_only_where_one_is_near():
    assert str(unknown("preset", "smok", ["quick", "smoke"])) == (
        "unknown preset 'smok'. Did you mean 'smoke'? Possible: quick, smoke."
    )
    assert (
        str(unknown("preset", "zzz", ["quick", "smoke"])) == "unknown preset 'zzz'. Possible: quick, smoke."
    )


@pytest.mark.parametrize("value", [2.0**-126, (2 - 2.0**-23) * 2.0**127])
def test_the_ends_of_float32_are_within(value):
    assert RunSpec.parse({"task": MLP, "train": {"learning_rate": value, "clip_norm": value}})
    options = {"gate_options": {"temperature": value}}
    assert RunSpec.parse({"task": MLP, "model": options}).model.gate_options == {"temperature": value}
