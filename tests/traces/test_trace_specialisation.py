import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from modbench import metrics
from modbench.trace import agreement, balance_measures, coactivation, group_alignment, jaccard
from modbench.trace.specialisation import (
    alignment,
    information_replaced,
    information_share,
    jensen_shannon,
    jensen_shannon_replaced,
    normalised_information,
    normalised_replaced,
)


@st.composite
def rows(draw, labels=(2, 4), experts=(2, 6)):
    R, E = draw(st.integers(*labels)), draw(st.integers(*experts))
    counts = draw(npst.arrays(np.int64, (R, E), elements=st.integers(0, 5)))
    counts[np.arange(R), draw(npst.arrays(np.int64, R, elements=st.integers(0, E - 1)))] += 1
    return counts / counts.sum(axis=1, keepdims=True)


def slow_group_alignment(A):
    """Every map of experts to labels is tried."""
    R, E = A.shape
    best = max(
        sum(A[f[m], m] for m in range(E))
        for f in itertools.product(range(R), repeat=E)
        if set(f) == set(range(R))
    )
    return 1 - best / R


@given(rows(labels=(2, 3), experts=(3, 6)))
def test_group_alignment_is_the_best_of_all_maps(A):
    assert float(group_alignment(A)) == pytest.approx(slow_group_alignment(A))


@given(rows(labels=(3, 3), experts=(3, 3)))
def test_with_as_many_experts_as_labels_group_alignment_is_alignment(A):
    assert float(group_alignment(A)) == pytest.approx(metrics.alignment(metrics.joint(A)))


@given(rows())
def test_measures_that_the_metrics_have_agree_with_them(A):
    p = np.full(len(A), 1 / len(A))
    J = metrics.joint(A)
    assert float(alignment(A)) == pytest.approx(metrics.alignment(J))
    assert 1 - float(information_share(A, p)) == pytest.approx(
        metrics.inverse_mutual_information(J), abs=1e-9
    )


@pytest.mark.parametrize(("R", "M"), [(8, 64), (2, 64), (8, 8), (17, 60)])
def test_group_alignment_of_known_routing(R, M):
    owner = np.arange(M) % R
    owned = np.where(owner[None, :] == np.arange(R)[:, None], 1.0, 0.0)
    owned /= owned.sum(axis=1, keepdims=True)
    uniform, collapsed = np.full((R, M), 1 / M), np.tile(np.eye(M)[0], (R, 1))
    assert float(group_alignment(owned)) == pytest.approx(0)
    assert float(group_alignment(uniform)) == pytest.approx(1 - 1 / R)
    assert float(group_alignment(collapsed)) == pytest.approx(1 - 1 / R)
    # Unequal shares of the experts change nothing, nor does the order.
    uneven = owned * np.random.default_rng(0).random(M)
    uneven /= uneven.sum(axis=1, keepdims=True)
    assert float(group_alignment(uneven[:, ::-1])) == pytest.approx(0)


def test_fewer_experts_than_labels_is_a_partial_matching():
    A = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    assert float(group_alignment(A)) == pytest.approx(1 - 1.7 / 3)


def test_alignment_cannot_tell_what_group_alignment_tells():
    """A layer collapsed to 8 experts of 64, beside one in which each of 8 labels owns 8 experts."""
    own = np.kron(np.eye(8), np.full((1, 8), 1 / 8))
    few = np.zeros((8, 64))
    few[:, :8] = 1 / 8
    assert float(alignment(own)) == pytest.approx(float(alignment(few))) == pytest.approx(0.875)
    assert float(group_alignment(own)) == pytest.approx(0)
    assert float(group_alignment(few)) == pytest.approx(0.875)


@given(rows(), st.randoms())
def test_the_order_of_experts_does_not_matter(A, random):
    order = random.sample(range(A.shape[1]), A.shape[1])
    p = np.full(len(A), 1 / len(A))
    for measure in (information_share, normalised_information, jensen_shannon, alignment, group_alignment):
        assert float(measure(A, p)) == pytest.approx(float(measure(A[:, order], p)), abs=1e-12)


def test_information_by_hand():
    A = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    equal, rare = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    assert float(information_share(A, equal)) == pytest.approx(1)
    assert float(information_share(A, rare)) == pytest.approx(1)
    assert float(normalised_information(A, equal)) == pytest.approx(2 * 1 / (1 + 1.5))  # in bits
    assert float(jensen_shannon(A)) == pytest.approx(1)
    B = np.array([[1.0, 0.0], [0.5, 0.5]])
    # H(3/4, 1/4) - H(1/2, 1/2)/2 = 0.8113 - 0.5 bits
    assert float(jensen_shannon(B)) == pytest.approx(0.8112781 - 0.5)


def test_jensen_shannon_is_the_mean_of_pairs():
    A = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    half = 0.8112781 - 0.5
    assert float(jensen_shannon(A)) == pytest.approx((half + 1 + half) / 3)


@given(rows(), st.integers(0, 3), st.integers(0, 100))
def test_replaced_rows_are_the_measure_of_the_changed_matrix(A, r, seed):
    r, random = r % len(A), np.random.default_rng(seed)
    p = random.dirichlet(np.ones(len(A)))
    new = random.dirichlet(np.ones(A.shape[1]), 3)
    for measure, replaced in (
        (information_share, information_replaced),
        (normalised_information, normalised_replaced),
        (jensen_shannon, jensen_shannon_replaced),
    ):
        changed = []
        for row in new:
            B = A.copy()
            B[r] = row
            changed.append(float(measure(B, p)))
        assert replaced(A, p, r, new) == pytest.approx(changed)


def test_balance_by_hand():
    values = balance_measures([0.5, 0.25, 0.25, 0.0])
    assert values == pytest.approx(
        {
            "max_violation": 1.0,
            "cv": np.std([2, 1, 1, 0]),
            "dead_share": 0.25,
            "rare_share": 0.25,
            "min_max": 0.0,
            "load_entropy": 0.75,
            "effective_experts": 2**1.5,
            "collapse_avg": 4 / 3 * 0.25,
            "collapse_worst": 1.0,
        }
    )
    even, one = balance_measures(np.full(8, 1 / 8)), balance_measures(np.eye(8)[3])
    assert [
        even[name] for name in ("max_violation", "cv", "min_max", "load_entropy", "effective_experts")
    ] == [pytest.approx(v, abs=1e-12) for v in (0, 0, 1, 1, 8)]
    assert [one[name] for name in ("max_violation", "dead_share", "load_entropy", "effective_experts")] == [
        pytest.approx(v) for v in (7, 7 / 8, 0, 1)
    ]


def test_rare_experts_have_less_than_a_thousandth_of_a_fair_share():
    load = np.array([0.2499 / 2, 0.0002, 0.0004, 0.0])
    load[0] = 1 - load[1:].sum()
    assert balance_measures(load)["rare_share"] == 0.5
    assert balance_measures(load)["dead_share"] == 0.25


def test_overlap_by_hand():
    pairs = np.array([[4, 2, 0], [2, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(coactivation(pairs)[:2], [[1, 0.5, 0], [1, 1, 0]])
    assert np.isnan(coactivation(pairs)[2]).all()
    assert jaccard(pairs)[0, 1] == 2 / 4
    assert np.isnan(jaccard(pairs)[2, 2])


def test_agreement_of_two_checkpoints_by_hand():
    found = agreement([[0, 1], [2, 3], [1, -1]], [[1, 0], [2, 0], [1, -1]], num_experts=8)
    assert found.saturation == pytest.approx((2 + 1 + 1) / 6)
    assert found.churn == pytest.approx(2 / 3)
    assert found.by_chance == 0.25
