"""Coefficients are the paper's, number for number: NumPy's legacy generator in the stated order (PAPER section 2)."""

import numpy as np
import pytest

from modbench.core.task_spec import MhaTask, MlpTask, RnnTask
from modbench.tasks.families import make_task

CASES = [(2, 0), (4, 1), (32, 4)]


def single(array):
    return np.asarray(array, np.float32)


@pytest.mark.parametrize(("rules", "seed"), CASES)
def test_mlp_and_mha_share_alpha_and_beta(rules, seed):
    random = np.random.RandomState(seed)
    alpha, beta = single(random.randn(rules)), single(random.randn(rules))
    for make in (MlpTask, MhaTask):
        for kind in ("regression", "classification"):
            found = make_task(make(kind=kind, num_rules=rules, task_seed=seed)).coefficients()
            np.testing.assert_array_equal(found[0], alpha)
            np.testing.assert_array_equal(found[1], beta)
    version2 = make_task(MhaTask(num_rules=rules, task_seed=seed, search_version=2)).coefficients()
    np.testing.assert_array_equal(version2[0], alpha)


def test_known_numbers():
    """RandomState(0).randn starts 1.76405235, 0.40015721, 0.97873798, 2.2408932 on every platform."""
    alpha, beta = make_task(MlpTask(num_rules=2)).coefficients()
    np.testing.assert_array_equal(alpha, single([1.764052345967664, 0.4001572083672233]))
    np.testing.assert_array_equal(beta, single([0.9787379841057392, 2.240893199201458]))


@pytest.mark.parametrize(("rules", "seed"), CASES)
@pytest.mark.parametrize("order", [1, 2])
def test_rnn(rules, seed, order):
    d = 32
    random = np.random.RandomState(seed)
    A = random.randn(rules, order, d, d) / np.sqrt(order * d)
    B = random.randn(rules, d, d) / np.sqrt(d)
    w = random.randn(d, 1)
    for kind in ("regression", "classification"):
        found = make_task(RnnTask(kind=kind, num_rules=rules, task_seed=seed, order=order)).coefficients()
        np.testing.assert_array_equal(found.A, single(A))
        np.testing.assert_array_equal(found.B, single(B))
        if kind == "regression":
            assert found.w is None
        else:
            np.testing.assert_array_equal(found.w, single(w[:, 0]))


def test_another_state_width():
    random = np.random.RandomState(7)
    A = random.randn(3, 1, 5, 5) / np.sqrt(5)
    B = random.randn(3, 5, 5) / np.sqrt(5)
    found = make_task(RnnTask(num_rules=3, task_seed=7, state_width=5)).coefficients()
    np.testing.assert_array_equal(found.A, single(A))
    np.testing.assert_array_equal(found.B, single(B))


def test_more_rules_are_another_draw():
    few, _ = make_task(MlpTask(num_rules=2)).coefficients()
    many, _ = make_task(MlpTask(num_rules=4)).coefficients()
    np.testing.assert_array_equal(few, many[:2])  # alpha begins alike; beta follows all alphas
    assert (
        make_task(MlpTask(num_rules=2)).coefficients()[1][0]
        != make_task(MlpTask(num_rules=4)).coefficients()[1][0]
    )


def test_no_global_seed_has_an_effect():
    task = make_task(MlpTask(num_rules=2, task_seed=3))
    np.random.seed(0)
    first = task.coefficients()
    np.random.seed(1)
    np.testing.assert_array_equal(task.coefficients(), first)
    assert np.random.get_state()[1][0] == 1
