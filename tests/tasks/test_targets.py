"""Targets and labels against a slow restatement of the paper's equations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_rules

from modbench.core.task_spec import MhaTask, MlpTask, RnnTask
from modbench.tasks.families import make_task

KEY = jax.random.key(5)


@functools.cache
def program(spec, size, length):
    task = make_task(spec)
    return jax.jit(lambda known, scale: task.batch(known, *task.draw(KEY, size, length), scale))


def batch_of(spec, size=16, length=5, scale=1.0):
    coefficients = make_task(spec).coefficients()
    return coefficients, program(spec, size, length)(coefficients, jnp.float32(scale))


def numpy(batch):
    return np.float64(batch.inputs), np.asarray(batch.rule), np.asarray(batch.target)


def slow_target(spec, coefficients, inputs, rule):
    match spec:
        case MlpTask():
            return slow_rules.mlp(spec.variant, coefficients, inputs, rule)
        case MhaTask():
            return slow_rules.mha(spec.variant, spec.search_version, coefficients, inputs, rule)
        case _:
            return slow_rules.rnn(coefficients, inputs, rule)


SPECS = [
    MlpTask(num_rules=3),
    MlpTask(num_rules=5, variant="fixed-ops"),
    MhaTask(num_rules=3),
    MhaTask(num_rules=3, search_version=2),
    MhaTask(num_rules=5, variant="fixed-ops"),
    MhaTask(num_rules=4, search_version=2, variant="fixed-ops"),
    RnnTask(num_rules=3, state_width=4),
    RnnTask(num_rules=3, state_width=4, order=2),
    RnnTask(num_rules=2, state_width=3, order=3),
]


def name(spec):
    return "-".join(
        str(v)
        for k, v in spec.model_dump().items()
        if k in ("architecture", "variant", "search_version", "order")
    )


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_regression_targets(spec):
    coefficients, batch = batch_of(spec)
    inputs, rule, target = numpy(batch)
    assert len(set(rule.ravel().tolist())) == spec.num_rules
    np.testing.assert_allclose(target, slow_target(spec, coefficients, inputs, rule), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_labels_are_the_signs_of_the_regression_targets(spec):
    labelled = type(spec)(**spec.model_dump() | {"kind": "classification"})
    coefficients, batch = batch_of(labelled)
    inputs, rule, target = numpy(batch)
    number = slow_target(spec, coefficients, inputs, rule)
    if isinstance(spec, RnnTask):
        number = number @ np.float64(coefficients.w)
    clear = np.abs(number) > 1e-4
    np.testing.assert_array_equal(target[clear], (number >= 0)[clear])
    assert clear.mean() > 0.95
    assert set(target.ravel().tolist()) == {0.0, 1.0}
    assert batch.target.dtype == jnp.float32


def test_zero_is_labelled_one():
    task = make_task(MlpTask(kind="classification", num_rules=2))
    batch = task.batch(task.coefficients(), jnp.zeros((2, 2)), jnp.array([0, 1]))
    assert batch.target.tolist() == [1.0, 1.0]


def test_the_mlp_docstring_example():
    task = make_task(MlpTask(num_rules=2))
    coefficients = (jnp.array([1.0, -1.0]), jnp.array([2.0, 0.0]))
    inputs = jnp.array([[3.0, 0.5], [3.0, 0.5]])
    assert task.target(coefficients, inputs, jnp.array([0, 1])).tolist() == [4.0, -3.0]


@pytest.mark.parametrize(("rule", "target"), [(0, 3.5), (1, 2.5), (2, 1.5), (3, 0.5), (4, 3.0)])
def test_fixed_operations_by_hand(rule, target):
    task = make_task(MlpTask(num_rules=5, variant="fixed-ops"))
    found = task.target(task.coefficients(), jnp.array([[3.0, 0.5]]), jnp.array([rule]))
    assert found.tolist() == [target]


def test_the_mha_docstring_example():
    """Token 0 retrieves v = 2 and v' = 30. Token 1: v = 1 and v' = 30. Token 2: v = 2 and v' = 10."""
    tokens = jnp.array([[[0.0, 5, 1, 10], [1, 9, 2, 20], [3, 6, 3, 30]]])
    tokens = jnp.concatenate([tokens, jnp.full_like(tokens, 7)], axis=-1)  # a second rule, never chosen
    task = make_task(MhaTask(num_rules=2))
    coefficients = (jnp.array([1.0, 0.0]), jnp.array([0.01, 0.0]))
    found = task.target(coefficients, tokens, jnp.zeros((1, 3), int))
    np.testing.assert_allclose(found, [[2.30, 1.30, 2.10]], rtol=1e-6)


def test_version_2_by_hand():
    """Nearest is the largest dot product; 0.6, 0.8 is nearer to 1, 0 than -1, 0 is."""
    tokens = jnp.array([[[1.0, 0, 0, 1, 1, 10], [0.6, 0.8, 0, -1, 2, 20], [-1, 0, 0.6, 0.8, 3, 30]]])
    tokens = jnp.concatenate([tokens, jnp.full_like(tokens, 7)], axis=-1)
    task = make_task(MhaTask(num_rules=2, search_version=2))
    coefficients = (jnp.array([1.0, 0.0]), jnp.array([0.01, 0.0]))
    found = task.target(coefficients, tokens, jnp.zeros((1, 3), int))
    # q: 0 <-> 1, 2 -> 1 (-0.6 against -1); q': 0 <-> 2, 1 -> 2 (-0.8 against -1).
    np.testing.assert_allclose(found, [[2.30, 1.30, 2.10]], rtol=1e-6)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("length", [2, 3])
def test_a_mask_is_a_shorter_sequence(version, length):
    spec = MhaTask(num_rules=3, search_version=version)
    task = make_task(spec)
    inputs, rule = task.draw(KEY, 8, 5)
    masked = task.target(task.coefficients(), inputs, rule, jnp.int32(length))
    short = slow_target(
        spec, task.coefficients(), np.float64(inputs[:, :length]), np.asarray(rule[:, :length])
    )
    np.testing.assert_allclose(masked[:, :length], short, rtol=1e-4, atol=1e-5)
    whole = task.target(task.coefficients(), inputs, rule)
    assert not np.array_equal(masked[:, :length], whole[:, :length])
    np.testing.assert_array_equal(task.target(task.coefficients(), inputs, rule, jnp.int32(5)), whole)


def test_rnn_states_know_no_later_step():
    task = make_task(RnnTask(num_rules=3, state_width=4))
    assert task.causal
    assert not make_task(MhaTask(num_rules=2)).causal
    inputs, rule = task.draw(KEY, 3, 6)
    whole = task.target(task.coefficients(), inputs, rule)
    short = task.target(task.coefficients(), inputs[:, :4], rule[:, :4])
    np.testing.assert_allclose(whole[:, :4], short, rtol=1e-5)
    np.testing.assert_array_equal(task.target(task.coefficients(), inputs, rule, jnp.int32(4)), whole)


def test_states_neither_die_nor_explode():
    """At n = 30 and d = 32 their standard deviation is 3 to 6 (PAPER section 7, item 14)."""
    deviations = []
    for seed in range(5):
        _, batch = batch_of(RnnTask(num_rules=8, task_seed=seed), 64, 30)
        deviations.append(float(batch.target[:, -1].std()))
    assert 3 < np.mean(deviations) < 6


@pytest.mark.parametrize("spec", [s for s in SPECS if getattr(s, "variant", "linear") == "linear"], ids=name)
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_scaling_doubles_every_target_and_changes_no_label(spec, kind):
    """Exactly: a factor of two changes no rounding (PAPER section 7, item 11). The searches stay as they are."""
    spec = type(spec)(**spec.model_dump() | {"kind": kind})
    _, once = batch_of(spec)
    _, twice = batch_of(spec, scale=2.0)
    np.testing.assert_array_equal(twice.inputs, 2 * once.inputs)
    np.testing.assert_array_equal(twice.rule, once.rule)
    factor = 2 if kind == "regression" else 1
    np.testing.assert_array_equal(twice.target, factor * once.target)


def test_scaled_products_follow_the_scaled_inputs():
    """Fixed operations recompute targets from the doubled features: a product grows fourfold."""
    _, once = batch_of(SPECS[1])
    _, twice = batch_of(SPECS[1], scale=2.0)
    factor = np.where(np.asarray(once.rule) == 2, 4, 2)
    np.testing.assert_array_equal(twice.target, factor * np.asarray(once.target))
