"""The four metrics of one joint distribution, by the names under which they are stored and reported."""

from numpy.typing import ArrayLike

from modbench.metrics.collapse import collapse_avg, collapse_worst
from modbench.metrics.distribution import joint_distribution
from modbench.metrics.specialisation import alignment, inverse_mutual_information


def routing_metrics(J: ArrayLike) -> dict[str, float]:
    """Computes the metrics that need the joint distribution alone (Eq. 16-19); all: lower is better.

    The fifth, `adaptation`, needs measurements under several rule distributions.

    Args:
        J: R x M joint distribution of rule and module, R >= 2 and M >= 2.

    Returns:
        `collapse_avg`, `collapse_worst`, `alignment` and `inverse_mutual_information`, each in 0..1.

    Raises:
        DistributionError: J is no joint distribution, or R = 1 or M = 1.
    """
    J = joint_distribution(J, rules=2, modules=2)
    return {
        "collapse_avg": collapse_avg(J),
        "collapse_worst": collapse_worst(J),
        "alignment": alignment(J),
        "inverse_mutual_information": inverse_mutual_information(J),
    }
