import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_joints import rows

from modbench.metrics import DistributionError, conditional, joint, joint_from_trace

RULES = [0, 0, 1, 1, 1]
GATES = [[1, 0], [0.5, 0.5], [0, 1], [0.25, 0.75], [0.25, 0.75]]


@st.composite
def traces(draw):
    N, R, M = draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rules = draw(st.lists(st.integers(0, R - 1), min_size=N, max_size=N))
    return np.array(rules), draw(rows(N, M)), R


def test_soft_gates_by_hand():
    assert joint_from_trace(RULES, GATES) == pytest.approx(np.array([[1.5, 0.5], [0.5, 2.5]]) / 5)


def test_hard_assignments_by_hand():
    assert joint_from_trace(RULES, [0, 1, 1, 1, 0], num_modules=3) == pytest.approx(
        np.array([[1, 1, 0], [1, 2, 0]]) / 5
    )


@given(traces())
def test_it_equals_a_plain_loop(trace):
    rules, gates, R = trace
    expected = np.zeros((R, gates.shape[1]))
    for rule, gate in zip(rules, gates, strict=True):
        expected[rule] += gate / len(rules)
    assert joint_from_trace(rules, gates, num_rules=R) == pytest.approx(expected, abs=1e-12)


@given(traces())
def test_hard_assignments_equal_one_hot_gates(trace):
    rules, gates, _ = trace
    M = gates.shape[1]
    chosen = gates.argmax(axis=1)
    soft = joint_from_trace(rules, np.eye(M)[chosen])
    assert joint_from_trace(rules, chosen, num_modules=M) == pytest.approx(soft, abs=1e-12)


def test_rules_can_be_weighed_equally():
    assert joint(conditional(joint_from_trace(RULES, GATES))) == pytest.approx(
        np.array([[0.75, 0.25], [1 / 6, 5 / 6]]) / 2
    )


def test_a_rule_without_samples_has_an_empty_row():
    assert joint_from_trace([0, 2], [[1, 0], [0, 1]], num_rules=4).tolist() == [
        [0.5, 0],
        [0, 0],
        [0, 0.5],
        [0, 0],
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, bool])
@pytest.mark.parametrize("labels", [np.int8, np.uint8, np.int64, np.uint64])
def test_any_precision_and_integer_type(dtype, labels):
    gates = np.eye(3)[[0, 1, 2, 2]].astype(dtype)
    J = joint_from_trace(np.array([0, 1, 1, 1], dtype=labels), gates)
    assert J.dtype == np.float64
    assert J.tolist() == [[0.25, 0, 0], [0, 0.25, 0.5]]


def test_small_label_types_do_not_overflow():
    rules = np.arange(100, dtype=np.int8)
    J = joint_from_trace(rules, rules, num_modules=100)
    assert np.array_equal(J, np.eye(100) / 100)


def test_inputs_are_left_as_they_are():
    rules, gates = np.array(RULES), np.array(GATES)
    rules.flags.writeable = gates.flags.writeable = False
    joint_from_trace(rules, gates)


@pytest.mark.parametrize(
    ("rules", "gates", "sizes", "message"),
    [
        ([0.0, 1.0], np.eye(2), {}, "rules must be an array of integers, got dtype float64"),
        ([[0, 1]], np.eye(2), {}, "rules must have shape (samples,), none of them 0, got (1, 2)"),
        (np.zeros(0, int), np.eye(2), {}, "rules must have shape (samples,), none of them 0, got (0,)"),
        ([0, -100], np.eye(2), {}, "rules must be integers from 0, got -100; leave such samples out"),
        ([0, 2], np.eye(2), {"num_rules": 2}, "rules must be below num_rules = 2, got 2"),
        ([0, 0], np.eye(2), {"num_rules": 0}, "num_rules must be a whole number of at least 1, got 0"),
        ([0, 1, 1], np.eye(2), {}, "gates must have an entry for each of the 3 rules, got 2"),
        ([0, 1, 1], [0, 1], {"num_modules": 2}, "gates must have an entry for each of the 3 rules, got 2"),
        ([0, 1], np.eye(2), {"num_modules": 3}, "num_modules must equal the 2 columns of gates, got 3"),
        ([0, 1], np.ones((2, 2, 2)), {}, "gates must have shape (samples, modules), none of them 0, got (2, 2, 2)"),
        ([0, 1], [[1, 0], [1]], {}, "gates must be an array of numbers, got a list that is none"),
        ([0, 1], [[1, 0], [np.nan, 1]], {}, "gates must be finite, got gates[1, 0] = nan"),
        ([0, 1], [[1, 0], [2, -1]], {}, "gates must be non-negative, got gates[1, 1] = -1"),
        ([0, 1], [[1, 0], [0.3, 0.3]], {}, "every row of gates must sum to 1 within 0.001, got 0.6 in row 1"),
        ([0, 1], [0, 1], {}, "num_modules must be given with hard assignments: "
                             "a module that nothing was sent to leaves no trace"),
        ([0, 1], [0, 2], {"num_modules": 2}, "gates must be below num_modules = 2, got 2"),
        ([0, 1], [0, -1], {"num_modules": 2}, "gates must be integers from 0, got -1; leave such samples out"),
        ([0, 1], [0.0, 1.0], {"num_modules": 2}, "gates must be an array of integers, got dtype float64"),
    ],
)  # fmt: skip
def test_what_it_refuses(rules, gates, sizes, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        joint_from_trace(rules, gates, **sizes)
