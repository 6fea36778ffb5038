"""MHA rules: retrieve from two other tokens, found by search, and combine (PAPER Eq. 7-11).

Axes: B sequences, N tokens, R rules. Every token carries, for every rule r, two queries q, q' and two values
v, v'. Token n under rule c finds the other token nearest in q_{., c} and the other nearest in q'_{., c}; its
target combines their v and v'. A feature vector lists the rules one after another, (q, q', v, v') each.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from modbench.core.task_spec import MhaTask
from modbench.tasks.base import Task, retrieved


class Mha(Task):
    """Search among the other tokens.

    Example:
        R = 1, search version 1, tokens (q, q', v, v') = (0, 5, 1, 10), (1, 9, 2, 20), (3, 6, 3, 30): for token 0
        the nearest q is token 1's and the nearest q' is token 2's, so v = 2 and v' = 30 are retrieved.
    """

    causal: ClassVar[bool] = False
    spec: MhaTask = eqx.field(static=True)

    def coefficients(self) -> tuple[Float[Array, " R"], Float[Array, " R"]]:
        """Alpha, then beta, both standard normal: those of the MLP task with equal seed and rules."""
        random = np.random.RandomState(self.spec.task_seed)
        alpha, beta = random.randn(self.spec.num_rules), random.randn(self.spec.num_rules)
        return np.float32(alpha), np.float32(beta)  # pyright: ignore[reportReturnType]

    @property
    def num_normals(self) -> int:
        """Queries and values of every rule."""
        return self.spec.token_features

    def inputs(self, normals: Float[Array, "B N F"]) -> Float[Array, "B N F"]:
        """Standard normal features; in search version 2 every query is a pair, normalised to unit length."""
        if self.spec.search_version == 1:
            return normals
        features = normals.reshape(*normals.shape[:-1], self.spec.num_rules, 6)
        queries = features[..., :4].reshape(*features.shape[:-1], 2, 2)
        queries = queries / jnp.linalg.norm(queries, axis=-1, keepdims=True)
        features = jnp.concatenate([queries.reshape(*features.shape[:-1], 4), features[..., 4:]], axis=-1)
        return features.reshape(normals.shape)

    def target(
        self,
        coefficients: PyTree,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        length: Int[Array, ""] | None = None,
    ) -> Float[Array, "B N"]:
        """Both searches under each token's own rule, then the rule's combination; no other rule is searched."""
        size, tokens = rule.shape
        features = inputs.reshape(size, tokens, self.spec.num_rules, -1)
        # seen[b, n, i] is what token i carries for the rule of token n.
        seen = jnp.take_along_axis(features.swapaxes(1, 2), rule[:, :, None, None], axis=1)
        pair = 1 if self.spec.search_version == 1 else 2
        hidden = jnp.eye(tokens, dtype=bool)
        if length is not None:
            hidden = hidden | (jnp.arange(tokens) >= length)[None, :]
        first = _retrieve(seen[..., :pair], seen[..., -2], hidden)
        second = _retrieve(seen[..., pair : 2 * pair], seen[..., -1], hidden)
        return retrieved(self.spec.variant, coefficients, first, second, rule)


def _retrieve(
    query: Float[Array, "B N N q"], value: Float[Array, "B N N"], hidden: Bool[Array, "N N"]
) -> Float[Array, "B N"]:
    """For each token n, the value of the other token i whose query is nearest to its own.

    Args:
        query: query[b, n, i] of token i under the rule of token n; one number (nearest: smallest difference)
            or two (nearest: largest dot product).
        value: value[b, n, i] of token i under the rule of token n.
        hidden: hidden[n, i] where token n must not find token i: itself, and tokens that do not exist.
    """
    own = jnp.diagonal(query, axis1=1, axis2=2).swapaxes(1, 2)[:, :, None, :]
    distance = jnp.abs(query - own)[..., 0] if query.shape[-1] == 1 else -jnp.sum(query * own, axis=-1)
    nearest = jnp.argmin(jnp.where(hidden[None], jnp.inf, distance), axis=2)
    return jnp.take_along_axis(value, nearest[:, :, None], axis=2)[:, :, 0]
