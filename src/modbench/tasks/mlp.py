"""MLP rules: y = alpha_c x1 + beta_c x2 on two standard normal numbers (PAPER Eq. 4-6)."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from modbench.core.task_spec import MlpTask
from modbench.tasks.base import Task, retrieved


class Mlp(Task):
    """Two numbers and a rule.

    Example:
        With alpha = (1, -1), beta = (2, 0): x = (3, 0.5) under rule 0 has the target 4, under rule 1 -3.
    """

    spec: MlpTask = eqx.field(static=True)

    def coefficients(self) -> tuple[Float[Array, " R"], Float[Array, " R"]]:
        """Alpha, then beta, both standard normal."""
        random = np.random.RandomState(self.spec.task_seed)
        alpha, beta = random.randn(self.spec.num_rules), random.randn(self.spec.num_rules)
        return np.float32(alpha), np.float32(beta)  # pyright: ignore[reportReturnType]

    def rule_shape(self, size: int, length: int) -> tuple[int, ...]:
        """One rule per example."""
        del length
        return (size,)

    @property
    def num_normals(self) -> int:
        """x1 and x2."""
        return 2

    def target(
        self,
        coefficients: PyTree,
        inputs: Float[Array, "B 2"],
        rule: Int[Array, " B"],
        length: Int[Array, ""] | None = None,
    ) -> Float[Array, " B"]:
        """The rule applied to x1 and x2."""
        del length
        return retrieved(self.spec.variant, coefficients, inputs[:, 0], inputs[:, 1], rule)
