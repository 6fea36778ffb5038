"""MHA bodies: one attention layer whose modules share it out among their heads (PAPER section 3).

No residual, no normalisation, no positions; a token attends to the other tokens only. Features lead and sequences
come last. Axes: B sequences, N tokens, H heads, h head width, M modules.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask
from modbench.models import sizing
from modbench.models.attention import attend
from modbench.models.base import Model, Output, rule_code
from modbench.models.layers import FanOut, Linear, PerModule, TwoLayer
from modbench.models.routing import Modules, Router, Seen, Sizes

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
        self, tokens: Float[Array, "E N B"], length: Int[Array, ""] | None
    ) -> Float[Array, "H h N B"]:
        query, key, value = (
            layer.leading(tokens).reshape(self.heads, -1, *tokens.shape[1:])
            for layer in (self.query, self.key, self.value)
        )
        hidden = jnp.eye(tokens.shape[1], dtype=bool)
        if length is not None:
            hidden = hidden | (jnp.arange(tokens.shape[1]) >= length)[None, :]
        return attend(query, key, value, hidden)


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

    def encode_tokens(
        self, inputs: Float[Array, "B N F"], code: Float[Array, "B N R"]
    ) -> Float[Array, "E N B"]:
        return self.encode.turning(jnp.concatenate([inputs, code], axis=-1))

    def decode_tokens(self, mixed: Float[Array, "E N B"]) -> Float[Array, "B N"]:
        return self.decode.leading(mixed)[0].T


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
        tokens = self.ends.encode_tokens(inputs, rule_code(rule, self.num_rules))
        found = self.attention(tokens, length)
        body = self.body.leading(jnp.concatenate([*found, self.itself.leading(tokens)]))
        return Output(self.ends.decode_tokens(body), None)


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
        tokens = self.ends.encode_tokens(inputs, code)
        found = self.attention(tokens, length).reshape(self.hidden.weight.shape[0], -1, *tokens.shape[1:])
        features = jax.nn.relu(
            self.hidden.leading(jnp.concatenate([found, self.itself.leading(tokens)], axis=1))
        )
        modules = Modules((features,), lambda: self.out.leading(features))
        gates = self.router(Seen(code, None, inputs, modules), key)
        return Output(self.ends.decode_tokens(self.out.mix(features, gates.T)), gates)
