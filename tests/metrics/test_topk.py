"""The trace of a top-k router: indices and weights, some slots empty."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.metrics import DistributionError, joint_from_topk, joint_from_trace, routing_metrics


@st.composite
def traces(draw):
    """Rules, indices with empty slots, weights; at least one sample has a module."""
    N, R, M = draw(st.integers(1, 10)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    k = draw(st.integers(1, M))
    rules = np.array(draw(st.lists(st.integers(0, R - 1), min_size=N, max_size=N)))
    chosen = np.array([draw(st.permutations(range(M)))[:k] for _ in range(N)])
    empty = np.array(draw(st.lists(st.lists(st.booleans(), min_size=k, max_size=k), min_size=N, max_size=N)))
    empty[0, 0] = False
    chosen[empty] = -1
    weights = np.array(
        draw(st.lists(st.lists(st.floats(0.01, 10), min_size=k, max_size=k), min_size=N, max_size=N))
    )
    return rules, chosen, weights, R, M


def test_by_hand():
    found, empty_slots, unserved = joint_from_topk(
        [0, 0, 1, 1], [[0, 1], [0, -1], [2, 1], [-1, -1]], [[3, 1], [0.2, 9], [1, 1], [5, 5]], num_modules=4
    )
    # Three samples have modules: 3/4 and 1/4; all of module 0; a half each of modules 2 and 1.
    assert found == pytest.approx(np.array([[1.75, 0.25, 0, 0], [0, 0.5, 0.5, 0]]) / 3)
    assert (empty_slots, unserved) == (3, 1)


def test_equal_shares_without_weights():
    found = joint_from_topk([0, 1], [[0, 1, 2], [3, -1, 1]], num_modules=4).J
    assert found == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3, 0], [0, 1 / 2, 0, 1 / 2]]) / 2)


def test_an_empty_slot_is_no_module():
    """Two rules, each wholly to a module of its own: -1 must not count from the end, to the last module."""
    trace = joint_from_topk([0, 0, 1, 1], [[0, -1], [0, -1], [1, -1], [1, -1]], num_modules=4)
    assert (trace.empty_slots, trace.unserved) == (4, 0)
    values = routing_metrics(trace.J)
    assert values["alignment"] == 0
    assert values["inverse_mutual_information"] == pytest.approx(0, abs=1e-12)


@given(traces())
def test_it_equals_a_plain_loop(trace):
    rules, chosen, weights, R, M = trace
    expected, served = np.zeros((R, M)), 0
    for rule, modules, given_weights in zip(rules, chosen, weights, strict=True):
        pairs = [(m, w) for m, w in zip(modules, given_weights, strict=True) if m != -1]
        served += bool(pairs)
        for module, weight in pairs:
            expected[rule, module] += weight / sum(w for _, w in pairs)
    found, empty_slots, unserved = joint_from_topk(rules, chosen, weights, num_rules=R, num_modules=M)
    assert found == pytest.approx(expected / served, abs=1e-12)
    assert empty_slots == (chosen == -1).sum()
    assert unserved == len(rules) - served


@given(traces())
def test_it_equals_the_gates_spread_over_the_columns(trace):
    rules, chosen, weights, R, M = trace
    served = (chosen != -1).any(axis=1)
    gates = np.zeros((len(rules), M + 1))  # the last column takes what is empty
    np.put_along_axis(gates, chosen, weights, axis=1)
    gates = gates[served, :M]
    soft = joint_from_trace(rules[served], gates / gates.sum(axis=1, keepdims=True), num_rules=R)
    found = joint_from_topk(rules, chosen, weights, num_rules=R, num_modules=M).J
    assert found == pytest.approx(soft, abs=1e-12)


def test_top_1_equals_hard_assignments():
    rules, experts = np.array([0, 1, 1, 2]), np.array([0, 3, 3, 1], np.int8)
    found = joint_from_topk(rules, experts[:, None], num_modules=5).J
    assert found == pytest.approx(joint_from_trace(rules, experts, num_modules=5))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize("weights", [np.float16, np.float32, np.int32])
def test_any_type_of_index_and_weight(dtype, weights):
    rules = np.arange(100, dtype=np.uint8)
    chosen = np.stack([rules, (rules + 1) % 100], axis=1).astype(dtype)
    found = joint_from_topk(rules, chosen, np.full((100, 2), 3, weights), num_modules=np.int8(100)).J
    assert np.array_equal(found, (np.eye(100) + np.roll(np.eye(100), 1, axis=1)) / 200)


def test_what_stands_beside_an_empty_slot_does_not_count():
    weights = np.array([[1, np.nan], [1, -3]])
    assert joint_from_topk([0, 1], [[0, -1], [1, -1]], weights, num_modules=2).J.tolist() == [
        [0.5, 0],
        [0, 0.5],
    ]


def test_inputs_are_left_as_they_are():
    given = np.array([0, 1]), np.array([[0, -1], [1, 0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    for array in given:
        array.flags.writeable = False
    joint_from_topk(*given, num_modules=2)


@pytest.mark.parametrize(
    ("chosen", "weights", "message"),
    [
        ([[0, -2], [1, 0]], None, "chosen must be modules from 0, or -1 for none, got -2"),
        ([[0, 3], [1, 0]], None, "chosen must be below num_modules = 3, got 3"),
        (np.array([[0, -1], [1, 0]], np.int16).astype(np.uint16), None,
         "chosen must be below num_modules = 3, got 65535"),
        ([[0, 1], [2, 2]], None, "chosen must name different modules in each row, got module 2 twice in row 1"),
        ([[-1, -1], [-1, -1]], None, "chosen must name a module for at least one sample, got -1 throughout"),
        ([[0, 1]], None, "chosen must have an entry for each of the 2 rules, got 1"),
        ([0, 1], None, "chosen must have shape (samples, k), none of them 0, got (2,)"),
        ([[0.0], [1.0]], None, "chosen must be an array of integers, got dtype float64"),
        ([[0], [1]], [[1, 2], [1, 2]], "weights must have the shape of chosen, (2, 1), got (2, 2)"),
        ([[0, 1], [1, 0]], [[1, 1], [-1, 2]], "weights must be non-negative, got weights[1, 0] = -1"),
        ([[0, 1], [1, 0]], [[1, 1], [np.nan, 2]], "weights must be finite, got weights[1, 0] = nan"),
        ([[0, 1], [1, -1]], [[1, 1], [0, 2]], "weights of a sample must not all be 0, got that in row 1"),
    ],
)  # fmt: skip
def test_what_it_refuses(chosen, weights, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        joint_from_topk([0, 1], chosen, weights, num_modules=3)
