"""What every body offers: a batch in, a prediction and gates out.

Axes: B examples, N positions, R rules, M modules, E encoder width, D model width.
"""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key


class Output(NamedTuple):
    """What a model says of a batch.

    Attributes:
        prediction: the shape of the target; logits in classification.
        gates: how much of each module goes into each prediction, (B, M) or (B, N, M); None without modules.
    """

    prediction: Float[Array, "..."]
    gates: Float[Array, "... M"] | None


class Model(eqx.Module):
    """A body with its router. Knows nothing of replicas: many runs as one program is the trainer's business."""

    @abstractmethod
    def __call__(
        self,
        inputs: Float[Array, "..."],
        rule: Int[Array, "..."],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """Predicts a batch.

        Args:
            inputs: see `modbench.tasks.base.Batch`.
            rule: the active rule of each example or position.
            key: for routers that draw; None in evaluation.
            length: only the first `length` positions exist; outputs at the others mean nothing. None: all exist.
        """


def rule_code(rule: Int[Array, "..."], num_rules: int) -> Float[Array, "... R"]:
    """The one-hot code of rules."""
    return jax.nn.one_hot(rule, num_rules)
