import re

import numpy as np
import pytest
from hypothesis import given
from random_joints import activations, joints

from modbench.metrics import DistributionError, conditional, joint, routing_metrics


def says(message):
    return pytest.raises(DistributionError, match=f"^{re.escape(message)}$")


def test_joint_weighs_rules_equally_by_default():
    assert joint([[1, 0], [0.5, 0.5]]).tolist() == [[0.5, 0], [0.25, 0.25]]


def test_joint_weighs_rules_as_told():
    assert joint([[1, 0], [0.5, 0.5]], [0.2, 0.8]) == pytest.approx(np.array([[0.2, 0], [0.4, 0.4]]))


def test_a_rule_may_have_probability_zero():
    assert joint([[1, 0], [0, 1]], [1, 0]).tolist() == [[1, 0], [0, 0]]


def test_rectangular_and_boolean_matrices():
    assert joint(np.array([[True, False, False], [False, False, True]])).tolist() == [
        [0.5, 0, 0],
        [0, 0, 0.5],
    ]


@given(activations())
def test_conditional_is_the_inverse_of_joint(A):
    p = np.arange(1, len(A) + 1) / np.arange(1, len(A) + 1).sum()
    assert conditional(joint(A, p)) == pytest.approx(A)
    assert conditional(joint(A)) == pytest.approx(A)


@given(joints())
def test_a_joint_has_the_marginal_of_its_rules(J):
    if J.sum(axis=1).all():
        p = J.sum(axis=1)
        assert joint(conditional(J), p / p.sum()) == pytest.approx(J)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_matrices_of_lower_precision_are_accepted_and_brought_to_sum_one(dtype):
    A = np.random.default_rng(0).dirichlet(np.ones(32), 32).astype(dtype)
    J = joint(A)
    assert J.dtype == np.float64
    assert J.sum(axis=1) == pytest.approx(np.full(32, 1 / 32), abs=1e-15)


def test_sums_are_accepted_within_a_thousandth():
    assert joint([[0.4995, 0.5], [0.5, 0.5]]).sum() == pytest.approx(1, abs=1e-15)
    with says("every row of A must sum to 1 within 0.001, got 0.998 in row 0"):
        joint([[0.498, 0.5], [0.5, 0.5]])


def test_inputs_are_left_as_they_are():
    A, p = np.array([[0.4995, 0.5], [1, 0]]), np.array([0.5, 0.4995])
    A.flags.writeable = p.flags.writeable = False
    J = joint(A, p)
    J.flags.writeable = False
    conditional(J)
    routing_metrics(J)


def test_the_result_is_no_view_of_the_input():
    A = np.eye(2)
    joint(A)[:] = 7
    conditional(A / 2)[:] = 7
    assert A.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("A", "message"),
    [
        ("ab", "A must be an array of real numbers, got dtype <U2"),
        (None, "A must be an array of real numbers, got dtype object; "
               "None, missing values, text and sparse matrices are no numbers"),
        ([[1j, 0], [0, 1]], "A must be an array of real numbers, got dtype complex128"),
        ([[1, 0], [1]], "A must be an array of numbers, got a list that is none: setting an array element with a "
                        "sequence. The requested array has an inhomogeneous shape after 1 dimensions. The detected "
                        "shape was (2,) + inhomogeneous part."),
        ([0.5, 0.5], "A must have shape (rules, modules), none of them 0, got (2,)"),
        (np.ones((2, 2, 2)), "A must have shape (rules, modules), none of them 0, got (2, 2, 2)"),
        (np.ones((0, 3)), "A must have shape (rules, modules), none of them 0, got (0, 3)"),
        ([[1, 0], [np.nan, 1]], "A must be finite, got A[1, 0] = nan"),
        ([[1, 0], [1, np.inf]], "A must be finite, got A[1, 1] = inf"),
        ([[1, 0], [1, -np.inf]], "A must be finite, got A[1, 1] = -inf"),
        ([[1.5, -0.5], [0, 1]], "A must be non-negative, got A[0, 1] = -0.5"),
        ([[1, 0], [0.5, 0.4]], "every row of A must sum to 1 within 0.001, got 0.9 in row 1"),
        ([[1, 0], [0, 0]], "every row of A must sum to 1 within 0.001, got 0 in row 1"),
    ],
)  # fmt: skip
def test_what_joint_refuses(A, message):
    with says(message):
        joint(A)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([1.0], "rule_probabilities must have a number for each of the 2 rows of A, got 1"),
        ([0.5, 0.6], "rule_probabilities must sum to 1 within 0.001, got 1.1"),
        ([1.5, -0.5], "rule_probabilities must be non-negative, got rule_probabilities[1] = -0.5"),
        ([[0.5, 0.5]], "rule_probabilities must have shape (rules,), none of them 0, got (1, 2)"),
    ],
)
def test_what_joint_refuses_as_rule_probabilities(p, message):
    with says(message):
        joint(np.eye(2), p)


@pytest.mark.parametrize(
    ("J", "message"),
    [
        ([[0.5, 0.6], [0, 0]], "J must sum to 1 within 0.001, got 1.1"),
        (np.eye(4), "J must sum to 1 within 0.001, got 4; joint(A) makes J from rows p(module | rule)"),
        ([[0.5, 0.5], [-0.1, 0.1]], "J must be non-negative, got J[1, 0] = -0.1"),
        ([[0.5, 0.5], [0, np.nan]], "J must be finite, got J[1, 1] = nan"),
        ([0.5, 0.5], "J must have shape (rules, modules), none of them 0, got (2,)"),
    ],
)
@pytest.mark.parametrize("function", [conditional, routing_metrics])
def test_what_is_no_joint_distribution(function, J, message):
    with says(message):
        function(J)


def test_conditional_names_a_rule_that_never_occurs():
    with says("every rule must occur for p(module | rule) to exist, got p(rule 1) = 0"):
        conditional([[0.5, 0.1], [0, 0], [0.2, 0.2]])


def test_the_error_is_a_value_error():
    assert issubclass(DistributionError, ValueError)
