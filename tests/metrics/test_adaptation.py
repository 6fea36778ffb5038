import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_joints import rows

from modbench.metrics import DistributionError, adaptation, dirichlet_rule_distributions


@st.composite
def pairs(draw):
    S = draw(st.integers(1, 3))
    R, M = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return draw(rows(S, R)), draw(rows(S, M))


def slow_adaptation(P, Q):
    total = 0.0
    for p, q in zip(P.tolist(), Q.tolist(), strict=True):
        p, q = sorted(p, reverse=True), sorted(q, reverse=True)
        length = max(len(p), len(q))
        p, q = p + [0.0] * (length - len(p)), q + [0.0] * (length - len(q))
        total += sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
    return total / len(P)


@given(pairs())
def test_it_equals_a_plain_loop(pair):
    value = adaptation(*pair)
    assert value == pytest.approx(slow_adaptation(*pair), abs=1e-12)
    assert 0 <= value <= 1


@given(pairs())
def test_neither_the_order_of_rules_nor_of_modules_matters_and_inputs_stay(pair):
    P, Q = pair
    value = adaptation(P, Q)
    P.flags.writeable = Q.flags.writeable = False
    assert adaptation(P[:, ::-1], np.roll(Q, 1, axis=1)) == pytest.approx(value, abs=1e-12)
    assert adaptation(Q, P) == pytest.approx(value, abs=1e-12)


def test_by_hand():
    # Sorted: .7 .2 .1 against .5 .3 .2, differences .2 .1 .1; and a perfect pair. (.2 + 0) / 2.
    P = [[0.2, 0.1, 0.7], [0.5, 0.5, 0]]
    Q = [[0.3, 0.5, 0.2], [0, 0.5, 0.5]]
    assert adaptation(P, Q) == pytest.approx(0.1)


def test_the_shorter_is_padded_with_zeros():
    # Sorted: .6 .4 0 against .5 .3 .2.
    assert adaptation([[0.4, 0.6]], [[0.3, 0.5, 0.2]]) == pytest.approx((0.1 + 0.1 + 0.2) / 2)
    assert adaptation([[0.3, 0.5, 0.2]], [[0.4, 0.6]]) == pytest.approx((0.1 + 0.1 + 0.2) / 2)


def test_more_modules_than_rules_may_stay_unused():
    assert adaptation([[0.3, 0.7]], [[0.0, 0.7, 0.0, 0.3]]) == pytest.approx(0)


def test_a_single_module_for_everything():
    assert adaptation([[0.25, 0.25, 0.25, 0.25]], [[1, 0, 0, 0]]) == pytest.approx(0.75)


def test_the_rule_distributions_are_the_papers():
    P = dirichlet_rule_distributions(4)
    assert P.shape == (100, 4)
    assert P[7].tolist() == np.random.RandomState(7).dirichlet(np.ones(4)).tolist()
    assert P.sum(axis=1) == pytest.approx(np.ones(100))
    # Known digits of NumPy's legacy generator, which is frozen: -log(1 - u) of RandomState(0), normalised.
    u = np.array([0.5488135039273248, 0.7151893663724195])
    assert dirichlet_rule_distributions(2, 1)[0] == pytest.approx(
        -np.log1p(-u) / -np.log1p(-u).sum(), rel=1e-12
    )


def test_the_rule_distributions_leave_the_global_generator_alone():
    np.random.seed(3)
    expected = np.random.RandomState(3).rand()
    dirichlet_rule_distributions(2, 5)
    assert np.random.rand() == expected


@pytest.mark.parametrize(
    ("P", "Q", "message"),
    [
        (np.eye(2), np.eye(3), "module_distributions must have a row for each of the 2 rows of rule_distributions, "
                               "got 3"),
        ([0.5, 0.5], [0.5, 0.5], "rule_distributions must have shape (distributions, rules), none of them 0, got (2,)"),
        (np.eye(2), 2 * np.eye(2), "every row of module_distributions must sum to 1 within 0.001, got 2 in row 0"),
        ([[1.5, -0.5]], [[1, 0]], "rule_distributions must be non-negative, got rule_distributions[0, 1] = -0.5"),
        ([[1, 0]], [[np.nan, 0]], "module_distributions must be finite, got module_distributions[0, 0] = nan"),
    ],
)  # fmt: skip
def test_what_it_refuses(P, Q, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        adaptation(P, Q)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "num_rules must be a whole number of at least 1, got 0"),
        ((2.0,), "num_rules must be a whole number of at least 1, got 2.0"),
        ((2, 0), "count must be a whole number of at least 1, got 0"),
        ((2, "3"), "count must be a whole number of at least 1, got '3'"),
    ],
)
def test_what_the_rule_distributions_refuse(arguments, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        dirichlet_rule_distributions(*arguments)
