"""Inputs and rules: their distributions, and that they depend on nothing but key, size, length and rules."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modbench.core.task_spec import MhaTask, MlpTask, RnnTask
from modbench.tasks.families import make_task

KEY = jax.random.key(11)
SPECS = {
    "mlp": MlpTask(num_rules=4),
    "mha": MhaTask(num_rules=4),
    "mha2": MhaTask(num_rules=4, search_version=2),
    "rnn": RnnTask(num_rules=4),
}


def draw(spec, size, length, probabilities=None):
    program = jax.jit(lambda key, p: make_task(spec).draw(key, size, length, p))
    return jax.device_get(program(KEY, probabilities))


@functools.cache
def many(name):
    """A draw large enough to look at distributions."""
    return draw(SPECS[name], 4000, 5)


@pytest.mark.parametrize(
    ("name", "shape"), [("mlp", (2,)), ("mha", (5, 16)), ("mha2", (5, 24)), ("rnn", (5, 32))]
)
def test_shapes_and_types(name, shape):
    inputs, rule = many(name)
    assert inputs.shape == (4000, *shape)
    assert rule.shape == (4000, *shape[:-1])
    assert (inputs.dtype, rule.dtype) == (np.float32, np.int32)
    task = make_task(SPECS[name])
    complete = jax.eval_shape(task.batch, task.coefficients(), inputs[:3], rule[:3])
    assert complete.target.shape == ((3, 5, 32) if name == "rnn" else (3, *shape[:-1]))


@pytest.mark.parametrize("name", ["mlp", "mha", "rnn"])
def test_inputs_are_standard_normal(name):
    """Moments and quantiles within five standard errors, feature by feature and pair by pair."""
    inputs, _ = many(name)
    x = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64)
    error = 5 / math.sqrt(len(x))
    assert np.abs(x.mean(axis=0)).max() < error
    assert np.abs((x**2).mean(axis=0) - 1).max() < error * math.sqrt(2)
    assert np.abs((x**3).mean(axis=0)).max() < error * math.sqrt(15)
    assert np.abs((x**4).mean(axis=0) - 3).max() < error * math.sqrt(96)
    correlation = x.T @ x / len(x)
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < error
    for quantile, z in ((0.1, -1.2816), (0.5, 0.0), (0.975, 1.96)):
        assert abs((x < z).mean() - quantile) < 5 * math.sqrt(quantile * (1 - quantile) / x.size)
    assert np.abs(x).max() < 7


def test_queries_of_version_2_are_unit_vectors_in_every_direction():
    inputs, _ = many("mha2")
    blocks = inputs.reshape(-1, 6).astype(np.float64)
    queries, values = blocks[:, :4].reshape(-1, 2, 2), blocks[:, 4:]
    np.testing.assert_allclose(np.linalg.norm(queries, axis=-1), 1, rtol=1e-6)
    error = 5 / math.sqrt(len(blocks))
    assert np.abs(queries.mean(axis=0)).max() < error
    angles = np.arctan2(queries[..., 1], queries[..., 0])
    octants = np.floor(angles / (math.pi / 4)).astype(int) % 8
    for search in (0, 1):
        share = np.bincount(octants[:, search], minlength=8) / len(blocks)
        assert np.abs(share - 1 / 8).max() < error
    assert np.abs(values.mean(axis=0)).max() < error
    assert np.abs((values**2).mean(axis=0) - 1).max() < error * math.sqrt(2)


def chi_square(rule, probabilities):
    """Pearson's statistic over the rules that can occur; the others must not."""
    count = np.bincount(rule.ravel(), minlength=len(probabilities))
    assert len(count) == len(probabilities)
    expected = rule.size * np.asarray(probabilities)
    possible = expected > 0
    assert count[~possible].sum() == 0
    return float(((count[possible] - expected[possible]) ** 2 / expected[possible]).sum())


# 99.99 % of the distribution lies below, for R - 1 degrees of freedom: fixed keys, so it passes always or never.
BOUND = {2: 15.2, 3: 18.5, 4: 21.2, 5: 23.6, 7: 27.9}


@pytest.mark.parametrize("name", SPECS)
def test_rules_are_uniform(name):
    _, rule = many(name)
    assert chi_square(rule, [0.25] * 4) < BOUND[4]


@pytest.mark.parametrize("rules", [2, 3, 5, 7])
def test_any_number_of_rules_is_uniform(rules):
    _, rule = draw(MlpTask(num_rules=rules), 20_000, 1)
    assert chi_square(rule, [1 / rules] * rules) < BOUND[rules]


@pytest.mark.parametrize(
    "probabilities",
    [[0.7, 0.1, 0.1, 0.1], [0.0, 0.5, 0.0, 0.5], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.25] * 4],
    ids=str,
)
@pytest.mark.parametrize("name", ["mlp", "mha"])
def test_rules_follow_given_probabilities(name, probabilities):
    inputs, rule = draw(SPECS[name], 4000, 5, jnp.asarray(probabilities))
    assert chi_square(rule, probabilities) < BOUND[4]
    np.testing.assert_array_equal(inputs, many(name)[0])  # the same inputs, whatever the rules


def test_rules_and_inputs_are_independent():
    inputs, rule = many("mlp")
    for r in range(4):
        chosen = inputs[rule == r].astype(np.float64)
        assert np.abs(chosen.mean(axis=0)).max() < 5 / math.sqrt(len(chosen))


def test_neighbouring_positions_have_independent_rules():
    _, rule = many("rnn")
    pairs = 4 * rule[:, :-1] + rule[:, 1:]
    assert chi_square(pairs, [1 / 16] * 16) < 44.3  # 99.99 %, 15 degrees of freedom


@pytest.mark.parametrize("name", SPECS)
def test_draws_are_equal_alone_and_mapped(name):
    task = make_task(SPECS[name])
    keys = jax.random.split(KEY, 3)
    inputs, rule = jax.jit(jax.vmap(lambda key: task.draw(key, 4, 3)))(keys)
    for i, key in enumerate(keys):
        alone = jax.jit(lambda key: task.draw(key, 4, 3))(key)
        np.testing.assert_array_equal(rule[i], alone[1])
        np.testing.assert_array_equal(inputs[i], alone[0])


@pytest.mark.parametrize("name", SPECS)
def test_draws_do_not_depend_on_task_seed_or_kind(name):
    first = many(name)
    other = SPECS[name].model_copy(update={"task_seed": 3, "kind": "classification"})
    inputs, rule = draw(other, 4000, 5)
    np.testing.assert_array_equal(inputs, first[0])
    np.testing.assert_array_equal(rule, first[1])


def test_other_keys_are_other_draws():
    task = make_task(SPECS["mlp"])
    first, second = (np.asarray(task.draw(jax.random.key(k), 1000, 1)[0]) for k in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / math.sqrt(2000)
