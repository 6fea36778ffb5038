import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from random_joints import activations, joints

from modbench.metrics import DistributionError, alignment, conditional, inverse_mutual_information, joint


def slow_alignment(A):
    """All partial matchings of min(R, M) pairs, one after the other."""
    R, M = A.shape
    if M >= R:
        matchings = (zip(range(R), columns, strict=True) for columns in itertools.permutations(range(M), R))
    else:
        matchings = (zip(lines, range(M), strict=True) for lines in itertools.permutations(range(R), M))
    return 1 - max(sum(A[r, m] for r, m in pairs) for pairs in matchings) / R


def paper_alignment(A):
    """Eq. 18 as the paper writes it, over permutation matrices."""
    R = len(A)
    return min(np.abs(np.eye(R)[list(order)] - A).sum() for order in itertools.permutations(range(R))) / (
        2 * R
    )


def slow_inverse_mutual_information(J):
    J = J / J.sum()
    R, M = J.shape
    information = 0.0
    for r in range(R):
        for m in range(M):
            if J[r, m] > 0:
                information += J[r, m] * math.log(J[r, m] / (sum(J[r, :]) * sum(J[:, m])))
    return 1 - information / math.log(R)


@given(activations(square=True))
def test_alignment_is_the_papers_for_as_many_modules_as_rules(A):
    assert alignment(joint(A)) == pytest.approx(paper_alignment(A), abs=1e-12)


@given(activations())
def test_alignment_equals_the_search_through_all_partial_matchings(A):
    assert alignment(joint(A)) == pytest.approx(slow_alignment(A), abs=1e-12)


@given(activations())
def test_alignment_does_not_depend_on_how_often_a_rule_occurs(A):
    p = np.arange(1, len(A) + 1) / np.arange(1, len(A) + 1).sum()
    assert alignment(joint(A, p)) == pytest.approx(alignment(joint(A)), abs=1e-12)


@given(joints())
def test_alignment_leaves_out_rules_that_never_occur(J):
    occurring = conditional(J[J.sum(axis=1) > 0])
    assert alignment(J) == pytest.approx(slow_alignment(occurring), abs=1e-12)


def test_alignment_without_the_third_rule_by_hand():
    A = [[0.9, 0.1, 0], [0.2, 0.8, 0], [1, 0, 0]]
    assert alignment(joint(A, [0.7, 0.3, 0])) == pytest.approx(1 - (0.9 + 0.8) / 2)
    # Once it occurs, however seldom, it counts: best with module 0, rule 1 with module 1, rule 0 with none.
    assert alignment(joint(A, [0.7, 0.2999, 0.0001])) == pytest.approx(1 - (1 + 0.8) / 3)


def test_alignment_with_fewer_modules_than_rules_by_hand():
    # Best: rule 0 with module 0, rule 2 with module 1; rule 1 has no module of its own and counts as 1.
    assert alignment(joint([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])) == pytest.approx((0.1 + 1 + 0.2) / 3)


def test_alignment_with_more_modules_than_rules_by_hand():
    # Half of rule 0 goes to a module of its own that is not the one counted.
    assert alignment(joint([[0.5, 0.5, 0], [0, 0, 1]])) == pytest.approx((0.5 + 0) / 2)


@given(activations())
def test_the_range_of_alignment(A):
    R, M = A.shape
    assert 1 - min(R, M) / R - 1e-12 <= alignment(joint(A)) <= 1 - 1 / max(R, M) + 1e-12


@given(joints())
def test_information_equals_a_plain_loop(J):
    assert inverse_mutual_information(J) == pytest.approx(slow_inverse_mutual_information(J), abs=1e-12)


@given(joints())
def test_the_range_of_information(J):
    p = J.sum(axis=1)
    entropy = -sum(x * math.log(x) for x in p if x > 0)
    R, M = J.shape
    least = 1 - min(entropy, math.log(M)) / math.log(R)
    assert max(0, least - 1e-9) <= inverse_mutual_information(J) <= 1


def test_information_under_unequal_rules_by_hand():
    # Two modules that tell rules of probability 1/4 and 3/4 apart: I = H(1/4) = .8112781 bits of log2(2) = 1.
    assert inverse_mutual_information(joint(np.eye(2), [0.25, 0.75])) == pytest.approx(1 - 0.8112781244591328)


def test_information_with_fewer_modules_than_rules_by_hand():
    # Two rules to each of two modules: one bit of two.
    assert inverse_mutual_information(joint([[1, 0], [1, 0], [0, 1], [0, 1]])) == pytest.approx(0.5)


def test_information_survives_probabilities_whose_product_underflows():
    assert inverse_mutual_information([[1, 0], [0, 1e-300]]) == pytest.approx(1)


@given(joints())
def test_neither_the_order_of_rules_nor_of_modules_matters(J):
    for metric in (alignment, inverse_mutual_information):
        assert metric(J[::-1]) == pytest.approx(metric(J), abs=1e-12)
        assert metric(np.roll(J, 1, axis=1)) == pytest.approx(metric(J), abs=1e-12)


@pytest.mark.parametrize("R", [2, 3, 8, 32])
def test_perfect_uniform_and_collapsed(R):
    perfect = joint(np.roll(np.eye(R), 1, axis=1))
    uniform = np.full((R, R), R**-2.0)
    collapsed = joint(np.eye(R)[np.zeros(R, dtype=int)])
    assert alignment(perfect) == 0
    assert inverse_mutual_information(perfect) == pytest.approx(0, abs=1e-14)
    for J in (uniform, collapsed):
        assert alignment(J) == pytest.approx(1 - 1 / R, abs=1e-14)
        assert inverse_mutual_information(J) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("metric", [alignment, inverse_mutual_information])
def test_one_rule_or_one_module_is_refused(metric):
    with pytest.raises(DistributionError, match=r"^J must have at least 2 rules \(rows\), got 1$"):
        metric([[0.5, 0.5]])
    with pytest.raises(DistributionError, match=r"^J must have at least 2 modules \(columns\), got 1$"):
        metric([[0.5], [0.5]])
