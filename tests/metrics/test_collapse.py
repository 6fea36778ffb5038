import numpy as np
import pytest
from hypothesis import given
from random_joints import joints

from modbench.metrics import DistributionError, collapse_avg, collapse_worst, joint


def slow_shares(J):
    return [sum(row[m] for row in J.tolist()) for m in range(J.shape[1])]


def slow_collapse_avg(J):
    shares = slow_shares(J)
    M = len(shares)
    return M / (M - 1) * sum(1 / M - share for share in shares if share < 1 / M)


@given(joints())
def test_both_equal_a_plain_loop(J):
    assert collapse_avg(J) == pytest.approx(slow_collapse_avg(J), abs=1e-12)
    assert collapse_worst(J) == pytest.approx(1 - J.shape[1] * min(slow_shares(J)), abs=1e-12)


@given(joints())
def test_ranges_and_order(J):
    assert 0 <= collapse_avg(J) <= 1
    assert 0 <= collapse_worst(J) <= 1
    # One module at least and M - 1 at most fall short, none further than the worst.
    assert collapse_worst(J) / (J.shape[1] - 1) - 1e-12 <= collapse_avg(J) <= collapse_worst(J) + 1e-12


@given(joints())
def test_neither_the_order_of_rules_nor_of_modules_matters(J):
    for metric in (collapse_avg, collapse_worst):
        assert metric(J[::-1]) == pytest.approx(metric(J), abs=1e-12)
        assert metric(np.roll(J, 1, axis=1)) == pytest.approx(metric(J), abs=1e-12)


@given(joints())
def test_only_the_use_of_modules_matters(J):
    use = J.sum(axis=0, keepdims=True)
    assert collapse_avg(use) == pytest.approx(collapse_avg(J), abs=1e-12)
    assert collapse_worst(use) == pytest.approx(collapse_worst(J), abs=1e-12)


@pytest.mark.parametrize("M", [2, 3, 7, 32])
def test_equal_use_and_one_module_for_all(M):
    assert collapse_avg([[1 / M] * M]) == pytest.approx(0, abs=1e-14)
    assert collapse_worst([[1 / M] * M]) == pytest.approx(0, abs=1e-14)
    assert collapse_avg([[1] + [0] * (M - 1)]) == pytest.approx(1, abs=1e-14)
    assert collapse_worst([[1] + [0] * (M - 1)]) == 1


def test_half_of_the_modules_unused():
    J = joint(np.eye(3), [0.5, 0.25, 0.25])
    wide = np.hstack([J, np.zeros((3, 3))])
    # Shares .5 .25 .25 0 0 0 of six modules: three fall short by 1/6 each, 6/5 * 3/6 = 3/5.
    assert collapse_avg(wide) == pytest.approx(0.6)
    assert collapse_worst(wide) == 1


def test_shares_by_hand():
    # Shares .5 .3 .2: .2 falls 2/15 short, .3 falls 1/30 short; 3/2 * 1/6 = 1/4, and 1 - 3 * .2 = .4.
    assert collapse_avg([[0.5, 0.3, 0.2]]) == pytest.approx(0.25)
    assert collapse_worst([[0.5, 0.3, 0.2]]) == pytest.approx(0.4)


@pytest.mark.parametrize("metric", [collapse_avg, collapse_worst])
def test_one_module_is_refused(metric):
    with pytest.raises(DistributionError, match=r"^J must have at least 2 modules \(columns\), got 1$"):
        metric([[0.5], [0.5]])
