import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_joints import rows

from modbench.metrics import DistributionError, conditional, joint, joint_from_topk, joint_from_trace

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
    assert joint_from_trace([0, 2], [[1.0, 0], [0, 1]], num_rules=4).tolist() == [
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
        ([0, 1], [[1, 0], [1]], {}, "gates must be an array of numbers, got a list that is none: setting an array "
                                    "element with a sequence. The requested array has an inhomogeneous shape after 1 "
                                    "dimensions. The detected shape was (2,) + inhomogeneous part."),
        ([0, 1], [[1, 0], [np.nan, 1]], {}, "gates must be finite, got gates[1, 0] = nan"),
        ([0, 1], [[1, 0], [1.5, -0.5]], {}, "gates must be non-negative, got gates[1, 1] = -0.5"),
        ([0, 1], np.array([[1, 0, 0], [0, 0, 0]]), {}, "every row of gates must sum to 1 within 0.001, got 0 in row 1"),
        ([0, 1], np.array([[1.0, 0], [0, 0]]), {}, "every row of gates must sum to 1 within 0.001, got 0 in row 1"),
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


# --- a top-k router's indices, handed over as gates

CHOSEN = {
    "two experts of eight": [[0, 1], [1, 0], [0, 1]],
    "any experts": [[0, 3], [1, 2], [4, 1]],
    "top-1": [[0], [3], [1]],
    "top-1, always the same": [[1], [1], [1]],
    "top-3": [[0, 1, 2], [2, 1, 0], [1, 0, 2]],
    "an empty slot": [[0, -1], [1, -1], [0, 1]],
    "top-3 and empty slots": [[0, 1, -1], [0, -1, -1], [1, 0, -1]],
}


@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN.keys())
@pytest.mark.parametrize("sizes", [{}, {"num_modules": 8}], ids=["", "modules given"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, list])
def test_indices_are_no_gates(chosen, sizes, dtype):
    """Whole real numbers in rows of sum 1 are one-hot gates, so only those beyond 0 and 1 are told to be indices."""
    given = chosen if dtype is list else np.array(chosen, dtype)
    if dtype is np.float32 and np.isin(given, (0, 1)).all():
        return
    with pytest.raises(DistributionError) as refused:
        joint_from_trace([0, 0, 1], given, **sizes)
    assert "indices of modules: joint_from_topk reads" in str(refused.value)


def test_unsigned_indices_are_no_gates():
    with pytest.raises(DistributionError, match="indices of modules"):
        joint_from_trace([0, 0, 1], np.array([[0, 3], [1, 2], [4, 1]], np.uint8))


@pytest.mark.parametrize("dtype", [bool, np.float32])
def test_one_hot_gates_of_two_modules_are_gates_unless_they_are_integers(dtype):
    gates = np.eye(2)[[0, 1, 1]]
    assert joint_from_trace([0, 0, 1], gates.astype(dtype)) == pytest.approx(np.array([[1, 1], [0, 1]]) / 3)
    with pytest.raises(DistributionError, match="one-hot gates of fewer than 3 modules must be real numbers"):
        joint_from_trace([0, 0, 1], gates.astype(int))


# --- sizes as they come


def test_a_number_of_modules_of_few_bits_is_the_number_that_it_is():
    rules, experts = np.array([0, 1, 2, 3, 0, 1]), np.array([0, 1, 2, 3, 63, 63], np.int8)
    found = joint_from_trace(rules, experts, num_modules=experts.max() + 1)
    expected = np.zeros((4, 64))
    np.add.at(expected, (rules, experts), 1 / 6)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("R", "M"),
    [(np.uint8(16), np.uint8(16)), (np.uint8(16), 300), (np.int64(2), np.uint64(4)), (16, np.int16(20_000)),
     (np.array(3), np.array(200, np.uint8))],
)  # fmt: skip
def test_sizes_of_any_integer_type(R, M):
    assert joint_from_trace([0, 1], [0, 1], num_rules=R, num_modules=M).shape == (int(R), int(M))
    assert joint_from_topk([0, 1], [[0, 1], [1, 0]], num_rules=R, num_modules=M).J.shape == (int(R), int(M))
    assert joint_from_trace([0, 1], np.eye(3)[[0, 1]], num_rules=R, num_modules=np.int8(3)).shape == (
        int(R),
        3,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_from_trace([0, 1], [0, 1], num_modules=10**9),
         "num_rules x num_modules must be at most 134217728 (1 GiB of numbers), got 2 x 1000000000"),
        # An ignored label, -100, in an unsigned type.
        (lambda: joint_from_trace(np.array([0, -100], np.int32).astype(np.uint32), [0, 1], num_modules=2),
         "num_rules x num_modules must be at most 134217728 (1 GiB of numbers), got 4294967197 x 2"),
        (lambda: joint_from_trace(np.array([0, 2**64 - 1], np.uint64), np.eye(2)),
         "num_rules x num_modules must be at most 134217728 (1 GiB of numbers), got 18446744073709551616 x 2"),
        (lambda: joint_from_topk([0, 1], [[0], [1]], num_modules=10**9),
         "num_rules x num_modules must be at most 134217728 (1 GiB of numbers), got 2 x 1000000000"),
    ],
)  # fmt: skip
def test_a_matrix_that_would_fill_the_memory(call, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        call()
