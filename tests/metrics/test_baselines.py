import itertools
import re

import numpy as np
import pytest

from modbench.core.quantities import METRICS
from modbench.metrics import (
    DistributionError,
    alignment,
    fixed_routing_metrics,
    inverse_mutual_information,
    joint,
    perfect_baseline,
    perfect_routing,
    sampling_floor,
    uniform_baseline,
    uniform_routing,
)

RULES = [2, 4, 8, 16, 32]


@pytest.mark.parametrize(("R", "value"), [(2, 0.2567), (4, 0.3007), (8, 0.3350), (16, 0.3540), (32, 0.3650)])
def test_the_random_line_of_the_paper(R, value):
    expected = {
        "collapse_avg": 0,
        "collapse_worst": 0,
        "alignment": 1 - 1 / R,
        "adaptation": value,
        "inverse_mutual_information": 1,
    }
    assert uniform_baseline(R) == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize("R", RULES)
def test_perfect_routing_is_zero_throughout(R):
    assert perfect_baseline(R) == pytest.approx(dict.fromkeys(METRICS, 0), abs=1e-12)


def test_names_and_order_are_those_of_the_stored_quantities():
    assert tuple(uniform_baseline(2)) == tuple(perfect_baseline(3, 2)) == METRICS


@pytest.mark.parametrize(("R", "M"), [(2, 5), (5, 2), (4, 6)])
def test_uniform_routing_of_other_shapes(R, M):
    values = uniform_baseline(R, M)
    del values["adaptation"]
    assert values == pytest.approx(
        {
            "collapse_avg": 0,
            "collapse_worst": 0,
            "alignment": 1 - 1 / max(R, M),
            "inverse_mutual_information": 1,
        }
    )


def test_perfect_routing_with_more_modules_leaves_them_unused():
    assert perfect_routing(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    # Shares 1/2 1/2 0: 3/2 * 1/3.
    assert perfect_baseline(2, 3) == pytest.approx(
        dict(zip(METRICS, [0.5, 1, 0, 0, 0], strict=True)), abs=1e-12
    )


def test_perfect_routing_with_fewer_modules_shares_them():
    assert perfect_routing(4, 2).tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    values = perfect_baseline(4, 2)
    assert values.pop("adaptation") > 0.1
    assert list(values.values()) == pytest.approx([0, 0, 0.5, 0.5])


@pytest.mark.parametrize(("R", "M"), [(2, 2), (2, 3), (3, 2), (4, 2), (5, 2), (5, 3), (4, 4)])
def test_no_routing_has_a_lower_alignment_or_information(R, M):
    # Both are least at a corner, where every rule goes wholly to one module: try them all.
    best = joint(perfect_routing(R, M))
    for modules in itertools.product(range(M), repeat=R):
        J = joint(np.eye(M)[list(modules)])
        assert alignment(best) <= alignment(J) + 1e-12
        assert inverse_mutual_information(best) <= inverse_mutual_information(J) + 1e-12


def test_one_module_for_all_rules():
    values = fixed_routing_metrics([[1, 0, 0], [1, 0, 0], [1, 0, 0]])
    assert values.pop("adaptation") == pytest.approx(0.4, abs=0.05)  # E(1 - largest of 3) = 1 - 11/18 = .389
    assert list(values.values()) == pytest.approx([1, 1, 2 / 3, 1])


def test_fewer_rule_distributions_can_be_asked_for():
    p = np.sort(np.random.RandomState(0).dirichlet([1, 1]))
    assert uniform_baseline(2, count=1)["adaptation"] == pytest.approx(p[1] - 0.5)


@pytest.mark.parametrize(
    ("num_samples", "means", "sd"),
    [
        (10_000, [0.0031, 0.0059, 0.0091, 0.0127, 0.0164], 0.0003),
        (100_000, [0.0010, 0.0019, 0.0029, 0.0042, 0.0059], 0.0001),
    ],
)
def test_the_sampling_floor_of_the_paper(num_samples, means, sd):
    for R, mean in zip(RULES, means, strict=True):
        floor = sampling_floor(R, num_samples)
        # Half a unit of the quoted digit, and the error of both simulations.
        assert floor.mean == pytest.approx(mean, abs=1e-4)
        assert floor.sd == pytest.approx(sd, abs=1e-4)


def test_the_sampling_floor_for_two_rules_follows_from_the_normal_approximation():
    p = np.array([np.random.RandomState(s).dirichlet([1, 1])[0] for s in range(100)])
    expected = np.sqrt(2 * p * (1 - p) / (np.pi * 1e6)).mean()  # E|q - p|, sorting is without effect
    assert sampling_floor(2, 1_000_000).mean == pytest.approx(expected, rel=0.03)


def test_the_sampling_floor_is_the_same_every_time_whatever_the_global_generator():
    first = sampling_floor(3, 100, draws=5)
    np.random.seed(1)
    assert sampling_floor(3, 100, draws=5) == first


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_routing(0), "num_rules must be a whole number of at least 1, got 0"),
        (lambda: perfect_routing(2, 0), "num_modules must be a whole number of at least 1, got 0"),
        (lambda: uniform_baseline(1), "num_rules must be a whole number of at least 2, got 1"),
        (lambda: perfect_baseline(2, 1), "num_modules must be a whole number of at least 2, got 1"),
        (lambda: perfect_baseline(2, count=0), "count must be a whole number of at least 1, got 0"),
        (lambda: sampling_floor(1, 10), "num_rules must be a whole number of at least 2, got 1"),
        (lambda: sampling_floor(2, 0), "num_samples must be a whole number of at least 1, got 0"),
        (lambda: sampling_floor(2, 10, draws=1), "draws must be a whole number of at least 2, got 1"),
        (lambda: fixed_routing_metrics([[1], [1]]), "J must have at least 2 modules (columns), got 1"),
    ],
)
def test_what_they_refuse(call, message):
    with pytest.raises(DistributionError, match=f"^{re.escape(message)}$"):
        call()
