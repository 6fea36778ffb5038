"""Specialisation: whether the module tells the rule, one to one (alignment) or at all (information)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.special import entr

from modbench.metrics.distribution import conditional, joint_distribution, within_unit


def alignment(J: ArrayLike) -> float:
    """Alignment (Eq. 18): distance from p(module | rule) to the nearest one-to-one assignment.

    With A[r, m] = J[r, m] / p(r), and sigma running over the partial matchings of min(R, M) pairs (r, m),
    in which no rule and no module stands twice::

        1 - (1/R) max_sigma sum_{(r, m) in sigma} A[r, m]

    For M = R this is the paper's min_P ||P - A||_1 / (2R) over permutation matrices P. For M != R, where the
    paper is silent, a rule left without a module counts as wholly misaligned.

    A is what the paper measures, so how often a rule occurs does not matter: every rule that occurs
    counts equally. A rule with p(r) = 0 has no p(module | rule); it is left out, and R is then the number of
    rules that occur.

    Args:
        J: R x M joint distribution of rule and module, R >= 2 and M >= 2.

    Returns:
        1 - min(R, M)/R (0 for M >= R: each rule has its own module) to 1 - 1/max(R, M) (uniform routing).

    Raises:
        DistributionError: J is no joint distribution, or R = 1 or M = 1, where there is nothing to assign.
    """
    J = joint_distribution(J, rules=2, modules=2)
    A = conditional(J[J.any(axis=1)])
    matched = linear_sum_assignment(A, maximize=True)
    return within_unit(1 - A[matched].sum() / len(A))


def inverse_mutual_information(J: ArrayLike) -> float:
    """Inverse mutual information (Eq. 19): 1 - I(rule; module) / log R, R the number of rows of J.

    I is at most H(rule) and at most log M. So 0 needs equally likely rules and M >= R; otherwise perfect routing
    is above 0, and `1 - min(H(rule), log M) / log R` is the bound to read the value against.

    The released implementation adds 1e-8 inside the logarithm; this one does not (0 log 0 = 0).

    Args:
        J: R x M joint distribution of rule and module, R >= 2 and M >= 2.

    Returns:
        0 (the module tells the rule) to 1 (the module tells nothing about it).

    Raises:
        DistributionError: J is no joint distribution, R = 1, where the formula divides by zero, or M = 1,
            where there is no choice that could tell anything.
    """
    J = joint_distribution(J, rules=2, modules=2)
    # Entropies, not J log(J / (p(r) p(m))): that product underflows for tiny probabilities.
    information = entr(J.sum(axis=1)).sum() + entr(J.sum(axis=0)).sum() - entr(J).sum()
    return within_unit(1 - information / np.log(len(J)))
