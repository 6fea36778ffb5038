"""MHA bodies: one attention layer whose modules share it out among their heads (PAPER section 3).

No residual, no normalisation, no positions; a token attends to the other tokens only. Axes: B sequences, N
tokens, H heads, h head width, M modules.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask
from modbench.models import sizing
from modbench.models.base import Model, Output, rule_code
from modbench.models.layers import FanOut, Linear, PerModule, TwoLayer
from modbench.models.routing import Router, Seen, Sizes

HEADS_PER_MODULE = 2


class _Attention(eqx.Module):
    """Heads that look at the other tokens."""

    query: Linear
    key: Linear
    value: Linear
    heads: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, inputs: int, heads: int, width: int) -> "_Attention":
        return cls(*(Linear.create(random, inputs, heads * width) for _ in range(3)), heads=heads)

    def __call__(
        self, tokens: Float[Array, "B N E"], length: Int[Array, ""] | None
    ) -> Float[Array, "B N H h"]:
        size, positions, _ = tokens.shape
        query, key, value = (
            layer(tokens).reshape(size, positions, self.heads, -1)
            for layer in (self.query, self.key, self.value)
        )
        hidden = jnp.eye(positions, dtype=bool)
        if length is not None:
            hidden = hidden | (jnp.arange(positions) >= length)[None, :]
        logits = jnp.einsum("bnhk,bihk->bhni", query, key) / math.sqrt(query.shape[-1])
        weights = jax.nn.softmax(jnp.where(hidden[None, None], -jnp.inf, logits), axis=-1)
        return jnp.einsum("bhni,bihk->bnhk", weights, value)


class _Ends(eqx.Module):
    """The token encoder before and the decoder after every MHA body."""

    encode: TwoLayer
    decode: TwoLayer

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "_Ends":
        e = spec.model.encoder_width
        return cls(
            TwoLayer.create(random, sizing.input_width(spec) + spec.task.num_rules, e, e),
            TwoLayer.create(random, e, e, 1),
        )


class MhaMonolithic(Model):
    """2R heads and the token itself, then Linear ReLU Linear."""

    ends: _Ends
    attention: _Attention
    itself: Linear
    body: TwoLayer
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MhaMonolithic":
        """Draws the model."""
        e, rules = spec.model.encoder_width, spec.task.num_rules
        heads = HEADS_PER_MODULE * rules
        width = sizing.mha_head_width(spec.model.model_width, heads)
        return cls(
            _Ends.create(random, spec),
            _Attention.create(random, e, heads, width),
            Linear.create(random, e, width),
            TwoLayer.create(random, width * (heads + 1), 2 * e, e),
            rules,
        )

    def __call__(
        self,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`."""
        del key
        tokens = self.ends.encode(jnp.concatenate([inputs, rule_code(rule, self.num_rules)], axis=-1))
        found = self.attention(tokens, length).reshape(*rule.shape, -1)
        body = self.body(jnp.concatenate([found, self.itself(tokens)], axis=-1))
        return Output(self.ends.decode(body)[..., 0], None)


class MhaModular(Model):
    """M modules of 2 heads and their own view of the token; their E-wide outputs are mixed before the decoder."""

    ends: _Ends
    attention: _Attention
    itself: FanOut
    hidden: PerModule
    out: PerModule
    router: Router
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MhaModular":
        """Draws the model."""
        assert isinstance(spec.task, MhaTask)
        e, d, modules = spec.model.encoder_width, spec.model.model_width, spec.model.num_modules
        assert modules is not None
        heads = HEADS_PER_MODULE * modules
        width = sizing.mha_head_width(d, heads)
        hidden = sizing.mha_module_hidden(e, d, modules)
        sizes = Sizes(
            rules=spec.task.num_rules,
            modules=modules,
            inputs=sizing.input_width(spec),
            features=hidden,
            outputs=e,
            hidden=e,
            joint_bias=True,
            rule_features=None,
            rule_hidden=width,
            rule_bias=True,
        )
        return cls(
            _Ends.create(random, spec),
            _Attention.create(random, e, heads, width),
            FanOut.create(random, e, modules, width),
            PerModule.create(random, modules, (HEADS_PER_MODULE + 1) * width, hidden),
            PerModule.create(random, modules, hidden, e),
            Router.create(random, spec.model, sizes),
            spec.task.num_rules,
        )

    def __call__(
        self,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`."""
        code = rule_code(rule, self.num_rules)
        tokens = self.ends.encode(jnp.concatenate([inputs, code], axis=-1))
        modules = self.hidden.weight.shape[0]
        found = self.attention(tokens, length).reshape(*rule.shape, modules, -1)
        features = jax.nn.relu(self.hidden(jnp.concatenate([found, self.itself(tokens)], axis=-1)))
        gates = self.router(Seen(code, None, inputs, features, lambda: self.out(features)), key)
        return Output(self.ends.decode(self.out.mix(features, gates))[..., 0], gates)
