"""Scores times gates, in every body."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import EXAMPLES, POSITIONS, RULES, Small, examples, small, specification

from modbench.core import names
from modbench.core.errors import RequestError
from modbench.core.names import RouterOption
from modbench.models.bodies import make_model
from modbench.models.routing import (
    GATE_CLASSES,
    SCORE_CLASSES,
    Gates,
    Scores,
    register_gates,
    register_scores,
)

ARCHITECTURES = ("mlp", "mha", "rnn")
SCORES = ("joint", "rule", "input", "separate", "oracle")
GATES = {"softmax": {}, "top-k": {"gate_options": {"k": 2}}}


@pytest.fixture(autouse=True)
def strict():
    """No shape and no type is adjusted silently."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def gates_of(architecture, scores, gates="softmax", seed=0, **model):
    inputs, rule = examples(architecture, seed)
    return small(architecture, scores=scores, gates=gates, **model)(inputs, rule).gates


@pytest.mark.parametrize(
    ("architecture", "scores", "gates"), list(itertools.product(ARCHITECTURES, SCORES, GATES))
)
def test_every_router_works_in_every_body(architecture, scores, gates):
    inputs, rule = examples(architecture)
    output = small(architecture, scores=scores, gates=gates, **GATES[gates])(inputs, rule)
    shape = rule.shape + ((4,) if architecture == "rnn" else ())
    assert output.prediction.shape == shape
    assert np.isfinite(output.prediction).all()
    assert output.gates.shape == (*rule.shape, RULES)
    assert (output.gates >= 0).all()
    np.testing.assert_allclose(output.gates.sum(axis=-1), 1, rtol=1e-6)
    if gates == "top-k":
        used = 1 if scores == "oracle" else 2
        np.testing.assert_array_equal(np.count_nonzero(output.gates, axis=-1), used)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_monolithic_model_has_no_gates(architecture):
    output = small(architecture, name="monolithic")(*examples(architecture))
    assert output.gates is None
    assert np.isfinite(output.prediction).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_classifier_gives_one_number_per_label(architecture):
    inputs, rule = examples(architecture)
    model = Small(specification(architecture, "classification", name="gt-modular"))
    assert model(inputs, rule).prediction.shape == rule.shape


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("gates", GATES)
def test_oracle_gates_are_the_rule(architecture, gates):
    _, rule = examples(architecture)
    found = gates_of(architecture, "oracle", gates, **GATES[gates])
    np.testing.assert_array_equal(found, np.eye(RULES)[np.asarray(rule)])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rule_gates_depend_on_the_rule_alone(architecture):
    _, rule = examples(architecture)
    wide = {"score_options": {"hidden": 16}}  # so that not all hidden units start dead
    found, other = (gates_of(architecture, "rule", seed=seed, **wide) for seed in (0, 1))
    np.testing.assert_array_equal(found, other)
    table = np.stack([np.asarray(found)[np.asarray(rule) == r][0] for r in range(RULES)])
    np.testing.assert_allclose(found, table[np.asarray(rule)], rtol=1e-6)
    assert np.ptp(table, axis=0).max() > 1e-4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_input_gates_do_not_depend_on_the_rule(architecture):
    inputs, rule = examples(architecture)
    model = small(architecture, scores="input", gates="softmax")
    found = model(inputs, rule).gates
    np.testing.assert_array_equal(found, model(inputs, (rule + 1) % RULES).gates)
    assert np.ptp(np.asarray(found), axis=0).max() > 1e-4


@pytest.mark.parametrize(
    ("architecture", "scores"), list(itertools.product(ARCHITECTURES, ("joint", "separate")))
)
def test_scores_of_the_modules_depend_on_input_and_rule(architecture, scores):
    inputs, rule = examples(architecture)
    model = small(architecture, scores=scores, gates="softmax")
    found = model(inputs, rule).gates
    assert np.abs(found - model(examples(architecture, 1)[0], rule).gates).max() > 1e-4
    assert np.abs(found - model(inputs, (rule + 1) % RULES).gates).max() > 1e-4


def first(architecture, gates):
    """The gates that do not depend on how earlier steps were mixed."""
    return gates[:, 0] if architecture == "rnn" else gates


@pytest.mark.parametrize(
    ("architecture", "scores"), list(itertools.product(ARCHITECTURES, ("joint", "rule")))
)
def test_top_k_keeps_the_largest_gates_of_the_softmax(architecture, scores):
    soft = np.asarray(first(architecture, gates_of(architecture, scores)))
    hard = first(architecture, gates_of(architecture, scores, "top-k", gate_options={"k": 2}))
    kept = soft >= np.sort(soft, axis=-1)[..., [-2]]
    expected = np.where(kept, soft, 0)
    np.testing.assert_allclose(hard, expected / expected.sum(axis=-1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_best_of_top_k_is_top_1_and_all_of_it_the_softmax(architecture):
    soft = np.asarray(gates_of(architecture, "rule"))
    np.testing.assert_array_equal(
        gates_of(architecture, "rule", "top-k"), np.eye(RULES)[soft.argmax(axis=-1)]
    )
    everything = gates_of(architecture, "rule", "top-k", gate_options={"k": RULES})
    np.testing.assert_allclose(everything, soft, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 3])
def test_temperature(temperature):
    """softmax(s / t) is proportional to softmax(s) ** (1 / t)."""
    soft = np.asarray(gates_of("mlp", "joint"))
    expected = soft ** (1 / temperature)
    found = gates_of("mlp", "joint", gate_options={"temperature": temperature})
    np.testing.assert_allclose(found, expected / expected.sum(axis=-1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(("architecture", "modules"), list(itertools.product(ARCHITECTURES, (2, 5))))
def test_modules_need_not_be_as_many_as_rules(architecture, modules):
    for scores in ("joint", "rule"):
        found = gates_of(architecture, scores, num_modules=modules)
        assert found.shape[-1] == modules
        np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)


def test_the_whole_separate_model_one_example_at_a_time():
    """The MLP with one shared scorer on [module output, raw input] (PAPER section 3), in loops."""
    model = make_model(np.random.default_rng(0), specification("mlp", name="modular-separate"))
    inputs, rule = examples("mlp")
    found = small("mlp", name="modular-separate")(inputs, rule)

    def two(layers, x):
        hidden = np.maximum(x @ layers.first.weight + layers.first.bias, 0)
        return hidden @ layers.second.weight + layers.second.bias

    for b in range(EXAMPLES):
        (x1, x2), code = np.asarray(inputs[b]), np.eye(RULES, dtype=np.float32)[rule[b]]
        ends = model.ends
        encoded = np.concatenate(
            [
                two(ends.encode_number, np.array([x1])),
                two(ends.encode_number, np.array([x2])),
                two(ends.encode_rule, code),
            ]
        )
        outputs, scores = [], []
        for m in range(RULES):
            hidden = np.maximum(encoded @ model.hidden.weight[:, m] + model.hidden.bias[m], 0)
            outputs.append(hidden @ model.out.weight[m] + model.out.bias[m])
            scores.append(two(model.router.scores.layer, np.concatenate([outputs[m], [x1, x2], code]))[0])
        gates = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found.gates[b], gates, rtol=1e-4)
        mixed = sum(gate * output for gate, output in zip(gates, outputs, strict=True))
        np.testing.assert_allclose(found.prediction[b], two(ends.decode, mixed)[0], rtol=1e-4, atol=1e-6)


BAD_OPTIONS = [
    ({"gate_options": {"temperature": 0}}, "temperature"),
    ({"gate_options": {"temperature": -1.5}}, "got -1.5"),
    ({"gate_options": {"temperature": "hot"}}, "temperature"),
    ({"gate_options": {"tempratur": 1}}, "tempratur"),
    ({"gates": "top-k", "gate_options": {"k": 0}}, "k"),
    ({"gates": "top-k", "gate_options": {"k": 1.5}}, "got 1.5"),
    ({"gates": "top-k", "gate_options": {"k": "2"}}, "k"),
    ({"gates": "top-k", "gate_options": {"temperature": 2}}, "temperature"),
    ({"scores": "joint", "score_options": {"hidden": 3}}, "hidden"),
    ({"scores": "rule", "score_options": {"hidden": 0}}, "hidden"),
    ({"scores": "input", "score_options": {"hidden": -2}}, "got -2"),
    ({"scores": "input", "score_options": {"hidden": 1.5}}, "hidden"),
    ({"scores": "input", "score_options": {"hidden": "many"}}, "hidden"),
    ({"scores": "rule", "score_options": {"hiden": 3}}, "hiden"),
    ({"scores": "oracle", "score_options": {"hidden": 3}}, "hidden"),
]


@pytest.mark.parametrize(("model", "message"), BAD_OPTIONS, ids=[str(model) for model, _ in BAD_OPTIONS])
def test_a_wrong_option_is_one_line(model, message):
    with pytest.raises(RequestError) as refused:
        make_model(np.random.default_rng(0), specification("mlp", **model))
    assert message in str(refused.value)
    assert "model." in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("architecture", "scores"),
    [*itertools.product(ARCHITECTURES, ["input"]), ("mha", "rule"), ("rnn", "rule")],
)
def test_hidden_units_as_left_out_are_left_out(architecture, scores):
    """What a specification takes for the default of `hidden` is what the body makes without the option."""
    plain = make_model(np.random.default_rng(0), specification(architecture, scores=scores))
    hidden = plain.router.scores.layer.first.weight.shape[-1]
    for units, options in ((hidden, {}), (hidden + 1, {"hidden": hidden + 1})):
        spec = specification(architecture, scores=scores, score_options={"hidden": units})
        assert spec.model.score_options == options


def test_options_are_declared_as_the_vocabulary_has_them():
    for name, options in names.GATE_OPTIONS.items():
        assert names.OWN_GATE_OPTIONS[name] == options


def test_a_router_of_ones_own_declares_its_options(monkeypatch):
    for table in (names.GATES, names.SCORES, GATE_CLASSES, SCORE_CLASSES):
        monkeypatch.setitem(table, "own", None)
    monkeypatch.setitem(names.OWN_GATE_OPTIONS, "own", None)
    monkeypatch.setitem(names.OWN_SCORE_OPTIONS, "own", None)

    @register_gates("own", "for this test")
    class OwnGates(Gates):
        open: float
        sharp: float = eqx.field(static=True, default=2)
        late: "float" = 0.5
        flag: bool = eqx.field(static=True, default=False)
        places: int = 3

        def __call__(self, scores, key):
            return scores

    @register_scores("own", "for this test")
    class OwnScores(Scores):
        @classmethod
        def create(cls, random, sizes, units: int = 4, scale: float = 1, mask: object = None):
            return cls()

        def __call__(self, seen):
            return seen.rule_code

    assert names.OWN_GATE_OPTIONS["own"] == {
        "open": RouterOption(float),
        "sharp": RouterOption(float, 2.0),
        "late": RouterOption(float, 0.5),
        "flag": RouterOption(bool, False),
        "places": RouterOption(int, 3),
    }
    assert names.OWN_SCORE_OPTIONS["own"] == {
        "units": RouterOption(int, 4),
        "scale": RouterOption(float, 1.0),
    }
    spelled = {"gate_options": {"sharp": 2, "open": 1}, "score_options": {"scale": 1, "units": 5}}
    spec = specification("mlp", scores="own", gates="own", **spelled)
    assert (spec.model.gate_options, spec.model.score_options) == ({"open": 1.0}, {"units": 5})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_more_selected_than_there_are_modules(architecture):
    with pytest.raises(RequestError, match=r"model\.gate_options\.k: must be at most .* 3, got 4"):
        small(architecture, gates="top-k", gate_options={"k": RULES + 1})(*examples(architecture))


def test_positions_are_routed_one_by_one():
    assert gates_of("mha", "joint").shape == (EXAMPLES, POSITIONS, RULES)
    assert jnp.ptp(gates_of("mha", "joint"), axis=1).max() > 1e-4
