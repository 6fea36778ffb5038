"""What the metrics are for routing that knows nothing, for perfect routing, and for perfect routing sampled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modbench.metrics.adaptation import adaptation, dirichlet_rule_distributions
from modbench.metrics.distribution import Array, conditional, joint
from modbench.metrics.reading import check_size, whole_number
from modbench.metrics.routing import routing_metrics


class SamplingFloor(NamedTuple):
    """Adaptation of perfect routing when module use is measured on a finite sample.

    Attributes:
        mean: expectation over samples.
        sd: standard deviation of one measurement, which averages over all rule distributions.
    """

    mean: float
    sd: float


def uniform_routing(num_rules: int, num_modules: int | None = None) -> Array:
    """Routing that ignores the rule and uses all modules equally: the paper's "Random".

    Args:
        num_rules: R, at least 1.
        num_modules: M, at least 1; R when left out.

    Returns:
        A: R x M, every entry 1/M.

    Raises:
        DistributionError: a number is not a whole number of at least 1, or the matrix would fill the memory.
    """
    R, M = _sizes(num_rules, num_modules)
    return np.full((R, M), 1 / M)


def perfect_routing(num_rules: int, num_modules: int | None = None) -> Array:
    """Routing that sends rule r wholly to module r mod M.

    For M = R each rule has its own module (GT-Modular). With more modules the others stay unused, with fewer
    they are shared as evenly as can be. No routing of equally likely rules has a lower `alignment` or
    `inverse_mutual_information`.

    Args:
        num_rules: R, at least 1.
        num_modules: M, at least 1; R when left out.

    Returns:
        A: R x M, a single 1 in each row.

    Raises:
        DistributionError: a number is not a whole number of at least 1, or the matrix would fill the memory.
    """
    R, M = _sizes(num_rules, num_modules)
    A, rules = np.zeros((R, M)), np.arange(R)
    A[rules, rules % M] = 1
    return A


def fixed_routing_metrics(A: ArrayLike, count: int = 100) -> dict[str, float]:
    """All five metrics of routing that depends on the rule alone, under equally likely rules.

    Module use under a rule distribution p is then p A exactly, so Adaptation needs no samples.

    Args:
        A: R x M, rows p(module | rule), R >= 2 and M >= 2.
        count: how many rule distributions Adaptation averages over; 100 in the paper.

    Returns:
        The five metrics by name, each in 0..1, in reporting order.

    Raises:
        DistributionError: A is not that.
    """
    J = joint(A)
    values = routing_metrics(J)
    rule_distributions = dirichlet_rule_distributions(len(J), count)
    information = values.pop("inverse_mutual_information")
    return {
        **values,
        "adaptation": adaptation(rule_distributions, rule_distributions @ conditional(J)),
        "inverse_mutual_information": information,
    }


def uniform_baseline(num_rules: int, num_modules: int | None = None, count: int = 100) -> dict[str, float]:
    """The five metrics of `uniform_routing`: the "Random" line of the paper's figures.

    Args:
        num_rules: R, at least 2.
        num_modules: M, at least 2; R when left out.
        count: how many rule distributions Adaptation averages over; 100 in the paper.

    Returns:
        The five metrics by name: collapse 0, alignment 1 - 1/max(R, M), information 1.

    Raises:
        DistributionError: a number is not a whole number of at least 2 (1 for `count`).
    """
    return fixed_routing_metrics(uniform_routing(*_sizes(num_rules, num_modules, least=2)), count)


def perfect_baseline(num_rules: int, num_modules: int | None = None, count: int = 100) -> dict[str, float]:
    """The five metrics of `perfect_routing`, without sampling error (for that see `sampling_floor`).

    Args:
        num_rules: R, at least 2.
        num_modules: M, at least 2; R when left out.
        count: how many rule distributions Adaptation averages over; 100 in the paper.

    Returns:
        The five metrics by name: all 0 for M = R.

    Raises:
        DistributionError: a number is not a whole number of at least 2 (1 for `count`).
    """
    return fixed_routing_metrics(perfect_routing(*_sizes(num_rules, num_modules, least=2)), count)


def sampling_floor(num_rules: int, num_samples: int, count: int = 100, draws: int = 200) -> SamplingFloor:
    """The Adaptation that perfect routing (M = R) shows when module use is measured on finitely many samples.

    Module use is then a multinomial sample of the rule distribution. Its Adaptation is simulated, with a
    generator of its own that starts the same on every call.

    Args:
        num_rules: R, at least 2.
        num_samples: independent samples (tokens) per rule distribution: 1e4 (MLP), 1e5 (MHA, RNN) in the paper.
        count: how many rule distributions Adaptation averages over; 100 in the paper.
        draws: repetitions of the whole measurement, at least 2; the mean is good to sd / sqrt(draws).

    Returns:
        Expectation and standard deviation of the measured Adaptation.

    Raises:
        DistributionError: a number is not a whole number of at least 2 (1 for `num_samples` and `count`).
    """
    p = dirichlet_rule_distributions(whole_number("num_rules", num_rules, least=2), count)
    n = whole_number("num_samples", num_samples, least=1)
    repetitions = whole_number("draws", draws, least=2)
    generator = np.random.default_rng(0)
    measured = [adaptation(p, generator.multinomial(n, p) / n) for _ in range(repetitions)]
    return SamplingFloor(float(np.mean(measured)), float(np.std(measured, ddof=1)))


def _sizes(num_rules: int, num_modules: int | None, least: int = 1) -> tuple[int, int]:
    R = whole_number("num_rules", num_rules, least)
    M = R if num_modules is None else whole_number("num_modules", num_modules, least)
    check_size(num_rules=R, num_modules=M)
    return R, M
